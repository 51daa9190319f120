"""The checks of a project: one list for ``browse``, ``info`` and the pre-flight of commands."""

from collections.abc import Mapping
from dataclasses import dataclass

CHECKS: Mapping[str, str] = {
    "folder": "folders and files have names that copick reads",
    "leftover": "no leftovers of interrupted writes",
    "static": "no item of the overlay hides one of the static part",
    "tomogram": "every run has a tomogram",
    "metadata": "the metadata of a store can be read",
    "format": "the installed zarr reads the format of a store",
    "unfinished": "every store was written to its end",
    "size": "shape and chunk shape are those of a volume",
    "type": "voxels are of a type that can be computed with",
    "axes": "a volume has the axes (z, y, x), a feature volume (c, z, y, x)",
    "level": "the finest level is array 0",
    "scale": "the scale in a store is that of its folder",
    "cubic": "the scale in a store is the same along z, y and x",
    "chunks": "every chunk is stored",
    "picks": "a pick file holds picks",
    "finite": "positions, scores and rotations of picks are finite",
    "object": "picks are of an object of the project",
    "name": "no two objects have nearly the same name",
    "label": "every object has a label of its own, from 1 to 65535",
    "radius": "every particle has a radius above 0",
    "threshold": "score thresholds are finite numbers",
    "weight": "score weights are finite numbers, 0 or more",
}
"""Name -> what is true where nothing is wrong."""


PARTLY = ("chunks", "picks", "finite")
"""Checks that are not made everywhere unless every file is read."""
MOST_LABEL = 65535
"""Largest label that a segmentation of ours holds: uint16."""


@dataclass(frozen=True)
class Trouble:
    """What a check found.

    Attributes
    ----------
    check : str
        Name of the check, one of ``CHECKS``.
    text : str
        What is wrong.
    """

    check: str
    text: str

    def __post_init__(self) -> None:
        """Raise where the check has no name in the list."""
        if self.check not in CHECKS:
            raise KeyError(self.check)
