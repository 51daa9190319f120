"""Write what ``train`` would learn from as segmentations that a user can look at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.heads.targets import painted_fraction
from copick_picker.core.train.painting import target_slabs
from copick_picker.core.train.sources import CachedPlanes, PlaneCache
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import (
    Reporter,
    Summary,
    check_object_names,
    guarded,
    named_runs,
    process_runs,
    select_runs,
)
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.provenance import (
    MEANWHILE,
    digest,
    new_record,
    same_job_as,
    standing_keys,
)
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, parse_output
from copick_picker.records.keys import SegmentationKey
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.memory import LAYER_BYTES
from copick_picker.settings.targets import SLAB_BYTES, TargetsSettings
from copick_picker.workflows.inputs.annotated_runs import (
    AnnotatedRun,
    annotated_run,
    chosen_objects,
    nothing_annotated,
    sampled_run,
    with_mask,
)

_COMMAND = "targets"
_VOXEL_BYTES = 5
"""Bytes for a voxel while it is painted: a label, and the distance to the nearest centre."""

Found = AnnotatedRun | RunOutcome | str
"""A run to paint, a failure, or what the run lacks."""
Labels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def make_targets(settings: TargetsSettings, *, reporter: Reporter) -> Summary:
    """Paint the targets of every annotated run and return what became of every run.

    Parameters
    ----------
    settings : TargetsSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    store = open_job(settings)
    specs = {spec.name: spec for spec in store.objects()}
    parts = _checked_parts(settings, specs)
    run_names = select_runs(store.run_names(), settings.run_names)
    found: dict[str, Found] = {
        name: guarded(name, lambda name: annotated_run(settings, store, name, specs, reporter))
        for name in run_names
    }
    runs = [run for run in found.values() if isinstance(run, AnnotatedRun)]
    if not runs and not any(isinstance(run, RunOutcome) for run in found.values()):
        raise nothing_annotated(settings, store, run_names)
    objects = chosen_objects(settings, specs, runs) if runs else ()
    if not settings.dry_run:
        store.check_writable()
    job = _Job(settings, store, found, objects, parts, reporter)
    mine = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    summary = process_runs(_COMMAND, mine, job.run, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def _checked_parts(settings: TargetsSettings, specs: Mapping[str, ObjectSpec]) -> Mapping[str, str]:
    """Return the parts of the output, once all names and URIs have been looked at."""
    check_uri(settings.input, "tomogram")
    check_uri(settings.picks, "picks")
    if settings.masks is not None:
        check_uri(settings.masks, "segmentation")
    for option in ("objects", "radius"):
        check_object_names(getattr(settings, option), specs, "--" + option)
    return parse_output(settings.output, "segmentation")


@dataclass(frozen=True)
class _Job:
    """The same targets over runs."""

    settings: TargetsSettings
    store: ProjectStore
    found: Mapping[str, Found]
    objects: tuple[ObjectSpec, ...]
    output: Mapping[str, str]
    reporter: Reporter

    def run(self, run_name: str) -> RunOutcome:
        """Paint the targets of one run."""
        run = self.found[run_name]
        if isinstance(run, RunOutcome):
            return run
        if isinstance(run, str):
            status = "failed" if named_runs(self.settings.run_names) else "absent"
            return RunOutcome(run_name, status, run)
        if self.settings.masks is not None:
            run = with_mask(self.settings.masks, self.store, run, self.objects)
        key = self._key(run)
        record = self._record(run)
        if standing_keys(self.store, run_name, {key: record}, overwrite=self.settings.overwrite):
            return RunOutcome(run_name, "skipped", f"{key} is complete")
        if self.settings.dry_run:
            return RunOutcome(run_name, "planned", f"{self._picks_text(run)} -> {key}")
        return self._painted(run, key, record)

    def _painted(
        self, run: AnnotatedRun, key: SegmentationKey, record: dict[str, Any]
    ) -> RunOutcome:
        voxels = np.zeros(len(self.objects) + 1, dtype=np.int64)
        is_new = self.store.write_segmentation(
            run.name,
            key,
            self._slabs(run, voxels),
            shape_zyx=run.shape_zyx,
            provenance=record,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(record),
        )
        if not is_new:
            return RunOutcome(run.name, "skipped", f"{key} {MEANWHILE}")
        counts = {
            spec.name: {"picks": len(run.picks.get(spec.name, ())), "voxels": int(number)}
            for spec, number in zip(self.objects, voxels[1:], strict=True)
        }
        for name, count in counts.items():
            if count["picks"] and not count["voxels"]:
                self.reporter.warn(
                    f"run {run.name}: not one voxel for the {count['picks']} picks of {name}: what "
                    "is painted is smaller than a voxel, or lies behind other objects"
                )
        details = {"input": str(run.tomogram), "output": str(key), "objects": counts}
        return RunOutcome(run.name, "done", f"{key}: {self._picks_text(run)}", details)

    def _slabs(
        self, run: AnnotatedRun, voxels: npt.NDArray[np.int64]
    ) -> Iterator[tuple[int, Labels]]:
        """Yield slabs of labels; the voxels of each channel are added up on the way."""
        cache = PlaneCache(LAYER_BYTES)
        tomogram = self.store.open_tomogram(run.name, run.tomogram)
        source = CachedPlanes(run.name, tomogram, cache, mean=0.0, standard_deviation=1.0)
        table = self._label_of_channel()
        _, height, width = run.shape_zyx
        slabs = target_slabs(
            sampled_run(self.store, run, self.objects, source=source, cache=cache),
            kind=self.settings.target,
            fraction=self.settings.target_fraction,
            slab_planes=max(1, SLAB_BYTES // (_VOXEL_BYTES * height * width)),
        )
        for z_start, channels in slabs:
            voxels += np.bincount(channels.ravel(), minlength=len(voxels))
            yield z_start, table[channels]

    def _label_of_channel(self) -> Labels:
        table = np.array([0, *(spec.label for spec in self.objects)], dtype=np.uint16)
        return table.astype(np.uint8) if table.max() < 256 else table

    def _picks_text(self, run: AnnotatedRun) -> str:
        """Return the number of picks of each object; where nobody looked for it, just that."""
        return ", ".join(
            f"{spec.name} {len(run.picks[spec.name])}"
            if spec.name in run.picks
            else f"{spec.name} without a reference set"
            for spec in self.objects
        )

    def _key(self, run: AnnotatedRun) -> SegmentationKey:
        spacing, given = run.tomogram.voxel_spacing, self.output["voxel_spacing"]
        if given != "*" and round(float(given), 3) != round(spacing, 3):
            msg = (
                f"run {run.name}: the output's spacing is {given}, the tomogram's "
                f"{spacing:g}; leave it out"
            )
            raise SettingsError(msg)
        name, user, session = (
            default if self.output[part] == "*" else self.output[part]
            for part, default in (("name", "targets"), ("user_id", "picker"), ("session_id", "1"))
        )
        key = SegmentationKey(name, user, session, spacing)
        if run.mask is not None and replace(run.mask, voxel_spacing=spacing) == key:
            msg = f"run {run.name}: {key} is masks and output; name another session in --output"
            raise SettingsError(msg)
        return key

    def _record(self, run: AnnotatedRun) -> dict[str, Any]:
        made_from = run.annotation()
        if run.mask is not None:
            made_from["mask_record"] = digest(
                self.store.segmentation_provenance(run.name, run.mask)
            )
        settings = self.settings
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
