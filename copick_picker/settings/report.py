"""Settings of ``report``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from copick_picker.settings.job import Names

MOST_RUNS_TRACED = 200
"""Runs whose records a report reads to say how the candidates were made."""


class ReportSettings(BaseModel):
    """Settings of ``report``.

    Attributes
    ----------
    scores : tuple of str
        Folders that ``evaluate`` wrote; the first is reported, the others stand beside it.
    output : str
        The HTML file.
    title : str or None
        Headline; None names candidates and reference.
    config : str or None
        copick configuration for the gallery; None takes the one that ``evaluate`` read.
    tomogram : str or None
        Tomogram URI of the gallery; None takes the one of ``evaluate``.
    contrast : str
        How protein looks in the tomograms; ``auto`` looks at each.
    gallery : int
        Most missed, false and best picks shown of each object; 0 leaves the gallery out.
    times : tuple of str
        Summaries that ``segment --json`` and other commands wrote.
    overwrite : bool
        Replace the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scores: Names
    output: str = "report.html"
    title: str | None = None
    config: str | None = None
    tomogram: str | None = None
    contrast: Literal["auto", "dark", "bright"] = "auto"
    gallery: Annotated[int, Field(ge=0, le=50)] = 4
    times: Names = ()
    overwrite: bool = False
