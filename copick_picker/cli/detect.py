"""``copick-picker detect`` and ``copick inference detect``."""

from copick_picker.cli import option_groups
from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.detect:DetectSettings",
    "copick_picker.workflows.detect.detect:detect",
    groups=option_groups.DETECT,
)
def detect(flags: Flags) -> None:
    """Find particles in tomograms and write picks in one pass, without a segmentation.

    Models with a point head (train --head centres or heatmap) predict positions; for models
    that segment, picks are maxima of the probabilities. Tomograms are resampled to the model's
    voxel spacing. Complete picks made with the same models, settings and input are skipped;
    others need --overwrite.

    \b
    URI format:
      tomogram   type@spacing             wbp@10.0
      picks      object:user/session      "*:picker/1"

    \b
    Examples:
      copick-picker detect -c config.json -m centres -i wbp@10.0 -o "*:picker/1"
      copick-picker detect -c config.json -m members -i wbp@10.0 --csv sigma.csv
      copick-picker detect -c config.json -m motor -i "byu@*" --top "*=1"

    \b
    See also: copick-picker train, copick-picker filter, copick-picker evaluate
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
