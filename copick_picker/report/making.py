"""How scores were made, in words, and what it took."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

MOST_SETS_LISTED = 40
"""Pick sets that a report lists by name."""
Pair = tuple[str, str]
TIME_COLUMNS = ("command", "runs done", "seconds", "seconds a run", "hardware", "peak memory")
_MEBIBYTE = 1024 * 1024


def making_of_scores(values: Mapping[str, Any]) -> list[Pair]:
    """Return what ``scores.json`` says of how it was made.

    Parameters
    ----------
    values : mapping
        Its content.
    """
    given = values["input"]
    versions = ", ".join(f"{name} {text}" for name, text in values.get("versions", {}).items())
    radii = ", ".join(
        f"{entry['object']} {entry['radius_angstrom']:g} Å (weight {entry['weight']:g})"
        for entry in values["objects"]
        if entry["radius_angstrom"] is not None
    )
    rows = [
        ("project", str(given["project"])),
        ("reference picks", f"{given['reference']}{_listed(values, 'reference')}"),
        ("candidate picks", f"{given['candidate']}{_listed(values, 'candidate')}"),
        ("matcher", f"{values['matcher']}, tolerance {values['tolerance']}"),
        ("radii", radii),
        ("evaluate", f"copick-picker {values.get('version', '?')} ({versions})"),
        ("settings of evaluate", plain_settings(values.get("settings", {}))),
    ]
    return [(what, words) for what, words in rows if words]


def time_rows(summaries: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the table of times with its head, from summaries of commands; empty without any.

    Parameters
    ----------
    summaries : sequence of mapping
        What ``--json`` wrote.
    """
    rows: list[tuple[str, ...]] = [TIME_COLUMNS]
    for summary in summaries:
        done = int(summary.get("counts", {}).get("done", 0))
        seconds = float(summary.get("seconds", 0.0))
        machine = summary.get("machine", {})
        peak = machine.get("peak_memory_bytes")
        rows.append(
            (
                str(summary.get("command", "?")),
                str(done),
                f"{seconds:.1f}",
                f"{seconds / done:.2f}" if done else "n/a",
                hardware_text(machine),
                "n/a" if peak is None else f"{peak / _MEBIBYTE:.0f} MiB",
            )
        )
    return rows if len(rows) > 1 else []


def hardware_text(machine: Mapping[str, Any]) -> str:
    """Return a machine in words.

    Parameters
    ----------
    machine : mapping
        Result of ``machine_facts``.
    """
    if not machine:
        return "not recorded"
    words = [f"{machine.get('processor', '?')}, {machine.get('cores', '?')} cores"]
    if machine.get("threads"):
        words.append(f"{machine['threads']} threads")
    words.append(str(machine.get("accelerator") or "no GPU"))
    return ", ".join(words)


def times_said(words: str, number: int) -> str:
    """Return words, and how often they were said.

    Parameters
    ----------
    words : str
        What was said.
    number : int
        How often.
    """
    return f"{words} ({number} times)" if number > 1 else words


def target_text(target: Mapping[str, Any]) -> str:
    """Return radius and threshold of an object in words.

    Parameters
    ----------
    target : mapping
        As the record of its picks has it.
    """
    threshold = target.get("score_threshold")
    least = "no threshold" if threshold is None else f"score from {threshold:g}"
    return f"{target.get('radius_angstrom', '?')} Å, {least}"


def _listed(values: Mapping[str, Any], side: str) -> str:
    """Return the sets of a side with the number of runs of each."""
    number = Counter(uri for sets in values.get("sets", {}).values() for uri in sets[side])
    if not number:
        return ""
    words = [f"{uri} in {count} run{'s' * (count > 1)}" for uri, count in sorted(number.items())]
    more = f", and {len(words) - MOST_SETS_LISTED} more" if len(words) > MOST_SETS_LISTED else ""
    return f": {', '.join(words[:MOST_SETS_LISTED])}{more}"


def plain_settings(settings: Mapping[str, Any]) -> str:
    """Return settings in a line, those that are empty left out."""
    shown = {name: value for name, value in settings.items() if value not in (None, {}, [], "")}
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in shown.items()
    )
