"""Write picks as other programs read them: for every run, one file or one file a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.execution import (
    Reporter,
    Summary,
    check_object_names,
    named_runs,
    nothing_to_read,
    process_runs,
    select_runs,
)
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.provenance import from_stored, from_yaml, to_stored, to_yaml
from copick_picker.project.files import write_bytes
from copick_picker.project.formats.particle_writers import (
    SUFFIXES,
    WriteOptions,
    file_names,
    particle_files,
    read_tomograms_star,
)
from copick_picker.project.formats.tomogram_names import TomogramNames, read_names
from copick_picker.project.standing import Output, own_file
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, matching
from copick_picker.records.points import ExportedRun, PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.export import ExportPicksSettings
from copick_picker.workflows.inputs.masks import check_mask
from copick_picker.workflows.inputs.pick_sets import (
    TomogramBox,
    box_of_run,
    check_limit_names,
    dropped_text,
    limited_sets,
    mask_of_run,
    sets_of_run,
)

_COMMAND = "export picks"
_IN_PIXELS = ("relion4", "warp", "dynamo")


def export_picks(settings: ExportPicksSettings, *, reporter: Reporter) -> Summary:
    """Write the picks of a project for another program and return what became of every run.

    All runs are read before the first file is written; where one fails, nothing is.

    Parameters
    ----------
    settings : ExportPicksSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, or a file stands in the way.
    """
    store = open_job(settings)
    check_uri(settings.input, "picks")
    specs = {spec.name: spec for spec in store.objects()}
    check_object_names(settings.objects, specs, "--objects")
    check_limit_names(settings, specs)
    check_mask(settings.mask)
    _check_pixels(settings)
    all_runs = store.run_names()
    run_names = select_runs(all_runs, settings.run_names, shard=settings.shard)
    if run_names and not any(
        matching(store.picks(name), settings.input, "picks") for name in run_names
    ):
        raise nothing_to_read(store.picks, run_names, settings.input, "pick set")
    names = read_names(settings.names, settings.pattern(), all_runs)
    job = _Job(settings, store, names, reporter)
    summary = process_runs(_COMMAND, run_names, job.run, reporter=reporter)
    if not summary.counts.get("failed"):
        summary = replace(summary, figures=_write(job, reporter))
    else:
        reporter.warn("no file is written, since a run failed")
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


@dataclass(frozen=True)
class _Job:
    """One export over runs; what is read stays here until all is read."""

    settings: ExportPicksSettings
    store: ProjectStore
    names: TomogramNames
    reporter: Reporter
    read: dict[str, list[ExportedRun]] = field(default_factory=dict)

    def run(self, run_name: str) -> RunOutcome:
        """Read the picks of one run."""
        settings = self.settings
        keys = sets_of_run(self.store, run_name, settings.input, settings.objects)
        if not keys:
            status = "failed" if named_runs(settings.run_names) else "absent"
            return RunOutcome(run_name, status, f"no picks '{settings.input}'")
        box = self._box(run_name)
        sets = {name: self.store.read_picks(run_name, key) for name, key in keys.items()}
        mask = mask_of_run(self.store, run_name, settings, box, self.reporter.warn)
        kept, dropped = limited_sets(sets, settings, box, mask)
        for name, picks in kept.items():
            if len(picks):
                self.read.setdefault(name, []).append(self._exported(run_name, picks, box))
        text = ", ".join(
            f"{name} {len(picks)}{dropped_text(dropped[name])}" for name, picks in kept.items()
        )
        counts = {
            name: {"picks": len(picks), "dropped": dropped[name]} for name, picks in kept.items()
        }
        return RunOutcome(run_name, "done", text, {"objects": counts})

    def _box(self, run_name: str) -> TomogramBox | None:
        settings = self.settings
        centred = settings.to == "relion5" and settings.tomograms is None
        pixels = settings.to in _IN_PIXELS and settings.pixel_size is None
        if centred or pixels or settings.needs_box:
            return box_of_run(self.store, run_name, settings.tomogram)
        return None

    def _exported(self, run_name: str, picks: PickSet, box: TomogramBox | None) -> ExportedRun:
        settings = self.settings
        name = self.names.of_run(run_name)
        if settings.to == "relion5":
            x, y, z = (0.0, 0.0, 0.0) if box is None else box.middle_xyz
            return ExportedRun(run_name, name, picks, centre_xyz=(float(x), float(y), float(z)))
        pixel_size = None
        if settings.to in _IN_PIXELS:
            unbinned = settings.pixel_size
            if unbinned is None and box is not None:
                unbinned = box.key.voxel_spacing
            pixel_size = None if unbinned is None else unbinned * settings.binning
        return ExportedRun(run_name, name, picks, pixel_size=pixel_size)


def _check_pixels(settings: ExportPicksSettings) -> None:
    if settings.to == "relion4" and settings.pixel_size is None:
        msg = (
            "--to relion4 needs --pixel-size: RELION 4 counts in unbinned pixels of the tilt "
            "series, which the project does not know"
        )
        raise SettingsError(msg)
    if settings.to not in _IN_PIXELS and (settings.pixel_size or settings.binning != 1):
        msg = f"--to {settings.to} writes Angstrom; --pixel-size and --binning have no meaning"
        raise SettingsError(msg)
    if settings.tomograms is not None and settings.to != "relion5":
        msg = f"--tomograms is read for --to relion5 only, not {settings.to}"
        raise SettingsError(msg)


def _write(job: _Job, reporter: Reporter) -> dict[str, Any]:
    """Write the files and return figures for the summary."""
    settings = job.settings
    if not job.read:
        msg = f"no picks are left to export from '{settings.input}'"
        raise DataError(msg)
    files = _files(job)
    places = {path: _places(path, settings) for path in files}
    for output in (each for outputs in places.values() for each in outputs.values()):
        output.may_be_same()
    star = settings.tomograms
    options = WriteOptions(
        is_binned=settings.binning != 1,
        subset_seed=settings.seed if settings.random_subset else None,
        tomograms=None if star is None else read_tomograms_star(Path(star)),
    )
    counts = {str(path): sum(len(run.picks) for run in runs) for path, runs in files.items()}
    made = {
        path: {
            _record_path(path): _record(settings, runs).encode(),  # what it lies beside is ours
            **particle_files(path, settings.to, runs, options),
        }
        for path, runs in files.items()
    }
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
    reporter.table("Would write" if settings.dry_run else "Files", ("file", "picks"), rows)
    for line in _advice(settings, files):
        reporter.note(line)
    return {"files": counts}


def _places(path: Path, settings: ExportPicksSettings) -> dict[Path, Output]:
    """Return where the files of one object go, and their record: what no export made stays."""
    kind = own_file(lambda _: _is_record(_record_path(path)))
    names = file_names(path, settings.to)
    overwrite, advice = settings.overwrite, "another folder"
    places = {name: Output(name, kind, overwrite, advice) for name in names}
    record = _record_path(path)  # an earlier one goes with the file that it speaks of
    return {**places, record: Output(record, kind, overwrite, advice, renews=True)}


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.provenance.yaml")


def _is_record(path: Path) -> bool:
    record = from_stored(from_yaml(path.read_bytes(), path.name))
    return record is not None and record.get("command") == _COMMAND


def _files(job: _Job) -> dict[Path, list[ExportedRun]]:
    folder, suffix = Path(job.settings.output), SUFFIXES[job.settings.to]
    if not job.settings.per_run:
        return {folder / f"{name}{suffix}": runs for name, runs in job.read.items()}
    return {
        folder / f"{run.run_name}_{name}{suffix}": [run]
        for name, runs in job.read.items()
        for run in runs
    }


def _advice(settings: ExportPicksSettings, files: Mapping[Path, list[ExportedRun]]) -> list[str]:
    """Return what the other program must be told, in words."""
    sizes = sorted({run.pixel_size for runs in files.values() for run in runs if run.pixel_size})
    shown = ", ".join(f"{size:.10g}" for size in sizes)
    if settings.to == "warp":
        return [f"Coordinates count pixels of {shown} A: give WarpTools --coords_angpix {shown}"]
    if settings.to == "relion4" and settings.binning != 1:
        return [f"Coordinates count pixels of {shown} A, {settings.binning:g} of the tilt series'"]
    return [f"Coordinates count pixels of {shown} A"] if shown else []


def _record(settings: ExportPicksSettings, runs: list[ExportedRun]) -> str:
    content = settings.model_dump(mode="json", exclude={"json_file", "overwrite", "dry_run"})
    record = new_record(
        _COMMAND, settings=content, runs={run.run_name: len(run.picks) for run in runs}
    )
    return to_yaml(to_stored(record, "the export")).decode("utf-8")
