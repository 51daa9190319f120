"""``copick-picker config``: write configurations."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(
    short_help="Write configurations of projects.", no_args_is_help=True, context_settings=_CONTEXT
)
def config() -> None:
    """Write configurations of projects.

    \b
    Examples:
      copick-picker config portal --dataset 10440 -o config.json

    \b
    See also: copick-picker browse portal, copick config
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@config.command(
    short_help="Write a configuration of the CryoET Data Portal.",
    no_args_is_help=True,
    context_settings=_CONTEXT,
)
@click.option(
    "--dataset", type=int, multiple=True, metavar="ID", help="Dataset of the portal; repeatable."
)
@click.option(
    "-o",
    "--output",
    metavar="JSON",
    default=None,
    show_default="config.json",
    help="Configuration to write.",
)
@click.option(
    "--overlay",
    metavar="PLACE",
    help="Folder or address for outputs. Default: 'overlay' beside the configuration.",
)
@click.option("--objects", metavar="A,B", help="Only these objects. Default: all annotated ones.")
@click.option(
    "--radius",
    multiple=True,
    metavar="OBJECT=A",
    help="Radius in Angstrom, over the built-in table; repeatable.",
)
@click.option("--name", metavar="TEXT", help="Name of the project.")
@click.option(
    "--overwrite",
    is_flag=True,
    default=None,
    help="Replace a configuration that says something else; labels and radii are kept.",
)
@click.option("--settings", "settings_file", metavar="YAML", help="File with any of these options.")
@click.option("--log", metavar="FILE", help="Log file. Default: one in the user's cache folder.")
@click.option("-v", "--verbose", count=True, help="Say more; repeatable.")
def portal(**flags: Any) -> None:
    """Write a configuration of datasets of the CryoET Data Portal.

    Labels stay the same from then on; radii come from a built-in table of benchmark objects, from
    --radius, or from the configuration that stands there. Run again, it changes nothing.

    \b
    Examples:
      copick-picker config portal --dataset 10440 -o config.json
      copick-picker config portal --dataset 10301 --radius ribosome=150 -o config.json

    \b
    See also: copick-picker browse portal
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    job = {name: flags.pop(name) for name in ("settings_file", "log", "verbose")}
    flags = {name: value for name, value in flags.items() if value not in (None, ())}
    execute("config", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _workflow() -> "Callable[..., Any]":
    from copick_picker.workflows.catalog.portal_configuration import config_portal

    return config_portal


def _settings() -> "type[BaseModel]":
    from copick_picker.settings.config_portal import ConfigPortalSettings

    return ConfigPortalSettings
