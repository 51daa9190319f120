"""``benchmark run``: a suite's project, then segment, localize, evaluate and report; resumable."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copick_picker._version import __version__
from copick_picker.core.segment.device import use_threads
from copick_picker.errors import ConflictError, choices_text
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Result, Summary
from copick_picker.project.files import write_text
from copick_picker.project.folders.benchmark_folder import (
    SEGMENTATION,
    STAGES_FILE,
    SUITE_FILE,
    USER,
    Stages,
    foreign_of_benchmark,
    is_own_suite,
    suite_text,
)
from copick_picker.project.folders.project_folder import (
    begin_anew,
    end_anew,
    foreign_files,
    refuse_foreign,
)
from copick_picker.project.folders.score_folder import SCORES_FILE, read_scores
from copick_picker.records.plain_text import load_yaml
from copick_picker.report.score_tables import number_text
from copick_picker.settings.benchmark import RunSettings, Suite, asked_suite
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.job import JobSettings
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.report import ReportSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.benchmark.project import prepare_project
from copick_picker.workflows.benchmark.stages import TimedReporter, picks_fingerprint
from copick_picker.workflows.evaluate.evaluate import evaluate
from copick_picker.workflows.localize.localize import localize
from copick_picker.workflows.segment.segment import segment
from copick_picker.workflows.show.report import report


def benchmark(settings: RunSettings, *, reporter: Reporter) -> Result:
    """Run a suite, or what is left of it, and return its result.

    Parameters
    ----------
    settings : RunSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the suite, its project or a model is wrong, or the folder contains something else.
    """
    suite = asked_suite(settings)
    folder = Path(settings.output)
    _take_folder(folder, suite, overwrite=settings.overwrite)
    stages = Stages(folder / STAGES_FILE)
    for label in {*suite.models, *suite.also} - {*stages.labels}:
        refuse_foreign(folder / label, "this benchmark", foreign_files(folder / label, ()))
    stages.begin(suite.models, suite.also)
    use_threads(settings.threads)
    reporter.note(f"=== {suite.title} ===")
    config = prepare_project(suite, folder, reporter=reporter)
    job = _Benchmark(settings, suite, folder, config, stages, reporter)
    lines = []
    for label, model in suite.models.items():
        problem = job.pick(label, model)
        if problem:
            lines.append(f"benchmark: {label}: {problem}")
    if lines:
        return Result("\n".join([*lines, "benchmark: run the same command again to resume"]), 1)
    candidates = [*suite.models, *suite.also]
    code = max(job.score(label) for label in candidates)
    job.show(candidates)
    for label in candidates:
        code = max(code, job.report(label, candidates))
        lines.append(f"benchmark: {label}: {folder / label / 'report.html'}")
    if code == 0 and (kept := end_anew(folder, foreign_of_benchmark)):
        reporter.warn(kept)
    return Result("\n".join(lines), code)


def _take_folder(folder: Path, suite: Suite, *, overwrite: bool) -> None:
    """Make the folder of a benchmark, or check that it holds this one."""
    content = suite.model_dump(mode="json", exclude_defaults=True)
    # candidates may be added and runs left out without redoing the rest
    fixed = {key: value for key, value in content.items() if key not in ("models", "also")}
    file = folder / SUITE_FILE
    if is_own_suite(file):
        found = load_yaml(file.read_text(encoding="utf-8")) or {}
        other = [key for key in {*found, *fixed} if found.get(key) != fixed.get(key)]
        if not other and not overwrite:
            return
        if not overwrite:
            msg = (
                f"{folder} contains another benchmark ({choices_text(sorted(other))} "
                "differ); use --overwrite or another --output"
            )
            raise ConflictError(msg)
        begin_anew(folder, "benchmark", foreign_of_benchmark)
    elif os.path.lexists(folder) and (not folder.is_dir() or foreign_files(folder, ())):
        msg = f"{folder} exists and contains no benchmark; choose another --output"
        raise ConflictError(msg)
    write_text(file, suite_text(fixed))


@dataclass
class _Benchmark:
    """One benchmark in its folder."""

    settings: RunSettings
    suite: Suite
    folder: Path
    config: str
    stages: Stages
    reporter: Reporter
    run_names: tuple[str, ...] | None = None

    def pick(self, label: str, model: str) -> str:
        """Segment and localize with a model; return the error text, empty on success."""
        given = self._common() | {"run_names": self._runs()}
        place = f"{USER}/{label}"
        device = {"device": self.settings.device} if self.settings.device else {}
        threads = {"threads": self.settings.threads} if self.settings.threads else {}
        steps: tuple[tuple[str, Callable[..., Summary], Any], ...] = (
            (
                "segment",
                segment,
                SegmentSettings(
                    **given,
                    **self.suite.segment | device | threads,
                    input=self.suite.tomogram,
                    output=f"{SEGMENTATION}:{place}",
                    model=(model,),
                ),
            ),
            (
                "localize",
                localize,
                LocalizeSettings(
                    **given,
                    **self.suite.localize,
                    input=f"{SEGMENTATION}:{place}",
                    output=f"*:{place}",
                ),
            ),
        )
        for name, workflow, settings in steps:
            self.reporter.note(f"\n{label}: {name}")
            timed = TimedReporter(self.reporter, self.folder / label / f"{name}.json", name)
            summary = workflow(settings, reporter=timed)
            timed.write()
            self.reporter.note(summary.text())
            if summary.n_failed:
                return f"{name} failed in {summary.n_failed} of {len(summary.outcomes)} runs"
        return ""

    def score(self, label: str) -> int:
        """Evaluate candidates, unless their scores exist already; return the exit code."""
        output = self.folder / label / "scores"
        candidate = self.suite.also.get(label, f"*:{USER}/{label}")
        wanted = EvaluateSettings(
            **self._common(),
            run_names=self._runs(),
            reference=self.suite.reference,
            candidate=candidate,
            output=str(output),
            overwrite=True,
            **{"tomogram": self.suite.tomogram} | self.suite.evaluate,
        )
        key = {
            "version": __version__,
            "settings": wanted.recorded(),
            "runs": list(wanted.run_names),
            "picks": picks_fingerprint(
                open_job(wanted), wanted.run_names, (wanted.reference, candidate)
            ),
        }
        self.reporter.note(f"\n{label}: evaluate")
        if (output / SCORES_FILE).exists() and self.stages.done(f"{label}/evaluate", key):
            self.reporter.note("evaluate: the scores exist already")
            return 0
        summary = evaluate(wanted, reporter=self.reporter)
        self.reporter.note(summary.text())
        if summary.exit_code == 0:
            self.stages.mark(f"{label}/evaluate", key)
        return summary.exit_code

    def report(self, label: str, candidates: Sequence[str]) -> int:
        """Write the report of candidates, with the others for comparison; return the exit code."""
        output = self.folder / label / "report.html"
        folders = [str(self.folder / label / "scores")]
        folders += [str(self.folder / other / "scores") for other in candidates if other != label]
        times = [self.folder / label / f"{name}.json" for name in ("segment", "localize")]
        title = self.suite.title if len(candidates) == 1 else f"{self.suite.title}: {label}"
        wanted = ReportSettings(
            **{"title": title, "tomogram": None} | self.suite.report,
            scores=tuple(folders),
            output=str(output),
            config=self.config,
            times=tuple(str(path) for path in times if path.exists()),
            overwrite=True,
        )
        scores = [Path(name, SCORES_FILE).read_text(encoding="utf-8") for name in folders]
        key = {
            "version": __version__,
            "settings": wanted.model_dump(mode="json"),
            "scores": scores,
            "times": [path.read_text(encoding="utf-8") for path in times if path.exists()],
        }
        if output.exists() and self.stages.done(f"{label}/report", key):
            return 0
        written = report(wanted, reporter=self.reporter)
        self.reporter.note(written.text())
        if written.exit_code == 0:
            self.stages.mark(f"{label}/report", key)
        return written.exit_code

    def show(self, candidates: Sequence[str]) -> None:
        """Show the totals of all candidates side by side."""
        rows = []
        beta = 1.0
        for label in candidates:
            values = read_scores(self.folder / label / "scores")
            micro, macro = values["totals"]["micro"], values["totals"]["macro"]
            beta = values["beta"]
            numbers = [micro[name] for name in ("precision", "recall", "f1", "f_beta")]
            rows.append((label, *map(number_text, [*numbers, macro["f_beta"]])))
        columns = ("candidates", "P", "R", "F1", f"F{beta:g} micro", f"F{beta:g} macro")
        self.reporter.table(self.suite.title, columns, rows)

    def _common(self) -> dict[str, Any]:
        """Return the settings common to all commands."""
        given = {"split": self.suite.split, "cache": self.settings.cache}
        return {"config": self.config} | {k: v for k, v in given.items() if v is not None}

    def _runs(self) -> tuple[str, ...]:
        """Return the runs of the suite, found once."""
        if self.run_names is None:
            names = open_job(JobSettings(**self._common())).run_names()
            self.run_names = tuple(select_runs(names, self.suite.run_names))
        return self.run_names
