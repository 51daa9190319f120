"""Patches that a detector learns from: simulated on the fly, or cut from movies with a truth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from copick_picker.core.heads.head import LearningHead
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import PatchTruth
from copick_picker.core.movie.camera import recorded
from copick_picker.core.movie.scaling import GreyScale, scale_of_scene
from copick_picker.core.movie.scene import MovieScene
from copick_picker.core.movie.simulation import (
    background_of,
    both_channels,
    draw_puncta,
    light_of,
    truth_of,
)
from copick_picker.core.movie.trajectories import Trajectory, trajectories
from copick_picker.core.movie.transients import plan_calcium, true_traces
from copick_picker.core.train.sampling import Batch
from copick_picker.errors import DataError
from copick_picker.records.movies import Frames, Spots

AMPLITUDE_UNIT = 100.0
"""Photons are learned as grey values over the noise, in units of so many."""
_MARGIN = 8
"""Pixels around a simulated patch that hold puncta too."""
_LEAST_PUNCTA = 3.0
_DENSITIES = (0.5, 3.0)
_PHOTONS = (0.5, 1.8)
_BACKGROUNDS = (0.6, 1.5)
_WIDTHS = (0.9, 1.12)
_LEVEL_ERROR = 0.05
_COMPANIONS = 0.25
_COMPANION_PIXELS = (1.0, 4.0)
UNKNOWN = -1.0
"""Target of calcium where it is not known."""
_CORE, _RING = 2.5, 7.0
"""Pixels about a punctum in which calcium is its own, and to which it may reach."""
_LEAD_FRAMES = 12
"""Frames before a patch in which transients may have begun."""
_CALCIUM_RATE = 2.0
"""How many times more often puncta of simulated patches are active: most would rest."""


@dataclass(frozen=True)
class PatchRules:
    """How patches are made.

    Attributes
    ----------
    scene : MovieScene
        What the movies are like.
    context : int
        Frames of a patch, an odd number; puncta are those of the middle one.
    side : int
        Pixels along y and x.
    batch_size : int
        Patches of a batch.
    easy_batches : int
        Batches over which the curriculum goes from few bright puncta to what the scene has.
    n_channels : int
        Channels that the network sees; 2: puncta and calcium.
    has_calcium : bool
        Whether targets say where calcium is up.
    """

    scene: MovieScene
    context: int
    side: int
    batch_size: int
    easy_batches: int
    n_channels: int = 1
    has_calcium: bool = False


@dataclass(frozen=True, eq=False)
class CalciumChannel:
    """The second channel of a movie with what is known of it.

    Attributes
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        Grey values, perhaps in a file.
    scale : GreyScale
        Level and noise.
    active : numpy.ndarray, shape (n,), bool, or None
        Whether calcium is up at each punctum of the truth; None: not known.
    """

    frames: Frames
    scale: GreyScale
    active: npt.NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class KnownMovie:
    """A movie with its truth.

    Attributes
    ----------
    name : str
        Its name.
    frames : numpy.ndarray, shape (t, y, x)
        Grey values, perhaps in a file.
    truth : Spots
        Puncta with photons.
    scale : GreyScale
        Level and noise.
    gain : float
        Grey values for each photon.
    calcium : CalciumChannel or None
        The second channel.
    """

    name: str
    frames: Frames
    truth: Spots
    scale: GreyScale
    gain: float
    calcium: CalciumChannel | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """A patch with its truth.

    Attributes
    ----------
    patch : numpy.ndarray, shape (c, y, x), float32
        Scaled grey values: the frames of the first channel, then those of the second.
    centres : numpy.ndarray, shape (n, 2), float64
        y and x of the puncta of the middle frame in pixels of the patch.
    amplitudes : numpy.ndarray, shape (n,), float64
        Their photons in units of the training.
    active : numpy.ndarray, shape (n,), bool, or None
        Whether calcium is up at each; None: not known.
    """

    patch: npt.NDArray[np.float32]
    centres: npt.NDArray[np.float64]
    amplitudes: npt.NDArray[np.float64]
    active: npt.NDArray[np.bool_] | None = None


def detector_rules(*, loss_parameters: dict[str, float]) -> HeadRules:
    """Return the rules of the head ``centres`` for puncta.

    Parameters
    ----------
    loss_parameters : dict
        Weights of the loss's terms, over the defaults.
    """
    given = {
        "positive_weight": 1.0,
        "offset_weight": 1.0,
        "amplitude_weight": 0.1,
        "count_weight": 0.0,
        "kendall": 0.0,
        "gamma": 2.0,
    }
    return HeadRules(
        n_objects=1,
        target_kind="points",
        target_fraction=1.0,
        output_stride=1,
        loss="bce",
        loss_parameters=given | loss_parameters,
        channel_weights=(1.0, 1.0),
        priors=(1e-3,),
        spreads=(0.8,),
        block_radii=(1.0,),
        has_amplitude=True,
        n_axes=2,
    )


def simulated_batch(number: int, rules: PatchRules, head: LearningHead, *, seed: int) -> Batch:
    """Return a batch of patches that no batch had before.

    Parameters
    ----------
    number : int
        Number of the batch.
    rules : PatchRules
        How patches are made.
    head : LearningHead
        Makes the targets.
    seed : int
        Equal seeds and numbers give equal batches.
    """
    rng = np.random.default_rng([seed, number])
    ease = max(0.0, 1.0 - number / max(rules.easy_batches, 1))
    made = [_simulated(rules, ease, rng) for _ in range(rules.batch_size)]
    return _batch(made, rules, head, "simulated")


def batch_of_movies(
    number: int, movies: Sequence[KnownMovie], rules: PatchRules, head: LearningHead, *, seed: int
) -> Batch:
    """Return a batch of patches cut from movies: two of three about a punctum.

    Parameters
    ----------
    number : int
        Number of the batch.
    movies : sequence of KnownMovie
        Movies with their truth.
    rules : PatchRules
        How patches are made.
    head : LearningHead
        Makes the targets.
    seed : int
        Equal seeds and numbers give equal batches.
    """
    rng = np.random.default_rng([seed, number])
    made = [_cut(movies, rules, rng) for _ in range(rules.batch_size)]
    return _batch(made, rules, head, "movies")


def _batch(samples: list[Sample], rules: PatchRules, head: LearningHead, name: str) -> Batch:
    targets = []
    for each in samples:
        shape = each.patch.shape[1:]
        truth = PatchTruth(shape, {1: each.centres}, {1: 1.0}, amplitudes={1: each.amplitudes})
        target = head.target(truth)
        if rules.has_calcium:
            calcium = calcium_target(shape, each.centres, each.active)
            target = np.concatenate([target, calcium[None]])
        targets.append(target)
    names = (name,) * len(samples)
    return Batch(np.stack([each.patch for each in samples]), np.stack(targets), names, names)


def calcium_target(
    shape: tuple[int, int],
    centres: npt.NDArray[np.float64],
    active: npt.NDArray[np.bool_] | None,
) -> npt.NDArray[np.float32]:
    """Return where calcium is up at puncta: 1 there, 0 elsewhere, negative where it is not known.

    Not known is a ring about each active punctum, whose signal fades outwards.

    Parameters
    ----------
    shape : tuple of int
        Pixels along y and x.
    centres : numpy.ndarray, shape (n, 2), float64
        y and x of the puncta in pixels.
    active : numpy.ndarray, shape (n,), bool, or None
        Whether calcium is up at each; None: not known anywhere.
    """
    if active is None:
        return np.full(shape, UNKNOWN, dtype=np.float32)
    result = np.zeros(shape, dtype=np.float32)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    squares = [(rows - y) ** 2 + (columns - x) ** 2 for y, x in centres]
    for square, up in zip(squares, active, strict=True):
        if up:
            result[square < _RING**2] = UNKNOWN
    for square, up in zip(squares, active, strict=True):
        if not up:
            result[square < _CORE**2] = 0.0
    for square, up in zip(squares, active, strict=True):
        if up:
            result[square < _CORE**2] = 1.0
    return result


def varied(scene: MovieScene, ease: float, rng: np.random.Generator) -> MovieScene:
    """Return a scene like another: other brightness, background, width and density.

    Parameters
    ----------
    scene : MovieScene
        The scene.
    ease : float
        1: few bright puncta; 0: the scene's own.
    rng : numpy.random.Generator
        Source of randomness.
    """
    density = rng.uniform(*_DENSITIES) * (1.0 - 0.7 * ease)
    return replace(
        scene,
        tracks=scene.tracks * density,
        photons=scene.photons * float(np.exp(rng.uniform(*np.log(_PHOTONS)))) * (1.0 + ease),
        background=scene.background * rng.uniform(*_BACKGROUNDS),
        psf_sigma_nm=scene.psf_sigma_nm * rng.uniform(*_WIDTHS),
    )


def _simulated(rules: PatchRules, ease: float, rng: np.random.Generator) -> Sample:
    side = rules.side + 2 * _MARGIN
    like = varied(rules.scene, ease, rng)
    scene = _patch_scene(like, rules, rng)
    light = light_of(scene)
    puncta = with_companions(trajectories(scene, rng), rng)
    expected = background_of(scene, light, rng)
    draw_puncta(expected, scene, puncta, light)
    truth, indicator, active = truth_of(puncta, light), None, None
    if scene.calcium is not None and rules.has_calcium:
        plan = plan_calcium(scene, puncta, rng, lead=_LEAD_FRAMES)
        expected, indicator, _ = both_channels(scene, expected, plan, puncta, light)
        active = true_traces(plan, truth).active
    inner = slice(_MARGIN, side - _MARGIN)
    scale = _misjudged(scale_of_scene(like, light), rng)
    patch = scale.scaled(recorded(expected, scene.camera, rng)[:, inner, inner])
    if indicator is not None and rules.n_channels == 2:
        second = _misjudged(scale_of_scene(_of_indicator(like), light), rng)
        frames = recorded(indicator, scene.camera, rng)[:, inner, inner]
        patch = np.concatenate([patch, second.scaled(frames)])
    per_photon = scene.camera.gain / scale.noise
    return _of_middle(patch, truth, active, rules.context // 2, (_MARGIN, _MARGIN), per_photon)


def _patch_scene(like: MovieScene, rules: PatchRules, rng: np.random.Generator) -> MovieScene:
    """Return the scene of a patch with its margin, somewhere in the field of a movie."""
    side = rules.side + 2 * _MARGIN
    share = side**2 / math.prod(rules.scene.shape_yx)
    bright = rng.uniform(1.0 - like.unevenness, 1.0)
    calcium = like.calcium
    if calcium is not None:
        calcium = replace(
            calcium,
            background=calcium.background * bright,
            rate_hz=calcium.rate_hz * _CALCIUM_RATE,
            sparks=2.0 * calcium.sparks * share,
        )
    return replace(
        like,
        shape_yx=(side, side),
        frames=rules.context,
        is_mean=True,
        tracks=max(like.tracks * share, _LEAST_PUNCTA * rng.uniform(0.2, 2.0)),
        vesicles=2.0 * like.vesicles * share,
        background=like.background * bright,
        photons=like.photons * bright,
        unevenness=0.3 * like.unevenness,
        calcium=calcium,
    )


def _of_indicator(scene: MovieScene) -> MovieScene:
    """Return a scene whose background is that of the second channel."""
    calcium = scene.calcium
    return scene if calcium is None else replace(scene, background=calcium.background)


def _misjudged(scale: GreyScale, rng: np.random.Generator) -> GreyScale:
    """Return a scale that is a little off, as one measured in a movie is."""
    return GreyScale(
        scale.level + _LEVEL_ERROR * scale.noise * rng.standard_normal(),
        scale.noise * float(np.exp(_LEVEL_ERROR * rng.standard_normal())),
    )


def with_companions(puncta: list[Trajectory], rng: np.random.Generator) -> list[Trajectory]:
    """Return puncta, a quarter of them with another a few pixels away: pairs are rare otherwise.

    Parameters
    ----------
    puncta : list of Trajectory
        Puncta of a patch.
    rng : numpy.random.Generator
        Source of randomness.
    """
    more = []
    for each in puncta:
        if rng.random() < _COMPANIONS:
            angle = rng.uniform(0.0, 2.0 * np.pi)
            away = rng.uniform(*_COMPANION_PIXELS) * np.array([np.cos(angle), np.sin(angle)])
            photons = each.photons * rng.lognormal(0.0, 0.3)
            more.append(replace(each, positions_xy=each.positions_xy + away, photons=photons))
    return [*puncta, *more]


def _of_middle(
    patch: npt.NDArray[np.float32],
    truth: Spots,
    active: npt.NDArray[np.bool_] | None,
    frame: int,
    corner_yx: tuple[int, int],
    per_photon: float,
) -> Sample:
    """Return a patch with the puncta of its middle frame."""
    rows = truth.frames == frame
    shown = truth.chosen(rows)
    centres = shown.positions[:, ::-1] - np.asarray(corner_yx, dtype=np.float64)
    photons = np.ones(len(shown)) if shown.photons is None else shown.photons
    amplitudes = np.maximum(photons * per_photon / AMPLITUDE_UNIT, 1e-3)
    return Sample(patch, centres, amplitudes, None if active is None else active[rows])


def _cut(movies: Sequence[KnownMovie], rules: PatchRules, rng: np.random.Generator) -> Sample:
    movie = movies[int(rng.integers(len(movies)))]
    n_frames, height, width = movie.frames.shape
    side = rules.side
    if min(height, width) < side:
        msg = (
            f"movie {movie.name} has {height} x {width} pixels; a patch has {side} x {side}: "
            "use a smaller --patch"
        )
        raise DataError(msg)
    frame = int(rng.integers(n_frames))
    middle = rng.uniform(0.0, 1.0, 2) * (height, width)
    if len(movie.truth) and rng.random() < 2.0 / 3.0:
        chosen = int(rng.integers(len(movie.truth)))
        frame = int(movie.truth.frames[chosen])
        middle = movie.truth.positions[chosen, ::-1] + rng.uniform(-0.5, 0.5, 2) * side
    top, left = (
        int(np.clip(round(centre - side / 2), 0, size - side))
        for centre, size in zip(middle, (height, width), strict=True)
    )
    numbers = context_frames(frame, rules.context, n_frames)
    window = (numbers, slice(top, top + side), slice(left, left + side))
    patch = movie.scale.scaled(movie.frames[window])
    active = None
    if movie.calcium is not None:
        active = movie.calcium.active
        if rules.n_channels == 2:
            second = movie.calcium.scale.scaled(movie.calcium.frames[window])
            patch = np.concatenate([patch, second])
    per_photon = movie.gain / movie.scale.noise
    sample = _of_middle(patch, movie.truth, active, frame, (top, left), per_photon)
    return turned(sample, int(rng.integers(8)))


def turned(sample: Sample, number: int) -> Sample:
    """Return a patch turned or mirrored, with its centres.

    Parameters
    ----------
    sample : Sample
        The patch, as wide as it is high.
    number : int
        0 to 7: the symmetries of a square; 0 changes nothing.
    """
    patch, centres = sample.patch, sample.centres
    last = patch.shape[1] - 1
    if number & 1:
        patch, centres = patch[:, ::-1], centres * (-1.0, 1.0) + (last, 0.0)
    if number & 2:
        patch, centres = patch[:, :, ::-1], centres * (1.0, -1.0) + (0.0, last)
    if number & 4:
        patch, centres = patch.transpose(0, 2, 1), centres[:, ::-1]
    return replace(sample, patch=np.ascontiguousarray(patch), centres=centres)


def context_frames(frame: int, context: int, n_frames: int) -> npt.NDArray[np.int64]:
    """Return the frames that a network sees for one: those around it, mirrored at the ends.

    Parameters
    ----------
    frame : int
        The frame.
    context : int
        How many, an odd number.
    n_frames : int
        Frames of the movie.

    Examples
    --------
    >>> context_frames(0, 3, 10).tolist(), context_frames(0, 3, 1).tolist()
    ([1, 0, 1], [0, 0, 0])
    """
    half = context // 2
    numbers = np.arange(frame - half, frame + half + 1)
    if n_frames == 1:
        return np.zeros(context, dtype=np.int64)
    numbers = np.abs(numbers)
    last = n_frames - 1
    return (last - np.abs(last - numbers)).clip(0, last).astype(np.int64)
