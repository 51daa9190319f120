"""Labels made tidy: small components dropped, a lamella cut out as one smooth body."""

from collections.abc import Sequence
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull, QhullError
from skimage.morphology import convex_hull_image

from copick_picker.records.semantic import LamellaRules

BoolVolume = npt.NDArray[np.bool_]
_FACES = np.array([[0.5, 0, 0], [-0.5, 0, 0], [0, 0.5, 0], [0, -0.5, 0], [0, 0, 0.5], [0, 0, -0.5]])
"""Middles of a voxel's faces, seen from its centre: what scikit-image takes hulls of, too."""


def lamella(probability: npt.NDArray[np.float32], rules: LamellaRules) -> BoolVolume:
    """Return where the lamella is: the convex hull of the largest component.

    Parameters
    ----------
    probability : numpy.ndarray, shape (z, y, x), float32
        Probability of the lamella.
    rules : LamellaRules
        Smoothing, threshold, kind of hull.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), bool
        False everywhere where nothing is above the threshold; False in every plane without the
        component (with hulls of planes).

    Examples
    --------
    >>> slab = np.zeros((9, 12, 15), np.float32)
    >>> slab[3:6, 2:10, 3:12] = 1.0
    >>> rules = LamellaRules((1.0, 1.0, 1.0), 4.0, threshold=0.4, hull_in_3d=False)
    >>> np.flatnonzero(lamella(slab, rules).any(axis=(1, 2)))
    array([3, 4, 5])
    """
    smooth = gaussian_filter(
        probability, rules.smoothing_zyx, mode="constant", cval=0.0, truncate=rules.smoothing_cut
    )
    body = largest_component(smooth > rules.threshold)
    if not body.any():
        return body
    return hull_of_volume(body) if rules.hull_in_3d else hulls_of_planes(body)


def largest_component(inside: BoolVolume) -> BoolVolume:
    """Return the largest set of voxels that share a face, an edge or a corner.

    Parameters
    ----------
    inside : numpy.ndarray, shape (z, y, x), bool
        May be empty.

    Examples
    --------
    >>> largest_component(np.array([[[True, False, True, True]]]))
    array([[[False, False,  True,  True]]])
    """
    body: BoolVolume = cc3d.largest_k(inside.astype(np.uint8), k=1, connectivity=26) > 0
    return body


def hulls_of_planes(inside: BoolVolume) -> BoolVolume:
    """Return the convex hull of each plane along z; planes without voxels stay empty.

    Parameters
    ----------
    inside : numpy.ndarray, shape (z, y, x), bool
        Any.

    Examples
    --------
    >>> ring = np.ones((1, 5, 5), bool)
    >>> ring[0, 2, 2] = False
    >>> bool(hulls_of_planes(ring).all())
    True
    """
    hulls = np.zeros_like(inside)
    for z in np.flatnonzero(inside.any(axis=(1, 2))):
        hulls[z] = convex_hull_image(inside[z])
    return hulls


def hull_of_volume(inside: BoolVolume) -> BoolVolume:
    """Return the voxels whose centre lies in the convex hull of the faces' middles of all voxels.

    The hull is cut plane by plane, so that memory stays that of a few planes.

    Parameters
    ----------
    inside : numpy.ndarray, shape (z, y, x), bool
        At least one voxel.

    Examples
    --------
    >>> two = np.zeros((5, 5, 5), bool)
    >>> two[0, 2, 2] = two[4, 2, 2] = True
    >>> hull_of_volume(two)[:, 2, 2].all(), int(hull_of_volume(two).sum())
    (np.True_, 5)
    """
    points = np.concatenate(
        [_outline(inside[z], int(z)) for z in np.flatnonzero(inside.any((1, 2)))]
    )
    corners = np.unique((points[:, None] + _FACES).reshape(-1, 3), axis=0)
    hull = ConvexHull(corners)
    edges = corners[hull.simplices[:, [0, 1, 1, 2, 2, 0]]].reshape(-1, 2, 3)
    result = np.zeros_like(inside)
    for z in range(int(points[:, 0].min()), int(points[:, 0].max()) + 1):
        result[z] = _cut(edges, z, inside.shape[1:])
    return result


def without_small_components(
    labels: npt.NDArray[Any], largest_dropped: Sequence[int]
) -> npt.NDArray[Any]:
    """Return labels whose small components have become background.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation; not changed.
    largest_dropped : sequence of int
        For label 0, 1, ...: components (26-connected) of at most so many voxels become 0; -1
        leaves the label as it is. Labels beyond the end are left too.

    Examples
    --------
    >>> without_small_components(np.array([[[1, 0, 1, 1, 2]]]), [-1, 1]).tolist()
    [[[0, 0, 1, 1, 2]]]
    """
    result = labels.copy()
    for label, limit in enumerate(largest_dropped):
        if label == 0 or limit < 1:  # background that becomes background changes nothing
            continue
        ids = cc3d.connected_components((labels == label).astype(np.uint8), connectivity=26)
        counts = np.bincount(ids.ravel())
        small = counts <= limit
        small[0] = False
        result[small[ids]] = 0
    return result


def _outline(plane: BoolVolume, z: int) -> npt.NDArray[np.float64]:
    """Return the first and last voxel of every row of a plane: no other can be a corner."""
    rows = np.flatnonzero(plane.any(axis=1))
    first = plane[rows].argmax(axis=1)
    last = plane.shape[1] - 1 - plane[rows, ::-1].argmax(axis=1)
    y, x = np.concatenate([rows, rows]), np.concatenate([first, last])
    return np.stack([np.full(len(y), z), y, x], axis=1).astype(np.float64)


def _cut(edges: npt.NDArray[np.float64], z: int, shape_yx: tuple[int, ...]) -> BoolVolume:
    """Return where the plane z cuts a convex body of given edges (n, 2, 3)."""
    low, high = edges[:, 0], edges[:, 1]
    on_plane = edges.reshape(-1, 3)
    on_plane = on_plane[on_plane[:, 0] == z]
    crossing = (low[:, 0] - z) * (high[:, 0] - z) < 0
    low, high = low[crossing], high[crossing]
    share = ((z - low[:, 0]) / (high[:, 0] - low[:, 0]))[:, None]
    outline = np.concatenate([low + share * (high - low), on_plane])[:, 1:]
    inside = np.zeros(shape_yx, dtype=bool)
    try:
        equations = ConvexHull(outline).equations
    except QhullError:
        return inside
    y0, x0 = np.maximum(np.ceil(outline.min(axis=0)), 0).astype(int)
    y1, x1 = np.floor(outline.max(axis=0)).astype(int) + 1
    y, x = np.ogrid[y0:y1, x0:x1]
    box = np.ones((max(y1 - y0, 0), max(x1 - x0, 0)), dtype=bool)
    for normal_y, normal_x, offset in equations:
        box &= normal_y * y + normal_x * x + offset <= 1e-9
    inside[y0 : y0 + box.shape[0], x0 : x0 + box.shape[1]] = box[
        : shape_yx[0] - y0, : shape_yx[1] - x0
    ]
    return inside
