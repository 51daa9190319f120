"""Signals along tracks: how bright a spot is over its surround, and how that changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import percentile_filter
from scipy.special import ndtri

from copick_picker.errors import DataError
from copick_picker.records.movies import NO_TRACK, FloatArray, Frames, IndexArray, Spots

WIDTHS = (1.0, 1.4, 2.0, 2.8, 4.0)
"""Standard deviations in pixels that a spot may have where none is given."""
_REACH = 3.0
"""Standard deviations to which a spot is summed up."""
_RING = 4.0
"""Pixels of the ring beyond it that is its surround."""
_LEAST_RING_PIXELS = 12
_RIDGE = 0.1
"""Of the fit of neighbours: two spots in one place share their light, not their noise."""
_NOISE = 1.4826
_LEAST_FADING = 0.02
_LEAST_LEVEL = 1e-3
_LEAST_SHARE = 0.02
"""Least F0 over the median one: below it dF/F0 means nothing."""
_TRIED_TRACKS, _TRIED_FRAMES = 60, 200
_LEAST_GAIN = 0.05


@dataclass(frozen=True, eq=False)
class Signals:
    """What was measured at each position of each track, in rows of the positions.

    Attributes
    ----------
    spots : Spots
        Positions, sorted by track and frame; gaps of tracks are filled in.
    heights : numpy.ndarray, shape (n,), float64
        Height of the spot over its surround in grey values, neighbours taken out.
    surrounds : numpy.ndarray, shape (n,), float64
        Median grey value of a ring about it.
    is_saturated : numpy.ndarray, shape (n,), bool
        Whether a pixel of the spot is at the camera's end.
    """

    spots: Spots
    heights: FloatArray
    surrounds: FloatArray
    is_saturated: npt.NDArray[np.bool_]


def whole_tracks(tracks: Spots) -> Spots:
    """Return tracks with a position in every frame from their first to their last.

    Positions in gaps lie on the straight line between the ends, and are marked as filled.

    Parameters
    ----------
    tracks : Spots
        Tracks; rows without one are left out.
    """
    if tracks.tracks is None:
        return tracks.chosen(np.zeros(len(tracks), dtype=bool))
    parts = []
    for number in np.unique(tracks.tracks[tracks.tracks != NO_TRACK]):
        own = np.flatnonzero(tracks.tracks == number)
        own = own[np.argsort(tracks.frames[own], kind="stable")]
        known, first = np.unique(tracks.frames[own], return_index=True)
        own = own[first]
        frames = np.arange(known[0], known[-1] + 1)
        places = [np.interp(frames, known, tracks.positions[own, axis]) for axis in (0, 1)]
        filled = ~np.isin(frames, known)
        if tracks.filled is not None:
            filled[np.isin(frames, known)] = tracks.filled[own]
        parts.append((np.full(len(frames), number), frames, np.stack(places, axis=1), filled))
    if not parts:
        return tracks.chosen(np.zeros(len(tracks), dtype=bool))
    numbers, frames, positions, filled = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Spots(frames, positions, tracks=numbers, filled=filled)


def measured_signals(
    frames: Frames, spots: Spots, *, width: float, white: float | None = None
) -> Signals:
    """Return how bright the spots of tracks are, frame by frame.

    The height of a spot is the least-squares fit of Gaussians of one width to all spots of a frame
    over their surrounds at once: what a neighbour spills over is not counted.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        The channel, perhaps in a file: frames are read one at a time.
    spots : Spots
        Tracks as :func:`whole_tracks` returns them.
    width : float
        Standard deviation of a spot in pixels.
    white : float, optional
        Grey value at which pixels are saturated.

    Raises
    ------
    DataError
        If a value of a frame is NaN or infinite.
    """
    n = len(spots)
    heights, surrounds = np.zeros(n), np.zeros(n)
    saturated = np.zeros(n, dtype=bool)
    order = np.argsort(spots.frames, kind="stable")
    numbers, starts = np.unique(spots.frames[order], return_index=True)
    window = _Window.of(width)
    for number, rows in zip(numbers, np.split(order, starts[1:]), strict=True):
        frame = np.asarray(frames[int(number)], dtype=np.float64)
        if not np.isfinite(frame).all():
            msg = f"frame {number} has values that are NaN or infinite"
            raise DataError(msg)
        places = spots.positions[rows, ::-1]
        own_heights, own_surrounds, highest = _of_frame(frame, places, window)
        heights[rows], surrounds[rows] = own_heights, own_surrounds
        if white is not None:
            saturated[rows] = highest >= white
    return Signals(spots, heights, surrounds, saturated)


@dataclass(frozen=True, eq=False)
class _Window:
    """Pixels about a spot."""

    width: float
    offsets: IndexArray

    @classmethod
    def of(cls, width: float) -> "_Window":
        half = int(np.ceil(_REACH * width + _RING)) + 1
        rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
        return cls(width, np.stack([rows.ravel(), columns.ravel()], axis=1))


def _of_frame(
    frame: FloatArray, places: FloatArray, window: _Window
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return heights, surrounds and highest values of the spots of a frame."""
    middles = np.floor(places + 0.5).astype(np.int64)
    cells = middles[:, None] + window.offsets[None]
    shape = np.array(frame.shape)
    inside = np.asarray(((cells >= 0) & (cells < shape)).all(axis=2))
    clipped = cells.clip(0, shape - 1)
    values = frame[clipped[..., 0], clipped[..., 1]]
    squares = ((cells - places[:, None]) ** 2).sum(axis=2)
    reach = _REACH * window.width
    ring = inside & (squares > reach**2) & (squares <= (reach + _RING) ** 2)
    few = ring.sum(axis=1) < _LEAST_RING_PIXELS
    ring[few] = inside[few]
    surrounds = np.nanmedian(np.where(ring, values, np.nan), axis=1)
    near = inside & (squares <= reach**2)
    shapes = np.where(near, np.exp(-0.5 * squares / window.width**2), 0.0)
    energy = (shapes**2).sum(axis=1)
    own = (shapes * (values - surrounds[:, None])).sum(axis=1) / np.maximum(energy, 1e-9)
    away = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    overlap = np.exp(-0.25 * away / window.width**2) + _RIDGE * np.eye(len(places))
    heights = np.linalg.solve(overlap / (1.0 + _RIDGE), own)
    middle = near & (squares <= 0.25 * reach**2)
    highest = np.where(middle, values, -np.inf).max(axis=1)
    return heights, surrounds, highest


def best_width(
    frames: Frames, spots: Spots, *, widths: Sequence[float] = WIDTHS
) -> tuple[float, bool]:
    """Return the width of spot whose signal stands out best, and whether any does.

    Signal is what two frames in a row share; the measure is its mean over tracks, over the noise,
    in the middle of the movie.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        The channel.
    spots : Spots
        Tracks as :func:`whole_tracks` returns them.
    widths : sequence of float
        Standard deviations in pixels to try.
    """
    tracks = np.zeros(len(spots), dtype=np.int64) if spots.tracks is None else spots.tracks
    numbers, counts = np.unique(tracks, return_counts=True)
    longest = numbers[np.argsort(-counts)][:_TRIED_TRACKS]
    middle = float(np.median(spots.frames)) if len(spots) else 0.0
    near = np.abs(spots.frames - middle) <= _TRIED_FRAMES / 2
    some = spots.chosen(np.isin(tracks, longest) & near)
    gains = []
    for width in widths:
        signals = measured_signals(frames, some, width=width)
        gains.append(np.mean([_gain(part) for part in _by_track(signals)] or [0.0]))
    best = int(np.argmax(gains))
    stands_out = gains[best] > _LEAST_GAIN
    return (widths[best], True) if stands_out else (widths[1], False)


def _by_track(signals: Signals) -> list[FloatArray]:
    tracks = signals.spots.tracks
    if tracks is None or not len(tracks):
        return []
    borders = np.flatnonzero(np.diff(tracks)) + 1
    return np.split(signals.heights, borders)


def _gain(heights: FloatArray) -> float:
    """Return the variance that neighbouring frames share, over that which they do not."""
    if len(heights) < 8:
        return 0.0
    away = heights - np.median(heights)
    limit = 4.0 * noise_of_trace(heights) + 1e-12
    # a few bright frames count as much as they are bright, but no single one for all
    away = away.clip(-limit, 6.0 * limit)
    shared = float((away[1:] * away[:-1]).mean())
    rest = max(float((away**2).mean()) - shared, 1e-12)
    return max(shared, 0.0) / rest


def noise_of_trace(values: FloatArray) -> float:
    """Return the standard deviation of a trace's noise, from the differences of its frames.

    Parameters
    ----------
    values : numpy.ndarray, shape (t,)
        A trace.
    """
    if len(values) < 2:
        return 0.0
    steps = np.diff(values)
    return float(_NOISE * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2.0))


def running_baseline(values: FloatArray, *, window: int, percentile: float) -> FloatArray:
    """Return the baseline of a trace: a running percentile, corrected for what noise does to it.

    Of a trace at rest a low percentile lies below the mean by a known multiple of the noise, which
    is added.

    Parameters
    ----------
    values : numpy.ndarray, shape (t,)
        A trace.
    window : int
        Frames; a trace that is shorter has one baseline.
    percentile : float
        Above 0 and below 100.
    """
    lift = -float(ndtri(percentile / 100.0)) * noise_of_trace(values)
    if window >= len(values):
        return np.full(len(values), float(np.percentile(values, percentile)) + lift)
    found: FloatArray = percentile_filter(values, percentile, size=window, mode="reflect") + lift
    return found


def fading(levels: FloatArray, frames: IndexArray, n_frames: int) -> FloatArray:
    """Return what bleaching leaves of the light in each frame, relative to the first.

    An exponential, fitted to the logarithm of the median level of each frame; ones where less than
    2 % is lost, or the level rises.

    Parameters
    ----------
    levels : numpy.ndarray, shape (n,), float64
        Levels above the camera's offset.
    frames : numpy.ndarray, shape (n,), int64
        Frame of each.
    n_frames : int
        Frames of the movie.
    """
    order = np.argsort(frames, kind="stable")
    numbers, starts = np.unique(frames[order], return_index=True)
    if len(numbers) < 3:
        return np.ones(n_frames)
    parts = np.split(levels[order], starts[1:])
    middles = np.array([np.median(part) for part in parts])
    bright = middles > _LEAST_LEVEL
    if bright.sum() < 3:
        return np.ones(n_frames)
    slope = float(np.polyfit(numbers[bright], np.log(middles[bright]), 1)[0])
    if slope >= 0 or 1.0 - np.exp(slope * (n_frames - 1)) < _LEAST_FADING:
        return np.ones(n_frames)
    return np.asarray(np.exp(slope * np.arange(n_frames)))


@dataclass(frozen=True)
class TraceRules:
    """How signals become dF/F0.

    Attributes
    ----------
    window : int
        Frames of the running baseline.
    percentile : float
        Of the running baseline.
    f0 : str
        ``total``: F0 is all light at the spot at rest. ``spot``: what it has over its surround.
    corrects_bleaching : bool
        Whether signals are divided by what bleaching leaves of the surrounds.
    """

    window: int = 500
    percentile: float = 20.0
    f0: str = "total"
    corrects_bleaching: bool = True


@dataclass(frozen=True, eq=False)
class Measured:
    """Traces of a channel, in rows of its signals.

    Attributes
    ----------
    signals : Signals
        What was measured.
    heights : numpy.ndarray, shape (n,), float64
        Heights with bleaching taken out.
    baselines : numpy.ndarray, shape (n,), float64
        Running baselines of the heights.
    levels : numpy.ndarray, shape (n,), float64
        F0.
    faded : float
        Share of the light that bleaching takes over the movie.
    """

    signals: Signals
    heights: FloatArray
    baselines: FloatArray
    levels: FloatArray
    faded: float

    @property
    def dff(self) -> FloatArray:
        """dF/F0: heights over their baseline, relative to F0."""
        return (self.heights - self.baselines) / self.levels

    def rows_by_track(self) -> list[tuple[int, IndexArray]]:
        """Return each track and its rows."""
        tracks = self.signals.spots.tracks
        if tracks is None or not len(tracks):
            return []
        borders = np.flatnonzero(np.diff(tracks)) + 1
        return [(int(tracks[p[0]]), p) for p in np.split(np.arange(len(tracks)), borders)]


def measured(signals: Signals, offset: float, rules: TraceRules, *, n_frames: int) -> Measured:
    """Return the traces of a channel.

    Of ``total`` F0 is the baseline of height and surround together, above the camera's offset; of
    ``spot`` that of the height alone.

    Parameters
    ----------
    signals : Signals
        Heights and surrounds along tracks.
    offset : float
        Grey value without light.
    rules : TraceRules
        Baseline, F0, bleaching.
    n_frames : int
        Frames of the movie.
    """
    frames = signals.spots.frames
    left = np.ones(n_frames)
    if rules.corrects_bleaching:
        left = fading(signals.surrounds - offset, frames, n_frames)
    heights = signals.heights / left[frames]
    totals = heights + (signals.surrounds - offset) / left[frames]
    baselines, levels = np.zeros(len(heights)), np.zeros(len(heights))
    plain = Measured(signals, heights, baselines, levels, float(1.0 - left[-1]))
    for _, rows in plain.rows_by_track():
        of = totals if rules.f0 == "total" else heights
        for values, target in ((heights, baselines), (of, levels)):
            target[rows] = running_baseline(
                values[rows], window=rules.window, percentile=rules.percentile
            )
    floor = max(_LEAST_SHARE * float(np.median(levels)) if len(levels) else 0.0, _LEAST_LEVEL)
    return Measured(signals, heights, baselines, levels.clip(floor), plain.faded)
