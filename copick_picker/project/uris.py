"""copick URIs to keys, and patterns to the one key that they mean."""

import fnmatch
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from copick.util.uri import parse_copick_uri

from copick_picker.errors import SettingsError, UnknownNameError, choices_text
from copick_picker.records.keys import (
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
    "picks": "object:user/session (on the portal also ground-truth, deposition:ID, annotation:ID, "
    "author:NAME, or ?truth=true, ?deposition=ID and so on behind the URI)",
    "feature": "type@spacing:feature",
}
_NAME = re.compile(r"[A-Za-z0-9.\-]+")
_ORIGIN = re.compile(r"(?P<what>deposition|annotation|author):(?P<value>.+)")
_QUERY = ("truth", "deposition", "annotation", "author")


def matching(keys: Sequence[Key], uri: str, kind: str) -> list[Key]:
    """Return the keys that a URI means, in their order.

    Parameters
    ----------
    keys : sequence
        Keys that exist.
    uri : str
        copick URI; missing parts match everything, globs and ``re:`` work as in copick.
    kind : str
        ``tomogram``, ``segmentation``, ``picks`` or ``feature``.

    Raises
    ------
    SettingsError
        If the URI has not the form of its kind.
    """
    parts = _parse(uri, kind)
    return [key for key in keys if _fits(key, parts, kind)]


def the_one(keys: Sequence[Key], uri: str, kind: str, *, run_name: str) -> Key:
    """Return the only key of a run that a URI means.

    Parameters
    ----------
    keys : sequence
        Keys of this kind that the run has.
    uri : str
        copick URI.
    kind : str
        ``tomogram``, ``segmentation``, ``picks`` or ``feature``.
    run_name : str
        Name of the run, for the message.

    Raises
    ------
    UnknownNameError
        If no key fits; the message lists what the run has.
    SettingsError
        If several keys fit; the message lists them.
    """
    found = matching(keys, uri, kind)
    if len(found) == 1:
        return found[0]
    if not found:
        msg = f"run {run_name} has no {kind} '{uri}'; it has: {choices_text(keys)}"
        raise UnknownNameError(msg)
    msg = (
        f"run {run_name}: '{uri}' means {len(found)} things where one {kind} is meant: "
        f"{choices_text(found)}"
    )
    raise SettingsError(msg)


def check_uri(uri: str, kind: str) -> None:
    """Raise where a URI has not the form of its kind, before any run is looked at.

    Parameters
    ----------
    uri : str
        copick URI, perhaps with patterns.
    kind : str
        ``tomogram``, ``segmentation``, ``picks`` or ``feature``.

    Raises
    ------
    SettingsError
        In one line that shows the form.
    """
    _parse(uri, kind)


def parse_output(uri: str, kind: str) -> dict[str, str]:
    """Return the parts of an output URI, ``*`` where a part is missing.

    Parameters
    ----------
    uri : str
        ``name:user/session[@spacing]`` or ``object:user/session``.
    kind : str
        ``segmentation`` or ``picks``.

    Raises
    ------
    SettingsError
        If the URI has not this form or a name holds a character that copick cannot store.
    """
    parts = _parse(uri, kind)
    for name, value in parts.items():
        if name not in ("user_id", "session_id", "name", "object_name") or value == "*":
            continue
        if not _NAME.fullmatch(str(value)):
            msg = (
                f"output '{uri}': {name.replace('_id', '')} is '{value}'; expected letters, "
                "digits, '.' and '-' only (copick keeps '_' for itself)"
            )
            raise SettingsError(msg)
    return {name: str(parts[name]) for name, _ in _FIELDS[kind]}


def _with_origin(uri: str) -> tuple[str, dict[str, str]]:
    """Return a picks URI without what it says of the portal's annotations, and that."""
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
            msg = f"'{uri}': '?{name}={value}' means nothing; expected {_FORMS['picks']}"
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


def _parse(uri: str, kind: str) -> dict[str, Any]:
    plain, origin = _with_origin(uri) if kind == "picks" else (uri, {})
    try:
        parts: dict[str, Any] = {**parse_copick_uri(plain, kind), "origin": origin}
    except ValueError as error:
        msg = f"'{uri}' is no {kind} URI; expected {_FORMS[kind]}"
        raise SettingsError(msg) from error
    spacing = parts.get("voxel_spacing", "*")
    if parts["pattern_type"] == "glob" and not any(mark in spacing for mark in "*?["):
        try:
            float(spacing)
        except ValueError as error:
            msg = f"'{uri}': spacing is '{spacing}'; expected a number of Angstrom ({_FORMS[kind]})"
            raise SettingsError(msg) from error
    return parts


def _fits(key: Any, parts: dict[str, Any], kind: str) -> bool:  # noqa: ANN401 (one of four keys)
    for uri_part, field in _FIELDS[kind]:
        wanted, value = str(parts[uri_part]), getattr(key, field)
        if wanted == "*":
            continue
        if field == "tomogram_type" and "#" not in wanted:
            value = str(value).partition("#")[0]  # one of several that copick names alike
        if field == "voxel_spacing" and not any(mark in wanted for mark in "*?[\\"):
            if round(float(wanted), 3) != round(value, 3):
                return False
        elif parts["pattern_type"] == "regex":
            if not re.fullmatch(wanted, str(value)):
                return False
        elif not fnmatch.fnmatchcase(str(value), wanted):
            return False
    if isinstance(key, PicksKey) and not _fits_origin(key.origin, parts["origin"]):
        return False
    multilabel = parts.get("multilabel")
    return multilabel is None or key.is_multilabel == multilabel
