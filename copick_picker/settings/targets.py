"""Settings of ``targets``, and what it shares with ``train``: what is learned from which picks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.settings.job import JobSettings, NumberByName, Parameters
from copick_picker.settings.options import Option

DEFAULT_NAME = "targets"
"""Name of the segmentation where the user names none."""
SLAB_BYTES = 2**26
"""Labels and distances of a slab that is painted at once."""


class AnnotationParameters(Parameters):
    """What is painted of reference picks.

    Attributes
    ----------
    target : str
        ``spheres``, ``points``, ``gaussian`` or ``masks``.
    target_fraction : float
        Radius of a painted sphere, or standard deviation of a Gaussian, as a fraction of the
        particle's radius.
    """

    target: Annotated[
        Literal["spheres", "points", "gaussian", "masks"],
        Option("Kind of target to train on."),
    ] = "spheres"
    target_fraction: Annotated[
        float,
        Field(gt=0, le=2),
        Option(
            "Radius of the painted sphere, or sigma of the Gaussian, as a fraction of the "
            "particle's radius."
        ),
    ] = 0.5


class AnnotationSettings(AnnotationParameters, JobSettings):
    """What ``train`` and ``targets`` take: tomograms, reference picks, and what is painted of them.

    Attributes
    ----------
    input : str
        Tomogram URI ``type@spacing``.
    picks : str
        Picks URI ``object:user/session`` of the reference picks.
    radius : dict
        Object name -> radius in Angstrom, over the project's.
    masks : str or None
        Segmentation URI for ``target: masks``.
    """

    input: Annotated[
        str,
        Option(
            "Tomogram URI, type@spacing. Default: the run's only one.",
            "-i",
            uri="tomogram",
        ),
    ] = "*"
    picks: Annotated[str, Option("Reference picks, object:user/session.", "-p", uri="picks")]
    radius: Annotated[
        NumberByName, Option("Radius of an object; repeatable.", metavar="NAME=A")
    ] = Field(default_factory=dict)
    masks: Annotated[
        str | None,
        Option("Segmentation for --target masks.", metavar="URI", after="target_fraction"),
    ] = None

    @model_validator(mode="after")
    def _masks_where_they_are_painted(self) -> Self:
        if (self.target == "masks") != (self.masks is not None):
            msg = "masks and target: masks need each other"
            raise ValueError(msg)
        return self


class TargetsSettings(AnnotationSettings):
    """Settings of ``targets``.

    Attributes
    ----------
    output : str
        Segmentation URI ``name:user/session``.
    """

    input: Annotated[
        str,
        Option(
            "Tomogram URI, type@spacing, for shape and spacing. Default: the run's only one.",
            "-i",
            uri="tomogram",
            aliases="--tomo-uri -uri",
        ),
    ] = "*"
    output: Annotated[
        str,
        Option(
            "Segmentation URI, name:user/session.",
            "-o",
            makes="segmentation",
            aliases="--target-uri -turi",
            after="picks",
        ),
    ] = f"targets:{DEFAULT_ORIGIN}"
