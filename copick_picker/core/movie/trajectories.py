"""Where puncta are in the course of a movie."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.scene import MOTIONS, MovieScene

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
_TRIES = 50


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A punctum.

    Attributes
    ----------
    motion : str
        Kind of motion.
    first_frame : int
        Frame in which it appears.
    positions_xy : numpy.ndarray, shape (f, s, 2), float64
        x and y in pixels, in each frame and at each step of its exposure.
    photons : numpy.ndarray, shape (f,), float64
        Photons in each frame; 0 where it is dark.
    """

    motion: str
    first_frame: int
    positions_xy: FloatArray
    photons: FloatArray


def trajectories(scene: MovieScene, rng: np.random.Generator) -> list[Trajectory]:
    """Return the puncta of a movie.

    Puncta stay in the field: its edges throw them back.

    Parameters
    ----------
    scene : MovieScene
        The movie.
    rng : numpy.random.Generator
        Source of randomness.
    """
    number = int(rng.poisson(scene.tracks)) if scene.is_mean else round(scene.tracks)
    starts = _starts(scene, number, rng)
    return [_trajectory(scene, start, rng) for start in starts]


def _starts(scene: MovieScene, number: int, rng: np.random.Generator) -> FloatArray:
    """Return where puncta begin (n, 2), as far apart as the scene says where there is room."""
    height, width = scene.shape_yx
    size = np.array([width, height], dtype=np.float64)
    least = scene.in_pixels(scene.least_distance_nm / 1000.0)
    starts = np.zeros((number, 2))
    for place in range(number):
        for _ in range(_TRIES):
            starts[place] = rng.uniform(0.0, 1.0, 2) * size - 0.5
            away = np.hypot(*(starts[:place] - starts[place]).T)
            if (away >= least).all():
                break
    return starts


def _trajectory(scene: MovieScene, start: FloatArray, rng: np.random.Generator) -> Trajectory:
    first = 0
    if rng.random() < scene.born_later:
        first = int(rng.integers(scene.frames))
    lifetime = 1 + int(rng.exponential(scene.lifetime_frames))
    length = min(lifetime, scene.frames - first)
    shares = np.asarray(scene.motion_shares, dtype=np.float64)
    motion = str(rng.choice(MOTIONS, p=shares / shares.sum()))
    path = _path(scene, motion, start, length * scene.blur_steps, rng)
    middle = rng.lognormal(np.log(scene.photons), scene.photons_spread)
    photons = middle * rng.lognormal(0.0, scene.photons_flicker, length)
    photons[_is_dark(scene, length, rng)] = 0.0
    return Trajectory(motion, first, path.reshape(length, scene.blur_steps, 2), photons)


def _path(
    scene: MovieScene, motion: str, start: FloatArray, steps: int, rng: np.random.Generator
) -> FloatArray:
    """Return x and y at every step of a walk."""
    height, width = scene.shape_yx
    size = np.array([width, height], dtype=np.float64)
    seconds = scene.frame_seconds / scene.blur_steps
    if motion == "immobile":
        return np.broadcast_to(start, (steps, 2)).copy()
    if motion == "directed":
        speed = scene.in_pixels(rng.uniform(*scene.speed_um_s)) * seconds
        angle = rng.uniform(0.0, 2.0 * np.pi) + np.cumsum(rng.normal(0.0, 0.05, steps))
        moves = speed * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        moves += rng.normal(0.0, _spread(scene, scene.diffusion_um2_s[0], seconds), (steps, 2))
        return _reflected(start + np.cumsum(moves, axis=0), size)
    low, high = np.log(scene.diffusion_um2_s)
    spread = _spread(scene, float(np.exp(rng.uniform(low, high))), seconds)
    moves = rng.normal(0.0, spread, (steps, 2))
    if motion == "brownian":
        return _reflected(start + np.cumsum(moves, axis=0), size)
    radius = scene.in_pixels(rng.uniform(*scene.confinement_um))
    return _reflected(start + _confined(moves, radius), size)


def _spread(scene: MovieScene, diffusion_um2_s: float, seconds: float) -> float:
    """Return the standard deviation of a step along an axis in pixels."""
    return scene.in_pixels(np.sqrt(2.0 * diffusion_um2_s * seconds))


def _confined(moves: FloatArray, radius: float) -> FloatArray:
    """Return a walk that a circle about its start throws back."""
    path = np.zeros_like(moves)
    place = np.zeros(2)
    for step, move in enumerate(moves):
        place = place + move
        away = float(np.hypot(*place))
        if away > radius:
            place = place * max(2.0 * radius - away, 0.0) / away
        path[step] = place
    return path


def _reflected(path: FloatArray, size: FloatArray) -> FloatArray:
    """Return positions that the edges of the field throw back."""
    inside = np.mod(path + 0.5, 2.0 * size)
    return np.minimum(inside, 2.0 * size - inside) - 0.5


def _is_dark(scene: MovieScene, length: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return in which frames a punctum is dark; never in its first."""
    dark = np.zeros(length, dtype=bool)
    if scene.blink_off <= 0:
        return dark
    frame = 1
    while frame < length:
        frame += int(rng.geometric(scene.blink_off))
        off = int(rng.geometric(1.0 / max(scene.blink_frames, 1.0)))
        dark[frame : frame + off] = True
        frame += off
    return dark
