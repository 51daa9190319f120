"""How long a movie is whose truth is known, and what cannot be of it."""

from pathlib import Path

import numpy as np

from copick_picker.errors import DataError
from copick_picker.project.formats.movie_files import open_movie
from copick_picker.records.movies import IndexArray
from copick_picker.workflows.movie.places import MOVIE_FILE
from copick_picker.workflows.movie.simulate import scene_beside


def movie_of(truth: Path, movie: Path | None) -> Path | None:
    """Return the movie of a truth: the one given, or the one beside it; None where neither is.

    Parameters
    ----------
    truth : pathlib.Path
        Table of the true puncta.
    movie : pathlib.Path or None
        The movie, where one is given.
    """
    path = truth.with_name(MOVIE_FILE) if movie is None else movie
    return path if path.is_file() else None


def refuse_beyond(
    file: Path, frames: IndexArray, what: str, *, truth: Path, movie: Path | None
) -> None:
    """Raise where a table has frames that its movie does not have.

    Without the movie its length is that of the scene that was simulated; without that too, nothing
    is known.

    Parameters
    ----------
    file : pathlib.Path
        The table.
    frames : numpy.ndarray, shape (n,), int64
        Its frames.
    what : str
        What it holds, for the message.
    truth : pathlib.Path
        Table of the true puncta.
    movie : pathlib.Path or None
        The movie, where one is given.

    Raises
    ------
    DataError
        If a frame is beyond the movie.
    """
    path, scene = movie_of(truth, movie), scene_beside(truth)
    if path is not None:
        n_frames = len(open_movie(path).frames)
    elif scene is not None:
        n_frames = scene.frames
    else:
        return
    beyond = np.flatnonzero((frames < 0) | (frames >= n_frames))
    if len(beyond):
        number = f"{len(beyond):,} of {len(frames):,} {what}"
        msg = (
            f"{file}: {number} lie beyond the movie, such as one in frame "
            f"{int(frames[beyond[0]])}; {path or truth} has {n_frames} frames, 0 to "
            f"{n_frames - 1}: another movie's table?"
        )
        raise DataError(msg)
