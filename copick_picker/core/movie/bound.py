"""How precisely a punctum can be localized at best: the Cramer-Rao bound."""

import numpy as np

from copick_picker.core.movie.fit import fisher_information
from copick_picker.core.movie.psf import window_of
from copick_picker.core.movie.scene import Camera
from copick_picker.records.movies import FloatArray


def cramer_rao_bound(
    positions_xy: FloatArray,
    photons: FloatArray,
    background: FloatArray,
    *,
    sigma: float,
    camera: Camera,
) -> FloatArray:
    """Return the least standard deviation of x and y of puncta that stand alone.

    Ober et al. 2004, https://doi.org/10.1016/S0006-3495(04)74193-4, for pixels, with photons and
    background unknown; the variance of a pixel is excess x mean + read-out noise squared.

    Parameters
    ----------
    positions_xy : numpy.ndarray, shape (n, 2), float64
        x and y in pixels.
    photons, background : numpy.ndarray, shape (n,), float64
        Photons of each, and of the background in a pixel.
    sigma : float
        Standard deviation of the Gaussian point spread function in pixels.
    camera : Camera
        Its noise.

    Returns
    -------
    numpy.ndarray, shape (n, 2), float64
        In pixels.

    Examples
    --------
    >>> camera = Camera("scmos", 100.0, 2.0, 0.0)
    >>> alone = cramer_rao_bound(np.zeros((1, 2)), np.array([1000.0]), np.array([1e-3]),
    ...     sigma=1.3, camera=camera)
    >>> bool(abs(alone[0, 0] - np.sqrt((1.3**2 + 1 / 12) / 1000)) < 0.002)
    True
    """
    half = window_of("gaussian", sigma)
    offsets = positions_xy - np.floor(positions_xy + 0.5)
    state = np.column_stack([offsets[:, ::-1], photons, background])
    _, _, information = fisher_information(state, sigma, half, camera)
    inverse = np.linalg.inv(information)
    variances = camera.excess * inverse[:, (1, 0), (1, 0)]
    result: FloatArray = np.sqrt(variances)
    return result
