"""``copick-picker targets``."""

from copick_picker.cli.command import OVER_A_PROJECT, Flags, command
from copick_picker.cli.octopi import hidden, take_alias

_OCTOPI = [
    hidden("--radius-scale", "-rs", "radius_scale", type=float),
    hidden("--picks-user-id", "-puid", "picks_user_id"),
    hidden("--picks-session-id", "-psid", "picks_session_id"),
]


@command(
    "copick_picker.settings.targets:TargetsSettings",
    "copick_picker.workflows.train.targets:make_targets",
    extra={**OVER_A_PROJECT, "": _OCTOPI},
)
def targets(flags: Flags) -> None:
    """Write what train would learn from as multilabel segmentations in the project.

    Each voxel has its object's label, or 0, as train paints it in its patches with the same
    options. Check it before a long training. No voxels of the tomograms are read. Existing
    outputs are kept; complete runs are skipped.

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
    take_alias(flags, "target_fraction", flags.pop("radius_scale"), "--radius-scale")
    user, session = flags.pop("picks_user_id"), flags.pop("picks_session_id")
    if user or session:
        take_alias(flags, "picks", f"*:{user or '*'}/{session or '*'}", "--picks-user-id")
