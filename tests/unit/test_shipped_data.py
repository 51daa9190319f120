"""What ships with the package: data, molecules, models."""

import csv
from pathlib import Path

import numpy as np
import pytest

import copick_picker
from copick_picker.core.models.fingerprint import RELATIVE_TOLERANCE, fingerprint
from copick_picker.core.models.registry import build_network, load_state
from copick_picker.core.simulate.imaging import simulated_tomogram
from copick_picker.core.simulate.molecule_scenes import drawn_conditions, molecule_scene
from copick_picker.project.folders.checkpoints import read_model_folder
from copick_picker.project.folders.package_data import package_data
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.settings.files import join_settings
from copick_picker.settings.model import model_card
from copick_picker.settings.simulate import (
    DEMO_IMAGING,
    DEMO_SCENE,
    DEMO_SEEDS,
    DEMO_SHAPE_ZYX,
    MOLECULE_FILES,
    OBJECT_RADII_ANGSTROM,
)
from copick_picker.settings.train import TrainSettings
from copick_picker.workflows.benchmark.demo_projects import demo_molecules

MOLECULES = package_data() / "molecules"
MODELS = Path(copick_picker.__file__).parent / "models"


def molecule_rows() -> list[dict[str, str]]:
    with (MOLECULES / "molecules.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", molecule_rows(), ids=lambda row: row["file"])
def test_a_molecule_is_what_its_table_says(row: dict[str, str]) -> None:
    potential, spacing = read_mrc(MOLECULES / row["file"])
    side = int(row["box_voxels"])
    assert potential.shape == (side, side, side)
    assert spacing == 5.0
    assert potential.dtype == np.float16
    volts = potential.astype(np.float64)
    grid = np.indices(volts.shape) - side // 2
    np.testing.assert_allclose((grid * volts).sum(axis=(1, 2, 3)) / volts.sum(), 0.0, atol=0.1)
    per_dalton = volts.sum() * 125.0 / (float(row["mass_kda"]) * 1e3)
    assert per_dalton == pytest.approx(float(row["volt_cubic_angstrom_per_dalton"]), rel=0.01)
    assert row["licence"] in {"CC0", "Apache-2.0"}


def test_table_files_and_settings_name_the_same_molecules() -> None:
    files = {path.name for path in MOLECULES.glob("*.mrc*")}
    assert files == {row["file"] for row in molecule_rows()} >= set(MOLECULE_FILES.values())
    assert set(DEMO_SCENE.objects) == set(OBJECT_RADII_ANGSTROM)
    assert set(DEMO_SCENE.objects) | set(DEMO_SCENE.distractors) == set(MOLECULE_FILES)
    radii = {row["file"]: float(row["radius_max_angstrom"]) for row in molecule_rows()}
    for name, radius in OBJECT_RADII_ANGSTROM.items():
        assert 0.7 * radii[MOLECULE_FILES[name]] < radius <= radii[MOLECULE_FILES[name]]


def test_every_licence_is_in_the_licence_file() -> None:
    text = (package_data() / "LICENCES.txt").read_text(encoding="utf-8")
    for words in ("Chi-Li Chiu", "Antonio Martinez-Sanchez", "Apache License", "CC0 1.0"):
        assert words in text


def test_the_demo_tomograms_come_out_the_same_and_hold_every_object() -> None:
    seen = set()
    for seed in DEMO_SEEDS:
        rng = np.random.default_rng(seed)
        scene = molecule_scene(demo_molecules(), DEMO_SCENE, DEMO_SHAPE_ZYX, rng)
        seen |= {name for name, points in scene.points_xyz.items() if len(points)}
    assert seen == set(OBJECT_RADII_ANGSTROM)
    volumes = []
    for _ in range(2):
        rng = np.random.default_rng(DEMO_SEEDS[0])
        scene = molecule_scene(demo_molecules(), DEMO_SCENE, DEMO_SHAPE_ZYX, rng)
        conditions = drawn_conditions(DEMO_IMAGING, rng)
        volumes.append(simulated_tomogram(scene.potential, 10.0, conditions, rng))
    assert volumes[0].tobytes() == volumes[1].tobytes()


@pytest.mark.parametrize("name", ["hiv-vlp-40a", "simulated-10a"])
def test_a_shipped_model_is_whole_and_computes_what_its_card_says(name: str) -> None:
    state, raw = read_model_folder(MODELS / name)
    card = model_card(raw, name)
    network = build_network(card.architecture, card.parameters, card.channel_count)
    load_state(network, state)
    assert card.fingerprint is not None
    computed = fingerprint(network, card.window_voxels)
    np.testing.assert_allclose(computed, card.fingerprint, rtol=RELATIVE_TOLERANCE, atol=1e-3)
    assert all(entry.score_threshold is not None for entry in card.objects)
    assert "simulated" in card.provenance["training_data"]
    read_me = (MODELS / name / "README.md").read_text(encoding="utf-8")
    assert all(entry.name in read_me for entry in card.objects)


def test_the_models_are_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) < 8e6


@pytest.mark.parametrize("name", ["hiv-vlp-40a", "simulated-10a"])
def test_the_settings_of_a_shipped_model_train_what_its_card_says(name: str) -> None:
    path = Path(__file__).parents[2] / "scripts" / "training" / f"{name}.yaml"
    settings = join_settings(TrainSettings, flags={"config": "c", "output": "m"}, path=path)
    card = model_card(read_model_folder(MODELS / name)[1], name)
    assert settings.architecture == card.architecture
    in_training = {"output_stride": 2}  # the weights are the same
    assert settings.parameters == card.parameters | in_training
    assert set(settings.weight) == set(card.channel_names)
    assert {entry.target_fraction for entry in card.objects} == {settings.target_fraction}
    assert settings.input == f"wbp@{card.voxel_spacing_angstrom}"
    assert settings.contrast == card.contrast
    assert settings.seed == card.provenance["seed"]
    assert settings.validation_runs == ("validation_*",)
    assert not any(run.startswith("test") for run in settings.run_names)
