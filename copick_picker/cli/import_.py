"""``copick-picker import``: tomograms and picks of other programs."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.options import job_flags, job_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from copick_picker.jobs.summary import Summary

_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(
    "import",
    short_help="Bring in tomograms of MRC files, and picks.",
    no_args_is_help=True,
    context_settings=_CONTEXT,
)
def import_() -> None:
    """Bring tomograms and picks of other programs into a project.

    \b
    Examples:
      copick-picker import mrc tomograms -c config.json --spacing header --type wbp
      copick-picker import picks particles.star -c config.json -o ribosome:relion/1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@import_.command(short_help="Store MRC files as tomograms.", context_settings=_CONTEXT)
@click.argument("folder")
@click.option(
    "--spacing",
    metavar="header|A",
    show_default="header",
    help="Voxel spacing: what each header says, or Angstrom for all.",
)
@click.option("--type", metavar="TYPE", show_default="wbp", help="Tomogram type in the project.")
@click.option(
    "--name-pattern",
    metavar="PATTERN",
    show_default="{run}",
    help="File name without suffix, with {run} where the run's name stands.",
)
@click.option("--names", metavar="CSV", help="Write which file became which run.")
@click.option(
    "--new-object",
    multiple=True,
    metavar="NAME=RADIUS",
    help="Object of a project that is to be made, where there is none; repeatable.",
)
@job_options
def mrc(**flags: Any) -> None:
    """Store every MRC file of a folder as the tomogram of a run that has the file's name.

    Any mode of real numbers, either byte order, also gzip and bzip2. Files are read in blocks, and
    written with copick's three levels of resolution. What is stored already is skipped.

    \b
    Examples:
      copick-picker import mrc tomograms -c config.json --spacing header --type wbp
      copick-picker import mrc tomograms -c new/config.json --new-object ribosome=150
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute("import-mrc", workflow=_mrc, settings=_mrc_settings, flags=flags, job=job)


@import_.command(short_help="Store the particles of a file as picks.", context_settings=_CONTEXT)
@click.argument("file")
@click.option(
    "-o",
    "--output",
    type=CopickURI("picks", "output"),
    help="Picks URI, object:user/session. Default user and session: import and 1.",
)
@click.option(
    "--tomogram",
    type=CopickURI("tomogram", "input"),
    help="Tomogram that the points lie in. Default: the run's only one.",
)
@click.option("--run", metavar="RUN", help="The run of all particles, where the file names none.")
@click.option(
    "--pixel-size",
    type=float,
    metavar="A",
    help="Pixel size of coordinates in pixels, over what the file states.",
)
@click.option("--names", metavar="CSV", help="Table with columns run_name, tomogram_name.")
@click.option(
    "--name-pattern", metavar="PATTERN", help="Tomogram name in the file, with {run} in it."
)
@click.option(
    "--keep-outside", is_flag=True, default=None, help="Keep points outside the tomogram."
)
@job_options
def picks(**flags: Any) -> None:
    """Store the particles of a file as picks, run by run.

    STAR files of RELION 3, 4 and 5, of Warp and M; CSV; Dynamo's .tbl; EMAN2's info .json; IMOD's
    .mod. Which convention was taken is said. Points outside the tomogram are counted and listed.

    \b
    Examples:
      copick-picker import picks particles.star -c config.json -o ribosome:relion/1
      copick-picker import picks TS_01.mod -c config.json -o ribosome:hand/1 --run TS_01
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute("import-picks", workflow=_picks, settings=_picks_settings, flags=flags, job=job)


def _picks_settings() -> "type[BaseModel]":
    from copick_picker.settings.import_ import ImportPicksSettings

    return ImportPicksSettings


def _picks() -> "Callable[..., Summary]":
    from copick_picker.workflows.exchange.import_picks import import_picks

    return import_picks


def _mrc_settings() -> "type[BaseModel]":
    from copick_picker.settings.import_ import ImportMrcSettings

    return ImportMrcSettings


def _mrc() -> "Callable[..., Summary]":
    from copick_picker.workflows.exchange.import_mrc import import_mrc

    return import_mrc
