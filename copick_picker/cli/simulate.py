"""``copick-picker simulate``."""

from typing import TYPE_CHECKING, Any

import click

from copick_picker.cli.options import JOB_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from copick_picker.jobs.summary import Summary


@click.command(
    short_help="Simulate tomograms with known truth.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("scene", required=False, metavar="[SCENE.yaml]")
@click.option(
    "--preset", metavar="NAME", help="A ready scene instead: tiny, shrec-like or czii-like."
)
@click.option("-o", "--output", metavar="FOLDER", help="Folder of the project that is made.")
@click.option("--runs", type=int, metavar="N", help="Tomograms. Default: the scene's.")
@click.option("--seed", type=int, metavar="S", help="Seed. Default: the scene's.")
@click.option(
    "--path",
    metavar="full|quick",
    help="Image by a tilt series and back-projection, or in one step. Default: the scene's.",
)
@click.option("--shape", metavar="Z,Y,X", help="Size in voxels. Default: the scene's.")
@click.option(
    "--voxel-spacing", type=float, metavar="A", help="Edge of a voxel. Default: the scene's."
)
@click.option(
    "-j",
    "--workers",
    type=int,
    metavar="N",
    show_default="1",
    help="Processes that share the runs.",
)
@click.option("--threads", type=int, metavar="N", help="CPU threads, dealt out to the workers.")
@click.option(
    "--overwrite",
    is_flag=True,
    default=None,
    help="Begin anew: remove the simulated project that the folder holds.",
)
@click.option(
    "--dry-run", is_flag=True, default=None, help="Say what would be made; write nothing."
)
@click.option("--json", "json_file", metavar="FILE", help="Write a machine-readable summary.")
@click.option(
    "--log",
    metavar="FILE",
    help="Log file with tracebacks. Default: one in the user's cache folder.",
)
@click.option("-v", "--verbose", count=True, help="Say more; repeatable.")
def simulate(**flags: Any) -> None:
    """Make a project of simulated tomograms whose truth is known.

    The scene says which molecules, membranes, filaments and beads stand in the ice, how many, and
    how the tomograms are taken. The project holds the tomograms, a variant with little noise, picks
    with orientations of every object, and segmentations of the objects' real extent. The same
    scene and seed give the same bytes; an interrupted command goes on where it was.

    \b
    Examples:
      copick-picker simulate --preset tiny -o tiny
      copick-picker simulate --preset shrec-like -o train --runs 20 --seed 7 --path quick
      copick-picker simulate scene.yaml -o mine -j 2

    \b
    See also: copick-picker train, copick-picker segment, copick-picker evaluate
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    job = {option: flags.pop(option, None) for option in JOB_OPTIONS}
    execute("simulate", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _settings() -> "type[BaseModel]":
    from copick_picker.settings.simulate_command import SimulateSettings

    return SimulateSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.simulate.simulate import simulate as workflow

    return workflow
