"""How long a tomogram of 200 x 400 x 400 voxels and its outputs take to read and to write."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from copick_picker.project.copick.making import add_tomogram, create_project
from copick_picker.project.copick.store import CopickStore, open_project
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey
from copick_picker.records.points import PickSet
from projects import OBJECTS, TOMOGRAM, noise, slabs_of

SHAPE_ZYX = (200, 400, 400)
SMALL_ZYX = (20, 40, 40)
LABELS = SegmentationKey("predict", "picker", "1", 10.0)
PROBABILITIES = FeatureKey("wbp", 10.0, "predict-picker-1-probabilities")
PICKS = PicksKey("ribosome", "picker", "1")


@pytest.fixture
def shape_zyx(benchmark: BenchmarkFixture) -> tuple[int, int, int]:
    """Return the real size where it is measured, a small one where the test only runs."""
    return SMALL_ZYX if benchmark.disabled else SHAPE_ZYX


@pytest.fixture
def store(tmp_path: Path, shape_zyx: tuple[int, int, int]) -> CopickStore:
    config_path = create_project(tmp_path, OBJECTS, name="benchmark")
    add_tomogram(config_path, "TS_1", TOMOGRAM, noise(shape_zyx, seed=0))
    return open_project(config_path)


def labels(shape_zyx: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Return labels with as many borders as a crowded tomogram has."""
    coarse = np.random.default_rng(0).integers(0, 4, size=[-(-size // 10) for size in shape_zyx])
    fine = coarse.astype(np.uint8).repeat(10, 0).repeat(10, 1).repeat(10, 2)
    return fine[: shape_zyx[0], : shape_zyx[1], : shape_zyx[2]]


def write_labels(store: CopickStore, volume: npt.NDArray[Any], *, overwrite: bool = True) -> None:
    store.write_segmentation(
        "TS_1",
        LABELS,
        slabs_of(volume, 16),
        shape_zyx=volume.shape,
        provenance={},
        overwrite=overwrite,
    )


def test_read_tomogram(benchmark: BenchmarkFixture, store: CopickStore) -> None:
    volume = benchmark(lambda: store.open_tomogram("TS_1", TOMOGRAM).read())

    assert volume.dtype == np.float32


def test_write_labels(
    benchmark: BenchmarkFixture, store: CopickStore, shape_zyx: tuple[int, int, int]
) -> None:
    volume = labels(shape_zyx)

    benchmark(write_labels, store, volume)

    np.testing.assert_array_equal(store.open_segmentation("TS_1", LABELS).read(), volume)


def test_read_labels(
    benchmark: BenchmarkFixture, store: CopickStore, shape_zyx: tuple[int, int, int]
) -> None:
    write_labels(store, labels(shape_zyx))

    volume = benchmark(lambda: store.open_segmentation("TS_1", LABELS).read())

    assert volume.shape == shape_zyx


def test_write_probabilities_of_five_classes(
    benchmark: BenchmarkFixture, store: CopickStore, shape_zyx: tuple[int, int, int]
) -> None:
    shape_czyx = (5, *shape_zyx)
    volume = np.random.default_rng(0).random(shape_czyx, dtype=np.float32)

    def write() -> None:
        store.write_feature(
            "TS_1",
            PROBABILITIES,
            slabs_of(volume, 16),
            shape_czyx=shape_czyx,
            provenance={},
            overwrite=True,
        )

    benchmark.pedantic(write, rounds=3)

    stored = store.open_feature("TS_1", PROBABILITIES)
    np.testing.assert_array_equal(stored.read(3, 5), volume[:, 3:5].astype(np.float16))


def test_write_picks(benchmark: BenchmarkFixture, store: CopickStore) -> None:
    n_picks = 20 if benchmark.disabled else 20_000
    rng = np.random.default_rng(0)
    picks = PickSet("ribosome", rng.random((n_picks, 3)) * 2000, rng.random(n_picks))

    def write() -> None:
        store.write_picks("TS_1", PICKS, picks, provenance={}, overwrite=True)

    benchmark.pedantic(write, rounds=3)

    assert len(store.read_picks("TS_1", PICKS)) == n_picks


def test_read_picks(benchmark: BenchmarkFixture, store: CopickStore) -> None:
    n_picks = 20 if benchmark.disabled else 20_000
    rng = np.random.default_rng(0)
    picks = PickSet("ribosome", rng.random((n_picks, 3)) * 2000, rng.random(n_picks))
    store.write_picks("TS_1", PICKS, picks, provenance={}, overwrite=False)

    read = benchmark.pedantic(store.read_picks, args=("TS_1", PICKS), rounds=3)

    np.testing.assert_array_equal(read.points_xyz, picks.points_xyz)
