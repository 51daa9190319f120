"""Voxel indices (z, y, x) and points (x, y, z) in Angstrom.

The only place that reverses axes or multiplies by the voxel spacing. Index i lies at
``i * voxel_spacing``: there is no half-voxel shift (copick's convention).
"""

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError

FloatArray = npt.NDArray[np.float64]
Triple = tuple[int, int, int]
"""Sizes or positions along z, y and x, in voxels."""


def voxels_to_points(centres_zyx: npt.ArrayLike, voxel_spacing: float) -> FloatArray:
    """Return points (x, y, z) in Angstrom of voxel positions (z, y, x).

    Parameters
    ----------
    centres_zyx : array_like, shape (n, 3)
        Continuous voxel positions, order (z, y, x).
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    numpy.ndarray, shape (n, 3), float64
        Points (x, y, z) in Angstrom.

    Raises
    ------
    DataError
        If the positions are not (n, 3) or the spacing is not positive and finite.

    Examples
    --------
    >>> voxels_to_points([[1.0, 2.0, 3.0]], 10.0)
    array([[30., 20., 10.]])
    """
    return _as_triples(centres_zyx)[:, ::-1] * _checked_spacing(voxel_spacing)


def points_to_voxels(points_xyz: npt.ArrayLike, voxel_spacing: float) -> FloatArray:
    """Return continuous voxel positions (z, y, x) of points (x, y, z) in Angstrom.

    Parameters
    ----------
    points_xyz : array_like, shape (n, 3)
        Points (x, y, z) in Angstrom.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    numpy.ndarray, shape (n, 3), float64
        Continuous voxel positions, order (z, y, x); round only to index.

    Raises
    ------
    DataError
        If the points are not (n, 3) or the spacing is not positive and finite.

    Examples
    --------
    >>> points_to_voxels([[30.0, 20.0, 10.0]], 10.0)
    array([[1., 2., 3.]])
    """
    return _as_triples(points_xyz)[:, ::-1] / _checked_spacing(voxel_spacing)


def length_to_voxels(length_angstrom: float, voxel_spacing: float) -> float:
    """Return a length in voxels.

    Parameters
    ----------
    length_angstrom : float
        Length in Angstrom, such as a radius.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Raises
    ------
    DataError
        If the spacing is not positive and finite.

    Examples
    --------
    >>> length_to_voxels(60.0, 10.0)
    6.0
    """
    return float(length_angstrom) / _checked_spacing(voxel_spacing)


def box_angstrom(shape_zyx: tuple[int, int, int], voxel_spacing: float) -> FloatArray:
    """Return the largest position (x, y, z) in Angstrom that lies on a voxel of the volume.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume, order (z, y, x).
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Examples
    --------
    >>> box_angstrom((11, 21, 31), 10.0)
    array([300., 200., 100.])
    """
    last_zyx = np.asarray(shape_zyx, dtype=np.float64)[None] - 1.0
    box: FloatArray = voxels_to_points(last_zyx, voxel_spacing)[0]
    return box


def middle_angstrom(shape_zyx: tuple[int, ...], voxel_spacing: float) -> FloatArray:
    """Return the middle (x, y, z) of a volume in Angstrom: half its size, as RELION counts it.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume, order (z, y, x).
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Examples
    --------
    >>> middle_angstrom((10, 20, 31), 10.0)
    array([155., 100.,  50.])
    """
    half_zyx = np.asarray(shape_zyx, dtype=np.float64)[None] / 2.0
    middle: FloatArray = voxels_to_points(half_zyx, voxel_spacing)[0]
    return middle


def rotations_xyz(rotations_zyx: npt.ArrayLike) -> FloatArray:
    """Return rotations that act on columns (x, y, z), of rotations that act on (z, y, x).

    The same function turns them back.

    Parameters
    ----------
    rotations_zyx : array_like, shape (n, 3, 3)
        Rotation matrices for columns (z, y, x).

    Returns
    -------
    numpy.ndarray, shape (n, 3, 3), float64
        The same rotations for columns (x, y, z).

    Raises
    ------
    DataError
        If the matrices are not (n, 3, 3).

    Examples
    --------
    >>> quarter = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]  # x becomes z
    >>> (rotations_xyz([quarter])[0] @ [1.0, 0.0, 0.0]).tolist()
    [0.0, 0.0, 1.0]
    """
    rotations = np.asarray(rotations_zyx, dtype=np.float64)
    if rotations.size == 0:
        return np.zeros((0, 3, 3))
    if rotations.ndim != 3 or rotations.shape[1:] != (3, 3):
        msg = f"rotations have shape {rotations.shape}; expected (n, 3, 3)"
        raise DataError(msg)
    return np.ascontiguousarray(rotations[:, ::-1, ::-1])


def _as_triples(values: npt.ArrayLike) -> FloatArray:
    triples = np.asarray(values, dtype=np.float64)
    if triples.size == 0:
        return np.zeros((0, 3))
    if triples.ndim != 2 or triples.shape[1] != 3:
        msg = f"positions have shape {triples.shape}; expected (n, 3)"
        raise DataError(msg)
    return triples


def _checked_spacing(voxel_spacing: float) -> float:
    if not (np.isfinite(voxel_spacing) and voxel_spacing > 0):
        msg = f"voxel spacing is {voxel_spacing}; expected a positive number of Angstrom"
        raise DataError(msg)
    return float(voxel_spacing)
