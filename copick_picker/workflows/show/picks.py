"""The picks of a run and their matches, as marks to draw."""

from collections.abc import Mapping
from dataclasses import astuple

from copick_picker.core.evaluate.run_match import match_run
from copick_picker.jobs.job import Job
from copick_picker.project.copick.alignments import check_alignments
from copick_picker.records.keys import FilamentsKey, PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.records.scores import RunObjectMatch
from copick_picker.report.view_lines import Line, lines_of
from copick_picker.report.view_marks import Marks, judged_marks, unjudged_marks
from copick_picker.settings.evaluate import EvaluateParameters
from copick_picker.settings.job import for_object
from copick_picker.settings.scored_objects import scored_objects, scoring_rules
from copick_picker.settings.view import ViewSettings
from copick_picker.workflows.inputs.pick_sets import sets_of_run

_RADIUS_VOXELS = 5.0
"""Radius of the marks of an object without a radius, in voxels."""


def marks_of_run(
    job: Job[ViewSettings], run_name: str, voxel_spacing: float
) -> tuple[list[Marks], list[str]]:
    """Return the marks of a run, and remarks about them.

    An object with a reference set is matched with its candidates; candidates of an object without
    one are drawn unmatched, and so are references of a run without any candidate set.

    Parameters
    ----------
    job : Job
        Its settings say which picks, and how to match them.
    run_name : str
        The run.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Raises
    ------
    CopickPickerError
        If picks cannot be read, or an object with reference picks has no radius for the tolerance.
    """
    settings, specs = job.settings, job.specs
    notes: list[str] = []
    reference = _sets(job, run_name, settings.reference)
    candidate = _sets(job, run_name, settings.candidate)
    for name, picks in candidate.items():
        least = for_object(settings.min_score, name, None)
        candidate[name] = picks if least is None else picks.chosen(picks.scores >= least)
    if not candidate:
        notes.append(f"no picks '{settings.candidate}'")
    if settings.reference is not None and not reference:
        notes.append(f"no reference picks '{settings.reference}', so candidates are not matched")
    radii = {}
    for name in {**reference, **candidate}:
        spec = specs.get(name)
        radius = settings.radius.get(name, None if spec is None else spec.radius_angstrom)
        if radius is None:
            radius = _RADIUS_VOXELS * voxel_spacing
            notes.append(f"{name} has no radius; marks are drawn with {radius:g} Angstrom")
        radii[name] = radius
    marks: list[Marks] = []
    if not candidate:
        marks += [
            Marks(name, radii[name], "reference", picks.points_xyz)
            for name, picks in reference.items()
        ]
    else:
        for match in _matches(run_name, settings, specs, reference, candidate):
            marks += judged_marks(match, radii[match.object_name])
    for name, picks in candidate.items():
        if name not in reference:
            marks += unjudged_marks(picks, radii[name])
    return [entry for entry in marks if len(entry)], notes


def lines_of_run(job: Job[ViewSettings], run_name: str, voxel_spacing: float) -> list[Line]:
    """Return the filaments that are stored under the URI of the picks, as lines.

    Parameters
    ----------
    job : Job
        Its settings say which picks.
    run_name : str
        The run.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    """
    settings, stored = job.settings, job.store.filaments(run_name)
    query = job.picks(settings.candidate).query
    wanted = query.matching([PicksKey(*astuple(key)) for key in stored])
    sets = [
        job.store.read_filaments(run_name, FilamentsKey.of(key))
        for key in wanted
        if not settings.objects or key.object_name in settings.objects
    ]
    radii = {}
    for each in sets:
        spec = job.specs.get(each.object_name)
        known = settings.radius.get(each.object_name, spec.radius_angstrom if spec else None)
        radii[each.object_name] = known or _RADIUS_VOXELS * voxel_spacing
    return lines_of(sets, radii)


def _sets(job: Job[ViewSettings], run_name: str, uri: str | None) -> dict[str, PickSet]:
    if uri is None:
        return {}
    keys = sets_of_run(job.picks(uri), run_name, job.settings.objects)
    tomograms = job.store.tomograms(run_name)
    check_alignments(run_name, list(keys.values()), tomograms, job.settings.tomogram)
    return {name: job.store.read_picks(run_name, key) for name, key in keys.items()}


def _matches(
    run_name: str,
    settings: ViewSettings,
    specs: Mapping[str, ObjectSpec],
    reference: Mapping[str, PickSet],
    candidate: Mapping[str, PickSet],
) -> list[RunObjectMatch]:
    if not reference:
        return []
    scoring = EvaluateParameters(
        matcher=settings.matcher, tolerance=settings.tolerance, radius=settings.radius
    )
    wanted = {name: spec for name, spec in specs.items() if name in reference}
    objects, _ = scored_objects(scoring, wanted, {run_name: dict(reference)})
    judged = {name: picks for name, picks in candidate.items() if name in reference}
    found = match_run(
        run_name, objects, reference, judged, rules=scoring_rules(scoring), box_xyz=None
    )
    return [entry.match for entry in found]
