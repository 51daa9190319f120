"""Settings of ``browse``."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from copick_picker.settings.job import JobSettings, Names, Settings, split_names
from copick_picker.settings.options import Option

Numbers = Annotated[tuple[int, ...], BeforeValidator(split_names)]
JsonFile = Annotated[
    Path | None, Option("Write everything as JSON.", metavar="FILE", long="--json")
]
_CSV = Option("Write one table of all items.", metavar="FILE", long="--csv", after="json_file")


class BrowseProjectSettings(JobSettings):
    """Settings of ``browse project``.

    Attributes
    ----------
    details : bool
        Read every pick file for the number of picks and their scores, and count what is stored.
    csv_file : pathlib.Path or None
        Where to write a table with one line a stored thing.
    """

    objects: Annotated[
        Names, Option("Only picks and segmentations of these objects.", metavar="A,B")
    ] = ()
    details: Annotated[
        bool,
        Option(
            "Also read every pick file (numbers, scores) and measure stored data.", after="split"
        ),
    ] = False
    json_file: JsonFile = None
    csv_file: Annotated[Path | None, _CSV] = None


class BrowsePortalSettings(Settings):
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

    query: Annotated[
        str, Option("Words in a dataset's title or an annotated object's name.", metavar="WORDS")
    ] = ""
    dataset: Annotated[
        Numbers, Option("Only this dataset, and list its runs; repeatable.", metavar="ID")
    ] = ()
    has_truth: Annotated[bool, Option("Only datasets with annotations marked as ground truth.")] = (
        False
    )
    organism: Annotated[str, Option("Words in the organism's name.", metavar="WORDS")] = ""
    json_file: JsonFile = None
    csv_file: Annotated[Path | None, _CSV] = None
