"""Where the specimen is: textured voxels between two smooth surfaces.

Vitreous ice, vacuum and reconstruction noise vary less, at the scale of molecules, than a cell or
protein does. The local power of that band tells both apart; the largest connected part is taken
for the specimen, and its lower and upper surface are smoothed as height maps over y and x.
"""

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.masks.grids import BoolVolume
from copick_picker.errors import DataError

FloatVolume = npt.NDArray[np.float32]
_BINS = 256
_TINY = 1e-12
_MAD_TO_SIGMA = 1.4826
_CLIP = 4.0
"""Values farther from the median, in robust standard deviations, are cut off: gold and bad pixels
would otherwise be all the texture there is."""


@dataclass(frozen=True)
class LamellaRules:
    """How a lamella is found.

    Attributes
    ----------
    detail_angstrom : float
        Edge of the blocks that the tomogram is averaged over first: smaller detail is noise.
    texture_angstrom : float
        Length over which texture is measured; slower changes are background.
    surface_angstrom : float
        Standard deviation of the smoothing of the two surfaces.
    least_ratio : float
        Texture power inside over that outside below which there is no lamella to be told apart.
    """

    detail_angstrom: float
    texture_angstrom: float
    surface_angstrom: float
    least_ratio: float


def lamella_mask(
    volume_zyx: npt.NDArray[Any], *, voxel_spacing: float, rules: LamellaRules
) -> BoolVolume:
    """Return where the specimen of a tomogram is.

    Parameters
    ----------
    volume_zyx : numpy.ndarray, shape (z, y, x)
        Tomogram, any real type, either contrast.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rules : LamellaRules
        Scales and the least difference of texture.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), bool
        One piece without holes: all voxels between the two surfaces, where there are two.

    Raises
    ------
    DataError
        If texture inside and outside do not differ enough, or the tomogram is too small.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> volume = rng.normal(size=(40, 32, 32)) * np.where(np.abs(np.arange(40) - 20) < 9, 3, 1)[
    ...     :, None, None
    ... ]
    >>> rules = LamellaRules(10.0, 40.0, 40.0, least_ratio=1.3)
    >>> found = lamella_mask(volume, voxel_spacing=10.0, rules=rules)[:, 16, 16]
    >>> bool(found[14:27].all()), bool(found[:9].any())
    (True, False)
    """
    block = max(int(rules.detail_angstrom / voxel_spacing + 1e-6), 1)
    binned = _without_extremes(block_means(volume_zyx, block))
    spacing = block * voxel_spacing
    scale = rules.texture_angstrom / spacing
    if min(binned.shape) < 2 * scale:
        msg = (
            f"the tomogram is too small to find a lamella by texture: {volume_zyx.shape} "
            f"voxels of {voxel_spacing:g} A; expected {2 * rules.texture_angstrom:g} A along "
            "every axis"
        )
        raise DataError(msg)
    power = texture_power(binned, scale_voxels=scale)
    level = _level(power, rules.least_ratio)
    component = cc3d.largest_k(power > level, k=1, connectivity=26).astype(bool)
    sigma = rules.surface_angstrom / spacing
    low, high, footprint = _surfaces(component, sigma)
    _, n_y, n_x = volume_zyx.shape
    low, high = (_full_size(heights, block, (n_y, n_x)) for heights in (low, high))
    rows = np.minimum(np.arange(n_y) // block, footprint.shape[0] - 1)
    columns = np.minimum(np.arange(n_x) // block, footprint.shape[1] - 1)
    planes = np.arange(len(volume_zyx), dtype=np.float32)[:, None, None]
    middle = (block - 1) / 2
    inside: BoolVolume = (planes >= low * block + middle - block / 2) & (
        planes <= high * block + middle + block / 2
    )
    inside &= footprint[np.ix_(rows, columns)]
    return inside


def texture_power(volume_zyx: FloatVolume, *, scale_voxels: float) -> FloatVolume:
    """Return the local mean square of what varies faster than a scale.

    Parameters
    ----------
    volume_zyx : numpy.ndarray, shape (z, y, x), float32
        The volume.
    scale_voxels : float
        Standard deviation, in voxels, of the background that is taken away; squares are averaged
        over half of it.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32
    """
    band = volume_zyx - ndimage.gaussian_filter(volume_zyx, scale_voxels)
    power: FloatVolume = ndimage.gaussian_filter(band * band, scale_voxels / 2)
    return power


def block_means(volume_zyx: npt.NDArray[Any], block: int) -> FloatVolume:
    """Return the means of cubes of voxels; what is left over at the high ends is cut off.

    Parameters
    ----------
    volume_zyx : numpy.ndarray, shape (z, y, x)
        Any real type.
    block : int
        Voxels along the edge of a cube.

    Raises
    ------
    DataError
        If an axis is shorter than a cube.

    Examples
    --------
    >>> block_means(np.arange(8.0).reshape(2, 2, 2), 2)
    array([[[3.5]]], dtype=float32)
    """
    z, y, x = (size // block for size in volume_zyx.shape)
    if min(z, y, x) < 1:
        msg = f"a tomogram of {volume_zyx.shape} voxels is too small for blocks of {block}"
        raise DataError(msg)
    if block == 1:
        return volume_zyx.astype(np.float32)
    means = np.empty((z, y, x), dtype=np.float32)
    for plane in range(z):
        slab = volume_zyx[plane * block : (plane + 1) * block, : y * block, : x * block]
        cubes = slab.reshape(block, y, block, x, block)
        means[plane] = cubes.mean(axis=(0, 2, 4), dtype=np.float64)
    return means


def _without_extremes(volume_zyx: FloatVolume) -> FloatVolume:
    median = np.median(volume_zyx)
    reach = _CLIP * _MAD_TO_SIGMA * np.median(np.abs(volume_zyx - median))
    clipped: FloatVolume = np.clip(volume_zyx, median - reach, median + reach)
    return clipped


def _level(power: FloatVolume, least_ratio: float) -> float:
    """Return the power midway between the means of both classes (Otsu 1979, on its logarithm)."""
    values = np.log(power + _TINY)
    threshold = _otsu(values)
    textured = values > threshold
    if not textured.any() or textured.all():
        msg = "no lamella found: the texture is the same everywhere"
        raise DataError(msg)
    inner, outer = float(power[textured].mean()), float(power[~textured].mean())
    if inner < least_ratio * outer:
        msg = (
            f"no lamella found: texture inside is {inner / outer:.2f} times that outside, "
            f"expected {least_ratio:g} times or more"
        )
        raise DataError(msg)
    return (inner + outer) / 2


def _otsu(values: FloatVolume) -> float:
    counts, edges = np.histogram(values, bins=_BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
    between = np.where(above > 0, below * above * gap**2, 0.0)
    return float(edges[int(np.nanargmax(between)) + 1])


def _surfaces(component: BoolVolume, sigma: float) -> tuple[FloatVolume, FloatVolume, BoolVolume]:
    """Return smooth heights of the first and last plane, and the columns (y, x) that have both."""
    has = component.any(axis=0)
    footprint = ndimage.binary_fill_holes(has)
    depth = len(component)
    low = np.where(has, component.argmax(axis=0), 0).astype(np.float32)
    high = np.where(has, depth - 1 - component[::-1].argmax(axis=0), 0).astype(np.float32)
    weights = ndimage.gaussian_filter(has.astype(np.float32), sigma)
    low, high = (
        ndimage.gaussian_filter(heights, sigma) / np.maximum(weights, _TINY)
        for heights in (low, high)
    )
    return low, high, footprint


def _full_size(heights: FloatVolume, block: int, shape_yx: tuple[int, int]) -> FloatVolume:
    """Return block heights at every voxel, linear between the middles of the blocks."""
    offset = -(block - 1) / 2 / block
    full: FloatVolume = ndimage.affine_transform(
        heights,
        np.full(2, 1 / block),
        offset=offset,
        output_shape=shape_yx,
        order=1,
        mode="nearest",
    )
    return full
