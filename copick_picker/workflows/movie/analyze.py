"""``movie analyze``: tracks in figures, pictures and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.evaluate.track_fragments import fragment_scores
from copick_picker.core.movie.analysis import (
    TrackSummary,
    fragments_of,
    length_figures,
    lengths_of,
    members_of,
    summaries,
    verdict,
)
from copick_picker.core.movie.scores import matched_tracks
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.movies import FloatArray, Spots
from copick_picker.report.movie_pictures import diagnostic_picture, length_analysis_picture
from copick_picker.settings.movie import MovieAnalyzeSettings
from copick_picker.workflows.movie.analysis_parts import Findings
from copick_picker.workflows.movie.analyze_correlation import (
    CORRELATION_FILES,
    correlation_findings,
)
from copick_picker.workflows.movie.analyze_events import EVENT_FILES, event_findings
from copick_picker.workflows.movie.analyze_motion import MOTION_FILES, motion_findings
from copick_picker.workflows.movie.calcium_inputs import (
    Calcium,
    CalciumTables,
    calcium_tables,
    read_calcium,
)
from copick_picker.workflows.movie.places import (
    COLUMNS,
    FRAGMENTATION,
    TRACK_STATISTICS,
    TRACKS_FILE,
    TRUTH_FILES,
    ResultFolder,
    paired,
    require_some,
    tables_at,
)

SUMMARY_FILE = "analysis_summary.json"
LENGTHS_FILE, DIAGNOSTIC_FILE = "track_length_analysis.png", "diagnostic_summary.png"


@dataclass(frozen=True)
class _Inputs:
    """Tables of each movie, by name.

    Attributes
    ----------
    tables : dict
        Tracks.
    known : dict or None
        Truth and tracks.
    calcium : CalciumTables
        Events and traces.
    """

    tables: dict[str, Path]
    known: dict[str, tuple[Path, Path]] | None
    calcium: CalciumTables

    def results(self) -> list[str]:
        """Return the files that may come of them."""
        names = [SUMMARY_FILE, LENGTHS_FILE, TRACK_STATISTICS, *MOTION_FILES]
        names += [FRAGMENTATION, DIAGNOSTIC_FILE] if self.known else []
        names += EVENT_FILES if self.calcium.events else ()
        return names + (list(CORRELATION_FILES) if self.calcium.traces else [])


@summarised
def analyze(settings: MovieAnalyzeSettings, *, reporter: Reporter) -> Result:
    """Say how long tracks are, how they move, and what is known of their truth and calcium.

    Parameters
    ----------
    settings : MovieAnalyzeSettings
        Settings of the command.
    reporter : Reporter
        Receives the figures.

    Raises
    ------
    CopickPickerError
        If a table is missing or wrong.
    """
    inputs = _inputs(settings)
    results = ResultFolder(settings.output, settings.overwrite)
    results.check(*inputs.results())
    read = _read(settings, inputs.tables)
    calcium = read_calcium(inputs.calcium, inputs.tables, read)
    lengths = np.concatenate([lengths_of(tracks) for tracks in read.values()])
    found = length_figures(lengths)
    content: dict[str, Any] = {"command": "movie analyze", "found": found, "movies": len(read)}
    files: dict[str, str | bytes] = {}
    words, truth_lengths = _plain_words(found), None
    if inputs.known is not None:
        fragments, facts, truth_lengths = _fragments(settings, inputs.known, read)
        words = verdict(found, facts["truth"], facts["fragments"], facts["merges"])
        content |= facts | {"verdict": words}
        files |= _diagnostics(fragments, facts, words)
    parts = _parts(settings, inputs, read, calcium)
    files |= parts.files | {LENGTHS_FILE: length_analysis_picture(lengths, truth_lengths)}
    content |= parts.content
    _tell(found, content.get("truth"), reporter)
    for note in parts.notes:
        reporter.note(note)
    for name, data in files.items():
        results.write(name, data)
    results.write(SUMMARY_FILE, content)
    results.flush()
    return Result(f"movie analyze: {words} {settings.output}", content=content)


def _inputs(settings: MovieAnalyzeSettings) -> _Inputs:
    tables = tables_at(settings.tracks, (TRACKS_FILE,))
    known = None
    if settings.truth is not None:
        known = paired(tables_at(settings.truth, TRUTH_FILES), tables, "tracks")
        tables = {name: table for name, (_, table) in known.items()}
    return _Inputs(tables, known, calcium_tables(settings, tables))


def _read(settings: MovieAnalyzeSettings, tables: Mapping[str, Path]) -> dict[str, Spots]:
    """Return the tracks of each movie.

    Raises
    ------
    DataError
        If a table has none.
    """
    read = {
        name: read_spots(path, pixel_size_nm=settings.pixel_size_nm)
        for name, path in tables.items()
    }
    for name, tracks in read.items():
        why = "its table has no rows" if not len(tracks) else "no row has a track_id"
        require_some(len(members_of(tracks)), tables[name], f"tracks: {why}")
    return read


def _parts(
    settings: MovieAnalyzeSettings,
    inputs: _Inputs,
    read: Mapping[str, Spots],
    calcium: Mapping[str, Calcium],
) -> Findings:
    """Return what there is to say of each track, of motion, and of calcium."""
    names = {name: name or path.parent.name for name, path in inputs.tables.items()}
    statistics = [
        (names[name], each) for name, tracks in read.items() for each in summaries(tracks)
    ]
    parts = Findings({TRACK_STATISTICS: _statistics_csv(statistics)})
    by_name = {names[name]: tracks for name, tracks in read.items()}
    parts.add(motion_findings(settings, by_name, [each for _, each in statistics]))
    lit = {names[name]: each for name, each in calcium.items()}
    if inputs.calcium.events:
        parts.add(event_findings(settings, lit))
    if inputs.calcium.events or inputs.calcium.traces:
        parts.add(correlation_findings(settings, lit))
    return parts


def _tell(found: dict[str, Any], truth: dict[str, Any] | None, reporter: Reporter) -> None:
    rows = []
    for name, each in (("found", found), ("truth", truth)):
        if each is None or not each["tracks"]:
            continue
        shares = [f"{100 * each[key]:.1f} %" for key in ("short", "medium", "long")]
        middle = [f"{each['mean_length']:.1f}", f"{each['median_length']:.0f}"]
        rows.append((name, f"{each['tracks']:,}", *middle, *shares))
    columns = ("", "tracks", "mean length", "median", "up to 3", "4 to 10", "more than 10")
    reporter.table("Lengths of tracks", columns, rows)


def _plain_words(found: dict[str, Any]) -> str:
    return (
        f"{found['tracks']:,} tracks, mean length {found['mean_length']:.1f}, "
        f"{100 * found['long']:.0f} % longer than 10."
    )


Fragments = list[tuple[str, dict[str, Any]]]


def _fragments(
    settings: MovieAnalyzeSettings,
    known: dict[str, tuple[Path, Path]],
    read: dict[str, Spots],
) -> tuple[Fragments, dict[str, Any], FloatArray]:
    """Return a row for each true track, figures of all, and the lengths of the true tracks."""
    rows: Fragments = []
    lengths, pieces, merges = [], [], 0
    for name, (truth_file, _) in known.items():
        truth = read_spots(truth_file, pixel_size_nm=settings.pixel_size_nm)
        require_some(len(truth), truth_file, "puncta")
        match = matched_tracks(truth, read[name], tolerance=settings.tolerance)
        scores = fragment_scores(match)
        rows += [(name or truth_file.parent.name, row) for row in fragments_of(match)]
        lengths.append(lengths_of(truth))
        merges += scores.merges
        if scores.fragments is not None:
            pieces.append(scores.fragments)
    together = np.concatenate(lengths)
    facts = {
        "truth": length_figures(together),
        "fragments": float(np.mean(pieces)) if pieces else None,
        "merges": merges,
    }
    return rows, facts, together


def _diagnostics(
    fragments: Fragments, facts: Mapping[str, Any], words: str
) -> dict[str, str | bytes]:
    """Return table and picture of how whole tracks are."""
    picture = diagnostic_picture(
        np.array([row["fragments"] for _, row in fragments], dtype=np.float64),
        np.array([row["longest"] / row["length"] for _, row in fragments]),
        words,
        mean=facts["fragments"],
    )
    return {FRAGMENTATION: _fragmentation_csv(fragments), DIAGNOSTIC_FILE: picture}


def _statistics_csv(rows: list[tuple[str, TrackSummary]]) -> str:
    lines = [",".join(COLUMNS[TRACK_STATISTICS])]
    lines += [
        f"{name},{t.track_id},{t.length},{t.start_frame},{t.end_frame},{t.duration},"
        f"{t.mean_x:.4f},{t.mean_y:.4f},{_text(t.step_px)},{_text(t.scatter_px)}"
        for name, t in rows
    ]
    return "\n".join(lines) + "\n"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _fragmentation_csv(rows: Fragments) -> str:
    lines = [",".join(COLUMNS[FRAGMENTATION])]
    lines += [
        f"{name},{row['track_id']},{row['length']},{row['found']},{row['fragments']},"
        f"{row['longest']}"
        for name, row in rows
    ]
    return "\n".join(lines) + "\n"
