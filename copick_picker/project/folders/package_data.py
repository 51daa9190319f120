"""Data shipped with the package."""

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from copick_picker.project.formats.tables import read_csv

VLP_NAME = "virus-like-particle"
"""Object of the real part of the demo."""


def package_data() -> Path:
    """Return the folder of the data shipped with the package."""
    return Path(str(resources.files("copick_picker"))) / "data"


def vlp_centres() -> list[tuple[float, float, float, bool]]:
    """Return (x, y, z, annotated) of the reference picks, in Angstrom.

    Nine are sphere fits to lattice points of the data's source (annotated); two more were picked by
    eye and are accurate to a voxel.
    """
    return [
        (
            float(row["x_angstrom"]),
            float(row["y_angstrom"]),
            float(row["z_angstrom"]),
            row["annotated"] == "1",
        )
        for row in read_csv(package_data() / "hiv_vlp" / "hiv_vlp_centres.csv")
    ]


def annotated_error(matches_csv: Path) -> str:
    """Return a text on the distance of found virus-like particles from their annotated centres.

    Parameters
    ----------
    matches_csv : pathlib.Path
        The table that ``evaluate`` wrote.
    """
    annotated = np.array([centre[:3] for centre in vlp_centres() if centre[3]])
    errors = []
    for row in read_csv(matches_csv, comments="above"):
        if row["kind"] != "reference" or row["object"] != VLP_NAME or not row["distance_angstrom"]:
            continue
        point = np.array([float(row[f"{axis}_angstrom"]) for axis in "xyz"])
        if np.linalg.norm(annotated - point, axis=1).min() < 1.0:
            errors.append(float(row["distance_angstrom"]))
    if not errors:
        return f"none of the {len(annotated)} annotated centres was found"
    return (
        f"{len(errors)} of the {len(annotated)} annotated centres found, "
        f"mean error {np.mean(errors):.1f} A (a voxel is 40 A)"
    )


@cache
def molecule_table() -> dict[str, dict[str, str]]:
    """Return the table rows of the shipped molecules, by file name without suffix."""
    rows = read_csv(package_data() / "molecules" / "molecules.csv")
    return {row["file"].split(".", maxsplit=1)[0]: row for row in rows}
