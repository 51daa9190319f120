"""Import label volumes of other programs as segmentations."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.formats.label_volumes import label_files, read_labels
from copick_picker.project.store import OutputKey, Provenance
from copick_picker.project.uris import SegmentationOutput, segmentation_output
from copick_picker.records.keys import SegmentationKey, TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.import_segmentation import ImportSegmentationSettings
from copick_picker.settings.segment import SPACING_SILENT

_COMMAND = "import segmentation"
_DEFAULT_NAME = "imported"
_NAMED = 8


@summarised
def import_segmentation(settings: ImportSegmentationSettings, *, reporter: Reporter) -> Summary:
    """Store volumes of labels as segmentations and return the outcome of every run.

    Parameters
    ----------
    settings : ImportSegmentationSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    job = Job.open(_COMMAND, settings, reporter=reporter)
    output = segmentation_output(settings.output, name=settings.instances or _DEFAULT_NAME)
    named = [name for name in (settings.object, settings.instances) if name]
    named += list(settings.label.values())
    unknown = sorted({name for name in named if name not in job.specs})
    if unknown:
        msg = f"the project has no object {choices_text(unknown)}; it has: "
        msg += choices_text(job.specs)
        raise UnknownNameError(msg)
    if settings.instances and output.name != settings.instances:
        msg = (
            f"--instances {settings.instances}: copick names such a segmentation after its object; "
            f"use -o {settings.instances}:{output.user_id}/{output.session_id}"
        )
        raise SettingsError(msg)
    place = Path(settings.files)
    files = label_files(place, settings.name_pattern)
    if settings.run is not None:
        if len(files) > 1:
            msg = f"--run {settings.run}: {place} holds {len(files)} files; expected one"
            raise SettingsError(msg)
        files = {settings.run: next(iter(files.values()))}
    known = job.store.run_names()
    strange = sorted(files.keys() - set(known))
    if len(strange) == len(files):
        msg = (
            f"no run is called {choices_text(strange[:_NAMED])}; the project has: "
            f"{choices_text(known[:_NAMED])}; see --run and --name-pattern"
        )
        raise UnknownNameError(msg)
    if place.is_file():
        job = replace(job, run_names=tuple(name for name in job.run_names if name in files))
    for name in strange:
        reporter.warn(f"{files[name].name} is left out: the project has no run '{name}'")
    return job.run(_Import(job, files, output))


@dataclass(frozen=True)
class _Import:
    """The recipe of ``import segmentation``."""

    job: Job[ImportSegmentationSettings]
    files: Mapping[str, Path]
    output: SegmentationOutput

    def plan(self, run_name: str) -> Plan[npt.NDArray[np.uint16]] | RunOutcome:
        """Return the labels of a run, as they will be stored."""
        path = self.files.get(run_name)
        if path is None:
            return self.job.absent(run_name, f"no file in {self.job.settings.files}")
        labels, stated = read_labels(path)
        tomogram = self._tomogram(run_name, path, stated, labels.shape)
        key = self.output.key(run_name, tomogram.voxel_spacing)
        if self.job.settings.instances:
            key = replace(key, is_multilabel=False)
        stored, names = self._meant(labels, path)
        digest = hashlib.sha256(np.ascontiguousarray(stored).tobytes()).hexdigest()
        record = new_record(
            _COMMAND,
            input={"file": path.name, "labels_sha256": digest},
            settings={"instances": self.job.settings.instances},
            labels=names,
        )
        records: dict[OutputKey, Provenance] = {key: record}
        return Plan(stored, records, f"{key} is complete", f"{path.name} -> {key}")

    def make(
        self,
        run_name: str,
        plan: Plan[npt.NDArray[np.uint16]],
        missing: Collection[OutputKey],
    ) -> RunOutcome:
        """Store the labels of a run."""
        labels, (key,) = plan.given, plan.records
        z, y, x = labels.shape
        written = [
            self.job.write_segmentation(
                run_name,
                each,
                [(0, labels)],
                shape_zyx=(z, y, x),
                record=plan.records[each],
            )
            for each in missing
            if isinstance(each, SegmentationKey)
        ]
        values, counts = np.unique(labels[labels > 0], return_counts=True)
        details = {"output": str(key), "voxels": int(counts.sum()), "values": len(values)}
        what = "instances" if self.job.settings.instances else "labels"
        text = f"{key}: {len(values)} {what}, {int(counts.sum()):,} voxels"
        return self.job.finished(run_name, written, key, text, details)

    def _tomogram(
        self, run_name: str, path: Path, stated: float | None, shape: tuple[int, ...]
    ) -> TomogramKey:
        """Return the tomogram on whose grid the labels lie."""
        wanted = self.job.settings.spacing or stated
        keys = self.job.store.tomograms(run_name)
        if not keys:
            msg = f"run {run_name} has no tomogram that matches the labels' grid"
            raise DataError(msg)
        shapes = {key: self.job.store.open_tomogram(run_name, key).shape for key in keys}
        same = [key for key in keys if shapes[key] == shape]
        if not same:
            have = choices_text(f"{key} {_size(shapes[key])}" for key in keys)
            msg = (
                f"{path} has {_size(shape)} voxels (z, y, x), unlike any tomogram of run "
                f"{run_name}: {have}"
            )
            raise DataError(msg)
        if wanted is None:
            if len({key.voxel_spacing for key in same}) > 1:
                msg = (
                    f"{path} does not give its voxel spacing, and several tomograms match: use "
                    "--spacing A"
                )
                raise DataError(msg)
            self.job.reporter.note(
                f"{path.name} does not give its voxel spacing; assuming {same[0].voxel_spacing:g} A"
            )
            return same[0]
        near = [k for k in same if abs(k.voxel_spacing - wanted) <= SPACING_SILENT * wanted]
        if not near:
            there = ", ".join(dict.fromkeys(f"{key.voxel_spacing:g}" for key in same))
            if self.job.settings.spacing is not None:
                msg = f"--spacing {wanted:g}: run {run_name} has no tomogram with that spacing and "
                msg += f"the size of {path}, but one of {there} A"
            else:
                msg = f"{path} has voxels of {wanted:g} A, the tomogram of its size {there} A: "
                msg += f"give --spacing {there} if the file is wrong"
            raise DataError(msg)
        return near[0]

    def _meant(
        self, labels: npt.NDArray[np.uint16], path: Path
    ) -> tuple[npt.NDArray[np.uint16], dict[str, int]]:
        """Return labels as the project numbers them, and the label of each object in the file."""
        settings, specs = self.job.settings, self.job.specs
        if settings.instances:
            return labels, {settings.instances: 1}  # in a set of one object: above 0
        if settings.object:
            label = specs[settings.object].label
            return ((labels > 0) * np.uint16(label)).astype(np.uint16), {settings.object: label}
        meaning = {int(value): name for value, name in settings.label.items()}
        if not meaning:
            meaning = {spec.label: spec.name for spec in specs.values()}
        values, counts = np.unique(labels, return_counts=True)
        strange = [
            f"{value} ({count:,} voxels)"
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
            if value and value not in meaning
        ]
        if strange:
            have = ", ".join(f"{value} {name}" for value, name in sorted(meaning.items()))
            msg = (
                f"{path} has values that belong to no object: "
                f"{', '.join(strange[:_NAMED])}{', ...' if len(strange) > _NAMED else ''}; "
                f"known: {have}; see --label, --object and --instances"
            )
            raise DataError(msg)
        table = np.zeros(int(values.max(initial=0)) + 1, dtype=np.uint16)
        for value, name in meaning.items():
            if value < len(table):
                table[value] = specs[name].label
        return table[labels], {name: specs[name].label for name in meaning.values()}


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)
