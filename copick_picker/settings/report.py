"""Settings of ``report``."""

from typing import Annotated

from pydantic import Field

from copick_picker.settings.job import Names, Settings
from copick_picker.settings.options import Option
from copick_picker.settings.segment import Contrast

MOST_RUNS_TRACED = 200
"""Runs whose records a report reads to say how the candidates were made."""


class ReportSettings(Settings):
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

    scores: Annotated[Names, Option(metavar="SCORES...", argument=True)]
    output: Annotated[str, Option("HTML file to write.", "-o", metavar="FILE")] = "report.html"
    title: Annotated[str | None, Option("Title. Default: candidates against reference.")] = None
    config: Annotated[
        str | None,
        Option(
            "copick configuration, for the gallery. Default: the one evaluate used.",
            "-c",
            metavar="PATH",
        ),
    ] = None
    tomogram: Annotated[
        str | None,
        Option(
            "Tomogram for the gallery, type@spacing. Default: the one evaluate used, or the run's "
            "only one.",
            metavar="URI",
        ),
    ] = None
    contrast: Annotated[Contrast, Option("How protein looks in the tomograms.")] = "auto"
    gallery: Annotated[
        int,
        Field(ge=0, le=50),
        Option("Maximum missed, false and best picks per object in the gallery; 0: no gallery."),
    ] = 4
    times: Annotated[
        Names,
        Option(
            "JSON summary from segment or localize, to show times and hardware; repeatable.",
            metavar="FILE",
        ),
    ] = ()
    overwrite: Annotated[bool, Option("Replace the file.")] = False
