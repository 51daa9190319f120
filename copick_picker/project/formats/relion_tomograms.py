"""RELION's ``tomograms.star``: where the centre of each tomogram is, and its optics.

The centre is half the size of the unbinned tomogram, ``rlnTomoSize{X,Y,Z}``, in pixels of the tilt
series (RELION's ``tomogram_set.cpp``).
"""

from collections.abc import Mapping
from pathlib import Path

from copick_picker.errors import DataError, choices_text
from copick_picker.project.formats.cells import Cells
from copick_picker.project.formats.copick_formats import RelionTomogram
from copick_picker.project.formats.star import parse_star
from copick_picker.project.formats.text import read_text

_NAME = "rlnTomoName"
_NUMBERS = (*(f"rlnTomoSize{axis}" for axis in "XYZ"), "rlnTomoTiltSeriesPixelSize")
_OPTICS = {
    "voltage": "rlnVoltage",
    "spherical_aberration": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}


def read_tomograms_star(path: Path) -> Mapping[str, RelionTomogram]:
    """Return the entries of RELION's ``tomograms.star`` by tomogram name.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    ProjectError
        If it cannot be read.
    DataError
        If a column is missing, or a size is not above 0.
    """
    blocks = [block for block in parse_star(read_text(path)) if block.columns]
    wanted = [block for block in blocks if block.name == "global"] or blocks
    if not wanted:
        msg = f"{path} contains no table of tomograms"
        raise DataError(msg)
    cells = Cells.of_rows(str(path), wanted[0].columns, wanted[0].rows)
    missing = [name for name in (_NAME, *_NUMBERS) if name not in cells]
    if missing:
        msg = f"{path} has no column {choices_text(missing)}; it has: {choices_text(cells.columns)}"
        raise DataError(msg)
    *sizes, pixels = (cells.lengths(name) for name in _NUMBERS)
    optics = {field: cells.numbers(name) for field, name in _OPTICS.items() if name in cells}
    if cells.problems:
        row, why = min(cells.problems.items())
        msg = f"{path}, row {row + 1}: {why}"
        raise DataError(msg)
    return {
        name: RelionTomogram(
            name=name,
            center_angstrom=tuple(float(0.5 * size[row] * pixels[row]) for size in sizes),
            tilt_series_pixel_size=float(pixels[row]),
            **{field: float(values[row]) for field, values in optics.items()},
        )
        for row, name in enumerate(cells.text(_NAME))
    }
