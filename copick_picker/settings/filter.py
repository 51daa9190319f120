"""Settings of ``filter``."""

from typing import Annotated

from pydantic import Field

from copick_picker.settings.job import JobSettings
from copick_picker.settings.limits import LimitSettings


class FilterSettings(LimitSettings, JobSettings):
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

    input: str
    output: str = "*:picker/filtered"
    tomogram: str = "*"
    merge: str | None = None
    merge_distance_angstrom: Annotated[float, Field(ge=0)] | None = None

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that are recorded in another form."""
        compared_by_object = {"min_score", "top", "min_distance"}
        return {"input", "output", "merge", "mask", "mask_margin"} | compared_by_object
