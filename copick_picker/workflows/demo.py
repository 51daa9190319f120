"""The main job on two projects that the package brings along: one real, one simulated."""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.segment.device import use_threads
from copick_picker.errors import ConflictError, UnknownNameError, choices_text
from copick_picker.project.files import remove
from copick_picker.project.tables import read_csv
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.files import option_name
from copick_picker.settings.job import JobSettings
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.demo_projects import (
    VLP_NAME,
    make_real_project,
    make_simulated_project,
    vlp_centres,
)
from copick_picker.workflows.evaluate import evaluate
from copick_picker.workflows.localize import localize
from copick_picker.workflows.runs import Reporter, Summary
from copick_picker.workflows.segment import segment

MARK = ".copick-picker-demo"
"""File that says that a folder was made by the demo, and may be replaced by it."""


@dataclass(frozen=True)
class Part:
    """One of the demo's projects and what is done with it.

    Attributes
    ----------
    name : str
        Name of the part and of its folder.
    title : str
        What it is.
    make : callable
        Folder -> configuration of the project.
    segment, localize, evaluate : dict
        Settings of the three commands beside the project.
    """

    name: str
    title: str
    make: Callable[[Path], Path]
    segment: dict[str, Any]
    localize: dict[str, Any]
    evaluate: dict[str, Any]


PARTS = (
    Part(
        name="real",
        title="Real: a tomogram of immature HIV-1 virus-like particles (EMPIAR-10164), 11 "
        "reference picks; the model has seen simulated tomograms only",
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
    """Run the main job on the demo's projects and return the exit code.

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
        Where everything is said.

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
    _make_folder(folder, overwrite=overwrite)
    use_threads(threads)
    code = 0
    for part in PARTS:
        if not parts or part.name in parts:
            code = max(code, _run(part, folder / part.name, reporter))
    return code


def _make_folder(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not overwrite or not (folder / MARK).exists():
            reason = (
                "use --overwrite" if (folder / MARK).exists() else "it was not made by the demo"
            )
            msg = f"{folder} exists and is not empty: {reason}, or choose another --output"
            raise ConflictError(msg)
        remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _run(part: Part, folder: Path, reporter: Reporter) -> int:
    """Run one part in its folder and return its exit code."""
    began = time.perf_counter()
    reporter.note(f"\n=== {part.title} ===")
    config = str(part.make(folder))
    reporter.note(f"project: {config} ({time.perf_counter() - began:.0f} s)")
    scores = str(folder / "scores")
    steps: tuple[tuple[str, Callable[..., Summary], JobSettings], ...] = (
        (
            "segment",
            segment,
            SegmentSettings(config=config, probabilities=True, **part.segment),
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
    pictures = sorted(str(path) for path in (folder / "scores").glob("slices_*.png"))
    reporter.note(
        f"pictures: {choices_text(pictures)} ({time.perf_counter() - began:.0f} s in all)"
    )
    return code


def command_line(command: str, settings: JobSettings) -> str:
    """Return the command line that means the settings.

    Parameters
    ----------
    command : str
        Name of the command.
    settings : JobSettings
        Its settings; those that are defaults are left out.
    """
    words = ["copick-picker", command]
    fields = type(settings).model_fields
    for name, field in fields.items():
        value = getattr(settings, name)
        if name not in settings.model_fields_set or value == field.default:
            continue
        values = value if isinstance(value, tuple) else (value,)
        for one in values:
            words += [option_name(name)] if one is True else [option_name(name), str(one)]
    return shlex.join(words)


def annotated_error(matches_csv: Path) -> str:
    """Return in words how far the found virus-like particles are from their annotated centres.

    Parameters
    ----------
    matches_csv : pathlib.Path
        The table that ``evaluate`` wrote.
    """
    annotated = np.array([centre[:3] for centre in vlp_centres() if centre[3]])
    errors = []
    for row in read_csv(matches_csv):
        if row["kind"] != "reference" or row["object"] != VLP_NAME or not row["distance_angstrom"]:
            continue
        point = np.array([float(row[f"{axis}_angstrom"]) for axis in "xyz"])
        if np.linalg.norm(annotated - point, axis=1).min() < 1.0:
            errors.append(float(row["distance_angstrom"]))
    if not errors:
        return f"none of the {len(annotated)} annotated centres was found"
    return (
        f"{len(errors)} of the {len(annotated)} annotated centres found, "
        f"mean error {np.mean(errors):.1f} A (a voxel is 40 A)"
    )
