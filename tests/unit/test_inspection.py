import numpy as np
import pytest

from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.core.segment.resampling import resample, resampled_shape
from copick_picker.core.segment.volume import ArrayReader, CleanedReader


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


def test_one_hot_voxel_decides_nothing():
    rng = np.random.default_rng(3)
    volume = rng.normal(size=(24, 40, 56)).astype(np.float32)
    volume[5:9, 10:14, 20:24] -= 3.0
    plain = inspect_volume(volume, smoothing_voxels=1.0)
    assert plain.looks(0.05) == "dark"
    assert plain.n_outliers == 0
    volume[17, 31, 43] = 500.0
    hot = inspect_volume(volume, smoothing_voxels=1.0)
    assert hot.n_outliers == 1
    assert hot.looks(0.05) == "dark"
    assert hot.middle == pytest.approx(plain.middle, abs=0.02)
    assert hot.spread == pytest.approx(1.0, abs=0.1)
    assert hot.statistics.standard_deviation > 2.0


def test_a_cleaned_volume_is_finite_and_within_its_limits():
    volume = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    volume[1, 2, 3] = np.nan
    volume[0, 0, 0] = np.inf
    cleaned = CleanedReader(ArrayReader(volume), filling=7.5, limits=(3.0, 20.0))
    planes = cleaned.read()
    assert (planes[1, 2, 3], planes[0, 0, 0]) == (7.5, 7.5)
    assert (planes.min(), planes.max(), planes.dtype) == (3.0, 20.0, np.float32)
    assert np.array_equal(cleaned.read(1, 2), planes[1:2])
    grey = CleanedReader(ArrayReader(np.array([[[0, 9, 255]]], np.uint8)), limits=(-40.0, 99.5))
    assert grey.read().tolist() == [[[0, 9, 99]]]
    assert CleanedReader(ArrayReader(volume)).read() is not None
