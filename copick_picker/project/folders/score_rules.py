"""Checking that two evaluations follow the same rules, so that they can be compared."""

from collections.abc import Mapping
from typing import Any

from copick_picker.errors import SettingsError, choices_text

_RULES = ("matcher", "tolerance", "beta")


def check_same_rules(
    first: Mapping[str, Any], other: Mapping[str, Any], *, names: tuple[str, str]
) -> None:
    """Raise if two evaluations differ in their rules or reference picks.

    Parameters
    ----------
    first, other : mapping
        Content of ``scores.json`` of both.
    names : tuple of str
        Their folders, for the message.

    Raises
    ------
    SettingsError
        With the first difference.
    """
    for rule in _RULES:
        _check(rule, first[rule], other[rule], names)
    rules_of = [_object_rules(values) for values in (first, other)]
    for name in sorted({*rules_of[0], *rules_of[1]}):
        what = f"tolerance and weight of {name}"
        _check(what, rules_of[0].get(name), rules_of[1].get(name), names)
    sets_of = [_references(values) for values in (first, other)]
    _check("runs", sorted(sets_of[0]), sorted(sets_of[1]), names)
    for run_name, sets in sets_of[0].items():
        _check(f"reference picks of {run_name}", sets, sets_of[1][run_name], names)


def _check(what: str, first: object, other: object, names: tuple[str, str]) -> None:
    if first != other:
        msg = (
            f"{names[0]} and {names[1]} cannot be compared side by side: {what}: "
            f"{_text(first)} there, {_text(other)} here; evaluate both by the same rules"
        )
        raise SettingsError(msg)


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        return choices_text(value)
    return "none" if value is None else str(value)


def _object_rules(values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        entry["object"]: (entry["tolerance_angstrom"], entry["weight"])
        for entry in values["objects"]
    }


def _references(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the reference sets of each annotated run."""
    sets = values.get("sets", {})
    return {run: dict(both["reference"]) for run, both in sets.items() if both["reference"]}
