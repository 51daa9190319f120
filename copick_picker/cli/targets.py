"""``copick-picker targets``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.options import (
    hidden,
    job_flags,
    job_options,
    pop_all,
    take_alias,
    target_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from copick_picker.jobs.summary import Summary
    from copick_picker.settings.targets import TargetsSettings


@click.command(
    short_help="Write what train learns from as segmentations to look at.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-i",
    "--input",
    type=CopickURI("tomogram", "input"),
    help="Tomogram URI, type@spacing: its shape and spacing are taken. Default: the only tomogram "
    "of each run.",
)
@click.option(
    "-p", "--picks", type=CopickURI("picks", "input"), help="Reference picks, object:user/session."
)
@click.option(
    "-o",
    "--output",
    type=CopickURI("segmentation", "output"),
    show_default="targets:picker/1",
    help="Segmentation URI, name:user/session.",
)
@target_options
@job_options
@hidden("--tomo-uri", "-uri", "tomo_uri")
@hidden("--target-uri", "-turi", "target_uri")
@hidden("--radius-scale", "-rs", "radius_scale", type=float)
@hidden("--picks-user-id", "-puid", "picks_user_id")
@hidden("--picks-session-id", "-psid", "picks_session_id")
def targets(**flags: Any) -> None:
    """Write what train would learn from as multilabel segmentations of the project.

    Each voxel has the label of its object in the project, 0 elsewhere, as train paints it in its
    patches with the same options. Look at it before a long training. No voxel of a tomogram is
    read. Existing outputs are kept; runs that are complete are skipped.

    \b
    URI format:
      tomogram       type@spacing                 wbp@10.0
      picks          object:user/session          *:curator/1
      segmentation   name:user/session            targets:picker/1

    \b
    Examples:
      copick-picker targets -c config.json -i wbp@10.0 -p "*:curator/1" -o targets:picker/1
      copick-picker targets -c config.json -p "*:curator/1" --target-fraction 0.7 --radius ribosome=150
      copick-picker targets -c config.json -p "*:curator/1" --target points -o targets:picker/points

    \b
    See also: copick-picker train, copick-picker view
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    _octopi(flags)
    execute("targets", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _octopi(flags: dict[str, Any]) -> None:
    """Fold the options of octopi's ``create-targets`` into ours."""
    given = pop_all(
        flags, "tomo_uri", "target_uri", "radius_scale", "picks_user_id", "picks_session_id"
    )
    take_alias(flags, "input", given["tomo_uri"], "--tomo-uri")
    take_alias(flags, "output", given["target_uri"], "--target-uri")
    take_alias(flags, "target_fraction", given["radius_scale"], "--radius-scale")
    user, session = given["picks_user_id"], given["picks_session_id"]
    if user or session:
        take_alias(flags, "picks", f"*:{user or '*'}/{session or '*'}", "--picks-user-id")


def _settings() -> "type[TargetsSettings]":
    from copick_picker.settings.targets import TargetsSettings

    return TargetsSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.train.targets import make_targets as workflow

    return workflow
