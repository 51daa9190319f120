"""``movie analyze``: calcium events at tracks, and those that begin together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from copick_picker.core.movie.co_occurrence import (
    Coincidences,
    Spans,
    TrackEvents,
    coincidences,
    event_statistics,
    track_spans,
)
from copick_picker.core.movie.motion import share_with_interval
from copick_picker.records.movies import NO_TRACK, FloatArray
from copick_picker.report.event_pictures import (
    ActiveShare,
    co_occurrence_picture,
    event_statistics_picture,
)
from copick_picker.settings.movie import MovieAnalyzeSettings
from copick_picker.workflows.movie.analysis_parts import Findings, rows_csv, share_words
from copick_picker.workflows.movie.calcium_inputs import Calcium
from copick_picker.workflows.movie.places import CO_OCCURRENCE, COLUMNS, EVENT_STATISTICS

EVENT_FILES = (
    *(EVENT_STATISTICS, "event_statistics.png", "event_statistics.svg"),
    *(CO_OCCURRENCE, "co_occurrence.png", "co_occurrence.svg"),
)


def event_findings(settings: MovieAnalyzeSettings, calcium: Mapping[str, Calcium]) -> Findings:
    """Return what the events of some movies say: tables, pictures, figures and words.

    Parameters
    ----------
    settings : MovieAnalyzeSettings
        Settings of the command.
    calcium : mapping of str to Calcium
        That of each movie.
    """
    found = Findings()
    apart = sum(each.apart for each in calcium.values())
    if apart:
        found.notes.append(f"{apart} events belong to no track and are left out")
    found.add(_statistics(settings, calcium))
    found.add(_together(settings, calcium))
    return found


def _spans(each: Calcium, min_length: int) -> Spans:
    """Return first and last frame of the tracks that could have events.

    Those are the tracks with a trace, or without traces those that are long enough; and those that
    have events.
    """
    spans = track_spans(each.tracks, each.traces, each.events)
    if each.traces is not None:
        measured = np.unique(each.traces.tracks)
    else:
        seen = each.tracks.seen()
        own = np.zeros(0, dtype=np.int64) if seen.tracks is None else seen.tracks
        names, numbers = np.unique(own, return_counts=True)
        measured = names[numbers >= min_length]
    if each.events is not None:
        measured = np.union1d(measured, each.events.tracks)
    return {int(track): spans[int(track)] for track in measured if track != NO_TRACK}


def _statistics(settings: MovieAnalyzeSettings, calcium: Mapping[str, Calcium]) -> Findings:
    """Return how often tracks have events, how high these are, and how many tracks have some."""
    tracks = {
        name: event_statistics(each.events, _spans(each, settings.min_length))
        for name, each in calcium.items()
        if each.events is not None
    }
    every = [each for found in tracks.values() for each in found]
    minutes = None if settings.frame_time_ms is None else settings.frame_time_ms / 60_000.0
    unit = "events in 1,000 frames" if minutes is None else "events per minute"
    factor = 1000.0 if minutes is None else 1.0 / minutes
    rows = [_event_row(name, each, minutes) for name, found in tracks.items() for each in found]
    heights = [each.events.amplitudes for each in calcium.values() if each.events is not None]
    amplitudes = np.concatenate(heights)
    shares = [_active_share(name, found) for name, found in tracks.items()]
    shares = [*(shares if len(tracks) > 1 else []), _active_share("all tracks", every)]
    rates = factor * np.array([each.per_frame for each in every], dtype=np.float64)
    files: dict[str, str | bytes] = {EVENT_STATISTICS: rows_csv(EVENT_STATISTICS, rows)}
    files |= event_statistics_picture(rates, amplitudes, shares, unit=unit)
    active = share_with_interval(shares[-1].active, shares[-1].tracks)
    figures: dict[str, Any] = {
        "events": len(amplitudes),
        "tracks": len(every),
        "active_tracks": shares[-1].active,
        "active_share": active,
        "mean_events_per_1000_frames": _mean(1000.0 * rates / factor),
        "mean_events_per_minute": None if minutes is None else _mean(rates),
        "median_amplitude": float(np.median(amplitudes)) if len(amplitudes) else None,
    }
    words = f"{len(amplitudes):,} events; active: {shares[-1].active} of {len(every)} tracks "
    words += f"({share_words(active)})"
    words += f"; mean {rates.mean():.3g} {unit}" if len(rates) else ""
    return Findings(files, {"events": figures}, [words])


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None


def _event_row(name: str, each: TrackEvents, minutes: float | None) -> tuple[Any, ...]:
    rate = None if minutes is None else each.per_frame / minutes
    numbers = (each.track_id, each.frames, each.events, 1000.0 * each.per_frame, rate)
    return (name, *numbers, each.mean_amplitude, each.highest)


def _active_share(name: str, found: list[TrackEvents]) -> ActiveShare:
    active = sum(each.events > 0 for each in found)
    share = share_with_interval(active, len(found))
    return ActiveShare(name, active, len(found), share["low"] or 0.0, share["high"] or 0.0)


def _together(settings: MovieAnalyzeSettings, calcium: Mapping[str, Calcium]) -> Findings:
    """Return whether events of different tracks begin together more often than by chance."""
    rng = np.random.default_rng(settings.seed)
    by_movie: dict[str, Coincidences] = {}
    for name, each in calcium.items():
        if each.events is not None:
            by_movie[name] = coincidences(
                each.events,
                track_spans(each.tracks, each.traces, each.events),
                within=settings.coincidence_frames,
                shuffles=settings.shuffles,
                rng=rng,
            )
    whole, *others = by_movie.values()
    for other in others:
        whole = whole.joined(other)
    figures = whole.figures()
    all_rows = dict(by_movie) | ({"all": whole} if others else {})
    rows = [_together_row(name, each.figures()) for name, each in all_rows.items()]
    files: dict[str, str | bytes] = {CO_OCCURRENCE: rows_csv(CO_OCCURRENCE, rows)}
    files |= co_occurrence_picture(
        whole.observed,
        whole.control,
        p=figures["p"],
        ratio=figures["ratio"],
        within=settings.coincidence_frames,
    )
    figures |= {"coincidence_frames": settings.coincidence_frames, "seed": settings.seed}
    return Findings(files, {"co_occurrence": figures}, [_together_words(figures)])


def _together_row(name: str, figures: Mapping[str, Any]) -> tuple[Any, ...]:
    return (name, *(figures[column] for column in COLUMNS[CO_OCCURRENCE][1:]))


def _together_words(figures: Mapping[str, Any]) -> str:
    if figures["p"] is None:
        return "events of fewer than two tracks: coincidence is not tested"
    return (
        f"pairs of events with onsets within {figures['coincidence_frames']} frames: "
        f"{figures['observed']:,}, by chance {figures['control_mean']:.1f} (95 % range "
        f"{figures['control_low']:.0f} to {figures['control_high']:.0f}), p "
        f"{figures['p']:.2g}"
    )
