"""How wide the spots of a channel are, from what changes at them along tracks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from copick_picker.core.movie.traces import (
    Signals,
    measured_signals,
    noise_of_trace,
    pixels_about,
    square_offsets,
)
from copick_picker.records.movies import FloatArray, Frames, IndexArray, Spots

WIDTHS = (1.0, 1.4, 2.0, 2.8, 4.0)
"""Standard deviations in pixels that a spot may have, to begin with."""
_RANGE = (0.7, 6.0)
"""Least and greatest width in pixels that is found."""
_TRIED_TRACKS, _TRIED_FRAMES = 60, 200
_LEAST_GAIN = 0.05
_LEAST_FRAMES = 8
_PASSES = 3
_SEEN_WIDTHS, _SEEN_MORE = 3.0, 3.0
"""A spot is looked at to so many widths and pixels more: it may be wider than thought."""
_BIN = 0.1
"""Pixels of distance that are taken together."""
_LEAST_RATIO = 4.0
"""A spot's height over its standard error below which its width is not fitted."""


@dataclass(frozen=True)
class SpotWidth:
    """How wide spots are.

    Attributes
    ----------
    pixels : float
        Standard deviation.
    stands_out : bool
        Whether any signal does; else the width is a usual one.
    is_fitted : bool
        Whether a Gaussian could be fitted; else the width is one of those tried.
    """

    pixels: float
    stands_out: bool
    is_fitted: bool


def best_width(frames: Frames, spots: Spots, *, widths: Sequence[float] = WIDTHS) -> SpotWidth:
    """Return the width of spots.

    Signal is what two frames in a row share. Of the given widths the one is taken whose signal is
    the greatest over the noise, as a mean over tracks in the middle of the movie. It hardly
    depends on the width, so a Gaussian is then fitted to the spot that changes with the signal.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        The channel.
    spots : Spots
        Tracks as :func:`copick_picker.core.movie.traces.whole_tracks` returns them.
    widths : sequence of float
        Standard deviations in pixels to try.
    """
    some = _tried(spots)
    tried = [measured_signals(frames, some, width=width) for width in widths]
    gains = [
        np.mean([_gain(signals.heights[rows]) for rows in _by_track(signals)] or [0.0])
        for signals in tried
    ]
    best = int(np.argmax(gains))
    if gains[best] <= _LEAST_GAIN:
        return SpotWidth(widths[1], stands_out=False, is_fitted=False)
    width, signals = widths[best], tried[best]
    is_fitted = False
    for _ in range(_PASSES):
        found = _fitted_width(*_profile(frames, signals, width))
        if found is None:
            break
        is_fitted = True
        settled = abs(found - width) < 0.02 * width
        width = found
        if settled:
            break
        signals = measured_signals(frames, some, width=width)
    return SpotWidth(width, stands_out=True, is_fitted=is_fitted)


def _tried(spots: Spots) -> Spots:
    """Return the longest tracks in the middle of the movie."""
    tracks = np.zeros(len(spots), dtype=np.int64) if spots.tracks is None else spots.tracks
    numbers, counts = np.unique(tracks, return_counts=True)
    longest = numbers[np.argsort(-counts)][:_TRIED_TRACKS]
    middle = float(np.median(spots.frames)) if len(spots) else 0.0
    near = np.abs(spots.frames - middle) <= _TRIED_FRAMES / 2
    return spots.chosen(np.isin(tracks, longest) & near)


def _by_track(signals: Signals) -> list[IndexArray]:
    tracks = signals.spots.tracks
    if tracks is None or not len(tracks):
        return []
    return np.split(np.arange(len(tracks)), np.flatnonzero(np.diff(tracks)) + 1)


def _gain(heights: FloatArray) -> float:
    """Return the variance that neighbouring frames share, over that which they do not."""
    if len(heights) < _LEAST_FRAMES:
        return 0.0
    away = heights - np.median(heights)
    limit = 4.0 * noise_of_trace(heights) + 1e-12
    # a few bright frames count as much as they are bright, but no single one for all
    away = away.clip(-limit, 6.0 * limit)
    shared = float((away[1:] * away[:-1]).mean())
    rest = max(float((away**2).mean()) - shared, 1e-12)
    return max(shared, 0.0) / rest


def _shared_changes(heights: FloatArray) -> FloatArray:
    """Return how much brighter the frames before and after each are than the track's mean.

    Their noise is none of the frame's own, so that what goes with them is the spot.
    """
    if len(heights) < _LEAST_FRAMES:
        return np.zeros(len(heights))
    padded = np.concatenate([heights[1:2], heights, heights[-2:-1]])
    changes = 0.5 * (padded[:-2] + padded[2:])
    return np.asarray(changes - changes.mean())


def _profile(
    frames: Frames, signals: Signals, width: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the spot that changes with the signal: distances, mean values, numbers of pixels."""
    weights = np.zeros(len(signals.heights))
    for rows in _by_track(signals):
        weights[rows] = _shared_changes(signals.heights[rows])
    reach = _SEEN_WIDTHS * width + _SEEN_MORE
    offsets = square_offsets(reach)
    n_bins = int(np.ceil(reach / _BIN)) + 1
    sums, counts = np.zeros(n_bins), np.zeros(n_bins)
    spots = signals.spots
    order = np.argsort(spots.frames, kind="stable")
    numbers, starts = np.unique(spots.frames[order], return_index=True)
    for number, rows in zip(numbers, np.split(order, starts[1:]), strict=True):
        frame = np.asarray(frames[int(number)], dtype=np.float64)
        values, inside, squares = pixels_about(frame, spots.positions[rows, ::-1], offsets)
        away = np.sqrt(squares)
        seen = inside & (away <= reach)
        changes = (values - signals.surrounds[rows][:, None]) * weights[rows][:, None]
        bins = (away[seen] / _BIN).astype(np.int64)
        sums += np.bincount(bins, weights=changes[seen], minlength=n_bins)
        counts += np.bincount(bins, minlength=n_bins)
    known = counts > 0
    distances = np.asarray((np.flatnonzero(known) + 0.5) * _BIN, dtype=np.float64)
    return distances, sums[known] / counts[known], counts[known]


def _fitted_width(distances: FloatArray, values: FloatArray, counts: FloatArray) -> float | None:
    """Return the width of the Gaussian over a constant that fits best; None without a spot."""

    def parts(width: float) -> tuple[float, float]:
        """Return the misfit, and height over standard error."""
        shape = np.exp(-0.5 * (distances / width) ** 2)
        shape = shape - np.average(shape, weights=counts)
        level = values - np.average(values, weights=counts)
        energy = float((counts * shape**2).sum())
        height = float((counts * shape * level).sum()) / energy
        rest = float((counts * (level - height * shape) ** 2).sum())
        error = np.sqrt(rest / max(len(values) - 3, 1) / energy)
        return (rest if height > 0 else np.inf), height / max(float(error), 1e-12)

    tried = np.geomspace(*_RANGE, 25)
    misfits = [parts(float(width))[0] for width in tried]
    best = int(np.argmin(misfits))
    if best in (0, len(tried) - 1) or not np.isfinite(misfits[best]):
        return None
    bounds = (float(tried[best - 1]), float(tried[best + 1]))
    found = float(minimize_scalar(lambda w: parts(float(w))[0], bounds=bounds, method="bounded").x)
    return found if parts(found)[1] >= _LEAST_RATIO else None
