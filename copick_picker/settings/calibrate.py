"""Settings of ``calibrate``."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.records.scores import FEWEST_REFERENCES, THRESHOLD_MARGIN
from copick_picker.settings.evaluate import (
    MERGE_SETS,
    Beta,
    EvaluateSettings,
    RadiusOverProject,
    Tolerance,
)
from copick_picker.settings.job import Count, JobSettings
from copick_picker.settings.options import Option


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

    candidate: Annotated[
        str,
        Option(
            "Candidate picks, object:user/session; * is every object. Localize them with a low "
            "--threshold, since dropped picks cannot be used.",
            "-i",
            uri="picks",
        ),
    ] = f"*:{DEFAULT_ORIGIN}"
    reference: Annotated[str, Option("Reference picks, object:user/session.", uri="picks")]
    tolerance: Tolerance = "0.5r"
    beta: Beta = 4.0
    radius: RadiusOverProject = Field(default_factory=dict)
    margin: Annotated[
        float,
        Field(ge=0, lt=1),
        Option("Choose the lowest threshold whose F-beta is within this margin of the best."),
    ] = THRESHOLD_MARGIN
    fewest_references: Annotated[
        Count, Option("Minimum reference picks for an object to get a threshold.", metavar="N")
    ] = FEWEST_REFERENCES
    merge_sets: Annotated[bool, Option(MERGE_SETS)] = False
    model: Annotated[
        str | None,
        Option("Store the thresholds in this model's card.", "-m", metavar="FOLDER"),
    ] = None
    project: Annotated[
        bool,
        Option(
            "Store the thresholds in the project's configuration (score_threshold in an object's "
            "metadata)."
        ),
    ] = False
    plot: Annotated[
        Path | None, Option("Plot F-beta against threshold for each object.", metavar="PNG")
    ] = None

    @field_validator("plot")
    @classmethod
    def _plot_is_a_png(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() != ".png":
            msg = f"got {value}; expected a name that ends in .png"
            raise ValueError(msg)
        return value

    def scoring(self) -> EvaluateSettings:
        """Return the settings by which the picks are scored."""
        shared = set(JobSettings.model_fields) - {"json_file", "overwrite"}
        shared |= {"reference", "candidate", "tolerance", "beta", "radius", "merge_sets"}
        return EvaluateSettings.model_validate(
            self.model_dump(include=shared) | {"matcher": "one-to-one", "bootstrap": 0}
        )
