"""One run of ``segment``: read, compute, and write while computing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from copick_picker.core.masks.grids import BoolVolume, covering
from copick_picker.core.segment.inspection import check_voxels, inspect_volume
from copick_picker.core.segment.plan import Progress
from copick_picker.core.segment.resampling import resample, resampled_result
from copick_picker.core.segment.results import (
    Slab,
    Stream,
    masked_volume,
    whole_volume,
    with_scores,
)
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.outputs import MEANWHILE
from copick_picker.jobs.provenance import new_record
from copick_picker.jobs.slab_writer import SlabWriter, SlabWriters
from copick_picker.project.store import OutputKey, Provenance
from copick_picker.project.uris import SegmentationOutput
from copick_picker.records.keys import FeatureKey, SegmentationKey, TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.segment import SPACING_SILENT, SegmentSettings
from copick_picker.workflows.inputs.cleaning import check_fit, cleaned, recorded_cleaning
from copick_picker.workflows.inputs.masks import load_mask, mask_record
from copick_picker.workflows.inputs.preflight import Preflight, in_layers
from copick_picker.workflows.localize.localize import picks_of_stored
from copick_picker.workflows.localize.outputs import Finding, PicksSource
from copick_picker.workflows.models.load import LoadedModels
from copick_picker.workflows.models.run import model_slabs, window_progress
from copick_picker.workflows.segment.output import RunInput, RunOutput, Table, Writers
from copick_picker.workflows.segment.picks import PicksSink, SegmentPicks


@dataclass(frozen=True)
class Segmentation:
    """The work on each run, in the stages of :class:`copick_picker.jobs.execution.Stages`.

    Attributes
    ----------
    job : Job
        The job.
    models : LoadedModels
        A model or an ensemble.
    labels : mapping
        Object name in the project -> label.
    output : SegmentationOutput
        Keys of the segmentations.
    checks : mapping
        Run name -> its pre-flight.
    picks : SegmentPicks or None
        Picks to make while the runs are segmented.
    writers : SlabWriters
        The active writers.
    """

    job: Job[SegmentSettings]
    models: LoadedModels
    labels: Mapping[str, int]
    output: SegmentationOutput
    checks: Mapping[str, Preflight]
    picks: SegmentPicks | None = None
    writers: SlabWriters = field(default_factory=SlabWriters)

    def run(self, run_name: str) -> RunOutcome:
        """Segment one run, all stages in a row."""
        try:
            given = self.read(run_name)
            return given if isinstance(given, RunOutcome) else self.finish(self.compute(given))
        except BaseException:
            self.stop()
            raise

    def read(self, run_name: str) -> RunInput | RunOutcome:
        """Return a run's tomogram and mask, ready to compute, or why there is nothing to do."""
        settings, store, check = self.job.settings, self.job.store, self.checks[run_name]
        if check.absent:
            return RunOutcome(run_name, "absent", f"no tomogram '{settings.input}'")
        tomogram = check.key
        if check.failure or tomogram is None:
            return RunOutcome(run_name, "failed", check.failure)
        key = self.output.key(run_name, tomogram.voxel_spacing)
        feature = self._feature_key(tomogram, "probabilities") if settings.probabilities else None
        scores = self._feature_key(tomogram, "scores") if settings.has_scores else None
        record = self._record(run_name, tomogram, feature, scores)
        outputs: tuple[OutputKey, ...] = tuple(filter(None, (key, feature, scores)))
        is_kept = len(self.job.standing(run_name, dict.fromkeys(outputs, record))) == len(outputs)
        picks = self._picks(run_name, key, (feature, scores), record, is_kept=is_kept)
        if is_kept and not (picks and picks[1]):
            return _complete(run_name, key, picks)
        if settings.dry_run:
            return RunOutcome(run_name, "planned", f"{tomogram} -> {key}")
        volume = in_layers(store.open_tomogram(run_name, tomogram))
        is_stored = is_kept and self.picks is not None and self.picks.can_read(feature)
        given = RunInput(
            run_name, tomogram, volume, key, feature, scores, record, is_kept, picks, is_stored
        )
        if given.is_stored:
            return given
        facts = check.facts or inspect_volume(volume, smoothing_voxels=None)
        check_fit(facts, settings, run_name=run_name, key=tomogram)
        clean = cleaned(volume, facts, settings, own_recipe=self.models.is_own_recipe)
        check_voxels(clean.facts, run_name=run_name, key=tomogram)
        for words in () if check.facts is not None else clean.words:  # the pre-flight said it
            self.job.reporter.warn(f"run {run_name}: {words}")
        volume.read(0, 1)
        mask = self._mask(run_name, tomogram, volume.shape)
        return replace(
            given,
            volume=clean.volume,
            statistics=clean.facts.statistics,
            mask=mask,
            cleaning=clean.words,
        )

    def compute(self, given: RunInput) -> RunOutput:
        """Segment a tomogram; its planes are written as they are finished."""
        if given.is_stored:
            return RunOutput(given, None, Writers(), self._table())
        factor = self._factor(given.tomogram.voxel_spacing)
        slabs = self._slabs(given) if factor == 1.0 else self._rescaled(given, factor)
        output = RunOutput(given, slabs.windows, self._writers(given), self._table())
        try:
            for slab in slabs:
                output.put(slab)
        except BaseException:
            output.stop()
            raise
        return output

    def finish(self, made: RunOutput) -> RunOutcome:
        """Wait until a run's results are written and return the outcome."""
        given = made.given
        found, is_new = made.finish()
        if given.is_stored:
            outcome = RunOutcome(given.run_name, "skipped", f"{given.key} is complete")
        else:
            outcome = self._segmented(made, is_new=is_new)
        if self.picks is None or given.picks is None:
            return outcome
        plan, missing = given.picks
        if given.is_stored:
            found, _ = picks_of_stored(
                self.job.store,
                given.run_name,
                plan.given,
                rules=self.picks.sets.job.settings.rules(),
            )
        picked = self.picks.sets.write(given.run_name, plan, missing, Finding(found))
        warnings = (*outcome.warnings, *picked.warnings)
        status = outcome.status if picked.status == "skipped" else picked.status
        message = f"{outcome.message}; picks: {picked.message}"
        details = {**outcome.details, "picks": dict(picked.details)}
        return RunOutcome(given.run_name, status, message, details, warnings)

    def stop(self) -> None:
        """Remove whatever is not finished."""
        self.writers.stop()

    def _segmented(self, made: RunOutput, *, is_new: bool) -> RunOutcome:
        """Return the outcome of a run's segmentation."""
        given, shares = made.given, made.shares(self._kept_channels())
        text = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
        details: dict[str, Any] = {
            "input": str(given.tomogram),
            "output": str(given.key),
            "volume_share": shares,
        }
        if given.cleaning:
            details["cleaning"] = list(given.cleaning)
        windows = made.windows
        if windows is not None and (windows.outside or windows.constant or given.mask is not None):
            skipped = windows.outside + windows.constant
            details["windows"] = {"all": windows.planned, "skipped": skipped} | asdict(windows)
            text += f"; {skipped} of {windows.planned} windows skipped"
        if not is_new:
            return RunOutcome(given.run_name, "skipped", f"{given.key} {MEANWHILE}", details)
        remarks = self.checks[given.run_name].remarks
        return RunOutcome(given.run_name, "done", f"{given.key}: {text}", details, remarks)

    def _picks(
        self,
        run_name: str,
        key: SegmentationKey,
        features: tuple[FeatureKey | None, FeatureKey | None],
        record: Provenance,
        *,
        is_kept: bool,
    ) -> tuple[Plan[PicksSource], set[OutputKey]] | None:
        """Return the pick sets of a run, and those of them that are missing."""
        if self.picks is None:
            return None
        stored = self.job.store.segmentation_provenance(run_name, key) if is_kept else None
        plan = self.picks.plan(run_name, key, stored or record, *features)
        standing = self.picks.sets.job.standing(run_name, plan.records)
        return plan, plan.records.keys() - standing

    def _feature_key(self, tomogram: TomogramKey, kind: str) -> FeatureKey:
        out = self.output
        name = f"{out.name}-{out.user_id}-{out.session_id}-{kind}"
        return FeatureKey(tomogram.tomogram_type, tomogram.voxel_spacing, name)

    def _record(
        self,
        run_name: str,
        tomogram: TomogramKey,
        feature: FeatureKey | None,
        scores: FeatureKey | None,
    ) -> dict[str, Any]:
        settings, models = self.job.settings, self.models
        probabilities = None
        if feature is not None:
            probabilities = {"uri": str(feature), "channels": self._channel_names()}
        masked: dict[str, Any] = {}
        if settings.mask is not None:
            spacing = tomogram.voxel_spacing
            masked["mask"] = mask_record(self.job.store, run_name, settings.mask, spacing=spacing)
        return new_record(
            "segment",
            input=str(tomogram),
            models=models.records,
            settings=settings.recorded() | models.choices | masked | recorded_cleaning(settings),
            labels=dict(self.labels),
            objects=self._objects(),
            flipped=self._flip(),
            probabilities=probabilities,
            scores=None if scores is None else {"uri": str(scores)},
            remarks=list(self.checks[run_name].remarks),
        )

    def _objects(self) -> dict[str, dict[str, Any]]:
        """Return what the models know about each object, for making picks."""
        known = {entry.channel: entry for entry in self.models.cards[0].objects}
        return {
            name: {
                "channel": channel,
                "target_fraction": known[channel].target_fraction,
                "score_threshold": known[channel].score_threshold,
            }
            for name, channel in self._kept_channels().items()
        }

    def _channel_names(self) -> list[str]:
        names = ["background"] * self.models.n_channels
        for name, channel in self._kept_channels().items():
            names[channel] = name
        return names

    def _kept_channels(self) -> dict[str, int]:
        """Return object name in the project -> channel."""
        renamed = {
            self.job.settings.object_map.get(name, name): channel
            for name, channel in self.models.channels.items()
        }
        return {name: channel for name, channel in renamed.items() if name in self.labels}

    def _has_probabilities(self) -> bool:
        for_picks = self.picks is not None and not self.picks.takes_labels
        return self.job.settings.probabilities or for_picks

    def _flip(self) -> bool:
        stated = self.job.settings.contrast
        return stated not in ("auto", self.models.contrast)

    def _slabs(self, given: RunInput) -> Stream[Slab]:
        return model_slabs(
            given.volume,
            self.models,
            inverted=self._flip(),
            probabilities=self._has_probabilities(),
            scores=self.job.settings.has_scores,
            mask_zyx=given.mask,
            statistics=given.statistics,
            progress=self._progress(given.run_name),
        )

    def _progress(self, run_name: str) -> Progress:
        return window_progress(self.job.reporter, run_name)

    def _rescaled(self, given: RunInput, factor: float) -> Stream[Slab]:
        """Return the result at the models' spacing, resampled to the tomogram's, in one piece."""
        volume = resample(given.volume.read(), factor=factor)
        inner = None
        if given.mask is not None:
            inner = covering(given.mask, factor=factor, shape_zyx=volume.shape)
        slabs = model_slabs(
            volume,
            self.models,
            inverted=self._flip(),
            probabilities=True,
            mask_zyx=inner,
            progress=self._progress(given.run_name),
        )
        z, y, x = given.volume.shape
        result = resampled_result(whole_volume(slabs), factor=1 / factor, shape_zyx=(z, y, x))
        if given.mask is not None:
            result = masked_volume(result, given.mask)
        slab = with_scores(
            Slab(0, result.labels, result.probabilities),
            scores=self.job.settings.has_scores,
            probabilities=self._has_probabilities(),
        )
        return Stream(slabs.windows, iter([slab]))

    def _mask(
        self, run_name: str, tomogram: TomogramKey, shape_zyx: tuple[int, ...]
    ) -> BoolVolume | None:
        """Return the run's mask on the grid of its tomogram."""
        spacing = tomogram.voxel_spacing
        mask = load_mask(
            self.job.store,
            run_name,
            self.job.settings.mask,
            shape_zyx=shape_zyx,
            spacing=spacing,
            warn=self.job.reporter.warn,
        )
        return None if mask is None else mask.on(shape_zyx, spacing)

    def _factor(self, spacing: float) -> float:
        wanted = self.models.voxel_spacing
        if not self.job.settings.rescale or wanted is None:
            return 1.0
        return 1.0 if abs(spacing - wanted) / wanted <= SPACING_SILENT else wanted / spacing

    def _table(self) -> Table:
        """Return the label of every channel."""
        table = np.zeros(self.models.n_channels, dtype=np.uint16)
        for name, channel in self._kept_channels().items():
            table[channel] = self.labels[name]
        return table.astype(np.uint8) if table.max(initial=0) < 256 else table

    def _writers(self, given: RunInput) -> Writers:
        """Return the writers of a run; those that wait already are stopped if one cannot start."""
        job, run_name, record = self.job, given.run_name, given.record
        z, y, x = given.volume.shape
        made = Writers()
        try:
            if self.picks is not None and given.picks is not None:
                sink = PicksSink(self.picks, given.picks[0].given, (z, y, x), job=self.writers)
                made = replace(made, picks=sink)
            if given.is_kept:
                return made
            write = partial(
                job.write_segmentation, run_name, given.key, shape_zyx=(z, y, x), record=record
            )
            made = replace(made, labels=SlabWriter(write, job=self.writers))
            features = (given.feature, self.models.n_channels), (given.scores, 1)
            shares, scores = (
                None if feature is None else self._feature_writer(given, feature, n_channels)
                for feature, n_channels in features
            )
            made = replace(made, shares=shares, scores=scores)
        except BaseException:
            made.stop()
            raise
        return made

    def _feature_writer(self, given: RunInput, feature: FeatureKey, n_channels: int) -> SlabWriter:
        z, y, x = given.volume.shape
        write = partial(
            self.job.write_feature,
            given.run_name,
            feature,
            shape_czyx=(n_channels, z, y, x),
            record=given.record,
        )
        return SlabWriter(write, job=self.writers)


def _complete(
    run_name: str, key: SegmentationKey, picks: tuple[Plan[PicksSource], set[OutputKey]] | None
) -> RunOutcome:
    """Return the outcome of a run whose outputs all exist."""
    text, details = f"{key} is complete", dict[str, Any]()
    if picks is not None:
        text, details = f"{text}; picks: {picks[0].complete}", {"picks": {}}
    return RunOutcome(run_name, "skipped", text, details)
