"""Import a folder of MRC files into a project: one run and tomogram per file."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copick_picker.errors import DataError
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.outputs import MEANWHILE, stands_already
from copick_picker.jobs.provenance import new_record, same_job_as
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.store import open_project
from copick_picker.project.copick.tomograms import TomogramWriter, check_type_name
from copick_picker.project.files import write_text
from copick_picker.project.formats.mrc_folders import run_files
from copick_picker.project.formats.mrc_stream import (
    HEADER_BYTES,
    MrcHeader,
    read_block,
    read_header,
    unpacked,
)
from copick_picker.project.own_files import has_columns
from copick_picker.project.standing import Output, own_file
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.import_ import (
    IMPLAUSIBLE_SPACINGS,
    ImportMrcSettings,
)
from copick_picker.workflows.exchange.new_project import make_project

_COMMAND = "import mrc"
_NAME_COLUMNS = ("run_name", "tomogram_name")


@summarised
def import_mrc(settings: ImportMrcSettings, *, reporter: Reporter) -> Summary:
    """Store every MRC file of a folder as a tomogram and return the outcome of every run.

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
    files = run_files(Path(settings.folder), settings.name_pattern)
    rows = [(path.name, name) for name, path in files.items()]
    reporter.table("Names", ("file", "run"), rows)
    names = select_runs(list(files), settings.run_names, shard=settings.shard)
    config = Path(settings.config)
    has_names = _has_names(settings, files)
    if not os.path.lexists(config):
        make_project(config, settings.new_object, dry_run=settings.dry_run, reporter=reporter)
    if settings.dry_run:
        planned = tuple(RunOutcome(name, "planned", files[name].name) for name in names)
        return Summary(_COMMAND, planned, 0.0)
    open_project(config).check_writable()
    if settings.names is not None and not has_names:
        place = _names_place(Path(settings.names), settings)
        write_text(place.path, _names_table(files), permit=place.check)
    work = InTurn(_Import(settings, files, TomogramWriter(config)).run)
    return process_runs(_COMMAND, names, work, reporter=reporter)


def _names_table(files: Mapping[str, Path]) -> str:
    lines = [f"{name},{path.name}\n" for name, path in files.items()]
    return f"{','.join(_NAME_COLUMNS)}\n" + "".join(lines)


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

    def run(self, run_name: str) -> RunOutcome:
        """Store one file."""
        path = self.files[run_name]
        with unpacked(path) as plain:
            header = read_header(plain, name=path)
            key = TomogramKey(self.settings.type, self._spacing(path, header))
            record = self._record(path, plain, key)
            found, overwrite = self.writer.standing(run_name, key), self.settings.overwrite
            advice = "another --type"
            if stands_already(run_name, key, found, record, overwrite=overwrite, advice=advice):
                return RunOutcome(run_name, "skipped", f"{key} is complete")
            try:
                is_new = self.writer.write(
                    run_name,
                    key,
                    header.shape_zyx,
                    lambda corner, end: read_block(plain, header, corner, end),
                    record=record,
                    overwrite=self.settings.overwrite,
                    replaces=same_job_as(record),
                )
            except DataError as error:
                msg = f"{path}: {error}"
                raise DataError(msg) from error
        if not is_new:
            return RunOutcome(run_name, "skipped", f"{key} {MEANWHILE}")
        size = " x ".join(str(length) for length in reversed(header.shape_zyx))
        text = f"{path.name} ({size}) -> {key}"
        return RunOutcome(run_name, "done", text, {"file": path.name, "tomogram": str(key)})

    def _spacing(self, path: Path, header: MrcHeader) -> float:
        if self.settings.spacing != "header":
            return round(float(self.settings.spacing), 3)
        if header.voxel_spacing in IMPLAUSIBLE_SPACINGS:
            msg = (
                f"{path} says that its voxels are {header.voxel_spacing:g} A, as programs write "
                "that do not know: give --spacing A"
            )
            raise DataError(msg)
        return header.voxel_spacing

    def _record(self, path: Path, plain: Path, key: TomogramKey) -> dict[str, Any]:
        with plain.open("rb") as file:
            head = hashlib.sha256(file.read(HEADER_BYTES)).hexdigest()
        source = {
            "file": path.name,
            "bytes": path.stat().st_size,
            "header_sha256": head,
        }
        return new_record(_COMMAND, input=source, settings={"tomogram": str(key)})
