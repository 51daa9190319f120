"""A project whose outputs go to S3: what stands there stays, what replaces it is whole first."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

from copick_picker.cli.main import console
from copick_picker.errors import ConflictError
from copick_picker.project.copick.store import CopickStore, open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from copick_picker.records.points import PickSet
from projects import SHAPE_ZYX, run_folder, small_project
from things import PICKS, VOLUMES

MASK = SegmentationKey("inner", "picker", "1", 10.0)
PLACE = "Segmentations/10.000_picker_1_inner-multilabel.zarr"
GIVEN = PicksKey("ribosome", "me", "1")
TWO = PickSet("ribosome", np.array([[10.5, 200.0, 30.25], [390.0, 0.0, 190.0]]), np.ones(2))
RECORD = {"command": "segment", "labels": {"ribosome": 1}}
OTHER = {**RECORD, "settings": 2}
RUNS = ("TS_1", *(name for name in VOLUMES if "link" not in name and name != "empty-folder"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def config(tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project: tomograms in a static root here, outputs in a bucket."""
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(f"AWS_{name}", value)
    path = small_project(tmp_path, RUNS)
    (tmp_path / "project").rename(tmp_path / "static")
    bucket = "".join(letter for letter in tmp_path.name.lower() if letter.isalnum())[-40:]
    content = json.loads(path.read_text())
    content["static_root"] = str(tmp_path / "static")
    content["overlay_root"] = f"s3://{bucket}/project"
    content["overlay_fs_args"] = {"client_kwargs": {"endpoint_url": endpoint}}
    path.write_text(json.dumps(content))
    bucket_of(path).mkdir(bucket)
    return path


def bucket_of(config: Path) -> Any:
    arguments = json.loads(config.read_text())["overlay_fs_args"]
    return fsspec.filesystem("s3", **arguments)


def place_of(config: Path, run_name: str, name: str) -> str:
    root = json.loads(config.read_text())["overlay_root"].removeprefix("s3://")
    return f"{root}/ExperimentRuns/{run_name}/{name}"


def objects(config: Path) -> dict[str, bytes]:
    """Return all that the bucket holds."""
    filesystem = bucket_of(config)
    filesystem.invalidate_cache()
    root = json.loads(config.read_text())["overlay_root"].removeprefix("s3://")
    return {path: filesystem.cat_file(path) for path in filesystem.find(root)}


def put(config: Path, folder: Path, place: str) -> None:
    """Put a file or a folder of this machine into the bucket."""
    filesystem = bucket_of(config)
    files = [folder] if folder.is_file() else [p for p in folder.rglob("*") if p.is_file()]
    for path in files:
        below = "" if path == folder else f"/{path.relative_to(folder)}"
        filesystem.pipe_file(f"{place}{below}", path.read_bytes())


def run(config: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(console, [*arguments, "-c", str(config)])
    assert "Traceback (most" not in result.output
    return result


def write_mask(store: CopickStore, value: int, *, record: Any = RECORD, overwrite: bool) -> bool:
    return store.write_segmentation(
        "TS_1",
        MASK,
        [(0, np.full(SHAPE_ZYX, value, np.uint8))],
        shape_zyx=SHAPE_ZYX,
        provenance=record,
        overwrite=overwrite,
    )


def test_whatever_stands_in_a_bucket_stays_unless_overwrite(config, tmp_path):
    things = {name: VOLUMES[name] for name in RUNS if name in VOLUMES}
    for name, thing in things.items():
        thing.make(tmp_path / name)
        put(config, tmp_path / name, place_of(config, name, PLACE))
    before = objects(config)
    line = ("mask", "exclude-edges", "-i", "wbp@10.0", "--margin-xy", "30")
    more = [word for name in things for word in ("-r", name)]

    refused = run(config, *line, *more)

    assert f"{len(things)} failed" in refused.output
    for thing in things.values():
        assert thing.words in refused.output
    assert objects(config) == before

    replaced = run(config, *line, *more, "--overwrite")

    after, store = objects(config), open_project(config)
    for name, thing in things.items():
        place = place_of(config, name, PLACE)
        if thing.is_replaceable:
            assert store.open_segmentation(name, MASK).shape == SHAPE_ZYX, replaced.output
            assert store.segmentation_provenance(name, MASK) is not None
        else:
            kept = {path: data for path, data in before.items() if path.startswith(place)}
            assert kept
            assert {path: after.get(path) for path in kept} == kept
    assert not [path for path in after if ".tmp" in path]


def test_picks_in_a_bucket_stay_unless_overwrite(config, tmp_path):
    store, place = open_project(config), place_of(config, "TS_1", "Picks/me_1_ribosome.json")
    for name in ("picks", "broken", "foreign-folder", "picks-foreign-record"):
        thing = PICKS[name]
        thing.make(tmp_path / "me_1_ribosome.json")
        for path in tmp_path.glob("me_1_ribosome*"):
            put(config, path, place_of(config, "TS_1", f"Picks/{path.name}"))
        before = objects(config)

        with pytest.raises(ConflictError, match=r"ribosome:me/1 of run TS_1 exists"):
            store.write_picks("TS_1", GIVEN, TWO, provenance=RECORD, overwrite=False)
        assert objects(config) == before
        if thing.is_replaceable:
            assert store.write_picks("TS_1", GIVEN, TWO, provenance=RECORD, overwrite=True)
            assert store.picks_provenance("TS_1", GIVEN) == RECORD
            assert len(store.read_picks("TS_1", GIVEN)) == 2
            assert not store.write_picks("TS_1", GIVEN, TWO, provenance=RECORD, overwrite=False)
        else:
            with pytest.raises(ConflictError):
                store.write_picks("TS_1", GIVEN, TWO, provenance=RECORD, overwrite=True)
            assert objects(config) == before
        filesystem = bucket_of(config)
        filesystem.rm(filesystem.find(place.rsplit("/", 1)[0]))
        for path in sorted(tmp_path.glob("me_1_ribosome*"), reverse=True):
            if path.is_dir():
                (path / "thesis.txt").unlink()
                path.rmdir()
            else:
                path.unlink()


def test_the_old_one_goes_when_the_new_one_is_whole(config):
    store, old = open_project(config), None

    def slabs() -> Iterator[tuple[int, Any]]:
        yield 0, np.full((10, *SHAPE_ZYX[1:]), 2, np.uint8)
        assert {path: data for path, data in objects(config).items() if path in old} == old
        raise KeyboardInterrupt

    assert write_mask(store, 1, overwrite=False)
    old = objects(config)
    with pytest.raises(KeyboardInterrupt):
        store.write_segmentation(
            "TS_1", MASK, slabs(), shape_zyx=SHAPE_ZYX, provenance=OTHER, overwrite=True
        )
    assert objects(config) == old

    assert write_mask(store, 3, record=OTHER, overwrite=True)
    assert (store.open_segmentation("TS_1", MASK).read() == 3).all()
    assert set(objects(config)) == set(old)


def test_a_write_that_was_cut_off_is_taken_up_and_a_probe_leaves_nothing(config):
    store = open_project(config)
    store.check_writable()
    assert objects(config) == {}

    def slabs() -> Iterator[tuple[int, Any]]:
        yield 0, np.full((10, *SHAPE_ZYX[1:]), 2, np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write_segmentation(
            "TS_1", MASK, slabs(), shape_zyx=SHAPE_ZYX, provenance=RECORD, overwrite=False
        )
    assert list(store.standing("TS_1", [MASK])) == []
    assert write_mask(store, 3, overwrite=False)
    assert not write_mask(store, 4, overwrite=False)
    with pytest.raises(ConflictError, match="found: a zarr v2 group with array 0"):
        write_mask(store, 4, record=OTHER, overwrite=False)
    assert (store.open_segmentation("TS_1", MASK).read() == 3).all()
    assert not run_folder(config, "TS_1").exists()
