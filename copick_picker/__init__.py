"""Find particles in cryo-electron tomograms of a copick project.

``copick_picker.segment``, ``localize`` and ``evaluate`` do the three steps on arrays;
``segment_project``, ``localize_project`` and ``evaluate_project`` on projects of copick. They, and
the records that they take and return, are imported when they are first used, so that importing the
package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from copick_picker._version import __version__

if TYPE_CHECKING:
    from copick_picker._api import evaluate, localize, segment
    from copick_picker._projects import (
        evaluate_project,
        localize_project,
        read_picks,
        segment_project,
    )
    from copick_picker.core.segment.results import SegmentedVolume
    from copick_picker.errors import CopickPickerError, RunsFailedError
    from copick_picker.jobs.summary import Summary
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
    "RunsFailedError",
    "SegmentedVolume",
    "Summary",
    "__version__",
    "evaluate",
    "evaluate_project",
    "localize",
    "localize_project",
    "read_picks",
    "segment",
    "segment_project",
]

_PLACES = {
    "segment": "_api",
    "localize": "_api",
    "evaluate": "_api",
    "segment_project": "_projects",
    "localize_project": "_projects",
    "evaluate_project": "_projects",
    "read_picks": "_projects",
    "Summary": "jobs.summary",
    "RunsFailedError": "errors",
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
