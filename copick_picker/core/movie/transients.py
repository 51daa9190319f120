"""Calcium in a simulated movie: transients at puncta, sparks apart from them, waves.

A transient rises and decays with one time constant each; what a frame shows is its mean over the
exposure.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.psf import add_spots
from copick_picker.core.movie.scene import CalciumScene, MovieScene
from copick_picker.core.movie.trajectories import Trajectory
from copick_picker.records.calcium import PUNCTUM, SPARK, WAVE, Events, Traces
from copick_picker.records.movies import NO_TRACK, FloatArray, IndexArray, Spots

_WITHIN = 8
"""Times within an exposure at which a transient is looked at."""
_TRIES = 30
_REST = 0.02
"""Frames in which a transient is lower than this share of its peak are left out."""


@dataclass(frozen=True)
class Transient:
    """A transient.

    Attributes
    ----------
    onset : float
        When it begins, in frames.
    rise, decay : float
        Time constants in frames.
    height : float
        dF/F0 at the peak, before the mean over the exposure.
    track : int
        Track of the punctum, or ``NO_TRACK``.
    """

    onset: float
    rise: float
    decay: float
    height: float
    track: int = NO_TRACK


@dataclass(frozen=True)
class Spark:
    """A transient apart from puncta."""

    transient: Transient
    position_xy: tuple[float, float]
    sigma: float


@dataclass(frozen=True)
class Wave:
    """A ring that runs outwards."""

    onset: float
    centre_xy: tuple[float, float]
    speed: float
    """Pixels a frame."""
    height: float


@dataclass(frozen=True, eq=False)
class CalciumPlan:
    """All that happens in the second channel of a movie."""

    transients: tuple[Transient, ...]
    sparks: tuple[Spark, ...]
    waves: tuple[Wave, ...]


def transient_curve(times: FloatArray, rise: FloatArray, decay: FloatArray) -> FloatArray:
    """Return a transient of height 1 at times after its onset.

    The product of a saturating rise and an exponential decay, ``(1 - exp(-t / r)) exp(-t / d)``,
    over its maximum; 0 before the onset.

    Parameters
    ----------
    times : numpy.ndarray, any shape, float64
        Time since the onset.
    rise, decay : numpy.ndarray, that broadcasts to it
        Time constants, in the same unit.
    """
    after = np.maximum(times, 0.0)
    peak_at = rise * np.log1p(decay / rise)
    top = (1.0 - np.exp(-peak_at / rise)) * np.exp(-peak_at / decay)
    result: FloatArray = (1.0 - np.exp(-after / rise)) * np.exp(-after / decay) / top
    return result


def framed_curve(
    frames: IndexArray, onset: FloatArray | float, rise: FloatArray | float, decay: FloatArray
) -> FloatArray:
    """Return the mean of a transient of height 1 over each frame's exposure.

    Parameters
    ----------
    frames : numpy.ndarray, shape (..., t), int64
        Frames; frame k is exposed from k to k + 1.
    onset, rise, decay : numpy.ndarray or float, that broadcast to it
        When it begins and its time constants, in frames.
    """
    within = (np.arange(_WITHIN) + 0.5) / _WITHIN
    times = (frames - onset)[..., None] + within
    shape = (*np.broadcast_shapes(np.shape(frames), np.shape(decay)), 1)
    constants = [
        np.broadcast_to(np.asarray(each, dtype=np.float64), shape[:-1])[..., None]
        for each in (rise, decay)
    ]
    result: FloatArray = transient_curve(times, *constants).mean(axis=-1)
    return result


def plan_calcium(
    scene: MovieScene, puncta: list[Trajectory], rng: np.random.Generator, *, lead: int = 0
) -> CalciumPlan:
    """Return what happens in the second channel of a movie.

    Parameters
    ----------
    scene : MovieScene
        The movie; its ``calcium`` is set.
    puncta : list of Trajectory
        Its puncta; their numbers from 1 are those of the tracks.
    rng : numpy.random.Generator
        Source of randomness.
    lead : int
        Frames before the movie, or before a punctum appears, in which transients may begin.
    """
    calcium = scene.calcium or CalciumScene()
    transients = []
    for number, each in enumerate(puncta, start=1):
        if rng.random() >= calcium.active_share:
            continue
        length = len(each.photons)
        seconds = (length + lead) * scene.frame_seconds
        for _ in range(int(rng.poisson(calcium.rate_hz * seconds))):
            onset = each.first_frame + rng.uniform(-lead, max(length - 1.0, 0.5))
            transients.append(_transient(scene, calcium, onset, number, rng))
    sparks = tuple(_spark(scene, calcium, puncta, rng) for _ in range(rng.poisson(calcium.sparks)))
    waves = tuple(_wave(scene, calcium, rng) for _ in range(rng.poisson(calcium.waves)))
    return CalciumPlan(_apart(transients), sparks, waves)


def _apart(transients: list[Transient]) -> tuple[Transient, ...]:
    """Return transients without those that begin while another of their punctum still rises."""
    kept: list[Transient] = []
    for each in sorted(transients, key=lambda one: (one.track, one.onset)):
        last = kept[-1] if kept else None
        wait = 0.0 if last is None else last.rise * np.log1p(last.decay / last.rise) + 0.5
        if last is None or last.track != each.track or each.onset - last.onset > wait:
            kept.append(each)
    return tuple(kept)


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = np.log(bounds)
    return float(np.exp(rng.uniform(low, high)))


def _transient(
    scene: MovieScene, calcium: CalciumScene, onset: float, track: int, rng: np.random.Generator
) -> Transient:
    rise, decay = (
        _log_uniform(bounds, rng) / scene.frame_time_ms
        for bounds in (calcium.rise_ms, calcium.decay_ms)
    )
    return Transient(float(onset), rise, decay, _log_uniform(calcium.height, rng), track)


def _spark(
    scene: MovieScene, calcium: CalciumScene, puncta: list[Trajectory], rng: np.random.Generator
) -> Spark:
    height, width = scene.shape_yx
    onset = rng.uniform(0.0, max(scene.frames - 1.0, 0.5))
    transient = _transient(scene, calcium, onset, NO_TRACK, rng)
    places = [each.positions_xy.reshape(-1, 2) for each in puncta]
    taken = np.concatenate(places) if places else np.zeros((0, 2))
    least = scene.in_pixels(calcium.spark_distance_um)
    place = np.zeros(2)
    for _ in range(_TRIES):
        place = rng.uniform(0.0, 1.0, 2) * (width, height) - 0.5
        if not len(taken) or np.hypot(*(taken - place).T).min() >= least:
            break
    sigma = rng.uniform(*calcium.spark_sigma_nm) / scene.pixel_size_nm
    return Spark(transient, (float(place[0]), float(place[1])), float(sigma))


def _wave(scene: MovieScene, calcium: CalciumScene, rng: np.random.Generator) -> Wave:
    height, width = scene.shape_yx
    centre = rng.uniform(-0.2, 1.2, 2) * (width, height)
    speed = scene.in_pixels(rng.uniform(*calcium.wave_speed_um_s)) * scene.frame_seconds
    return Wave(
        float(rng.uniform(0.0, scene.frames)),
        (float(centre[0]), float(centre[1])),
        float(speed),
        float(rng.uniform(*calcium.wave_height)),
    )


def draw_calcium(
    scene: MovieScene,
    plan: CalciumPlan,
    puncta: list[Trajectory],
    light: FloatArray,
) -> npt.NDArray[np.float32]:
    """Return the expected photons of the second channel, shape (t, y, x), before bleed-through.

    Parameters
    ----------
    scene : MovieScene
        The movie; its ``calcium`` is set.
    plan : CalciumPlan
        What happens.
    puncta : list of Trajectory
        Its puncta.
    light : numpy.ndarray, shape (y, x), float64
        Light at each pixel.
    """
    calcium = scene.calcium or CalciumScene()
    height, width = scene.shape_yx
    relative = np.ones((scene.frames, height, width), dtype=np.float32)
    sigma = calcium.spot_sigma_nm / scene.pixel_size_nm
    for each in plan.transients:
        owner = puncta[each.track - 1]
        frames, values = _values(each, owner.first_frame, owner.first_frame + len(owner.photons))
        positions = owner.positions_xy[frames - owner.first_frame].mean(axis=1)
        _light_up(relative, frames, positions, values, sigma)
    for spark in plan.sparks:
        frames, values = _values(spark.transient, 0, scene.frames)
        positions = np.broadcast_to(np.array(spark.position_xy), (len(frames), 2))
        _light_up(relative, frames, positions, values, spark.sigma)
    for wave in plan.waves:
        _add_wave(relative, wave, scene.in_pixels(calcium.wave_width_um))
    relative *= (calcium.background * light).astype(np.float32)
    relative *= bleaching(scene.frames, calcium.bleach_s[1] / scene.frame_seconds)[:, None, None]
    return relative


def _values(transient: Transient, first: int, end: int) -> tuple[IndexArray, FloatArray]:
    """Return the frames in which a transient shows, and its dF/F0 in them."""
    frames = np.arange(max(first, int(np.floor(transient.onset))), end)
    values = transient.height * framed_curve(
        frames, transient.onset, transient.rise, np.asarray(transient.decay)
    )
    shows = values > _REST * transient.height
    return frames[shows], values[shows]


def _light_up(
    relative: npt.NDArray[np.float32],
    frames: IndexArray,
    positions_xy: FloatArray,
    values: FloatArray,
    sigma: float,
) -> None:
    """Add spots whose height at the centre is a dF/F0."""
    photons = values * 2.0 * np.pi * sigma**2
    add_spots(relative, frames, positions_xy, photons, sigma=sigma, psf="gaussian")


def _add_wave(relative: npt.NDArray[np.float32], wave: Wave, front: float) -> None:
    n_frames, height, width = relative.shape
    rows, columns = np.mgrid[:height, :width]
    away = np.hypot(columns - wave.centre_xy[0], rows - wave.centre_xy[1])
    for frame in range(int(wave.onset), n_frames):
        reached = wave.speed * (frame + 0.5 - wave.onset)
        ring = wave.height * np.exp(-0.5 * ((away - reached) / front) ** 2)
        relative[frame] += ring.astype(np.float32)


def bleaching(n_frames: int, constant: float) -> npt.NDArray[np.float32]:
    """Return what is left of the light in each frame.

    Parameters
    ----------
    n_frames : int
        Frames.
    constant : float
        Frames after which a share of 1/e is left.
    """
    return np.exp(-np.arange(n_frames) / constant).astype(np.float32)


def true_events(plan: CalciumPlan, scene: MovieScene, puncta: list[Trajectory]) -> Events:
    """Return the events of a movie: transients, sparks and waves, with positions and kinds.

    Amplitude and peak are those of the means over exposures; an event ends in the last frame in
    which it is at least half of its peak.

    Parameters
    ----------
    plan : CalciumPlan
        What happens.
    scene : MovieScene
        The movie.
    puncta : list of Trajectory
        Its puncta.
    """
    rows: list[tuple[float, int, int, float, float, float, int, str, float, float]] = []
    for each in plan.transients:
        owner = puncta[each.track - 1]
        end = owner.first_frame + len(owner.photons)
        frames, values = _values(each, owner.first_frame, end)
        if not len(frames):
            continue
        start = min(max(int(each.onset) - owner.first_frame, 0), len(owner.photons) - 1)
        x, y = owner.positions_xy[start].mean(axis=0)
        rows.append((*_times(each, frames, values), each.track, PUNCTUM, float(x), float(y)))
    for spark in plan.sparks:
        frames, values = _values(spark.transient, 0, scene.frames)
        if len(frames):
            times = _times(spark.transient, frames, values)
            rows.append((*times, NO_TRACK, SPARK, *spark.position_xy))
    for wave in plan.waves:
        first = int(wave.onset)
        times_of_wave = (wave.onset, first, scene.frames - 1, wave.height, np.nan, np.nan)
        rows.append((*times_of_wave, NO_TRACK, WAVE, *wave.centre_xy))
    columns: list[tuple[float, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 10
    onset, peak, end_frame, height, rise, decay, track, kind, x_all, y_all = columns
    return Events(
        np.array(track, dtype=np.int64),
        np.array(onset, dtype=np.float64),
        np.array(peak, dtype=np.int64),
        np.array(end_frame, dtype=np.int64),
        np.array(height, dtype=np.float64),
        None,
        np.array(rise, dtype=np.float64),
        np.array(decay, dtype=np.float64),
        tuple(str(each) for each in kind),
        np.stack([np.array(x_all, dtype=np.float64), np.array(y_all, dtype=np.float64)], axis=1),
    )


def _top(transient: Transient) -> float:
    """Return the highest mean over an exposure, whether or not the movie shows it."""
    start = int(np.floor(transient.onset))
    peak_at = transient.rise * np.log1p(transient.decay / transient.rise)
    frames = np.arange(start, start + int(np.ceil(peak_at)) + 3)
    curve = framed_curve(frames, transient.onset, transient.rise, np.asarray(transient.decay))
    return transient.height * float(curve.max())


def _times(
    transient: Transient, frames: IndexArray, values: FloatArray
) -> tuple[float, int, int, float, float, float]:
    top = int(np.argmax(values))
    above = np.flatnonzero(values >= 0.5 * values[top])
    return (
        transient.onset,
        int(frames[top]),
        int(frames[above[-1]]),
        float(values[top]),
        transient.rise,
        transient.decay,
    )


def true_traces(plan: CalciumPlan, truth: Spots) -> Traces:
    """Return dF/F0 of each punctum without noise, and where it is active, in rows of the truth.

    Active are the frames in which an event is at least half of its peak.

    Parameters
    ----------
    plan : CalciumPlan
        What happens.
    truth : Spots
        Where puncta shine, with tracks.
    """
    tracks = np.zeros(len(truth), dtype=np.int64) if truth.tracks is None else truth.tracks
    dff = np.zeros(len(truth))
    active = np.zeros(len(truth), dtype=bool)
    for each in plan.transients:
        rows = np.flatnonzero(tracks == each.track)
        if not len(rows):
            continue
        own = truth.frames[rows]
        first, last = int(own.min()), int(own.max())
        frames, values = _values(each, first, last + 1)
        if not len(frames):
            continue
        known = np.zeros(last - first + 1)
        known[frames - first] = values
        dff[rows] += known[own - first]
        active[rows] |= known[own - first] >= 0.5 * _top(each)
    return Traces(tracks, truth.frames, dff, truth.positions, active)
