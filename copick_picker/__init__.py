"""Find particles in cryo-electron tomograms of a copick project.

``copick_picker.segment``, ``localize`` and ``evaluate`` do the three steps on arrays. They, and the
records that they take and return, are imported when they are first used, so that importing the
package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from copick_picker._version import __version__

if TYPE_CHECKING:
    from copick_picker._api import evaluate, localize, segment
    from copick_picker.core.segment.results import SegmentedVolume
    from copick_picker.errors import CopickPickerError
    from copick_picker.records.points import Localized, LocalizeTarget, PickSet
    from copick_picker.records.runs import ObjectSpec
    from copick_picker.records.scores import Evaluation

__all__ = [
    "CopickPickerError",
    "Evaluation",
    "LocalizeTarget",
    "Localized",
    "ObjectSpec",
    "PickSet",
    "SegmentedVolume",
    "__version__",
    "evaluate",
    "localize",
    "segment",
]

_PLACES = {
    "segment": "_api",
    "localize": "_api",
    "evaluate": "_api",
    "SegmentedVolume": "core.segment.results",
    "CopickPickerError": "errors",
    "Localized": "records.points",
    "LocalizeTarget": "records.points",
    "PickSet": "records.points",
    "ObjectSpec": "records.runs",
    "Evaluation": "records.scores",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute may be anything)
    """Import what is public late."""
    if name in _PLACES:
        return getattr(import_module(f"copick_picker.{_PLACES[name]}"), name)
    msg = f"module 'copick_picker' has no attribute '{name}'; it has: {', '.join(__all__)}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """Return what is public."""
    return list(__all__)
