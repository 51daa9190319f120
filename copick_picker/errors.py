"""Every error that the package raises on purpose.

One root, :class:`CopickPickerError`; each subclass is also a builtin, so that code which catches
``ValueError`` or ``FileNotFoundError`` keeps working. A message says what is wrong, in which run,
what was got, what was expected and what the choices are.
"""

import difflib
from collections.abc import Iterable


class CopickPickerError(Exception):
    """Root of all errors raised by copick-picker."""


class SettingsError(CopickPickerError, ValueError):
    """A setting or an option has a wrong name, type or value."""


class UnknownNameError(CopickPickerError, LookupError):
    """A run, object, tomogram type, method or architecture does not exist."""


class ProjectError(CopickPickerError, OSError):
    """A copick project cannot be opened, read or written."""


class ConflictError(CopickPickerError, FileExistsError):
    """An output exists and was not made by the same model, settings and input."""


class SameOutputError(ConflictError):
    """Another process finished the same output, with the same record, in the meantime."""


class CheckpointError(CopickPickerError, ValueError):
    """A model folder or weights file is missing, broken, unsafe or does not fit."""


class DataError(CopickPickerError, ValueError):
    """An array, a tomogram or a pick set holds values that cannot be used."""


class RunsFailedError(CopickPickerError, RuntimeError):
    """Some runs of a project failed; the others were worked on to the end.

    Attributes
    ----------
    failed : dict of str to str
        Run name -> what went wrong.
    """

    def __init__(self, command: str, failed: "dict[str, str]", n_runs: int) -> None:
        self.failed = failed
        first = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        super().__init__(f"{command}: {len(failed)} of {n_runs} runs failed: {first}{more}")


class DeviceMemoryError(CopickPickerError, MemoryError):
    """The device has too little memory even for a single window."""


def choices_text(choices: Iterable[object]) -> str:
    """Return the choices as one line, ``none`` where there are none.

    Parameters
    ----------
    choices : iterable
        Names or numbers to list, in the order given.
    """
    names = [str(choice) for choice in choices]
    return ", ".join(names) if names else "none"


def nearest_name(name: str, choices: Iterable[str]) -> str:
    """Return `` did you mean 'x'?`` for the nearest of the choices, or an empty string.

    Parameters
    ----------
    name : str
        What the user wrote.
    choices : iterable of str
        What is valid.
    """
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
