"""Data that ship with the package."""

from importlib import resources
from pathlib import Path

from copick_picker.project.formats.tables import read_csv


def package_data() -> Path:
    """Return the folder of the data that ship with the package."""
    return Path(str(resources.files("copick_picker"))) / "data"


def vlp_centres() -> list[tuple[float, float, float, bool]]:
    """Return (x, y, z, annotated) of the reference picks, in Angstrom.

    Nine are sphere fits to lattice points of the data's source (annotated); two more were found by
    eye and are good to a voxel.
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
