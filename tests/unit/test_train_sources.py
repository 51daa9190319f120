"""Reading of training patches through one bounded cache."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from copick_picker.core.train.sources import ArraySource, CachedLabels, CachedPlanes, PlaneCache
from copick_picker.errors import DataError

SHAPE = (23, 12, 17)


class Stored:
    """A volume in memory that counts what is read of it."""

    def __init__(self, volume, chunk_planes):
        self.volume, self.chunk_planes = volume, chunk_planes
        self.shape, self.dtype = volume.shape, volume.dtype
        self.planes_read = 0

    def read(self, z_start=0, z_stop=None):
        planes = self.volume[z_start:z_stop]
        self.planes_read += len(planes)
        return planes.copy()


def stored(seed=0, chunk_planes=4, dtype=np.int16):
    volume = np.random.default_rng(seed).integers(0, 100, SHAPE).astype(dtype)
    return Stored(volume, chunk_planes)


@pytest.mark.parametrize("max_bytes", [0, 5_000, 1_000_000])
def test_boxes_are_scaled_parts_of_the_volume_whatever_the_cache_holds(max_bytes):
    volume = stored()
    source = CachedPlanes("TS_1", volume, PlaneCache(max_bytes), mean=50.0, standard_deviation=-2.0)
    assert source.shape_zyx == SHAPE
    for corner, size in [((0, 0, 0), SHAPE), ((3, 5, 7), (6, 2, 9)), ((22, 11, 16), (1, 1, 1))]:
        z, y, x = (slice(a, a + b) for a, b in zip(corner, size, strict=True))
        box = source.read(corner, size)
        assert box.dtype == np.float32
        np.testing.assert_allclose(box, (volume.volume[z, y, x] - 50.0) / -2.0)


def test_the_cache_keeps_to_its_bytes_and_drops_what_was_not_used_for_longest():
    block = 4 * SHAPE[1] * SHAPE[2] * 2
    cache = PlaneCache(2 * block)
    sources = [stored(seed) for seed in range(3)]
    boxes = [
        CachedPlanes(str(number), volume, cache, mean=0.0, standard_deviation=1.0)
        for number, volume in enumerate(sources)
    ]
    for number in (0, 1, 0, 2, 0):
        boxes[number].read((1, 0, 0), (2, 3, 3))
        assert cache.stored_bytes <= cache.max_bytes
    assert [volume.planes_read for volume in sources] == [4, 4, 4]
    boxes[1].read((1, 0, 0), (2, 3, 3))
    assert [volume.planes_read for volume in sources] == [4, 8, 4]


def test_a_block_larger_than_the_cache_is_not_read_beyond_the_box():
    volume = stored(chunk_planes=23)
    cache = PlaneCache(1_000)
    CachedPlanes("a", volume, cache, mean=0.0, standard_deviation=1.0).read((2, 1, 1), (3, 4, 5))
    assert volume.planes_read == 3
    assert cache.stored_bytes == 0


def test_many_threads_get_the_right_boxes_and_the_bound_holds():
    cache = PlaneCache(6_000)
    sources = [stored(seed) for seed in range(4)]
    boxes = [
        CachedPlanes(str(number), volume, cache, mean=0.0, standard_deviation=1.0)
        for number, volume in enumerate(sources)
    ]

    def check(index):
        number, z = index % 4, index % 20
        box = boxes[number].read((z, 2, 3), (3, 5, 7))
        assert cache.stored_bytes <= cache.max_bytes
        return np.array_equal(box, sources[number].volume[z : z + 3, 2:7, 3:10])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(400)))


def test_another_process_gets_an_empty_cache_of_the_same_size():
    cache = PlaneCache(10_000)
    CachedPlanes("a", stored(), cache, mean=0.0, standard_deviation=1.0).read((0, 0, 0), (1, 1, 1))
    assert cache.stored_bytes > 0
    copy = pickle.loads(pickle.dumps(cache))  # noqa: S301 (made here)
    assert (copy.max_bytes, copy.stored_bytes) == (10_000, 0)


def test_labels_come_as_channels_and_unknown_values_as_background():
    volume = stored(dtype=np.uint16)
    volume.volume[...] = np.arange(volume.volume.size).reshape(SHAPE) % 4 + 298
    source = CachedLabels("TS_1", volume, PlaneCache(10**6), channel_of_value={300: 1, 301: 2})
    box = source.read((1, 2, 3), (5, 6, 7))
    part = volume.volume[1:6, 2:8, 3:10]
    assert box.dtype == np.uint8
    assert np.array_equal(box == 1, part == 300)
    assert np.array_equal(box == 2, part == 301)
    assert set(np.unique(box)) == {0, 1, 2}


def test_a_box_outside_a_flat_volume_and_a_constant_tomogram_are_refused():
    source = CachedPlanes("TS_7", stored(), PlaneCache(10), mean=0.0, standard_deviation=1.0)
    with pytest.raises(DataError, match="TS_7"):
        source.read((20, 0, 0), (4, 1, 1))
    with pytest.raises(DataError, match="TS_7"):
        source.read((-1, 0, 0), (4, 1, 1))
    with pytest.raises(DataError, match=r"TS_7.*deviation 0"):
        CachedPlanes("TS_7", stored(), PlaneCache(10), mean=0.0, standard_deviation=0.0)
    with pytest.raises(DataError, match=r"expected \(z, y, x\)"):
        ArraySource(np.zeros((3, 4)))
