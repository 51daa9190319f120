import numpy as np
import pytest

from copick_picker.core.labels import paint_spheres, segmentation_from_probabilities
from copick_picker.errors import DataError, SettingsError

SHAPE = (9, 12, 17)


def test_a_sphere_lies_where_its_point_is_and_has_its_volume() -> None:
    painted = paint_spheres((30, 40, 50), {2: [[230.0, 170.0, 120.0]]}, {2: 70.0}, voxel_spacing=10)
    voxels = np.argwhere(painted == 2)
    np.testing.assert_allclose(voxels.mean(axis=0), [12, 17, 23], atol=1e-9)
    assert len(voxels) == pytest.approx(4 / 3 * np.pi * 7**3, rel=0.03)
    assert painted.dtype == np.uint8


def test_voxel_spacing_scales_points_and_radii_alike() -> None:
    fine = paint_spheres(SHAPE, {1: [[40.0, 30.0, 20.0]]}, {1: 15.0}, voxel_spacing=5.0)
    coarse = paint_spheres(SHAPE, {1: [[80.0, 60.0, 40.0]]}, {1: 30.0}, voxel_spacing=10.0)
    np.testing.assert_array_equal(fine, coarse)


def test_overlap_goes_to_the_sphere_whose_centre_is_nearer_in_radii() -> None:
    points = {1: [[40.0, 50.0, 40.0]], 2: [[90.0, 50.0, 40.0]]}
    painted = paint_spheres(SHAPE, points, {1: 40.0, 2: 20.0}, voxel_spacing=10.0)
    assert painted[4, 5, 7] == 1  # 30 of 40 A against 20 of 20 A
    assert painted[4, 5, 8] == 2  # 40 of 40 A against 10 of 20 A


def test_equal_distance_goes_to_the_lower_label_whatever_the_order() -> None:
    points = {5: [[60.0, 50.0, 40.0]], 3: [[40.0, 50.0, 40.0]]}
    painted = paint_spheres(SHAPE, points, {3: 20.0, 5: 20.0}, voxel_spacing=10.0)
    assert painted[4, 5, 5] == 3


def test_spheres_are_cut_at_the_faces_and_may_be_centred_outside() -> None:
    points = {1: [[0.0, 0.0, 0.0], [-15.0, 60.0, 40.0], [-500.0, 0.0, 0.0]]}
    painted = paint_spheres(SHAPE, points, {1: 20.0}, voxel_spacing=10.0)
    assert painted[0, 0, 0] == 1
    assert painted[0, 0, 2] == 1
    assert painted[4, 6, 0] == 1
    assert (painted[:, :, 5:] == 0).all()


def test_a_point_between_voxels_smaller_than_a_voxel_paints_nothing() -> None:
    painted = paint_spheres(SHAPE, {1: [[45.0, 45.0, 45.0]]}, {1: 2.0}, voxel_spacing=10.0)
    assert painted.sum() == 0


def test_no_points_give_background_and_need_no_radius() -> None:
    painted = paint_spheres(SHAPE, {4: np.zeros((0, 3))}, {}, voxel_spacing=10.0)
    assert painted.shape == SHAPE
    assert not painted.any()


@pytest.mark.parametrize("radius", [{}, {3: 0.0}, {3: -1.0}, {3: float("nan")}])
def test_points_without_a_positive_radius_are_refused(radius: dict[int, float]) -> None:
    with pytest.raises(SettingsError, match="label 3 has points but its radius"):
        paint_spheres(SHAPE, {3: [[10.0, 10.0, 10.0]]}, radius, voxel_spacing=10.0)


@pytest.mark.parametrize("label", [0, -1, 256])
def test_labels_that_do_not_fit_are_refused(label: int) -> None:
    with pytest.raises(SettingsError, match=f"cannot paint label {label}"):
        paint_spheres(SHAPE, {label: [[10.0, 10.0, 10.0]]}, {label: 10.0}, voxel_spacing=10.0)


def test_points_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="label 1"):
        paint_spheres(SHAPE, {1: [[np.nan, 1.0, 1.0]]}, {1: 10.0}, voxel_spacing=10.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_most_probable_channel_wins_and_ties_go_to_the_first(dtype: type) -> None:
    volume = np.zeros((3, 2, 3, 4), dtype=dtype)
    volume[0] = 0.5
    volume[1, 1, 2, 3] = 0.75
    volume[2, 0, 0, 1] = 0.5
    labels = segmentation_from_probabilities(volume, [0, 9, 4])
    assert labels.dtype == np.uint8
    assert np.argwhere(labels).tolist() == [[1, 2, 3]]
    assert labels[1, 2, 3] == 9


def test_a_winner_below_its_threshold_is_background() -> None:
    volume = np.array([[0.3, 0.3], [0.4, 0.0], [0.3, 0.7]]).reshape(3, 1, 1, 2)
    labels = segmentation_from_probabilities(volume, [0, 1, 2], thresholds={1: 0.5, 2: 0.7})
    assert labels.ravel().tolist() == [0, 2]


def test_wrong_channels_and_labels_are_refused() -> None:
    with pytest.raises(DataError, match="3 channels"):
        segmentation_from_probabilities(np.zeros((2, 3, 4, 5)), [0, 1, 2])
    with pytest.raises(DataError, match=r"\(3, 4, 5\)"):
        segmentation_from_probabilities(np.zeros((3, 4, 5)), [0, 1, 2])
    with pytest.raises(SettingsError, match="0 to 255"):
        segmentation_from_probabilities(np.zeros((2, 3, 4, 5)), [0, 300])
