"""Which way filaments run, from the sides that their points' own axes point to."""

import numpy as np

from copick_picker.core.link.points import FloatArray, IndexArray

_RELIABILITIES = np.linspace(0.5, 0.999, 251)


def forward_probability(forward: IndexArray, n_points: IndexArray) -> FloatArray:
    """Return for each filament the probability that it runs forward.

    Each point's axis points along its filament's direction with one unknown probability, the same
    for all filaments: 0.5, so that axes say nothing, as likely beforehand as anything above. What
    the filaments say together weighs the probabilities, and each filament's own points decide.

    Parameters
    ----------
    forward : numpy.ndarray, shape (m,), int64
        Points of each filament whose axis points forward along it.
    n_points : numpy.ndarray, shape (m,), int64
        All of its points.

    Examples
    --------
    >>> forward_probability(np.array([9, 0, 10]), np.array([10, 10, 10])).round(2).tolist()
    [1.0, 0.0, 1.0]
    >>> forward_probability(np.array([6, 5, 4]), np.array([10, 10, 10])).round(1).tolist()
    [0.5, 0.5, 0.5]
    """
    agree = forward[:, None].astype(np.float64)
    others = n_points[:, None] - agree
    true, wrong = np.log(_RELIABILITIES), np.log1p(-_RELIABILITIES)
    along = agree * true + others * wrong
    against = others * true + agree * wrong
    both = np.logaddexp(along, against) - np.log(2.0)
    prior = np.full(len(_RELIABILITIES), 0.5 / (len(_RELIABILITIES) - 1))
    prior[0] = 0.5
    evidence = np.log(prior) + both.sum(axis=0)
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    shares: FloatArray = np.exp(along - np.logaddexp(along, against))
    result: FloatArray = shares @ weights
    return result
