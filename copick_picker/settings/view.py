"""Settings of ``view``."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.settings.evaluate import (
    ANY_REFERENCE,
    BYU_TOLERANCE,
    MATCHERS,
    MinScore,
    RadiusOverProject,
    Tolerance,
    with_byu_defaults,
)
from copick_picker.settings.job import JobSettings, split_names
from copick_picker.settings.options import Option
from copick_picker.settings.segment import Contrast

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
        URI of a segmentation that is drawn over the slices, or shown in neuroglancer.
    heat_map : str or None
        URI of a segmentation beside which class probabilities or scores are stored: the highest of
        the objects' is drawn over the slices.
    matcher : str
        ``one-to-one``, ``czii``, ``octopi`` or ``byu``.
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

    output: Annotated[
        str,
        Option(
            "Picture (.png) or page (.html) to write, with {run} for the run.",
            "-o",
            metavar="FILE",
        ),
    ] = "view_{run}.png"
    tomogram: Annotated[str, Option("Tomogram. Default: the run's only one.", uri="tomogram")] = "*"
    reference: Annotated[str | None, Option(f"Reference picks, {ANY_REFERENCE}", uri="picks")] = (
        None
    )
    candidate: Annotated[
        str, Option("Candidate picks to show, and to match with --reference.", uri="picks")
    ] = f"*:{DEFAULT_ORIGIN}"
    matcher: Annotated[str, Option("What counts as a hit, as in evaluate.", metavar=MATCHERS)] = (
        "one-to-one"
    )
    tolerance: Tolerance = "0.5r"
    radius: RadiusOverProject = Field(default_factory=dict)
    min_score: MinScore = Field(default_factory=dict)
    contrast: Annotated[
        Contrast, Option("How protein looks in the tomogram; it is always drawn dark.")
    ] = "auto"
    at: Annotated[
        tuple[float, ...],
        Option(
            "Position of the slices in Angstrom. Default: where most picks are.",
            metavar="X,Y,Z",
        ),
    ] = ()
    slab_angstrom: Annotated[
        float, Field(gt=0), Option("Thickness of the averaged slices, in Angstrom.")
    ] = 60.0
    slices: Annotated[
        int, Field(ge=1, le=1000), Option("Maximum slices along each axis of a page.")
    ] = 60
    pixels: Annotated[
        int,
        Field(ge=32, le=4096),
        Option("Maximum pixels along a side; larger tomograms are binned."),
    ] = 512
    neuroglancer: Annotated[
        bool, Option("Start a local neuroglancer viewer instead (needs the extra 'neuroglancer').")
    ] = False
    napari: Annotated[
        bool,
        Option(
            "Open tomogram, segmentation and picks in napari instead; if it is not installed, "
            "print the Python code."
        ),
    ] = False
    segmentation: Annotated[
        str | None,
        Option("Segmentation to show.", uri="segmentation"),
    ] = None
    heat_map: Annotated[
        str | None,
        Option(
            "Segmentation whose stored probabilities, scores or heat maps are drawn over the "
            "slices.",
            uri="segmentation",
            after="contrast",
        ),
    ] = None
    port: Annotated[int, Field(ge=0, le=65535), Option("Port of the viewer; 0: any free port.")] = 0

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_byu(cls, given: object) -> object:
        return with_byu_defaults(given, {"tolerance": BYU_TOLERANCE})

    @model_validator(mode="after")
    def _one_viewer(self) -> Self:
        if self.napari and self.neuroglancer:
            msg = "--napari and --neuroglancer are two viewers; choose one"
            raise ValueError(msg)
        if self.napari and self.heat_map is not None:
            msg = "--napari shows no heat maps; use --segmentation, or leave out --napari"
            raise ValueError(msg)
        return self

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
