"""The interface of a project: a Protocol for the copick store and the memory store of tests.

Volumes are (z, y, x); feature volumes (c, z, y, x); points (n, 3) are (x, y, z) in Angstrom.
Readers raise ``ProjectError`` (broken store) or ``UnknownNameError`` (no such item; the message
lists the choices). Writers compute nothing: they write next to the target, then rename, and write
the provenance record last; an object is *complete* if its provenance record exists and its array or
file can be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from copick_picker.project.standing import MayReplace, Standing
from copick_picker.records.checks import Trouble
from copick_picker.records.filaments import FilamentSet
from copick_picker.records.keys import (
    FeatureKey,
    FilamentsKey,
    PicksKey,
    SegmentationKey,
    TomogramKey,
)
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec

Provenance = Mapping[str, Any]
Slabs = Iterable[tuple[int, npt.NDArray[Any]]]
"""Pairs (first z, block): blocks (z, y, x) or (c, z, y, x), ascending and gapless along z."""
OutputKey = SegmentationKey | PicksKey | FeatureKey | FilamentsKey
"""What a workflow can write."""


class LazyVolume(Protocol):
    """A stored volume that is read in pieces."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, (z, y, x) or (c, z, y, x)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type as stored."""
        ...

    @property
    def chunk_planes(self) -> int:
        """Planes per stored chunk; reads of whole chunks read each chunk once."""
        ...

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What its metadata contradict; it is read all the same."""
        ...

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop as stored, all channels."""
        ...


class ProjectStore(Protocol):
    """A copick project as workflows use it."""

    @property
    def location(self) -> str:
        """Where the project was opened from."""
        ...

    def run_names(self) -> list[str]:
        """Return all run names, sorted."""
        ...

    def objects(self) -> list[ObjectSpec]:
        """Return the pickable objects, by label."""
        ...

    def tomograms(self, run_name: str) -> list[TomogramKey]:
        """Return the tomograms of a run, sorted."""
        ...

    def open_tomogram(self, run_name: str, key: TomogramKey) -> LazyVolume:
        """Return a lazy tomogram (z, y, x); reading never creates anything."""
        ...

    def segmentations(self, run_name: str) -> list[SegmentationKey]:
        """Return the segmentations of a run, half-written ones included."""
        ...

    def open_segmentation(self, run_name: str, key: SegmentationKey) -> LazyVolume:
        """Return a lazy segmentation (z, y, x)."""
        ...

    def segmentation_provenance(self, run_name: str, key: SegmentationKey) -> Provenance | None:
        """Return our record of a complete segmentation; None if absent, partial or not ours."""
        ...

    def segmentation_labels(self, run_name: str, key: SegmentationKey) -> dict[str, int] | None:
        """Return name -> label as recorded with the segmentation; None if unknown.

        From our attributes, else from octopi's log of the run.
        """
        ...

    def write_segmentation(
        self,
        run_name: str,
        key: SegmentationKey,
        slabs: Slabs,
        *,
        shape_zyx: tuple[int, int, int],
        provenance: Provenance,
        overwrite: bool,
        replaces: MayReplace | None = None,
    ) -> bool:
        """Write labels (uint8 or uint16) slab by slab, then the record.

        Returns False, and writes nothing, if the same output, with this record, exists by then.
        Raises ``ConflictError`` if anything else is in its place; with ``overwrite`` only if that
        is not an output of the same kind. ``replaces`` also allows replacing ours by record.
        """
        ...

    def open_feature(self, run_name: str, key: FeatureKey) -> LazyVolume:
        """Return a lazy feature volume (c, z, y, x)."""
        ...

    def features(self, run_name: str) -> list[FeatureKey]:
        """Return the feature volumes of a run."""
        ...

    def feature_provenance(self, run_name: str, key: FeatureKey) -> Provenance | None:
        """Return our record of a complete feature volume, else None."""
        ...

    def write_feature(
        self,
        run_name: str,
        key: FeatureKey,
        slabs: Slabs,
        *,
        shape_czyx: tuple[int, int, int, int],
        provenance: Provenance,
        overwrite: bool,
        replaces: MayReplace | None = None,
    ) -> bool:
        """Write a float16 feature volume slab by slab, with its true spacing, then the record.

        See ``write_segmentation``.
        """
        ...

    def picks(self, run_name: str) -> list[PicksKey]:
        """Return the pick sets of a run, sorted."""
        ...

    def read_picks(self, run_name: str, key: PicksKey) -> PickSet:
        """Return a pick set: particle centres (location plus transform shift) and scores."""
        ...

    def picks_provenance(self, run_name: str, key: PicksKey) -> Provenance | None:
        """Return our record of a complete pick set, else None."""
        ...

    def write_picks(
        self,
        run_name: str,
        key: PicksKey,
        picks: PickSet,
        *,
        provenance: Provenance,
        overwrite: bool,
        replaces: MayReplace | None = None,
    ) -> bool:
        """Write a pick set, which may be empty, then the record; see ``write_segmentation``."""
        ...

    def filaments(self, run_name: str) -> list[FilamentsKey]:
        """Return the filaments of a run, sorted."""
        ...

    def read_filaments(self, run_name: str, key: FilamentsKey) -> FilamentSet:
        """Return the filaments of one object."""
        ...

    def filaments_provenance(self, run_name: str, key: FilamentsKey) -> Provenance | None:
        """Return our record of complete filaments, else None."""
        ...

    def write_filaments(
        self,
        run_name: str,
        key: FilamentsKey,
        filaments: FilamentSet,
        *,
        provenance: Provenance,
        overwrite: bool,
        replaces: MayReplace | None = None,
    ) -> bool:
        """Write filaments, which may be none, then the record; see ``write_segmentation``."""
        ...

    def standing(self, run_name: str, keys: Sequence[OutputKey]) -> dict[OutputKey, Standing]:
        """Return whatever is in the places of the keys; free places are omitted.

        The listing is fresh. An interrupted write of ours does not count: the next one starts over.
        """
        ...

    def check_writable(self) -> None:
        """Raise ProjectError with the place and the reason if outputs cannot be written."""
        ...
