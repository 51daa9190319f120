"""Training batches: where patches are taken, and what augmentations make of them."""

import pickle

import numpy as np
import pytest
from scipy import fft, ndimage

from copick_picker.core.heads.head import build_head
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.train.augmentations import (
    AUGMENTATIONS,
    changed,
    check_plan,
    placing_matrix,
    stream,
)
from copick_picker.core.train.placement import Placement
from copick_picker.core.train.sampling import (
    SamplingRules,
    TrainingRun,
    batch_at,
    check_runs,
    truth_of,
)
from copick_picker.core.train.sources import ArraySource, CachedPlanes, PlaneCache
from copick_picker.core.wedge import wedge_mask
from copick_picker.errors import DataError, SettingsError, UnknownNameError

SHAPE = (40, 52, 64)
PLAN = {
    "flips": {},
    "quarter-turns": {},
    "tilts": {"share": 1.0, "max_degrees": 12.0},
    "scale": {"share": 1.0, "max_change": 0.05},
    "wedge": {"share": 1.0, "min_degrees": 40.0, "max_degrees": 55.0},
    "contrast": {"scale_sigma": 0.2, "shift_sigma": 0.1},
    "noise": {"share": 1.0, "max_sigma": 0.3},
    "mixup": {"share": 1.0, "alpha": 0.4},
}


def head(n_objects=2, fraction=0.8, **changes):
    weights = (1.0,) * (n_objects + 1)
    given = {"target_kind": "spheres", "output_stride": 1, "loss": "cross-entropy"}
    given |= changes
    return build_head(
        "softmax",
        HeadRules(
            n_objects,
            target_fraction=fraction,
            loss_parameters={},
            channel_weights=weights,
            **given,
        ),
    )


def ball_run(centres_zyx, name="TS_1", shape=SHAPE, radius=5.0, channel=1):
    """Return a run whose tomogram is smooth balls of height 1 at the centres."""
    grid = np.stack(np.indices(shape), axis=-1)
    volume = np.zeros(shape)
    for centre in centres_zyx:
        away = ((grid - np.asarray(centre)) ** 2).sum(axis=-1)
        volume = np.maximum(volume, np.exp(-0.5 * away / (0.5 * radius) ** 2))
    centres = np.asarray(centres_zyx, dtype=float).reshape(-1, 3)
    return TrainingRun(name, ArraySource(volume), {channel: centres}, {channel: radius})


def noise_run(name, counts, seed, shape=SHAPE, hard=0):
    rng = np.random.default_rng(seed)
    centres = {c: rng.uniform(0, np.array(shape) - 1, (n, 3)) for c, n in counts.items()}
    return TrainingRun(
        name,
        ArraySource(rng.standard_normal(shape).astype(np.float32)),
        centres,
        {1: 3.0, 2: 4.0},
        hard_negatives_zyx=rng.uniform(0, np.array(shape) - 1, (hard, 3)),
    )


def rules(window=(16, 24, 24), size=4, particles=0.5, hard=0.0):
    return SamplingRules(window, size, particles, hard)


def at(step, runs, plan=None, seed=3, the_head=None, **given):
    return batch_at(
        step,
        runs=runs,
        rules=rules(**given),
        head=the_head or head(),
        augmentations=plan or {},
        seed=seed,
    )


def centroid(volume):
    return np.array(ndimage.center_of_mass(volume))


@pytest.mark.parametrize("name", ["none", *AUGMENTATIONS])
def test_the_same_seed_and_step_give_the_same_bytes_in_any_order(name):
    runs = [noise_run("a", {1: 5, 2: 1}, 1), noise_run("b", {1: 2}, 2)]
    plan = {} if name == "none" else {name: PLAN[name]}
    first = [at(step, runs, plan) for step in range(3)]
    again = [at(step, pickle.loads(pickle.dumps(runs)), plan) for step in (2, 0, 1)]  # noqa: S301
    for one, other in zip(first, (again[1], again[2], again[0]), strict=True):
        assert one.patches.tobytes() == other.patches.tobytes()
        assert one.targets.tobytes() == other.targets.tobytes()
        assert (one.run_names, one.kinds) == (other.run_names, other.kinds)
    assert first[0].patches.tobytes() != first[1].patches.tobytes()
    assert first[0].patches.tobytes() != at(0, runs, plan, seed=4).patches.tobytes()


def test_patches_and_targets_are_cut_alike_and_have_the_stated_types():
    run = noise_run("a", {1: 4, 2: 3}, 5)
    batch = at(0, [run], size=6)
    assert batch.patches.shape == (6, 1, 16, 24, 24)
    assert batch.patches.dtype == np.float32
    assert batch.targets.shape == (6, 16, 24, 24)
    assert batch.targets.dtype == np.int64
    assert batch.partner_targets is None
    whole = ArraySource(np.zeros(SHAPE)).shape_zyx
    volume = run.source.read((0, 0, 0), whole)
    views = np.lib.stride_tricks.sliding_window_view(volume, (16, 24, 24))
    for patch, target in zip(batch.patches[:, 0], batch.targets, strict=True):
        (corner,) = np.argwhere(views[..., 0, 0, 0] == patch[0, 0, 0])
        assert np.array_equal(views[tuple(corner)], patch)
        placed = Placement(np.eye(3), corner + (np.array([16, 24, 24]) - 1) / 2, (16, 24, 24))
        assert np.array_equal(head().target(truth_of(run, placed)), target)


def test_particles_are_balanced_by_class_and_lie_in_the_inner_half():
    runs = [noise_run("a", {1: 60}, 1), noise_run("b", {1: 30, 2: 1}, 2)]
    rare = runs[1].centres_zyx[2][0]
    batches = [at(step, runs, particles=1.0, size=8) for step in range(25)]
    kinds = [kind for batch in batches for kind in batch.kinds]
    assert kinds == ["particle"] * 200
    holds = [bool((target == 2).any()) for batch in batches for target in batch.targets]
    assert 70 <= sum(holds) <= 140
    assert (rare >= 0).all()
    single = ball_run([(20.0, 26.0, 32.0)])
    places = [
        centroid(patch[0]) / (15, 23, 23)
        for step in range(10)
        for patch in at(step, [single], particles=1.0).patches
    ]
    assert np.min(places) > 0.2
    assert np.max(places) < 0.8
    assert np.ptp(places, axis=0).min() > 0.3


def test_shares_of_particles_hard_negatives_and_background_are_kept():
    runs = [noise_run("a", {1: 5}, 1, hard=3), noise_run("b", {}, 2)]
    kinds = [
        kind
        for step in range(40)
        for kind in at(step, runs, size=10, particles=0.5, hard=0.2).kinds
    ]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert shares["particle"] == pytest.approx(0.5, abs=0.08)
    assert shares["hard negative"] == pytest.approx(0.2, abs=0.07)
    assert shares["background"] == pytest.approx(0.3, abs=0.08)


def test_hard_negatives_are_shown_and_called_background():
    run = ball_run([(20.0, 26.0, 32.0)])
    tricky = TrainingRun(
        "TS_1", run.source, {1: np.zeros((0, 3))}, {}, hard_negatives_zyx=run.centres_zyx[1]
    )
    batch = at(0, [tricky], particles=0.0, hard=1.0)
    assert set(batch.kinds) == {"hard negative"}
    assert batch.patches.max(axis=(1, 2, 3, 4)).min() > 0.9
    assert not batch.targets.any()


def test_without_particles_all_is_background_from_every_run_and_every_place():
    runs = [noise_run("a", {}, 1), noise_run("b", {1: 0}, 2)]
    batches = [at(step, runs, particles=1.0, size=8) for step in range(10)]
    names = [name for batch in batches for name in batch.run_names]
    assert {kind for batch in batches for kind in batch.kinds} == {"background"}
    assert 20 <= names.count("a") <= 60
    tight = TrainingRun("tight", ArraySource(np.zeros((16, 24, 24))), {}, {})
    assert at(0, [tight]).patches.shape[2:] == (16, 24, 24)


@pytest.mark.parametrize("name", ["flips", "quarter-turns", "tilts", "scale"])
@pytest.mark.parametrize("centre", [(11.3, 40.2, 21.7), (20.3, 26.4, 31.7), (2.0, 49.5, 61.0)])
def test_image_and_target_are_placed_alike(name, centre):
    run = ball_run([centre])
    moved = False
    for step in range(3):
        batch = at(step, [run], {name: PLAN[name]}, particles=1.0, the_head=head(1, 1.0))
        plain = at(step, [run], {}, particles=1.0, the_head=head(1, 1.0))
        moved |= batch.patches.tobytes() != plain.patches.tobytes()
        for patch, target in zip(batch.patches[:, 0], batch.targets, strict=True):
            assert patch[target == 1].min() > 0.09
            assert patch[target == 0].max() < 0.2
    assert moved


def test_a_tilted_and_scaled_ball_is_where_the_matrix_says():
    window = (20, 28, 24)
    middle = (np.array(window) - 1) / 2
    matrix = placing_matrix(
        {"tilts": PLAN["tilts"], "scale": PLAN["scale"]}, seed=1, step=5, row=2, may_swap=True
    )
    assert np.abs(matrix - np.eye(3)).max() > 0.03
    placed = Placement(matrix, np.array([19.2, 25.7, 30.4]), window)
    wanted = np.array([13.0, 8.5, 15.2])
    run = ball_run([placed.centre_zyx + matrix @ (wanted - middle)], radius=3.0)
    np.testing.assert_allclose(centroid(placed.image(run.source)), wanted, atol=0.05)
    (local,) = truth_of(run, placed).centres_zyx[1]
    np.testing.assert_allclose(local, wanted, atol=1e-9)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3) * placed.scale**2, atol=1e-12)
    assert truth_of(run, placed).radii_voxels[1] == pytest.approx(3.0 / placed.scale)


def test_labels_of_a_segmentation_are_turned_with_the_image():
    rng = np.random.default_rng(3)
    labels = ndimage.zoom(rng.integers(0, 3, (5, 6, 7)), 8, order=0).astype(np.uint8)

    class Labels:
        shape_zyx = labels.shape

        def read(self, corner, size):
            return labels[tuple(slice(a, a + b) for a, b in zip(corner, size, strict=True))]

    run = TrainingRun("a", ArraySource(labels.astype(np.float32)), {}, {}, Labels())
    for step in range(4):
        plan = {name: PLAN[name] for name in ("flips", "quarter-turns", "tilts", "scale")}
        batch = at(step, [run], plan, the_head=head(2, target_kind="masks"))
        same = np.rint(batch.patches[:, 0]) == batch.targets
        assert same.mean() > 0.93
        exact = at(step, [run], {"flips": {}}, the_head=head(2, target_kind="masks"))
        assert np.array_equal(exact.patches[:, 0], exact.targets)


def test_outside_of_the_tomogram_image_and_particles_are_mirrored_together():
    run = ball_run([(3.0, 6.0, 60.5), (12.0, 18.0, 47.0)], radius=3.0)
    placed = Placement(np.eye(3), np.array([4.5, 5.5, 57.5]), (20, 28, 24))
    patch, target = placed.image(run.source), head(1, 1.0).target(truth_of(run, placed))
    assert target.any()
    parts, count = ndimage.label(target)
    assert count >= 4
    assert patch[parts > 0].min() > 0.05
    assert patch[target == 0].max() < 0.2


def test_turning_one_augmentation_off_changes_no_draw_of_the_others():
    for name in AUGMENTATIONS:
        rest = {other: given for other, given in PLAN.items() if other != name}
        for row in range(3):
            keys = {"seed": 5, "step": 8, "row": row}
            for other in ("flips", "quarter-turns", "tilts", "scale"):
                alone = placing_matrix({other: PLAN[other]}, **keys, may_swap=True)
                if other != name:
                    assert not np.isnan(alone).any()
            whole = placing_matrix(PLAN, **keys, may_swap=True)
            left = placing_matrix(rest, **keys, may_swap=True)
            if name in ("flips", "quarter-turns", "tilts", "scale"):
                parts = [
                    placing_matrix({other: PLAN[other]}, **keys, may_swap=True)
                    for other in ("flips", "quarter-turns", "tilts", "scale")
                    if other != name
                ]
                np.testing.assert_allclose(left, np.linalg.multi_dot(parts), atol=1e-12)
            else:
                assert np.array_equal(whole, left)


def test_the_draws_of_a_value_augmentation_do_not_depend_on_the_others():
    patch = np.random.default_rng(1).standard_normal((12, 14, 18)).astype(np.float32)
    keys = {"seed": 2, "step": 4, "row": 1, "is_turned": False}
    both = {"contrast": PLAN["contrast"], "noise": PLAN["noise"]}
    noise = changed(patch, {"noise": PLAN["noise"]}, **keys) - patch
    scaled = changed(patch, {"contrast": PLAN["contrast"]}, **keys)
    np.testing.assert_allclose(changed(patch, both, **keys), scaled + noise, atol=1e-6)
    runs = [noise_run("a", {1: 5, 2: 1}, 1), noise_run("b", {1: 2}, 2)]
    with_noise, without = at(0, runs, both), at(0, runs, {"contrast": PLAN["contrast"]})
    assert with_noise.run_names == without.run_names
    assert np.array_equal(with_noise.targets, without.targets)


def test_streams_differ_by_seed_step_row_and_name():
    keys = [(1, 2, 3, "flips"), (1, 2, 3, "scale"), (1, 2, 4, "flips"), (1, 3, 3, "flips")]
    drawn = {stream(*key).random() for key in [*keys, (2, 2, 3, "flips")]}
    assert len(drawn) == 5


@pytest.mark.parametrize("is_turned", [False, True])
def test_the_wedge_takes_power_where_the_tilts_do_not_measure(is_turned):
    patch = np.random.default_rng(4).standard_normal((24, 20, 28)).astype(np.float32)
    fixed = {"wedge": {"share": 1.0, "min_degrees": 50.0, "max_degrees": 50.0}}
    cut = changed(patch, fixed, seed=1, step=0, row=0, is_turned=is_turned)
    assert cut.shape == patch.shape
    assert cut.dtype == np.float32
    view = cut.swapaxes(1, 2) if is_turned else cut
    power = np.abs(fft.rfftn(view.astype(np.float64))) ** 2
    kept = np.broadcast_to(wedge_mask(view.shape, (-50.0, 50.0)) > 0, power.shape)
    assert power[~kept].sum() < 1e-9 * power[kept].sum()
    original = patch.swapaxes(1, 2) if is_turned else patch
    before = np.abs(fft.rfftn(original.astype(np.float64))) ** 2
    np.testing.assert_allclose(power[kept], before[kept], rtol=1e-3, atol=1e-3)
    unused = {"wedge": {"share": 0.0, "min_degrees": 50.0, "max_degrees": 50.0}}
    assert changed(patch, unused, seed=1, step=0, row=0, is_turned=is_turned).tobytes() == (
        patch.tobytes()
    )


def test_the_tilt_axis_is_followed_through_quarter_turns():
    shape = (24, 30, 30)
    flat = np.random.default_rng(4).standard_normal(shape)
    spectrum = fft.rfftn(flat) * wedge_mask(shape, (-60.0, 60.0))
    run = TrainingRun("a", ArraySource(fft.irfftn(spectrum, s=shape)), {}, {})
    plan = {
        "quarter-turns": {},
        "wedge": {"share": 1.0, "min_degrees": 60.0, "max_degrees": 60.0},
    }
    turned = 0
    for step in range(6):
        only = {"quarter-turns": {}}
        given = {"window": shape, "size": 1}
        plain, cut = at(step, [run], only, **given), at(step, [run], plan, **given)
        np.testing.assert_allclose(cut.patches, plain.patches, atol=1e-4)
        matrix = placing_matrix(plan, seed=3, step=step, row=0, may_swap=True)
        turned += abs(matrix[1, 2]) > 0.5
    assert 0 < turned < 6


def test_mixed_patches_are_sums_and_the_loss_gets_both_targets():
    runs = [noise_run("a", {1: 5, 2: 1}, 1)]
    plain, mixed = at(2, runs), at(2, runs, {"mixup": PLAN["mixup"]})
    share = np.float32(mixed.partner_share)
    assert 0 < share <= 0.5
    other = np.roll(plain.patches, 1, axis=0)
    np.testing.assert_allclose(
        mixed.patches, (1 - share) * plain.patches + share * other, atol=1e-6
    )
    assert np.array_equal(mixed.targets, plain.targets)
    assert np.array_equal(mixed.partner_targets, np.roll(plain.targets, 1, axis=0))
    alone = at(2, runs, {"mixup": PLAN["mixup"]}, size=1)
    assert alone.partner_targets is None


def test_a_window_of_unequal_sides_makes_half_turns_only():
    run = noise_run("a", {1: 4}, 1, shape=(16, 20, 40))
    for step in range(4):
        batch = at(step, [run], {"quarter-turns": {}}, window=(8, 20, 40), size=2)
        assert batch.patches.shape == (2, 1, 8, 20, 40)
    matrices = [
        placing_matrix({"quarter-turns": {}}, seed=1, step=step, row=0, may_swap=False)
        for step in range(30)
    ]
    assert {int(matrix[1, 1]) for matrix in matrices} == {-1, 1}


def test_a_stored_tomogram_gives_the_same_batch_as_one_in_memory():
    run = noise_run("a", {1: 4}, 1)
    volume = run.source.read((0, 0, 0), SHAPE)

    class Stored:
        shape, chunk_planes, dtype = SHAPE, 7, volume.dtype

        def read(self, z_start=0, z_stop=None):
            return volume[z_start:z_stop]

    cached = CachedPlanes("a", Stored(), PlaneCache(300_000), mean=0.0, standard_deviation=1.0)
    stored = TrainingRun("a", cached, run.centres_zyx, run.radii_voxels)
    for step in range(2):
        one, other = at(step, [run], PLAN), at(step, [stored], PLAN)
        assert one.patches.tobytes() == other.patches.tobytes()


def test_small_tomograms_no_runs_and_wrong_shares_are_refused_by_name():
    good, small = noise_run("TS_1", {1: 2}, 1), noise_run("TS_2", {1: 2}, 2, shape=(40, 11, 64))
    with pytest.raises(DataError, match=r"run TS_2.*\(16, 24, 24\).*twice.*\(40, 11, 64\)"):
        at(0, [good, small])
    with pytest.raises(DataError, match="no run"):
        at(0, [])
    with pytest.raises(SettingsError, match=r"0\.8.*0\.3"):
        check_runs([good], rules(particles=0.8, hard=0.3))

    class Labels:
        shape_zyx = (40, 52, 63)

    wrong = TrainingRun("TS_3", good.source, {}, {}, Labels())
    with pytest.raises(DataError, match=r"run TS_3: the segmentation"):
        at(0, [wrong])


def test_unknown_augmentations_and_parameters_are_named():
    check_plan(PLAN)
    with pytest.raises(UnknownNameError, match="did you mean 'flips'"):
        check_plan({"flip": {}})
    with pytest.raises(SettingsError, match="share, max_degrees"):
        check_plan({"tilts": {"degrees": 3.0}})
