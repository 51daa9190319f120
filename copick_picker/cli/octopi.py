"""octopi's names for our options."""

from collections.abc import Iterable, Mapping
from typing import Any

import click


def hidden(*names: str, **extra: Any) -> click.Option:
    """Return an option that works and is not in help: another program's name for ours."""
    return click.Option(names, hidden=True, **extra)


def fold_aliases(parameters: Iterable[click.Parameter], flags: dict[str, Any]) -> None:
    """Store what was given under an alias under the field that it means.

    Parameters
    ----------
    parameters : iterable of click.Parameter
        All parameters of a command.
    flags : dict
        Values of the command line, changed in place.

    Raises
    ------
    click.UsageError
        If a value is given under both names; names of a list are put together instead.
    """
    for parameter in parameters:
        field = getattr(parameter, "field", None)
        if field is None or parameter.name is None:
            continue
        value = flags.pop(parameter.name)
        if value is not None and isinstance(flags[field], tuple):
            flags[field] = (*flags[field], *names_of(value))
        else:
            take_alias(flags, field, value, parameter.opts[0])


def names_of(text: str) -> tuple[str, ...]:
    """Return the names in ``a,b`` or ``[a,b]``.

    Parameters
    ----------
    text : str
        What the user wrote.
    """
    from copick_picker.settings.job import split_names

    found: tuple[str, ...] = split_names(text)  # type: ignore[assignment]
    return found


def take_alias(flags: dict[str, Any], name: str, value: object, alias: str) -> None:
    """Store another program's option under our name; refuse both at once.

    Parameters
    ----------
    flags : dict
        Values of the command line, changed in place.
    name : str
        Our field.
    value : object
        Value of the alias, None where not given.
    alias : str
        The option as the user wrote it.
    """
    if value is None:
        return
    if flags[name] is not None:
        text = f"{alias} and --{name.replace('_', '-')} cannot be combined; use one"
        raise click.UsageError(text)
    flags[name] = value


def octopi_segmentation(seg_info: str | None) -> str | None:
    """Return the segmentation URI that octopi's ``--seg-info`` means.

    Parameters
    ----------
    seg_info : str or None
        ``name,user,session`` (before octopi 1.7).
    """
    if not seg_info:
        return None
    parts = names_of(seg_info)
    if len(parts) == 1:
        return parts[0]
    if len(parts) != 3:
        text = f"--seg-info: got '{seg_info}'; expected name,user,session"
        raise click.UsageError(text)
    name, user, session = parts
    return f"{name}:{user}/{session}"


def numeric(text: str | None) -> bool:
    """Return whether an option's text is a plain number.

    Parameters
    ----------
    text : str or None
        What the user wrote.
    """
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def pop_all(flags: dict[str, Any], *names: str) -> Mapping[str, Any]:
    """Return and remove several flags.

    Parameters
    ----------
    flags : dict
        Values of the command line, changed in place.
    *names : str
        Which ones.
    """
    return {name: flags.pop(name) for name in names}
