"""The main job on projects, for Python: on a configuration file, a copick root or a copick run.

The functions do what the commands do, run by run, and write what the commands write.
"""

from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import Any, TypeVar

from copick_picker.errors import (
    DataError,
    RunsFailedError,
    SettingsError,
    choices_text,
    nearest_name,
)
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Quiet
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Summary
from copick_picker.project.copick.given_roots import refresh_runs, stored_config
from copick_picker.project.copick.store import open_project
from copick_picker.project.uris import picks_query
from copick_picker.records.points import PickSet
from copick_picker.records.scores import Evaluation
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.files import join_settings
from copick_picker.settings.job import JobSettings
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.evaluate.evaluate import score_project, written_scores
from copick_picker.workflows.localize.localize import localize
from copick_picker.workflows.segment.segment import segment

SettingsT = TypeVar("SettingsT", bound=JobSettings)


def segment_project(
    project: Any,  # noqa: ANN401 (copick's classes are imported late)
    model: str | Path | Sequence[str | Path] = (),
    *,
    runs: str | Sequence[str] | None = None,
    **settings: Any,
) -> Summary:
    """Segment the tomograms of a project, as ``copick-picker segment`` does.

    Parameters
    ----------
    project : str, path, CopickRoot or CopickRun
        Configuration file, open project, or one run of an open project.
    model : str, path or sequence of those
        Model folder, or name of a model that ships with the package; several make an ensemble.
    runs : str or sequence of str, optional
        Names or patterns of runs. Default: all, or the copick run.
    **settings
        Further settings of the command, see :class:`SegmentSettings`, such as ``input="wbp@10.0"``,
        ``output="predict:me/1"``, ``picks="*:me/1"``, ``overwrite=True``.

    Returns
    -------
    Summary
        What became of every run. Those that were complete already are ``skipped``.

    Raises
    ------
    TypeError
        If a keyword is no setting of the command.
    RunsFailedError
        If runs failed; the others are complete.
    CopickPickerError
        If the project, a model or a setting is wrong, before any run is touched.

    Examples
    --------
    >>> segment_project("config.json", "simulated-10a", input="wbp@10.0")  # doctest: +SKIP
    """
    models: object = (model,) if isinstance(model, str | Path) else model
    if not isinstance(models, tuple | list):
        msg = f"model: got {model!r}; expected a folder, a name, or a list of those"
        raise TypeError(msg)
    given = {**({"model": tuple(map(str, models))} if models else {}), **settings}
    return _worked(segment, SegmentSettings, project, runs, given)


def localize_project(
    project: Any,  # noqa: ANN401 (copick's classes are imported late)
    *,
    runs: str | Sequence[str] | None = None,
    **settings: Any,
) -> Summary:
    """Make picks from the segmentations of a project, as ``copick-picker localize`` does.

    Parameters
    ----------
    project : str, path, CopickRoot or CopickRun
        Configuration file, open project, or one run of an open project.
    runs : str or sequence of str, optional
        Names or patterns of runs. Default: all, or the copick run.
    **settings
        Settings of the command, see :class:`LocalizeSettings`, such as ``input="predict:me/1"``,
        ``output="*:me/1"``, ``radius={"ribosome": 140}``.

    Returns
    -------
    Summary
        What became of every run; ``figures["objects"]`` holds the numbers of picks.

    Raises
    ------
    TypeError, RunsFailedError, CopickPickerError
        As :func:`segment_project`.
    """
    return _worked(localize, LocalizeSettings, project, runs, settings)


def evaluate_project(
    project: Any,  # noqa: ANN401 (copick's classes are imported late)
    reference: str,
    candidate: str | None = None,
    *,
    runs: str | Sequence[str] | None = None,
    output: str | Path | None = None,
    **settings: Any,
) -> Evaluation:
    """Score the picks of a project against reference picks, as ``copick-picker evaluate`` does.

    Parameters
    ----------
    project : str, path, CopickRoot or CopickRun
        Configuration file, open project, or one run of an open project.
    reference : str
        URI of the reference picks, such as ``"*:curator/1"``.
    candidate : str, optional
        URI of the candidate picks. Default: ``"*:picker/1"``.
    runs : str or sequence of str, optional
        Names or patterns of runs. Default: all, or the copick run.
    output : path, optional
        Folder for the files of the command; none are written by default.
    **settings
        Further settings of the command, see :class:`EvaluateSettings`, such as
        ``tolerance="0.5r"``, ``beta=1``.

    Returns
    -------
    Evaluation
        Scores per run, object and in all, with every pick and what became of it.

    Raises
    ------
    TypeError, RunsFailedError, CopickPickerError
        As :func:`segment_project`.
    """
    _check_uri("reference", reference)
    given = {"reference": reference, "candidate": candidate, **settings}
    given["output"] = None if output is None else str(output)
    job = Job.open(
        "evaluate", _settings("evaluate", EvaluateSettings, project, runs, given), reporter=Quiet()
    )
    summary, scored = score_project(job) if output is None else written_scores(job)
    _check(summary)
    if scored is None:
        msg = "nothing was scored: dry_run only works on the command line"
        raise DataError(msg)
    return scored.evaluation


def read_picks(
    project: Any,  # noqa: ANN401 (copick's classes are imported late)
    uri: str = "*",
    *,
    runs: str | Sequence[str] | None = None,
) -> dict[str, dict[str, PickSet]]:
    """Return the picks of a project: run name -> object name -> picks.

    Parameters
    ----------
    project : str, path, CopickRoot or CopickRun
        Configuration file, open project, or one run of an open project.
    uri : str
        Picks URI, ``object:user/session``.
    runs : str or sequence of str, optional
        Names or patterns of runs. Default: all, or the copick run.

    Returns
    -------
    dict
        Points are (n, 3) float64 (x, y, z) in Angstrom. A run without such picks has an empty dict;
        if no run has any, that is an error.

    Raises
    ------
    CopickPickerError
        If the project cannot be read, or two sets of one object and run match.
    """
    _check_uri("uri", uri)
    config, own = stored_config(project)
    store = open_project(config)
    found: dict[str, dict[str, PickSet]] = {}
    names = select_runs(store.run_names(), _chosen(own, runs))
    if uri != "*":
        Input(picks_query(uri), store.picks, "pick set").check_any(names)
    for run_name in names:
        sets = found.setdefault(run_name, {})
        for key in picks_query(uri).matching(store.picks(run_name)):
            if key.object_name in sets:
                msg = f"run {run_name}: '{uri}' matches several sets of {key.object_name}"
                raise DataError(msg)
            sets[key.object_name] = store.read_picks(run_name, key)
    return found


def _worked(
    workflow: Callable[..., Summary],
    kind: type[SettingsT],
    project: object,
    runs: str | Sequence[str] | None,
    given: dict[str, Any],
) -> Summary:
    """Run a command's workflow, and let copick see what it wrote."""
    settings = _settings(workflow.__name__, kind, project, runs, given)
    summary = workflow(settings, reporter=Quiet())
    refresh_runs(project, [each.run_name for each in summary.outcomes if each.status == "done"])
    _check(summary)
    return summary


def _settings(
    name: str,
    kind: type[SettingsT],
    project: object,
    runs: str | Sequence[str] | None,
    given: dict[str, Any],
) -> SettingsT:
    """Return the settings of a command from the arguments of a function."""
    for word in given:
        if word not in kind.model_fields or word in ("config", "run_names"):
            known = [each for each in kind.model_fields if each not in ("config", "run_names")]
            msg = (
                f"{name}_project() has no setting '{word}'{nearest_name(word, known)}; it has: "
                f"{choices_text(['runs', *known])}"
            )
            raise TypeError(msg)
    for word, value in given.items():
        if isinstance(value, Sized) and not isinstance(value, str) and not len(value):
            msg = f"{word}: got an empty {type(value).__name__}; leave it out for the default"
            raise SettingsError(msg)
    config, own = stored_config(project)
    chosen = _chosen(own, runs)
    flags = {**given, "config": config, "run_names": chosen}
    return join_settings(kind, flags=flags, as_options=False)


def _chosen(own: tuple[str, ...], runs: object) -> tuple[str, ...]:
    """Return the runs to work on; an empty list is a filter that matched nothing, not all."""
    if own and runs is not None:
        msg = f"runs: got {runs!r} beside the copick run {own[0]}; give the root for other runs"
        raise TypeError(msg)
    if runs is None or isinstance(runs, str):
        return own if runs is None else (runs,)
    if not isinstance(runs, Sequence) or not all(isinstance(each, str) for each in runs):
        msg = f"runs: got {runs!r}; expected a name, a pattern, or a list of those"
        raise TypeError(msg)
    if not runs:
        msg = "runs: got an empty list; leave it out to work on all runs"
        raise SettingsError(msg)
    return tuple(runs)


def _check_uri(name: str, given: object) -> None:
    if not isinstance(given, str):
        msg = f"{name}: got {given!r}; expected one URI, object:user/session"
        raise TypeError(msg)


def _check(summary: Summary) -> None:
    """Raise if runs failed: a failure never looks like an empty result."""
    failed = {each.run_name: each.message for each in summary.outcomes if each.status == "failed"}
    if failed:
        raise RunsFailedError(summary.command, failed, len(summary.outcomes))
