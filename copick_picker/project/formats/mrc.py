"""MRC volumes (Cheng et al. 2015, J. Struct. Biol. 192, 146-150): any mode, any axis order."""

import logging
import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import numpy.typing as npt

from copick_picker._version import __version__
from copick_picker.errors import DataError
from copick_picker.project.files import Permit, replacing
from copick_picker.project.folders.own_files import MARK
from copick_picker.project.guards import guarded

logger = logging.getLogger(__name__)
_CUBIC_WITHIN = 0.01


def read_mrc(path: Path) -> tuple[npt.NDArray[Any], float]:
    """Return the volume (z, y, x) of an MRC file and its voxel spacing.

    Headers with small faults are read all the same; each fault is logged as a warning.

    Parameters
    ----------
    path : pathlib.Path
        ``.mrc``, ``.rec``, ``.map``, also gzip or bzip2.

    Returns
    -------
    volume : numpy.ndarray
        (z, y, x), type as stored: int8, int16, uint16, float16 or float32.
    voxel_spacing : float
        Edge of a voxel in Angstrom, to the three decimals of copick; 0.0 where the header does not
        say.

    Raises
    ------
    ProjectError
        If the file cannot be read.
    DataError
        If it holds no single real volume, or voxels that are not cubes.
    """
    with warnings.catch_warnings(record=True) as faults, guarded(f"cannot read {path}"):
        warnings.simplefilter("always")
        with mrcfile.open(path, mode="r", permissive=True) as file:
            stored = None if file.data is None else np.array(file.data)
            header = file.header
            axes_xyz = (int(header.mapc), int(header.mapr), int(header.maps))
            with np.errstate(invalid="ignore", divide="ignore"):
                voxel_size = file.voxel_size
            sizes = tuple(float(voxel_size[name]) for name in "xyz")
    for fault in faults:
        logger.warning("%s: %s", path, fault.message)
    if stored is None or stored.ndim != 3 or stored.size == 0 or stored.dtype.kind not in "iuf":
        what = "nothing" if stored is None else f"{stored.dtype} of shape {stored.shape}"
        msg = f"{path} holds {what}; expected one real volume (z, y, x)"
        raise DataError(msg)
    return np.ascontiguousarray(_to_zyx(stored, axes_xyz)), _cube_edge(sizes, path)


_MAP_AT = 208
"""Where an MRC file says that it is one (Cheng et al. 2015, doi 10.1016/j.jsb.2015.04.002)."""


def write_mrc(
    path: Path, volume: npt.NDArray[Any], voxel_spacing: float, *, permit: Permit | None = None
) -> None:
    """Write a volume as an MRC file.

    Parameters
    ----------
    path : pathlib.Path
        File to make or to replace.
    volume : numpy.ndarray
        (z, y, x); a type that MRC knows (int8, int16, uint16, float16, float32).
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
        file.header.label[0] = f"{MARK} {__version__}"  # mrcfile's own label holds the time
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
        return file.read(_MAP_AT + 4)[_MAP_AT:] == b"MAP "


def _to_zyx(stored: npt.NDArray[Any], axes_xyz: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Put sections, rows and columns in the order z, y, x; the header may name another."""
    if sorted(axes_xyz) != [1, 2, 3]:
        return stored
    columns, rows, sections = axes_xyz
    stored_order = (sections, rows, columns)
    return stored.transpose([stored_order.index(axis) for axis in (3, 2, 1)])


def _cube_edge(sizes_xyz: tuple[float, ...], path: Path) -> float:
    edge = float(np.mean(sizes_xyz))
    if not np.isfinite(edge) or edge <= 0:
        return 0.0
    if max(sizes_xyz) - min(sizes_xyz) > _CUBIC_WITHIN * edge:
        msg = f"{path} has voxels of {sizes_xyz} A; expected cubes"
        raise DataError(msg)
    return round(sizes_xyz[0], 3)
