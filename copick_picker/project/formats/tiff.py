"""TIFF stacks of labels, with the voxel spacing where ImageJ and Fiji look for it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from copick_picker._version import __version__
from copick_picker.errors import DataError
from copick_picker.project.files import Permit, replacing
from copick_picker.project.formats.mrc import as_smallest
from copick_picker.project.guards import guarded
from copick_picker.project.own_files import MARK


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
    with tifffile.TiffFile(path) as file:
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
