"""Score thresholds in the object metadata of a copick configuration; other bytes do not change."""

import json
import shutil
from collections.abc import Mapping
from json.decoder import JSONDecoder
from pathlib import Path

from copick_picker.errors import ProjectError, choices_text
from copick_picker.project.files import replacing
from copick_picker.project.guards import guarded

KEY = "score_threshold"
_DECODER = JSONDecoder()
_BLANK = " \t\r\n"


def check_writable(config_path: Path) -> None:
    """Raise if a configuration may not be changed.

    Parameters
    ----------
    config_path : pathlib.Path
        copick's JSON configuration.

    Raises
    ------
    ProjectError
        If the file is missing or read-only.
    """
    with guarded(f"cannot read the configuration {config_path}"):
        mode = config_path.stat().st_mode
    if not mode & 0o222:
        msg = f"the configuration {config_path} is read-only; nothing was stored"
        raise ProjectError(msg)


def store_thresholds(config_path: Path, thresholds: Mapping[str, float]) -> None:
    """Write thresholds into the metadata of the objects of a configuration, safely.

    Parameters
    ----------
    config_path : pathlib.Path
        copick's JSON configuration; if it is a link, its target is replaced.
    thresholds : mapping of str to float
        Object name -> lowest score that counts; stored as ``metadata.score_threshold``.

    Raises
    ------
    ProjectError
        If the file is read-only, not such JSON, has no such object, or cannot be written; it is
        then unchanged.
    """
    check_writable(config_path)
    path = config_path.resolve()
    with guarded(f"cannot read the configuration {config_path}"):
        text = path.read_bytes().decode("utf-8")
        json.loads(text)
    changed = with_thresholds(text, thresholds, source=str(config_path))
    with replacing(path) as temporary:
        temporary.write_bytes(changed.encode("utf-8"))
        shutil.copymode(path, temporary)


def with_thresholds(text: str, thresholds: Mapping[str, float], *, source: str) -> str:
    """Return the text of a configuration with thresholds; no other character changes.

    Parameters
    ----------
    text : str
        JSON.
    thresholds : mapping of str to float
        Object name -> lowest score that counts.
    source : str
        Origin of the text, for messages.

    Raises
    ------
    ProjectError
        If there is no such object.

    Examples
    --------
    >>> text = '{"pickable_objects": [{"name": "a", "metadata": {"pdb": "1abc"}}]}'
    >>> with_thresholds(text, {"a": 0.25}, source="config.json")
    '{"pickable_objects": [{"name": "a", "metadata": {"pdb": "1abc", "score_threshold": 0.25}}]}'
    """
    members = _members(text, _skip(text, 0))
    if "pickable_objects" not in members or text[members["pickable_objects"][0]] != "[":
        msg = f"the configuration {source} lists no pickable_objects"
        raise ProjectError(msg)
    spans = {}
    for start, _ in _items(text, members["pickable_objects"][0]):
        entry = _members(text, start) if text[start] == "{" else {}
        if "name" in entry:
            spans[_DECODER.raw_decode(text, entry["name"][0])[0]] = entry
    missing = [name for name in thresholds if name not in spans]
    if missing:
        msg = (
            f"the configuration {source} has no object {choices_text(missing)}; "
            f"it has: {choices_text(spans)}"
        )
        raise ProjectError(msg)
    edits = [_edit(text, spans[name], value) for name, value in thresholds.items()]
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    return text


def _edit(text: str, entry: Mapping[str, tuple[int, int]], value: float) -> tuple[int, int, str]:
    """Return (start, end, replacement text) for the threshold of one object."""
    number = json.dumps(float(value))
    if "metadata" not in entry:
        end = max(stop for _, stop in entry.values())
        return end, end, f', "metadata": {{"{KEY}": {number}}}'
    start, end = entry["metadata"]
    if text[start] != "{":
        return start, end, f'{{"{KEY}": {number}}}'
    known = _members(text, start)
    if KEY in known:
        return *known[KEY], number
    if not known:
        return start, end, f'{{"{KEY}": {number}}}'
    last = max(stop for _, stop in known.values())
    return last, last, f', "{KEY}": {number}'


def _members(text: str, start: int) -> dict[str, tuple[int, int]]:
    """Return name -> (start, end) of the value, for a JSON object that starts at ``start``."""
    members = {}
    place = _skip(text, start + 1)
    while text[place] != "}":
        name, place = _DECODER.raw_decode(text, place)
        value = _skip(text, _skip(text, place) + 1)
        place = _DECODER.raw_decode(text, value)[1]
        members[name] = (value, place)
        place = _after_comma(text, place)
    return members


def _items(text: str, start: int) -> list[tuple[int, int]]:
    """Return (start, end) of every value of a JSON array that starts at ``start``."""
    items = []
    place = _skip(text, start + 1)
    while text[place] != "]":
        end = _DECODER.raw_decode(text, place)[1]
        items.append((place, end))
        place = _after_comma(text, end)
    return items


def _after_comma(text: str, place: int) -> int:
    place = _skip(text, place)
    return _skip(text, place + 1) if text[place] == "," else place


def _skip(text: str, place: int) -> int:
    while text[place] in _BLANK:
        place += 1
    return place
