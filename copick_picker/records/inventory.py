"""What a run holds, as a listing shows it."""

from dataclasses import dataclass


def scores_text(lowest: float | None, highest: float | None) -> str:
    """Return the range of the scores of a pick set in words.

    copick gives a pick the score 1 where nobody gave one, so that all scores at 1 are no scores.

    Parameters
    ----------
    lowest, highest : float or None
        Range; None where there are no picks.
    """
    if lowest is None or highest is None or lowest == highest == 1.0:
        return "none"
    return f"{lowest:.3g} to {highest:.3g}"


@dataclass(frozen=True)
class StoredItem:
    """One thing that a run holds.

    Attributes
    ----------
    kind : str
        ``tomogram``, ``feature``, ``segmentation`` or ``picks``.
    uri : str
        copick URI.
    name : str
        Tomogram type, name of the segmentation, or object of the picks.
    user_id, session_id : str
        Who made it and in which session; empty for tomograms and feature volumes.
    voxel_spacing : float or None
        Edge of a voxel in Angstrom; None for picks.
    shape : tuple of int or None
        (z, y, x) or (c, z, y, x); None for picks, and where it is not known.
    n_bytes : int or None
        Size on disk; None where it was not looked at.
    n_picks : int or None
        Number of picks; None for volumes, and where it was not looked at.
    scores : str
        Range of the scores, ``none`` where the picks have none; empty where not looked at.
    trouble : str
        What is wrong with it, empty where nothing is known to be.
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
    trouble: str = ""


@dataclass(frozen=True)
class RunInventory:
    """What one run holds.

    Attributes
    ----------
    run_name : str
        The run.
    items : tuple of StoredItem
        Tomograms, features, segmentations and picks, each kind sorted by URI.
    troubles : tuple of str
        What is wrong with the run apart from its items.
    """

    run_name: str
    items: tuple[StoredItem, ...]
    troubles: tuple[str, ...] = ()
