"""Everything that may stand in the place of an output, and a record of a folder to compare with."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr


@dataclass(frozen=True)
class Thing:
    """Something that stands where a command writes.

    Attributes
    ----------
    make : callable
        Puts it at a path.
    words : str
        What a message says of it.
    is_replaceable : bool
        Whether ``--overwrite`` replaces it.
    """

    make: Callable[[Path], None]
    words: str
    is_replaceable: bool


def state(folder: Path) -> dict[str, object]:
    """Return what a folder holds: bytes of files, targets of links, names of folders."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        else:
            found[name] = path.read_bytes() if path.is_file() else "folder"
    return found


def _group_2(path: Path, array: str = "0") -> None:
    group = zarr.open_group(str(path), mode="w")
    group.create_dataset(array, data=np.full((4, 5, 6), 7, np.uint8), chunks=(4, 5, 6))


def _group_2_with_notes(path: Path) -> None:
    _group_2(path)
    (path / "notes.txt").write_text("years of work")


def _group_2_without_array(path: Path) -> None:
    zarr.open_group(str(path), mode="w").attrs["maker"] = "another program"


def _group_3(path: Path) -> None:
    """Write a zarr v3 group by hand: the installed zarr may not know the format."""
    array = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4, 5, 6],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 5, 6]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}],
        "attributes": {},
    }
    chunk = path / "0" / "c" / "0" / "0" / "0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(bytes([7] * 120))
    (path / "0" / "zarr.json").write_text(json.dumps(array))
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    (path / "zarr.json").write_text(json.dumps(group))


def _broken_group(path: Path) -> None:
    _group_2(path)
    (path / ".zgroup").write_text("{")
    (path / "0" / ".zarray").write_text("not JSON")


def _array(path: Path) -> None:
    zarr.open_array(str(path), mode="w", shape=(4, 5, 6), chunks=(4, 5, 6), dtype="u1")[:] = 7


def _empty_folder(path: Path) -> None:
    path.mkdir()


def _foreign_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")


def _file(path: Path) -> None:
    path.write_text("years of work")


def _empty_file(path: Path) -> None:
    path.write_bytes(b"")


def elsewhere(path: Path) -> Path:
    """Return where a link at a path leads to."""
    return path.with_name(f"{path.name.split('.')[0]}-elsewhere")


def _link_to_folder(path: Path) -> None:
    elsewhere(path).mkdir()
    (elsewhere(path) / "thesis.txt").write_text("years of work")
    path.symlink_to(elsewhere(path), target_is_directory=True)


def _link_to_file(path: Path) -> None:
    elsewhere(path).write_text("years of work")
    path.symlink_to(elsewhere(path))


def _link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _picks(path: Path) -> None:
    content: dict[str, Any] = {
        "pickable_object_name": "ribosome",
        "user_id": "anna",
        "session_id": "9",
        "run_name": "TS",
        "voxel_spacing": None,
        "unit": "angstrom",
        "points": [],
        "trust_orientation": True,
    }
    path.write_text(json.dumps(content))


def _broken_picks(path: Path) -> None:
    path.write_text("{")


def _picks_with_foreign_record(path: Path) -> None:
    _picks(path)
    path.with_name(f"{path.stem}.provenance.yaml").write_text("my: notes\n")


def _foreign_record(path: Path) -> None:
    path.with_name(f"{path.stem}.provenance.yaml").write_text("my: notes\n")


COMMON = {
    "empty-folder": Thing(_empty_folder, "an empty folder", is_replaceable=True),
    "foreign-folder": Thing(_foreign_folder, "thesis.txt", is_replaceable=False),
    "link-to-folder": Thing(_link_to_folder, "a link to ", is_replaceable=True),
    "link-to-nothing": Thing(_link_to_nothing, "which does not exist", is_replaceable=True),
}
"""What may stand anywhere."""
VOLUMES = {
    **COMMON,
    "v2": Thing(_group_2, "a zarr v2 group with array 0", is_replaceable=True),
    "v2-s0": Thing(
        lambda path: _group_2(path, "s0"), "a zarr v2 group with array s0", is_replaceable=True
    ),
    "v2-empty": Thing(_group_2_without_array, "without an array", is_replaceable=True),
    "v2-notes": Thing(_group_2_with_notes, "1 other entry (notes.txt)", is_replaceable=False),
    "v3": Thing(_group_3, "a zarr v3 group with array 0", is_replaceable=True),
    "broken": Thing(_broken_group, "a zarr v2 group with array 0", is_replaceable=True),
    "array": Thing(_array, "a folder that is not a zarr group", is_replaceable=False),
    "file": Thing(_file, "a file of 13 bytes", is_replaceable=False),
}
"""What may stand in the place of a tomogram, segmentation or feature volume."""
PICKS = {
    **COMMON,
    "picks": Thing(_picks, "a file of ", is_replaceable=True),
    "broken": Thing(_broken_picks, "a file of 1 byte", is_replaceable=True),
    "empty": Thing(_empty_file, "a file of 0 bytes", is_replaceable=True),
    "link-to-file": Thing(_link_to_file, "a link to ", is_replaceable=True),
    "foreign-record": Thing(_foreign_record, "provenance.yaml", is_replaceable=False),
    "picks-foreign-record": Thing(
        _picks_with_foreign_record, "provenance.yaml", is_replaceable=False
    ),
}
"""What may stand in the place of picks."""
FILES = {
    **COMMON,
    "file": Thing(_file, "a file of 13 bytes", is_replaceable=False),
    "empty": Thing(_empty_file, "a file of 0 bytes", is_replaceable=False),
    "link-to-file": Thing(_link_to_file, "a link to ", is_replaceable=True),
}
"""What may stand in the place of a file that a user names."""
FOLDERS = {
    **COMMON,
    "file": Thing(_file, "a file of 13 bytes", is_replaceable=False),
    "link-to-file": Thing(_link_to_file, "a link to ", is_replaceable=True),
}
"""What may stand in the place of a folder that a user names."""
