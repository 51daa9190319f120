"""Which runs and objects a command works on, and the errors for unknown names."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from copick_picker.errors import (
    ProjectError,
    SettingsError,
    UnknownNameError,
    choices_text,
    nearest_name,
)
from copick_picker.project.formats.text import lines_of, read_text
from copick_picker.records.runs import ObjectSpec


def select_runs(
    names: Sequence[str], patterns: Sequence[str], *, shard: str | None = None
) -> list[str]:
    """Return the runs that the patterns match, in the project's order.

    Parameters
    ----------
    names : sequence of str
        All runs of the project.
    patterns : sequence of str
        Names, globs, ``@file`` with one pattern per line, ``!pattern`` to exclude. Without any
        pattern, or with exclusions only, all runs are selected first.
    shard : str, optional
        ``i/n``: only every n-th run, starting with the i-th.

    Raises
    ------
    UnknownNameError
        If a pattern matches no run; with the nearest name and the runs.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for pattern in _expanded(patterns, names):
        excludes = pattern.startswith("!") and pattern not in names
        (unwanted if excludes else wanted).append(pattern[excludes:])
    chosen = set(names) if not wanted else set()
    for pattern in wanted:
        chosen |= _fitting(names, pattern)
    for pattern in unwanted:
        chosen -= _fitting(names, pattern)
    ordered = [name for name in names if name in chosen]
    if shard is not None:
        part, parts = (int(number) for number in shard.split("/"))
        ordered = ordered[part - 1 :: parts]
    return ordered


def named_runs(patterns: Sequence[str]) -> bool:
    """Return whether the user named runs; an absent input is then a failure."""
    return any(not pattern.startswith("!") for pattern in _expanded(patterns))


def check_object_names(names: Iterable[str], specs: Mapping[str, ObjectSpec], option: str) -> None:
    """Raise if the user names an object that the project does not have.

    Parameters
    ----------
    names : iterable of str
        Names that the user gave.
    specs : mapping
        The project's objects by name.
    option : str
        The option, for the message.

    Raises
    ------
    UnknownNameError
        With the nearest name and the choices.
    """
    for name in names:
        if name not in specs:
            msg = (
                f"{option}: no object '{name}'{nearest_name(name, specs)}; "
                f"the project has: {choices_text(specs)}"
            )
            raise UnknownNameError(msg)


def _expanded(patterns: Sequence[str], names: Sequence[str] = ()) -> list[str]:
    """Return the patterns with those of files in place; what is a run's very name stays itself."""
    expanded: list[str] = []
    for pattern in patterns:
        if not pattern.startswith("@") or pattern in names:
            expanded.append(pattern)
            continue
        try:
            lines = lines_of(read_text(Path(pattern[1:])))
        except ProjectError as error:
            msg = str(error).replace("cannot read ", "cannot read the list of runs ", 1)
            raise SettingsError(msg) from error
        found = (_listed(line, names) for line in lines)
        expanded += [name for name in found if name is not None]
    return expanded


def _listed(line: str, names: Sequence[str]) -> str | None:
    """Return the pattern that a line holds, None for a blank one and a comment."""
    name = line.strip()
    if line in names or name in names:
        return line if line in names else name
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('""', '"')
    return None if not name or line.startswith("#") else name


def _fitting(names: Sequence[str], pattern: str) -> set[str]:
    if pattern in names:
        return {pattern}
    found = set(fnmatch.filter(names, pattern))
    if not found:
        shown = choices_text(names[:20]) + (", ..." if len(names) > 20 else "")
        msg = f"no run '{pattern}'{nearest_name(pattern, names)}; the project has: {shown}"
        raise UnknownNameError(msg)
    return found
