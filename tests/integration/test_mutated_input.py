"""Bounded fuzzing: seeded mutations of what users hand in end in our own errors, if in any."""

import csv
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.errors import CopickPickerError
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.cells import ReadOptions
from copick_picker.project.formats.mrc import read_mrc, write_mrc
from copick_picker.project.formats.particle_readers import read_particles
from copick_picker.project.inventory.opening import open_inventory
from copick_picker.project.uris import (
    feature_query,
    picks_output,
    picks_query,
    segmentation_output,
    segmentation_query,
    tomogram_query,
)
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey
from copick_picker.settings.files import join_settings
from copick_picker.settings.localize import LocalizeSettings
from projects import noise, project_of, run_folder, tiny_octopi_model

WORDS = (
    *(b"NaN", b"inf", b"-1", b"0", b"null", b"[]", b"{}", b'"x"', b"9" * 400, b"1e999", b"true"),
    *(b"\xff\xfe", b"\x00", b"\r\n", b"\t", b"\xc3", b"[" * 50, b"&a *a", b"!!python/none ''"),
)
POINTS = np.array([[60.0, 70.0, 80.0], [150.0, 120.0, 60.0]])


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with one to three changes: cut, repeated, flipped, or a nasty word put in."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(found) + 1))
        length = int(rng.integers(1, 9))
        kind = int(rng.integers(0, 5))
        if kind == 0:
            del found[at:]
        elif kind == 1:
            del found[at : at + length]
        elif kind == 2:
            found[at:at] = found[at : at + 4 * length]
        elif kind == 3 and at < len(found):
            found[at] ^= 1 << int(rng.integers(0, 8))
        else:
            word = WORDS[int(rng.integers(0, len(WORDS)))]
            found[at : at + int(rng.integers(0, 2)) * length] = word
    return bytes(found)


def survives(read: Callable[[], object]) -> None:
    """Whatever is read, or refused by us, is well; anything else is a fault of ours."""
    said = ""
    try:
        read()
    except CopickPickerError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 3000


def fuzz(path: Path, read: Callable[[], object], *, n: int, seed: int) -> None:
    """Read so many mutations of a file, which is whole again at the end."""
    whole = path.read_bytes()
    survives(read)
    for number in range(n):
        data = mutated(whole, np.random.default_rng([seed, number]))
        path.write_bytes(data)
        try:
            survives(read)
        except Exception as error:
            error.add_note(f"mutation {number} of {path.name}: {data[:600]!r}")
            raise
    path.write_bytes(whole)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutated")
    volumes = {"TS_1": noise((8, 9, 10), seed=1)}
    config = project_of(folder, volumes, {("TS_1", PicksKey("ribosome", "a", "1")): POINTS})
    labels = np.zeros((8, 9, 10), np.uint8)
    labels[3:6, 3:6, 3:6] = 1
    open_project(config).write_segmentation(
        "TS_1",
        SegmentationKey("given", "me", "1", 10.0),
        [(0, labels)],
        shape_zyx=labels.shape,
        provenance={"command": "segment", "labels": {"ribosome": 1}},
        overwrite=False,
    )
    return config


def test_picks_of_copick(config: Path) -> None:
    path = run_folder(config, "TS_1") / "Picks" / "a_1_ribosome.json"
    store, inventory = open_project(config), open_inventory(str(config))
    fuzz(
        path,
        lambda: store.read_picks("TS_1", PicksKey("ribosome", "a", "1")),
        n=250,
        seed=1,
    )
    fuzz(path, lambda: inventory.run("TS_1", details=True), n=150, seed=2)


@pytest.mark.parametrize("name", ["0/.zarray", ".zattrs", ".zgroup", "0/0/0/0"])
def test_stores(config: Path, name: str) -> None:
    store, inventory = open_project(config), open_inventory(str(config))
    path = run_folder(config, "TS_1") / "VoxelSpacing10.000" / "wbp.zarr" / name
    fuzz(
        path,
        lambda: store.open_tomogram("TS_1", TomogramKey("wbp", 10.0)).read(0, 4),
        n=60,
        seed=3,
    )
    fuzz(path, lambda: inventory.run("TS_1", details=True), n=60, seed=4)


def test_records(config: Path) -> None:
    store, key = open_project(config), SegmentationKey("given", "me", "1", 10.0)
    folder = run_folder(config, "TS_1") / "Segmentations" / "10.000_me_1_given-multilabel.zarr"
    fuzz(folder / ".zattrs", lambda: store.segmentation_labels("TS_1", key), n=80, seed=5)


def test_configurations(config: Path) -> None:
    fuzz(config, lambda: open_project(config).objects(), n=120, seed=6)
    fuzz(config, lambda: open_inventory(str(config)).objects(), n=120, seed=7)


def particle_files(folder: Path) -> list[Path]:
    """Return picks in five formats of other programs."""
    star = folder / "picks.star"
    star.write_text(
        "data_particles\n\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
        "_rlnCoordinateZ #4\n_rlnAngleRot #5\n_rlnAngleTilt #6\n_rlnAnglePsi #7\n"
        "TS_1 12.5 20.0 31.5 10 20 30\nTS_1 40.0 41.0 42.0 0 0 0\n"
    )
    table = folder / "picks.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run_name", "x", "y", "z", "score"])
        writer.writerows([["TS_1", *point, 0.5] for point in POINTS.tolist()])
    eman = folder / "info_TS_1.json"
    boxes = {"boxes_3d": [[1.0, 2.0, 3.0, "manual", 0.5, 0]], "class_list": {"0": {"name": "r"}}}
    eman.write_text(json.dumps({**boxes, "apix_unbin": 10.0}))
    points = folder / "picks.mod"
    head = struct.pack(">8s", b"IMODV1.2") + b"model".ljust(128, b"\0")
    points.write_bytes(head + struct.pack(">iiii", 10, 10, 10, 1) + bytes(80))
    dynamo = folder / "picks.tbl"
    rows = np.zeros((2, 42))
    rows[:, 0], rows[:, 19], rows[:, 23:26], rows[:, 35] = (1, 2), 1, POINTS[:2], 10.0
    dynamo.write_text("".join(" ".join(f"{value:g}" for value in row) + "\n" for row in rows))
    return [star, table, eman, points, dynamo]


@pytest.mark.parametrize("number", range(5))
def test_particles_of_other_programs(tmp_path: Path, number: int) -> None:
    path = particle_files(tmp_path)[number]
    fuzz(path, lambda: read_particles(path, ReadOptions(needs_names=False)), n=120, seed=8 + number)


@pytest.mark.parametrize("name", ["v.mrc", "v.mrc.gz"])
def test_mrc(tmp_path: Path, name: str) -> None:
    plain, path = tmp_path / "plain.mrc", tmp_path / name
    write_mrc(plain, noise((4, 5, 6), seed=2), 10.0)
    if name.endswith(".gz"):
        import gzip

        path.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        shutil.move(plain, path)
    fuzz(path, lambda: read_mrc(path), n=150, seed=20)


SETTINGS = """\
config: config.json
input: "predict:picker/1@10.0"
run_names: [TS_1, "!TS_2"]
threshold: {ribosome: 0.5}
radius: {ribosome: 120.0}
method: watershed
overwrite: false
"""


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS)
    assert join_settings(LocalizeSettings, flags={}, path=path).threshold == {"ribosome": 0.5}
    fuzz(path, lambda: join_settings(LocalizeSettings, flags={}, path=path), n=400, seed=30)


def test_models(tmp_path: Path) -> None:
    from copick_picker.project.folders.checkpoints import read_mapping

    model_config, _ = tiny_octopi_model(tmp_path / "model", {"ribosome": 1})
    fuzz(model_config, lambda: read_mapping(model_config), n=150, seed=31)


def test_uris() -> None:
    readers = (
        tomogram_query,
        segmentation_query,
        picks_query,
        feature_query,
        picks_output,
        lambda uri: segmentation_output(uri, name="predict"),
    )
    seeds = ("wbp@10.0", "predict:picker/1@10.0?multilabel=true", "re:wb.*@10", "*:a/1?truth=true")
    key = SegmentationKey("predict", "picker", "1", 10.0)
    for number in range(1500):
        rng = np.random.default_rng([40, number])
        uri = mutated(seeds[number % len(seeds)].encode(), rng).decode("utf-8", "replace")
        for reader in readers:
            survives(lambda reader=reader, uri=uri: reader(uri))
        survives(lambda uri=uri: segmentation_query(uri).matching([key]))


@pytest.mark.parametrize("seed", range(6))
def test_whole_commands(config: Path, seed: int) -> None:
    """A command line over a project with one mutated file of each kind."""
    folder = run_folder(config, "TS_1")
    paths = [
        folder / "Picks" / "a_1_ribosome.json",
        folder / "VoxelSpacing10.000" / "wbp.zarr" / "0" / ".zarray",
        folder / "Segmentations" / "10.000_me_1_given-multilabel.zarr" / "0" / ".zarray",
    ]
    whole = [path.read_bytes() for path in paths]
    for path, data in zip(paths, whole, strict=True):
        path.write_bytes(mutated(data, np.random.default_rng([50, seed])))
    try:
        for words in (
            ("browse", "project", "--details"),
            ("filter", "-i", "ribosome:a/1", "--top", "ribosome=1", "--dry-run"),
            ("localize", "-i", "given:me/1", "--objects", "ribosome", "--dry-run"),
            ("mask", "gold", "-i", "wbp@10.0", "--dry-run"),
        ):
            result = CliRunner().invoke(console, [*words, "-c", str(config)])
            assert isinstance(result.exception, SystemExit | None), result.exc_info
    finally:
        for path, data in zip(paths, whole, strict=True):
            path.write_bytes(data)
