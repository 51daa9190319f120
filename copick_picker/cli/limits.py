"""Options that ``filter`` and ``export picks`` share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def limit_options(command: Command) -> Command:
    """Add the limits on stored picks."""
    for option in reversed(
        [
            click.option(
                "--min-score",
                multiple=True,
                metavar="NAME=SCORE",
                help="Lowest score kept, of one object or of all (*=0.4); repeatable.",
            ),
            click.option(
                "--top",
                multiple=True,
                metavar="NAME=N",
                help="Only the N best picks of each run; repeatable.",
            ),
            click.option(
                "--min-distance",
                multiple=True,
                metavar="NAME=A",
                help="Of two picks of an object nearer than this the better stays; repeatable.",
            ),
            click.option(
                "--between-distance-angstrom",
                type=float,
                show_default="0.0",
                help="Of two picks of different objects nearer than this the better stays.",
            ),
            click.option(
                "--border-margin-angstrom",
                type=float,
                show_default="0.0",
                help="Picks nearer to a face of the tomogram are dropped.",
            ),
            click.option(
                "--mask",
                metavar="MASK",
                help="Drop picks outside of this: a segmentation URI, or an MRC or HDF5 file, with "
                "{run} where the run's name stands.",
            ),
            click.option(
                "--mask-margin",
                type=float,
                show_default="0.0",
                help="How far inside the mask picks must lie, in Angstrom; below 0: may lie "
                "outside.",
            ),
        ]
    ):
        command = option(command)
    return command
