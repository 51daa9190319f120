"""``copick-picker config``: write configurations."""

import click

from copick_picker.cli.command import VERBOSE, Flags, command, command_group

_LAST = [
    click.Option(
        ["--settings", "settings_file"], metavar="YAML", help="YAML file with any of these options."
    ),
    click.Option(["--log"], metavar="FILE", help="Log file. Default: in the user's cache folder."),
    VERBOSE,
]


@command_group
def config() -> None:
    """Write project configurations.

    \b
    Examples:
      copick-picker config portal --dataset 10440 -o config.json

    \b
    See also: copick-picker browse portal, copick config
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.config_portal:ConfigPortalSettings",
    "copick_picker.workflows.catalog.portal_configuration:config_portal",
    group=config,
    short_help="Write a configuration for the CryoET Data Portal.",
    no_args_is_help=True,
    extra={"overwrite": _LAST},
)
def portal(flags: Flags) -> None:
    """Write a configuration for datasets of the CryoET Data Portal.

    Labels are permanent. Radii come from --radius, the existing configuration, or a built-in
    table of benchmark objects. Repeating the command changes nothing.

    \b
    Examples:
      copick-picker config portal --dataset 10440 -o config.json
      copick-picker config portal --dataset 10301 --radius ribosome=150 -o config.json

    \b
    See also: copick-picker browse portal
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
