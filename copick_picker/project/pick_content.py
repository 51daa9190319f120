"""What a pick file of copick's holds, looked at before copick or numpy see it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from copick_picker.errors import DataError
from copick_picker.project.guards import reason
from copick_picker.records.checks import Trouble
from copick_picker.records.plain_text import load_json

_IDENTITY_END = (0.0, 0.0, 0.0, 1.0)


class PickFileError(DataError):
    """A pick file that does not hold picks, or picks that are not finite.

    Parameters
    ----------
    trouble : Trouble
        What is wrong, what is expected.
    """

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


def points_of(data: bytes) -> list[dict[str, Any]]:
    """Return the points of a pick file.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    list of dict
        One a pick, as copick's model has them; none for ``"points": null``.

    Raises
    ------
    PickFileError
        If it does not hold picks; with the place, what it holds and what is expected.
    """
    if not data.strip():
        raise PickFileError(_wrong("the file is empty"))
    try:
        content = load_json(data)
    except (ValueError, RecursionError) as error:
        raise PickFileError(_wrong(reason(error))) from error
    if not isinstance(content, dict):
        raise PickFileError(
            _wrong(f"it holds {_kind(content)}; expected a JSON object with 'points'")
        )
    if "points" not in content:
        raise PickFileError(_wrong("it has no 'points'; expected a list of points"))
    points = content["points"]
    if points is None:
        return []
    if not isinstance(points, list):
        raise PickFileError(_wrong(f"'points' is {_kind(points)}; expected a list of points"))
    for number, point in enumerate(points):
        _check_point(point, f"points[{number}]")
    _check_finite(points)
    return points


def glance_at(data: bytes) -> None:
    """Raise where a pick file shows at a glance that it does not hold picks.

    Parameters
    ----------
    data : bytes
        The file.

    Raises
    ------
    PickFileError
        If it is no JSON object from end to end, or has numbers that are not finite. What is wrong
        is then found by ``points_of``.
    """
    text = data.strip()
    whole = text.startswith(b"{") and text.endswith(b"}")
    if not whole or b"NaN" in text or b"Infinity" in text:
        points_of(data)


def _check_point(point: object, place: str) -> None:
    if not isinstance(point, dict):
        raise PickFileError(
            _wrong(f"{place} is {_kind(point)}; expected an object with 'location'")
        )
    location = point.get("location")
    if not isinstance(location, dict):
        raise PickFileError(
            _wrong(f"{place}.location is {_kind(location)}; expected an object with x, y and z")
        )
    for axis in "xyz":
        if not _is_number(location.get(axis)):
            got = _kind(location.get(axis))
            raise PickFileError(
                _wrong(f"{place}.location.{axis} is {got}; expected a number of Angstrom")
            )
    score = point.get("score")
    if score is not None and not _is_number(score):
        raise PickFileError(_wrong(f"{place}.score is {_kind(score)}; expected a number"))
    instance = point.get("instance_id")
    if instance is not None and not _is_whole(instance):
        raise PickFileError(
            _wrong(f"{place}.instance_id is {_kind(instance)}; expected a whole number")
        )
    _check_transform(point.get("transformation_"), f"{place}.transformation_")


def _check_transform(transform: object, place: str) -> None:
    if transform is None:
        return
    rows = transform if isinstance(transform, list) and len(transform) == 4 else []
    whole = bool(rows) and all(isinstance(row, list) and len(row) == 4 for row in rows)
    if not whole or not all(_is_number(value) for row in rows for value in row):
        text = f"{place} is {_kind(transform)}; expected 4 rows of 4 numbers"
        raise PickFileError(_wrong(text))
    last = zip(rows[3], _IDENTITY_END, strict=True)
    if any(abs(value - end) > 1e-8 for value, end in last if _is_finite(value)):
        raise PickFileError(_wrong(f"{place} ends with the row {rows[3]}; expected 0, 0, 0, 1"))


def _check_finite(points: Sequence[Mapping[str, Any]]) -> None:
    bad = [number for number, point in enumerate(points) if not all(map(_is_finite, _all(point)))]
    if bad:
        text = (
            f"{len(bad)} of {len(points)} picks have a position, score or rotation that is "
            f"NaN or infinite, the first at index {bad[0]}"
        )
        raise PickFileError(Trouble("finite", text))


def _all(point: Mapping[str, Any]) -> list[Any]:
    score = point.get("score")
    rows = point.get("transformation_") or ()
    values = [*(point["location"][axis] for axis in "xyz"), *(each for row in rows for each in row)]
    return values if score is None else [*values, score]


def _is_finite(value: float) -> bool:
    return -1e300 < value < 1e300  # a whole number may be too large for a float


def _is_whole(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 2**63 and value == int(value)


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _kind(value: object) -> str:
    """Return a value of JSON in words."""
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    words = json.dumps(value)
    return words if len(words) <= 40 else f"{words[:37]}..."


def _wrong(text: str) -> Trouble:
    return Trouble("picks", text)
