"""An evaluation as tables of text for the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from copick_picker.records.scores import Evaluation
from copick_picker.report.score_values import COUNTS, RATES, evaluation_values


def number_text(value: float | None, digits: int = 3) -> str:
    """Return a number for a table, ``n/a`` for None.

    Parameters
    ----------
    value : float or None
        The number.
    digits : int
        Digits behind the point.
    """
    return "n/a" if value is None else f"{value:.{digits}f}"


def object_table(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows of the score table on screen: objects, then totals.

    Parameters
    ----------
    evaluation : Evaluation
        What to show.
    """
    f_name = f"F{evaluation.beta:g}"
    columns = (
        "object", "runs", "ref", "cand", "TP", "FP", "FN", "P", "R", "F1", f_name,
        f"{f_name} interval", "AP", "error A", "dup", "suggested",
    )  # fmt: skip
    values = evaluation_values(evaluation)
    micro = values["totals"]["micro"] | {"n_runs": values["n_runs"]}
    del micro["average_precision"]  # defined for one object alone
    rows = [_row(entry["object"], entry) for entry in values["objects"]]
    rows.append(_row("all (micro)", micro))
    totals = [("all (weighted macro)", values["totals"]["macro"])]
    if evaluation.macro_present.object_names != evaluation.macro.object_names:
        present = values["totals"]["macro_of_objects_with_reference"]
        totals.append(("with reference picks (macro)", present))
    rows += [_row(label, total) for label, total in totals]
    return without_twice(columns, rows)


def run_table(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows of the table of runs and objects.

    Parameters
    ----------
    evaluation : Evaluation
        What to show.
    """
    columns = (
        "run", "object", "ref", "cand", "TP", "FP", "FN", "P", "R", "F1", f"F{evaluation.beta:g}",
    )  # fmt: skip
    rows = [
        (entry["run"], entry["object"], *_counts(entry), *_rates(entry))
        for entry in evaluation_values(evaluation)["runs"]
    ]
    return without_twice(columns, rows)


def without_twice(
    columns: tuple[str, ...], rows: list[tuple[str, ...]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return a table without columns whose name stands before: with beta 1, F-beta is F1.

    Parameters
    ----------
    columns : tuple of str
        Names of the columns.
    rows : list of tuple of str
        The rows.

    Examples
    --------
    >>> without_twice(("R", "F1", "F1"), [("0.5", "0.6", "0.6")])
    (('R', 'F1'), [('0.5', '0.6')])
    """
    kept = [place for place, name in enumerate(columns) if name not in columns[:place]]
    return (
        tuple(columns[place] for place in kept),
        [tuple(row[place] for place in kept) for row in rows],
    )


def _row(label: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the row of an object or a total; columns that a total lacks stay empty."""
    error, counts = entry.get("localization", {}), entry.get("counts", {})
    suggested: dict[str, float | None] = {}
    if "suggested_threshold" in entry:
        suggested = entry["suggested_threshold"] or {"threshold": None}
    return (
        label,
        str(entry.get("n_runs", "")),
        *_counts(entry),
        *_rates(entry),
        _interval(entry["intervals"]),
        _optional(entry, "average_precision"),
        _optional(error, "mean_angstrom", 1),
        str(counts.get("duplicates", "")),
        _optional(suggested, "threshold"),
    )


def _counts(entry: Mapping[str, Any]) -> list[str]:
    counts = entry.get("counts", {})
    return [str(counts.get(name, "")) for name in COUNTS[:-1]]


def _rates(entry: Mapping[str, Any]) -> list[str]:
    return [number_text(entry[name]) for name in RATES[:-1]]


def _interval(intervals: Mapping[str, Sequence[float]] | None) -> str:
    low_high = (intervals or {}).get("f_beta")
    return number_text(None) if low_high is None else "-".join(map(number_text, low_high))


def _optional(values: Mapping[str, float | None], name: str, digits: int = 3) -> str:
    return number_text(values[name], digits) if name in values else ""


def confusion_table(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows of the candidates that lie at references of other objects.

    Parameters
    ----------
    evaluation : Evaluation
        The scores.
    """
    rows: list[tuple[str, ...]] = [
        (reference, candidate, str(number))
        for (reference, candidate), number in evaluation.confusion.items()
        if reference and candidate and reference != candidate
    ]
    return ("at a reference of", "candidates of", "picks"), rows
