"""Picks as ChimeraX shows them: spheres of the object's radius, arrows along the particles' z axis.

BILD files need no extension of ChimeraX
(https://www.cgl.ucsf.edu/chimerax/docs/user/formats/bild.html). Positions are Angstrom from the
middle of the first voxel, where ChimeraX puts the first voxel of an MRC file without an origin.
"""

from collections.abc import Sequence

from copick_picker.records.points import PickSet

SCRIPT_SUFFIX = ".cxc"
_TRANSPARENCY = 0.4
_ARROW_RADII = 1.8
"""Length of an arrow from the particle's centre, in radii."""
_SHAFT_RADII = 0.08


def bild_text(picks: PickSet, radius_angstrom: float, colour: tuple[int, int, int]) -> str:
    """Return picks as a BILD file.

    Parameters
    ----------
    picks : PickSet
        Picks of one object in one tomogram.
    radius_angstrom : float
        Radius of the spheres.
    colour : tuple of int
        Red, green and blue, 0 to 255.

    Examples
    --------
    >>> import numpy as np
    >>> picks = PickSet("ribosome", np.array([[100.0, 200.0, 50.0]]), np.ones(1))
    >>> print(bild_text(picks, 150.0, (255, 0, 0)), end="")
    .comment 1 ribosome; positions in Angstrom (x, y, z)
    .color 1 0 0
    .transparency 0.4
    .sphere 100 200 50 150
    """
    lines = [
        f".comment {len(picks)} {picks.object_name}; positions in Angstrom (x, y, z)",
        f".color {_numbers(value / 255 for value in colour)}",
        f".transparency {_TRANSPARENCY:g}",
    ]
    radius = radius_angstrom
    lines += [f".sphere {_numbers(point)} {radius:g}" for point in picks.points_xyz]
    if picks.rotations is not None:
        lines.append(".transparency 0")
        tips = picks.points_xyz + _ARROW_RADII * radius * picks.rotations[:, :, 2]
        shaft = _SHAFT_RADII * radius
        lines += [
            f".arrow {_numbers(point)} {_numbers(tip)} {shaft:g} {3 * shaft:g} 0.8"
            for point, tip in zip(picks.points_xyz, tips, strict=True)
        ]
    return "\n".join(lines) + "\n"


def script_text(run_name: str, files: Sequence[str], tomogram: str | None) -> str:
    """Return a ChimeraX script that opens the picks of a run, and its tomogram if that is named.

    Parameters
    ----------
    run_name : str
        The run.
    files : sequence of str
        BILD files, relative to the script.
    tomogram : str or None
        MRC file of the tomogram.
    """
    lines = [f"# {run_name}: open this script in ChimeraX"]
    if tomogram is not None:
        lines += [
            f"open {_quoted(tomogram)} id 1",
            "volume #1 originIndex 0,0,0 style image",
        ]
    lines += [f"open {_quoted(name)} id {number}" for number, name in enumerate(files, 2)]
    return "\n".join([*lines, "view"]) + "\n"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _numbers(values: object) -> str:
    return " ".join(f"{float(value):.6g}" for value in values)  # type: ignore[attr-defined]
