"""Settings of ``view``."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from copick_picker.settings.evaluate import parse_tolerance
from copick_picker.settings.job import JobSettings, NumberByName, split_names

LOW_HIGH_PERCENTILES = (1.0, 99.0)
"""Grey values between these of the slices are told apart; the rest is black or white."""
SLAB_LEAST_PLANES = 3
"""Fewest planes that a slice averages."""


class ViewSettings(JobSettings):
    """Settings of ``view``.

    Attributes
    ----------
    output : str
        File to write, ``.png`` or ``.html``; ``{run}`` stands for the run.
    tomogram : str
        Tomogram URI; it has to mean one of the run.
    reference : str or None
        Picks URI of the reference; None: candidates are shown without a verdict.
    candidate : str
        Picks URI to show.
    segmentation : str or None
        Segmentation URI, for the neuroglancer viewer.
    matcher : str
        ``one-to-one``, ``czii`` or ``octopi``.
    tolerance : str
        Greatest distance of a hit: ``0.5r`` (of the object's radius) or ``60A``.
    radius : dict
        Object name -> radius in Angstrom, over the project's.
    min_score : dict
        Object name -> lowest score of a candidate that is shown.
    contrast : str
        How protein looks in the tomogram; ``auto`` looks at it. Protein is drawn dark.
    at : tuple of float
        Point (x, y, z) in Angstrom through which the slices go; empty: where most picks are.
    slab_angstrom : float
        Thickness of a slice, the mean of its planes.
    slices : int
        Most slices along an axis in a page; more make each slice thicker.
    pixels : int
        Most pixels along a side; a larger tomogram is binned.
    neuroglancer : bool
        Start a local viewer in place of writing a file.
    port : int
        Port of the viewer; 0 takes a free one.
    """

    output: str = "view_{run}.png"
    tomogram: str = "*"
    reference: str | None = None
    candidate: str = "*:picker/1"
    segmentation: str | None = None
    matcher: str = "one-to-one"
    tolerance: str = "0.5r"
    radius: NumberByName = Field(default_factory=dict)
    min_score: NumberByName = Field(default_factory=dict)
    contrast: Literal["auto", "dark", "bright"] = "auto"
    at: tuple[float, ...] = ()
    slab_angstrom: Annotated[float, Field(gt=0)] = 60.0
    slices: Annotated[int, Field(ge=1, le=1000)] = 60
    pixels: Annotated[int, Field(ge=32, le=4096)] = 512
    neuroglancer: bool = False
    port: Annotated[int, Field(ge=0, le=65535)] = 0

    @field_validator("output")
    @classmethod
    def _output_has_a_form(cls, value: str) -> str:
        if not value.lower().endswith((".png", ".html", ".htm")):
            msg = "expected a file name that ends in .png or .html"
            raise ValueError(msg)
        return value

    @field_validator("at", mode="before")
    @classmethod
    def _at_is_a_point(cls, value: object) -> object:
        parts = split_names(value) if isinstance(value, str) else value
        if isinstance(parts, list | tuple) and len(parts) not in (0, 3):
            msg = "expected X,Y,Z in Angstrom"
            raise ValueError(msg)
        return parts

    @field_validator("tolerance")
    @classmethod
    def _tolerance_has_a_unit(cls, value: str) -> str:
        parse_tolerance(value)
        return value
