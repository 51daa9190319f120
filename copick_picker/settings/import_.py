"""Settings of ``import``."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from copick_picker.settings.export import NamesTable, Pattern
from copick_picker.settings.job import JobSettings, Names, NumberByName, Parameters
from copick_picker.settings.options import Option

IMPORT_USER = "import"
"""User of imported picks where the user of the command names none."""
BYU_TYPE = "byu"
"""Tomogram type, and user of the picks, of tomograms of the challenge BYU 2025."""
MOTOR = "motor"
"""Object of its tables."""
MOTOR_RADIUS_ANGSTROM = 500.0
"""Radius of a flagellar motor, about that of its C-ring with what surrounds it."""
EVERY_CLASS = "*"
"""All classes of a file, as one object."""
IMPLAUSIBLE_SPACINGS = (0.0, 1.0)
"""Voxel spacings in Angstrom that programs write when they do not know."""


class ImportMrcSettings(JobSettings):
    """Settings of ``import mrc``.

    Attributes
    ----------
    folder : str
        Folder of MRC files.
    spacing : str
        ``header``, or Angstrom.
    type : str
        Tomogram type in the project.
    name_pattern : str
        File name without suffix, with ``{run}`` where the run's name stands.
    pattern : str or None
        Glob of file names; None: all but those that say that they are stacks or halves.
    names : str or None
        CSV file to write: ``run_name`` and ``tomogram_name`` (the file).
    new_object : dict
        Object name -> radius in Angstrom of a project that is to be made.
    objects_of : str or None
        Model whose objects and radii a project that is to be made has, besides ``new_object``.
    """

    folder: Annotated[str, Option(argument=True)]
    spacing: Annotated[
        str,
        Option("Voxel spacing: from each header, or one value in Angstrom.", metavar="header|A"),
    ] = "header"
    type: Annotated[str, Option("Tomogram type in the project.", metavar="TYPE")] = "wbp"
    name_pattern: Annotated[
        Pattern,
        Option("File name without suffix, with {run} for the run's name.", metavar="PATTERN"),
    ] = "{run}"
    pattern: Annotated[
        str | None,
        Option(
            "Only files with matching names. Default: all but stacks, tilt series and half maps.",
            metavar="GLOB",
        ),
    ] = None
    names: Annotated[str | None, Option("Write a table of files and runs.", metavar="CSV")] = None
    new_object: Annotated[
        NumberByName,
        Option(
            "Object and radius for a new project; repeatable.",
            metavar="NAME=RADIUS",
        ),
    ] = Field(default_factory=dict)
    objects_of: Annotated[
        str | None,
        Option("Model whose objects and radii a new project gets.", metavar="MODEL"),
    ] = None

    @field_validator("spacing")
    @classmethod
    def _spacing_is_a_length(cls, value: str) -> str:
        if value != "header" and not _is_positive(value):
            msg = "expected header, or the voxel spacing in Angstrom"
            raise ValueError(msg)
        return value


class ImportByuSettings(JobSettings):
    """Settings of ``import byu``.

    Attributes
    ----------
    folder : str
        Folder of folders of JPG slices, one a tomogram.
    labels : str or None
        CSV file of motors; None: no picks are stored.
    spacing : float or None
        Voxel spacing in Angstrom of all tomograms; None: the table's.
    type : str
        Tomogram type in the project.
    new_object : dict
        Object name -> radius in Angstrom: what the table lists.
    """

    folder: Annotated[str, Option(argument=True)]
    labels: Annotated[
        str | None,
        Option(
            "Table of motors, one row each, or a row of -1 if there is none. Default: no picks.",
            metavar="CSV",
        ),
    ] = None
    spacing: Annotated[
        float | None,
        Field(gt=0),
        Option("Voxel spacing of all tomograms. Default: from the table.", metavar="A"),
    ] = None
    type: Annotated[str, Option("Tomogram type in the project.", metavar="TYPE")] = BYU_TYPE
    new_object: Annotated[
        NumberByName,
        Option(
            "Object in the table, and its radius in a new project. Default: "
            f"{MOTOR}={MOTOR_RADIUS_ANGSTROM:g}.",
            metavar="NAME=RADIUS",
        ),
    ] = Field(default_factory=lambda: {MOTOR: MOTOR_RADIUS_ANGSTROM})

    @field_validator("new_object")
    @classmethod
    def _one_object(cls, value: dict[str, float]) -> dict[str, float]:
        if len(value) != 1 or min(value.values()) <= 0:
            msg = "expected one object with a positive radius, such as motor=500"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _spacing_is_known(self) -> Self:
        if self.labels is None and self.spacing is None:
            msg = "JPG files store no voxel spacing: use --spacing A or --labels CSV"
            raise ValueError(msg)
        return self

    @property
    def object_name(self) -> str:
        """Object that the table lists."""
        return next(iter(self.new_object))


class ImportPicksParameters(Parameters):
    """How the particles of a file are read.

    Attributes
    ----------
    run : str or None
        The one run that all particles are of, where the file names none.
    pixel_size : float or None
        Pixel size in Angstrom of the coordinates, over what the file states.
    names : str or None
        CSV file with the columns ``run_name`` and ``tomogram_name``.
    name_pattern : str or None
        Tomogram name with ``{run}`` in it.
    keep_outside : bool
        Keep points outside the tomogram.
    classes : tuple of str
        Classes of the file that make up the object; ``*`` stands for all. Empty: those of the
        object's name, or all where the file has but one class.
    score_column : str or None
        Column of scores; None: the one that other programs call so.
    skip_bad_rows : bool
        Leave out rows that cannot be used, instead of refusing the file.
    """

    run: Annotated[
        str | None, Option("Run of all particles, if the file names none.", metavar="RUN")
    ] = None
    pixel_size: Annotated[
        float | None,
        Field(gt=0),
        Option("Pixel size of coordinates, overrides the file's.", metavar="A"),
    ] = None
    names: NamesTable = None
    name_pattern: Annotated[
        Pattern | None,
        Option("Tomogram name in the file, with {run} for the run.", metavar="PATTERN"),
    ] = None
    keep_outside: Annotated[bool, Option("Keep points outside the tomogram.")] = False
    classes: Annotated[
        Names,
        Option(
            "Classes or objects in the file to import; '*' joins all. Default: the object's name, "
            "if the file has several.",
            metavar="A,B",
        ),
    ] = ()
    score_column: Annotated[
        str | None,
        Option(
            "Score column, or its number in a .tbl or .em file. Default: the one used by RELION, "
            "Warp, pytom-match-pick and others.",
            metavar="NAME",
        ),
    ] = None
    skip_bad_rows: Annotated[bool, Option("Skip, count and list unusable rows.")] = False


class ImportPicksSettings(ImportPicksParameters, JobSettings):
    """Settings of ``import picks``.

    Attributes
    ----------
    file : str
        File of particles; its suffix names the format.
    output : str
        Picks URI ``object:user/session``; ``*`` stands for every object that the file names.
    tomogram : str
        Tomogram URI: its size gives centres and limits, its voxel spacing the pixels.
    """

    also_recorded = ("file", "output", "tomogram")

    file: Annotated[str, Option(argument=True)]
    output: Annotated[
        str,
        Option(
            "Picks URI, object:user/session; * is every object in the file. Default user and "
            "session: import and 1.",
            "-o",
            makes="picks",
        ),
    ]
    tomogram: Annotated[
        str, Option("Tomogram of the points. Default: the run's only one.", uri="tomogram")
    ] = "*"


def _is_positive(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return 0 < number < float("inf")
