"""Opening the project that a command's settings name."""

from copick_picker.project.copick.store import CopickStore, open_project
from copick_picker.records.runs import Opening
from copick_picker.settings.job import JobSettings


def open_job(settings: JobSettings) -> CopickStore:
    """Return the project of a command.

    Parameters
    ----------
    settings : JobSettings
        Which project and split, and how to read remote objects.

    Raises
    ------
    ProjectError
        If the project cannot be opened.
    UnknownNameError
        If it has no such split.
    """
    opening = Opening(
        attempts=settings.attempts,
        timeout_seconds=settings.timeout_seconds,
        cache=settings.cache,
        cache_bytes=int(settings.cache_gigabytes * 1e9),
        split=settings.split,
    )
    return open_project(settings.config, opening)
