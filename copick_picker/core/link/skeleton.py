"""Points along the middle of long thin regions of a mask: its skeleton, thinned out."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from copick_picker.core.link.points import FloatArray
from copick_picker.core.link.tangents import tangents_from_neighbours

APART_VOXELS = 4.0
"""Distance of the points along the skeleton, in voxels."""
_N_NEAREST = 24
_ALL_AROUND = np.ones((3, 3, 3), dtype=bool)


def skeleton_points(
    mask: npt.NDArray[np.bool_], *, least_voxels: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Return points along the middle of the regions of a mask.

    Each connected region is thinned to lines of single voxels (Lee et al. 1994,
    https://doi.org/10.1006/cgip.1994.1042); of those, points four voxels apart are taken, each at
    the mean of the voxels of the skeleton within two voxels.

    Parameters
    ----------
    mask : numpy.ndarray, shape (z, y, x), bool
        The regions.
    least_voxels : int, default=0
        Smaller regions are left out.

    Returns
    -------
    points : numpy.ndarray, shape (n, 3), float64
        Points (z, y, x) in voxels; voxel centres are whole numbers.
    tangents : numpy.ndarray, shape (n, 3), float64
        Unit vectors (z, y, x) of either sign: of the line on which the skeleton lies there.

    Examples
    --------
    >>> mask = np.zeros((9, 9, 40), dtype=bool)
    >>> mask[3:6, 3:6, 2:38] = True
    >>> points, tangents = skeleton_points(mask)
    >>> points[:, :2].round(1).min(), points[:, :2].round(1).max(), abs(tangents[:, 2]).min() > 0.99
    (np.float64(4.0), np.float64(4.0), np.True_)
    """
    labels, _ = ndimage.label(mask, structure=_ALL_AROUND)
    found, directions = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        own = labels[where] == number
        if own.sum() < least_voxels:
            continue
        voxels = np.argwhere(skeletonize(np.pad(own, 1))).astype(np.float64) - 1.0
        if len(voxels) < 2:
            continue
        corner = np.array([part.start for part in where], dtype=np.float64)
        points, tangents = _thinned(voxels)
        found.append(points + corner)
        directions.append(tangents)
    return np.concatenate(found), np.concatenate(directions)


def _thinned(voxels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return points apart from each other, and the directions of the skeleton there."""
    tree = cKDTree(voxels)
    taken = np.zeros(len(voxels), dtype=bool)
    centres = []
    ends = np.array([len(near) for near in tree.query_ball_point(voxels, 1.8)]) <= 2
    for at in [*np.flatnonzero(ends).tolist(), *np.flatnonzero(~ends).tolist()]:
        if taken[at]:
            continue
        taken[tree.query_ball_point(voxels[at], APART_VOXELS)] = True
        centres.append(at)
    near = tree.query_ball_point(voxels[centres], APART_VOXELS / 2.0)
    tangents = tangents_from_neighbours(
        voxels, reach=2.0 * APART_VOXELS, width=1.0, n_nearest=_N_NEAREST
    )[centres]
    return np.stack([voxels[each].mean(axis=0) for each in near]), tangents
