"""Movies of microscopes: TIFF, OME-TIFF and ImageJ stacks, .nd2 and .czi, read frame by frame."""

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from copick_picker._version import __version__
from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.project.files import Permit, replacing
from copick_picker.project.formats.tiff import check_tiff, tiff_guarded
from copick_picker.project.guards import guarded
from copick_picker.project.own_files import MARK
from copick_picker.records.plain_text import load_json

SUFFIXES = (".tif", ".tiff", ".nd2", ".czi")
METADATA_FILE = "metadata.json"
"""File beside a simulated movie, with what its scene was."""
_TIME = "TIQ"
"""Letters of TIFF axes that mean time; I and Q are a file's word for an unknown order."""
_MICROMETRE = {"um", "µm", "μm", "micron", "microns", "micrometer", "\\u00b5m"}
_NANOMETRES = {"nm": 1.0, "mm": 1e6, "cm": 1e7, "inch": 2.54e7, "m": 1e9}
_MILLISECONDS = {"s": 1e3, "sec": 1e3, "ms": 1.0, "µs": 1e-3, "us": 1e-3, "min": 6e4}
_MOST_CHANNELS = 2
Plane = Callable[[int], npt.NDArray[Any]]


class NoChannelError(SettingsError):
    """A movie has no such channel."""


class MovieFrames:
    """Frames of a movie, read when they are needed: an array (t, y, x) as far as it goes.

    Parameters
    ----------
    shape : tuple of int
        Frames, pixels along y and x.
    dtype : numpy.dtype
        Type of the grey values.
    plane : callable
        Number of a frame -> its pixels (y, x).
    close : callable, optional
        Closes the file; called when nobody needs the frames any more.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: npt.DTypeLike,
        plane: Plane,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._plane = plane
        if close is not None:
            weakref.finalize(self, close)

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:  # noqa: ANN401 (an index of numpy)
        """Return frames, or parts of them; the first index is a number, a slice or an array."""
        first, rest = (key[0], tuple(key[1:])) if isinstance(key, tuple) else (key, ())
        if isinstance(first, int | np.integer):
            found = self._plane(int(first))
            return found[rest] if rest else found
        numbers = range(*first.indices(len(self))) if isinstance(first, slice) else first
        planes = [self._plane(int(number))[rest] for number in numbers]
        return np.stack(planes) if planes else np.zeros((0, *self.shape[1:]), self.dtype)


@dataclass(frozen=True, eq=False)
class Movie:
    """A movie.

    Attributes
    ----------
    path : pathlib.Path
        Its file.
    frames : MovieFrames
        Its frames (t, y, x).
    pixel_size_nm, frame_time_ms : float or None
        As its metadata say; None where they say nothing.
    notes : tuple of str
        What a user should know of how it was read.
    camera : dict
        ``kind``, ``baseline``, ``gain`` and ``read_noise`` of a simulated movie; else empty.
    """

    path: Path
    frames: MovieFrames
    pixel_size_nm: float | None
    frame_time_ms: float | None
    notes: tuple[str, ...]
    camera: dict[str, Any]


def open_movie(path: Path, *, channel: int = 0) -> Movie:
    """Return a movie; its frames are read from the file as they are asked for.

    Parameters
    ----------
    path : pathlib.Path
        A file of one of :data:`SUFFIXES`.
    channel : int
        Which channel, from 0.

    Raises
    ------
    DataError
        If it is no grey movie: colour, z as well as time, more than two channels, one frame, or a
        file that ends early.
    ProjectError
        If it cannot be read.
    SettingsError
        If there is no such file or channel, or the kind is not known.
    """
    if not path.is_file():
        msg = f"there is no movie {path}"
        raise SettingsError(msg)
    readers = {".nd2": _open_nd2, ".czi": _open_czi}
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"{path} is not a movie: its name ends in '{suffix}', not in {choices_text(SUFFIXES)}"
        raise SettingsError(msg)
    with guarded(f"cannot read {path}"):
        movie = readers.get(suffix, _open_tiff)(path, channel)
    if len(movie.frames) < 2:
        msg = f"{path} has one frame; a movie has two or more"
        raise DataError(msg)
    return movie


def channels_of(path: Path) -> int:
    """Return how many channels a movie has: one or two.

    Parameters
    ----------
    path : pathlib.Path
        A file of one of :data:`SUFFIXES`.

    Raises
    ------
    DataError, ProjectError, SettingsError
        See :func:`open_movie`.
    """
    try:
        open_movie(path, channel=1)
    except NoChannelError:
        return 1
    return 2


def open_pair(path: Path, second: Path | None = None) -> tuple[Movie, Movie]:
    """Return the two channels of a movie: puncta, then calcium.

    Parameters
    ----------
    path : pathlib.Path
        A movie of two channels, or the one of the puncta.
    second : pathlib.Path, optional
        The movie of the other channel, where it is a file of its own.

    Raises
    ------
    DataError
        If the channels differ in length or size, or the movie has one; see :func:`open_movie`.
    """
    if second is None:
        try:
            return open_movie(path, channel=0), open_movie(path, channel=1)
        except NoChannelError as error:
            msg = f"{path} has one channel; expected two, or --second FILE for the other"
            raise DataError(msg) from error
    for each in (path, second):
        if channels_of(each) > 1:
            msg = f"{each} has two channels; --second is for two files of one channel each"
            raise DataError(msg)
    first, other = open_movie(path), open_movie(second)
    if first.frames.shape != other.frames.shape:
        shapes = [" x ".join(str(n) for n in each.frames.shape) for each in (first, other)]
        msg = (
            f"{path} is {shapes[0]} (frames, y, x), but {second} is {shapes[1]}; expected the same"
        )
        raise DataError(msg)
    return first, other


def _open_tiff(path: Path, channel: int) -> Movie:
    with tiff_guarded(path):
        file = tifffile.TiffFile(path)
        try:
            return _of_tiff(path, file, channel)
        except BaseException:
            file.close()
            raise


def _of_tiff(path: Path, file: tifffile.TiffFile, channel: int) -> Movie:
    if not file.series:
        msg = f"{path} contains no image"
        raise DataError(msg)
    series = _series_of(file)
    sizes = dict(zip(_named_axes(series), series.shape, strict=True))
    if "S" in sizes:
        msg = f"{path} is a colour image ({sizes['S']} samples per pixel); expected grey values"
        raise DataError(msg)
    order, notes = _axes_of(path, sizes)
    check_tiff(path, file, series)
    wanted = _channel_of(path, sizes.get("C", 1), channel)
    shape = (sizes.get(order["t"], 1), sizes["Y"], sizes["X"])
    beside = _metadata_beside(path)
    pixel, time = _tiff_scale(file)
    pixel = beside.get("pixel_size_nm", pixel)
    time = beside.get("frame_time_ms", time)
    plane = _tiff_plane(path, series, order, wanted)
    is_mapped = series.dataoffset is not None
    if is_mapped:
        file.close()
    frames = MovieFrames(shape, series.dtype, plane, None if is_mapped else file.close)
    return Movie(path, frames, pixel, time, tuple(notes), dict(beside.get("camera", {})))


class _Pages:
    """Single pages of one size, which the file does not call a stack."""

    axes = "IYX"
    dataoffset = None

    def __init__(self, file: tifffile.TiffFile) -> None:
        self.pages = [each.pages[0] for each in file.series]
        self.shape = (len(self.pages), *file.series[0].shape)
        self.dtype = file.series[0].dtype


def _series_of(file: tifffile.TiffFile) -> Any:  # noqa: ANN401 (tifffile has no types)
    """Return the first image of a file, or all of them where each is a page of one size."""
    first = file.series[0]
    alike = [each for each in file.series if each.shape == first.shape and len(each.pages) == 1]
    if len(first.shape) == 2 and len(file.series) == len(alike) > 1:
        return _Pages(file)
    return first


def _named_axes(series: Any) -> str:  # noqa: ANN401 (tifffile has no types)
    """Return an image's axes; of two leading ones without a name one of two is the channel."""
    axes = str(series.axes)
    if axes == "QQYX" and _MOST_CHANNELS in series.shape[:2]:
        return "TCYX" if series.shape[1] == _MOST_CHANNELS else "CTYX"
    return axes


def _axes_of(path: Path, sizes: dict[str, int]) -> tuple[dict[str, str], list[str]]:
    """Return which axis is time, and what there is to say of it."""
    long = {axis: size for axis, size in sizes.items() if size > 1 and axis not in "YXC"}
    times = [axis for axis in long if axis in _TIME]
    if len(long) > 1:
        text = ", ".join(f"{axis} of {size}" for axis, size in long.items())
        msg = f"{path} has the axes {text} besides y and x; expected only time"
        raise DataError(msg)
    if sizes.get("C", 1) > _MOST_CHANNELS:
        msg = f"{path} has {sizes['C']} channels; expected one or two"
        raise DataError(msg)
    if times or not long:
        return {"t": times[0] if times else "T"}, []
    axis = next(iter(long))
    return {"t": axis}, [f"its axis {axis} of {long[axis]} is used as time"]


def _channel_of(path: Path, number: int, channel: int) -> int:
    if not 0 <= channel < number:
        there = "one channel, 0" if number == 1 else "the channels 0 and 1"
        msg = f"--channel {channel}: {path} has {there}"
        raise NoChannelError(msg)
    return channel


def _tiff_plane(path: Path, series: Any, order: dict[str, str], channel: int) -> Plane:  # noqa: ANN401
    """Return what reads a frame: from a map of the file where its values lie in one piece."""
    names = _named_axes(series)
    axes = [axis for axis, size in zip(names, series.shape, strict=True) if size > 1]
    axes = [axis for axis in axes if axis not in "YX"]

    def place(number: int) -> tuple[int, ...]:
        return tuple(number if axis == order["t"] else channel for axis in axes)

    if series.dataoffset is not None:
        whole = np.memmap(
            path,
            dtype=series.dtype.newbyteorder(series.keyframe.parent.byteorder),
            mode="r",
            offset=series.dataoffset,
            shape=tuple(size for size in series.shape if size > 1 or len(series.shape) <= 2),
        )
        return lambda number: np.asarray(whole[place(number)]).astype(series.dtype)
    sizes = [size for axis, size in zip(names, series.shape, strict=True) if axis in axes]

    def plane(number: int) -> npt.NDArray[Any]:
        index = int(np.ravel_multi_index(place(number), sizes)) if sizes else 0
        with tiff_guarded(path, f"frame {number}"):
            found: npt.NDArray[Any] = series.pages[index].asarray()
        return found

    return plane


def _tiff_scale(file: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Return pixel size in nm and frame time in ms, as OME or ImageJ metadata have them."""
    if file.is_ome and file.ome_metadata:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
        pixels = (pixels[0] if isinstance(pixels, list) else pixels)["Pixels"]
        size = _in_nm(pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit", "µm"))
        time = _in_ms(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
        return size, time
    known = file.imagej_metadata or {}
    size = None
    resolution = file.pages.first.tags.get("XResolution")
    if resolution is not None and known.get("unit"):
        numerator, denominator = resolution.value
        if numerator > 0:
            size = _in_nm(denominator / numerator, known["unit"])
    return size, _in_ms(known.get("finterval"), known.get("tunit", "s"))


def _in_nm(value: object, unit: object) -> float | None:
    text = str(unit).strip().lower()
    factor = 1e3 if text in _MICROMETRE else _NANOMETRES.get(text)
    number = _positive(value)
    return None if number is None or factor is None else number * factor


def _in_ms(value: object, unit: object) -> float | None:
    factor = _MILLISECONDS.get(str(unit).strip().lower())
    number = _positive(value)
    return None if number is None or factor is None else number * factor


def _positive(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _metadata_beside(path: Path) -> dict[str, Any]:
    """Return what the file beside a simulated movie says; nothing where it is another's."""
    beside = path.with_name(METADATA_FILE)
    if path.stem != "movie" or not beside.is_file():
        return {}
    try:
        content = load_json(beside.read_text(encoding="utf-8"))
        scene = dict(content["scene"])
        return {
            "pixel_size_nm": float(scene["pixel_size_nm"]),
            "frame_time_ms": float(scene["frame_time_ms"]),
            "camera": dict(scene["camera"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _open_nd2(path: Path, channel: int) -> Movie:
    try:
        import nd2
    except ImportError as error:
        msg = f"{path}: reading .nd2 needs the extra: pip install 'copick-picker[movies]'"
        raise SettingsError(msg) from error
    file = nd2.ND2File(path)
    sizes = {axis: size for axis, size in dict(file.sizes).items() if axis != "C" or size > 1}
    if "S" in sizes:
        msg = f"{path} is a colour image; expected grey values"
        raise DataError(msg)
    order, notes = _axes_of(path, sizes)
    wanted = _channel_of(path, sizes.get("C", 1), channel)
    axes = [axis for axis, size in sizes.items() if size > 1 and axis not in "YX"]
    lazy = file.to_dask()

    def plane(number: int) -> npt.NDArray[Any]:
        index = tuple(number if axis == order["t"] else wanted for axis in axes)
        return np.asarray(np.squeeze(lazy)[index].compute())

    shape = (sizes.get(order["t"], 1), sizes["Y"], sizes["X"])
    pixel = _in_nm(file.voxel_size().x, "um")
    frames = MovieFrames(shape, file.dtype, plane, file.close)
    return Movie(path, frames, pixel, None, tuple(notes), {})


def _open_czi(path: Path, channel: int) -> Movie:
    try:
        import czifile
    except ImportError as error:
        msg = f"{path}: reading .czi needs the extra: pip install 'copick-picker[movies]'"
        raise SettingsError(msg) from error
    with czifile.CziFile(path) as file:
        sizes = dict(zip(file.axes.replace("0", "S"), file.shape, strict=True))
        whole = file.asarray()
    if sizes.pop("S", 1) > 1:
        msg = f"{path} is a colour image; expected grey values"
        raise DataError(msg)
    order, notes = _axes_of(path, sizes)
    wanted = _channel_of(path, sizes.get("C", 1), channel)
    axes = [axis for axis, size in sizes.items() if size > 1 and axis not in "YX"]
    values = np.squeeze(whole)

    def plane(number: int) -> npt.NDArray[Any]:
        return np.asarray(values[tuple(number if axis == order["t"] else wanted for axis in axes)])

    shape = (sizes.get(order["t"], 1), sizes["Y"], sizes["X"])
    return Movie(path, MovieFrames(shape, values.dtype, plane), None, None, tuple(notes), {})


def write_movie(
    path: Path,
    frames: npt.NDArray[Any],
    *,
    pixel_size_nm: float,
    frame_time_ms: float,
    permit: Permit | None = None,
) -> None:
    """Write a movie as an ImageJ stack.

    Parameters
    ----------
    path : pathlib.Path
        File to make or to replace.
    frames : numpy.ndarray, shape (t, y, x) or (t, c, y, x), uint8, uint16 or float32
        Grey values.
    pixel_size_nm, frame_time_ms : float
        Pixel size and frame time.
    permit : callable, optional
        See ``files.replacing``.

    Raises
    ------
    ProjectError
        If it cannot be written.
    """
    with guarded(f"cannot write {path}"), replacing(path, permit=permit) as temporary:
        tifffile.imwrite(
            temporary,
            frames,
            imagej=True,
            software=f"{MARK} {__version__}",
            resolution=(1000.0 / pixel_size_nm, 1000.0 / pixel_size_nm),
            metadata={
                "axes": "TYX" if frames.ndim == 3 else "TCYX",
                "unit": "um",
                "finterval": frame_time_ms / 1000.0,
                "tunit": "s",
            },
        )
