"""Make one run of a simulated project: specimen, tomograms, ground truth."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from copick_picker.core.simulate.motor_shapes import N_VARIANTS
from copick_picker.core.simulate.specimen import build_specimen
from copick_picker.core.simulate.tomograms import Tomograms, tomograms_of
from copick_picker.core.simulate.truth import Specimen
from copick_picker.errors import ConflictError
from copick_picker.jobs.provenance import digest, same_job_as
from copick_picker.project.copick.instances import write_instances
from copick_picker.project.copick.making import CONFIG_FILE
from copick_picker.project.copick.store import CopickStore, open_project
from copick_picker.project.copick.tomograms import TomogramWriter
from copick_picker.project.files import write_text
from copick_picker.project.folders.simulation_folder import MANIFEST_FOLDER, SESSION, USER
from copick_picker.project.provenance import from_yaml
from copick_picker.project.uris import tomogram_query
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.records.simulation import SpecimenSpec
from copick_picker.settings.simulate_entries import MembraneEntry
from copick_picker.settings.simulate_scene import SceneSettings
from copick_picker.settings.simulate_specimen import molecule_sources, specimen_spec
from copick_picker.workflows.simulate.molecules import (
    LoadedMolecule,
    load_molecules,
    membrane_centre_angstrom,
)
from copick_picker.workflows.simulate.slices import SliceFolders

TRUTH = "truth"
"""Name of the multilabel segmentation."""


def run_manifest(output: Path, run_name: str) -> Path:
    """Return the file that lists the contents of a run; it is written last.

    Parameters
    ----------
    output : pathlib.Path
        Folder of the project.
    run_name : str
        The run.
    """
    return output / MANIFEST_FOLDER / f"{run_name}.yaml"


@dataclass(frozen=True, eq=False)
class RunMaker:
    """Makes runs of one project.

    Attributes
    ----------
    scene : SceneSettings
        The scene.
    spec : SpecimenSpec
        What the core needs of it.
    molecules : mapping
        The scene's molecules, by the scene's name for each.
    folder : pathlib.Path
        Folder of the scene's file.
    output : pathlib.Path
        Folder of the project.
    record : dict
        Provenance of every output.
    n_threads : int
        CPU threads.
    slices : SliceFolders or None
        Where the tomogram goes as slices, too.
    """

    scene: SceneSettings
    spec: SpecimenSpec
    molecules: Mapping[str, LoadedMolecule]
    folder: Path
    output: Path
    record: dict[str, Any]
    n_threads: int
    slices: SliceFolders | None = None

    def make(self, run_name: str) -> RunOutcome:
        """Make a run, unless it is complete.

        Parameters
        ----------
        run_name : str
            ``SIM_001`` and so on; its number is part of the seed.
        """
        manifest = run_manifest(self.output, run_name)
        if os.path.lexists(manifest):
            self._check(run_name, manifest)
            if self._write_slices(run_name):
                return RunOutcome(run_name, "done", "complete; its slices are new")
            return RunOutcome(run_name, "skipped", "complete")
        number = int(run_name.rpartition("_")[2])
        seeds = np.random.SeedSequence([self.scene.seed, number]).spawn(2)
        of_specimen, of_image = (np.random.default_rng(seed) for seed in seeds)
        mine = self._of_run(number)
        specimen = build_specimen(
            mine.spec,
            {name: loaded.molecule for name, loaded in mine.molecules.items()},
            mine.scene.shape,
            mine.scene.voxel_spacing,
            of_specimen,
        )
        imaging = mine.scene.imaging.plan()
        images = tomograms_of(specimen, imaging, of_image, n_threads=self.n_threads)
        mine._write(run_name, specimen, images)
        self._write_slices(run_name)
        placed = {name: specimen.count(name) for name in specimen.placed}
        content = {
            "run": run_name,
            "project": digest(self.record),
            "seed": [self.scene.seed, number],
            "shape": list(mine.scene.shape),
            "voxel_spacing": mine.scene.voxel_spacing,
            "ice_z_angstrom": list(specimen.ice_z_angstrom),
            "occupied_share": specimen.occupied_share,
            "layout": specimen.layout,
            "asked": dict(specimen.asked),
            "placed": placed,
            "imaging": dict(images.facts),
        }
        write_text(manifest, yaml.safe_dump(_plain(content), sort_keys=False))
        text = ", ".join(f"{placed[name]} {name}" for name in self.scene.labelled())
        return RunOutcome(run_name, "done", text, {"placed": placed})

    def _write_slices(self, run_name: str) -> bool:
        """Write the tomogram as slices, if that is wanted; return whether they are new."""
        if self.slices is None:
            return False
        store = open_project(self.output / CONFIG_FILE)
        key = tomogram_query(f"{self.scene.imaging.tomogram_type}@*").match_one(
            store.tomograms(run_name), run_name=run_name
        )
        return self.slices.write(run_name, store.open_tomogram(run_name, key).read())

    def _of_run(self, number: int) -> "RunMaker":
        """Return what makes one run, where runs differ in voxel spacing, size or molecules."""
        scene = self.scene.of_run(number, n_variants=N_VARIANTS)
        if scene is self.scene:
            return self
        spec = specimen_spec(
            scene, layouts=self.spec.layouts, membrane_centre=membrane_centre_angstrom
        )
        molecules = load_molecules(molecule_sources(scene), self.folder, scene.voxel_spacing)
        return replace(self, scene=scene, spec=spec, molecules=molecules)

    def _check(self, run_name: str, manifest: Path) -> None:
        """Raise if another simulation made the run in this folder at the same time."""
        content = from_yaml(manifest.read_bytes(), str(manifest))
        known = content.get("project") if isinstance(content, dict) else None
        if known is not None and known != digest(self.record):
            msg = (
                f"run {run_name} belongs to another simulation ({manifest}); use --overwrite "
                "or another --output"
            )
            raise ConflictError(msg)

    def _write(self, run_name: str, specimen: Specimen, images: Tomograms) -> None:
        """Write everything but the manifest; leftovers of an interrupted command are replaced."""
        config = self.output / CONFIG_FILE
        spacing = self.scene.voxel_spacing
        writer = TomogramWriter(config)
        for kind, volume in images.by_type.items():
            writer.write(
                run_name,
                TomogramKey(kind, spacing),
                self.scene.shape,
                _reader(volume),
                record=self.record,
                overwrite=False,
                replaces=same_job_as(self.record),
            )
        store = open_project(config)
        store.write_segmentation(
            run_name,
            SegmentationKey(TRUTH, USER, SESSION, spacing),
            [(0, specimen.with_labels(self.scene.labels()))],
            shape_zyx=self.scene.shape,
            provenance=self.record,
            overwrite=False,
            replaces=same_job_as(self.record),
        )
        for name in self.scene.labelled():
            key = SegmentationKey(name, USER, SESSION, spacing, is_multilabel=False)
            numbered = specimen.instances_of(name)
            write_instances(
                config,
                run_name,
                key,
                numbered,
                record=self.record,
                overwrite=False,
                replaces=same_job_as(self.record),
            )
        self._write_picks(store, run_name, specimen)

    def _write_picks(self, store: CopickStore, run_name: str, specimen: Specimen) -> None:
        for name, entry in self.scene.labelled().items():
            if isinstance(entry, MembraneEntry):
                continue
            placed = specimen.placed[name]
            picks = PickSet(
                name,
                placed.points_xyz,
                np.ones(len(placed.points_xyz)),
                placed.rotations,
                placed.filament_ids,
            )
            store.write_picks(
                run_name,
                PicksKey(name, USER, SESSION),
                picks,
                provenance=self.record,
                overwrite=False,
                replaces=same_job_as(self.record),
            )


def _reader(volume: npt.NDArray[np.float32]) -> Any:  # noqa: ANN401 (TomogramWriter's ReadBlock)
    def read(low: tuple[int, int, int], high: tuple[int, int, int]) -> npt.NDArray[np.float32]:
        z, y, x = (slice(*ends) for ends in zip(low, high, strict=True))
        return volume[z, y, x]

    return read


def _plain(value: Any) -> Any:  # noqa: ANN401 (JSON values of any kind)
    """Return the value for YAML: tuples as lists, numpy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
