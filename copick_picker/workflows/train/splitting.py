"""Splits of a training from a table of folds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from copick_picker.core.train.splits import Counts, Split, listed_splits
from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.job import Job
from copick_picker.project.formats.fold_tables import LEFT_OUT, read_folds
from copick_picker.settings.train import TrainSettings

_LISTED = 8


def with_folds(job: Job[TrainSettings]) -> tuple[Job[TrainSettings], dict[str, int]]:
    """Return the job without the runs that the table of folds leaves out, and every run's fold.

    Parameters
    ----------
    job : Job
        Its settings name the table; without one the job stays as it is.

    Raises
    ------
    CopickPickerError
        If the table is wrong, or names a run that the project does not have.
    """
    if job.settings.folds_file is None:
        return job, {}
    folds = read_folds(job.settings.folds_file)
    unknown = sorted(set(folds) - set(job.store.run_names()))
    if unknown:
        msg = f"{job.settings.folds_file}: no run {_some(unknown)} in the project"
        raise UnknownNameError(msg)
    kept = tuple(name for name in job.run_names if folds.get(name) != LEFT_OUT)
    job.reporter.note(
        f"{job.settings.folds_file}: {len(job.run_names) - len(kept)} of {len(job.run_names)} runs "
        f"left out (fold {LEFT_OUT})"
    )
    return replace(job, run_names=kept), folds


def splits_of_folds(
    counts: Counts, folds: Mapping[str, int], settings: TrainSettings
) -> dict[str, Split]:
    """Return the split of every fold of a table, or of the chosen one: name -> split.

    Parameters
    ----------
    counts : mapping
        Run name -> object name -> number of picks; the runs to train with.
    folds : mapping
        Run name -> fold.
    settings : TrainSettings
        ``folds_file``, and ``fold`` as numbered there.

    Raises
    ------
    DataError
        If a run is not in the table, or a fold lacks an object.
    SettingsError
        If there is no such fold.
    """
    path = settings.folds_file
    missing = [name for name in counts if name not in folds]
    if missing:
        msg = (
            f"{path} has no fold for run {_some(missing)}: add it ({LEFT_OUT} leaves it out), or "
            "choose runs with -r"
        )
        raise DataError(msg)
    splits = listed_splits(counts, {name: folds[name] for name in counts})
    if settings.fold is None:
        return {f"fold_{number}": split for number, split in splits.items()}
    if settings.fold not in splits:
        msg = f"fold is {settings.fold}; {path} has the folds {choices_text(splits)}"
        raise SettingsError(msg)
    return {"": splits[settings.fold]}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{choices_text(names[:_LISTED])}{more}"
