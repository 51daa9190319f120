"""Read a tomogram, segment it, write labels and, if asked, probabilities: for every run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.masks.grids import BoolVolume, covering
from copick_picker.core.segment.device import use_threads
from copick_picker.core.segment.engine import SegmentedVolume, masked_volume
from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.core.segment.plan import planned_jobs
from copick_picker.core.segment.resampling import resample
from copick_picker.errors import SettingsError, choices_text
from copick_picker.project.copick_store import open_project
from copick_picker.project.store import OutputKey, ProjectStore, Provenance
from copick_picker.project.uris import check_uri, parse_output
from copick_picker.records import (
    FeatureKey,
    ObjectSpec,
    RunOutcome,
    SegmentationKey,
    TomogramKey,
)
from copick_picker.settings.segment import (
    CONTRAST_SMOOTHING_VOXELS,
    SPACING_SILENT,
    SegmentSettings,
)
from copick_picker.workflows.loading import LoadedModels, load_models
from copick_picker.workflows.masks import check_mask, load_mask, mask_record
from copick_picker.workflows.picks_of_segment import with_picks
from copick_picker.workflows.preflight import (
    Preflight,
    Wanted,
    check_voxels,
    inspect_runs,
    show,
)
from copick_picker.workflows.records import new_record, refuse, same_job
from copick_picker.workflows.running import run_models
from copick_picker.workflows.runs import (
    Reporter,
    Summary,
    check_labels_differ,
    named_runs,
    nothing_to_read,
    process_runs,
    select_runs,
)

logger = logging.getLogger(__name__)


def segment(settings: SegmentSettings, *, reporter: Reporter) -> Summary:
    """Segment the tomograms of a project and return what became of every run.

    Parameters
    ----------
    settings : SegmentSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project, a model or a setting is wrong, before any run is touched.
    """
    store = open_project(settings.config)
    check_uri(settings.input, "tomogram")
    check_mask(settings.mask)
    output = _output_parts(settings.output)
    run_names = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    use_threads(settings.threads)
    models = load_models(settings)
    labels = project_labels(
        models.channels, store.objects(), settings.object_map, objects=settings.objects
    )
    wanted = Wanted(
        uri=settings.input,
        voxel_spacing=models.voxel_spacing,
        contrast=models.contrast,
        stated_contrast=settings.contrast,
        rescale=settings.rescale,
        by_name=named_runs(settings.run_names),
    )
    checks = inspect_runs(store, run_names, wanted, n_looked_at=settings.preflight_runs)
    show(checks, reporter)
    if checks and all(check.absent for check in checks):
        raise nothing_to_read(store.tomograms, run_names, settings.input, "tomogram")
    if not settings.dry_run:
        store.check_writable()
    job = _Job(settings, store, models, labels, output, reporter)
    by_name = {check.run_name: check for check in checks}
    summary = process_runs(
        "segment", run_names, lambda name: job.run(by_name[name]), reporter=reporter
    )
    summary = replace(summary, figures={"models": models.records, "labels": labels})
    summary = with_picks(summary, settings, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def project_labels(
    channels: Mapping[str, int],
    specs: list[ObjectSpec],
    object_map: Mapping[str, str],
    *,
    objects: tuple[str, ...],
) -> dict[str, int]:
    """Return project's object name -> label for the objects that a model finds.

    Parameters
    ----------
    channels : mapping
        Model's object name -> channel.
    specs : list of ObjectSpec
        The project's objects.
    object_map : mapping
        Model's object name -> project's object name, where they differ.
    objects : tuple of str
        Project's names to keep; empty means all.

    Raises
    ------
    SettingsError
        If a name is unknown or two model objects mean one project object; both sides are listed.
    """
    both = (
        f"the model finds: {choices_text(channels)}; "
        f"the project has: {choices_text(spec.name for spec in specs)}"
    )
    for name in object_map:
        if name not in channels:
            msg = f"--object-map: the model finds no '{name}'; {both}"
            raise SettingsError(msg)
    label_of = {spec.name: spec.label for spec in specs}
    labels: dict[str, int] = {}
    for name in channels:
        target = object_map.get(name, name)
        if objects and target not in objects:
            continue
        if target not in label_of:
            msg = f"no object '{target}' in the project: use --object-map or --objects; {both}"
            raise SettingsError(msg)
        if target in labels:
            msg = f"two objects of the model mean '{target}'; {both}"
            raise SettingsError(msg)
        labels[target] = label_of[target]
    check_labels_differ(labels)
    missing = [name for name in objects if name not in labels]
    if missing:
        msg = f"--objects: the model finds no {choices_text(missing)}; {both}"
        raise SettingsError(msg)
    return labels


@dataclass(frozen=True)
class _Job:
    """One segmentation job over runs."""

    settings: SegmentSettings
    store: ProjectStore
    models: LoadedModels
    labels: Mapping[str, int]
    output: Mapping[str, str]
    reporter: Reporter

    def run(self, check: Preflight) -> RunOutcome:
        """Segment one run."""
        if check.absent:
            return RunOutcome(check.run_name, "absent", f"no tomogram '{self.settings.input}'")
        run_name, tomogram = check.run_name, check.key
        if check.failure or tomogram is None:
            return RunOutcome(run_name, "failed", check.failure)
        key = self._segmentation_key(run_name, tomogram)
        feature = self._feature_key(tomogram) if self.settings.probabilities else None
        record = self._record(run_name, tomogram, feature)
        if not self.settings.overwrite and self._complete(run_name, key, feature, record):
            return RunOutcome(run_name, "skipped", f"{key} is complete")
        if self.settings.dry_run:
            return RunOutcome(run_name, "planned", f"{tomogram} -> {key}")
        result, windows = self._segmented(run_name, tomogram)
        self._write(run_name, key, feature, record, result)
        shares = self._shares(result.labels)
        text = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
        details = {"input": str(tomogram), "output": str(key), "volume_share": shares}
        if windows:
            details["windows"] = windows
            text += f"; {windows['skipped']} of {windows['all']} windows skipped"
        return RunOutcome(run_name, "done", f"{key}: {text}", details)

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

    def _complete(
        self,
        run_name: str,
        key: SegmentationKey,
        feature: FeatureKey | None,
        record: dict[str, Any],
    ) -> bool:
        """Return whether every output stands; raise where something else stands in its place."""
        stored = self.store.segmentation_provenance(run_name, key)
        complete = self._stands(run_name, key, record, stored)
        if feature is None:
            return complete
        stored = self.store.feature_provenance(run_name, feature)
        return self._stands(run_name, feature, record, stored) and complete

    def _stands(
        self,
        run_name: str,
        key: OutputKey,
        record: dict[str, Any],
        stored: Provenance | None,
    ) -> bool:
        """Return whether one output stands; raise where it was made otherwise."""
        if not self.store.existing(run_name, [key]):
            return False
        difference = same_job(stored or {}, record)
        if difference:
            refuse(run_name, key, stored, difference)
        return True

    def _flip(self) -> bool:
        stated = self.settings.contrast
        return stated not in ("auto", self.models.contrast)

    def _segmented(
        self, run_name: str, tomogram: TomogramKey
    ) -> tuple[SegmentedVolume, dict[str, int]]:
        """Return the result and, where there is a mask, how many windows were skipped."""
        volume = self.store.open_tomogram(run_name, tomogram).read()
        facts = inspect_volume(volume, smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
        check_voxels(facts, run_name=run_name, key=tomogram)
        mask = self._mask(run_name, tomogram, volume.shape)
        factor = self._factor(tomogram.voxel_spacing)
        given = volume if factor == 1.0 else resample(volume, factor=factor)
        inner = mask
        if mask is not None and factor != 1.0:
            inner = covering(mask, factor=factor, shape_zyx=given.shape)
        result = run_models(
            given,
            self.models,
            inverted=self._flip(),
            probabilities=self.settings.probabilities or factor != 1.0,
            mask_zyx=inner,
        )
        if factor != 1.0:
            result = _at_shape(result, 1 / factor, volume.shape)
            result = result if mask is None else masked_volume(result, mask)
        return result, {} if inner is None or self.models.wraps else self._windows(inner)

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

    def _windows(self, mask_zyx: BoolVolume) -> dict[str, int]:
        members, options = self.models.members, self.models.options
        z, y, x = mask_zyx.shape
        n_all = len(planned_jobs((z, y, x), members, options))
        computed = len(planned_jobs((z, y, x), members, options, mask_zyx=mask_zyx))
        return {"all": n_all, "skipped": n_all - computed}

    def _factor(self, spacing: float) -> float:
        wanted = self.models.voxel_spacing
        if not self.settings.rescale or wanted is None:
            return 1.0
        return 1.0 if abs(spacing - wanted) / wanted <= SPACING_SILENT else wanted / spacing

    def _write(
        self,
        run_name: str,
        key: SegmentationKey,
        feature: FeatureKey | None,
        record: dict[str, Any],
        result: SegmentedVolume,
    ) -> None:
        table = np.zeros(self.models.n_channels, dtype=np.uint16)
        for name, channel in self._kept_channels().items():
            table[channel] = self.labels[name]
        if table.max(initial=0) < 256:
            table = table.astype(np.uint8)
        labels = table[result.labels]
        replace_own = self.settings.overwrite or bool(self.store.existing(run_name, [key]))
        if feature is not None and result.probabilities is not None:
            self.store.write_feature(
                run_name,
                feature,
                [(0, result.probabilities)],
                shape_czyx=result.probabilities.shape,
                provenance=record,
                overwrite=True,  # ours, or the user said so: _complete has refused all others
            )
        self.store.write_segmentation(
            run_name,
            key,
            [(0, labels)],
            shape_zyx=labels.shape,
            provenance=record,
            overwrite=replace_own,
        )

    def _shares(self, labels: npt.NDArray[Any]) -> dict[str, float]:
        counts = np.bincount(labels.ravel(), minlength=self.models.n_channels)
        return {
            name: float(counts[channel] / labels.size)
            for name, channel in self._kept_channels().items()
        }


def _output_parts(uri: str) -> dict[str, str]:
    parts = parse_output(uri, "segmentation")
    defaults = {"name": "predict", "user_id": "picker", "session_id": "1"}
    return parts | {name: value for name, value in defaults.items() if parts[name] == "*"}


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
