"""Movies whose puncta are known: simulated, or of a folder with a truth beside each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.patches import CalciumChannel, KnownMovie
from copick_picker.core.movie.scaling import GreyScale, scale_of_movie
from copick_picker.core.movie.scene import MovieScene
from copick_picker.core.movie.simulation import simulate_movie
from copick_picker.errors import DataError
from copick_picker.project.formats.calcium_tables import read_traces
from copick_picker.project.formats.movie_files import open_movie, open_pair
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.movies import Frames, Spots
from copick_picker.workflows.movie.places import (
    DETECTIONS_FILE,
    TRUE_TRACES_FILE,
    TRUTH_FILES,
    Named,
    movies_at,
)
from copick_picker.workflows.movie.simulate import scene_beside

LONGEST = 60
"""Frames of a simulated movie at most."""
_HELD_OUT_SEED = 900_000
_LOOKED_AT = 16
"""Frames whose level and noise are those of a movie."""


def simulated_movies(scene: MovieScene, number: int, *, seed: int) -> tuple[KnownMovie, ...]:
    """Return movies that no training sees, to judge by.

    Parameters
    ----------
    scene : MovieScene
        What they show.
    number : int
        How many.
    seed : int
        Seed of the training.
    """
    first = _HELD_OUT_SEED + 1000 * seed
    return tuple(known_movie(scene, first + k) for k in range(number))


def known_movie(scene: MovieScene, seed: int) -> KnownMovie:
    """Return a simulated movie with its truth.

    Parameters
    ----------
    scene : MovieScene
        What it shows.
    seed : int
        Equal seeds give equal movies.
    """
    short = replace(scene, frames=min(scene.frames, LONGEST))
    made = simulate_movie(short, seed=seed)
    scale = scale_of_movie(made.frames[:_LOOKED_AT])
    calcium = None
    if made.calcium is not None:
        frames = made.calcium.frames
        second = scale_of_movie(frames[:_LOOKED_AT])
        calcium = CalciumChannel(frames, second, made.calcium.traces.active)
    name = f"simulated {seed}"
    return KnownMovie(name, made.frames, made.truth, scale, scene.camera.gain, calcium)


def movies_of(
    folder: Path,
    limit: int | None,
    scene: MovieScene,
    *,
    labels: Path | None = None,
    pixel_size_nm: float | None = None,
    n_channels: int | None = None,
) -> tuple[tuple[KnownMovie, ...], MovieScene]:
    """Return the movies of a folder with their truth, and what they are like.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of movies, a table of truth beside each.
    limit : int or None
        Most movies.
    scene : MovieScene
        What they are like where no file says so.
    labels : pathlib.Path, optional
        Folder of tables, one for each movie, in place of those beside the movies.
    pixel_size_nm : float, optional
        Needed for ThunderSTORM's tables.
    n_channels : int, optional
        Channels that a hybrid sees: what is known of calcium is read too, and of 2 the second
        channel.

    Raises
    ------
    DataError
        If a truth is missing, or of another size than its movie.
    """
    found = movies_at(folder)[:limit]
    first = scene_beside(found[0].path)
    scene = scene if first is None else first
    known = []
    for each in found:
        table = _table_of(each, labels)
        known.append(_known(each, table, scene, pixel_size_nm, n_channels))
    if not any(len(movie.truth) for movie in known):
        msg = f"{folder}: no movie has a punctum in its truth"
        raise DataError(msg)
    return tuple(known), scene


def _table_of(movie: Named, labels: Path | None) -> Path:
    """Return the table of a movie's puncta: beside it, or of the folder of labels.

    Raises
    ------
    DataError
        If there is none.
    """
    if labels is None:
        tables = [movie.path.with_name(name) for name in TRUTH_FILES]
    else:
        names = (*TRUTH_FILES, DETECTIONS_FILE)
        tables = [place / name for place in (labels / movie.name, labels) for name in names]
        stems = dict.fromkeys((movie.name, movie.path.stem))
        tables += [labels / f"{stem}.csv" for stem in stems if stem]
    for table in tables:
        if table.is_file():
            return table
    where = "beside it" if labels is None else f"in {labels}"
    msg = f"{movie.path} has no truth {where}: {' or '.join(dict.fromkeys(t.name for t in tables))}"
    raise DataError(msg)


def _known(
    movie: Named,
    table: Path,
    scene: MovieScene,
    pixel_size_nm: float | None,
    n_channels: int | None,
) -> KnownMovie:
    opened, calcium = open_movie(movie.path), None
    truth = read_spots(table, pixel_size_nm=pixel_size_nm or opened.pixel_size_nm)
    check_truth(opened.frames.shape, truth, table)
    if n_channels is not None:
        second = open_pair(movie.path)[1].frames if n_channels == 2 else opened.frames
        active = _active(table.with_name(TRUE_TRACES_FILE), truth)
        calcium = CalciumChannel(second, _scale_of(second), active)
    gain = float(opened.camera.get("gain", scene.camera.gain))
    scale = _scale_of(opened.frames)
    return KnownMovie(movie.name, opened.frames, truth, scale, gain, calcium)


def _scale_of(frames: Frames) -> GreyScale:
    return scale_of_movie(frames[: min(_LOOKED_AT, len(frames))])


def _active(table: Path, truth: Spots) -> npt.NDArray[np.bool_] | None:
    """Return whether calcium is up at each punctum of a truth; None where no table says so.

    Raises
    ------
    DataError
        If the table does not belong to the truth.
    """
    if not table.is_file():
        return None
    traces = read_traces(table)
    if traces.active is None or truth.tracks is None:
        missing = "active" if traces.active is None else "track_id in the table next to it"
        msg = f"{table} has no column {missing}"
        raise DataError(msg)
    known = dict(
        zip(
            zip(traces.tracks.tolist(), traces.frames.tolist(), strict=True),
            traces.active.tolist(),
            strict=True,
        )
    )
    keys = list(zip(truth.tracks.tolist(), truth.frames.tolist(), strict=True))
    missing_keys = [key for key in keys if key not in known]
    if missing_keys:
        track, frame = missing_keys[0]
        msg = (
            f"{table} has no entry for {len(missing_keys)} of {len(keys)} puncta, such as "
            f"track {track} in frame {frame}"
        )
        raise DataError(msg)
    return np.array([known[key] for key in keys], dtype=bool)


def check_truth(shape: tuple[int, int, int], truth: Spots, table: Path) -> None:
    """Raise where a truth does not belong to a movie of this size.

    Parameters
    ----------
    shape : tuple of int
        Frames and pixels along y and x.
    truth : Spots
        The truth.
    table : pathlib.Path
        Its file, for the message.

    Raises
    ------
    DataError
        If a punctum lies beyond the movie.
    """
    if not len(truth):
        return
    n_frames, height, width = shape
    last = int(truth.frames.max())
    x, y = truth.positions.T
    outside = (x < -1) | (x > width) | (y < -1) | (y > height)
    if last >= n_frames or outside.mean() > 0.02:
        what = f"frame {last}" if last >= n_frames else f"x {x.max():.0f}, y {y.max():.0f}"
        msg = (
            f"{table} goes to {what}, but the movie has {n_frames} frames of {height} x {width} "
            "pixels: another movie's truth?"
        )
        raise DataError(msg)
