"""Label volumes of other programs: MRC files and TIFF stacks."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError, SettingsError
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.project.formats.mrc_folders import run_name_of
from copick_picker.project.formats.tiff import check_tiff, opened_tiff, tiff_voxel_sizes

SUFFIXES = (".mrc", ".mrc.gz", ".rec", ".map", ".tif", ".tiff")
"""Endings of files that may hold labels."""
_TIFF = (".tif", ".tiff")
_MOST = np.iinfo(np.uint16).max
_TOLERANCE = 0.01


def label_files(place: Path, pattern: str) -> dict[str, Path]:
    """Return run name -> file of a folder, or of one file.

    Parameters
    ----------
    place : pathlib.Path
        File or folder; hidden files and other kinds are left alone.
    pattern : str
        File name without suffix, with ``{run}`` in it; files that do not fit are left alone.

    Raises
    ------
    SettingsError
        If nothing fits, or two files are of one run.
    """
    if not place.exists():
        msg = f"there is no file or folder {place}"
        raise SettingsError(msg)
    before, after = pattern.split("{run}")
    found: dict[str, Path] = {}
    for path in [place] if place.is_file() else sorted(place.iterdir()):
        stem = _stem(path)
        if stem is None or not path.is_file():
            continue
        if not (stem.startswith(before) and stem.endswith(after)):
            continue
        middle = stem[len(before) : len(stem) - len(after)]
        if not middle or len(before) + len(after) > len(stem):
            continue
        name = run_name_of(middle)
        if name in found:
            msg = (
                f"{found[name].name} and {path.name} would both be run '{name}': use --name-pattern"
            )
            raise SettingsError(msg)
        found[name] = path
    if not found:
        fits = "" if pattern == "{run}" else f" whose name matches '{pattern}'"
        msg = f"{place} contains no volume of labels{fits} ({', '.join(SUFFIXES)})"
        raise SettingsError(msg)
    return found


def read_labels(path: Path) -> tuple[npt.NDArray[np.uint16], float | None]:
    """Return the labels of a file (z, y, x), and its voxel spacing in Angstrom if it says one.

    Parameters
    ----------
    path : pathlib.Path
        MRC file or TIFF stack; floats that hold whole numbers are read too.

    Raises
    ------
    DataError
        If it holds no volume, or anything but whole numbers from 0 to 65535.
    ProjectError
        If it cannot be read.
    """
    if path.suffix.lower() in _TIFF:
        volume, spacing = _read_tiff(path)
    else:
        volume, known = read_mrc(path)
        spacing = known if known > 0 else None
    if volume.ndim != 3 or 0 in volume.shape:
        msg = f"{path} has shape {volume.shape}; expected labels (z, y, x)"
        raise DataError(msg)
    if volume.dtype.kind not in "iufb":
        msg = f"{path} holds {volume.dtype}; expected whole numbers"
        raise DataError(msg)
    if volume.dtype.kind == "f" and not (np.isfinite(volume).all() and _is_whole(volume)):
        msg = f"{path} holds values that are not whole numbers: is it a map?"
        raise DataError(msg)
    low, high = volume.min(), volume.max()
    if low < 0 or high > _MOST:
        msg = f"{path} has values from {low:g} to {high:g}; expected labels from 0 to {_MOST}"
        raise DataError(msg)
    return volume.astype(np.uint16), spacing


def _is_whole(volume: npt.NDArray[Any]) -> bool:
    return all(bool((plane == np.rint(plane)).all()) for plane in volume)


def _read_tiff(path: Path) -> tuple[npt.NDArray[Any], float | None]:
    with opened_tiff(path) as file:
        check_tiff(path, file, file.series[0])
        volume, sizes = file.asarray(), tiff_voxel_sizes(file)
    if sizes is None:
        return volume, None
    if max(sizes) - min(sizes) > _TOLERANCE * max(sizes):
        shown = ", ".join(f"{size:.4g}" for size in sizes)
        msg = f"{path} has voxels of {shown} A (x, y, z); expected cubic voxels: use --spacing A"
        raise DataError(msg)
    return volume, round(sizes[0], 3)


def _stem(path: Path) -> str | None:
    lower = path.name.lower()
    if lower.startswith("."):
        return None
    for suffix in SUFFIXES:
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return path.name[: -len(suffix)]
    return None
