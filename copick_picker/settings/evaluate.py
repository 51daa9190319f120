"""Settings of ``evaluate``."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from copick_picker.settings.job import JobSettings, NumberByName

CZII_RADII_ANGSTROM = {
    "apo-ferritin": 60.0,
    "beta-amylase": 65.0,
    "beta-galactosidase": 90.0,
    "ribosome": 150.0,
    "thyroglobulin": 130.0,
    "virus-like-particle": 135.0,
}
"""Radii of the CZII 2024 challenge; ``--matcher czii`` takes them for objects of these names."""
CZII_WEIGHTS = {
    "apo-ferritin": 1.0,
    "beta-amylase": 0.0,
    "beta-galactosidase": 2.0,
    "ribosome": 1.0,
    "thyroglobulin": 2.0,
    "virus-like-particle": 1.0,
}
"""Weights of the CZII 2024 challenge."""
RECALL_FRACTIONS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Tolerances of the recall curve, as fractions of the radius."""
CONFIDENCE = 0.95
"""Share of the bootstrap replicates inside an interval."""
MIN_BOOTSTRAP_RUNS = 5
"""Fewest runs from which an interval over runs is given."""

_TOLERANCE = re.compile(r"(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<unit>r|R|A|Å)")


def parse_tolerance(text: str) -> tuple[float, str]:
    """Return the number and the unit of a tolerance: ``r`` (radii) or ``A`` (Angstrom).

    Parameters
    ----------
    text : str
        ``0.5r`` or ``60A``.

    Raises
    ------
    ValueError
        If it has another form or is not positive.

    Examples
    --------
    >>> parse_tolerance("0.5r"), parse_tolerance("60A")
    ((0.5, 'r'), (60.0, 'A'))
    """
    found = _TOLERANCE.fullmatch(text.strip())
    if found is None or float(found["number"]) == 0.0:
        msg = "expected a positive multiple of the radius such as 0.5r, or Angstrom such as 60A"
        raise ValueError(msg)
    return float(found["number"]), "r" if found["unit"] in "rR" else "A"


class EvaluateSettings(JobSettings):
    """Settings of ``evaluate``.

    Attributes
    ----------
    reference, candidate : str
        Picks URIs ``object:user/session``; ``*`` stands for every object.
    output : str
        Folder for the scores.
    matcher : str
        ``one-to-one``, ``czii`` or ``octopi``.
    tolerance : str
        Greatest distance of a hit: ``0.5r`` (of the object's radius) or ``60A``.
    beta : float
        How many times recall counts as much as precision in F-beta.
    radius : dict
        Object name -> radius in Angstrom, over the project's.
    weight : dict
        Object name -> weight in the macro average, over the project's.
    min_score : dict
        Object name -> lowest score of a candidate that counts.
    merge_sets : bool
        Put several sets of one object in a run together instead of refusing them.
    border_margin_xy_angstrom, border_margin_z_angstrom : float
        Candidates this near to an x or y face, or to a z face, and reference picks there, are
        listed and not counted.
    tomogram : str
        Tomogram URI: its size gives the faces, and slices are drawn of it.
    slices : int
        Runs to draw slices of with their picks.
    contrast : str
        How protein looks in the tomograms, for the slices; ``auto`` looks at each.
    bootstrap : int
        Replicates of the bootstrap over runs; 0 leaves intervals out.
    seed : int
        Seed of the bootstrap.
    fail_under : dict
        Score name -> least value; less makes the exit code 3.
    """

    reference: str
    candidate: str = "*:picker/1"
    output: str = "scores"
    matcher: str = "one-to-one"
    tolerance: str = "0.5r"
    beta: Annotated[float, Field(gt=0)] = 4.0
    radius: NumberByName = Field(default_factory=dict)
    weight: NumberByName = Field(default_factory=dict)
    min_score: NumberByName = Field(default_factory=dict)
    merge_sets: bool = False
    border_margin_xy_angstrom: Annotated[float, Field(ge=0)] = 0.0
    border_margin_z_angstrom: Annotated[float, Field(ge=0)] = 0.0
    tomogram: str = "*"
    slices: Annotated[int, Field(ge=0)] = 0
    contrast: Literal["auto", "dark", "bright"] = "auto"
    bootstrap: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0
    fail_under: NumberByName = Field(default_factory=dict)

    @field_validator("tolerance")
    @classmethod
    def _tolerance_has_a_unit(cls, value: str) -> str:
        parse_tolerance(value)
        return value

    @field_validator("radius")
    @classmethod
    def _radii_are_positive(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, number in value.items() if number <= 0]
        if wrong:
            msg = f"the radius of {', '.join(wrong)} is not positive"
            raise ValueError(msg)
        return value

    @field_validator("weight")
    @classmethod
    def _weights_are_not_negative(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, number in value.items() if number < 0]
        if wrong:
            msg = f"the weight of {', '.join(wrong)} is negative"
            raise ValueError(msg)
        return value

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that are recorded in another form, or change no score."""
        return {"reference", "candidate", "output", "slices", "contrast", "fail_under"}
