"""Filling ``--patch-cache``: the volumes of a training are copied once, by several processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from copick_picker.errors import DataError
from copick_picker.jobs.execution import Executor, InTurn
from copick_picker.jobs.job import Job
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.placement import Place, Work
from copick_picker.jobs.processes import Processes
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.patch_cache import (
    Copies,
    VolumeKey,
    copy_place,
    copy_volume,
    is_copied,
    source_of,
)
from copick_picker.project.store import LazyVolume, ProjectStore
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.train import TrainSettings


def training_store(settings: TrainSettings) -> ProjectStore:
    """Return the project of a training, with the runs of both splits where there are two.

    Parameters
    ----------
    settings : TrainSettings
        Settings of the command.
    """
    if settings.validation_split is not None:
        settings = settings.model_copy(update={"split": None})
    return open_job(settings)


def cached_copies(job: Job[TrainSettings], volumes: Mapping[str, VolumeKey]) -> Copies:
    """Return the copies of volumes in the folder that ``patch_cache`` names, after making them.

    On a dry run nothing is written, and only the copies that exist are used.

    Parameters
    ----------
    job : Job
        Its settings say where; without ``patch_cache`` there are no copies.
    volumes : mapping
        Run -> volume.

    Raises
    ------
    CopickPickerError
        If a volume cannot be read, or a copy not be written.
    """
    settings, folder = job.settings, job.settings.patch_cache
    if folder is None or not volumes:
        return {}
    sources = {
        (name, key): source_of(name, key, opened(job.store, name, key))
        for name, key in volumes.items()
    }
    copies = {each: copy_place(folder, source) for each, source in sources.items()}
    missing = [each[0] for each, place in copies.items() if not is_copied(place, sources[each])]
    kinds = "tomograms" if isinstance(next(iter(volumes.values())), TomogramKey) else "masks"
    have = len(volumes) - len(missing)
    job.reporter.note(f"{folder}: {have} of {len(volumes)} {kinds} exist already")
    if settings.dry_run:
        return {each: place for each, place in copies.items() if each[0] not in missing}
    if missing:
        _copy(job, {name: volumes[name] for name in missing})
    return copies


def _copy(job: Job[TrainSettings], volumes: Mapping[str, VolumeKey]) -> None:
    names, n_readers = list(volumes), min(job.settings.cache_readers, len(volumes))
    task = _Copying(job.settings, volumes)
    executor: Executor = InTurn(partial(task.copied, job.store))
    if n_readers > 1:
        executor = Processes(task.worker, [Place("cpu", 1)] * n_readers, sizes={})
    job.reporter.begin(len(names))
    failed = [one for one in executor.outcomes(names, job.reporter) if one.status == "failed"]
    if failed:
        msg = f"--patch-cache: run {failed[0].run_name}: {failed[0].message}"
        raise DataError(msg)


@dataclass(frozen=True)
class _Copying:
    """What a reader process needs."""

    settings: TrainSettings
    volumes: Mapping[str, VolumeKey]

    def worker(self, place: Place, reporter: Reporter) -> Work:
        """Return the work of a reader process, which opens the project itself."""
        del place, reporter
        store = training_store(self.settings)
        return lambda run_name, _: self.copied(store, run_name)

    def copied(self, store: ProjectStore, run_name: str) -> RunOutcome:
        """Copy the volume of a run, and say so."""
        key, folder = self.volumes[run_name], self.settings.patch_cache
        volume = opened(store, run_name, key)
        source = source_of(run_name, key, volume)
        if folder is not None:
            copy_volume(copy_place(folder, source), source, volume)
        return RunOutcome(run_name, "done", f"{key} copied to {folder}")


def opened(store: ProjectStore, run_name: str, key: VolumeKey) -> LazyVolume:
    """Return a volume, opened.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    key : TomogramKey or SegmentationKey
        The volume.
    """
    if isinstance(key, TomogramKey):
        return store.open_tomogram(run_name, key)
    return store.open_segmentation(run_name, key)
