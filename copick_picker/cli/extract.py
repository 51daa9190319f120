"""``copick-picker extract``."""

from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.extract:ExtractSettings",
    "copick_picker.workflows.exchange.extract:extract",
)
def extract(flags: Flags) -> None:
    """Cut out subvolumes at picks, with tables for RELION and Dynamo.

    OUT/OBJECT/RUN holds a run's subvolumes, as MRC files or as one stack.
    OUT/OBJECT/particles.star is for RELION; dynamo.star and dynamo.tbl are the data and table
    of a Dynamo project. Boxes that extend beyond the tomogram are skipped and counted. Nothing
    is interpolated: the tables hold the remaining offset of at most half a voxel.

    \b
    Examples:
      copick-picker extract -c config.json -i "ribosome:picker/1" -t wbp@10.0 -o particles
      copick-picker extract -c config.json -i "*:picker/1" -t wbp@10.0 --size 48 --invert -o out
      copick-picker extract -c config.json -i "*:picker/1" --binning 2 --layout stack -o small

    \b
    See also: copick-picker filter, copick-picker export
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
