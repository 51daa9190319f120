"""Touching particles of one object: one connected mask to one cell for each particle."""

from dataclasses import dataclass

import edt
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CellArray = npt.NDArray[np.int32]

# Geometry of the search, in units of the object's radius; none of it is a matter of taste.
MARKER_DEPTH = 0.2  # a marker lies at least this deep inside the mask
MARKER_DISTANCE = 0.45  # two markers are at least this far apart
SETTLE_REACH = 0.75  # a marker moves to the centre of the voxels within this distance
SETTLE_STEPS = 6
ONE_PARTICLE_REACH = 1.5  # markers farther apart than this are never one particle
# A ball has equal second moments of 3/5 a^2; two balls of 0.8 R at 0.9 R have a ratio of 2.4.
BALL_MOMENT_RATIO = 1.35
BALL_MOMENT_EXCESS = 1.15
# The cross-section along an axis is sampled finely and smoothed just enough to hide the grid.
PROFILE_STEP = 0.25
PROFILE_LEAST_SMOOTHING = 0.6


@dataclass(frozen=True)
class SplitRule:
    """What the splitting of a mask needs to know of its object; lengths in voxels.

    Attributes
    ----------
    radius : float
        Radius of the particle.
    smoothing : float
        Standard deviation of the smoothing of mask and distance map.
    neck_ratio : float
        Markers are one particle where the cross-section between them keeps this fraction.
    largest_volume : float
        Most voxels that one particle has.
    """

    radius: float
    smoothing: float
    neck_ratio: float
    largest_volume: float


def is_one_ball(voxels: npt.NDArray[np.integer], largest_volume: float) -> bool:
    """Return whether voxels are about as compact as a ball and not too many for one particle.

    Parameters
    ----------
    voxels : numpy.ndarray, shape (n, 3), integer
        Voxels of a connected mask, order (z, y, x).
    largest_volume : float
        Most voxels that one particle has.

    Examples
    --------
    >>> grid = np.argwhere(np.ones((9, 9, 9)))
    >>> ball = grid[((grid - 4) ** 2).sum(axis=1) <= 16]
    >>> is_one_ball(ball, 1000.0), is_one_ball(np.vstack([ball, ball + [0, 0, 7]]), 1000.0)
    (True, False)
    """
    if not 8 <= len(voxels) <= largest_volume:
        return False
    moments = np.linalg.eigvalsh(np.cov(voxels.T, bias=True))
    ball_radius = (3.0 * len(voxels) / (4.0 * np.pi)) ** (1.0 / 3.0)
    excess = moments.mean() / (ball_radius**2 / 5.0)
    return bool(moments[2] <= BALL_MOMENT_RATIO * moments[0] and excess <= BALL_MOMENT_EXCESS)


def split_cells(mask: BoolArray, rule: SplitRule) -> CellArray:
    """Return the cell of each voxel of a connected mask, one cell for each particle.

    Markers are maxima of the Euclidean distance map of the smoothed mask; each voxel goes to its
    nearest marker, which for balls of equal size is where their watershed lines lie. Two cells
    are then joined, the most doubtful pair first, while the cross-section between their markers
    is no narrower than ``neck_ratio`` times that of the thinner of the two: a cavity or a rough
    surface makes several markers, but only two particles have a neck.

    Parameters
    ----------
    mask : numpy.ndarray, shape (z, y, x), bool
        One connected component with a rim of background, except at the faces of the volume.
    rule : SplitRule
        The object's radius and limits.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), int32
        0 outside the mask, cells from 1.
    """
    cells = np.zeros(mask.shape, dtype=np.int32)
    voxels = np.argwhere(mask)
    markers = _settled(voxels, _markers(mask, rule), rule)
    if len(markers) <= 1:
        cells[mask] = 1
        return cells
    owner = _merged_owners(voxels, markers, rule)
    if owner.max() > 0:
        centres = _centroids(voxels, owner)
        owner = cKDTree(centres).query(voxels)[1]
    cells[mask] = owner + 1
    return cells


def _markers(mask: BoolArray, rule: SplitRule) -> FloatArray:
    """Return maxima of the smoothed distance map, the deepest first, order (z, y, x)."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), rule.smoothing, mode="nearest")
    depth = edt.edt(np.ascontiguousarray(smooth > 0.5), black_border=False)
    depth = ndimage.gaussian_filter(depth, rule.smoothing, mode="nearest")
    window = 2 * max(1, round(0.25 * rule.radius)) + 1
    peaks = depth == ndimage.maximum_filter(depth, size=window, mode="nearest")
    peaks &= depth >= MARKER_DEPTH * rule.radius
    found = np.argwhere(peaks)
    order = np.lexsort((found[:, 2], found[:, 1], found[:, 0], -depth[peaks]))
    return _spaced(found[order].astype(np.float64), MARKER_DISTANCE * rule.radius)


def _settled(voxels: npt.NDArray[np.integer], markers: FloatArray, rule: SplitRule) -> FloatArray:
    """Return markers moved to the middle of the mask around them, without those that meet."""
    tree = cKDTree(voxels)
    for _ in range(SETTLE_STEPS):
        near = tree.query_ball_point(markers, SETTLE_REACH * rule.radius)
        markers = np.array([voxels[index].mean(axis=0) for index in near]).reshape(-1, 3)
    return _spaced(markers, MARKER_DISTANCE * rule.radius)


def _spaced(points: FloatArray, distance: float) -> FloatArray:
    """Return the points that keep a distance from all kept points before them."""
    kept = np.ones(len(points), dtype=bool)
    for first, second in sorted(cKDTree(points).query_pairs(distance)) if len(points) else ():
        if kept[first]:
            kept[second] = False
    return points[kept]


def _merged_owners(
    voxels: npt.NDArray[np.integer], markers: FloatArray, rule: SplitRule
) -> npt.NDArray[np.intp]:
    """Return the cell (from 0) of each voxel after joining cells without a neck between them."""
    owner = cKDTree(markers).query(voxels)[1]
    parts = {index: voxels[owner == index] for index in range(len(markers))}
    centres = dict(enumerate(markers))
    joined = {index: [index] for index in parts}
    pairs = cKDTree(markers).query_pairs(ONE_PARTICLE_REACH * rule.radius)
    ratio = {pair: _neck_ratio(parts, centres, pair, rule) for pair in sorted(pairs)}
    while ratio:
        pair = max(ratio, key=lambda key: (ratio[key], (-key[0], -key[1])))
        if ratio[pair] < rule.neck_ratio:
            break
        first, second = pair
        weights = len(parts[first]), len(parts[second])
        parts[first] = np.concatenate([parts[first], parts.pop(second)])
        centres[first] = np.average([centres[first], centres.pop(second)], axis=0, weights=weights)
        joined[first] += joined.pop(second)
        ratio = {key: value for key, value in ratio.items() if not set(key) & {first, second}}
        for other in parts:
            key = (min(first, other), max(first, other))
            apart = np.linalg.norm(centres[first] - centres[other])
            if other != first and apart <= ONE_PARTICLE_REACH * rule.radius:
                ratio[key] = _neck_ratio(parts, centres, key, rule)
    number = np.zeros(len(markers), dtype=np.intp)
    for new, old in enumerate(joined.values()):
        number[old] = new
    merged: npt.NDArray[np.intp] = number[owner]
    return merged


def _neck_ratio(
    parts: dict[int, npt.NDArray[np.integer]],
    centres: dict[int, FloatArray],
    pair: tuple[int, int],
    rule: SplitRule,
) -> float:
    """Return the least cross-section between two centres over that of the thinner part."""
    first, second = pair
    if len(parts[first]) + len(parts[second]) > rule.largest_volume:
        return 0.0
    axis = centres[second] - centres[first]
    length = float(np.linalg.norm(axis))
    along = np.concatenate([parts[first], parts[second]]) - centres[first]
    position = along @ (axis / length)
    edges = np.arange(position.min() - 2.0, position.max() + 2.0, PROFILE_STEP)
    area = np.histogram(position, edges)[0].astype(np.float64)
    spread = max(rule.smoothing, PROFILE_LEAST_SMOOTHING) / PROFILE_STEP
    area = ndimage.gaussian_filter1d(area, spread, mode="constant")
    middle = edges[:-1] + 0.5 * PROFILE_STEP
    between = np.flatnonzero((middle >= 0.0) & (middle <= length))
    if len(between) == 0:
        return 1.0
    neck = between[area[between].argmin()]
    return float(area[neck] / min(area[: neck + 1].max(), area[neck:].max()))


def _centroids(voxels: npt.NDArray[np.integer], owner: npt.NDArray[np.intp]) -> FloatArray:
    count = np.bincount(owner)
    sums = [np.bincount(owner, weights=voxels[:, axis]) for axis in range(3)]
    return np.stack(sums, axis=1) / count[:, None]
