"""Settings of the commands that make masks; lengths in Angstrom."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.settings.job import JobSettings, Names

DEFAULT_NAME = "mask"
"""Name of a mask where the user names none."""
Length = Annotated[float, Field(ge=0)]
GOLD_LEAST_VOLUME = 0.2
"""Smallest part that counts as gold, in volumes of a bead."""
GOLD_LARGEST_VOLUME = 30.0
"""Largest part that counts as gold: a clump of beads. A dark patch of carbon is larger."""
GOLD_LEAST_INNER = 0.6
"""Radius of the largest ball in a part that counts as gold, in radii of a bead, at least."""
GOLD_LARGEST_INNER = 2.0
"""The same at most: where beads touch, a ball between them is larger than a bead."""


class MaskSettings(JobSettings):
    """What all commands that make masks take.

    Attributes
    ----------
    input : str
        URI of what the mask is made from.
    output : str
        Segmentation URI ``name:user/session``.
    within : str or None
        Another mask, URI or file: the result is cut to it.
    """

    input: str = "*"
    output: str = "mask:picker/1"
    within: str | None = None

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that are recorded in another form."""
        return {"input", "output", "within"}


class LamellaSettings(MaskSettings):
    """Settings of ``mask lamella``.

    Attributes
    ----------
    detail : float
        Edge of the blocks that the tomogram is averaged over first.
    texture : float
        Length over which texture is measured.
    smoothing : float
        Standard deviation of the smoothing of both surfaces.
    least_ratio : float
        Texture power inside over that outside below which there is no lamella.
    """

    output: str = "lamella:picker/1"
    detail: Annotated[float, Field(gt=0)] = 40.0
    texture: Annotated[float, Field(gt=0)] = 200.0
    smoothing: Annotated[float, Field(gt=0)] = 200.0
    least_ratio: Annotated[float, Field(ge=1)] = 1.3

    @model_validator(mode="after")
    def _scales_in_order(self) -> Self:
        if self.texture < 2 * self.detail:
            msg = f"texture is {self.texture:g}; expected at least twice detail ({self.detail:g})"
            raise ValueError(msg)
        return self


class FromLabelsSettings(MaskSettings):
    """Settings of ``mask from-labels``.

    Attributes
    ----------
    labels : tuple of str
        Values of the segmentation, or names of objects that its maker recorded; empty means every
        value but 0.
    grow : float
        How far the surface is moved outwards; below 0 inwards.
    largest : bool
        Keep the largest connected part alone.
    hull : str or None
        Fill to the convex hull of each plane along z (``planes``) or of the whole (``volume``).
    invert : bool
        The mask is where the labels are not.
    """

    output: str = "labels:picker/1"
    labels: Names = ()
    grow: float = 0.0
    largest: bool = False
    hull: Literal["planes", "volume"] | None = None
    invert: bool = False


class ExcludeEdgesSettings(MaskSettings):
    """Settings of ``mask exclude-edges``.

    Attributes
    ----------
    margin_xy, margin_z : float
        How far from the faces the mask begins.
    """

    output: str = "inner:picker/1"
    margin_xy: Length = 0.0
    margin_z: Length = 0.0

    @model_validator(mode="after")
    def _some_margin(self) -> Self:
        if not (self.margin_xy or self.margin_z):
            msg = "give margin_xy, margin_z or both: without them every voxel is inside"
            raise ValueError(msg)
        return self


class GoldSettings(MaskSettings):
    """Settings of ``mask gold``.

    Attributes
    ----------
    radius : float
        Radius of a bead.
    grow : float
        How far around a bead voxels are excluded too.
    least_score : float
        By how many robust standard deviations a bead stands out.
    contrast : str
        ``dark`` or ``bright``: how gold, like protein, looks in the tomogram.
    """

    output: str = "no-gold:picker/1"
    radius: Annotated[float, Field(gt=0)] = 50.0
    grow: Length = 50.0
    least_score: Annotated[float, Field(gt=0)] = 8.0
    contrast: Literal["dark", "bright"] = "dark"
