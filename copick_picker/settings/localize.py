"""Settings of ``localize``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.records.points import LocalizeRules
from copick_picker.settings.job import (
    JobSettings,
    NameByName,
    NumberByName,
    Parameters,
    ScoreByName,
)
from copick_picker.settings.limits import PicksMask
from copick_picker.settings.options import Option

RADIUS_MAX_SCALE = 1.0
"""Octopi's upper bound: a region is at most as large as a ball of the particle's radius."""


Method = Literal["watershed", "peaks", "components"]


class LocalizeParameters(Parameters):
    """Scientific settings of localization; lengths in radii are fractions of each object's radius.

    Attributes
    ----------
    method : str
        ``watershed`` separates touching particles, ``peaks`` takes maxima of probability volumes,
        ``components`` takes centres of mass.
    radius_min_scale : float
        Regions smaller than a ball of this scale times the target's radius are dropped.
    radius_max_scale : float or None
        Regions larger than a ball of this scale times the radius are dropped. None: 1.0 times the
        particle's radius (octopi's bound), or ``target_max_scale`` times the painted radius where
        the model says which fraction of the radius it was taught to paint.
    target_max_scale : float
        See there. Above 1, since half of all perfect balls are a voxel larger than expected.
    min_distance_radii : float
        Of two picks nearer than this the one of lower score is dropped.
    border_margin_angstrom : float
        Picks nearer to a face of the volume are dropped.
    smoothing_radii : float
        Standard deviation of the smoothing before markers are sought.
    neck_ratio : float
        Two markers are one particle where the cross-section between them keeps this fraction.
    peak_floor : float
        Lowest smoothed probability of a peak.
    peak_smoothing_radii : float
        Standard deviation of the smoothing before peaks are sought.
    """

    method: Annotated[
        Method,
        Option(
            "watershed separates touching particles; peaks finds maxima of the class "
            "probabilities; components takes centres of mass."
        ),
    ] = "watershed"
    radius_min_scale: Annotated[
        float,
        Field(ge=0),
        Option("Smallest region to keep: a sphere of this many target radii.", "-rmin"),
    ] = 0.5
    radius_max_scale: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "Largest region to keep, likewise. Default: 1.0, or --target-max-scale if the model "
            "states its painted radius.",
            "-rmax",
        ),
    ] = None
    target_max_scale: Annotated[
        float,
        Field(gt=0),
        Option("Largest region to keep, in painted radii, for models that state them."),
    ] = 1.5
    min_distance_radii: Annotated[
        float,
        Field(ge=0),
        Option("Minimum distance between picks of one object, in radii; the higher score is kept."),
    ] = 0.6
    border_margin_angstrom: Annotated[
        float, Field(ge=0), Option("Drop picks closer than this to a face of the tomogram.")
    ] = 0.0
    smoothing_radii: Annotated[
        float, Field(gt=0), Option("Smoothing before finding markers, in radii.")
    ] = 0.1
    neck_ratio: Annotated[
        float,
        Field(gt=0, le=1),
        Option(
            "Merge two markers if the neck between them is at least this wide, relative to the "
            "thinner side."
        ),
    ] = 0.85
    peak_floor: Annotated[
        float, Field(gt=0, lt=1), Option("Minimum smoothed probability of a peak.")
    ] = 0.2
    peak_smoothing_radii: Annotated[
        float, Field(gt=0), Option("Smoothing before finding peaks, in radii.")
    ] = 0.25

    @model_validator(mode="after")
    def _scales_in_order(self) -> Self:
        largest = self.target_max_scale if self.radius_max_scale is None else self.radius_max_scale
        if self.radius_min_scale >= largest:
            msg = f"radius_min_scale is {self.radius_min_scale}; expected less than {largest}"
            raise ValueError(msg)
        return self

    def rules(self) -> LocalizeRules:
        """Return the rules that ``core.localize`` takes."""
        given = self.radius_max_scale
        return LocalizeRules(
            method=self.method,
            radius_min_scale=self.radius_min_scale,
            radius_max_scale=RADIUS_MAX_SCALE if given is None else given,
            target_max_scale=self.target_max_scale if given is None else given,
            min_distance_radii=self.min_distance_radii,
            border_margin_angstrom=self.border_margin_angstrom,
            smoothing_radii=self.smoothing_radii,
            neck_ratio=self.neck_ratio,
            peak_floor=self.peak_floor,
            peak_smoothing_radii=self.peak_smoothing_radii,
        )


class LocalizeSettings(LocalizeParameters, PicksMask, JobSettings):
    """Settings of ``localize``.

    Attributes
    ----------
    input : str
        Segmentation URI ``name:user/session@spacing``.
    output : str
        Picks URI ``object:user/session``; ``*`` stands for every object of the input.
    radius : dict
        Object name -> radius in Angstrom, over the project's own.
    threshold : dict
        Object name -> lowest score of a pick that is kept, over the project's and the model's.
    object_map : dict
        Object name as the segmentation's maker recorded it -> project's object name.
    label : int or None
        Value in the segmentation that stands for every object, over all records.
    """

    input: Annotated[
        str,
        Option(
            "Segmentation URI, name:user/session@spacing.",
            "-i",
            uri="segmentation",
            aliases="--seg-uri -suri",
        ),
    ] = f"predict:{DEFAULT_ORIGIN}"
    output: Annotated[
        str,
        Option(
            "Picks URI, object:user/session; * is every object of the input.",
            "-o",
            makes="picks",
        ),
    ] = f"*:{DEFAULT_ORIGIN}"
    radius: Annotated[
        NumberByName, Option("Radius of an object; repeatable.", metavar="NAME=A", after="method")
    ] = Field(default_factory=dict)
    threshold: Annotated[
        ScoreByName,
        Option(
            "Minimum score of an object's picks, or of all (*=0); repeatable. Default: the "
            "project's, else the model's.",
            metavar="NAME=SCORE",
        ),
    ] = Field(default_factory=dict)
    object_map: Annotated[
        NameByName,
        Option(
            "Map a segmentation's object to a name in the project; repeatable.",
            metavar="THERE=PROJECT",
            after="peak_smoothing_radii",
        ),
    ] = Field(default_factory=dict)
    label: Annotated[
        int | None, Field(ge=1), Option("Read this value only, as every chosen object.", "-lbl")
    ] = None
    mask: Annotated[
        str | None,
        Option(
            "Mask: segmentation name:user/session, or MRC file with {run} for the run. Drops "
            "picks outside.",
            metavar="URI|FILE",
        ),
    ] = None
