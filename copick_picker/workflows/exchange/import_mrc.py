"""Import a folder of MRC, TIFF or zarr volumes into a project: a run and tomogram of each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copick_picker.errors import DataError, UnknownNameError, choices_text
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.outputs import MEANWHILE, stands_already
from copick_picker.jobs.provenance import new_record, same_job_as
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.store import open_project
from copick_picker.project.copick.tomograms import TomogramWriter, check_type_name
from copick_picker.project.files import write_text
from copick_picker.project.formats.mrc_folders import RunFiles, left_out_text, run_files
from copick_picker.project.formats.tables import csv_text
from copick_picker.project.formats.volume_files import VolumeFile, opened_volume
from copick_picker.project.own_files import has_columns
from copick_picker.project.standing import Output, own_file
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.import_ import (
    IMPLAUSIBLE_SPACINGS,
    ImportMrcSettings,
)
from copick_picker.workflows.exchange.new_project import make_project, radii_of_model

_COMMAND = "import mrc"
_NAME_COLUMNS = ("run_name", "tomogram_name")
_SAME_SIZE = 0.01
"""Relative difference of two voxel spacings that are one."""


@summarised
def import_mrc(settings: ImportMrcSettings, *, reporter: Reporter) -> Summary:
    """Store every volume of a folder as a tomogram and return the outcome of every run.

    Parameters
    ----------
    settings : ImportMrcSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the folder is empty, two files would get the same run name, or the project is wrong.
    """
    check_type_name(settings.type)
    found = run_files(Path(settings.folder), settings.name_pattern, glob=settings.pattern)
    files = found.files
    rows = [(path.name, name) for name, path in files.items()]
    reporter.table("Names", ("file", "run"), rows)
    for line in left_out_text(found.left_out):
        reporter.warn(line)
    names = _selected(settings, found)
    config = Path(settings.config)
    has_names = _has_names(settings, files)
    if not os.path.lexists(config):
        radii = radii_of_model(settings.objects_of) | settings.new_object
        make_project(config, radii, dry_run=settings.dry_run, reporter=reporter)
    elif settings.objects_of is not None:
        reporter.note(f"{config} exists: its objects are kept and --objects-of is ignored")
    if settings.dry_run:
        planned = tuple(RunOutcome(name, "planned", files[name].name) for name in names)
        return Summary(_COMMAND, planned, 0.0)
    open_project(config).check_writable()
    if settings.names is not None and not has_names:
        place = _names_place(Path(settings.names), settings)
        write_text(place.path, _names_table(files), permit=place.check)
    work = InTurn(_Import(settings, files, TomogramWriter(config), reporter).run)
    return process_runs(_COMMAND, names, work, reporter=reporter)


def _selected(settings: ImportMrcSettings, found: RunFiles) -> list[str]:
    """Return the runs that the user chooses; a file that is left out anyway may be excluded too."""
    every = list(dict.fromkeys([*found.files, *found.others]))
    names = [name for name in select_runs(every, settings.run_names) if name in found.files]
    if not names:
        msg = f"--run-names: no file is left of {settings.folder}; its runs are: "
        raise UnknownNameError(msg + choices_text(found.files))
    return select_runs(names, (), shard=settings.shard)


def _names_table(files: Mapping[str, Path]) -> str:
    return csv_text([_NAME_COLUMNS, *((name, path.name) for name, path in files.items())])


def _has_names(settings: ImportMrcSettings, files: Mapping[str, Path]) -> bool:
    """Return whether the table of names exists or is not wanted; raise for a different file."""
    if settings.names is None:
        return True
    path = Path(settings.names)
    if path.is_file() and path.read_bytes() == _names_table(files).encode():
        return True
    _names_place(path, settings).check()
    return False


def _names_place(path: Path, settings: ImportMrcSettings) -> Output:
    kind = own_file(lambda file: has_columns(file, _NAME_COLUMNS))
    return Output(path, kind, settings.overwrite, advice="another file for --names")


@dataclass(frozen=True)
class _Import:
    """One import over the files of a folder."""

    settings: ImportMrcSettings
    files: Mapping[str, Path]
    writer: TomogramWriter
    reporter: Reporter

    def run(self, run_name: str) -> RunOutcome:
        """Store one file."""
        path = self.files[run_name]
        with opened_volume(path) as volume:
            if volume.other and self.settings.pattern is None:
                return RunOutcome(run_name, "absent", f"{path.name} is {volume.other}: left out")
            key = TomogramKey(self.settings.type, self._spacing(path, volume))
            record = self._record(path, volume, key)
            found, overwrite = self.writer.standing(run_name, key), self.settings.overwrite
            advice = "another --type"
            if stands_already(run_name, key, found, record, overwrite=overwrite, advice=advice):
                return RunOutcome(run_name, "skipped", f"{key} is complete")
            try:
                is_new = self.writer.write(
                    run_name,
                    key,
                    volume.shape_zyx,
                    volume.read,
                    record=record,
                    overwrite=self.settings.overwrite,
                    replaces=same_job_as(record),
                )
            except DataError as error:
                said = str(error)
                msg = said if str(path) in said else f"{path}: {said}"
                raise DataError(msg) from error
        if not is_new:
            return RunOutcome(run_name, "skipped", f"{key} {MEANWHILE}")
        size = " x ".join(str(length) for length in volume.shape_zyx)
        text = f"{path.name} -> {key}, {size} voxels (z, y, x)"
        return RunOutcome(run_name, "done", text, {"file": path.name, "tomogram": str(key)})

    def _spacing(self, path: Path, volume: VolumeFile) -> float:
        sizes = volume.sizes_xyz or (0.0, 0.0, 0.0)
        if self.settings.spacing != "header":
            given = round(float(self.settings.spacing), 3)
            self._compare(path, sizes, given)
            return given
        if not _is_cubic(sizes):
            shown = ", ".join(f"{size:.4g}" for size in sizes)
            msg = (
                f"{path} has voxels of {shown} A (x, y, z); expected cubic voxels: use --spacing A"
            )
            raise DataError(msg)
        spacing = round(sizes[0], 3)
        if volume.sizes_xyz is None:
            msg = f"{path} does not give its voxel spacing: use --spacing A"
            raise DataError(msg)
        if spacing in IMPLAUSIBLE_SPACINGS:
            msg = (
                f"{path} states voxels of {spacing:g} A, a placeholder some programs write: "
                "give --spacing A"
            )
            raise DataError(msg)
        return spacing

    def _compare(self, path: Path, sizes: tuple[float, float, float], given: float) -> None:
        """Say where a file states something else than the user."""
        is_known = not {round(size, 3) for size in sizes} <= set(IMPLAUSIBLE_SPACINGS)
        if is_known and max(abs(size - given) for size in sizes) > _SAME_SIZE * given:
            shown = ", ".join(f"{size:.4g}" for size in sizes)
            one = f"{sizes[0]:.4g}" if _is_cubic(sizes) else f"{shown} (x, y, z)"
            self.reporter.warn(f"{path.name} says {one} A; using --spacing {given:g}")

    def _record(self, path: Path, volume: VolumeFile, key: TomogramKey) -> dict[str, Any]:
        source: dict[str, Any] = {"file": path.name, "header_sha256": volume.head}
        if path.is_file():
            source["bytes"] = path.stat().st_size
        return new_record(_COMMAND, input=source, settings={"tomogram": str(key)})


def _is_cubic(sizes: tuple[float, float, float]) -> bool:
    return max(sizes) - min(sizes) <= _SAME_SIZE * max(sizes)
