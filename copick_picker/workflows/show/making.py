"""How the scores and their candidates were made, in words, and what it took."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from copick_picker.errors import CopickPickerError
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import matching
from copick_picker.settings.report import MOST_RUNS_TRACED, MOST_SETS_LISTED

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
        ("settings of evaluate", _plain(values.get("settings", {}))),
    ]
    return [(what, words) for what, words in rows if words]


def making_of_candidates(store: ProjectStore, values: Mapping[str, Any]) -> list[Pair]:
    """Return what the records of the candidate picks, and of their segmentations, say.

    Parameters
    ----------
    store : ProjectStore
        The project.
    values : mapping
        Content of ``scores.json``.
    """
    said: dict[str, Counter[str]] = {}
    thresholds: dict[str, str] = {}
    for run_name, sets in list(values.get("sets", {}).items())[:MOST_RUNS_TRACED]:
        try:
            _trace_origins(store, run_name, sets, said)
            _trace(store, run_name, list(sets["candidate"]), said, thresholds)
        except CopickPickerError as error:
            _add(said, "record", f"not readable in {run_name}: {error}")
    rows = [
        (what, "; ".join(_times_said(words, number) for words, number in found.items()))
        for what, found in said.items()
    ]
    if thresholds:
        words = ", ".join(f"{name} {text}" for name, text in sorted(thresholds.items()))
        rows.append(("radius and score threshold of localize", words))
    return rows


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


def _trace(
    store: ProjectStore,
    run_name: str,
    uris: Sequence[str],
    said: dict[str, Counter[str]],
    thresholds: dict[str, str],
) -> None:
    """Add what is recorded of a run's candidates and of the segmentation behind them."""
    keys = {str(key): key for key in store.picks(run_name)}
    segmentations: set[str] = set()
    for uri in uris:
        record = store.picks_provenance(run_name, keys[uri]) if uri in keys else None
        if record is None:
            _add(said, "candidates", "without a record of ours")
            continue
        settings = dict(record.get("settings", {}))
        target = settings.pop("target", {})
        command = f"{record.get('command', '?')}, copick-picker {record.get('version', '?')}"
        _add(said, "candidates", f"{command}: {_plain(settings)}")
        if target:
            thresholds[keys[uri].object_name] = _target_text(target)
        given = record.get("input", {})
        if isinstance(given, Mapping) and given.get("segmentation"):
            segmentations.add(str(given["segmentation"]))
    for uri in sorted(segmentations):
        _trace_segmentation(store, run_name, uri, said)


def _trace_origins(
    store: ProjectStore,
    run_name: str,
    sets: Mapping[str, Mapping[str, Any]],
    said: dict[str, Counter[str]],
) -> None:
    """Add the annotations of the CryoET Data Portal that a run's pick sets are."""
    origins = {str(key): key.origin for key in store.picks(run_name) if key.origin is not None}
    for side in ("reference", "candidate"):
        found = [origins[uri] for uri in sets[side] if uri in origins]
        if found:
            numbers = ", ".join(str(number) for number in sorted(o.annotation_id for o in found))
            depositions = ", ".join(sorted({str(o.deposition_id) for o in found}))
            truth = ", ground truth" if all(o.is_truth for o in found) else ""
            words = f"run {run_name}: deposition {depositions}{truth}, annotations {numbers}"
            _add(said, f"{side} annotations on the portal", words)


def _trace_segmentation(
    store: ProjectStore, run_name: str, uri: str, said: dict[str, Counter[str]]
) -> None:
    _add(said, "segmentation", uri)
    found = matching(store.segmentations(run_name), uri, "segmentation")
    record = store.segmentation_provenance(run_name, found[0]) if found else None
    if record is None:
        return
    _add(said, "tomogram", str(record.get("input", "?")))
    for model in record.get("models", ()):
        weights = str(model.get("weights_sha256", "?"))[:16]
        _add(
            said, "model", f"{model.get('name', '?')} ({model.get('architecture', '?')}, {weights})"
        )
    version = record.get("version", "?")
    _add(said, "segment", f"copick-picker {version}: {_plain(record.get('settings', {}))}")


def _add(said: dict[str, Counter[str]], what: str, words: str) -> None:
    said.setdefault(what, Counter())[words] += 1


def _times_said(words: str, number: int) -> str:
    return f"{words} ({number} times)" if number > 1 else words


def _target_text(target: Mapping[str, Any]) -> str:
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


def _plain(settings: Mapping[str, Any]) -> str:
    """Return settings in a line, those that are empty left out."""
    shown = {name: value for name, value in settings.items() if value not in (None, {}, [], "")}
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in shown.items()
    )
