"""Scores and uncertainties of points: their prior before training, their calibration after it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize, special
from torch import Tensor, nn

from copick_picker.core.heads.head import FoundPoints
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.models.head_layers import head_parameters

FloatArray = npt.NDArray[np.float64]
_LEAST_PRIOR = 1e-4
_EDGE = 1e-6
_HITS_BEFORE = 100
_PULL = 2.0
"""Pseudo-observations that keep a fit to few candidates near the identity."""


def set_last_layer(network: nn.Module, bias: Tensor, *, n_learned: int | None = None) -> None:
    """Set the bias of a network's last layer, in place; nothing happens if it has none.

    Parameters
    ----------
    network : torch.nn.Module
        A fresh network; its outputs may come from two layers, see ``HeadKind.n_side``.
    bias : torch.Tensor, shape (c,)
        Bias of each output.
    n_learned : int, optional
        Outputs after these begin as their bias alone: their weights become 0.
    """
    names = head_parameters(network)
    own = {name: each for name, each in network.named_parameters() if name in names}
    weights = [each for name, each in own.items() if name.endswith("weight") and each.ndim > 1]
    biases = [each for name, each in own.items() if name.endswith("bias")]
    layers: list[list[nn.Parameter]] = [
        [
            each
            for each in found
            if len(each) in (len(bias), n_learned, len(bias) - (n_learned or 0))
        ]
        for found in (weights, biases)
    ]
    first = 0
    with torch.no_grad():
        for weight, part in zip(*layers, strict=False):
            own_bias = bias[first : first + len(part)]
            part.copy_(own_bias.to(part.dtype))
            begin = max(0, (len(bias) if n_learned is None else n_learned) - first)
            weight[begin:] = 0.0
            first += len(part)


def prior_logits(rules: HeadRules) -> Tensor:
    """Return the logit of each object at which training begins: that of its frequency.

    Lin et al. 2017, https://arxiv.org/abs/1708.02002, section 4.1; with a weight w of positives it
    is that of the weighted posterior.

    Parameters
    ----------
    rules : HeadRules
        ``priors`` of the objects, and ``positive_weight`` of the loss.
    """
    weight = math.log(float(rules.loss_parameters.get("positive_weight", 1.0)))
    priors = np.clip(
        np.asarray(rules.priors or (_LEAST_PRIOR,) * rules.n_objects), _LEAST_PRIOR, 0.1
    )
    return torch.from_numpy(np.log(priors / (1.0 - priors)) + weight)


def calibrated(points: FoundPoints, settings: Mapping[str, Any], number: int) -> FoundPoints:
    """Return points with the probabilities and standard deviations that held-out runs taught.

    Parameters
    ----------
    points : FoundPoints
        As the network has them.
    settings : mapping
        ``probability``: by object, (slope, intercept) of the logit; ``sigma_scale``: by object, one
        factor for each axis. Both may be missing.
    number : int
        Number of the object, from 0.
    """
    scores, sigmas = points.scores, points.sigmas
    if "probability" in settings:
        scores = probability_of(scores, settings["probability"][number])
    if "sigma_scale" in settings and sigmas is not None:
        sigmas = sigmas * np.asarray(settings["sigma_scale"][number], dtype=np.float64)
    return replace(points, scores=scores, sigmas=sigmas)


def probability_fit(scores: FloatArray, is_hit: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and intercept that turn scores into the probability of a hit.

    Logistic regression on the logit of the score, pulled a little to the identity (Platt 1999,
    "Probabilistic outputs for support vector machines", with the identity in place of his prior).

    Parameters
    ----------
    scores : numpy.ndarray, shape (n,), float64
        Scores of held-out candidates, in [0, 1].
    is_hit : numpy.ndarray, shape (n,), bool
        Which of them hit a particle.

    Returns
    -------
    slope, intercept : float
        ``logit(p) = slope * logit(score) + intercept``; the slope is positive.

    Examples
    --------
    >>> probability_fit(np.zeros(0), np.zeros(0, bool))
    (1.0, 0.0)
    """
    if len(scores) == 0:
        return 1.0, 0.0
    logits, hits = _logit(scores), is_hit.astype(np.float64)

    def cost(values: FloatArray) -> float:
        slope, intercept = math.exp(values[0]), values[1]
        fitted = slope * logits + intercept
        likelihood = np.logaddexp(0.0, fitted) - hits * fitted
        return float(likelihood.sum() + 0.5 * _PULL * (values**2).sum())

    best = optimize.minimize(cost, np.zeros(2), method="BFGS").x
    return float(math.exp(best[0])), float(best[1])


def sigma_scale(
    errors: FloatArray, sigmas: FloatArray, *, before: FloatArray | None = None
) -> FloatArray:
    """Return for each axis the factor that gives z-scores a root mean square of 1.

    A factor of few hits scatters; it is the mean, by squares, of theirs and of one that is known
    before, which counts as a hundred hits.

    Parameters
    ----------
    errors : numpy.ndarray, shape (n, d), float64
        Position minus truth of held-out hits.
    sigmas : numpy.ndarray, shape (n, d), float64
        Their standard deviations as the network has them, in the same unit.
    before : numpy.ndarray, shape (d,), float64, optional
        Factors that are known before; None: none are.

    Returns
    -------
    numpy.ndarray, shape (d,), float64
        Without hits the factors before, else 1.

    Examples
    --------
    >>> sigma_scale(np.array([[2.0, 3.0], [-2.0, 3.0]]), np.ones((2, 2))).tolist()
    [2.0, 3.0]
    """
    if len(errors) == 0:
        return np.ones(errors.shape[1]) if before is None else before
    squares: FloatArray = ((errors / sigmas) ** 2).mean(axis=0)
    if before is not None:
        share = len(errors) / (len(errors) + _HITS_BEFORE)
        squares = share * squares + (1.0 - share) * before**2
    return np.maximum(np.sqrt(squares), _EDGE)


def probability_of(scores: FloatArray, fit: Sequence[float]) -> FloatArray:
    """Return calibrated probabilities of scores; their order stays.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n,), float64
        Scores in [0, 1].
    fit : sequence of float
        Slope and intercept, as :func:`probability_fit` returns them.

    Examples
    --------
    >>> probability_of(np.array([0.25, 0.5]), (1.0, 0.0)).tolist()
    [0.25, 0.5]
    """
    slope, intercept = fit
    result: FloatArray = special.expit(slope * _logit(scores) + intercept)
    return result


def _logit(scores: FloatArray) -> FloatArray:
    result: FloatArray = special.logit(np.clip(scores, _EDGE, 1.0 - _EDGE))
    return result
