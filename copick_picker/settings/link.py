"""Settings of ``link``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from copick_picker.records.keys import DEFAULT_USER
from copick_picker.settings.job import JobSettings, Parameters
from copick_picker.settings.options import Option

LINKED_SESSION = "linked"
"""Session of linked picks where the user names none."""


class LinkParameters(Parameters):
    """Settings of ``link`` that change its result.

    Attributes
    ----------
    gate_angstrom : float or None
        Greatest distance of two picks that are linked directly. None: four spacings of the picks.
    max_gap_angstrom : float or None
        Longest gap that is closed afterwards. None: fourteen spacings; 0: none.
    min_points : int
        Picks of the shortest filament.
    solver : str
        ``exact``: the links of the highest total score; ``threshold``: every link of a positive
        score, the best first.
    scorer : pathlib.Path or None
        File of a learned score of links. None: likelihood ratios estimated from the picks.
    branches : bool
        Look for ends that meet another filament between its ends, and record them.
    tangents : str
        ``auto``: of the z axes of the picks' rotations if these lie along the lines of neighbours;
        ``positions``: of the positions alone.
    fill : str
        ``auto``: walls of hollow tubes in a segmentation are filled, by the radius of the object;
        ``never``: the segmentation is taken as it is.
    spacing_angstrom : float or None
        Distance of evenly spaced picks along each filament. None: the given picks come back.
    min_length_angstrom : float
        Shorter filaments are left out.
    max_curvature : float or None
        Filaments of a greater mean curvature, in 1/um, are left out.
    min_straightness : float
        Filaments whose distance of ends over length is less are left out.
    """

    gate_angstrom: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "Greatest distance of picks that are linked directly. Default: 4 spacings, found from "
            "the picks."
        ),
    ] = None
    max_gap_angstrom: Annotated[
        float | None,
        Field(ge=0),
        Option("Longest gap that is closed; 0: none. Default: 14 spacings."),
    ] = None
    min_points: Annotated[int, Field(ge=2), Option("Picks of the shortest filament.")] = 3
    solver: Annotated[
        Literal["exact", "threshold"],
        Option(
            "The links of the highest total score, or every link of a positive score, the best "
            "first."
        ),
    ] = "exact"
    scorer: Annotated[
        Path | None,
        Option(
            "Learned score of links. Default: likelihood ratios, estimated from the picks.",
            metavar="FILE",
        ),
    ] = None
    branches: Annotated[
        bool,
        Option("Record ends that meet another filament's side; each pick stays in one filament."),
    ] = False
    tangents: Annotated[
        Literal["auto", "positions"],
        Option(
            "Take tangents and directions from the picks' rotations where their z axes lie along "
            "the filaments, or from the positions alone."
        ),
    ] = "auto"
    fill: Annotated[
        Literal["auto", "never"],
        Option(
            "Fill hollow tubes of a segmentation that shows their walls, by the radius of the "
            "object."
        ),
    ] = "auto"
    spacing_angstrom: Annotated[
        float | None,
        Field(gt=0),
        Option("Put picks at this distance along each filament. Default: keep the given picks."),
    ] = None
    min_length_angstrom: Annotated[
        float, Field(ge=0), Option("Leave out filaments that are shorter.")
    ] = 0.0
    max_curvature: Annotated[
        float | None,
        Field(gt=0),
        Option("Leave out filaments of a greater mean curvature.", metavar="1/UM"),
    ] = None
    min_straightness: Annotated[
        float,
        Field(ge=0, le=1),
        Option("Leave out filaments whose distance of ends over length is less.", metavar="SHARE"),
    ] = 0.0


class LinkSettings(LinkParameters, JobSettings):
    """Settings of ``link``.

    Attributes
    ----------
    input : str
        Picks URI ``object:user/session``; ``*`` stands for every object that the project declares
        a filament. With ``@spacing`` a segmentation URI: its skeleton is linked.
    output : str
        Picks URI of the linked picks, and of the filaments.
    """

    input: Annotated[
        str,
        Option(
            "Picks URI, object:user/session; * stands for every filament object. Or a segmentation "
            "URI, name:user/session@spacing, whose skeleton is linked.",
            "-i",
        ),
    ]
    output: Annotated[
        str,
        Option(
            "URI of the linked picks and of the filaments; * stands for every object of the input.",
            "-o",
            makes="picks",
            after="input",
        ),
    ] = f"*:{DEFAULT_USER}/{LINKED_SESSION}"
