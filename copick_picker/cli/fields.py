"""Making the options of a command from the fields of its settings."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from copick_picker.settings.options import Option, in_help_order, long_name, option_of


class Alias(click.Option):
    """Another program's name for the option of a field; it works but is not in help."""

    def __init__(self, names: Sequence[str], *, field: str, **extra: Any) -> None:
        super().__init__(names, hidden=True, **extra)
        self.field = field


def make_parameters(
    kind: type[BaseModel], *, extra: Mapping[str, Sequence[click.Parameter]], without: Sequence[str]
) -> list[click.Parameter]:
    """Return the parameters of a command in the order of its help.

    Parameters
    ----------
    kind : type
        Settings class.
    extra : mapping
        Field -> parameters that are not settings and follow that field; the empty name stands for
        the beginning.
    without : sequence of str
        Fields that the command line does not offer.
    """
    made = list(extra.get("", ()))
    for name in in_help_order(kind):
        option = option_of(kind, name)
        if option is not None and name not in without:
            made += _parameters(kind, name, option)
        made += extra.get(name, ())
    return made


def _parameters(kind: type[BaseModel], name: str, option: Option) -> list[click.Parameter]:
    """Return the parameter of a field, and its alias."""
    field = kind.model_fields[name]
    annotation = plain_type(field.annotation)
    many = get_origin(annotation) in (tuple, dict)
    metavar = option.metavar or ("URI" if option.uri or option.makes else None)
    if get_origin(annotation) is Literal:
        metavar = metavar or "|".join(get_args(annotation))
    if option.argument:
        required = None if field.is_required() else False
        return [click.Argument([name], nargs=-1 if many else 1, metavar=metavar, required=required)]
    names = [_spelling(kind, name, field), *option.names.split()]
    typed = _type(annotation, option)
    parameter = click.Option(
        [*sorted(names, key=lambda spelling: spelling.startswith("--")), name],
        help=_help(field, option),
        metavar=metavar,
        multiple=many and "," not in (metavar or ""),
        envvar=option.envvar,
        show_envvar=option.envvar is not None,
        **typed,
    )
    if not option.aliases:
        return [parameter]
    other = Alias([*option.aliases.split(), f"{name}_alias"], field=name, **typed)
    return [parameter, other]


def _spelling(kind: type[BaseModel], name: str, field: FieldInfo) -> str:
    """Return the long name of an option; what is on by default can be turned off."""
    long = long_name(kind, name)
    return f"{long}/--no-{long[2:]}" if field.default is True else long


def plain_type(annotation: Any) -> Any:  # noqa: ANN401 (any annotation)
    """Return the type of an annotation without metadata and without None.

    Parameters
    ----------
    annotation : type
        Annotation of a field.
    """
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return plain_type(next(part for part in get_args(annotation) if part is not NoneType))
    return annotation


def _type(annotation: Any, option: Option) -> dict[str, Any]:  # noqa: ANN401
    """Return click's arguments for the type of an option.

    If copick is loaded, a URI has copick's own type, which tells form generators what it names; on
    the command line it is a text, and importing copick would take longer than everything else.
    """
    if annotation is bool:
        return {"is_flag": True, "default": None}
    types = sys.modules.get("copick.cli.types")
    if types is not None and (option.uri or option.makes):
        role = "output" if option.makes else "input"
        return {"type": types.CopickURI(option.makes or option.uri, role)}
    return {"type": {float: click.FLOAT, int: click.INT}.get(annotation)}


def _help(field: FieldInfo, option: Option) -> str:
    """Return the help text of an option, with its default."""
    text = option.help.replace("{default}", _number(field.default))
    shown = _shown(field, option)
    return f"{text}  [default: {shown}]" if shown else text


def _shown(field: FieldInfo, option: Option) -> str | None:
    """Return the default to show in help; the help text explains ``*`` and the like."""
    if option.shown is not None or "{default}" in option.help:
        return option.shown
    default = field.default
    if isinstance(default, bool) or not isinstance(default, str | float | int | Path):
        return None
    return None if default in ("", "*") else _number(default)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
