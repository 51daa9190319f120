"""Values in YAML and JSON text, refused where reading them would not end well.

Python's readers leave the ways of a broken file open: whole numbers of more than 4300 digits and
dates of a 13th month raise errors of their own, deep nesting runs out of stack after seconds, and
aliases of aliases expand to more values than memory holds.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

MOST_DEEP = 64
"""Levels of nesting in YAML."""
MOST_VALUES = 100_000
"""Values that YAML with aliases may stand for."""
_TOO_DEEP = f"it is nested more than {MOST_DEEP} levels deep"
_TOO_MANY = f"its aliases stand for more than {MOST_VALUES:,} values"
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlTextError(yaml.YAMLError):
    """YAML that is not read: too deep, too large, or with a value that cannot be.

    Parameters
    ----------
    problem : str
        Why.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def load_yaml(text: str | bytes) -> Any:  # noqa: ANN401 (what YAML holds)
    """Return the value of a YAML text.

    Parameters
    ----------
    text : str or bytes
        The text.

    Raises
    ------
    yaml.YAMLError
        If it is no YAML, too deep, too large, or holds a value that cannot be.

    Examples
    --------
    >>> load_yaml("a: [1, 2]")
    {'a': [1, 2]}
    """
    with yaml_limits(text):
        return yaml.safe_load(text)


@contextmanager
def yaml_limits(text: str | bytes) -> Iterator[None]:
    """Refuse a YAML text whose values cannot be, before and while they are made in the block.

    Parameters
    ----------
    text : str or bytes
        The text.

    Raises
    ------
    yaml.YAMLError
        If it is too deep, too large, or holds a value that cannot be.
    """
    _check_size(text)
    try:
        yield
    except (ValueError, OverflowError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        problem = f"it contains an invalid value: {_short(error)}"
        raise YamlTextError(problem) from error
    except RecursionError as error:
        raise YamlTextError(_TOO_DEEP) from error


def load_json(text: str | bytes) -> Any:  # noqa: ANN401 (what JSON holds)
    """Return the value of a JSON text.

    Parameters
    ----------
    text : str or bytes
        The text.

    Raises
    ------
    ValueError
        If it is no JSON, too deep, or holds a number of more than 4300 digits.
    """
    try:
        return json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        msg = f"it is not UTF-8 text (byte {error.start})"
        raise ValueError(msg) from error
    except ValueError as error:
        raise ValueError(_short(error)) from error


def _check_size(text: str | bytes) -> None:
    """Raise where YAML is nested too deeply, or stands for too many values through its aliases."""
    sizes: dict[str, int] = {}
    open_nodes: list[list[Any]] = []
    for event in _events(text):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append([event.anchor, 0])
            if len(open_nodes) > MOST_DEEP:
                raise YamlTextError(_TOO_DEEP)
        size = _size_of(event, open_nodes, sizes)
        if open_nodes:
            open_nodes[-1][1] += size
            if sizes and open_nodes[-1][1] > MOST_VALUES:
                raise YamlTextError(_TOO_MANY)


def _events(text: str | bytes) -> Iterator[Any]:
    """Yield what the parser finds, as far as it is YAML; the reader says where it is not."""
    try:
        yield from yaml.parse(text, Loader=_PARSER)
    except (yaml.YAMLError, UnicodeDecodeError):
        return


def _size_of(event: Any, open_nodes: list[list[Any]], sizes: dict[str, int]) -> int:  # noqa: ANN401
    """Return how many values an event adds to what encloses it."""
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in sizes:
            problem = f"the alias *{event.anchor} refers to itself or to nothing"
            raise YamlTextError(problem)
        return sizes[event.anchor]
    if isinstance(event, yaml.ScalarEvent):
        anchor, size = event.anchor, 1
    elif isinstance(event, yaml.CollectionEndEvent):
        anchor, size = open_nodes.pop()
        size += 1
    else:
        return 0
    if anchor is not None:
        sizes[anchor] = size
    return int(size)


def _short(error: Exception) -> str:
    words = " ".join(str(error).split())
    if "integer string conversion" in words:
        return "a whole number has more than 4300 digits"
    return words
