"""An evaluation as tables of text for the screen."""

from collections.abc import Mapping

from copick_picker.records.scores import Evaluation, Interval, MatchCounts, ObjectScore, Score

_RATES = ("precision", "recall", "f1", "f_beta")


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
        f"{f_name} interval", "AP", "error A", "dup", "threshold",
    )  # fmt: skip
    rows = [_object_row(entry) for entry in evaluation.objects]
    micro = _counts_text(evaluation.counts)
    blank = ("",) * 5
    rows.append(
        (
            "all (micro)",
            str(len(evaluation.run_names)),
            *micro,
            *_score_text(evaluation.micro.score),
            interval_text(evaluation.micro.intervals, "f_beta"),
            "",
            number_text(evaluation.localization.mean_angstrom, 1),
            str(evaluation.counts.duplicates),
            "",
        )
    )
    totals = [("all (weighted macro)", evaluation.macro)]
    if evaluation.macro_present.object_names != evaluation.macro.object_names:
        totals.append(("those with reference (macro)", evaluation.macro_present))
    rows += [
        (
            label,
            "",
            *blank,
            *_score_text(total.score),
            interval_text(total.intervals, "f_beta"),
            number_text(total.average_precision),
            "",
            "",
            "",
        )
        for label, total in totals
    ]
    return columns, rows


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
        (match.run_name, match.object_name, *_counts_text(match.counts), *_score_text(match.score))
        for match in evaluation.matches
    ]
    return columns, rows


def interval_text(intervals: Mapping[str, Interval] | None, name: str) -> str:
    """Return ``0.91-0.97``, or ``n/a`` where there are too few runs.

    Parameters
    ----------
    intervals : mapping or None
        Rate -> (low, high).
    name : str
        The rate.
    """
    if not intervals or name not in intervals:
        return "n/a"
    low, high = intervals[name]
    return f"{low:.3f}-{high:.3f}"


def _object_row(entry: ObjectScore) -> tuple[str, ...]:
    curve, suggested = entry.curve, entry.suggested
    return (
        entry.name,
        str(entry.n_runs),
        *_counts_text(entry.counts),
        *_score_text(entry.score),
        interval_text(entry.intervals, "f_beta"),
        number_text(curve.average_precision if curve else None),
        number_text(entry.localization.mean_angstrom, 1),
        str(entry.counts.duplicates),
        number_text(suggested.threshold if suggested else None),
    )


def _counts_text(counts: MatchCounts) -> tuple[str, ...]:
    return (
        str(counts.n_reference),
        str(counts.n_candidate),
        str(counts.true_positives),
        str(counts.false_positives),
        str(counts.false_negatives),
    )


def _score_text(score: Score) -> tuple[str, ...]:
    return tuple(number_text(getattr(score, name)) for name in _RATES)
