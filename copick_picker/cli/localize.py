"""``copick-picker localize`` and ``copick convert localize``."""

import click

from copick_picker.cli import option_groups
from copick_picker.cli.command import OVER_A_PROJECT, Flags, command
from copick_picker.cli.cryosiam import run_cryosiam
from copick_picker.cli.octopi import hidden, octopi_segmentation, pop_all, take_alias
from copick_picker.records.keys import DEFAULT_ORIGIN, DEFAULT_SESSION, DEFAULT_USER

_CRYOSIAM = click.Option(
    ["--cryosiam-config"],
    metavar="YAML",
    help="CryoSiam YAML file: _preds.h5 in, CSV and STAR out; with -c also writes picks to "
    "that project.",
)
_OCTOPI = [
    hidden("--seg-info", "-seginfo", "seg_info"),
    hidden("--voxel-size", "-vs", "voxel_size", type=float),
    hidden("--pick-session-id", "-psid", "pick_session"),
    hidden("--pick-user-id", "-pui", "-puid", "pick_user"),
    hidden("--pick-objects", "-obj", "pick_objects"),
    hidden("--filter-size", "-fs", "filter_size", type=float),
    hidden("--n-procs", "-np", "n_procs", type=int),
]
_NO_EFFECT = {
    "filter_size": "markers follow from each object's radius",
    "n_procs": "runs are worked on one after the other; --shard deals them out",
}


@command(
    "copick_picker.settings.localize:LocalizeSettings",
    "copick_picker.workflows.localize.localize:localize",
    extra={**OVER_A_PROJECT, "": _OCTOPI, "mask_margin": [_CRYOSIAM]},
    groups=option_groups.LOCALIZE,
)
def localize(flags: Flags) -> None:
    """Turn segmentations into scored picks.

    The score is the mean class probability over the pick's region, if segment stored scores or
    probabilities, otherwise the fraction of the expected volume that the region fills. An
    object that is not found gets an empty set. Existing picks are kept unless you pass
    --overwrite.

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
    run_cryosiam("localize", flags)
    given = pop_all(flags, "seg_info", "voxel_size", "pick_session", "pick_user", "pick_objects")
    take_alias(flags, "input", octopi_segmentation(given["seg_info"]), "--seg-info")
    segmentation = flags["input"] or f"predict:{DEFAULT_ORIGIN}"
    if given["voxel_size"] is not None and "@" not in segmentation:
        flags["input"] = f"{segmentation}@{given['voxel_size']:g}"
    if given["pick_user"] or given["pick_session"]:
        picks = f"*:{given['pick_user'] or DEFAULT_USER}/{given['pick_session'] or DEFAULT_SESSION}"
        take_alias(flags, "output", picks, "--pick-user-id, --pick-session-id")
    take_alias(flags, "objects", given["pick_objects"], "--pick-objects")
    if flags["method"] == "com":
        flags["method"] = "components"
    for name, why in _NO_EFFECT.items():
        if flags.pop(name) is not None:
            option = "--" + name.replace("_", "-")
            click.secho(f"Warning: {option} has no effect here: {why}", fg="yellow", err=True)
