"""Copies of volumes for training: equal to what they were made from, whole, and nobody else's."""

import pickle

import numpy as np
import pytest

from copick_picker.errors import ConflictError, ProjectError
from copick_picker.project.folders.patch_cache import (
    MappedVolume,
    copy_place,
    copy_volume,
    is_copied,
    source_of,
    with_copies,
)
from copick_picker.records.keys import SegmentationKey, TomogramKey

KEY = TomogramKey("wbp", 10.0)


class Stored:
    """A volume that counts what is read, and fails where it is told to."""

    def __init__(self, values, chunk_planes=3, fails_from=10**6):
        self.values, self.chunk_planes, self.fails_from = values, chunk_planes, fails_from
        self.shape, self.dtype = values.shape, values.dtype
        self.read_planes = 0

    def read(self, z_start=0, z_stop=None):
        stop = self.shape[0] if z_stop is None else z_stop
        if stop > self.fails_from:
            message = "the portal does not answer"
            raise ProjectError(message)
        self.read_planes += stop - z_start
        return self.values[z_start:stop]


def values_of(dtype, seed=0):
    return np.random.default_rng(seed).integers(0, 200, (8, 5, 7)).astype(dtype)


def copied(folder, volume, key=KEY, run_name="TS_1"):
    source = source_of(run_name, key, volume)
    place = copy_place(folder, source)
    copy_volume(place, source, volume)
    return place, source


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "i1", "u1", "<u2"])
def test_a_copy_is_the_volume_bit_for_bit(tmp_path, dtype):
    volume = Stored(values_of(dtype))
    place, source = copied(tmp_path / "cache", volume)
    assert is_copied(place, source)
    copy = MappedVolume(place)
    assert (copy.shape, copy.dtype, copy.chunk_planes) == ((8, 5, 7), np.dtype(dtype), 3)
    assert copy.read().tobytes() == volume.values.tobytes()
    assert np.array_equal(copy.read(2, 5), volume.values[2:5])
    copy.read(0, 1)[:] = 0  # what is read may be changed, and the copy stays
    assert copy.read().tobytes() == volume.values.tobytes()


def test_every_plane_is_read_once(tmp_path):
    volume = Stored(values_of("<f4"))
    source = source_of("TS_1", KEY, volume)
    volume.read_planes = 0
    copy_volume(copy_place(tmp_path, source), source, volume)
    assert volume.read_planes == 8


def test_another_run_or_another_tomogram_of_the_name_has_its_own_copy(tmp_path):
    first, _ = copied(tmp_path, Stored(values_of("<f4")))
    run, _ = copied(tmp_path, Stored(values_of("<f4")), run_name="TS_2")
    changed, source = copied(tmp_path, Stored(values_of("<f4", seed=1)))
    mask, _ = copied(tmp_path, Stored(values_of("u1")), SegmentationKey("m", "u", "1", 10.0, True))
    assert len({first, run, changed, mask}) == 4
    assert not is_copied(copy_place(tmp_path / "elsewhere", source), source)


def test_what_is_interrupted_leaves_no_copy_and_goes_on(tmp_path):
    broken = Stored(values_of("<f4"), fails_from=6)
    source = source_of("TS_1", KEY, broken)
    place = copy_place(tmp_path, source)
    with pytest.raises(ProjectError, match="does not answer"):
        copy_volume(place, source, broken)
    assert list(tmp_path.iterdir()) == []
    copy_volume(place, source, Stored(values_of("<f4")))
    assert is_copied(place, source)


@pytest.mark.parametrize("harm", ["short", "other", "gone", "notes"])
def test_what_is_not_a_whole_copy_is_refused_and_kept(tmp_path, harm):
    place, source = copied(tmp_path, Stored(values_of("<f4")))
    array = place / "volume.npy"
    if harm == "short":
        array.write_bytes(array.read_bytes()[:-40])
    elif harm == "other":
        np.save(array, np.zeros((8, 5, 7), np.float32))
    elif harm == "gone":
        array.unlink()
    else:
        array.unlink()
        (place / "made_from.json").write_text("my notes")
    before = sorted(place.iterdir())
    with pytest.raises(ConflictError, match="was not made by --patch-cache"):
        is_copied(place, source)
    assert sorted(place.iterdir()) == before


def test_a_project_reads_copies_where_there_are_any(tmp_path):
    volume = Stored(values_of("<f4"))
    place, _ = copied(tmp_path, volume)

    class Store:
        location = "here"

        def open_tomogram(self, run_name, key):
            return f"{run_name} {key}"

        def open_segmentation(self, run_name, key):
            return f"{run_name} {key}"

    store = with_copies(Store(), {("TS_1", KEY): place})
    assert store.location == "here"
    assert np.array_equal(store.open_tomogram("TS_1", KEY).read(), volume.values)
    assert store.open_tomogram("TS_2", KEY) == "TS_2 wbp@10.0"
    mask = SegmentationKey("m", "u", "1", 10.0, True)
    assert store.open_segmentation("TS_1", mask) == f"TS_1 {mask}"
    same = Store()
    assert with_copies(same, {}) is same
    sent = pickle.loads(pickle.dumps(with_copies("a text", {("TS_1", KEY): place})))  # noqa: S301
    assert sent.upper() == "A TEXT"
