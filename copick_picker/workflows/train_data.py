"""What a model is trained on: the annotated runs of a project, its objects, and who validates."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import box_angstrom
from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, matching, the_one
from copick_picker.records import ObjectSpec, PickSet, PicksKey, SegmentationKey, TomogramKey
from copick_picker.settings.segment import (
    CONTRAST_LEAST_SKEWNESS,
    CONTRAST_SMOOTHING_VOXELS,
    SPACING_SILENT,
)
from copick_picker.settings.train import TrainSettings
from copick_picker.workflows.preflight import check_voxels, in_layers
from copick_picker.workflows.runs import (
    Reporter,
    check_labels_differ,
    check_object_names,
    named_runs,
    nothing_to_read,
)

logger = logging.getLogger(__name__)


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
    mean, standard_deviation : float
        Of all its voxels.
    looks : str
        ``dark``, ``bright`` or ``unclear``: how protein looks.
    picks : mapping of str to PickSet
        Reference picks by object; an empty set means that there is none, no entry that nobody
        looked.
    picks_keys : tuple of PicksKey
        Where they come from.
    mask : SegmentationKey or None
        Segmentation that targets are cut from.
    labels : mapping of str to int
        Object name -> value in that segmentation.
    """

    name: str
    tomogram: TomogramKey
    shape_zyx: tuple[int, int, int]
    mean: float
    standard_deviation: float
    looks: str
    picks: Mapping[str, PickSet]
    picks_keys: tuple[PicksKey, ...]
    mask: SegmentationKey | None = None
    labels: Mapping[str, int] | None = None

    def record(self) -> dict[str, Any]:
        """Return what tells this training data from other data."""
        return {
            "tomogram": str(self.tomogram),
            "shape_zyx": list(self.shape_zyx),
            "mean": f"{self.mean:.6g}",
            "standard_deviation": f"{self.standard_deviation:.6g}",
            "picks": {
                name: {"count": len(picks), "sha256": _points_digest(picks)}
                for name, picks in sorted(self.picks.items())
            },
            **({} if self.mask is None else {"mask": str(self.mask)}),
        }


@dataclass(frozen=True, eq=False)
class TrainingData:
    """All that a project gives to a training.

    Attributes
    ----------
    objects : tuple of ObjectSpec
        In the order of the channels, which start from 1; each has a radius.
    runs : tuple of AnnotatedRun
        In the project's order.
    voxel_spacing : float
        Of all tomograms, in Angstrom.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the tomograms.
    """

    objects: tuple[ObjectSpec, ...]
    runs: tuple[AnnotatedRun, ...]
    voxel_spacing: float
    contrast: str

    @property
    def channels(self) -> dict[str, int]:
        """Object name -> channel."""
        return {spec.name: channel for channel, spec in enumerate(self.objects, start=1)}

    def counts(self, run_names: Sequence[str]) -> dict[str, int]:
        """Return how many picks of each object some runs have.

        Parameters
        ----------
        run_names : sequence of str
            The runs.
        """
        chosen = [run for run in self.runs if run.name in run_names]
        return {
            spec.name: sum(len(run.picks.get(spec.name, ())) for run in chosen)
            for spec in self.objects
        }


def training_data(
    settings: TrainSettings, store: ProjectStore, run_names: Sequence[str], *, reporter: Reporter
) -> TrainingData:
    """Return the annotated runs of a project; every tomogram is read once.

    Parameters
    ----------
    settings : TrainSettings
        Which tomograms and picks.
    store : ProjectStore
        The project.
    run_names : sequence of str
        Runs to look at; those without a tomogram or without reference picks are left out.
    reporter : Reporter
        Where is said which ones.

    Raises
    ------
    CopickPickerError
        If there is nothing to train on, an object has no picks or no radius, labels clash, or a
        tomogram cannot be used.
    """
    specs = {spec.name: spec for spec in store.objects()}
    check_uri(settings.input, "tomogram")
    check_uri(settings.picks, "picks")
    for option in ("objects", "radius", "weight"):
        check_object_names(getattr(settings, option), specs, "--" + option)
    runs = [
        run
        for name in run_names
        if (run := _annotated(settings, store, name, specs, reporter)) is not None
    ]
    if not runs:
        listing = store.picks if any(store.tomograms(name) for name in run_names) else None
        if listing is None:
            raise nothing_to_read(store.tomograms, run_names, settings.input, "tomogram")
        raise nothing_to_read(listing, run_names, settings.picks, "reference pick set")
    objects = _objects(settings, specs, runs)
    _say_what_is_not_annotated(objects, runs, reporter)
    if settings.masks is not None:
        runs = [_with_mask(settings.masks, store, run, objects) for run in runs]
    return TrainingData(
        objects=objects,
        runs=tuple(runs),
        voxel_spacing=_spacing(runs),
        contrast=_contrast(settings, runs, reporter),
    )


def _annotated(
    settings: TrainSettings,
    store: ProjectStore,
    run_name: str,
    specs: Mapping[str, ObjectSpec],
    reporter: Reporter,
) -> AnnotatedRun | None:
    keys = store.tomograms(run_name)
    if not matching(keys, settings.input, "tomogram") and not named_runs(settings.run_names):
        reporter.note(f"run {run_name}: no tomogram '{settings.input}'; left out")
        return None
    key = the_one(keys, settings.input, "tomogram", run_name=run_name)
    picks_keys = _picks_keys(settings, store, run_name, specs)
    if not picks_keys:
        reporter.note(f"run {run_name}: no reference picks '{settings.picks}'; left out")
        return None
    volume = store.open_tomogram(run_name, key)
    facts = inspect_volume(in_layers(volume), smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
    check_voxels(facts, run_name=run_name, key=key)
    if facts.statistics is None:
        msg = f"run {run_name}: {key} has no mean"
        raise DataError(msg)
    z, y, x = volume.shape
    box = box_angstrom((z, y, x), key.voxel_spacing)
    picks = {
        entry.object_name: _inside(
            store.read_picks(run_name, entry), box, f"run {run_name}: {entry}", reporter
        )
        for entry in picks_keys
    }
    return AnnotatedRun(
        run_name,
        key,
        (z, y, x),
        facts.statistics.mean,
        facts.statistics.standard_deviation,
        facts.looks(CONTRAST_LEAST_SKEWNESS),
        picks,
        tuple(picks_keys),
    )


def _picks_keys(
    settings: TrainSettings, store: ProjectStore, run_name: str, specs: Mapping[str, ObjectSpec]
) -> list[PicksKey]:
    found = matching(store.picks(run_name), settings.picks, "picks")
    if settings.objects:
        found = [key for key in found if key.object_name in settings.objects]
    else:
        found = [key for key in found if key.object_name in specs]
        found = [key for key in found if specs[key.object_name].is_particle]
    names = [key.object_name for key in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        several = [key for key in found if key.object_name == twice[0]]
        msg = (
            f"run {run_name}: '{settings.picks}' means {len(several)} sets of {twice[0]}: "
            f"{choices_text(several)}; name one"
        )
        raise SettingsError(msg)
    return found


def _inside(
    picks: PickSet, box_xyz: npt.NDArray[np.float64], where: str, reporter: Reporter
) -> PickSet:
    """Return the picks that lie in the tomogram."""
    points = picks.points_xyz
    inside = np.isfinite(points) & (points >= 0) & (points <= box_xyz)
    keep = np.asarray(inside.all(axis=1), dtype=np.bool_)
    if len(points) and not keep.any():
        msg = (
            f"{where}: all {len(points)} picks lie outside of the tomogram, which ends at "
            f"x y z = {box_xyz[0]:g} {box_xyz[1]:g} {box_xyz[2]:g} Angstrom"
        )
        raise DataError(msg)
    if not keep.all():
        reporter.warn(f"{where}: {int((~keep).sum())} picks outside of the tomogram are left out")
    return picks.chosen(keep)


def _objects(
    settings: TrainSettings, specs: Mapping[str, ObjectSpec], runs: Sequence[AnnotatedRun]
) -> tuple[ObjectSpec, ...]:
    listed = {name for run in runs for name in run.picks}
    wanted = settings.objects or listed
    chosen = [spec for name, spec in specs.items() if name in wanted]
    objects = []
    for spec in chosen:
        if not any(len(run.picks.get(spec.name, ())) for run in runs):
            msg = (
                f"object '{spec.name}' has no picks '{settings.picks}' in any of the {len(runs)} "
                "annotated runs: leave it out with --objects, or name other picks"
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


def _say_what_is_not_annotated(
    objects: Sequence[ObjectSpec], runs: Sequence[AnnotatedRun], reporter: Reporter
) -> None:
    for spec in objects:
        without = [run.name for run in runs if spec.name not in run.picks]
        if without:
            reporter.warn(
                f"{spec.name}: no reference set in {choices_text(without[:5])}"
                f"{', ...' if len(without) > 5 else ''}: taken to be absent there in training, and "
                "not scored there"
            )


def _with_mask(
    uri: str, store: ProjectStore, run: AnnotatedRun, objects: Sequence[ObjectSpec]
) -> AnnotatedRun:
    keys = [
        key
        for key in store.segmentations(run.name)
        if abs(key.voxel_spacing - run.tomogram.voxel_spacing)
        <= SPACING_SILENT * run.tomogram.voxel_spacing
    ]
    key = the_one(keys, uri, "segmentation", run_name=run.name)
    shape = store.open_segmentation(run.name, key).shape
    if shape != run.shape_zyx:
        msg = f"run {run.name}: {key} has shape {shape}, the tomogram {run.shape_zyx}"
        raise DataError(msg)
    labels = store.segmentation_labels(run.name, key)
    if labels is None:
        labels = {spec.name: spec.label for spec in objects} if key.is_multilabel else {key.name: 1}
    missing = [spec.name for spec in objects if spec.name not in labels]
    if missing:
        msg = (
            f"run {run.name}: {key} holds no {choices_text(missing)}; "
            f"it has: {choices_text(labels)}"
        )
        raise UnknownNameError(msg)
    return replace(run, mask=key, labels=labels)


def _spacing(runs: Sequence[AnnotatedRun]) -> float:
    first = runs[0]
    for run in runs[1:]:
        got, wanted = run.tomogram.voxel_spacing, first.tomogram.voxel_spacing
        if abs(got - wanted) > SPACING_SILENT * wanted:
            msg = (
                f"run {run.name} has {run.tomogram} and run {first.name} {first.tomogram}: one "
                "model learns one voxel spacing; name it in -i, such as wbp@10.0"
            )
            raise SettingsError(msg)
    return first.tomogram.voxel_spacing


def _contrast(settings: TrainSettings, runs: Sequence[AnnotatedRun], reporter: Reporter) -> str:
    if settings.contrast != "auto":
        return settings.contrast
    looks = {kind: [run.name for run in runs if run.looks == kind] for kind in ("dark", "bright")}
    if looks["dark"] and looks["bright"]:
        msg = (
            f"protein looks dark in {choices_text(looks['dark'][:5])} and bright in "
            f"{choices_text(looks['bright'][:5])}: say which with --contrast, or choose runs of "
            "one contrast with -r"
        )
        raise SettingsError(msg)
    if looks["bright"]:
        return "bright"
    if not looks["dark"]:
        reporter.warn("the tomograms do not show their contrast; protein is taken to be dark")
    return "dark"


def _points_digest(picks: PickSet) -> str:
    return hashlib.sha256(np.ascontiguousarray(picks.points_xyz).tobytes()).hexdigest()[:16]
