"""Tomogram to labels and class probabilities, in one pass along z.

Every window is cut from the original volume, augmented and run through its network; the channels
that the head averages are turned back, weighted and added into one accumulator in the volume's own
orientation. Only flips move voxels between planes, so windows sorted by their first plane finish
the planes in order: finished planes leave as slabs, and only planes under windows still to come are
held, whatever the depth of the volume.

The head defines what is averaged over augmentations and models, and what the averages mean: for
``softmax`` the logits; one float32 softmax then gives the probabilities, their argmax the labels
(octopi's order of operations).
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch.nn.utils import convert_conv3d_weight_memory_format

from copick_picker.core.segment.accumulator import SUMS, Accumulator, Tile, tile_plan
from copick_picker.core.segment.device import check_precision, prefers_channels_last, resolve_device
from copick_picker.core.segment.forward import forward, memory_guard, release_memory
from copick_picker.core.segment.grid import Shape
from copick_picker.core.segment.layers import Layers, Results
from copick_picker.core.segment.plan import (
    EngineOptions,
    Job,
    Kind,
    Mask,
    Member,
    Progress,
    coarse_mask,
    coarse_shape,
    held_planes,
    passes,
    planned_jobs,
    weight_total,
)
from copick_picker.core.segment.results import (
    SegmentedVolume,
    Slab,
    Stream,
    WindowCounts,
    masked_slab,
    whole_volume,
)
from copick_picker.core.segment.volume import (
    PlaneBuffer,
    Volume,
    VolumeStatistics,
    as_reader,
    volume_statistics,
)
from copick_picker.errors import DataError, DeviceMemoryError

logger = logging.getLogger(__name__)

"""Called with (windows done, total windows) after each batch."""


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
    """Return labels and optionally class probabilities of a whole volume.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x)
        Tomogram, any real type; normalised here.
    members : sequence of Member
        One model, or an ensemble.
    options : EngineOptions
        How to run them.
    probabilities : bool
        Whether to return the probabilities.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool, optional
        As for :func:`segment_slabs`.
    statistics : VolumeStatistics, optional
        Of the whole volume, if known.
    progress : callable, optional
        Called with (windows done, total windows).

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
    >>> import numpy as np
    >>> from copick_picker.core.augmentations import augmentation_set
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
    return whole_volume(
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


def segment_slabs(
    volume: Volume,
    members: Sequence[Member],
    options: EngineOptions,
    *,
    probabilities: bool,
    scores: bool = False,
    mask_zyx: Mask | None = None,
    statistics: VolumeStatistics | None = None,
    progress: Progress | None = None,
) -> Stream[Slab]:
    """Return finished slabs of a volume, ascending and gapless along z, a few planes each.

    The volume is read twice, both times in order: first for its mean and standard deviation, then
    along with the windows. With ``statistics`` it is read once. For a head that finds points, the
    planes are those of the network's outputs, :attr:`Member.stride` times as large.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x)
        Tomogram, any real type; normalised here.
    members : sequence of Member
        One model, or an ensemble with equal channels.
    options : EngineOptions
        How to run them.
    probabilities : bool
        Whether the slabs carry probabilities.
    scores : bool
        Whether the slabs carry the probability of each voxel's label.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool, optional
        Voxels outside are background with probability 1, and windows entirely outside are not
        computed. Voxels inside are as without a mask.
    statistics : VolumeStatistics, optional
        Of the whole volume, if known.
    progress : callable, optional
        Called with (windows done, total windows).

    Returns
    -------
    iterator of Slab
        Arguments are checked at once; windows are computed on demand and counted in ``windows``.

    Raises
    ------
    DataError
        If the volume is not finite, constant, or not (z, y, x); if the mask has another shape or is
        empty; or if a network fails on its window, or returns another shape or numbers that are not
        finite.
    SettingsError
        If the members or options are incompatible, or there is no such device.
    DeviceMemoryError
        If the device's memory is too small for a single window.
    """
    engine = _Engine(
        volume, members, options, mask_zyx=mask_zyx, statistics=statistics, progress=progress
    )
    readout = members[0].readout

    def decode(averages: torch.Tensor) -> Results:
        labels, finite, *rest = readout.decode(averages, probabilities=probabilities or scores)
        if not scores:
            return labels, finite, *rest
        own = rest[0].gather(0, labels[None].long())[0] * (labels > 0)
        return labels, finite, *(rest if probabilities else rest[1:]), own

    pieces = engine.run(decode)
    slabs = (
        _slab(z_start, results, probabilities=probabilities, scores=scores)
        for z_start, results in pieces
    )
    if mask_zyx is None:
        return Stream(engine.windows, slabs)
    stride = members[0].stride
    inner = mask_zyx if stride == 1 else coarse_mask(mask_zyx, stride)
    return Stream(engine.windows, (masked_slab(slab, inner) for slab in slabs))


def logit_slabs(
    volume: Volume,
    members: Sequence[Member],
    options: EngineOptions,
    *,
    mask_zyx: Mask | None = None,
    statistics: VolumeStatistics | None = None,
    progress: Progress | None = None,
) -> Stream[tuple[int, torch.Tensor]]:
    """Return averaged logits as pairs (first plane, (c, k, y, x) float32), ascending along z.

    Outside a mask they come from the windows that reach into it, and are 0 without such a window.
    With ``sums="float16"`` the highest logit of each voxel and window is subtracted.

    Parameters
    ----------
    volume, members, options, mask_zyx, statistics, progress
        As for :func:`segment_slabs`.

    Raises
    ------
    DataError, SettingsError, DeviceMemoryError
        As :func:`segment_slabs`.
    """
    engine = _Engine(
        volume, members, options, mask_zyx=mask_zyx, statistics=statistics, progress=progress
    )
    pieces = engine.run(lambda sums: (sums,))
    return Stream(engine.windows, ((z_start, results[0]) for z_start, results in pieces))


def sums_bytes(
    shape_zyx: Shape, members: Sequence[Member], options: EngineOptions, *, mask_zyx: Mask | None
) -> int:
    """Return the maximum number of bytes of sums held while a volume is segmented.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    members, options, mask_zyx
        As for :func:`segment_slabs`.

    Raises
    ------
    DataError, SettingsError
        As :func:`segment_slabs`.
    """
    jobs = planned_jobs(shape_zyx, members, options, mask_zyx=mask_zyx)
    plan = tile_plan(
        coarse_shape(shape_zyx, members[0].stride), [job.window.spans_zyx for job in jobs]
    )
    return math.prod(plan.held_shape()) * members[0].readout.n_sums * SUMS[options.sums].itemsize


class _Engine:
    """One volume and what is needed to segment it."""

    def __init__(
        self,
        volume: Volume,
        members: Sequence[Member],
        options: EngineOptions,
        *,
        mask_zyx: Mask | None,
        statistics: VolumeStatistics | None,
        progress: Progress | None,
    ) -> None:
        reader = as_reader(volume)
        depth, height, width = reader.shape
        shape = (depth, height, width)
        self._jobs = planned_jobs(shape, members, options, mask_zyx=mask_zyx)
        grid = coarse_shape(shape, members[0].stride)
        self._plan = tile_plan(grid, [job.window.spans_zyx for job in self._jobs])
        device = resolve_device(options.device)
        check_precision(options.precision)
        known = statistics or volume_statistics(reader)
        self._readout = members[0].readout
        capacity, n_sums = held_planes(self._jobs), self._readout.n_sums
        with memory_guard(f"{capacity} planes of {height} x {width} voxels"):
            self._planes = PlaneBuffer(
                reader, known, inverted=options.inverted, capacity=capacity, device=device
            )
        for member in members:
            with memory_guard("the network"):
                _prepare(member, device)
        sums_shape = " x ".join(str(size) for size in (n_sums, *self._plan.held_shape()))
        with memory_guard(f"the sums over windows ({sums_shape})"):
            self._sums = Accumulator(
                self._plan,
                n_sums,
                dtype=SUMS[options.sums],
                device=device,
                compact=self._readout.compact,
            )
        n_all = len(self._jobs)
        if mask_zyx is not None:
            n_all = len(planned_jobs(shape, members, options))
        self.windows = WindowCounts(n_all, n_all - len(self._jobs))
        self._batches = _Batches(members, options, self.windows, progress=progress)
        self._scale = 1.0 / passes(members, options)
        self._total = weight_total(grid, members, options)

    def run(self, finish: Callable[[torch.Tensor], Results]) -> Iterator[tuple[int, Results]]:
        """Yield the first plane and the results of a few finished planes at a time."""
        layers = Layers(self._plan, finish, self._sums.empty)
        for first_plane, level in groupby(self._jobs, key=lambda job: job.first_plane):
            same_height = list(level)
            self._planes.advance(first_plane, max(job.stop_plane for job in same_height))
            for _, alike in groupby(same_height, key=lambda job: job.kind):
                for job, logits in self._batches.run(list(alike), self._planes):
                    self._add(job, logits, layers)
            yield from layers.finished()

    def _add(self, job: Job, logits: torch.Tensor, layers: Layers) -> None:
        """Add the logits of a window; planes that it finishes go into the layers."""
        turned = self._readout.undo(logits, job.window.augmentation)
        spans = job.window.spans_zyx
        with memory_guard("finished planes"):
            for tile, sums in self._sums.add(turned, spans, scale=self._scale):
                layers.put(tile, self._average(tile, sums))

    def _average(self, tile: Tile, sums: torch.Tensor) -> torch.Tensor:
        if self._total is None:
            return sums
        total = torch.from_numpy(self._total.over(*self._plan.rows(tile)))
        return sums / (total * self._scale).to(sums.device)


class _Batches:
    """Runs jobs in batches; keeps track of the batch that fits the device, and of progress."""

    def __init__(
        self,
        members: Sequence[Member],
        options: EngineOptions,
        windows: WindowCounts,
        *,
        progress: Progress | None,
    ) -> None:
        self._members = members
        self._precision = options.precision
        self._batch = options.window_batch
        self._windows = windows
        self._done = 0
        self._progress = progress
        self._constants: dict[Kind, tuple[float, torch.Tensor]] = {}

    def run(self, jobs: Sequence[Job], planes: PlaneBuffer) -> Iterator[tuple[Job, torch.Tensor]]:
        """Yield the logits of jobs of one kind, in order; their planes must be in the buffer."""
        waiting = list(jobs)
        while waiting:
            value = self._constant(waiting[0], planes)
            if value is not None:
                yield waiting[0], self._constant_logits(waiting[0], value, planes)
                waiting = self._remaining(1, waiting)
                continue
            batch = waiting[:1]
            for job in waiting[1 : self._batch]:
                if self._constant(job, planes) is not None:
                    break
                batch.append(job)
            logits = self._forward(batch, planes)
            if logits is None:
                continue
            yield from zip(batch, logits, strict=True)
            waiting = self._remaining(len(batch), waiting)

    def _constant(self, job: Job, planes: PlaneBuffer) -> float | None:
        padding = self._members[job.member].padding
        return planes.constant(job.spans_zyx, padding)

    def _constant_logits(self, job: Job, value: float, planes: PlaneBuffer) -> torch.Tensor:
        """Return the logits of a constant window: the same under every augmentation."""
        known = self._constants.get(job.kind)
        if known is not None and known[0] == value:
            self._windows.constant += 1
            return known[1]
        logits = self._forward([job], planes)
        while logits is None:
            logits = self._forward([job], planes)
        self._constants[job.kind] = (value, logits[0])
        return logits[0]

    def _remaining(self, count: int, waiting: list[Job]) -> list[Job]:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._windows.planned - self._windows.outside)
        return waiting[count:]

    def _forward(self, batch: Sequence[Job], planes: PlaneBuffer) -> torch.Tensor | None:
        member = self._members[batch[0].member]
        crops = torch.stack(
            [
                job.window.augmentation.apply(planes.crop(job.spans_zyx, member.padding))
                for job in batch
            ]
        )
        try:
            outputs = forward(
                member.network,
                crops,
                n_channels=member.n_channels,
                precision=self._precision,
                stride=member.stride,
            )
            return member.readout.sums(outputs)
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
        logger.warning(
            "device %s: a batch of %d windows does not fit in memory; continuing with %d",
            crops.device,
            len(batch),
            self._batch,
        )
        return None


def _slab(z_start: int, results: Results, *, probabilities: bool, scores: bool) -> Slab:
    labels, finite, *rest = (result.cpu() for result in results)
    if not bool(finite.all()):
        msg = (
            f"the network returns numbers that are NaN or infinite in planes {z_start} to "
            f"{z_start + len(labels) - 1}; try --precision float32"
        )
        raise DataError(msg)
    shares = rest.pop(0).numpy() if probabilities else None
    own = rest.pop().numpy() if scores else None
    return Slab(z_start, labels.numpy(), shares, rest[0].numpy() if rest else None, own)


def _prepare(member: Member, device: torch.device) -> None:
    network = member.network.eval().to(device)
    if prefers_channels_last(device):
        convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
