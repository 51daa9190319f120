"""The engine's input: members, options, and the windows in the order in which they run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import nn

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.heads.head import HeadSettings, Readout, head_kind, stride_of
from copick_picker.core.segment.grid import Shape, Span, Window, window_grid
from copick_picker.core.segment.tilings import (
    INTERLEAVED_PASSES,
    AxesSpans,
    axis_weights,
    tiled_passes,
    tiled_windows,
)
from copick_picker.errors import DataError, SettingsError, choices_text

Mask = npt.NDArray[np.bool_]
Progress = Callable[[int, int], None]
"""Called with (windows done, total windows)."""
Kind = tuple[int, Shape]
"""Number of a member and the shape (z, y, x) of the windows that it sees."""
PADDINGS = ("zero", "reflect")
LAYOUTS = ("aligned", "tiled", "interleaved")
"""``aligned``: every augmentation on the grid of windows that the augmented volume itself would
get. ``tiled``: every augmentation on windows that fit the volume, see ``tilings``.
``interleaved``: two passes of those, whose windows cycle through the augmentations."""
_MOST_CHANNELS = 256


@dataclass(frozen=True, eq=False)
class Member:
    """A network and the facts needed to run it; several make an ensemble.

    Attributes
    ----------
    network : torch.nn.Module
        Windows (b, 1, z, y, x) in, outputs (b, n, z, y, x) out. The engine switches it to
        evaluation and moves it to the device.
    window_voxels : tuple of int
        Window (z, y, x).
    n_channels : int
        Channels of the network's outputs.
    padding : str
        Padding of a volume smaller than the window: ``zero`` or ``reflect``.
    window_multiple : int
        Divisor of each side of a window, if windows are fitted to the volume.
    head : str
        Name of the head in :data:`copick_picker.core.heads.head.HEADS`: what the outputs mean.
    head_settings : mapping
        What the model's card stores for the head.
    """

    network: nn.Module
    window_voxels: Shape
    n_channels: int
    padding: str
    window_multiple: int = 1
    head: str = "softmax"
    head_settings: HeadSettings = field(default_factory=dict)

    @cached_property
    def readout(self) -> Readout:
        """Readout of the network's outputs.

        Raises
        ------
        UnknownNameError
            If there is no such head.
        """
        return head_kind(self.head).read(self.n_channels, self.head_settings)

    @property
    def stride(self) -> int:
        """Voxels per voxel of what is averaged: the network's, if its head finds points."""
        return stride_of(self.network) if self.readout.finds_points else 1


@dataclass(frozen=True)
class EngineOptions:
    """How to run the members.

    Attributes
    ----------
    augmentations : tuple of Augmentation
        Test-time augmentations, at least one.
    overlap : float
        Overlap of neighbouring windows, as a fraction of the window, from 0 to below 1.
    blending : str
        ``constant`` or ``gaussian`` weights within a window.
    layout : str
        ``aligned``, ``tiled`` or ``interleaved``: see :data:`LAYOUTS`.
    precision : str
        ``float32``, ``bf16`` or ``fp16``.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    window_batch : int
        Windows per forward pass; halved if the device's memory is too small.
    inverted : bool
        Whether to invert the contrast of the input.
    sums : str
        Type of the sums over windows: ``float32``, or ``float16`` in half the memory.
    """

    augmentations: tuple[Augmentation, ...]
    overlap: float
    blending: str
    layout: str
    precision: str
    device: str
    window_batch: int
    inverted: bool
    sums: str = "float32"


@dataclass(frozen=True, eq=False)
class Job:
    """A window and the number of the member that it is for.

    Attributes
    ----------
    member : int
        Number of the member.
    window : Window
        Extent and weights on the grid of what is averaged, see :attr:`Member.stride`.
    spans_zyx : tuple of Span
        Its extent in voxels of the volume; the weights count voxels and have no value.
    """

    member: int
    window: Window
    spans_zyx: tuple[Span, Span, Span]

    @property
    def first_plane(self) -> int:
        """First plane of the volume under the window."""
        return self.spans_zyx[0].inner_start

    @property
    def first_row(self) -> int:
        """First row of the volume under the window."""
        return self.spans_zyx[1].inner_start

    @property
    def kind(self) -> Kind:
        """Member and input shape: jobs of one kind can share a batch."""
        lengths = [span.stop - span.start for span in self.spans_zyx]
        z, y, x = (lengths[axis] for axis in self.window.augmentation.axes_zyx)
        return self.member, (z, y, x)

    @property
    def stop_plane(self) -> int:
        """One past the last plane of the volume under the window."""
        return self.spans_zyx[0].inner_stop


def coarse_shape(shape_zyx: Shape, stride: int) -> Shape:
    """Return the shape of a grid whose voxels are blocks of a volume's, the last ones perhaps cut.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    stride : int
        Side of the blocks.

    Examples
    --------
    >>> coarse_shape((8, 9, 10), 4)
    (2, 3, 3)
    """
    z, y, x = (-(-side // stride) for side in shape_zyx)
    return z, y, x


def coarse_mask(mask_zyx: Mask, stride: int) -> Mask:
    """Return which blocks of a volume reach into a mask.

    Parameters
    ----------
    mask_zyx : numpy.ndarray, shape (z, y, x), bool
        The mask.
    stride : int
        Side of the blocks.

    Examples
    --------
    >>> coarse_mask(np.arange(10).reshape(1, 1, 10) > 7, 4).tolist()
    [[[False, False, True]]]
    """
    result = mask_zyx
    for axis in range(3):
        starts = np.arange(0, mask_zyx.shape[axis], stride)
        result = np.logical_or.reduceat(result, starts, axis=axis)
    return result


def planned_jobs(
    shape_zyx: Shape,
    members: Sequence[Member],
    options: EngineOptions,
    *,
    mask_zyx: Mask | None = None,
) -> tuple[Job, ...]:
    """Return every forward pass over a volume, sorted by first plane, row, and member.

    Windows entirely outside a mask are left out. All windows over a voxel of the mask are kept, so
    that the weights over it sum to the same as without a mask.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    members : sequence of Member
        At least one; equal channels.
    options : EngineOptions
        How to run them.
    mask_zyx : numpy.ndarray, shape ``shape_zyx``, bool, optional
        Region to segment.

    Raises
    ------
    SettingsError
        If the members or the options are incompatible.
    DataError
        If the mask has another shape than the volume, or is empty.
    """
    _check(members, options)
    check_mask(mask_zyx, shape_zyx)
    stride = members[0].stride
    grid = coarse_shape(shape_zyx, stride)
    inner = mask_zyx if mask_zyx is None or stride == 1 else coarse_mask(mask_zyx, stride)
    jobs = [
        Job(number, window, _in_voxels(window.spans_zyx, stride, shape_zyx))
        for number, member in enumerate(members)
        for window in _windows(grid, member, options)
        if inner is None or inner[window.inner_zyx].any()
    ]
    return tuple(sorted(jobs, key=lambda job: (job.first_plane, job.first_row, job.kind)))


def held_planes(jobs: Sequence[Job]) -> int:
    """Return the maximum number of planes of logits held while the jobs run in order.

    Parameters
    ----------
    jobs : sequence of Job
        As :func:`planned_jobs` returns them.
    """
    held, stop = 0, 0
    for job in jobs:
        stop = max(stop, job.stop_plane)
        held = max(held, stop - job.first_plane)
    return held


def passes(members: Sequence[Member], options: EngineOptions) -> int:
    """Return the sum of the weights over each voxel.

    Parameters
    ----------
    members : sequence of Member
        The ensemble.
    options : EngineOptions
        How to run its members.
    """
    return _passes_of_one(options) * len(members)


@dataclass(frozen=True, eq=False)
class WeightTotal:
    """The sum of the weights of all windows over each voxel, as a sum of products.

    Attributes
    ----------
    terms_zyx : tuple
        For each pass, three float32 arrays: the weights along z, y and x.
    """

    terms_zyx: tuple[tuple[npt.NDArray[np.float32], ...], ...]

    def over(self, planes: slice, rows: slice) -> npt.NDArray[np.float32]:
        """Return the sum over some planes and rows, (z, y, x) float32."""
        parts = [z[planes, None, None] * (y[rows, None] * x[None]) for z, y, x in self.terms_zyx]
        total: npt.NDArray[np.float32] = sum(parts[1:], start=parts[0])
        return total


def weight_total(
    shape_zyx: Shape, members: Sequence[Member], options: EngineOptions
) -> WeightTotal | None:
    """Return the divisor of the sums over windows.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume, in voxels of what is averaged.
    members : sequence of Member
        The ensemble.
    options : EngineOptions
        How to run its members.

    Returns
    -------
    WeightTotal or None
        None if the weights over each voxel sum to :func:`passes`.
    """
    if options.layout == "aligned":
        return None
    terms = [
        tuple(
            axis_weights(length, spans).astype(np.float32)
            for length, spans in zip(shape_zyx, axes, strict=True)
        )
        for member in members
        for axes in _tiled_passes(shape_zyx, member, options)
    ]
    return WeightTotal(tuple(terms))


def _passes_of_one(options: EngineOptions) -> int:
    count = len(options.augmentations)
    return min(INTERLEAVED_PASSES, count) if options.layout == "interleaved" else count


def _in_voxels(
    spans_zyx: tuple[Span, Span, Span], stride: int, shape_zyx: Shape
) -> tuple[Span, Span, Span]:
    """Return spans of blocks as spans of voxels."""
    if stride == 1:
        return spans_zyx
    spans = []
    for span, side in zip(spans_zyx, shape_zyx, strict=True):
        inner = min(span.inner_stop * stride, side) - span.inner_start * stride
        spans.append(Span(span.start * stride, span.stop * stride, np.ones(inner, np.float32)))
    z, y, x = spans
    return z, y, x


def _windows(shape_zyx: Shape, member: Member, options: EngineOptions) -> list[Window]:
    if options.layout == "aligned":
        return window_grid(
            shape_zyx,
            coarse_shape(member.window_voxels, member.stride),
            options.augmentations,
            overlap=options.overlap,
            blending=options.blending,
        )
    return tiled_windows(_tiled_passes(shape_zyx, member, options), options.augmentations)


def _tiled_passes(shape_zyx: Shape, member: Member, options: EngineOptions) -> list[AxesSpans]:
    return tiled_passes(
        shape_zyx,
        coarse_shape(member.window_voxels, member.stride),
        multiple=max(1, member.window_multiple // member.stride),
        passes=_passes_of_one(options),
        overlap=options.overlap,
        blending=options.blending,
    )


def check_mask(mask_zyx: Mask | None, shape_zyx: Sequence[int]) -> None:
    """Raise if a mask does not fit a volume.

    Parameters
    ----------
    mask_zyx : numpy.ndarray or None
        The mask; None is fine.
    shape_zyx : sequence of int
        Shape of the volume.

    Raises
    ------
    DataError
        If its shape differs, or no voxel is inside.
    """
    if mask_zyx is None:
        return
    if mask_zyx.shape != tuple(shape_zyx):
        msg = f"the mask has shape {mask_zyx.shape}, the volume {tuple(shape_zyx)}"
        raise DataError(msg)
    if not mask_zyx.any():
        msg = "the mask is empty: it has no voxel inside"
        raise DataError(msg)


def _check(members: Sequence[Member], options: EngineOptions) -> None:
    counts = sorted({member.n_channels for member in members})
    if len(counts) != 1 or not 1 <= counts[0] <= _MOST_CHANNELS:
        msg = f"the models have {choices_text(counts)} channels; expected one number up to 256"
        raise SettingsError(msg)
    heads = sorted({member.head for member in members})
    if len(heads) != 1:
        msg = f"the models have the heads {choices_text(heads)}; expected one"
        raise SettingsError(msg)
    strides = sorted({member.stride for member in members})
    if len(strides) != 1:
        msg = f"the models' outputs have the strides {choices_text(strides)}; expected one"
        raise SettingsError(msg)
    sides = [side for member in members for side in (*member.window_voxels, member.window_multiple)]
    if strides[0] > 1 and any(side % strides[0] for side in sides):
        msg = (
            f"a window of {members[0].window_voxels} voxels for outputs at stride {strides[0]}; "
            "expected sides that are multiples of it"
        )
        raise SettingsError(msg)
    wrong = [member.padding for member in members if member.padding not in PADDINGS]
    if wrong:
        msg = f"no padding '{wrong[0]}'; known: {choices_text(PADDINGS)}"
        raise SettingsError(msg)
    if options.layout not in LAYOUTS:
        msg = f"no layout '{options.layout}'; known: {choices_text(LAYOUTS)}"
        raise SettingsError(msg)
    sides = [side for member in members for side in member.window_voxels]
    sides += [member.window_multiple for member in members]
    if min(sides) < 1 or not options.augmentations or options.window_batch < 1:
        msg = "window, augmentations and window batch must be at least 1"
        raise SettingsError(msg)
    if not 0 <= options.overlap < 1:
        msg = f"overlap is {options.overlap}; expected a fraction from 0 to below 1"
        raise SettingsError(msg)
