"""``copick-picker browse``."""

import click

from copick_picker.cli.command import CONTEXT, LOG, SETTINGS_FILE, VERBOSE, Flags, command
from copick_picker.cli.main import COMMANDS

_EXTRA = {"csv_file": [SETTINGS_FILE, LOG, VERBOSE]}
_NOT_OFFERED = (
    *("shard", "cache", "cache_gigabytes", "attempts", "timeout_seconds"),
    *("overwrite", "dry_run"),
)


@click.group(short_help=COMMANDS["browse"], invoke_without_command=True, context_settings=CONTEXT)
@click.option("--tui", is_flag=True, help="Hand over to copick's own browser.")
@click.option("-c", "--config", metavar="PATH", help="With --tui: copick configuration file.")
@click.option(
    "--dataset", type=int, multiple=True, metavar="ID", help="With --tui: dataset of the portal."
)
@click.pass_context
def browse(ctx: click.Context, tui: bool, config: str | None, dataset: tuple[int, ...]) -> None:
    """List the contents of a project or of the CryoET Data Portal.

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
        text = "--tui takes no subcommand: copick-picker browse --tui -c config.json"
        raise click.UsageError(text)


@command(
    "copick_picker.settings.browse:BrowseProjectSettings",
    "copick_picker.workflows.catalog.project:browse_project",
    group=browse,
    short_help="Runs, objects, tomograms, segmentations, picks, health.",
    no_args_is_help=True,
    without=_NOT_OFFERED,
    extra=_EXTRA,
)
def project(flags: Flags) -> None:
    """List the contents of a project, and report problems.

    Without --details, only folders and metadata are read. Health lists half-written stores,
    picks of unknown objects, objects without a radius or sharing a label, and names that copick
    cannot read.

    \b
    Examples:
      copick-picker browse project -c config.json
      copick-picker browse project -c config.json -r "TS_0*" --details --csv project.csv

    \b
    Exit codes: 0 well, 1 some run could not be listed, 2 wrong usage or settings.
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.browse:BrowsePortalSettings",
    "copick_picker.workflows.catalog.portal:browse_portal",
    group=browse,
    short_help="Datasets, annotated objects, who deposited them, runs.",
    extra=_EXTRA,
)
def portal(flags: Flags) -> None:
    """List datasets of the CryoET Data Portal, in at most three queries.

    \b
    Examples:
      copick-picker browse portal --query ribosome --has-truth
      copick-picker browse portal --dataset 10440 --json dataset.json
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


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
