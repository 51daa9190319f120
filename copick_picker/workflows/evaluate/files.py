"""The files of an evaluation, and the tables on screen."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from copick_picker.core.evaluate.link_scores import ScoredLinks
from copick_picker.errors import CopickPickerError
from copick_picker.jobs.provenance import new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.store import ProjectStore
from copick_picker.records.scores import (
    THRESHOLD_MARGIN,
    Evaluation,
    MatchCounts,
    ObjectScore,
    RunObjectMatch,
)
from copick_picker.report.figures import png_bytes
from copick_picker.report.link_tables import link_table, links_csv
from copick_picker.report.object_colours import object_colours
from copick_picker.report.score_csv import PickFacts, matches_csv, scores_csv
from copick_picker.report.score_plots import score_figure
from copick_picker.report.score_tables import confusion_table, object_table, run_table
from copick_picker.report.score_values import evaluation_values
from copick_picker.report.slices import slice_figure
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.workflows.inputs.contrast import contrast_of
from copick_picker.workflows.inputs.shown_tomogram import tomogram_of_picks

_LIBRARIES = ("copick", "numpy", "scipy")
_MOST_RUN_ROWS = 60
LINKS_FILE = "links.csv"
"""Scores of links in the folder of scores."""


@dataclass(frozen=True, eq=False)
class Scored:
    """An evaluation with everything that goes into its files.

    Attributes
    ----------
    settings : EvaluateSettings
        Settings of the command.
    evaluation : Evaluation
        The scores.
    sets : mapping
        Run -> ``reference`` or ``candidate`` -> URI of the set -> hash of its provenance record.
    missed : tuple of str
        Scores below ``--fail-under``.
    pick_facts : mapping
        (Run, object) -> point of a candidate -> its distance to the surface of its mask.
    links : ScoredLinks or None
        Scores of links, with ``--links``.
    """

    settings: EvaluateSettings
    evaluation: Evaluation
    sets: Mapping[str, Mapping[str, Mapping[str, str | None]]]
    missed: tuple[str, ...]
    pick_facts: PickFacts = field(default_factory=dict)
    links: ScoredLinks | None = None

    def record(self) -> dict[str, Any]:
        """Return how the scores were made: version, settings, inputs."""
        return new_record(
            "evaluate",
            versions={name: version(name) for name in _LIBRARIES},
            input={
                "project": self.settings.config,
                "reference": self.settings.reference,
                "candidate": self.settings.candidate,
            },
            settings=self.settings.recorded(),
        )

    def values(self) -> dict[str, Any]:
        """Return the content of ``scores.json``."""
        return {
            **self.record(),
            "tolerance": self.settings.tolerance,
            **evaluation_values(self.evaluation),
            **({} if self.links is None else {"links": self.links.values()}),
            "sets": self.sets,
        }

    def lines(self) -> list[str]:
        """Return how the scores were made, in lines of text."""
        record, settings = self.record(), self.settings
        libraries = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
        return [
            f"copick-picker {record['version']} evaluate ({libraries})",
            f"matcher: {settings.matcher}; tolerance: {settings.tolerance}; "
            f"beta: {settings.beta:g}",
            f"reference: {settings.reference}; candidate: {settings.candidate}; "
            f"project: {settings.config}",
            f"settings: {json.dumps(record['settings'], sort_keys=True)}",
        ]


def score_files(scored: Scored, store: ProjectStore, *, reporter: Reporter) -> dict[str, bytes]:
    """Return the files of a folder of scores by name.

    Parameters
    ----------
    scored : Scored
        The scores to write.
    store : ProjectStore
        The project, for slices of tomograms.
    reporter : Reporter
        Warned if a slice could not be drawn.
    """
    lines = scored.lines()
    footer, evaluation = "; ".join(lines[:3]), scored.evaluation
    title = f"{scored.settings.candidate} against {scored.settings.reference}"
    names = [entry.name for entry in evaluation.objects]
    colours = object_colours(store.objects(), names)
    figure = score_figure(evaluation, colours=colours, title=title, footer=footer)
    files = {
        "scores.json": (json.dumps(scored.values(), indent=1) + "\n").encode(),
        "scores.csv": scores_csv(evaluation, lines).encode(),
        "matches.csv": matches_csv(evaluation.matches, lines, scored.pick_facts).encode(),
        "scores.png": png_bytes(figure, _png_text(lines)),
    }
    if scored.links is not None:
        files[LINKS_FILE] = links_csv(scored.links.values()).encode()
    for run_name in evaluation.run_names[: scored.settings.slices]:
        try:
            files[f"slices_{run_name}.png"] = _slices(scored, store, run_name)
        except CopickPickerError as error:
            reporter.warn(f"no slices: {error}")
    return files


def show_scores(scored: Scored, reporter: Reporter) -> None:
    """Show the tables of scores and what was excluded.

    Parameters
    ----------
    scored : Scored
        Settings of the command.
    reporter : Reporter
        Receives the tables.
    """
    settings, evaluation = scored.settings, scored.evaluation
    if len(evaluation.matches) > _MOST_RUN_ROWS:
        reporter.note(f"{len(evaluation.matches)} rows for runs and objects are in scores.csv")
    elif len(evaluation.run_names) > 1:
        reporter.table("Runs", *run_table(evaluation))
    title = f"Scores (matcher {settings.matcher}, tolerance {settings.tolerance})"
    reporter.table(title, *object_table(evaluation))
    _show_links(scored, reporter)
    columns, rows = confusion_table(evaluation)
    if rows:
        reporter.table("Confusion", columns, rows)
    for entry in evaluation.objects:
        if entry.curve is None:
            reporter.note(f"{entry.name}: no curve: {entry.curve_note}")
        if settings.matcher == "byu":
            reporter.note(f"{entry.name}: {_presence_text(entry)}")
    for line in _suggestions(evaluation):
        reporter.note(line)
    for note in evaluation.notes:
        reporter.note(note)
    reporter.note(f"Scores are in {settings.output}")


def _suggestions(evaluation: Evaluation) -> Iterator[str]:
    """Yield the lines about the thresholds of objects that have a curve."""
    entries = [entry for entry in evaluation.objects if entry.curve is not None]
    for entry in entries:
        found = entry.suggested
        if found is not None:
            rates = f"P {found.precision:.3f}, R {found.recall:.3f}"
            yield f"{entry.name}: suggested threshold {found.threshold:.3f} ({rates})"
    if any(entry.suggested is not None for entry in entries):
        yield (
            f"Each is the lowest threshold within {THRESHOLD_MARGIN:g} of the highest "
            f"F{evaluation.beta:g}, the rule of calibrate. Check it on other runs: scores "
            "are optimistic on those used to choose it"
        )
    for entry in entries:
        if entry.suggested_note:
            yield f"{entry.name}: no threshold suggested: {entry.suggested_note}"


def _show_links(scored: Scored, reporter: Reporter) -> None:
    if scored.links is None:
        return
    table = link_table(scored.links.values())
    reporter.table("Links (P, R, F1: of links; angle: of tangents)", *table)
    for note in scored.links.notes:
        reporter.warn(note)


def _presence_text(entry: ObjectScore) -> str:
    """Return how well scores tell tomograms with an object from those without, in words."""
    n_with, n_all = entry.counts.n_reference, entry.n_runs
    kinds = f"{n_with} tomograms with it, {n_all - n_with} without"
    if entry.presence_auc is None:
        return f"no AUC of presence: {kinds}"
    return f"AUC of presence {entry.presence_auc:.3f} (best score of a tomogram; {kinds})"


def _png_text(lines: list[str]) -> dict[str, str]:
    return {"Software": lines[0], "Description": "; ".join(lines[1:])}


def _slices(scored: Scored, store: ProjectStore, run_name: str) -> bytes:
    settings, evaluation = scored.settings, scored.evaluation
    key = tomogram_of_picks(
        store, run_name, settings.tomogram, settings.candidate, settings.reference
    )
    volume = store.open_tomogram(run_name, key).read().astype(np.float32, copy=False)
    radii = {
        entry.name: entry.radius_angstrom or entry.tolerance_angstrom or key.voxel_spacing
        for entry in evaluation.objects
    }
    matches = [match for match in evaluation.matches if match.run_name == run_name]
    lines = scored.lines()
    figure = slice_figure(
        volume,
        key.voxel_spacing,
        matches,
        radii,
        colours=object_colours(store.objects(), radii),
        contrast=contrast_of(volume, stated=settings.contrast),
        title=f"{run_name} {key}: {_found_text(matches)}",
        footer="; ".join(lines[:3]),
    )
    return png_bytes(figure, _png_text(lines))


def _found_text(matches: list[RunObjectMatch]) -> str:
    counts = sum((match.counts for match in matches), MatchCounts())
    found = counts.n_reference - counts.false_negatives
    return f"{found} of {counts.n_reference} found, {counts.false_positives} false"
