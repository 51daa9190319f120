"""``copick-picker localize`` and ``copick convert localize``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.cryosiam import run_cryosiam
from copick_picker.cli.options import (
    hidden,
    job_flags,
    job_options,
    octopi_segmentation,
    pop_all,
    take_alias,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from copick_picker.jobs.summary import Summary
    from copick_picker.settings.localize import LocalizeSettings


@click.command(
    short_help="Turn segmentations into scored picks.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-i",
    "--input",
    type=CopickURI("segmentation", "input"),
    show_default="predict:picker/1",
    help="Segmentation URI, name:user/session@spacing.",
)
@click.option(
    "-o",
    "--output",
    type=CopickURI("picks", "output"),
    show_default="*:picker/1",
    help="Picks URI, object:user/session; * stands for every object of the input.",
)
@click.option(
    "--method",
    metavar="watershed|peaks|components",
    show_default="watershed",
    help="watershed separates touching particles; peaks takes maxima of the class probabilities; "
    "components takes centres of mass.",
)
@click.option("--radius", multiple=True, metavar="NAME=A", help="Radius of an object; repeatable.")
@click.option(
    "--threshold",
    multiple=True,
    metavar="NAME=SCORE",
    help="Lowest score of a pick that is kept; repeatable. Default: the project's, else the "
    "model's.",
)
@click.option(
    "--radius-min-scale",
    "-rmin",
    type=float,
    show_default="0.5",
    help="Smallest region kept: a ball of this scale times the target's radius.",
)
@click.option(
    "--radius-max-scale",
    "-rmax",
    type=float,
    help="Largest region kept. Default: 1.0, or --target-max-scale where the model says what "
    "fraction of the radius it paints.",
)
@click.option(
    "--target-max-scale",
    type=float,
    show_default="1.5",
    help="Largest region kept, in painted radii, for models that say what they paint.",
)
@click.option(
    "--min-distance-radii",
    type=float,
    show_default="0.6",
    help="Of two picks of one object nearer than this many radii the better stays.",
)
@click.option(
    "--border-margin-angstrom",
    type=float,
    show_default="0.0",
    help="Picks nearer to a face of the tomogram are dropped.",
)
@click.option(
    "--smoothing-radii",
    type=float,
    show_default="0.1",
    help="Smoothing before markers are sought, in radii.",
)
@click.option(
    "--neck-ratio",
    type=float,
    show_default="0.85",
    help="Two markers are one particle where the neck between them is at least so wide.",
)
@click.option(
    "--peak-floor", type=float, show_default="0.2", help="Lowest smoothed probability of a peak."
)
@click.option(
    "--peak-smoothing-radii",
    type=float,
    show_default="0.25",
    help="Smoothing before peaks are sought, in radii.",
)
@click.option(
    "--object-map",
    multiple=True,
    metavar="THERE=PROJECT",
    help="Name of a segmentation's object in the project; repeatable.",
)
@click.option("--label", "-lbl", type=int, help="The value that stands for every chosen object.")
@click.option(
    "--mask",
    metavar="URI|FILE",
    help="Segmentation name:user/session, or an MRC file ({run} in its name stands for the run): "
    "picks outside are dropped.",
)
@click.option(
    "--mask-margin",
    type=float,
    show_default="0.0",
    help="How far inside the mask picks must lie, in Angstrom; below 0: may lie outside.",
)
@click.option(
    "--cryosiam-config",
    metavar="YAML",
    help="CryoSiam's file: _preds.h5 in, CSV and STAR out; with -c also picks into that project.",
)
@job_options
@hidden("--seg-uri", "-suri", "seg_uri")
@hidden("--seg-info", "-seginfo", "seg_info")
@hidden("--voxel-size", "-vs", "voxel_size", type=float)
@hidden("--pick-session-id", "-psid", "pick_session")
@hidden("--pick-user-id", "-pui", "-puid", "pick_user")
@hidden("--pick-objects", "-obj", "pick_objects")
@hidden("--filter-size", "-fs", "filter_size", type=float)
@hidden("--n-procs", "-np", "n_procs", type=int)
def localize(**flags: Any) -> None:
    """Turn segmentations into picks with a score on every pick.

    The score is the mean class probability over the pick's region where segment stored the
    probabilities, else the part of the expected volume that the region fills. An object without
    picks gets an empty set: looked and found nothing. Existing picks are kept unless --overwrite.

    \b
    URI format:
      segmentation   name:user/session@spacing    predict:picker/1@10.0
      picks          object:user/session          *:picker/1

    \b
    Examples:
      copick-picker localize -c config.json -i predict:picker/1@10.0 -o "*:picker/1"
      copick-picker localize -c config.json -i predict:picker/1 --objects ribosome --method peaks
      copick-picker localize -c config.json --radius ribosome=140 --threshold ribosome=0.4
      copick-picker localize -c config.json --mask lamella:picker/1 --mask-margin 150
      copick-picker localize --cryosiam-config semantic.yaml

    \b
    See also: copick-picker segment, copick-picker mask, copick-picker evaluate
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    if flags["cryosiam_config"] is not None:
        run_cryosiam("localize", flags, job)
    del flags["cryosiam_config"]
    _octopi(flags)
    execute("localize", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _octopi(flags: dict[str, Any]) -> None:
    """Fold octopi's options into ours."""
    given = pop_all(
        flags,
        "seg_uri",
        "seg_info",
        "voxel_size",
        "pick_session",
        "pick_user",
        "pick_objects",
        "filter_size",
        "n_procs",
    )
    segmentation = octopi_segmentation(given["seg_info"], given["seg_uri"])
    if given["voxel_size"] is not None:
        name = segmentation or flags["input"] or "predict:picker/1"
        if "@" not in name:
            segmentation = f"{name}@{given['voxel_size']:g}"
            if flags["input"] is not None:
                flags["input"] = None
    take_alias(flags, "input", segmentation, "--seg-uri")
    if given["pick_user"] or given["pick_session"]:
        picks = f"*:{given['pick_user'] or 'picker'}/{given['pick_session'] or '1'}"
        take_alias(flags, "output", picks, "--pick-user-id, --pick-session-id")
    take_alias(flags, "objects", given["pick_objects"], "--pick-objects")
    if flags["method"] == "com":
        flags["method"] = "components"
    for name, why in (
        ("filter_size", "markers follow from each object's radius"),
        ("n_procs", "runs are worked on one after the other; --shard deals them out"),
    ):
        if given[name] is not None:
            option = "--" + name.replace("_", "-")
            click.secho(f"Warning: {option} has no effect here: {why}", fg="yellow", err=True)


def _settings() -> "type[LocalizeSettings]":
    from copick_picker.settings.localize import LocalizeSettings

    return LocalizeSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.localize.localize import localize as workflow

    return workflow
