"""One run of ``segment``: read it, compute it, write it while it is computed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from copick_picker.core.masks.grids import BoolVolume, covering
from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.core.segment.resampling import resample
from copick_picker.core.segment.results import (
    SegmentedVolume,
    Slab,
    Stream,
    masked_volume,
    whole_volume,
)
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import Reporter
from copick_picker.jobs.provenance import MEANWHILE, new_record, same_job_as, standing_keys
from copick_picker.jobs.slab_writer import SlabWriter, SlabWriters
from copick_picker.project.store import OutputKey, ProjectStore
from copick_picker.records.keys import FeatureKey, SegmentationKey, TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.segment import SPACING_SILENT, SegmentSettings
from copick_picker.workflows.inputs.masks import load_mask, mask_record
from copick_picker.workflows.inputs.preflight import Preflight, check_voxels, in_layers
from copick_picker.workflows.localize.outputs import outcome_with_picks
from copick_picker.workflows.models.load import LoadedModels
from copick_picker.workflows.models.run import model_slabs
from copick_picker.workflows.segment.output import RunInput, RunOutput, Table, Writers
from copick_picker.workflows.segment.peaks import SegmentPeaks


@dataclass(frozen=True)
class SegmentJob:
    """One segmentation job over the runs of a project, in the stages of ``runs.Stages``.

    Attributes
    ----------
    settings : SegmentSettings
        What to do.
    store : ProjectStore
        The project.
    models : LoadedModels
        A model or an ensemble.
    labels : mapping
        Project's object name -> label.
    output : mapping
        Parts of the output's URI.
    checks : mapping
        Run name -> what is known of it before the work.
    reporter : Reporter
        Where warnings go.
    peaks : SegmentPeaks or None
        Picks that are found while the runs are segmented.
    writers : SlabWriters
        Whatever is being written.
    """

    settings: SegmentSettings
    store: ProjectStore
    models: LoadedModels
    labels: Mapping[str, int]
    output: Mapping[str, str]
    checks: Mapping[str, Preflight]
    reporter: Reporter
    peaks: SegmentPeaks | None = None
    writers: SlabWriters = field(default_factory=SlabWriters)

    def run(self, run_name: str) -> RunOutcome:
        """Segment one run, all stages in a row."""
        try:
            given = self.read(run_name)
            return given if isinstance(given, RunOutcome) else self.finish(self.compute(given))
        except BaseException:
            self.stop()
            raise

    def read(self, run_name: str) -> "RunInput | RunOutcome":
        """Return a run's tomogram and mask, ready to be computed; or why there is nothing to do."""
        check = self.checks[run_name]
        if check.absent:
            return RunOutcome(run_name, "absent", f"no tomogram '{self.settings.input}'")
        tomogram = check.key
        if check.failure or tomogram is None:
            return RunOutcome(run_name, "failed", check.failure)
        key = self._segmentation_key(run_name, tomogram)
        feature = self._feature_key(tomogram) if self.settings.probabilities else None
        record = self._record(run_name, tomogram, feature)
        is_kept = self._stands(run_name, key, feature, record)
        picks = None
        if self.peaks is not None:
            stored = self.store.segmentation_provenance(run_name, key) if is_kept else None
            picks = self.peaks.planned(run_name, key, stored or record, feature)
        if is_kept and (picks is None or picks.complete):
            return RunOutcome(run_name, "skipped", f"{key} is complete")
        if self.settings.dry_run:
            return RunOutcome(run_name, "planned", f"{tomogram} -> {key}")
        volume = in_layers(self.store.open_tomogram(run_name, tomogram))
        facts = check.facts or inspect_volume(volume, smoothing_voxels=None)
        check_voxels(facts, run_name=run_name, key=tomogram)
        volume.read(0, 1)
        mask = self._mask(run_name, tomogram, volume.shape)
        return RunInput(
            run_name,
            tomogram,
            volume,
            facts.statistics,
            mask,
            key,
            feature,
            record,
            is_kept,
            picks,
        )

    def compute(self, given: "RunInput") -> "RunOutput":
        """Segment a tomogram; its planes are written as they are finished."""
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

    def finish(self, made: "RunOutput") -> RunOutcome:
        """Wait until a run's results are written and say what they are."""
        found, is_new = made.finish()
        key, shares = made.given.key, made.shares(self._kept_channels())
        text = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
        details = {"input": str(made.given.tomogram), "output": str(key), "volume_share": shares}
        windows = made.windows
        if windows.outside or windows.constant or made.given.mask is not None:
            skipped = windows.outside + windows.constant
            details["windows"] = {"all": windows.planned, "skipped": skipped} | asdict(windows)
            text += f"; {skipped} of {windows.planned} windows skipped"
        run_name, picks = made.given.run_name, made.given.picks
        outcome = RunOutcome(run_name, "done", f"{key}: {text}", details)
        if not is_new:
            outcome = RunOutcome(run_name, "skipped", f"{key} {MEANWHILE}", details)
        if self.peaks is None or picks is None:
            return outcome
        picked = self.peaks.write(run_name, picks, found)
        status = outcome.status if picked.status == "skipped" else picked.status
        return replace(outcome_with_picks(outcome, picked), status=status)

    def stop(self) -> None:
        """Leave nothing of what is being written."""
        self.writers.stop()

    def _segmentation_key(self, run_name: str, tomogram: TomogramKey) -> SegmentationKey:
        spacing, given = tomogram.voxel_spacing, self.output["voxel_spacing"]
        if given != "*" and round(float(given), 3) != round(spacing, 3):
            msg = (
                f"run {run_name}: the output's spacing is {given}, the tomogram's "
                f"{spacing:g}; leave it out"
            )
            raise SettingsError(msg)
        return SegmentationKey(
            self.output["name"], self.output["user_id"], self.output["session_id"], spacing
        )

    def _feature_key(self, tomogram: TomogramKey) -> FeatureKey:
        parts = (self.output["name"], self.output["user_id"], self.output["session_id"])
        return FeatureKey(
            tomogram.tomogram_type,
            tomogram.voxel_spacing,
            "-".join((*parts, "probabilities")),
        )

    def _record(
        self, run_name: str, tomogram: TomogramKey, feature: FeatureKey | None
    ) -> dict[str, Any]:
        probabilities = None
        if feature is not None:
            probabilities = {"uri": str(feature), "channels": self._channel_names()}
        masked: dict[str, Any] = {}
        if self.settings.mask is not None:
            spacing = tomogram.voxel_spacing
            found = mask_record(self.store, run_name, self.settings.mask, spacing=spacing)
            masked["mask"] = found
        return new_record(
            "segment",
            input=str(tomogram),
            models=self.models.records,
            settings=self.settings.recorded() | self.models.choices | masked,
            labels=dict(self.labels),
            objects=self._objects(),
            flipped=self._flip(),
            probabilities=probabilities,
        )

    def _objects(self) -> dict[str, dict[str, Any]]:
        """Return what the models know of each object, for whoever makes picks of it."""
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
        """Return project's object name -> channel."""
        renamed = {
            self.settings.object_map.get(name, name): channel
            for name, channel in self.models.channels.items()
        }
        return {name: channel for name, channel in renamed.items() if name in self.labels}

    def _stands(
        self,
        run_name: str,
        key: SegmentationKey,
        feature: FeatureKey | None,
        record: dict[str, Any],
    ) -> bool:
        """Return whether every output stands; raise where something else stands in its place."""
        outputs: tuple[OutputKey, ...] = (key,) if feature is None else (key, feature)
        records = dict.fromkeys(outputs, record)
        found = standing_keys(self.store, run_name, records, overwrite=self.settings.overwrite)
        return len(found) == len(outputs)

    def _has_probabilities(self) -> bool:
        return self.settings.probabilities or self.peaks is not None

    def _flip(self) -> bool:
        stated = self.settings.contrast
        return stated not in ("auto", self.models.contrast)

    def _slabs(self, given: "RunInput") -> Stream[Slab]:
        return model_slabs(
            given.volume,
            self.models,
            inverted=self._flip(),
            probabilities=self._has_probabilities(),
            mask_zyx=given.mask,
            statistics=given.statistics,
        )

    def _rescaled(self, given: "RunInput", factor: float) -> Stream[Slab]:
        """Return the result at the models' spacing, resampled to the tomogram's: all at once."""
        volume = resample(given.volume.read(), factor=factor)
        inner = None
        if given.mask is not None:
            inner = covering(given.mask, factor=factor, shape_zyx=volume.shape)
        slabs = model_slabs(
            volume, self.models, inverted=self._flip(), probabilities=True, mask_zyx=inner
        )
        result = _at_shape(whole_volume(slabs), 1 / factor, given.volume.shape)
        if given.mask is not None:
            result = masked_volume(result, given.mask)
        kept = result.probabilities if self._has_probabilities() else None
        return Stream(slabs.windows, iter([Slab(0, result.labels, kept)]))

    def _mask(
        self, run_name: str, tomogram: TomogramKey, shape_zyx: tuple[int, ...]
    ) -> BoolVolume | None:
        """Return the run's mask on the grid of its tomogram."""
        spacing = tomogram.voxel_spacing
        mask = load_mask(
            self.store,
            run_name,
            self.settings.mask,
            shape_zyx=shape_zyx,
            spacing=spacing,
            warn=self.reporter.warn,
        )
        return None if mask is None else mask.on(shape_zyx, spacing)

    def _factor(self, spacing: float) -> float:
        wanted = self.models.voxel_spacing
        if not self.settings.rescale or wanted is None:
            return 1.0
        return 1.0 if abs(spacing - wanted) / wanted <= SPACING_SILENT else wanted / spacing

    def _table(self) -> Table:
        """Return the label of every channel."""
        table = np.zeros(self.models.n_channels, dtype=np.uint16)
        for name, channel in self._kept_channels().items():
            table[channel] = self.labels[name]
        return table.astype(np.uint8) if table.max(initial=0) < 256 else table

    def _writers(self, given: "RunInput") -> "Writers":
        run_name, key, feature = given.run_name, given.key, given.feature
        z, y, x = given.volume.shape
        peaks = None
        if self.peaks is not None and given.picks is not None:
            peaks = self.peaks.finder(
                given.picks, (z, y, x), given.tomogram.voxel_spacing, job=self.writers
            )
        if given.is_kept:
            return Writers(peaks=peaks)
        labels = partial(
            self.store.write_segmentation,
            run_name,
            key,
            shape_zyx=(z, y, x),
            provenance=given.record,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(given.record),
        )
        if feature is None:
            return Writers(SlabWriter(labels, job=self.writers), peaks=peaks)
        shares = partial(
            self.store.write_feature,
            run_name,
            feature,
            shape_czyx=(self.models.n_channels, z, y, x),
            provenance=given.record,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(given.record),
        )
        return Writers(
            SlabWriter(labels, job=self.writers), SlabWriter(shares, job=self.writers), peaks
        )


def _at_shape(
    result: SegmentedVolume, factor: float, shape_zyx: tuple[int, ...]
) -> SegmentedVolume:
    """Return probabilities resampled to another grid, and the labels that follow from them."""
    z, y, x = shape_zyx
    channels = () if result.probabilities is None else result.probabilities
    probabilities = np.stack(
        [resample(channel, factor=factor, shape_zyx=(z, y, x)) for channel in channels]
    )
    labels = probabilities.argmax(axis=0).astype(np.uint8)
    return SegmentedVolume(labels, probabilities.astype(np.float16))
