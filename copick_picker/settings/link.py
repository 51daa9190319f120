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
            "Maximum distance of directly linked picks. Default: 4 spacings, estimated from the "
            "picks."
        ),
    ] = None
    max_gap_angstrom: Annotated[
        float | None,
        Field(ge=0),
        Option("Longest gap to close; 0: none. Default: 14 spacings."),
    ] = None
    min_points: Annotated[int, Field(ge=2), Option("Minimum number of picks in a filament.")] = 3
    solver: Annotated[
        Literal["exact", "threshold"],
        Option(
            "Maximise the total score of links, or take every link with a positive score, best "
            "first."
        ),
    ] = "exact"
    scorer: Annotated[
        Path | None,
        Option(
            "Learned link scores. Default: likelihood ratios, estimated from the picks.",
            metavar="FILE",
        ),
    ] = None
    branches: Annotated[
        bool,
        Option(
            "Record where a filament's end meets another's side; each pick stays in one filament."
        ),
    ] = False
    tangents: Annotated[
        Literal["auto", "positions"],
        Option(
            "auto: use the picks' rotations if their z axes lie along the filaments; positions: "
            "ignore rotations."
        ),
    ] = "auto"
    fill: Annotated[
        Literal["auto", "never"],
        Option("Fill hollow tubes in a segmentation of their walls, by the object's radius."),
    ] = "auto"
    spacing_angstrom: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "Place new picks at this spacing along each filament. Default: keep the input picks."
        ),
    ] = None
    min_length_angstrom: Annotated[float, Field(ge=0), Option("Leave out shorter filaments.")] = 0.0
    max_curvature: Annotated[
        float | None,
        Field(gt=0),
        Option("Leave out filaments with a higher mean curvature.", metavar="1/UM"),
    ] = None
    min_straightness: Annotated[
        float,
        Field(ge=0, le=1),
        Option(
            "Leave out filaments with a lower ratio of end-to-end distance to length.",
            metavar="SHARE",
        ),
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
            "Picks URI, object:user/session; * is every filament object. Or a segmentation URI, "
            "name:user/session@spacing, to trace its skeleton.",
            "-i",
        ),
    ]
    output: Annotated[
        str,
        Option(
            "URI for linked picks and filaments; * is every object of the input.",
            "-o",
            makes="picks",
            after="input",
        ),
    ] = f"*:{DEFAULT_USER}/{LINKED_SESSION}"
