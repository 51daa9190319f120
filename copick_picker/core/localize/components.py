"""Connected components of a segmentation, found in one pass over all labels."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

Box = tuple[slice, slice, slice]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
PLANES = 32  # looked at together


@dataclass(frozen=True, eq=False)
class Components:
    """Connected components (voxels that share a face) of every label at once.

    Attributes
    ----------
    ids : numpy.ndarray, shape (z, y, x), unsigned integer
        Number of the component of each voxel, from 1; 0 is background.
    label_of : numpy.ndarray, shape (n + 1,), integer
        Label of each component; 0 for the background.
    voxel_counts : numpy.ndarray, shape (n + 1,), int64
        Size of each component.
    boxes : numpy.ndarray, shape (n + 1, 6), int64
        First and last index of each component: z, z, y, y, x, x.
    large : numpy.ndarray, shape (m,), int64
        Numbers of the components of which more is known, ascending.
    means_zyx : numpy.ndarray, shape (m, 3), float64
        Centre of mass (z, y, x) of each of these, in voxels.
    covariances_zyx : numpy.ndarray, shape (m, 3, 3), float64
        Covariance of the positions of their voxels.
    """

    ids: IntArray
    label_of: IntArray
    voxel_counts: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]
    large: npt.NDArray[np.int64]
    means_zyx: FloatArray
    covariances_zyx: FloatArray

    def of_label(self, label: int) -> IntArray:
        """Return the numbers of the components of a label."""
        numbers: IntArray = np.flatnonzero(self.label_of == label)
        return numbers[numbers > 0]

    def crop(self, number: int) -> tuple[BoolArray, Box]:
        """Return the mask of a component and its box, one voxel wider where the volume allows."""
        low = np.maximum(self.boxes[number, 0::2] - 1, 0)
        high = np.minimum(self.boxes[number, 1::2] + 2, self.ids.shape)
        box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
        return self.ids[box] == number, box


def find_components(
    labels: IntArray,
    wanted: Iterable[int],
    *,
    least_voxels: float = np.inf,
    any_value: bool = False,
) -> Components:
    """Return the connected components of the wanted labels.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation.
    wanted : iterable of int
        Labels to look at; all others count as background.
    least_voxels : float
        Centre and covariance are made of components of at least so many voxels.
    any_value : bool
        Whether every value above 0 is the only label wanted; components of different values are
        told apart.

    Examples
    --------
    >>> labels = np.zeros((4, 5, 6), dtype=np.uint8)
    >>> labels[1, 1, 1:4] = labels[3, 3, 5] = 7
    >>> found = find_components(labels, [7], least_voxels=2)
    >>> found.voxel_counts.tolist()[1:], found.means_zyx.tolist()
    ([3, 1], [[1.0, 1.0, 2.0]])
    """
    order = sorted(wanted)
    places = _positive(labels) if any_value else _renumbered(labels, order)
    ids, total = cc3d.connected_components(places, connectivity=6, return_N=True)
    label_of = np.zeros(total + 1, dtype=np.int64)
    counts = np.zeros(total + 1, dtype=np.int64)
    boxes = np.tile(np.repeat([[max(ids.shape), -1]], 3, axis=0).ravel(), (total + 1, 1))
    for runs in _runs(ids):
        number = runs.number
        label_of[number] = order[0] if any_value else labels[runs.z, runs.y, runs.x]
        np.add.at(counts, number, runs.last - runs.x + 1)
        for axis, (low, high) in enumerate(
            ((runs.z, runs.z), (runs.y, runs.y), (runs.x, runs.last))
        ):
            np.minimum.at(boxes[:, 2 * axis], number, low)
            np.maximum.at(boxes[:, 2 * axis + 1], number, high)
    large = np.flatnonzero(counts >= least_voxels)
    large = large[large > 0]
    means, covariances = _moments(ids, counts, large)
    return Components(ids, label_of, counts, boxes, large, means, covariances)


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs along x of equal numbers above 0: z, y, first and last x, number."""

    z: IntArray
    y: IntArray
    x: IntArray
    last: IntArray
    number: IntArray


def _runs(ids: IntArray) -> Iterator[_Runs]:
    """Yield the runs of a volume, a block of planes at a time."""
    _, height, width = ids.shape
    for first in range(0, len(ids), PLANES):
        block = ids[first : first + PLANES]
        change = np.ones(block.shape, dtype=bool)
        np.not_equal(block[..., 1:], block[..., :-1], out=change[..., 1:])
        start = np.flatnonzero(change)
        length = np.diff(start, append=block.size)
        number = block.reshape(-1)[start]
        filled = number > 0
        row, x = np.divmod(start[filled], width)
        z, y = np.divmod(row, height)
        yield _Runs(z + first, y, x, x + length[filled] - 1, number[filled])


def _moments(
    ids: IntArray, counts: npt.NDArray[np.int64], large: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Return the means and covariances of the positions in some components."""
    sums = np.zeros((len(large), 3))
    products = np.zeros((len(large), 3, 3))
    place = np.full(len(counts), -1, dtype=np.int64)
    place[large] = np.arange(len(large))
    for runs in _runs(ids) if len(large) else ():
        keep = place[runs.number] >= 0
        z, y, x, last = (each[keep] for each in (runs.z, runs.y, runs.x, runs.last))
        _add_moments(sums, products, place[runs.number[keep]], (z, y, x, last))
    means = sums / counts[large, None]
    covariances = products / counts[large, None, None] - means[:, :, None] * means[:, None]
    return means, covariances


def _add_moments(
    sums: FloatArray,
    products: FloatArray,
    place: npt.NDArray[np.int64],
    runs: tuple[IntArray, IntArray, IntArray, IntArray],
) -> None:
    z, y, x, last = runs
    length = last - x + 1
    x_sum = (x + last) * length // 2
    x_square = _squares(last) - _squares(x - 1)

    def total(weights: IntArray) -> npt.NDArray[Any]:
        return np.bincount(place, weights=weights, minlength=len(sums))

    for axis, weights in enumerate((z * length, y * length, x_sum)):
        sums[:, axis] += total(weights)
    pairs = {
        (0, 0): z * z * length,
        (0, 1): z * y * length,
        (0, 2): z * x_sum,
        (1, 1): y * y * length,
        (1, 2): y * x_sum,
        (2, 2): x_square,
    }
    for (row, column), weights in pairs.items():
        products[:, row, column] += total(weights)
        if row != column:
            products[:, column, row] = products[:, row, column]


def _squares(number: IntArray) -> IntArray:
    """Return 0 + 1 + 4 + ... + number^2."""
    result: IntArray = number * (number + 1) * (2 * number + 1) // 6
    return result


def _positive(labels: IntArray) -> IntArray:
    """Return the values above 0, and 0 elsewhere."""
    return labels if labels.dtype.kind == "u" else np.maximum(labels, 0)


def _renumbered(labels: IntArray, order: list[int]) -> npt.NDArray[np.uint16]:
    """Return 1, 2, ... where the labels are those listed, in their order, and 0 elsewhere."""
    places = np.zeros(labels.shape, dtype=np.uint16)
    limits = np.iinfo(labels.dtype)
    if limits.max < 2**16:
        table = np.zeros(limits.max - limits.min + 1, dtype=np.uint16)
        known = [label for label in order if label <= limits.max]
        table[known] = np.arange(1, len(known) + 1)  # labels below 0 are read from the end
        for plane, place in zip(labels, places, strict=True):
            place[...] = table[plane]
        return places
    for plane, place in zip(labels, places, strict=True):
        for number, label in enumerate(order, start=1):
            place[plane == label] = number
    return places
