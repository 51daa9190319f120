"""Local maxima of maps, and where between the voxels they lie."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float64]
FloatMap = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]


def local_maxima(values: FloatMap, *, floor: float, planes: slice) -> IndexArray:
    """Return the voxels that no neighbour exceeds, sorted along the axes.

    The neighbours are the voxels that share a face, an edge or a corner; of equal neighbours the
    first along the axes counts, so that a plateau of two gives one maximum. A result depends on one
    plane on each side only.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x) or (y, x), float32
        Map; NaN is never a maximum.
    floor : float
        Least value of a maximum.
    planes : slice
        Range of the first axis whose maxima are returned.

    Returns
    -------
    numpy.ndarray, shape (n, d), int64
        Indices.

    Examples
    --------
    >>> values = np.zeros((3, 4, 5), np.float32)
    >>> values[1, 2, 2:4] = 0.5
    >>> local_maxima(values, floor=0.1, planes=slice(0, 3)).tolist()
    [[1, 2, 2]]
    """
    highest = ndimage.maximum_filter(values, size=3, mode="constant", cval=-np.inf)
    start = planes.start or 0
    inner = values[planes]
    found = np.argwhere((inner >= floor) & (inner == highest[planes]))
    found[:, 0] += start
    if len(found) < 2:
        return found
    before = np.argwhere(np.ones((3,) * values.ndim))[: 3**values.ndim // 2] - 1
    keep = np.ones(len(found), dtype=bool)
    for step in before:
        neighbours = found + step
        inside = ((neighbours >= 0) & (neighbours < values.shape)).all(axis=1)
        place = tuple(np.where(inside[:, None], neighbours, 0).T)
        keep &= ~(inside & (values[place] == values[tuple(found.T)]))
    return found[keep]


def log_parabola(values: FloatMap, peaks: IndexArray) -> FloatArray:
    """Return how far from its voxel a peak lies: the vertex of a parabola in the logarithm.

    It is exact for a Gaussian blob. On noise-free blobs of other forms its bias is a few hundredths
    of a voxel; ``tests/benchmarks/peak_bias.py`` measures it.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x) or (y, x), float32
        Map of positive values.
    peaks : numpy.ndarray, shape (n, d), int64
        Voxels that no neighbour along an axis exceeds.

    Returns
    -------
    numpy.ndarray, shape (n, d), float64
        Offsets in voxels, at most half a voxel along each axis; 0 at the first and last voxel of an
        axis, and where a neighbour is not positive.

    Examples
    --------
    >>> x = np.arange(7.0)
    >>> blob = np.exp(-0.5 * ((x - 3.3) / 1.5) ** 2).astype(np.float32).reshape(1, 1, 7)
    >>> log_parabola(blob, np.array([[0, 0, 3]])).round(4).tolist()
    [[0.0, 0.0, 0.3]]
    """
    result = np.zeros(peaks.shape)
    middle = _logarithm(values[tuple(peaks.T)])
    for axis, size in enumerate(values.shape):
        below, above = peaks.copy(), peaks.copy()
        below[:, axis] -= 1
        above[:, axis] += 1
        inside = (below[:, axis] >= 0) & (above[:, axis] < size)
        low = _logarithm(values[tuple(np.where(inside[:, None], below, peaks).T)])
        high = _logarithm(values[tuple(np.where(inside[:, None], above, peaks).T)])
        with np.errstate(invalid="ignore"):
            curvature = low - 2 * middle + high
            fits = inside & np.isfinite(curvature) & (curvature < 0)
            shift = 0.5 * (low - high) / np.where(fits, curvature, -1.0)
        result[:, axis] = np.where(fits, np.clip(np.nan_to_num(shift), -0.5, 0.5), 0.0)
    return result


def face_steps(n_axes: int) -> IndexArray:
    """Return the steps to a voxel itself and to its neighbours, shape (n, d).

    Parameters
    ----------
    n_axes : int
        3: the six neighbours that share a face; 2: all eight.

    Examples
    --------
    >>> len(face_steps(3)), len(face_steps(2))
    (7, 9)
    """
    cube = np.argwhere(np.ones((3,) * n_axes)) - 1
    near = cube if n_axes < 3 else cube[np.abs(cube).sum(axis=1) <= 1]
    result: IndexArray = near[np.argsort(np.abs(near).sum(axis=1), kind="stable")]
    return result


def _logarithm(values: npt.NDArray[np.floating]) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: FloatArray = np.log(values.astype(np.float64))
    return result
