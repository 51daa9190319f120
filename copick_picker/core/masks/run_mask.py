"""A mask that fits a run's volume: on its grid, and as distances to its surface."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from copick_picker.core.masks.distances import distances_at, signed_distances
from copick_picker.core.masks.grids import BoolVolume, box_text, inside_of, on_grid, same_box
from copick_picker.errors import DataError
from copick_picker.records.points import Localized, PickSet


@dataclass(frozen=True, eq=False)
class RunMask:
    """A mask whose box agrees with that of a run's volume.

    Attributes
    ----------
    inside_zyx : numpy.ndarray, shape (z, y, x), bool
        Where it is; at least one voxel.
    voxel_spacing : float
        Edge of one of its own voxels in Angstrom.
    uri : str
        Its URI or path.
    """

    inside_zyx: BoolVolume
    voxel_spacing: float
    uri: str

    def on(self, shape_zyx: Sequence[int], spacing: float) -> BoolVolume:
        """Return the mask on the grid of the run's volume."""
        z, y, x = shape_zyx
        return on_grid(self.inside_zyx, self.voxel_spacing, shape_zyx=(z, y, x), spacing=spacing)

    def distances(self, picks: PickSet) -> npt.NDArray[np.float64]:
        """Return the distance of each pick to the surface in Angstrom, positive inside."""
        spacing = self.voxel_spacing
        return distances_at(self._distances_zyx, picks.points_xyz, voxel_spacing=spacing)

    def without_outer(self, result: Localized, *, margin_angstrom: float) -> Localized:
        """Return the picks that lie at least so far inside the mask; below 0: so far outside."""
        picks = result.picks
        keep = self.distances(picks) >= margin_angstrom
        dropped = {**result.dropped, "outside mask": int((~keep).sum())}
        return replace(result, picks=picks.chosen(keep), dropped=dropped)

    @cached_property
    def _distances_zyx(self) -> npt.NDArray[np.float32]:
        return signed_distances(self.inside_zyx, voxel_spacing=self.voxel_spacing)


def fitted_mask(
    values: npt.NDArray[np.generic],
    own_spacing: float,
    uri: str,
    *,
    shape_zyx: Sequence[int],
    spacing: float,
) -> tuple[RunMask, str]:
    """Return a mask checked against a volume, and a remark where it is on another grid.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x)
        The mask: bool or integer, inside where it is not 0; floats are inside from 0.5 on.
    own_spacing : float
        Edge of its voxels in Angstrom; 0 where it is not known.
    uri : str
        Where it comes from, for messages.
    shape_zyx : sequence of int
        Shape of the volume.
    spacing : float
        Edge of the volume's voxels in Angstrom.

    Raises
    ------
    DataError
        If the mask is empty, or has another box; both boxes are named.
    """
    z, y, x = shape_zyx
    try:
        inside = inside_of(values)
    except DataError as error:
        msg = f"{uri}: {error}"
        raise DataError(msg) from error
    d, h, w = inside.shape
    if own_spacing <= 0:
        own_spacing = spacing
        agree = (d, h, w) == (z, y, x)
    else:
        agree = same_box((d, h, w), own_spacing, (z, y, x), spacing)
    own_box, box = box_text((d, h, w), own_spacing), box_text((z, y, x), spacing)
    if not agree:
        msg = f"the mask {uri} covers another box: {own_box}; the volume has {box}"
        raise DataError(msg)
    if not inside.any():
        msg = f"the mask {uri} is empty: it has no voxel inside"
        raise DataError(msg)
    remark = ""
    if (d, h, w) != (z, y, x):
        remark = (
            f"the mask {uri} has another grid and was resampled (nearest voxel): {own_box}; "
            f"the volume has {box}"
        )
    return RunMask(inside, own_spacing, uri), remark
