"""``copick-picker export``: picks and segmentations for other programs."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.limits import limit_options
from copick_picker.cli.options import job_flags, job_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from copick_picker.jobs.summary import Summary

_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(
    short_help="Write picks and segmentations for other programs.",
    no_args_is_help=True,
    context_settings=_CONTEXT,
)
def export() -> None:
    """Write picks and segmentations of a project for other programs.

    \b
    Examples:
      copick-picker export picks -c config.json -i "ribosome:picker/1" --to relion5 -o out
      copick-picker export segmentation -c config.json -i predict:picker/1 --to mrc -o out
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@export.command(
    short_help="Write picks for RELION, Warp, Dynamo or as CSV.", context_settings=_CONTEXT
)
@click.option(
    "-i",
    "--input",
    type=CopickURI("picks", "input"),
    help="Picks URI, object:user/session; * stands for every object.",
)
@click.option(
    "--to", metavar="relion5|relion4|warp|dynamo|csv|copick-csv", help="Format of the files."
)
@click.option("-o", "--output", metavar="FOLDER", help="Folder for the files.")
@click.option("--per-run", is_flag=True, default=None, help="One file a run, not one for all runs.")
@click.option(
    "--tomogram",
    type=CopickURI("tomogram", "input"),
    help="Tomogram whose size gives the centre, and whose voxels count. Default: the run's only.",
)
@click.option(
    "--pixel-size",
    type=float,
    metavar="A",
    help="Unbinned pixel size of coordinates in pixels. Default: the tomogram's voxels.",
)
@click.option(
    "--binning", type=float, show_default="1.0", help="Coordinates count so many pixels as one."
)
@click.option(
    "--tomograms",
    metavar="STAR",
    help="RELION's tomograms.star: exact centres and an optics table (--to relion5).",
)
@click.option("--names", metavar="CSV", help="Table with columns run_name, tomogram_name.")
@click.option(
    "--name-pattern",
    metavar="PATTERN",
    help="Tomogram name with {run} in it. Default: {run}, and {run}.tomostar for Warp.",
)
@click.option("--random-subset", is_flag=True, default=None, help="Add random halves, 1 and 2.")
@click.option("--seed", type=int, show_default="0", help="Seed of the halves.")
@limit_options
@job_options
def picks(**flags: Any) -> None:
    """Write picks with their scores, and their orientations where they have any.

    relion5 is Angstrom from the tomogram's centre; relion4, warp and dynamo count pixels; csv and
    copick-csv are Angstrom from the first voxel. Either all files are written or none.

    \b
    Examples:
      copick-picker export picks -c config.json -i "ribosome:picker/1" --to relion5 -o out
      copick-picker export picks -c config.json -i "*:picker/1" --to warp -o out --top "*=500"
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute("export-picks", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _settings() -> "type[BaseModel]":
    from copick_picker.settings.export import ExportPicksSettings

    return ExportPicksSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.exchange.export_picks import export_picks

    return export_picks


@export.command(short_help="Write segmentations as MRC or TIFF files.", context_settings=_CONTEXT)
@click.option(
    "-i",
    "--input",
    type=CopickURI("segmentation", "input"),
    help="Segmentation URI, name:user/session@spacing.",
)
@click.option("--to", metavar="mrc|tiff", show_default="mrc", help="Format of the files.")
@click.option("-o", "--output", metavar="FOLDER", help="Folder for the files, one a run.")
@job_options
def segmentation(**flags: Any) -> None:
    """Write the labels of every run as a volume with its voxel spacing in the header.

    MRC files hold 8-bit numbers where the labels allow it, else 16-bit ones; their origin is 0.
    TIFF stacks carry the spacing where ImageJ looks for it.

    \b
    Examples:
      copick-picker export segmentation -c config.json -i predict:picker/1 --to mrc -o out
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute(
        "export-segmentation",
        workflow=_segmentation_workflow,
        settings=_segmentation_settings,
        flags=flags,
        job=job,
    )


def _segmentation_settings() -> "type[BaseModel]":
    from copick_picker.settings.export import ExportSegmentationSettings

    return ExportSegmentationSettings


def _segmentation_workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.exchange.export_segmentations import export_segmentation

    return export_segmentation
