"""Settings of ``import``."""

from typing import Annotated

from pydantic import Field, field_validator

from copick_picker.settings.export import check_pattern
from copick_picker.settings.job import JobSettings, NumberByName

DEFAULT_USER = "import"
"""User of imported picks where the user of the command names none."""
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
    names : str or None
        CSV file to write: ``run_name`` and ``tomogram_name`` (the file).
    new_object : dict
        Object name -> radius in Angstrom of a project that is to be made.
    """

    folder: str
    spacing: str = "header"
    type: str = "wbp"
    name_pattern: str = "{run}"
    names: str | None = None
    new_object: NumberByName = Field(default_factory=dict)

    @field_validator("spacing")
    @classmethod
    def _spacing_is_a_length(cls, value: str) -> str:
        if value != "header" and not _is_positive(value):
            msg = "expected header, or the voxel spacing in Angstrom"
            raise ValueError(msg)
        return value

    @field_validator("name_pattern")
    @classmethod
    def _pattern_has_a_run(cls, value: str) -> str:
        check_pattern(value)
        return value


class ImportPicksSettings(JobSettings):
    """Settings of ``import picks``.

    Attributes
    ----------
    file : str
        STAR, CSV, ``.tbl``, ``.json`` or ``.mod`` file.
    output : str
        Picks URI ``object:user/session``.
    tomogram : str
        Tomogram URI: its size gives centres and limits, its voxel spacing the pixels.
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
    """

    file: str
    output: str
    tomogram: str = "*"
    run: str | None = None
    pixel_size: Annotated[float, Field(gt=0)] | None = None
    names: str | None = None
    name_pattern: str | None = None
    keep_outside: bool = False

    @field_validator("name_pattern")
    @classmethod
    def _pattern_has_a_run(cls, value: str | None) -> str | None:
        return check_pattern(value)


def _is_positive(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return 0 < number < float("inf")
