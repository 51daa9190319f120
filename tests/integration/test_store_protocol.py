"""One set of tests for every project store: the one in memory and a real copick project."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from copick_picker.errors import ConflictError, DataError, SettingsError, UnknownNameError
from copick_picker.project.copick.store import open_project
from copick_picker.project.standing import MayReplace
from copick_picker.project.store import ProjectStore, Provenance
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from memory_store import MemoryStore
from projects import OBJECTS, SHAPE_ZYX, TOMOGRAM, noise, slabs_of, small_project

LABELS = SegmentationKey("predict", "picker", "1", 10.0)
PROBABILITIES = FeatureKey("wbp", 10.0, "predict-picker-1-probabilities")
PICKS = PicksKey("ribosome", "picker", "1")
RECORD = {"command": "segment", "labels": {"ribosome": 1, "apo-ferritin": 3}, "settings": [0.5]}
OTHER = {**RECORD, "settings": [0.6]}
THREE = PickSet(
    "ribosome",
    np.array([[10.5, 200.0, 30.25], [0.0, 0.0, 0.0], [390.0, 290.0, 190.0]]),
    np.array([0.9, 0.0, 1.0]),
)
NONE = PickSet("ribosome", np.zeros((0, 3)), np.zeros(0))


def in_memory(_: Path) -> ProjectStore:
    store = MemoryStore(OBJECTS)
    for seed, run_name in enumerate(("TS_1", "TS_2")):
        store.add_tomogram(run_name, TOMOGRAM, noise(SHAPE_ZYX, seed=seed))
    return store


def on_disk(folder: Path) -> ProjectStore:
    return open_project(small_project(folder))


@pytest.fixture(params=[in_memory, on_disk])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ProjectStore:
    made: ProjectStore = request.param(tmp_path)
    return made


def labels(dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
    return np.random.default_rng(7).choice(np.array([0, 1, 3], dtype), size=SHAPE_ZYX)


def write_labels(
    store: ProjectStore,
    volume: npt.NDArray[Any],
    *,
    key: SegmentationKey = LABELS,
    n_planes: int = 7,
    record: Provenance = RECORD,
    overwrite: bool = False,
    replaces: MayReplace | None = None,
) -> bool:
    return store.write_segmentation(
        "TS_1",
        key,
        slabs_of(volume, n_planes),
        shape_zyx=SHAPE_ZYX,
        provenance=record,
        overwrite=overwrite,
        replaces=replaces,
    )


def write_probabilities(
    store: ProjectStore,
    volume: npt.NDArray[Any],
    *,
    record: Provenance = RECORD,
    overwrite: bool = False,
) -> bool:
    return store.write_feature(
        "TS_1",
        PROBABILITIES,
        slabs_of(volume, 6),
        shape_czyx=(2, *SHAPE_ZYX),
        provenance=record,
        overwrite=overwrite,
    )


def write_picks(
    store: ProjectStore,
    picks: PickSet,
    *,
    key: PicksKey = PICKS,
    record: Provenance = RECORD,
    overwrite: bool = False,
) -> bool:
    return store.write_picks("TS_1", key, picks, provenance=record, overwrite=overwrite)


def test_lists_runs_objects_and_tomograms(store: ProjectStore) -> None:
    assert store.run_names() == ["TS_1", "TS_2"]
    colours = [spec.colour for spec in store.objects()]
    assert colours in ([None] * 3, [(230, 159, 0), (86, 180, 233), (0, 158, 115)])
    found = [replace(spec, colour=None) for spec in store.objects()]
    assert found == sorted(OBJECTS, key=lambda spec: spec.label)
    assert store.tomograms("TS_2") == [TOMOGRAM]
    assert store.segmentations("TS_1") == []
    assert store.features("TS_1") == []
    assert store.picks("TS_1") == []


def test_reads_a_tomogram_whole_and_by_planes(store: ProjectStore) -> None:
    volume = store.open_tomogram("TS_2", TOMOGRAM)

    assert volume.shape == SHAPE_ZYX
    assert volume.dtype == np.float32
    np.testing.assert_array_equal(volume.read(), noise(SHAPE_ZYX, seed=1))
    np.testing.assert_array_equal(volume.read(3, 11), noise(SHAPE_ZYX, seed=1)[3:11])


def test_an_unknown_run_names_the_runs(store: ProjectStore) -> None:
    with pytest.raises(UnknownNameError, match=r"TS_9.*TS_1, TS_2"):
        store.tomograms("TS_9")


def test_a_spacing_that_is_not_there_names_those_that_are(store: ProjectStore) -> None:
    with pytest.raises(UnknownNameError, match=r"TS_1.*wbp@10\.012.*wbp@10\.0"):
        store.open_tomogram("TS_1", TomogramKey("wbp", 10.012))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n_planes", [1, 7, 20])
def test_labels_come_back_as_written(
    store: ProjectStore, dtype: npt.DTypeLike, n_planes: int
) -> None:
    write_labels(store, labels(dtype), n_planes=n_planes)

    stored = store.open_segmentation("TS_1", LABELS)
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored.read(), labels(dtype))
    np.testing.assert_array_equal(stored.read(4, 9), labels(dtype)[4:9])
    assert store.segmentations("TS_1") == [LABELS]
    assert store.segmentation_provenance("TS_1", LABELS) == RECORD
    assert store.segmentation_labels("TS_1", LABELS) == {"ribosome": 1, "apo-ferritin": 3}
    assert store.segmentations("TS_2") == []


def test_a_float32_spacing_means_the_same_as_its_float(store: ProjectStore) -> None:
    key = SegmentationKey("predict", "picker", "1", float(np.float32(7.84)))
    write_labels(store, labels(), key=key)

    assert list(store.standing("TS_1", [key])) == [key]
    assert store.segmentations("TS_1") == [SegmentationKey("predict", "picker", "1", 7.84)]
    assert store.segmentation_provenance("TS_1", key) == RECORD


def test_probabilities_come_back_as_float16(store: ProjectStore) -> None:
    volume = np.random.default_rng(1).random((2, *SHAPE_ZYX), dtype=np.float32)

    write_probabilities(store, volume)

    stored = store.open_feature("TS_1", PROBABILITIES)
    assert stored.shape == (2, *SHAPE_ZYX)
    assert stored.dtype == np.float16
    np.testing.assert_array_equal(stored.read(), volume.astype(np.float16))
    np.testing.assert_array_equal(stored.read(5, 8), volume[:, 5:8].astype(np.float16))
    assert store.features("TS_1") == [PROBABILITIES]
    assert store.feature_provenance("TS_1", PROBABILITIES) == RECORD
    assert store.tomograms("TS_1") == [TOMOGRAM]


@pytest.mark.parametrize("picks", [THREE, NONE], ids=["three", "none"])
def test_picks_come_back_as_written(store: ProjectStore, picks: PickSet) -> None:
    write_picks(store, picks)

    stored = store.read_picks("TS_1", PICKS)
    np.testing.assert_array_equal(stored.points_xyz, picks.points_xyz)
    np.testing.assert_array_equal(stored.scores, picks.scores)
    assert stored.points_xyz.shape == (len(picks), 3)
    assert store.picks("TS_1") == [PICKS]
    assert store.picks_provenance("TS_1", PICKS) == RECORD


def test_what_is_absent_has_no_record(store: ProjectStore) -> None:
    assert store.segmentation_provenance("TS_1", LABELS) is None
    assert store.segmentation_labels("TS_1", LABELS) is None
    assert store.feature_provenance("TS_1", PROBABILITIES) is None
    assert store.picks_provenance("TS_1", PICKS) is None
    assert list(store.standing("TS_1", [LABELS, PICKS, PROBABILITIES])) == []
    with pytest.raises(UnknownNameError, match="predict:picker/1"):
        store.open_segmentation("TS_1", LABELS)
    with pytest.raises(UnknownNameError, match=r"ribosome:picker/1"):
        store.read_picks("TS_1", PICKS)


def test_existing_keeps_the_order_of_the_keys(store: ProjectStore) -> None:
    write_picks(store, THREE)
    write_labels(store, labels())

    other = PicksKey("apo-ferritin", "picker", "1")
    assert list(store.standing("TS_1", [PICKS, other, PROBABILITIES, LABELS])) == [PICKS, LABELS]
    assert list(store.standing("TS_2", [PICKS, LABELS])) == []


def test_nothing_is_replaced_unless_asked_for(store: ProjectStore) -> None:
    volume = np.zeros((2, *SHAPE_ZYX), np.float32)
    write_labels(store, labels())
    write_probabilities(store, volume)
    write_picks(store, THREE)

    with pytest.raises(ConflictError):
        write_labels(store, np.zeros(SHAPE_ZYX, np.uint8), record=OTHER)
    with pytest.raises(ConflictError):
        write_probabilities(store, volume + 1, record=OTHER)
    with pytest.raises(ConflictError):
        write_picks(store, NONE, record=OTHER)
    np.testing.assert_array_equal(store.open_segmentation("TS_1", LABELS).read(), labels())
    assert not store.open_feature("TS_1", PROBABILITIES).read().any()
    assert len(store.read_picks("TS_1", PICKS)) == 3

    write_labels(store, np.zeros(SHAPE_ZYX, np.uint8), overwrite=True)
    write_probabilities(store, volume + 1, overwrite=True)
    write_picks(store, NONE, overwrite=True)
    assert not store.open_segmentation("TS_1", LABELS).read().any()
    assert store.open_feature("TS_1", PROBABILITIES).read().all()
    assert len(store.read_picks("TS_1", PICKS)) == 0


def test_what_another_process_finished_meanwhile_stays_and_is_told(store: ProjectStore) -> None:
    volume = np.zeros((2, *SHAPE_ZYX), np.float32)
    assert write_labels(store, labels())
    assert write_probabilities(store, volume)
    assert write_picks(store, THREE)

    assert not write_labels(store, np.zeros(SHAPE_ZYX, np.uint8))
    assert not write_probabilities(store, volume + 1)
    assert not write_picks(store, NONE)

    np.testing.assert_array_equal(store.open_segmentation("TS_1", LABELS).read(), labels())
    assert not store.open_feature("TS_1", PROBABILITIES).read().any()
    assert len(store.read_picks("TS_1", PICKS)) == 3


def test_an_output_of_ours_goes_where_its_record_says_that_it_may(store: ProjectStore) -> None:
    write_labels(store, labels(), record=OTHER)

    with pytest.raises(ConflictError):
        write_labels(store, np.zeros(SHAPE_ZYX, np.uint8), replaces=lambda _: False)
    assert write_labels(
        store, np.zeros(SHAPE_ZYX, np.uint8), replaces=lambda record: record == OTHER
    )
    assert not store.open_segmentation("TS_1", LABELS).read().any()
    assert store.segmentation_provenance("TS_1", LABELS) == RECORD


@pytest.mark.parametrize(
    "slabs",
    [
        [],
        [(0, labels()[:10])],
        [(0, labels()[:10]), (11, labels()[11:])],
        [(1, labels()[1:])],
        [(0, labels()), (20, labels()[:1])],
        [(0, labels()[:, :, :39])],
        [(0, labels().astype(np.int64))],
        [(0, labels().astype(np.float32))],
    ],
    ids=["none", "short", "gap", "late", "long", "narrow", "int64", "float32"],
)
def test_slabs_that_do_not_make_up_the_volume_leave_nothing(
    store: ProjectStore, slabs: list[tuple[int, npt.NDArray[Any]]]
) -> None:
    with pytest.raises(DataError):
        store.write_segmentation(
            "TS_1", LABELS, slabs, shape_zyx=SHAPE_ZYX, provenance=RECORD, overwrite=False
        )

    assert store.segmentations("TS_1") == []


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_probabilities_that_float16_cannot_hold_leave_nothing(
    store: ProjectStore, value: float
) -> None:
    volume = np.zeros((2, *SHAPE_ZYX), np.float32)
    volume[1, 13, 2, 3] = value

    with pytest.raises(DataError, match="NaN or infinite"):
        write_probabilities(store, volume)

    assert store.features("TS_1") == []


@pytest.mark.parametrize(
    ("points_xyz", "scores"),
    [
        ([[0.0, np.nan, 0.0]], [1.0]),
        ([[0.0, 0.0, np.inf]], [1.0]),
        ([[0.0, 0.0, 0.0]], [np.nan]),
    ],
)
def test_picks_that_are_not_finite_leave_nothing(
    store: ProjectStore, points_xyz: list[list[float]], scores: list[float]
) -> None:
    with pytest.raises(DataError, match="NaN or infinite"):
        write_picks(store, PickSet("ribosome", np.array(points_xyz), np.array(scores)))

    assert store.picks("TS_1") == []


def test_an_unknown_object_names_the_objects(store: ProjectStore) -> None:
    with pytest.raises(UnknownNameError, match=r"ribosom'.*ribosome, apo-ferritin"):
        write_picks(store, THREE, key=PicksKey("ribosom", "picker", "1"))
    with pytest.raises(UnknownNameError, match=r"ribosom'.*ribosome, apo-ferritin"):
        write_labels(
            store,
            labels(),
            key=SegmentationKey("ribosom", "picker", "1", 10.0, is_multilabel=False),
        )


@pytest.mark.parametrize("name", ["my_user", "my user", "a/b"])
def test_names_that_copick_would_change_are_refused(store: ProjectStore, name: str) -> None:
    with pytest.raises(SettingsError, match="is not a valid name in copick"):
        write_picks(store, THREE, key=PicksKey("ribosome", name, "1"))
    with pytest.raises(SettingsError, match="is not a valid name in copick"):
        write_labels(store, labels(), key=SegmentationKey("predict", "picker", name, 10.0))

    assert store.picks("TS_1") == []
    assert store.segmentations("TS_1") == []


def test_a_writer_that_stops_leaves_nothing(store: ProjectStore) -> None:
    def broken() -> Iterator[tuple[int, npt.NDArray[Any]]]:
        yield 0, labels()[:10]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write_segmentation(
            "TS_1", LABELS, broken(), shape_zyx=SHAPE_ZYX, provenance=RECORD, overwrite=False
        )

    assert store.segmentations("TS_1") == []
    assert list(store.standing("TS_1", [LABELS])) == []


def test_a_feature_needs_its_tomogram(store: ProjectStore) -> None:
    key = FeatureKey("denoised", 10.0, "predict-picker-1-probabilities")

    with pytest.raises(UnknownNameError, match=r"denoised@10\.0.*wbp@10\.0"):
        store.write_feature(
            "TS_1",
            key,
            [(0, np.zeros((2, *SHAPE_ZYX), np.float32))],
            shape_czyx=(2, *SHAPE_ZYX),
            provenance=RECORD,
            overwrite=False,
        )


def test_a_writable_store_says_nothing(store: ProjectStore) -> None:
    store.check_writable()
