"""Find particles in cryo-electron tomograms of a copick project.

``copick_picker.segment``, ``localize`` and ``evaluate`` do the three steps on arrays; they are
imported when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

from copick_picker._version import __version__

if TYPE_CHECKING:
    from copick_picker._api import evaluate, localize, segment

__all__ = ["__version__", "evaluate", "localize", "segment"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute may be anything)
    """Import the public functions late."""
    if name in ("segment", "localize", "evaluate"):
        from copick_picker import _api

        return getattr(_api, name)
    msg = f"module 'copick_picker' has no attribute '{name}'"
    raise AttributeError(msg)
