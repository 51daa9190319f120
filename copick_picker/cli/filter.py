"""``copick-picker filter``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.limits import limit_options
from copick_picker.cli.options import job_flags, job_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from copick_picker.jobs.summary import Summary


@click.command(
    "filter",
    short_help="Filter stored picks, and merge those of two models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-i",
    "--input",
    type=CopickURI("picks", "input"),
    help="Picks URI, object:user/session; * stands for every object.",
)
@click.option(
    "-o",
    "--output",
    type=CopickURI("picks", "output"),
    show_default="*:picker/filtered",
    help="Picks URI; * stands for every object of the input.",
)
@click.option(
    "--tomogram",
    type=CopickURI("tomogram", "input"),
    help="Tomogram whose size gives the border. Default: the run's only one.",
)
@click.option("--merge", metavar="URI", help="Picks of a second model, put together with these.")
@click.option(
    "--merge-distance-angstrom",
    type=float,
    help="Picks of the two sets nearer than this mean one particle; the better stays. Default: "
    "half the object's radius.",
)
@limit_options
@job_options
def filter_(**flags: Any) -> None:
    """Store those picks that pass limits of score, border, distance and number.

    The limits act in that order. What fell for which reason is said and recorded. The input stays
    as it is.

    \b
    Examples:
      copick-picker filter -c config.json -i "*:picker/1" --min-score "*=0.4" --top "*=500"
      copick-picker filter -c config.json -i ribosome:one/1 --merge ribosome:two/1

    \b
    See also: copick-picker localize, copick-picker export
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute("filter", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _settings() -> "type[BaseModel]":
    from copick_picker.settings.filter import FilterSettings

    return FilterSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.localize.filtering import filter_picks

    return filter_picks
