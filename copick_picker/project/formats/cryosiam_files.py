"""The files that CryoSiam's commands write and read: ``{stem}_preds.h5``, CSV and STAR."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.project.files import Permit, replacing
from copick_picker.project.formats.hdf5 import own_dataset
from copick_picker.project.guards import guarded
from copick_picker.records.plain_text import load_json

SUFFIX = "_preds.h5"
RECORD = "copick_picker"
"""Attribute that holds our provenance record as JSON."""
CSV_COLUMNS = ("label", "area", "centroid-0", "centroid-1", "centroid-2", "tomo")
STAR_COLUMNS = (
    "rlnLabel",
    "rlnArea",
    "rlnCoordinateZ",
    "rlnCoordinateY",
    "rlnCoordinateX",
    "rlnMicrographName",
)
Row = tuple[int, int, float, float, float, str]
"""Number of the component, voxels, centre (z, y, x) in voxels, name of the tomogram."""


def read_labels(path: Path) -> npt.NDArray[Any]:
    """Return the dataset ``labels`` of a ``_preds.h5`` file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), integer or bool

    Raises
    ------
    ProjectError
        If the file is missing or is no HDF5.
    DataError
        If it has no volume of integers ``labels``.
    """
    with guarded(f"cannot read {path}"), h5py.File(path, "r") as file:
        if "labels" not in file:
            msg = f"{path} has no dataset 'labels'; it has: {', '.join(file) or 'none'}"
            raise DataError(msg)
        labels: npt.NDArray[Any] = own_dataset(file, "labels", path)[()]
    if labels.ndim != 3 or labels.size == 0 or labels.dtype.kind not in "iub":
        got = f"{labels.dtype} of shape {labels.shape}"
        msg = f"{path}: labels are {got}; expected integers (z, y, x)"
        raise DataError(msg)
    return labels


def read_probabilities(path: Path, channel: int | None = None) -> npt.NDArray[np.float32] | None:
    """Return the dataset ``probs`` of a ``_preds.h5`` file; None where there is none.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    channel : int, optional
        Only this channel.

    Returns
    -------
    numpy.ndarray, shape (c, z, y, x) or, of one channel, (z, y, x), float32, or None

    Raises
    ------
    ProjectError
        If the file is missing or is no HDF5.
    DataError
        If its probabilities are not of the labels' grid, or lack the channel.
    """
    with guarded(f"cannot read {path}"), h5py.File(path, "r") as file:
        if "probs" not in file:
            return None
        stored = own_dataset(file, "probs", path)
        shape: tuple[int, ...] = stored.shape
        grid = own_dataset(file, "labels", path).shape
        if len(shape) != 4 or shape[1:] != grid or (channel or 0) >= shape[0]:
            msg = f"{path}: probs have shape {shape}; expected (classes, z, y, x) of its labels"
            raise DataError(msg)
        values = stored[()] if channel is None else stored[channel]
    return np.asarray(values, dtype=np.float32)


def read_record(path: Path) -> dict[str, Any] | None:
    """Return our record in a ``_preds.h5`` file; None where there is none.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    ProjectError
        If it is no HDF5 file.
    """
    with guarded(f"cannot read {path}"), h5py.File(path, "r") as file:
        text = file.attrs.get(RECORD)
        return None if text is None else dict(load_json(text))


def write_predictions(
    path: Path,
    labels: npt.NDArray[np.uint8],
    probabilities: npt.NDArray[np.float32] | None,
    record: Mapping[str, Any],
    *,
    permit: Permit | None = None,
) -> None:
    """Write a ``_preds.h5`` file, whole; an older one is replaced.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    labels : numpy.ndarray, shape (z, y, x), uint8
        Dataset ``labels``.
    probabilities : numpy.ndarray, shape (c, z, y, x), float32, or None
        Dataset ``probs``.
    record : mapping
        Our provenance record, an attribute of the file.
    permit : callable, optional
        See ``files.replacing``.

    Raises
    ------
    ProjectError
        If it cannot be written.
    """
    packed = {"compression": "gzip", "compression_opts": 1}
    with (
        replacing(path, permit=permit) as temporary,
        guarded(f"cannot write {path}"),
        h5py.File(temporary, "w") as file,
    ):
        file.create_dataset("labels", data=labels, **packed)
        if probabilities is not None:
            file.create_dataset("probs", data=probabilities, **packed)
        file.attrs[RECORD] = json.dumps(record, sort_keys=True)


def is_predictions(path: Path) -> bool:
    """Return whether a file holds predictions, ours or CryoSiam's.

    Parameters
    ----------
    path : pathlib.Path
        A file.
    """
    with h5py.File(path, "r") as file:
        return "labels" in file


def is_particle_table(path: Path) -> bool:
    """Return whether a file is a ``labels_k`` table, ours or CryoSiam's.

    Parameters
    ----------
    path : pathlib.Path
        A CSV or STAR file.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return text.startswith(",".join(CSV_COLUMNS))
    columns = [line.split()[0] for line in text.splitlines() if line.startswith("_")]
    return columns == [f"_{name}" for name in STAR_COLUMNS]


def replace_labels(path: Path, labels: npt.NDArray[Any], record: Mapping[str, Any]) -> None:
    """Write other labels into a ``_preds.h5`` file; all else in it stays.

    Parameters
    ----------
    path : pathlib.Path
        The file; it stays as it was where anything fails.
    labels : numpy.ndarray, shape (z, y, x), integer
        Dataset ``labels``.
    record : mapping
        Our provenance record.

    Raises
    ------
    ProjectError
        If it cannot be read or written.
    """
    with (
        replacing(path) as temporary,
        guarded(f"cannot write {path}"),
        h5py.File(path, "r") as old,
        h5py.File(temporary, "w") as new,
    ):
        for name in old:
            if name != "labels":
                old.copy(name, new)
        new.create_dataset("labels", data=labels, compression="gzip", compression_opts=1)
        new.attrs[RECORD] = json.dumps(record, sort_keys=True)


def csv_text(rows: Sequence[Row]) -> str:
    """Return ``labels_k.csv``; without rows the header alone.

    Parameters
    ----------
    rows : sequence of tuple
        See :data:`Row`.

    Examples
    --------
    >>> print(csv_text([(4, 40, 0.825, 31.275, 20.95, "TS_02")]), end="")
    label,area,centroid-0,centroid-1,centroid-2,tomo
    4,40.0,0.825,31.275,20.95,TS_02
    """
    lines = [",".join(CSV_COLUMNS)]
    for number, area, *centre, tomogram in rows:
        lines.append(",".join([str(number), str(float(area)), *map(str, centre), tomogram]))
    return "\n".join(lines) + "\n"


def star_text(rows: Sequence[Row]) -> str:
    """Return ``labels_k_particles.star``: one unnamed block, 0-based voxels, six decimals.

    Parameters
    ----------
    rows : sequence of tuple
        See :data:`Row`.

    Examples
    --------
    >>> print(star_text([(4, 40, 0.825, 31.275, 20.95, "TS_02")]).splitlines()[-2])
    4 40.000000 0.825000 31.275000 20.950000 TS_02
    """
    head = ["", "data_", "", "loop_"]
    head += [f"_{name} #{number}" for number, name in enumerate(STAR_COLUMNS, 1)]
    lines = [
        " ".join([str(number), *(f"{value:.6f}" for value in (area, *centre)), _quoted(tomogram)])
        for number, area, *centre, tomogram in rows
    ]
    return "\n".join([*head, *lines]) + "\n\n"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
