"""Files that hold a mask: MRC volumes, and CryoSiam's HDF5 files."""

from pathlib import Path
from typing import Any

import numpy.typing as npt

from copick_picker.project.formats.cryosiam_files import read_labels
from copick_picker.project.formats.mrc import read_mrc

_MRC_ENDINGS = (".mrc", ".rec", ".map", ".mrc.gz", ".mrc.bz2", ".rec.gz", ".map.gz")
_HDF5_ENDING = ".h5"


def is_mask_file(name: str) -> bool:
    """Return whether a name is that of a file, not a URI.

    Parameters
    ----------
    name : str
        What the user wrote.

    Examples
    --------
    >>> is_mask_file("masks/{run}.mrc"), is_mask_file("lamella:picker/1")
    (True, False)
    """
    return name.lower().endswith((*_MRC_ENDINGS, _HDF5_ENDING))


def read_mask_file(path: Path) -> tuple[npt.NDArray[Any], float]:
    """Return the mask (z, y, x) of a file and its voxel spacing in Angstrom, 0.0 if unknown.

    Parameters
    ----------
    path : pathlib.Path
        A file with one of the endings.

    Raises
    ------
    ProjectError, DataError
        If it cannot be read, or is damaged.
    """
    if path.name.lower().endswith(_HDF5_ENDING):
        return read_labels(path), 0.0
    return read_mrc(path)
