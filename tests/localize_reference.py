"""Separated particles of a segmentation, the plain way: the whole volume at every step.

What ``watershed`` computes with runs of voxels, boxes and shortcuts is written down here without
any: every component is a mask as large as the volume. The rules and constants are the package's;
the steps are not its code. Only for small volumes.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import edt
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.distance import cdist

from copick_picker.core.localize import splitting
from copick_picker.core.localize.splitting import SplitRule

Cells = npt.NDArray[np.int64]
Points = npt.NDArray[np.float64]


def reference_cells(labels: npt.NDArray[Any], label: int, rule: SplitRule, least: float) -> Cells:
    """Return a number for every particle's voxels, counted on from component to component."""
    components, count = ndimage.label(labels == label)
    cells = np.zeros(labels.shape, dtype=np.int64)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    for component in range(1, count + 1):
        if sizes[component] < least:
            continue
        for cell in cells_of(components == component, rule):
            cells[cell] = cells.max() + 1
    return cells


def cells_of(mask: npt.NDArray[np.bool_], rule: SplitRule) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield a mask for each particle of a component."""
    voxels = np.argwhere(mask)
    if one_ball(voxels, rule) and not touches_a_face(voxels, mask.shape):
        yield mask
        return
    groups = joined(voxels, halved(voxels, settled(mask, markers(mask, rule), rule), rule), rule)
    if len(groups) > 1:
        means = np.array([group.mean(axis=0) for group in groups])
        owner = cdist(voxels, means).argmin(axis=1)
        groups = [voxels[owner == number] for number in range(len(means))]
    for group in groups:
        cell = np.zeros(mask.shape, dtype=bool)
        cell[tuple(group.T)] = True
        yield cell


def touches_a_face(voxels: npt.NDArray[np.int64], shape: tuple[int, ...]) -> bool:
    return bool((voxels == 0).any() or (voxels == np.array(shape) - 1).any())


def one_ball(voxels: npt.NDArray[np.int64], rule: SplitRule) -> bool:
    if not splitting.LEAST_VOXELS <= len(voxels) <= rule.largest_volume:
        return False
    moments = np.linalg.eigvalsh(np.cov(voxels.T, bias=True))
    radius = (3.0 * len(voxels) / (4.0 * np.pi)) ** (1.0 / 3.0)
    compact = moments.mean() <= splitting.BALL_MOMENT_EXCESS * radius**2 / 5.0
    return bool(compact and moments[2] <= splitting.BALL_MOMENT_RATIO * moments[0])


def markers(mask: npt.NDArray[np.bool_], rule: SplitRule) -> Points:
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), rule.smoothing, mode="nearest")
    depth = edt.edt(np.ascontiguousarray(smooth > 0.5), black_border=False)
    depth = ndimage.gaussian_filter(depth, rule.smoothing, mode="nearest")
    window = 2 * max(1, round(splitting.MARKER_WINDOW * rule.radius)) + 1
    peaks = depth == ndimage.maximum_filter(depth, size=window, mode="nearest")
    peaks &= depth >= splitting.MARKER_DEPTH * rule.radius
    numbers, count = ndimage.label(peaks, structure=np.ones((3, 3, 3)))
    groups = [np.argwhere(numbers == number) for number in range(1, count + 1)]
    groups.sort(key=lambda group: (-depth[tuple(group[0])], *group.mean(axis=0)))
    return spaced([group.mean(axis=0) for group in groups], rule)


def spaced(points: list[Points], rule: SplitRule) -> Points:
    kept: list[Points] = []
    for point in points:
        if all(np.linalg.norm(point - other) >= 0.45 * rule.radius for other in kept):
            kept.append(point)
    return np.array(kept).reshape(-1, 3)


def settled(mask: npt.NDArray[np.bool_], found: Points, rule: SplitRule) -> Points:
    voxels = np.argwhere(mask)
    places = []
    for marker in found:
        place = marker
        for _ in range(splitting.SETTLE_STEPS):
            away = ((voxels - place) ** 2).sum(axis=1)
            near = voxels[away <= (splitting.SETTLE_REACH * rule.radius) ** 2]
            if len(near) == 0:
                break
            moved = np.abs(near.mean(axis=0) - place).max()
            place = near.mean(axis=0)
            if moved < splitting.SETTLED:
                break
        places.append(place)
    return spaced(places, rule)


def halved(voxels: npt.NDArray[np.int64], found: Points, rule: SplitRule) -> Points:
    if len(found) == 0:
        found = voxels.mean(axis=0, keepdims=True)
    owner = cdist(voxels, found).argmin(axis=1)
    kept: list[Points] = []
    for number, marker in enumerate(found):
        pair = two_means(voxels[owner == number], rule)
        kept += [marker] if pair is None else list(pair)
    return np.array(kept)


def two_means(cell: npt.NDArray[np.int64], rule: SplitRule) -> Points | None:
    """Return two means of an elongated cell with a neck between them, else None."""
    if not splitting.LEAST_VOXELS <= len(cell) <= splitting.PAIR_VOLUME * rule.largest_volume:
        return None
    moments, axes = np.linalg.eigh(np.cov(cell.T, bias=True))
    if moments[2] <= splitting.ELONGATED_MOMENT_RATIO * moments[0]:
        return None
    means = cell.mean(axis=0) + [[-1.0], [1.0]] * (np.sqrt(moments[2]) * axes[:, 2])
    for _ in range(splitting.TWO_MEANS_STEPS):
        owner = cdist(cell, means).argmin(axis=1)
        if len(np.unique(owner)) < 2:
            return None
        means = np.array([cell[owner == number].mean(axis=0) for number in (0, 1)])
    owner = cdist(cell, means).argmin(axis=1)
    far = np.linalg.norm(means[1] - means[0]) >= splitting.MARKER_DISTANCE * rule.radius
    parts = (cell[owner == 0], cell[owner == 1])
    return means if far and neck(parts, (means[0], means[1]), rule) < rule.neck_ratio else None


def joined(
    voxels: npt.NDArray[np.int64], found: Points, rule: SplitRule
) -> list[npt.NDArray[np.int64]]:
    """Return groups of voxels after joining, again and again, the pair with the least neck."""
    owner = cdist(voxels, found).argmin(axis=1)
    parts = {number: voxels[owner == number] for number in range(len(found))}
    middles = dict(enumerate(found))
    near = cdist(found, found) <= splitting.ONE_PARTICLE_REACH * rule.radius
    beside = {pair for pair in combinations(range(len(found)), 2) if near[pair]}
    while True:
        best: tuple[float, int, int] | None = None
        for first, second in sorted(beside):
            if len(parts[first]) + len(parts[second]) > rule.largest_volume:
                continue
            pair = ((parts[first], parts[second]), (middles[first], middles[second]))
            ratio = neck(*pair, rule)
            if ratio >= rule.neck_ratio and (best is None or (-ratio, first, second) < best):
                best = (-ratio, first, second)
        if best is None:
            return [part for part in parts.values() if len(part)]
        _, first, second = best
        parts[first] = np.concatenate([parts[first], parts.pop(second)])
        if len(parts[first]):
            middles[first] = parts[first].mean(axis=0)
        renamed = {(a if a != second else first, b if b != second else first) for a, b in beside}
        beside = {(min(pair), max(pair)) for pair in renamed if pair[0] != pair[1]}


def neck(
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    middles: tuple[Points, Points],
    rule: SplitRule,
) -> float:
    """Return the least cross-section between two middles over that of the thinner part."""
    if min(len(parts[0]), len(parts[1])) == 0:
        return 1.0
    axis = middles[1] - middles[0]
    length = float(np.linalg.norm(axis))
    along = (np.concatenate(parts) - middles[0]) @ (axis / length)
    edges = np.arange(along.min() - 2.0, along.max() + 2.0, splitting.PROFILE_STEP)
    spread = max(rule.smoothing, splitting.PROFILE_LEAST_SMOOTHING) / splitting.PROFILE_STEP
    area = ndimage.gaussian_filter1d(
        np.histogram(along, edges)[0].astype(np.float64), spread, mode="constant"
    )
    at = edges[:-1] + 0.5 * splitting.PROFILE_STEP
    between = np.flatnonzero((at >= 0.0) & (at <= length))
    if len(between) == 0:
        return 1.0
    thin = between[area[between].argmin()]
    return float(area[thin] / min(area[: thin + 1].max(), area[thin:].max()))
