"""Worker processes that compute with models: where they run, and what they do without memory."""

from dataclasses import replace
from typing import Protocol

from copick_picker.core.segment.device import cuda_devices, resolve_device, thread_count
from copick_picker.errors import SettingsError
from copick_picker.jobs.placement import Place, Work
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.segment import WorkerSettings
from copick_picker.workflows.models.load import LoadedModels


def worker_places(settings: WorkerSettings) -> list[Place]:
    """Return where worker processes compute; empty if this process does all the work.

    Parameters
    ----------
    settings : WorkerSettings
        ``devices``, ``workers`` and ``threads``; threads are divided evenly.

    Raises
    ------
    SettingsError
        If a device does not exist, or is listed twice.
    """
    names = [settings.device] * (settings.workers or 0)
    if settings.devices == ("auto",):
        names = cuda_devices() or ["auto"]
    elif settings.devices:
        names = list(settings.devices)
    found = [str(resolve_device(name)) for name in names]
    if settings.devices and len(set(found)) < len(found):
        msg = f"--devices {','.join(settings.devices)}: a device is listed twice; use --workers"
        raise SettingsError(msg)
    threads = settings.threads or thread_count()
    return [Place(name, max(1, threads // len(found))) for name in found]


class UsesModels(Protocol):
    """What treats a run with models: a dataclass, of which copies with other models are made."""

    @property
    def models(self) -> LoadedModels:
        """The models."""
        ...

    def run(self, run_name: str) -> RunOutcome:
        """Treat a run."""
        ...


def with_smaller_batches(whole: UsesModels) -> Work:
    """Return the function that treats a run, with half the windows at once after each failure.

    Parameters
    ----------
    whole : UsesModels
        Treats a run.
    """
    models = whole.models

    def work(run_name: str, halvings: int) -> RunOutcome:
        batch = max(1, models.options.window_batch >> halvings)
        options = replace(models.options, window_batch=batch)
        smaller: UsesModels = replace(whole, models=replace(models, options=options))  # type: ignore[type-var]
        return smaller.run(run_name)

    return work
