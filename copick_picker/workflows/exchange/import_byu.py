"""Import folders of JPG slices and a table of motors, as in the challenge BYU 2025."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.outputs import standing_keys, stands_already
from copick_picker.jobs.provenance import new_record, same_job_as
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import check_object_names, select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.store import open_project
from copick_picker.project.copick.tomograms import TomogramWriter, check_type_name
from copick_picker.project.folders.folds import FoldsFile
from copick_picker.project.formats.byu_tables import MotorLabels, read_motor_labels
from copick_picker.project.formats.jpg_slices import (
    SliceFolder,
    decoded,
    read_slices,
    slice_folders,
)
from copick_picker.project.store import OutputKey, ProjectStore, Provenance
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.import_ import BYU_TYPE, ImportByuSettings
from copick_picker.workflows.exchange.new_project import make_project

_COMMAND = "import byu"
_SESSION = "1"
_LISTED = 10


@summarised
def import_byu(settings: ImportByuSettings, *, reporter: Reporter) -> Summary:
    """Store every folder of slices as a tomogram, and its motors as picks.

    Parameters
    ----------
    settings : ImportByuSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the folder or the table cannot be used, or the project is wrong.
    """
    check_type_name(settings.type)
    folders = slice_folders(Path(settings.folder))
    labels = _labels_of_runs(settings, folders, reporter)
    names = select_runs(list(folders), settings.run_names, shard=settings.shard)
    config = Path(settings.config)
    folds = FoldsFile.beside(
        config,
        {name: each.fold for name, each in labels.items() if each.fold is not None},
        overwrite=settings.overwrite,
    )
    folds.check()
    if not os.path.lexists(config):
        make_project(config, settings.new_object, dry_run=settings.dry_run, reporter=reporter)
    if settings.dry_run:
        planned = tuple(RunOutcome(name, "planned", folders[name].name) for name in names)
        return Summary(_COMMAND, planned, 0.0)
    store = open_project(config)
    check_object_names(
        [settings.object_name], {spec.name: spec for spec in store.objects()}, "--new-object"
    )
    store.check_writable()
    if folds.write():
        reporter.note(f"The folds of {len(folds.folds)} runs are in {folds.path}")
    work = InTurn(_Import(settings, folders, labels, TomogramWriter(config), store).run)
    return process_runs(_COMMAND, names, work, reporter=reporter)


def _labels_of_runs(
    settings: ImportByuSettings, folders: Mapping[str, Path], reporter: Reporter
) -> dict[str, MotorLabels]:
    """Return run -> what the table says of it; say what the table and the folder lack."""
    if settings.labels is None:
        return {}
    table = read_motor_labels(Path(settings.labels))
    found = {name: table[path.name] for name, path in folders.items() if path.name in table}
    absent = sorted(table.keys() - {path.name for path in folders.values()})
    if not found:
        msg = (
            f"{settings.labels} lists no tomogram of {settings.folder}: it lists {_some(absent)}; "
            f"the folder holds {_some([path.name for path in folders.values()])}"
        )
        raise SettingsError(msg)
    if absent:
        reporter.warn(
            f"{settings.labels} lists {len(absent)} tomograms that {settings.folder} lacks: "
            f"{_some(absent)}"
        )
    unlisted = [path.name for name, path in folders.items() if name not in found]
    if unlisted:
        reporter.warn(
            f"{settings.labels} does not list {len(unlisted)} tomograms, so they get no picks: "
            f"{_some(unlisted)}"
        )
    return found


@dataclass(frozen=True)
class _Import:
    """One import over folders of slices."""

    settings: ImportByuSettings
    folders: Mapping[str, Path]
    labels: Mapping[str, MotorLabels]
    writer: TomogramWriter
    store: ProjectStore

    def run(self, run_name: str) -> RunOutcome:
        """Store the tomogram and the picks of one run."""
        slices, labels = read_slices(self.folders[run_name]), self.labels.get(run_name)
        _check_labels(slices, labels)
        key = TomogramKey(self.settings.type, self._spacing(run_name, labels))
        made = [self._write_tomogram(run_name, key, slices)]
        text = f"{slices.path.name} -> {key}, {_size(slices.shape_zyx)} voxels (z, y, x)"
        details: dict[str, Any] = {"folder": slices.path.name, "tomogram": str(key)}
        if labels is not None:
            picks_key = PicksKey(self.settings.object_name, BYU_TYPE, _SESSION)
            made.append(self._write_picks(run_name, picks_key, key, labels))
            details["picks"] = len(labels.points_zyx)
            text += f", {len(labels.points_zyx)} picks -> {picks_key}"
        if not any(made):
            return RunOutcome(run_name, "skipped", f"{key} is complete", details)
        return RunOutcome(run_name, "done", text, details)

    def _spacing(self, run_name: str, labels: MotorLabels | None) -> float:
        spacing = self.settings.spacing
        if spacing is None and labels is not None:
            spacing = labels.voxel_spacing
        if spacing is None:
            msg = (
                f"run {run_name}: {self.settings.labels} has no voxel spacing for it; use "
                "--spacing A"
            )
            raise SettingsError(msg)
        return round(spacing, 3)

    def _write_tomogram(self, run_name: str, key: TomogramKey, slices: SliceFolder) -> bool:
        """Return whether the tomogram was written now."""
        settings = self.settings
        source = {
            "folder": slices.path.name,
            "slices": len(slices.files),
            "bytes": slices.n_bytes,
            "first_slice_sha256": hashlib.sha256(slices.files[0].read_bytes()).hexdigest(),
        }
        record = new_record(_COMMAND, input=source, settings={"tomogram": str(key)})
        found = self.writer.standing(run_name, key)
        if stands_already(
            run_name, key, found, record, overwrite=settings.overwrite, advice="another --type"
        ):
            return False
        with decoded(slices) as volume:
            return self.writer.write(
                run_name,
                key,
                slices.shape_zyx,
                lambda corner, end: np.array(
                    volume[tuple(slice(*ends) for ends in zip(corner, end, strict=True))]
                ),
                record=record,
                overwrite=settings.overwrite,
                replaces=same_job_as(record),
                dtype="uint8",
            )

    def _write_picks(
        self, run_name: str, key: PicksKey, tomogram: TomogramKey, labels: MotorLabels
    ) -> bool:
        """Return whether the picks were written now."""
        points = labels.points_zyx[:, ::-1] * tomogram.voxel_spacing
        source = {
            "labels": Path(self.settings.labels or "").name,
            "motors_zyx": labels.points_zyx.tolist(),
        }
        record = new_record(_COMMAND, input=source, settings={"tomogram": str(tomogram)})
        records: dict[OutputKey, Provenance] = {key: record}
        overwrite = self.settings.overwrite
        if standing_keys(self.store, run_name, records, overwrite=overwrite):
            return False
        picks = PickSet(key.object_name, points, np.ones(len(points)))
        return self.store.write_picks(
            run_name,
            key,
            picks,
            provenance=record,
            overwrite=overwrite,
            replaces=same_job_as(record),
        )


def _check_labels(slices: SliceFolder, labels: MotorLabels | None) -> None:
    """Raise if a table does not fit the slices: another shape, or a motor outside."""
    if labels is None:
        return
    shape = slices.shape_zyx
    if labels.shape_zyx is not None and labels.shape_zyx != shape:
        told = _size(labels.shape_zyx)
        msg = f"{slices.path} holds {_size(shape)} voxels (z, y, x); the table says {told}"
        raise DataError(msg)
    last = np.array(shape) - 0.5
    outside = ((labels.points_zyx < -0.5) | (labels.points_zyx > last)).any(axis=1)
    if outside.any():
        z, y, x = labels.points_zyx[outside][0].tolist()
        msg = (
            f"a motor at (z, y, x) = ({z:g}, {y:g}, {x:g}) lies outside {slices.path} of "
            f"{_size(shape)} voxels (z, y, x)"
        )
        raise DataError(msg)


def _size(shape_zyx: Sequence[int]) -> str:
    return " x ".join(str(length) for length in shape_zyx)


def _some(names: Sequence[str]) -> str:
    return choices_text(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
