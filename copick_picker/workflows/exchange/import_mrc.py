"""Bring a folder of MRC files into a project: a run and a tomogram for each file."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.jobs.execution import Reporter, Summary, process_runs, select_runs
from copick_picker.jobs.provenance import MEANWHILE, new_record, same_job_as, stands_already
from copick_picker.project.copick.making import CONFIG_FILE, create_project
from copick_picker.project.copick.store import open_project
from copick_picker.project.copick.tomograms import TomogramWriter, check_type_name
from copick_picker.project.files import write_text
from copick_picker.project.folders.own_files import has_columns
from copick_picker.project.formats.mrc_stream import (
    HEADER_BYTES,
    MrcHeader,
    read_block,
    read_header,
    unpacked,
)
from copick_picker.project.standing import Output, own_file
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.import_ import (
    CONTENT_TYPES,
    IMPLAUSIBLE_SPACINGS,
    PACKED,
    ImportMrcSettings,
)

_NAME_COLUMNS = ("run_name", "tomogram_name")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def import_mrc(settings: ImportMrcSettings, *, reporter: Reporter) -> Summary:
    """Store every MRC file of a folder as a tomogram and return what became of every run.

    Parameters
    ----------
    settings : ImportMrcSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the folder is empty, two files would get one run name, or the project is wrong.
    """
    check_type_name(settings.type)
    files = run_files(Path(settings.folder), settings.name_pattern)
    rows = [(path.name, name) for name, path in files.items()]
    reporter.table("Names", ("file", "run"), rows)
    names = select_runs(list(files), settings.run_names, shard=settings.shard)
    config = Path(settings.config)
    has_names = _has_names(settings, files)
    if not os.path.lexists(config):
        _make_project(settings, config, reporter)
    if settings.dry_run:
        planned = tuple(RunOutcome(name, "planned", files[name].name) for name in names)
        return Summary("import mrc", planned, 0.0)
    open_project(config).check_writable()
    if settings.names is not None and not has_names:
        place = _names_place(Path(settings.names), settings)
        write_text(place.path, _names_table(files), permit=place.check)
    job = _Job(settings, files, TomogramWriter(config))
    summary = process_runs("import mrc", names, job.run, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def _names_table(files: Mapping[str, Path]) -> str:
    lines = [f"{name},{path.name}\n" for name, path in files.items()]
    return f"{','.join(_NAME_COLUMNS)}\n" + "".join(lines)


def _has_names(settings: ImportMrcSettings, files: Mapping[str, Path]) -> bool:
    """Return whether the table of names stands, or none is asked for; raise for another one."""
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


def run_files(folder: Path, pattern: str) -> dict[str, Path]:
    """Return run name -> MRC file of a folder, by name.

    A run's name is the file's without suffix, or the part that stands for ``{run}`` in the
    pattern; what copick or a shell cannot take becomes ``-``.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look; folders in it are left alone.
    pattern : str
        File name without suffix, with ``{run}`` in it.

    Raises
    ------
    SettingsError
        If there is no such folder, no MRC file in it, a file that does not fit the pattern, or two
        files with one run name.
    """
    if not folder.is_dir():
        msg = f"there is no folder {folder}"
        raise SettingsError(msg)
    before, after = pattern.split("{run}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem = _stem(path)
        if stem is None or not path.is_file():
            continue
        middle = stem.removeprefix(before).removesuffix(after)
        if len(middle) != len(stem) - len(before) - len(after) or not middle:
            msg = f"{path.name} does not fit --name-pattern '{pattern}'"
            raise SettingsError(msg)
        name = run_name_of(middle)
        if name in found:
            msg = (
                f"{found[name].name} and {path.name} would both be run '{name}': rename one, or "
                "use --name-pattern"
            )
            raise SettingsError(msg)
        found[name] = path
    if not found:
        suffixes = choices_text(CONTENT_TYPES)
        msg = f"{folder} holds no MRC file ({suffixes}, also with .gz or .bz2)"
        raise SettingsError(msg)
    return found


def run_name_of(stem: str) -> str:
    """Return the run's name that a file's name gives: what a name cannot have becomes ``-``.

    Parameters
    ----------
    stem : str
        File name without its suffix.

    Examples
    --------
    >>> run_name_of("TS 01_6.80Apx")
    'TS-01_6.80Apx'
    """
    return _UNFIT.sub("-", stem).strip("-.") or "run"


@dataclass(frozen=True)
class _Job:
    """One import over files."""

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
            found = self.writer.standing(run_name, key)
            overwrite = self.settings.overwrite
            if stands_already(
                run_name, key, found, record, overwrite=overwrite, advice="another --type"
            ):
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
        return new_record("import mrc", input=source, settings={"tomogram": str(key)})


def _stem(path: Path) -> str | None:
    """Return an MRC file's name without its suffixes; None for other files."""
    lower = path.name.lower()
    for packed in PACKED:
        for kind in CONTENT_TYPES:
            suffix = kind + packed
            if lower.endswith(suffix) and len(lower) > len(suffix):
                return path.name[: -len(suffix)]
    return None


def _make_project(settings: ImportMrcSettings, config: Path, reporter: Reporter) -> None:
    """Make a project with the objects that the user names."""
    if not settings.new_object:
        msg = f"there is no {config}: name a project, or make one with --new-object NAME=RADIUS"
        raise SettingsError(msg)
    if config.name != CONFIG_FILE:
        msg = f"a new project's configuration is called {CONFIG_FILE}, not {config.name}"
        raise SettingsError(msg)
    objects = [
        ObjectSpec(name, label, radius)
        for label, (name, radius) in enumerate(settings.new_object.items(), 1)
    ]
    if settings.dry_run:
        return
    create_project(config.parent, objects, name=config.absolute().parent.name)
    reporter.note(f"Made the project {config}")
