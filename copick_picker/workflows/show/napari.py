"""Show a run in napari: tomogram, segmentation and picks as layers."""

import importlib.util
import time
from pathlib import Path

from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.job import Job
from copick_picker.jobs.summary import Summary
from copick_picker.records.keys import PicksKey
from copick_picker.records.runs import RunOutcome
from copick_picker.report.napari_script import NapariRun, napari_script
from copick_picker.report.object_colours import object_colours
from copick_picker.settings.view import LOW_HIGH_PERCENTILES, ViewSettings
from copick_picker.workflows.inputs.pick_sets import sets_of_run
from copick_picker.workflows.inputs.shown_tomogram import tomogram_of_picks

_RADIUS_VOXELS = 5.0
"""Radius of the points of an object without a radius, in voxels."""


def view_in_napari(job: Job[ViewSettings]) -> Summary:
    """Open napari with one run; where it is not installed, print the script that does it.

    What is printed is what is run.

    Parameters
    ----------
    job : Job
        What to show; several runs are refused.

    Raises
    ------
    SettingsError
        If several runs are selected.
    """
    if len(job.run_names) != 1:
        msg = f"--napari shows one run; got {len(job.run_names)}"
        raise SettingsError(msg)
    began = time.perf_counter()

    def show(run_name: str) -> RunOutcome:
        shown = _shown(job, run_name)
        script = napari_script(shown)
        layers = [shown.tomogram, shown.segmentation, *shown.references, *shown.picks]
        words = ", ".join(str(each) for each in layers if each is not None)
        if importlib.util.find_spec("napari") is None:
            job.reporter.note(
                "napari is not installed here. Run these lines in an environment that has napari "
                f"and copick (pip install 'napari[all]' copick):\n\n{script}"
            )
            return RunOutcome(run_name, "done", f"lines for {words}")
        job.reporter.note(f"{run_name}: opening {words} in napari")
        exec(compile(script, "napari script", "exec"), {})  # noqa: S102 (made above)
        return RunOutcome(run_name, "done", words)

    outcome = guarded(job.run_names[0], show)
    seconds = time.perf_counter() - began
    job.reporter.outcome(outcome, done=1, total=1, seconds=seconds)
    return Summary("view", (outcome,), seconds)


def _shown(job: Job[ViewSettings], run_name: str) -> NapariRun:
    """Return what is shown of a run."""
    settings, store = job.settings, job.store
    key = tomogram_of_picks(
        store, run_name, settings.tomogram, settings.candidate, settings.reference
    )
    segmentation = None
    if settings.segmentation is not None:
        segmentation = job.segmentations(settings.segmentation).key(run_name)
    picks, references = (
        _sets(job, run_name, uri) for uri in (settings.candidate, settings.reference)
    )
    if not picks:
        job.reporter.note(f"run {run_name}: no picks '{settings.candidate}'")
    names = [each.object_name for each in (*picks, *references)]
    radii = {}
    for name in names:
        spec = job.specs.get(name)
        stated = None if spec is None else spec.radius_angstrom
        known = settings.radius.get(name, stated)
        radii[name] = _RADIUS_VOXELS * key.voxel_spacing if known is None else known
    return NapariRun(
        config=str(Path(settings.config).absolute()),
        run_name=run_name,
        tomogram=key,
        segmentation=segmentation,
        picks=picks,
        references=references,
        radii=radii,
        colours=object_colours(store.objects(), names),
        percentiles=LOW_HIGH_PERCENTILES,
    )


def _sets(job: Job[ViewSettings], run_name: str, uri: str | None) -> list[PicksKey]:
    """Return the pick sets of a run that a URI matches."""
    if uri is None:
        return []
    return list(sets_of_run(job.picks(uri), run_name, job.settings.objects).values())
