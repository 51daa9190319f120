"""Read reference and candidate picks of every run, score them together, write the scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.core.evaluate import MATCHERS, evaluate_picks
from copick_picker.core.evaluate.fail_under import check_limits, missed_limits
from copick_picker.core.evaluate.link_scores import score_links
from copick_picker.core.geometry import box_angstrom
from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job
from copick_picker.jobs.provenance import digest
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.alignments import check_alignments
from copick_picker.project.copick.pick_files import recorded_facts
from copick_picker.project.files import write_folder
from copick_picker.project.folders.project_folder import check_free_folder, signed
from copick_picker.project.folders.score_folder import SCORES_FILE
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.evaluate import (
    EvaluateSettings,
)
from copick_picker.settings.job import for_object
from copick_picker.settings.scored_objects import scored_objects, scoring_rules
from copick_picker.workflows.evaluate.files import Scored, score_files, show_scores
from copick_picker.workflows.inputs.shown_tomogram import tomogram_of_picks


@summarised
def evaluate(settings: EvaluateSettings, *, reporter: Reporter) -> Summary:
    """Score candidate picks of a project and return the outcome of every run.

    Everything is computed first; the folder of scores is written last, atomically.

    Parameters
    ----------
    settings : EvaluateSettings
        Settings of the command.
    reporter : Reporter
        Where progress and tables go.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, or there is nothing to score.
    """
    job = Job.open("evaluate", settings, reporter=reporter)
    summary, scored = written_scores(job)
    if scored is None:
        return summary
    show_scores(scored, reporter)
    return _with_figures(summary, scored)


def written_scores(job: Job[EvaluateSettings]) -> tuple[Summary, Scored | None]:
    """Score a project and write the folder of scores; return as :func:`score_project` does.

    Parameters
    ----------
    job : Job
        The job.

    Raises
    ------
    CopickPickerError
        As :func:`evaluate`.
    """
    settings = job.settings
    output = Path(settings.output)
    permit = partial(check_free_folder, output, SCORES_FILE, overwrite=settings.overwrite)
    if not settings.dry_run:
        permit()
    summary, scored = score_project(job)
    if scored is not None:
        files = signed(score_files(scored, job.store, reporter=job.reporter), SCORES_FILE)
        write_folder(output, files, permit=permit)
    return summary, scored


def score_project(job: Job[EvaluateSettings]) -> tuple[Summary, Scored | None]:
    """Read the picks of both sides, run by run, and score them; nothing is written.

    Parameters
    ----------
    job : Job
        The job; ``output`` of its settings is not used.

    Returns
    -------
    tuple
        Outcome of every run, and the scores: None with ``dry_run``, or if all runs failed.

    Raises
    ------
    CopickPickerError
        If a setting is wrong, or there is nothing to score.
    """
    settings = job.settings
    if settings.matcher not in MATCHERS:
        near = nearest_name(settings.matcher, MATCHERS)
        msg = f"--matcher: no '{settings.matcher}'{near}; choices: {choices_text(MATCHERS)}"
        raise UnknownNameError(msg)
    job.check_objects("objects", "radius", "weight", "min_score")
    job.warn_of_radii(settings.radius)
    check_limits(settings.fail_under, settings.beta, job.specs)
    reading = _Reading(
        job,
        job.picks(settings.reference, "reference pick set"),
        job.picks(settings.candidate, "candidate pick set"),
    )
    for wanted in (reading.references, reading.candidates):
        wanted.check_any(job.run_names)
    work = InTurn(reading.run)
    summary = process_runs(job.command, job.run_names, work, reporter=job.reporter)
    if settings.dry_run or summary.n_failed >= len(job.run_names):
        return summary, None
    reading.check_found(job.run_names)
    return summary, _score(reading, summary)


def with_min_score(
    picks: Mapping[str, Mapping[str, PickSet]], least: Mapping[str, float]
) -> dict[str, dict[str, PickSet]]:
    """Return pick sets without the picks that score too low.

    Parameters
    ----------
    picks : mapping
        Run -> object -> picks.
    least : mapping of str to float
        Object, or ``*`` for every other one, -> lowest score that is kept.
    """

    def kept(name: str, found: PickSet) -> PickSet:
        lowest = for_object(least, name, None)
        return found if lowest is None else found.chosen(found.scores >= lowest)

    return {
        run: {name: kept(name, found) for name, found in entries.items()}
        for run, entries in picks.items()
    }


@dataclass
class _Reading:
    """The pick sets of both sides, filled run by run."""

    job: Job[EvaluateSettings]
    references: Input[PicksKey]
    candidates: Input[PicksKey]
    reference: dict[str, dict[str, PickSet]] = field(default_factory=dict)
    candidate: dict[str, dict[str, PickSet]] = field(default_factory=dict)
    boxes_xyz: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    sets: dict[str, dict[str, dict[str, str | None]]] = field(default_factory=dict)
    reference_keys: set[PicksKey] = field(default_factory=set)
    pick_facts: dict[tuple[str, str], dict[tuple[float, ...], dict[str, float]]] = field(
        default_factory=dict
    )

    def run(self, run_name: str) -> RunOutcome:
        """Read the picks of one run."""
        reference = self._keys(self.references, "reference", run_name)
        candidate = self._keys(self.candidates, "candidate", run_name)
        both = [str(key) for key in reference if key in candidate]
        if both:
            msg = f"run {run_name}: {choices_text(both)} is both reference and candidate"
            raise SettingsError(msg)
        self._check_alignments(run_name, [*reference, *candidate])
        if self.job.settings.dry_run:
            text = f"{choices_text(reference)} against {choices_text(candidate)}"
            return RunOutcome(run_name, "planned", text)
        box = self._box(run_name)
        read_reference = self._read(run_name, reference, {})
        facts: dict[str, dict[tuple[float, ...], dict[str, float]]] = {}
        read_candidate = self._read(run_name, candidate, facts)
        self.reference[run_name], self.candidate[run_name] = read_reference, read_candidate
        self.reference_keys |= set(reference)
        self.pick_facts |= {(run_name, name): known for name, known in facts.items()}
        if box is not None:
            self.boxes_xyz[run_name] = box
        self.sets[run_name] = {
            "reference": {str(key): self._digest(run_name, key) for key in reference},
            "candidate": {str(key): self._digest(run_name, key) for key in candidate},
        }
        n_reference = sum(len(picks) for picks in read_reference.values())
        n_candidate = sum(len(picks) for picks in read_candidate.values())
        text = f"{n_reference} reference picks, {n_candidate} candidates"
        if not reference:
            return RunOutcome(run_name, "absent", f"no reference set, so not annotated; {text}")
        return RunOutcome(run_name, "done", text)

    def check_found(self, run_names: Sequence[str]) -> None:
        """Raise if no run has a reference set, or none has a candidate set."""
        for side, wanted in (("reference", self.references), ("candidate", self.candidates)):
            if not any(entries[side] for entries in self.sets.values()):
                raise wanted.nothing_found([name for name in run_names if name in self.sets])

    def covers(self, name: str) -> bool:
        """Return whether the reference URI covers an object."""
        keys = [replace(key, object_name=name) for key in self.reference_keys]
        return bool(self.references.query.matching(keys))

    def _keys(self, wanted: Input[PicksKey], side: str, run_name: str) -> list[PicksKey]:
        settings, found = self.job.settings, wanted.keys(run_name)
        if settings.objects:
            found = [key for key in found if key.object_name in settings.objects]
        if not settings.merge_sets:
            numbers = Counter(key.object_name for key in found)
            twice = sorted(name for name, number in numbers.items() if number > 1)
            if twice:
                several = [key for key in found if key.object_name == twice[0]]
                msg = (
                    f"run {run_name}: '{wanted.query.uri}' matches {len(several)} {side} "
                    f"sets of {twice[0]}: {choices_text(several)}; choose one, or combine "
                    "them with --merge-sets"
                )
                raise SettingsError(msg)
        return found

    def _read(
        self,
        run_name: str,
        keys: Sequence[PicksKey],
        facts: dict[str, dict[tuple[float, ...], dict[str, float]]],
    ) -> dict[str, PickSet]:
        """Return the picks by object; collect what is recorded of each in ``facts``."""
        read: dict[str, PickSet] = {}
        for key in keys:
            picks = self.job.store.read_picks(run_name, key)
            name = key.object_name
            record = self.job.store.picks_provenance(run_name, key)
            known = recorded_facts(record, picks.points_xyz)
            facts[name] = {**facts.get(name, {}), **known}
            if name in read:
                first = read[name]
                picks = PickSet(
                    name,
                    np.concatenate([first.points_xyz, picks.points_xyz]),
                    np.concatenate([first.scores, picks.scores]),
                )
            read[name] = picks
        return read

    def _check_alignments(self, run_name: str, keys: Sequence[PicksKey]) -> None:
        if any(key.origin is not None for key in keys):  # otherwise no tomogram is needed
            tomograms = self.job.store.tomograms(run_name)
            check_alignments(run_name, keys, tomograms, self.job.settings.tomogram)

    def _digest(self, run_name: str, key: PicksKey) -> str | None:
        return digest(self.job.store.picks_provenance(run_name, key))

    def _box(self, run_name: str) -> npt.NDArray[np.float64] | None:
        settings = self.job.settings
        if not (settings.border_margin_xy_angstrom or settings.border_margin_z_angstrom):
            return None
        key = tomogram_of_picks(
            self.job.store, run_name, settings.tomogram, settings.candidate, settings.reference
        )
        n_z, n_y, n_x = self.job.store.open_tomogram(run_name, key).shape
        return box_angstrom((n_z, n_y, n_x), key.voxel_spacing)


def _score(reading: _Reading, summary: Summary) -> Scored:
    settings, specs = reading.job.settings, reading.job.specs
    candidate = with_min_score(reading.candidate, settings.min_score)
    if settings.objects:
        specs = {name: spec for name, spec in specs.items() if name in settings.objects}
    if settings.matcher != "one-to-one":
        specs = {name: spec for name, spec in specs.items() if reading.covers(name)}
    objects, notes = scored_objects(settings, specs, reading.reference)
    notes += _unlisted({entry.name for entry in objects}, candidate)
    evaluation = evaluate_picks(
        reading.reference,
        candidate,
        objects,
        rules=scoring_rules(settings),
        rng=np.random.default_rng(settings.seed),
        boxes_xyz=reading.boxes_xyz,
    )
    failed = [outcome.run_name for outcome in summary.outcomes if outcome.status == "failed"]
    if failed:
        notes += (f"runs that failed and are not in the scores: {', '.join(failed)}",)
    return Scored(
        settings=settings,
        evaluation=replace(evaluation, notes=(*evaluation.notes, *notes)),
        sets=reading.sets,
        missed=missed_limits(settings.fail_under, evaluation),
        pick_facts=reading.pick_facts,
        links=score_links(reading.reference, candidate, objects) if settings.links else None,
    )


def _unlisted(listed: set[str], candidate: Mapping[str, Mapping[str, PickSet]]) -> tuple[str, ...]:
    """Return a note for every object that has candidates but is not listed."""
    numbers: Counter[str] = Counter()
    for entries in candidate.values():
        numbers.update({name: len(picks) for name, picks in entries.items() if name not in listed})
    return tuple(f"{name}: {number} candidates, not counted" for name, number in numbers.items())


def _with_figures(summary: Summary, scored: Scored) -> Summary:
    """Return the summary with the scores added, each run's to its outcome."""
    values = scored.values()
    by_run: dict[str, list[object]] = {}
    for entry in values["runs"]:
        by_run.setdefault(entry["run"], []).append(entry)
    outcomes = tuple(
        replace(outcome, details={**outcome.details, "objects": by_run.get(outcome.run_name, [])})
        for outcome in summary.outcomes
    )
    figures = {
        "output": str(scored.settings.output),
        "missed": list(scored.missed),
        "totals": values["totals"],
        "objects": [
            {name: value for name, value in entry.items() if name != "curve"}
            for entry in values["objects"]
        ],
        "notes": values["notes"],
    }
    return replace(summary, outcomes=outcomes, figures=figures, missed=scored.missed)
