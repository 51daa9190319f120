"""Connected components of a segmentation, found in one pass over all labels."""

from collections.abc import Iterable
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

Box = tuple[slice, slice, slice]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]


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
    """

    ids: IntArray
    label_of: IntArray
    voxel_counts: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]

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


def find_components(labels: IntArray, wanted: Iterable[int]) -> Components:
    """Return the connected components of the wanted labels.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation.
    wanted : iterable of int
        Labels to look at; all others count as background.
    """
    order = sorted(wanted)
    ids = cc3d.connected_components(_renumbered(labels, order), connectivity=6)
    found = cc3d.statistics(ids, no_slice_conversion=True)
    label_of = np.zeros(len(found["voxel_counts"]), dtype=np.int64)
    for plane, plane_ids in zip(labels, ids, strict=True):
        filled = plane_ids > 0
        label_of[plane_ids[filled]] = plane[filled]
    return Components(
        ids=ids,
        label_of=label_of,
        voxel_counts=found["voxel_counts"].astype(np.int64),
        boxes=found["bounding_boxes"].astype(np.int64),
    )


def _renumbered(labels: IntArray, order: list[int]) -> npt.NDArray[np.uint16]:
    """Return 1, 2, ... where the labels are those listed, in their order, and 0 elsewhere."""
    places = np.zeros(labels.shape, dtype=np.uint16)
    for plane, place in zip(labels, places, strict=True):
        for number, label in enumerate(order, start=1):
            place[plane == label] = number
    return places
