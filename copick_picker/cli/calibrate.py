"""``copick-picker calibrate``."""

from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.calibrate:CalibrateSettings",
    "copick_picker.workflows.evaluate.calibrate:calibrate",
)
def calibrate(flags: Flags) -> None:
    """Choose a score threshold for each object.

    Candidates are matched one-to-one with the reference picks, hits and misses are summed over
    all runs, and the lowest threshold within --margin of the best F-beta is chosen. It is
    printed next to the one in use, and stored only with --model or --project. Objects with too
    few reference picks, or whose candidates all have the same score, get none.

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
