"""MRC volumes of every mode, of unusual axis order and with faulty headers."""

import logging
from pathlib import Path

import mrcfile
import numpy as np
import numpy.typing as npt
import pytest

from copick_picker.errors import DataError, ProjectError
from copick_picker.project.formats.mrc import read_mrc, write_mrc

VOLUME = np.random.default_rng(0).integers(0, 100, size=(3, 4, 5))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_a_volume_comes_back_as_written(tmp_path: Path, dtype: npt.DTypeLike) -> None:
    write_mrc(tmp_path / "a.mrc", VOLUME.astype(dtype), 7.84)

    volume, voxel_spacing = read_mrc(tmp_path / "a.mrc")

    assert volume.dtype == dtype
    assert voxel_spacing == 7.84
    np.testing.assert_array_equal(volume, VOLUME.astype(dtype))


def test_unsigned_bytes_of_imod_are_read(tmp_path: Path) -> None:
    """Mode 0 with IMOD's stamp and without its flag for signed bytes: 0 to 255."""
    write_mrc(tmp_path / "a.mrc", VOLUME.astype(np.int8), 10.0)
    content = bytearray((tmp_path / "a.mrc").read_bytes())
    content[152:160] = (1146047817).to_bytes(4, "little") + bytes(4)
    content[1024:1025] = b"\xff"
    (tmp_path / "a.mrc").write_bytes(content)

    volume, _ = read_mrc(tmp_path / "a.mrc")

    assert volume.dtype == np.uint8
    assert volume[0, 0, 0] == 255


def test_compressed_files_are_read(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc.gz", compression="gzip") as file:
        file.set_data(VOLUME.astype(np.float32))

    volume, voxel_spacing = read_mrc(tmp_path / "a.mrc.gz")

    np.testing.assert_array_equal(volume, VOLUME)
    assert voxel_spacing == 0.0


@pytest.mark.parametrize("axes_xyz", [(1, 2, 3), (2, 1, 3), (3, 2, 1), (2, 3, 1), (0, 0, 0)])
def test_axes_are_put_in_order(tmp_path: Path, axes_xyz: tuple[int, int, int]) -> None:
    """``mapc``, ``mapr`` and ``maps`` say which axis columns, rows and sections are."""
    order = {axis: at for at, axis in enumerate((3, 2, 1))}
    columns, rows, sections = axes_xyz if all(axes_xyz) else (1, 2, 3)
    stored = VOLUME.transpose([order[axis] for axis in (sections, rows, columns)])
    with mrcfile.new(tmp_path / "a.mrc", data=stored.astype(np.float32)) as file:
        file.header.mapc, file.header.mapr, file.header.maps = axes_xyz

    np.testing.assert_array_equal(read_mrc(tmp_path / "a.mrc")[0], VOLUME)


def test_a_faulty_header_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_mrc(tmp_path / "a.mrc", VOLUME.astype(np.float32), 10.0)
    content = bytearray((tmp_path / "a.mrc").read_bytes())
    content[208:216] = bytes(8)
    (tmp_path / "a.mrc").write_bytes(content)

    with caplog.at_level(logging.WARNING):
        volume, _ = read_mrc(tmp_path / "a.mrc")

    np.testing.assert_array_equal(volume, VOLUME)
    assert "Map ID string not found" in caplog.text


def test_voxels_that_are_not_cubes_are_refused(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc", data=VOLUME.astype(np.float32)) as file:
        file.voxel_size = (10.0, 10.0, 12.0)

    with pytest.raises(DataError, match="cubes"):
        read_mrc(tmp_path / "a.mrc")


@pytest.mark.parametrize(
    "data",
    [np.zeros((4, 5), np.float32), np.zeros((2, 3, 4, 5), np.float32), np.zeros((3, 4, 5), "c8")],
    ids=["image", "stack of volumes", "complex"],
)
def test_what_is_no_real_volume_is_refused(tmp_path: Path, data: npt.NDArray[np.generic]) -> None:
    with mrcfile.new(tmp_path / "a.mrc", data=data):
        pass

    with pytest.raises(DataError, match="expected one real volume"):
        read_mrc(tmp_path / "a.mrc")


@pytest.mark.parametrize("content", [None, b"", b"no header", bytes(2000)])
def test_what_is_no_mrc_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.mrc"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises((ProjectError, DataError), match=r"a\.mrc") as caught:
        read_mrc(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    write_mrc(tmp_path / "a.mrc", VOLUME.astype(np.float32), 10.0)
    content = (tmp_path / "a.mrc").read_bytes()
    (tmp_path / "a.mrc").write_bytes(content[:-20])

    with pytest.raises((ProjectError, DataError), match=r"a\.mrc"):
        read_mrc(tmp_path / "a.mrc")


def test_only_volumes_are_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected \(z, y, x\)"):
        write_mrc(tmp_path / "a.mrc", VOLUME[0], 10.0)
