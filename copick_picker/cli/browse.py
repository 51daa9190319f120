"""``copick-picker browse``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from copick_picker.cli.options import job_flags

if TYPE_CHECKING:
    from pydantic import BaseModel

    from copick_picker.jobs.summary import Result, Summary

Command = TypeVar("Command", bound=Callable[..., Any])
_CONTEXT = {"help_option_names": ["-h", "--help"]}


def _file_options(command: Command) -> Command:
    """Add the options that every listing takes."""
    for option in (
        click.option("-v", "--verbose", count=True, help="Say more; repeatable."),
        click.option(
            "--log",
            metavar="FILE",
            help="Log file with tracebacks. Default: one in the user's cache folder.",
        ),
        click.option(
            "--settings",
            "settings_file",
            metavar="YAML",
            help="File with any of these options; options on the command line win.",
        ),
        click.option("--csv", "csv_file", metavar="FILE", help="Write a table of everything."),
        click.option(
            "--json", "json_file", metavar="FILE", help="Write everything, machine-readable."
        ),
    ):
        command = option(command)
    return command


@click.group(
    short_help="List what a project or the CryoET Data Portal holds.",
    invoke_without_command=True,
    context_settings=_CONTEXT,
)
@click.option("--tui", is_flag=True, help="Hand over to copick's own browser.")
@click.option("-c", "--config", metavar="PATH", help="With --tui: copick configuration file.")
@click.option(
    "--dataset", type=int, multiple=True, metavar="ID", help="With --tui: dataset of the portal."
)
@click.pass_context
def browse(ctx: click.Context, tui: bool, config: str | None, dataset: tuple[int, ...]) -> None:
    """List what a project or the CryoET Data Portal holds.

    \b
    Examples:
      copick-picker browse project -c config.json
      copick-picker browse portal --query ribosome --has-truth
      copick-picker browse --tui -c config.json

    \b
    See also: copick-picker info, copick-picker view
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    if ctx.invoked_subcommand is None:
        if not tui:
            click.echo(ctx.get_help())
            return
        _hand_over(config, dataset)
    elif tui or config or dataset:
        text = "--tui takes no command behind it: copick-picker browse --tui -c config.json"
        raise click.UsageError(text)


@browse.command(
    short_help="Runs, objects, tomograms, segmentations, picks, health.",
    no_args_is_help=True,
    context_settings=_CONTEXT,
)
@click.option(
    "-c",
    "--config",
    metavar="PATH",
    envvar="COPICK_CONFIG",
    show_envvar=True,
    help="copick configuration file of the project.",
)
@click.option(
    "-r",
    "--run-names",
    multiple=True,
    metavar="RUN",
    help="Run name, glob, @file with a name a line, or !name to leave out; repeatable. "
    "Default: all runs.",
)
@click.option("--objects", metavar="A,B", help="Only picks and segmentations of these objects.")
@click.option("--split", metavar="NAME", help="Only this split of a Croissant manifest.")
@click.option(
    "--details",
    is_flag=True,
    default=None,
    help="Read every pick file (numbers, scores) and count what is stored.",
)
@_file_options
def project(**flags: Any) -> None:
    """List what a project of any root holds, and what is wrong with it.

    Without --details only folders and metadata are read. Half-written stores, picks of unknown
    objects, objects without a radius or with one label, and names that copick cannot read are
    listed under Health.

    \b
    Examples:
      copick-picker browse project -c config.json
      copick-picker browse project -c config.json -r "TS_0*" --details --csv project.csv

    \b
    Exit codes: 0 well, 1 some run could not be listed, 2 wrong usage or settings.
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute("browse", workflow=_project, settings=_project_settings, flags=flags, job=job)


@browse.command(
    short_help="Datasets, annotated objects, who deposited them, runs.",
    context_settings=_CONTEXT,
)
@click.option(
    "--query", metavar="WORDS", help="In a dataset's title or the name of an annotated object."
)
@click.option(
    "--dataset",
    multiple=True,
    metavar="ID",
    help="Only this dataset, with its runs; repeatable.",
)
@click.option(
    "--has-truth",
    is_flag=True,
    default=None,
    help="Only datasets with annotations marked as ground truth.",
)
@click.option("--organism", metavar="WORDS", help="In the name of the organism.")
@_file_options
def portal(**flags: Any) -> None:
    """List what the CryoET Data Portal holds, in at most three queries.

    \b
    Examples:
      copick-picker browse portal --query ribosome --has-truth
      copick-picker browse portal --dataset 10440 --json dataset.json
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute
    from copick_picker.cli.options import JOB_OPTIONS

    job = {name: flags.pop(name) for name in JOB_OPTIONS}
    execute("browse", workflow=_portal, settings=_portal_settings, flags=flags, job=job)


def _hand_over(config: str | None, dataset: tuple[int, ...]) -> None:
    """Run copick's browser in this terminal."""
    import sys

    from copick_picker.cli.console import Stop

    if not (config or dataset):
        text = "--tui needs a project: -c config.json, or --dataset 10440"
        raise click.UsageError(text)
    if config:
        click.Path(exists=True, dir_okay=False).convert(config, None, click.get_current_context())
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        text = "--tui needs a terminal; copick-picker browse project lists the same"
        raise Stop(text)
    from copick.cli.browse import browse as copick_browse

    arguments = ["--config", config] if config else []
    for number in dataset:
        arguments += ["--dataset-ids", str(number)]
    copick_browse.main(arguments, prog_name="copick browse")


def _project_settings() -> "type[BaseModel]":
    from copick_picker.settings.browse import BrowseProjectSettings

    return BrowseProjectSettings


def _project() -> "Callable[..., Summary]":
    from copick_picker.workflows.catalog.project import browse_project

    return browse_project


def _portal_settings() -> "type[BaseModel]":
    from copick_picker.settings.browse import BrowsePortalSettings

    return BrowsePortalSettings


def _portal() -> "Callable[..., Result]":
    from copick_picker.workflows.catalog.portal import browse_portal

    return browse_portal
