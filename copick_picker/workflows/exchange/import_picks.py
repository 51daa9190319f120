"""Read other programs' particle files into the pick sets of a project's runs."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.localize.limits import inside
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import check_object_names, select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.formats.cells import ReadOptions
from copick_picker.project.formats.particle_readers import read_particles
from copick_picker.project.store import OutputKey
from copick_picker.project.uris import picks_output
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import ParticleTable, PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.import_ import IMPORT_USER, ImportPicksSettings
from copick_picker.workflows.exchange.import_rows import Rows, rows_by_object, rows_by_run
from copick_picker.workflows.inputs.pick_sets import TomogramBox, box_of_run

FloatArray = npt.NDArray[np.float64]
_LISTED = 5
_SAME_SIZE = 0.001
"""Relative difference of two pixel sizes that are one, given with few digits."""


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
    everywhere = settings.model_copy(update={"run_names": (), "shard": None})
    job = Job.open("import picks", everywhere, reporter=reporter)
    if settings.tomogram != "*":
        job.tomograms(settings.tomogram).check_any(job.run_names)
    if output.object_name != "*":
        check_object_names([output.object_name], job.specs, "--output")
    path = Path(settings.file)
    options = ReadOptions(
        settings.score_column,
        settings.pixel_size,
        settings.skip_bad_rows,
        needs_names=settings.run is None,
    )
    table = read_particles(path, options)
    _report(settings, table, reporter)
    objects = rows_by_object(settings, table, output.object_name, list(job.specs), reporter)
    taken = np.unique(np.concatenate([np.zeros(0, np.int64), *objects.values()]))
    table, place = table.chosen(taken), {int(row): at for at, row in enumerate(taken)}
    runs = rows_by_run(settings, table, list(job.run_names), reporter)
    chosen = select_runs(list(runs), settings.run_names, shard=settings.shard)
    job = replace(job, settings=settings, run_names=tuple(chosen))
    record = new_record(
        "import picks",
        input={
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "convention": table.convention,
        },
        settings=settings.recorded(),
    )
    of_object = {
        output.key(name): np.array([place[int(row)] for row in rows], dtype=np.int64)
        for name, rows in objects.items()
    }
    return job.run(_Import(job, table, runs, of_object, record))


def _report(settings: ImportPicksSettings, table: ParticleTable, reporter: Reporter) -> None:
    """Say what was taken from where: convention, scale, scores; and what is not read."""
    scores = f"scores from {table.score_from}" if table.score_from else "no scores, so 1 for all"
    reporter.note(
        f"{settings.file}: {len(table)} particles; read as {table.convention}; "
        f"{_scale_text(settings, table)}{scores}"
    )
    if table.unread:
        reporter.note(f"Columns not read: {', '.join(table.unread)}")
    for note in table.notes:
        reporter.warn(note) if "left out" in note else reporter.note(note)
    if settings.pixel_size is not None and not table.unit.endswith("pixels"):
        msg = f"--pixel-size does not apply: {settings.file} counts {table.unit}, not pixels"
        raise SettingsError(msg)


def _scale_text(settings: ImportPicksSettings, table: ParticleTable) -> str:
    """Return how large the pixels of the coordinates are, and who says so."""
    if not table.unit.endswith("pixels"):
        return ""
    stated = ""
    sizes = np.zeros(0) if table.pixel_size is None else table.pixel_size
    sizes = sizes[np.isfinite(sizes)]
    if len(sizes):
        low, high = sizes.min(), sizes.max()
        stated = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
        stated = f"{stated} A ({table.scale_from})"
    if settings.pixel_size is not None:
        against = f", not {stated}" if stated else ""
        return f"pixels of {settings.pixel_size:g} A (--pixel-size){against}; "
    if stated:
        return f"pixels of {stated}; "
    return "pixels are the tomogram's voxels; " if table.unit == "pixels" else ""


@dataclass(frozen=True)
class _Import:
    """The recipe of ``import picks``: the runs that a file names."""

    job: Job[ImportPicksSettings]
    table: ParticleTable
    rows: dict[str, Rows]
    objects: dict[PicksKey, Rows]
    record: dict[str, Any]

    def plan(self, run_name: str) -> Plan[dict[PicksKey, Rows]]:
        """Return the pick sets to make for a run."""
        given = {
            key: np.intersect1d(self.rows[run_name], rows) for key, rows in self.objects.items()
        }
        is_empty = len(self.rows[run_name]) == 0
        given = {key: rows for key, rows in given.items() if len(rows) or is_empty}
        shown = ", ".join(map(str, given))
        return Plan(given, dict.fromkeys(given, self.record), f"{shown} is complete")

    def make(
        self,
        run_name: str,
        plan: Plan[dict[PicksKey, Rows]],
        missing: Collection[OutputKey],
    ) -> RunOutcome:
        """Store the picks of one run."""
        box = box_of_run(self.job.store, run_name, self.job.settings.tomogram)
        made = {
            key: self._picks(run_name, key, rows, box)
            for key, rows in plan.given.items()
            if key in missing
        }
        kept = sum(len(picks) for picks, _ in made.values())
        details = {"picks": kept, "outside": sum(outside for _, outside in made.values())}
        text = ", ".join(f"{len(picks)} picks -> {key}" for key, (picks, _) in made.items())
        text += self._converted(plan.given, box)
        if self.job.settings.dry_run:
            return RunOutcome(run_name, "planned", text, details)
        written = [
            self.job.write_picks(run_name, key, picks, self.record)
            for key, (picks, _) in made.items()
        ]
        shown = ", ".join(map(str, made))
        return self.job.finished(run_name, written, shown, text, details)

    def _picks(
        self, run_name: str, key: PicksKey, rows: Rows, box: TomogramBox
    ) -> tuple[PickSet, int]:
        """Return the picks of an object in a run, and how many lie outside."""
        settings, table = self.job.settings, self.table
        points = self._points(rows, box)
        within = inside(points, box.last_xyz, -0.5 * box.key.voxel_spacing)
        self._report_outside(run_name, points[~within], len(points), box)
        keep = np.ones_like(within) if settings.keep_outside else within
        scores = np.ones(len(rows)) if table.scores is None else table.scores[rows]
        rotations = None if table.rotations is None else table.rotations[rows]
        ids = None if table.instance_ids is None else table.instance_ids[rows]
        picks = PickSet(key.object_name, points, scores, rotations, ids).chosen(keep)
        return picks, int((~within).sum())

    def _converted(self, given: dict[PicksKey, Rows], box: TomogramBox) -> str:
        """Return that pixels of another size than the tomogram's were converted, in words."""
        rows = np.concatenate([np.zeros(0, np.int64), *given.values()])
        if self.table.unit != "pixels" or len(rows) == 0:
            return ""
        spacing = box.key.voxel_spacing
        sizes = np.unique(self._pixel_size(rows, box))
        if np.abs(sizes - spacing).max() <= _SAME_SIZE * spacing:
            return ""
        return f" (from pixels of {sizes[0]:.6g} A; {box.key} has {spacing:g} A)"

    def _points(self, rows: Rows, box: TomogramBox) -> FloatArray:
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

    def _pixel_size(self, rows: Rows, box: TomogramBox) -> FloatArray:
        if self.job.settings.pixel_size is not None:
            return np.full((1, 1), self.job.settings.pixel_size)
        if self.table.pixel_size is not None:
            return self.table.pixel_size[rows, None]
        if self.table.unit == "pixels":
            return np.full((1, 1), box.key.voxel_spacing)
        msg = (
            f"{self.job.settings.file} counts {self.table.unit} without an optics table or "
            "column that gives their size: use --pixel-size A"
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
                f"run {run_name}: all {n_points} points lie outside {box.key} ({size} A), "
                f"the first at {_place(outside[0])}: check the pixel size (--pixel-size)"
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
