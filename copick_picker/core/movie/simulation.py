"""Simulated movies with their truth."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.camera import recorded
from copick_picker.core.movie.psf import add_spots
from copick_picker.core.movie.scene import CalciumScene, MovieScene
from copick_picker.core.movie.trajectories import Trajectory, trajectories
from copick_picker.core.movie.transients import (
    CalciumPlan,
    bleaching,
    draw_calcium,
    plan_calcium,
    true_events,
    true_traces,
)
from copick_picker.records.calcium import Events, Traces
from copick_picker.records.movies import FloatArray, Spots

_VESICLE_STEP_NM = 30.0


@dataclass(frozen=True, eq=False)
class SimulatedCalcium:
    """The second channel of a movie, and its truth.

    Attributes
    ----------
    frames : numpy.ndarray, shape (t, y, x), uint16
        Grey values.
    events : Events
        Events at puncta, sparks and waves.
    traces : Traces
        dF/F0 at the puncta without noise, in rows of the movie's truth.
    """

    frames: npt.NDArray[np.uint16]
    events: Events
    traces: Traces


@dataclass(frozen=True, eq=False)
class SimulatedMovie:
    """A movie and its truth.

    Attributes
    ----------
    frames : numpy.ndarray, shape (t, y, x), uint16
        Grey values.
    truth : Spots
        Puncta that shine, with photons and tracks from 1; x and y are means over the exposure.
    motions : dict
        Track -> kind of motion.
    light : numpy.ndarray, shape (y, x), float64
        Light at each pixel, 1 in the middle.
    calcium : SimulatedCalcium or None
        The second channel; None where the scene has none.
    """

    frames: npt.NDArray[np.uint16]
    truth: Spots
    motions: dict[int, str]
    light: FloatArray
    calcium: SimulatedCalcium | None = None


def simulate_movie(scene: MovieScene, *, seed: int) -> SimulatedMovie:
    """Return a movie.

    Parameters
    ----------
    scene : MovieScene
        What it shows.
    seed : int
        Equal seeds give equal movies.
    """
    rng = np.random.default_rng(seed)
    puncta = trajectories(scene, rng)
    light = light_of(scene)
    truth = truth_of(puncta, light)
    expected = background_of(scene, light, rng)
    draw_puncta(expected, scene, puncta, light)
    motions = {number: each.motion for number, each in enumerate(puncta, start=1)}
    if scene.calcium is None:
        return SimulatedMovie(recorded(expected, scene.camera, rng), truth, motions, light)
    plan = plan_calcium(scene, puncta, rng)
    lit, indicator, left = both_channels(scene, expected, plan, puncta, light)
    photons = np.ones(len(truth)) if truth.photons is None else truth.photons
    truth = truth.with_values({"photons": photons * left[truth.frames]})
    calcium = SimulatedCalcium(
        recorded(indicator, scene.camera, rng),
        true_events(plan, scene, puncta),
        true_traces(plan, truth),
    )
    return SimulatedMovie(recorded(lit, scene.camera, rng), truth, motions, light, calcium)


def both_channels(
    scene: MovieScene,
    expected: npt.NDArray[np.float32],
    plan: CalciumPlan,
    puncta: list[Trajectory],
    light: FloatArray,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the expected photons of puncta and indicator, and what bleaching leaves of puncta.

    Parameters
    ----------
    scene : MovieScene
        The movie; its ``calcium`` is set.
    expected : numpy.ndarray, shape (t, y, x), float32
        Photons of the puncta's channel alone, without bleaching.
    plan : CalciumPlan
        What happens in the other.
    puncta : list of Trajectory
        Puncta of the movie.
    light : numpy.ndarray, shape (y, x), float64
        Light at each pixel.
    """
    calcium = scene.calcium or CalciumScene()
    left = bleaching(scene.frames, calcium.bleach_s[0] / scene.frame_seconds)
    alone = expected * left[:, None, None]
    indicator = draw_calcium(scene, plan, puncta, light)
    to_indicator, to_puncta = (np.float32(share) for share in calcium.bleed)
    return alone + to_puncta * indicator, indicator + to_indicator * alone, left


def light_of(scene: MovieScene) -> FloatArray:
    """Return how much light each pixel gets: a Gaussian profile, 1 in the middle.

    Parameters
    ----------
    scene : MovieScene
        The movie; ``unevenness`` is what the corners lack.
    """
    height, width = scene.shape_yx
    if scene.unevenness <= 0:
        return np.ones((height, width))
    rows = (np.arange(height) - (height - 1) / 2) / max(height / 2, 1)
    columns = (np.arange(width) - (width - 1) / 2) / max(width / 2, 1)
    squares = (rows[:, None] ** 2 + columns[None] ** 2) / 2.0
    result: FloatArray = np.exp(np.log(max(1.0 - scene.unevenness, 0.01)) * squares)
    return result


def light_at(light: FloatArray, positions_xy: FloatArray) -> FloatArray:
    """Return the light at positions, that of the nearest pixel.

    Parameters
    ----------
    light : numpy.ndarray, shape (y, x), float64
        As :func:`light_of` returns it.
    positions_xy : numpy.ndarray, shape (n, 2), float64
        x and y in pixels.
    """
    index = np.floor(positions_xy[:, ::-1] + 0.5).astype(np.int64)
    rows, columns = (index[:, axis].clip(0, light.shape[axis] - 1) for axis in (0, 1))
    result: FloatArray = light[rows, columns]
    return result


def truth_of(puncta: list[Trajectory], light: FloatArray) -> Spots:
    """Return where puncta shine, sorted by track and frame.

    Parameters
    ----------
    puncta : list of Trajectory
        Puncta of a movie; their numbers from 1 are those of the tracks.
    light : numpy.ndarray, shape (y, x), float64
        Light at each pixel.
    """
    parts = []
    for number, each in enumerate(puncta, start=1):
        shines = each.photons > 0
        frames = each.first_frame + np.flatnonzero(shines)
        positions = each.positions_xy[shines].mean(axis=1)
        photons = each.photons[shines] * light_at(light, positions)
        tracks = np.full(len(frames), number, dtype=np.int64)
        parts.append(Spots(frames, positions, photons=photons, tracks=tracks))
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Spots(nothing, np.zeros((0, 2)), photons=np.zeros(0), tracks=nothing)
    return Spots(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.positions for part in parts]),
        photons=np.concatenate([part.photons for part in parts if part.photons is not None]),
        tracks=np.concatenate([part.tracks for part in parts if part.tracks is not None]),
    )


def background_of(
    scene: MovieScene, light: FloatArray, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return the expected photons of everything but the puncta, shape (t, y, x).

    Parameters
    ----------
    scene : MovieScene
        The movie.
    light : numpy.ndarray, shape (y, x), float64
        Light at each pixel.
    rng : numpy.random.Generator
        Source of randomness.
    """
    still = (scene.background * light).astype(np.float32)
    expected = np.repeat(still[None], scene.frames, axis=0)
    height, width = scene.shape_yx
    for _ in range(int(rng.poisson(scene.vesicles))):
        sigma = rng.uniform(*scene.vesicle_sigma_nm) / scene.pixel_size_nm
        start = rng.uniform(0.0, 1.0, 2) * (width, height)
        steps = rng.normal(0.0, _VESICLE_STEP_NM / scene.pixel_size_nm, (scene.frames, 2))
        path = start + np.cumsum(steps, axis=0)
        photons = scene.vesicle_photons * light_at(light, path)
        add_spots(
            expected, np.arange(scene.frames), path, photons, sigma=float(sigma), psf="gaussian"
        )
    return expected


def draw_puncta(
    expected: npt.NDArray[np.float32],
    scene: MovieScene,
    puncta: list[Trajectory],
    light: FloatArray,
) -> None:
    """Add puncta to expected photons, in place.

    Parameters
    ----------
    expected : numpy.ndarray, shape (t, y, x), float32
        Expected photons.
    scene : MovieScene
        The movie.
    puncta : list of Trajectory
        Its puncta.
    light : numpy.ndarray, shape (y, x), float64
        Light at each pixel.
    """
    for each in puncta:
        shines = np.flatnonzero(each.photons > 0)
        n_steps = each.positions_xy.shape[1]
        for step in range(n_steps):
            positions = each.positions_xy[shines, step]
            photons = each.photons[shines] * light_at(light, positions) / n_steps
            add_spots(
                expected,
                each.first_frame + shines,
                positions,
                photons,
                sigma=scene.psf_sigma,
                psf=scene.psf,
            )
