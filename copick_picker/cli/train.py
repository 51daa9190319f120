"""``copick-picker train``."""

from copick_picker.cli import option_groups
from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.train:TrainSettings",
    "copick_picker.workflows.train.train:train",
    groups=option_groups.TRAIN,
)
def train(flags: Flags) -> None:
    """Train a model on a project's reference picks.

    Validation uses whole runs: the network segments and localizes them, and its picks are
    scored against the reference picks. The model folder holds the best weights, score
    thresholds chosen on the validation runs, the scores, all settings and a README. Repeat the
    command to resume an interrupted training, with the same result.

    \b
    URI format:
      tomogram       type@spacing                 wbp@10.0
      picks          object:user/session          *:curator/1

    \b
    Examples:
      copick-picker train -c config.json -i wbp@10.0 -p "*:curator/1" -o my_model
      copick-picker train -c config.json -i wbp@10.0 -p "*:curator/1" -o cv --folds 5
      copick-picker train -c config.json -p "*:curator/1" -o tuned --start simulated-10a --backbone-rate 0.1

    \b
    Needs the extra train: pip install 'copick-picker[train]'
    Exit codes: 0 well, 1 the loss became no number, 2 wrong usage, settings or data.

    \b
    See also: copick-picker simulate, copick-picker targets, copick-picker calibrate
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
