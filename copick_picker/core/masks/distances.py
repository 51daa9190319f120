"""Distances to the surface of a mask, exact for the voxels, interpolated for points between."""

import edt
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.geometry import points_to_voxels
from copick_picker.core.masks.grids import BoolVolume


def signed_distances(inside_zyx: BoolVolume, *, voxel_spacing: float) -> npt.NDArray[np.float32]:
    """Return the distance of every voxel to the surface of a mask, positive inside.

    The exact Euclidean distance to the nearest voxel of the other kind (Felzenszwalb and
    Huttenlocher 2012, by the package ``edt``), less half a voxel: the surface runs midway between
    an inner and an outer voxel. The faces of the volume are no surface.

    Parameters
    ----------
    inside_zyx : numpy.ndarray, shape (z, y, x), bool
        The mask.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32
        Angstrom; +inf everywhere for a full mask, -inf for an empty one.

    Examples
    --------
    >>> signed_distances(np.array([[[False, True, True, True]]]), voxel_spacing=10.0)
    array([[[-5.,  5., 15., 25.]]], dtype=float32)
    """
    if inside_zyx.all():
        return np.full(inside_zyx.shape, np.inf, dtype=np.float32)
    if not inside_zyx.any():
        return np.full(inside_zyx.shape, -np.inf, dtype=np.float32)
    half = np.float32(voxel_spacing / 2)
    distances = _to_false(inside_zyx, voxel_spacing)
    distances -= np.where(inside_zyx, half, np.float32(0))
    outer = _to_false(~inside_zyx, voxel_spacing)
    distances -= np.where(inside_zyx, np.float32(0), outer - half)
    return distances


def distances_at(
    distances_zyx: npt.NDArray[np.float32],
    points_xyz: npt.NDArray[np.float64],
    *,
    voxel_spacing: float,
) -> npt.NDArray[np.float64]:
    """Return the distance of points to the surface of a mask, positive inside.

    Parameters
    ----------
    distances_zyx : numpy.ndarray, shape (z, y, x), float32
        As :func:`signed_distances` returns them.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Points (x, y, z) in Angstrom. One outside of the volume counts as the nearest voxel of it.
    voxel_spacing : float
        Edge of a voxel of the mask in Angstrom.

    Returns
    -------
    numpy.ndarray, shape (n,), float64
        Angstrom, linear between voxels; +inf for a full mask, -inf for an empty one.

    Raises
    ------
    DataError
        If the points are not (n, 3) or the spacing is not positive.

    Examples
    --------
    >>> mask = np.array([[[False, True, True, True]]])
    >>> distances = signed_distances(mask, voxel_spacing=10.0)
    >>> points = np.array([[15.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> distances_at(distances, points, voxel_spacing=10.0)
    array([10., -5.])
    """
    centres_zyx = points_to_voxels(points_xyz, voxel_spacing)
    first = float(distances_zyx.flat[0])
    if np.isinf(first):
        return np.full(len(centres_zyx), first)
    found: npt.NDArray[np.float64] = ndimage.map_coordinates(
        distances_zyx, centres_zyx.T, output=np.float64, order=1, mode="nearest"
    )
    return found


def grown(inside_zyx: BoolVolume, *, voxel_spacing: float, by_angstrom: float) -> BoolVolume:
    """Return a mask with its surface moved outwards, or inwards by a negative length.

    Parameters
    ----------
    inside_zyx : numpy.ndarray, shape (z, y, x), bool
        The mask.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    by_angstrom : float
        How far; less than half a voxel changes nothing.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), bool

    Examples
    --------
    >>> mask = np.array([[[False, False, True, False, False]]])
    >>> grown(mask, voxel_spacing=10.0, by_angstrom=10.0)
    array([[[False,  True,  True,  True, False]]])
    """
    if by_angstrom == 0:
        return inside_zyx
    distances = signed_distances(inside_zyx, voxel_spacing=voxel_spacing)
    kept: BoolVolume = distances > -by_angstrom
    return kept


def _to_false(inside_zyx: BoolVolume, voxel_spacing: float) -> npt.NDArray[np.float32]:
    """Return the distance of each voxel inside to the nearest one outside, centre to centre."""
    found: npt.NDArray[np.float32] = edt.edt(
        np.ascontiguousarray(inside_zyx), anisotropy=(voxel_spacing,) * 3, black_border=False
    )
    return found
