"""``extract``: subvolumes at picks, with tables for RELION and Dynamo."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.segment.boxes import BoxRules, box_places, cut_boxes
from copick_picker.errors import CopickPickerError, DataError, ProjectError, SettingsError
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job
from copick_picker.jobs.provenance import new_record, same_job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.files import replacing, write_bytes, write_text
from copick_picker.project.formats.subvolumes import (
    STACK_FILE,
    BoxWriter,
    CutRun,
    Optics,
    dynamo_star,
    dynamo_table,
    particle_file,
    relion_star,
)
from copick_picker.project.provenance import from_stored, from_yaml, to_stored, to_yaml
from copick_picker.project.standing import Output, own_file, own_folder
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.extract import BOX_RADII, ExtractSettings
from copick_picker.workflows.inputs.contrast import contrast_of
from copick_picker.workflows.inputs.pick_sets import (
    Limited,
    TomogramBox,
    check_limits,
    limited_run,
    sets_of_run,
    thresholds_of_runs,
)
from copick_picker.workflows.inputs.shown_tomogram import tomogram_of_picks

_COMMAND = "extract"
RECORD_FILE = "extract.yaml"
RELION_FILE, DYNAMO_FILE, DYNAMO_TABLE = "particles.star", "dynamo.star", "dynamo.tbl"
_OWN = ("particle_*.mrc", STACK_FILE, RECORD_FILE)
HASHES_FILE = "tables.sha256"
_HEADER = 1024
_LOOKED_AT = 64
"""Planes in the middle of a tomogram by which its contrast is told."""


@summarised
def extract(settings: ExtractSettings, *, reporter: Reporter) -> Summary:
    """Cut subvolumes at the picks of a project and return the outcome of every run.

    Parameters
    ----------
    settings : ExtractSettings
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
    work = _Extraction(job, picks)
    work = replace(work, thresholds=thresholds_of_runs(job, work.sets_of))
    work.check_sizes()
    summary = process_runs(_COMMAND, job.run_names, InTurn(work.run), reporter=reporter)
    if settings.dry_run:
        return summary
    if summary.n_failed:
        reporter.warn("the tables list the finished runs; repeat the command for the others")
    return replace(summary, figures={"files": work.write_tables()})


@dataclass(frozen=True)
class _Extraction:
    """One extraction over runs; collects what the tables say."""

    job: Job[ExtractSettings]
    picks: Input[PicksKey]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    cut: dict[str, list[CutRun]] = field(default_factory=dict)

    def sets_of(self, run_name: str) -> dict[str, PickSet]:
        """Return the picks of a run by object, before any limit."""
        keys = sets_of_run(self.picks, run_name, self.job.settings.objects)
        return {name: self.job.store.read_picks(run_name, key) for name, key in keys.items()}

    def check_sizes(self) -> None:
        """Raise where a box has no size, or no room for its background, before any run."""
        settings = self.job.settings
        needs_ball = settings.normalisation == "background"
        if settings.size is not None and not needs_ball:
            return
        runs: dict[str, list[str]] = {}
        for run_name in self.job.run_names:
            for name in sets_of_run(self.picks, run_name, settings.objects):
                runs.setdefault(name, []).append(run_name)
        without = sorted(name for name in runs if not self._radius(name))
        if without and settings.size is None:
            msg = f"the project has no radius for {', '.join(without)}: give --size VOXELS"
            raise SettingsError(msg)
        for name, holding in runs.items() if needs_ball else ():
            for spacing in {each for run_name in holding for each in self._spacings(run_name)}:
                self._rules(name, spacing)

    def _spacings(self, run_name: str) -> tuple[float, ...]:
        """Return the spacing of a run's tomogram; none where it is not clear: the run says why."""
        settings = self.job.settings
        try:
            key = tomogram_of_picks(self.job.store, run_name, settings.tomogram, settings.input)
        except CopickPickerError:
            return ()
        return (key.voxel_spacing,)

    def _limited(self, run_name: str, sets: Mapping[str, PickSet]) -> tuple[TomogramBox, Limited]:
        settings, store = self.job.settings, self.job.store
        key = tomogram_of_picks(store, run_name, settings.tomogram, settings.input)
        box = TomogramBox(key, _three(store.open_tomogram(run_name, key).shape))
        return box, limited_run(self.job, run_name, sets, box, self.thresholds)

    def run(self, run_name: str) -> RunOutcome:
        """Cut the subvolumes of one run."""
        settings = self.job.settings
        sets = self.sets_of(run_name)
        if not sets:
            return self.job.absent(run_name, f"no picks '{settings.input}'")
        box, limited = self._limited(run_name, sets)
        outcomes: list[str] = []
        is_new, numbers = False, {}
        for name, kept in limited.kept.items():
            made, words = self._object(run_name, kept, box)
            is_new, numbers[name] = is_new or made, words
            outcomes.append(f"{name} {words}")
        if settings.dry_run:
            return RunOutcome(run_name, "planned", "; ".join(outcomes))
        state = "done" if is_new else "skipped"
        text = "; ".join(outcomes) + ("" if is_new else ": complete")
        return RunOutcome(run_name, state, text, {"objects": numbers, **limited.details})

    def _object(self, run_name: str, picks: PickSet, box: TomogramBox) -> tuple[bool, str]:
        """Cut the subvolumes of one object in a run; return whether any is new, and words."""
        cut, rules = self._planned(run_name, picks, box)
        left_out = len(picks) - len(cut.picks)
        words = f"{len(cut.picks)} subvolumes of {rules.size} voxels' edge" + (
            f" ({left_out} left out: the box leaves the tomogram)" if left_out else ""
        )
        if self.job.settings.dry_run:
            return False, words
        record = self._record(cut, box.key, rules)
        is_new = self._write(cut, box.key, rules, record)
        self.cut.setdefault(picks.object_name, []).append(cut)
        return is_new, words

    def _planned(self, run_name: str, picks: PickSet, box: TomogramBox) -> tuple[CutRun, BoxRules]:
        """Return the subvolumes of an object in a run, and how they are made."""
        settings, spacing = self.job.settings, box.key.voxel_spacing
        rules = self._rules(picks.object_name, spacing)
        places = box_places(picks.points_xyz, spacing, box.shape_zyx, rules)
        kept = np.flatnonzero(places.is_inside)
        folder = Path(settings.output) / picks.object_name / run_name
        cut = CutRun(
            run_name,
            folder,
            picks.chosen(kept),
            places.centres_xyz[kept],
            places.shifts_xyz[kept],
            spacing,
            rules.size,
        )
        return cut, rules

    def _write(
        self, cut: CutRun, key: TomogramKey, rules: BoxRules, record: Mapping[str, Any]
    ) -> bool:
        """Write a folder of subvolumes unless the same job made it; return whether it is new."""
        settings = self.job.settings
        place = Output(cut.folder, own_folder(_foreign), settings.overwrite, "another --output")
        if not settings.overwrite:
            there = _record_of(cut.folder)
            difference = "no record" if there is None else same_job(there, record)
            if there is not None and not difference:
                if _is_whole(cut, rules, settings.layout):
                    return False
                place = replace(place, overwrite=True)
            elif there is not None:
                msg = (
                    f"{cut.folder} was made with other settings ({difference}); use "
                    "--overwrite or another --output"
                )
                raise DataError(msg)
        place.check()
        volume = self.job.store.open_tomogram(cut.run_name, key)
        where = box_places(cut.picks.points_xyz, cut.voxel_spacing, _three(volume.shape), rules)
        with replacing(cut.folder, permit=place.check) as temporary:
            temporary.mkdir()
            writer = BoxWriter(
                temporary,
                len(cut.picks),
                rules.size,
                cut.voxel_spacing * rules.binning,
                is_stack=settings.layout == "stack",
            )
            for row, values in cut_boxes(volume, where, rules):
                if not np.isfinite(values).all():
                    msg = f"{key} is NaN or infinite in the box of pick {row + 1}"
                    raise DataError(msg)
                writer.write(row + 1, values)
            writer.close()
            (temporary / RECORD_FILE).write_bytes(to_yaml(to_stored(record, "the extraction")))
        return True

    def _rules(self, name: str, spacing: float) -> BoxRules:
        settings, radius = self.job.settings, self._radius(name)
        written = spacing * settings.binning
        size = settings.size or 2 * int(np.ceil(BOX_RADII * (radius or 0.0) / written / 2.0))
        size = max(size, 4)
        ball = 0.0
        if settings.normalisation == "background":
            ball = (radius or 0.0) / written
            if not ball or ball >= size // 2:
                msg = (
                    f"{name}: --normalisation background needs a radius within the box; the "
                    f"project states {radius or 'none'} A, the box has {size} voxels of "
                    f"{written:g} A"
                )
                raise SettingsError(msg)
        return BoxRules(size, settings.binning, settings.normalisation, ball, settings.invert)

    def _radius(self, name: str) -> float | None:
        spec = self.job.specs.get(name)
        return None if spec is None else spec.radius_angstrom

    def _record(self, cut: CutRun, key: TomogramKey, rules: BoxRules) -> dict[str, Any]:
        settings = self.job.settings
        places = hashlib.sha256(np.round(cut.centres_xyz + cut.shifts_xyz, 4).tobytes())
        return new_record(
            _COMMAND,
            input={
                "tomogram": str(key),
                "picks": settings.input,
                "number": len(cut.picks),
                "places_sha256": places.hexdigest(),
            },
            settings={
                "size": rules.size,
                "binning": rules.binning,
                "layout": settings.layout,
                "normalisation": rules.normalisation,
                "background_radius": rules.background_radius,
                "invert": rules.is_inverted,
            },
        )

    def write_tables(self) -> dict[str, int]:
        """Write the tables of each object; return the number of subvolumes by table."""
        counts: dict[str, int] = {}
        self._add_earlier()
        for name, found in sorted(self.cut.items()):
            runs = sorted((run for run in found if len(run.picks)), key=lambda run: run.run_name)
            if not runs:
                self.job.reporter.warn(f"{name}: no subvolume was cut, so there are no tables")
                continue
            self._say_contrast(name, runs[0])
            tables = self._tables(name, runs)
            self._replace_tables(Path(self.job.settings.output) / name, tables)
            counts |= {str(path): sum(len(run.picks) for run in runs) for path in tables}
        rows = [(path, str(count)) for path, count in counts.items()]
        self.job.reporter.table("Tables", ("file", "subvolumes"), rows)
        return counts

    def _add_earlier(self) -> None:
        """Add what earlier calls cut of other runs just so: tables hold the whole folder."""
        done = set(self.job.run_names)
        for run_name in self.job.store.run_names():
            if run_name in done:
                continue
            sets = self.sets_of(run_name)
            folders = [Path(self.job.settings.output) / name / run_name for name in sets]
            if not any(folder.is_dir() for folder in folders):
                continue
            try:
                box, limited = self._limited(run_name, sets)
            except CopickPickerError as error:
                self.job.reporter.warn(f"run {run_name} is not in the tables: {error}")
                continue
            for name, picks in limited.kept.items():
                cut, rules = self._planned(run_name, picks, box)
                there = _record_of(cut.folder)
                if there is not None and not same_job(there, self._record(cut, box.key, rules)):
                    self.cut.setdefault(name, []).append(cut)

    def _replace_tables(self, folder: Path, tables: Mapping[Path, bytes]) -> None:
        """Write tables; one that this command did not write, or that was edited, stays."""
        hashes = folder / HASHES_FILE
        known = set(hashes.read_text(encoding="utf-8").split()) if hashes.is_file() else set()
        kind = own_file(lambda path: hashlib.sha256(path.read_bytes()).hexdigest() in known)
        advice = "another --output"
        changed = {path: data for path, data in tables.items() if not _holds(path, data)}
        outputs = {path: Output(path, kind, overwrite=True, advice=advice) for path in changed}
        for output in outputs.values():
            output.check()
        digests = sorted(hashlib.sha256(data).hexdigest() for data in tables.values())
        write_text(hashes, "\n".join(sorted(known | set(digests))) + "\n")
        for path, data in changed.items():
            write_bytes(path, data, permit=outputs[path].check)
        write_text(hashes, "\n".join(digests) + "\n")

    def _tables(self, name: str, runs: list[CutRun]) -> dict[Path, bytes]:
        settings = self.job.settings
        folder, is_stack = Path(settings.output) / name, settings.layout == "stack"
        optics = Optics(
            settings.voltage,
            settings.spherical_aberration,
            settings.amplitude_contrast,
            settings.binning,
        )
        tables = {folder / RELION_FILE: relion_star(runs, optics, is_stack=is_stack)}
        if not is_stack:
            tables[folder / DYNAMO_FILE] = dynamo_star(runs)
            tables[folder / DYNAMO_TABLE] = dynamo_table(runs, settings.binning)
        return tables

    def _say_contrast(self, name: str, run: CutRun) -> None:
        """Say how protein looks in the subvolumes, by the first run's tomogram."""
        settings, store = self.job.settings, self.job.store
        key = tomogram_of_picks(store, run.run_name, settings.tomogram, settings.input)
        volume = store.open_tomogram(run.run_name, key)
        first = max((volume.shape[0] - _LOOKED_AT) // 2, 0)
        looks = contrast_of(volume.read(first, first + _LOOKED_AT), stated="auto")
        if settings.invert:
            looks = {"dark": "bright", "bright": "dark"}[looks]
        advice = "; RELION expects bright particles: use --invert" if looks == "dark" else ""
        self.job.reporter.note(f"{name}: protein looks {looks} in the subvolumes{advice}")


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_bytes() == data


def _is_whole(cut: CutRun, rules: BoxRules, layout: str) -> bool:
    """Return whether every file of a run is there, and of its size."""
    number = 4 * rules.size**3
    if layout == "stack":
        sizes = {STACK_FILE: number * len(cut.picks)} if len(cut.picks) else {}
    else:
        sizes = {particle_file(k + 1): number for k in range(len(cut.picks))}
    return all(
        (cut.folder / name).is_file() and (cut.folder / name).stat().st_size == _HEADER + size
        for name, size in sizes.items()
    )


def _foreign(folder: Path) -> list[str]:
    return [
        path.name
        for path in folder.iterdir()
        if not any(fnmatch(path.name, pattern) for pattern in _OWN)
    ]


def _record_of(folder: Path) -> Mapping[str, Any] | None:
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    try:
        return from_stored(from_yaml(path.read_bytes(), path.name))
    except ProjectError:
        return None


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    z, y, x = shape
    return z, y, x
