"""Segmentations and probabilities over slices: sampled where the slices are, and as colours."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from PIL import Image

from copick_picker.report.figures import PALETTE
from copick_picker.report.object_colours import rgb_of
from copick_picker.report.view_volume import PlaneReader, SmallVolume

_N_HEATS = 16
"""Steps in which probabilities are drawn: pages stay small."""
_HEAT_MAP, _LOWEST_SHARE = "plasma", 0.25
_MOST_OPAQUE = 0.75
_INSIDE, _EDGE = 0.3, 0.9
"""Opacity of a region and of its outline."""
MOST_REGIONS = 100
"""Most objects that a picture tells apart: each has a colour inside and one on its outline."""
_MOST_UNNAMED, _GREY = 8, "#b0b0b0"


@dataclass(frozen=True)
class Region:
    """What a value of the labels in :class:`SmallVolume` stands for: the first is value 1.

    Attributes
    ----------
    name : str
        The object, or words for a label that is none.
    colour : str
        Its colour as ``#rrggbb``.
    """

    name: str
    colour: str


@dataclass(frozen=True)
class StoredGrid:
    """A stored volume with its first voxel's centre at the origin.

    Attributes
    ----------
    read : callable
        First plane and the one after the last -> planes (z, y, x).
    shape_zyx : tuple of int
        Shape.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    layer_planes : int
        Planes that are read at once.
    dtype : numpy.dtype
        Type of what is read.
    """

    read: PlaneReader
    shape_zyx: tuple[int, ...]
    voxel_spacing: float
    layer_planes: int
    dtype: np.dtype[Any]


def sampled(stored: StoredGrid, small: SmallVolume) -> npt.NDArray[Any]:
    """Return the voxels of a stored volume nearest to those of a binned one; 0 outside.

    Voxel i of both lies where its index times its spacing says, so that volumes of different
    spacing and size match.

    Parameters
    ----------
    stored : StoredGrid
        What is sampled; it is read once, a layer at a time.
    small : SmallVolume
        Whose voxels are meant.

    Returns
    -------
    numpy.ndarray, shape (z, y, x)
        Of the shape of ``small`` and the type of what is stored.
    """
    result = np.zeros(small.values.shape, dtype=stored.dtype)
    inside = [_nearest(stored, small, axis) for axis in range(3)]
    (z_at, z_index), (y_at, y_index), (x_at, x_index) = inside
    for start in range(0, stored.shape_zyx[0], stored.layer_planes):
        stop = min(start + stored.layer_planes, stored.shape_zyx[0])
        here = (z_index >= start) & (z_index < stop)
        if here.any():
            layer = np.asarray(stored.read(start, stop))
            taken = layer[np.ix_(z_index[here] - start, y_index, x_index)]
            result[np.ix_(z_at[here], y_at, x_at)] = taken
    return result


def _nearest(
    stored: StoredGrid, small: SmallVolume, axis: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which binned voxels lie in a stored volume along an axis, and its nearest voxels."""
    size = small.values.shape[axis]
    centres = small.first_angstrom + np.arange(size) * small.voxel_spacing
    index = np.floor(centres / stored.voxel_spacing + 0.5).astype(np.intp)
    at = np.flatnonzero((index >= 0) & (index < stored.shape_zyx[axis]))
    return at, index[at]


def numbered_regions(
    labels: npt.NDArray[np.integer], names: Mapping[int, str], colours: Mapping[str, str]
) -> tuple[npt.NDArray[np.uint8], list[Region]]:
    """Return labels as numbers of regions, and the regions that occur.

    A label without a name becomes a region of its own, unless there are many of them.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Labels, 0 and less for background.
    names : mapping of int to str
        Label -> object.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.

    Returns
    -------
    tuple
        Numbers (z, y, x), uint8, and what the numbers from 1 on mean.
    """
    present = sorted({int(label) for plane in labels for label in np.unique(plane)})
    named = [label for label in present if label > 0 and label in names][:MOST_REGIONS]
    unnamed = [label for label in present if label > 0 and label not in names]
    regions = [Region(names[label], colours[names[label]]) for label in named]
    numbers = {label: number for number, label in enumerate(named, 1)}
    if len(unnamed) > _MOST_UNNAMED:
        numbers |= dict.fromkeys(unnamed, len(regions) + 1)
        regions.append(Region(f"{len(unnamed)} labels of no object", _GREY))
    else:
        numbers |= {label: number for number, label in enumerate(unnamed, len(regions) + 1)}
        free = [colour for colour in PALETTE if colour not in {each.colour for each in regions}]
        shades = cycle(free or PALETTE)
        regions += [Region(f"label {label}", next(shades)) for label in unnamed]
    meant = np.array([numbers.get(label, 0) for label in present], dtype=np.uint8)
    known, drawn = np.array(present), np.zeros(labels.shape, dtype=np.uint8)
    for plane, place in zip(labels, drawn, strict=True):
        place[...] = meant[np.searchsorted(known, plane)]
    return drawn, regions


def heat_map() -> ListedColormap:
    """Return the colours of probabilities from 0, which is clear, to 1."""
    return ListedColormap(_heat_colours() / 255.0, name="heat")


def heat_indices(heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the step of each probability, 0 to 15.

    Parameters
    ----------
    heat : numpy.ndarray, shape (rows, columns), float32
        Values in [0, 1]; what is not finite counts as 0.
    """
    share = np.clip(np.nan_to_num(heat, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    steps: npt.NDArray[np.uint8] = np.minimum(_N_HEATS * share, _N_HEATS - 1).astype(np.uint8)
    return steps


def region_indices(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return 0 for background, 2 n - 1 inside of region n and 2 n on its outline.

    Parameters
    ----------
    labels : numpy.ndarray, shape (rows, columns), uint8
        Number of the region at each pixel, 0 for none.
    """
    edge = np.zeros(labels.shape, dtype=bool)
    for axis in (0, 1):
        differs = np.diff(labels.astype(np.int16), axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edge[tuple(before)] |= differs
        edge[tuple(after)] |= differs
    inside = np.where(labels > 0, 2 * labels.astype(np.int16) - 1, 0)
    found: npt.NDArray[np.uint8] = (inside + (edge & (labels > 0))).astype(np.uint8)
    return found


def heat_rgba(heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return probabilities as colours (rows, columns, 4): red, green, blue, opacity.

    Parameters
    ----------
    heat : numpy.ndarray, shape (rows, columns), float32
        Values in [0, 1].
    """
    return _heat_colours()[heat_indices(heat)]


def regions_rgba(labels: npt.NDArray[np.uint8], regions: Sequence[Region]) -> npt.NDArray[np.uint8]:
    """Return regions as colours (rows, columns, 4): red, green, blue, opacity.

    Parameters
    ----------
    labels : numpy.ndarray, shape (rows, columns), uint8
        Number of the region at each pixel, 0 for none.
    regions : sequence of Region
        What the numbers from 1 on mean.
    """
    return _region_colours(regions)[region_indices(labels)]


def heat_address(heat: npt.NDArray[np.float32]) -> str:
    """Return probabilities as a clear picture for a page, a ``data:`` address.

    Parameters
    ----------
    heat : numpy.ndarray, shape (rows, columns), float32
        Values in [0, 1]; the first row comes at the bottom.
    """
    return _png_address(heat_indices(heat), _heat_colours())


def regions_address(labels: npt.NDArray[np.uint8], regions: Sequence[Region]) -> str:
    """Return regions as a clear picture for a page, a ``data:`` address.

    Parameters
    ----------
    labels : numpy.ndarray, shape (rows, columns), uint8
        Number of the region at each pixel, 0 for none; the first row comes at the bottom.
    regions : sequence of Region
        What the numbers from 1 on mean.
    """
    return _png_address(region_indices(labels), _region_colours(regions))


def heat_gradient() -> str:
    """Return the colours of probabilities as a gradient of a style sheet, over mid grey."""
    colours = _heat_colours().astype(np.float64)
    share = colours[:, 3:] / 255.0
    shown = np.round((1 - share) * 128.0 + share * colours[:, :3]).astype(int)
    parts = [
        f"rgb({red},{green},{blue}) {100 * at / _N_HEATS:.4g}% {100 * (at + 1) / _N_HEATS:.4g}%"
        for at, (red, green, blue) in enumerate(shown.tolist())
    ]
    return f"linear-gradient(to right,{','.join(parts)})"


@cache
def _heat_colours() -> npt.NDArray[np.uint8]:
    """Return a colour for each step, (n, 4)."""
    share = np.arange(_N_HEATS) / (_N_HEATS - 1)
    colours = colormaps[_HEAT_MAP](_LOWEST_SHARE + (1 - _LOWEST_SHARE) * share)
    colours[:, 3] = _MOST_OPAQUE * np.sqrt(share)
    table: npt.NDArray[np.uint8] = np.round(255 * colours).astype(np.uint8)
    return table


def _region_colours(regions: Sequence[Region]) -> npt.NDArray[np.uint8]:
    """Return the colours that :func:`region_indices` points to, (2 n + 1, 4)."""
    rows = [(0, 0, 0, 0)]
    for region in regions:
        rows += [(*rgb_of(region.colour), round(255 * opacity)) for opacity in (_INSIDE, _EDGE)]
    return np.array(rows, dtype=np.uint8)


def _png_address(indices: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]) -> str:
    picture = Image.fromarray(np.ascontiguousarray(indices[::-1]), mode="P")
    picture.putpalette(colours[:, :3].tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True, transparency=colours[:, 3].tobytes())
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
