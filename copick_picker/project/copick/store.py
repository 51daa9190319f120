"""A copick project behind the Protocol of ``store.py``."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from copick_picker.errors import (
    ProjectError,
    SameOutputError,
    SettingsError,
    UnknownNameError,
    choices_text,
    nearest_name,
)
from copick_picker.project import provenance
from copick_picker.project.copick import (
    filament_files,
    listing,
    pick_files,
    places,
    portal_items,
    record_files,
    volume_writing,
    volumes,
)
from copick_picker.project.copick.api import (
    CopickFeatures,
    CopickFilaments,
    CopickFilamentsFile,
    CopickPicks,
    CopickPicksFile,
    CopickRoot,
    CopickRun,
    CopickSegmentation,
    CopickTomogram,
    Volume,
    sanitize_name,
)
from copick_picker.project.copick.configuration import object_specs, open_root
from copick_picker.project.copick.croissant import overlay_path, runs_of_split
from copick_picker.project.guards import guarded
from copick_picker.project.local_places import is_local
from copick_picker.project.provenance import to_stored
from copick_picker.project.remote.objects import OPENING, RemoteReader
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
from copick_picker.records.runs import ObjectSpec, Opening

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=TomogramKey | SegmentationKey | FeatureKey | PicksKey | FilamentsKey)
Item = TypeVar("Item")


def open_project(config_path: Path | str, opening: Opening = OPENING) -> "CopickStore":
    """Return the copick project of a configuration file.

    Parameters
    ----------
    config_path : path
        copick's JSON configuration: of files, of the CryoET Data Portal, of a Croissant manifest.
    opening : Opening
        Which split of it, and how remote objects are read.

    Returns
    -------
    CopickStore
        The project.

    Raises
    ------
    ProjectError
        If the file is missing, malformed or names what cannot be opened.
    UnknownNameError
        If the project has no such split.
    """
    path = Path(config_path)
    root = open_root(path)
    names = None if opening.split is None else runs_of_split(root, opening.split, str(path))
    return CopickStore(root, str(path), reader=RemoteReader(opening), only_runs=names)


class CopickStore:
    """A copick project: see ``ProjectStore`` for what each method promises.

    Parameters
    ----------
    root : copick root
        An open project.
    location : str
        Where it was opened from, for messages.
    reader : RemoteReader, optional
        Who reads remote objects.
    only_runs : collection of str, optional
        The runs to see; all where not given.
    """

    def __init__(
        self,
        root: CopickRoot,
        location: str,
        *,
        reader: RemoteReader | None = None,
        only_runs: Collection[str] | None = None,
    ) -> None:
        self._root = root
        self._location = location
        self._reader = reader or RemoteReader(OPENING)
        self._only_runs = only_runs
        self._said_already: set[str] = set()

    @property
    def location(self) -> str:
        """Where the project was opened from."""
        return self._location

    def run_names(self) -> list[str]:
        """Return all run names, sorted, after a fresh listing."""
        with guarded(f"cannot list the runs of {self._location}"):
            self._root.refresh()
            names = sorted(str(run.name) for run in self._root.runs)
            if not names:
                listing.check_listed(self._root, "root_{side}", "ExperimentRuns")
        return [name for name in names if self._only_runs is None or name in self._only_runs]

    def objects(self) -> list[ObjectSpec]:
        """Return the pickable objects, by label."""
        return object_specs(self._root, self._location)

    def tomograms(self, run_name: str) -> list[TomogramKey]:
        """Return the tomograms of a run, sorted."""
        run = self._run(run_name)
        for text in listing.misnamed_spacings(run):
            self._warn_once(f"run {run_name}: {text}")
        found = list(listing.tomogram_items(run))
        if not found:
            with guarded(f"cannot list the tomograms of run {run_name}"):
                listing.check_listed(run, "{side}_path")
        return found

    def open_tomogram(self, run_name: str, key: TomogramKey) -> volumes.ZarrVolume:
        """Return a lazy tomogram (z, y, x); reading never creates anything."""
        item = _find(listing.tomogram_items(self._run(run_name)), key, run_name, "tomogram")
        where = _where(run_name, key)
        portal_items.check_has_files(item, where)
        volume = volumes.open_volume(
            item, where, dimensions=3, voxel_spacing=key.voxel_spacing, reader=self._reader
        )
        volume.check_chunks()
        return self._said(volume, where)

    def segmentations(self, run_name: str) -> list[SegmentationKey]:
        """Return the segmentations of a run, half-written ones included."""
        return list(listing.segmentation_items(self._run(run_name)))

    def open_segmentation(self, run_name: str, key: SegmentationKey) -> volumes.ZarrVolume:
        """Return a lazy segmentation (z, y, x)."""
        items = listing.segmentation_items(self._run(run_name))
        item = _find(items, key, run_name, "segmentation")
        where = _where(run_name, key)
        return self._said(_open_output(item, where, key.voxel_spacing, reader=self._reader), where)

    def segmentation_provenance(self, run_name: str, key: SegmentationKey) -> Provenance | None:
        """Return our record of a complete segmentation; None where absent, partial or not ours."""
        item = listing.segmentation_items(self._run(run_name)).get(_rounded(key))
        return None if item is None else volumes.finished_record(item)

    def segmentation_labels(self, run_name: str, key: SegmentationKey) -> dict[str, int] | None:
        """Return name -> label as the segmentation's maker recorded it; None where unknown."""
        record = self.segmentation_provenance(run_name, key)
        return provenance.labels_of(record) if record is not None else self._octopi_labels(key)

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
        """Write labels (uint8 or uint16) slab by slab, then the record."""
        run, key = self._run(run_name), _rounded(key)
        _check_names(name=key.name, user=key.user_id, session=key.session_id)
        if not key.is_multilabel:
            self._check_object(key.name, run_name)
        item = listing.segmentation_items(run).get(key) or _new_segmentation(run, key)
        stream = volume_writing.Stream(slabs, shape_zyx, None, key.voxel_spacing)
        claim = Claim(_where(run_name, key), provenance, overwrite, replaces)
        return volume_writing.write_claimed(item, stream, claim)

    def open_feature(self, run_name: str, key: FeatureKey) -> volumes.ZarrVolume:
        """Return a lazy feature volume (c, z, y, x)."""
        item = _find(listing.feature_items(self._run(run_name)), key, run_name, "feature volume")
        where = _where(run_name, key)
        return self._said(_open_output(item, where, None, reader=self._reader), where)

    def features(self, run_name: str) -> list[FeatureKey]:
        """Return the feature volumes of a run."""
        return list(listing.feature_items(self._run(run_name)))

    def feature_provenance(self, run_name: str, key: FeatureKey) -> Provenance | None:
        """Return our record of a complete feature volume, else None."""
        item = listing.feature_items(self._run(run_name)).get(_rounded(key))
        return None if item is None else volumes.finished_record(item)

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
        """Write a float16 feature volume slab by slab, with its true spacing, then the record."""
        run, key = self._run(run_name), _rounded(key)
        _check_names(feature=key.feature_type)
        item = listing.feature_items(run).get(key)
        if item is None:
            tomogram = TomogramKey(key.tomogram_type, key.voxel_spacing)
            parent = _find(listing.tomogram_items(run), tomogram, run_name, "tomogram")
            item = _new_feature(parent, key)
        stream = volume_writing.Stream(slabs, shape_czyx, "float16", key.voxel_spacing)
        claim = Claim(_where(run_name, key), provenance, overwrite, replaces)
        return volume_writing.write_claimed(item, stream, claim)

    def picks(self, run_name: str) -> list[PicksKey]:
        """Return the pick sets of a run, sorted."""
        return list(listing.picks_items(self._run(run_name)))

    def read_picks(self, run_name: str, key: PicksKey) -> PickSet:
        """Return a pick set: true centres (location plus transform shift) and scores."""
        item = _find(listing.picks_items(self._run(run_name)), key, run_name, "picks")
        where = _where(run_name, key)
        if getattr(item, "read_only", False) and portal_items.picks_origin(item) is not None:
            return portal_items.read_points(item, where, self._reader)
        return pick_files.read(item, where)

    def picks_provenance(self, run_name: str, key: PicksKey) -> Provenance | None:
        """Return our record of a complete pick set, else None."""
        item = listing.picks_items(self._run(run_name)).get(key)
        return None if item is None else record_files.finished_record(item)

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
        """Write a pick set, an empty one too, then the record."""
        run, where = self._run(run_name), _where(run_name, key)
        _check_names(user=key.user_id, session=key.session_id)
        self._check_object(key.object_name, run_name)
        pick_files.check_finite(picks, where)
        record = to_stored(provenance, where)
        item = listing.picks_items(run).get(key) or _new_picks(run, key)
        claim = Claim(where, provenance, overwrite, replaces)
        permit = claim.permit(lambda: pick_files.standing(item))
        try:
            permit()
            pick_files.write(item, picks, record, where, permit=permit)
        except SameOutputError:
            return False
        return True

    def filaments(self, run_name: str) -> list[FilamentsKey]:
        """Return the filaments of a run, sorted."""
        return list(listing.filament_items(self._run(run_name)))

    def read_filaments(self, run_name: str, key: FilamentsKey) -> FilamentSet:
        """Return the filaments of one object."""
        item = _find(listing.filament_items(self._run(run_name)), key, run_name, "filaments")
        return filament_files.read(item, _where(run_name, key))

    def filaments_provenance(self, run_name: str, key: FilamentsKey) -> Provenance | None:
        """Return our record of complete filaments, else None."""
        item = listing.filament_items(self._run(run_name)).get(key)
        return None if item is None else record_files.finished_record(item)

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
        """Write filaments, an empty set too, then the record."""
        run, where = self._run(run_name), _where(run_name, key)
        _check_names(user=key.user_id, session=key.session_id)
        self._check_object(key.object_name, run_name)
        record = to_stored(provenance, where)
        item = listing.filament_items(run).get(key) or _new_filaments(run, key)
        claim = Claim(where, provenance, overwrite, replaces)
        permit = claim.permit(lambda: filament_files.standing(item))
        try:
            permit()
            filament_files.write(item, filaments, record, where, permit=permit)
        except SameOutputError:
            return False
        return True

    def standing(self, run_name: str, keys: Sequence[OutputKey]) -> dict[OutputKey, Standing]:
        """Return what stands in the places of the keys; free places are left out."""
        run = self._run(run_name)
        found: dict[OutputKey, Standing | None] = {}
        for kind, items_of, new_item, look in _KINDS:
            wanted = [key for key in keys if isinstance(key, kind)]
            items = items_of(run) if wanted else {}
            for key in wanted:
                item = items.get(_rounded(key)) or new_item(run, _rounded(key))
                found[key] = None if item is None else look(item)
        return {key: there for key in keys if (there := found[key]) is not None}

    def check_writable(self) -> None:
        """Raise ProjectError with the place and the reason where outputs cannot be written."""
        filesystem, base = self._root.fs_overlay, overlay_path(self._root, self._location)
        runs = f"{base}/ExperimentRuns"
        with guarded(f"cannot write to {base}"):
            folder = runs if filesystem.exists(runs) else base
            filesystem.makedirs(folder, exist_ok=True)
            places.probe(filesystem, folder)

    def _said(self, volume: volumes.ZarrVolume, where: str) -> volumes.ZarrVolume:
        """Return the volume; what is wrong with it is said once, however often it is opened."""
        for trouble in volume.troubles:
            self._warn_once(f"{where}: {trouble.text}")
        return volume

    def _warn_once(self, text: str) -> None:
        if text not in self._said_already:
            self._said_already.add(text)
            logger.warning("%s", text)

    def _run(self, run_name: str) -> CopickRun:
        with guarded(f"cannot look up run {run_name} in {self._location}"):
            if hasattr(self._root, "dataset_ids"):
                _ = self._root.runs  # else copick asks the portal for each run, and knows less
            run = self._root.get_run(run_name) if run_name.strip("./\\") else None
        if run is None:
            names = self.run_names()
            if run_name in names:
                return self._root.get_run(run_name)
            near = nearest_name(run_name, names)
            msg = f"no run '{run_name}' in {self._location}{near}; runs: {choices_text(names)}"
            raise UnknownNameError(msg)
        return run

    def _check_object(self, name: str, run_name: str) -> None:
        names = [spec.name for spec in self.objects()]
        if name not in names:
            near = nearest_name(name, names)
            msg = (
                f"run {run_name}: no object '{name}' in {self._location}{near}; "
                f"objects: {choices_text(names)}"
            )
            raise UnknownNameError(msg)

    def _octopi_labels(self, key: SegmentationKey) -> dict[str, int] | None:
        """Return the labels of octopi's log, the overlay's first: octopi's labels are its own."""
        name = f"logs/segment-{key.user_id}_{key.session_id}_{key.name}.yaml"
        for side in ("overlay", "static"):
            filesystem = getattr(self._root, f"fs_{side}", None)
            path = f"{getattr(self._root, f'root_{side}', '')}/{name}"
            if filesystem is not None and filesystem.exists(path):
                with guarded(f"cannot read {path}"):
                    return provenance.labels_of(
                        provenance.from_yaml(filesystem.cat_file(path), path)
                    )
        return None


def _where(run_name: str, key: object) -> str:
    return f"{key} of run {run_name}"


def _rounded(key: Key) -> Key:
    if isinstance(key, PicksKey | FilamentsKey):
        return key
    return replace(key, voxel_spacing=listing.spacing_of(key.voxel_spacing))


def _find(items: dict[Key, Item], key: Key, run_name: str, kind: str) -> Item:
    rounded = _rounded(key)
    if rounded not in items:
        msg = f"run {run_name} has no {kind} {key}; it has: {choices_text(items)}"
        raise UnknownNameError(msg)
    return items[rounded]


def _open_output(
    item: Volume, where: str, voxel_spacing: float | None, *, reader: RemoteReader
) -> volumes.ZarrVolume:
    """Return a segmentation, which has a voxel spacing, or a feature volume."""
    volume = volumes.open_volume(
        item,
        where,
        dimensions=4 if voxel_spacing is None else 3,
        voxel_spacing=voxel_spacing,
        reader=reader,
    )
    if getattr(item, "read_only", False) and not is_local(item.fs):
        return volume  # the portal's or a manifest's: not ours to have left unfinished
    if provenance.is_unfinished(volumes.stored_record(item)):
        msg = f"{where} is half-written: writing was interrupted; make it again"
        raise ProjectError(msg)
    return volume


def _check_names(**names: str) -> None:
    for what, name in names.items():
        with guarded(f"the {what} '{name}' cannot be a name in copick"):
            allowed = sanitize_name(name, suppress_warnings=True)
        if name != allowed or not name.strip("."):
            allowed = allowed.strip(".") or "1"
            msg = f"the {what} '{name}' is not a valid name in copick; use '{allowed}'"
            raise SettingsError(msg)


def _new_segmentation(run: CopickRun, key: SegmentationKey) -> CopickSegmentation:
    kind, meta = run._segmentation_factory()
    fields = meta(
        voxel_size=key.voxel_spacing,
        name=key.name,
        user_id=key.user_id,
        session_id=key.session_id,
        is_multilabel=key.is_multilabel,
    )
    return kind(run=run, meta=fields)


def _new_feature(tomogram: CopickTomogram, key: FeatureKey) -> CopickFeatures:
    kind, meta = tomogram._feature_factory()
    fields = meta(tomo_type=key.tomogram_type, feature_type=key.feature_type)
    return kind(tomogram=tomogram, meta=fields)


def _new_picks(run: CopickRun, key: PicksKey) -> CopickPicks:
    fields = CopickPicksFile(
        pickable_object_name=key.object_name,
        user_id=key.user_id,
        session_id=key.session_id,
        run_name=run.name,
    )
    return run._picks_factory()(run=run, file=fields)


def _new_filaments(run: CopickRun, key: FilamentsKey) -> CopickFilaments:
    fields = CopickFilamentsFile(
        pickable_object_name=key.object_name,
        user_id=key.user_id,
        session_id=key.session_id,
        run_name=run.name,
    )
    return run._filaments_factory()(run=run, file=fields)


def _feature_place(run: CopickRun, key: FeatureKey) -> CopickFeatures | None:
    """Return where a feature volume would go; None where there is no such tomogram."""
    tomogram = TomogramKey(key.tomogram_type, key.voxel_spacing)
    parent = listing.tomogram_items(run).get(tomogram)
    return None if parent is None else _new_feature(parent, key)


_KINDS: tuple[
    tuple[
        type,
        Callable[[CopickRun], dict[Any, Any]],
        Callable[[CopickRun, Any], Any],
        Callable[[Any], Standing | None],
    ],
    ...,
] = (
    (SegmentationKey, listing.segmentation_items, _new_segmentation, volumes.standing),
    (FeatureKey, listing.feature_items, _feature_place, volumes.standing),
    (PicksKey, listing.picks_items, _new_picks, pick_files.standing),
    (FilamentsKey, listing.filament_items, _new_filaments, filament_files.standing),
)
