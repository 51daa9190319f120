"""What a project holds, without reading voxels: for looking at it, not for working on it.

A project on this machine is listed from its folders alone (`local.py`), which takes milliseconds a
run less than copick does; any other root is listed through copick.
"""

from pathlib import Path
from typing import Protocol

from copick_picker.project.guards import guarded
from copick_picker.project.local_places import with_whole_roots
from copick_picker.records.inventory import RunInventory
from copick_picker.records.plain_text import load_json
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
    found = open_local(config_path) if split is None else None  # projects of files have no splits
    if found is not None:
        return found
    from copick_picker.project.inventory.store import StoreInventory  # imports copick

    return StoreInventory.opened(config_path, split)


def open_local(config_path: str) -> "Inventory | None":
    """Return what lists a project on this machine from its folders; None where copick has to.

    Parameters
    ----------
    config_path : str
        copick's JSON configuration.

    Raises
    ------
    ProjectError
        If the file is missing or no JSON.
    """
    from copick_picker.project.inventory.local import LocalInventory

    with guarded(f"cannot read the configuration {config_path}"):
        config = load_json(Path(config_path).read_bytes())
    if not isinstance(config, dict):
        return None
    return LocalInventory.opened(with_whole_roots(config, Path(config_path).parent), config_path)


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
