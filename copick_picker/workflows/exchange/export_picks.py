"""Write picks for other programs: one file for all runs, or one per run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.evaluate.link_scores import far_apart, tracks_of_picks
from copick_picker.core.evaluate.plan import runs_text
from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job
from copick_picker.jobs.provenance import new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.files import write_bytes
from copick_picker.project.formats.chimerax import SCRIPT_SUFFIX, script_text
from copick_picker.project.formats.particle_writers import (
    SUFFIXES,
    WriteOptions,
    advice,
    file_names,
    particle_files,
)
from copick_picker.project.formats.relion_tomograms import read_tomograms_star
from copick_picker.project.formats.tomogram_names import TomogramNames, read_names, warp_names
from copick_picker.project.provenance import from_stored, from_yaml, to_stored, to_yaml
from copick_picker.project.standing import Output, own_file
from copick_picker.records.keys import FilamentsKey, PicksKey
from copick_picker.records.points import ExportedRun, PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.report.object_colours import object_colours
from copick_picker.settings.export import PLAIN_NAMES, ExportPicksSettings
from copick_picker.workflows.inputs.pick_sets import (
    TomogramBox,
    box_of_run,
    check_limits,
    limited_run,
    sets_of_run,
    thresholds_of_runs,
)

_COMMAND = "export picks"


@summarised
def export_picks(settings: ExportPicksSettings, *, reporter: Reporter) -> Summary:
    """Write the picks of a project for another program and return the outcome of every run.

    All runs are read before the first file is written; if one fails, nothing is written.

    Parameters
    ----------
    settings : ExportPicksSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, or another file is in the way.
    """
    job = Job.open(_COMMAND, settings, reporter=reporter)
    picks = job.picks(settings.input)
    check_limits(job)
    picks.check_any(job.run_names)
    names = _names(job)
    export = _Export(job, picks, names)
    export = replace(export, thresholds=thresholds_of_runs(job, export.sets_of))
    summary = process_runs(_COMMAND, job.run_names, InTurn(export.run), reporter=reporter)
    if not summary.n_failed:
        return replace(summary, figures=_write(export))
    reporter.warn("no file was written because a run failed")
    return summary


def _names(job: Job[ExportPicksSettings]) -> TomogramNames:
    """Return what the other program calls each run; Warp's series are without its pixel size."""
    settings, run_names = job.settings, job.store.run_names()
    names = read_names(settings.names, settings.pattern(), run_names)
    if settings.to != "warp" or settings.name_pattern is not None:
        return names
    series = replace(names, short=warp_names(run_names).short)
    for run_name in job.run_names:
        name = series.of_run(run_name)
        if run_name in series.short and run_name not in names.table:
            job.reporter.note(f"{run_name} is Warp's {name}")
        back = replace(series, pattern=PLAIN_NAMES).run_of(name, run_names)
        if back != run_name:
            msg = (
                f"run {run_name} would be Warp's {name}, which is read back as run {back}: give "
                "--names or --name-pattern, or use --to csv"
            )
            raise SettingsError(msg)
    return series


@dataclass(frozen=True)
class _Export:
    """One export over runs; collects the picks until all are read."""

    job: Job[ExportPicksSettings]
    picks: Input[PicksKey]
    names: TomogramNames
    read: dict[str, list[ExportedRun]] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def sets_of(self, run_name: str) -> dict[str, PickSet]:
        """Return the picks of a run by object, before any limit."""
        keys = sets_of_run(self.picks, run_name, self.job.settings.objects)
        return {name: self.job.store.read_picks(run_name, key) for name, key in keys.items()}

    def run(self, run_name: str) -> RunOutcome:
        """Read the picks of one run."""
        settings, store = self.job.settings, self.job.store
        sets = self.sets_of(run_name)
        if not sets and settings.lists_every_run:
            return RunOutcome(run_name, "absent", f"no picks '{settings.input}': a row of -1")
        if not sets:
            return self.job.absent(run_name, f"no picks '{settings.input}'")
        box = None
        has_picks = any(len(picks) for picks in sets.values())
        needs_place = settings.needs_centre or settings.needs_voxels or settings.needs_box
        if needs_place and (has_picks or not settings.lists_every_run):
            box = box_of_run(store, run_name, settings.tomogram)
        limited = limited_run(self.job, run_name, sets, box, self.thresholds)
        for name, picks in limited.kept.items():
            if len(picks) or settings.lists_every_run:
                exported = self._along_filaments(self._exported(run_name, picks, box))
                if len(exported.picks) or settings.lists_every_run:
                    self.read.setdefault(name, []).append(exported)
        return RunOutcome(run_name, "done", limited.text, limited.details)

    def _exported(self, run_name: str, picks: PickSet, box: TomogramBox | None) -> ExportedRun:
        settings, name = self.job.settings, self.names.of_run(run_name)
        if settings.to == "relion5":
            x, y, z = (0.0, 0.0, 0.0) if box is None else box.middle_xyz
            return ExportedRun(run_name, name, picks, centre_xyz=(float(x), float(y), float(z)))
        pixel_size = None
        if settings.counts_pixels:
            unbinned = settings.pixel_size
            if unbinned is None and box is not None:
                unbinned = box.key.voxel_spacing
            pixel_size = None if unbinned is None else unbinned * settings.binning
        is_same = settings.pixel_size is None and settings.binning == 1
        shape = box.shape_zyx[::-1] if box is not None and is_same else None
        return ExportedRun(run_name, name, picks, pixel_size=pixel_size, shape_xyz=shape)

    def _along_filaments(self, run: ExportedRun) -> ExportedRun:
        """Return picks along filaments with what is known of these, if they are written as such."""
        settings, name, picks = self.job.settings, run.picks.object_name, run.picks
        is_declared = name in self.job.specs and self.job.specs[name].is_filament
        wanted = is_declared if settings.filaments == "auto" else settings.filaments == "on"
        if not wanted or not settings.knows_filaments or len(picks) == 0:
            return run
        if picks.instance_ids is None:
            text = f"run {run.run_name}: the picks of {name} have no filament numbers"
            if settings.filaments == "on":
                msg = f"{text}; run copick-picker link first"
                raise DataError(msg)
            self.job.reporter.warn(f"{text}: written as single particles; see copick-picker link")
            return run
        linked = picks.instance_ids > 0
        if not linked.all():
            self.job.reporter.note(
                f"run {run.run_name}: {int((~linked).sum())} of {len(picks)} picks of {name} "
                "belong to no filament and are left out"
            )
            picks = picks.chosen(linked)
        self._check_together(run.run_name, picks)
        return replace(run, picks=picks, is_filament=True, is_polar=self._is_polar(run, picks))

    def _check_together(self, run_name: str, picks: PickSet) -> None:
        tracks = tracks_of_picks(picks, only_linked=True)
        far = far_apart(tracks)
        if far is not None:
            self.job.reporter.warn(
                f"run {run_name}: filament {far[0]} of {picks.object_name} has a step "
                f"{far[1]:.0f} times the usual one: do its picks belong to one filament, in "
                "order?"
            )

    def _is_polar(self, run: ExportedRun, picks: PickSet) -> npt.NDArray[np.bool_] | None:
        """Return whether the direction of each pick's filament is known; None: of no one."""
        keys = sets_of_run(self.picks, run.run_name, self.job.settings.objects)
        key = FilamentsKey.of(keys[picks.object_name])
        if picks.instance_ids is None or key not in self.job.store.filaments(run.run_name):
            return None
        filaments = self.job.store.read_filaments(run.run_name, key).filaments
        polar = [each.instance_id for each in filaments if each.is_polar]
        return np.isin(picks.instance_ids, polar)

    def complete(self) -> None:
        """Add the runs without a pick set, where the format lists every run, and say which."""
        if not self.job.settings.lists_every_run:
            return
        for name, runs in self.read.items():
            known = {run.run_name: run for run in runs}
            absent = [run_name for run_name in self.job.run_names if run_name not in known]
            nothing = PickSet(name, np.zeros((0, 3)), np.zeros(0))
            self.read[name] = [
                known.get(run_name) or self._exported(run_name, nothing, None)
                for run_name in self.job.run_names
            ]
            if absent:
                self.job.reporter.warn(
                    f"{name}: {runs_text(absent)} without a pick set, written as -1; was it "
                    "searched for?"
                )

    def files(self) -> dict[Path, list[ExportedRun]]:
        """Return the runs that go into each file."""
        settings = self.job.settings
        folder, suffix = Path(settings.output), SUFFIXES[settings.to]
        if settings.writes_file_a_run:  # the file's name is the run's; its folder's the object's
            return {
                folder / name / f"{run.tomogram_name}{suffix}": [run]
                for name, runs in self.read.items()
                for run in runs
            }
        if not settings.per_run:
            return {folder / f"{name}{suffix}": runs for name, runs in self.read.items()}
        return {
            folder / f"{run.run_name}_{name}{suffix}": [run]
            for name, runs in self.read.items()
            for run in runs
        }


def _write(export: _Export) -> dict[str, Any]:
    """Write the files and return numbers for the summary."""
    settings, reporter = export.job.settings, export.job.reporter
    export.complete()
    if not export.read:
        msg = f"no picks are left to export from '{settings.input}'"
        raise DataError(msg)
    files = export.files()
    scripts = _scripts(settings, files)
    _warn_of_missing(settings, export.job.reporter, scripts)
    places = {path: _places(path, settings) for path in [*files, *scripts]}
    for output in (each for outputs in places.values() for each in outputs.values()):
        output.may_be_same()
    star = settings.tomograms
    options = WriteOptions(
        is_binned=settings.binning != 1,
        subset_seed=settings.seed if settings.random_subset else None,
        tomograms=None if star is None else read_tomograms_star(Path(star)),
        looks=_looks(export) if settings.to == "chimerax" else {},
    )
    counts = {str(path): sum(len(run.picks) for run in runs) for path, runs in files.items()}
    made = {
        path: {
            _record_path(path): _record(settings, runs).encode(),  # the file next to it is ours
            **particle_files(path, settings.to, runs, options),
        }
        for path, runs in files.items()
    }
    for path, (text, runs) in scripts.items():
        made[path] = {_record_path(path): _record(settings, runs).encode(), path: text.encode()}
    todo = [
        (places[path][place], data)
        for path, contents in made.items()
        for place, data in contents.items()
        if settings.overwrite or not places[path][place].holds(data)
    ]
    for output, _ in todo:
        output.check()
    if not settings.dry_run:
        for output, data in todo:
            write_bytes(output.path, data, permit=output.check)
    rows = [(name, str(count)) for name, count in counts.items()]
    rows += [
        (str(path), str(sum(len(run.picks) for run in runs))) for path, (_, runs) in scripts.items()
    ]
    reporter.table("Would write" if settings.dry_run else "Files", ("file", "picks"), rows)
    runs = [run for each in files.values() for run in each]
    for line in advice(settings.to, settings.binning, runs):
        reporter.note(line)
    return {"files": counts}


def _looks(export: _Export) -> dict[str, tuple[float, tuple[int, int, int]]]:
    """Return object name -> radius and colour, for ChimeraX."""
    looks = {}
    colours = object_colours(export.job.store.objects(), export.read)
    for name in export.read:
        radius = export.job.specs[name].radius_angstrom if name in export.job.specs else None
        if radius is None:
            msg = f"object '{name}' has no radius in the project, and --to chimerax draws spheres"
            raise SettingsError(msg)
        red, green, blue = bytes.fromhex(colours[name][1:])
        looks[name] = (radius, (red, green, blue))
    return looks


def _scripts(
    settings: ExportPicksSettings, files: Mapping[Path, list[ExportedRun]]
) -> dict[Path, tuple[str, list[ExportedRun]]]:
    """Return script -> its text and what it opens: for ChimeraX, one a run."""
    if settings.to != "chimerax":
        return {}
    folder, of_run = Path(settings.output), dict[str, list[Path]]()
    for path, (run,) in files.items():
        of_run.setdefault(run.tomogram_name, []).append(path)
    scripts = {}
    for name, paths in of_run.items():
        runs = [run for path in paths for run in files[path]]
        mrc = None if settings.mrc is None else settings.mrc.replace("{run}", runs[0].run_name)
        opened = [path.relative_to(folder).as_posix() for path in paths]
        text = script_text(name, opened, None if mrc is None else _from_script(mrc, folder))
        scripts[folder / f"{name}{SCRIPT_SUFFIX}"] = (text, runs)
    return scripts


def _warn_of_missing(
    settings: ExportPicksSettings,
    reporter: Reporter,
    scripts: Mapping[Path, tuple[str, list[ExportedRun]]],
) -> None:
    if settings.mrc is None:
        return
    names = [settings.mrc.replace("{run}", runs[0].run_name) for _, runs in scripts.values()]
    missing = [name for name in names if not Path(name).is_file()]
    if missing:
        reporter.warn(f"--mrc: there is no {choices_text(missing[:3])}; the scripts open it first")


def _from_script(mrc: str, folder: Path) -> str:
    """Return a file as the script names it: from its own folder, unless the user gave it whole."""
    return mrc if Path(mrc).is_absolute() else Path(os.path.relpath(mrc, folder)).as_posix()


def _places(path: Path, settings: ExportPicksSettings) -> dict[Path, Output]:
    """Return the output files of one object and their record; only earlier exports are replaced."""
    kind = own_file(lambda _: _is_record(_record_path(path)))
    names = file_names(path, settings.to)
    overwrite, advice = settings.overwrite, "another folder"
    places = {name: Output(name, kind, overwrite, advice) for name in names}
    record = _record_path(path)  # replaced together with its file
    return {**places, record: Output(record, kind, overwrite, advice, renews=True)}


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.provenance.yaml")


def _is_record(path: Path) -> bool:
    record = from_stored(from_yaml(path.read_bytes(), path.name))
    return record is not None and record.get("command") == _COMMAND


def _record(settings: ExportPicksSettings, runs: list[ExportedRun]) -> str:
    content = settings.model_dump(mode="json", exclude={"json_file", "overwrite", "dry_run"})
    record = new_record(
        _COMMAND, settings=content, runs={run.run_name: len(run.picks) for run in runs}
    )
    return to_yaml(to_stored(record, "the export")).decode("utf-8")
