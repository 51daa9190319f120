"""A project in memory: obeys ``copick_picker.project.store.ProjectStore`` without any file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from copick_picker.errors import (
    DataError,
    SameOutputError,
    SettingsError,
    UnknownNameError,
    choices_text,
)
from copick_picker.project.standing import Claim, MayReplace, Standing
from copick_picker.project.store import OutputKey, Provenance, Slabs
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

Key = TypeVar("Key", bound=TomogramKey | SegmentationKey | FeatureKey | PicksKey | FilamentsKey)


class MemoryVolume:
    """A volume that is whole in memory."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self.chunk_planes = 1
        self.troubles = ()

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return a copy of some planes."""
        return self._array[..., z_start:z_stop, :, :].copy()


@dataclass
class _Stored:
    content: Any
    record: dict[str, Any] | None = None


@dataclass
class _Run:
    tomograms: dict[TomogramKey, npt.NDArray[Any]] = field(default_factory=dict)
    segmentations: dict[SegmentationKey, _Stored] = field(default_factory=dict)
    features: dict[FeatureKey, _Stored] = field(default_factory=dict)
    picks: dict[PicksKey, _Stored] = field(default_factory=dict)
    filaments: dict[FilamentsKey, _Stored] = field(default_factory=dict)


class MemoryStore:
    """See ``ProjectStore``; ``add_*`` put in what another program would have written."""

    location = "memory"

    def __init__(self, objects: Iterable[ObjectSpec]) -> None:
        self._objects = sorted(objects, key=lambda spec: (spec.label, spec.name))
        self._runs: dict[str, _Run] = {}

    def add_tomogram(self, run_name: str, key: TomogramKey, volume: npt.NDArray[Any]) -> None:
        """Put in a tomogram and, where needed, its run."""
        run = self._runs.setdefault(run_name, _Run())
        run.tomograms[_rounded(key)] = volume.astype(np.float32)

    def add_picks(self, run_name: str, key: PicksKey, picks: PickSet) -> None:
        """Put in picks without a record."""
        self._runs.setdefault(run_name, _Run()).picks[key] = _Stored(picks)

    def run_names(self) -> list[str]:
        return sorted(self._runs)

    def objects(self) -> list[ObjectSpec]:
        return list(self._objects)

    def tomograms(self, run_name: str) -> list[TomogramKey]:
        return sorted(self._run(run_name).tomograms)

    def open_tomogram(self, run_name: str, key: TomogramKey) -> MemoryVolume:
        return MemoryVolume(_find(self._run(run_name).tomograms, key, run_name))

    def segmentations(self, run_name: str) -> list[SegmentationKey]:
        return sorted(self._run(run_name).segmentations)

    def open_segmentation(self, run_name: str, key: SegmentationKey) -> MemoryVolume:
        return MemoryVolume(_find(self._run(run_name).segmentations, key, run_name).content)

    def segmentation_provenance(self, run_name: str, key: SegmentationKey) -> Provenance | None:
        return _record(self._run(run_name).segmentations, key)

    def segmentation_labels(self, run_name: str, key: SegmentationKey) -> dict[str, int] | None:
        record = self.segmentation_provenance(run_name, key)
        return None if record is None else record.get("labels")

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
        run, key = self._run(run_name), _rounded(key)
        _check_names(key.name, key.user_id, key.session_id)
        if not key.is_multilabel:
            self._check_object(key.name)
        if not _is_free(run.segmentations, key, Claim(str(key), provenance, overwrite, replaces)):
            return False
        labels = _gathered(slabs, shape_zyx)
        if labels.dtype not in (np.uint8, np.uint16):
            msg = f"labels have type {labels.dtype}"
            raise DataError(msg)
        run.segmentations[key] = _Stored(labels, dict(provenance))
        return True

    def open_feature(self, run_name: str, key: FeatureKey) -> MemoryVolume:
        return MemoryVolume(_find(self._run(run_name).features, key, run_name).content)

    def features(self, run_name: str) -> list[FeatureKey]:
        return sorted(self._run(run_name).features)

    def feature_provenance(self, run_name: str, key: FeatureKey) -> Provenance | None:
        return _record(self._run(run_name).features, key)

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
        run, key = self._run(run_name), _rounded(key)
        _check_names(key.feature_type)
        _find(run.tomograms, TomogramKey(key.tomogram_type, key.voxel_spacing), run_name)
        if not _is_free(run.features, key, Claim(str(key), provenance, overwrite, replaces)):
            return False
        with np.errstate(over="ignore"):
            volume = _gathered(slabs, shape_czyx).astype(np.float16)
        if not np.isfinite(volume).all():
            msg = "values are NaN or infinite"
            raise DataError(msg)
        run.features[key] = _Stored(volume, dict(provenance))
        return True

    def picks(self, run_name: str) -> list[PicksKey]:
        return sorted(self._run(run_name).picks)

    def read_picks(self, run_name: str, key: PicksKey) -> PickSet:
        picks: PickSet = _find(self._run(run_name).picks, key, run_name).content
        return picks

    def picks_provenance(self, run_name: str, key: PicksKey) -> Provenance | None:
        return _record(self._run(run_name).picks, key)

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
        run = self._run(run_name)
        _check_names(key.user_id, key.session_id)
        self._check_object(key.object_name)
        if not (np.isfinite(picks.points_xyz).all() and np.isfinite(picks.scores).all()):
            msg = "positions or scores are NaN or infinite"
            raise DataError(msg)
        if not _is_free(run.picks, key, Claim(str(key), provenance, overwrite, replaces)):
            return False
        copied = PickSet(picks.object_name, picks.points_xyz.copy(), picks.scores.copy())
        run.picks[key] = _Stored(copied, dict(provenance))
        return True

    def filaments(self, run_name: str) -> list[FilamentsKey]:
        return sorted(self._run(run_name).filaments)

    def read_filaments(self, run_name: str, key: FilamentsKey) -> FilamentSet:
        filaments: FilamentSet = _find(self._run(run_name).filaments, key, run_name).content
        return filaments

    def filaments_provenance(self, run_name: str, key: FilamentsKey) -> Provenance | None:
        return _record(self._run(run_name).filaments, key)

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
        run = self._run(run_name)
        _check_names(key.user_id, key.session_id)
        self._check_object(key.object_name)
        if not _is_free(run.filaments, key, Claim(str(key), provenance, overwrite, replaces)):
            return False
        run.filaments[key] = _Stored(filaments, dict(provenance))
        return True

    def standing(self, run_name: str, keys: Sequence[OutputKey]) -> dict[OutputKey, Standing]:
        run = self._run(run_name)
        stored: dict[Any, _Stored] = {**run.segmentations, **run.features}
        stored.update(run.picks)
        stored.update(run.filaments)
        found = {key: _look(stored, key) for key in keys}
        return {key: there for key, there in found.items() if there is not None}

    def check_writable(self) -> None:
        """Return: memory can be written."""

    def _run(self, run_name: str) -> _Run:
        if run_name not in self._runs:
            msg = f"no run '{run_name}'; runs: {choices_text(self._runs)}"
            raise UnknownNameError(msg)
        return self._runs[run_name]

    def _check_object(self, name: str) -> None:
        names = [spec.name for spec in self._objects]
        if name not in names:
            msg = f"no object '{name}'; objects: {choices_text(names)}"
            raise UnknownNameError(msg)


def _rounded(key: Key) -> Key:
    if isinstance(key, PicksKey | FilamentsKey):
        return key
    return replace(key, voxel_spacing=round(float(key.voxel_spacing), 3))


def _find(stored: dict[Key, Any], key: Key, run_name: str) -> Any:
    if _rounded(key) not in stored:
        msg = f"run {run_name} has no {key}; it has: {choices_text(stored)}"
        raise UnknownNameError(msg)
    return stored[_rounded(key)]


def _record(stored: dict[Key, _Stored], key: Key) -> dict[str, Any] | None:
    found = stored.get(_rounded(key))
    return None if found is None else found.record


def _look(stored: dict[Any, _Stored], key: OutputKey) -> Standing | None:
    there = stored.get(_rounded(key))
    return None if there is None else Standing("in memory", True, record=there.record)


def _is_free(stored: dict[Any, _Stored], key: OutputKey, claim: Claim) -> bool:
    """Return whether there is anything to write."""
    try:
        claim.permit(lambda: _look(stored, key))()
    except SameOutputError:
        return False
    return True


def _check_names(*names: str) -> None:
    for name in names:
        if any(sign in '<>:"/\\|?*_ ' for sign in name):
            msg = f"'{name}' is not a valid name in copick"
            raise SettingsError(msg)


def _gathered(slabs: Slabs, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    blocks, done = [], 0
    for z_start, block in slabs:
        if z_start != done or block.shape[-2:] != shape[-2:]:
            msg = f"planes start at {z_start}; expected {done}"
            raise DataError(msg)
        blocks.append(block)
        done += block.shape[-3]
    volume = np.concatenate(blocks, axis=-3) if blocks else np.zeros((0, 0, 0))
    if volume.shape != shape:
        msg = f"blocks make up {volume.shape}; expected {shape}"
        raise DataError(msg)
    return volume
