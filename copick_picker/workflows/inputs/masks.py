"""The mask of a run: a segmentation of the project, or a file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from copick_picker.core.masks.run_mask import RunMask, fitted_mask
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.provenance import digest
from copick_picker.project.folders.checkpoints import file_sha256
from copick_picker.project.formats.mask_files import is_mask_file, read_mask_file
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import segmentation_query
from copick_picker.records.keys import SegmentationKey

RUN_MARK = "{run}"
"""Stands for the run's name in the path of a mask."""
_SPACING_STEP = 1e-3


def check_mask(mask: str | None, option: str = "--mask") -> None:
    """Raise if no run can have the mask, before the first run is read.

    Parameters
    ----------
    mask : str or None
        Value of the option; None for no mask.
    option : str
        The option, for the message.

    Raises
    ------
    SettingsError
        If it is neither a segmentation URI nor a file that exists.
    """
    if mask is None:
        return
    if not is_mask_file(mask):
        segmentation_query(mask)
    elif RUN_MARK not in mask and not Path(mask).is_file():
        msg = f"{option}: no file '{mask}'"
        raise SettingsError(msg)


def mask_record(
    store: ProjectStore, run_name: str, mask: str, *, spacing: float
) -> dict[str, str | None]:
    """Return the mask of a run, as it goes into provenance records.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    mask : str
        Segmentation URI or path.
    spacing : float
        Voxel spacing of the masked volume; selects between several masks.

    Returns
    -------
    dict
        ``uri``, and ``record`` (hash of its own record) or ``sha256`` (of the file).

    Raises
    ------
    CopickPickerError
        If the run has no such mask.
    """
    if is_mask_file(mask):
        path = _path(run_name, mask)
        return {"uri": str(path), "sha256": file_sha256(path)}
    key = _key(store, run_name, mask, spacing)
    return {"uri": str(key), "record": digest(store.segmentation_provenance(run_name, key))}


def load_mask(
    store: ProjectStore,
    run_name: str,
    mask: str | None,
    *,
    shape_zyx: Sequence[int],
    spacing: float,
    warn: Callable[[str], None],
) -> RunMask | None:
    """Return the mask of a run, checked against its volume, or None.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    mask : str or None
        Segmentation URI, or path of a file, optionally with ``{run}``.
    shape_zyx : sequence of int
        Shape of the volume.
    spacing : float
        Its voxel spacing in Angstrom.
    warn : callable
        Warned if the mask is on another grid.

    Raises
    ------
    DataError
        If the mask is empty, or its box differs; with both boxes.
    CopickPickerError
        If it is missing or cannot be read.
    """
    if mask is None:
        return None
    values, own, uri = _read(store, run_name, mask, spacing)
    try:
        fitted, remark = fitted_mask(values, own, uri, shape_zyx=shape_zyx, spacing=spacing)
    except DataError as error:
        msg = f"run {run_name}: {error}"
        raise DataError(msg) from error
    if remark:
        warn(f"run {run_name}: {remark}")
    return fitted


def _read(
    store: ProjectStore, run_name: str, mask: str, spacing: float
) -> tuple[npt.NDArray[Any], float, str]:
    if not is_mask_file(mask):
        key = _key(store, run_name, mask, spacing)
        return store.open_segmentation(run_name, key).read(), key.voxel_spacing, str(key)
    path = _path(run_name, mask)
    values, own = read_mask_file(path)
    return values, own, str(path)


def _key(store: ProjectStore, run_name: str, mask: str, spacing: float) -> SegmentationKey:
    keys = store.segmentations(run_name)
    found = segmentation_query(mask).matching(keys)
    near = [key for key in found if abs(key.voxel_spacing - spacing) < _SPACING_STEP]
    return segmentation_query(mask).match_one(near if near else keys, run_name=run_name)


def _path(run_name: str, mask: str) -> Path:
    path = Path(mask.replace(RUN_MARK, run_name))
    if not path.is_file():
        msg = f"run {run_name}: no mask file '{path}'"
        raise SettingsError(msg)
    return path
