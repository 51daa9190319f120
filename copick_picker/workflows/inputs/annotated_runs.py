"""Annotated runs: what ``train`` learns from, and ``targets`` shows."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import box_angstrom, length_to_voxels, points_to_voxels
from copick_picker.core.localize.values import unread_text
from copick_picker.core.segment.resampling import resampled_shape
from copick_picker.core.train.sampling import TrainingRun
from copick_picker.core.train.sources import CachedLabels, PatchSource, PlaneCache, StoredVolume
from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.store import ProjectStore
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.segment import SPACING_SILENT
from copick_picker.settings.targets import AnnotationSettings
from copick_picker.workflows.inputs.object_labels import (
    check_labels_differ,
    is_one_object,
    known_values,
    stored_unread,
)
from copick_picker.workflows.inputs.pick_sets import check_one_set_each
from copick_picker.workflows.inputs.volumes import seen_spacing, volume_at


@dataclass(frozen=True, eq=False)
class AnnotatedRun:
    """A run with a tomogram and reference picks.

    Attributes
    ----------
    name : str
        The run.
    tomogram : TomogramKey
        Its tomogram.
    shape_zyx : tuple of int
        Shape of the tomogram.
    picks : mapping of str to PickSet
        Reference picks by object; an empty set means that there are none, no entry that nobody
        annotated the object.
    picks_keys : tuple of PicksKey
        Where they come from.
    mean, standard_deviation : float
        Of all its voxels; NaN if they were not read.
    looks : str
        ``dark``, ``bright``, ``unclear`` or ``not looked at``: how protein looks.
    mask : SegmentationKey or None
        Segmentation that targets are taken from.
    labels : mapping of str to int
        Object name -> value in that segmentation.
    """

    name: str
    tomogram: TomogramKey
    shape_zyx: tuple[int, int, int]
    picks: Mapping[str, PickSet]
    picks_keys: tuple[PicksKey, ...]
    mean: float = float("nan")
    standard_deviation: float = float("nan")
    looks: str = "not looked at"
    mask: SegmentationKey | None = None
    labels: Mapping[str, int] | None = None

    def volume(self, store: ProjectStore, spacing: float | None = None) -> StoredVolume:
        """Return its tomogram, at another voxel spacing if a model sees that."""
        stored = store.open_tomogram(self.name, self.tomogram)
        return volume_at(stored, self.tomogram.voxel_spacing, spacing)

    def shape_at(self, wanted: float | None = None) -> tuple[int, int, int]:
        """Return the shape (z, y, x) of :meth:`volume`."""
        own = self.tomogram.voxel_spacing
        return resampled_shape(self.shape_zyx, factor=self.spacing(wanted) / own)

    def spacing(self, wanted: float | None = None) -> float:
        """Return the voxel spacing of :meth:`volume` in Angstrom."""
        return seen_spacing(self.tomogram.voxel_spacing, wanted)

    def annotation(self) -> dict[str, Any]:
        """Return what identifies these picks and masks."""
        return {
            "tomogram": str(self.tomogram),
            "shape_zyx": list(self.shape_zyx),
            "picks": {
                name: {"count": len(picks), "sha256": _points_digest(picks)}
                for name, picks in sorted(self.picks.items())
            },
            **({} if self.mask is None else {"mask": str(self.mask)}),
        }

    def record(self) -> dict[str, Any]:
        """Return what identifies this training data."""
        return self.annotation() | {
            "mean": f"{self.mean:.6g}",
            "standard_deviation": f"{self.standard_deviation:.6g}",
        }


AnnotationJob = Job[AnnotationSettings]


def check_annotation(job: AnnotationJob) -> None:
    """Raise if a URI is malformed or matches nothing, or an option names an unknown object.

    Parameters
    ----------
    job : Job
        Its settings say which tomograms and picks.
    """
    tomograms = job.tomograms(job.settings.input)
    picks = job.picks(job.settings.picks, "reference pick set")
    if job.settings.masks is not None:
        job.segmentations(job.settings.masks)
    job.check_objects("objects", "radius")
    tomograms.check_any(job.run_names)
    picks.check_any(job.run_names)
    job.warn_of_radii(job.settings.radius)


def annotated_run(job: AnnotationJob, run_name: str) -> AnnotatedRun | str:
    """Return a run with its reference picks, or what it lacks; its voxels are not read.

    Parameters
    ----------
    job : Job
        Its settings say which tomogram and picks.
    run_name : str
        The run.

    Raises
    ------
    CopickPickerError
        If the URIs match several tomograms or sets, the user named the run and it has no such
        tomogram, or all picks of a set lie outside it.
    """
    key = job.find(job.tomograms(job.settings.input), run_name)
    if isinstance(key, RunOutcome):
        return key.message
    picks_keys = _picks_keys(job, run_name)
    if not picks_keys:
        return f"no reference picks '{job.settings.picks}'"
    z, y, x = job.store.open_tomogram(run_name, key).shape
    box = box_angstrom((z, y, x), key.voxel_spacing)
    picks = {
        entry.object_name: _inside(
            job.store.read_picks(run_name, entry), box, f"run {run_name}: {entry}", job.reporter
        )
        for entry in picks_keys
    }
    return AnnotatedRun(run_name, key, (z, y, x), picks, tuple(picks_keys))


def nothing_annotated(job: AnnotationJob) -> UnknownNameError:
    """Return the error if no run has both a tomogram and reference picks.

    Parameters
    ----------
    job : Job
        Its settings say which tomogram and picks.
    """
    settings, kind = job.settings, "reference pick set"
    if settings.objects:
        kind += f" of {choices_text(settings.objects)}"
    tomograms = job.tomograms(settings.input)
    if any(tomograms.keys(name) for name in job.run_names):
        return job.picks(settings.picks, kind).nothing_found(job.run_names)
    return tomograms.nothing_found(job.run_names)


def chosen_objects(job: AnnotationJob, runs: Sequence[AnnotatedRun]) -> tuple[ObjectSpec, ...]:
    """Return the objects to paint, each with a radius, in the order of their labels.

    Parameters
    ----------
    job : Job
        Its settings give objects and radii; without ``objects``, those with picks in any run.
    runs : sequence of AnnotatedRun
        The runs.

    Raises
    ------
    CopickPickerError
        If an object has no picks in any run or no radius, or two share a label.
    """
    settings = job.settings
    wanted = settings.objects or {name for run in runs for name in run.picks}
    objects = []
    for spec in (spec for name, spec in job.specs.items() if name in wanted):
        if not any(len(run.picks.get(spec.name, ())) for run in runs):
            msg = (
                f"object '{spec.name}' has no picks '{settings.picks}' in any of the "
                f"{len(runs)} annotated runs: exclude it with --objects, or use other picks"
            )
            raise DataError(msg)
        radius = settings.radius.get(spec.name, spec.radius_angstrom)
        if radius is None or not radius > 0:
            msg = (
                f"object '{spec.name}' has no radius in the project: give "
                f"--radius {spec.name}=ANGSTROM"
            )
            raise SettingsError(msg)
        objects.append(replace(spec, radius_angstrom=radius))
    check_labels_differ({spec.name: spec.label for spec in objects})
    return tuple(objects)


def with_mask(job: AnnotationJob, run: AnnotatedRun, objects: Sequence[ObjectSpec]) -> AnnotatedRun:
    """Return a run with the segmentation that its targets are taken from, if requested.

    Parameters
    ----------
    job : Job
        Its settings say which segmentation.
    run : AnnotatedRun
        The run.
    objects : sequence of ObjectSpec
        Objects that the segmentation must contain.

    Raises
    ------
    CopickPickerError
        If there is no such segmentation, its shape differs, or it lacks an object.
    """
    if job.settings.masks is None:
        return run
    spacing, store = run.tomogram.voxel_spacing, job.store
    near = [
        key
        for key in store.segmentations(run.name)
        if abs(key.voxel_spacing - spacing) <= SPACING_SILENT * spacing
    ]
    key = job.segmentations(job.settings.masks).query.match_one(near, run_name=run.name)
    stored = store.open_segmentation(run.name, key)
    shape = stored.shape
    if shape != run.shape_zyx:
        msg = f"run {run.name}: {key} has shape {shape}, the tomogram {run.shape_zyx}"
        raise DataError(msg)
    recorded = labels = store.segmentation_labels(run.name, key)
    if labels is None:
        labels = {spec.name: spec.label for spec in objects} if key.is_multilabel else {key.name: 1}
    missing = [spec.name for spec in objects if spec.name not in labels]
    if missing:
        msg = (
            f"run {run.name}: {key} contains no {choices_text(missing)}; it has: "
            f"{choices_text(labels)}"
        )
        raise UnknownNameError(msg)
    if key.is_multilabel:
        unread = stored_unread(stored, known_values(recorded, job.specs))
        if unread:
            text = unread_text(unread, "no object of the project: treated as background")
            job.reporter.warn(f"run {run.name}: {key}: {text}")
    return replace(run, mask=key, labels=labels)


def sampled_run(
    store: ProjectStore,
    run: AnnotatedRun,
    objects: Sequence[ObjectSpec],
    *,
    source: PatchSource,
    cache: PlaneCache,
    spacing: float | None = None,
) -> TrainingRun:
    """Return a run as input of the sampler: particles in voxels, by channel.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run : AnnotatedRun
        The run.
    objects : sequence of ObjectSpec
        In the order of the channels, which start from 1.
    source : PatchSource
        Its tomogram.
    cache : PlaneCache
        Cache for reading the segmentation.
    spacing : float or None
        Voxel spacing that the model sees.
    """
    spacing = run.spacing(spacing)
    channels = {spec.name: channel for channel, spec in enumerate(objects, start=1)}
    labels = None
    if run.mask is not None and run.labels is not None:
        values = {run.labels[name]: channel for name, channel in channels.items()}
        labels = CachedLabels(
            f"{run.name} {run.mask}",
            store.open_segmentation(run.name, run.mask),
            cache,
            channel_of_value=values,
            any_value=is_one_object(run.mask, run.labels),
        )
    return TrainingRun(
        run.name,
        source,
        {
            channel: points_to_voxels(run.picks[name].points_xyz, spacing)
            for name, channel in channels.items()
            if name in run.picks
        },
        {
            channel: length_to_voxels(spec.radius_angstrom or 0.0, spacing)
            for channel, spec in enumerate(objects, start=1)
        },
        labels,
    )


def _picks_keys(job: AnnotationJob, run_name: str) -> list[PicksKey]:
    settings = job.settings
    found = job.picks(settings.picks).keys(run_name)
    if settings.objects:
        found = [key for key in found if key.object_name in settings.objects]
    else:
        specs = job.specs
        found = [key for key in found if key.object_name in specs]
        found = [key for key in found if specs[key.object_name].is_particle]
    check_one_set_each(found, f"run {run_name}: '{settings.picks}' matches", advice="name one")
    return found


def _inside(
    picks: PickSet, box_xyz: npt.NDArray[np.float64], where: str, reporter: Reporter
) -> PickSet:
    """Return the picks inside the tomogram."""
    points = picks.points_xyz
    inside = np.isfinite(points) & (points >= 0) & (points <= box_xyz)
    keep = np.asarray(inside.all(axis=1), dtype=np.bool_)
    if len(points) and not keep.any():
        msg = (
            f"{where}: all {len(points)} picks lie outside the tomogram, which ends at x y z "
            f"= {box_xyz[0]:g} {box_xyz[1]:g} {box_xyz[2]:g} Angstrom"
        )
        raise DataError(msg)
    if not keep.all():
        reporter.warn(f"{where}: {int((~keep).sum())} picks outside the tomogram are left out")
    return picks.chosen(keep)


def _points_digest(picks: PickSet) -> str:
    return hashlib.sha256(np.ascontiguousarray(picks.points_xyz).tobytes()).hexdigest()[:16]
