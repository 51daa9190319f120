"""``copick-picker info``."""

import click


@click.command(
    short_help="Show versions, devices and the health of a project.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-c", "--config", metavar="PATH", help="copick configuration file to look at.")
@click.option("--json", "json_file", metavar="FILE", help="Write the same as JSON.")
def info(config: str | None, json_file: str | None) -> None:
    """Show versions, devices, threads and the health of a project, for bug reports.

    \b
    Examples:
      copick-picker info
      copick-picker info -c config.json --json info.json
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import Console, Stop
    from copick_picker.errors import CopickPickerError
    from copick_picker.workflows.catalog.info import info as workflow

    try:
        workflow(config, json_file, reporter=Console())
    except CopickPickerError as error:
        raise Stop(str(error)) from error
