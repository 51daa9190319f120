"""Which windows of a volume the network sees, and how their outputs are blended.

The windows of one pass form a Cartesian grid and their weights are products of one profile per
axis. So the sum of weights over a voxel is a product of three sums along lines, and each window
can carry weights that are normalised beforehand: the weights of all windows over a voxel sum to 1,
whatever the overlap, and windows of many passes can be added into one accumulator in any order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from copick_picker.core.segment.augmentations import Augmentation
from copick_picker.errors import SettingsError, choices_text

Shape = tuple[int, int, int]
GAUSSIAN_SIGMA = 0.125
"""Standard deviation of ``gaussian`` blending, as a fraction of the window (nnU-Net's value)."""
BLENDINGS = ("constant", "gaussian")
LAYOUTS = ("aligned", "shifted", "interleaved")
"""``aligned``: every augmentation on the grid that the augmented volume would get by itself.
``shifted``: the same, but the grid of augmentation k of n starts k/n of a step later, so that a
voxel is seen at n places of the window. ``interleaved``: one grid; its windows take the
augmentations in turn."""


@dataclass(frozen=True, eq=False)
class Span:
    """One window along one axis of the volume.

    Attributes
    ----------
    start, stop : int
        First voxel and one past the last; outside of the volume where the window is longer.
    weights : numpy.ndarray, shape (n,), float32
        Normalised weights of those voxels of the window that lie in the volume.
    """

    start: int
    stop: int
    weights: npt.NDArray[np.float32]

    @property
    def inner_start(self) -> int:
        """First voxel that lies in the volume."""
        return max(self.start, 0)

    @property
    def inner_stop(self) -> int:
        """One past the last voxel that lies in the volume."""
        return self.inner_start + len(self.weights)


@dataclass(frozen=True, eq=False)
class Window:
    """One forward pass: where, under which augmentation, and with which weights.

    Attributes
    ----------
    spans_zyx : tuple of Span
        Extent on the axes of the volume.
    augmentation : Augmentation
        Applied to the crop, undone on the logits.
    """

    spans_zyx: tuple[Span, Span, Span]
    augmentation: Augmentation

    @property
    def inner_zyx(self) -> tuple[slice, slice, slice]:
        """The voxels of the volume under the window."""
        z, y, x = (slice(span.inner_start, span.inner_stop) for span in self.spans_zyx)
        return z, y, x


def axis_starts(length: int, window: int, *, overlap: float, shift: float) -> list[int]:
    """Return the first voxel of each window along an axis.

    The step is ``int(window * (1 - overlap))``; the last window is moved back to end with the
    axis. An axis shorter than the window has one window, which hangs over by half the difference
    at the low end and the rest at the high end.

    Parameters
    ----------
    length, window : int
        Voxels of the axis and of the window.
    overlap : float
        Overlap of neighbouring windows, as a fraction of the window, below 1.
    shift : float
        By which part of a step the grid is moved, from 0 to 1; its ends stay in the volume.

    Examples
    --------
    >>> axis_starts(10, 4, overlap=0.5, shift=0.0)
    [0, 2, 4, 6]
    >>> axis_starts(10, 4, overlap=0.0, shift=0.0)
    [0, 4, 6]
    >>> axis_starts(10, 4, overlap=0.0, shift=0.5)
    [0, 2, 6]
    >>> axis_starts(3, 6, overlap=0.5, shift=0.0)
    [-1]
    """
    if length <= window:
        return [-((window - length) // 2)]
    step = max(int(window * (1 - overlap)), 1)
    offset = round(shift * step) % step
    first = offset - step if offset else 0
    count = math.ceil((length - window - first) / step) + 1
    starts = (first + number * step for number in range(count))
    return sorted({min(max(start, 0), length - window) for start in starts})


def profile(window: int, blending: str) -> npt.NDArray[np.float64]:
    """Return the weight along a window before normalisation.

    Parameters
    ----------
    window : int
        Voxels of the window.
    blending : str
        ``constant`` or ``gaussian``.

    Raises
    ------
    SettingsError
        If there is no such blending.
    """
    if blending not in BLENDINGS:
        msg = f"no blending '{blending}'; known: {choices_text(BLENDINGS)}"
        raise SettingsError(msg)
    if blending == "constant":
        return np.ones(window)
    distance = (np.arange(window) - (window - 1) / 2) / (GAUSSIAN_SIGMA * window)
    weights: npt.NDArray[np.float64] = np.exp(-0.5 * distance**2)
    return weights


@lru_cache(maxsize=256)
def axis_spans(
    length: int, window: int, *, overlap: float, blending: str, flipped: bool, shift: float
) -> tuple[Span, ...]:
    """Return the windows along an axis, with weights that sum to 1 over every voxel.

    Parameters
    ----------
    length, window : int
        Voxels of the axis and of the window.
    overlap : float
        Overlap of neighbouring windows, as a fraction of the window, below 1.
    blending : str
        ``constant`` or ``gaussian``.
    flipped : bool
        Whether the grid is laid from the high end of the axis.
    shift : float
        By which part of a step the grid is moved.

    Returns
    -------
    tuple of Span
        In the axis' own direction, flipped or not.
    """
    starts = axis_starts(length, window, overlap=overlap, shift=shift)
    if flipped:
        starts = sorted(length - window - start for start in starts)
    raw = profile(window, blending)
    total = np.zeros(length)
    pieces = []
    for start in starts:
        low, high = max(start, 0), min(start + window, length)
        piece = raw[low - start : high - start]
        total[low:high] += piece
        pieces.append((start, low, high, piece))
    return tuple(
        Span(start, start + window, (piece / total[low:high]).astype(np.float32))
        for start, low, high, piece in pieces
    )


def window_grid(
    shape_zyx: Shape,
    window_voxels: Shape,
    augmentations: Sequence[Augmentation],
    *,
    overlap: float,
    blending: str,
    layout: str,
) -> list[Window]:
    """Return every window of a volume that one network sees.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    window_voxels : tuple of int
        Window (z, y, x) that the network takes, after the augmentation.
    augmentations : sequence of Augmentation
        At least one.
    overlap : float
        Overlap of neighbouring windows, as a fraction of the window, below 1.
    blending : str
        ``constant`` or ``gaussian``.
    layout : str
        One of :data:`LAYOUTS`.

    Returns
    -------
    list of Window
        The weights over each voxel sum to the number of augmentations (``interleaved``: to 1).

    Raises
    ------
    SettingsError
        If the layout or blending is unknown, or does not fit the window.
    """
    if layout not in LAYOUTS:
        msg = f"no layout '{layout}'; known: {choices_text(LAYOUTS)}"
        raise SettingsError(msg)
    if layout == "interleaved":
        return _interleaved(shape_zyx, window_voxels, augmentations, overlap, blending)
    windows: list[Window] = []
    for number, augmentation in enumerate(augmentations):
        shift = number / len(augmentations) if layout == "shifted" else 0.0
        axes = _augmented_axes(shape_zyx, window_voxels, augmentation, overlap, blending, shift)
        windows += [
            Window((z, y, x), augmentation) for z in axes[0] for y in axes[1] for x in axes[2]
        ]
    return windows


def _augmented_axes(
    shape_zyx: Shape,
    window_voxels: Shape,
    augmentation: Augmentation,
    overlap: float,
    blending: str,
    shift: float,
) -> list[tuple[Span, ...]]:
    spans: dict[int, tuple[Span, ...]] = {}
    for turned, axis in enumerate(augmentation.axes_zyx):
        spans[axis] = axis_spans(
            shape_zyx[axis],
            window_voxels[turned],
            overlap=overlap,
            blending=blending,
            flipped=augmentation.flipped[turned],
            shift=shift,
        )
    return [spans[axis] for axis in range(3)]


def _interleaved(
    shape_zyx: Shape,
    window_voxels: Shape,
    augmentations: Sequence[Augmentation],
    overlap: float,
    blending: str,
) -> list[Window]:
    if any(augmentation.axes_zyx != (0, 1, 2) for augmentation in augmentations) and (
        window_voxels[1] != window_voxels[2]
    ):
        msg = f"interleaved quarter turns need a window as long in y as in x, not {window_voxels}"
        raise SettingsError(msg)
    axes = [
        axis_spans(length, window, overlap=overlap, blending=blending, flipped=False, shift=0.0)
        for length, window in zip(shape_zyx, window_voxels, strict=True)
    ]
    return [
        Window((z, y, x), augmentations[(column + 2 * row + 4 * level) % len(augmentations)])
        for level, z in enumerate(axes[0])
        for row, y in enumerate(axes[1])
        for column, x in enumerate(axes[2])
    ]
