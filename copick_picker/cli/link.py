"""``copick-picker link``."""

from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.link:LinkSettings",
    "copick_picker.workflows.link.linking:link",
)
def link(flags: Flags) -> None:
    """Link picks into filaments.

    Writes picks with the number of their filament, in order along it, with the tangent as z
    axis of their rotations, and copick filaments at the same URI. Spacing, scatter and missing
    picks are estimated from the picks. The project must declare the object as a filament. The
    input does not change.

    \b
    Examples:
      copick-picker link -c config.json -i microtubule:picker/1 -o microtubule:picker/linked
      copick-picker link -c config.json -i microtubule:picker/1 -o microtubule:picker/even --spacing-angstrom 80
      copick-picker link -c config.json -i predict:picker/1@10.0 -o microtubule:picker/traced

    \b
    See also: copick-picker evaluate --links, copick-picker export picks --to relion5
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
