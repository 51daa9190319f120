"""Windows that fit a volume: as few as there can be, and for each pass other borders.

Octopi's windows overlap by half, so that every voxel is computed eight times in each pass. Here a
pass cuts every axis into equal windows that need no overlap, of about the side that the network was
trained on. Two cuts take turns, with unlike numbers of windows n and n + 1 or n - 1: as these have
no divisor in common, no border inside the volume is a border in both, and a voxel that one pass
sees at a border another pass sees within a window.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.segment.grid import Shape, Span, Window, profile

AxesSpans = tuple[tuple[Span, ...], tuple[Span, ...], tuple[Span, ...]]
INTERLEAVED_PASSES = 2
"""Passes of the layout ``interleaved``, and so the least number of augmentations over a voxel."""
_LONGEST_ZYX = (1.2, 1.5, 1.5)
"""Longest windows, in units of the trained one; short in z, whose planes are held in memory."""
_SHORTEST_FIRST, _SHORTEST_SECOND = 0.75, 0.5
_LEAST_WEIGHT = 1e-2
"""Least weight along an axis, so that products of three stay within half precision."""
_NEARLY = 1.05
"""Two tilings whose voxels differ by less than this factor cost the same."""


@dataclass(frozen=True)
class AxisTiling:
    """Equal windows along one axis.

    Attributes
    ----------
    side : int
        Voxels of a window.
    starts : tuple of int
        First voxel of each; below 0 where the window is longer than the axis.
    """

    side: int
    starts: tuple[int, ...]


def axis_tilings(
    length: int, window: int, *, multiple: int, overlap: float, longest: float
) -> tuple[AxisTiling, AxisTiling]:
    """Return two ways to cut an axis into equal windows; they share no border inside.

    Parameters
    ----------
    length, window : int
        Voxels of the axis, and of the window that the network was trained on.
    multiple : int
        What the side of a window must be a multiple of.
    overlap : float
        Overlap of neighbouring windows, as a fraction of the window, below 1.
    longest : float
        Longest side, as a multiple of ``window``.

    Returns
    -------
    tuple of AxisTiling
        Both compute few voxels; the first has windows as near to ``window`` as can be, the second
        one window more or less. An axis that takes one window has no borders inside: both are
        equal.

    Examples
    --------
    >>> first, second = axis_tilings(400, 96, multiple=4, overlap=0.0, longest=1.5)
    >>> first
    AxisTiling(side=100, starts=(0, 100, 200, 300))
    >>> second
    AxisTiling(side=136, starts=(0, 132, 264))
    """
    most = max(math.ceil(length / (_SHORTEST_FIRST * window)), 1)
    tilings = [_tiling(length, count, multiple, overlap) for count in range(1, most + 1)]
    fitting = [tiling for tiling in tilings if tiling.side <= longest * window] or tilings[-1:]
    first = min(_cheap(fitting), key=lambda tiling: abs(math.log(tiling.side / window)))
    count = len(first.starts)
    if count == 1:
        return first, first
    others = [_tiling(length, other, multiple, overlap) for other in (count - 1, count + 1)]
    fitting = [
        other for other in others if _SHORTEST_SECOND * window <= other.side <= longest * window
    ]
    return first, max(_cheap(fitting or others[1:]), key=lambda tiling: tiling.side)


def tiled_passes(
    shape_zyx: Shape,
    window_voxels: Shape,
    *,
    multiple: int,
    passes: int,
    overlap: float,
    blending: str,
) -> list[AxesSpans]:
    """Return the windows along each axis, pass by pass; their weights are not normalised.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    window_voxels : tuple of int
        Window (z, y, x) that the network was trained on.
    multiple : int
        What each side of a window must be a multiple of.
    passes : int
        How often each voxel is computed.
    overlap : float
        Overlap of neighbouring windows within a pass, as a fraction of the window, below 1.
    blending : str
        ``constant``, or ``gaussian``: weights fall towards borders inside the volume, so that a
        voxel takes most from the pass that sees it far from a border.
    """
    axes = [
        axis_tilings(length, window, multiple=multiple, overlap=overlap, longest=longest)
        for length, window, longest in zip(shape_zyx, window_voxels, _LONGEST_ZYX, strict=True)
    ]
    found: list[AxesSpans] = []
    for number in range(passes):
        z, y, x = (
            _spans(length, tilings[number % 2], blending)
            for length, tilings in zip(shape_zyx, axes, strict=True)
        )
        found.append((z, y, x))
    return found


def tiled_windows(
    passes: Sequence[AxesSpans], augmentations: Sequence[Augmentation]
) -> list[Window]:
    """Return the windows of some passes.

    Parameters
    ----------
    passes : sequence
        As :func:`tiled_passes` returns them.
    augmentations : sequence of Augmentation
        At least as many as passes. Pass p of n has every n-th of them, from the p-th on; its
        windows take them in turn.
    """
    windows: list[Window] = []
    for number, spans in enumerate(passes):
        windows += _in_turn(spans, augmentations[number :: len(passes)])
    return windows


def axis_weights(length: int, spans: Sequence[Span]) -> npt.NDArray[np.float64]:
    """Return the sum of the weights of windows along an axis, (length,)."""
    total = np.zeros(length)
    for span in spans:
        total[span.inner_start : span.inner_stop] += span.weights
    return total


def _spans(length: int, tiling: AxisTiling, blending: str) -> tuple[Span, ...]:
    spans = []
    for number, start in enumerate(tiling.starts):
        weights = np.maximum(profile(tiling.side, blending), _LEAST_WEIGHT)
        middle = tiling.side // 2
        if number == 0:
            weights[:middle] = 1.0
        if number == len(tiling.starts) - 1:
            weights[middle:] = 1.0
        inner = slice(max(-start, 0), min(length - start, tiling.side))
        spans.append(Span(start, start + tiling.side, weights[inner].astype(np.float32)))
    return tuple(spans)


def _in_turn(
    spans: Sequence[Sequence[Span]], augmentations: Sequence[Augmentation]
) -> Iterator[Window]:
    for level, z in enumerate(spans[0]):
        for row, y in enumerate(spans[1]):
            for column, x in enumerate(spans[2]):
                turn = (level + row + column) % len(augmentations)
                yield Window((z, y, x), augmentations[turn])


def _cheap(tilings: Sequence[AxisTiling]) -> list[AxisTiling]:
    """Return the tilings that compute about as few voxels as the best of them."""
    costs = [tiling.side * len(tiling.starts) for tiling in tilings]
    return [
        tiling for tiling, cost in zip(tilings, costs, strict=True) if cost <= _NEARLY * min(costs)
    ]


def _tiling(length: int, count: int, multiple: int, overlap: float) -> AxisTiling:
    side = _side(length, count, multiple, overlap)
    if side >= length:
        return AxisTiling(side, (-((side - length) // 2),))
    step = (length - side) / (count - 1)
    return AxisTiling(side, tuple(round(number * step) for number in range(count)))


def _side(length: int, count: int, multiple: int, overlap: float) -> int:
    exact = length / (1 + (count - 1) * (1 - overlap))
    return math.ceil(exact / multiple - 1e-9) * multiple
