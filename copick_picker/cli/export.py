"""``copick-picker export``: picks and segmentations for other programs."""

from copick_picker.cli.command import Flags, command, command_group


@command_group
def export() -> None:
    """Write picks and segmentations for other programs.

    \b
    Examples:
      copick-picker export picks -c config.json -i "ribosome:picker/1" --to relion5 -o out
      copick-picker export segmentation -c config.json -i predict:picker/1 --to mrc -o out
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.export:ExportPicksSettings",
    "copick_picker.workflows.exchange.export_picks:export_picks",
    group=export,
    short_help="Write picks for RELION, Warp, Dynamo, IMOD, ChimeraX, BYU 2025 or as CSV.",
)
def picks(flags: Flags) -> None:
    """Write picks with their scores, and with orientations if they have any.

    relion5 uses Angstrom from the tomogram's centre; relion4, warp, dynamo and imod use pixels,
    and imod writes one model per run; csv and copick-csv use Angstrom from the first voxel.
    chimerax writes spheres and a script. byu is a submission to the BYU 2025 challenge, with
    each run's best pick in voxels, or -1. If any run fails, nothing is written.

    \b
    Examples:
      copick-picker export picks -c config.json -i "ribosome:picker/1" --to relion5 -o out
      copick-picker export picks -c config.json -i "*:picker/1" --to warp -o out --top "*=500"
      copick-picker export picks -c config.json -i "motor:picker/1" --to byu -o submission
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.export:ExportSegmentationSettings",
    "copick_picker.workflows.exchange.export_segmentations:export_segmentation",
    group=export,
    short_help="Write segmentations as MRC or TIFF files.",
)
def segmentation(flags: Flags) -> None:
    """Write the labels of every run as a volume, with the voxel spacing in the header.

    MRC files are 8-bit if the labels fit, otherwise 16-bit; their origin is 0. TIFF stacks
    store the spacing where ImageJ reads it.

    \b
    Examples:
      copick-picker export segmentation -c config.json -i predict:picker/1 --to mrc -o out
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
