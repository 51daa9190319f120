"""``copick-picker view``."""

import click

from copick_picker.cli import option_groups
from copick_picker.cli.command import OVER_A_PROJECT, Flags, command


@command(
    "copick_picker.settings.view:ViewSettings",
    "copick_picker.workflows.show.view:view",
    extra={"": [click.Argument(["run"], nargs=-1)], **OVER_A_PROJECT},
    groups=option_groups.VIEW,
)
def view(flags: Flags) -> None:
    """Show xy, xz and yz slices of runs with reference and candidate picks.

    A .png shows one slice along each axis; a .html page scrolls through all of them in any
    browser. With --reference, found and missed references, hits and false candidates have
    different marks. Colours are those of the project's objects. --segmentation and --heat-map
    draw labels and probabilities over the slices.

    \b
    Examples:
      copick-picker view TS_01 -c config.json -o TS_01.png
      copick-picker view TS_01 -c config.json --reference "*:curator/1" --candidate "*:picker/1" -o TS_01.html
      copick-picker view "TS_*" -c config.json -o "pictures/{run}.png"
      copick-picker view TS_01 -c config.json --segmentation predict:picker/1 -o TS_01.html
      copick-picker view TS_01 -c config.json --neuroglancer --segmentation predict:picker/1

    \b
    See also: copick-picker evaluate, copick-picker report
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
    flags["run_names"] = (*flags.pop("run"), *flags["run_names"])
    if not flags["run_names"]:
        text = "no run given; for example: copick-picker view TS_01 -c config.json"
        raise click.UsageError(text)
