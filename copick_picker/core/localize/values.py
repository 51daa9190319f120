"""Values of a segmentation: whole numbers whatever their type, and those that nobody reads."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.localize.checks import IntVolume
from copick_picker.errors import DataError

_NAMED = 5


def whole_numbers(values: npt.NDArray[Any]) -> IntVolume:
    """Return the labels of a segmentation as integers.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x), integer, bool or floating
        As stored.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), integer
        The array itself if it holds integers; bool becomes 0 and 1.

    Raises
    ------
    DataError
        If a value is not a whole number.

    Examples
    --------
    >>> whole_numbers(np.array([[[False, True]]])).tolist()
    [[[0, 1]]]
    """
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    if values.dtype.kind != "f":
        msg = f"labels have type {values.dtype}; expected whole numbers"
        raise DataError(msg)
    labels = np.empty(values.shape, dtype=np.int32)
    limit = np.iinfo(np.int32).max
    for plane, place in zip(values, labels, strict=True):
        good = np.isfinite(plane) & (np.abs(plane) <= limit)
        whole = np.where(good, plane, 0).astype(np.int32)
        if not (good & (whole == plane)).all():
            bad = float(plane[~(good & (whole == plane))][0])
            msg = f"labels have the value {bad:g}; expected whole numbers"
            raise DataError(msg)
        place[...] = whole
    return labels


def unread_values(labels: IntVolume, known: Collection[int]) -> dict[int, int]:
    """Return the values of a segmentation that stand for nothing known, with their voxels.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation; 0 is background.
    known : collection of int
        Values that mean something.

    Returns
    -------
    dict of int to int
        Value -> number of voxels, by falling number.

    Examples
    --------
    >>> unread_values(np.array([[[0, 1, 9, 9]]]), [1])
    {9: 2}
    """
    counts: dict[int, int] = {}
    for plane in labels:
        for value, count in zip(*_counted(plane), strict=True):
            if value != 0 and value not in known:
                counts[value] = counts.get(value, 0) + count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def unread_text(unread: Mapping[int, int], what: str) -> str:
    """Return in words which values nobody reads.

    Parameters
    ----------
    unread : mapping of int to int
        Value -> number of voxels.
    what : str
        What the values are not: ``not among the project's labels``.

    Examples
    --------
    >>> unread_text({9: 2878}, "not among the project's labels")
    "value 9 (2,878 voxels) is not among the project's labels"
    """
    named = [
        f"{value} ({count:,} voxel{'' if count == 1 else 's'})"
        for value, count in list(unread.items())[:_NAMED]
    ]
    if len(unread) == 1:
        return f"value {named[0]} is {what}"
    more = f" and {len(unread) - _NAMED:,} more" if len(unread) > _NAMED else ""
    return f"values {', '.join(named)}{more} are {what}"


def _counted(plane: IntVolume) -> tuple[list[int], list[int]]:
    """Return the values of a plane and how often each occurs."""
    limits = np.iinfo(plane.dtype)
    if limits.min == 0 and limits.max < 2**16:
        counts = np.bincount(plane.ravel())
        values = np.flatnonzero(counts)
        return values.tolist(), counts[values].tolist()
    values, counts = np.unique(plane, return_counts=True)
    return values.tolist(), counts.tolist()
