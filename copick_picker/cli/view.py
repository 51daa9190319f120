"""``copick-picker view``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.options import job_flags, job_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from copick_picker.jobs.summary import Summary


@click.command(
    short_help="Show slices of a run with its picks.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    show_default="view_{run}.png",
    help="Picture (.png) or page (.html) to write; {run} stands for the run.",
)
@click.option(
    "--tomogram", type=CopickURI("tomogram", "input"), help="Tomogram. Default: the run's only one."
)
@click.option(
    "--reference",
    type=CopickURI("picks", "input"),
    help="Reference picks, object:user/session; * stands for every object. On the portal also "
    "ground-truth, deposition:ID, annotation:ID, author:NAME.",
)
@click.option(
    "--candidate",
    type=CopickURI("picks", "input"),
    show_default="*:picker/1",
    help="Picks to show, and to match with the reference.",
)
@click.option(
    "--matcher",
    metavar="one-to-one|czii|octopi",
    show_default="one-to-one",
    help="What counts as a hit, as in evaluate.",
)
@click.option(
    "--tolerance",
    metavar="0.5r|60A",
    show_default="0.5r",
    help="Greatest distance of a hit: a multiple of the object's radius, or Angstrom.",
)
@click.option(
    "--radius",
    multiple=True,
    metavar="NAME=A",
    help="Radius of an object; repeatable. Default: the project's.",
)
@click.option(
    "--min-score",
    multiple=True,
    metavar="NAME=SCORE",
    help="Leave out candidates of lower score; repeatable.",
)
@click.option(
    "--contrast",
    metavar="auto|dark|bright",
    show_default="auto",
    help="How protein looks in the tomogram; it is drawn dark.",
)
@click.option(
    "--at",
    metavar="X,Y,Z",
    help="Point in Angstrom that the slices go through. Default: where most picks are.",
)
@click.option(
    "--slab-angstrom", type=float, show_default="60.0", help="Thickness of a slice (their mean)."
)
@click.option("--slices", type=int, show_default="60", help="Page: most slices along each axis.")
@click.option(
    "--pixels",
    type=int,
    show_default="512",
    help="Most pixels along a side; a larger tomogram is binned.",
)
@click.option(
    "--neuroglancer",
    is_flag=True,
    default=None,
    help="Start a local neuroglancer viewer instead (needs the extra 'neuroglancer').",
)
@click.option(
    "--segmentation",
    type=CopickURI("segmentation", "input"),
    help="Segmentation to show in neuroglancer.",
)
@click.option("--port", type=int, show_default="0", help="Port of the viewer; 0: a free one.")
@job_options
def view(**flags: Any) -> None:
    """Show xy, xz and yz slices of runs with reference and candidate picks on them.

    A .png shows one slice along each axis, a .html page scrolls through all of them and needs
    nothing but a browser. With --reference, found and missed references, hits and false candidates
    have marks of different shape and colour.

    \b
    Examples:
      copick-picker view TS_01 -c config.json -o TS_01.png
      copick-picker view TS_01 -c config.json --reference "*:curator/1" --candidate "*:picker/1" -o TS_01.html
      copick-picker view "TS_*" -c config.json -o "pictures/{run}.png"
      copick-picker view TS_01 -c config.json --neuroglancer --segmentation predict:picker/1

    \b
    See also: copick-picker evaluate, copick-picker report
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    flags["run_names"] = (*flags.pop("run"), *flags["run_names"])
    if not flags["run_names"]:
        text = "which run? copick-picker view TS_01 -c config.json"
        raise click.UsageError(text)
    execute("view", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _settings() -> "type[BaseModel]":
    from copick_picker.settings.view import ViewSettings

    return ViewSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.show.view import view as workflow

    return workflow
