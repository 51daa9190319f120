"""Which rows of a file of particles go into which object of which run."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError, SettingsError, UnknownNameError
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.formats.text import several
from copick_picker.project.formats.tomogram_names import TomogramNames, read_names
from copick_picker.records.points import ParticleTable
from copick_picker.settings.import_ import EVERY_CLASS, ImportPicksSettings

Rows = npt.NDArray[np.int64]
_LISTED = 10


def rows_by_object(
    settings: ImportPicksSettings,
    table: ParticleTable,
    wanted: str,
    objects: Sequence[str],
    reporter: Reporter,
) -> dict[str, Rows]:
    """Return the rows of each object; a file of several classes never becomes one object unasked.

    Parameters
    ----------
    settings : ImportPicksSettings
        Settings of the command.
    table : ParticleTable
        The particles.
    wanted : str
        Object that the user names, ``*`` for every object that the file names.
    objects : sequence of str
        Objects of the project.
    reporter : Reporter
        Told what is left out.

    Raises
    ------
    UnknownNameError
        If the file does not have a class that the user names.
    DataError
        If it has several classes and the user has not said which are meant.
    """
    numbers = Counter(table.classes)
    if settings.classes:
        return {_one(settings, wanted): _of_classes(settings, table)}
    if wanted == "*":
        return _each(settings, table, objects, reporter)
    every = np.arange(len(table))
    if wanted in numbers:
        others = [name for name in numbers if name != wanted]
        if others:
            shown = ", ".join(f"{name or 'blank'} ({numbers[name]})" for name in others[:_LISTED])
            reporter.note(
                f"Using the {numbers[wanted]} particles with {table.class_from} {wanted}; "
                f"leaving out: {shown}{', ...' if len(others) > _LISTED else ''}"
            )
        return {wanted: _rows(table, [wanted])}
    if len(numbers) > 1 or (numbers and table.has_named_classes):
        shown = _some(sorted(name or "blank" for name in numbers))
        msg = (
            f"{settings.file} has no rows of object '{wanted}': its classes "
            f"({table.class_from}) are {shown}; choose with --classes, or import all as one "
            "object with --classes '*'"
        )
        raise DataError(msg)
    return {wanted: every}


def rows_by_run(
    settings: ImportPicksSettings, table: ParticleTable, run_names: list[str], reporter: Reporter
) -> dict[str, Rows]:
    """Return the rows of the table for each run of the project.

    Parameters
    ----------
    settings : ImportPicksSettings
        Settings of the command.
    table : ParticleTable
        The particles.
    run_names : list of str
        Runs of the project.
    reporter : Reporter
        Told what is left out.

    Raises
    ------
    UnknownNameError
        If no tomogram of the file is a run, or ``--run`` is not one.
    SettingsError
        If the file does not say which tomogram its particles are of.
    """
    named = [*table.names, *table.looked_at]
    names = read_names(settings.names, settings.name_pattern or "{run}", run_names)
    if settings.run is not None:
        return {settings.run: _rows_of_run(settings, table, names, run_names)}
    if not named:
        msg = f"{settings.file} does not name the tomogram of its particles: use --run"
        raise SettingsError(msg)
    found = {name: names.run_of(name, run_names) for name in dict.fromkeys(named)}
    unknown = [name for name, run_name in found.items() if run_name is None]
    if len(unknown) == len(found):
        msg = (
            f"{settings.file}: no run is called {_some(unknown)}; the project has: "
            f"{_some(run_names)}; match them with --names, --name-pattern or --run"
        )
        raise UnknownNameError(msg)
    if unknown:
        lost = sum(name in unknown for name in table.names)
        reporter.warn(
            f"{lost} particles are in tomograms that match no run of the project, and are "
            f"left out: {_some(unknown)}"
        )
    runs = np.array([found[name] or "" for name in table.names], dtype=object)
    known = {run_name for run_name in found.values() if run_name is not None}
    return {
        run_name: np.flatnonzero(runs == run_name) for run_name in run_names if run_name in known
    }


def _rows_of_run(
    settings: ImportPicksSettings, table: ParticleTable, names: TomogramNames, run_names: list[str]
) -> Rows:
    """Return the rows of the run that the user names: all, or those that the file says are its."""
    run = settings.run
    if run not in run_names:
        msg = f"--run: no run '{run}'; the project has: {_some(run_names)}"
        raise UnknownNameError(msg)
    different = list(dict.fromkeys(table.names))
    if len(different) < 2:
        return np.arange(len(table))
    own = [name for name in different if names.run_of(name, run_names) == run]
    if not own:
        msg = (
            f"{settings.file} has particles of {len(different)} tomograms, "
            f"{_some(different)}, and none of them is run {run}: match them with --names, "
            "without --run"
        )
        raise DataError(msg)
    return np.array([row for row, name in enumerate(table.names) if name in own], dtype=np.int64)


def _one(settings: ImportPicksSettings, wanted: str) -> str:
    if wanted == "*":
        msg = f"--output '{settings.output}': name the object that --classes make up"
        raise SettingsError(msg)
    return wanted


def _of_classes(settings: ImportPicksSettings, table: ParticleTable) -> Rows:
    if settings.classes == (EVERY_CLASS,):
        return np.arange(len(table))
    known = sorted(set(table.classes))
    for name in settings.classes:
        if name not in known:
            what = (
                f"its classes ({table.class_from}) are {_some(known)}" if known else "it has none"
            )
            msg = f"--classes: {settings.file} has no class '{name}'; {what}"
            raise UnknownNameError(msg)
    return _rows(table, settings.classes)


def _each(
    settings: ImportPicksSettings, table: ParticleTable, objects: Sequence[str], reporter: Reporter
) -> dict[str, Rows]:
    """Return the rows of every object that a file names and the project has."""
    numbers = Counter(table.classes)
    found = {name: _rows(table, [name]) for name in objects if name in numbers}
    if not found:
        what = f"names {_some(sorted(numbers))}" if numbers else "does not name objects"
        msg = (
            f"--output '{settings.output}': {settings.file} {what}; the project has: "
            f"{_some(list(objects))}; name the object, such as ribosome:relion/1"
        )
        raise SettingsError(msg)
    lost = {name: number for name, number in numbers.items() if name not in found}
    if lost:
        shown = ", ".join(f"{name or 'blank'} ({number})" for name, number in lost.items())
        reporter.warn(f"Particles of objects that the project does not have are left out: {shown}")
    return found


def _rows(table: ParticleTable, classes: Sequence[str]) -> Rows:
    return np.array([row for row, name in enumerate(table.classes) if name in classes], np.int64)


def _some(names: Sequence[str]) -> str:
    return several(list(names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")
