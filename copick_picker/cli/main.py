"""The console script, and the group ``picker`` of the ``copick`` command.

Both are lazy: help for the group imports no command, so that it takes as long as importing click.
"""

import importlib
import keyword
import sys
from typing import Any

import click

from copick_picker._version import __version__
from copick_picker.cli.streams import (
    check_address_space,
    check_working_folder,
    full_output_told,
    little_memory_told,
    prepare_streams,
)

COMMANDS = {
    "import": "Import tomograms, segmentations and picks from other programs.",
    "segment": "Segment tomograms with a trained model.",
    "detect": "Find particles in tomograms in one pass.",
    "localize": "Turn segmentations into scored picks.",
    "evaluate": "Score candidate picks against reference picks.",
    "calibrate": "Choose a score threshold for each object.",
    "report": "Show scores, curves and picks on one HTML page.",
    "filter": "Filter stored picks, and merge picks of two models.",
    "link": "Link picks into filaments.",
    "export": "Write picks and segmentations for other programs.",
    "extract": "Cut out subvolumes at picks, for RELION and Dynamo.",
    "mask": "Make masks for segment and localize.",
    "config": "Write project configurations.",
    "browse": "List the contents of a project or the CryoET Data Portal.",
    "view": "Show slices of a run with its picks.",
    "model": "List, show, convert and check models.",
    "targets": "Write training targets as segmentations, for inspection.",
    "train": "Train a model on reference picks, validated on held-out runs.",
    "movie": "Detect, track and measure moving puncta in movies.",
    "benchmark": "Run benchmark suites, and compare results.",
    "simulate": "Simulate tomograms with known ground truth.",
    "demo": "Run all main steps on a real and a simulated project.",
    "info": "Show versions, devices and the health of a project.",
}
"""Command -> short help. The command is its module's attribute of that name, with an underscore
behind it where Python keeps the name for itself."""

_OF_CRYOSIAM = {
    "semantic_predict": "segment --cryosiam-config FILE",
    "semantic_to_centers": "localize --cryosiam-config FILE",
    "semantic_postprocessing": "segment --cryosiam-config FILE --postprocess-only",
}
"""Commands of CryoSiam -> ours for the same YAML file."""


def module_of(command: str) -> str:
    """Return the module of a command.

    Parameters
    ----------
    command : str
        Its name in the table.
    """
    return f"copick_picker.cli.{command}" + "_" * keyword.iskeyword(command)


class LazyGroup(click.Group):
    """A group over a static table, which imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of the commands, in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command; None where there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(module_of(cmd_name))
        command: click.Command = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, or say which name is nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from copick_picker.errors import nearest_name

            if args[0] in _OF_CRYOSIAM:
                ctx.fail(f"'{args[0]}' is CryoSiam's: use copick-picker {_OF_CRYOSIAM[args[0]]}")
            near = nearest_name(args[0], COMMANDS)
            ctx.fail(f"no command '{args[0]}'{near}; commands: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


_ABOUT = """Find particles in cryo-electron tomograms of a copick project.

The main steps are segment (tomograms to segmentations), localize (segmentations to scored picks)
and evaluate (picks against reference picks).
"""


def _group(name: str) -> LazyGroup:
    return LazyGroup(
        name=name,
        help=_ABOUT,
        short_help="Find particles: segment, localize, evaluate.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


picker = _group("picker")
console = click.version_option(__version__, prog_name="copick-picker")(_group("copick-picker"))


def main(**extra: Any) -> None:
    """Run the console script."""
    prepare_streams()
    check_working_folder(sys.argv[1:])
    check_address_space(sys.argv[1:])
    with little_memory_told(), full_output_told():
        console(prog_name="copick-picker", **extra)
