"""What ``view`` draws over the slices of a run: a segmentation, and stored probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.localize.values import whole_numbers
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.job import Job
from copick_picker.project.store import LazyVolume
from copick_picker.project.uris import feature_query
from copick_picker.records.keys import FeatureKey, SegmentationKey, TomogramKey
from copick_picker.report.object_colours import object_colours
from copick_picker.report.overlays import (
    MOST_REGIONS,
    Region,
    StoredGrid,
    numbered_regions,
    sampled,
)
from copick_picker.report.view_volume import SmallVolume, small_volume
from copick_picker.settings.segment import SPACING_SILENT
from copick_picker.settings.view import ViewSettings
from copick_picker.workflows.inputs.object_labels import is_one_object, stated_labels

_SAME_SIZE = 0.02
"""Sizes that differ by more, as a share of the tomogram's, are remarked on."""


def with_overlays(
    job: Job[ViewSettings],
    run_name: str,
    tomogram: TomogramKey,
    shape_zyx: tuple[int, ...],
    small: SmallVolume,
) -> tuple[SmallVolume, list[Region]]:
    """Return a binned tomogram with what is drawn over it, and the regions of the segmentation.

    A segmentation of another voxel spacing is sampled at the nearest voxels.

    Parameters
    ----------
    job : Job
        Its settings say which segmentation and probabilities, if any.
    run_name : str
        The run.
    tomogram : TomogramKey
        The tomogram.
    shape_zyx : tuple of int
        Its shape as stored.
    small : SmallVolume
        The same, binned.

    Raises
    ------
    CopickPickerError
        If the run lacks what is asked for, or it cannot be read.
    """
    settings = job.settings
    regions: list[Region] = []
    if settings.heat_map is not None:
        key = _segmentation(job, run_name, settings.heat_map, tomogram)
        heat = _heat(job, run_name, key, (tomogram, shape_zyx), small)
        small = replace(small, heat=heat)
    if settings.segmentation is not None:
        key = _segmentation(job, run_name, settings.segmentation, tomogram)
        numbers, regions = _regions(job, run_name, key, (tomogram, shape_zyx), small)
        small = replace(small, labels=numbers)
    return small, regions


def _segmentation(
    job: Job[ViewSettings], run_name: str, uri: str, tomogram: TomogramKey
) -> SegmentationKey:
    """Return the one segmentation that a URI means; of several, that of the tomogram's spacing."""
    keys, spacing = job.store.segmentations(run_name), tomogram.voxel_spacing
    near = [key for key in keys if abs(key.voxel_spacing - spacing) <= SPACING_SILENT * spacing]
    query = job.segmentations(uri).query
    return query.match_one(near if query.matching(near) else keys, run_name=run_name)


def _regions(
    job: Job[ViewSettings],
    run_name: str,
    key: SegmentationKey,
    tomogram: tuple[TomogramKey, tuple[int, ...]],
    small: SmallVolume,
) -> tuple[npt.NDArray[np.uint8], list[Region]]:
    store = job.store
    volume = store.open_segmentation(run_name, key)
    _check_size(job, run_name, str(key), (volume.shape, key.voxel_spacing), tomogram)

    def read(z_start: int, z_stop: int) -> npt.NDArray[Any]:
        try:
            return whole_numbers(volume.read(z_start, z_stop))
        except DataError as error:
            msg = f"run {run_name}: {key}: {error}"
            raise DataError(msg) from error

    dtype = volume.dtype if volume.dtype.kind in "iu" else np.dtype(np.int32)
    grid = StoredGrid(read, volume.shape, key.voxel_spacing, volume.chunk_planes, dtype)
    labels = sampled(grid, small)
    names = _names(job, run_name, key)
    if len(names) == 1 and is_one_object(key, store.segmentation_labels(run_name, key)):
        labels = np.where(labels > 0, next(iter(names)), 0)
    if job.settings.objects:
        names = {label: name for label, name in names.items() if name in job.settings.objects}
        labels = np.where(np.isin(labels, list(names)), labels, 0)
    if len(names) > MOST_REGIONS:
        msg = (
            f"run {run_name}: {key} holds {len(names)} objects; a picture can distinguish "
            f"{MOST_REGIONS}: choose with --objects"
        )
        raise SettingsError(msg)
    colours = object_colours(store.objects(), names.values())
    return numbered_regions(labels, names, colours)


def _names(job: Job[ViewSettings], run_name: str, key: SegmentationKey) -> dict[int, str]:
    """Return label -> object, as the segmentation states it, else as the project has it."""
    stated = stated_labels(job.store, run_name, key, warn=job.reporter.warn)
    if stated is None:
        stated = {name: spec.label for name, spec in job.specs.items()}
    return {label: name for name, label in stated.items()}


def _heat(
    job: Job[ViewSettings],
    run_name: str,
    key: SegmentationKey,
    tomogram: tuple[TomogramKey, tuple[int, ...]],
    small: SmallVolume,
) -> npt.NDArray[np.float32]:
    """Return the highest probability of any object, on the grid of a binned tomogram.

    Raises
    ------
    SettingsError
        If neither probabilities nor scores are stored beside the segmentation, or none of the
        objects wanted.
    """
    shown, shape_zyx = tomogram
    feature, stated = _stored_heat(job, run_name, key)
    shares = job.store.open_feature(run_name, feature)
    channels = _channels(job, run_name, stated, shares)

    def read(z_start: int, z_stop: int) -> npt.NDArray[np.float32]:
        highest = shares.read(z_start, z_stop)[channels].max(axis=0)
        return np.asarray(highest, dtype=np.float32)

    spacing = feature.voxel_spacing
    if shares.shape[1:] == shape_zyx and spacing == shown.voxel_spacing:
        return small_volume(read, shape_zyx, spacing, job.settings.pixels).values
    _check_size(job, run_name, str(feature), (shares.shape[1:], spacing), tomogram)
    grid = StoredGrid(read, shares.shape[1:], spacing, shares.chunk_planes, np.dtype(np.float32))
    return sampled(grid, small)


def _stored_heat(
    job: Job[ViewSettings], run_name: str, key: SegmentationKey
) -> tuple[FeatureKey, Mapping[str, Any]]:
    """Return the probabilities beside a segmentation, else its scores, and what is said of them."""
    record = job.store.segmentation_provenance(run_name, key) or {}
    stored = job.store.features(run_name)
    for name in ("probabilities", "scores"):
        stated = record.get(name)
        found = feature_query(stated["uri"]).matching(stored) if stated else []
        if stated is not None and found:
            return found[0], stated
    msg = (
        f"run {run_name}: neither probabilities nor scores are stored with {key}; run "
        "segment or detect with --probabilities"
    )
    raise SettingsError(msg)


def _channels(
    job: Job[ViewSettings], run_name: str, stated: Mapping[str, Any], shares: LazyVolume
) -> list[int]:
    """Return the channels of the objects that are shown; the first of several is background.

    Scores are one volume for all objects.
    """
    names = stated.get("channels")
    wanted = job.settings.objects
    if shares.shape[0] == 1:
        return [0]
    if not wanted or not isinstance(names, Sequence):
        return list(range(1, shares.shape[0]))
    found = [at for at, name in enumerate(names) if at and name in wanted]
    if not found:
        msg = (
            f"run {run_name}: the probabilities {stated['uri']} hold {', '.join(names[1:])}; "
            f"none of --objects {', '.join(wanted)}"
        )
        raise SettingsError(msg)
    return found


def _check_size(
    job: Job[ViewSettings],
    run_name: str,
    name: str,
    stored: tuple[tuple[int, ...], float],
    tomogram: tuple[TomogramKey, tuple[int, ...]],
) -> None:
    """Warn where what is drawn over the tomogram has another extent: it may belong to another."""
    (shape_zyx, spacing), (shown, size_zyx) = stored, tomogram
    ours = [size * shown.voxel_spacing for size in size_zyx]
    theirs = [size * spacing for size in shape_zyx]
    slack = max(spacing, shown.voxel_spacing)
    if any(
        abs(mine - other) > max(slack, _SAME_SIZE * mine)
        for mine, other in zip(ours, theirs, strict=True)
    ):
        job.reporter.warn(
            f"run {run_name}: {name} measures {_lengths(theirs)} Angstrom (z, y, x), {shown} "
            f"{_lengths(ours)}; both start at the origin"
        )


def _lengths(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:.0f}" for size in sizes)
