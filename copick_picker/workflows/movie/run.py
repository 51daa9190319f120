"""``movie run``: detect, link and show, for one movie or a folder of them."""

from typing import Any

import numpy as np

from copick_picker.core.movie.analysis import length_figures, lengths_of, members_of, summaries
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Told, summarised
from copick_picker.project.formats.spot_tables import detections_csv
from copick_picker.records.movies import Spots
from copick_picker.report.movie_pictures import overlay_picture, statistics_picture
from copick_picker.settings.movie_models import MovieRunSettings
from copick_picker.workflows.movie.detect import Prepared, detections_of, detector_of, prepare
from copick_picker.workflows.movie.link import files_of, link_movie, linker_of
from copick_picker.workflows.movie.models import LoadedDetector
from copick_picker.workflows.movie.places import (
    DETECTIONS_FILE,
    MovieJob,
    Named,
    ResultFolder,
    each_movie,
    movies_at,
    require_some,
)
from copick_picker.workflows.movie.traces import FILES as TRACE_FILES
from copick_picker.workflows.movie.traces import (
    ChannelPair,
    TraceChoice,
    traces_along,
    write_traces,
)

OVERLAY_FILE, STATISTICS_FILE = "tracking_overlay.png", "track_statistics.png"
FACTS_FILE = "run_summary.json"
_MEAN_OF = 100


@summarised
def run(settings: MovieRunSettings, *, reporter: Reporter) -> Told:
    """Detect, link and show the puncta of a movie, or of each movie of a folder.

    Parameters
    ----------
    settings : MovieRunSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the movie, a model or a setting is wrong.
    """
    movies = movies_at(settings.movie)
    model, scorer = detector_of(settings), linker_of(settings)
    has_calcium = model is not None and model.detector.has_calcium
    more = TRACE_FILES if has_calcium else ()
    files = (DETECTIONS_FILE, *files_of(settings), *more, OVERLAY_FILE, STATISTICS_FILE, FACTS_FILE)
    hashes = [model.card.sha256] if model is not None else []
    hashes += [scorer[1].sha256] if scorer is not None else []
    job = MovieJob("movie run", settings, files, tuple(hashes))

    def one(movie: Named, results: ResultFolder) -> tuple[str, dict[str, Any]]:
        prepared = prepare(movie.path, settings, model, reporter=reporter)
        spots, facts = detections_of(prepared, settings, model, reporter=reporter)
        require_some(len(spots), movie.path, "puncta that were found; lower --detection-threshold")
        results.write(DETECTIONS_FILE, detections_csv(spots))
        tracks, words, linked = link_movie(
            spots,
            settings,
            scorer,
            results,
            frame_time_ms=prepared.frame_time_ms,
            reporter=reporter,
        )
        _write_pictures(prepared, tracks, results)
        content = facts | {"linked": linked, "lengths": length_figures(lengths_of(tracks))}
        if has_calcium:
            told, content["calcium"] = _calcium(
                prepared, tracks, settings, model, results, reporter
            )
            words = f"{words}; {told}"
        return f"{len(spots):,} puncta, {words}", content

    return each_movie(job, movies, one, reporter=reporter)


def _calcium(
    prepared: Prepared,
    tracks: Spots,
    settings: MovieRunSettings,
    model: LoadedDetector | None,
    results: ResultFolder,
    reporter: Reporter,
) -> tuple[str, dict[str, Any]]:
    """Measure traces along the tracks, and find events by the network's states."""
    channels = [prepared.movie] + ([] if prepared.second is None else [prepared.second])
    movie = ChannelPair(prepared.movie.path.name, tuple(channels))
    found = traces_along(
        movie,
        tracks,
        settings,
        model,
        reporter,
        choice=TraceChoice(len(channels) - 1, settings.baseline, is_learned=True),
        where="the tracks",
    )
    timed = settings.model_copy(update={"frame_time_ms": prepared.frame_time_ms})
    return write_traces(found, timed, results)


def _write_pictures(prepared: Prepared, tracks: Spots, results: ResultFolder) -> None:
    frames = prepared.movie.frames
    numbers = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _MEAN_OF)).astype(int))
    mean = np.zeros(frames.shape[1:])
    for number in numbers:
        mean += frames[int(number)]
    places = [tracks.positions[rows] for _, rows in members_of(tracks)]
    pixel = prepared.pixel_size_nm
    results.write(
        OVERLAY_FILE,
        overlay_picture(
            mean / len(numbers),
            places,
            title=f"{len(places):,} tracks in {len(frames)} frames",
            per_pixel=f"A pixel is {pixel:g} nm." if pixel else "",
        ),
    )
    found = summaries(tracks)
    steps = np.array([each.step_px for each in found if each.step_px is not None])
    seen = tracks.seen()
    results.write(
        STATISTICS_FILE,
        statistics_picture(
            lengths_of(tracks),
            steps * (pixel or 1.0),
            np.bincount(seen.frames, minlength=len(frames)).astype(np.float64),
            unit="nm" if pixel else "pixels",
        ),
    )
