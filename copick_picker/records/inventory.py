"""Contents of a run, for listings."""

from dataclasses import dataclass, replace

from copick_picker.records.checks import Trouble


def scores_text(lowest: float | None, highest: float | None) -> str:
    """Return the range of the scores of a pick set in words.

    copick defaults to the score 1, so that picks that all score 1 count as having no scores.

    Parameters
    ----------
    lowest, highest : float or None
        Range; None if there are no picks.
    """
    if lowest is None or highest is None or lowest == highest == 1.0:
        return "none"
    return f"{lowest:.3g} to {highest:.3g}"


@dataclass(frozen=True)
class StoredItem:
    """One item in a run.

    Attributes
    ----------
    kind : str
        ``tomogram``, ``feature``, ``segmentation`` or ``picks``.
    uri : str
        copick URI.
    name : str
        Tomogram type, name of the segmentation, or object of the picks.
    user_id, session_id : str
        User and session of its maker; empty for tomograms and feature volumes.
    voxel_spacing : float or None
        Edge of a voxel in Angstrom; None for picks.
    shape : tuple of int or None
        (z, y, x) or (c, z, y, x); None for picks, or if unknown.
    n_bytes : int or None
        Size on disk; None if not determined.
    n_picks : int or None
        Number of picks; None for volumes, or if not determined.
    scores : str
        Range of the scores, ``none`` if the picks have none; empty if not determined.
    troubles : tuple of Trouble
        What is wrong with it, as far as is known.
    """

    kind: str
    uri: str
    name: str
    user_id: str = ""
    session_id: str = ""
    voxel_spacing: float | None = None
    shape: tuple[int, ...] | None = None
    n_bytes: int | None = None
    n_picks: int | None = None
    scores: str = ""
    troubles: tuple[Trouble, ...] = ()

    @property
    def trouble(self) -> str:
        """What is wrong with it in words, empty if nothing is known to be wrong."""
        return "; ".join(trouble.text for trouble in self.troubles)

    def with_troubles(self, *more: Trouble) -> "StoredItem":
        """Return the item with what else is wrong with it."""
        return replace(self, troubles=(*self.troubles, *more))


@dataclass(frozen=True)
class RunInventory:
    """Contents of one run.

    Attributes
    ----------
    run_name : str
        The run.
    items : tuple of StoredItem
        Tomograms, features, segmentations and picks, each kind sorted by URI.
    troubles : tuple of Trouble
        Problems of the run apart from its items.
    """

    run_name: str
    items: tuple[StoredItem, ...]
    troubles: tuple[Trouble, ...] = ()
