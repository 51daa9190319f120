"""Movies whose puncta are known: simulated, or of a folder with a truth beside each."""

from dataclasses import replace
from pathlib import Path

from copick_picker.core.movie.patches import KnownMovie
from copick_picker.core.movie.scaling import scale_of_movie
from copick_picker.core.movie.scene import MovieScene
from copick_picker.core.movie.simulation import simulate_movie
from copick_picker.errors import DataError
from copick_picker.project.formats.movie_files import open_movie
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.movies import Spots
from copick_picker.workflows.movie.places import TRUTH_FILES, movies_at
from copick_picker.workflows.movie.simulate import scene_beside

LONGEST = 60
"""Frames of a simulated movie at most."""


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
    scale = scale_of_movie(made.frames[:16])
    return KnownMovie(f"simulated {seed}", made.frames, made.truth, scale, scene.camera.gain)


def movies_of(
    folder: Path, limit: int | None, scene: MovieScene
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

    Raises
    ------
    DataError
        If a truth is missing, or of another size than its movie.
    """
    known = []
    found = movies_at(folder)[:limit]
    first = scene_beside(found[0].path)
    scene = scene if first is None else first
    for each in found:
        table = next(
            (each.path.with_name(n) for n in TRUTH_FILES if each.path.with_name(n).is_file()), None
        )
        if table is None:
            msg = f"{each.path} has no truth beside it: {' or '.join(TRUTH_FILES)}"
            raise DataError(msg)
        movie, truth = open_movie(each.path), read_spots(table)
        check_truth(movie.frames.shape, truth, table)
        gain = float(movie.camera.get("gain", scene.camera.gain))
        scale = scale_of_movie(movie.frames[: min(16, len(movie.frames))])
        known.append(KnownMovie(each.name, movie.frames, truth, scale, gain))
    if not any(len(movie.truth) for movie in known):
        msg = f"{folder}: no movie has a punctum in its truth"
        raise DataError(msg)
    return tuple(known), scene


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
