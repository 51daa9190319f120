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

from copick_picker.core.augmentations import Augmentation
from copick_picker.errors import SettingsError, choices_text

Shape = tuple[int, int, int]
GAUSSIAN_SIGMA = 0.125
"""Standard deviation of ``gaussian`` blending, as a fraction of the window (nnU-Net's value)."""
BLENDINGS = ("constant", "gaussian")


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


def axis_starts(length: int, window: int, *, overlap: float) -> list[int]:
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

    Examples
    --------
    >>> axis_starts(10, 4, overlap=0.5)
    [0, 2, 4, 6]
    >>> axis_starts(10, 4, overlap=0.0)
    [0, 4, 6]
    >>> axis_starts(3, 6, overlap=0.5)
    [-1]
    """
    if length <= window:
        return [-((window - length) // 2)]
    step = max(int(window * (1 - overlap)), 1)
    count = math.ceil((length - window) / step) + 1
    return sorted({min(number * step, length - window) for number in range(count)})


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
    length: int, window: int, *, overlap: float, blending: str, flipped: bool
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

    Returns
    -------
    tuple of Span
        In the axis' own direction, flipped or not.
    """
    starts = axis_starts(length, window, overlap=overlap)
    if flipped:
        starts = sorted(length - window - start for start in starts)
    return spans_at(length, window, tuple(starts), blending)


@lru_cache(maxsize=256)
def spans_at(length: int, window: int, starts: tuple[int, ...], blending: str) -> tuple[Span, ...]:
    """Return windows that start at given voxels, with weights that sum to 1 over every voxel.

    Parameters
    ----------
    length, window : int
        Voxels of the axis and of the window.
    starts : tuple of int
        First voxel of each window; together they cover the axis.
    blending : str
        ``constant`` or ``gaussian``.
    """
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
) -> list[Window]:
    """Return every window of a volume, each augmentation on the grid of the augmented volume.

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

    Returns
    -------
    list of Window
        The weights over each voxel sum to the number of augmentations.

    Raises
    ------
    SettingsError
        If the blending is unknown.
    """
    windows: list[Window] = []
    for augmentation in augmentations:
        spans: dict[int, tuple[Span, ...]] = {}
        for turned, axis in enumerate(augmentation.axes_zyx):
            spans[axis] = axis_spans(
                shape_zyx[axis],
                window_voxels[turned],
                overlap=overlap,
                blending=blending,
                flipped=augmentation.flipped[turned],
            )
        windows += [
            Window((z, y, x), augmentation) for z in spans[0] for y in spans[1] for x in spans[2]
        ]
    return windows
