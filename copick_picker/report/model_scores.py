"""The scores of a trained model, as its card states them and as they are shown."""

from collections.abc import Mapping
from typing import Any

from copick_picker.errors import choices_text
from copick_picker.records.scores import Evaluation


def held_out_scores(
    evaluation: Evaluation, thresholds: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Return the scores of each object at its threshold, as the card states them.

    Parameters
    ----------
    evaluation : Evaluation
        Of the candidates above the thresholds.
    thresholds : mapping of str to float
        Object name -> its threshold.
    """
    return {
        entry.name: {
            "reference": entry.counts.n_reference,
            "candidates": entry.counts.n_candidate,
            "threshold": _rounded(thresholds.get(entry.name), 4),
            "precision": _rounded(entry.score.precision),
            "recall": _rounded(entry.score.recall),
            "f1": _rounded(entry.score.f1),
            "f_beta": _rounded(entry.score.f_beta),
            "mean_error_angstrom": _rounded(entry.localization.mean_angstrom, 1),
        }
        for entry in evaluation.objects
    }


def held_out_table(
    scores: Mapping[str, Mapping[str, Any]],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows of the scores.

    Parameters
    ----------
    scores : mapping
        See :func:`held_out_scores`.
    """
    columns = ("object", "picks", "threshold", "precision", "recall", "F1", "error (A)")
    rows: list[tuple[str, ...]] = [
        (
            name,
            str(entry["reference"]),
            number_or_dash(entry["threshold"]),
            number_or_dash(entry["precision"]),
            number_or_dash(entry["recall"]),
            number_or_dash(entry["f1"]),
            number_or_dash(entry["mean_error_angstrom"], 1),
        )
        for name, entry in scores.items()
    ]
    return columns, rows


def model_limits(
    voxel_spacing: float, contrast: str, training_picks: Mapping[str, int], *, n_models: int
) -> list[str]:
    """Return in sentences what a trained model is not known to do.

    Parameters
    ----------
    voxel_spacing : float
        Of the training data, in Angstrom.
    contrast : str
        How protein looks in them.
    training_picks : mapping of str to int
        Object name -> picks that it was trained on.
    n_models : int
        Models of a cross-validation; 1 without.
    """
    limits = [
        f"Made for tomograms of {voxel_spacing:g} Angstrom per voxel with {contrast} "
        "protein, like its training data; untested on others.",
        "Thresholds and scores come from the same runs, so scores on new tomograms tend to "
        "be lower.",
    ]
    if n_models > 1:
        limits.append(
            "One of several models of a cross-validation; together they make an ensemble."
        )
    few = [name for name, number in training_picks.items() if number < 100]
    if few:
        limits.append(f"Fewer than 100 training picks: {choices_text(few)}.")
    return limits


def number_or_dash(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits, a dash where there is none.

    Parameters
    ----------
    value : float or None
        The number.
    digits : int
        Digits behind the point.
    """
    return "-" if value is None else f"{value:.{digits}f}"


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
