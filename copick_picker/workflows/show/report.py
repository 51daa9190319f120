"""Scores and slices of their tomograms as one HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.errors import (
    CopickPickerError,
    SettingsError,
    choices_text,
)
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, Summary
from copick_picker.project.copick.store import open_project
from copick_picker.project.files import write_bytes
from copick_picker.project.folders.score_folder import (
    ScoreFolder,
    read_json,
    read_score_folder,
    read_scores,
)
from copick_picker.project.folders.score_rules import check_same_rules
from copick_picker.project.own_files import is_own_page, signed_page
from copick_picker.project.standing import Output, own_file
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import tomogram_query
from copick_picker.records.runs import RunOutcome
from copick_picker.report.gallery_pictures import labelled_scores, pictures_of_run
from copick_picker.report.html_gallery import (
    ChosenPick,
    Picture,
    chosen_picks,
)
from copick_picker.report.html_page import ReportContent, report_page
from copick_picker.report.making import making_of_scores, time_rows
from copick_picker.report.object_colours import object_colours
from copick_picker.settings.report import ReportSettings
from copick_picker.workflows.inputs.contrast import contrast_of
from copick_picker.workflows.inputs.shown_tomogram import tomogram_of_picks
from copick_picker.workflows.show.making import making_of_candidates

_MEGABYTE = 1e6
_NO_TIMES = (
    "Times and hardware were not given: segment --json FILE records them, report --times FILE "
    "shows them."
)


def report(settings: ReportSettings, *, reporter: Reporter) -> Result:
    """Write the report of a folder of scores and return the result.

    Parameters
    ----------
    settings : ReportSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If a folder of scores, the project or a setting is wrong, or the file exists.
    """
    output = Path(settings.output)
    _check(settings, output)
    folder = read_score_folder(Path(settings.scores[0]))
    others = [(name, read_scores(Path(name))) for name in settings.scores[1:]]
    for name, values in others:
        check_same_rules(folder.values, values, names=(settings.scores[0], name))
    times = time_rows([read_json(Path(name)) for name in settings.times])
    store, remarks = _project(settings, folder)
    making = making_of_scores(folder.values)
    gallery = None
    given = folder.values["input"]
    picks = (given.get("candidate"), given.get("reference"))
    drawing = _Drawing(settings, folder.values["settings"].get("tomogram", "*"), picks, store)
    if store is not None:
        datasets = read_json(Path(store.location)).get("dataset_ids") or ()
        if datasets:
            making.append(("datasets of the CryoET Data Portal", choices_text(datasets)))
        making += making_of_candidates(store, folder.values)
        gallery = drawing.all(folder, reporter)
    remarks += drawing.remarks if times else [*drawing.remarks, _NO_TIMES]
    given = folder.values["input"]
    names = [entry["object"] for entry in folder.values["objects"]]
    page = report_page(
        ReportContent(
            title=settings.title or f"{given['candidate']} against {given['reference']}",
            values=folder.values,
            picks=folder.picks,
            compared=labelled_scores([(settings.scores[0], folder.values), *others]),
            pictures=drawing.pictures,
            making=making,
            times=times,
            remarks=remarks,
            colours={} if store is None else object_colours(store.objects(), names),
        )
    )
    data = signed_page(page)
    write_bytes(output, data, permit=_place(settings, output).check)
    for line in remarks:
        reporter.note(line)
    code = 0 if gallery is None else gallery.exit_code
    failed = "; some slices are missing" if code else ""
    return Result(f"report: {output}, {len(data) / _MEGABYTE:.2f} MB{failed}", code)


def _place(settings: ReportSettings, output: Path) -> Output:
    return Output(output, own_file(is_own_page), settings.overwrite, advice="another --output")


def _check(settings: ReportSettings, output: Path) -> None:
    """Raise on wrong settings, before anything is read."""
    if not settings.scores:
        msg = "no folder of scores given; use one written by evaluate"
        raise SettingsError(msg)
    if settings.tomogram is not None:
        tomogram_query(settings.tomogram)
    _place(settings, output).check()


def _project(
    settings: ReportSettings, folder: ScoreFolder
) -> tuple[ProjectStore | None, list[str]]:
    """Return the project of the scores; without one, the reasons why the report is shorter."""
    if settings.config is not None:
        return open_project(settings.config), []
    try:
        return open_project(str(folder.values["input"]["project"])), []
    except CopickPickerError as error:
        words = f"No gallery, and no word of models: {error}; name the project with --config."
        return None, [words]


@dataclass
class _Drawing:
    """The images of the gallery, made run by run."""

    settings: ReportSettings
    scored_tomogram: str
    scored_picks: tuple[str | None, ...]
    store: ProjectStore | None
    pictures: list[Picture] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def all(self, folder: ScoreFolder, reporter: Reporter) -> Summary | None:
        """Draw every chosen pick; note runs without a tomogram."""
        radii = {
            entry["object"]: entry["radius_angstrom"] or entry["tolerance_angstrom"]
            for entry in folder.values["objects"]
            if entry["radius_angstrom"] or entry["tolerance_angstrom"]
        }
        picks = chosen_picks(folder.picks, radii, each=self.settings.gallery)
        by_run: dict[str, list[ChosenPick]] = {}
        for pick in picks:
            by_run.setdefault(pick.run_name, []).append(pick)
        if not by_run:
            return None
        summary = process_runs(
            "report",
            sorted(by_run),
            InTurn(lambda run_name: self._run(run_name, by_run[run_name])),
            reporter=reporter,
        )
        drawn = {id(picture.pick): picture for picture in self.pictures}
        self.pictures = [drawn[id(pick)] for pick in picks if id(pick) in drawn]
        self.remarks += [
            f"No slices of {outcome.run_name}: {outcome.message}"
            for outcome in summary.outcomes
            if outcome.status != "done"
        ]
        return summary

    def _run(self, run_name: str, picks: Sequence[ChosenPick]) -> RunOutcome:
        """Draw the picks of one run."""
        store = self.store
        if store is None:
            return RunOutcome(run_name, "absent", "no project")
        uri = self.settings.tomogram or self.scored_tomogram
        found = store.tomograms(run_name)
        if self.settings.tomogram is None and not tomogram_query(uri).matching(found):
            return RunOutcome(run_name, "absent", f"no tomogram '{uri}'")
        key = tomogram_of_picks(store, run_name, uri, *self.scored_picks)
        volume = store.open_tomogram(run_name, key)
        stated = self.settings.contrast

        def looks(slab: npt.NDArray[np.float32], contrast: str) -> str:
            return contrast_of(slab, stated=contrast)

        self.pictures += pictures_of_run(
            volume, key.voxel_spacing, picks, contrast=stated, looks=looks
        )
        return RunOutcome(run_name, "done", f"{len(picks)} picks drawn from {key}")
