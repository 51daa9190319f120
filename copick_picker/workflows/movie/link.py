"""``movie link``: detections to tracks, gaps filled on request."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from copick_picker.core.link.linking import Scorer
from copick_picker.core.movie.analysis import TrackSummary, length_figures, lengths_of, summaries
from copick_picker.core.movie.linking import TrackRules, link_spots, with_gaps_filled
from copick_picker.errors import SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Told, summarised
from copick_picker.project.formats.spot_tables import read_spots, tracks_csv
from copick_picker.records.movies import Spots
from copick_picker.report.movie_pictures import gap_filling_picture
from copick_picker.settings.movie import MovieLinking, MovieLinkSettings
from copick_picker.settings.movie_card import LinkerCard
from copick_picker.workflows.movie.models import load_linker
from copick_picker.workflows.movie.places import (
    DETECTIONS_FILE,
    SUMMARY_COLUMNS,
    TRACKS_FILE,
    MovieJob,
    Named,
    ResultFolder,
    each_movie,
    require_some,
    tables_at,
)

SUMMARY_FILE = "track_summary.csv"
GAPS_FILE = "gap_filling_comparison.png"
FACTS_FILE = "link_summary.json"
_LEAST_JOIN = 1.0
_SAME_TIME = 1.05
_LEAST_TIME, _MOST_TIME = 0.2, 5.0


@summarised
def link(settings: MovieLinkSettings, *, reporter: Reporter) -> Told:
    """Link the detections of a movie, or of each movie of a folder of results.

    Parameters
    ----------
    settings : MovieLinkSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If a table, the linker or a setting is wrong.
    """
    tables = tables_at(settings.detections, (DETECTIONS_FILE,))
    scorer = linker_of(settings)
    hashes = () if scorer is None else (scorer[1].sha256,)
    job = MovieJob("movie link", settings, (*files_of(settings), FACTS_FILE), hashes)

    def one(table: Named, results: ResultFolder) -> tuple[str, dict[str, Any]]:
        spots = read_spots(table.path, pixel_size_nm=settings.pixel_size_nm)
        if settings.min_probability > 0 and spots.probabilities is not None:
            spots = spots.chosen(spots.probabilities >= settings.min_probability)
        require_some(len(spots), table.path, "detections")
        time_ms = settings.frame_time_ms
        _, words, facts = link_movie(
            spots, settings, scorer, results, frame_time_ms=time_ms, reporter=reporter
        )
        return words, facts

    named = [Named(name, path) for name, path in tables.items()]
    return each_movie(job, named, one, reporter=reporter)


def files_of(settings: MovieLinking) -> tuple[str, ...]:
    """Return the files that linking makes.

    Parameters
    ----------
    settings : MovieLinking
        ``fill_gaps``.
    """
    return (TRACKS_FILE, SUMMARY_FILE, *((GAPS_FILE,) if settings.fill_gaps else ()))


def linker_of(settings: MovieLinking) -> tuple[Scorer, LinkerCard] | None:
    """Return the learned score of links that the settings name, and its card; None without one.

    Parameters
    ----------
    settings : MovieLinkSettings
        ``linker``.
    """
    return None if settings.linker is None else load_linker(settings.linker)


def track_rules(settings: MovieLinking, *, time_factor: float = 1.0) -> TrackRules:
    """Return how detections are linked.

    Parameters
    ----------
    settings : MovieLinkSettings
        Settings of the command.
    time_factor : float
        Frame time over that of the linker's training; steps grow by its root.
    """
    return TrackRules(
        gate=settings.gate * max(1.0, float(np.sqrt(time_factor))),
        direct_gap=settings.direct_gap,
        threshold=settings.threshold,
        fill_gap=settings.max_gap if settings.fill_gaps else 0,
        fill_distance=settings.max_distance,
        least_join=_LEAST_JOIN,
        solver=settings.solver,
        least_length=settings.min_length,
    )


def time_factor_of(
    frame_time_ms: float | None, card: LinkerCard | None, *, reporter: Reporter
) -> float:
    """Return the frame time over that of the linker's training; 1 where it is not known.

    Parameters
    ----------
    frame_time_ms : float or None
        Frame time of the movie.
    card : LinkerCard or None
        The linker's card.
    reporter : Reporter
        Is told where steps are rescaled.

    Raises
    ------
    SettingsError
        If the times differ so much that the linker knows nothing of such steps.
    """
    if card is None or frame_time_ms is None:
        return 1.0
    factor = frame_time_ms / card.frame_time_ms
    if not _LEAST_TIME <= factor <= _MOST_TIME:
        msg = (
            f"the linker was trained at {card.frame_time_ms:g} ms per frame, the movie has "
            f"{frame_time_ms:g} ms: too different; train one with --frame-time-ms "
            f"{frame_time_ms:g}, or link without -l"
        )
        raise SettingsError(msg)
    if not 1.0 / _SAME_TIME <= factor <= _SAME_TIME:
        reporter.warn(
            f"the linker was trained at {card.frame_time_ms:g} ms per frame, the movie has "
            f"{frame_time_ms:g} ms: the gate is rescaled, and the scores see steps relative "
            "to the usual one"
        )
    return factor


def link_movie(
    spots: Spots,
    settings: MovieLinking,
    scorer: tuple[Scorer, LinkerCard] | None,
    results: ResultFolder,
    *,
    frame_time_ms: float | None,
    reporter: Reporter,
) -> tuple[Spots, str, dict[str, Any]]:
    """Link the detections of a movie, and write its tracks.

    Parameters
    ----------
    spots : Spots
        The detections.
    settings : MovieLinking
        Settings of the command.
    scorer : tuple or None
        A learned score of links and its card.
    results : ResultFolder
        Where the tables go.
    frame_time_ms : float or None
        Frame time of the movie.
    reporter : Reporter
        Is told of what is unusual.

    Returns
    -------
    tracks : Spots
        As ``tracks.csv`` holds them.
    words : str
        What was done.
    facts : dict
        Values for ``--json``.
    """
    card = None if scorer is None else scorer[1]
    factor = time_factor_of(frame_time_ms, card, reporter=reporter)
    learned = None if scorer is None else scorer[0]
    rules = track_rules(settings, time_factor=factor)
    tracks, model = link_spots(spots, rules, learned)
    figures = length_figures(lengths_of(tracks))
    facts: dict[str, Any] = {"detections": len(spots), "model": model, "tracks": figures}
    words = _words(figures)
    if settings.fill_gaps:
        before, _ = link_spots(spots, TrackRules(**{**rules.__dict__, "fill_gap": 0}), learned)
        facts["before_filling"] = length_figures(lengths_of(before))
        tracks = with_gaps_filled(tracks)
        n_filled = 0 if tracks.filled is None else int(tracks.filled.sum())
        facts["filled"] = n_filled
        earlier = facts["before_filling"]["tracks"]
        words += f" ({earlier:,} before gaps were filled), {n_filled:,} positions in gaps"
        picture = gap_filling_picture(lengths_of(before), lengths_of(tracks))
    results.write(TRACKS_FILE, tracks_csv(tracks))
    results.write(SUMMARY_FILE, summary_csv(summaries(tracks)))
    if settings.fill_gaps:
        results.write(GAPS_FILE, picture)
    return tracks, f"{words}, {results.path / TRACKS_FILE}", facts


def _words(figures: Mapping[str, Any]) -> str:
    if not figures["tracks"]:
        return "no tracks"
    return (
        f"{figures['tracks']:,} tracks, mean length {figures['mean_length']:.1f}, median "
        f"{figures['median_length']:.0f}"
    )


def summary_csv(tracks: list[TrackSummary]) -> str:
    """Return tracks in figures as the text of ``track_summary.csv``.

    Parameters
    ----------
    tracks : list of TrackSummary
        The tracks.
    """
    lines = [",".join(SUMMARY_COLUMNS)]
    lines += [
        f"{t.track_id},{t.length},{t.start_frame},{t.end_frame},{t.duration},"
        f"{t.mean_x:.4f},{t.mean_y:.4f}"
        for t in tracks
    ]
    return "\n".join(lines) + "\n"
