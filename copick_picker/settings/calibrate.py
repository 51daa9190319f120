"""Settings of ``calibrate``."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from copick_picker.settings.evaluate import EvaluateSettings, parse_tolerance
from copick_picker.settings.job import JobSettings, NumberByName

THRESHOLD_MARGIN = 0.001
"""F-beta that a lower threshold may cost: less than counting one pick otherwise among hundreds."""
FEWEST_REFERENCES = 10
"""Fewest reference picks of an object, in all runs together, for a threshold."""


class CalibrateSettings(JobSettings):
    """Settings of ``calibrate``.

    Attributes
    ----------
    reference, candidate : str
        Picks URIs ``object:user/session``; ``*`` stands for every object.
    tolerance : str
        Greatest distance of a hit: ``0.5r`` (of the object's radius) or ``60A``.
    beta : float
        How many times recall counts as much as precision in F-beta.
    radius : dict
        Object name -> radius in Angstrom, over the project's.
    margin : float
        F-beta that a lower threshold may cost.
    fewest_references : int
        An object with fewer reference picks gets no threshold.
    merge_sets : bool
        Put several sets of one object in a run together instead of refusing them.
    model : str or None
        Model folder whose card gets the thresholds.
    project : bool
        Whether the project's configuration gets the thresholds.
    plot : pathlib.Path or None
        PNG file of F-beta against threshold.
    """

    reference: str
    candidate: str = "*:picker/1"
    tolerance: str = "0.5r"
    beta: Annotated[float, Field(gt=0)] = 4.0
    radius: NumberByName = Field(default_factory=dict)
    margin: Annotated[float, Field(ge=0, lt=1)] = THRESHOLD_MARGIN
    fewest_references: Annotated[int, Field(ge=1)] = FEWEST_REFERENCES
    merge_sets: bool = False
    model: str | None = None
    project: bool = False
    plot: Path | None = None

    @field_validator("tolerance")
    @classmethod
    def _tolerance_has_a_unit(cls, value: str) -> str:
        parse_tolerance(value)
        return value

    @field_validator("plot")
    @classmethod
    def _plot_is_a_png(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() != ".png":
            msg = f"got {value}; expected a name that ends in .png"
            raise ValueError(msg)
        return value

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that change no threshold."""
        return {"model", "project", "plot"}

    def scoring(self) -> EvaluateSettings:
        """Return the settings by which the picks are scored."""
        shared = set(JobSettings.model_fields) - {"json_file", "overwrite"}
        shared |= {"reference", "candidate", "tolerance", "beta", "radius", "merge_sets"}
        return EvaluateSettings.model_validate(
            self.model_dump(include=shared) | {"matcher": "one-to-one", "bootstrap": 0}
        )
