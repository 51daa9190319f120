"""Settings of ``localize``."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from copick_picker.records.points import LocalizeRules
from copick_picker.settings.job import JobSettings, NameByName, NumberByName

RADIUS_MAX_SCALE = 1.0
"""Octopi's upper bound: a region is at most as large as a ball of the particle's radius."""


class LocalizeParameters(BaseModel):
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

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["watershed", "peaks", "components"] = "watershed"
    radius_min_scale: float = Field(default=0.5, ge=0)
    radius_max_scale: float | None = Field(default=None, gt=0)
    target_max_scale: float = Field(default=1.5, gt=0)
    min_distance_radii: float = Field(default=0.6, ge=0)
    border_margin_angstrom: float = Field(default=0.0, ge=0)
    smoothing_radii: float = Field(default=0.1, gt=0)
    neck_ratio: float = Field(default=0.85, gt=0, le=1)
    peak_floor: float = Field(default=0.2, gt=0, lt=1)
    peak_smoothing_radii: float = Field(default=0.25, gt=0)

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


class LocalizeSettings(LocalizeParameters, JobSettings):
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
    mask : str or None
        Segmentation URI or file: picks outside of the mask are dropped.
    mask_margin : float
        How far inside the mask's surface a pick must lie at least, in Angstrom; below 0 it may lie
        so far outside.
    """

    input: str = "predict:picker/1"
    output: str = "*:picker/1"
    radius: NumberByName = {}
    threshold: NumberByName = {}
    object_map: NameByName = {}
    label: int | None = Field(default=None, ge=1)
    mask: str | None = None
    mask_margin: float = 0.0

    @model_validator(mode="after")
    def _margin_of_a_mask(self) -> Self:
        if self.mask is None and self.mask_margin:
            msg = "mask_margin is given without a mask; use --mask too"
            raise ValueError(msg)
        return self

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that are recorded in another form."""
        return {
            "input",
            "output",
            "radius",
            "threshold",
            "object_map",
            "label",
            "mask",
            "mask_margin",
        }
