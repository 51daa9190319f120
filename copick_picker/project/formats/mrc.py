"""MRC volumes (Cheng et al. 2015, J. Struct. Biol. 192, 146-150): any mode, any axis order."""

import logging
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import numpy.typing as npt

from copick_picker._version import __version__
from copick_picker.errors import DataError
from copick_picker.project.files import Permit, replacing
from copick_picker.project.formats.mrc_stream import MAP_AT, read_block, read_header, unpacked
from copick_picker.project.guards import guarded
from copick_picker.project.own_files import MARK

logger = logging.getLogger(__name__)


def read_mrc(path: Path) -> tuple[npt.NDArray[Any], float]:
    """Return the volume (z, y, x) of an MRC file and its voxel spacing.

    Headers with minor faults are accepted; each fault is logged as a warning.

    Parameters
    ----------
    path : pathlib.Path
        ``.mrc``, ``.rec``, ``.map``, also gzip or bzip2.

    Returns
    -------
    volume : numpy.ndarray
        (z, y, x), type as stored: int8, uint8 (IMOD's mode 0 and 101), int16, uint16, float16 or
        float32.
    voxel_spacing : float
        Edge of a voxel in Angstrom, to the three decimals of copick; 0.0 if the header does not
        state it.

    Raises
    ------
    ProjectError
        If the file cannot be read.
    DataError
        If it does not contain a single real volume, or the voxels are not cubic.
    """
    with unpacked(path) as plain:
        header = read_header(plain, name=path)
        if header.is_image or header.is_stack_of_volumes:
            what = "an image" if header.is_image else "a stack of volumes"
            msg = f"{path} holds {what}; expected one real volume (z, y, x)"
            raise DataError(msg)
        if not header.has_map_stamp:
            logger.warning("%s: Map ID string not found in the header: read anyway", path)
        dtype = header.voxel_dtype
        return read_block(plain, header, (0, 0, 0), header.shape_zyx, dtype), header.voxel_spacing


def write_mrc(
    path: Path, volume: npt.NDArray[Any], voxel_spacing: float, *, permit: Permit | None = None
) -> None:
    """Write a volume as an MRC file.

    Parameters
    ----------
    path : pathlib.Path
        File to make or to replace.
    volume : numpy.ndarray
        (z, y, x); a type that MRC supports (int8, int16, uint16, float16, float32).
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    permit : callable, optional
        See ``files.replacing``.

    Raises
    ------
    DataError
        If the volume does not have three axes.
    ProjectError
        If the file cannot be written.
    """
    if volume.ndim != 3:
        msg = f"{path}: the volume has shape {volume.shape}; expected (z, y, x)"
        raise DataError(msg)
    with (
        guarded(f"cannot write {path}"),
        replacing(path, permit=permit) as temporary,
        mrcfile.new(temporary, data=volume) as file,
    ):
        file.header.label[0] = f"{MARK} {__version__}"  # mrcfile's own label contains the time
        file.voxel_size = voxel_spacing
        file.set_volume()


def is_own_mrc(path: Path) -> bool:
    """Return whether an MRC file is ours.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    with mrcfile.open(path, header_only=True) as file:
        return bool(file.header.label[0].startswith(MARK.encode()))


def is_mrc(path: Path) -> bool:
    """Return whether a file is an MRC file, whoever wrote it.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    with path.open("rb") as file:
        return file.read(MAP_AT + 4)[MAP_AT:] == b"MAP "


def labels_for_mrc(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels in the smallest MRC type that fits them: int8, int16 or uint16.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        A segmentation.

    Raises
    ------
    DataError
        If none fits.
    """
    fitted = as_smallest(labels, np.int8, np.int16, np.uint16)
    if fitted is not None:
        return fitted
    msg = f"labels from {labels.min()} to {labels.max()} do not fit into an MRC file; use --to tiff"
    raise DataError(msg)


def as_smallest(labels: npt.NDArray[Any], *kinds: type[np.integer[Any]]) -> npt.NDArray[Any] | None:
    """Return labels in the first of some types that fits them all, None if none does.

    Parameters
    ----------
    labels : numpy.ndarray, integer
        A segmentation.
    *kinds : type
        Integer types.

    Examples
    --------
    >>> as_smallest(np.array([0, 200]), np.int8, np.int16).dtype
    dtype('int16')
    """
    low, high = labels.min(), labels.max()
    for kind in kinds:
        limits = np.iinfo(kind)
        if low >= limits.min and high <= limits.max:
            return labels.astype(kind)
    return None
