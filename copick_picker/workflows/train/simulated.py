"""Simulated tomograms as a source of patches: new specimens, made while the network learns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.geometry import length_to_voxels, points_to_voxels
from copick_picker.core.labels import LabelVolume
from copick_picker.core.segment.volume import VolumeStatistics, normalised
from copick_picker.core.simulate.specimen import build_specimen
from copick_picker.core.simulate.tomograms import tomograms_of
from copick_picker.core.simulate.truth import Specimen
from copick_picker.core.train.curriculum import tomogram_set
from copick_picker.core.train.sampling import TrainingRun
from copick_picker.core.train.sources import ArraySource
from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text
from copick_picker.records.runs import ObjectSpec
from copick_picker.records.simulation import SpecimenSpec
from copick_picker.settings.curriculum import (
    SIMULATED_AT_ONCE,
    SIMULATED_BATCHES,
    SIMULATED_LANES,
    SIMULATED_LEAST_SIDE,
)
from copick_picker.settings.simulate_scene import SECTIONS, SceneSettings, load_scene
from copick_picker.settings.simulate_specimen import molecule_sources, specimen_spec
from copick_picker.workflows.simulate.layouts import read_layouts
from copick_picker.workflows.simulate.molecules import (
    LoadedMolecule,
    load_molecules,
    membrane_centre_angstrom,
)

_TRIES = 8
_LABELS = "simulated"


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a training wants of simulated tomograms.

    Attributes
    ----------
    objects : tuple of ObjectSpec
        In the order of the channels, which start from 1.
    voxel_spacing : float
        In Angstrom.
    patch : tuple of int
        Shape (z, y, x) of a patch.
    tomogram_type : str
        Type of the project's tomograms, taken where the scene makes it too.
    with_labels : bool
        Whether targets are cut from a segmentation.
    seed : int
        Seed of the training.
    """

    objects: tuple[ObjectSpec, ...]
    voxel_spacing: float
    patch: tuple[int, int, int]
    tomogram_type: str
    with_labels: bool
    seed: int


@dataclass(eq=False)
class SceneSource:
    """Tomograms of a scene, each made when a batch needs it.

    Attributes
    ----------
    title : str
        The source in words.
    number : int
        Number of the source in the curriculum, part of the seed.
    scene : SceneSettings
        The scene, at the training's voxel spacing.
    folder : pathlib.Path
        Folder of the scene's file.
    wanted : Wanted
        What the training wants of it.
    """

    title: str
    number: int
    scene: SceneSettings
    folder: Path
    wanted: Wanted
    _made: dict[int, tuple[int, list[TrainingRun]]] = field(default_factory=dict)
    _parts: tuple[SpecimenSpec, Mapping[str, LoadedMolecule]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the source without what it has made."""
        return self.__dict__ | {"_made": {}, "_parts": None}

    def record(self) -> dict[str, Any]:
        """Return what identifies the source."""
        _, molecules = self._loaded()
        return {
            "scene": self.scene.model_dump(mode="json", exclude={"runs"}),
            "molecules": {name: loaded.sha256 for name, loaded in molecules.items()},
        }

    def runs(self, number: int, *, inverted: bool) -> list[TrainingRun]:
        """Return the tomograms that a batch is cut from.

        Parameters
        ----------
        number : int
            Number of the batch.
        inverted : bool
            Whether protein is bright for the network.
        """
        lane, group = tomogram_set(number, lanes=SIMULATED_LANES, batches=SIMULATED_BATCHES)
        known = self._made.get(lane)
        if known is None or known[0] != group:
            made = [self._tomogram(lane, group, at, inverted) for at in range(SIMULATED_AT_ONCE)]
            self._made[lane] = known = (group, made)
        return known[1]

    def _tomogram(self, lane: int, group: int, at: int, inverted: bool) -> TrainingRun:  # noqa: FBT001
        spec, molecules = self._loaded()
        entropy = (self.wanted.seed, self.scene.seed, self.number, lane, group, at)
        spacing = self.scene.voxel_spacing
        for attempt in range(_TRIES):
            seeds = np.random.SeedSequence([*entropy, attempt]).spawn(2)
            of_specimen, of_image = (np.random.default_rng(seed) for seed in seeds)
            try:
                specimen = build_specimen(
                    spec,
                    {name: loaded.molecule for name, loaded in molecules.items()},
                    self.scene.shape,
                    spacing,
                    of_specimen,
                )
            except DataError as error:  # no room this time
                reason = error
                continue
            break
        else:
            msg = f"{self.title}: no specimen after {_TRIES} attempts: {reason}"
            raise DataError(msg)
        images = tomograms_of(specimen, self.scene.imaging.plan(), of_image, n_threads=1).by_type
        kind = self.wanted.tomogram_type
        volume = images.get(kind, images[self.scene.imaging.tomogram_type])
        statistics = VolumeStatistics(float(volume.mean(dtype=float)), float(volume.std()))
        objects = dict(enumerate(self.wanted.objects, start=1))
        return TrainingRun(
            f"{self.title}, tomogram {lane}-{group}-{at}",
            ArraySource(normalised(volume, statistics, inverted=inverted)),
            {
                channel: points_to_voxels(specimen.placed[spec.name].points_xyz, spacing)
                for channel, spec in objects.items()
            },
            {
                channel: length_to_voxels(spec.radius_angstrom or 0.0, spacing)
                for channel, spec in objects.items()
            },
            self._labels(specimen) if self.wanted.with_labels else None,
        )

    def _labels(self, specimen: Specimen) -> "_ArrayLabels":
        channels = {spec.name: channel for channel, spec in enumerate(self.wanted.objects, start=1)}
        return _ArrayLabels(specimen.with_labels(channels))

    def _loaded(self) -> tuple[SpecimenSpec, Mapping[str, LoadedMolecule]]:
        if self._parts is None:
            spec = specimen_spec(
                self.scene,
                layouts=read_layouts(self.scene.layout, self.folder),
                membrane_centre=membrane_centre_angstrom,
            )
            sources = molecule_sources(self.scene)
            spacing = self.scene.voxel_spacing
            self._parts = spec, load_molecules(sources, self.folder, spacing)
        return self._parts


class _ArrayLabels:
    """A segmentation in channels, in memory."""

    def __init__(self, labels: LabelVolume) -> None:
        z, y, x = labels.shape
        self.shape_zyx = (z, y, x)
        self._labels = labels

    def read(self, corner_zyx: tuple[int, int, int], size_zyx: tuple[int, int, int]) -> LabelVolume:
        z, y, x = (slice(a, a + b) for a, b in zip(corner_zyx, size_zyx, strict=True))
        return self._labels[z, y, x]


def scene_source(path: Path, title: str, number: int, wanted: Wanted) -> SceneSource:
    """Return a scene as a source of patches, checked as far as possible without simulating.

    A scene that says how much a volume holds is made no larger than patches need; one that counts
    its particles keeps its own size.

    Parameters
    ----------
    path : pathlib.Path
        File of the scene.
    title : str
        The source in words.
    number : int
        Number of the source.
    wanted : Wanted
        What the training wants of it.

    Raises
    ------
    CopickPickerError
        If the scene is wrong, lacks an object, or is smaller than a patch.
    """
    scene = load_scene(path, {"voxel_spacing": wanted.voxel_spacing})
    names = list(scene.labelled())
    missing = [spec.name for spec in wanted.objects if spec.name not in names]
    if missing:
        msg = f"{title} has no {choices_text(missing)}; its objects: {choices_text(names)}"
        raise UnknownNameError(msg)
    if not _counts(scene):
        depth, *sides = scene.shape
        least, *wide = wanted.patch
        y, x = (
            max(patch, min(side, max(2 * patch, SIMULATED_LEAST_SIDE)))
            for side, patch in zip(sides, wide, strict=True)
        )
        scene = scene.model_copy(update={"shape": (max(depth, least), y, x)})
    if any(side < patch for side, patch in zip(scene.shape, wanted.patch, strict=True)):
        msg = f"{title}: the patch {wanted.patch} (z, y, x) is larger than its shape {scene.shape}"
        raise SettingsError(msg)
    source = SceneSource(title, number, scene, path.parent, wanted)
    source.record()  # loads its molecules
    return source


def _counts(scene: SceneSettings) -> bool:
    """Return whether an amount of a scene is one of a whole tomogram."""
    parts = [getattr(scene, part).values() for part in (*SECTIONS, "distractors")]
    entries = [entry for part in parts for entry in part]
    entries += [] if scene.gold is None else [scene.gold]
    return any(entry.count is not None or entry.layout for entry in entries)
