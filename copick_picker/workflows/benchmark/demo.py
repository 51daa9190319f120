"""Segment, localize and evaluate two projects made from the package: one real, one simulated."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copick_picker.core.segment.device import use_threads
from copick_picker.errors import ConflictError, UnknownNameError, choices_text
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.copick.making import CONFIG_FILE, config_hash
from copick_picker.project.files import write_text
from copick_picker.project.folders.demo_folder import MARK, PAGE, foreign_of_demo
from copick_picker.project.folders.package_data import annotated_error
from copick_picker.project.folders.project_folder import (
    begin_anew,
    end_anew,
    foreign_files,
)
from copick_picker.project.folders.score_folder import SCORES_FILE, read_json
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.files import command_line
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.report import ReportSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.benchmark.demo_projects import (
    make_real_project,
    make_simulated_project,
)
from copick_picker.workflows.evaluate.evaluate import evaluate
from copick_picker.workflows.localize.localize import localize
from copick_picker.workflows.segment.segment import segment
from copick_picker.workflows.show.report import report

if TYPE_CHECKING:
    from copick_picker.jobs.summary import Summary


_NEXT = """
What to type next:
  copick-picker browse project -c {config}
  copick-picker view {run} -c {config} --reference "*:curator/1" -o {run}.html
  copick-picker model list
  copick-picker import mrc --help
They list what the project holds, draw picks on slices, list the models that ship with the package,
and say how a folder of your own MRC files becomes a project."""
Workflow = Callable[..., "Summary"]


@dataclass(frozen=True)
class Part:
    """One of the demo's projects and the settings of its commands.

    Attributes
    ----------
    name : str
        Name of the part and of its folder.
    title : str
        Title of the part.
    run : str
        Its first run.
    make : callable
        Folder -> configuration of the project.
    segment, localize, evaluate : dict
        Settings of the three commands, without the project.
    """

    name: str
    title: str
    run: str
    make: Callable[[Path], Path]
    segment: dict[str, Any]
    localize: dict[str, Any]
    evaluate: dict[str, Any]


PARTS = (
    Part(
        name="real",
        run="hiv",
        title=(
            "Real: a tomogram of immature HIV-1 virus-like particles (EMPIAR-10164), 11 "
            "reference picks; the model was trained only on simulated tomograms"
        ),
        make=make_real_project,
        segment={"model": "hiv-vlp-40a", "input": "wbp@40.0", "contrast": "bright"},
        localize={},
        evaluate={
            "tolerance": "540A",
            "border_margin_xy_angstrom": 540.0,
            "slices": 1,
            "contrast": "bright",
        },
    ),
    Part(
        name="simulated",
        run="SIM_1",
        title="Simulated: three tomograms of five objects, from seeds that no training used",
        make=make_simulated_project,
        segment={"model": "simulated-10a", "input": "wbp@10.0"},
        localize={},
        evaluate={"tolerance": "0.5r", "slices": 3, "contrast": "dark"},
    ),
)


def demo(
    output: str,
    parts: Sequence[str],
    *,
    overwrite: bool,
    threads: int | None,
    reporter: Reporter,
) -> int:
    """Segment, localize and evaluate the demo's projects and return the exit code.

    Parameters
    ----------
    output : str
        Folder to work in.
    parts : sequence of str
        ``real``, ``simulated``; empty means both.
    overwrite : bool
        Whether the folder of an earlier demo is replaced.
    threads : int or None
        CPU threads.
    reporter : Reporter
        Receives progress and messages.

    Raises
    ------
    ConflictError
        If the folder exists and may not be replaced.
    UnknownNameError
        If there is no such part.
    """
    unknown = [name for name in parts if name not in {part.name for part in PARTS}]
    if unknown:
        msg = f"no part '{unknown[0]}'; parts: {choices_text(part.name for part in PARTS)}"
        raise UnknownNameError(msg)
    folder = Path(output)
    _check_parts(folder, parts)
    _make_folder(folder, overwrite=overwrite)
    use_threads(threads)
    code, done = 0, []
    for part in PARTS:
        if not parts or part.name in parts:
            code = max(code, _run(part, folder / part.name, reporter))
            done.append(part)
    _show_end(done, folder, reporter)
    if code == 0 and (kept := end_anew(folder, foreign_of_demo)):
        reporter.warn(kept)
    return code


def _check_parts(folder: Path, parts: Sequence[str]) -> None:
    """Raise where a part that was not asked for would be replaced too."""
    others = [each.name for each in PARTS if parts and each.name not in parts]
    there = [name for name in others if (folder / name).exists()]
    if there:
        msg = (
            f"{folder} also holds the part {choices_text(there)}, which would be removed: choose "
            "another --output, or leave out --part"
        )
        raise ConflictError(msg)


def _make_folder(folder: Path, *, overwrite: bool) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        msg = f"{folder} is not a folder; choose another --output"
        raise ConflictError(msg)
    if foreign_files(folder, ()):
        is_own = (folder / MARK).is_file()
        if not overwrite or not is_own:
            what = "exists" if is_own else "is not empty and was not made by the demo"
            advice = "use --overwrite, or choose" if is_own else "choose"
            msg = f"{folder} {what}: {advice} another --output"
            raise ConflictError(msg)
        begin_anew(folder, "demo", foreign_of_demo)
    write_text(folder / MARK, "")


def _record_config(folder: Path, config: Path) -> None:
    """Record a part's configuration, so that later changes are noticed."""
    mark = folder.parent / MARK
    known = read_json(mark) if mark.stat().st_size else {}
    known[folder.name] = config_hash(read_json(config))
    write_text(mark, json.dumps(known, indent=1) + "\n")


def _run(part: Part, folder: Path, reporter: Reporter) -> int:
    """Run one part in its folder and return its exit code."""
    began = time.perf_counter()
    reporter.note(f"\n=== {part.title} ===")
    config = str(part.make(folder))
    _record_config(folder, Path(config))
    reporter.note(f"project: {config} ({time.perf_counter() - began:.0f} s)")
    scores = str(folder / "scores")
    steps: tuple[tuple[str, Workflow, Any], ...] = (
        (
            "segment",
            segment,
            SegmentSettings(config=config, **part.segment),
        ),
        ("localize", localize, LocalizeSettings(config=config, **part.localize)),
        (
            "evaluate",
            evaluate,
            EvaluateSettings(
                config=config, reference="*:curator/1", output=scores, **part.evaluate
            ),
        ),
    )
    code = 0
    for name, workflow, settings in steps:
        reporter.note("\n$ " + command_line(name, settings))
        summary = workflow(settings, reporter=reporter)
        reporter.note(summary.text())
        code = max(code, summary.exit_code)
    if part.name == "real":
        reporter.note(annotated_error(folder / "scores" / "matches.csv"))
    given = ReportSettings(
        scores=(scores,),
        output=str(folder / PAGE),
        title=part.title.split(";", 1)[0],
        contrast=part.evaluate["contrast"],
    )
    reporter.note("\n$ " + command_line("report", given))
    made = report(given, reporter=reporter)
    reporter.note(f"{made.text()} ({time.perf_counter() - began:.0f} s in all)")
    return max(code, made.exit_code)


def _show_end(parts: Sequence[Part], folder: Path, reporter: Reporter) -> None:
    """Sum up the scores of the demo, and say where they are and what to type next."""
    rows = []
    for part in parts:
        scores = folder / part.name / "scores"
        if not (scores / SCORES_FILE).is_file():
            continue
        micro = read_json(scores / SCORES_FILE)["totals"]["micro"]
        kinds = ("true_positives", "false_positives", "false_negatives")
        counts = [str(micro["counts"][kind]) for kind in kinds]
        figures = [f"{micro[kind]:.3f}" for kind in ("precision", "recall", "f1")]
        rows.append((part.name, *counts, *figures, str(folder / part.name / PAGE)))
    columns = ("project", "TP", "FP", "FN", "P", "R", "F1", "page (open in a browser)")
    reporter.note("")
    reporter.table("Demo", columns, rows)
    first = folder / parts[0].name
    pictures = sorted(str(path) for path in first.glob("scores/slices_*.png"))
    reporter.note(f"pictures: {choices_text(pictures)}")
    reporter.note(_NEXT.format(config=first / CONFIG_FILE, run=parts[0].run))
