"""Settings of ``detect``."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.records.points import LocalizeRules
from copick_picker.settings.job import (
    JobSettings,
    NameByName,
    Names,
    NumberByName,
    Parameters,
    ScoreByName,
)
from copick_picker.settings.limits import BestPicks, PicksMask
from copick_picker.settings.localize import LocalizeParameters
from copick_picker.settings.options import Option
from copick_picker.settings.segment import CleaningSettings, WorkerSettings

MAPS_NAME = "detect"
"""Name of the segmentation beside stored maps; user and session are those of the picks."""
CANDIDATES = "candidates"
"""Ends the session of all candidates where ``--quantile`` needs those of every run first."""
SIGMA_COLUMNS = (
    "run",
    "object",
    "x",
    "y",
    "z",
    "score",
    "sigma_x",
    "sigma_y",
    "sigma_z",
)
"""Columns of ``--csv``; lengths in Angstrom."""


class DetectParameters(Parameters):
    """Which points are picks.

    Attributes
    ----------
    min_distance_radii : float
        Of two picks of one object nearer than this the one of lower score is dropped.
    border_margin_angstrom : float
        Picks nearer to a face of the tomogram are dropped.
    object_map : dict
        Model's object name -> project's object name.
    """

    min_distance_radii: Annotated[
        float,
        Field(ge=0),
        Option(
            "Minimum distance between picks of one object, in radii; the higher score is kept.",
            after="threshold",
        ),
    ] = 0.6
    border_margin_angstrom: Annotated[
        float, Field(ge=0), Option("Drop picks closer than this to a face of the tomogram.")
    ] = 0.0
    object_map: Annotated[
        NameByName,
        Option(
            "Map a model's object to a name in the project; repeatable.", metavar="MODEL=PROJECT"
        ),
    ] = Field(default_factory=dict)

    def rules(self) -> LocalizeRules:
        """Return the rules that ``core.localize`` takes; a model of regions has its maxima read."""
        return LocalizeParameters(
            method="peaks",
            min_distance_radii=self.min_distance_radii,
            border_margin_angstrom=self.border_margin_angstrom,
        ).rules()


class DetectSettings(
    WorkerSettings, DetectParameters, BestPicks, PicksMask, CleaningSettings, JobSettings
):
    """Settings of ``detect``.

    Attributes
    ----------
    input : str
        Tomogram URI ``type@spacing``; parts may be left out where one thing matches.
    output : str
        Picks URI ``object:user/session``; ``*`` stands for every object of the model.
    radius : dict
        Object name -> radius in Angstrom, over the project's own.
    threshold : dict
        Object name -> lowest score of a pick that is kept, over the project's and the model's.
    csv_file : pathlib.Path or None
        One table of the picks of all runs, with the standard deviation of each position.
    preflight_runs : int
        How many runs have their voxels looked at before the work starts.
    """

    also_recorded = ("top", "mask_margin")

    model: Annotated[
        Names,
        Option(
            "Model folder, or folder of models; repeat for an ensemble.",
            "-m",
            metavar="FOLDER",
        ),
    ] = ()
    input: Annotated[
        str,
        Option(
            "Tomogram URI, type@spacing. Default: the run's only one.",
            "-i",
            uri="tomogram",
        ),
    ] = "*"
    output: Annotated[
        str,
        Option(
            "Picks URI, object:user/session; * is every object of the model.",
            "-o",
            makes="picks",
        ),
    ] = f"*:{DEFAULT_ORIGIN}"
    radius: Annotated[
        NumberByName, Option("Radius of an object; repeatable.", metavar="NAME=A")
    ] = Field(default_factory=dict)
    threshold: Annotated[
        ScoreByName,
        Option(
            "Minimum score of an object's picks, or of all (*=0); repeatable. Default: the "
            "project's, else the model's.",
            metavar="NAME=SCORE",
        ),
    ] = Field(default_factory=dict)
    csv_file: Annotated[
        Path | None,
        Option(
            "Also write a table of the picks of all runs, with standard deviations if the model "
            "predicts them.",
            metavar="FILE",
            long="--csv",
            after="object_map",
        ),
    ] = None
    probabilities: Annotated[
        bool,
        Option("Also store probability maps at the tomogram's voxel spacing (float16)."),
    ] = False
    mask: Annotated[
        str | None,
        Option(
            "Mask: segmentation name:user/session, or MRC file with {run} for the run. Drops "
            "picks outside and skips windows entirely outside.",
            metavar="URI|FILE",
        ),
    ] = None
    preflight_runs: Annotated[
        int,
        Field(ge=0),
        Option(
            "Number of runs whose voxels are checked before the start; others are checked when "
            "read.",
            after="trust_checkpoint",
        ),
    ] = 50
