"""``copick-picker calibrate``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.options import job_flags, job_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from copick_picker.jobs.summary import Summary
    from copick_picker.settings.calibrate import CalibrateSettings


@click.command(
    short_help="Choose a score threshold for each object.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-i",
    "--candidate",
    type=CopickURI("picks", "input"),
    show_default="*:picker/1",
    help="URI of the candidate picks, object:user/session; * stands for every object. Localize "
    "them with a low --threshold: what it drops is never seen.",
)
@click.option("--reference", type=CopickURI("picks", "input"), help="URI of the reference picks.")
@click.option(
    "--tolerance",
    metavar="0.5r|60A",
    show_default="0.5r",
    help="Greatest distance of a hit: a multiple of the object's radius, or Angstrom.",
)
@click.option(
    "--beta", type=float, show_default="4.0", help="Weight of recall in F-beta, against precision."
)
@click.option(
    "--radius",
    multiple=True,
    metavar="NAME=A",
    help="Radius of an object; repeatable. Default: the project's.",
)
@click.option(
    "--margin",
    type=float,
    show_default="0.001",
    help="F-beta that a lower threshold may cost: of thresholds this near to the best, the lowest "
    "is taken.",
)
@click.option(
    "--fewest-references",
    type=int,
    metavar="N",
    show_default="10",
    help="An object with fewer reference picks gets no threshold.",
)
@click.option(
    "--merge-sets",
    is_flag=True,
    default=None,
    help="Put several sets of one object in a run together.",
)
@click.option(
    "-m", "--model", metavar="FOLDER", help="Store the thresholds in the card of this model."
)
@click.option(
    "--project",
    is_flag=True,
    default=None,
    help="Store them in the project's configuration (score_threshold in an object's metadata).",
)
@click.option("--plot", metavar="PNG", help="Draw F-beta against threshold for each object.")
@job_options
def calibrate(**flags: Any) -> None:
    """Choose a score threshold for each object.

    Candidates are matched one to one with the reference picks, hits and misses of all runs are
    summed, and the threshold with the highest F-beta is taken. It is shown beside the one in use;
    it is stored only where --model or --project asks for it. An object with too few reference
    picks, or whose candidates all have one score, gets none.

    \b
    URI format:
      picks          object:user/session          *:curator/1

    \b
    Examples:
      copick-picker calibrate -c config.json -i "*:picker/all" --reference "*:curator/1" --plot thresholds.png
      copick-picker calibrate -c config.json -i "*:picker/all" --reference "*:curator/1" --project
      copick-picker calibrate -c config.json -i "*:picker/all" --reference "*:curator/1" -m model_dir

    \b
    See also: copick-picker localize, evaluate
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute("calibrate", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _settings() -> "type[CalibrateSettings]":
    from copick_picker.settings.calibrate import CalibrateSettings

    return CalibrateSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.evaluate.calibrate import calibrate as workflow

    return workflow
