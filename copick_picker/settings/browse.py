"""Settings of ``browse``."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from copick_picker.settings.job import JobSettings, split_names

Numbers = Annotated[tuple[int, ...], BeforeValidator(split_names)]


class BrowseProjectSettings(JobSettings):
    """Settings of ``browse project``.

    Attributes
    ----------
    details : bool
        Read every pick file for the number of picks and their scores, and count what is stored.
    csv_file : pathlib.Path or None
        Where to write a table with one line a stored thing.
    """

    details: bool = False
    csv_file: Path | None = None


class BrowsePortalSettings(BaseModel):
    """Settings of ``browse portal``.

    Attributes
    ----------
    query : str
        Words in the title of a dataset, or in the name of an annotated object; empty: all.
    dataset : tuple of int
        Only these datasets, with their runs; empty: all, without their runs.
    has_truth : bool
        Only datasets with annotations marked as ground truth.
    organism : str
        Words in the name of the organism; empty: all.
    json_file, csv_file : pathlib.Path or None
        Where to write everything; the table has one line an annotated object of a dataset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str = ""
    dataset: Numbers = ()
    has_truth: bool = False
    organism: str = ""
    json_file: Path | None = None
    csv_file: Path | None = None
