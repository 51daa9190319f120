"""Points along the middle of long thin regions of a mask: the paths of its skeleton."""

import math

import edt
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
_END_POINTS = 4
_LEAST_PATH = 3
_THIN, _CLOSED, _OPENED = 0.4, 0.8, 0.5
_ENCLOSED = 0.6
_MOST_LOOKED_AT = 2000
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
        own = np.pad(labels[where] == number, 1)
        at = np.nonzero(skeletonize(own))
        radii = _distances(own)[at].astype(np.float64)
        voxels = np.stack(at, axis=1).astype(np.float64)
        corner = np.array([part.start - 1 for part in where], dtype=np.float64)
        found += [_thinned(path) + corner for path in _paths(voxels, radii)]
    return found


def filled_tubes(mask: npt.NDArray[np.bool_], radius_voxels: float) -> npt.NDArray[np.bool_] | None:
    """Return a mask whose hollow tubes are filled; None if it does not show walls of tubes.

    A mask that is much thinner than the object may show its wall. Closed by 0.8 and opened by 0.5
    of the radius, walls become rods, lines stay lines, and specks vanish; only rods are taken.

    Parameters
    ----------
    mask : numpy.ndarray, shape (z, y, x), bool
        The regions.
    radius_voxels : float
        Radius of the object.

    Examples
    --------
    >>> z, y, _ = np.indices((24, 24, 40)) - 12.0
    >>> away = np.hypot(z, y)
    >>> tube = (away > 5.0) & (away < 8.0)
    >>> filled = filled_tubes(tube, 8.0)
    >>> bool(filled[12, 12, 20]), filled_tubes(away < 8.0, 8.0) is None
    (True, True)
    """
    if not mask.any() or _half_thickness(mask) >= _THIN * radius_voxels:
        return None
    margin = math.ceil(_CLOSED * radius_voxels) + 1
    wide = np.pad(mask, margin)
    wide = _distances(~wide) <= _CLOSED * radius_voxels
    wide = _distances(wide) > _CLOSED * radius_voxels
    inner = _distances(wide) > _OPENED * radius_voxels
    if not inner.any():
        return None
    solid = _distances(~inner) <= _OPENED * radius_voxels
    cut: npt.NDArray[np.bool_] = solid[margin:-margin, margin:-margin, margin:-margin]
    is_rod = cut.any() and _half_thickness(cut) >= _OPENED * radius_voxels
    return cut if is_rod and _enclosure(mask, cut, radius_voxels) >= _ENCLOSED else None


def _enclosure(
    mask: npt.NDArray[np.bool_], filled: npt.NDArray[np.bool_], radius_voxels: float
) -> float:
    """Return in which share of directions a mask lies around the voxels that were filled."""
    inside = np.argwhere(filled & ~mask)
    inside = inside[:: max(1, len(inside) // _MOST_LOOKED_AT)]
    if len(inside) == 0:
        return 0.0
    directions = np.array([each for each in np.ndindex(3, 3, 3) if each != (1, 1, 1)]) - 1.0
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    reach = np.arange(1.0, 2.0 * radius_voxels)
    hits = np.zeros((len(inside), len(directions)), dtype=bool)
    last = np.array(mask.shape) - 1
    for distance in reach.tolist():
        at = np.rint(inside[:, None, :] + distance * directions[None]).astype(int)
        there = ((at >= 0) & (at <= last)).all(axis=2)
        z, y, x = np.clip(at, 0, last).transpose(2, 0, 1)
        hits |= there & mask[z, y, x]
    return float(hits.mean())


def _distances(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the distance of each voxel of a mask to the nearest voxel outside of it."""
    found: npt.NDArray[np.float32] = edt.edt(np.ascontiguousarray(mask), black_border=False)
    return found


def _half_thickness(mask: npt.NDArray[np.bool_]) -> float:
    """Return the median distance of the skeleton from the surface, in voxels."""
    padded = np.pad(mask, 1)
    inside = _distances(padded)[skeletonize(padded)]
    return float(np.median(inside)) if len(inside) else 0.0


def _paths(voxels: FloatArray, radii: FloatArray) -> list[FloatArray]:
    """Return the paths through the voxels of one skeleton, the longest first.

    What lies within the region's own radius of a path is taken as part of it.
    """
    found: list[FloatArray] = []
    parts = [np.arange(len(voxels))]
    least = _LEAST_PATH
    while parts:
        rest = parts.pop()
        if len(rest) < least:
            continue
        way = rest[_longest_way(voxels[rest])]
        if len(way) >= least:
            found.append(voxels[way])
        least = _LEAST_BRANCH
        away, nearest = cKDTree(voxels[way]).query(voxels[rest])
        beyond = rest[away > np.maximum(_BESIDE, radii[way][nearest])]
        parts += _connected(voxels, beyond)
    return found


def _graph(voxels: FloatArray) -> csr_array:
    pairs = cKDTree(voxels).query_pairs(_TOUCHING, output_type="ndarray")
    lengths = np.linalg.norm(voxels[pairs[:, 0]] - voxels[pairs[:, 1]], axis=1)
    size = (len(voxels), len(voxels))
    return csr_array((lengths, (pairs[:, 0], pairs[:, 1])), shape=size)


def _connected(voxels: FloatArray, which: IndexArray) -> list[IndexArray]:
    if len(which) == 0:
        return []
    number, part = connected_components(_graph(voxels[which]), directed=False)
    return [which[part == each] for each in range(number)]


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


def to_the_ends(paths: list[FloatArray], mask: npt.NDArray[np.bool_]) -> list[FloatArray]:
    """Return paths that go on straight to where their region ends, unless another is there.

    A skeleton ends about a radius before the region does.

    Parameters
    ----------
    paths : list of numpy.ndarray, shape (n, 3), float64
        Points (z, y, x) of each path in voxels.
    mask : numpy.ndarray, shape (z, y, x), bool
        The regions.
    """
    return [
        _to_the_ends(path, mask, np.concatenate([np.zeros((0, 3)), *paths[:at], *paths[at + 1 :]]))
        for at, path in enumerate(paths)
    ]


def _to_the_ends(points: FloatArray, mask: npt.NDArray[np.bool_], others: FloatArray) -> FloatArray:
    tree = cKDTree(others) if len(others) else None
    for _ in range(2):
        piece = points[-_END_POINTS:]
        direction = piece[-1] - piece[0]
        length = float(np.linalg.norm(direction))
        more: list[FloatArray] = []
        while length > 0:
            following = points[-1] + (len(more) + 1) * APART_VOXELS * direction / length
            at = np.rint(following).astype(int)
            is_inside = bool(((at >= 0) & (at < mask.shape)).all()) and bool(mask[tuple(at)])
            if not is_inside or (tree is not None and tree.query(following)[0] < 2 * _BESIDE):
                break
            more.append(following)
        points = np.concatenate([points, np.array(more).reshape(-1, 3)])[::-1]
    return points


def _thinned(path: FloatArray) -> FloatArray:
    """Return points of a path some voxels apart, from end to end, smoothed."""
    number = max(2, round((len(path) - 1) / APART_VOXELS) + 1)
    centres = np.linspace(0, len(path) - 1, number).round().astype(int)
    points = []
    for at in centres.tolist():
        reach = min(_WINDOW, at, len(path) - 1 - at)
        points.append(path[at - reach : at + reach + 1].mean(axis=0))
    return np.array(points)
