"""Settings of ``filter``."""

from typing import Annotated

from pydantic import Field

from copick_picker.settings.limits import LimitedSettings

DEFAULT_SESSION = "filtered"
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

    output: str = f"*:picker/{DEFAULT_SESSION}"
    merge: str | None = None
    merge_distance_angstrom: Annotated[float, Field(ge=0)] | None = None

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that are recorded in another form."""
        compared_by_object = {"min_score", "top", "min_distance"}
        return {"input", "output", "merge", "mask", "mask_margin"} | compared_by_object
