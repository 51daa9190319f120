"""Heads that find points: targets, losses, decoding in slabs, augmentations, calibration."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from copick_picker.core.augmentations import AUGMENTATION_SETS
from copick_picker.core.heads.head import build_head, head_kind
from copick_picker.core.heads.heat_metrics import heat_scores
from copick_picker.core.heads.maxima import local_maxima, log_parabola
from copick_picker.core.heads.point_scores import probability_fit, probability_of, sigma_scale
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import PatchTruth
from copick_picker.core.localize import LabelledSlab, PointReader, picks_of_slabs
from copick_picker.core.localize.points import points_of_slabs
from copick_picker.core.segment.engine import segment_slabs
from copick_picker.core.segment.plan import EngineOptions, Member
from copick_picker.errors import SettingsError, UnknownNameError
from copick_picker.records.points import LocalizeTarget
from copick_picker.settings.detect import DetectParameters
from copick_picker.settings.train import LOSS_PARAMETERS

PARAMETERS = {**LOSS_PARAMETERS, "kendall": 0.0}


def rules(**given):
    known = {
        "n_objects": 2,
        "target_kind": "spheres",
        "target_fraction": 0.5,
        "output_stride": 2,
        "loss": "bce",
        "loss_parameters": PARAMETERS,
        "channel_weights": (1.0, 1.0, 1.0),
        "priors": (1e-3, 1e-2),
        "blob_radii": (0.4, 0.8),
    }
    return HeadRules(**(known | given))


def truth(shape=(8, 12, 16), centres=((3.3, 5.1, 9.8),), channel=2):
    return PatchTruth(shape, {channel: np.array(centres)}, {1: 6.0, 2: 5.0})


def test_balls_are_those_of_softmax_and_every_voxel_points_to_its_own_centre():
    given = rules(loss="tversky", target_fraction=1.0, block_radii=(3.0, 2.5))
    head = build_head("centres", given)
    softmax = build_head("softmax", rules(loss="tversky", target_fraction=1.0))
    scene = PatchTruth(
        (16, 20, 24),
        {1: np.array([[5.0, 6.0, 7.0], [4.0, 15.0, 18.0]]), 2: np.array([[11.0, 7.5, 9.0]])},
        {1: 6.0, 2: 5.0},
    )
    target = head.target(scene)
    np.testing.assert_array_equal(target[2], softmax.target(scene))
    for channel in (1, 2):
        np.testing.assert_array_equal(target[channel - 1] == 1, target[2] == channel)
        cells = np.argwhere(target[2] == channel)
        pointed = cells + target[3:6][:, target[2] == channel].T
        centres = (scene.centres_zyx[channel] - 0.5) / 2
        away = np.linalg.norm(pointed[:, None] - centres, axis=-1).min(axis=1)
        assert away.max() < 1e-5
    # the head decodes what it painted: outputs that say so give the particles back
    outputs = torch.zeros(head.n_outputs, 8, 10, 12)
    outputs[:2] = torch.where(torch.from_numpy(target[:2]) > 0, 12.0, -12.0)
    reaches = np.array(head.settings()["reaches"])
    assert (reaches > 2).all()
    for k in (0, 1):
        places = torch.from_numpy(target[3:6]) * (torch.from_numpy(target[2]) == k + 1)
        outputs[3 + 3 * k : 6 + 3 * k] = torch.atanh((places / reaches[k]).clamp(-0.999, 0.999))
    outputs[9:] = -1.0
    readout = head_kind("centres").read(head.n_outputs, head.settings())
    maps = readout.decode(readout.sums(outputs[None])[0], probabilities=False)[2].numpy()
    for channel, found in enumerate(readout.points(maps, slice(0, 8)), start=1):
        centres = (scene.centres_zyx[channel] - 0.5) / 2
        assert len(found.scores) == len(centres)
        away = np.linalg.norm(found.centres[:, None] - centres, axis=-1).min(axis=0)
        assert away.max() < 0.05
        assert (found.scores > 0.7).all()
        np.testing.assert_allclose(found.sigmas, np.exp(-1.0), rtol=0.01)


def test_the_target_of_centres_points_to_the_particle_from_its_voxel_and_the_next_ones():
    head = build_head("centres", rules())
    target = head.target(truth())
    assert target.shape == (2 + 2 + 3, 4, 6, 8)
    coarse = (np.array([3.3, 5.1, 9.8]) - 0.5) / 2  # 1.4, 2.3, 4.65
    assert np.argwhere(target[1] == 1.0).tolist() == [[1, 2, 5]]
    assert not target[0].any()
    near = np.argwhere(target[2] == 2.0)
    assert sorted(map(tuple, near)) == [
        (z, y, x) for z in (0, 1, 2) for y in (1, 2, 3) for x in (4, 5, 6)
    ]
    for index in near:
        offset = target[(slice(3, 6), *index)]
        np.testing.assert_allclose(index + offset, coarse, atol=1e-6)


def test_between_two_particles_the_nearer_one_counts():
    head = build_head("centres", rules())
    two = truth(centres=((3.0, 5.0, 6.0), (3.0, 5.0, 9.0)))
    target = head.target(two)
    x = target[5, 1, 2] + np.arange(8)
    points = (np.array([6.0, 9.0]) - 0.5) / 2
    assert np.abs(x[2:6, None] - points).min(axis=1).max() < 1e-6
    assert set(np.round(x[2:6], 2)) == {2.75, 4.25}


def test_particles_outside_a_patch_leave_their_mark_at_its_edge():
    target = build_head("centres", rules()).target(truth(centres=((-1.0, 5.0, 9.0),)))
    assert (target[1] < 1.0).all()
    assert (target[2, 0] == 2.0).any()
    assert not target[2, 1:].any()


def test_heat_maps_have_the_stated_sigma_at_any_stride():
    for stride in (1, 2, 4):
        head = build_head("heatmap", rules(output_stride=stride))
        target = head.target(truth((16, 16, 16), ((7.5, 7.5, 7.5),)))
        assert target.shape == (2, 16 // stride, 16 // stride, 16 // stride)
        line = target[1, 16 // stride // 2, 16 // stride // 2]
        x = np.arange(16 // stride) * stride + (stride - 1) / 2
        sigma = 0.8 * 5.0
        across = 2 * (stride / 2) ** 2  # the line runs beside the centre
        wanted = np.exp(-0.5 * ((x - 7.5) ** 2 + across) / sigma**2)
        far = np.abs(x - 7.5) > stride
        np.testing.assert_allclose(line[far], np.where(wanted < 0.0111, 0, wanted)[far], atol=1e-6)
        assert target[1].max() == 1.0


@pytest.mark.parametrize("name", ["centres", "heatmap"])
@pytest.mark.parametrize("loss", ["bce", "focal", "top-k"])
@pytest.mark.parametrize("weighting", [0.0, 1.0])
@torch.no_grad()
def test_a_perfect_output_loses_less_than_any_other(name, loss, weighting):
    parameters = {**PARAMETERS, "positive_weight": 5.0, "kendall": weighting}
    head = build_head(name, rules(loss=loss, loss_parameters=parameters))
    target = torch.from_numpy(head.target(truth()))[None]
    outputs = torch.zeros(1, head.n_outputs, *target.shape[2:])
    heights = target[:, :2]
    outputs[:, :2] = torch.logit(heights.clamp(0.002, 0.998))
    if loss == "focal":
        outputs[:, :2] = torch.where(heights > 0.99, 6.0, -6.0)
    if name == "centres":
        outputs[:, 6:9] = torch.atanh((target[:, 3:6] / 2).clamp(-0.99, 0.99))
        outputs[:, 9:] = -2.0
    module = head.loss()
    best = float(module(outputs, target))
    assert np.isfinite(best)
    torch.manual_seed(0)
    for _ in range(5):
        noise = torch.randn_like(outputs)
        noise[:, 9:] = 0.0  # the weight of the positions follows their standard deviations
        assert float(module(outputs + noise, target)) > best
    assert module.terms


def test_the_count_term_wants_the_probabilities_to_sum_to_the_particles():
    parameters = {**PARAMETERS, "count_weight": 1.0}
    head = build_head("centres", rules(loss_parameters=parameters, spreads=(0.01, 0.01)))
    target = torch.from_numpy(head.target(truth()))[None]
    module = head.loss()
    counts = []
    for total in (0.3, 1.0, 3.0):
        outputs = torch.zeros(1, head.n_outputs, *target.shape[2:])
        outputs[:, :2] = -20.0
        share = min(total / 4, 0.999)
        outputs[:, 1, 1, 2, 3:7] = float(np.log(share / (1 - share)))
        module(outputs, target)
        counts.append(float(module.terms["count"]))
    assert counts[1] < min(counts[0], counts[2])


def test_a_batch_without_a_particle_has_a_loss_and_gradients():
    for name in ("centres", "heatmap"):
        head = build_head(name, rules())
        target = torch.from_numpy(head.target(PatchTruth((8, 8, 8), {}, {})))[None]
        outputs = torch.zeros(1, head.n_outputs, 4, 4, 4, requires_grad=True)
        head.loss()(outputs, target).backward()
        assert torch.isfinite(outputs.grad).all()
        assert outputs.grad.abs().sum() > 0


def test_the_weight_of_positives_is_taken_out_again():
    weight = 9.0
    for name in ("centres", "heatmap"):
        head = build_head(name, rules(loss_parameters={**PARAMETERS, "positive_weight": weight}))
        readout = head_kind(name).read(head.n_outputs, head.settings())
        outputs = torch.zeros(1, head.n_outputs, 2, 2, 2)
        outputs[:, :2] = np.log(weight)  # a weighted posterior of 0.9 is one of 0.5
        maps = readout.decode(readout.sums(outputs)[0], probabilities=False)[2]
        np.testing.assert_allclose(maps[:2].float(), 0.5, atol=1e-3)


def test_the_prior_is_where_training_begins():
    network = nn.Module()
    network.head = nn.Conv3d(4, 15, 1)
    head = build_head("centres", rules())
    head.prepare(network)
    shares = torch.sigmoid(network.head.bias[:2])
    np.testing.assert_allclose(shares.detach(), [1e-3, 1e-2], rtol=1e-4)
    np.testing.assert_allclose(network.head.bias[9:].detach().exp(), 5**-0.5, rtol=1e-5)


def test_wrong_rules_are_named():
    with pytest.raises(
        UnknownNameError, match="no loss 'tversky' for this head; known: bce, focal"
    ):
        build_head("heatmap", rules(loss="tversky")).loss()
    with pytest.raises(UnknownNameError, match="known: bce, cross-entropy, dice-ce, focal, top-k"):
        build_head("centres", rules(loss="mse")).loss()
    with pytest.raises(SettingsError, match="1 blobs for 2 objects"):
        build_head("heatmap", rules(blob_radii=(0.4,)))


class Blobs(nn.Module):
    """Probability from the brightness, offsets from its gradient: turns as the volume turns."""

    def __init__(self, stride, name="centres"):
        super().__init__()
        self.output_stride, self.name = stride, name
        self.window_multiple = stride

    def coarse(self, windows):
        s = self.output_stride
        mean = nn.functional.avg_pool3d(windows, s)[:, 0]
        steps = torch.arange(s, dtype=windows.dtype) - (s - 1) / 2
        moments = []
        for axis in range(3):
            shape = [1, 1, 1]
            shape[axis] = s
            weights = steps.reshape(shape).expand(s, s, s)[None, None] / s**3
            moment = nn.functional.conv3d(windows, weights, stride=s)[:, 0]
            moments.append(moment)
        logits = 4.0 * mean - 4.0
        if self.name == "heatmap":
            return logits[:, None]
        sigmas = [0.3 * moment.abs() - 1.0 for moment in moments]
        return torch.stack([logits, torch.zeros_like(logits), *moments, *sigmas], dim=1)

    forward = coarse


def options(augmentations, **given):
    known = {
        "augmentations": augmentations,
        "overlap": 0.0,
        "blending": "gaussian",
        "layout": "tiled",
        "precision": "float32",
        "device": "cpu",
        "window_batch": 1,
        "inverted": False,
    }
    return EngineOptions(**(known | given))


def volume_of_blobs(shape=(22, 27, 33), n=9, seed=0):
    rng = np.random.default_rng(seed)
    grid = np.moveaxis(np.indices(shape), 0, -1)
    volume = 0.05 * rng.normal(size=shape)
    for centre in rng.uniform(1, np.array(shape) - 2, (n, 3)):
        volume += 6.0 * np.exp(-0.5 * ((grid - centre) ** 2).sum(-1) / 1.5**2)
    return volume.astype(np.float32)


def maps_of(volume, member, given):
    slabs = list(segment_slabs(volume, [member], given, probabilities=False))
    starts = [slab.z_start for slab in slabs]
    assert starts == np.cumsum([0, *(len(slab.labels) for slab in slabs)])[:-1].tolist()
    return np.concatenate([slab.maps for slab in slabs], axis=1).astype(np.float64)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("name", ["centres", "heatmap"])
def test_outputs_turn_with_every_augmentation_at_every_stride(name, stride):
    volume = volume_of_blobs((24, 28, 32))  # multiples of 4: reflection does not matter
    member = Member(Blobs(stride, name), (16, 16, 16), 8 if name == "centres" else 1, "reflect",
                    stride, name)  # fmt: skip
    plain = maps_of(volume, member, options(AUGMENTATION_SETS["octopi"][:1]))
    assert plain.shape[1:] == (24 // stride, 28 // stride, 32 // stride)
    assert len(set(plain.shape[1:])) == 3
    if name == "centres":
        assert np.abs(plain[1:4]).max() > 0.1 or stride == 1
    for augmentations in (*[(each,) for each in AUGMENTATION_SETS["octopi"]],
                          *AUGMENTATION_SETS.values()):  # fmt: skip
        turned = maps_of(volume, member, options(augmentations))
        np.testing.assert_allclose(turned, plain, atol=4e-3)


def test_a_volume_that_is_no_multiple_of_the_stride_is_covered_to_its_last_voxel():
    volume = volume_of_blobs((21, 26, 31))
    member = Member(Blobs(4), (16, 16, 16), 8, "reflect", 4, "centres")
    maps = maps_of(volume, member, options(AUGMENTATION_SETS["octopi"][:4]))
    assert maps.shape[1:] == (6, 7, 8)
    wrong = Member(Blobs(4), (18, 16, 16), 8, "reflect", 4, "centres")
    with pytest.raises(SettingsError, match="stride 4; expected sides that are multiples"):
        maps_of(volume, wrong, options(AUGMENTATION_SETS["octopi"][:1]))


@pytest.mark.parametrize("name", ["centres", "heatmap"])
@pytest.mark.parametrize("cuts", [(1,) * 11, (3, 3, 5), (2, 9), (10, 1), (4, 1, 1, 1, 4)])
def test_points_do_not_depend_on_how_the_volume_is_cut(name, cuts):
    member = Member(Blobs(2, name), (16, 16, 16), 8 if name == "centres" else 1, "reflect", 2, name)
    maps = maps_of(volume_of_blobs(n=20), member, options(AUGMENTATION_SETS["octopi"][:4]))
    maps = maps.astype(np.float16)
    (whole,) = points_of_slabs([(0, maps)], member.readout)
    assert len(whole.scores) > 8
    starts = np.cumsum([0, *cuts])
    slabs = [(int(a), maps[:, a:b]) for a, b in pairwise(starts)]
    (parts,) = points_of_slabs(slabs, member.readout)
    np.testing.assert_array_equal(parts.centres, whole.centres)
    np.testing.assert_array_equal(parts.scores, whole.scores)
    if name == "centres":
        np.testing.assert_array_equal(parts.sigmas, whole.sigmas)
        assert whole.sigmas.shape == whole.centres.shape


def test_picks_are_in_angstrom_with_their_standard_deviations_along_x_y_z():
    maps = np.zeros((7, 4, 5, 6), np.float16)
    maps[0, 1, 2, 3] = 0.75
    maps[1:4, 1, 2, 3] = 0.25, -0.5, 0.125
    maps[4:7, 1, 2, 3] = 0.5, 0.25, 0.125
    reader = PointReader(head_kind("centres").read(8, {"spreads": [0.1]}), 2)
    found = picks_of_slabs(
        [LabelledSlab(0, None, None, maps)],
        [LocalizeTarget("motor", 3, 50.0, channel=1)],
        shape_zyx=(8, 10, 11),
        voxel_spacing=10.0,
        rules=DetectParameters().rules(),
        reader=reader,
    )["motor"]
    zyx = (np.array([1.25, 1.5, 3.125]) * 2 + 0.5) * 10
    np.testing.assert_allclose(found.picks.points_xyz, [zyx[::-1]])
    np.testing.assert_allclose(found.picks.sigmas_xyz, [[2.5, 5.0, 10.0]])
    np.testing.assert_allclose(found.picks.scores, [1 - np.exp(-0.5) / 2])


def test_no_maximum_no_points():
    reader = PointReader(head_kind("heatmap").read(1, {}), 1)
    found = picks_of_slabs(
        [LabelledSlab(0, None, None, np.zeros((1, 4, 5, 6), np.float16))],
        [LocalizeTarget("motor", 1, 50.0, channel=1)],
        shape_zyx=(4, 5, 6),
        voxel_spacing=10.0,
        rules=DetectParameters().rules(),
        reader=reader,
    )["motor"]
    assert found.picks.points_xyz.shape == (0, 3)


def test_a_plateau_is_one_maximum_and_faces_count():
    values = np.zeros((3, 4, 5), np.float32)
    values[0, 0, 0:2] = 0.5
    values[2, 3, 4] = 0.7
    assert local_maxima(values, floor=0.1, planes=slice(0, 3)).tolist() == [[0, 0, 0], [2, 3, 4]]
    assert local_maxima(values, floor=0.1, planes=slice(1, 3)).tolist() == [[2, 3, 4]]
    assert local_maxima(values[:, :, 2], floor=0.1, planes=slice(0, 3)).shape == (0, 2)


def test_a_parabola_in_the_logarithm_is_exact_for_a_gaussian():
    rng = np.random.default_rng(2)
    grid = np.moveaxis(np.indices((9, 10, 11)), 0, -1)
    for _ in range(10):
        centre = rng.uniform(2, 6, 3)
        blob = np.exp(-0.5 * (((grid - centre) / (1.2, 1.5, 0.9)) ** 2).sum(-1)).astype(np.float32)
        peaks = local_maxima(blob, floor=0.3, planes=slice(0, 9))
        np.testing.assert_allclose(peaks + log_parabola(blob, peaks), [centre], atol=1e-3)
    flat = np.ones((3, 3, 3), np.float32)
    assert not log_parabola(flat, np.array([[1, 1, 1], [0, 0, 2]])).any()


def test_probabilities_are_fitted_and_keep_their_order():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.99, 4000)
    true = scores**2 / (scores**2 + (1 - scores) ** 2) * 0.9
    slope, intercept = probability_fit(scores, rng.random(4000) < true)
    fitted = probability_of(scores, (slope, intercept))
    assert abs(fitted.mean() - true.mean()) < 0.02
    assert slope > 0
    assert (np.argsort(fitted) == np.argsort(scores)).all()
    none = probability_fit(np.array([0.2]), np.array([False]))
    assert np.isfinite(none).all()


def test_standard_deviations_are_scaled_to_the_errors():
    rng = np.random.default_rng(0)
    sigmas = rng.uniform(1, 3, (2000, 3))
    errors = rng.normal(size=(2000, 3)) * sigmas * (0.5, 1.0, 2.0)
    np.testing.assert_allclose(sigma_scale(errors, sigmas), (0.5, 1.0, 2.0), rtol=0.05)
    assert sigma_scale(np.zeros((0, 3)), np.zeros((0, 3))).tolist() == [1.0, 1.0, 1.0]
    # of few hits the factor lies near the one known before, of many it is their own
    before = np.array([1.0, 2.0, 3.0])
    assert sigma_scale(np.zeros((0, 3)), np.zeros((0, 3)), before=before).tolist() == [1, 2, 3]
    few, many = (
        sigma_scale(np.full((n, 1), 4.0), np.ones((n, 1)), before=np.ones(1)) for n in (4, 10_000)
    )
    assert 1.2 < few[0] < 1.4
    assert 3.9 < many[0] < 4.0


def test_the_card_s_calibration_reaches_the_points():
    settings = {"probability": [[2.0, 0.5]], "sigma_scale": [[0.5, 2.0, 4.0]]}
    settings["spreads"] = [0.1]
    maps = np.zeros((7, 3, 3, 3), np.float16)
    maps[0, 1, 1, 1] = 0.75
    maps[4:7, 1, 1, 1] = 1.0
    (plain,) = head_kind("centres").read(8, {}).points(maps, slice(0, 3))
    (found,) = head_kind("centres").read(8, settings).points(maps, slice(0, 3))
    np.testing.assert_allclose(found.sigmas, plain.sigmas * (0.5, 2.0, 4.0))
    raw = 1 - np.exp(-0.5) / 2
    logit = np.log(raw / (1 - raw)) * 2 + 0.5
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-logit)), rtol=1e-3)


def test_heads_work_in_two_dimensions():
    flat = PatchTruth((8, 12), {1: np.array([[3.3, 5.1]])}, {1: 3.0}, None, {1: np.array([500.0])})
    one = rules(n_objects=1, channel_weights=(1.0, 1.0), priors=(1e-3,), blob_radii=(0.5,),
                n_axes=2, has_amplitude=True)  # fmt: skip
    for name in ("centres", "heatmap"):
        head = build_head(name, one)
        target = torch.from_numpy(head.target(flat))[None]
        outputs = torch.zeros(1, head.n_outputs, 4, 6, requires_grad=True)
        head.loss()(outputs, target).backward()
        readout = head_kind(name).read(head.n_outputs, head.settings())
        maps = np.zeros((readout.n_sums, 4, 6), np.float16)
        maps[0, 2, 3] = 0.9
        if name == "centres":
            assert head.n_outputs == 7
            maps[1:3, 2, 3] = 0.25, -0.25
            maps[5, 2, 3] = np.log(500.0)
        (found,) = readout.points(maps, slice(0, 4))
        assert found.centres.shape == (1, 2)
        if name == "centres":
            np.testing.assert_allclose(found.centres, [[2.25, 2.75]])
            np.testing.assert_allclose(found.amplitudes, 500.0, rtol=0.01)


def test_heat_scores_fall_with_distance_and_confidence():
    target = np.zeros((2, 1, 5, 6, 7), np.float32)
    target[0, 0, 2, 3, 3] = 1.0  # the second patch has no particle
    moved = np.roll(target, 2, axis=-1)
    near = heat_scores(0.8 * target, target, reach_voxels=2.0, ks=(1, 5))
    far = heat_scores(0.8 * moved, target, reach_voxels=2.0, ks=(1, 5))
    assert near.heat_score > 0.9 > far.heat_score
    assert near.top_k == {1: 1.0, 5: 1.0}
    assert far.top_k[1] == 0.0
    assert near.soft_dice > far.soft_dice == 0.0
    nothing = heat_scores(target, 0 * target, reach_voxels=2.0, ks=(1,))
    assert np.isnan(nothing.heat_score)
