"""Tomograms as folders of numbered grey JPG slices, as the challenge BYU 2025 distributes them."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from copick_picker.errors import DataError, SettingsError
from copick_picker.project.formats.mrc_folders import is_hidden, run_name_of
from copick_picker.project.guards import guarded

SUFFIXES = (".jpg", ".jpeg")
_GREY = "L"
_NUMBER = re.compile(r"\d+")
_LISTED = 5


@dataclass(frozen=True)
class SliceFolder:
    """The slices of one tomogram.

    Attributes
    ----------
    path : pathlib.Path
        Their folder.
    files : tuple of pathlib.Path
        One a plane, from the first to the last.
    shape_zyx : tuple of int
        Shape of the volume.
    """

    path: Path
    files: tuple[Path, ...]
    shape_zyx: tuple[int, int, int]

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)


def slice_folders(folder: Path) -> dict[str, Path]:
    """Return run name -> folder of slices, sorted by name.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look; entries that are no folders, and folders without JPG files, are left out.

    Raises
    ------
    SettingsError
        If there is no such folder, no folder of slices in it, or two would get one run name.
    """
    if not folder.is_dir():
        msg = f"there is no folder {folder}"
        raise SettingsError(msg)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if is_hidden(path) or not path.is_dir() or not any(map(_is_jpg, path.iterdir())):
            continue
        name = run_name_of(path.name)
        if name in found:
            msg = f"{found[name].name} and {path.name} would both be run '{name}': rename one"
            raise SettingsError(msg)
        found[name] = path
    if not found:
        hint = "; it holds slices itself, so name the folder above" * any(
            map(_is_jpg, folder.iterdir())
        )
        msg = f"{folder} contains no folders of JPG slices (one per tomogram){hint}"
        raise SettingsError(msg)
    return found


def read_slices(path: Path) -> SliceFolder:
    """Return the slices of a folder in the order of their numbers; of each only the head is read.

    A slice's number is the last one in its name, with or without zeros: ``0007.jpg``,
    ``slice_7.jpg``. The first is 0 or 1.

    Parameters
    ----------
    path : pathlib.Path
        Folder of JPG files; other files are left out.

    Raises
    ------
    DataError
        If numbers are missing or occur twice, or the slices differ in size or are no grey JPG.
    ProjectError
        If a file cannot be read.
    """
    files = _in_order(path)
    first_size = _size_of(files[0])
    for file in files[1:]:
        size = _size_of(file)
        if size != first_size:
            expected, got = (f"{width} x {height}" for width, height in (first_size, size))
            msg = f"{file} has {got} pixels; expected {expected}, as in {files[0].name}"
            raise DataError(msg)
    width, height = first_size
    return SliceFolder(path, tuple(files), (len(files), height, width))


@contextmanager
def decoded(slices: SliceFolder) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the volume, decoded slice by slice to a temporary file of which parts are read.

    Parameters
    ----------
    slices : SliceFolder
        The slices.

    Yields
    ------
    numpy.ndarray, shape (z, y, x), uint8
        Grey values as stored; an array on disk.

    Raises
    ------
    DataError
        If a slice is damaged.
    ProjectError
        If a file cannot be read, or there is no room for the temporary file.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "volume"
        with guarded(f"cannot unpack {slices.path}"), plain.open("wb") as out:
            for file in slices.files:
                out.write(read_slice(file).tobytes())
        volume = np.memmap(plain, dtype=np.uint8, mode="r", shape=slices.shape_zyx)
        try:
            yield volume
        finally:
            del volume


def read_slice(path: Path) -> npt.NDArray[np.uint8]:
    """Return one slice.

    Parameters
    ----------
    path : pathlib.Path
        A grey JPG file.

    Returns
    -------
    numpy.ndarray, shape (y, x), uint8
        Grey values.

    Raises
    ------
    DataError
        If the file is damaged, no JPG, or coloured.
    """
    with _opened(path) as image:
        try:
            return np.asarray(image, dtype=np.uint8)
        except (OSError, SyntaxError, ValueError) as error:
            msg = f"{path} is a damaged JPG: {error}"
            raise DataError(msg) from error


def slice_bytes(plane: npt.NDArray[np.uint8], *, quality: int) -> bytes:
    """Return a slice as a grey JPG file.

    Parameters
    ----------
    plane : numpy.ndarray, shape (y, x), uint8
        Grey values.
    quality : int
        JPG quality, up to 100.
    """
    buffer = BytesIO()
    Image.fromarray(plane).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def _is_jpg(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _in_order(path: Path) -> list[Path]:
    by_number: dict[int, Path] = {}
    for file in sorted(path.iterdir()):
        if not _is_jpg(file):
            continue
        numbers = _NUMBER.findall(file.stem)
        if not numbers:
            msg = f"{file} has no number in its name; expected slices such as 0007.jpg"
            raise DataError(msg)
        number = int(numbers[-1])
        if number in by_number:
            msg = f"{by_number[number]} and {file.name} are both slice {number}"
            raise DataError(msg)
        by_number[number] = file
    if not by_number:
        msg = f"{path} contains no JPG slices"
        raise DataError(msg)
    last = max(by_number)
    missing = sorted(set(range(min(1, *by_number), last)) - by_number.keys())
    if missing:
        msg = f"{path} lacks {len(missing)} of the slices up to {last}: {_listed(missing)}"
        raise DataError(msg)
    return [by_number[number] for number in sorted(by_number)]


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_LISTED]))
    return shown + (", ..." if len(numbers) > _LISTED else "")


def _size_of(path: Path) -> tuple[int, int]:
    with _opened(path) as image:
        return image.size


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a grey JPG file; its pixels are not decoded yet."""
    try:
        image = Image.open(path, formats=["JPEG"])
    except (OSError, SyntaxError, ValueError) as error:
        msg = f"{path} is not a readable JPG"
        raise DataError(msg) from error
    with image:
        if image.mode != _GREY:
            msg = f"{path} is a colour JPG ({image.mode}); expected grey slices of 8 bits"
            raise DataError(msg)
        yield image
