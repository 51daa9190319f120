"""Commands that run a workflow with settings: options and workflow are imported when used.

A command is a function whose docstring is the help text. Its body may change the options before
they become settings; most have none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from copick_picker.cli.main import COMMANDS
from copick_picker.cli.octopi import fold_aliases
from copick_picker.cli.option_groups import Groups, grouped

Flags = dict[str, Any]
"""Values from the command line: field or option -> value, None or () if not given."""
CONTEXT = {"help_option_names": ["-h", "--help"]}
SETTINGS_FILE = click.Option(
    ["--settings", "settings_file"],
    metavar="YAML",
    help="YAML file with any of these options; the command line overrides it.",
)
LOG = click.Option(
    ["--log"],
    metavar="FILE",
    help="Log file with tracebacks. Default: in the user's cache folder.",
)
VERBOSE = click.Option(["-v", "--verbose"], count=True, help="Print more; repeatable.")
WIDE = click.Option(
    ["--wide"], is_flag=True, help="Show all columns of tables, even beyond the terminal's width."
)
CONSOLE_OPTIONS = ("settings_file", "log", "verbose", "wide")
Extra = Mapping[str, Sequence[click.Parameter]]
OVER_A_PROJECT: Extra = {"timeout_seconds": [SETTINGS_FILE], "json_file": [LOG, VERBOSE, WIDE]}
"""Options that are not settings: field of :class:`JobSettings` -> options that follow it."""
_ALIKE = 0.75
"""Likeness of an option's name from which on it is suggested."""
WITHOUT_A_PROJECT: Extra = {"json_file": [SETTINGS_FILE, LOG, VERBOSE, WIDE]}
"""The same for commands without a project."""


class SettingsCommand(click.Command):
    """A command whose parameters are made from its settings class on first use.

    Parameters
    ----------
    name : str
        Name of the command.
    settings, workflow : str
        ``module:name`` of its settings class, and of the workflow that takes the settings.
    extra : mapping
        Field -> parameters that are not settings and follow that field.
    without : sequence of str
        Fields that the command line does not offer.
    groups : mapping
        Headings of its help, besides those of every command.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: str,
        workflow: str,
        extra: Extra,
        without: Sequence[str],
        groups: Groups,
        **given: Any,
    ) -> None:
        super().__init__(name, context_settings=CONTEXT, **given)
        self.settings, self.workflow = settings, workflow
        self.extra, self.without, self.groups = extra, without, groups
        self._made: list[click.Parameter] = []

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; an option that does not exist suggests those very like it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from difflib import SequenceMatcher

            near = [
                each
                for each in error.possibilities or ()
                if SequenceMatcher(None, error.option_name, each).ratio() >= _ALIKE
            ]
            raise click.NoSuchOption(error.option_name, possibilities=near, ctx=ctx) from error

    @property
    def params(self) -> list[click.Parameter]:
        """Parameters in the order of help."""
        if not self._made:
            from pkgutil import resolve_name

            from copick_picker.cli.fields import make_parameters

            self._made = make_parameters(
                resolve_name(self.settings), extra=self.extra, without=self.without
            )
        return self._made

    @params.setter
    def params(self, value: list[click.Parameter]) -> None:
        """Ignore the empty list that click sets on every new command."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under the headings of their groups."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        for heading, parameters in grouped(options, self.groups):
            records = [each.get_help_record(ctx) for each in parameters]
            if shown := [record for record in records if record is not None]:
                with formatter.section(heading):
                    formatter.write_dl(shown)


def command(
    settings: str,
    workflow: str,
    *,
    group: click.Group | None = None,
    short_help: str | None = None,
    extra: Extra = OVER_A_PROJECT,
    without: Sequence[str] = (),
    groups: Groups | None = None,
    no_args_is_help: bool | None = None,
) -> Callable[[Callable[[Flags], None]], SettingsCommand]:
    """Return a decorator that makes a command from a function of its options.

    Parameters
    ----------
    settings, workflow : str
        ``module:name`` of the settings class and of the workflow.
    group : click.Group, optional
        Group of the command; without one it is in the table of commands.
    short_help : str, optional
        If it differs from the text of the table.
    extra, without, groups, no_args_is_help
        See :class:`SettingsCommand`; a command of the table without arguments shows its help.
    """

    def made(function: Callable[[Flags], None]) -> SettingsCommand:
        own = function.__name__.rstrip("_").replace("_", "-")
        full = own if group is None else f"{group.name}-{own}"

        def run(**flags: Any) -> None:
            from copick_picker.cli.console import execute

            job = {option: flags.pop(option, None) for option in CONSOLE_OPTIONS}
            fold_aliases(made_command.params, flags)
            function(flags)
            execute(full, workflow=workflow, settings=settings, flags=flags, job=job)

        made_command = SettingsCommand(
            own,
            settings=settings,
            workflow=workflow,
            extra=extra,
            without=without,
            groups=groups or {},
            callback=run,
            help=function.__doc__,
            short_help=short_help or COMMANDS[own],
            no_args_is_help=group is None if no_args_is_help is None else no_args_is_help,
        )
        if group is not None:
            group.add_command(made_command)
        return made_command

    return made


def command_group(function: Callable[[], None]) -> click.Group:
    """Return the group of the table with a function's name and docstring.

    Parameters
    ----------
    function : callable
        Only its help text is used.
    """
    name = function.__name__.rstrip("_")
    return click.group(
        name, short_help=COMMANDS[name], no_args_is_help=True, context_settings=CONTEXT
    )(function)
