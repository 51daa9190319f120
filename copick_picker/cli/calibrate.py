"""``copick-picker calibrate``."""

from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.calibrate:CalibrateSettings",
    "copick_picker.workflows.evaluate.calibrate:calibrate",
)
def calibrate(flags: Flags) -> None:
    """Choose a score threshold for each object.

    Candidates are matched one to one with the reference picks, hits and misses of all runs are
    summed, and the threshold with the highest F-beta is taken. It is shown beside the one in use;
    it is stored only where --model or --project asks for it. An object with too few reference
    picks, or whose candidates all have one score, gets none.

    \b
    URI format:
      picks          object:user/session          *:curator/1

    \b
    Examples:
      copick-picker calibrate -c config.json -i "*:picker/all" --reference "*:curator/1" --plot thresholds.png
      copick-picker calibrate -c config.json -i "*:picker/all" --reference "*:curator/1" --project
      copick-picker calibrate -c config.json -i "*:picker/all" --reference "*:curator/1" -m model_dir

    \b
    See also: copick-picker localize, evaluate
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
