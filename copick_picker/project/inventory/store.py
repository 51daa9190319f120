"""What a project of any root holds, listed through copick: portal, Croissant, S3, SSH."""

from collections.abc import Callable
from dataclasses import replace

from copick_picker.errors import CopickPickerError
from copick_picker.project.copick.store import open_project
from copick_picker.project.remote.objects import OPENING
from copick_picker.project.store import LazyVolume, ProjectStore
from copick_picker.records.checks import Trouble
from copick_picker.records.inventory import RunInventory, StoredItem, scores_text
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.runs import ObjectSpec


class StoreInventory:
    """A project listed through copick: see ``Inventory`` for what each method promises.

    Parameters
    ----------
    store : ProjectStore
        The project.
    """

    def __init__(self, store: ProjectStore) -> None:
        self._store = store

    @classmethod
    def opened(cls, config_path: str, split: str | None = None) -> "StoreInventory":
        """Return the project of a configuration file.

        Parameters
        ----------
        config_path : str
            copick's JSON configuration.
        split : str, optional
            Only the runs of this split of a Croissant manifest.
        """
        return cls(open_project(config_path, replace(OPENING, split=split)))

    @property
    def location(self) -> str:
        """Where the project was opened from."""
        return self._store.location

    def objects(self) -> list[ObjectSpec]:
        """Return the pickable objects, by label."""
        return self._store.objects()

    def run_names(self) -> list[str]:
        """Return all run names, sorted."""
        return self._store.run_names()

    def run(self, run_name: str, *, details: bool) -> RunInventory:
        """Return what a run holds; shapes, numbers and scores only with details."""
        store = self._store
        items = [
            *(
                _tomogram(store, run_name, key, details=details)
                for key in store.tomograms(run_name)
            ),
            *(_feature(store, run_name, key, details=details) for key in store.features(run_name)),
            *(
                _segmentation(store, run_name, key, details=details)
                for key in store.segmentations(run_name)
            ),
            *(_picks(store, run_name, key, details=details) for key in store.picks(run_name)),
        ]
        found = any(item.kind == "tomogram" for item in items)
        troubles = () if found else (Trouble("tomogram", "no tomogram"),)
        return RunInventory(run_name, tuple(items), troubles)


def _tomogram(store: ProjectStore, run_name: str, key: TomogramKey, *, details: bool) -> StoredItem:
    shape, troubles = _shape(lambda: store.open_tomogram(run_name, key), details=details)
    return StoredItem(
        "tomogram",
        str(key),
        key.tomogram_type,
        voxel_spacing=key.voxel_spacing,
        shape=shape,
        troubles=troubles,
    )


def _feature(store: ProjectStore, run_name: str, key: FeatureKey, *, details: bool) -> StoredItem:
    shape, troubles = _shape(lambda: store.open_feature(run_name, key), details=details)
    return StoredItem(
        "feature",
        str(key),
        key.feature_type,
        voxel_spacing=key.voxel_spacing,
        shape=shape,
        troubles=troubles,
    )


def _segmentation(
    store: ProjectStore, run_name: str, key: SegmentationKey, *, details: bool
) -> StoredItem:
    shape, troubles = _shape(lambda: store.open_segmentation(run_name, key), details=details)
    return StoredItem(
        "segmentation",
        str(key),
        key.name,
        user_id=key.user_id,
        session_id=key.session_id,
        voxel_spacing=key.voxel_spacing,
        shape=shape,
        troubles=troubles,
    )


def _picks(store: ProjectStore, run_name: str, key: PicksKey, *, details: bool) -> StoredItem:
    number, scores = None, ""
    troubles: tuple[Trouble, ...] = ()
    if details:
        try:
            picks = store.read_picks(run_name, key)
        except CopickPickerError as error:
            troubles = (Trouble("picks", str(error)),)
        else:
            number = len(picks)
            low = float(picks.scores.min()) if number else None
            high = float(picks.scores.max()) if number else None
            scores = scores_text(low, high)
    return StoredItem(
        "picks",
        str(key),
        key.object_name,
        user_id=key.user_id,
        session_id=key.session_id,
        n_picks=number,
        scores=scores,
        troubles=troubles,
    )


def _shape(
    opened: Callable[[], LazyVolume], *, details: bool
) -> tuple[tuple[int, ...] | None, tuple[Trouble, ...]]:
    """Return the shape of a volume, and what is wrong with it: perhaps it cannot be opened."""
    if not details:
        return None, ()
    try:
        volume = opened()
    except CopickPickerError as error:
        return None, (Trouble("metadata", str(error)),)
    return volume.shape, volume.troubles
