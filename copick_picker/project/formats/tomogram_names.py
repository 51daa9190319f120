"""What other programs call the tomograms of a project's runs."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name
from copick_picker.project.formats.tables import read_csv

_SUFFIX = re.compile(r"\.(tomostar|mrc|mrcs|rec|map|st|xml|gz|bz2|hdf|star)$", re.IGNORECASE)
_WARP_SIZE = re.compile(r"_\d+(\.\d+)?Apx$")
_FOLDERS = re.compile(r"^.*[/\\]", re.DOTALL)
WARP_SUFFIX = ".tomostar"


def without_warp_size(name: str) -> str:
    """Return a name without the pixel size that Warp adds to reconstructions.

    Parameters
    ----------
    name : str
        Name of a tomogram.

    Examples
    --------
    >>> without_warp_size("P7_ali_7.90Apx")
    'P7_ali'
    """
    return _WARP_SIZE.sub("", name)


@dataclass(frozen=True)
class TomogramNames:
    """Names of tomograms by run: a table first, a pattern for the rest.

    Attributes
    ----------
    pattern : str
        Tomogram name with ``{run}`` in it.
    table : dict
        Run name -> tomogram name.
    short : dict
        Run name -> what stands for ``{run}``, where that is another name.
    """

    pattern: str = "{run}"
    table: dict[str, str] = field(default_factory=dict)
    short: dict[str, str] = field(default_factory=dict)

    def of_run(self, run_name: str) -> str:
        """Return the other program's name of a run's tomogram.

        Parameters
        ----------
        run_name : str
            The run.
        """
        if run_name in self.table:
            return self.table[run_name]
        return self.pattern.replace("{run}", self.short.get(run_name, run_name))

    def run_of(self, tomogram_name: str, run_names: Sequence[str]) -> str | None:
        """Return the run that another program's name means, None where there is none.

        After the table, the name is tried with the pattern and as it is: whole, without folders,
        and with one ending after the other taken off, suffixes of files and the ``_10.00Apx`` that
        Warp adds. At last the same endings are taken off the names of the runs.

        Parameters
        ----------
        tomogram_name : str
            Name in the file.
        run_names : sequence of str
            Runs of the project.

        Raises
        ------
        SettingsError
            If it could be several runs.
        """
        for run_name, name in self.table.items():
            if name == tomogram_name:
                return run_name
        forms = _forms(tomogram_name)
        known = _known(tuple(run_names))
        before, after = self.pattern.split("{run}")
        for name in forms:
            middle = name.removeprefix(before).removesuffix(after)
            if len(middle) == len(name) - len(before) - len(after) and middle in known.names:
                return middle
        for name in forms:
            if name in known.names:
                return name
        return _by_ending(tomogram_name, forms, known)


def warp_names(run_names: Sequence[str]) -> TomogramNames:
    """Return the names of Warp's tilt series: ``P7.tomostar`` for the run ``P7_7.90Apx``.

    Parameters
    ----------
    run_names : sequence of str
        Runs of the project. Where two runs would have one name, both keep the whole one.
    """
    short = {name: without_warp_size(name) for name in run_names}
    numbers = Counter(short.values())
    changed = {
        name: series for name, series in short.items() if series != name and numbers[series] == 1
    }
    return TomogramNames("{run}" + WARP_SUFFIX, short=changed)


def _forms(name: str) -> list[str]:
    """Return a name and what is left of it: without blanks, folders, and each ending."""
    base = _FOLDERS.sub("", name.strip())
    forms = [name, name.strip(), base]
    while base:
        shorter = _SUFFIX.sub("", base)
        shorter = without_warp_size(base) if shorter == base else shorter
        if shorter in (base, ""):
            break
        forms.append(shorter)
        base = shorter
    return list(dict.fromkeys(form for form in forms if form))


@dataclass(frozen=True)
class _Known:
    """Names of runs, and what is left of them without endings: form -> (endings, run)."""

    names: frozenset[str]
    shorter: dict[str, list[tuple[int, str]]]


@lru_cache(maxsize=4)
def _known(run_names: tuple[str, ...]) -> _Known:
    shorter: dict[str, list[tuple[int, str]]] = {}
    for run_name in run_names:
        for number, form in enumerate(_forms(run_name)[1:]):
            shorter.setdefault(form, []).append((number, run_name))
    return _Known(frozenset(run_names), shorter)


def _by_ending(tomogram_name: str, forms: Sequence[str], known: _Known) -> str | None:
    """Return the one run whose name, without endings, is one of some forms: with the fewest off."""
    form = next((form for form in forms if form in known.shorter), None)
    if form is None:
        return None
    fewest = min(number for number, _ in known.shorter[form])
    found = [run_name for number, run_name in known.shorter[form] if number == fewest]
    if len(found) > 1:
        msg = (
            f"tomogram '{tomogram_name}' could belong to runs {choices_text(found[:5])}: "
            "specify with --names or --name-pattern"
        )
        raise SettingsError(msg)
    return found[0]


def read_names(path: str | None, pattern: str, run_names: Sequence[str]) -> TomogramNames:
    """Return the names that a table and a pattern give.

    Parameters
    ----------
    path : str or None
        CSV file with the columns ``run_name`` and ``tomogram_name``.
    pattern : str
        Tomogram name with ``{run}`` in it.
    run_names : sequence of str
        Runs of the project.

    Raises
    ------
    SettingsError
        If the table has other columns, or names one run or tomogram twice.
    UnknownNameError
        If it names a run that the project has not.
    """
    if path is None:
        return TomogramNames(pattern)
    table: dict[str, str] = {}
    for number, row in enumerate(read_csv(Path(path)), 1):
        if not {"run_name", "tomogram_name"} <= row.keys():
            msg = f"{path}: columns are {choices_text(row)}; expected run_name and tomogram_name"
            raise SettingsError(msg)
        run_name, name = row["run_name"], row["tomogram_name"]
        if run_name not in run_names:
            run_name = run_name.strip()
        if not run_name or not name.strip():
            what = "tomogram_name" if run_name else "run_name"
            msg = f"{path}, row {number}: {what} is blank"
            raise SettingsError(msg)
        if run_name in table or name in table.values():
            msg = f"{path}: {run_name} or {name} is listed twice"
            raise SettingsError(msg)
        if run_name not in run_names:
            msg = f"{path}: no run '{run_name}'{nearest_name(run_name, run_names)}"
            raise UnknownNameError(msg)
        table[run_name] = name
    return TomogramNames(pattern, table)
