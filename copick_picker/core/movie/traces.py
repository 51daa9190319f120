"""Signals along tracks: how bright a spot is over its surround, and how that changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import percentile_filter
from scipy.special import ndtri, stdtr

from copick_picker.errors import DataError
from copick_picker.records.movies import NO_TRACK, FloatArray, Frames, IndexArray, Spots

_REACH = 3.0
"""Standard deviations to which a spot is summed up."""
_RING = 4.0
"""Pixels of the ring beyond it that is its surround."""
_LEAST_RING_PIXELS = 12
_RIDGE = 0.1
"""Of the fit of neighbours: two spots in one place share their light, not their noise."""
_NOISE = 1.4826
_LEAST_FADING, _LEAST_FADING_FRAMES = 0.02, 8
_CHANCE = 1e-3
"""Of bleaching where there is none; a steeper slope is taken for bleaching."""
_LEAST_LEVEL = 1e-3
_LEAST_SHARE = 0.02
"""Least F0 over the median one: below it dF/F0 means nothing."""


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
    frames: Frames, spots: Spots, *, width: float, whites: Sequence[float] = ()
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
    whites : sequence of float
        Grey values at which a camera may end. Where one is the highest of all frames of the
        tracks, pixels of that value are saturated.

    Raises
    ------
    DataError
        If a value of a frame is NaN or infinite.
    """
    n = len(spots)
    heights, surrounds = np.zeros(n), np.zeros(n)
    tops, white = np.full(n, -np.inf), -np.inf
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
        tops[rows], white = highest, max(white, float(frame.max()))
    is_saturated = (tops >= white) & (white in whites)
    return Signals(spots, heights, surrounds, is_saturated)


def square_offsets(reach: float) -> IndexArray:
    """Return the pixels of a square about one, shape (p, 2), y and x.

    Parameters
    ----------
    reach : float
        Pixels from a spot, which may lie off the middle of its pixel, that it holds at least.
    """
    half = int(np.ceil(reach)) + 1
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    return np.stack([rows.ravel(), columns.ravel()], axis=1)


@dataclass(frozen=True, eq=False)
class _Window:
    """Pixels about a spot."""

    width: float
    offsets: IndexArray

    @classmethod
    def of(cls, width: float) -> "_Window":
        return cls(width, square_offsets(_REACH * width + _RING))


def pixels_about(
    frame: FloatArray, places: FloatArray, offsets: IndexArray
) -> tuple[FloatArray, npt.NDArray[np.bool_], FloatArray]:
    """Return the pixels about spots: values, whether they are in the frame, squared distances.

    Parameters
    ----------
    frame : numpy.ndarray, shape (y, x), float64
        A frame.
    places : numpy.ndarray, shape (n, 2), float64
        Spots as y and x in pixels.
    offsets : numpy.ndarray, shape (p, 2), int64
        Pixels to look at, from the one that a spot is in.

    Returns
    -------
    tuple of numpy.ndarray, shape (n, p)
        Of pixels outside of the frame the value is that of the nearest one inside.
    """
    cells = np.floor(places + 0.5).astype(np.int64)[:, None] + offsets[None]
    shape = np.array(frame.shape)
    inside = np.asarray(((cells >= 0) & (cells < shape)).all(axis=2))
    clipped = cells.clip(0, shape - 1)
    squares = ((cells - places[:, None]) ** 2).sum(axis=2)
    return frame[clipped[..., 0], clipped[..., 1]], inside, squares


def _of_frame(
    frame: FloatArray, places: FloatArray, window: _Window
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return heights, surrounds and highest values of the spots of a frame."""
    values, inside, squares = pixels_about(frame, places, window.offsets)
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


@dataclass(frozen=True, eq=False)
class Fading:
    """What bleaching does to a movie.

    Attributes
    ----------
    left : numpy.ndarray, shape (t,), float64
        What it leaves of the light in each frame, relative to the first; ones where none is proven.
    share : float
        Share of the light that it takes between the first and the last frame that was looked at.
    is_determined : bool
        Whether the frames tell: they fade beyond doubt, or by less than 2 %.
    """

    left: FloatArray
    share: float
    is_determined: bool


def fading(levels: FloatArray, frames: IndexArray, n_frames: int) -> Fading:
    """Return what bleaching leaves of the light in each frame.

    An exponential, fitted to the logarithm of the median level of each frame. Its slope is tested
    against none (Student's t, one-sided), with as many degrees of freedom as frames count in spite
    of the correlation of their residuals.

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
    middles = np.array([np.median(part) for part in np.split(levels[order], starts[1:])])
    bright = middles > _LEAST_LEVEL
    numbers, middles = numbers[bright], middles[bright]
    if len(numbers) < _LEAST_FADING_FRAMES:
        return Fading(np.ones(n_frames), 0.0, is_determined=False)
    slope, chance = _slope(numbers.astype(np.float64), np.log(middles))
    share = 1.0 - float(np.exp(min(slope, 0.0) * (numbers[-1] - numbers[0])))
    if share < _LEAST_FADING or chance > _CHANCE:
        return Fading(np.ones(n_frames), 0.0, is_determined=share < _LEAST_FADING)
    return Fading(np.exp(slope * np.arange(n_frames)), share, is_determined=True)


def _slope(times: FloatArray, values: FloatArray) -> tuple[float, float]:
    """Return the slope of a line, and the chance of one as low where there is none."""
    away = times - times.mean()
    energy = float((away**2).sum())
    slope = float((away * values).sum()) / energy
    rest = values - values.mean() - slope * away
    total = float((rest**2).sum())
    shared = float((rest[1:] * rest[:-1]).sum()) / max(total, 1e-300)
    # residuals of a fitted line look less correlated than they are, by about 4 / n
    shared = min(max(shared + 4.0 / len(times), 0.0), 0.95)
    apart = (1.0 - shared) / (1.0 + shared)
    freedom = max(len(times) * apart - 2.0, 1.0)
    error = np.sqrt(total / max(len(times) - 2, 1) / energy / apart)
    return slope, float(stdtr(freedom, slope / max(error, 1e-300)))


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
    fading : Fading or None
        What bleaching takes; None: it was not looked for.
    """

    signals: Signals
    heights: FloatArray
    baselines: FloatArray
    levels: FloatArray
    fading: Fading | None

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
    lost = None
    if rules.corrects_bleaching:
        lost = fading(signals.surrounds - offset, frames, n_frames)
    left = np.ones(n_frames) if lost is None else lost.left
    heights = signals.heights / left[frames]
    totals = heights + (signals.surrounds - offset) / left[frames]
    baselines, levels = np.zeros(len(heights)), np.zeros(len(heights))
    plain = Measured(signals, heights, baselines, levels, lost)
    for _, rows in plain.rows_by_track():
        of = totals if rules.f0 == "total" else heights
        for values, target in ((heights, baselines), (of, levels)):
            target[rows] = running_baseline(
                values[rows], window=rules.window, percentile=rules.percentile
            )
    floor = max(_LEAST_SHARE * float(np.median(levels)) if len(levels) else 0.0, _LEAST_LEVEL)
    return Measured(signals, heights, baselines, levels.clip(floor), lost)
