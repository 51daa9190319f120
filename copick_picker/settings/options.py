"""The command-line option of a settings field."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True)
class Option:
    """The option of a settings field, an entry of the field's ``Annotated``.

    Long name, type, choices, repetition and shown default follow from the field; this adds what
    does not.

    Attributes
    ----------
    help : str
        Help text; ``{default}`` stands for the field's default, which is then not shown again.
    names : str
        Other names shown in help, such as ``-i``, separated by spaces.
    metavar : str or None
        Stands for the value in help. A comma in it means a list in one value, ``a,b``; a field of
        many values is otherwise a repeatable option.
    uri : str or None
        Kind of copick object that the value names for reading, such as ``tomogram``.
    makes : str or None
        Kind of copick object that the value names for writing.
    shown : str or None
        Default shown in help if it is not the field's own; empty for none.
    long : str or None
        Long name if it is not the field's name.
    aliases : str
        Names of another program that work but are not in help, separated by spaces.
    envvar : str or None
        Environment variable that also sets the value.
    argument : bool
        Whether the value is given by its position, without a name.
    after : str or None
        Field that this one follows in help, together with the fields declared after it. Otherwise a
        class's own fields come before those of its bases.
    """

    help: str = ""
    names: str = ""
    metavar: str | None = None
    uri: str | None = None
    makes: str | None = None
    shown: str | None = None
    long: str | None = None
    aliases: str = ""
    envvar: str | None = None
    argument: bool = False
    after: str | None = None


def option_of(kind: type[BaseModel], name: str) -> Option | None:
    """Return the option of a field, None if the command line does not offer it.

    Parameters
    ----------
    kind : type
        Settings class. A field that it redeclares keeps the option of its base unless it gives
        another.
    name : str
        Name of the field.
    """
    for base in kind.__mro__:
        if issubclass(base, BaseModel) and name in base.model_fields:
            for entry in base.model_fields[name].metadata:
                if isinstance(entry, Option):
                    return entry
    return None


def long_name(kind: type[BaseModel], name: str) -> str:
    """Return the long name of a field's option.

    Parameters
    ----------
    kind : type
        Settings class.
    name : str
        Name of the field.
    """
    option = option_of(kind, name)
    return (option and option.long) or "--" + name.replace("_", "-")


def in_help_order(kind: type[BaseModel]) -> list[str]:
    """Return the names of the fields of a settings class in the order of help.

    Parameters
    ----------
    kind : type
        Settings class.
    """
    order: list[str] = []
    for base in reversed(kind.__mro__):
        place = 0
        for name in _own_fields(base):
            option = option_of(base, name)
            if option is not None and option.after in order:
                place = order.index(option.after) + 1
            if name not in order:
                order.insert(place, name)
                place += 1
    return order


def _own_fields(kind: type) -> Iterator[str]:
    """Yield the fields that a class declares itself."""
    if issubclass(kind, BaseModel):
        yield from (name for name in inspect.get_annotations(kind) if name in kind.model_fields)
