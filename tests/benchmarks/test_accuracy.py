"""The accuracy benchmark: template matching, its statistics, its page. Nothing is timed here."""

import json
from pathlib import Path

import accuracy_real
import accuracy_report
import numpy as np
import octopi_train
import pytest
import template_matching as matching
from accuracy_scores import best_thresholds, curve_of, differences, summary
from scipy.spatial.transform import Rotation

from copick_picker.core.geometry import voxels_to_points
from copick_picker.core.simulate.molecules import drawn_molecule, prepared_molecule
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.settings.simulate_scene import load_scene, preset_path
from copick_picker.workflows.benchmark.demo_projects import VLP_NAME

DOCS = Path(__file__).parents[2] / "docs"


def bent_molecule(spacing=10.0):
    """Return a molecule without symmetry: three balls of unlike size and height."""
    grid = np.indices((24, 24, 24)) - 12.0
    potential = np.zeros((24, 24, 24))
    for centre, width, height in (
        ((0, 0, -4), 2.0, 9.0),
        ((3, 1, 3), 1.5, 7.0),
        ((-4, 5, 2), 1, 8),
    ):
        squared = sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True))
        potential += height * np.exp(-squared / (2 * width**2))
    return prepared_molecule("bent", potential, source_spacing=5.0, target_spacing=spacing)


def flat_filter(side):
    return np.ones((side, side, side // 2 + 1), dtype=np.float32)


def test_even_rotations_are_rotations_and_spread_evenly():
    rotations = matching.even_rotations(600)
    assert np.allclose(rotations @ np.swapaxes(rotations, 1, 2), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(rotations), 1.0)
    random = Rotation.random(300, rng=np.random.default_rng(3)).as_matrix()
    cosine = (np.einsum("nij,mij->nm", random, rotations) - 1) / 2
    nearest = np.degrees(np.arccos(np.clip(cosine.max(axis=1), -1, 1)))
    assert nearest.max() < matching.angular_step(600)
    assert abs(rotations.mean(axis=0)).max() < 0.01


def test_a_turned_molecule_is_found_where_it_stands():
    molecule = bent_molecule()
    rng = np.random.default_rng(5)
    volume = rng.normal(0, 0.3, (40, 56, 48)).astype(np.float32)
    rotations = matching.even_rotations(400)
    centre, shift = np.array([13, 38, 17]), np.array([0.3, -0.4, 0.2])
    cube = drawn_molecule(molecule, rotations[123], shift)
    low = centre - len(cube) // 2
    z, y, x = (slice(at, at + len(cube)) for at in low)
    volume[z, y, x] += cube
    mask = matching.sphere(14, 6.0)
    templates = matching.templates_of(molecule, rotations, flat_filter(14), mask)
    for which, tolerance in (([123], 0.1), (list(range(400)), 0.75)):
        score = matching.correlations(volume[None], templates[which], mask)[0]
        assert score.max() <= 1.0
        centres, values = matching.peaks(score, 5.0, 10)
        assert np.abs(centres[0] - (centre + shift)).max() < tolerance
        assert values[0] > 0.8
        assert values[0] > values[1] + 0.5


def test_the_score_is_the_correlation_in_the_mask():
    rng = np.random.default_rng(2)
    volume = rng.normal(size=(12, 16, 14)).astype(np.float32)
    mask = matching.sphere(6, 2.5)
    template = matching.masked_unit(rng.normal(size=(1, 6, 6, 6)).astype(np.float32), mask)
    score = matching.correlations(volume[None], template, mask)[0]
    z, y, x = 5, 8, 6
    piece = volume[z - 3 : z + 3, y - 3 : y + 3, x - 3 : x + 3][mask > 0]
    expected = np.corrcoef(piece, template[0][mask > 0])[0, 1]
    assert score[z, y, x] == pytest.approx(expected, abs=1e-4)


def test_a_ball_needs_one_template_and_a_bent_molecule_more():
    rotations = matching.even_rotations(120)
    mask = matching.sphere(14, 6.0)
    grid = np.indices((24, 24, 24)) - 12.0
    ball = np.exp(-(grid**2).sum(axis=0) / 18.0)
    round_one = prepared_molecule("ball", ball, source_spacing=5.0, target_spacing=10.0)
    numbers = {}
    for name, molecule in (("ball", round_one), ("bent", bent_molecule())):
        templates = matching.templates_of(molecule, rotations, flat_filter(14), mask)
        chosen, worst = matching.covering(templates, 0.9, 120)
        numbers[name] = len(chosen)
        flat = templates.reshape(len(templates), -1)
        assert worst == pytest.approx((flat @ flat[chosen].T).max(axis=1).min())
        assert worst >= 0.9
    assert numbers["ball"] == 1
    assert numbers["bent"] > 5


def test_binning_keeps_places_and_values():
    z, y, x = np.indices((24, 32, 40)).astype(float)
    squared = (z - 9) ** 2 + (y - 20.5) ** 2 + (x - 14) ** 2
    small = matching.binned(2 + 5 * np.exp(-squared / (2 * 2.5**2)), 2)
    assert small.shape == (12, 16, 20)
    weights = small - 2
    centre = [float((axis * weights).sum() / weights.sum()) for axis in np.indices(small.shape)]
    assert np.allclose(centre, [4.5, 10.25, 7.0], atol=0.01)
    assert small[0, 0, 0] == pytest.approx(2.0, abs=0.01)
    with pytest.raises(ValueError, match="multiples of 4"):
        matching.binned(np.zeros((8, 8, 10)), 2)


def test_peaks_keep_their_distance_and_an_empty_map_has_none():
    score = np.zeros((10, 14, 12), dtype=np.float32)
    score[3, 4, 5], score[3, 7, 5], score[8, 12, 2] = 0.9, 0.8, 0.5
    centres, values = matching.peaks(score, 4.0, 10)
    assert centres.tolist() == [[3, 4, 5], [8, 12, 2]]
    assert values.tolist() == pytest.approx([0.9, 0.5])
    centres, values = matching.peaks(np.zeros((4, 5, 6), dtype=np.float32) - 1, 2.0, 10)
    assert centres.shape == (0, 3)
    assert values.shape == (0,)


def test_the_object_that_fits_better_takes_the_place():
    def found(points, z_scores):
        return matching.Found(
            np.array(points, dtype=float), np.ones(len(points)), np.array(z_scores)
        )

    sets = {
        "large": found([[100, 100, 100], [500, 500, 500]], [9.0, 3.0]),
        "small": found([[150, 100, 100], [500, 520, 500], [800, 0, 0]], [5.0, 6.0, 4.0]),
        "none": found(np.zeros((0, 3)), []),
    }
    left = matching.competing(sets, {"large": 100.0, "small": 40.0, "none": 60.0})
    assert left["large"].points_xyz.tolist() == [[100, 100, 100]]
    assert left["small"].z_scores.tolist() == [6.0, 4.0]
    assert len(left["none"].scores) == 0


def test_a_template_is_dark_and_has_nothing_in_the_missing_wedge():
    scene = load_scene(preset_path("shrec-like"), {})
    transfer = matching.imaging_filter((16, 16, 16), 10.0, scene.imaging)
    assert transfer.shape == (16, 16, 9)
    assert (transfer <= 0).all()
    assert transfer[4, 0, 0] == 0.0
    assert transfer[0, 0, 4] < 0.0


def counts_of(numbers):
    return {
        "counts": {f"r{at}": {"a": list(row), "b": [3, 1, 1]} for at, row in enumerate(numbers)}
    }


def test_a_method_beside_itself_differs_by_nothing_and_a_better_one_by_more():
    worse = counts_of([(4 + at % 2, 4, 5) for at in range(10)])
    better = counts_of([(8, 1, 1 - at % 2) for at in range(10)])
    same = differences(worse, worse, ["a", "b"], 1)
    assert same["f1"]["difference"] == 0.0
    assert same["f1"]["interval"] == (0.0, 0.0)
    found = differences(worse, better, ["a", "b"], 1)
    assert found["f1"]["difference"] > 0
    assert accuracy_report.is_above(found, "f1")
    assert not accuracy_report.is_above(differences(better, worse, ["a", "b"], 1), "f4")
    assert differences(worse, better, [], 1) == {}


def test_thresholds_are_those_of_the_highest_score_and_of_equals_the_lowest():
    curve = {"threshold": [0.9, 0.5, 0.3], "f_beta": [0.2, 0.7, 0.7]}
    entries = [
        {"object": "a", "curve": curve, "f_beta": 0.7},
        {"object": "b", "curve": None, "f_beta": None},
    ]
    thresholds, macro = best_thresholds({"objects": entries})
    assert thresholds == {"a": 0.3}
    assert macro == pytest.approx(0.35)


def test_epochs_of_octopi_fit_its_time():
    for seconds, epoch, validation in ((600, 100, 20), (600, 7, 12), (60, 100, 20), (900, 1, 30)):
        epochs, interval = octopi_train.schedule(seconds, epoch, validation)
        assert epochs >= 1
        assert 1 <= interval <= 10
        used = epochs * epoch + -(-epochs // interval) * validation
        assert epochs == 1 or used <= seconds * octopi_train.ROUNDING


def test_the_curve_of_a_training_is_read_between_its_validations(tmp_path):
    path = tmp_path / "curve.csv"
    rows = [
        "step,loss,learning_rate,seconds,f_beta,f_beta a",
        "1,4.0,0.1,1.0,,",
        "2,2.0,0.1,2.5,0.5,0.5",
    ]
    path.write_text("\n".join([*rows, "3,1.0,0.1,4.0,,"]) + "\n")
    found = curve_of(path)
    assert found == {"steps": 3, "train_seconds": 4.0, "curve": [[2, 2.5, 3.0, 0.5]]}


def test_the_halves_of_the_real_tomogram_hold_all_particles_where_they_were(tmp_path):
    volume, _ = accuracy_real.read_mrc(accuracy_real.package_data() / "hiv_vlp" / "hiv_vlp.mrc.gz")
    numbers = {}
    for side, start in (("left", 0), ("right", accuracy_real.SPLIT_X_VOXELS)):
        store = open_project(accuracy_real.half_project(tmp_path / side, side))
        cut = accuracy_real.CUTS_Y_VOXELS[side]
        for run, y in (("below", 0), ("above", cut)):
            piece = store.open_tomogram(run, store.tomograms(run)[0]).read()
            assert min(piece.shape) >= accuracy_real.PATCH
            assert (
                piece == volume[:, y : y + piece.shape[1], start : start + piece.shape[2]]
            ).all()
            picks = store.read_picks(run, PicksKey(VLP_NAME, "curator", "1"))
            numbers[side, run] = len(picks)
            known = np.array([centre[:3] for centre in accuracy_real.vlp_centres()])
            whole = picks.points_xyz + voxels_to_points([[0, y, start]], 40.0)
            assert all(np.abs(known - point).sum(axis=1).min() < 1e-6 for point in whole)
    assert numbers == {
        ("left", "below"): 4,
        ("left", "above"): 4,
        ("right", "below"): 2,
        ("right", "above"): 1,
    }


def scores(f1):
    objects = {
        name: dict.fromkeys(("precision", "recall", "f1", "f4"), f1)
        | {"reference": 9, "candidates": 8, "error_angstrom": 5.0, "found": 7}
        for name in ("a", "b")
    }
    return {"objects": objects, **counts_of([(int(9 * f1), 1, 9 - int(9 * f1))] * 6)}


def figures_of(seeds):
    step = {
        "commit": "abc",
        "load": [1.0, 2.0],
        "cpu_seconds": 60.0,
        "wall_seconds": 90.0,
        "settings": {"minutes": 1.0},
    }
    matched = {
        name: {
            "mass_kda": mass,
            "spacing_angstrom": 20.0,
            "step_degrees": 20.0,
            "templates": 30,
            "least_resemblance": 0.91,
        }
        for name, mass in (("a", 50.0), ("b", 1200.0))
    }
    found = {"ours": scores(0.8), "octopi": scores(0.1), "matching": scores(0.5)}
    pairs = {
        peer: differences(found[peer], found["ours"], ["a", "b"], 1)
        for peer in ("octopi", "matching")
    }
    seed = {
        "simulate": [step, step],
        "ours": {
            "train": step | {"curve": [[250, 300.0, 0.5, 0.6]], "steps": 300},
            "use": step | {"segment": step, "localize": step},
            "scores": found["ours"],
        },
        "octopi": {
            "train": step
            | {
                "epochs": 2,
                "train_seconds": 60.0,
                "steps": 12,
                "batch_size": 16,
                "losses": [[5, 0.9], [10, 0.8]],
            }
            | {"voxel_f1": [[2, 0.1]]},
            "use": step,
            "scores": found["octopi"],
        },
        "matching": {
            "use": step | {"objects": matched},
            "scores": found["matching"] | {"validation": {"session": "competing"}},
        },
        "compared": pairs
        | {"matching_small": differences(found["matching"], found["ours"], ["a"], 1)}
        | {"small": ["a"]},
    }
    half = {
        "of": 3,
        "found": 3,
        "false": 0,
        "near_a_face": 1,
        "annotated_found": 2,
        "error_angstrom": 30.0,
    }
    machine = dict.fromkeys(
        ("processor", "system", "copick_picker", "octopi", "torch", "monai", "copick", "python"),
        "x",
    )
    return {
        "machine": machine | {"cores": 2, "threads": 1},
        "sizes": {"preset": "shrec-like", "shape": "96,192,192", "runs": [6, 2, 10]}
        | {"minutes": 15.0, "peer_window": 96, "peer_batch": 16, "real_minutes": 2.0}
        | {"groups": [{"most": 40}, {"most": 300}]},
        "seeds": {str(number): seed for number in seeds},
        "real": step
        | {"before": {"left": half, "right": half}, "after": {"left": half, "right": half}},
    }


def test_the_page_says_what_is_met_and_with_how_many_seeds():
    whole = accuracy_report.page(figures_of([1, 2, 3]))
    target = "F1 and F4 above octopi's at the same wall time, interval above 0"
    assert f"| {target} | 1, 2, 3 of 1, 2, 3 | met |" in whole
    assert "under-trained" in whole
    assert "simulated" in whole
    assert "copick-picker had 67% of a core" in whole.replace("\n", " ")
    one = accuracy_report.page(figures_of([2]))
    assert "| 2 of 2 | met in the seeds there are, of three |" in one
    none = accuracy_report.page(figures_of([]) | {"real": None})
    assert "No seed is complete yet" in none
    assert all(len(line) <= 100 for line in none.splitlines() if not line.startswith("    "))


def test_the_stored_page_is_that_of_the_stored_figures():
    stored = DOCS / "accuracy.json"
    if not stored.exists():
        pytest.skip("not measured yet")
    figures = json.loads(stored.read_text(encoding="utf-8"))
    assert accuracy_report.page(figures) == (DOCS / "accuracy.md").read_text(encoding="utf-8")


def test_a_summary_keeps_what_the_page_needs():
    entry = {
        "object": "a",
        "counts": {"n_reference": 3, "n_candidate": 2},
        "precision": None,
        "recall": 0.0,
        "f1": 0.0,
        "f_beta": None,
        "localization": {"mean_angstrom": None, "n_pairs": 0},
    }
    run = {
        "run": "r",
        "object": "a",
        "counts": {"true_positives": 0, "false_positives": 2, "false_negatives": 3},
    }
    found = summary({"objects": [entry], "runs": [run]})
    assert found["counts"] == {"r": {"a": [0, 2, 3]}}
    assert found["objects"]["a"]["f4"] == 0.0
