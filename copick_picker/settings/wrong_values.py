"""What was expected in place of a wrong value, in the words of a user."""

import re
from collections.abc import Mapping
from typing import Any

from copick_picker.errors import nearest_name

_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "finite_number": "a finite number",
    "list": "a list",
    "tuple": "a list",
    "dict": "names with values",
    "mapping": "names with values",
}


def expected_words(problem: Mapping[str, Any]) -> str:
    """Return what was expected in place of a wrong value, in the words of a user.

    Parameters
    ----------
    problem : mapping
        One error of pydantic: ``type``, ``msg``, ``ctx`` and ``input``.
    """
    kind, about = str(problem["type"]), problem.get("ctx") or {}
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"expected {words} {about[name]:g}"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(about["expected"]))
        near = nearest_name(str(problem["input"]), choices)
        return f"expected {about['expected']}{near}"
    if kind == "string_pattern_mismatch" and "/" in str(about.get("pattern")):
        return "expected i/n, such as 1/4"
    if kind in ("missing", "too_short"):
        return "expected more values"
    if kind == "too_long":
        return f"expected {about['max_length']} values"
    name = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    if name in _KINDS:
        return f"expected {_KINDS[name]}"
    return str(problem["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
