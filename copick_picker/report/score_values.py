"""An evaluation as JSON values."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from copick_picker.records.scores import (
    Evaluation,
    Interval,
    LocalizationError,
    MatchCounts,
    ObjectScore,
    Score,
    ScoreCurve,
    TotalScore,
)

COUNTS = (
    "n_reference",
    "n_candidate",
    "true_positives",
    "false_positives",
    "false_negatives",
    "duplicates",
)
RATES = ("precision", "recall", "f1", "f_beta", "jaccard")
_MOST_CURVE_POINTS = 500


def evaluation_values(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as JSON values, without the single picks.

    Parameters
    ----------
    evaluation : Evaluation
        What to write.
    """
    return {
        "matcher": evaluation.matcher,
        "beta": evaluation.beta,
        "n_runs": len(evaluation.run_names),
        "totals": {
            "micro": _total_values(evaluation.micro)
            | {
                "counts": _counts_values(evaluation.counts),
                "localization": _error_values(evaluation.localization),
            },
            "macro": _total_values(evaluation.macro),
            "macro_of_objects_with_reference": _total_values(evaluation.macro_present),
        },
        "objects": [
            _object_values(entry)
            | ({"presence_auc": entry.presence_auc} if evaluation.matcher == "byu" else {})
            for entry in evaluation.objects
        ],
        "runs": [
            {
                "run": match.run_name,
                "object": match.object_name,
                "counts": _counts_values(match.counts),
                **_score_values(match.score),
            }
            for match in evaluation.matches
        ],
        "confusion": [
            {"reference": reference or None, "candidate": candidate or None, "picks": number}
            for (reference, candidate), number in evaluation.confusion.items()
        ],
        "notes": list(evaluation.notes),
    }


def _object_values(entry: ObjectScore) -> dict[str, Any]:
    return {
        "object": entry.name,
        "tolerance_angstrom": entry.tolerance_angstrom,
        "radius_angstrom": entry.radius_angstrom,
        "weight": entry.weight,
        "n_runs": entry.n_runs,
        "counts": _counts_values(entry.counts),
        **_score_values(entry.score),
        "intervals": _interval_values(entry.intervals),
        "over_runs": {
            name: {"mean": mean, "standard_deviation": deviation}
            for name, (mean, deviation) in entry.spread.items()
        },
        "localization": _error_values(entry.localization),
        "recall_at_distance": [asdict(at) for at in entry.recall_at],
        "average_precision": entry.curve.average_precision if entry.curve else None,
        "suggested_threshold": asdict(entry.suggested) if entry.suggested else None,
        "curve": _curve_values(entry.curve) if entry.curve else None,
        "curve_note": entry.curve_note or None,
    }


def _curve_values(curve: ScoreCurve) -> dict[str, Any]:
    """Return the curve, thinned to points evenly spaced by rank where it is long."""
    n_points = len(curve.thresholds)
    chosen = np.unique(np.linspace(0, n_points - 1, min(n_points, _MOST_CURVE_POINTS)).round())
    index = chosen.astype(np.int64)
    return {
        "n_thresholds": n_points,
        "threshold": curve.thresholds[index].tolist(),
        "precision": curve.precision[index].tolist(),
        "recall": curve.recall[index].tolist(),
        "f_beta": curve.f_beta[index].tolist(),
    }


def _total_values(total: TotalScore) -> dict[str, Any]:
    return {
        "objects": list(total.object_names),
        **_score_values(total.score),
        "intervals": _interval_values(total.intervals),
        "average_precision": total.average_precision,
    }


def _score_values(score: Score) -> dict[str, float | None]:
    return {name: getattr(score, name) for name in RATES}


def _counts_values(counts: MatchCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in COUNTS}


def _error_values(error: LocalizationError) -> dict[str, Any]:
    values = asdict(error)
    offset = values.pop("mean_offset_xyz")
    return values | {"mean_offset_xyz_angstrom": None if offset is None else list(offset)}


def _interval_values(intervals: Mapping[str, Interval] | None) -> dict[str, list[float]] | None:
    if intervals is None:
        return None
    return {name: list(interval) for name, interval in intervals.items()}
