"""Parsing copick URIs, and the keys that they match."""

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from copick.util.uri import parse_copick_uri

from copick_picker.errors import SettingsError, UnknownNameError, choices_text
from copick_picker.records.keys import (
    DEFAULT_SESSION,
    DEFAULT_USER,
    FeatureKey,
    PicksKey,
    PicksOrigin,
    SegmentationKey,
    TomogramKey,
)

Key = TypeVar("Key", TomogramKey, SegmentationKey, PicksKey, FeatureKey)

_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "tomogram": (("tomo_type", "tomogram_type"), ("voxel_spacing", "voxel_spacing")),
    "segmentation": (
        ("name", "name"),
        ("user_id", "user_id"),
        ("session_id", "session_id"),
        ("voxel_spacing", "voxel_spacing"),
    ),
    "picks": (("object_name", "object_name"), ("user_id", "user_id"), ("session_id", "session_id")),
    "feature": (
        ("tomo_type", "tomogram_type"),
        ("voxel_spacing", "voxel_spacing"),
        ("feature_type", "feature_type"),
    ),
}
_FORMS = {
    "tomogram": "type@spacing",
    "segmentation": "name:user/session@spacing",
    "picks": (
        "object:user/session (on the portal also ground-truth, deposition:ID, annotation:ID, "
        "author:NAME, or ?truth=true, ?deposition=ID and so on after the URI)"
    ),
    "feature": "type@spacing:feature",
}
_NAME = re.compile(r"[A-Za-z0-9.\-]+")
_ORIGIN = re.compile(r"(?P<what>deposition|annotation|author):(?P<value>.+)")
_REGEX_MARKS = "*?[(|+^$\\"
"""Signs of a pattern where a regular expression could be a number: ``10.0`` is one."""
_SEGMENTATION_TYPES = ("multilabel", "instance", "panoptic")
_QUERY = ("truth", "deposition", "annotation", "author")


@dataclass(frozen=True)
class Query(Generic[Key]):
    """A copick URI, parsed once, which matches keys of a run.

    Missing parts match everything; globs and ``re:`` work as in copick.

    Attributes
    ----------
    uri : str
        As the user wrote it.
    kind : str
        ``tomogram``, ``segmentation``, ``picks`` or ``feature``.
    parts : mapping
        Its parts by copick's names.
    """

    uri: str
    kind: str
    parts: Mapping[str, Any] = field(compare=False, repr=False)

    def matching(self, keys: Sequence[Key]) -> list[Key]:
        """Return the keys that the URI matches, in their order."""
        return [key for key in keys if _fits(key, self.parts, self.kind)]

    def match_one(self, keys: Sequence[Key], *, run_name: str) -> Key:
        """Return the only key of a run that the URI matches.

        Parameters
        ----------
        keys : sequence
            Keys of this kind that the run has.
        run_name : str
            Name of the run, for the message.

        Raises
        ------
        UnknownNameError
            If no key matches; the message lists what the run has.
        SettingsError
            If several keys match; the message lists them.
        """
        found = self.matching(keys)
        if len(found) == 1:
            return found[0]
        if not found:
            msg = f"run {run_name} has no {self.kind} '{self.uri}'; it has: {choices_text(keys)}"
            raise UnknownNameError(msg)
        msg = (
            f"run {run_name}: '{self.uri}' matches {len(found)} items, but exactly one "
            f"{self.kind} is needed: {choices_text(found)}"
        )
        raise SettingsError(msg)


def tomogram_query(uri: str) -> Query[TomogramKey]:
    """Return a parsed tomogram URI; raise ``SettingsError`` if it is malformed."""
    return Query(uri, "tomogram", _parse(uri, "tomogram"))


def segmentation_query(uri: str) -> Query[SegmentationKey]:
    """Return a parsed segmentation URI; raise ``SettingsError`` if it is malformed."""
    return Query(uri, "segmentation", _parse(uri, "segmentation"))


def picks_query(uri: str) -> Query[PicksKey]:
    """Return a parsed picks URI; raise ``SettingsError`` if it is malformed."""
    return Query(uri, "picks", _parse(uri, "picks"))


def feature_query(uri: str) -> Query[FeatureKey]:
    """Return a parsed feature URI; raise ``SettingsError`` if it is malformed."""
    return Query(uri, "feature", _parse(uri, "feature"))


@dataclass(frozen=True)
class SegmentationOutput:
    """Keys of the segmentations that a command writes.

    Attributes
    ----------
    name, user_id, session_id : str
        Parts of the key, defaults filled in.
    voxel_spacing : float or None
        Spacing that the user requires, in Angstrom.
    """

    name: str
    user_id: str
    session_id: str
    voxel_spacing: float | None

    def key(self, run_name: str, voxel_spacing: float) -> SegmentationKey:
        """Return the key of a run's segmentation, on the grid of its input.

        Raises
        ------
        SettingsError
            If the user requires another spacing.
        """
        stated = self.voxel_spacing
        if stated is not None and round(stated, 3) != round(voxel_spacing, 3):
            msg = (
                f"run {run_name}: the output's spacing is {stated:g}, but the tomogram's is "
                f"{voxel_spacing:g}; omit it"
            )
            raise SettingsError(msg)
        return SegmentationKey(self.name, self.user_id, self.session_id, voxel_spacing)


@dataclass(frozen=True)
class PicksOutput:
    """Keys of the picks that a command writes.

    Attributes
    ----------
    object_name : str
        One object, or ``*`` for every one.
    user_id, session_id : str
        Parts of the key, defaults filled in.
    uri : str
        As the user wrote it.
    """

    object_name: str
    user_id: str
    session_id: str
    uri: str

    def key(self, object_name: str) -> PicksKey:
        """Return the key of an object's picks.

        Raises
        ------
        SettingsError
            If the output is for another object.
        """
        if self.object_name not in ("*", object_name):
            msg = f"output '{self.uri}': use '*' and choose with --objects"
            raise SettingsError(msg)
        return PicksKey(object_name, self.user_id, self.session_id)


def segmentation_output(uri: str, *, name: str) -> SegmentationOutput:
    """Return the keys for the segmentations of a command.

    Parameters
    ----------
    uri : str
        ``name:user/session``, optionally with ``@spacing``.
    name : str
        Name if the URI gives none.

    Raises
    ------
    SettingsError
        If the URI does not have this form or a name contains a character that copick cannot store.
    """
    parts = _output_parts(uri, "segmentation", name=name)
    spacing = parts["voxel_spacing"]
    stated = None if spacing == "*" else float(spacing)
    return SegmentationOutput(parts["name"], parts["user_id"], parts["session_id"], stated)


def picks_output(
    uri: str, *, user_id: str = DEFAULT_USER, session_id: str = DEFAULT_SESSION
) -> PicksOutput:
    """Return the keys for the picks of a command.

    Parameters
    ----------
    uri : str
        ``object:user/session``; ``*`` stands for every object.
    user_id, session_id : str
        Used if the URI gives none.

    Raises
    ------
    SettingsError
        If the URI does not have this form or a name contains a character that copick cannot store.
    """
    parts = _output_parts(uri, "picks", user_id=user_id, session_id=session_id)
    return PicksOutput(parts["object_name"], parts["user_id"], parts["session_id"], uri)


def _output_parts(uri: str, kind: str, **defaults: str) -> dict[str, str]:
    parts = _parse(uri, kind)
    spacing = parts.get("voxel_spacing", "*")
    if parts["pattern_type"] == "regex" or not (spacing == "*" or _is_length(spacing)):
        msg = f"output '{uri}' is a pattern; expected one name: {_FORMS[kind]}"
        raise SettingsError(msg)
    for name, value in parts.items():
        if name not in ("user_id", "session_id", "name", "object_name") or value == "*":
            continue
        if not _NAME.fullmatch(str(value)) or not str(value).strip("."):
            msg = (
                f"output '{uri}': {name.replace('_id', '')} is '{value}'; expected letters, "
                "digits, '.' and '-' only, and not only dots (copick reserves '_')"
            )
            raise SettingsError(msg)
    known = {"user_id": DEFAULT_USER, "session_id": DEFAULT_SESSION, **defaults}
    given = {name: str(parts[name]) for name, _ in _FIELDS[kind]}
    return {name: known.get(name, "*") if part == "*" else part for name, part in given.items()}


def _with_origin(uri: str) -> tuple[str, dict[str, str]]:
    """Return a picks URI without its part about the portal's annotations, and that part."""
    text = uri.strip()
    if text == "ground-truth":
        return "*", {"truth": "true"}
    short = _ORIGIN.fullmatch(text)
    if short is not None and (short["what"] == "author" or short["value"].isdigit()):
        return "*", {short["what"]: short["value"]}
    plain, _, query = text.partition("?")
    if not query:
        return text, {}
    found = dict(part.partition("=")[::2] for part in query.split("&"))
    for name, value in found.items():
        allowed = (
            value in ("true", "false")
            if name == "truth"
            else value.isdigit()
            if name in ("deposition", "annotation")
            else bool(value)
        )
        if name not in _QUERY or not allowed:
            msg = f"'{uri}': unknown query '?{name}={value}'; expected {_FORMS['picks']}"
            raise SettingsError(msg)
    return plain or "*", found


def _fits_origin(origin: PicksOrigin | None, wanted: dict[str, str]) -> bool:
    if not wanted:
        return True
    if origin is None:
        return False
    truth, author = wanted.get("truth"), wanted.get("author")
    return (
        (truth is None or origin.is_truth == (truth == "true"))
        and (author is None or author in origin.authors)
        and wanted.get("deposition") in (None, str(origin.deposition_id))
        and wanted.get("annotation") in (None, str(origin.annotation_id))
    )


@lru_cache(maxsize=256)
def _parse(uri: str, kind: str) -> Mapping[str, Any]:
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in uri):
        msg = f"{uri!r} has a line break or another invalid character; expected {_FORMS[kind]}"
        raise SettingsError(msg)
    plain, origin = _with_origin(uri) if kind == "picks" else (uri, {})
    _check_query(plain, kind)
    try:
        parts: dict[str, Any] = {**parse_copick_uri(plain, kind), "origin": origin}
    except ValueError as error:
        msg = f"'{uri}' is no {kind} URI; expected {_FORMS[kind]}"
        raise SettingsError(msg) from error
    is_regex = parts["pattern_type"] == "regex"
    spacing = parts.get("voxel_spacing", "*")
    if not any(mark in spacing for mark in (_REGEX_MARKS if is_regex else "*?[")):
        if not _is_length(spacing):
            msg = f"'{uri}': spacing is '{spacing}'; expected a number of Angstrom ({_FORMS[kind]})"
            raise SettingsError(msg)
        parts["voxel_spacing"] = str(float(spacing))
    if is_regex:
        for name, _ in _FIELDS[kind]:
            _check_regex(uri, str(parts[name]))
    return parts


def _is_length(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def _check_regex(uri: str, pattern: str) -> None:
    """Raise where a part of a URI is no regular expression, or one that may never end."""
    if pattern == "*":
        return
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        msg = f"'{uri}': '{pattern}' is not a regular expression: {error}"
        raise SettingsError(msg) from error


def _check_query(uri: str, kind: str) -> None:
    """Raise where something behind a question mark would not be read."""
    _, mark, query = uri.partition("?")
    if not mark:
        return
    if kind != "segmentation" or uri.startswith("re:"):
        msg = f"'{uri}': unknown query '?{query}' in a {kind} URI; expected {_FORMS[kind]}"
        raise SettingsError(msg)
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in _SEGMENTATION_TYPES and value == "false":
            continue
        if name not in _SEGMENTATION_TYPES or value != "true":
            msg = (
                f"'{uri}': unknown query '?{part}'; expected ?multilabel=true or ?multilabel=false"
            )
            raise SettingsError(msg)
        if name != "multilabel":
            msg = (
                f"'{uri}': {name} segmentations are not supported, only binary and multilabel ones"
            )
            raise SettingsError(msg)


def _fits(key: Any, parts: Mapping[str, Any], kind: str) -> bool:  # noqa: ANN401 (one of four keys)
    for uri_part, part in _FIELDS[kind]:
        wanted, value = str(parts[uri_part]), getattr(key, part)
        if wanted == "*":
            continue
        if part == "tomogram_type" and "#" not in wanted:
            value = str(value).partition("#")[0]  # one of several with the same name in copick
        is_regex = parts["pattern_type"] == "regex"
        marks = _REGEX_MARKS if is_regex else "*?["
        if part == "voxel_spacing" and not any(mark in wanted for mark in marks):
            if round(float(wanted), 3) != round(value, 3):
                return False
        elif is_regex:
            if not re.fullmatch(wanted, str(value)):
                return False
        elif not fnmatch.fnmatchcase(str(value), wanted):
            return False
    if isinstance(key, PicksKey) and not _fits_origin(key.origin, parts["origin"]):
        return False
    multilabel = parts.get("multilabel")
    return multilabel is None or key.is_multilabel == multilabel
