"""``movie traces``: how bright tracks are over time, and the events in that."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.movie.analysis import members_of
from copick_picker.core.movie.detector import Channel
from copick_picker.core.movie.events import (
    EventRules,
    TrackEvents,
    events_of_states,
    events_of_trace,
    joined_events,
)
from copick_picker.core.movie.scaling import scale_of_channel
from copick_picker.core.movie.traces import (
    Measured,
    Signals,
    TraceRules,
    measured,
    whole_tracks,
)
from copick_picker.core.segment.device import use_threads
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Told, summarised
from copick_picker.project.formats.calcium_tables import (
    TRACE_DETAIL_COLUMNS,
    event_details_csv,
    events_csv,
    read_signals,
    table_csv,
    traces_csv,
)
from copick_picker.project.formats.movie_files import Movie, channels_of, open_movie, open_pair
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.calcium import Events, Traces
from copick_picker.records.movies import FloatArray, Spots
from copick_picker.report.calcium_pictures import Panel, traces_picture
from copick_picker.settings.movie_calcium import MovieTraceRules, MovieTracesSettings
from copick_picker.workflows.movie.models import LoadedDetector, load_detector
from copick_picker.workflows.movie.places import (
    EVENT_DETAILS_FILE,
    EVENTS_FILE,
    TRACE_DETAILS_FILE,
    TRACES_FILE,
    TRACKS_FILE,
    MovieJob,
    Named,
    ResultFolder,
    each_movie,
    movies_at,
    tables_at,
)
from copick_picker.workflows.movie.trace_measuring import measured_channel, warn_of_traces

TRACES_PICTURE = "traces.png"
SUMMARY_FILE = "traces_summary.json"
FILES = (TRACES_FILE, TRACE_DETAILS_FILE, EVENTS_FILE, EVENT_DETAILS_FILE, TRACES_PICTURE)
_SHOWN = 12


@summarised
def traces(settings: MovieTracesSettings, *, reporter: Reporter) -> Told:
    """Measure traces along tracks, and find events in them.

    Parameters
    ----------
    settings : MovieTracesSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the movie, the tracks, the model or a setting is wrong.
    """
    use_threads(settings.threads)
    model = _model_of(settings)
    if settings.movie.suffix.lower() == ".csv":
        return _of_table(settings, reporter)
    if settings.tracks is None:
        msg = "--tracks is missing: a table of tracks (movie link), or the folder with it"
        raise SettingsError(msg)
    movies = movies_at(settings.movie)
    tables = tables_at(settings.tracks, (TRACKS_FILE,))
    if len(movies) == len(tables) == 1:
        tables = {movies[0].name: next(iter(tables.values()))}
    missing = [movie.name for movie in movies if movie.name not in tables]
    if missing:
        msg = f"{settings.tracks} contains no tracks of {len(missing)} movies, such as {missing[0]}"
        raise SettingsError(msg)
    hashes = () if model is None else (model.card.sha256,)
    job = MovieJob("movie traces", settings, (*FILES, SUMMARY_FILE), hashes)

    def one(movie: Named, results: ResultFolder) -> tuple[str, dict[str, Any]]:
        table = tables[movie.name]
        tracks = read_spots(table, pixel_size_nm=settings.pixel_size_nm)
        movie_of = ChannelPair.of(movie, settings.second)
        found = traces_along(
            movie_of,
            tracks,
            settings,
            model,
            reporter,
            choice=TraceChoice(settings.channel, settings.baseline, _is_learned(settings)),
            where=str(table),
        )
        return write_traces(found, settings, results)

    return each_movie(job, movies, one, reporter=reporter)


def _is_learned(settings: MovieTracesSettings) -> bool:
    return settings.events == "learned" or (settings.events is None and settings.model is not None)


def _model_of(settings: MovieTracesSettings) -> LoadedDetector | None:
    if settings.model is None:
        if settings.events == "learned":
            msg = "--events learned needs -m: the folder of a hybrid (movie train hybrid)"
            raise SettingsError(msg)
        return None
    model = load_detector(settings.model, settings.device)
    if not model.detector.has_calcium:
        msg = f"{settings.model} is a detector; events need a hybrid (movie train hybrid)"
        raise SettingsError(msg)
    return model


@dataclass(frozen=True, eq=False)
class ChannelPair:
    """A movie of one or two channels."""

    name: str
    channels: tuple[Movie, ...]

    @classmethod
    def of(cls, movie: Named, second: Path | None) -> "ChannelPair":
        """Return the channels of a movie, the second perhaps from a file of its own."""
        if second is None and channels_of(movie.path) == 1:
            return cls(movie.path.name, (open_movie(movie.path),))
        return cls(movie.path.name, open_pair(movie.path, second))


@dataclass(frozen=True)
class TraceChoice:
    """What of a movie is measured.

    Attributes
    ----------
    channel : int or None
        Channel; None: the last.
    offset : float or None
        Grey value without light; None: of the movie's metadata, else estimated.
    is_learned : bool
        Whether events are those of the model.
    """

    channel: int | None
    offset: float | None
    is_learned: bool


@dataclass(frozen=True, eq=False)
class FoundTraces:
    """Traces of a movie, and the events in them.

    Attributes
    ----------
    measured : Measured
        Traces of the channel.
    events : Events
        Events.
    other : Measured or None
        Traces of the other channel.
    probabilities : numpy.ndarray, shape (n,), float64, or None
        The network's, of calcium being up.
    fitted : numpy.ndarray, shape (n,), float64
        dF/F0 of the transients that were fitted; NaN: of events by a network's states.
    facts : dict
        How it was measured.
    is_placed : bool
        Whether it is known where the tracks are.
    """

    measured: Measured
    events: Events
    other: Measured | None
    probabilities: FloatArray | None
    fitted: FloatArray
    facts: dict[str, Any]
    is_placed: bool = True

    def traces(self) -> Traces:
        """Return the traces."""
        spots = self.measured.signals.spots
        tracks = np.zeros(0, dtype=np.int64) if spots.tracks is None else spots.tracks
        dff = self.measured.dff
        return Traces(tracks, spots.frames, dff, spots.positions, None, self.probabilities)


def traces_along(
    movie: ChannelPair,
    tracks: Spots,
    rules: MovieTraceRules,
    model: LoadedDetector | None,
    reporter: Reporter,
    *,
    choice: TraceChoice,
    where: str,
) -> FoundTraces:
    """Return traces along the tracks of a movie, and the events in them.

    Parameters
    ----------
    movie : ChannelPair
        The movie.
    tracks : Spots
        Its tracks.
    rules : MovieTraceRules
        How traces are measured.
    model : LoadedDetector or None
        A hybrid that says where calcium is up.
    reporter : Reporter
        Is told what was measured and how.
    choice : TraceChoice
        What is measured.
    where : str
        The table of tracks, for messages.

    Raises
    ------
    SettingsError
        If there is no such channel.
    DataError
        If the tracks go beyond the movie, or none is long enough.
    """
    number = len(movie.channels)
    chosen = number - 1 if choice.channel is None else choice.channel
    if chosen >= number:
        there = "one channel, 0" if number == 1 else "the channels 0 and 1"
        msg = f"--channel {chosen}: {movie.name} has {there}"
        raise SettingsError(msg)
    own = movie.channels[chosen]
    spots = whole_tracks(_long_enough(tracks, rules.min_trace, where))
    _check_inside(spots, own, where)
    found, facts, notes = measured_channel(own, spots, rules, choice.offset, model)
    if choice.channel is None:
        notes = [f"measures channel {chosen} of {number}", *notes]
    for note in notes:
        tell = reporter.warn if "a guess" in note else reporter.note
        tell(f"{movie.name}: {note}")
    warn_of_traces(found, rules, movie.name, reporter)
    other = None
    if number == 2:
        other = measured_channel(movie.channels[1 - chosen], spots, rules, choice.offset, model)[0]
    probabilities = None
    if model is not None:
        scaled = [Channel(m.frames, scale_of_channel(m.frames)) for m in movie.channels]
        probabilities = model.calcium(model.detector.calcium_at(scaled, spots))
    learned = (model, probabilities) if choice.is_learned else (None, None)
    events, fitted = _events(found, rules, *learned)
    facts |= {"channel": chosen}
    return FoundTraces(found, events, other, probabilities, fitted, facts)


def _long_enough(tracks: Spots, least: int, where: str) -> Spots:
    """Return the tracks of enough detections.

    Raises
    ------
    DataError
        If there are none.
    """
    members = members_of(tracks)
    if not members:
        msg = f"{where} contains no tracks"
        raise DataError(msg)
    kept = [number for number, rows in members if len(rows) >= least]
    if not kept:
        longest = max(len(rows) for _, rows in members)
        msg = (
            f"{where}: the longest of {len(members)} tracks has {longest} detections; --min-trace "
            f"is {least}"
        )
        raise DataError(msg)
    some = tracks.chosen(np.isin(tracks.tracks, kept))  # type: ignore[arg-type]
    numbers = np.zeros(len(some), dtype=np.int64) if some.tracks is None else some.tracks
    pairs, counts = np.unique(np.stack([numbers, some.frames]), axis=1, return_counts=True)
    if (counts > 1).any():
        track, frame = pairs[:, int(counts.argmax())]
        msg = f"{where}: track {track} has {counts.max()} positions in frame {frame}; expected one"
        raise DataError(msg)
    return some


def _check_inside(spots: Spots, movie: Movie, where: str) -> None:
    n_frames, height, width = movie.frames.shape
    last = int(spots.frames.max())
    x, y = spots.positions.T
    if last >= n_frames or (x > width).any() or (y > height).any() or (spots.positions < -1).any():
        what = f"frame {last}" if last >= n_frames else f"x {x.max():.0f}, y {y.max():.0f}"
        msg = (
            f"{where} goes to {what}, but {movie.path.name} has {n_frames} frames of {height} x "
            f"{width} pixels: another movie's tracks?"
        )
        raise DataError(msg)


def _events(
    found: Measured,
    rules: MovieTraceRules,
    model: LoadedDetector | None,
    probabilities: FloatArray | None,
) -> tuple[Events, FloatArray]:
    """Return the events in traces, by matched filters or by a network's states, and their fit."""
    matched = EventRules(rules.min_snr, rules.baseline_window, rules.percentile)
    parts: list[TrackEvents] = []
    fitted = np.full(len(found.heights), np.nan)
    for track, rows in found.rows_by_track():
        heights = found.heights[rows]
        if model is None or probabilities is None:
            own = events_of_trace(heights, matched)
        else:
            threshold = getattr(model.card, "calcium_threshold", 0.5)
            signal = heights - found.baselines[rows]
            own = events_of_states(probabilities[rows], signal, threshold=threshold)
        fitted[rows] = own.fitted / found.levels[rows]
        first = int(found.signals.spots.frames[rows[0]])
        places = found.signals.spots.positions[rows]
        parts.append(TrackEvents(track, first, own, found.levels[rows], places))
    events = joined_events(parts)
    if events.probabilities is not None:
        events = events.chosen(events.probabilities >= rules.min_event_probability)
    return events, fitted


def write_traces(
    found: FoundTraces, rules: MovieTraceRules, results: ResultFolder
) -> tuple[str, dict[str, Any]]:
    """Keep the tables and the picture of traces to be written; return what they are.

    Parameters
    ----------
    found : FoundTraces
        Traces and events.
    rules : MovieTraceRules
        Frame time.
    results : ResultFolder
        Where they go.
    """
    all_traces, events = found.traces(), found.events
    results.write(TRACES_FILE, traces_csv(all_traces))
    results.write(TRACE_DETAILS_FILE, _details_csv(found, all_traces))
    results.write(EVENTS_FILE, events_csv(events))
    results.write(EVENT_DETAILS_FILE, event_details_csv(events))
    results.write(TRACES_PICTURE, _picture(found, all_traces, events, rules.frame_time_ms))
    tracks = len(all_traces.members())
    active = len(np.unique(events.tracks))
    words = f"{len(events):,} events in {active} of {tracks} tracks"
    facts = found.facts | {"tracks": tracks, "active_tracks": active, "events": len(events)}
    if rules.frame_time_ms is not None:
        minutes = len(all_traces) * rules.frame_time_ms / 6e4
        facts["events_per_track_minute"] = len(events) / minutes
        words += f", {len(events) / minutes:.2f} a minute and track"
    return f"{words}, {results.path / TRACES_FILE}", facts


def _details_csv(found: FoundTraces, all_traces: Traces) -> str:
    own, n = found.measured, len(all_traces)
    missing = np.full(n, np.nan)
    places = own.signals.spots.positions if found.is_placed else np.full((n, 2), np.nan)
    filled = own.signals.spots.filled
    values = (
        *(all_traces.tracks, all_traces.frames, *places.T),
        *(own.heights, own.signals.surrounds, own.baselines, own.levels, own.dff),
        found.fitted,
        missing if found.other is None else found.other.dff,
        missing if found.probabilities is None else found.probabilities,
        np.zeros(n, dtype=np.int64) if filled is None else filled.astype(np.int64),
    )
    return table_csv(dict(zip(TRACE_DETAIL_COLUMNS, values, strict=True)))


def _picture(
    found: FoundTraces, all_traces: Traces, events: Events, frame_time_ms: float | None
) -> bytes:
    """Draw the traces with the most events, then the longest."""
    members = all_traces.members()
    counts = {track: int((events.tracks == track).sum()) for track, _ in members}
    ranked = sorted(members, key=lambda one: (-counts[one[0]], -len(one[1])))[:_SHOWN]
    panels = []
    for track, rows in sorted(ranked):
        own = events.chosen(events.tracks == track)
        values = (all_traces.frames[rows], all_traces.dff[rows], found.fitted[rows])
        panels.append(Panel(f"track {track}", *values, own.onsets, own.peaks))
    return traces_picture(panels, frame_time_ms=frame_time_ms)


def _of_table(settings: MovieTracesSettings, reporter: Reporter) -> Told:
    """Find events in traces that another program measured."""
    if settings.tracks is not None or settings.model is not None:
        msg = f"{settings.movie} is a table of traces: leave out --tracks and -m"
        raise SettingsError(msg)
    job = MovieJob("movie traces", settings, (*FILES, SUMMARY_FILE))

    def one(movie: Named, results: ResultFolder) -> tuple[str, dict[str, Any]]:
        spots, values, is_relative = read_signals(movie.path)
        n_frames = int(spots.frames.max()) + 1
        signals = Signals(spots, values, np.zeros(len(values)), np.zeros(len(values), dtype=bool))
        rules = TraceRules(
            settings.baseline_window, settings.percentile, "spot", corrects_bleaching=False
        )
        found = measured(signals, 0.0, rules, n_frames=n_frames)
        if is_relative:
            found = replace(found, levels=np.ones(len(values)))
        warn_of_traces(found, settings, movie.path.name, reporter)
        events, fitted = _events(found, settings, None, None)
        known = replace(events, positions=None)
        made = FoundTraces(found, known, None, None, fitted, {}, is_placed=False)
        return write_traces(made, settings, results)

    return each_movie(job, [Named("", settings.movie)], one, reporter=reporter)
