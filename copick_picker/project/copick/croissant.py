"""Croissant manifests: their splits, and where their outputs go."""

from copick_picker.errors import ProjectError, UnknownNameError, choices_text, nearest_name
from copick_picker.project.copick.api import CopickRoot
from copick_picker.project.guards import guarded


def runs_of_split(root: CopickRoot, split: str, location: str) -> frozenset[str]:
    """Return the names of the runs in a split.

    Parameters
    ----------
    root : copick root
        An open project.
    split : str
        Name of a split, such as ``test``.
    location : str
        Where the project was opened from, for messages.

    Raises
    ------
    UnknownNameError
        If the project has no splits, or none of this name; the message lists those that it has.
    """
    if not hasattr(root, "splits"):
        msg = f"--split {split}: {location} is no Croissant manifest and has no splits"
        raise UnknownNameError(msg)
    with guarded(f"cannot read the splits of {location}"):
        splits = {str(name): [str(run) for run in runs] for name, runs in root.splits.items()}
    if split not in splits:
        near = nearest_name(split, splits)
        msg = f"--split: no '{split}'{near} in {location}; splits: {choices_text(splits)}"
        raise UnknownNameError(msg)
    return frozenset(splits[split])


def overlay_path(root: CopickRoot, location: str) -> str:
    """Return the folder that a project's outputs go to.

    Parameters
    ----------
    root : copick root
        An open project.
    location : str
        Where the project was opened from, for messages.

    Raises
    ------
    ProjectError
        If a Croissant manifest is read without an overlay of its own: its tree is not written to.
    """
    if hasattr(root, "root_overlay"):
        return str(root.root_overlay)
    base = getattr(root, "overlay_base_url", None)
    if base is None:
        msg = f"{location} has no overlay_root: name a folder for outputs in the configuration"
        raise ProjectError(msg)
    return str(base)
