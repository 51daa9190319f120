"""What a command reads from a run: a URI, parsed once, and the listing that it is looked up in."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Generic, TypeVar

from copick_picker.errors import CopickPickerError, UnknownNameError, choices_text
from copick_picker.project.uris import Query
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey, TomogramKey

_LISTED = 10
_CLOSE = 0.6
"""Likeness of names from which on one is meant for the other."""
Key = TypeVar("Key", TomogramKey, SegmentationKey, PicksKey, FeatureKey)


@dataclass(frozen=True)
class Input(Generic[Key]):
    """Tomograms, segmentations or picks that a URI matches.

    Attributes
    ----------
    query : Query
        The URI.
    listing : callable
        Run name -> keys of this kind that the run has.
    what : str
        ``tomogram``, ``segmentation``, ``pick set``: for messages.
    """

    query: Query[Key]
    listing: Callable[[str], Sequence[Key]]
    what: str

    def keys(self, run_name: str) -> list[Key]:
        """Return everything in a run that the URI matches."""
        return self.query.matching(self.listing(run_name))

    def key(self, run_name: str) -> Key:
        """Return the one thing in a run that the URI matches.

        Raises
        ------
        CopickPickerError
            If the run has none, or several; they are listed.
        """
        return self.query.match_one(self.listing(run_name), run_name=run_name)

    def check_any(self, run_names: Sequence[str]) -> None:
        """Raise if no run has one; a run that cannot be listed fails later.

        Raises
        ------
        UnknownNameError
            With what the runs do have.
        """
        if run_names and not any(self.query.matching(self._listed(name)) for name in run_names):
            raise self.nothing_found(run_names)

    def nothing_found(self, run_names: Sequence[str]) -> UnknownNameError:
        """Return the error for an input that no run has, with what the runs do have."""
        found = sorted({str(key) for name in run_names for key in self._listed(name)})
        fault = next((text for name in run_names if (text := self._fault(name))), "")
        near = nearest_uri(self.query.uri, found)
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        return UnknownNameError(
            f"none of the {len(run_names)} runs has a {self.what} '{self.query.uri}'; they have: "
            f"{choices_text(found[:_LISTED])}{more}{near and f'; did you mean {near!r}?'}"
            f"{fault and f'; {fault}'}"
        )

    def _fault(self, run_name: str) -> str:
        """Return why a run cannot be listed, empty if it can."""
        try:
            self.listing(run_name)
        except CopickPickerError as error:
            return str(error)
        return ""

    def _listed(self, run_name: str) -> Sequence[Key]:
        try:
            return self.listing(run_name)
        except CopickPickerError:
            return ()


def nearest_uri(uri: str, found: Sequence[str]) -> str:
    """Return the URI that was meant, in the form in which it was written; empty if none is near.

    Names have to be alike part by part; a session or a spacing may be any that there is.

    Parameters
    ----------
    uri : str
        What the user wrote.
    found : sequence of str
        URIs of what there is.
    """
    wanted = _parts(uri)
    best, most = "", 0.0
    for each in found:
        parts = _parts(each)
        if not set(wanted) <= set(parts):
            continue
        likeness = {mark: _likeness(mark, name, parts[mark]) for mark, name in wanted.items()}
        total = sum(likeness.values())
        if min(likeness.values(), default=0.0) > 0 and total > most:
            shown = {m: name if name == "*" else parts[m] for m, name in wanted.items()}
            best, most = "".join(f"{mark}{name}" for mark, name in shown.items()), total
    return best


def _parts(uri: str) -> dict[str, str]:
    """Return the parts of a URI by the sign before each."""
    return {mark: name for mark, name in re.findall(r"(^|[:/@])([^:/@?]*)", uri) if name}


def _likeness(mark: str, wanted: str, there: str) -> float:
    if wanted in ("*", there):
        return 1.0
    likeness = SequenceMatcher(None, wanted, there).ratio()
    if mark in ("/", "@"):
        return 0.1 + 0.8 * likeness
    return likeness if likeness >= _CLOSE else 0.0
