"""``benchmark compare``: two evaluations of the same runs, run by run and pick by pick."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.evaluate.compare import (
    ComparisonRules,
    Difference,
    paired_differences,
    without_near,
)
from copick_picker.core.evaluate.pairs import FloatArray
from copick_picker.errors import DataError, ProjectError, choices_text
from copick_picker.jobs.execution import Reporter
from copick_picker.jobs.provenance import new_record
from copick_picker.project.files import write_folder
from copick_picker.project.folders.project_folder import check_free_folder, signed
from copick_picker.project.folders.score_folder import SCORES_FILE, ScoreFolder, read_score_folder
from copick_picker.records.scores import PickTable
from copick_picker.report.score_csv import table_csv
from copick_picker.report.score_tables import number_text
from copick_picker.settings.benchmark import CompareSettings
from copick_picker.settings.evaluate import CONFIDENCE, MIN_BOOTSTRAP_RUNS
from copick_picker.workflows.evaluate.rules import check_same_rules

COMPARE_FILE = "compare.json"
CHANGES = ("found", "lost", "new false", "gone false")
"""A reference pick missed by the first and found by the second, or the other way round; a false
candidate of one with none of the other within the tolerance."""
_COLUMNS = ("run", "object", "change", "x_angstrom", "y_angstrom", "z_angstrom", "score")
_FALSE = ("false", "duplicate", "confused")
_SHOWN_RATES = ("precision", "recall", "f1", "f_beta")
_SHOWN_OF_OBJECTS = ("f1", "f_beta")


@dataclass(frozen=True)
class Compared:
    """What became of a comparison."""

    lines: tuple[str, ...]
    exit_code: int = 0

    def text(self) -> str:
        """Return the summary."""
        return "\n".join(self.lines)


def compare(settings: CompareSettings, *, reporter: Reporter) -> Compared:
    """Show by how much the second of two evaluations differs, and write it where asked.

    Parameters
    ----------
    settings : CompareSettings
        What to do.
    reporter : Reporter
        Where the tables go.

    Raises
    ------
    CopickPickerError
        If a folder is missing or broken, or the two were made by other rules.
    """
    if settings.output is not None:
        check_free_folder(Path(settings.output), COMPARE_FILE, overwrite=settings.overwrite)
    paths = [score_folder(Path(name)) for name in (settings.first, settings.second)]
    first, second = (read_score_folder(path) for path in paths)
    check_same_rules(first.values, second.values, names=(str(paths[0]), str(paths[1])))
    differences = _differences(first.values, second.values, settings)
    f_name = f"F{first.values['beta']:g}"
    reporter.table(
        f"{settings.second} less {settings.first}",
        ("", "rate", "first", "second", "difference", "95 % interval"),
        list(_rows(differences, f_name)),
    )
    changes = _changes(first, second)
    numbers = Counter((row["object"], row["change"]) for row in changes)
    names = [entry["object"] for entry in first.values["objects"]]
    reporter.table(
        "Picks that changed",
        ("object", *CHANGES),
        [(name, *(str(numbers[name, change]) for change in CHANGES)) for name in names],
    )
    n_runs = len({entry["run"] for entry in first.values["runs"]})
    lines = [f"compare: {n_runs} runs, {len(changes)} picks changed"]
    if n_runs < MIN_BOOTSTRAP_RUNS:
        lines.append(f"no intervals: they need {MIN_BOOTSTRAP_RUNS} runs")
    if settings.output is not None:
        content = {
            **new_record(
                "benchmark compare",
                input={"first": str(paths[0]), "second": str(paths[1])},
                settings={"bootstrap": settings.bootstrap, "seed": settings.seed},
            ),
            "differences": {
                name: [asdict(entry) for entry in entries] for name, entries in differences.items()
            },
            "changes": {
                name: {change: numbers[name, change] for change in CHANGES} for name in names
            },
        }
        files = {
            COMPARE_FILE: (json.dumps(content, indent=1) + "\n").encode(),
            "changes.csv": table_csv(
                _COLUMNS, changes, [f"first: {paths[0]}; second: {paths[1]}"]
            ).encode(),
        }
        output = Path(settings.output)
        permit = partial(check_free_folder, output, COMPARE_FILE, overwrite=settings.overwrite)
        write_folder(output, signed(files, COMPARE_FILE), permit=permit)
        lines.append(f"written to {settings.output}")
    return Compared(tuple(lines))


def score_folder(path: Path) -> Path:
    """Return the folder of scores that a user means: itself, or the only one of a benchmark.

    Parameters
    ----------
    path : pathlib.Path
        A folder that ``evaluate`` wrote, or the output of ``benchmark run``, or a candidate's
        folder in it.

    Raises
    ------
    ProjectError
        If there is none, or several; they are listed.
    """
    places = [path, path / "scores", *sorted(path.glob("*/scores"))]
    found = [place for place in places if (place / SCORES_FILE).is_file()]
    if len(found) == 1:
        return found[0]
    if not found:
        msg = f"{path} holds no {SCORES_FILE}: expected a folder that evaluate or benchmark wrote"
        raise ProjectError(msg)
    if found[0] == path:
        return path
    msg = f"{path} holds several scores; name one of {choices_text(found)}"
    raise ProjectError(msg)


def _differences(
    first: Mapping[str, Any], second: Mapping[str, Any], settings: CompareSettings
) -> dict[str, list[Difference]]:
    """Return the differences of each object, and of all, by name."""
    objects = [entry["object"] for entry in first["objects"]]
    weights = np.array([entry["weight"] for entry in first["objects"]], dtype=np.float64)
    runs = sorted({entry["run"] for values in (first, second) for entry in values["runs"]})
    pair = [_counts(values, runs, objects) for values in (first, second)]
    counted = [_counted(values, runs, objects) for values in (first, second)]
    both = counted[0] & counted[1]
    rules = ComparisonRules(
        beta=float(first["beta"]),
        n_bootstrap=settings.bootstrap,
        min_bootstrap_runs=MIN_BOOTSTRAP_RUNS,
        confidence=CONFIDENCE,
        absent_is_zero=first["matcher"] != "one-to-one",
    )
    rng = np.random.default_rng(settings.seed)
    found = {}
    for at, name in enumerate(objects):
        here = [counts[both[:, at], at : at + 1] for counts in pair]
        found[name] = paired_differences(
            here[0], here[1], weights[at : at + 1], average="micro", rules=rules, rng=rng
        )
    for average in ("micro", "macro"):
        found[f"all ({average})"] = paired_differences(
            pair[0], pair[1], weights, average=average, rules=rules, rng=rng
        )
    return found


def _counts(values: Mapping[str, Any], runs: Sequence[str], objects: Sequence[str]) -> FloatArray:
    """Return true and false positives and false negatives, shape (run, object, 3)."""
    counts = np.zeros((len(runs), len(objects), 3))
    for entry in values["runs"]:
        numbers = entry["counts"]
        counts[runs.index(entry["run"]), objects.index(entry["object"])] = [
            numbers["true_positives"],
            numbers["false_positives"],
            numbers["false_negatives"],
        ]
    return counts


def _counted(
    values: Mapping[str, Any], runs: Sequence[str], objects: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which runs count for which object, shape (run, object)."""
    counted = np.zeros((len(runs), len(objects)), dtype=np.bool_)
    for entry in values["runs"]:
        counted[runs.index(entry["run"]), objects.index(entry["object"])] = True
    return counted


def _rows(
    differences: Mapping[str, Sequence[Difference]], f_name: str
) -> Sequence[tuple[str, ...]]:
    rows = []
    for name, entries in differences.items():
        for entry in entries:
            if entry.rate not in (_SHOWN_RATES if name.startswith("all ") else _SHOWN_OF_OBJECTS):
                continue
            interval = "n/a"
            if entry.interval is not None:
                interval = f"{entry.interval[0]:+.3f} to {entry.interval[1]:+.3f}"
            rows.append(
                (
                    name,
                    {"f_beta": f_name, "f1": "F1"}.get(entry.rate, entry.rate),
                    number_text(entry.first),
                    number_text(entry.second),
                    "n/a" if entry.difference is None else f"{entry.difference:+.3f}",
                    interval,
                )
            )
    return rows


def _changes(first: ScoreFolder, second: ScoreFolder) -> list[dict[str, Any]]:
    """Return the picks whose fate differs, one row a pick."""
    rows = []
    for entry in first.values["objects"]:
        name, tolerance = entry["object"], entry["tolerance_angstrom"]
        rows += _changed_references(first.picks, second.picks, name)
        if tolerance is not None:
            gone = _only_false(first.picks, second.picks, name, tolerance)
            new = _only_false(second.picks, first.picks, name, tolerance)
            rows += [_row(second.picks, at, "new false") for at in new]
            rows += [_row(first.picks, at, "gone false") for at in gone]
    return sorted(rows, key=lambda row: (row["run"], row["object"], row["change"]))


def _changed_references(first: PickTable, second: PickTable, name: str) -> list[dict[str, Any]]:
    here, there = (picks.rows("reference", object_name=name) for picks in (first, second))
    same = len(here) == len(there) and (first.run_name[here] == second.run_name[there]).all()
    if not same or not np.array_equal(first.points_xyz[here], second.points_xyz[there]):
        msg = f"{name}: the reference picks of the two evaluations differ"
        raise DataError(msg)
    rows = []
    for a, b in zip(here.tolist(), there.tolist(), strict=True):
        before, after = str(first.status[a]), str(second.status[b])
        if before == "missed" and after == "matched":
            rows.append(_row(first, a, "found"))
        elif before == "matched" and after == "missed":
            rows.append(_row(first, a, "lost"))
    return rows


def _only_false(own: PickTable, other: PickTable, name: str, tolerance: float) -> list[int]:
    """Return the rows of false candidates that have no candidate of the other near them."""
    rows = own.rows("candidate", *_FALSE, object_name=name)
    others = other.rows("candidate", object_name=name)
    alone: list[int] = []
    for run_name in np.unique(own.run_name[rows]):
        here = rows[own.run_name[rows] == run_name]
        there = others[other.run_name[others] == run_name]
        far = without_near(own.points_xyz[here], other.points_xyz[there], tolerance)
        alone += here[far].tolist()
    return alone


def _row(picks: PickTable, at: int, change: str) -> dict[str, Any]:
    x, y, z = (f"{value:.3f}" for value in picks.points_xyz[at].tolist())
    score = picks.score[at]
    return {
        "run": str(picks.run_name[at]),
        "object": str(picks.object_name[at]),
        "change": change,
        "x_angstrom": x,
        "y_angstrom": y,
        "z_angstrom": z,
        "score": f"{score:.6g}" if np.isfinite(score) else "",
    }
