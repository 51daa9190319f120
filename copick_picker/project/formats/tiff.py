"""TIFF stacks, with the voxel spacing where ImageJ and Fiji look for it."""

import logging
import lzma
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from copick_picker._version import __version__
from copick_picker.errors import CopickPickerError, DataError
from copick_picker.project.files import Permit, replacing
from copick_picker.project.formats.mrc import as_smallest
from copick_picker.project.guards import broken, guarded, reason
from copick_picker.project.own_files import MARK

_UNITS: Mapping[str, float] = {
    "angstrom": 1.0,
    "a": 1.0,
    "\u00e5": 1.0,
    "nm": 10.0,
    "nanometer": 10.0,
    "um": 1e4,
    "micron": 1e4,
    "\u00b5m": 1e4,
}
"""Unit as ImageJ spells it -> Angstrom."""
_PLAIN_COMPRESSIONS = {"NONE", "DEFLATE", "ADOBE_DEFLATE", "LZMA", "PACKBITS"}
_PLAIN_PREDICTORS = {"NONE", "HORIZONTAL"}
"""What tifffile reads alone; for all else it needs the package imagecodecs."""


def write_tiff(
    path: Path, volume: npt.NDArray[Any], voxel_spacing: float, *, permit: Permit | None = None
) -> None:
    """Write a volume as a stack of planes.

    Parameters
    ----------
    path : pathlib.Path
        File to make or to replace.
    volume : numpy.ndarray
        (z, y, x); uint8, uint16 or float32, the types of ImageJ.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    permit : callable, optional
        See ``files.replacing``.

    Raises
    ------
    DataError
        If the volume does not have three axes or has another type.
    ProjectError
        If the file cannot be written.
    """
    if volume.ndim != 3 or volume.dtype not in (np.uint8, np.uint16, np.float32):
        msg = f"{path}: {volume.dtype} of shape {volume.shape}; expected labels (z, y, x)"
        raise DataError(msg)
    with guarded(f"cannot write {path}"), replacing(path, permit=permit) as temporary:
        tifffile.imwrite(
            temporary,
            volume,
            imagej=True,
            software=f"{MARK} {__version__}",
            resolution=(1.0 / voxel_spacing, 1.0 / voxel_spacing),
            metadata={"axes": "ZYX", "spacing": voxel_spacing, "unit": "angstrom"},
        )


def is_own_tiff(path: Path) -> bool:
    """Return whether a TIFF file is ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    with opened_tiff(path) as file:
        return str(file.pages.first.software).startswith(MARK)


def labels_for_tiff(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels as uint8 or uint16.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        A segmentation.

    Raises
    ------
    DataError
        If neither holds them.
    """
    fitted = as_smallest(labels, np.uint8, np.uint16)
    if fitted is not None:
        return fitted
    msg = f"labels from {labels.min()} to {labels.max()} do not fit into 16 bits"
    raise DataError(msg)


@contextmanager
def opened_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Yield an open file; what goes wrong in the block is told as the fault of the file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    DataError
        If it is damaged or no TIFF file.
    ProjectError
        If it cannot be read.
    """
    with tiff_guarded(path), tifffile.TiffFile(path) as file:
        yield file


@contextmanager
def tiff_guarded(path: Path, what: str = "") -> Iterator[None]:
    """Turn what tifffile raises on a damaged file into one line, and keep its log to itself.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    what : str
        What of it is read, for the message: ``frame 3``.

    Raises
    ------
    DataError
        If it is damaged or no TIFF file.
    ProjectError
        If it cannot be read.
    """
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    try:
        yield
    except CopickPickerError:
        raise
    except broken() as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.strerror):
            with guarded(f"cannot read {path}"):
                raise
        is_told = isinstance(error, tifffile.TiffFileError | zlib.error | lzma.LZMAError)
        told = f": {reason(error)}" if is_told else ""
        where = f" in {what}" if what else ""
        msg = f"{path} is damaged{where}, truncated, or not a TIFF file{told}"
        raise DataError(msg) from error


def tiff_voxel_sizes(file: tifffile.TiffFile) -> tuple[float, float, float] | None:
    """Return the size of a voxel along x, y, z in Angstrom, where ImageJ's metadata say it.

    Parameters
    ----------
    file : tifffile.TiffFile
        An open file.
    """
    about = file.imagej_metadata or {}
    tags = file.pages.first.tags
    unit = _UNITS.get(str(about.get("unit", "")).replace("\\u00C5", "\u00e5").lower())
    found = [tags.get(name) for name in ("XResolution", "YResolution")]
    if unit is None or any(tag is None or not tag.value[0] for tag in found):
        return None
    across = [tag.value[1] / tag.value[0] * unit for tag in found if tag is not None]
    depth = about.get("spacing")
    return across[0], across[1], across[0] if depth is None else float(depth) * unit


def check_tiff(path: Path, file: tifffile.TiffFile, series: Any) -> None:  # noqa: ANN401
    """Raise where a file is compressed as nothing here reads, or ends before its last plane.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    file : tifffile.TiffFile
        The same, open.
    series : tifffile.TiffPageSeries
        What is to be read.

    Raises
    ------
    DataError
        With what it holds and should hold.
    """
    _check_compression(path, file.pages.first)
    size = path.stat().st_size
    needed = 0
    if series.dataoffset is not None:
        needed = series.dataoffset + math.prod(series.shape) * series.dtype.itemsize
    else:
        for page in series.pages:
            if page is not None and len(page.dataoffsets):
                ends = zip(page.dataoffsets, page.databytecounts, strict=True)
                needed = max(needed, *(start + length for start, length in ends))
    stated = _stated_images(file)
    there = len(file.pages) if series.dataoffset is None else math.prod(series.shape[:-2])
    if needed > size or (stated is not None and there < stated):
        whole = f"{size:,} bytes of {needed:,}" if needed > size else f"{there} of {stated} images"
        msg = f"{path} is truncated: it holds {whole}"
        raise DataError(msg)


def _stated_images(file: tifffile.TiffFile) -> int | None:
    """Return how many images a file should hold, by ImageJ's or tifffile's own description."""
    if file.imagej_metadata:
        stated = file.imagej_metadata.get("images")
        return None if stated is None else int(stated)
    known: Any = file.shaped_metadata
    shape = known[0].get("shape", ()) if known else ()
    return math.prod(shape[:-2]) if len(shape) == 3 else None


def _check_compression(path: Path, page: Any) -> None:  # noqa: ANN401
    """Raise where a page needs a package that is not there."""
    try:
        kinds = tifffile.COMPRESSION(page.compression), tifffile.PREDICTOR(page.predictor)
    except (ValueError, TypeError) as error:
        msg = f"{path} is damaged: no program names a compression {str(page.compression)[:40]}"
        raise DataError(msg) from error
    names = [kind.name for kind in kinds]
    is_plain = names[0] in _PLAIN_COMPRESSIONS and names[1] in _PLAIN_PREDICTORS
    if is_plain or find_spec("imagecodecs") is not None:
        return
    what = f"compressed with {names[0]}"
    if names[0] in _PLAIN_COMPRESSIONS:
        what += f" and the predictor {names[1]}"
    msg = (
        f"{path} is {what}, which needs the package imagecodecs: install it (pip install "
        "imagecodecs), or save the file again uncompressed or with Deflate (ZIP), LZMA or PackBits"
    )
    raise DataError(msg)
