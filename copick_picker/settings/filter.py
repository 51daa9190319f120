"""Settings of ``filter``."""

from typing import Annotated

from pydantic import Field

from copick_picker.records.keys import DEFAULT_USER
from copick_picker.settings.limits import LimitedSettings
from copick_picker.settings.options import Option

FILTERED_SESSION = "filtered"
"""Session of filtered picks where the user names none."""
MERGE_RADII = 0.5
"""Picks of two sets nearer than this many radii mean one particle, where nothing is given."""


class FilterSettings(LimitedSettings):
    """Settings of ``filter``.

    Attributes
    ----------
    input : str
        Picks URI ``object:user/session``; ``*`` stands for every object.
    output : str
        Picks URI; ``*`` stands for every object of the input.
    tomogram : str
        Tomogram URI whose size gives the border.
    merge : str or None
        Picks URI of a second set of each object, put together with the first.
    merge_distance_angstrom : float or None
        Picks of the two sets nearer than this mean one particle; the better stays. None: half the
        object's radius.
    """

    also_recorded = (
        "tomogram",
        "merge_distance_angstrom",
        "between_distance_angstrom",
        "border_margin_angstrom",
    )

    output: Annotated[
        str,
        Option("Picks URI; * is every object of the input.", "-o", makes="picks", after="input"),
    ] = f"*:{DEFAULT_USER}/{FILTERED_SESSION}"
    merge: Annotated[
        str | None,
        Option(
            "Picks of a second model, to merge with the input.", metavar="URI", after="tomogram"
        ),
    ] = None
    merge_distance_angstrom: Annotated[
        float | None,
        Field(ge=0),
        Option(
            "Merge picks of the two sets closer than this; the higher score stays. Default: half "
            "the object's radius."
        ),
    ] = None
