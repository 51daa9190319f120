"""Puncta without a network: maxima of the Laplacian of a Gaussian, and a maximum-likelihood fit.

The fit is that of a Gaussian integrated over pixels with a flat background under Poisson noise, by
Fisher scoring, for all puncta of some frames at once (Smith et al. 2010,
https://doi.org/10.1038/nmeth.1449; read-out noise as in Huang et al. 2013,
https://doi.org/10.1038/nmeth.2488). What a punctum's neighbours shine into its window is taken away
before it is fitted again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.movie.psf import gaussian_on_pixels
from copick_picker.core.movie.scene import Camera
from copick_picker.records.movies import FloatArray, IndexArray

_ROUNDS = 12
_TURNS = 24
"""Times that puncta are fitted anew with their neighbours taken away."""
_ROUNDS_OF_TURN = 1
_LEAST_MEAN = 0.05
_LEAST_PHOTONS = 1.0
_FARTHEST = 2.0
"""Pixels from where it was found at which a fit is given up."""
_LARGEST_STEP = 0.7
_FIT_REACH = 3.0
_NOISE = 1.4826


@dataclass(frozen=True, eq=False)
class Fitted:
    """Puncta that were fitted.

    Attributes
    ----------
    positions_xy : numpy.ndarray, shape (n, 2), float64
        x and y in pixels.
    photons, background : numpy.ndarray, shape (n,), float64
        Photons of each, and of the background in a pixel.
    sigmas : numpy.ndarray, shape (n, 2), float64
        Standard deviations of x and y by the Cramer-Rao bound.
    converged : numpy.ndarray, shape (n,), bool
        Whether the fit stayed near where it began.
    """

    positions_xy: FloatArray
    photons: FloatArray
    background: FloatArray
    sigmas: FloatArray
    converged: npt.NDArray[np.bool_]


def log_response(frame: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """Return minus the Laplacian of a Gaussian of a frame: puncta are high.

    Parameters
    ----------
    frame : numpy.ndarray, shape (y, x), float32
        Photons or grey values.
    sigma : float
        Standard deviation of the filter in pixels.
    """
    result: npt.NDArray[np.float32] = -ndimage.gaussian_laplace(frame, sigma, mode="nearest")
    return result


def log_maxima(
    response: npt.NDArray[np.float32], *, threshold: float, reach: int
) -> tuple[IndexArray, FloatArray]:
    """Return maxima of a response, and how many times its noise each is high.

    Parameters
    ----------
    response : numpy.ndarray, shape (y, x), float32
        As :func:`log_response` returns it.
    threshold : float
        Least height in standard deviations of the noise.
    reach : int
        A maximum is the highest of the pixels up to so many away.

    Returns
    -------
    cells : numpy.ndarray, shape (n, 2), int64
        y and x.
    heights : numpy.ndarray, shape (n,), float64
        Height over the noise, which is that of the middle half of all pixels.
    """
    middle = float(np.median(response))
    noise = _NOISE * float(np.median(np.abs(response - middle)))
    if noise <= 0:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0)
    highest = ndimage.maximum_filter(response, size=2 * reach + 1, mode="nearest")
    heights = (response - middle) / noise
    cells = np.argwhere((response == highest) & (heights >= threshold))
    return cells, heights[tuple(cells.T)].astype(np.float64)


def fit_spots(
    photons: npt.NDArray[np.float32],
    frames: IndexArray,
    positions_xy: FloatArray,
    *,
    sigma: float,
    camera: Camera,
) -> Fitted:
    """Return puncta fitted in frames.

    Parameters
    ----------
    photons : numpy.ndarray, shape (t, y, x), float32
        Frames in photons.
    frames : numpy.ndarray, shape (n,), int64
        Frame of each punctum among these.
    positions_xy : numpy.ndarray, shape (n, 2), float64
        Where each was found.
    sigma : float
        Standard deviation of the point spread function in pixels.
    camera : Camera
        Its noise.
    """
    half = max(2, int(np.ceil(_FIT_REACH * sigma)))
    cells = np.floor(positions_xy[:, ::-1] + 0.5).astype(np.int64)
    windows = _windows(photons, frames, cells, half)
    start = _start(windows, positions_xy[:, ::-1] - cells, sigma, half)
    state, bound = _scored(windows, start, sigma, half, camera)
    crowd = _neighbours(frames, cells, 2 * half)
    if len(crowd[0]):
        chosen = np.unique(crowd[0])
        state[chosen] = start[chosen]
        for _ in range(_TURNS):
            light = _light_of_neighbours(crowd, cells, state, sigma, half)
            begin, own = state[chosen], windows[chosen] - light[chosen]
            state[chosen], bound[chosen] = _scored(
                own, begin, sigma, half, camera, rounds=_ROUNDS_OF_TURN
            )
    places = cells + state[:, :2]
    away = np.hypot(*(places - positions_xy[:, ::-1]).T)
    converged = (away <= _FARTHEST) & np.isfinite(bound).all(axis=1) & (state[:, 2] > 1.0)
    return Fitted(places[:, ::-1], state[:, 2], state[:, 3], bound[:, ::-1], converged)


def _windows(
    photons: npt.NDArray[np.float32], frames: IndexArray, cells: IndexArray, half: int
) -> FloatArray:
    """Return the window of each punctum; NaN beyond the field."""
    steps = np.arange(-half, half + 1)
    rows, columns = cells[:, :1] + steps, cells[:, 1:] + steps
    _, height, width = photons.shape
    inside = ((rows >= 0) & (rows < height))[:, :, None]
    inside = inside & ((columns >= 0) & (columns < width))[:, None, :]
    found = photons[
        frames[:, None, None],
        rows.clip(0, height - 1)[:, :, None],
        columns.clip(0, width - 1)[:, None, :],
    ].astype(np.float64)
    found[~inside] = np.nan
    windows: FloatArray = found
    return windows


def _start(windows: FloatArray, offsets: FloatArray, sigma: float, half: int) -> FloatArray:
    """Return y, x, photons and background at which the fit begins."""
    rim = np.ones(windows.shape[1:], dtype=bool)
    rim[1:-1, 1:-1] = False
    background = np.nanmedian(np.where(rim, windows, np.nan), axis=(1, 2))
    background = np.maximum(background, _LEAST_MEAN)
    shape = _spot(offsets, sigma, half)
    clean = np.nan_to_num(windows - background[:, None, None])
    photons = (clean * shape).sum(axis=(1, 2)) / (shape**2).sum(axis=(1, 2))
    start: FloatArray = np.column_stack([offsets, np.maximum(photons, _LEAST_PHOTONS), background])
    return start


def _spot(offsets: FloatArray, sigma: float, half: int) -> FloatArray:
    rows, columns = (gaussian_on_pixels(offsets[:, axis], sigma, half) for axis in (0, 1))
    result: FloatArray = rows[:, :, None] * columns[:, None, :]
    return result


def spot_and_slopes(
    offsets: FloatArray, sigma: float, half: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a Gaussian of one photon on pixels, and its slopes along y and x.

    Parameters
    ----------
    offsets : numpy.ndarray, shape (n, 2), float64
        Centres (y, x) relative to the middle of the window.
    sigma : float
        Standard deviation in pixels.
    half : int
        Half side of the window.
    """
    heights, slopes = [], []
    edges = np.arange(-half, half + 2) - 0.5
    for axis in (0, 1):
        heights.append(gaussian_on_pixels(offsets[:, axis], sigma, half))
        at = (edges[None] - offsets[:, axis, None]) / sigma
        density = np.exp(-0.5 * at**2) / (np.sqrt(2.0 * np.pi) * sigma)
        slopes.append(-np.diff(density, axis=1))
    spot = heights[0][:, :, None] * heights[1][:, None, :]
    along_y = slopes[0][:, :, None] * heights[1][:, None, :]
    along_x = heights[0][:, :, None] * slopes[1][:, None, :]
    return spot, along_y, along_x


def fisher_information(
    state: FloatArray, sigma: float, half: int, camera: Camera
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return expected windows, their slopes, and the Fisher information of each punctum.

    Parameters
    ----------
    state : numpy.ndarray, shape (n, 4), float64
        y and x relative to the window's middle, photons, background.
    sigma : float
        Standard deviation of the point spread function in pixels.
    half : int
        Half side of the window.
    camera : Camera
        Its noise: the variance of a pixel is excess x mean + read-out noise squared.

    Returns
    -------
    mean : numpy.ndarray, shape (n, p)
        Expected photons of each pixel.
    slopes : numpy.ndarray, shape (n, p, 4)
        Their derivatives.
    information : numpy.ndarray, shape (n, 4, 4)
        Without the excess noise, which weighs all pixels alike; divide by ``camera.excess``.
    """
    spot, along_y, along_x = spot_and_slopes(state[:, :2], sigma, half)
    n = len(state)
    photons = state[:, 2, None, None]
    slopes = np.stack([photons * along_y, photons * along_x, spot, np.ones_like(spot)], axis=-1)
    mean = photons * spot + state[:, 3, None, None]
    flat = slopes.reshape(n, -1, 4)
    means: FloatArray = np.maximum(mean.reshape(n, -1), _LEAST_MEAN)
    weight = 1.0 / (means + camera.read_noise**2 / camera.excess)
    information: FloatArray = np.einsum("npi,npj,np->nij", flat, flat, weight)
    return means, flat, information


def _scored(
    windows: FloatArray,
    start: FloatArray,
    sigma: float,
    half: int,
    camera: Camera,
    *,
    rounds: int = _ROUNDS,
) -> tuple[FloatArray, FloatArray]:
    """Return fitted states, and the bound of y and x."""
    state = start.copy()
    known = np.isfinite(windows).reshape(len(windows), -1)
    data = np.nan_to_num(windows).reshape(len(windows), -1)
    ridge = 1e-9 * np.eye(4)
    information = np.zeros((len(state), 4, 4))
    for _ in range(rounds):
        mean, slopes, _ = fisher_information(state, sigma, half, camera)
        weight = known / (mean + camera.read_noise**2 / camera.excess)
        gradient = np.einsum("npi,np->ni", slopes, (data - mean) * weight)
        information = np.einsum("npi,npj,np->nij", slopes, slopes, weight) + ridge
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        step[:, :2] = step[:, :2].clip(-_LARGEST_STEP, _LARGEST_STEP)
        state += step
        state[:, :2] = state[:, :2].clip(-half, half)
        state[:, 2] = np.maximum(state[:, 2], _LEAST_PHOTONS)
        state[:, 3] = np.maximum(state[:, 3], _LEAST_MEAN)
        if np.abs(step[:, :2]).max(initial=0.0) < 1e-4:
            break
    inverse = np.linalg.inv(information)
    bound = np.sqrt(np.maximum(camera.excess * inverse[:, (0, 1), (0, 1)], 0.0))
    return state, bound


def _neighbours(frames: IndexArray, cells: IndexArray, reach: int) -> tuple[IndexArray, IndexArray]:
    """Return pairs of puncta of one frame whose windows overlap, both ways round."""
    first, second = [], []
    order = np.argsort(frames, kind="stable")
    bounds = np.flatnonzero(np.diff(frames[order])) + 1
    for members in np.split(order, bounds):
        apart = np.abs(cells[members, None] - cells[None, members]).max(axis=2)
        one, other = np.nonzero((apart <= reach) & ~np.eye(len(members), dtype=bool))
        first.append(members[one])
        second.append(members[other])
    return (
        np.concatenate(first) if first else np.zeros(0, dtype=np.int64),
        np.concatenate(second) if second else np.zeros(0, dtype=np.int64),
    )


def _light_of_neighbours(
    crowd: tuple[IndexArray, IndexArray],
    cells: IndexArray,
    state: FloatArray,
    sigma: float,
    half: int,
) -> FloatArray:
    """Return the photons that each punctum's neighbours bring into its window."""
    one, other = crowd
    offsets = cells[other] + state[other, :2] - cells[one]
    light = _spot(offsets, sigma, half) * state[other, 2, None, None]
    total = np.zeros((len(cells), 2 * half + 1, 2 * half + 1))
    np.add.at(total, one, light)
    return total
