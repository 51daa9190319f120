"""Training batches: patches around particles, at hard negatives and at random positions.

A batch is a function of (seed, step): a killed training resumes as if nothing had happened, and the
number of loading processes does not change a result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import Triple
from copick_picker.core.heads.targets import PatchTruth
from copick_picker.core.train.augmentations import (
    Plan,
    changed,
    mixup_share,
    placing_matrix,
    stream,
)
from copick_picker.core.train.kinds import check_kinds, place_by_kind
from copick_picker.core.train.placement import (
    Placement,
    corner_within,
    local_radii,
    placed_around,
    turned_window,
)
from copick_picker.core.train.sources import LabelSource, PatchSource
from copick_picker.errors import DataError, SettingsError

if TYPE_CHECKING:
    from copick_picker.core.heads.head import LearningHead

FloatArray = npt.NDArray[np.float64]
_INNER = (0.25, 0.75)
"""Central part of a patch, along each axis, in which its particle lies."""
MOST_OF_TOMOGRAM = 2
"""A patch may be so many times as long as a tomogram, which is mirrored beyond its faces."""
_REACH_RADII = 3.5
"""Distance in radii up to which particles outside a patch affect it: a Gaussian's three."""


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A tomogram of the training with its annotation.

    Attributes
    ----------
    name : str
        Name of the run, for messages.
    source : PatchSource
        The tomogram, with mean 0 and standard deviation 1.
    centres_zyx : mapping of int to numpy.ndarray, shape (n, 3), float64
        Reference picks of each channel from 1, in voxels.
    radii_voxels : mapping of int to float
        Particle radius of each channel, in voxels of this tomogram.
    labels : LabelSource or None
        Segmentation in channels, for targets of the kind ``masks``.
    hard_negatives_zyx : numpy.ndarray, shape (n, 3), float64
        Positions in voxels of a model's false positives.
    """

    name: str
    source: PatchSource
    centres_zyx: Mapping[int, FloatArray]
    radii_voxels: Mapping[int, float]
    labels: LabelSource | None = None
    hard_negatives_zyx: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))


@dataclass(frozen=True)
class SamplingRules:
    """How patches are sampled.

    Attributes
    ----------
    window_voxels : tuple of int
        Shape (z, y, x) of a patch.
    batch_size : int
        Patches per batch.
    particle_share : float
        Share of patches around a particle: channels with equal probability, then the particles of
        the channel in all runs.
    hard_negative_share : float
        Share of patches around a hard negative. The rest lie anywhere, runs with equal probability;
        so do the shares of particles or hard negatives if there are none.
    kinds : mapping or None
        Kind of patch -> its share, up to a common factor, in place of the two shares above; see
        :mod:`copick_picker.core.train.kinds`.
    """

    window_voxels: Triple
    batch_size: int
    particle_share: float
    hard_negative_share: float
    kinds: Mapping[str, float] | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches and their targets.

    Attributes
    ----------
    patches : numpy.ndarray, shape (b, 1, z, y, x), float32
        Parts of tomograms, augmented.
    targets : numpy.ndarray, shape (b, ...)
        As the head makes them.
    run_names : tuple of str
        Run of each patch.
    kinds : tuple of str
        ``particle``, ``hard negative`` or ``background`` for each patch, or its kind of
        :mod:`copick_picker.core.train.kinds`.
    partner_targets : numpy.ndarray or None
        Targets of the patches that are mixed in; None without mixing.
    partner_share : float
        Their share: the loss is ``(1 - share) * loss(targets) + share * loss(partner_targets)``.
    """

    patches: npt.NDArray[np.float32]
    targets: npt.NDArray[Any]
    run_names: tuple[str, ...]
    kinds: tuple[str, ...]
    partner_targets: npt.NDArray[Any] | None = None
    partner_share: float = 0.0


def batch_at(
    step: int,
    *,
    runs: Sequence[TrainingRun],
    rules: SamplingRules,
    head: "LearningHead",
    augmentations: Plan,
    seed: int,
) -> Batch:
    """Return the batch of a step: the same for the same seed, whatever came before.

    Parameters
    ----------
    step : int
        Number of the batch, from 0.
    runs : sequence of TrainingRun
        Runs to sample, from one side of the split only.
    rules : SamplingRules
        How to sample.
    head : LearningHead
        Makes the targets.
    augmentations : mapping
        Name -> parameters of those in use; see ``augmentations.check_plan``.
    seed : int
        Seed of the training.

    Raises
    ------
    DataError
        If there is no run, or a tomogram is smaller than half the window; with the run.
    SettingsError
        If the shares are not between 0 and 1 or sum to more than 1.

    Examples
    --------
    >>> from copick_picker.core.heads.head import build_head
    >>> from copick_picker.core.heads.rules import HeadRules
    >>> from copick_picker.core.train.sources import ArraySource
    >>> centres, radii = {1: np.array([[6.0, 7.0, 8.0]])}, {1: 2.0}
    >>> runs = [TrainingRun("TS_1", ArraySource(np.zeros((12, 14, 16))), centres, radii)]
    >>> rules = SamplingRules((4, 6, 8), batch_size=2, particle_share=1.0, hard_negative_share=0.0)
    >>> head = build_head("softmax", HeadRules(1, "spheres", 1.0, 1, "cross-entropy", {}, (1, 1)))
    >>> batch = batch_at(0, runs=runs, rules=rules, head=head, augmentations={}, seed=1)
    >>> batch.patches.shape, batch.targets.shape, batch.run_names
    ((2, 1, 4, 6, 8), (2, 4, 6, 8), ('TS_1', 'TS_1'))
    """
    check_runs(runs, rules)
    rows = [runs] * rules.batch_size
    return batch_of_rows(
        step, rows=rows, rules=rules, head=head, augmentations=augmentations, seed=seed
    )


def batch_of_rows(
    step: int,
    *,
    rows: Sequence[Sequence[TrainingRun]],
    rules: SamplingRules,
    head: "LearningHead",
    augmentations: Plan,
    seed: int,
) -> Batch:
    """Return the batch of a step whose patches come from different sets of runs.

    Parameters
    ----------
    step : int
        Number of the batch, from 0.
    rows : sequence of sequence of TrainingRun
        Runs to sample for each patch of the batch.
    rules : SamplingRules
        How to sample.
    head : LearningHead
        Makes the targets.
    augmentations : mapping
        Name -> parameters of those in use.
    seed : int
        Seed of the training.
    """
    pools = {id(runs): _Pool(runs) for runs in rows}
    patches = np.empty((len(rows), 1, *rules.window_voxels), dtype=np.float32)
    targets, names, kinds = [], [], []
    for row, runs in enumerate(rows):
        matrix = placing_matrix(
            augmentations, seed=seed, step=step, row=row, may_swap=_may_swap(rules)
        )
        rng = stream(seed, step, row, "place")
        kind, run, placement = _placed(pools[id(runs)], rules, matrix, rng)
        patches[row, 0] = changed(
            placement.image(run.source),
            augmentations,
            seed=seed,
            step=step,
            row=row,
            is_turned=placement.swaps_y_and_x,
        )
        targets.append(head.target(truth_of(run, placement)))
        names.append(run.name)
        kinds.append(kind)
    batch = Batch(patches, np.stack(targets), tuple(names), tuple(kinds))
    return _mixed(batch, mixup_share(augmentations, seed=seed, step=step))


def truth_of(run: TrainingRun, placement: Placement) -> PatchTruth:
    """Return the particles of a patch.

    Parameters
    ----------
    run : TrainingRun
        The run.
    placement : Placement
        Where the patch lies.
    """
    radii = local_radii(run.radii_voxels, placement)
    centres = {
        channel: placement.points(
            points,
            run.source.shape_zyx,
            reach_voxels=1.0 + _REACH_RADII * radii.get(channel, 0.0),
        )
        for channel, points in run.centres_zyx.items()
    }
    labels = None if run.labels is None else placement.labels(run.labels)
    return PatchTruth(placement.window_voxels, centres, radii, labels)


def check_runs(runs: Sequence[TrainingRun], rules: SamplingRules) -> None:
    """Raise if no patch can be sampled.

    Parameters
    ----------
    runs : sequence of TrainingRun
        The runs.
    rules : SamplingRules
        How patches are sampled.

    Raises
    ------
    DataError
        If there is no run, a tomogram is smaller than half the window, or a run's segmentation has
        another shape; with the run.
    SettingsError
        If the shares are not between 0 and 1 or sum to more than 1, or a kind of patch is unknown.
    """
    shares = (rules.particle_share, rules.hard_negative_share)
    if min(shares) < 0 or sum(shares) > 1:
        msg = (
            f"particle_share is {shares[0]:g} and hard_negative_share {shares[1]:g}; expected "
            "both at least 0, and at most 1 together"
        )
        raise SettingsError(msg)
    if rules.kinds is not None:
        check_kinds(rules.kinds)
    if not runs:
        msg = "there is no run to train on"
        raise DataError(msg)
    for run in runs:
        shape = run.source.shape_zyx
        if np.any(np.less(MOST_OF_TOMOGRAM * np.array(shape), rules.window_voxels)):
            msg = (
                f"run {run.name}: the patch {rules.window_voxels} (z, y, x) is more than "
                f"twice the tomogram {shape}; use a smaller patch or exclude the run"
            )
            raise DataError(msg)
        if run.labels is not None and run.labels.shape_zyx != shape:
            msg = (
                f"run {run.name}: the segmentation has shape {run.labels.shape_zyx}, "
                f"the tomogram {shape}"
            )
            raise DataError(msg)


class _Pool:
    """All particles and hard negatives of the runs as pairs (run, position)."""

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        self.runs = runs
        self._of_channel: dict[int, list[tuple[int, FloatArray]]] = {}
        for number, run in enumerate(runs):
            for channel, points in run.centres_zyx.items():
                if len(points):
                    self._of_channel.setdefault(channel, []).append((number, points))
        self._hard = [
            (number, run.hard_negatives_zyx)
            for number, run in enumerate(runs)
            if len(run.hard_negatives_zyx)
        ]

    def particle(self, rng: np.random.Generator) -> tuple[TrainingRun, FloatArray] | None:
        """Return a particle, after drawing its channel; None if there is none."""
        channel, place = rng.random(2)
        channels = sorted(self._of_channel)
        if not channels:
            return None
        return self._one_of(self._of_channel[channels[int(channel * len(channels))]], place)

    def hard_negative(self, rng: np.random.Generator) -> tuple[TrainingRun, FloatArray] | None:
        """Return a hard negative; None if there is none."""
        _, place = rng.random(2)
        return self._one_of(self._hard, place) if self._hard else None

    def _one_of(
        self, places: list[tuple[int, FloatArray]], share: float
    ) -> tuple[TrainingRun, FloatArray]:
        ends = np.cumsum([len(points) for _, points in places])
        index = int(share * ends[-1])
        entry = int(np.searchsorted(ends, index, side="right"))
        number, points = places[entry]
        return self.runs[number], points[index - int(ends[entry])]  # counted from its end


def _placed(
    pool: _Pool, rules: SamplingRules, matrix: FloatArray, rng: np.random.Generator
) -> tuple[str, TrainingRun, Placement]:
    """Return the kind of a patch, its run and placement; each kind uses the same random draws."""
    if rules.kinds is not None:
        kind, number, placement = place_by_kind(
            pool.runs, rules.kinds, window_voxels=rules.window_voxels, matrix=matrix, rng=rng
        )
        return kind, pool.runs[number], placement
    kind_at, run_at = rng.random(2)
    where = rng.random(3)
    found, kind = None, "background"
    if kind_at < rules.particle_share:
        found, kind = pool.particle(rng), "particle"
    elif kind_at < rules.particle_share + rules.hard_negative_share:
        found, kind = pool.hard_negative(rng), "hard negative"
    window = np.asarray(rules.window_voxels)
    if found is not None:
        run, point = found
        low, high = _INNER
        local = (low + (high - low) * where) * window
        placement = placed_around(
            point, local, matrix, rules.window_voxels, shape_zyx=run.source.shape_zyx
        )
        return kind, run, placement
    run = pool.runs[int(run_at * len(pool.runs))]
    turned = turned_window(matrix, rules.window_voxels)
    corner = np.floor(where * (np.asarray(run.source.shape_zyx) - turned + 1))
    corner = corner_within(corner, turned, run.source.shape_zyx)
    return "background", run, Placement(matrix, corner + (turned - 1) / 2, rules.window_voxels)


def _may_swap(rules: SamplingRules) -> bool:
    return rules.window_voxels[1] == rules.window_voxels[2]


def _mixed(batch: Batch, share: float) -> Batch:
    """Return the batch with each patch mixed with the one before it."""
    if share == 0.0 or len(batch.patches) < 2:
        return batch
    other = np.roll(batch.patches, 1, axis=0)
    patches = (1.0 - np.float32(share)) * batch.patches + np.float32(share) * other
    partner = np.roll(batch.targets, 1, axis=0)
    return Batch(patches, batch.targets, batch.run_names, batch.kinds, partner, share)
