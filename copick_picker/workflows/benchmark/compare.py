"""``benchmark compare``: two evaluations of the same runs, run by run and pick by pick."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from copick_picker.core.evaluate.compare import (
    ComparisonRules,
    Difference,
)
from copick_picker.core.evaluate.score_changes import CHANGES, changed_picks, score_differences
from copick_picker.errors import ProjectError, choices_text
from copick_picker.jobs.provenance import new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result
from copick_picker.project.files import write_folder
from copick_picker.project.folders.project_folder import check_free_folder, signed
from copick_picker.project.folders.score_folder import SCORES_FILE, read_score_folder
from copick_picker.project.folders.score_rules import check_same_rules
from copick_picker.records.scores import ABSENT_SCORES_ZERO
from copick_picker.report.score_csv import table_csv
from copick_picker.report.score_tables import number_text
from copick_picker.settings.benchmark import CompareSettings
from copick_picker.settings.evaluate import CONFIDENCE, MIN_BOOTSTRAP_RUNS

COMPARE_FILE = "compare.json"
_COLUMNS = ("run", "object", "change", "x_angstrom", "y_angstrom", "z_angstrom", "score")
_SHOWN_RATES = ("precision", "recall", "f1", "f_beta")
_SHOWN_OF_OBJECTS = ("f1", "f_beta")


def compare(settings: CompareSettings, *, reporter: Reporter) -> Result:
    """Show by how much the second of two evaluations differs; optionally write it.

    Parameters
    ----------
    settings : CompareSettings
        Settings of the command.
    reporter : Reporter
        Receives the tables.

    Raises
    ------
    CopickPickerError
        If a folder is missing or broken, or the two were made with different rules.
    """
    if settings.output is not None:
        check_free_folder(Path(settings.output), COMPARE_FILE, overwrite=settings.overwrite)
    paths = [score_folder(Path(name)) for name in (settings.first, settings.second)]
    first, second = (read_score_folder(path) for path in paths)
    check_same_rules(first.values, second.values, names=(str(paths[0]), str(paths[1])))
    differences = score_differences(
        first.values,
        second.values,
        ComparisonRules(
            beta=float(first.values["beta"]),
            n_bootstrap=settings.bootstrap,
            min_bootstrap_runs=MIN_BOOTSTRAP_RUNS,
            confidence=CONFIDENCE,
            absent_is_zero=first.values["matcher"] in ABSENT_SCORES_ZERO,
        ),
        np.random.default_rng(settings.seed),
    )
    f_name = f"F{first.values['beta']:g}"
    reporter.table(
        f"{settings.second} less {settings.first}",
        ("", "rate", "first", "second", "difference", "95 % interval"),
        list(_rows(differences, f_name)),
    )
    changes = changed_picks(first.values, first.picks, second.picks)
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
        lines.append(f"no intervals: they need at least {MIN_BOOTSTRAP_RUNS} runs")
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
    return Result("\n".join(lines))


def score_folder(path: Path) -> Path:
    """Return the folder of scores at a path: the path itself, or the only one of a benchmark.

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
        msg = (
            f"{path} contains no {SCORES_FILE}: expected a folder that evaluate or benchmark wrote"
        )
        raise ProjectError(msg)
    if found[0] == path:
        return path
    msg = f"{path} holds several scores; name one of {choices_text(found)}"
    raise ProjectError(msg)


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
