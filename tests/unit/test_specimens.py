"""Specimens: what a plan asks for is there, where the truth says, and nothing overlaps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from copick_picker.core.simulate.canvas import GIVE_UP_AFTER, placed_in_turn
from copick_picker.core.simulate.filaments import subunit_places, worm_like_chain
from copick_picker.core.simulate.layouts import window_of_layout
from copick_picker.core.simulate.membranes import drawn_bilayer, heights, surface_samples
from copick_picker.core.simulate.molecules import Molecule, drawn_molecule, prepared_molecule
from copick_picker.core.simulate.specimen import build_specimen
from copick_picker.core.simulate.truth import Specimen
from copick_picker.errors import DataError, UnknownNameError
from copick_picker.project.formats.tables import read_csv
from copick_picker.records.simulation import (
    Amount,
    BeadSpec,
    CrowdingSpec,
    EnvelopedSpec,
    FilamentSpec,
    IceSpec,
    LayerRange,
    Layout,
    MembraneSpec,
    ParticleSpec,
    SpecimenSpec,
)

SHAPE_ZYX = (40, 56, 64)
PICKS = Path(__file__).parents[2] / "copick_picker/data/layouts/czii_reference_picks.csv"
BOX_XYZ = (6307.56, 6307.56, 1842.21)
ICE = IceSpec((300.0, 300.0), (10.0, 10.0), 0.0, (20.0, 20.0))
EMPTY = SpecimenSpec((), (), (), (), (), ICE, None, (), 0.0, 0.0, 1.5)


def lopsided(side: int = 24) -> np.ndarray:
    """Return three Gaussians of 5 V whose centre of mass is voxel side // 2."""
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1) - side // 2
    places = np.array([[3.0, 1.0, -2.0], [-1.0, -3.0, 1.0], [-2.0, 2.0, 1.0]])
    return 5.0 * sum(np.exp(-((grid - place) ** 2).sum(axis=-1) / 8.0) for place in places)


def prepared(name: str, potential: np.ndarray, spacing: float = 10.0) -> Molecule:
    return prepared_molecule(name, potential, source_spacing=5.0, target_spacing=spacing)


MOLECULES = {"large": prepared("large", lopsided(32)), "small": prepared("small", lopsided())}


def count(low: int, high: int | None = None) -> Amount:
    return Amount("count", low, low if high is None else high)


def particle(name: str, amount: Amount, molecule: str = "small", **others: object) -> ParticleSpec:
    stated = {"is_labelled": True, "allow_fewer": False} | others
    return ParticleSpec(name, molecule, amount, **stated)


def built(spec: SpecimenSpec, seed: int = 1, shape: tuple[int, int, int] = SHAPE_ZYX) -> Specimen:
    return build_specimen(spec, MOLECULES, shape, 10.0, np.random.default_rng(seed))


def centre_of_mass(volume: np.ndarray) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in volume.shape], indexing="ij"), axis=-1)
    return (grid * volume[..., None]).sum(axis=(0, 1, 2)) / volume.sum()


VESICLES = MembraneSpec(
    "vesicle",
    "vesicle",
    count(1),
    (90.0, 95.0),
    (0.02, 0.02),
    (28.0, 30.0),
    6.0,
    (30.0, 40.0),
    is_labelled=True,
    allow_fewer=False,
)
TUBE = FilamentSpec(
    "tube",
    "small",
    count(1),
    5,
    60.0,
    12.0,
    0.0,
    40.0,
    70.0,
    5.2e7,
    (900.0, 900.0),
    60.0,
    is_labelled=True,
    allow_fewer=False,
)


def test_counts_labels_and_instances_are_those_of_the_plan() -> None:
    spec = replace(
        EMPTY,
        particles=(
            particle("a", count(5)),
            particle("other", count(4), is_labelled=False),
            particle("b", count(3), "large"),
            particle("none", count(0)),
        ),
        gap_angstrom=10.0,
    )
    specimen = built(spec)
    assert specimen.labelled == ("a", "b", "none")
    assert {name: specimen.count(name) for name in specimen.placed} == {
        "a": 5,
        "other": 4,
        "b": 3,
        "none": 0,
    }
    assert specimen.placed["none"].points_xyz.shape == (0, 3)
    assert specimen.placed["none"].rotations.shape == (0, 3, 3)
    assert not specimen.placed["other"].instance_ids.any()
    assert set(np.unique(specimen.instances)) == set(range(9))
    labels = specimen.labels()
    for number, name in enumerate(specimen.labelled, start=1):
        of_name = np.isin(specimen.instances, specimen.placed[name].instance_ids)
        np.testing.assert_array_equal(labels == number, of_name)


def test_every_particle_stands_where_its_point_and_rotation_say() -> None:
    spec = replace(EMPTY, particles=(particle("a", count(12)), particle("b", count(4), "large")))
    specimen = built(spec, seed=3)
    again = np.zeros(SHAPE_ZYX)
    for name, molecule in (("a", "small"), ("b", "large")):
        found = specimen.placed[name]
        for point, rotation, number in zip(
            found.points_xyz, found.rotations, found.instance_ids, strict=True
        ):
            centre = point[::-1] / 10.0
            voxel = np.round(centre).astype(int)
            drawn = drawn_molecule(MOLECULES[molecule], rotation[::-1, ::-1], centre - voxel)
            np.testing.assert_allclose(
                centre_of_mass(drawn) - drawn.shape[0] // 2, centre - voxel, atol=0.1
            )
            low = voxel - drawn.shape[0] // 2
            for index in np.ndindex(drawn.shape):
                place = tuple(low + index)
                if all(0 <= p < n for p, n in zip(place, SHAPE_ZYX, strict=True)):
                    again[place] += drawn[index]
                    if drawn[index] > 1.5:  # footprints are disjoint, so nobody else's number
                        assert specimen.instances[place] == number
    low_z, high_z = specimen.ice_z_angstrom
    planes = np.arange(SHAPE_ZYX[0]) * 10.0
    again[(planes < low_z) | (planes > high_z)] = 0.0
    np.testing.assert_allclose(specimen.potential, again, atol=1e-4)


def test_positions_within_a_voxel_and_orientations_are_uniform() -> None:
    spec = replace(EMPTY, particles=(particle("a", count(40)),))
    found = [built(spec, seed).placed["a"] for seed in range(10)]
    fractions = np.vstack([one.points_xyz for one in found]) / 10.0 % 1.0
    for axis in fractions.T:
        assert stats.kstest(axis, stats.uniform().cdf).pvalue > 1e-3
    rotations = np.concatenate([one.rotations for one in found])
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    for entry in rotations.reshape(-1, 9).T:
        assert stats.kstest(entry, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    angle = np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert stats.kstest(angle, lambda t: (t - np.sin(t)) / np.pi).pvalue > 1e-3


def everything() -> SpecimenSpec:
    layers = (LayerRange((0.0, 0.0), (12.0, 12.0), (60.0, 70.0), is_patchy=False),)
    return SpecimenSpec(
        (particle("a", count(6)), particle("p", count(3), membrane_centre_z_angstrom=20.0)),
        (VESICLES,),
        (
            EnvelopedSpec(
                "vlp",
                count(1),
                (60.0, 70.0),
                30.0,
                (0.0, 0.02),
                (0.9, 0.9),
                layers,
                is_labelled=True,
                allow_fewer=False,
            ),
        ),
        (BeadSpec("gold", count(2), (25.0, 30.0), 22.0, is_labelled=True, allow_fewer=False),),
        (TUBE,),
        ICE,
        CrowdingSpec(("large",), (0.2, 0.21), allow_fewer=True),
        (),
        0.0,
        0.0,
        1.5,
    )


def test_a_specimen_of_everything_is_whole_and_lies_in_the_ice() -> None:
    specimen = built(everything(), seed=2)
    assert {name: specimen.count(name) for name in specimen.labelled} == {
        "a": 6,
        "p": 3,
        "vlp": 1,
        "vesicle": 1,
        "gold": 2,
        "tube": 1,
    }
    assert specimen.count("large") == specimen.asked["large"] > 0
    assert set(np.unique(specimen.labels())) == set(range(7))
    bottom, top = specimen.ice_z_angstrom
    planes = np.arange(SHAPE_ZYX[0]) * 10.0
    outside = (planes < bottom) | (planes > top)
    assert outside.sum() == 10
    assert not specimen.potential[outside].any()
    assert not specimen.instances[outside].any()
    last_xyz = (np.array(SHAPE_ZYX) - 1.0)[::-1] * 10.0
    for name in ("a", "p", "vlp", "gold", "tube", "large"):
        points = specimen.placed[name].points_xyz
        assert np.all((points >= 0.0) & (points <= last_xyz))
        assert np.all((points[:, 2] > bottom) & (points[:, 2] < top))


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second, other = (built(everything(), seed) for seed in (5, 5, 6))
    assert first.potential.tobytes() == second.potential.tobytes()
    assert first.instances.tobytes() == second.instances.tobytes()
    for name, found in first.placed.items():
        np.testing.assert_array_equal(found.points_xyz, second.placed[name].points_xyz)
        np.testing.assert_array_equal(found.rotations, second.placed[name].rotations)
    assert first.potential.tobytes() != other.potential.tobytes()


@pytest.mark.parametrize("form", ["vesicle", "sheet"])
def test_heights_over_a_bilayer_are_distances_and_normals_point_outwards(form: str) -> None:
    rng = np.random.default_rng(4)
    spec = replace(VESICLES, form=form, radius_angstrom=(300.0, 300.0), roughness=(0.04, 0.04))
    bilayer = drawn_bilayer(spec, np.array([40.0, 50.0, 60.0]), 10.0, rng)
    points, normals = surface_samples(bilayer, 400, rng)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    np.testing.assert_allclose(heights(bilayer, points)[0], 0.0, atol=1e-9)
    for height in (-1.5, 1.5):
        np.testing.assert_allclose(
            heights(bilayer, points + height * normals)[0], height, atol=0.15
        )
    if form == "vesicle":
        outwards = points - bilayer.centre_zyx
        outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
        assert np.all((outwards * normals).sum(axis=1) > 0.8)


def test_a_membrane_has_two_leaflets_at_their_distance() -> None:
    smooth = replace(
        VESICLES,
        radius_angstrom=(120.0, 120.0),
        roughness=(0.0, 0.0),
        leaflet_distance_angstrom=(40.0, 40.0),
    )
    thick = replace(ICE, thickness_angstrom=(420.0, 420.0))
    specimen = built(replace(EMPTY, membranes=(smooth,), ice=thick), shape=(44, 60, 64))
    centre = specimen.placed["vesicle"].points_xyz[0, ::-1] / 10.0
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in (44, 60, 64)], indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid - centre, axis=-1)
    profile = [
        specimen.potential[np.abs(distance - radius) < 0.25].mean()
        for radius in np.arange(8.0, 16.25, 0.5)
    ]
    peaks = (
        8.0
        + 0.5
        * np.flatnonzero(
            (np.array(profile[1:-1]) > profile[:-2]) & (np.array(profile[1:-1]) > profile[2:])
        )
        + 0.5
    )
    np.testing.assert_allclose(peaks, [10.0, 14.0], atol=0.51)


def test_membrane_proteins_stand_along_the_normal_with_the_membrane_at_their_plane() -> None:
    smooth = replace(VESICLES, roughness=(0.0, 0.0), radius_angstrom=(110.0, 110.0))
    protein = particle("p", count(6), membrane_centre_z_angstrom=25.0)
    specimen = built(
        replace(EMPTY, particles=(protein,), membranes=(smooth,)), 7, shape=(44, 60, 64)
    )
    middle = specimen.placed["vesicle"].points_xyz[0]
    found = specimen.placed["p"]
    assert len(found.points_xyz) == 6
    up = found.rotations @ np.array([0.0, 0.0, 1.0])
    plane = found.points_xyz + 25.0 * up
    outwards = plane - middle
    np.testing.assert_allclose(np.linalg.norm(outwards, axis=1), 110.0, atol=1e-6)
    np.testing.assert_allclose((outwards / 110.0 * up).sum(axis=1), 1.0, atol=1e-9)


def test_proteins_without_a_membrane_have_no_room() -> None:
    protein = particle("p", count(2), membrane_centre_z_angstrom=0.0)
    with pytest.raises(DataError, match="0 of 2 p"):
        built(replace(EMPTY, particles=(protein,)))


def test_chains_have_their_persistence_length() -> None:
    rng = np.random.default_rng(8)
    cosines = []
    for _ in range(400):
        chain = worm_like_chain(np.zeros(3), np.array([0.0, 0.6, 0.8]), 100, 0.5, 40.0, rng)
        cosines.append(chain.tangents @ chain.tangents[0])
    mean = np.mean(cosines, axis=0)
    np.testing.assert_allclose(mean[[20, 60, 100]], np.exp(-np.array([10, 30, 50]) / 40), atol=0.06)
    np.testing.assert_allclose(np.linalg.norm(chain.tangents, axis=1), 1.0)
    np.testing.assert_allclose((chain.tangents * chain.across).sum(axis=1), 0.0, atol=1e-9)


def test_subunits_stand_on_the_lattice() -> None:
    rng = np.random.default_rng(9)
    chain = worm_like_chain(np.zeros(3), np.array([0.0, 0.0, 1.0]), 200, 0.5, 1e15, rng)
    spec = replace(TUBE, n_strands=13, rise_angstrom=41.0, stagger_angstrom=9.4)
    centres, rotations = subunit_places(chain, spec, 10.0)
    along = 4.1 * np.arange(30)[:, None] + 0.94 * np.arange(13)
    assert len(centres) == np.count_nonzero(along <= 100.0)
    np.testing.assert_allclose(np.sort(centres[:, 2]), np.sort(along[along <= 100.0]), atol=0.01)
    np.testing.assert_allclose(np.hypot(centres[:, 0], centres[:, 1]), 4.0, atol=0.01)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    np.testing.assert_allclose(rotations[:, :, 0], [[0.0, 0.0, 1.0]] * len(centres), atol=1e-3)
    outward = centres * [1.0, 1.0, 0.0] / 4.0
    np.testing.assert_allclose(rotations[:, :, 2], outward, atol=0.01)


def test_points_of_a_filament_follow_it() -> None:
    specimen = built(replace(EMPTY, filaments=(replace(TUBE, amount=count(2)),)), 3, (40, 90, 80))
    found = specimen.placed["tube"]
    assert specimen.count("tube") == 2
    for number in (1, 2):
        points = found.points_xyz[found.filament_ids == number]
        steps = np.diff(points, axis=0)
        np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 60.0, atol=0.5)
        tangents = found.rotations[found.filament_ids == number][:-1, :, 2]
        assert np.all((steps * tangents).sum(axis=1) > 59.0)


def test_adsorbed_particles_stand_at_the_interface() -> None:
    ice = replace(ICE, adsorbed_share=1.0)
    specimen = built(replace(EMPTY, particles=(particle("a", count(10)),), ice=ice))
    bottom, top = specimen.ice_z_angstrom
    for number in specimen.placed["a"].instance_ids:
        planes = np.flatnonzero((specimen.instances == number).any(axis=(1, 2))) * 10.0
        gap = min(planes[0] - bottom, top - planes[-1])
        assert abs(gap - 20.0) <= 5.0


def test_a_crowded_specimen_reaches_three_tenths() -> None:
    spec = replace(EMPTY, crowding=CrowdingSpec(("large", "small"), (0.3, 0.3), allow_fewer=False))
    specimen = built(spec)
    assert specimen.occupied_share >= 0.294
    assert specimen.occupied_share < 0.31


def test_a_search_without_room_ends_and_one_that_finds_places_goes_on() -> None:
    tried: list[int] = []
    assert placed_in_turn(10**9, tried.append) == []
    assert len(tried) == GIVE_UP_AFTER
    numbers = iter(range(10**6))
    found = placed_in_turn(100, lambda _: (next(numbers) % GIVE_UP_AFTER == 0) or None)
    assert len(found) == 100 // GIVE_UP_AFTER


def test_what_does_not_fit_is_counted() -> None:
    spec = replace(EMPTY, particles=(particle("a", count(3)), particle("b", count(9000), "large")))
    with pytest.raises(DataError, match=r"20 x 24 x 28 voxels .* placed \d+ of 9000 b"):
        built(spec, shape=(20, 24, 28))
    few = replace(spec, particles=(particle("b", count(9000), "large", allow_fewer=True),))
    specimen = built(few, shape=(20, 24, 28))
    assert 0 < specimen.count("b") < specimen.asked["b"] == 9000


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: replace(s, particles=(particle("a", count(1), "smal"),)), UnknownNameError,
         "did you mean 'small'"),
        (lambda s: replace(s, particles=(particle("a", count(1)),) * 2), DataError, "used twice"),
        (lambda s: replace(s, particles=(particle("a", Amount("layout")),)), DataError,
         "from a layout"),
        (lambda s: replace(s, footprint_volts=99.0, particles=(particle("a", count(1)),)),
         DataError, "no voxel above 99 V"),
        (lambda s: replace(s, membranes=(replace(VESICLES, form="tube"),)), DataError, "form tube"),
        (lambda s: replace(s, membranes=(replace(VESICLES, amount=Amount("layout")),)), DataError,
         "amount of vesicle is a layout"),
    ],
)  # fmt: skip
def test_impossible_plans_are_refused(
    change: Callable[[SpecimenSpec], SpecimenSpec], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        built(change(EMPTY))


def test_molecules_of_another_spacing_and_empty_ones_are_refused() -> None:
    spec = replace(EMPTY, particles=(particle("a", count(1)),))
    for molecule, words in (
        (prepared("small", lopsided(), 7.5), "7.5 A; expected 10 A"),
        (prepared("small", np.zeros((24, 24, 24))), "empty"),
    ):
        with pytest.raises(DataError, match=words):
            build_specimen(spec, {"small": molecule}, SHAPE_ZYX, 10.0, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("pinch", 0, 1), ("count", 3, 2), ("count", -1, 2), ("volume-share", 0.5, 1.5)],
)
def test_amounts_are_checked(kind: str, low: float, high: float) -> None:
    with pytest.raises(DataError, match="amount"):
        Amount(kind, low, high)


def czii_layouts() -> dict[str, Layout]:
    rows = read_csv(PICKS)
    places: dict[str, dict[str, list[list[float]]]] = {}
    for row in rows:
        point = [float(row[f"{axis}_angstrom"]) for axis in "xyz"]
        places.setdefault(row["run"], {}).setdefault(row["object"], []).append(point)
    return {
        run: Layout(run, {name: np.array(found) for name, found in objects.items()}, BOX_XYZ)
        for run, objects in places.items()
    }


def neighbour_distances(points: np.ndarray) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances.min(axis=1))


def test_a_whole_window_has_the_real_counts_and_neighbour_distances() -> None:
    layouts = czii_layouts()
    assert (
        sum(len(points) for one in layouts.values() for points in one.points_xyz.values()) == 1269
    )
    for seed, layout in enumerate(layouts.values()):
        rng = np.random.default_rng(seed)
        window = window_of_layout(layout, BOX_XYZ, (0.0, 1842.21), rng)
        for name, points in layout.points_xyz.items():
            assert len(window[name]) == len(points)
            np.testing.assert_allclose(
                neighbour_distances(window[name]), neighbour_distances(points), atol=1e-6
            )


def test_smaller_and_larger_windows_keep_the_density() -> None:
    layout = czii_layouts()["TS_6_4"]
    points = layout.points_xyz["ribosome"]
    counts = [
        len(window_of_layout(layout, (3153.78, 3153.78, 1842.0), (0.0, 1842.0),
                             np.random.default_rng(seed))["ribosome"])
        for seed in range(200)
    ]  # fmt: skip
    assert abs(np.mean(counts) / (len(points) / 4) - 1.0) < 0.25
    twice = window_of_layout(
        layout, (2 * 6307.56, 6307.56, 1842.21), (0.0, 1842.21), np.random.default_rng(1)
    )
    assert len(twice["ribosome"]) == 2 * len(points)


def test_particles_stand_at_real_places_within_the_jitter() -> None:
    points = np.array([[100.0, 120.0, 700.0], [400.0, 300.0, 800.0], [520.0, 480.0, 900.0]])
    layout = Layout("real", {"a": points}, (630.0, 550.0, 1800.0))
    spec = replace(
        EMPTY,
        particles=(particle("a", Amount("layout")),),
        layouts=(layout,),
        layout_jitter_angstrom=3.0,
    )
    specimen = built(spec, 4)
    found = specimen.placed["a"].points_xyz
    assert specimen.layout == "real"
    assert len(found) == 3
    middle = 0.5 * sum(specimen.ice_z_angstrom)
    assert np.all(np.abs(np.sort(found[:, 2]) - (middle + np.array([-100, 0, 100]))) < 15.0)
    np.testing.assert_allclose(neighbour_distances(found), neighbour_distances(points), atol=30.0)
    wrong = replace(spec, particles=(particle("apo", Amount("layout")),))
    with pytest.raises(UnknownNameError, match="has no object apo"):
        built(wrong)


def test_a_layout_outside_its_box_is_refused() -> None:
    layout = Layout("real", {"a": np.array([[700.0, 1.0, 1.0]])}, (630.0, 550.0, 1800.0))
    with pytest.raises(DataError, match="outside its box"):
        window_of_layout(layout, (630.0, 550.0, 400.0), (0.0, 400.0), np.random.default_rng(1))
