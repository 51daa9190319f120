"""``copick-picker link``."""

from copick_picker.cli.command import Flags, command


@command(
    "copick_picker.settings.link:LinkSettings",
    "copick_picker.workflows.link.linking:link",
)
def link(flags: Flags) -> None:
    """Link picks into filaments.

    Writes picks that bear the number of their filament, in order along it, with rotations whose z
    axis is its tangent, and copick filaments under the same URI. Spacing, scatter and missing
    picks are found from the picks themselves. The object must be declared a filament in the
    project. The input stays as it is.

    \b
    Examples:
      copick-picker link -c config.json -i microtubule:picker/1 -o microtubule:picker/linked
      copick-picker link -c config.json -i microtubule:picker/1 -o microtubule:picker/even --spacing-angstrom 80
      copick-picker link -c config.json -i predict:picker/1@10.0 -o microtubule:picker/traced

    \b
    See also: copick-picker evaluate --links, copick-picker export picks --to relion5
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
