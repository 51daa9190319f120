"""``copick-picker filter``."""

from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.filter:FilterSettings",
    "copick_picker.workflows.localize.filtering:filter_picks",
)
def filter_(flags: Flags) -> None:
    """Keep stored picks that pass filters on mask, score, border, distance and number.

    Filters apply in that order; the number dropped by each is printed and recorded. The input
    does not change.

    \b
    Examples:
      copick-picker filter -c config.json -i "*:picker/1" --min-score "*=0.4" --top "*=500"
      copick-picker filter -c config.json -i ribosome:one/1 --merge ribosome:two/1

    \b
    See also: copick-picker localize, copick-picker export
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
