"""Tables of puncta: our own CSV files, and the formats of other programs, in and out."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.project.formats.csv_columns import numbers_of, read_table
from copick_picker.project.formats.spot_formats import (
    length_of_pixel,
    read_geff,
    read_picasso,
    read_trackmate_xml,
)
from copick_picker.records.movies import NO_TRACK, Spots

DETECTION_COLUMNS = ("frame", "x", "y", "probability", "photons", "sigma_x", "sigma_y")
TRACK_COLUMNS = ("frame", "x", "y", "probability", "photons", "track_id", "filled")
TRUTH_COLUMNS = ("track_id", "frame", "x", "y", "photons")
_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "frame": ("frame", "t", "frame_number", "axis-0"),
        "x": ("x", "position_x", "axis-2"),
        "y": ("y", "position_y", "axis-1"),
        "probability": ("probability", "prob", "quality"),
        "photons": ("photons", "intensity"),
        "sigma_x": ("sigma_x",),
        "sigma_y": ("sigma_y",),
        "track_id": ("track_id", "particle", "track", "trackid"),
        "filled": ("filled",),
    }
)
"""Column -> names that others give it, in lower case."""
_THUNDERSTORM = ("frame", "x [nm]", "y [nm]")
_TRACKMATE_HEADER = 3
"""Rows of names and units below the header of a TrackMate table."""


def read_spots(path: Path, *, pixel_size_nm: float | None = None) -> Spots:
    """Return the puncta of a table, whoever made it; positions in pixels, frames from 0.

    Parameters
    ----------
    path : pathlib.Path
        CSV with the columns frame, x, y (pixels) and perhaps others; ThunderSTORM's CSV; Picasso's
        HDF5; TrackMate's XML or CSV; napari's tracks; a GEFF folder.
    pixel_size_nm : float, optional
        Needed where positions are lengths.

    Raises
    ------
    SettingsError
        If there is no such file, or a pixel size is needed.
    DataError
        If a column is missing, or a value is no number.
    ProjectError
        If it cannot be read.
    """
    if not path.exists():
        msg = f"there is no table {path}"
        raise SettingsError(msg)
    if path.is_dir():
        return read_geff(path)
    suffix = path.suffix.lower()
    if suffix in (".hdf5", ".h5"):
        return read_picasso(path)
    if suffix == ".xml":
        return read_trackmate_xml(path, pixel_size_nm=pixel_size_nm)
    return _read_csv(path, pixel_size_nm)


def _read_csv(path: Path, pixel_size_nm: float | None) -> Spots:
    table = read_table(path, "puncta with the columns frame, x, y")
    if all(name in table.columns for name in _THUNDERSTORM):
        return _of_thunderstorm(path, table, pixel_size_nm)
    if "spot_id" in table.columns or {"label", "id", "position_x"} <= set(table.columns):
        rows = pd.to_numeric(table["frame"], errors="coerce").notna()
        if len(rows) >= _TRACKMATE_HEADER and not rows.iloc[:_TRACKMATE_HEADER].any():
            unit = str(table["position_x"].iloc[_TRACKMATE_HEADER - 1]).strip("() ")
            table = table.iloc[_TRACKMATE_HEADER:].copy()
            size = length_of_pixel(path, unit, None, pixel_size_nm)
            for name in ("position_x", "position_y"):
                table[name] = numbers_of(path, table, name) / size
    names = {
        column: next((alias for alias in aliases if alias in table.columns), None)
        for column, aliases in _ALIASES.items()
    }
    missing = [column for column in ("frame", "x", "y") if names[column] is None]
    if missing:
        msg = (
            f"{path} has no column {choices_text(missing)}; it has "
            f"{choices_text(list(table.columns)) or 'none'}"
        )
        raise DataError(msg)
    columns = {
        column: numbers_of(path, table, name)
        for column, name in names.items()
        if name is not None and column != "track_id" and not _is_blank(table, column, name)
    }
    tracks = None
    if names["track_id"] is not None:
        given = table[names["track_id"]]
        values = pd.to_numeric(given, errors="coerce")
        words = given[values.isna() & given.notna()]
        if len(words):
            msg = f"{path}: '{names['track_id']}' is '{words.iloc[0]}', not a number"
            raise DataError(msg)
        tracks = values.fillna(NO_TRACK).to_numpy(dtype=np.int64)
    return spots_of(columns, tracks, where=str(path))


def _is_blank(table: pd.DataFrame, column: str, name: str) -> bool:
    """Return whether a column that may be missing holds nothing."""
    return column not in ("frame", "x", "y") and bool(table[name].isna().all())


def spots_of(
    columns: Mapping[str, npt.NDArray[np.float64]],
    tracks: npt.NDArray[np.int64] | None,
    *,
    where: str,
) -> Spots:
    """Return columns of numbers as puncta.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray
        frame, x and y, and what else there is.
    tracks : numpy.ndarray or None
        Track of each.
    where : str
        For messages.

    Raises
    ------
    DataError
        If a frame is no whole number from 0.
    """
    frames = columns["frame"]
    if len(frames) and ((frames < 0).any() or (frames != np.floor(frames)).any()):
        bad = frames[(frames < 0) | (frames != np.floor(frames))][0]
        msg = f"{where}: a frame is {bad:g}; expected whole numbers from 0"
        raise DataError(msg)
    sigmas = None
    if "sigma_x" in columns and "sigma_y" in columns:
        sigmas = np.stack([columns["sigma_x"], columns["sigma_y"]], axis=1)
    filled = columns.get("filled")
    return Spots(
        frames.astype(np.int64),
        np.stack([columns["x"], columns["y"]], axis=1),
        probabilities=columns.get("probability"),
        photons=columns.get("photons"),
        sigmas=sigmas,
        tracks=tracks,
        filled=None if filled is None else filled > 0,
    )


def _of_thunderstorm(path: Path, table: pd.DataFrame, pixel_size_nm: float | None) -> Spots:
    """Return localizations of ThunderSTORM: nm from the first pixel's corner, frames from 1."""
    if pixel_size_nm is None:
        msg = f"{path}: its positions are in nm; give --pixel-size-nm"
        raise SettingsError(msg)
    columns = {
        "frame": numbers_of(path, table, "frame") - 1.0,
        "x": numbers_of(path, table, "x [nm]") / pixel_size_nm - 0.5,
        "y": numbers_of(path, table, "y [nm]") / pixel_size_nm - 0.5,
    }
    if "intensity [photon]" in table.columns:
        columns["photons"] = numbers_of(path, table, "intensity [photon]")
    for name in ("uncertainty [nm]", "uncertainty_xy [nm]"):
        if name in table.columns:
            columns["sigma_x"] = columns["sigma_y"] = numbers_of(path, table, name) / pixel_size_nm
    return spots_of(columns, None, where=str(path))


def detections_csv(spots: Spots) -> str:
    """Return detections as the text of ``detections.csv``.

    Parameters
    ----------
    spots : Spots
        Detections with all that a detector gives.
    """
    n = len(spots)
    sigmas = np.full((n, 2), np.nan) if spots.sigmas is None else spots.sigmas
    return _csv(
        DETECTION_COLUMNS,
        [
            spots.frames,
            *spots.positions.T,
            _or_nan(spots.probabilities, n),
            _or_nan(spots.photons, n),
            *sigmas.T,
        ],
    )


def tracks_csv(tracks: Spots) -> str:
    """Return tracks as the text of ``tracks.csv``.

    Parameters
    ----------
    tracks : Spots
        Tracks.
    """
    n = len(tracks)
    numbers = np.full(n, NO_TRACK) if tracks.tracks is None else tracks.tracks
    filled = np.zeros(n, dtype=bool) if tracks.filled is None else tracks.filled
    return _csv(
        TRACK_COLUMNS,
        [
            tracks.frames,
            *tracks.positions.T,
            _or_nan(tracks.probabilities, n),
            _or_nan(tracks.photons, n),
            numbers,
            filled.astype(np.int64),
        ],
    )


def truth_csv(truth: Spots) -> str:
    """Return the truth of a simulated movie as the text of ``ground_truth_tracks.csv``.

    Parameters
    ----------
    truth : Spots
        Puncta with tracks and photons.
    """
    n = len(truth)
    numbers = np.full(n, NO_TRACK) if truth.tracks is None else truth.tracks
    return _csv(
        TRUTH_COLUMNS, [numbers, truth.frames, *truth.positions.T, _or_nan(truth.photons, n)]
    )


def _or_nan(values: npt.NDArray[np.float64] | None, n: int) -> npt.NDArray[np.float64]:
    return np.full(n, np.nan) if values is None else values


def _csv(columns: tuple[str, ...], values: list[npt.NDArray[Any]]) -> str:
    table = pd.DataFrame(dict(zip(columns, values, strict=True)))
    text = io.StringIO()
    table.to_csv(text, index=False, float_format="%.4f", lineterminator="\n")
    return text.getvalue()


def thunderstorm_csv(spots: Spots, pixel_size_nm: float) -> str:
    """Return detections as ThunderSTORM's table: nm from the first pixel's corner, frames from 1.

    Parameters
    ----------
    spots : Spots
        Detections.
    pixel_size_nm : float
        Pixel size.
    """
    columns = {
        '"id"': np.arange(1, len(spots) + 1),
        '"frame"': spots.frames + 1,
        '"x [nm]"': (spots.positions[:, 0] + 0.5) * pixel_size_nm,
        '"y [nm]"': (spots.positions[:, 1] + 0.5) * pixel_size_nm,
    }
    if spots.photons is not None:
        columns['"intensity [photon]"'] = spots.photons
    if spots.sigmas is not None:
        columns['"uncertainty [nm]"'] = spots.sigmas.mean(axis=1) * pixel_size_nm
    return _plain_csv(columns)


def napari_csv(tracks: Spots) -> str:
    """Return tracks as napari's table of four columns: track_id, t, y, x.

    Parameters
    ----------
    tracks : Spots
        Tracks.
    """
    numbers = np.full(len(tracks), NO_TRACK) if tracks.tracks is None else tracks.tracks
    return _plain_csv(
        {
            "track_id": numbers,
            "t": tracks.frames,
            "y": tracks.positions[:, 1],
            "x": tracks.positions[:, 0],
        }
    )


def _plain_csv(columns: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return a table whose header is written as it is."""
    lines = [",".join(columns)]
    formats: list[Callable[[Any], str]] = [
        (lambda value: f"{value:.4f}") if values.dtype.kind == "f" else str
        for values in columns.values()
    ]
    lines += [
        ",".join(form(value) for form, value in zip(formats, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"
