"""Picks and segmentations to filaments, their scores, and their way into RELION and Warp."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import copick
import numpy as np
import pytest
import starfile
import torch
from click.testing import CliRunner
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from copick_picker.cli.main import console
from copick_picker.core.link.learning import KnownPoints, train_scorer
from copick_picker.core.link.linking import LinkRules
from copick_picker.core.link.points import LinkPoints
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.records.keys import FilamentsKey, PicksKey, SegmentationKey
from copick_picker.records.runs import ObjectSpec
from filament_projects import BOX_XYZ, Chains, add_empty_tomogram, filament_config
from projects import project_of

CROPS = Path(__file__).parents[1] / "fixtures" / "crops"
LINKED = PicksKey("microtubule", "picker", "linked")
RULES = LinkRules(200.0, 1, 8, 4, (200.0, 400.0, 700.0), 2.0, 4.0, "exact", 3)
GIVEN = ("-i", "microtubule:picker/1", "-o", "microtubule:picker/linked")


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def config(tmp_path):
    return filament_config(tmp_path, filament={"polar": True, "helical_rise_a": 40.9})


def angles(first, second):
    cosine = np.abs((first * second).sum(axis=1))
    return np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0)))


def test_picks_come_back_in_order_with_tangents_and_filaments(config):
    chains = Chains(1)
    chains.add(config, "TS_1", rotations=True)
    text = run("link", "-c", config, *GIVEN)
    assert "microtubule: 10 filaments" in text

    store = open_project(config)
    picks = store.read_picks("TS_1", LINKED)
    assert len(picks) == len(chains)
    ids = picks.instance_ids
    linked = np.flatnonzero(ids > 0)
    assert sorted(set(ids[linked].tolist())) == list(range(1, 11))
    assert (np.diff(ids[linked]) >= 0).all()
    assert (ids[linked[-1] + 1 :] == 0).all()
    assert len(ids) - len(linked) < 1.2 * (chains.owners == 0).sum()
    _, which = cKDTree(chains.points).query(picks.points_xyz)
    assert np.allclose(chains.points[which], picks.points_xyz)
    assert np.allclose(chains.scores[which], picks.scores)
    for number in range(1, 11):
        own = which[ids == number]
        assert len(set(chains.owners[own].tolist())) == 1
        assert (np.diff(chains.ranks[own]) > 0).all()  # as the z axes point, not the other way
    tangents = picks.rotations[linked][:, :, 2]
    given = chains.frames[which[linked]]
    assert np.median(angles(tangents, given[:, :, 2])) < 3.0
    # turned no more than is needed: the other axes stay
    assert np.median(angles(picks.rotations[linked][:, :, 0], given[:, :, 0])) < 5.0
    assert np.allclose(np.linalg.det(picks.rotations), 1.0)

    filaments = store.read_filaments("TS_1", FilamentsKey.of(LINKED))
    assert [each.instance_id for each in filaments.filaments] == list(range(1, 11))
    assert all(each.is_polar and each.radius_angstrom == 125.0 for each in filaments.filaments)
    for each in filaments.filaments:
        steps = np.linalg.norm(np.diff(each.points_xyz, axis=0), axis=1)
        assert steps.max() <= 10.01
        own = picks.points_xyz[ids == each.instance_id]
        away, _ = cKDTree(each.points_xyz).query(own)
        assert away.max() < 60.0 and away.mean() < 16.0  # noqa: PT018 (of one curve)
        forward = each.points_xyz[-1] - each.points_xyz[0]
        assert (own[-1] - own[0]) @ forward > 0
    assert "1 skipped" in run("link", "-c", config, *GIVEN)
    # copick itself reads both
    root = copick.from_file(str(config))
    (theirs,) = root.get_run("TS_1").get_filaments(object_name="microtubule")
    assert len(theirs.filaments) == 10
    assert root.get_run("TS_1").get_picks("microtubule", "picker", "linked")


def test_without_rotations_the_direction_stays_open(config):
    Chains(2).add(config, "TS_1", rotations=False)
    run("link", "-c", config, *GIVEN)
    store = open_project(config)
    filaments = store.read_filaments("TS_1", FilamentsKey.of(LINKED)).filaments
    assert len(filaments) == 10
    assert not any(each.is_polar for each in filaments)
    picks = store.read_picks("TS_1", LINKED)
    for number in range(1, 11):
        own = picks.instance_ids == number
        steps = np.diff(picks.points_xyz[own], axis=0)
        towards = steps / np.linalg.norm(steps, axis=1)[:, None]
        assert ((towards * picks.rotations[own][:-1, :, 2]).sum(axis=1) > 0).all()


def test_some_turned_axes_do_not_hide_the_direction(config):
    chains = Chains(3, flipped=0.2)
    chains.add(config, "TS_1", rotations=True)
    run("link", "-c", config, *GIVEN)
    store = open_project(config)
    filaments = store.read_filaments("TS_1", FilamentsKey.of(LINKED)).filaments
    assert all(each.is_polar for each in filaments)
    picks = store.read_picks("TS_1", LINKED)
    _, which = cKDTree(chains.points).query(picks.points_xyz)
    for each in filaments:
        own = which[picks.instance_ids == each.instance_id]
        assert (np.diff(chains.ranks[own]) > 0).all()


@pytest.mark.parametrize("polar", [False, None])
def test_an_object_without_polarity_has_no_known_direction(tmp_path, polar):
    config = filament_config(tmp_path, filament={} if polar is None else {"polar": polar})
    Chains(1).add(config, "TS_1", rotations=True)
    run("link", "-c", config, *GIVEN)
    filaments = open_project(config).read_filaments("TS_1", FilamentsKey.of(LINKED)).filaments
    assert not any(each.is_polar for each in filaments)


def test_axes_that_do_not_lie_along_the_filaments_are_not_used(config):
    chains = Chains(1)
    chains.frames = Rotation.random(len(chains), random_state=0).as_matrix()
    chains.add(config, "TS_1", rotations=True)
    text = run("link", "-c", config, *GIVEN)
    assert "z axes of the picks do not lie along the filaments" in text
    assert "microtubule: 10 filaments" in text


def test_even_picks_along_the_splines(config):
    chains = Chains(1)
    chains.add(config, "TS_1", rotations=True)
    even = ("-i", "microtubule:picker/1", "-o", "microtubule:picker/even")
    run("link", "-c", config, *even, "--spacing-angstrom", "80", "--json", config.parent / "s.json")
    store = open_project(config)
    picks = store.read_picks("TS_1", PicksKey("microtubule", "picker", "even"))
    assert picks.instance_ids.min() == 1
    filaments = {
        each.instance_id: each
        for each in store.read_filaments(
            "TS_1", FilamentsKey("microtubule", "picker", "even")
        ).filaments
    }
    for number, filament in filaments.items():
        own = picks.points_xyz[picks.instance_ids == number]
        steps = np.linalg.norm(np.diff(own, axis=0), axis=1)
        assert np.allclose(steps, 80.0, atol=0.2)
        away, _ = cKDTree(filament.points_xyz).query(own)
        assert away.max() < 5.1  # half the distance of two vertices
    numbers = json.loads((config.parent / "s.json").read_text())["objects"]["microtubule"]
    assert numbers["picks"] == len(picks)
    assert numbers["filaments"] == len(filaments) == 10


def test_filaments_shorter_than_the_spacing_have_no_picks_and_are_told(config):
    Chains(1).add(config, "TS_1", rotations=True)
    text = run("link", "-c", config, *GIVEN, "--spacing-angstrom", "2300")
    assert "filaments are shorter than the spacing of 2300 A and have no picks" in text
    run("link", "-c", config, *GIVEN, "--spacing-angstrom", "90000", "--overwrite")
    assert len(open_project(config).read_picks("TS_1", LINKED)) == 0


def test_filters_of_length_curvature_and_straightness(config):
    Chains(1).add(config, "TS_1", rotations=True)
    run("link", "-c", config, *GIVEN)
    known = open_project(config).read_filaments("TS_1", FilamentsKey.of(LINKED)).filaments
    for option, name, keeps in (
        ("--min-length-angstrom", "length_angstrom", lambda value, limit: value >= limit),
        ("--max-curvature", "curvature_per_um", lambda value, limit: value <= limit),
        ("--min-straightness", "straightness", lambda value, limit: value >= limit),
    ):
        values = sorted(each.facts[name] for each in known)
        limit = (values[4] + values[5]) / 2
        run("link", "-c", config, *GIVEN, option, limit, "--overwrite")
        store = open_project(config)
        kept = store.read_filaments("TS_1", FilamentsKey.of(LINKED)).filaments
        assert sorted(each.facts[name] for each in kept) == [v for v in values if keeps(v, limit)]
        ids = store.read_picks("TS_1", LINKED).instance_ids
        assert set(ids.tolist()) == set(range(len(kept) + 1))


def test_the_links_are_scored(config, tmp_path):
    for number in (1, 2):
        Chains(number).add(config, f"TS_{number}", rotations=number == 1)
    run("link", "-c", config, *GIVEN)
    text = run(
        *("evaluate", "-c", config, "--reference", "microtubule:truth/1"),
        *("--candidate", "microtubule:picker/linked", "--links", "-o", tmp_path / "scores"),
    )
    assert "fragments" in text
    links = json.loads((tmp_path / "scores" / "scores.json").read_text())["links"]
    (entry,) = links["objects"]
    assert [each["run"] for each in links["runs"]] == ["TS_1", "TS_2"]
    assert entry["edges"]["precision"] > 0.99
    assert entry["edges"]["recall"] > 0.97
    assert entry["pieces"]["n_reference"] == 20
    assert entry["pieces"]["fragments"] <= 1.05
    assert entry["pieces"]["merges"] == 0
    assert entry["shape"]["coverage"] > 0.98
    assert entry["shape"]["tangent_error_degrees"] < 3.0
    assert entry["identity"]["idf1"] > 0.95
    assert sum(each["edges"]["true"] for each in links["runs"]) == entry["edges"]["true"]
    rows = list(csv.DictReader((tmp_path / "scores" / "links.csv").read_text().splitlines()))
    assert [row["run"] for row in rows] == ["TS_1", "TS_2", "all"]


def test_picks_without_numbers_cannot_be_scored_as_links(config, tmp_path):
    Chains(1).add(config, "TS_1", rotations=True)
    where = ("-c", config, "--candidate", "microtubule:truth/1", "-o", tmp_path / "scores")
    text = run("evaluate", *where, "--reference", "microtubule:picker/1", "--links", code=2)
    assert "no reference set of microtubule" in text
    assert not (tmp_path / "scores").exists()
    text = run("evaluate", *where, "--reference", "*:x/1", "--links", "--merge-sets", code=2)
    assert "--links cannot be combined with --merge-sets" in text
    run(
        *("evaluate", "-c", config, "--reference", "microtubule:truth/1", "--links"),
        *("--candidate", "microtubule:picker/1", "-o", tmp_path / "scores"),
    )
    links = json.loads((tmp_path / "scores" / "scores.json").read_text())["links"]
    assert "have no instance ids" in links["notes"][0]
    assert links["objects"][0]["edges"]["recall"] == 0.0


def test_one_filament_in_two_places_is_told(config, tmp_path):
    Chains(1).add(config, "TS_1", rotations=True)
    root = copick.from_file(str(config))
    picks = root.get_run("TS_1").get_picks("microtubule", "truth")[0]
    points, transforms = picks.numpy()
    ids = np.ones(len(points), dtype=int)
    picks.from_numpy(points, transforms, instance_ids=ids)
    run("link", "-c", config, *GIVEN)
    text = run(
        *("evaluate", "-c", config, "--reference", "microtubule:truth/1", "--links"),
        *("--candidate", "microtubule:picker/linked", "-o", tmp_path / "scores"),
    )
    assert "reference filament 1 has a step" in text


def poses(table):
    """Return positions and rotations of RELION's particles, as RELION composes them."""

    def turned(names):
        return Rotation.from_euler("ZYZ", table[names].to_numpy(), degrees=True).inv()

    angle = turned([f"rlnAngle{name}" for name in ("Rot", "Tilt", "Psi")])
    frames = turned([f"rlnTomoSubtomogram{name}" for name in ("Rot", "Tilt", "Psi")])
    centred = table[[f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]].to_numpy()
    return centred + BOX_XYZ / 2, (frames * angle).as_matrix()


def test_a_helical_star_reads_back(config, tmp_path):
    for number in (1, 2):
        Chains(number).add(config, f"TS_{number}", rotations=number == 1)
        add_empty_tomogram(config, f"TS_{number}")
    even = ("-i", "microtubule:picker/1", "-o", "microtubule:picker/even")
    run("link", "-c", config, *even, "--spacing-angstrom", "80")
    text = run(
        *("export", "picks", "-c", config, "-i", "microtubule:picker/even", "--to", "relion5"),
        *("--tomogram", "wbp@10.0", "-o", tmp_path / "star"),
    )
    assert "20 filaments with tube numbers" in text
    assert "the direction of 10 is known" in text
    table = starfile.read(tmp_path / "star" / "microtubule.star")
    store = open_project(config)
    for run_name in ("TS_1", "TS_2"):
        picks = store.read_picks(run_name, PicksKey("microtubule", "picker", "even"))
        rows = table[table["rlnTomoName"] == run_name]
        points, rotations = poses(rows)
        assert np.abs(points - picks.points_xyz).max() < 0.1
        turn = Rotation.from_matrix(rotations) * Rotation.from_matrix(picks.rotations).inv()
        assert np.degrees(turn.magnitude()).max() < 0.1
        assert (rows["rlnHelicalTubeID"] == picks.instance_ids).all()
        assert (rows["rlnAngleTiltPrior"] == 90).all()
        ratio = 0.0 if run_name == "TS_1" else 0.5
        assert (rows["rlnAnglePsiFlipRatio"] == ratio).all()
        for _, tube in rows.groupby("rlnHelicalTubeID"):
            length = tube["rlnHelicalTrackLengthAngst"].to_numpy()
            assert length[0] == 0
            assert np.allclose(np.diff(length), 80.0, atol=0.2)
            assert tube["rlnRandomSubset"].nunique() == 1
    halves = table["rlnRandomSubset"].value_counts()
    assert abs(halves[1] - halves[2]) < 40
    # and comes back into a project
    run(
        "import",
        "picks",
        tmp_path / "star" / "microtubule.star",
        "-c",
        config,
        "-o",
        "microtubule:back/1",
    )
    back = open_project(config).read_picks("TS_1", PicksKey("microtubule", "back", "1"))
    picks = store.read_picks("TS_1", PicksKey("microtubule", "picker", "even"))
    assert np.allclose(back.points_xyz, picks.points_xyz, atol=0.01)
    assert np.allclose(back.rotations, picks.rotations, atol=1e-4)
    assert (back.instance_ids == picks.instance_ids).all()


def test_export_leaves_out_picks_of_no_filament_and_warp_has_tubes(config, tmp_path):
    Chains(1).add(config, "TS_1", rotations=True)
    add_empty_tomogram(config, "TS_1")
    run("link", "-c", config, *GIVEN)
    export = ("export", "picks", "-c", config, "--tomogram", "wbp@10.0")
    text = run(*export, "-i", "microtubule:picker/linked", "--to", "warp", "-o", tmp_path / "warp")
    picks = open_project(config).read_picks("TS_1", LINKED)
    n_free = int((picks.instance_ids == 0).sum())
    assert f"{n_free} of {len(picks)} picks of microtubule belong to no filament" in text
    table = starfile.read(tmp_path / "warp" / "microtubule.star")
    kept = picks.chosen(picks.instance_ids > 0)
    assert (table["rlnHelicalTubeID"] == kept.instance_ids).all()
    pixels = table[["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]].to_numpy()
    assert np.abs(10.0 * pixels - kept.points_xyz).max() < 0.1
    angle = table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy()
    turn = Rotation.from_euler("ZYZ", angle, degrees=True) * Rotation.from_matrix(kept.rotations)
    assert np.degrees(turn.magnitude()).max() < 0.1
    # single particles where that is asked for, or where no filament is known
    off = ("--filaments", "off", "--to", "relion5", "-o", tmp_path / "off")
    run(*export, "-i", "microtubule:picker/linked", *off)
    assert "rlnHelicalTubeID" not in starfile.read(tmp_path / "off" / "microtubule.star")
    plain = ("-i", "microtubule:picker/1", "--to", "relion5", "-o", tmp_path / "plain")
    assert "written as single particles; see copick-picker link" in run(*export, *plain)
    on = ("--filaments", "on", "--overwrite")
    assert "have no filament numbers" in run(*export, *plain, *on, code=1)
    text = run(*export, *plain[:2], "--to", "dynamo", "-o", tmp_path / "d", *on, code=2)
    assert "--to dynamo does not support filaments" in text


def segmented(folder, mask, spacing, name="microtubule"):
    spec = ObjectSpec(name, 1, 125.0, is_filament=True, has_polarity=True)
    config = project_of(folder, {"TS_1": np.zeros((4, 5, 6), np.float32)}, {}, objects=(spec,))
    key = SegmentationKey("predict", "picker", "1", spacing)
    open_project(config).write_segmentation(
        "TS_1",
        key,
        [(0, mask.astype(np.uint8))],
        shape_zyx=mask.shape,
        provenance={"command": "segment", "labels": {name: 1}},
        overwrite=False,
    )
    run("link", "-c", config, "-i", f"predict:picker/1@{spacing}", "-o", f"{name}:picker/linked")
    return open_project(config).read_filaments("TS_1", FilamentsKey(name, "picker", "linked"))


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("tardis_mt_0", [47, 25, 23, 20]),
        ("tardis_mt_3", [124, 101, 95, 67, 63, 41, 38]),
        ("tardis_mt_4", [71]),
        ("tardis_mt_5", [66, 33]),
    ],
)
def test_masks_of_real_microtubules_become_filaments(tmp_path, name, longest):
    with np.load(CROPS / "microtubule_masks.npz") as masks:
        mask = masks[name] > 0
    found = segmented(tmp_path, mask, 25.0)
    lengths = sorted((each.facts["length_angstrom"] / 25.0 for each in found.filaments), reverse=1)
    assert np.allclose(lengths[: len(longest)], longest, atol=4)
    assert all(length < 13 for length in lengths[len(longest) :])
    voxels = np.argwhere(mask)[:, ::-1] * 25.0
    curves = np.concatenate([each.points_xyz for each in found.filaments])
    assert cKDTree(voxels).query(curves)[0].max() < 60.0  # over gaps too
    assert (cKDTree(curves).query(voxels)[0] < 125.0).mean() > 0.92


@pytest.mark.parametrize("name", ["microtubule_13pf", "microtubule_14pf"])
def test_a_real_microtubule_from_a_threshold_to_a_filament(tmp_path, name):
    volume, _ = read_mrc(CROPS / f"{name}.mrc.gz")
    smooth = ndimage.gaussian_filter(volume.astype(np.float32), 5.0)
    labels, _ = ndimage.label(smooth > np.percentile(smooth, 88))
    mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    found = segmented(tmp_path, mask, 10.52)
    (filament,) = found.filaments
    assert filament.facts["straightness"] > 0.94
    extent = np.ptp(np.argwhere(mask), axis=0).max() * 10.52
    assert 0.8 * extent < filament.facts["length_angstrom"] < 1.2 * extent


@pytest.mark.parametrize("noise", [0.0, 2.0])
@pytest.mark.parametrize(("radius", "spacing"), [(800.0, 64.0), (3000.0, 80.0), (30000.0, 80.0)])
def test_an_arc_is_one_filament_however_exact_its_picks_are(config, radius, spacing, noise):
    along = np.arange(60.0) * spacing / radius
    arc = radius * np.stack([np.cos(along), np.sin(along), np.zeros(60)], axis=1)
    arc += noise * np.random.default_rng(0).normal(size=arc.shape)
    picks = copick.from_file(str(config)).new_run("TS_1").new_picks("microtubule", "1", "picker")
    picks.from_numpy(arc)
    run("link", "-c", config, *GIVEN)
    (filament,) = open_project(config).read_filaments("TS_1", FilamentsKey.of(LINKED)).filaments
    assert filament.facts["picks"] == 60
    assert filament.facts["length_angstrom"] == pytest.approx(59 * spacing, rel=0.01)
    assert filament.facts["curvature_per_um"] == pytest.approx(1e4 / radius, rel=0.2)


def test_picks_that_are_stored_twice_make_no_second_filament(config):
    line = np.arange(25.0)[:, None] * np.array([[80.0, 0.0, 0.0]]) + 1000.0
    picks = copick.from_file(str(config)).new_run("TS_1").new_picks("microtubule", "1", "picker")
    picks.from_numpy(np.concatenate([line, line[::3] + 0.8]))
    text = run("link", "-c", config, *GIVEN)
    assert "9 of 34 picks lie within 2 A of a better one" in text
    ids = open_project(config).read_picks("TS_1", LINKED).instance_ids
    assert np.bincount(ids).tolist() == [9, 25]


def test_even_picks_of_even_picks_are_the_same(config):
    line = np.arange(25.0)[:, None] * np.array([[41.0, 0.0, 0.0]]) + 1000.0
    picks = copick.from_file(str(config)).new_run("TS_1").new_picks("microtubule", "1", "picker")
    picks.from_numpy(line)
    run("link", "-c", config, *GIVEN, "--spacing-angstrom", "41")
    assert np.allclose(open_project(config).read_picks("TS_1", LINKED).points_xyz, line, atol=0.1)
    text = run("link", "-c", config, *GIVEN, "--spacing-angstrom", "1e-5", "--overwrite", code=1)
    assert "a spacing of 1e-05 A would make" in text


def test_an_object_that_is_not_declared_a_filament(tmp_path):
    config = filament_config(tmp_path)
    Chains(1).add(config, "TS_1", rotations=True)
    for more in (GIVEN, ("-i", "*:picker/1"), ("-i", "microtubule:picker/1")):
        text = run("link", "-c", config, *more, code=2)
        assert "object 'microtubule' is not declared a filament" in text
        assert '"metadata": {"copick": {"filament": {"polar": true}}}' in text
    text = run("link", "-c", config, *GIVEN[:2], "-o", "actin:picker/1", code=2)
    assert "--output is for actin, --input for microtubule" in text
    text = run("link", "-c", config, "-i", "*:picker/1", "-o", "actin:picker/2", code=2)
    assert "no object 'actin'" in text


def test_bad_picks_are_named(config):
    root = copick.from_file(str(config))
    for run_name, points in {
        "TS_1": np.full((30, 3), 500.0),
        "TS_2": np.arange(90.0).reshape(30, 3) + 100.0,
        "TS_3": np.zeros((0, 3)),
        "TS_4": np.array([[100.0, 100.0, 100.0]]),
    }.items():
        picks = root.new_run(run_name).new_picks("microtubule", "1", "picker")
        picks.from_numpy(points)
    file = config.parent / "project/ExperimentRuns/TS_2/Picks/picker_1_microtubule.json"
    file.write_text(file.read_text().replace("100.0", "NaN", 1))
    text = run("link", "-c", config, *GIVEN, code=1)
    assert "most of the 30 picks have another at the same place" in text
    assert "1 of 30 picks have a position, score or rotation that is NaN or infinite" in text
    assert "2 done, 2 failed" in text
    store = open_project(config)
    assert len(store.read_picks("TS_3", LINKED)) == 0
    assert store.read_picks("TS_4", LINKED).instance_ids is None
    assert len(store.read_filaments("TS_4", FilamentsKey.of(LINKED))) == 0
    assert store.filaments("TS_1") == []
    assert LINKED not in store.picks("TS_1")
    text = run("link", "-c", config, "-i", "microtubule:picker/1", "-o", "*:picker/1", code=1)
    assert "is both input and output" in text


def test_a_gate_that_holds_everything_is_bounded_and_told(config):
    Chains(1).add(config, "TS_1", rotations=True)
    text = run("link", "-c", config, *GIVEN, "--gate-angstrom", "100000")
    assert "there are more picks within the gate of 100000 A than the 8 nearest" in text
    assert "microtubule: 10 filaments" in text


def test_voxels_in_place_of_angstrom_are_suspected(config):
    chains = Chains(1)
    chains.points = chains.points / 10.0
    chains.add(config, "TS_1", rotations=True)
    add_empty_tomogram(config, "TS_1")
    assert "if positions are in voxels, convert them to Angstrom" in run(
        "link", "-c", config, *GIVEN
    )


def test_view_draws_filaments(config, tmp_path):
    Chains(1).add(config, "TS_1", rotations=True)
    add_empty_tomogram(config, "TS_1")
    run("link", "-c", config, *GIVEN)
    shown = ("view", "TS_1", "-c", config, "--candidate", "microtubule:picker/linked", "-o")
    text = run(*shown, tmp_path / "page.html")
    assert "10 filaments" in text
    page = (tmp_path / "page.html").read_text()
    assert page.count('"polar":true') + page.count('"polar": true') == 10
    assert "filaments: 10" in page
    run(*shown, tmp_path / "picture.png")
    run(*shown[:4], "--candidate", "microtubule:picker/1", "-o", tmp_path / "without.png")
    assert (tmp_path / "picture.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def test_a_learned_score_links_in_place_of_likelihood_ratios(config, tmp_path):
    scenes = []
    for seed in (11, 12, 13):
        chains = Chains(seed)
        points = LinkPoints(chains.points, tangents=chains.frames[:, :, 2])
        scenes.append(KnownPoints(points, chains.owners, chains.ranks))
    losses = []
    scorer = train_scorer(
        scenes, RULES, steps=60, seed=0, tell=lambda _, loss: bool(losses.append(loss))
    )
    assert np.mean(losses[-10:]) < 0.25 * np.mean(losses[:5])
    scorer.save(tmp_path / "scorer.pt")
    Chains(1).add(config, "TS_1", rotations=True)
    run("link", "-c", config, *GIVEN, "--scorer", tmp_path / "scorer.pt")
    run(
        *("evaluate", "-c", config, "--reference", "microtubule:truth/1", "--links"),
        *("--candidate", "microtubule:picker/linked", "-o", tmp_path / "scores"),
    )
    links = json.loads((tmp_path / "scores" / "scores.json").read_text())["links"]
    edges = links["objects"][0]["edges"]
    assert edges["precision"] > 0.95
    assert edges["recall"] > 0.9


def test_a_file_that_holds_no_score(config, tmp_path):
    Chains(1).add(config, "TS_1", rotations=True)
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    for name, words in (("broken.pt", "it is damaged"), ("none.pt", "there is no such file")):
        text = run("link", "-c", config, *GIVEN, "--scorer", tmp_path / name, code=2)
        assert words in text
    torch.save({"kind": "other"}, tmp_path / "other.pt")
    text = run("link", "-c", config, *GIVEN, "--scorer", tmp_path / "other.pt", code=2)
    assert "contains no link scorer" in text


def test_branches_are_recorded_only_on_request(config):
    along = np.arange(40.0)[:, None] * np.array([[50.0, 0.0, 0.0]]) + 1000.0
    side = np.arange(1, 16.0)[:, None] * np.array([[0.0, 50.0, 0.0]]) + along[20]
    root = copick.from_file(str(config))
    picks = root.new_run("TS_1").new_picks("microtubule", "1", "picker")
    picks.from_numpy(np.concatenate([along, side]))
    run("link", "-c", config, *GIVEN)
    key = FilamentsKey.of(LINKED)
    first, second = open_project(config).read_filaments("TS_1", key).filaments
    assert not any("meets" in name for each in (first, second) for name in each.facts)
    run("link", "-c", config, *GIVEN, "--branches", "--overwrite")
    first, second = open_project(config).read_filaments("TS_1", key).filaments
    assert (first.facts["picks"], second.facts["picks"]) == (40, 15)
    assert second.facts["first_point_meets"] == 1
    assert not any("meets" in name for name in first.facts)


def test_simulated_microtubules_from_truth_to_star(tmp_path):
    run("simulate", "--preset", "microtubules", "-o", tmp_path / "mt", "--runs", "1")
    config = tmp_path / "mt" / "config.json"
    for given, linked in (
        ("microtubule:simulation/1", "linked"),
        ("truth:simulation/1@10", "traced"),
    ):
        output = f"microtubule:picker/{linked}"
        run("link", "-c", config, "-i", given, "-o", output, "--spacing-angstrom", "41")
        run(
            *("evaluate", "-c", config, "--reference", "microtubule:simulation/1", "--links"),
            *("--candidate", output, "-o", tmp_path / linked),
        )
        links = json.loads((tmp_path / linked / "scores.json").read_text())["links"]
        (entry,) = links["objects"]
        assert entry["pieces"]["n_reference"] == entry["pieces"]["n_candidate"] > 3
        assert entry["edges"]["precision"] == 1.0
        assert entry["pieces"]["merges"] == 0
        assert entry["shape"]["coverage"] > 0.95
        assert entry["shape"]["tangent_error_degrees"] < 6.0
    text = run(
        *("export", "picks", "-c", config, "-i", "microtubule:picker/linked", "--to", "relion5"),
        *("--tomogram", "wbp@10.0", "-o", tmp_path / "star"),
    )
    assert "halves by filament" in text


def test_the_example_links_in_space_and_in_time():
    script = Path(__file__).parents[2] / "examples" / "link_points.py"
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    space, time = result.stdout.splitlines()
    assert space.startswith("filaments (z, y, x): 8 tracks of 8")
    assert time.startswith("a movie (t, y, x): ")
