"""What a zarr store says of its volume: shape, chunks, type, levels and scale, read with care.

zarr takes whatever its metadata claim: a chunk of 0 planes divides by zero far from here, and a
shape of 10^6 along each axis asks for the memory. Both zarr and our own listing get their numbers
from here, so that both say the same.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copick_picker.errors import DataError, choices_text
from copick_picker.project.guards import reason
from copick_picker.records.checks import Trouble
from copick_picker.records.plain_text import load_json

MOST_VOXELS = 10**12
"""Voxels of the largest volume that is believed: 4 TB of float32."""
MOST_CHUNK_BYTES = 2**33
SCALE_TOLERANCE = 0.01
"""Relative difference of two scales that counts as rounding."""
_ANGSTROM = {"angstrom": 1.0, "nanometer": 10.0, "micrometer": 1e4, "picometer": 0.01}
_TYPE = {
    2: re.compile(r"[<>|=]?(b|[iu]|f)(?P<size>1|2|4|8|16)"),
    3: re.compile(r"(bool|u?int|float)(?P<size>8|16|32|64|)"),
}
"""Types of real numbers in the metadata of zarr 2 and 3."""


class MetadataError(DataError):
    """Metadata of a store that cannot be believed.

    Parameters
    ----------
    trouble : Trouble
        What is wrong, what is expected.
    """

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


@dataclass(frozen=True)
class ArrayFacts:
    """What the metadata of an array say.

    Attributes
    ----------
    shape, chunks : tuple of int
        Of the array and of one chunk, all 1 or more.
    dtype : str
        Type as stored.
    version : int
        2 or 3.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    version: int = 2

    @property
    def n_chunks(self) -> int:
        """Chunks of the whole array."""
        sides = zip(self.shape, self.chunks, strict=True)
        return math.prod(-(-size // chunk) for size, chunk in sides)


@dataclass(frozen=True)
class Level:
    """A level of resolution in OME metadata.

    Attributes
    ----------
    path : str
        Of its array.
    scale_zyx : tuple of float or None
        Edges of a voxel in Angstrom; None where they are not said.
    """

    path: str
    scale_zyx: tuple[float, ...] | None = None


def json_object(data: bytes | str, what: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Parameters
    ----------
    data : bytes or str
        Content of the file.
    what : str
        The file, for the message.

    Raises
    ------
    MetadataError
        If it is not JSON, or another value.
    """
    try:
        content = load_json(data)
    except (ValueError, RecursionError) as error:
        text = f"metadata cannot be read: {what}: {reason(error)}"
        raise MetadataError(Trouble("metadata", text)) from error
    if not isinstance(content, dict):
        text = f"metadata cannot be read: {what} contains no JSON object"
        raise MetadataError(Trouble("metadata", text))
    return content


def array_facts(content: Mapping[str, Any]) -> ArrayFacts:
    """Return what the metadata of an array say, zarr 2 or 3.

    Parameters
    ----------
    content : mapping
        Of ``.zarray`` or ``zarr.json``.

    Raises
    ------
    MetadataError
        If something is missing, of a wrong type, or cannot be true of a volume.
    """
    version = 3 if content.get("zarr_format") == 3 else 2
    shape = _sizes(content.get("shape"), "shape")
    if version == 3:
        grid = content.get("chunk_grid")
        configuration = grid.get("configuration") if isinstance(grid, Mapping) else None
        stated = configuration.get("chunk_shape") if isinstance(configuration, Mapping) else None
        chunks, dtype = _sizes(stated, "chunk shape"), content.get("data_type")
    else:
        chunks, dtype = _sizes(content.get("chunks"), "chunk shape"), content.get("dtype")
    if len(chunks) != len(shape):
        text = f"chunk shape {_text(chunks)} does not have as many axes as shape {_text(shape)}"
        raise MetadataError(Trouble("size", text))
    item_bytes = _item_bytes(dtype, version)
    if math.prod(shape) > MOST_VOXELS:
        text = f"shape {_text(shape)} claims {math.prod(shape):.3g} voxels; expected at most 1e12"
        raise MetadataError(Trouble("size", text))
    if math.prod(chunks) * item_bytes > MOST_CHUNK_BYTES:
        text = f"chunk shape {_text(chunks)} claims more than 8 GiB a chunk"
        raise MetadataError(Trouble("size", text))
    return ArrayFacts(shape, chunks, str(dtype), version)


def levels(attributes: Mapping[str, Any]) -> list[Level]:
    """Return the levels that OME metadata name, the finest first; none where they say nothing.

    Parameters
    ----------
    attributes : mapping
        Of the group: OME-Zarr 0.4 or 0.5.
    """
    ome = attributes.get("ome")
    stated = (ome if isinstance(ome, Mapping) else attributes).get("multiscales")
    image = stated[0] if isinstance(stated, Sequence) and stated else None
    if not isinstance(image, Mapping) or not isinstance(image.get("datasets"), Sequence):
        return []
    units = _units(image.get("axes"))
    common = _scale(image.get("coordinateTransformations"))
    found = []
    for dataset in image["datasets"]:
        path = dataset.get("path") if isinstance(dataset, Mapping) else None
        if not isinstance(path, str):
            continue
        own = _scale(dataset.get("coordinateTransformations"))
        found.append(Level(path.strip("/"), _angstrom(own, common, units)))
    return sorted(found, key=lambda level: math.prod(level.scale_zyx or (1.0,)))


def scale_troubles(level: Level | None, voxel_spacing: float) -> list[Trouble]:
    """Return where the scale in a store contradicts its folder, or itself.

    Parameters
    ----------
    level : Level or None
        The finest level.
    voxel_spacing : float
        Of the folder, in Angstrom.
    """
    if level is None or level.scale_zyx is None:
        return []
    scale = level.scale_zyx
    words = " x ".join(f"{edge:g}" for edge in scale)
    if max(scale) - min(scale) > SCALE_TOLERANCE * max(scale):
        text = f"its metadata state voxels of {words} A (z, y, x), its folder {voxel_spacing:g} A"
        return [Trouble("cubic", text)]
    if abs(scale[0] - voxel_spacing) > SCALE_TOLERANCE * voxel_spacing:
        text = (
            f"its metadata state a voxel spacing of {scale[0]:g} A, its folder {voxel_spacing:g} A"
        )
        return [Trouble("scale", text)]
    return []


def finest_level(
    attributes: Mapping[str, Any], names: Sequence[str], shape_of: Callable[[str], Sequence[int]]
) -> Level:
    """Return the level of full resolution of a store.

    Parameters
    ----------
    attributes : mapping
        Of the group.
    names : sequence of str
        Paths of its arrays.
    shape_of : callable
        Path -> shape; asked where the metadata do not say which array is the finest.

    Raises
    ------
    MetadataError
        If there is no array, or not the one that the metadata name.
    """
    if not names:
        raise MetadataError(Trouble("unfinished", "half-written: it contains no array"))
    stated = levels(attributes)
    if stated:
        if stated[0].path in names:
            return stated[0]
        text = f"its metadata list the array {stated[0].path}, which it does not have"
        raise MetadataError(Trouble("level", f"{text} (its arrays: {choices_text(sorted(names))})"))
    if "0" in names:
        return Level("0")
    return Level(max(sorted(names), key=lambda name: math.prod(shape_of(name))))


def level_trouble(level: Level) -> list[Trouble]:
    """Return a trouble where the finest level is not the array that copick itself reads.

    Parameters
    ----------
    level : Level
        The finest level.
    """
    if level.path == "0":
        return []
    text = f"its finest level is array {level.path}, not 0, where copick looks"
    return [Trouble("level", text)]


def axes_trouble(shape: Sequence[int], n_axes: int) -> Trouble | None:
    """Return what is wrong with the axes of a volume, None where they are as expected.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    n_axes : int
        3 for (z, y, x), 4 for (c, z, y, x).
    """
    if len(shape) == n_axes:
        return None
    axes = "(z, y, x)" if n_axes == 3 else "(c, z, y, x)"
    text = f"it has {len(shape)} axes, {_text(shape)}; expected {axes}"
    if can_leave_out(shape, n_axes):
        text += ": leading axes of size 1 are dropped"
    return Trouble("axes", text)


def can_leave_out(shape: Sequence[int], n_axes: int) -> bool:
    """Return whether the axes before the last few are of size 1, so that nothing is lost.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    n_axes : int
        Axes that are kept.
    """
    return len(shape) > n_axes and all(size == 1 for size in shape[:-n_axes])


def _sizes(value: object, what: str) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(type(size) is int for size in value):
        text = f"{what} is {_short(value)}; expected whole numbers"
        raise MetadataError(Trouble("size", text))
    if not value or min(value) < 1:
        text = f"{what} is {_text(value)}; expected numbers from 1"
        raise MetadataError(Trouble("size", text))
    return tuple(value)


def _item_bytes(dtype: object, version: int) -> int:
    found = _TYPE[version].fullmatch(dtype) if isinstance(dtype, str) else None
    if found is None:
        text = f"voxels are of type {_short(dtype)}; expected real numbers"
        raise MetadataError(Trouble("type", text))
    size = int(found["size"] or 8)
    return size if version == 2 else size // 8


def _short(value: object) -> str:
    words = json.dumps(value, default=str)
    return words if len(words) <= 60 else f"{words[:57]}..."


def _text(sizes: Sequence[int]) -> str:
    return " x ".join(f"{size}" for size in sizes)


def _scale(transformations: object) -> tuple[float, ...] | None:
    for entry in transformations if isinstance(transformations, Sequence) else ():
        scale = entry.get("scale") if isinstance(entry, Mapping) else None
        if isinstance(scale, Sequence) and all(_is_length(edge) for edge in scale):
            return tuple(float(edge) for edge in scale)
    return None


def _is_length(edge: object) -> bool:
    return type(edge) in (int, float) and 0 < float(edge) < math.inf  # type: ignore[arg-type]


def _units(axes: object) -> list[float | None]:
    """Return Angstrom in the unit of each axis of space; None where it is another unit."""
    factors: list[float | None] = []
    for axis in axes if isinstance(axes, Sequence) and not isinstance(axes, str) else ():
        unit = axis.get("unit", "angstrom") if isinstance(axis, Mapping) else "angstrom"
        factors.append(_ANGSTROM.get(str(unit)))
    return factors


def _angstrom(
    own: tuple[float, ...] | None, common: tuple[float, ...] | None, units: list[float | None]
) -> tuple[float, ...] | None:
    """Return the edges of a voxel along z, y and x in Angstrom."""
    if own is None or len(own) < 3:
        return None
    edges = list(own[-3:])
    if common is not None and len(common) >= 3:
        edges = [edge * factor for edge, factor in zip(edges, common[-3:], strict=True)]
    factors = units[-3:] if len(units) >= 3 else [1.0, 1.0, 1.0]
    if None in factors:
        return None
    return tuple(edge * float(factor or 1.0) for edge, factor in zip(edges, factors, strict=True))
