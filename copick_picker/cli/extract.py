"""``copick-picker extract``."""

from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.extract:ExtractSettings",
    "copick_picker.workflows.exchange.extract:extract",
)
def extract(flags: Flags) -> None:
    """Cut subvolumes at picks, with tables for RELION and Dynamo.

    OUT/OBJECT/RUN holds the subvolumes of a run: an MRC file each, or one stack of volumes.
    OUT/OBJECT/particles.star is for RELION; dynamo.star and dynamo.tbl beside it are data and table
    of a project in Dynamo. A box that does not lie in the tomogram as a whole is left out, and
    counted. Nothing is interpolated: the rest of at most half a voxel stands in the tables.

    \b
    Examples:
      copick-picker extract -c config.json -i "ribosome:picker/1" -t wbp@10.0 -o particles
      copick-picker extract -c config.json -i "*:picker/1" -t wbp@10.0 --size 48 --invert -o out
      copick-picker extract -c config.json -i "*:picker/1" --binning 2 --layout stack -o small

    \b
    See also: copick-picker filter, copick-picker export
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
