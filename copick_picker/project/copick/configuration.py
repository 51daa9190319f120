"""copick's JSON configuration: opened with care, faults named in one line."""

import contextlib
import json
import logging
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from copick_picker.errors import ProjectError, choices_text
from copick_picker.project.copick.api import CopickObject, CopickRoot, from_string
from copick_picker.project.copick.croissant import names_as_text
from copick_picker.project.guards import guarded, reason, root_logging_kept
from copick_picker.project.local_places import local_path, with_whole_roots
from copick_picker.records.plain_text import load_json
from copick_picker.records.runs import ObjectSpec

_COLOUR_OF_NONE = (100, 100, 100, 255)
"""What copick gives an object whose colour the configuration does not state."""


def open_root(path: Path) -> CopickRoot:
    """Return copick's own project object.

    Parameters
    ----------
    path : pathlib.Path
        copick's JSON configuration.

    Raises
    ------
    ProjectError
        If the file is missing, malformed or names what cannot be opened.
    """
    with guarded(f"cannot read the configuration {path}"):
        config = load_json(path.read_bytes())  # any encoding that JSON may have
    if not isinstance(config, dict):
        msg = f"the configuration {path} holds a {type(config).__name__}; expected a JSON object"
        raise ProjectError(msg)
    config = with_whole_roots(config, path.parent)
    config.setdefault("config_type", "filesystem")
    for name in ("overlay_fs_args", "static_fs_args"):
        if not isinstance(config.get(name), dict | None):
            msg = f"the configuration {path}: {name} is a list or a value; expected a JSON object"
            raise ProjectError(msg)
    _make_folders_on_write(config)
    try:
        with root_logging_kept(), _said_once(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*contains invalid characters")
            root = from_string(json.dumps(config))
    except _portal_errors() as error:
        words = " ".join(str(error).split())[:300]
        msg = (
            f"cannot open the project of {path}: the CryoET Data Portal is not responding: {words}"
        )
        raise ProjectError(msg) from error
    except (ValueError, TypeError, OSError, ImportError, LookupError, AttributeError) as error:
        msg = f"cannot open the project of {path}: {reason(error)}"
        raise ProjectError(msg) from error
    _check_folders(config, path)
    names_as_text(root, str(path))
    return root


def _portal_errors() -> tuple[type[Exception], ...]:
    """Return what the portal's client raises, where copick has imported it."""
    module = sys.modules.get("gql.transport.exceptions")
    return () if module is None else (module.TransportError,)


@contextmanager
def _said_once() -> Iterator[None]:
    """Keep copick and its clients from saying each attempt: the last one becomes our error."""
    loggers = [logging.getLogger(name) for name in ("copick", "urllib3", "gql")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def object_specs(root: CopickRoot, location: str) -> list[ObjectSpec]:
    """Return the pickable objects of a project, by label.

    Parameters
    ----------
    root : copick root
        An open project.
    location : str
        Where it was opened from, for messages.

    Raises
    ------
    ProjectError
        If two objects have one name, or one has numbers that cannot be.
    """
    found = [object_spec(item, location) for item in root.pickable_objects]
    names = [spec.name for spec in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"{location} has more than one object named {choices_text(twice)}"
        raise ProjectError(msg)
    return sorted(found, key=lambda spec: (spec.label, spec.name))


def object_spec(item: CopickObject, location: str) -> ObjectSpec:
    """Return a pickable object of copick as our record.

    Parameters
    ----------
    item : copick object
        What the configuration says of it.
    location : str
        Where the project was opened from, for messages.

    Raises
    ------
    ProjectError
        If it has no label, or thresholds and weights that are no numbers.
    """
    metadata = item.metadata or {}
    if item.label is None:
        msg = f"object {item.name} of {location} has no label"
        raise ProjectError(msg)
    weight = metadata.get("score_weight", metadata.get("weight", 1.0))
    threshold = metadata.get("score_threshold")
    where = f"object {item.name} of {location}"
    return ObjectSpec(
        name=str(item.name),
        label=int(item.label),
        radius_angstrom=None if item.radius is None else _number(item.radius, f"{where}: radius"),
        score_threshold=None
        if threshold is None
        else _number(threshold, f"{where}: score_threshold"),
        score_weight=_number(weight, f"{where}: score_weight", least=0.0),
        is_particle=bool(item.is_particle),
        is_filament=bool(item.is_filament),
        has_polarity=None if item.filament is None else item.filament.polar,
        colour=_colour(item.color),
    )


def _colour(stated: Sequence[int] | None) -> tuple[int, int, int] | None:
    """Return red, green and blue; None where nobody chose a colour."""
    if stated is None or tuple(stated) == _COLOUR_OF_NONE:
        return None
    red, green, blue = (int(value) for value in stated[:3])
    return red, green, blue


def _number(value: object, where: str, *, least: float = -math.inf) -> float:
    """Return a finite number that is not below a limit.

    Raises
    ------
    ProjectError
        If it is anything else.
    """
    number = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if not math.isfinite(number) or number < least:
        expected = "a finite number" if least == -math.inf else f"a number from {least:g}"
        msg = f"{where} is {str(value)[:40]}; expected {expected}"
        raise ProjectError(msg)
    return number


def _make_folders_on_write(config: dict[str, Any]) -> None:
    """Let copick make the folders of chunks on a local file system; without it it cannot write."""
    if local_path(config.get("overlay_root")) is not None:
        config["overlay_fs_args"] = {"auto_mkdir": True, **(config.get("overlay_fs_args") or {})}


def _check_folders(config: dict[str, Any], path: Path) -> None:
    """Raise where copick would find no runs, without a word, in a project on this machine."""
    places = [config.get(name) for name in ("overlay_root", "static_root") if config.get(name)]
    folders = [local_path(place) for place in places]
    for folder in folders:
        if folder is not None and set("*?[") & set(str(folder.absolute())):
            msg = f"the project of {path} is in {folder}: copick cannot list paths with * ? ["
            raise ProjectError(msg)
    if config["config_type"] == "filesystem" and not any(
        folder is None or folder.is_dir() for folder in folders
    ):
        msg = f"the project of {path} has no folder {choices_text(places)}"
        raise ProjectError(msg)
