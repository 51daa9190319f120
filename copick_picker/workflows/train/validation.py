"""Validation of a network on held-out runs: segment, localize and evaluate in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from copick_picker.core.augmentations import augmentation_set
from copick_picker.core.evaluate import ScoredObject, ScoringRules, evaluate_picks
from copick_picker.core.evaluate.calibration import CalibrationRule, calibrated_thresholds
from copick_picker.core.heads.head import HeadSettings, head_kind
from copick_picker.core.localize import LabelledSlab, picks_of_slabs
from copick_picker.core.segment.device import resolve_device
from copick_picker.core.segment.engine import segment_slabs
from copick_picker.core.segment.plan import EngineOptions, Member
from copick_picker.core.segment.prepared import prepared
from copick_picker.core.segment.volume import VolumeStatistics
from copick_picker.core.train.mining import Centre, hard_negatives
from copick_picker.project.store import ProjectStore
from copick_picker.records.points import LocalizeTarget, PickSet
from copick_picker.records.scores import Calibration, Evaluation
from copick_picker.settings.evaluate import (
    CONFIDENCE,
    MIN_BOOTSTRAP_RUNS,
    RECALL_FRACTIONS,
)
from copick_picker.settings.files import join_settings
from copick_picker.settings.localize import LocalizeParameters
from copick_picker.settings.segment import (
    FITTED_BLENDING,
    FITTED_OVERLAP,
    WINDOW_BATCH_CPU,
    WINDOW_BATCH_DEVICE,
)
from copick_picker.settings.train import (
    AUGMENTATION_SET,
    FEWEST_REFERENCES,
    MINING_DISTANCE_RADII,
    MINING_SCORE,
    TOLERANCE_RADII,
)
from copick_picker.workflows.inputs.annotated_runs import AnnotatedRun
from copick_picker.workflows.inputs.volumes import layered
from copick_picker.workflows.models.load import point_reader
from copick_picker.workflows.train.data import TrainingData

PicksByRun = dict[str, dict[str, PickSet]]
Centres = dict[str, list[Centre]]
"""Run -> centres (z, y, x) in voxels."""


@dataclass(frozen=True, eq=False)
class Validator:
    """Finds picks in runs with a network, and scores them.

    Attributes
    ----------
    data : TrainingData
        Objects, runs, spacing.
    head : str
        Name of the head.
    head_settings : mapping
        What its readout has to know.
    n_outputs : int
        Channels of the network's outputs.
    window_voxels : tuple of int
        Window (z, y, x) of the network.
    window_multiple : int
        Number that each side of a window must be a multiple of.
    inverted : bool
        Whether the contrast is inverted before the network.
    target_fraction : float or None
        Painted radius as a fraction of the particle's; None if no balls are painted.
    method : str
        Method of ``localize``.
    beta : float
        Beta of F-beta.
    device : str
        Where the network runs.
    precision : str
        Its precision.
    """

    data: TrainingData
    head: str
    head_settings: HeadSettings
    n_outputs: int
    window_voxels: tuple[int, int, int]
    window_multiple: int
    inverted: bool
    target_fraction: float | None
    method: str
    beta: float
    device: str
    precision: str

    @property
    def finds_points(self) -> bool:
        """Whether the head finds points itself."""
        return head_kind(self.head).read(self.n_outputs, self.head_settings).finds_points

    def picks(
        self,
        networks: Sequence[nn.Module],
        store: ProjectStore,
        run_names: Sequence[str],
        *,
        n_augmentations: int,
    ) -> PicksByRun:
        """Return all candidates of some runs with their scores, low ones included.

        Parameters
        ----------
        networks : sequence of torch.nn.Module
            One network, or an ensemble; not changed.
        store : ProjectStore
            The project.
        run_names : sequence of str
            The runs.
        n_augmentations : int
            Test-time augmentations.
        """
        device = resolve_device(self.device)
        members = [
            Member(
                prepared(network, device),
                self.window_voxels,
                self.n_outputs,
                "reflect",
                self.window_multiple,
                self.head,
                self.head_settings,
            )
            for network in networks
        ]
        options = EngineOptions(
            augmentations=augmentation_set(AUGMENTATION_SET, n_augmentations),
            overlap=FITTED_OVERLAP,
            blending=FITTED_BLENDING,
            layout="tiled",
            precision=self.precision,
            device=self.device,
            window_batch=WINDOW_BATCH_CPU if device.type == "cpu" else WINDOW_BATCH_DEVICE,
            inverted=self.inverted,
        )
        chosen = [run for run in self.data.runs if run.name in run_names]
        return {run.name: self._picks_of_run(run, store, members, options) for run in chosen}

    def evaluation(self, candidate: PicksByRun) -> Evaluation:
        """Return the scores of candidates over their runs.

        Parameters
        ----------
        candidate : mapping
            Run -> object -> picks.
        """
        reference = {run.name: dict(run.picks) for run in self.data.runs if run.name in candidate}
        scored = [
            ScoredObject(
                spec.name,
                TOLERANCE_RADII * (spec.radius_angstrom or 0.0),
                spec.radius_angstrom,
                spec.score_weight,
            )
            for spec in self.data.objects
        ]
        rules = ScoringRules(
            "one-to-one",
            self.beta,
            RECALL_FRACTIONS,
            0,
            MIN_BOOTSTRAP_RUNS,
            CONFIDENCE,
            (0.0, 0.0, 0.0),
        )
        return evaluate_picks(
            reference, candidate, scored, rules=rules, rng=np.random.default_rng(0)
        )

    def false_positives(self, candidate: PicksByRun, *, most: int) -> Centres:
        """Return the highest-scoring false candidates of each run, as centres (z, y, x) in voxels.

        Parameters
        ----------
        candidate : mapping
            Run -> object -> picks.
        most : int
            Maximum number per run.
        """
        distances = {
            spec.name: MINING_DISTANCE_RADII * (spec.radius_angstrom or 0.0)
            for spec in self.data.objects
        }
        return {
            run.name: hard_negatives(
                candidate[run.name],
                run.picks,
                distances,
                voxel_spacing=run.spacing(self.data.voxel_spacing),
                least_score=MINING_SCORE,
            )[:most]
            for run in self.data.runs
            if run.name in candidate
        }

    def _picks_of_run(
        self,
        run: AnnotatedRun,
        store: ProjectStore,
        members: Sequence[Member],
        options: EngineOptions,
    ) -> dict[str, PickSet]:
        volume = layered(self.data.volume(store, run))
        z, y, x = volume.shape
        slabs = segment_slabs(
            volume,
            members,
            options,
            probabilities=True,
            statistics=VolumeStatistics(run.mean, run.standard_deviation),
        )
        targets = [
            LocalizeTarget(
                spec.name,
                channel,
                spec.radius_angstrom,
                target_fraction=self.target_fraction,
                channel=channel,
            )
            for channel, spec in enumerate(self.data.objects, start=1)
        ]
        found = picks_of_slabs(
            (
                LabelledSlab(each.z_start, each.labels, each.probabilities, each.maps)
                for each in slabs
            ),
            targets,
            shape_zyx=(z, y, x),
            voxel_spacing=run.spacing(self.data.voxel_spacing),
            rules=join_settings(LocalizeParameters, flags={"method": self.method}).rules(),
            reader=point_reader(members[0]),
        )
        return {name: entry.picks for name, entry in found.items()}


def calibration_of(
    evaluation: Evaluation, *, margin: float, has_probabilities: bool = False
) -> Calibration:
    """Return the score threshold of each object with the highest F-beta.

    Where scores are probabilities, it is that of the highest F-beta that they let expect: a few
    reference picks of each object tell it better than the curve, which jumps with every hit.

    Parameters
    ----------
    evaluation : Evaluation
        Scores of all candidates, low ones included.
    margin : float
        Loss of F-beta accepted for a lower threshold.
    has_probabilities : bool
        Whether the scores are probabilities of a hit.
    """
    names = [entry.name for entry in evaluation.objects] if has_probabilities else []
    rule = CalibrationRule(margin, FEWEST_REFERENCES, frozenset(names))
    sought_from = {entry.name: 0.0 for entry in evaluation.objects}
    return calibrated_thresholds(evaluation, rule=rule, present={}, sought_from=sought_from)
