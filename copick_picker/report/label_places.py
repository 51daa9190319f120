"""Places for small labels beside points, so that none covers another."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_BESIDE = ((1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
"""Where a label is tried, as directions from its point, the best first."""


def label_places(
    points: FloatArray,
    sizes: FloatArray,
    *,
    window: tuple[float, float],
    gap: float,
    taken: Sequence[tuple[float, float, float, float]] = (),
) -> list[tuple[float, float] | None]:
    """Return the lower left corner of each label; None where there is no room.

    Labels keep clear of each other, of what is taken, of the window's edges and, where they can,
    of the points.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2), float64
        Points x, y that are labelled, the most important first.
    sizes : numpy.ndarray, shape (n, 2), float64
        Width and height of each label.
    window : tuple of float
        Width and height of the window, from 0, 0 on.
    gap : float
        Distance of a label from its point, and half the size of the mark at a point.
    taken : sequence of tuple of float
        Boxes (left, low, right, high) that stay free.

    Examples
    --------
    >>> points, sizes = np.array([[50.0, 50.0], [55.0, 50.0]]), np.full((2, 2), 20.0)
    >>> label_places(points, sizes, window=(100.0, 100.0), gap=2.0)
    [(52.0, 52.0), (57.0, 28.0)]
    """
    boxes = np.array([*taken], dtype=np.float64).reshape(-1, 4)
    marks = np.concatenate([points - gap, points + gap], axis=1)
    places: list[tuple[float, float] | None] = []
    for at, (point, size) in enumerate(zip(points, sizes, strict=True)):
        others = np.delete(marks, at, axis=0)
        found = _free(point, size, window, gap, np.concatenate([boxes, others]))
        found = found or _free(point, size, window, gap, boxes)
        places.append(found)
        if found is not None:
            boxes = np.concatenate([boxes, [(*found, found[0] + size[0], found[1] + size[1])]])
    return places


def _free(
    point: FloatArray,
    size: FloatArray,
    window: tuple[float, float],
    gap: float,
    boxes: FloatArray,
) -> tuple[float, float] | None:
    """Return the first place beside a point that no box covers."""
    for direction in _BESIDE:
        left, low = (
            float(middle + gap * side + length * (side - 1) / 2)
            for side, middle, length in zip(direction, point, size, strict=True)
        )
        right, high = left + float(size[0]), low + float(size[1])
        if min(left, low) < 0 or right > window[0] or high > window[1]:
            continue
        covers = (
            (boxes[:, 0] < right)
            & (boxes[:, 2] > left)
            & (boxes[:, 1] < high)
            & (boxes[:, 3] > low)
        )
        if not covers.any():
            return left, low
    return None
