"""Write the training targets of ``train`` as segmentations for inspection."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.heads.targets import painted_fraction
from copick_picker.core.train.painting import target_slabs
from copick_picker.core.train.sources import CachedPlanes, PlaneCache
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import digest, new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.store import OutputKey, Provenance
from copick_picker.project.uris import SegmentationOutput, segmentation_output
from copick_picker.records.keys import SegmentationKey
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.memory import LAYER_BYTES
from copick_picker.settings.targets import DEFAULT_NAME, SLAB_BYTES, TargetsSettings
from copick_picker.workflows.inputs.annotated_runs import (
    AnnotatedRun,
    annotated_run,
    check_annotation,
    chosen_objects,
    nothing_annotated,
    sampled_run,
    with_mask,
)

_COMMAND = "targets"
_VOXEL_BYTES = 5
"""Bytes per voxel while painting: a label, and the distance to the nearest centre."""

Found = AnnotatedRun | RunOutcome | str
"""A run to paint, a failure, or a text that says what the run lacks."""
Labels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@summarised
def make_targets(settings: TargetsSettings, *, reporter: Reporter) -> Summary:
    """Paint the targets of every annotated run and return the outcome of every run.

    Parameters
    ----------
    settings : TargetsSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    job = Job.open(_COMMAND, settings, reporter=reporter)
    check_annotation(job)
    output = segmentation_output(settings.output, name=DEFAULT_NAME)
    chosen = select_runs(job.store.run_names(), settings.run_names)  # over all shards
    everywhere = replace(job, run_names=tuple(chosen))
    found: dict[str, Found] = {
        name: guarded(name, lambda name: annotated_run(everywhere, name))
        for name in everywhere.run_names
    }
    runs = [run for run in found.values() if isinstance(run, AnnotatedRun)]
    if not runs and not any(isinstance(run, RunOutcome) for run in found.values()):
        raise nothing_annotated(everywhere)
    objects = chosen_objects(job, runs) if runs else ()
    return job.run(_Painting(job, found, objects, output))


@dataclass(frozen=True)
class _Painting:
    """The recipe of ``targets``: the same objects in every run."""

    job: Job[TargetsSettings]
    found: Mapping[str, Found]
    objects: tuple[ObjectSpec, ...]
    output: SegmentationOutput

    def plan(self, run_name: str) -> Plan[AnnotatedRun] | RunOutcome:
        """Return the targets to make for a run."""
        run = self.found[run_name]
        if isinstance(run, RunOutcome):
            return run
        if isinstance(run, str):
            return self.job.absent(run_name, run)
        run = with_mask(self.job, run, self.objects)
        spacing = run.tomogram.voxel_spacing
        key = self.output.key(run_name, spacing)
        if run.mask is not None and replace(run.mask, voxel_spacing=spacing) == key:
            msg = (
                f"run {run.name}: {key} is both masks and output; choose another session in "
                "--output"
            )
            raise SettingsError(msg)
        records: dict[OutputKey, Provenance] = {key: self._record(run)}
        text = f"{self._picks_text(run)} -> {key}"
        return Plan(run, records, f"{key} is complete", text)

    def make(
        self, run_name: str, plan: Plan[AnnotatedRun], missing: Collection[OutputKey]
    ) -> RunOutcome:
        """Paint the targets of one run."""
        run, voxels = plan.given, np.zeros(len(self.objects) + 1, dtype=np.int64)
        written = [
            self.job.write_segmentation(
                run_name,
                key,
                self._slabs(run, voxels),
                shape_zyx=run.shape_zyx,
                record=plan.records[key],
            )
            for key in missing
            if isinstance(key, SegmentationKey)
        ]
        counts = {
            spec.name: {"picks": len(run.picks.get(spec.name, ())), "voxels": int(number)}
            for spec, number in zip(self.objects, voxels[1:], strict=True)
        }
        for name, count in counts.items():
            if any(written) and count["picks"] and not count["voxels"]:
                self.job.reporter.warn(
                    f"run {run_name}: no voxels for the {count['picks']} picks of {name}: "
                    "the target is smaller than a voxel, or hidden by other objects"
                )
        (key,) = plan.records
        details = {"input": str(run.tomogram), "output": str(key), "objects": counts}
        text = f"{key}: {self._picks_text(run)}"
        return self.job.finished(run_name, written, key, text, details)

    def _slabs(
        self, run: AnnotatedRun, voxels: npt.NDArray[np.int64]
    ) -> Iterator[tuple[int, Labels]]:
        """Yield slabs of labels, counting the voxels of each channel in ``voxels``."""
        cache = PlaneCache(LAYER_BYTES)
        tomogram = self.job.store.open_tomogram(run.name, run.tomogram)
        source = CachedPlanes(run.name, tomogram, cache, mean=0.0, standard_deviation=1.0)
        table = self._label_of_channel()
        _, height, width = run.shape_zyx
        slabs = target_slabs(
            sampled_run(self.job.store, run, self.objects, source=source, cache=cache),
            kind=self.job.settings.target,
            fraction=self.job.settings.target_fraction,
            slab_planes=max(1, SLAB_BYTES // (_VOXEL_BYTES * height * width)),
        )
        for z_start, channels in slabs:
            voxels += np.bincount(channels.ravel(), minlength=len(voxels))
            yield z_start, table[channels]

    def _label_of_channel(self) -> Labels:
        table = np.array([0, *(spec.label for spec in self.objects)], dtype=np.uint16)
        return table.astype(np.uint8) if table.max() < 256 else table

    def _picks_text(self, run: AnnotatedRun) -> str:
        """Return the number of picks of each object, or that nobody annotated it."""
        return ", ".join(
            f"{spec.name} {len(run.picks[spec.name])}"
            if spec.name in run.picks
            else f"{spec.name} without a reference set"
            for spec in self.objects
        )

    def _record(self, run: AnnotatedRun) -> dict[str, Any]:
        made_from = run.annotation()
        if run.mask is not None:
            made_from["mask_record"] = digest(
                self.job.store.segmentation_provenance(run.name, run.mask)
            )
        settings = self.job.settings
        radii = {spec.name: spec.radius_angstrom for spec in self.objects}
        fraction = painted_fraction(settings.target, settings.target_fraction)
        return new_record(
            _COMMAND,
            input=made_from,
            settings=settings.recorded() | {"radius": radii},
            labels={spec.name: spec.label for spec in self.objects},
            objects={
                spec.name: {"channel": channel, "target_fraction": fraction}
                for channel, spec in enumerate(self.objects, start=1)
            },
        )
