"""Real picks that simulated particles are placed at."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from copick_picker.errors import DataError, choices_text
from copick_picker.project.folders.package_data import package_data
from copick_picker.project.formats.tables import read_csv
from copick_picker.project.formats.text import number_of
from copick_picker.records.simulation import Layout
from copick_picker.settings.simulate_entries import LayoutEntry

CZII = "czii"
_COLUMNS = ("run", "object", "x_angstrom", "y_angstrom", "z_angstrom")


def read_layouts(entry: LayoutEntry | None, folder: Path) -> tuple[Layout, ...]:
    """Return the real picks of a scene, one layout per run; empty if it names none.

    Parameters
    ----------
    entry : LayoutEntry or None
        The scene's entry.
    folder : pathlib.Path
        Folder of the scene's file; the file of picks is relative to it.

    Raises
    ------
    DataError
        If the file does not contain picks.
    """
    if entry is None:
        return ()
    path = folder / entry.picks
    if entry.picks == CZII:
        path = package_data() / "layouts" / "czii_reference_picks.csv"
    points: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    rows = read_csv(path)
    missing = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if missing:
        msg = f"{path} has no column {choices_text(missing)}; expected {choices_text(_COLUMNS)}"
        raise DataError(msg)
    for number, row in enumerate(rows, 1):
        place = [number_of(row[name]) for name in _COLUMNS[2:]]
        if not np.isfinite(place).all():
            shown = ", ".join(f"'{row[name]}'" for name in _COLUMNS[2:])
            msg = f"{path}, row {number}: the position is {shown}; expected three finite numbers"
            raise DataError(msg)
        points[row["run"]][row["object"]].append(place)
    return tuple(
        Layout(run, {name: np.array(found) for name, found in sorted(by_object.items())}, box)
        for run, by_object in sorted(points.items())
        for box in [entry.box_angstrom]
    )
