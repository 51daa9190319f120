"""What a command reads from a run: a URI, parsed once, and the listing that it is looked up in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from copick_picker.errors import CopickPickerError, UnknownNameError, choices_text, nearest_name
from copick_picker.project.uris import Query
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey, TomogramKey

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
        near = nearest_name(self.query.uri, (each.split("@")[0] for each in found))
        return UnknownNameError(
            f"none of the {len(run_names)} runs has a {self.what} '{self.query.uri}'; "
            f"they have: {choices_text(found[:20])}{near}{fault and f'; {fault}'}"
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
