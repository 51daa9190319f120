"""Which slices a view shows, and which grey values they tell apart."""

from collections.abc import Sequence

import numpy as np

from copick_picker.errors import SettingsError
from copick_picker.report.view_marks import Marks, best_centre
from copick_picker.report.view_volume import SmallVolume, grey_limits

_MOST_SLICES_FOR_LIMITS = 9


def limits_at_picks(
    small: SmallVolume,
    marks: Sequence[Marks],
    *,
    planes: int,
    percentiles: tuple[float, float],
) -> tuple[float, float]:
    """Return grey limits of a few xy slices through the layer that holds the picks.

    Parameters
    ----------
    small : SmallVolume
        The tomogram.
    marks : sequence of Marks
        Picks.
    planes : int
        Planes that a slice averages.
    percentiles : tuple of float
        Grey values between these are told apart.
    """
    low, high = pick_range_angstrom(marks, small)
    heights = np.linspace(low, high, _MOST_SLICES_FOR_LIMITS)
    slices = [small.slice_at(0, float(height), planes) for height in heights]
    return grey_limits(slices, percentiles)


def spot_of_slices(
    small: SmallVolume, marks: Sequence[Marks], at_xyz: Sequence[float]
) -> tuple[float, float, float]:
    """Return the point (x, y, z) in Angstrom through which the slices go.

    Parameters
    ----------
    small : SmallVolume
        The tomogram.
    marks : sequence of Marks
        Picks.
    at_xyz : sequence of float
        Where the user wants them; empty: where most picks are.

    Raises
    ------
    SettingsError
        If the point lies outside of the tomogram.
    """
    spot: list[float] = []
    for axis in (2, 1, 0):
        if not at_xyz:
            size = small.values.shape[axis]
            centres = small.first_angstrom + np.arange(size, dtype=np.float64) * small.voxel_spacing
            spot.append(best_centre(marks, axis, centres))
            continue
        wanted, last = at_xyz[2 - axis], small.low_angstrom + small.size_angstrom(axis)
        if not small.low_angstrom <= wanted <= last:
            msg = f"--at: {'zyx'[axis]} is {wanted:g}; the tomogram ends at {last:.0f} Angstrom"
            raise SettingsError(msg)
        spot.append(wanted)
    x, y, z = spot
    return x, y, z


def pick_range_angstrom(marks: Sequence[Marks], small: SmallVolume) -> tuple[float, float]:
    """Return the layer along z that holds the picks; without picks the middle half.

    Parameters
    ----------
    marks : sequence of Marks
        Picks.
    small : SmallVolume
        The tomogram.
    """
    reach = [entry.points_xyz[:, 2] + side for entry in marks for side in _both(entry)]
    heights = np.concatenate([np.zeros(0), *reach])
    size = small.size_angstrom(0)
    if len(heights) == 0:
        return 0.25 * size, 0.75 * size
    return float(heights.min()), float(heights.max())


def _both(marks: Marks) -> tuple[float, float]:
    return -marks.radius_angstrom, marks.radius_angstrom
