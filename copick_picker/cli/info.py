"""``copick-picker info``."""

import click

from copick_picker.cli.command import CONTEXT
from copick_picker.cli.main import COMMANDS


@click.command(short_help=COMMANDS["info"], context_settings=CONTEXT)
@click.option("-c", "--config", metavar="PATH", help="copick configuration file to look at.")
@click.option("--json", "json_file", metavar="FILE", help="Write the same as JSON.")
def info(config: str | None, json_file: str | None) -> None:
    """Show versions, devices, threads and the health of a project, for bug reports.

    \b
    Examples:
      copick-picker info
      copick-picker info -c config.json --json info.json
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import Console, one_line_errors
    from copick_picker.workflows.catalog.info import info as workflow

    with one_line_errors():
        workflow(config, json_file, reporter=Console())
