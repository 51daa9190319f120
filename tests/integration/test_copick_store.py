"""What only a real copick project can show: copick reads what we write, and the traps are shut."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import copick
import numpy as np
import numpy.typing as npt
import pytest
import zarr

from copick_picker.errors import ConflictError, DataError, ProjectError
from copick_picker.project.copick.store import CopickStore, open_project
from copick_picker.project.inventory.opening import open_inventory
from copick_picker.project.store import Provenance
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey
from copick_picker.records.points import PickSet
from projects import (
    OBJECTS,
    SHAPE_ZYX,
    TOMOGRAM,
    noise,
    project_of,
    run_folder,
    slabs_of,
    small_project,
    temporaries,
    tree,
)

LABELS = SegmentationKey("predict", "picker", "1", 10.0)
LABELS_STORE = "Segmentations/10.000_picker_1_predict-multilabel.zarr"
PROBABILITIES = FeatureKey("wbp", 10.0, "predict-picker-1-probabilities")
PICKS = PicksKey("ribosome", "picker", "1")
CURATED = PicksKey("ribosome", "curator", "1")
RECORD = {"command": "segment", "labels": {"ribosome": 1}}
POINTS_XYZ = np.array([[10.5, 200.0, 30.25], [390.0, 0.0, 190.0]])


def labels(shape_zyx: tuple[int, int, int] = SHAPE_ZYX) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(3).choice(np.array([0, 1, 3], np.uint8), size=shape_zyx)


def write_labels(
    store: CopickStore,
    volume: npt.NDArray[Any],
    *,
    run_name: str = "TS_1",
    key: SegmentationKey = LABELS,
    record: Provenance = RECORD,
    overwrite: bool = False,
) -> bool:
    return store.write_segmentation(
        run_name,
        key,
        slabs_of(volume, 7),
        shape_zyx=volume.shape,
        provenance=record,
        overwrite=overwrite,
    )


def write_probabilities(store: CopickStore, volume: npt.NDArray[Any]) -> None:
    store.write_feature(
        "TS_1",
        PROBABILITIES,
        slabs_of(volume, 7),
        shape_czyx=volume.shape,
        provenance=RECORD,
        overwrite=False,
    )


def write_picks(
    store: CopickStore,
    *,
    key: PicksKey = PICKS,
    record: Provenance = RECORD,
    overwrite: bool = False,
) -> bool:
    picks = PickSet(key.object_name, POINTS_XYZ, np.array([0.75, 0.5]))
    return store.write_picks("TS_1", key, picks, provenance=record, overwrite=overwrite)


def copick_run(config_path: Path, run_name: str = "TS_1") -> Any:
    return copick.from_file(str(config_path)).get_run(run_name)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    return small_project(tmp_path)


class TestCopickReadsWhatWeWrite:
    def test_a_segmentation(self, config_path: Path) -> None:
        write_labels(open_project(config_path), labels())

        (item,) = copick_run(config_path).get_segmentations(
            name="predict", user_id="picker", session_id="1", voxel_size=10.0, is_multilabel=True
        )
        np.testing.assert_array_equal(item.numpy(), labels())

    def test_with_the_metadata_that_copick_itself_writes(self, config_path: Path) -> None:
        shape_zyx = (300, 8, 9)
        volume = labels(shape_zyx)
        write_labels(open_project(config_path), volume)
        copick_run(config_path).new_segmentation(
            10.0, "predict", "2", is_multilabel=True, user_id="picker"
        ).from_numpy(volume)

        ours = run_folder(config_path, "TS_1") / LABELS_STORE
        theirs = ours.with_name("10.000_picker_2_predict-multilabel.zarr")
        attributes = read_json(ours / ".zattrs")
        assert attributes.pop("copick_picker") == {"schema_version": 1, **RECORD}
        assert attributes == read_json(theirs / ".zattrs")
        assert read_json(ours / ".zgroup") == read_json(theirs / ".zgroup")
        clipped = {"chunks": [256, 8, 9]}
        assert read_json(ours / "0/.zarray") == read_json(theirs / "0/.zarray") | clipped
        np.testing.assert_array_equal(
            zarr.open(str(ours), mode="r")["0"][:], zarr.open(str(theirs), mode="r")["0"][:]
        )

    def test_probabilities_with_their_spacing(self, config_path: Path) -> None:
        volume = np.random.default_rng(1).random((3, *SHAPE_ZYX), dtype=np.float32)

        write_probabilities(open_project(config_path), volume)

        spacing = copick_run(config_path).get_voxel_spacing(10.0)
        (tomogram,) = spacing.tomograms
        item = tomogram.get_features("predict-picker-1-probabilities")
        np.testing.assert_array_equal(item.numpy(), volume.astype(np.float16))
        (image,) = zarr.open(item.zarr(), mode="r").attrs["multiscales"]
        assert [axis["name"] for axis in image["axes"]] == ["c", "z", "y", "x"]
        assert [axis.get("unit") for axis in image["axes"]] == [None, *["angstrom"] * 3]
        (transform,) = image["datasets"][0]["coordinateTransformations"]
        assert transform == {"type": "scale", "scale": [1.0, 10.0, 10.0, 10.0]}

    def test_picks_with_their_scores(self, config_path: Path) -> None:
        write_picks(open_project(config_path))

        (item,) = copick_run(config_path).get_picks(object_name="ribosome", user_id="picker")
        np.testing.assert_array_equal(item.full_positions(), POINTS_XYZ)
        np.testing.assert_array_equal(item.scores(), [0.75, 0.5])
        assert item.meta.run_name == "TS_1"

    def test_an_empty_set_of_picks(self, config_path: Path) -> None:
        nothing = PickSet("ribosome", np.zeros((0, 3)), np.zeros(0))
        open_project(config_path).write_picks(
            "TS_1", PICKS, nothing, provenance=RECORD, overwrite=False
        )

        (item,) = copick_run(config_path).get_picks(object_name="ribosome", user_id="picker")
        assert item.points == []


class TestWeReadWhatCopickWrites:
    def test_picks_at_their_shifted_centres(self, config_path: Path) -> None:
        shift = np.eye(4)
        shift[:3, 3] = (1.5, -2.0, 4.0)
        item = copick_run(config_path).new_picks("ribosome", "1", user_id="curator")
        item.from_numpy(POINTS_XYZ, transforms=np.stack([shift, np.eye(4)]))

        picks = open_project(config_path).read_picks("TS_1", CURATED)

        np.testing.assert_allclose(
            picks.points_xyz, POINTS_XYZ + np.array([[1.5, -2.0, 4.0], [0, 0, 0]])
        )
        np.testing.assert_array_equal(picks.scores, [1.0, 1.0])
        assert open_project(config_path).picks_provenance("TS_1", CURATED) is None

    def test_a_binary_segmentation(self, config_path: Path) -> None:
        item = copick_run(config_path).new_segmentation(10.0, "membrane", "1", user_id="hand")
        item.from_numpy((labels() == 1).astype(np.uint8))

        store = open_project(config_path)
        key = SegmentationKey("membrane", "hand", "1", 10.0, is_multilabel=False)
        assert store.segmentations("TS_1") == [key]
        assert store.segmentation_provenance("TS_1", key) is None
        assert store.segmentation_labels("TS_1", key) is None
        np.testing.assert_array_equal(store.open_segmentation("TS_1", key).read(), labels() == 1)

    def test_what_another_process_wrote_meanwhile(self, config_path: Path) -> None:
        ours, theirs = open_project(config_path), open_project(config_path)
        assert list(ours.standing("TS_1", [LABELS, PICKS])) == []
        write_labels(theirs, labels())
        write_picks(theirs)

        assert list(ours.standing("TS_1", [LABELS, PICKS])) == [LABELS, PICKS]
        assert not write_picks(ours)
        with pytest.raises(ConflictError):
            write_picks(ours, record={**RECORD, "command": "filter"})
        assert len(ours.read_picks("TS_1", PICKS)) == 2

    def test_a_run_made_meanwhile(self, config_path: Path) -> None:
        store = open_project(config_path)
        assert store.run_names() == ["TS_1", "TS_2"]
        copick.from_file(str(config_path)).new_run("TS_3")

        assert store.tomograms("TS_3") == []

    @pytest.mark.parametrize("side", ["overlay", "static"])
    def test_the_labels_of_octopi_from_its_log(self, config_path: Path, side: str) -> None:
        log = config_path.parent / "project/logs/segment-octopi_1_predict.yaml"
        if side == "static":
            add_static_root(config_path)
            log = config_path.parent / "static/logs/segment-octopi_1_predict.yaml"
        log.parent.mkdir()
        log.write_text("model:\n  num_classes: 3\nlabels:\n  ribosome: 2\n  apo-ferritin: 1\n")
        key = SegmentationKey("predict", "octopi", "1", 10.0)
        copick_run(config_path).new_segmentation(
            10.0, "predict", "1", is_multilabel=True, user_id="octopi"
        ).from_numpy(labels())

        found = open_project(config_path).segmentation_labels("TS_1", key)

        assert found == {"ribosome": 2, "apo-ferritin": 1}

    def test_a_malformed_log_of_octopi(self, config_path: Path) -> None:
        log = config_path.parent / "project/logs/segment-octopi_1_predict.yaml"
        log.parent.mkdir()
        log.write_text("labels: {ribosome: [")

        with pytest.raises(ProjectError, match=r"segment-octopi_1_predict\.yaml is not valid YAML"):
            open_project(config_path).segmentation_labels(
                "TS_1", SegmentationKey("predict", "octopi", "1", 10.0)
            )


def test_reading_and_listing_change_no_file(config_path: Path) -> None:
    store = open_project(config_path)
    write_labels(store, labels())
    write_picks(store)
    copick_run(config_path).new_segmentation(10.0, "half", "1", is_multilabel=True, user_id="x")
    before = tree(config_path.parent)

    for run_name in store.run_names():
        store.tomograms(run_name)
        store.features(run_name)
        store.standing(run_name, [LABELS, PICKS, PROBABILITIES])
        store.picks_provenance(run_name, PICKS)
        store.open_tomogram(run_name, TOMOGRAM).read()
    for key in store.segmentations("TS_1"):
        store.segmentation_provenance("TS_1", key)
    with pytest.raises(ProjectError):
        store.open_segmentation("TS_1", SegmentationKey("half", "x", "1", 10.0))
    store.read_picks("TS_1", PICKS)
    store.check_writable()

    assert tree(config_path.parent) == before


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        config_path = small_project(tmp_path / name, ("TS_1",))
        store = open_project(config_path)
        write_labels(store, labels((64, 200, 200)))
        write_picks(store)
        write_probabilities(store, np.full((2, *SHAPE_ZYX), 0.5, np.float32))
        trees.append(tree(run_folder(config_path, "TS_1")))

    assert trees[0].keys() == trees[1].keys()
    assert [name for name in trees[0] if trees[0][name] != trees[1][name]] == []


def test_replaced_outputs_leave_nothing_of_the_old(config_path: Path) -> None:
    store = open_project(config_path)
    write_labels(store, labels((300, 8, 9)))
    write_labels(store, labels((5, 6, 7)), overwrite=True)

    assert store.open_segmentation("TS_1", LABELS).shape == (5, 6, 7)
    chunks = (run_folder(config_path, "TS_1") / LABELS_STORE / "0").rglob("0")
    assert sum(path.is_file() for path in chunks) == 1
    assert temporaries(config_path.parent) == []


def test_replaced_picks_have_the_bytes_of_fresh_ones(config_path: Path) -> None:
    store = open_project(config_path)
    write_picks(store)
    fresh = tree(config_path.parent)
    write_picks(store, overwrite=True)

    assert tree(config_path.parent) == fresh


class TestHalfWritten:
    """What an interrupted writer leaves is not read as data; ours is not in the way either."""

    def test_a_segmentation_of_copick_without_an_array(self, config_path: Path) -> None:
        copick_run(config_path).new_segmentation(
            10.0, "predict", "1", is_multilabel=True, user_id="picker"
        )
        store = open_project(config_path)

        assert store.segmentations("TS_1") == [LABELS]
        assert store.standing("TS_1", [LABELS])[LABELS].words == "an empty folder"
        with pytest.raises(ProjectError, match=r"predict:picker/1@10.0.*TS_1"):
            store.open_segmentation("TS_1", LABELS)
        with pytest.raises(ConflictError, match="found: an empty folder"):
            write_labels(store, labels())
        write_labels(store, labels(), overwrite=True)
        np.testing.assert_array_equal(store.open_segmentation("TS_1", LABELS).read(), labels())

    def test_a_segmentation_without_our_record_is_kept(self, config_path: Path) -> None:
        copick_run(config_path).new_segmentation(
            10.0, "predict", "1", is_multilabel=True, user_id="picker"
        ).from_numpy(labels())
        store = open_project(config_path)

        assert list(store.standing("TS_1", [LABELS])) == [LABELS]
        assert store.segmentation_provenance("TS_1", LABELS) is None
        with pytest.raises(ConflictError, match=r"predict:picker/1@10.0.*TS_1"):
            write_labels(store, np.zeros_like(labels()))

    def test_one_whose_record_was_never_finished(self, config_path: Path) -> None:
        store = open_project(config_path)
        write_labels(store, labels())
        attributes = run_folder(config_path, "TS_1") / LABELS_STORE / ".zattrs"
        content = read_json(attributes)
        attributes.write_text(json.dumps(content | {"copick_picker": {"state": "unfinished"}}))

        assert list(store.standing("TS_1", [LABELS])) == []
        assert store.segmentation_provenance("TS_1", LABELS) is None
        with pytest.raises(ProjectError, match=r"half-written"):
            store.open_segmentation("TS_1", LABELS)
        write_labels(store, labels())
        assert store.segmentation_provenance("TS_1", LABELS) == RECORD

    def test_picks_whose_record_was_never_finished(self, config_path: Path) -> None:
        store = open_project(config_path)
        write_picks(store)
        record = run_folder(config_path, "TS_1") / "Picks/picker_1_ribosome.provenance.yaml"
        record.write_text("state: unfinished\n")

        assert list(store.standing("TS_1", [PICKS])) == []
        write_picks(store)
        assert store.picks_provenance("TS_1", PICKS) == RECORD

    def test_a_record_without_picks_is_nothing(self, config_path: Path) -> None:
        store = open_project(config_path)
        write_picks(store)
        (run_folder(config_path, "TS_1") / "Picks/picker_1_ribosome.json").unlink()

        assert store.picks("TS_1") == []
        assert list(store.standing("TS_1", [PICKS])) == []
        write_picks(store)
        assert len(store.read_picks("TS_1", PICKS)) == 2

    def test_a_tomogram_without_any_chunk(self, config_path: Path) -> None:
        chunk = run_folder(config_path, "TS_1") / "VoxelSpacing10.000/wbp.zarr/0/0/0/0"
        chunk.unlink()

        with pytest.raises(ProjectError, match=r"wbp@10\.0 of run TS_1 contains no data"):
            open_project(config_path).open_tomogram("TS_1", TOMOGRAM)

    def test_a_tomogram_that_lacks_a_chunk_warns(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        config_path = small_project(tmp_path, ("TS_1",), shape_zyx=(300, 8, 9))
        (run_folder(config_path, "TS_1") / "VoxelSpacing10.000/wbp.zarr/0/1/0/0").unlink()

        with caplog.at_level(logging.WARNING):
            volume = open_project(config_path).open_tomogram("TS_1", TOMOGRAM)

        assert "wbp@10.0 of run TS_1: 1 of 2 chunks are not stored" in caplog.text
        assert not volume.read(256).any()
        assert volume.read(0, 256).all()


class TestBrokenRuns:
    """One broken run says what is wrong with it and leaves the others alone."""

    def test_a_damaged_chunk(self, config_path: Path) -> None:
        chunk = run_folder(config_path, "TS_1") / "VoxelSpacing10.000/wbp.zarr/0/0/0/0"
        chunk.write_bytes(chunk.read_bytes()[:100])
        store = open_project(config_path)

        with pytest.raises(ProjectError, match=r"cannot read wbp@10\.0 of run TS_1"):
            store.open_tomogram("TS_1", TOMOGRAM).read()
        np.testing.assert_array_equal(
            store.open_tomogram("TS_2", TOMOGRAM).read(), noise(SHAPE_ZYX, seed=1)
        )

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("0/.zarray", None),
            ("0/.zarray", "{"),
            ("0/.zarray", '{"zarr_format": 2}'),
            (".zgroup", None),
        ],
    )
    def test_a_malformed_tomogram(self, config_path: Path, name: str, content: str | None) -> None:
        path = run_folder(config_path, "TS_1") / "VoxelSpacing10.000/wbp.zarr" / name
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        store = open_project(config_path)

        with pytest.raises(ProjectError, match=r"cannot open wbp@10\.0 of run TS_1") as caught:
            store.open_tomogram("TS_1", TOMOGRAM)
        assert "\n" not in str(caught.value)
        assert store.open_tomogram("TS_2", TOMOGRAM).shape == SHAPE_ZYX

    @pytest.mark.parametrize("first", [(1,), (1, 1)])
    def test_first_axes_of_size_1_are_left_out(
        self, config_path: Path, first: tuple[int, ...], caplog: pytest.LogCaptureFixture
    ) -> None:
        values = noise(SHAPE_ZYX, seed=4)
        group = zarr.open_group(
            str(run_folder(config_path, "TS_1") / "VoxelSpacing10.000/wbp.zarr"), mode="w"
        )
        group.create_dataset("0", data=values.reshape(*first, *SHAPE_ZYX))

        volume = open_project(config_path).open_tomogram("TS_1", TOMOGRAM)

        assert np.array_equal(volume.read(3, 7), values[3:7])
        assert f"it has {3 + len(first)} axes" in caplog.text

    def test_a_tomogram_with_four_axes(self, config_path: Path) -> None:
        group = zarr.open_group(
            str(run_folder(config_path, "TS_1") / "VoxelSpacing10.000/wbp.zarr"), mode="w"
        )
        group.create_dataset("0", data=np.ones((2, *SHAPE_ZYX), np.float32))

        with pytest.raises(ProjectError, match=r"4 axes, 2 x 20 x 30 x 40; expected \(z, y, x\)"):
            open_project(config_path).open_tomogram("TS_1", TOMOGRAM)

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", '{"points": 3}', '{"pickable_object_name": "ribosome"}']
    )
    def test_malformed_picks(self, config_path: Path, content: str) -> None:
        write_picks(open_project(config_path), key=CURATED)
        (run_folder(config_path, "TS_1") / "Picks/curator_1_ribosome.json").write_text(content)
        store = open_project(config_path)

        with pytest.raises(ProjectError, match="ribosome:curator/1 of run TS_1") as caught:
            store.read_picks("TS_1", CURATED)
        assert "\n" not in str(caught.value)
        assert list(store.standing("TS_1", [CURATED])) == [CURATED]

    def test_picks_at_no_position(self, config_path: Path) -> None:
        write_picks(open_project(config_path), key=CURATED)
        path = run_folder(config_path, "TS_1") / "Picks/curator_1_ribosome.json"
        path.write_text(path.read_text().replace("10.5", "NaN"))

        with pytest.raises(DataError, match=r"1 of 2 picks.*first at index 0"):
            open_project(config_path).read_picks("TS_1", CURATED)

    @pytest.mark.parametrize("name", ["notes.json", "a_b.json"])
    def test_a_foreign_file_among_the_picks(self, config_path: Path, name: str) -> None:
        write_picks(open_project(config_path))
        (run_folder(config_path, "TS_1") / "Picks" / name).write_text("{}")
        store = open_project(config_path)

        with pytest.raises(ProjectError, match=f"picks of run TS_1.*Picks/{name}"):
            store.picks("TS_1")
        assert store.picks("TS_2") == []
        assert store.tomograms("TS_1") == [TOMOGRAM]

    def test_a_foreign_folder_among_the_spacings(self, config_path: Path) -> None:
        (run_folder(config_path, "TS_1") / "VoxelSpacing-old").mkdir()
        store = open_project(config_path)

        with pytest.raises(ProjectError, match=r"tomograms of run TS_1.*VoxelSpacing-old"):
            store.tomograms("TS_1")
        assert store.tomograms("TS_2") == [TOMOGRAM]

    def test_a_malformed_record_of_picks(self, config_path: Path) -> None:
        store = open_project(config_path)
        write_picks(store)
        record = run_folder(config_path, "TS_1") / "Picks/picker_1_ribosome.provenance.yaml"
        record.write_text("{")

        with pytest.raises(ProjectError, match=r"picker_1_ribosome\.provenance\.yaml"):
            store.picks_provenance("TS_1", PICKS)


class TestReadOnlyPart:
    """A static root is read; what we write goes to the overlay."""

    def test_outputs_go_to_the_overlay(self, config_path: Path) -> None:
        add_static_root(config_path)
        before = tree(config_path.parent / "static")
        store = open_project(config_path)

        assert store.tomograms("TS_1") == [TOMOGRAM]
        write_labels(store, labels())
        write_picks(store)
        write_probabilities(store, np.zeros((2, *SHAPE_ZYX), np.float32))

        assert store.features("TS_1") == [PROBABILITIES]
        assert store.segmentation_provenance("TS_1", LABELS) == RECORD
        assert tree(config_path.parent / "static") == before

    def test_its_own_outputs_are_never_replaced(self, config_path: Path) -> None:
        store = open_project(config_path)
        write_labels(store, labels())
        write_picks(store)
        add_static_root(config_path)
        store = open_project(config_path)

        assert list(store.standing("TS_1", [LABELS, PICKS])) == [LABELS, PICKS]
        with pytest.raises(ConflictError, match="read-only"):
            write_labels(store, labels(), overwrite=True)
        with pytest.raises(ConflictError, match="read-only"):
            write_picks(store, overwrite=True)


def add_static_root(config_path: Path) -> None:
    """Turn the project's folder into the static root and give it an empty overlay."""
    (config_path.parent / "project").rename(config_path.parent / "static")
    (config_path.parent / "project").mkdir()
    config = read_json(config_path) | {"static_root": str(config_path.parent / "static")}
    config_path.write_text(json.dumps(config))


class TestConfiguration:
    def test_objects_with_their_thresholds_and_weights(self, config_path: Path) -> None:
        config = read_json(config_path)
        config["pickable_objects"][0]["metadata"] = {"weight": 4}
        config_path.write_text(json.dumps(config))

        ribosome, ferritin, membrane = open_project(config_path).objects()

        assert (ribosome.score_weight, ribosome.score_threshold) == (4.0, None)
        assert (ferritin.score_weight, ferritin.score_threshold) == (1.0, 0.25)
        assert (membrane.radius_angstrom, membrane.is_particle) == (None, False)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "No such file"),
            ("", "not valid JSON"),
            ('{"overlay_root": ', "not valid JSON"),
            ("[]", "expected a JSON object"),
            ("{}", "pickable_objects: Field required; overlay_root: Field required"),
            ('{"config_type": "bucket"}', "bucket"),
            ('{"overlay_root": "nowhere", "pickable_objects": []}', "no folder .*nowhere"),
            ('{"overlay_root": "quark://x", "pickable_objects": []}', "quark"),
            (
                '{"overlay_root": ".", "pickable_objects": [{"name": "a_b", "is_particle": 1}]}',
                "a_b",
            ),
            (
                '{"overlay_root": ".", "pickable_objects": '
                '[{"name": "a", "is_particle": true, "label": 0}]}',
                "pickable_objects.0.label",
            ),
        ],
    )
    def test_a_faulty_one_is_one_clear_line(
        self, tmp_path: Path, content: str | None, words: str
    ) -> None:
        path = tmp_path / "config.json"
        if content is not None:
            path.write_text(content)

        with pytest.raises(ProjectError, match=words) as caught:
            open_project(path)

        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_path_that_copick_cannot_list_is_refused(self, tmp_path: Path) -> None:
        config_path = small_project(tmp_path / "data [copy]")

        with pytest.raises(ProjectError, match=r"data \[copy\]/project: copick cannot list"):
            open_project(config_path)

    def test_a_weight_that_is_no_number(self, config_path: Path) -> None:
        config = read_json(config_path)
        config["pickable_objects"][0]["metadata"] = {"score_weight": "high"}
        config_path.write_text(json.dumps(config))

        with pytest.raises(ProjectError, match=r"object ribosome.*score_weight"):
            open_project(config_path).objects()

    def test_writing_needs_no_special_argument_in_it(self, config_path: Path) -> None:
        config = read_json(config_path)
        config.pop("overlay_fs_args")
        config_path.write_text(json.dumps(config))
        store = open_project(config_path)

        write_labels(store, labels())
        write_picks(store)

        assert list(store.standing("TS_1", [LABELS, PICKS])) == [LABELS, PICKS]


def test_a_file_system_that_cannot_rename(tmp_path: Path) -> None:
    """fsspec's memory file system stands for object stores."""
    config_path = tmp_path / "config.json"
    config = {
        "config_type": "filesystem",
        "pickable_objects": [{"name": "ribosome", "is_particle": True, "label": 1}],
        "overlay_root": f"memory://{tmp_path.name}",
    }
    config_path.write_text(json.dumps(config))
    run = copick.from_file(str(config_path)).new_run("TS_1")
    run.new_voxel_spacing(10.0).new_tomogram("wbp").from_numpy(noise(SHAPE_ZYX, seed=0))
    store = open_project(config_path)
    store.check_writable()

    with pytest.raises(DataError):
        store.write_segmentation(
            "TS_1",
            LABELS,
            [(0, labels()[:10])],
            shape_zyx=SHAPE_ZYX,
            provenance=RECORD,
            overwrite=False,
        )
    assert list(store.standing("TS_1", [LABELS])) == []
    write_labels(store, labels())
    write_picks(store)
    write_picks(store, overwrite=True)

    np.testing.assert_array_equal(store.open_segmentation("TS_1", LABELS).read(), labels())
    assert list(store.standing("TS_1", [LABELS, PICKS])) == [LABELS, PICKS]
    assert store.segmentation_provenance("TS_1", LABELS) == RECORD
    assert store.picks_provenance("TS_1", PICKS) == RECORD
    assert store.picks("TS_1") == [PICKS]
    assert not write_labels(store, labels())
    other = {**RECORD, "settings": 1}
    with pytest.raises(ConflictError):
        write_labels(store, labels(), record=other)
    assert write_labels(store, np.zeros_like(labels()), record=other, overwrite=True)
    assert not store.open_segmentation("TS_1", LABELS).read().any()
    assert store.segmentation_provenance("TS_1", LABELS) == other
    assert not [path for path in run.fs_overlay.find(run.overlay_path) if "tmp" in path]


def test_records_that_json_cannot_hold_are_refused(config_path: Path) -> None:
    store = open_project(config_path)
    before = tree(config_path.parent)
    for value in (np.zeros(3), float("nan"), {1, 2}):
        with pytest.raises(DataError, match="cannot be stored"):
            store.write_picks(
                "TS_1",
                PICKS,
                PickSet("ribosome", POINTS_XYZ, np.ones(2)),
                provenance={"value": value},
                overwrite=False,
            )

    assert tree(config_path.parent) == before


def test_projects_given_as_arrays_hold_them(tmp_path: Path) -> None:
    volume = noise((4, 6, 5), seed=9)
    store = open_project(
        project_of(tmp_path, {"a": volume}, {("a", CURATED): POINTS_XYZ}, objects=OBJECTS)
    )

    np.testing.assert_array_equal(store.open_tomogram("a", TOMOGRAM).read(), volume)
    np.testing.assert_array_equal(store.read_picks("a", CURATED).points_xyz, POINTS_XYZ)


def test_the_root_logger_stays_as_it_was() -> None:
    program = (
        "import logging; root = logging.getLogger(); kept = logging.NullHandler(); "
        "root.addHandler(kept); root.setLevel(37); "
        "import copick_picker.project.copick.store; "
        "assert root.handlers == [kept], root.handlers; assert root.level == 37"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": ""})


@pytest.mark.parametrize("root", ["project", "./project", "local://project"])
def test_a_relative_root_counts_from_the_configuration_and_survives_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    config = small_project(tmp_path / "here")
    content = json.loads(config.read_text())
    content["overlay_root"] = root
    config.write_text(json.dumps(content))
    moved = tmp_path / "elsewhere" / "there"
    moved.parent.mkdir()
    config.parent.rename(moved)
    monkeypatch.chdir(tmp_path)
    for path in (moved / "config.json", Path("elsewhere/there/config.json")):
        assert open_project(path).run_names() == ["TS_1", "TS_2"]
        assert open_inventory(str(path), None).run_names() == ["TS_1", "TS_2"]
    store = open_project("elsewhere/there/config.json")
    picks = PickSet("ribosome", np.array([[10.0, 20.0, 30.0]]), np.ones(1))
    store.write_picks("TS_1", PICKS, picks, provenance={}, overwrite=False)
    assert list((moved / "project").rglob("*ribosome.json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere"]


def test_a_root_that_exists_only_in_the_working_folder_is_taken_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_project(tmp_path / "data")
    content = json.loads(config.read_text())
    content["overlay_root"] = "data/project"
    (tmp_path / "configs").mkdir()
    other = tmp_path / "configs" / "config.json"
    other.write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    assert open_project(other).run_names() == ["TS_1", "TS_2"]
