"""What a run holds, by key, listed afresh each time: another process may have written.

copick concatenates static and overlay items; of two with one key the overlay's counts, which is
where we write.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from copick_picker.project.copick import portal_items
from copick_picker.project.copick.api import CopickRun
from copick_picker.project.guards import guarded
from copick_picker.project.local_places import is_local
from copick_picker.records.keys import (
    FeatureKey,
    FilamentsKey,
    PicksKey,
    SegmentationKey,
    TomogramKey,
    picks_name_wanted,
)


def spacing_of(voxel_spacing: float) -> float:
    """Return a voxel spacing as copick's paths hold it: three decimals, a Python float.

    Parameters
    ----------
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    """
    return round(float(voxel_spacing), 3)


def tomogram_items(run: CopickRun) -> dict[TomogramKey, Any]:
    """Return the tomograms of a copick run by key, sorted.

    Tomograms of the portal that copick names alike are told apart by their number: ``wbp#1234``.

    Parameters
    ----------
    run : copick run
        Where to look.
    """
    with (
        guarded(f"cannot list the tomograms of run {run.name}"),
        _malformed_named(run, "VoxelSpacing*", _is_spacing_folder),
    ):
        run.refresh_voxel_spacings()
        pairs = [
            (spacing_of(spacing.voxel_size), item)
            for spacing in run.voxel_spacings
            for item in spacing.tomograms
        ]
        numbers: dict[tuple[str, float], set[int]] = {}
        for spacing, item in pairs:
            number = portal_items.tomogram_number(item)
            if number is not None:
                numbers.setdefault((str(item.tomo_type), spacing), set()).add(number)
        found = {}
        for spacing, item in pairs:
            name, number = str(item.tomo_type), portal_items.tomogram_number(item)
            if number is not None and len(numbers[name, spacing]) > 1:
                name = f"{name}#{number}"
            alignment_id = portal_items.tomogram_alignment(item)
            found[TomogramKey(name, spacing, alignment_id)] = item
    return dict(sorted(found.items()))


def check_listed(item: Any, path_name: str, below: str = "") -> None:  # noqa: ANN401
    """Raise where a web server answers a listing with an error, which copick takes for no entries.

    Parameters
    ----------
    item : copick root or run
        What was listed.
    path_name : str
        Name of its paths, ``{side}`` standing for ``static`` and ``overlay``.
    below : str
        Folder below the path.

    Raises
    ------
    OSError
        As the server answered; to be guarded.
    """
    for side in ("static", "overlay"):
        filesystem = getattr(item, f"fs_{side}", None)
        protocol = getattr(filesystem, "protocol", ())
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        if filesystem is None or not names & {"http", "https"}:
            continue
        path = "/".join(
            part for part in (getattr(item, path_name.format(side=side)).rstrip("/"), below) if part
        )
        try:
            filesystem.ls(f"{path}/", detail=False)
        except FileNotFoundError as error:
            msg = f"HTTP 404 ({path}/)"
            raise FileNotFoundError(msg) from error


def misnamed_spacings(run: CopickRun) -> list[str]:
    """Return in words which folders of a run copick takes for voxel spacings and finds empty.

    Parameters
    ----------
    run : copick run
        Where to look, if it is on this machine.
    """
    found = []
    for side in ("overlay", "static"):
        filesystem, path = getattr(run, f"fs_{side}", None), getattr(run, f"{side}_path", "")
        if filesystem is None or not is_local(filesystem) or not Path(path).is_dir():
            continue
        for name in sorted(entry.name for entry in Path(path).glob("VoxelSpacing*")):
            usual = usual_spacing_folder(name)
            if usual not in (None, name):
                found.append(f"copick finds nothing in the folder {name}: rename it {usual}")
    return list(dict.fromkeys(found))


def usual_spacing_folder(name: str) -> str | None:
    """Return the name by which copick finds a folder of a voxel spacing; None for other names.

    Parameters
    ----------
    name : str
        Of a folder in a run.

    Examples
    --------
    >>> usual_spacing_folder("VoxelSpacing10")
    'VoxelSpacing10.000'
    """
    try:
        spacing = float(name.removeprefix("VoxelSpacing"))
    except ValueError:
        return None
    return f"VoxelSpacing{spacing:.3f}" if 0 < spacing < math.inf else None


def feature_items(run: CopickRun) -> dict[FeatureKey, Any]:
    """Return the feature volumes of a copick run by key, sorted.

    Parameters
    ----------
    run : copick run
        Where to look.
    """
    found = {}
    for tomogram, item in tomogram_items(run).items():
        with guarded(f"cannot list the features of {tomogram} of run {run.name}"):
            item.refresh_features()
            for feature in item.features:
                key = FeatureKey(
                    tomogram.tomogram_type, tomogram.voxel_spacing, str(feature.feature_type)
                )
                found[key] = feature
    return dict(sorted(found.items()))


def segmentation_items(run: CopickRun) -> dict[SegmentationKey, Any]:
    """Return the binary and multilabel segmentations of a copick run by key, sorted.

    Parameters
    ----------
    run : copick run
        Where to look.
    """
    with guarded(f"cannot list the segmentations of run {run.name}"):
        run.refresh_segmentations()
        found = {
            SegmentationKey(
                name=str(item.name),
                user_id=str(item.user_id),
                session_id=str(item.session_id),
                voxel_spacing=spacing_of(item.voxel_size),
                is_multilabel=bool(item.is_multilabel),
            ): item
            for item in run.get_segmentations()
        }
    return dict(sorted(found.items()))


def picks_items(run: CopickRun) -> dict[PicksKey, Any]:
    """Return the pick sets of a copick run by key, sorted.

    Parameters
    ----------
    run : copick run
        Where to look.
    """
    with (
        guarded(f"cannot list the picks of run {run.name}"),
        _malformed_named(run, "Picks/*.json", _is_picks_file),
    ):
        run.refresh_picks()
        found = {
            PicksKey(
                str(item.pickable_object_name),
                str(item.user_id),
                str(item.session_id),
                portal_items.picks_origin(item),
            ): item
            for item in run.picks
        }
    return dict(sorted(found.items()))


def filament_items(run: CopickRun) -> dict[FilamentsKey, Any]:
    """Return the filaments of a copick run by key, sorted.

    Parameters
    ----------
    run : copick run
        Where to look.
    """
    with guarded(f"cannot list the filaments of run {run.name}"):
        found = {
            FilamentsKey(
                str(item.pickable_object_name), str(item.user_id), str(item.session_id)
            ): item
            for item in run.query_filaments()
        }
    return dict(sorted(found.items()))


@contextmanager
def _malformed_named(
    run: CopickRun, pattern: str, is_valid: Callable[[str], bool]
) -> Iterator[None]:
    """Say which name breaks copick's listing: copick itself raises a bare IndexError."""
    try:
        yield
    except (IndexError, ValueError) as error:
        for side in ("overlay", "static"):
            filesystem = getattr(run, f"fs_{side}", None)
            paths = (
                filesystem.glob(f"{getattr(run, f'{side}_path')}/{pattern}") if filesystem else []
            )
            for path in paths:
                name = path.rstrip("/").rsplit("/", 1)[-1]
                if not is_valid(name):
                    wanted = (
                        picks_name_wanted(name) if is_valid is _is_picks_file else "or remove it"
                    )
                    msg = f"copick cannot read the name {path}: rename it; {wanted}"
                    raise ValueError(msg) from error
        raise


def _is_spacing_folder(name: str) -> bool:
    try:
        return float(name.removeprefix("VoxelSpacing")) > 0
    except ValueError:
        return False


def _is_picks_file(name: str) -> bool:
    return name.startswith(".") or name.count("_") >= 2
