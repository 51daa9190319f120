"""Train a model on the reference picks of a project, and write it with its scores."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copick_picker._version import __version__
from copick_picker.core.segment.device import keep_freed_memory, resolve_device, use_threads
from copick_picker.core.train.augmentations import check_plan
from copick_picker.core.train.splits import (
    Counts,
    Split,
    check_split,
    fixed_split,
    fold_splits,
    share_split,
)
from copick_picker.errors import ConflictError, SettingsError, choices_text
from copick_picker.jobs.job import Job
from copick_picker.jobs.machine import machine_facts
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.provenance import digest, new_record, same_job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.files import remove
from copick_picker.project.folders.checkpoints import read_mapping
from copick_picker.project.folders.model_places import check_free_models, is_model_folder
from copick_picker.project.folders.project_folder import (
    begin_anew,
    end_anew,
    foreign_files,
    refuse_foreign,
)
from copick_picker.project.folders.training_files import (
    BEST_FILE,
    JOB_FILE,
    STATE_FILE,
    foreign_in_training,
    read_json,
    write_json,
)
from copick_picker.settings.train import TrainSettings
from copick_picker.workflows.train.curriculum import Curriculum, load_stages
from copick_picker.workflows.train.data import TrainingData, training_data
from copick_picker.workflows.train.splitting import splits_of_folds, with_folds
from copick_picker.workflows.train.start import (
    NetworkFactory,
    fitted_patch,
    network_factory,
    start_model,
)

if TYPE_CHECKING:
    from copick_picker.workflows.train.training import Training

_EXTRA = ("lightning", "tensorboard")
_LISTED = 6
"""Names of runs that the first table shows."""
MEMBER = "member"
"""Models of an ensemble are called ``member_1`` and so on."""


@summarised
def train(settings: TrainSettings, *, reporter: Reporter) -> Result:
    """Train a model, or one for every fold, and return the result.

    Parameters
    ----------
    settings : TrainSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project, a setting or the training data is wrong, before anything is written.
    """
    check_extra()
    if Path(settings.output).name in ("", ".."):
        msg = f"--output '{settings.output}': name a new folder"
        raise SettingsError(msg)
    check_plan(settings.augmentations)
    use_threads(settings.threads)
    if resolve_device(settings.device).type == "cpu":
        keep_freed_memory()
    start = start_model(settings)
    data, splits = _data_and_splits(settings, reporter)
    if start is not None:
        data = _in_channel_order(data, list(start.card.channel_names))
    factory = network_factory(settings, start, len(data.objects))
    factory = fitted_patch(factory, settings, data)
    if settings.members is not None:
        numbers = range(1, settings.members + 1)
        splits = {f"{MEMBER}_{number}": splits[""] for number in numbers}
    curriculum = load_stages(settings, data, factory.patch, reporter)
    jobs = _jobs(settings, data, splits, factory, curriculum, reporter)
    return _carry_out(settings, jobs, factory, reporter)


def check_extra() -> None:
    """Raise if the packages of the extra ``train`` are not installed.

    Raises
    ------
    SettingsError
        With the command that installs them.
    """
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        msg = f"train needs {choices_text(missing)}: pip install 'copick-picker[train]'"
        raise SettingsError(msg)


def _data_and_splits(
    settings: TrainSettings, reporter: Reporter
) -> tuple[TrainingData, dict[str, Split]]:
    """Return the data and the split of every model: name of the fold, or empty text -> split."""
    job = Job.open("train", settings, reporter=reporter)
    if settings.validation_split is None:
        job, listed = with_folds(job)
        data = training_data(job)
        counts = _counts(data)
        if settings.folds_file is not None:
            return data, splits_of_folds(counts, listed, settings)
        return data, _splits(settings, counts)
    held = settings.model_copy(update={"split": settings.validation_split})
    validation = open_job(held).run_names()
    both = sorted(set(job.run_names) & set(validation))
    if both:
        msg = f"splits {settings.split} and {settings.validation_split} share {both[:5]}"
        raise SettingsError(msg)
    whole = open_job(settings.model_copy(update={"split": None}))
    data = training_data(replace(job, store=whole, run_names=(*job.run_names, *validation)))
    counts = _counts(data)
    return data, {"": fixed_split(counts, [name for name in validation if name in counts])}


def _splits(settings: TrainSettings, counts: Counts) -> dict[str, Split]:
    if settings.validation_runs:
        chosen = select_runs(list(counts), settings.validation_runs)
        return {"": fixed_split(counts, chosen)}
    if settings.folds is None:
        return {"": share_split(counts, settings.validation_share, seed=settings.seed)}
    folds = fold_splits(counts, settings.folds, seed=settings.seed)
    named = {f"fold_{number}": split for number, split in enumerate(folds, start=1)}
    for name, split in named.items():
        check_split(counts, split, name)
    if settings.fold is not None:
        return {"": named[f"fold_{settings.fold}"]}
    return named


def _counts(data: TrainingData) -> dict[str, dict[str, int]]:
    return {
        run.name: {spec.name: len(run.picks.get(spec.name, ())) for spec in data.objects}
        for run in data.runs
    }


def _in_channel_order(data: TrainingData, names: Sequence[str]) -> TrainingData:
    """Return the data with channels ordered as in the model to start from, if it has the same."""
    by_name = {spec.name: spec for spec in data.objects}
    if set(by_name) != set(names):
        return data
    return replace(data, objects=tuple(by_name[name] for name in names))


def _jobs(
    settings: TrainSettings,
    data: TrainingData,
    splits: dict[str, Split],
    factory: NetworkFactory,
    curriculum: Curriculum | None,
    reporter: Reporter,
) -> "dict[str, Training]":
    """Return the training of every model, checked; report what will be done."""
    from copick_picker.workflows.train.making import make_training

    trainings = {
        name: make_training(
            _of_member(settings, name),
            data,
            split,
            factory,
            training_folder(settings) / name,
            curriculum,
        )
        for name, split in splits.items()
    }
    rows = []
    for name, split in splits.items():
        for side, runs in (("training", split.training), ("validation", split.validation)):
            counts = ", ".join(f"{key} {number}" for key, number in data.counts(runs).items())
            names = [*runs[:_LISTED], *(["..."] if len(runs) > _LISTED else [])]
            rows.append((f"{name} {side}".strip(), str(len(runs)), choices_text(names), counts))
    reporter.table("Runs and picks", ("side", "runs", "names", "picks"), rows)
    return trainings


def _of_member(settings: TrainSettings, name: str) -> TrainSettings:
    """Return the settings of a member: each has its own seed."""
    if settings.members is None:
        return settings
    number = int(name.removeprefix(f"{MEMBER}_"))
    return settings.model_copy(update={"seed": settings.seed + number - 1})


def training_folder(settings: TrainSettings) -> Path:
    """Return the folder of an unfinished training, next to the model.

    Parameters
    ----------
    settings : TrainSettings
        ``output``.
    """
    output = Path(settings.output)
    return output.with_name(f"{output.name}.training")


def _carry_out(
    settings: TrainSettings,
    trainings: "dict[str, Training]",
    factory: NetworkFactory,
    reporter: Reporter,
) -> Result:
    from copick_picker.core.train.module import LossNotFiniteError
    from copick_picker.workflows.train.making import run_training
    from copick_picker.workflows.train.result import write_results

    first = next(iter(trainings.values()))
    record = _record(settings, first.data, {n: c.split for n, c in trainings.items()}, factory)
    if first.curriculum is not None:
        record["models"]["curriculum"] = first.curriculum.record()
    if settings.dry_run:
        return _result(f"{len(trainings)} models planned, nothing written", 0, {})
    if _is_complete(settings, trainings, record):
        return _result(f"{settings.output} is complete", 0, {"output": settings.output})
    _prepare(settings, record)
    for name, training in trainings.items():
        if name:
            reporter.note(f"{name}: validation on {choices_text(training.split.validation)}")
        try:
            run_training(training, factory, reporter=reporter)
        except LossNotFiniteError as error:
            kept = training.folder / BEST_FILE
            text = f"; the best weights so far are {kept}" if kept.is_file() else ""
            return _result(f"stopped: {error}{text}", 1, {"output": settings.output})
    replaces = bool((read_json(training_folder(settings) / JOB_FILE) or {}).get("replaces"))
    figures = write_results(trainings, factory, record, overwrite=replaces, reporter=reporter)
    for training in trainings.values():
        for file in (STATE_FILE, BEST_FILE):
            remove(training.folder / file)
    stays = end_anew(training_folder(settings), foreign_in_training)
    if stays:
        reporter.warn(stays)
    return _trained(settings, first.data, figures)


def _trained(settings: TrainSettings, data: TrainingData, figures: Mapping[str, Any]) -> Result:
    """Return the result of a training that is whole; 1 is its exit code if a run was left out."""
    unusable, line = dict(data.unusable), str(figures["line"])
    if unusable:
        line = f"{line}; not used: {choices_text(unusable)}"
    content = {"output": settings.output, **figures, "unusable_runs": unusable}
    return _result(line, 1 if unusable else 0, content)


def _result(line: str, exit_code: int, figures: Mapping[str, Any]) -> Result:
    content = {
        "command": "train",
        "version": __version__,
        "result": line,
        "machine": machine_facts(),
        **figures,
    }
    return Result(f"train: {line}", exit_code, content)


def _record(
    settings: TrainSettings, data: TrainingData, splits: dict[str, Split], factory: NetworkFactory
) -> dict[str, Any]:
    start = factory.start_card
    return new_record(
        "train",
        input={run.name: run.record() for run in data.runs},
        settings=settings.recorded()
        | {"architecture": factory.architecture, "parameters": factory.parameters},
        models={
            "start": None if start is None else start.weights_sha256,
            "objects": {
                spec.name: {"channel": channel, "radius_angstrom": spec.radius_angstrom}
                for channel, spec in enumerate(data.objects, start=1)
            },
            "contrast": data.contrast,
            "splits": {
                name or "split": {
                    "training": list(split.training),
                    "validation": list(split.validation),
                }
                for name, split in splits.items()
            },
        },
    )


def _is_complete(
    settings: TrainSettings, trainings: "dict[str, Training]", record: dict[str, Any]
) -> bool:
    """Return whether every model exists already; raise if anything else is in its place."""
    output = Path(settings.output)
    if settings.overwrite:
        check_free_models(output, overwrite=True)
        return False
    known = read_json(training_folder(settings) / JOB_FILE)
    if known is not None:
        difference = same_job(known.get("record", {}), record)
        if difference:
            msg = (
                f"{training_folder(settings)} holds a training that was started with other "
                f"settings ({difference}); use --overwrite or another output"
            )
            raise ConflictError(msg)
    folders = [output / name for name in trainings]
    found = [folder for folder in folders if is_model_folder(folder)]
    ours = [folder for folder in found if _made_by(folder, record)]
    if len(ours) == len(folders):
        return True
    check_free_models(output, overwrite=bool((known or {}).get("replaces")))
    return False


def _made_by(folder: Path, record: dict[str, Any]) -> bool:
    card = read_mapping(folder / "model.yaml")
    return bool((card.get("provenance") or {}).get("job") == digest(record))


def _prepare(settings: TrainSettings, record: dict[str, Any]) -> None:
    """Make the folder of the training, or resume the existing one."""
    folder = training_folder(settings)
    if settings.overwrite:
        begin_anew(folder, "train", foreign_in_training)
    if not (folder / JOB_FILE).is_file():
        refuse_foreign(folder, "this training", foreign_files(folder, ()))
        write_json(folder / JOB_FILE, {"replaces": settings.overwrite, "record": record})
