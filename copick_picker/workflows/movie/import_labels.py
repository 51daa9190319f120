"""``movie import-labels``: calcium labels of others, as states of puncta that a training takes."""

from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.movie.labels import (
    KINDS,
    LabelRules,
    PairedLabels,
    states_of_events,
    states_of_mask,
)
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Told, summarised
from copick_picker.project.formats.calcium_tables import read_events, true_traces_csv
from copick_picker.project.formats.movie_files import open_movie
from copick_picker.project.formats.spot_tables import read_spots, truth_csv
from copick_picker.records.calcium import Events, Traces
from copick_picker.records.movies import NO_TRACK, Spots
from copick_picker.settings.movie_calcium import MovieImportLabelsSettings
from copick_picker.workflows.movie.places import (
    DETECTIONS_FILE,
    TRACKS_FILE,
    TRUE_TRACES_FILE,
    TRUTH_FILE,
    TRUTH_FILES,
    MovieJob,
    Named,
    ResultFolder,
    each_movie,
    movies_at,
    require_some,
    tables_at,
)

SUMMARY_FILE = "labels_summary.json"
_MASKS = (".tif", ".tiff")


@summarised
def import_labels(settings: MovieImportLabelsSettings, *, reporter: Reporter) -> Told:
    """Pair calcium labels with puncta, and write what a training takes.

    Parameters
    ----------
    settings : MovieImportLabelsSettings
        Settings of the command.
    reporter : Reporter
        Is told how many labels were kept.

    Raises
    ------
    CopickPickerError
        If a label, a movie or a table is wrong.
    """
    movies = movies_at(settings.movie)
    tables = tables_at(settings.puncta, (TRACKS_FILE, *TRUTH_FILES, DETECTIONS_FILE))
    if len(movies) == len(tables) == 1:
        tables = {movies[0].name: next(iter(tables.values()))}
    labels = {movie.name: _labels_of(movie, settings.labels) for movie in movies}
    missing = sorted({movie.name for movie in movies} - set(tables))
    if missing:
        msg = f"{settings.puncta} contains no puncta of {len(missing)} movies, such as {missing[0]}"
        raise SettingsError(msg)
    names = settings.leave_out + (("waves",) if settings.ignore_waves else ())
    left_out = frozenset(KINDS[name] for name in names)
    rules = LabelRules(settings.distance, settings.wave_area, left_out)
    files = (TRUTH_FILE, TRUE_TRACES_FILE, SUMMARY_FILE)
    job = MovieJob("movie import-labels", settings, files)

    def one(movie: Named, results: ResultFolder) -> tuple[str, dict[str, Any]]:
        puncta = read_spots(tables[movie.name], pixel_size_nm=settings.pixel_size_nm).seen()
        require_some(len(puncta), tables[movie.name], "puncta")
        paired = _paired(movie, labels[movie.name], puncta, rules, tables[movie.name])
        puncta = numbered(puncta)
        up = int(paired.active.sum())
        traces = Traces(
            np.zeros(0, dtype=np.int64) if puncta.tracks is None else puncta.tracks,
            puncta.frames,
            paired.active.astype(np.float64),
            puncta.positions,
            paired.active,
        )
        if not up:
            reporter.warn(
                f"{labels[movie.name]}: calcium is never raised at a punctum; check --distance"
            )
        results.write(TRUTH_FILE, truth_csv(puncta))
        results.write(TRUE_TRACES_FILE, true_traces_csv(traces))
        counts = paired.counts
        rest = ", ".join(f"{n} {reason}" for reason, n in list(counts.items())[2:] if n)
        words = (
            f"kept {counts['kept']} of {counts['labels']} labels "
            f"({rest or 'none left out'}); calcium raised in {up:,} of {len(puncta):,} "
            f"states, {results.path / TRUE_TRACES_FILE}"
        )
        return words, {"counts": counts, "states": len(puncta), "active": up}

    return each_movie(job, movies, one, reporter=reporter)


def numbered(puncta: Spots) -> Spots:
    """Return puncta whose rows can be told apart: those without a track get one of their own.

    Parameters
    ----------
    puncta : Spots
        Tracks or detections.
    """
    n = len(puncta)
    tracks = np.full(n, NO_TRACK) if puncta.tracks is None else puncta.tracks.copy()
    loose = np.flatnonzero(tracks == NO_TRACK)
    tracks[loose] = max(int(tracks.max(initial=0)), 0) + 1 + np.arange(len(loose))
    photons = np.ones(n) if puncta.photons is None else puncta.photons
    return puncta.with_values({"tracks": tracks, "photons": photons})


def _labels_of(movie: Named, labels: Path) -> Path:
    """Return the file of labels of a movie.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if labels.is_file():
        return labels
    if not labels.exists():
        msg = f"there are no labels {labels}"
        raise SettingsError(msg)
    stems = [each for each in (movie.name, movie.path.stem) if each]
    for stem in stems:
        for suffix in (".csv", *_MASKS):
            if (labels / f"{stem}{suffix}").is_file():
                return labels / f"{stem}{suffix}"
    msg = f"{labels} contains no labels of {movie.path}: no {stems[0]}.csv and no {stems[0]}.tif"
    raise SettingsError(msg)


def _paired(
    movie: Named, file: Path, puncta: Spots, rules: LabelRules, table: Path
) -> PairedLabels:
    opened = open_movie(movie.path)
    n_frames = len(opened.frames)
    last = int(puncta.frames.max())
    if last >= n_frames:
        msg = f"the puncta of {movie.path} go to frame {last}, but it has {n_frames} frames"
        raise DataError(msg)
    if file.suffix.lower() not in _MASKS:
        events = read_events(file)
        _check_tracks(events, file, puncta, table)
        own = numbered(puncta)
        return states_of_events(events, own, rules, n_frames=n_frames, name=str(file))
    mask = open_movie(file).frames
    if mask.shape != opened.frames.shape:
        shapes = [" x ".join(map(str, each)) for each in (mask.shape, opened.frames.shape)]
        msg = f"{file} is {shapes[0]} (frames, y, x), but the movie {shapes[1]}; expected the same"
        raise DataError(msg)
    return states_of_mask(mask, numbered(puncta), rules, name=str(file))


def _check_tracks(events: Events, file: Path, puncta: Spots, table: Path) -> None:
    """Raise where an event is of a track that the puncta do not have.

    Raises
    ------
    DataError
        With the track, and those that there are.
    """
    named = events.tracks[events.tracks != NO_TRACK]
    known = np.zeros(0, dtype=np.int64) if puncta.tracks is None else puncta.tracks
    known = np.unique(known[known != NO_TRACK])
    unknown = np.setdiff1d(named, known)
    if len(unknown):
        row = int(np.flatnonzero(events.tracks == unknown[0])[0])
        there = (
            f"it has {len(known)} from {known[0]} to {known[-1]}" if len(known) else "it has none"
        )
        msg = (
            f"{file}: the event in row {row + 1} belongs to track {unknown[0]}, which "
            f"{table} does not have ({there}); use the tracks in which the events were "
            "found, or events with x and y and no track_id"
        )
        raise DataError(msg)
