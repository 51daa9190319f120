"""Points along the middle of long thin regions of a mask: the paths of its skeleton."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from copick_picker.core.link.points import FloatArray, IndexArray

APART_VOXELS = 3
"""Steps along a path from one point to the next."""
_WINDOW = 2
_TOUCHING = 1.75
_BESIDE = 3.0
_LEAST_BRANCH = 8
_LEAST_PATH = 3
_ALL_AROUND = np.ones((3, 3, 3), dtype=bool)


def skeleton_paths(mask: npt.NDArray[np.bool_]) -> list[FloatArray]:
    """Return points along the middle of the regions of a mask, in order.

    Each connected region is thinned to lines of single voxels (Lee et al. 1994,
    https://doi.org/10.1006/cgip.1994.1042). The longest way through them is a path, and then the
    longest through what lies beside it, unless it is so short that it may be a spur. Points stand
    three voxels apart, each at the mean of five voxels of the path.

    Parameters
    ----------
    mask : numpy.ndarray, shape (z, y, x), bool
        The regions.

    Returns
    -------
    list of numpy.ndarray, shape (n, 3), float64
        Points (z, y, x) of each path in voxels; voxel centres are whole numbers.

    Examples
    --------
    >>> mask = np.zeros((9, 9, 40), dtype=bool)
    >>> mask[3:6, 3:6, 2:38] = True
    >>> (path,) = skeleton_paths(mask)
    >>> path[:, :2].round(1).min(), path[:, :2].round(1).max(), len(path)
    (np.float64(4.0), np.float64(4.0), 12)
    """
    labels, _ = ndimage.label(mask, structure=_ALL_AROUND)
    found = []
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        own = labels[where] == number
        voxels = np.argwhere(skeletonize(np.pad(own, 1))).astype(np.float64) - 1.0
        corner = np.array([part.start for part in where], dtype=np.float64)
        found += [_thinned(path) + corner for path in _paths(voxels)]
    return found


def _paths(voxels: FloatArray) -> list[FloatArray]:
    """Return the paths through the voxels of one skeleton, the longest first."""
    found: list[FloatArray] = []
    parts = [voxels]
    least = _LEAST_PATH
    while parts:
        rest = parts.pop()
        if len(rest) < least:
            continue
        path = rest[_longest_way(rest)]
        if len(path) >= least:
            found.append(path)
        least = _LEAST_BRANCH
        away, _ = cKDTree(path).query(rest)
        parts += _connected(rest[away > _BESIDE])
    return found


def _graph(voxels: FloatArray) -> csr_array:
    pairs = cKDTree(voxels).query_pairs(_TOUCHING, output_type="ndarray")
    lengths = np.linalg.norm(voxels[pairs[:, 0]] - voxels[pairs[:, 1]], axis=1)
    size = (len(voxels), len(voxels))
    return csr_array((lengths, (pairs[:, 0], pairs[:, 1])), shape=size)


def _connected(voxels: FloatArray) -> list[FloatArray]:
    if len(voxels) == 0:
        return []
    number, part = connected_components(_graph(voxels), directed=False)
    return [voxels[part == each] for each in range(number)]


def _longest_way(voxels: FloatArray) -> IndexArray:
    """Return the voxels of the longest of all shortest ways: from one end to the farthest."""
    graph = _graph(voxels)
    first = dijkstra(graph, directed=False, indices=0)
    start = int(np.where(np.isfinite(first), first, -1.0).argmax())
    away, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    at = int(np.where(np.isfinite(away), away, -1.0).argmax())
    way = [at]
    while at != start:
        at = int(before[at])
        way.append(at)
    return np.array(way[::-1], dtype=np.int64)


def _thinned(path: FloatArray) -> FloatArray:
    """Return points of a path some voxels apart, from end to end, smoothed."""
    number = max(2, round((len(path) - 1) / APART_VOXELS) + 1)
    centres = np.linspace(0, len(path) - 1, number).round().astype(int)
    points = []
    for at in centres.tolist():
        reach = min(_WINDOW, at, len(path) - 1 - at)
        points.append(path[at - reach : at + reach + 1].mean(axis=0))
    return np.array(points)
