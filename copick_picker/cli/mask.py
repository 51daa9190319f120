"""``copick-picker mask``: make masks that segment and localize take."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from copick_picker.cli.options import job_flags, job_options

if TYPE_CHECKING:
    from pydantic import BaseModel

Command = TypeVar("Command", bound=Callable[..., Any])
_CONTEXT = {"help_option_names": ["-h", "--help"]}
_INPUTS = {
    "tomogram": "Tomogram URI, type@spacing. Default: the only tomogram of each run.",
    "segmentation": "Segmentation URI, name:user/session@spacing. Default: the only one.",
}


@click.group(
    short_help="Make masks that segment and localize take.",
    no_args_is_help=True,
    context_settings=_CONTEXT,
)
def mask() -> None:
    """Make masks that segment and localize take with --mask.

    A mask is a segmentation of the project: 1 where particles are sought, 0 elsewhere.

    \b
    Examples:
      copick-picker mask lamella -c config.json -i wbp@10.0 -o lamella:picker/1
      copick-picker mask exclude-edges -c config.json -i wbp@10.0 --margin-xy 200
      copick-picker localize -c config.json --mask lamella:picker/1

    \b
    See also: copick-picker segment, copick-picker localize
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


def _ends(kind: str, output: str) -> Callable[[Command], Command]:
    """Add the input, the output and the job's options."""

    def decorated(command: Command) -> Command:
        command = job_options(command)
        for option in (
            click.option(
                "--within", metavar="URI|FILE", help="Another mask that the result is cut to."
            ),
            click.option(
                "-o",
                "--output",
                metavar="URI",
                show_default=output,
                help="Segmentation URI, name:user/session.",
            ),
            click.option("-i", "--input", metavar="URI", help=_INPUTS[kind]),
        ):
            command = option(command)
        return command

    return decorated


@mask.command(short_help="Find the specimen between two surfaces.", context_settings=_CONTEXT)
@_ends("tomogram", "lamella:picker/1")
@click.option(
    "--detail", type=float, show_default="40.0", help="Blocks averaged over first, in Angstrom."
)
@click.option(
    "--texture",
    type=float,
    show_default="200.0",
    help="Length over which texture is measured, in Angstrom.",
)
@click.option(
    "--smoothing",
    type=float,
    show_default="200.0",
    help="Smoothing of the two surfaces, in Angstrom.",
)
@click.option(
    "--least-ratio",
    type=float,
    show_default="1.3",
    help="Texture inside over outside below which no lamella is found.",
)
def lamella(**flags: Any) -> None:
    """Find the specimen of each tomogram: what is textured, between two smooth surfaces.

    \b
    Examples:
      copick-picker mask lamella -c config.json -i wbp@10.0 -o lamella:picker/1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    _execute("lamella", "LamellaSettings", "make_lamella", flags)


@mask.command("from-labels", short_help="Take labels of a segmentation.", context_settings=_CONTEXT)
@_ends("segmentation", "labels:picker/1")
@click.option("--labels", metavar="A,B", help="Values, or names of objects. Default: all but 0.")
@click.option(
    "--grow",
    type=float,
    show_default="0.0",
    help="Move the surface outwards by so many Angstrom; below 0: inwards.",
)
@click.option(
    "--largest", is_flag=True, default=None, help="Keep the largest connected part alone."
)
@click.option(
    "--hull",
    metavar="planes|volume",
    help="Fill to the convex hull of each plane along z, or of the whole.",
)
@click.option("--invert", is_flag=True, default=None, help="The mask is where the labels are not.")
def from_labels(**flags: Any) -> None:
    """Make masks of labels of segmentations, such as a membrane's or an organelle's.

    \b
    Examples:
      copick-picker mask from-labels -c config.json -i organelles:me/1 --labels 2 -o inner:picker/1
      copick-picker mask from-labels -c config.json -i membrane:me/1 --grow 100 --invert
      copick-picker mask from-labels -c config.json -i lamella:me/1 --largest --hull planes
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    _execute("from-labels", "FromLabelsSettings", "make_from_labels", flags)


@mask.command(
    "exclude-edges", short_help="Leave out the edges of tomograms.", context_settings=_CONTEXT
)
@_ends("tomogram", "inner:picker/1")
@click.option(
    "--margin-xy", type=float, show_default="0.0", help="From the faces in x and y, in Angstrom."
)
@click.option(
    "--margin-z", type=float, show_default="0.0", help="From the faces in z, in Angstrom."
)
def exclude_edges(**flags: Any) -> None:
    """Make masks that leave out the edges of tomograms.

    \b
    Examples:
      copick-picker mask exclude-edges -c config.json -i wbp@10.0 --margin-xy 200 --margin-z 100
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    _execute("exclude-edges", "ExcludeEdgesSettings", "make_exclude_edges", flags)


@mask.command(short_help="Leave out gold fiducials.", context_settings=_CONTEXT)
@_ends("tomogram", "no-gold:picker/1")
@click.option("--radius", type=float, show_default="50.0", help="Radius of a bead, in Angstrom.")
@click.option(
    "--grow", type=float, show_default="50.0", help="Left out around each bead, in Angstrom."
)
@click.option(
    "--least-score",
    type=float,
    show_default="8.0",
    help="Robust standard deviations by which a bead stands out.",
)
@click.option(
    "--contrast",
    metavar="dark|bright",
    show_default="dark",
    help="How gold, like protein, looks in the tomograms.",
)
def gold(**flags: Any) -> None:
    """Make masks that leave out gold fiducials and what is near them.

    \b
    Examples:
      copick-picker mask gold -c config.json -i wbp@10.0 --radius 50 --grow 80
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    _execute("gold", "GoldSettings", "make_gold", flags)


def _execute(name: str, settings: str, workflow: str, flags: dict[str, Any]) -> None:
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)

    def found_settings() -> "type[BaseModel]":
        from copick_picker.settings import mask as module

        kind: type[BaseModel] = getattr(module, settings)
        return kind

    def found_workflow() -> Callable[..., Any]:
        from copick_picker.workflows.mask import making as mask_making

        function: Callable[..., Any] = getattr(mask_making, workflow)
        return function

    execute(f"mask-{name}", workflow=found_workflow, settings=found_settings, flags=flags, job=job)
