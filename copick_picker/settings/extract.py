"""Settings of ``extract``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.settings.limits import LimitedSettings
from copick_picker.settings.options import Option

BOX_RADII = 3.0
"""Edge of a box in radii of the object, where no size is given."""


class ExtractSettings(LimitedSettings):
    """Settings of ``extract``.

    Attributes
    ----------
    input : str
        Picks URI ``object:user/session``; ``*`` stands for every object.
    tomogram : str
        Tomogram URI: what subvolumes are cut from.
    output : str
        Folder for the subvolumes and their tables.
    size : int or None
        Edge of a box in written voxels. None: three radii of the object, even.
    binning : int
        Voxels of the tomogram along the edge of a written one.
    layout : str
        ``files``: one MRC file a particle; ``stack``: one stack of volumes a run.
    normalisation : str
        ``box``, ``background`` or ``none``.
    invert : bool
        Whether dark becomes bright.
    voltage, spherical_aberration, amplitude_contrast : float
        Of the microscope, for the optics table: kV, mm, a share.
    """

    also_recorded = ("tomogram", "border_margin_angstrom", "between_distance_angstrom")

    tomogram: Annotated[
        str,
        Option(
            "Tomogram to cut subvolumes from. Default: the run's only one.",
            "-t",
            uri="tomogram",
        ),
    ] = "*"
    output: Annotated[
        str, Option("Folder for subvolumes and tables.", "-o", metavar="FOLDER", after="input")
    ]
    size: Annotated[
        int | None,
        Field(ge=4, le=2048),
        Option(
            "Box edge in written voxels, even. Default: three radii of the object.",
            metavar="VOXELS",
            after="tomogram",
        ),
    ] = None
    binning: Annotated[
        int, Field(ge=1, le=16), Option("Tomogram voxels along the edge of a written voxel.")
    ] = 1
    layout: Annotated[
        Literal["files", "stack"],
        Option("One MRC file per particle, or one stack of volumes per run."),
    ] = "files"
    normalisation: Annotated[
        Literal["box", "background", "none"],
        Option(
            "Mean 0 and standard deviation 1 over each box, or over its voxels beyond the object's "
            "radius."
        ),
    ] = "box"
    invert: Annotated[bool, Option("Swap dark and bright; RELION expects bright particles.")] = (
        False
    )
    voltage: Annotated[float, Field(gt=0), Option("Voltage in the optics table, in kV.")] = 300.0
    spherical_aberration: Annotated[
        float, Field(ge=0), Option("Spherical aberration in the optics table, in mm.", metavar="MM")
    ] = 2.7
    amplitude_contrast: Annotated[
        float, Field(ge=0, le=1), Option("Amplitude contrast in the optics table, a fraction.")
    ] = 0.1

    @model_validator(mode="after")
    def _boxes_are_even(self) -> Self:
        if self.size is not None and self.size % 2:
            msg = f"--size {self.size}: expected an even number, as RELION requires"
            raise ValueError(msg)
        return self
