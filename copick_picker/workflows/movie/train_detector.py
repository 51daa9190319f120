"""``movie train detector``: a network on simulated movies, or on a folder of movies with truth."""

from copick_picker.errors import SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.settings.movie_models import MovieTrainDetectorSettings
from copick_picker.workflows.movie.known_movies import movies_of, simulated_movies
from copick_picker.workflows.movie.learning import DetectorTraining, run_training
from copick_picker.workflows.movie.simulate import scene_of
from copick_picker.workflows.movie.training import given_by_guide, work_folder


@summarised
def train_detector(settings: MovieTrainDetectorSettings, *, reporter: Reporter) -> Result:
    """Train a detector; resume a training that was stopped.

    Parameters
    ----------
    settings : MovieTrainDetectorSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If a setting or the data are wrong, or something stands in the place of the model.
    """
    settings = given_by_guide(settings, "detector", reporter=reporter)
    if settings.epochs is not None and settings.data is None:
        msg = "--epochs counts the frames of --data; for simulated patches use --steps"
        raise SettingsError(msg)
    return run_training(_training(settings), reporter=reporter)


def _training(settings: MovieTrainDetectorSettings) -> DetectorTraining:
    scene = scene_of(settings)
    folder = work_folder(settings.output)
    if settings.data is None:
        held = simulated_movies(scene, settings.validation_movies, seed=settings.seed)
        return DetectorTraining(settings, scene, (), held, folder)
    movies, scene = movies_of(settings.data, settings.limit, scene)
    n_held = held_out_of(len(movies), settings)
    return DetectorTraining(settings, scene, movies[n_held:], movies[:n_held], folder)


def held_out_of(n_movies: int, settings: MovieTrainDetectorSettings) -> int:
    """Return how many of the movies of ``--data`` are held out: a fifth at most.

    Parameters
    ----------
    n_movies : int
        Movies of the folder.
    settings : MovieTrainDetectorSettings
        ``validation_movies``.

    Raises
    ------
    SettingsError
        If none would be left to learn from.
    """
    n_held = min(settings.validation_movies, max(1, n_movies // 5))
    if n_movies <= n_held:
        msg = f"--data {settings.data} gives {n_movies} movie; expected two or more"
        raise SettingsError(msg)
    return n_held
