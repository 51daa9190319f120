"""Settings of the commands that make masks; lengths in Angstrom."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.settings.job import JobSettings, Names, Parameters
from copick_picker.settings.options import Option

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


_FROM_TOMOGRAM = "Tomogram URI, type@spacing. Default: the only tomogram of each run."
_FROM_SEGMENTATION = "Segmentation URI, name:user/session@spacing. Default: the only one."


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

    input: Annotated[str, Option(_FROM_TOMOGRAM, "-i", metavar="URI")] = "*"
    output: Annotated[str, Option("Segmentation URI, name:user/session.", "-o", metavar="URI")] = (
        f"mask:{DEFAULT_ORIGIN}"
    )
    within: Annotated[
        str | None, Option("Intersect the result with this mask.", metavar="URI|FILE")
    ] = None


class LamellaParameters(Parameters):
    """How a lamella is found.

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

    detail: Annotated[float, Field(gt=0), Option("Size of blocks averaged first, in Angstrom.")] = (
        40.0
    )
    texture: Annotated[float, Field(gt=0), Option("Length scale of texture, in Angstrom.")] = 200.0
    smoothing: Annotated[
        float, Field(gt=0), Option("Smoothing of the two surfaces, in Angstrom.")
    ] = 200.0
    least_ratio: Annotated[
        float,
        Field(ge=1),
        Option("Minimum ratio of texture inside to outside; below it there is no lamella."),
    ] = 1.3

    @model_validator(mode="after")
    def _scales_in_order(self) -> Self:
        if self.texture < 2 * self.detail:
            msg = f"texture is {self.texture:g}; expected at least twice detail ({self.detail:g})"
            raise ValueError(msg)
        return self


class LamellaSettings(MaskSettings, LamellaParameters):
    """Settings of ``mask lamella``."""

    output: str = f"lamella:{DEFAULT_ORIGIN}"


class FromLabelsParameters(Parameters):
    """Which labels make a mask, and how they are changed.

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

    labels: Annotated[
        Names, Option("Values, or names of objects. Default: all but 0.", metavar="A,B")
    ] = ()
    grow: Annotated[
        float, Option("Move the surface outwards by this many Angstrom; below 0: inwards.")
    ] = 0.0
    largest: Annotated[bool, Option("Keep only the largest connected part.")] = False
    hull: Annotated[
        Literal["planes", "volume"] | None,
        Option("Fill to the convex hull of each plane along z, or of the whole."),
    ] = None
    invert: Annotated[bool, Option("Swap inside and outside.")] = False


class FromLabelsSettings(MaskSettings, FromLabelsParameters):
    """Settings of ``mask from-labels``."""

    input: Annotated[str, Option(_FROM_SEGMENTATION, "-i", metavar="URI")] = "*"
    output: str = f"labels:{DEFAULT_ORIGIN}"


class ExcludeEdgesParameters(Parameters):
    """What is left out along the faces of a tomogram.

    Attributes
    ----------
    margin_xy, margin_z : float
        How far from the faces the mask begins.
    """

    margin_xy: Annotated[Length, Option("Margin at the x and y faces, in Angstrom.")] = 0.0
    margin_z: Annotated[Length, Option("Margin at the z faces, in Angstrom.")] = 0.0

    @model_validator(mode="after")
    def _some_margin(self) -> Self:
        if not (self.margin_xy or self.margin_z):
            msg = "give margin_xy, margin_z or both: without them every voxel is inside"
            raise ValueError(msg)
        return self


class ExcludeEdgesSettings(MaskSettings, ExcludeEdgesParameters):
    """Settings of ``mask exclude-edges``."""

    output: str = f"inner:{DEFAULT_ORIGIN}"


class GoldParameters(Parameters):
    """How gold fiducials are found.

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

    radius: Annotated[float, Field(gt=0), Option("Radius of a bead, in Angstrom.")] = 50.0
    grow: Annotated[Length, Option("Margin to exclude around each bead, in Angstrom.")] = 50.0
    least_score: Annotated[
        float, Field(gt=0), Option("Minimum contrast of a bead, in robust standard deviations.")
    ] = 8.0
    contrast: Annotated[
        Literal["dark", "bright"], Option("How gold, like protein, looks in the tomograms.")
    ] = "dark"


class GoldSettings(MaskSettings, GoldParameters):
    """Settings of ``mask gold``."""

    output: str = f"no-gold:{DEFAULT_ORIGIN}"
