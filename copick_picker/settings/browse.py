"""Settings of ``browse``."""

from pathlib import Path

from copick_picker.settings.job import JobSettings


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
