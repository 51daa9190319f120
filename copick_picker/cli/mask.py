"""``copick-picker mask``: make masks that segment and localize take."""

from copick_picker.cli.command import Flags, command, command_group


@command_group
def mask() -> None:
    """Make masks for segment and localize (--mask).

    A mask is a segmentation of the project: 1 where to look for particles, 0 elsewhere.

    \b
    Examples:
      copick-picker mask lamella -c config.json -i wbp@10.0 -o lamella:picker/1
      copick-picker mask exclude-edges -c config.json -i wbp@10.0 --margin-xy 200
      copick-picker localize -c config.json --mask lamella:picker/1

    \b
    See also: copick-picker segment, copick-picker localize
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.mask:LamellaSettings",
    "copick_picker.workflows.mask.making:make_lamella",
    group=mask,
    short_help="Find the specimen between two surfaces.",
)
def lamella(flags: Flags) -> None:
    """Find the specimen: the textured region between two smooth surfaces.

    \b
    Examples:
      copick-picker mask lamella -c config.json -i wbp@10.0 -o lamella:picker/1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.mask:FromLabelsSettings",
    "copick_picker.workflows.mask.making:make_from_labels",
    group=mask,
    short_help="Use labels of a segmentation.",
)
def from_labels(flags: Flags) -> None:
    """Make masks from labels of segmentations, such as membranes or organelles.

    \b
    Examples:
      copick-picker mask from-labels -c config.json -i organelles:me/1 --labels 2 -o inner:picker/1
      copick-picker mask from-labels -c config.json -i membrane:me/1 --grow 100 --invert
      copick-picker mask from-labels -c config.json -i lamella:me/1 --largest --hull planes
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.mask:ExcludeEdgesSettings",
    "copick_picker.workflows.mask.making:make_exclude_edges",
    group=mask,
    short_help="Exclude the edges of tomograms.",
)
def exclude_edges(flags: Flags) -> None:
    """Make masks that exclude the edges of tomograms.

    \b
    Examples:
      copick-picker mask exclude-edges -c config.json -i wbp@10.0 --margin-xy 200 --margin-z 100
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.mask:GoldSettings",
    "copick_picker.workflows.mask.making:make_gold",
    group=mask,
    short_help="Exclude gold fiducials.",
)
def gold(flags: Flags) -> None:
    """Make masks that exclude gold fiducials and their surroundings.

    \b
    Examples:
      copick-picker mask gold -c config.json -i wbp@10.0 --radius 50 --grow 80
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
