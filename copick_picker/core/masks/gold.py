"""Fiducial gold: compact, and far darker (or brighter) than anything of the specimen."""

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.geometry import length_to_voxels
from copick_picker.core.masks.grids import BoolVolume

_MAD_TO_SIGMA = 1.4826
_SAMPLES = 1_000_000


@dataclass(frozen=True)
class GoldRules:
    """How gold beads are found.

    Attributes
    ----------
    radius_angstrom : float
        Radius of a bead.
    least_score : float
        By how many robust standard deviations of the smoothed tomogram a bead stands out.
    least_volume, largest_volume : float
        Smallest and largest connected part, in volumes of a bead.
    least_inner, largest_inner : float
        Radius of the largest ball that fits into a part, in radii of a bead: membranes are
        thinner than beads, and lumps of ice thicker than clumps of them.
    dark : bool
        Whether beads are darker than their surroundings.
    """

    radius_angstrom: float
    least_score: float
    least_volume: float
    largest_volume: float
    least_inner: float
    largest_inner: float
    dark: bool


def gold_beads(
    volume_zyx: npt.NDArray[Any], *, voxel_spacing: float, rules: GoldRules
) -> tuple[BoolVolume, int]:
    """Return the voxels of gold beads and how many beads, or clumps of them, there are.

    The tomogram is smoothed by half a radius; what stands out from the median by so many times
    the median absolute deviation (times 1.4826) is gold, where it is as large and as thick as a
    bead or a clump of them. A bead's surface is where it has half of its greatest contrast.

    Parameters
    ----------
    volume_zyx : numpy.ndarray, shape (z, y, x)
        Tomogram, any real type.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rules : GoldRules
        Size, contrast and thresholds.

    Returns
    -------
    beads : numpy.ndarray, shape (z, y, x), bool
        The beads, not dilated.
    count : int
        Connected parts (26 neighbours).

    Examples
    --------
    >>> volume = np.random.default_rng(1).normal(size=(20, 24, 28))
    >>> volume[8:13, 10:15, 4:9] -= 40
    >>> rules = GoldRules(25.0, 8.0, 0.2, 20.0, 0.6, 2.0, dark=True)
    >>> beads, count = gold_beads(volume, voxel_spacing=10.0, rules=rules)
    >>> count, bool(beads[10, 12, 6]), bool(beads[2, 2, 20])
    (1, True, False)
    """
    radius = length_to_voxels(rules.radius_angstrom, voxel_spacing)
    smooth = ndimage.gaussian_filter(np.asarray(volume_zyx, dtype=np.float32), radius / 2)
    if rules.dark:
        smooth = -smooth
    step = max(smooth.size // _SAMPLES, 1)
    smooth -= np.median(smooth.ravel()[::step])
    deviation = _MAD_TO_SIGMA * float(np.median(np.abs(smooth.ravel()[::step])))
    parts = cc3d.connected_components(smooth > rules.least_score * deviation)
    inside = np.flatnonzero(parts)
    number, height = parts.ravel()[inside], smooth.ravel()[inside]
    sizes = np.bincount(number, minlength=1)
    ball = 4 / 3 * np.pi * radius**3
    kept = (sizes >= rules.least_volume * ball) & (sizes <= rules.largest_volume * ball)
    peak = np.zeros(len(sizes), dtype=np.float32)
    np.maximum.at(peak, number, height)
    beads = np.zeros(smooth.shape, dtype=bool)
    beads.ravel()[inside[kept[number] & (height > peak[number] / 2)]] = True
    count = 0
    for part, box in enumerate(cc3d.statistics(parts)["bounding_boxes"]):
        if part == 0 or not kept[part]:
            continue
        core = beads[box] & (parts[box] == part)
        inner = ndimage.distance_transform_edt(np.pad(core, 1)).max() - 0.5
        if rules.least_inner * radius <= inner <= rules.largest_inner * radius:
            count += 1
        else:
            beads[box] &= ~core
    return beads, count
