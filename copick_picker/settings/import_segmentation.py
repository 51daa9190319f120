"""Settings of ``import segmentation``."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.settings.export import Pattern
from copick_picker.settings.job import JobSettings, NameByName
from copick_picker.settings.options import Option


class ImportSegmentationSettings(JobSettings):
    """Settings of ``import segmentation``.

    Attributes
    ----------
    files : str
        A file, or a folder of files, one a run: MRC or TIFF.
    output : str
        Segmentation URI ``name:user/session``.
    run : str or None
        Run of a single file. None: the one that its name names.
    name_pattern : str
        File name without suffix, with ``{run}`` where the run's name stands.
    label : dict
        Value in the files -> object of the project. Empty: values are the project's labels.
    object : str or None
        The object that every value above 0 stands for.
    instances : str or None
        The same, each value being another particle: values are kept.
    spacing : float or None
        Voxel spacing in Angstrom; None: what the file says.
    """

    files: Annotated[str, Option(argument=True)]
    output: Annotated[
        str,
        Option("Segmentation URI, name:user/session.", "-o", makes="segmentation"),
    ] = f"imported:{DEFAULT_ORIGIN}"
    run: Annotated[
        str | None,
        Option("Run of a single file. Default: from the file's name.", metavar="RUN"),
    ] = None
    name_pattern: Annotated[
        Pattern,
        Option("File name without suffix, with {run} for the run's name.", metavar="PATTERN"),
    ] = "{run}"
    label: Annotated[
        NameByName,
        Option(
            "Object for a value; repeatable. Default: values are the project's labels.",
            metavar="VALUE=NAME",
        ),
    ] = Field(default_factory=dict)
    object: Annotated[
        str | None, Option("Treat every value above 0 as this object.", metavar="NAME")
    ] = None
    instances: Annotated[
        str | None,
        Option(
            "Treat every value above 0 as one particle of this object; localize makes a pick of "
            "each.",
            metavar="NAME",
        ),
    ] = None
    spacing: Annotated[
        float | None,
        Field(gt=0),
        Option("Voxel spacing. Default: from each file.", metavar="A"),
    ] = None

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        given = [
            name
            for name, value in (
                ("--label", self.label),
                ("--object", self.object),
                ("--instances", self.instances),
            )
            if value
        ]
        if len(given) > 1:
            msg = f"{' and '.join(given)}: these options exclude each other; give one"
            raise ValueError(msg)
        wrong = [value for value in self.label if not value.isdigit() or int(value) == 0]
        if wrong:
            msg = f"--label {wrong[0]}={self.label[wrong[0]]}: expected a whole number above 0"
            raise ValueError(msg)
        return self
