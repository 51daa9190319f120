"""Point spread functions on pixels, and images of puncta."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import erf, j1

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
_REACH = {"gaussian": 4.5, "airy": 9.0}
"""Standard deviations to which a punctum is drawn."""
_AIRY_WIDTH = 1.323
"""Argument of the Airy pattern at one standard deviation of the Gaussian that resembles it: 0.21
wavelengths over the numerical aperture (Zhang et al. 2007, https://doi.org/10.1364/AO.46.001819)."""
_FINE = 3


def window_of(psf: str, sigma: float) -> int:
    """Return the half side of the window that a punctum is drawn in, in pixels.

    Parameters
    ----------
    psf : str
        ``gaussian`` or ``airy``.
    sigma : float
        Its standard deviation in pixels.
    """
    return max(2, math.ceil(_REACH[psf] * sigma))


def gaussian_on_pixels(offsets: FloatArray, sigma: FloatArray | float, half: int) -> FloatArray:
    """Return the share of a Gaussian along one axis that falls on each pixel.

    Parameters
    ----------
    offsets : numpy.ndarray, shape (n,), float64
        Centres relative to the middle of the window, in pixels.
    sigma : numpy.ndarray, shape (n,), or float
        Standard deviations in pixels.
    half : int
        Half side of the window.

    Returns
    -------
    numpy.ndarray, shape (n, 2 half + 1), float64
        Differences of the error function at the pixels' edges; Smith et al. 2010,
        https://doi.org/10.1038/nmeth.1449, equation 4.
    """
    edges = np.arange(-half, half + 2) - 0.5
    scale = np.sqrt(2.0) * np.broadcast_to(np.asarray(sigma, dtype=np.float64), offsets.shape)
    heights = erf((edges[None] - offsets[:, None]) / scale[:, None])
    result: FloatArray = 0.5 * np.diff(heights, axis=1)
    return result


def spot_images(offsets_yx: FloatArray, sigma: float, psf: str) -> FloatArray:
    """Return images of puncta of one photon.

    Parameters
    ----------
    offsets_yx : numpy.ndarray, shape (n, 2), float64
        Centres relative to the middle pixel of the window.
    sigma : float
        Standard deviation in pixels.
    psf : str
        ``gaussian`` or ``airy``.

    Returns
    -------
    numpy.ndarray, shape (n, 2 half + 1, 2 half + 1), float64
        With half as :func:`window_of` gives it.
    """
    half = window_of(psf, sigma)
    if psf == "gaussian":
        along = [gaussian_on_pixels(offsets_yx[:, axis], sigma, half) for axis in (0, 1)]
        return along[0][:, :, None] * along[1][:, None, :]
    steps = (np.arange((2 * half + 1) * _FINE) + 0.5) / _FINE - half - 0.5
    k = _AIRY_WIDTH / sigma
    squares = (steps[None] - offsets_yx[:, :1]) ** 2, (steps[None] - offsets_yx[:, 1:]) ** 2
    argument = k * np.sqrt(squares[0][:, :, None] + squares[1][:, None, :])
    small = argument < 1e-6
    argument[small] = 1.0
    fine = (2.0 * j1(argument) / argument) ** 2
    fine[small] = 1.0
    side = 2 * half + 1
    blocks = fine.reshape(-1, side, _FINE, side, _FINE).mean(axis=(2, 4))
    result: FloatArray = blocks * k**2 / (4.0 * np.pi)
    return result


def add_spots(
    movie: npt.NDArray[np.float32],
    frames: IndexArray,
    positions_xy: FloatArray,
    photons: FloatArray,
    *,
    sigma: float,
    psf: str,
) -> None:
    """Add puncta to a movie of expected photons, in place.

    Parameters
    ----------
    movie : numpy.ndarray, shape (t, y, x), float32
        Expected photons.
    frames : numpy.ndarray, shape (n,), int64
        Frame of each punctum.
    positions_xy : numpy.ndarray, shape (n, 2), float64
        x and y in pixels.
    photons : numpy.ndarray, shape (n,), float64
        Photons of each.
    sigma : float
        Standard deviation of the point spread function in pixels.
    psf : str
        ``gaussian`` or ``airy``.
    """
    if len(frames) == 0:
        return
    half = window_of(psf, sigma)
    places = positions_xy[:, ::-1]
    middles = np.floor(places + 0.5).astype(np.int64)
    images = spot_images(places - middles, sigma, psf) * photons[:, None, None]
    _, height, width = movie.shape
    for frame, (row, column), image in zip(frames, middles, images, strict=True):
        y0, x0 = max(0, row - half), max(0, column - half)
        y1, x1 = min(height, row + half + 1), min(width, column + half + 1)
        if y0 < y1 and x0 < x1:
            part = image[y0 - row + half : y1 - row + half, x0 - column + half : x1 - column + half]
            movie[frame, y0:y1, x0:x1] += part
