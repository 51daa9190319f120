"""Settings of ``targets``, and what it shares with ``train``: what is learned from which picks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.settings.job import JobSettings, NumberByName

DEFAULT_NAME = "targets"
"""Name of the segmentation where the user names none."""
SLAB_BYTES = 2**26
"""Labels and distances of a slab that is painted at once."""


class AnnotationSettings(JobSettings):
    """What ``train`` and ``targets`` take: tomograms, reference picks, and what is painted of them.

    Attributes
    ----------
    input : str
        Tomogram URI ``type@spacing``.
    picks : str
        Picks URI ``object:user/session`` of the reference picks.
    radius : dict
        Object name -> radius in Angstrom, over the project's.
    target : str
        ``spheres``, ``points``, ``gaussian`` or ``masks``.
    target_fraction : float
        Radius of a painted sphere, or standard deviation of a Gaussian, as a fraction of the
        particle's radius.
    masks : str or None
        Segmentation URI for ``target: masks``.
    """

    input: str = "*"
    picks: str
    radius: NumberByName = Field(default_factory=dict)
    target: Literal["spheres", "points", "gaussian", "masks"] = "spheres"
    target_fraction: Annotated[float, Field(gt=0, le=2)] = 0.5
    masks: str | None = None

    @model_validator(mode="after")
    def _masks_where_they_are_painted(self) -> Self:
        if (self.target == "masks") != (self.masks is not None):
            msg = "masks belongs to target: masks, and that needs it"
            raise ValueError(msg)
        return self


class TargetsSettings(AnnotationSettings):
    """Settings of ``targets``.

    Attributes
    ----------
    output : str
        Segmentation URI ``name:user/session``.
    """

    output: str = "targets:picker/1"

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that are recorded in another form."""
        return {"input", "picks", "radius", "masks", "output"}
