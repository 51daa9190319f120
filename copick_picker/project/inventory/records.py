"""What a project holds, without reading voxels: for looking at it, not for working on it.

A project on this machine is listed from its folders alone (``local_inventory.py``), which takes
milliseconds a run less than copick does; any other root is listed through copick.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from copick_picker.project.guards import guarded
from copick_picker.records.runs import ObjectSpec


def open_inventory(config_path: str, split: str | None = None) -> "Inventory":
    """Return what lists the project of a configuration file.

    Parameters
    ----------
    config_path : str
        copick's JSON configuration, of any kind of root.
    split : str, optional
        Only the runs of this split of a Croissant manifest.

    Returns
    -------
    Inventory
        The project, its runs not looked at yet.

    Raises
    ------
    ProjectError
        If the file is missing, malformed or names what cannot be opened.
    UnknownNameError
        If the project has no such split.
    """
    from copick_picker.project.inventory.local import LocalInventory

    with guarded(f"cannot read the configuration {config_path}"):
        config = json.loads(Path(config_path).read_text(encoding="utf-8"))
    from_folders = isinstance(config, dict) and split is None  # projects of files have no splits
    found = LocalInventory.opened(config, config_path) if from_folders else None
    if found is not None:
        return found
    from copick_picker.project.inventory.store import StoreInventory  # imports copick

    return StoreInventory.opened(config_path, split)


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


class Inventory(Protocol):
    """A project that can be listed run by run."""

    @property
    def location(self) -> str:
        """Where the project was opened from."""
        ...

    def objects(self) -> list[ObjectSpec]:
        """Return the pickable objects, by label."""
        ...

    def run_names(self) -> list[str]:
        """Return all run names, sorted."""
        ...

    def run(self, run_name: str, *, details: bool) -> RunInventory:
        """Return what a run holds; with details every pick file is read and every chunk counted."""
        ...
