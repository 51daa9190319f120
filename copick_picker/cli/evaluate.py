"""``copick-picker evaluate`` and ``copick evaluation evaluate``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.options import hidden, job_flags, job_options, pop_all, take_alias

if TYPE_CHECKING:
    from collections.abc import Callable

    from copick_picker.jobs.summary import Summary
    from copick_picker.settings.evaluate import EvaluateSettings


@click.command(
    short_help="Score candidate picks against reference picks.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--reference",
    type=CopickURI("picks", "input"),
    help="URI of the reference picks, object:user/session; * stands for every object. On the "
    "portal also ground-truth, deposition:ID, annotation:ID, author:NAME.",
)
@click.option(
    "--candidate",
    type=CopickURI("picks", "input"),
    show_default="*:picker/1",
    help="URI of the picks to score.",
)
@click.option(
    "-o", "--output", metavar="FOLDER", show_default="scores", help="Folder for the scores."
)
@click.option(
    "--matcher",
    metavar="one-to-one|czii|octopi",
    show_default="one-to-one",
    help="What counts as a hit: ours, the rule of the CZII 2024 challenge, or octopi's.",
)
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
    help="Radius of an object; repeatable. Default: the project's (czii: the challenge's).",
)
@click.option(
    "--weight",
    multiple=True,
    metavar="NAME=W",
    help="Weight of an object in the macro average; repeatable.",
)
@click.option(
    "--min-score",
    multiple=True,
    metavar="NAME=SCORE",
    help="Leave out candidates of lower score; repeatable.",
)
@click.option(
    "--merge-sets",
    is_flag=True,
    default=None,
    help="Put several sets of one object in a run together.",
)
@click.option(
    "--border-margin-xy-angstrom",
    type=float,
    show_default="0.0",
    help="Picks this near to an x or y face are listed, not counted (a hit still counts).",
)
@click.option(
    "--border-margin-z-angstrom", type=float, show_default="0.0", help="The same for z faces."
)
@click.option(
    "--tomogram",
    type=CopickURI("tomogram", "input"),
    help="Tomogram whose size gives the faces, and of which slices are drawn. Default: the only "
    "one of each run.",
)
@click.option(
    "--slices",
    type=int,
    show_default="0",
    help="Draw slices with the picks for so many runs.",
)
@click.option(
    "--contrast",
    metavar="auto|dark|bright",
    show_default="auto",
    help="How protein looks in the tomograms, for the slices.",
)
@click.option(
    "--bootstrap",
    type=int,
    show_default="1000",
    help="Replicates of the bootstrap over runs; 0: no intervals.",
)
@click.option("--seed", type=int, show_default="0", help="Seed of the bootstrap.")
@click.option(
    "--fail-under",
    multiple=True,
    metavar="SCORE=VALUE",
    help="Exit with code 3 where a score is lower: f4=0.7, micro.recall=0.9, ribosome.ap=0.8; "
    "repeatable.",
)
@job_options
@hidden("--ground-truth-user-id", "-gtuid", "truth_user")
@hidden("--ground-truth-session-id", "-gtsid", "truth_session")
@hidden("--predict-user-id", "-puid", "predict_user")
@hidden("--predict-session-id", "-psid", "predict_session")
@hidden("--distance-threshold-scale", "-dts", "distance_scale", type=float)
@hidden("--object-names", "-names", "object_names")
@hidden("--save-path", "save_path")
def evaluate(**flags: Any) -> None:
    """Score candidate picks against reference picks.

    Precision, recall, F1, F-beta, average precision, localization error, duplicates and class
    confusion, for each run, each object and in all, with bootstrap intervals over runs. Objects
    are those of the reference. A run without a reference set of an object is not annotated and
    left out of it; a run without candidates counts as all missed.

    \b
    URI format:
      picks          object:user/session          *:curator/1

    \b
    Examples:
      copick-picker evaluate -c config.json --reference "*:curator/1" --candidate "*:picker/1" -o scores
      copick-picker evaluate -c config.json --reference "*:curator/1" --matcher czii --overwrite
      copick-picker evaluate -c config.json --reference "ribosome:curator/1" --tolerance 60A --fail-under f4=0.7

    \b
    Files in the folder: scores.json, scores.csv, matches.csv (every pick), scores.png (curves).
    Exit codes: 0 well, 1 some run failed, 2 wrong usage or settings, 3 --fail-under missed.

    \b
    See also: copick-picker localize
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    _octopi(flags)
    execute("evaluate", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _octopi(flags: dict[str, Any]) -> None:
    """Fold octopi's options into ours."""
    given = pop_all(
        flags,
        "truth_user",
        "truth_session",
        "predict_user",
        "predict_session",
        "distance_scale",
        "object_names",
        "save_path",
    )
    if given["truth_user"] or given["truth_session"]:
        picks = f"*:{given['truth_user'] or '*'}/{given['truth_session'] or '*'}"
        take_alias(flags, "reference", picks, "--ground-truth-user-id")
    if given["predict_user"] or given["predict_session"]:
        picks = f"*:{given['predict_user'] or 'picker'}/{given['predict_session'] or '1'}"
        take_alias(flags, "candidate", picks, "--predict-user-id")
    if given["distance_scale"] is not None:
        scale = f"{given['distance_scale']:g}r"
        take_alias(flags, "tolerance", scale, "--distance-threshold-scale")
    take_alias(flags, "objects", given["object_names"], "--object-names")
    take_alias(flags, "output", given["save_path"], "--save-path")


def _settings() -> "type[EvaluateSettings]":
    from copick_picker.settings.evaluate import EvaluateSettings

    return EvaluateSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.evaluate.evaluate import evaluate as workflow

    return workflow
