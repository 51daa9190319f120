"""Settings of ``localize``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from copick_picker.records import LocalizeRules


class LocalizeSettings(BaseModel):
    """Scientific settings of localization; lengths in radii are fractions of each object's radius.

    ``radius_max_scale`` is None by default: then regions are compared with 1.0 times the radius
    (octopi's bound), or with ``target_max_scale`` times the painted radius where the model says
    which fraction of the radius it was taught to paint. A given value holds for both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["watershed", "peaks", "components"] = "watershed"
    radius_min_scale: float = Field(default=0.5, ge=0)
    radius_max_scale: float | None = Field(default=None, gt=0)
    target_max_scale: float = Field(default=1.5, gt=0)
    min_distance_radii: float = Field(default=0.6, ge=0)
    border_margin_angstrom: float = Field(default=0.0, ge=0)
    smoothing_radii: float = Field(default=0.15, gt=0)
    neck_ratio: float = Field(default=0.8, gt=0, le=1)
    peak_floor: float = Field(default=0.2, gt=0, lt=1)
    peak_smoothing_radii: float = Field(default=0.3, gt=0)

    @model_validator(mode="after")
    def _scales_in_order(self) -> "LocalizeSettings":
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
            radius_max_scale=1.0 if given is None else given,
            target_max_scale=self.target_max_scale if given is None else given,
            min_distance_radii=self.min_distance_radii,
            border_margin_angstrom=self.border_margin_angstrom,
            smoothing_radii=self.smoothing_radii,
            neck_ratio=self.neck_ratio,
            peak_floor=self.peak_floor,
            peak_smoothing_radii=self.peak_smoothing_radii,
        )
