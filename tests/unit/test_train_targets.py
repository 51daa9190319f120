"""Targets, painted in patches and on whole volumes."""

import numpy as np
import pytest
import torch

from copick_picker.core.heads.head import HEADS, build_head, head_kind, outputs_of
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import (
    TARGET_KINDS,
    PatchTruth,
    false_positive_centres,
    gaussian_heights,
    labels_of,
    painted_fraction,
    pooled_heights,
    pooled_labels,
)
from copick_picker.core.labels import paint_spheres
from copick_picker.core.train.painting import target_slabs
from copick_picker.core.train.placement import Placement
from copick_picker.core.train.sampling import TrainingRun, truth_of
from copick_picker.core.train.sources import ArraySource
from copick_picker.errors import DataError, SettingsError, UnknownNameError

SHAPE = (18, 25, 31)
CENTRES = {
    1: np.array([[4.2, 6.7, 9.1], [0.4, 0.2, 30.0], [10.5, 13.0, 14.6]]),
    2: np.array([[11.0, 14.5, 18.3], [17.6, 3.3, 3.9]]),
    3: np.zeros((0, 3)),
}
RADII = {1: 4.0, 2: 6.0, 3: 5.0}


def whole(kind, fraction=0.7):
    labels = np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)
    return labels_of(kind, PatchTruth(SHAPE, CENTRES, RADII, labels), fraction=fraction), labels


class Labels:
    """A segmentation in memory."""

    def __init__(self, labels):
        self.labels, self.shape_zyx = labels, labels.shape

    def read(self, corner_zyx, size_zyx):
        return self.labels[
            tuple(slice(a, a + b) for a, b in zip(corner_zyx, size_zyx, strict=True))
        ]


@pytest.mark.parametrize("kind", TARGET_KINDS)
@pytest.mark.parametrize("corner", [(0, 0, 0), (3, 5, 7), (8, 13, 15), (10, 0, 19)])
def test_a_patch_equals_the_same_part_of_the_whole_painting(kind, corner):
    window = (8, 12, 12)
    painted, labels = whole(kind)
    run = TrainingRun("a", ArraySource(np.zeros(SHAPE)), CENTRES, RADII, Labels(labels))
    centre = np.add(corner, (np.array(window) - 1) / 2)
    truth = truth_of(run, Placement(np.eye(3), centre, window))
    part = painted[tuple(slice(a, a + b) for a, b in zip(corner, window, strict=True))]
    assert np.array_equal(labels_of(kind, truth, fraction=0.7), part)


@pytest.mark.parametrize("kind", TARGET_KINDS)
@pytest.mark.parametrize("slab_planes", [1, 5, 18, 40])
def test_slabs_make_up_the_whole_painting(kind, slab_planes):
    labels = whole(kind)[1]
    centres = {c: np.clip(points, 0, np.array(SHAPE) - 1.0) for c, points in CENTRES.items()}
    painted = labels_of(kind, PatchTruth(SHAPE, centres, RADII, labels), fraction=0.7)
    run = TrainingRun("a", ArraySource(np.zeros(SHAPE)), centres, RADII, Labels(labels))
    slabs = list(target_slabs(run, kind=kind, fraction=0.7, slab_planes=slab_planes))
    assert [start for start, _ in slabs] == list(range(0, SHAPE[0], slab_planes))
    assert np.array_equal(np.concatenate([channels for _, channels in slabs]), painted)


@pytest.mark.parametrize(("kind", "expected"), [("spheres", 0.5), ("gaussian", 0.589)])
def test_the_painted_fraction_is_the_radius_that_is_painted(kind, expected):
    assert painted_fraction(kind, 0.5) == pytest.approx(expected, abs=1e-3)
    truth = PatchTruth((41, 43, 45), {1: np.array([[20.0, 21.0, 22.0]])}, {1: 30.0})
    voxels = np.argwhere(labels_of(kind, truth, fraction=0.5)) - (20, 21, 22)
    assert np.linalg.norm(voxels, axis=1).max() == pytest.approx(30 * expected, abs=0.3)


def test_spheres_are_those_of_the_whole_volume_painter():
    expected = paint_spheres(
        SHAPE,
        {c: 10.0 * points[:, ::-1] for c, points in CENTRES.items()},
        {c: 7.0 * radius for c, radius in RADII.items()},
        voxel_spacing=10.0,
    )
    assert np.array_equal(whole("spheres")[0], expected)


def test_points_are_the_voxels_nearest_to_the_centres():
    painted, _ = whole("points")
    assert np.argwhere(painted == 1).tolist() == [[0, 0, 30], [4, 7, 9], [11, 13, 15]]
    assert np.argwhere(painted == 2).tolist() == [[11, 15, 18]]


def test_gaussians_are_one_at_the_centre_and_probabilities_everywhere():
    truth = PatchTruth(SHAPE, {1: np.array([[4.0, 6.0, 9.0]]), 2: CENTRES[2]}, RADII)
    heights = gaussian_heights(truth, 4, 0.5)
    assert heights.shape == (4, *SHAPE)
    assert heights[1, 4, 6, 9] == 1.0
    assert heights[1, 4, 6, 11] == pytest.approx(np.exp(-0.5), abs=1e-6)
    assert heights[1, 4, 6, 16] == 0.0
    assert heights[3].max() == 0.0
    np.testing.assert_allclose(heights.sum(axis=0), 1.0, atol=1e-6)
    close = PatchTruth((6, 7, 8), {1: np.full((1, 3), 3.0), 2: np.full((1, 3), 3.0)}, RADII)
    both = gaussian_heights(close, 3, 0.5)
    assert both[:, 3, 3, 3].tolist() == [0.0, 0.5, 0.5]


def test_the_gaussian_as_labels_is_what_lies_above_half_height():
    truth = PatchTruth(SHAPE, {1: CENTRES[1]}, RADII)
    above = gaussian_heights(truth, 2, 0.6)[1] >= 0.5
    assert np.array_equal(labels_of("gaussian", truth, fraction=0.6) == 1, above)


def test_pooling_keeps_what_touches_a_block():
    labels = np.zeros((4, 6, 8), np.uint8)
    labels[1, 3, 5], labels[2, 4, 6], labels[3, 5, 7] = 7, 3, 2
    pooled = pooled_labels(labels, 2)
    assert pooled.shape == (2, 3, 4)
    assert np.argwhere(pooled).tolist() == [[0, 1, 2], [1, 2, 3]]
    assert (pooled[0, 1, 2], pooled[1, 2, 3]) == (7, 2)
    heights = gaussian_heights(
        PatchTruth((4, 6, 8), {1: np.array([[1.0, 3.0, 5.0]])}, {1: 1.0}), 2, 0.5
    )
    coarse = pooled_heights(heights, 2)
    assert coarse[1, 0, 1, 2] == 1.0
    np.testing.assert_allclose(coarse.sum(axis=0), 1.0, atol=1e-6)
    assert pooled_labels(labels, 1) is labels


def test_no_particles_are_background_and_a_missing_radius_is_named():
    empty = PatchTruth((3, 4, 5), {1: np.zeros((0, 3))}, {})
    assert not labels_of("spheres", empty, fraction=1.0).any()
    truth = PatchTruth((3, 4, 5), {1: np.ones((1, 3))}, {})
    for kind in ("spheres", "gaussian"):
        with pytest.raises(SettingsError, match="radius is None"):
            labels_of(kind, truth, fraction=1.0)
    with pytest.raises(SettingsError, match="channel 1"):
        gaussian_heights(truth, 2, 1.0)
    with pytest.raises(DataError, match="segmentation"):
        labels_of("masks", truth, fraction=1.0)
    with pytest.raises(UnknownNameError, match=r"'sphere'.*spheres"):
        labels_of("sphere", truth, fraction=1.0)


def test_false_positives_are_far_from_every_reference_and_duplicates_are_none():
    references = np.array([[5.0, 5.0, 5.0], [20.0, 20.0, 20.0]])
    candidates = np.array([[5.0, 5.0, 7.0], [5.0, 6.0, 5.0], [12.0, 12.0, 12.0]])
    found = false_positive_centres(candidates, references, tolerance_voxels=2.0)
    assert found.tolist() == [[12.0, 12.0, 12.0]]
    none = np.zeros((0, 3))
    assert false_positive_centres(none, references, tolerance_voxels=2.0).shape == (0, 3)
    assert np.array_equal(
        false_positive_centres(candidates, none, tolerance_voxels=2.0), candidates
    )


def rules(**changes):
    given = {
        "n_objects": 2,
        "target_kind": "spheres",
        "target_fraction": 0.5,
        "output_stride": 1,
        "loss": "cross-entropy",
        "loss_parameters": {},
        "channel_weights": (1.0, 1.0, 1.0),
    }
    return HeadRules(**(given | changes))


@pytest.mark.parametrize("kind", TARGET_KINDS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("loss", ["cross-entropy", "tversky", "dice-ce", "focal"])
def test_every_kind_of_target_trains_with_every_loss_at_both_strides(kind, stride, loss):
    given = {"alpha": 0.3, "beta": 0.7, "gamma": 2.0}
    head = build_head(
        "softmax", rules(target_kind=kind, output_stride=stride, loss=loss, loss_parameters=given)
    )
    labels = np.zeros((4, 6, 8), np.uint8)
    labels[1, 2, 3] = 2
    truth = PatchTruth((4, 6, 8), {2: np.array([[1.0, 2.0, 3.0]])}, {2: 2.0}, labels)
    target = torch.from_numpy(head.target(truth))[None]
    grid = tuple(side // stride for side in (4, 6, 8))
    assert target.shape[-3:] == grid
    outputs = torch.zeros((1, head.n_outputs, *grid), requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.5)
    values = []
    for _ in range(30):
        value = head.loss()(outputs, target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < 0.7 * values[0]
    at = tuple(index // stride for index in (1, 2, 3))
    readout = head_kind("softmax").read(head.n_outputs, {})
    labels, finite, probabilities = readout.decode(outputs.detach()[0], probabilities=True)
    assert labels[at] == 2
    assert finite.all()
    assert torch.allclose(probabilities.float().sum(dim=0), torch.ones(*grid), atol=2e-3)


def test_wrong_heads_are_named():
    with pytest.raises(UnknownNameError, match=r"'softmx'; did you mean 'softmax'"):
        build_head("softmx", rules())
    with pytest.raises(SettingsError, match="2 channel weights for 2 objects"):
        build_head("softmax", rules(channel_weights=(1.0, 1.0)))
    with pytest.raises(UnknownNameError, match="spheres"):
        build_head("softmax", rules(target_kind="balls"))
    with pytest.raises(UnknownNameError, match="tversky"):
        build_head("softmax", rules(loss="tverski")).loss()
    with pytest.raises(SettingsError, match="alpha"):
        build_head("softmax", rules(loss="tversky")).loss()
    with pytest.raises(SettingsError, match="stride 2"):
        outputs_of(torch.nn.Identity(), torch.zeros(1, 1, 2, 2, 2), output_stride=2)


def test_another_head_is_one_entry_of_the_table(monkeypatch):
    monkeypatch.setitem(HEADS, "offsets", "toy_head:OFFSETS")
    head = build_head("offsets", rules(n_objects=1, channel_weights=(1.0, 1.0)))
    truth = PatchTruth((4, 6, 8), {1: np.array([[1.2, 2.0, 3.4]])}, {1: 2.0})
    target = head.target(truth)
    assert target[:, 1, 2, 3].tolist() == pytest.approx([1.0, 0.2, 0.0, 0.4], abs=1e-6)
    assert head.n_outputs == head_kind("offsets").n_outputs(1) == 4
    with pytest.raises(UnknownNameError, match="'offset'; did you mean 'offsets'"):
        head_kind("offset")
