"""Touching particles of one object: one connected mask to one cell for each particle."""

import heapq
from dataclasses import dataclass

import edt
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from copick_picker.core.localize.candidates import first_of_neighbours
from copick_picker.core.localize.centres import FloatArray, count_and_sum, squared_distance
from copick_picker.core.localize.neighbours import touching

BoolArray = npt.NDArray[np.bool_]
CellArray = npt.NDArray[np.int32]

# Fixed geometry of the search, in units of the object's radius where nothing else is said.
MARKER_DEPTH = 0.2  # a marker lies at least this deep inside the mask
MARKER_WINDOW = 0.25  # a marker is the deepest place within this distance along each axis
MARKER_DISTANCE = 0.45  # two markers are at least this far apart
SETTLE_REACH = 0.75  # a marker moves to the centre of the voxels within this distance
SETTLE_STEPS = 6
SETTLED = 0.01  # voxels
RETIRED = 10**9  # age of a cell that went into another
ONE_PARTICLE_REACH = 1.5  # markers farther apart than this are never one particle
# A ball has a variance of a^2 / 5 along each axis; for two balls of 0.8 R, 0.9 R apart, the ratio
# of the largest variance to the smallest is about 2.8.
BALL_MOMENT_RATIO = 1.35
BALL_MOMENT_EXCESS = 1.15
ELONGATED_MOMENT_RATIO = 1.6
TWO_MEANS_STEPS = 4
PAIR_VOLUME = 2.5  # a cell of more than this many largest particles is no pair
LEAST_VOXELS = 8
FEW_POINTS = 6  # a tree is slower for fewer
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


def are_one_ball(
    voxel_counts: npt.NDArray[np.int64], covariances_zyx: FloatArray, largest_volume: float
) -> BoolArray:
    """Return which components are about as compact as a ball and not too many for one particle.

    Parameters
    ----------
    voxel_counts : numpy.ndarray, shape (n,), int64
        Voxels of each component.
    covariances_zyx : numpy.ndarray, shape (n, 3, 3), float64
        Covariance of the positions of each one's voxels.
    largest_volume : float
        Most voxels that one particle has.

    Examples
    --------
    >>> grid = np.argwhere(np.ones((9, 9, 9)))
    >>> ball = grid[((grid - 4) ** 2).sum(axis=1) <= 16]
    >>> both = [ball, np.vstack([ball, ball + [0, 0, 7]])]
    >>> counts = np.array([len(voxels) for voxels in both])
    >>> spread = np.array([np.cov(voxels.T, bias=True) for voxels in both])
    >>> are_one_ball(counts, spread, 1000.0).tolist()
    [True, False]
    """
    moments = np.linalg.eigvalsh(covariances_zyx)
    ball_radius = (3.0 * voxel_counts / (4.0 * np.pi)) ** (1.0 / 3.0)
    excess = moments.mean(axis=1) / (ball_radius**2 / 5.0)
    round_ = moments[:, 2] <= BALL_MOMENT_RATIO * moments[:, 0]
    right_size = (voxel_counts >= LEAST_VOXELS) & (voxel_counts <= largest_volume)
    return np.asarray(round_ & (excess <= BALL_MOMENT_EXCESS) & right_size)


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
    voxels = np.argwhere(mask)
    markers = _settled(mask, _markers(mask, rule), rule)
    markers, owner = _with_halves(voxels, markers, rule)
    if len(markers) <= 1:
        return mask.astype(np.int32)
    cells = np.zeros(mask.shape, dtype=np.int32)
    owner = _merged_owners(voxels, owner, markers, rule)
    if owner.max() > 0:
        centres = _centroids(voxels, owner)
        owner = nearest(centres, voxels)
    cells[mask] = owner + 1
    return cells


def _markers(mask: BoolArray, rule: SplitRule) -> FloatArray:
    """Return maxima of the smoothed distance map, the deepest first, order (z, y, x)."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), rule.smoothing, mode="nearest")
    depth = edt.edt(np.ascontiguousarray(smooth > 0.5), black_border=False)
    np.minimum(depth, max(mask.shape), out=depth)  # no background at all is infinitely deep
    depth = ndimage.gaussian_filter(depth, rule.smoothing, mode="nearest")
    window = 2 * max(1, round(MARKER_WINDOW * rule.radius)) + 1
    peaks = depth == ndimage.maximum_filter(depth, size=window, mode="nearest")
    peaks &= depth >= MARKER_DEPTH * rule.radius
    groups = touching(np.argwhere(peaks))
    found = np.array([group.mean(axis=0) for group in groups]).reshape(-1, 3)
    height = np.array([depth[tuple(group[0])] for group in groups])
    order = np.lexsort((found[:, 2], found[:, 1], found[:, 0], -height))
    return _spaced(found[order], MARKER_DISTANCE * rule.radius)


def _settled(mask: BoolArray, markers: FloatArray, rule: SplitRule) -> FloatArray:
    """Return markers moved to the middle of the mask around them, without those that meet."""
    if len(markers) <= 1:
        return markers  # where the only marker lies does not matter
    reach = SETTLE_REACH * rule.radius
    places = [_settled_place(mask, marker, reach) for marker in markers]
    settled = np.array(places, dtype=np.float64).reshape(-1, 3)
    return _spaced(settled, MARKER_DISTANCE * rule.radius)


def _settled_place(mask: BoolArray, place: FloatArray, reach: float) -> FloatArray:
    """Return where a place ends up when it goes to the centre of the mask around it."""
    for _ in range(SETTLE_STEPS):
        low = np.maximum(np.floor(place - reach), 0).astype(int)
        high = np.minimum(np.ceil(place + reach) + 1, mask.shape).astype(int)
        near = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        inside = near & (squared_distance(near.shape, place - low) <= reach**2)
        count, total = count_and_sum(inside)
        if count == 0:
            break
        middle = total / count + low
        moved = np.abs(middle - place).max()
        place = middle
        if moved < SETTLED:
            break
    return place


def _with_halves(
    voxels: npt.NDArray[np.integer], markers: FloatArray, rule: SplitRule
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Return markers, two in place of one with a neck, and each voxel's nearest marker.

    A cavity can hide the maximum of one particle of a touching pair, but not its share of the
    voxels: the two means of an elongated cell lie in the two particles. What is larger than two
    particles is no pair.
    """
    if len(markers) == 0:
        markers = voxels.mean(axis=0, keepdims=True)
    owner = nearest(markers, voxels)
    kept = []
    for number, marker in enumerate(markers):
        cell = voxels if len(markers) == 1 else voxels[owner == number]
        halves = _two_means(cell) if len(cell) <= PAIR_VOLUME * rule.largest_volume else None
        kept += [marker] if halves is None or not _has_neck(cell, halves, rule) else list(halves)
    if len(kept) == len(markers):
        return markers, owner
    return np.array(kept), nearest(np.array(kept), voxels)


def _two_means(voxels: npt.NDArray[np.integer]) -> FloatArray | None:
    """Return the means of the two halves of elongated voxels, None where they are compact."""
    if len(voxels) < LEAST_VOXELS:
        return None
    moments, axes = np.linalg.eigh(np.cov(voxels.T, bias=True))
    if moments[2] <= ELONGATED_MOMENT_RATIO * moments[0]:
        return None
    shift = np.sqrt(moments[2]) * axes[:, 2]
    means: FloatArray = voxels.mean(axis=0) + [[-1.0], [1.0]] * shift
    for _ in range(TWO_MEANS_STEPS):
        second = ((voxels - means[1]) ** 2).sum(axis=1) < ((voxels - means[0]) ** 2).sum(axis=1)
        if second.all() or not second.any():
            return None
        means = np.stack([voxels[~second].mean(axis=0), voxels[second].mean(axis=0)])
    return means


def _has_neck(voxels: npt.NDArray[np.integer], halves: FloatArray, rule: SplitRule) -> bool:
    owner = nearest(halves, voxels)
    parts = voxels[owner == 0], voxels[owner == 1]
    apart = np.linalg.norm(halves[1] - halves[0])
    far = apart >= MARKER_DISTANCE * rule.radius
    return bool(far and _neck_ratio(parts, (halves[0], halves[1]), rule) < rule.neck_ratio)


def nearest(points: FloatArray, voxels: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
    """Return the nearest point of each voxel.

    Parameters
    ----------
    points : numpy.ndarray, shape (m, 3), float64
        Points (z, y, x) in voxels, at least one.
    voxels : numpy.ndarray, shape (n, 3), integer
        Voxels; of points equally near, the first counts where the points are few.

    Examples
    --------
    >>> nearest(np.array([[0.0, 0, 0], [4.0, 0, 0]]), np.array([[1, 0, 0], [2, 0, 0], [3, 0, 0]]))
    array([0, 0, 1])
    """
    if len(points) > FEW_POINTS:
        owner: npt.NDArray[np.intp] = cKDTree(points).query(voxels)[1]
        return owner
    owner = np.zeros(len(voxels), dtype=np.intp)
    if len(points) == 1:
        return owner
    least = ((voxels - points[0]) ** 2).sum(axis=1)
    for number, point in enumerate(points[1:], start=1):
        distance = ((voxels - point) ** 2).sum(axis=1)
        nearer = distance < least
        owner[nearer] = number
        least[nearer] = distance[nearer]
    return owner


def _spaced(points: FloatArray, distance: float) -> FloatArray:
    """Return the points that keep a distance from all kept points before them."""
    return points[first_of_neighbours(points, distance)]


def _merged_owners(
    voxels: npt.NDArray[np.integer],
    owner: npt.NDArray[np.intp],
    markers: FloatArray,
    rule: SplitRule,
) -> npt.NDArray[np.intp]:
    """Return the cell (from 0) of each voxel after joining cells without a neck between them."""
    joining = _Joining(voxels, owner, markers, rule)
    while joining.queue:
        _, first, second, when = heapq.heappop(joining.queue)
        if when == joining.age[first] + joining.age[second]:
            joining.join(first, second)
    merged: npt.NDArray[np.intp] = np.unique(joining.joined_into[owner], return_inverse=True)[1]
    return merged


class _Joining:
    """Cells on their way to particles, and the queue of pairs without a neck.

    A pair's entry in the queue holds the sum of both ages; a join makes the cell that grew older
    and retires the other, so that entries made before it no longer agree and are passed over.
    """

    def __init__(
        self,
        voxels: npt.NDArray[np.integer],
        owner: npt.NDArray[np.intp],
        markers: FloatArray,
        rule: SplitRule,
    ) -> None:
        ends = np.cumsum(np.bincount(owner, minlength=len(markers)))
        self.rule = rule
        self.parts = np.split(voxels[np.argsort(owner, kind="stable")], ends[:-1])
        self.centres = list(markers)
        self.age = [0] * len(markers)
        self.joined_into = np.arange(len(markers))
        self.neighbours: list[set[int]] = [set() for _ in markers]
        self.queue: list[tuple[float, int, int, int]] = []
        pairs = cKDTree(markers).query_pairs(ONE_PARTICLE_REACH * rule.radius)
        for first, second in sorted(pairs):
            self.neighbours[first].add(second)
            self.neighbours[second].add(first)
            self.consider(first, second)

    def consider(self, first: int, second: int) -> None:
        parts = self.parts[first], self.parts[second]
        if len(parts[0]) + len(parts[1]) > self.rule.largest_volume:
            return
        ratio = _neck_ratio(parts, (self.centres[first], self.centres[second]), self.rule)
        if ratio >= self.rule.neck_ratio:
            entry = (-ratio, first, second, self.age[first] + self.age[second])
            heapq.heappush(self.queue, entry)

    def join(self, first: int, second: int) -> None:
        parts = self.parts[first], self.parts[second]
        self.parts[first], self.parts[second] = np.concatenate(parts), parts[1][:0]
        if len(self.parts[first]):
            self.centres[first] = self.parts[first].mean(axis=0)
        self.joined_into[self.joined_into == second] = first
        self.age[first] += 1
        self.age[second] += RETIRED
        beside = (self.neighbours[first] | self.neighbours[second]) - {first, second}
        self.neighbours[first], self.neighbours[second] = beside, set()
        for other in sorted(beside):
            self.neighbours[other] = (self.neighbours[other] - {second}) | {first}
            self.consider(min(first, other), max(first, other))


def _neck_ratio(
    parts: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
    centres: tuple[FloatArray, FloatArray],
    rule: SplitRule,
) -> float:
    """Return the least cross-section between two centres over that of the thinner part."""
    if min(len(parts[0]), len(parts[1])) == 0:
        return 1.0
    axis = centres[1] - centres[0]
    length = float(np.linalg.norm(axis))
    along = np.concatenate(parts) - centres[0]
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
