"""What other programs call the tomograms of a project's runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name
from copick_picker.project.formats.tables import read_csv

_SUFFIXES = re.compile(r"(\.(tomostar|mrc|mrcs|rec|map|st|xml|gz|bz2|hdf|star))+$", re.IGNORECASE)
_WARP_SIZE = re.compile(r"_\d+(\.\d+)?Apx$")


@dataclass(frozen=True)
class TomogramNames:
    """Names of tomograms by run: a table first, a pattern for the rest.

    Attributes
    ----------
    pattern : str
        Tomogram name with ``{run}`` in it.
    table : dict
        Run name -> tomogram name.
    """

    pattern: str = "{run}"
    table: dict[str, str] = field(default_factory=dict)

    def of_run(self, run_name: str) -> str:
        """Return the other program's name of a run's tomogram.

        Parameters
        ----------
        run_name : str
            The run.
        """
        return self.table.get(run_name, self.pattern.replace("{run}", run_name))

    def run_of(self, tomogram_name: str, run_names: Sequence[str]) -> str | None:
        """Return the run that another program's name means, None where there is none.

        After the table and the pattern, the name itself is tried, then the name without folders,
        file suffixes and the ``_10.00Apx`` that Warp adds.

        Parameters
        ----------
        tomogram_name : str
            Name in the file.
        run_names : sequence of str
            Runs of the project.
        """
        for run_name, name in self.table.items():
            if name == tomogram_name:
                return run_name
        bare = _SUFFIXES.sub("", PurePosixPath(tomogram_name).name)
        before, after = self.pattern.split("{run}")
        for name in (tomogram_name, PurePosixPath(tomogram_name).name, bare):
            middle = name.removeprefix(before).removesuffix(after)
            if len(middle) == len(name) - len(before) - len(after) and middle in run_names:
                return middle
        for name in (tomogram_name, bare, _WARP_SIZE.sub("", bare)):
            if name in run_names:
                return name
        return None


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
    for row in read_csv(Path(path)):
        run_name, name = row.get("run_name"), row.get("tomogram_name")
        if not run_name or not name:
            msg = f"{path}: columns are {choices_text(row)}; expected run_name and tomogram_name"
            raise SettingsError(msg)
        if run_name in table or name in table.values():
            msg = f"{path}: {run_name} or {name} stands twice"
            raise SettingsError(msg)
        if run_name not in run_names:
            msg = f"{path}: no run '{run_name}'{nearest_name(run_name, run_names)}"
            raise UnknownNameError(msg)
        table[run_name] = name
    return TomogramNames(pattern, table)
