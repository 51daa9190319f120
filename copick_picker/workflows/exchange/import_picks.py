"""Read other programs' particle files into the pick sets of a project's runs."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.localize.limits import inside
from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import check_object_names, select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.formats.particle_readers import read_particles
from copick_picker.project.formats.tomogram_names import TomogramNames, read_names
from copick_picker.project.store import OutputKey
from copick_picker.project.uris import picks_output, tomogram_query
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import ParticleTable, PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.import_ import IMPORT_USER, ImportPicksSettings
from copick_picker.workflows.inputs.pick_sets import TomogramBox, box_of_run

FloatArray = npt.NDArray[np.float64]
_LISTED = 5


@summarised
def import_picks(settings: ImportPicksSettings, *, reporter: Reporter) -> Summary:
    """Store the particles of a file as pick sets and return the outcome of every run.

    Parameters
    ----------
    settings : ImportPicksSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project, the file or a setting is wrong.
    """
    output = picks_output(settings.output, user_id=IMPORT_USER)
    if output.object_name == "*":
        msg = f"--output '{settings.output}': name the object, such as ribosome:relion/1"
        raise SettingsError(msg)
    tomogram_query(settings.tomogram)
    everywhere = settings.model_copy(update={"run_names": (), "shard": None})
    job = Job.open("import picks", everywhere, reporter=reporter)
    check_object_names([output.object_name], job.specs, "--output")
    path = Path(settings.file)
    table = read_particles(path, object_name=output.object_name)
    reporter.note(f"{path}: {len(table.coordinates)} particles; read as {table.convention}")
    if table.unread:
        reporter.note(f"Columns that are not read: {', '.join(table.unread)}")
    rows = _rows_by_run(settings, table, list(job.run_names), reporter)
    chosen = select_runs(list(rows), settings.run_names, shard=settings.shard)
    job = replace(job, settings=settings, run_names=tuple(chosen))
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    record = new_record(
        "import picks",
        input={"file": path.name, "sha256": content, "convention": table.convention},
        settings=settings.recorded(),
    )
    return job.run(_Import(job, table, rows, output.key(output.object_name), record))


@dataclass(frozen=True)
class _Import:
    """The recipe of ``import picks``: the runs that a file names."""

    job: Job[ImportPicksSettings]
    table: ParticleTable
    rows: dict[str, npt.NDArray[np.int64]]
    key: PicksKey
    record: dict[str, Any]

    def plan(self, run_name: str) -> Plan[npt.NDArray[np.int64]]:
        """Return the pick set to make for a run."""
        return Plan(self.rows[run_name], {self.key: self.record}, f"{self.key} is complete")

    def make(
        self,
        run_name: str,
        plan: Plan[npt.NDArray[np.int64]],
        missing: Collection[OutputKey],  # noqa: ARG002 (the one output)
    ) -> RunOutcome:
        """Store the picks of one run."""
        settings, rows, table = self.job.settings, plan.given, self.table
        box = box_of_run(self.job.store, run_name, settings.tomogram)
        points = self._points(rows, box)
        within = inside(points, box.last_xyz, -0.5 * box.key.voxel_spacing)
        self._report_outside(run_name, points[~within], len(points), box)
        keep = np.ones_like(within) if settings.keep_outside else within
        scores = np.ones(len(rows)) if table.scores is None else table.scores[rows]
        rotations = None if table.rotations is None else table.rotations[rows]
        ids = None if table.instance_ids is None else table.instance_ids[rows]
        picks = PickSet(self.key.object_name, points, scores, rotations, ids).chosen(keep)
        details = {"picks": len(picks), "outside": int((~within).sum())}
        text = f"{len(picks)} picks -> {self.key}"
        if settings.dry_run:
            return RunOutcome(run_name, "planned", text, details)
        written = [self.job.write_picks(run_name, self.key, picks, self.record)]
        return self.job.finished(run_name, written, self.key, text, details)

    def _points(self, rows: npt.NDArray[np.int64], box: TomogramBox) -> FloatArray:
        """Return points (x, y, z) in Angstrom relative to the first voxel."""
        table = self.table
        points = table.coordinates[rows]
        if table.unit.endswith("pixels"):
            points = points * self._pixel_size(rows, box)
        if table.unit == "fractions":
            points = points * 2.0 * box.middle_xyz
        if table.unit == "centred angstrom":
            points = points + box.middle_xyz
        if table.unit == "centred pixels":
            points = points + box.middle_voxel_xyz
        return points + table.offsets_xyz[rows]

    def _pixel_size(self, rows: npt.NDArray[np.int64], box: TomogramBox) -> FloatArray:
        if self.job.settings.pixel_size is not None:
            return np.full((1, 1), self.job.settings.pixel_size)
        if self.table.pixel_size is not None:
            return self.table.pixel_size[rows, None]
        if self.table.unit == "pixels":
            return np.full((1, 1), box.key.voxel_spacing)
        msg = (
            f"{self.job.settings.file} counts {self.table.unit} and has no optics table that says "
            "how large they are: give --pixel-size A"
        )
        raise SettingsError(msg)

    def _report_outside(
        self, run_name: str, outside: FloatArray, n_points: int, box: TomogramBox
    ) -> None:
        if len(outside) == 0:
            return
        size = " x ".join(f"{length:.0f}" for length in 2.0 * box.middle_xyz)
        if len(outside) == n_points and not self.job.settings.keep_outside:
            msg = (
                f"run {run_name}: all {n_points} points lie outside {box.key} ({size} A), the "
                f"first at {_place(outside[0])}: is the pixel size right? (--pixel-size)"
            )
            raise DataError(msg)
        shown = "; ".join(_place(point) for point in outside[:_LISTED])
        more = "; ..." if len(outside) > _LISTED else ""
        kept = "kept" if self.job.settings.keep_outside else "left out (--keep-outside keeps them)"
        self.job.reporter.warn(
            f"run {run_name}: {len(outside)} of {n_points} points lie outside {box.key} "
            f"({size} A) and are {kept}: {shown}{more}"
        )


def _place(point: FloatArray) -> str:
    return "({:.1f}, {:.1f}, {:.1f})".format(*point)


def _rows_by_run(
    settings: ImportPicksSettings, table: ParticleTable, run_names: list[str], reporter: Reporter
) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of the table for each run of the project."""
    if settings.run is not None:
        if settings.run not in run_names:
            msg = f"--run: no run '{settings.run}'; the project has: {_some(run_names)}"
            raise UnknownNameError(msg)
        return {settings.run: np.arange(len(table.coordinates))}
    if not table.names:
        msg = f"{settings.file} does not say which tomogram its particles are of: give --run"
        raise SettingsError(msg)
    names = read_names(settings.names, settings.name_pattern or "{run}", run_names)
    return _matched(settings, table, names, run_names, reporter)


def _matched(
    settings: ImportPicksSettings,
    table: ParticleTable,
    names: TomogramNames,
    run_names: list[str],
    reporter: Reporter,
) -> dict[str, npt.NDArray[np.int64]]:
    found = {name: names.run_of(name, run_names) for name in dict.fromkeys(table.names)}
    unknown = [name for name, run_name in found.items() if run_name is None]
    if len(unknown) == len(found):
        msg = (
            f"{settings.file}: no run is called {_some(unknown)}; the project has: "
            f"{_some(run_names)}; say which is which with --names, --name-pattern or --run"
        )
        raise UnknownNameError(msg)
    if unknown:
        lost = sum(name in unknown for name in table.names)
        reporter.warn(
            f"{lost} particles are of tomograms that are no run of the project, and are left out: "
            f"{_some(unknown)}"
        )
    runs = np.array([found[name] or "" for name in table.names])
    return {
        run_name: np.flatnonzero(runs == run_name)
        for run_name in run_names
        if (runs == run_name).any()
    }


def _some(names: list[str]) -> str:
    return choices_text(names[:10]) + (", ..." if len(names) > 10 else "")
