"""What held-out picks teach the head of a finished model: probabilities and standard deviations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.heads.point_scores import probability_fit, probability_of, sigma_scale
from copick_picker.records.points import PickSet
from copick_picker.records.scores import Calibration, Evaluation
from copick_picker.report.model_scores import held_out_scores
from copick_picker.settings.train import CALIBRATION_MARGIN
from copick_picker.workflows.evaluate.evaluate import with_min_score
from copick_picker.workflows.train.validation import PicksByRun, Validator, calibration_of

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Taught:
    """What held-out picks teach.

    Attributes
    ----------
    head : dict
        What the card stores for the head, see :func:`head_calibration`; empty if the head finds no
        points.
    calibration : Calibration
        Score threshold of each object.
    evaluation : Evaluation
        Scores at these thresholds.
    scores : dict
        The same, for the card.
    """

    head: dict[str, Any]
    calibration: Calibration
    evaluation: Evaluation
    scores: dict[str, Any]


def taught(validator: Validator, candidate: PicksByRun) -> Taught:
    """Return what held-out picks teach a head and its thresholds.

    Parameters
    ----------
    validator : Validator
        Scores picks.
    candidate : mapping
        Run -> object -> picks, low scores included.
    """
    head: dict[str, Any] = {}
    if validator.finds_points:
        names = [spec.name for spec in validator.data.objects]
        head = head_calibration(validator.evaluation(candidate), candidate, names)
        candidate = recalibrated(candidate, head, names)
    calibration = calibration_of(
        validator.evaluation(candidate),
        margin=CALIBRATION_MARGIN,
        has_probabilities=validator.finds_points,
    )
    evaluation = validator.evaluation(with_min_score(candidate, calibration.thresholds))
    scores = held_out_scores(evaluation, calibration.thresholds)
    return Taught(head, calibration, evaluation, scores)


def head_calibration(
    evaluation: Evaluation, candidate: PicksByRun, object_names: Sequence[str]
) -> dict[str, Any]:
    """Return what the card stores of held-out picks for the head, by object.

    Parameters
    ----------
    evaluation : Evaluation
        Scores of the candidates, low ones included.
    candidate : mapping
        Run -> object -> picks, as evaluated.
    object_names : sequence of str
        The objects in the order of their channels.

    Returns
    -------
    dict
        ``probability``: (slope, intercept) of each object. ``sigma_scale``: factors along z, y and
        x of each object, where the picks have standard deviations: of few hits near those of all
        objects together, and these, of few hits, near one for all axes.
    """
    hits = {name: _hits_of(name, evaluation, candidate) for name in object_names}
    calibration: dict[str, Any] = {
        "probability": [
            [round(value, 6) for value in probability_fit(*hits[name][:2])] for name in object_names
        ]
    }
    if all(picks.sigmas_xyz is None for run in candidate.values() for picks in run.values()):
        return calibration
    errors, sigmas = (
        np.concatenate([hits[name][part] for name in object_names]) for part in (2, 3)
    )
    overall = sigma_scale(errors.reshape(-1, 1), sigmas.reshape(-1, 1))
    by_axis = sigma_scale(errors, sigmas, before=overall.repeat(3))
    scales = [
        [round(float(value), 6) for value in sigma_scale(*hits[name][2:], before=by_axis)[::-1]]
        for name in object_names
    ]
    return calibration | {"sigma_scale": scales}


def recalibrated(
    candidate: PicksByRun, calibration: Mapping[str, Any], object_names: Sequence[str]
) -> PicksByRun:
    """Return picks with the scores and standard deviations that the calibrated head would give.

    Parameters
    ----------
    candidate : mapping
        Run -> object -> picks of the head before calibration.
    calibration : mapping
        As :func:`head_calibration` returns it.
    object_names : sequence of str
        The objects in the order of their channels.
    """
    numbers = {name: number for number, name in enumerate(object_names)}

    def changed(picks: PickSet) -> PickSet:
        number, sigmas = numbers[picks.object_name], picks.sigmas_xyz
        if sigmas is not None:
            sigmas = sigmas * np.array(calibration["sigma_scale"][number])[::-1]
        scores = probability_of(picks.scores, calibration["probability"][number])
        return replace(picks, scores=scores, sigmas_xyz=sigmas)

    return {
        run: {name: changed(picks) for name, picks in found.items()}
        for run, found in candidate.items()
    }


def _hits_of(
    name: str, evaluation: Evaluation, candidate: PicksByRun
) -> tuple[FloatArray, npt.NDArray[np.bool_], FloatArray, FloatArray]:
    """Return scores, hits, and of the hits errors and standard deviations (x, y, z)."""
    scores, is_hit = [np.zeros(0)], [np.zeros(0, dtype=bool)]
    errors, sigmas = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for match in evaluation.matches:
        if match.object_name != name:
            continue
        hit = match.candidate_partner >= 0
        scores.append(match.candidate_scores)
        is_hit.append(hit)
        known = candidate[match.run_name][name].sigmas_xyz
        if known is not None:
            partner = match.reference_xyz[match.candidate_partner[hit]]
            errors.append(match.candidate_xyz[hit] - partner)
            sigmas.append(known[hit])
    return (
        np.concatenate(scores),
        np.concatenate(is_hit),
        np.concatenate(errors),
        np.concatenate(sigmas),
    )
