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
from copick_picker.core.movie.simulation import background_of, draw_puncta, light_of, truth_of
from copick_picker.core.movie.trajectories import Trajectory, trajectories
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
    """

    scene: MovieScene
    context: int
    side: int
    batch_size: int
    easy_batches: int


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
    """

    name: str
    frames: Frames
    truth: Spots
    scale: GreyScale
    gain: float


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
    return _batch([patch for patch, _, _ in made], [each[1:] for each in made], head, "simulated")


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
    return _batch([patch for patch, _, _ in made], [each[1:] for each in made], head, "movies")


Puncta = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Centres (n, 2) as y and x in pixels of a patch, and amplitudes in units of the training."""


def _batch(
    patches: list[npt.NDArray[np.float32]], puncta: Sequence[Puncta], head: LearningHead, name: str
) -> Batch:
    targets = []
    for patch, (centres, amplitudes) in zip(patches, puncta, strict=True):
        shape = patch.shape[1:]
        truth = PatchTruth(shape, {1: centres}, {1: 1.0}, amplitudes={1: amplitudes})
        targets.append(head.target(truth))
    names = (name,) * len(patches)
    return Batch(np.stack(patches), np.stack(targets), names, names)


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


def _simulated(
    rules: PatchRules, ease: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    side = rules.side + 2 * _MARGIN
    share = side**2 / math.prod(rules.scene.shape_yx)
    like = varied(rules.scene, ease, rng)
    bright = rng.uniform(1.0 - like.unevenness, 1.0)
    scene = replace(
        like,
        shape_yx=(side, side),
        frames=rules.context,
        is_mean=True,
        tracks=max(like.tracks * share, _LEAST_PUNCTA * rng.uniform(0.2, 2.0)),
        vesicles=2.0 * like.vesicles * share,
        background=like.background * bright,
        photons=like.photons * bright,
        unevenness=0.3 * like.unevenness,
    )
    light = light_of(scene)
    puncta = with_companions(trajectories(scene, rng), rng)
    expected = background_of(scene, light, rng)
    draw_puncta(expected, scene, puncta, light)
    frames = recorded(expected, scene.camera, rng)
    whole = scale_of_scene(like, light)
    scale = GreyScale(
        whole.level + _LEVEL_ERROR * whole.noise * rng.standard_normal(),
        whole.noise * float(np.exp(_LEVEL_ERROR * rng.standard_normal())),
    )
    truth = truth_of(puncta, light)
    inner = slice(_MARGIN, _MARGIN + rules.side)
    patch = scale.scaled(frames[:, inner, inner])
    centres, amplitudes = _of_middle(
        truth, rules.context // 2, (_MARGIN, _MARGIN), scene.camera.gain / scale.noise
    )
    return patch, centres, amplitudes


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
    truth: Spots, frame: int, corner_yx: tuple[int, int], per_photon: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return centres (y, x) in a patch, and amplitudes, of the puncta of a frame."""
    shown = truth.chosen(truth.frames == frame)
    centres = shown.positions[:, ::-1] - np.asarray(corner_yx, dtype=np.float64)
    photons = np.ones(len(shown)) if shown.photons is None else shown.photons
    amplitudes = np.maximum(photons * per_photon / AMPLITUDE_UNIT, 1e-3)
    return centres, amplitudes


def _cut(
    movies: Sequence[KnownMovie], rules: PatchRules, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    movie = movies[int(rng.integers(len(movies)))]
    n_frames, height, width = movie.frames.shape
    side = rules.side
    if min(height, width) < side:
        msg = (
            f"movie {movie.name} has {height} x {width} pixels; a patch has {side} x {side}: "
            "give a smaller --patch"
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
    part = movie.frames[numbers, top : top + side, left : left + side]
    patch = movie.scale.scaled(part)
    per_photon = movie.gain / movie.scale.noise
    centres, amplitudes = _of_middle(movie.truth, frame, (top, left), per_photon)
    return patch, centres, amplitudes


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
