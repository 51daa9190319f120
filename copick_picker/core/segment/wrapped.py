"""Tomogram to labels and class probabilities by CryoSiam's rules: windows that wrap, no blending.

The volume is scaled, and filled up with zeros at the end to at least one window. Windows stand half
a window apart; what reaches past the end goes on at the start of the volume. Of each window only
the middle half counts, but at the faces of the volume, where the outer quarter counts too: so every
voxel comes from one window, and labels can be written as windows are done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.augmentations import augmentation_set
from copick_picker.core.segment.device import resolve_device
from copick_picker.core.segment.forward import forward, memory_guard, release_memory
from copick_picker.core.segment.plan import EngineOptions, Member, Progress
from copick_picker.core.segment.volume import PlaneReader
from copick_picker.errors import DataError, DeviceMemoryError, SettingsError
from copick_picker.records.runs import InputScaling

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class WrappedVolume:
    """A whole volume.

    Attributes
    ----------
    labels : numpy.ndarray, shape (z, y, x), uint8
        Channel of the highest probability among those not below the threshold; 0 is background.
    probabilities : numpy.ndarray, shape (c, z, y, x), float32, or None
        Probability of each channel, where asked for; the threshold does not change them.
    """

    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class LabelRule:
    """How a label follows from probabilities.

    Attributes
    ----------
    threshold : float or None
        Probabilities below it count as 0 when the highest is taken, the background's too. None is
        no threshold; with ``is_sigmoid`` it stands for 0.5.
    is_sigmoid : bool
        One class alone, in channel 1: its label stands where its probability is above the
        threshold.
    """

    threshold: float | None
    is_sigmoid: bool


@dataclass(frozen=True)
class KeptSpan:
    """One window along one axis.

    Attributes
    ----------
    start : int
        First voxel of the window; the window may reach past the end.
    keep_start, keep_stop : int
        Voxels of the volume that come from this window.
    """

    start: int
    keep_start: int
    keep_stop: int


def kept_spans(size: int, window: int) -> list[KeptSpan]:
    """Return the windows along an axis; what they keep covers the axis once.

    Parameters
    ----------
    size : int
        Length of the axis, at least one window.
    window : int
        Length of the window, a multiple of 4.

    Examples
    --------
    >>> [(span.start, span.keep_start, span.keep_stop) for span in kept_spans(40, 32)]
    [(0, 0, 24), (16, 24, 40)]
    """
    quarter = window // 4
    starts = range(0, size - quarter, window // 2)
    return [
        KeptSpan(
            start,
            0 if start == 0 else start + quarter,
            size if start == starts[-1] else start + 3 * quarter,
        )
        for start in starts
    ]


def scaled(
    volume: npt.NDArray[Any], scaling: InputScaling, *, inverted: bool
) -> npt.NDArray[np.float32]:
    """Return a volume clipped to its limits, brought to [0, 1], and standardised.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x)
        Tomogram, any real type.
    scaling : InputScaling
        Limits, mean and standard deviation.
    inverted : bool
        Whether dark and bright change places, within the limits.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), float32

    Raises
    ------
    DataError
        If a voxel is not finite.

    Examples
    --------
    >>> scaling = InputScaling(minimum=0.0, maximum=2.0, mean=0.5, standard_deviation=0.5)
    >>> scaled(np.array([[[-1.0, 1.0, 9.0]]]), scaling, inverted=False)
    array([[[-1.,  0.,  1.]]], dtype=float32)
    """
    values: npt.NDArray[np.float32] = volume.astype(np.float32)
    if not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        msg = f"{bad} voxels are NaN or infinite"
        raise DataError(msg)
    values -= np.float32(scaling.minimum)
    values /= np.float32(scaling.maximum - scaling.minimum)
    np.clip(values, 0.0, 1.0, out=values)
    if inverted:
        np.subtract(np.float32(1.0), values, out=values)
    values -= np.float32(scaling.mean)
    values /= np.float32(scaling.standard_deviation)
    return values


@dataclass(frozen=True)
class ScaledReader:
    """A volume whose planes come scaled.

    Attributes
    ----------
    reader : PlaneReader
        The volume.
    scaling : InputScaling
        Limits, mean and standard deviation.
    inverted : bool
        Whether dark and bright change places.
    """

    reader: PlaneReader
    scaling: InputScaling
    inverted: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        return self.reader.shape

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[np.float32]:
        """Return the planes z_start to z_stop, scaled."""
        planes = self.reader.read(z_start, z_stop)
        return scaled(planes, self.scaling, inverted=self.inverted)


def segment_wrapped(
    volume: npt.NDArray[np.float32],
    member: Member,
    options: EngineOptions,
    *,
    rule: LabelRule,
    probabilities: bool,
    progress: Progress | None = None,
) -> WrappedVolume:
    """Return labels and, where asked for, class probabilities of a scaled volume.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), float32
        As :func:`scaled` returns it.
    member : Member
        The network.
    options : EngineOptions
        Device, precision and window batch; windows and augmentations play no part.
    rule : LabelRule
        How a label is chosen.
    probabilities : bool
        Whether the probabilities are kept.
    progress : callable, optional
        Called with (windows done, windows in all).

    Raises
    ------
    SettingsError
        If a side of the window is no multiple of 4.
    DataError
        If the network fails, or returns another shape or numbers that are not finite.
    DeviceMemoryError
        If the device's memory is too small for a single window.

    Examples
    --------
    >>> from copick_picker.core.augmentations import augmentation_set
    >>> options = EngineOptions(
    ...     augmentations=augmentation_set("octopi", 1), overlap=0.5, blending="constant",
    ...     layout="aligned", precision="float32", device="cpu", window_batch=4, inverted=False,
    ... )
    >>> member = Member(torch.nn.Conv3d(1, 3, 1), (8, 8, 8), 3, "zero")
    >>> volume = np.zeros((5, 12, 9), np.float32)
    >>> rule = LabelRule(threshold=0.4, is_sigmoid=False)
    >>> segment_wrapped(volume, member, options, rule=rule, probabilities=False).labels.shape
    (5, 12, 9)
    """
    window = member.window_voxels
    if any(side % 4 or side < 4 for side in window):
        msg = f"the window is {window} voxels; expected multiples of 4"
        raise SettingsError(msg)
    missing = [max(side - size, 0) for size, side in zip(volume.shape, window, strict=True)]
    source = np.pad(volume, [(0, count) for count in missing]) if any(missing) else volume
    axes = [kept_spans(size, side) for size, side in zip(source.shape, window, strict=True)]
    jobs = list(product(*axes))
    labels = np.zeros(volume.shape, dtype=np.uint8)
    kept = np.zeros((member.n_channels, *volume.shape), np.float32) if probabilities else None
    for done, (spans, shares) in enumerate(_shares(source, jobs, member, options), 1):
        box, core = _boxes(spans, volume.shape)
        values = shares[(slice(None), *core)]
        labels[box] = chosen_labels(values, rule)
        if kept is not None:
            kept[(slice(None), *box)] = values
        if progress is not None:
            progress(done, len(jobs))
    return WrappedVolume(labels, kept)


def plain_options(*, device: str, window_batch: int) -> EngineOptions:
    """Return options for these windows: no augmentation, no blending, float32.

    Parameters
    ----------
    device : str
        Where the network runs.
    window_batch : int
        Windows that go through it at once.
    """
    return EngineOptions(
        augmentations=augmentation_set("octopi", 1),
        overlap=0.5,
        blending="constant",
        layout="aligned",
        precision="float32",
        device=device,
        window_batch=window_batch,
        inverted=False,
    )


def chosen_labels(probabilities: npt.NDArray[np.float32], rule: LabelRule) -> npt.NDArray[np.uint8]:
    """Return the label of each voxel.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (c, z, y, x), float32
        Background first.
    rule : LabelRule
        How a label is chosen.

    Examples
    --------
    >>> shares = np.array([0.2, 0.42, 0.38], np.float32).reshape(3, 1, 1, 1)
    >>> [chosen_labels(shares, LabelRule(limit, is_sigmoid=False)).item() for limit in (0.4, 0.5)]
    [1, 0]
    """
    if rule.is_sigmoid:
        limit = 0.5 if rule.threshold is None else rule.threshold
        chosen = probabilities[1] > np.float32(limit)
    elif rule.threshold is None:
        chosen = probabilities.argmax(axis=0)
    else:
        limited = np.where(probabilities < np.float32(rule.threshold), 0, probabilities)
        chosen = limited.argmax(axis=0)
    labels: npt.NDArray[np.uint8] = chosen.astype(np.uint8)
    return labels


def _boxes(spans: Sequence[KeptSpan], shape_zyx: Sequence[int]) -> tuple[Box, Box]:
    """Return what a window keeps, as a box of the volume and as a box of the window."""
    box, core = [], []
    for span, size in zip(spans, shape_zyx, strict=True):
        start, stop = min(span.keep_start, size), min(span.keep_stop, size)
        box.append(slice(start, stop))
        core.append(slice(start - span.start, stop - span.start))
    return (box[0], box[1], box[2]), (core[0], core[1], core[2])


def _shares(
    source: npt.NDArray[np.float32],
    jobs: Sequence[tuple[KeptSpan, ...]],
    member: Member,
    options: EngineOptions,
) -> Iterator[tuple[tuple[KeptSpan, ...], npt.NDArray[np.float32]]]:
    """Yield the probabilities (c, z, y, x) of every window."""
    device = resolve_device(options.device)
    with memory_guard("the network"):
        network = member.network.eval().to(device)
    waiting, count = list(jobs), options.window_batch
    while waiting:
        part = waiting[:count]
        crops = np.stack([_crop(source, spans, member.window_voxels) for spans in part])
        try:
            logits = forward(
                network,
                torch.from_numpy(crops).to(device),
                n_channels=member.n_channels,
                precision=options.precision,
            )
        except MemoryError as error:
            if len(part) == 1:
                msg = f"the memory of device {device} is too small for one window ({error})"
                raise DeviceMemoryError(msg) from None
            release_memory(device)
            count = len(part) // 2
            continue
        shares = torch.softmax(logits, dim=1).cpu().numpy()
        if not np.isfinite(shares).all():
            msg = "the network returns numbers that are NaN or infinite"
            raise DataError(msg)
        yield from zip(part, shares, strict=True)
        waiting = waiting[len(part) :]


def _crop(
    source: npt.NDArray[np.float32], spans: Sequence[KeptSpan], window: Sequence[int]
) -> npt.NDArray[np.float32]:
    places = [
        np.arange(span.start, span.start + side) % size
        for span, side, size in zip(spans, window, source.shape, strict=True)
    ]
    return source[np.ix_(*places)]
