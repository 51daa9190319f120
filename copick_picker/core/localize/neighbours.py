"""Voxels beside each other in small lists of voxels: local maxima, and groups that touch."""

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

IndexArray = npt.NDArray[np.int64]

MANY_VOXELS = 20_000  # more voxels than this are grouped in an array, not in a tree


def tops(values: npt.NDArray[np.floating], voxels: IndexArray) -> IndexArray:
    """Return those of the voxels that none of their 26 neighbours surpasses.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x), floating
        The values of all voxels.
    voxels : numpy.ndarray, shape (n, 3), int64
        Indices (z, y, x) of the voxels to look at.

    Examples
    --------
    >>> values = np.zeros((3, 4, 5))
    >>> values[1, 1, 1:3] = 0.5, 0.7
    >>> tops(values, np.array([[1, 1, 1], [1, 1, 2], [0, 3, 4]])).tolist()
    [[1, 1, 2], [0, 3, 4]]
    """
    padded = np.pad(values, 1, mode="edge")
    for step in np.ndindex(3, 3, 3):
        here = values[tuple(voxels.T)]
        voxels = voxels[here >= padded[tuple((voxels + step).T)]]
    return voxels


def touching(voxels: IndexArray) -> list[IndexArray]:
    """Return groups of voxels that are neighbours over faces, edges and corners.

    Parameters
    ----------
    voxels : numpy.ndarray, shape (n, 3), int64
        Indices (z, y, x), each once.

    Examples
    --------
    >>> [len(group) for group in touching(np.array([[0, 0, 0], [5, 5, 5], [1, 1, 1]]))]
    [2, 1]
    """
    if len(voxels) <= 1:
        return [voxels] if len(voxels) else []
    if len(voxels) > MANY_VOXELS:
        low = voxels.min(axis=0)
        mask = np.zeros(voxels.max(axis=0) - low + 1, dtype=bool)
        mask[tuple((voxels - low).T)] = True
        numbers = cc3d.connected_components(mask, connectivity=26)[tuple((voxels - low).T)]
    else:
        pairs = cKDTree(voxels).query_pairs(1.0, p=np.inf, output_type="ndarray")
        graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(voxels),) * 2)
        numbers = connected_components(graph, directed=False)[1]
    order = np.argsort(numbers, kind="stable")
    return np.split(voxels[order], np.flatnonzero(np.diff(numbers[order])) + 1)
