"""From expected photons to grey values."""

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.scene import Camera

_WHITE = 65535.0


def recorded(
    expected: npt.NDArray[np.float32], camera: Camera, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """Return what a camera records of expected photons.

    Photons arrive at random (Poisson). An EMCCD amplifies every electron by a random number of mean
    one (a gamma distribution of the number of electrons, Basden et al. 2003,
    https://doi.org/10.1046/j.1365-8711.2003.07020.x); both cameras add read-out noise.

    Parameters
    ----------
    expected : numpy.ndarray, any shape, float32
        Expected photons of each pixel.
    camera : Camera
        The camera.
    rng : numpy.random.Generator
        Source of randomness.
    """
    electrons = rng.poisson(expected).astype(np.float32)
    if camera.kind == "emccd":
        electrons = rng.standard_gamma(electrons).astype(np.float32)
    noise = rng.standard_normal(expected.shape, dtype=np.float32) * camera.read_noise
    values = camera.baseline + camera.gain * (electrons + noise)
    return np.clip(np.rint(values), 0.0, _WHITE).astype(np.uint16)
