"""What a project on this machine holds, from its folders and small metadata files alone.

copick's own listing globs each folder of a run several times and makes an object of each entry;
here each folder is read once. The names are read as copick 1.31 reads them, and a test holds both
listings together.
"""

import functools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from copick_picker.project.guards import guarded, reason
from copick_picker.project.local_places import local_path
from copick_picker.project.pick_content import PickFileError, glance_at, points_of
from copick_picker.project.provenance import ATTRIBUTE, is_unfinished
from copick_picker.project.zarr_metadata import (
    ArrayFacts,
    Level,
    MetadataError,
    array_facts,
    axes_trouble,
    finest_level,
    json_object,
    level_trouble,
    levels,
    scale_troubles,
)
from copick_picker.records.checks import Trouble
from copick_picker.records.inventory import RunInventory, StoredItem, scores_text
from copick_picker.records.keys import (
    FeatureKey,
    PicksKey,
    SegmentationKey,
    TomogramKey,
    picks_name_wanted,
)
from copick_picker.records.runs import ObjectSpec

_SPACING = "VoxelSpacing"
_FEATURES = "_features.zarr"
_SEGMENTATIONS = {
    "Segmentations": "",
    "InstanceSegmentations": "?instance=true",
    "PanopticSegmentations": "?panoptic=true",
}
_MULTILABEL = "-multilabel"
_KINDS = ("tomogram", "feature", "segmentation", "picks")
_GLANCED_AT_BYTES = 1_000_000
"""Pick files that are looked at without ``--details``."""
_OF_A_POINT = b'"location"'
"""What every point of a pick file has once."""
_HALF_WRITTEN = "half-written: writing was interrupted; make it again"


class LocalInventory:
    """A project on this machine: see ``Inventory`` for what each method promises.

    Parameters
    ----------
    location : str
        Where the project was opened from.
    objects : list of ObjectSpec
        Its objects.
    roots : list of pathlib.Path
        Folders of the project, the overlay's last: of two things with one name it counts.
    """

    def __init__(self, location: str, objects: list[ObjectSpec], roots: list[Path]) -> None:
        self.location = location
        self._objects = sorted(objects, key=lambda spec: (spec.label, spec.name))
        self._roots = roots

    @classmethod
    def opened(cls, config: Mapping[str, Any], location: str) -> "LocalInventory | None":
        """Return the project of a configuration; None where copick has to open it, or to complain.

        Parameters
        ----------
        config : mapping
            Content of copick's configuration.
        location : str
            Where it was read from, for messages.
        """
        if config.get("config_type", "filesystem") != "filesystem":
            return None
        options = (config.get("overlay_fs_args"), config.get("static_fs_args"))
        if not all(isinstance(each, dict | None) for each in options):
            return None
        places = [config.get("static_root"), config.get("overlay_root")]
        roots = [local_path(place) for place in places if place]
        found = [root for root in roots if root is not None]
        objects = _objects(config.get("pickable_objects"))
        if len(found) < len(roots) or objects is None or config.get("overlay_root") is None:
            return None
        if not any(root.is_dir() for root in found):
            return None
        return cls(location, objects, list(dict.fromkeys(found)))

    def objects(self) -> list[ObjectSpec]:
        """Return the pickable objects, by label."""
        return list(self._objects)

    def run_names(self) -> list[str]:
        """Return all run names, sorted."""
        names: set[str] = set()
        with guarded(f"cannot list the runs of {self.location}"):
            for root in self._roots:
                folder = root / "ExperimentRuns"
                names |= {entry.name for entry in _entries(folder) if entry.is_dir()}
        return sorted(name for name in names if not name.startswith("."))

    def run(self, run_name: str, *, details: bool) -> RunInventory:
        """Return what a run holds: shapes and sizes of pick files always, the rest with details."""
        found: dict[tuple[str, str], StoredItem] = {}
        troubles: list[Trouble] = []
        with guarded(f"cannot list run {run_name} of {self.location}"):
            for root in self._roots:
                listing = _Listing(str(root / "ExperimentRuns" / run_name), details, troubles)
                for item in listing.items():
                    twice = (item.kind, item.uri) in found
                    if twice and self._roots[0] is not root:
                        text = f"{item.kind} {item.uri} is also in the static part"
                        troubles.append(Trouble("static", f"{text}; this one counts"))
                    found[item.kind, item.uri] = item
        if not any(kind == "tomogram" for kind, _ in found):
            troubles.append(Trouble("tomogram", "no tomogram"))
        ordered = sorted(found.values(), key=lambda item: (_KINDS.index(item.kind), item.uri))
        return RunInventory(run_name, tuple(ordered), tuple(troubles))


@dataclass
class _Listing:
    """One folder of one run."""

    folder: str
    details: bool
    troubles: list[Trouble]

    def items(self) -> Iterator[StoredItem]:
        """Yield everything in the folder; note what is wrong with names and leftovers."""
        for entry in _entries(self.folder):
            if entry.name == "Picks":
                yield from self._picks(entry.path)
            elif entry.name in _SEGMENTATIONS:
                yield from self._segmentations(entry.path, _SEGMENTATIONS[entry.name])
            elif entry.name.startswith(_SPACING):
                spacing = _number(entry.name.removeprefix(_SPACING))
                if spacing is None:
                    self._note("folder", f"copick cannot read the name {entry.name}")
                    continue
                usual = f"{_SPACING}{spacing:.3f}"
                if entry.name != usual:
                    text = f"copick finds nothing in the folder {entry.name}: rename it {usual}"
                    self._note("folder", text)
                    continue
                yield from self._tomograms(entry.path, round(spacing, 3))

    def _note(self, check: str, text: str) -> None:
        self.troubles.append(Trouble(check, text))

    def _visible(self, folder: str, suffix: str) -> Iterator[os.DirEntry[str]]:
        for entry in _entries(folder):
            if entry.name.endswith(".tmp"):
                self._note("leftover", f"{entry.name} was left by a write that was stopped")
            elif entry.name.endswith(suffix) and not entry.name.startswith("."):
                yield entry

    def _tomograms(self, folder: str, spacing: float) -> Iterator[StoredItem]:
        stores = [entry for entry in self._visible(folder, ".zarr") if entry.is_dir()]
        types = {entry.name.removesuffix(".zarr") for entry in stores}
        types = {name for name in types if "features" not in name}
        for entry in stores:
            name = entry.name.removesuffix(".zarr")
            if name in types:
                item = StoredItem("tomogram", str(TomogramKey(name, spacing)), name)
                yield self._volume(entry.path, replace(item, voxel_spacing=spacing))
            for tomogram_type in types:
                prefix = f"{tomogram_type}_"
                if entry.name.startswith(prefix) and entry.name.endswith(_FEATURES):
                    feature = entry.name.removeprefix(prefix).removesuffix(_FEATURES)
                    uri = str(FeatureKey(tomogram_type, spacing, feature))
                    item = StoredItem("feature", uri, feature, voxel_spacing=spacing)
                    yield self._volume(entry.path, item)

    def _segmentations(self, folder: str, query: str) -> Iterator[StoredItem]:
        for entry in self._visible(folder, ".zarr"):
            parts = entry.name.removesuffix(".zarr").split("_", 3)
            spacing = _number(parts[0])
            if len(parts) != 4 or spacing is None or not all(parts) or not entry.is_dir():
                self._note("folder", f"copick does not list {entry.name}: its name is not a URI")
                continue
            _, user_id, session_id, name = parts
            multilabel = not query and name.endswith(_MULTILABEL)
            name = name.removesuffix(_MULTILABEL) if multilabel else name
            key = SegmentationKey(name, user_id, session_id, round(spacing, 3), multilabel)
            item = StoredItem(
                "segmentation", f"{key}{query}", name, user_id, session_id, round(spacing, 3)
            )
            yield self._volume(entry.path, item)

    def _picks(self, folder: str) -> Iterator[StoredItem]:
        for entry in self._visible(folder, ".json"):
            parts = entry.name.removesuffix(".json").split("_")
            if len(parts) < 3:
                wanted = picks_name_wanted(entry.name)
                self._note("folder", f"copick cannot read the name {entry.name}; {wanted}")
                continue
            user_id, session_id, name = parts[:3]
            uri = str(PicksKey(name, user_id, session_id))
            n_bytes = entry.stat().st_size
            item = StoredItem("picks", uri, name, user_id, session_id, n_bytes=n_bytes)
            yield _with_points(Path(entry.path), item, details=self.details)

    def _volume(self, path: str, item: StoredItem) -> StoredItem:
        """Return the item with its shape, and what is wrong with the store."""
        try:
            level, attributes, troubles = _finest(path)
            facts = array_facts(_array_metadata(path, level.path))
        except MetadataError as error:
            return item.with_troubles(error.trouble)
        except OSError as error:
            text = f"its metadata cannot be read: {reason(error)}"
            return item.with_troubles(Trouble("metadata", text))
        item = replace(item, shape=facts.shape).with_troubles(*troubles)
        wrong = axes_trouble(facts.shape, 4 if item.kind == "feature" else 3)
        if wrong is not None:
            item = item.with_troubles(wrong)
        if item.kind != "feature" and item.voxel_spacing is not None:
            item = item.with_troubles(*scale_troubles(level, item.voxel_spacing))
        if facts.version == 3 and _reads_zarr_2_alone():
            text = "stored as zarr v3, which the installed zarr 2 cannot read"
            item = item.with_troubles(Trouble("format", text))
        elif is_unfinished(attributes.get(ATTRIBUTE)):
            item = item.with_troubles(Trouble("unfinished", _HALF_WRITTEN))
        if not self.details:
            return item
        item = replace(item, n_bytes=_size(path))
        return item.with_troubles(*_chunk_troubles(f"{path}/{level.path}", item.kind, facts))


def _objects(entries: object) -> list[ObjectSpec] | None:
    """Return the objects of a configuration; None where an entry is not as copick wants it."""
    if not isinstance(entries, list):
        return None
    found = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            return None
        label, radius = entry.get("label", 1), entry.get("radius")
        numbers_of = entry.get("metadata") or {}
        if not isinstance(numbers_of, dict):
            return None
        is_particle = entry.get("is_particle")
        threshold = numbers_of.get("score_threshold")
        weight: Any = numbers_of.get("score_weight", numbers_of.get("weight", 1.0))
        numbers = type(label) is int and label != 0 and isinstance(radius, int | float | None)
        scores = isinstance(threshold, int | float | None) and isinstance(weight, int | float)
        if not numbers or not scores or not isinstance(is_particle, bool):
            return None
        found.append(
            ObjectSpec(entry["name"], label, radius, threshold, weight, is_particle=is_particle)
        )
    return found


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _finest(path: str) -> tuple[Level, dict[str, Any], list[Trouble]]:
    """Return the level of full resolution of a store, its attributes, and what they contradict."""
    attributes, troubles = _attributes(path)
    stated = levels(attributes)
    likely = stated[0] if stated else Level("0")
    if not _is_array(f"{path}/{likely.path}"):
        names = [entry.name for entry in _entries(path) if _is_array(entry.path)]
        likely = finest_level(
            attributes, names, lambda name: array_facts(_array_metadata(path, name)).shape
        )
    return likely, attributes, [*troubles, *level_trouble(likely)]


def _attributes(path: str) -> tuple[dict[str, Any], list[Trouble]]:
    """Return the attributes of a store, zarr 2 or 3, and what is wrong with them."""
    for name in (".zattrs", "zarr.json"):
        try:
            content = json_object(_read(f"{path}/{name}"), name)
        except FileNotFoundError:
            continue
        except MetadataError as error:
            return {}, [error.trouble]
        own = content if name == ".zattrs" else content.get("attributes", {})
        return own if isinstance(own, dict) else {}, []
    return {}, []


def _array_metadata(path: str, level: str) -> dict[str, Any]:
    """Return the metadata of an array, zarr 2 or 3."""
    try:
        return json_object(_read(f"{path}/{level}/.zarray"), f"{level}/.zarray")
    except FileNotFoundError:
        return json_object(_read(f"{path}/{level}/zarr.json"), f"{level}/zarr.json")


def _is_array(path: str) -> bool:
    if Path(path, ".zarray").is_file():
        return True
    try:
        return json_object(_read(f"{path}/zarr.json"), "").get("node_type") == "array"
    except (OSError, MetadataError):
        return False


def _chunk_troubles(path: str, kind: str, facts: ArrayFacts) -> list[Trouble]:
    stored, expected = _stored_chunks(path), facts.n_chunks
    if stored == 0:
        return [Trouble("chunks", f"no data: none of its {expected} chunks is stored")]
    if stored < expected and kind == "tomogram":
        text = f"{expected - stored} of {expected} chunks are not stored; they are read as zeros"
        return [Trouble("chunks", text)]
    return []


@functools.cache
def _reads_zarr_2_alone() -> bool:
    return int(metadata.version("zarr").split(".")[0]) < 3


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 (a Path costs as much as reading the file)
        return file.read()


def _stored_chunks(path: str) -> int:
    return sum(
        not name.startswith(".") and name != "zarr.json"
        for _, _, files in os.walk(path)
        for name in files
    )


def _size(path: str) -> int:
    return sum(
        os.stat(f"{folder}/{name}").st_size  # noqa: PTH116 (a Path costs as much as the call)
        for folder, _, files in os.walk(path)
        for name in files
    )


def _with_points(path: Path, item: StoredItem, *, details: bool) -> StoredItem:
    """Return the item with its number of picks and what is wrong with its file.

    Without details a small file is looked at for what is quickly seen, a large one is not read, and
    the scores of neither.
    """
    try:
        if details:
            points = points_of(path.read_bytes())
        else:
            if item.n_bytes is not None and item.n_bytes > _GLANCED_AT_BYTES:
                return item
            data = path.read_bytes()
            glance_at(data)
            return replace(item, n_picks=data.count(_OF_A_POINT))
    except PickFileError as error:
        return item.with_troubles(error.trouble)
    except OSError as error:
        return item.with_troubles(Trouble("picks", f"it cannot be read: {reason(error)}"))
    scores = [1.0 if point.get("score") is None else float(point["score"]) for point in points]
    low, high = (min(scores), max(scores)) if scores else (None, None)
    return replace(item, n_picks=len(points), scores=scores_text(low, high))
