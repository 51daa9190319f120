"""Ways in which a store or a pick file of one run is broken, as disks and other programs do it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

HUGE = 10**6
Volume = npt.NDArray[Any]


def _metadata(store: Path, **fields: Any) -> None:
    path = store / "0" / ".zarray"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _chunks(store: Path) -> list[Path]:
    paths = [path for path in (store / "0").rglob("*") if path.is_file()]
    return [path for path in paths if not path.name.startswith(".")]


def _write(store: Path, values: Volume, **options: Any) -> None:
    shutil.rmtree(store)
    group = zarr.open_group(str(store), mode="w")
    group.create_dataset("0", data=values, dimension_separator="/", **options)


def _truncate(store: Path) -> None:
    for path in _chunks(store):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _random(store: Path) -> None:
    rng = np.random.default_rng(3)
    for path in _chunks(store):
        path.write_bytes(rng.bytes(max(path.stat().st_size, 40)))


def _empty_chunks(store: Path) -> None:
    for path in _chunks(store):
        path.write_bytes(b"")


def _cut_metadata(store: Path) -> None:
    path = store / "0" / ".zarray"
    path.write_text(path.read_text()[:60])


def _folder_for_metadata(store: Path) -> None:
    (store / "0" / ".zarray").unlink()
    (store / "0" / ".zarray").mkdir()


def _folder_for_chunk(store: Path) -> None:
    for path in _chunks(store):
        path.unlink()
        path.mkdir()


def _file_for_store(store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("not a store")


def _values(make: Callable[[Volume], Volume], **options: Any) -> Callable[[Path], object]:
    def poison(store: Path) -> None:
        values = zarr.open(str(store), mode="r")["0"][...]
        _write(store, make(values), **options)

    return poison


def _with_nan(values: Volume) -> Volume:
    changed = values.astype(np.float32)
    changed[1, 2, 3] = np.nan
    return changed


VOLUMES: dict[str, Callable[[Path], object]] = {
    "chunk-0": lambda store: _metadata(store, chunks=[0, 8, 8]),
    "chunk-negative": lambda store: _metadata(store, chunks=[-4, 8, 8]),
    "huge": lambda store: _metadata(store, shape=[HUGE] * 3),
    "huge-small-chunks": lambda store: _metadata(store, shape=[HUGE] * 3, chunks=[1, 1, 1]),
    "shape-0": lambda store: _metadata(store, shape=[0, 8, 8]),
    "shape-negative": lambda store: _metadata(store, shape=[-4, 8, 8]),
    "shape-text": lambda store: _metadata(store, shape="large"),
    "shape-null": lambda store: _metadata(store, shape=None),
    "four-axes": _values(lambda values: values[None]),
    "two-axes": _values(lambda values: values[0]),
    "truncated": _truncate,
    "random": _random,
    "empty-chunks": _empty_chunks,
    "metadata-cut": _cut_metadata,
    "metadata-list": lambda store: (store / "0" / ".zarray").write_text("[1, 2]"),
    "metadata-folder": _folder_for_metadata,
    "chunk-folder": _folder_for_chunk,
    "type-text": _values(lambda values: values.astype("U3")),
    "type-complex": _values(lambda values: values.astype(np.complex64)),
    "type-unknown": lambda store: _metadata(store, dtype="<q9"),
    "codec-unknown": lambda store: _metadata(store, compressor={"id": "none-such"}),
    "nan": _values(_with_nan),
    "file": _file_for_store,
    "no-array": lambda store: shutil.rmtree(store / "0"),
}
"""What a store of a volume is turned into; the array is "0"."""

_POINT = {"location": {"x": 50.0, "y": 60.0, "z": 70.0}, "score": 0.5}


def _picks(**fields: Any) -> str:
    whole = {
        "pickable_object_name": "ribosome",
        "user_id": "curator",
        "session_id": "1",
        "unit": "angstrom",
        "points": [_POINT],
    }
    return json.dumps({**whole, **fields})


def _folder_for_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


PICKS: dict[str, Callable[[Path], object]] = {
    "list": _text("[]"),
    "null": _text("null"),
    "number": _text("3"),
    "empty": lambda path: path.write_text(""),
    "cut": lambda path: path.write_text(path.read_text()[:120]),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00\x01"),
    "folder": _folder_for_file,
    "points-text": _text(_picks(points="many")),
    "points-number": _text(_picks(points=3)),
    "points-numbers": _text(_picks(points=[1, 2])),
    "no-location": _text(_picks(points=[{"score": 1.0}])),
    "location-text": _text(_picks(points=[{"location": {"x": "a", "y": 1, "z": 2}}])),
    "location-list": _text(_picks(points=[{"location": [1, 2, 3]}])),
    "nan": _text(_picks(points=[{"location": {"x": float("nan"), "y": 1.0, "z": 2.0}}])),
    "infinite": _text(_picks(points=[{"location": {"x": float("inf"), "y": 1.0, "z": 2.0}}])),
    "score-nan": _text(_picks(points=[{**_POINT, "score": float("nan")}])),
    "score-text": _text(_picks(points=[{**_POINT, "score": "good"}])),
    "transform-short": _text(_picks(points=[{**_POINT, "transformation_": [[1, 2], [3, 4]]}])),
    "transform-zero": _text(
        _picks(points=[{**_POINT, "transformation_": np.zeros((4, 4)).tolist()}])
    ),
    "transform-nan": _text(
        _picks(points=[{**_POINT, "transformation_": np.full((4, 4), np.nan).tolist()}])
    ),
    "long-number": _text(_picks().replace("50.0", "9" * 5000)),
    "deep": _text("[" * 100_000),
    "instance-text": _text(_picks(points=[{**_POINT, "instance_id": "one"}])),
    "instance-huge": _text(_picks(points=[{**_POINT, "instance_id": 10**30}])),
}
"""What a pick file is turned into."""
