"""Grey values of any camera on one scale: over the background, in units of its noise."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.scene import Camera, MovieScene
from copick_picker.records.movies import FloatArray, Frames

_NOISE = 1.4826
_PAIRS = 8


@dataclass(frozen=True)
class GreyScale:
    """What the background of a movie looks like.

    Attributes
    ----------
    level : float
        Median grey value.
    noise : float
        Standard deviation of a pixel from frame to frame, in grey values.
    """

    level: float
    noise: float

    def scaled(self, frames: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Return grey values over the level in units of the noise.

        Parameters
        ----------
        frames : numpy.ndarray
            Grey values.
        """
        values = frames.astype(np.float32)
        values -= np.float32(self.level)
        values /= np.float32(self.noise)
        return values


def scale_of_movie(frames: npt.NDArray[np.generic]) -> GreyScale:
    """Return the scale of a movie, or of some of its frames in a row.

    The noise is that of differences between frames, whose middle half puncta hardly touch.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        At least one frame. Of a single one the noise is that of neighbouring pixels.
    """
    values = frames.astype(np.float32)
    level = float(np.median(values))
    steps = np.diff(values, axis=0) if len(values) > 1 else np.diff(values, axis=2)
    noise = _NOISE * float(np.median(np.abs(steps - np.median(steps)))) / float(np.sqrt(2.0))
    if noise <= 0:
        noise = float(steps.std()) / float(np.sqrt(2.0))
    return GreyScale(level, noise if noise > 0 else 1.0)


def scale_of_channel(frames: Frames) -> GreyScale:
    """Return the scale of a whole channel, from pairs of frames all over it.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        The channel, perhaps in a file.
    """
    last = max(len(frames) - 2, 0)
    first = np.unique(np.linspace(0, last, _PAIRS).astype(int))
    found = [scale_of_movie(frames[int(k) : int(k) + 2]) for k in first]
    return GreyScale(
        float(np.median([each.level for each in found])),
        float(np.median([each.noise for each in found])),
    )


def scale_of_scene(scene: MovieScene, light: FloatArray) -> GreyScale:
    """Return the scale that a simulated movie is expected to have.

    Parameters
    ----------
    scene : MovieScene
        The movie.
    light : numpy.ndarray, shape (y, x), float64
        Light at each pixel.
    """
    camera = scene.camera
    photons = scene.background * float(np.median(light))
    return GreyScale(camera.baseline + camera.gain * photons, noise_of(camera, photons))


def noise_of(camera: Camera, photons: float) -> float:
    """Return the standard deviation of the grey value of a pixel.

    Parameters
    ----------
    camera : Camera
        The camera.
    photons : float
        Expected photons of the pixel.
    """
    variance = camera.excess * photons + camera.read_noise**2
    return float(camera.gain * np.sqrt(max(variance, 1e-3)))
