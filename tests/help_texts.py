"""What help says of every command, one option a line.

Refresh the stored text with

    python tests/help_texts.py > tests/fixtures/help.txt
"""

import inspect
import sys
from collections.abc import Iterator

import click

from copick_picker.cli.main import console


def commands() -> dict[str, tuple[click.Command, click.Context]]:
    """Return every command by its full name, groups included, in the order of the table."""
    found: dict[str, tuple[click.Command, click.Context]] = {}

    def walk(command: click.Command | None, name: str, parent: click.Context | None) -> None:
        assert command is not None
        name_here = name.split(" ")[-1]
        context = click.Context(command, info_name=name_here, parent=parent)
        found[name] = (command, context)
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                walk(command.get_command(context, inner), f"{name} {inner}", context)

    walk(console, "copick-picker", None)
    return found


def help_texts() -> str:
    """Return the text: usage, help and options of every command."""
    return "\n".join("\n".join(_lines(name, *entry)) + "\n" for name, entry in commands().items())


def _lines(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"##### {name}"
    yield " ".join(command.collect_usage_pieces(context)) + "\n"
    yield from inspect.cleandoc(command.help or "").replace("\b\n", "").splitlines()
    yield ""
    for parameter in command.params:  # without --help, which click keeps as it was first asked for
        record = parameter.get_help_record(context)
        if record is not None:
            yield "  " + "  ".join(record).rstrip()
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            yield f"  {inner}: {found.get_short_help_str(200) if found else None}"


if __name__ == "__main__":
    sys.stdout.write(help_texts())
