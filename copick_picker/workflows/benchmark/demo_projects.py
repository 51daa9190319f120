"""The two projects of the demo, made from data shipped with the package."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.simulate.imaging import simulated_tomogram
from copick_picker.core.simulate.molecule_scenes import drawn_conditions, molecule_scene
from copick_picker.core.simulate.molecules import Molecule, prepared_molecule
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.making import create_project
from copick_picker.project.copick.store import open_project
from copick_picker.project.copick.tomograms import TomogramWriter
from copick_picker.project.folders.demo_folder import MADE_BY, REFERENCE_SESSION, REFERENCE_USER
from copick_picker.project.folders.package_data import VLP_NAME, package_data, vlp_centres
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.simulate import (
    DEMO_IMAGING,
    DEMO_SCENE,
    DEMO_SEEDS,
    DEMO_SHAPE_ZYX,
    DEMO_VOXEL_SPACING,
    MOLECULE_FILES,
    OBJECT_RADII_ANGSTROM,
)

VLP_SPACING = 40.0
VLP_RADIUS_ANGSTROM = 560.0
TOMOGRAM_TYPE = "wbp"


def make_real_project(folder: Path) -> Path:
    """Make the project of the HIV-1 virus-like particles and return its configuration.

    One run, ``hiv``, with the tomogram ``wbp@40.0`` (protein bright) and the 11 reference picks of
    user ``curator``, session 1.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to make.
    """
    spec = ObjectSpec(VLP_NAME, 1, VLP_RADIUS_ANGSTROM)
    config = create_project(folder, [spec], name="HIV-1 virus-like particles")
    source = package_data() / "hiv_vlp"
    volume, _ = read_mrc(source / "hiv_vlp.mrc.gz")
    record = new_record(MADE_BY, input="hiv_vlp.mrc")
    _add_tomogram(config, "hiv", VLP_SPACING, volume, record)
    points_xyz = np.array([centre[:3] for centre in vlp_centres()])
    _add_reference(config, "hiv", VLP_NAME, points_xyz, record)
    return config


def make_simulated_project(
    folder: Path,
    *,
    seeds: Sequence[int] = DEMO_SEEDS,
    shape_zyx: tuple[int, int, int] = DEMO_SHAPE_ZYX,
) -> Path:
    """Make a project of simulated tomograms and return its configuration.

    Runs ``SIM_1`` and so on, each with the tomogram ``wbp@10.0`` (protein dark) and reference
    picks of user ``curator``, session 1, for each of five objects.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to make.
    seeds : sequence of int
        One tomogram per seed.
    shape_zyx : tuple of int
        Size of each tomogram, in voxels of 10 Angstrom.
    """
    specs = [
        ObjectSpec(name, label, radius)
        for label, (name, radius) in enumerate(OBJECT_RADII_ANGSTROM.items(), 1)
    ]
    config = create_project(folder, specs, name="Simulated molecules")
    for number, seed in enumerate(seeds, 1):
        rng = np.random.default_rng(seed)
        scene = molecule_scene(demo_molecules(), DEMO_SCENE, shape_zyx, rng)
        conditions = drawn_conditions(DEMO_IMAGING, rng)
        volume = simulated_tomogram(scene.potential, scene.voxel_spacing, conditions, rng)
        run_name = f"SIM_{number}"
        record = new_record(MADE_BY, input={"seed": seed, "shape_zyx": list(shape_zyx)})
        _add_tomogram(config, run_name, DEMO_VOXEL_SPACING, volume, record)
        for spec in specs:
            points_xyz = scene.points_xyz.get(spec.name, np.zeros((0, 3)))
            _add_reference(config, run_name, spec.name, points_xyz, record)
    return config


@cache
def demo_molecules() -> dict[str, Molecule]:
    """Return the molecules of the simulated demo, at its voxel spacing."""
    molecules = {}
    for name, file in MOLECULE_FILES.items():
        potential, spacing = read_mrc(package_data() / "molecules" / file)
        molecules[name] = prepared_molecule(
            name,
            potential.astype(np.float32),
            source_spacing=spacing,
            target_spacing=DEMO_VOXEL_SPACING,
        )
    return molecules


def _add_tomogram(
    config: Path,
    run_name: str,
    voxel_spacing: float,
    volume: npt.NDArray[np.number[Any]],
    record: Mapping[str, Any],
) -> None:
    z, y, x = volume.shape
    TomogramWriter(config).write(
        run_name,
        TomogramKey(TOMOGRAM_TYPE, voxel_spacing),
        (z, y, x),
        lambda low, high: volume[tuple(map(slice, low, high))].astype(np.float32),
        record=record,
        overwrite=False,
    )


def _add_reference(
    config: Path,
    run_name: str,
    object_name: str,
    points_xyz: npt.NDArray[np.float64],
    record: Mapping[str, Any],
) -> None:
    open_project(config).write_picks(
        run_name,
        PicksKey(object_name, REFERENCE_USER, REFERENCE_SESSION),
        PickSet(object_name, points_xyz, np.ones(len(points_xyz))),
        provenance=record,
        overwrite=False,
    )
