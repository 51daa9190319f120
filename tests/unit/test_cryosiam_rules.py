"""CryoSiam's rules on small arrays."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import convex_hull_image

from copick_picker.core.localize.eroded import eroded_ball_voxels, eroded_components
from copick_picker.core.masks.grids import mask_on_grid
from copick_picker.core.segment.cleaning import (
    LamellaRules,
    hull_of_volume,
    hulls_of_planes,
    lamella,
    without_small_components,
)
from copick_picker.core.segment.wrapped import LabelRule, chosen_labels, scaled
from copick_picker.errors import DataError
from copick_picker.records.runs import InputScaling

SHAPE = (7, 11, 9)


@pytest.mark.parametrize("n_points", [7, 12, 40])
def test_the_hull_is_that_of_scikit_image(n_points):
    rng = np.random.default_rng(n_points)
    inside = np.zeros(SHAPE, bool)
    inside[tuple(rng.integers(0, SHAPE, (n_points, 3)).T)] = True
    assert (hull_of_volume(inside) == convex_hull_image(inside)).all()


@pytest.mark.parametrize("end", [(3, 4, 5), (3, 4, 8), (5, 6, 7)])
def test_few_voxels_have_a_hull_too(end):
    inside = np.zeros(SHAPE, bool)
    inside[3, 4, 5] = inside[end] = True
    steps = max(np.subtract(end, (3, 4, 5)))
    for hull in (hull_of_volume(inside), hulls_of_planes(inside)):
        assert hull[inside].all()
    assert hull_of_volume(inside).sum() == steps + 1


def test_a_full_volume_is_its_own_hull():
    assert hull_of_volume(np.ones(SHAPE, bool)).all()


@pytest.mark.parametrize("hull_in_3d", [True, False])
def test_no_lamella_is_an_empty_one(hull_in_3d):
    rules = LamellaRules((2.0, 1.0, 1.0), 4.0, threshold=0.9, hull_in_3d=hull_in_3d)
    assert not lamella(np.full(SHAPE, 0.5, np.float32), rules).any()


def test_eroded_components_are_those_of_scikit_image():
    labels = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(20, 31, 26)), 2) > 0.02
    found = eroded_components(labels * 5, 5, more_than_voxels=4)
    inside = ndimage.binary_erosion(labels, border_value=1)
    wanted = [part for part in regionprops(label(inside, connectivity=3)) if part.area > 4]
    assert len(wanted) > 1
    assert found.voxel_counts.tolist() == [part.area for part in wanted]
    np.testing.assert_allclose(found.centres_zyx, [part.centroid for part in wanted])


def test_probabilities_are_averaged_over_the_eroded_voxels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:6, 2:5, 3:6] = 1
    shares = np.zeros(SHAPE, np.float32)
    shares[2:5, 3, 4] = [0.3, 0.6, 0.9]
    found = eroded_components(labels, 1, more_than_voxels=2, probability_zyx=shares)
    assert found.voxel_counts.tolist() == [3]
    np.testing.assert_allclose(found.mean_probabilities, [0.6], rtol=1e-6)


def test_a_ball_that_erosion_would_eat_up_still_counts_a_voxel():
    assert eroded_ball_voxels(10.0, 13.0) == 1.0
    assert eroded_ball_voxels(60.0, 10.0) == pytest.approx(4 / 3 * np.pi * 5**3)


def test_a_label_that_is_nowhere_has_no_components():
    shares = np.ones(SHAPE, np.float32)
    found = eroded_components(
        np.zeros(SHAPE, np.uint8), 3, more_than_voxels=0, probability_zyx=shares
    )
    assert found.mean_probabilities is not None
    assert found.mean_probabilities.shape == (0,)
    assert found.centres_zyx.shape == (0, 3)
    assert found.numbers.shape == found.voxel_counts.shape == (0,)


def test_a_particle_at_a_face_is_not_eroded_there():
    labels = np.zeros(SHAPE, np.uint8)
    labels[:2, :3, 4:7] = 1
    assert eroded_components(labels, 1, more_than_voxels=0).centres_zyx.tolist() == [[0, 0.5, 5]]


def test_small_components_touch_over_corners_and_the_input_stays():
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = 2
    labels[5, 5, 5] = 2
    cleaned = without_small_components(labels, [100, 100, 1])
    assert np.argwhere(cleaned).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert labels[5, 5, 5] == 2


def test_one_class_and_two_classes_choose_differently():
    shares = np.array([0.55, 0.45], np.float32).reshape(2, 1, 1, 1)
    assert chosen_labels(shares, LabelRule(0.4, is_sigmoid=True)).item() == 1
    assert chosen_labels(shares, LabelRule(0.4, is_sigmoid=False)).item() == 0
    assert chosen_labels(shares, LabelRule(None, is_sigmoid=True)).item() == 0


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float64])
def test_scaling_clips_first(dtype):
    scaling = InputScaling(minimum=0, maximum=100, mean=0.25, standard_deviation=0.5)
    volume = np.array([[[0, 50, 120]]], dtype)
    np.testing.assert_allclose(scaled(volume, scaling, inverted=False), [[[-0.5, 0.5, 1.5]]])
    np.testing.assert_allclose(scaled(volume, scaling, inverted=True), [[[1.5, 0.5, -0.5]]])


def test_a_mask_at_half_the_size_covers_both_voxels():
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[1, 2, 3] = 1
    inside = mask_on_grid(mask, (6, 9, 10))
    assert inside.shape == (6, 9, 10)
    assert inside[2:4, 5:6, 6:8].all()
    assert 8 <= inside.sum() <= 12


def test_a_mask_of_another_box_is_refused():
    with pytest.raises(DataError, match="they differ"):
        mask_on_grid(np.ones((3, 4, 5)), (6, 8, 20))
