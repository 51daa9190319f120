"""``copick-picker report``."""

from typing import TYPE_CHECKING, Any

import click

from copick_picker.cli.options import JOB_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from copick_picker.jobs.summary import Result
    from copick_picker.settings.report import ReportSettings


@click.command(
    short_help="Show scores, curves and picks on one HTML page.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("scores", nargs=-1, metavar="SCORES...")
@click.option(
    "-o", "--output", metavar="FILE", show_default="report.html", help="The HTML file to write."
)
@click.option("--title", help="Headline. Default: candidates against reference.")
@click.option(
    "-c",
    "--config",
    metavar="PATH",
    help="copick configuration, for the gallery. Default: the one that evaluate read.",
)
@click.option(
    "--tomogram",
    metavar="URI",
    help="Tomogram of the gallery, type@spacing. Default: that of evaluate, or the only one.",
)
@click.option(
    "--contrast",
    metavar="auto|dark|bright",
    show_default="auto",
    help="How protein looks in the tomograms.",
)
@click.option(
    "--gallery",
    type=int,
    show_default="4",
    help="Most missed, false and best picks of each object in the gallery; 0: no gallery.",
)
@click.option(
    "--times",
    multiple=True,
    metavar="FILE",
    help="Summary that segment --json or localize --json wrote: its times and hardware are shown; "
    "repeatable.",
)
@click.option(
    "--settings",
    "settings_file",
    metavar="YAML",
    help="File with any of these options; options on the command line win.",
)
@click.option("--overwrite", is_flag=True, default=None, help="Replace the file.")
@click.option(
    "--log",
    metavar="FILE",
    help="Log file with tracebacks. Default: one in the user's cache folder.",
)
@click.option("-v", "--verbose", count=True, help="Say more; repeatable.")
def report(**flags: Any) -> None:
    """Show the scores of a folder that evaluate wrote on one HTML page.

    The page needs no other file and no network: totals with intervals, curves, tables that sort,
    errors, confusion, scores with thresholds, slices of missed, false and best picks, and how all
    of it was made. Further folders stand beside the first; all must be scored by the same rules.

    \b
    Examples:
      copick-picker report scores -o report.html
      copick-picker report scores scores-other -o report.html --times segment.json

    \b
    See also: copick-picker evaluate, copick-picker benchmark
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    job = {name: flags.pop(name) for name in JOB_OPTIONS}
    execute("report", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _settings() -> "type[ReportSettings]":
    from copick_picker.settings.report import ReportSettings

    return ReportSettings


def _workflow() -> "Callable[..., Result]":
    from copick_picker.workflows.show.report import report as workflow

    return workflow
