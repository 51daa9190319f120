"""Settings from a YAML file and from flags, joined and checked."""

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from copick_picker.errors import SettingsError, choices_text, nearest_name
from copick_picker.settings.options import in_help_order, long_name, option_of
from copick_picker.settings.wrong_values import expected_words
from copick_picker.settings.yaml_text import load_yaml

Settings = TypeVar("Settings", bound=BaseModel)
_MOST_SHOWN = 200
"""Letters of a wrong value that a message shows."""
_FIELD_OF_KEY = {"model_config": "model_config_file", "json": "json_file"}


def read_yaml(path: Path, kind: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : type, optional
        Settings that it holds: names stay text, even those that look like numbers.

    Raises
    ------
    SettingsError
        If the file is missing, is not YAML, or does not hold a mapping.
    """
    try:
        content = load_yaml(path.read_bytes(), kind)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        raise SettingsError(msg) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        msg = f"{path}{where}: {problem}"
        raise SettingsError(msg) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        msg = f"{path} holds a {type(content).__name__}; expected settings as `name: value` lines"
        raise SettingsError(msg)
    keys = {str(key).replace("-", "_"): value for key, value in content.items()}
    return {_FIELD_OF_KEY.get(key, key): value for key, value in keys.items()}


def join_settings(
    kind: type[Settings],
    *,
    flags: Mapping[str, Any],
    path: Path | None = None,
    as_options: bool = True,
) -> Settings:
    """Return checked settings: defaults, overruled by the file, overruled by the flags.

    Parameters
    ----------
    kind : type
        The settings class of the command.
    flags : mapping
        Values given on the command line; None means not given.
    path : pathlib.Path, optional
        YAML file with any of the settings.
    as_options : bool
        Whether errors name options of the command line, or arguments of Python.

    Raises
    ------
    SettingsError
        If a name is unknown (the nearest valid one is named) or a value is wrong.
    """
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    from_file = read_yaml(path, kind) if path is not None else {}
    valid = list(kind.model_fields)
    for name in from_file:
        if name not in valid:
            msg = (
                f"{path}: unknown setting '{name}'{nearest_name(name, valid)}; "
                f"valid: {choices_text(valid)}"
            )
            raise SettingsError(msg)
    try:
        return kind.model_validate({**from_file, **given})
    except ValidationError as error:
        names = partial(long_name, kind) if as_options else str
        raise SettingsError(_one_line(error, names, given, path)) from error


def _one_line(
    error: ValidationError,
    names: Callable[[str], str],
    flags: Mapping[str, Any],
    path: Path | None,
) -> str:
    problems: dict[str, list[str]] = {}
    for problem in error.errors():
        first = str(problem["loc"][0]) if problem["loc"] else ""
        option = names(first)
        source = f"{path}: " if path is not None and first not in flags else ""
        if problem["type"] == "missing" and len(problem["loc"]) == 1:
            problems.setdefault(f"{source}'{option}' is missing", [])
            continue
        text = expected_words(dict(problem))
        shown = "" if text.startswith("got ") else f"got {_shown(_given(problem, first, flags))}; "
        told = problems.setdefault(f"{source}{f'{option}: {shown}' if first else ''}", [])
        if text not in told:
            told.append(text)
    return "; ".join(
        start + " or ".join([*told[:1], *(text.removeprefix("expected ") for text in told[1:])])
        for start, told in problems.items()
    )


def _given(problem: Mapping[str, Any], first: str, flags: Mapping[str, Any]) -> object:
    """Return what the user wrote: all of it where the number of values is wrong."""
    is_of_number = problem["type"] in ("missing", "too_long", "too_short")
    value = flags.get(first, problem["input"]) if is_of_number else problem["input"]
    if len(problem["loc"]) > 1 and isinstance(flags.get(first), tuple):
        start = f"{problem['loc'][1]}="
        value = next((each for each in flags[first] if str(each).startswith(start)), value)
    return value[0] if isinstance(value, tuple | list) and len(value) == 1 else value


def _shown(value: object) -> str:
    """Return a value as Python writes it, the beginning of a long one."""
    words = repr(value)
    return words if len(words) <= _MOST_SHOWN else f"{words[:_MOST_SHOWN]}..."


def command_line(command: str, settings: BaseModel) -> str:
    """Return the command line that means the settings.

    Parameters
    ----------
    command : str
        Name of the command.
    settings : pydantic model
        Its settings; those that are defaults are left out.
    """
    words = ["copick-picker", command]
    kind = type(settings)
    for name in in_help_order(kind):
        value = getattr(settings, name)
        if name not in settings.model_fields_set or value == kind.model_fields[name].default:
            continue
        option = long_name(kind, name)
        known = option_of(kind, name)
        given = value if isinstance(value, tuple) else (value,)
        if known is not None and known.argument:
            words[2:2] = [str(one) for one in given]
            continue
        for one in given:
            words += _option_words(option, one)
    return shlex.join(words)


def _option_words(option: str, value: object) -> list[str]:
    """Return an option and its value; what is on by default can only be turned off."""
    if value is False:
        return [f"--no-{option[2:]}"]
    return [option] if value is True else [option, str(value)]
