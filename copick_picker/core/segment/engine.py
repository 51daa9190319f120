"""Tomogram to labels and class probabilities, in one pass along z.

Every window is cut from the original volume, augmented, run through its network, and its logits are
turned back, weighted and added into one accumulator in the volume's own orientation. No
augmentation moves a voxel to another plane but by a flip, so windows sorted by their first plane
finish the planes in order: finished planes leave as slabs, and only as many planes are held as a
window is high, whatever the depth of the volume.

Logits are averaged over augmentations and models; one float32 softmax gives the probabilities, and
the argmax of those the labels (octopi's order of operations).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils import convert_conv3d_weight_memory_format

from copick_picker.core.segment.accumulator import Accumulator
from copick_picker.core.segment.device import check_precision, prefers_channels_last, resolve_device
from copick_picker.core.segment.forward import forward, memory_guard, release_memory
from copick_picker.core.segment.plan import (
    EngineOptions,
    Job,
    Mask,
    Member,
    held_planes,
    passes,
    planned_jobs,
)
from copick_picker.core.segment.volume import (
    PlaneBuffer,
    Volume,
    VolumeStatistics,
    as_reader,
    volume_statistics,
)
from copick_picker.errors import DataError, DeviceMemoryError

Progress = Callable[[int, int], None]
"""Called with (windows done, windows in all) after each batch."""


@dataclass(frozen=True, eq=False)
class Slab:
    """Finished planes.

    Attributes
    ----------
    z_start : int
        First plane.
    labels : numpy.ndarray, shape (k, y, x), uint8
        Channel of the highest probability, the first of equals; 0 is background.
    probabilities : numpy.ndarray, shape (c, k, y, x), float16, or None
        Probability of each channel, where asked for.
    """

    z_start: int
    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float16] | None


@dataclass(frozen=True, eq=False)
class SegmentedVolume:
    """A whole volume.

    Attributes
    ----------
    labels : numpy.ndarray, shape (z, y, x), uint8
        Channel of the highest probability, the first of equals; 0 is background.
    probabilities : numpy.ndarray, shape (c, z, y, x), float16, or None
        Probability of each channel, where asked for.
    """

    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float16] | None


def segment_volume(
    volume: Volume,
    members: Sequence[Member],
    options: EngineOptions,
    *,
    probabilities: bool,
    mask_zyx: Mask | None = None,
    statistics: VolumeStatistics | None = None,
    progress: Progress | None = None,
) -> SegmentedVolume:
    """Return labels and, where asked for, class probabilities of a whole volume.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x)
        Tomogram, any real type; normalised here.
    members : sequence of Member
        One model, or an ensemble.
    options : EngineOptions
        How they are run.
    probabilities : bool
        Whether the probabilities are kept.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool, optional
        As for :func:`segment_slabs`.
    statistics : VolumeStatistics, optional
        Of the whole volume, where known.
    progress : callable, optional
        Called with (windows done, windows in all).

    Returns
    -------
    SegmentedVolume
        Labels (z, y, x) and probabilities (c, z, y, x).

    Raises
    ------
    DataError, SettingsError, DeviceMemoryError
        As :func:`segment_slabs`.

    Examples
    --------
    >>> from copick_picker.core.segment.augmentations import augmentation_set
    >>> network = torch.nn.Conv3d(1, 2, 1)
    >>> options = EngineOptions(
    ...     augmentations=augmentation_set("octopi", 4),
    ...     overlap=0.5,
    ...     blending="constant",
    ...     layout="aligned",
    ...     precision="float32",
    ...     device="cpu",
    ...     window_batch=4,
    ...     inverted=False,
    ... )
    >>> volume = np.random.default_rng(1).normal(size=(5, 12, 9))
    >>> member = Member(network, (8, 8, 8), 2, "zero")
    >>> segment_volume(volume, [member], options, probabilities=False).labels.shape
    (5, 12, 9)
    """
    slabs = list(
        segment_slabs(
            volume,
            members,
            options,
            probabilities=probabilities,
            mask_zyx=mask_zyx,
            statistics=statistics,
            progress=progress,
        )
    )
    kept = [slab.probabilities for slab in slabs if slab.probabilities is not None]
    return SegmentedVolume(
        np.concatenate([slab.labels for slab in slabs]),
        np.concatenate(kept, axis=1) if probabilities else None,
    )


def masked_volume(volume: SegmentedVolume, mask_zyx: Mask) -> SegmentedVolume:
    """Return a volume that is background with probability 1 outside of a mask.

    Parameters
    ----------
    volume : SegmentedVolume
        Labels (z, y, x) and perhaps probabilities (c, z, y, x).
    mask_zyx : numpy.ndarray, shape (z, y, x), bool
        Where the volume stays as it is.

    Examples
    --------
    >>> labels = np.array([[[1, 2]]], dtype=np.uint8)
    >>> volume = SegmentedVolume(labels, None)
    >>> masked_volume(volume, np.array([[[True, False]]])).labels
    array([[[1, 0]]], dtype=uint8)
    """
    labels = np.where(mask_zyx, volume.labels, np.uint8(0))
    if volume.probabilities is None:
        return SegmentedVolume(labels, None)
    background = np.zeros((len(volume.probabilities), 1, 1, 1), dtype=np.float16)
    background[0] = 1
    return SegmentedVolume(labels, np.where(mask_zyx, volume.probabilities, background))


def segment_slabs(
    volume: Volume,
    members: Sequence[Member],
    options: EngineOptions,
    *,
    probabilities: bool,
    mask_zyx: Mask | None = None,
    statistics: VolumeStatistics | None = None,
    progress: Progress | None = None,
) -> Iterator[Slab]:
    """Return finished slabs of a volume, ascending and gapless along z, a few planes each.

    The volume is read twice, both times in order: for its mean and standard deviation at once,
    then along with the windows. Where the statistics are given it is read once.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x)
        Tomogram, any real type; normalised here.
    members : sequence of Member
        One model, or an ensemble with equal channels.
    options : EngineOptions
        How they are run.
    probabilities : bool
        Whether the slabs carry probabilities.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool, optional
        Voxels outside are background with probability 1, and windows wholly outside are not
        computed. Voxels inside are as without a mask.
    statistics : VolumeStatistics, optional
        Of the whole volume, where known.
    progress : callable, optional
        Called with (windows done, windows in all).

    Returns
    -------
    iterator of Slab
        Arguments are checked at once; windows are computed as slabs are asked for.

    Raises
    ------
    DataError
        If the volume is not finite, constant, or not (z, y, x); if the mask has another shape or
        is empty; or if a network fails on its window, returns another shape, or numbers that are
        not finite.
    SettingsError
        If the members or options do not fit each other, or there is no such device.
    DeviceMemoryError
        If the device's memory is too small for a single window.
    """
    slabs = logit_slabs(
        volume, members, options, mask_zyx=mask_zyx, statistics=statistics, progress=progress
    )
    labelled = (
        _labelled(z_start, logits, probabilities=probabilities) for z_start, logits in slabs
    )
    return labelled if mask_zyx is None else (_masked_slab(slab, mask_zyx) for slab in labelled)


def logit_slabs(
    volume: Volume,
    members: Sequence[Member],
    options: EngineOptions,
    *,
    mask_zyx: Mask | None = None,
    statistics: VolumeStatistics | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Return averaged logits as pairs (first plane, (c, k, y, x) float32), ascending along z.

    Outside of a mask they are those of the windows that reach into it, and 0 where there is none.

    Parameters
    ----------
    volume, members, options, mask_zyx, statistics, progress
        As for :func:`segment_slabs`.

    Raises
    ------
    DataError, SettingsError, DeviceMemoryError
        As :func:`segment_slabs`.
    """
    reader = as_reader(volume)
    depth, height, width = reader.shape
    jobs = planned_jobs((depth, height, width), members, options, mask_zyx=mask_zyx)
    device = resolve_device(options.device)
    check_precision(options.precision)
    known = statistics or volume_statistics(reader)
    planes = PlaneBuffer(reader, known, inverted=options.inverted, device=device)
    shape = (members[0].n_channels, held_planes(jobs), height, width)
    with memory_guard(f"{shape[0]} channels of {shape[1]} planes of logits"):
        sums = Accumulator(shape, device=device)
        for member in members:
            _prepare(member, device)
    batches = _Batches(members, options, total=len(jobs), progress=progress)
    return _finished_slabs(jobs, batches, planes=planes, sums=sums, depth=depth)


class _Batches:
    """Runs jobs in batches; remembers the batch that fits the device, and what is done."""

    def __init__(
        self,
        members: Sequence[Member],
        options: EngineOptions,
        *,
        total: int,
        progress: Progress | None,
    ) -> None:
        self._members = members
        self._precision = options.precision
        self._batch = options.window_batch
        self._total = total
        self._done = 0
        self._progress = progress
        self.scale = 1.0 / passes(members, options)

    def run(self, jobs: Sequence[Job], planes: PlaneBuffer, sums: Accumulator) -> None:
        """Add the logits of jobs of one member; their planes are held."""
        waiting = list(jobs)
        while waiting:
            batch = waiting[: self._batch]
            logits = self._forward(batch, planes)
            if logits is None:
                continue
            for job, result in zip(batch, logits, strict=True):
                sums.add(job.window.augmentation.undo(result), job.window.spans_zyx)
            waiting = waiting[len(batch) :]
            self._done += len(batch)
            if self._progress is not None:
                self._progress(self._done, self._total)

    def _forward(self, batch: Sequence[Job], planes: PlaneBuffer) -> torch.Tensor | None:
        member = self._members[batch[0].member]
        crops = torch.stack(
            [
                job.window.augmentation.apply(planes.crop(job.window.spans_zyx, member.padding))
                for job in batch
            ]
        )
        try:
            return forward(
                member.network, crops, n_channels=member.n_channels, precision=self._precision
            )
        except MemoryError as error:
            reason = str(error)
        release_memory(crops.device)
        if len(batch) == 1:
            msg = (
                f"the memory of device {crops.device} is too small for one window of "
                f"{member.window_voxels} voxels; use --device cpu or a smaller window ({reason})"
            )
            raise DeviceMemoryError(msg)
        self._batch = len(batch) // 2
        return None


def _finished_slabs(
    jobs: Sequence[Job],
    batches: _Batches,
    *,
    planes: PlaneBuffer,
    sums: Accumulator,
    depth: int,
) -> Iterator[tuple[int, torch.Tensor]]:
    for first_plane, level in groupby(jobs, key=lambda job: job.first_plane):
        for z_start, piece in sums.finish(first_plane):
            yield z_start, piece * batches.scale
        same_height = list(level)
        planes.advance(first_plane, max(job.stop_plane for job in same_height))
        for _, of_member in groupby(same_height, key=lambda job: job.member):
            batches.run(list(of_member), planes, sums)
    for z_start, piece in sums.finish(depth):
        yield z_start, piece * batches.scale


def _labelled(z_start: int, logits: torch.Tensor, *, probabilities: bool) -> Slab:
    shares = torch.softmax(logits, dim=0)
    if not bool(torch.isfinite(shares).all()):
        msg = (
            f"the network returns numbers that are not finite in planes {z_start} to "
            f"{z_start + logits.shape[1] - 1}; if the precision is not float32, use that"
        )
        raise DataError(msg)
    labels = shares.argmax(dim=0).to(torch.uint8).cpu().numpy()
    kept = shares.to(torch.float16).cpu().numpy() if probabilities else None
    return Slab(z_start, labels, kept)


def _masked_slab(slab: Slab, mask_zyx: Mask) -> Slab:
    planes = mask_zyx[slab.z_start : slab.z_start + len(slab.labels)]
    masked = masked_volume(SegmentedVolume(slab.labels, slab.probabilities), planes)
    return Slab(slab.z_start, masked.labels, masked.probabilities)


def _prepare(member: Member, device: torch.device) -> None:
    network = member.network.eval().to(device)
    if prefers_channels_last(device):
        convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
