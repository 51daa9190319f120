"""Choose a score threshold for each object from scored candidate picks, and store it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from copick_picker._version import __version__
from copick_picker.core.evaluate.calibration import CalibrationRule, calibrated_thresholds
from copick_picker.errors import CheckpointError, DataError, SettingsError
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.files import write_bytes
from copick_picker.project.folders.checkpoints import read_model_folder, replace_card
from copick_picker.project.folders.model_places import is_model_folder
from copick_picker.project.folders.thresholds import check_writable, store_thresholds
from copick_picker.project.own_files import is_own_picture
from copick_picker.project.standing import Output, own_file
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import picks_query
from copick_picker.records.scores import Calibrated, Calibration, Evaluation
from copick_picker.report.figures import png_bytes
from copick_picker.report.object_colours import object_colours
from copick_picker.report.threshold_plot import ThresholdMarks, threshold_figure
from copick_picker.report.threshold_table import threshold_table
from copick_picker.settings.calibrate import CalibrateSettings
from copick_picker.settings.model import ModelCard, card_with_thresholds, model_card
from copick_picker.workflows.evaluate.evaluate import score_project


@summarised
def calibrate(settings: CalibrateSettings, *, reporter: Reporter) -> Summary:
    """Choose a threshold for each object and return the outcome of every run.

    Everything is read and checked first; thresholds are stored last, and only on request. Nothing
    is stored if a run failed.

    Parameters
    ----------
    settings : CalibrateSettings
        Settings of the command.
    reporter : Reporter
        Where progress and tables go.

    Raises
    ------
    CopickPickerError
        If the project, the model or a setting is wrong, no object gets a threshold, or an object
        that ``--objects`` names gets none.
    """
    job = Job.open("calibrate", settings.scoring(), reporter=reporter)
    store = job.store
    card = None if settings.model is None else _card(settings.model)
    _check_places(settings)
    summary, scored = score_project(job)
    if scored is not None:
        in_use = {entry.name: entry.score_threshold for entry in card.objects} if card else {}
        in_use |= {
            spec.name: spec.score_threshold
            for spec in store.objects()
            if spec.score_threshold is not None
        }
        present = {name: value for name, value in in_use.items() if value is not None}
        rule = CalibrationRule(settings.margin, settings.fewest_references)
        found = calibrated_thresholds(
            scored.evaluation,
            rule=rule,
            present=present,
            sought_from=_lowest_kept_scores(settings, store, scored.evaluation),
        )
        _show(settings, scored.evaluation, found, reporter)
        _check_found(settings, found)
        if summary.exit_code == 0:
            _store(settings, store, scored.evaluation, found, reporter)
        else:
            reporter.warn("nothing was stored because a run failed")
        summary = replace(summary, figures=_figures(settings, found))
    return summary


def _card(name: str) -> ModelCard:
    """Return the card of a model folder that may be modified."""
    folder = Path(name)
    if not is_model_folder(folder):
        msg = (
            f"--model: {folder} is not a model folder (model.yaml and weights.safetensors); "
            "shipped models are never changed; copy the folder first"
        )
        raise CheckpointError(msg)
    return model_card(read_model_folder(folder)[1], name)


def _lowest_kept_scores(
    settings: CalibrateSettings, store: ProjectStore, evaluation: Evaluation
) -> dict[str, float]:
    """Return the lowest score at which ``localize`` kept each object's candidates.

    The highest over all runs; no entry if the record of a set does not state it.
    """
    found: dict[str, list[float | None]] = {}
    for run_name in evaluation.run_names:
        for key in picks_query(settings.candidate).matching(store.picks(run_name)):
            record = store.picks_provenance(run_name, key)
            found.setdefault(key.object_name, []).append(_lowest_kept_score(record))
    return {
        name: max(value for value in values if value is not None)
        for name, values in found.items()
        if None not in values
    }


def _lowest_kept_score(record: Mapping[str, Any] | None) -> float | None:
    """Return the lowest score that a pick set's record allows, if the record states it."""
    chosen = (record or {}).get("settings", {})
    target = chosen.get("target")
    if target is None:
        return None
    threshold = float(target.get("score_threshold") or 0.0)
    floor = chosen.get("peak_floor", 0.0) if chosen.get("method") == "peaks" else 0.0
    return max(threshold, float(floor))


def _check_places(settings: CalibrateSettings) -> None:
    """Raise if the results could not be stored at the end."""
    if settings.dry_run:
        return
    if settings.project:
        check_writable(Path(settings.config))
    if settings.plot is not None:
        _plot_place(settings.plot, settings).check()


def _plot_place(plot: Path, settings: CalibrateSettings) -> Output:
    return Output(plot, own_file(is_own_picture), settings.overwrite, advice="another --plot")


def _check_found(settings: CalibrateSettings, found: Calibration) -> None:
    refused = found.refused
    if settings.objects:
        refused = {name: why for name, why in refused.items() if name in settings.objects}
    if refused and (settings.objects or not found.chosen):
        reasons = "; ".join(f"{name}: {why}" for name, why in refused.items())
        msg = f"no threshold for {reasons}; nothing was stored"
        raise DataError(msg)
    if not found.chosen:
        msg = f"no object has reference picks '{settings.reference}'; nothing was stored"
        raise DataError(msg)


def _show(
    settings: CalibrateSettings, evaluation: Evaluation, found: Calibration, reporter: Reporter
) -> None:
    title = f"Thresholds (one to one, tolerance {settings.tolerance})"
    reporter.table(title, *threshold_table(found.chosen, settings.beta))
    for name, why in found.refused.items():
        reporter.warn(f"{name}: no threshold: {why}")
    for entry in found.chosen:
        if entry.is_lowest_score:
            reporter.warn(
                f"{entry.object_name}: even the lowest score is worth keeping, and lower "
                f"ones may be missing: localize with --threshold {entry.object_name}=0 (with "
                "--method peaks also a lower --peak-floor) and calibrate again"
            )
    for note in evaluation.notes:
        reporter.note(note)
    reporter.note(
        f"Each is the lowest threshold within {settings.margin:g} of the highest "
        f"F{settings.beta:g}. Check it on other runs: scores are optimistic on those used to "
        "choose it"
    )


def _store(
    settings: CalibrateSettings,
    store: ProjectStore,
    evaluation: Evaluation,
    found: Calibration,
    reporter: Reporter,
) -> None:
    if settings.model is not None:
        _store_in_model(settings, found, reporter)
    if settings.project:
        store_thresholds(Path(settings.config), found.thresholds)
        reporter.note(f"{settings.config}: score_threshold of {len(found.chosen)} objects stored")
    if settings.plot is not None:
        place = _plot_place(settings.plot, settings)
        write_bytes(settings.plot, _picture(settings, store, evaluation, found), permit=place.check)
        reporter.note(f"F{settings.beta:g} against threshold is in {settings.plot}")


def _store_in_model(settings: CalibrateSettings, found: Calibration, reporter: Reporter) -> None:
    """Put the thresholds into the card; the weights and their checksum do not change."""
    folder = Path(settings.model or "")
    raw = read_model_folder(folder)[1]
    card = model_card(raw, str(folder))
    names = [entry.name for entry in card.objects]
    known = [entry for entry in found.chosen if entry.object_name in names]
    for entry in found.chosen:
        if entry not in known:
            reporter.warn(f"{folder} has no object {entry.object_name}: not stored there")
    if not known:
        msg = f"{folder} finds {', '.join(names)}, but none of the objects with a threshold"
        raise SettingsError(msg)
    beyond = [entry.object_name for entry in known if not 0.0 <= entry.threshold <= 1.0]
    if beyond:
        msg = f"a model's thresholds must be between 0 and 1; those of {', '.join(beyond)} are not"
        raise DataError(msg)
    before = {entry.name: entry.score_threshold for entry in card.objects}
    chosen = {entry.object_name: entry.threshold for entry in known}
    raw = card_with_thresholds(raw, chosen, _record(settings, known, before))
    replace_card(folder, raw)
    reporter.note(f"{folder}: score_threshold of {len(known)} objects stored in the card")


def _record(
    settings: CalibrateSettings, known: list[Calibrated], before: Mapping[str, float | None]
) -> dict[str, Any]:
    return {
        "copick_picker_version": __version__,
        "reference": settings.reference,
        "candidate": settings.candidate,
        "tolerance": settings.tolerance,
        "beta": settings.beta,
        "margin": settings.margin,
        "objects": {
            entry.object_name: {
                "f_beta": round(entry.f_beta, 4),
                "runs": entry.n_runs,
                "reference_picks": entry.n_reference,
                "threshold_before": before[entry.object_name],
            }
            for entry in known
        },
    }


def _picture(
    settings: CalibrateSettings, store: ProjectStore, evaluation: Evaluation, found: Calibration
) -> bytes:
    footer = (
        f"copick-picker {__version__} calibrate; one to one, tolerance {settings.tolerance}; "
        f"reference: {settings.reference}; candidate: {settings.candidate}; "
        f"{len(evaluation.run_names)} runs; project: {settings.config}"
    )
    marks = {e.object_name: ThresholdMarks(e.threshold, e.present) for e in found.chosen}
    shown = [entry for entry in evaluation.objects if entry.name in marks]
    colours = object_colours(store.objects(), marks)
    figure = threshold_figure(shown, marks, colours=colours, beta=settings.beta, footer=footer)
    return png_bytes(figure, {"Software": f"copick-picker {__version__}", "Description": footer})


def _figures(settings: CalibrateSettings, found: Calibration) -> dict[str, Any]:
    return {
        "beta": settings.beta,
        "tolerance": settings.tolerance,
        "margin": settings.margin,
        "thresholds": found.thresholds,
        "objects": [vars(entry) for entry in found.chosen],
        "refused": dict(found.refused),
    }
