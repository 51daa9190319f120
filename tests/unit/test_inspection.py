import numpy as np
import pytest

from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.core.segment.resampling import resample, resampled_shape


def blobs(sign):
    rng = np.random.default_rng(3)
    volume = rng.normal(size=(20, 30, 40)).astype(np.float32)
    for z, y, x in rng.integers(3, 17, (12, 3)):
        volume[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] += sign * 4
    return volume


@pytest.mark.parametrize(("sign", "name"), [(1, "bright"), (-1, "dark")])
def test_contrast_of_blobs_in_noise(sign, name):
    assert inspect_volume(blobs(sign), smoothing_voxels=1.0).looks(0.2) == name


def test_noise_says_nothing():
    noise = np.random.default_rng(0).normal(size=(20, 30, 40))
    assert inspect_volume(noise, smoothing_voxels=1.0).looks(0.2) == "unclear"


def test_bad_voxels_are_counted():
    volume = blobs(1)
    volume[0, 1, 2] = np.nan
    volume[3, 1, 2] = np.inf
    assert inspect_volume(volume, smoothing_voxels=1.0).n_not_finite == 2
    assert inspect_volume(np.full((3, 4, 5), 7, np.int8), smoothing_voxels=1.0).is_constant
    assert inspect_volume(np.full((3, 4, 5), np.nan), smoothing_voxels=1.0).n_not_finite == 60


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_resampling_keeps_places(factor):
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in (16, 20, 24)], indexing="ij"))
    for axis in range(3):
        volume = grid[axis].astype(np.float32)
        result = resample(volume, factor=factor)
        assert result.shape == resampled_shape(volume.shape, factor=factor)
        line = np.moveaxis(result, axis, 0)[:, 4, 4]
        inner = slice(3, -3)
        np.testing.assert_allclose(line[inner], (np.arange(line.size) * factor)[inner], atol=1e-3)
