"""``copick-picker report``."""

from copick_picker.cli.command import LOG, SETTINGS_FILE, VERBOSE, Flags, command


@command(
    "copick_picker.settings.report:ReportSettings",
    "copick_picker.workflows.show.report:report",
    extra={"times": [SETTINGS_FILE], "overwrite": [LOG, VERBOSE]},
)
def report(flags: Flags) -> None:
    """Show the scores of an evaluate folder on one HTML page.

    The page is self-contained and works offline: totals with intervals, curves, sortable
    tables, errors, confusion, scores with thresholds, slices of missed, false and best picks,
    and how everything was made. Further folders are compared with the first; all must be scored
    by the same rules.

    \b
    Examples:
      copick-picker report scores -o report.html
      copick-picker report scores scores-other -o report.html --times segment.json

    \b
    See also: copick-picker evaluate, copick-picker benchmark
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
