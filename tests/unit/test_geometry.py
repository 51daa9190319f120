import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from copick_picker.core.geometry import box_angstrom, points_to_voxels, voxels_to_points
from copick_picker.errors import DataError

positions = arrays(
    np.float64, st.tuples(st.integers(0, 5), st.just(3)), elements=st.floats(-1e4, 1e4)
)


@given(positions, st.floats(0.5, 80))
def test_voxels_and_points_are_inverse(centres_zyx, voxel_spacing):
    points = voxels_to_points(centres_zyx, voxel_spacing)
    assert points.shape == centres_zyx.shape
    np.testing.assert_allclose(points_to_voxels(points, voxel_spacing), centres_zyx, atol=1e-9)


def test_axes_are_reversed_and_nothing_is_shifted():
    np.testing.assert_array_equal(voxels_to_points([[1, 2, 3], [0, 0, 0]], 10.012)[1], [0, 0, 0])
    np.testing.assert_allclose(voxels_to_points([[1, 2, 3]], 10.012), [[30.036, 20.024, 10.012]])


def test_box_is_the_last_voxel():
    np.testing.assert_allclose(box_angstrom((11, 21, 31), 10.0), [300, 200, 100])


def test_empty_stays_empty():
    assert voxels_to_points([], 10.0).shape == (0, 3)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_wrong_spacing_is_refused(spacing):
    with pytest.raises(DataError, match="voxel spacing"):
        voxels_to_points([[1, 2, 3]], spacing)


def test_wrong_shape_is_refused():
    with pytest.raises(DataError, match=r"\(n, 3\)"):
        points_to_voxels([[1.0, 2.0]], 10.0)
