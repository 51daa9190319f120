"""``movie evaluate``: detections and tracks against the truth."""

from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.movie.scores import (
    curve,
    detection_scores,
    matched,
    track_scores,
)
from copick_picker.errors import SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.formats.movie_files import open_movie
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.movies import Spots
from copick_picker.report.movie_pictures import examples_picture, performance_picture
from copick_picker.settings.movie import MovieEvaluateSettings
from copick_picker.workflows.movie.evaluate_calcium import calcium_scores, graded, tell_grades
from copick_picker.workflows.movie.places import (
    COLUMNS,
    DETECTION_METRICS,
    DETECTIONS_FILE,
    TRACK_METRICS,
    TRACKS_FILE,
    TRUTH_FILES,
    ResultFolder,
    paired,
    require_some,
    tables_at,
)
from copick_picker.workflows.movie.truths import movie_of, refuse_beyond

SUMMARY_FILE = "evaluation_summary.json"
PLOTS_FILE, EXAMPLES_FILE = "performance_plots.png", "example_detections.png"
_EXAMPLES = 3
_TABLE_LENGTH = 20


@summarised
def evaluate(settings: MovieEvaluateSettings, *, reporter: Reporter) -> Result:
    """Score detections, tracks or both against the truth of one movie or of several.

    Parameters
    ----------
    settings : MovieEvaluateSettings
        Settings of the command.
    reporter : Reporter
        Receives the scores.

    Raises
    ------
    CopickPickerError
        If a table is missing or wrong.
    """
    if settings.detections is None and settings.tracks is None and settings.events is None:
        msg = "give --detections, --tracks or --events, or several of them"
        raise SettingsError(msg)
    truth = tables_at(settings.truth, TRUTH_FILES)
    found = (
        None
        if settings.detections is None
        else paired(truth, tables_at(settings.detections, (DETECTIONS_FILE,)), "detections")
    )
    tracked = (
        None
        if settings.tracks is None
        else paired(truth, tables_at(settings.tracks, (TRACKS_FILE,)), "tracks")
    )
    names = [SUMMARY_FILE]
    names += [DETECTION_METRICS, PLOTS_FILE] if found is not None else []
    names += [TRACK_METRICS] if tracked is not None else []
    results = ResultFolder(settings.output, settings.overwrite)
    results.check(*names, EXAMPLES_FILE)
    content: dict[str, Any] = {"command": "movie evaluate", "tolerance_px": settings.tolerance}
    files: dict[str, str | bytes] = {}
    lines = []
    if found is not None:
        content["detections"], made = _detections(settings, found, reporter)
        files |= made
        total = content["detections"]["all"]
        lines.append(_detection_words(total, settings.pixel_size_nm))
    if tracked is not None:
        content["tracks"], made = _tracks(settings, tracked, reporter)
        files |= made
        total = content["tracks"]["all"]
        lines.append(_track_words(total))
    if settings.events is not None:
        content["calcium"] = calcium_scores(settings, tracked, truth)
        content["grades"] = graded(content, settings.pixel_size_nm)
        tell_grades(content["grades"], reporter)
        lines.append(_calcium_words(content["calcium"]))
    for name, data in files.items():
        results.write(name, data)
    results.write(SUMMARY_FILE, content)
    results.flush()
    line = "; ".join(lines)
    return Result(f"movie evaluate: {line}; {settings.output}", content=content)


def _calcium_words(scores: dict[str, Any]) -> str:
    error = scores["onset_error"]
    told = "" if error is None else f", onsets {error:.2f} frames off"
    return (
        f"events: F1 {_text(scores['event_f1'], 4)} ({scores['event_hits']} of "
        f"{scores['true_events']} found, {scores['found_events'] - scores['event_hits']} false)"
        f"{told}; states: F1 {_text(scores.get('calcium_f1'), 4)}; correlation of dF/F0 "
        f"{_text(scores['correlation'], 3)}"
    )


def _detections(
    settings: MovieEvaluateSettings, tables: dict[str, tuple[Path, Path]], reporter: Reporter
) -> tuple[dict[str, Any], dict[str, str | bytes]]:
    rows: dict[str, dict[str, Any]] = {}
    panels: list[Any] = []
    curves, errors = [], []
    for name, (truth_file, file) in tables.items():
        truth, found = (
            read_spots(each, pixel_size_nm=settings.pixel_size_nm) for each in (truth_file, file)
        )
        require_some(len(truth), truth_file, "puncta")
        _check_same_movie(truth, found, truth_file, file)
        alone = settings.movie if len(tables) == 1 else None
        refuse_beyond(file, found.frames, "detections", truth=truth_file, movie=alone)
        match = matched(truth, found, tolerance=settings.tolerance)
        rows[name or file.parent.name] = detection_scores(match)
        curves.append((name, *curve(truth, found, tolerance=settings.tolerance)))
        errors.append(match.errors)
        if len(panels) < _EXAMPLES:
            panels += _panels(settings, truth_file, truth, found, name, len(tables))
    total = _summed(list(rows.values()), np.concatenate(errors))
    if settings.pixel_size_nm is not None:
        for row in (*rows.values(), total):
            _add_nm(row, settings.pixel_size_nm)
    reporter.table(
        f"Detections, hits within {settings.tolerance:g} pixels",
        ("movie", "puncta", "found", "precision", "recall", "F1", "error (px)"),
        [_row(name, row) for name, row in [*list(rows.items())[:_TABLE_LENGTH], ("all", total)]],
    )
    files: dict[str, str | bytes] = {
        DETECTION_METRICS: _csv(COLUMNS[DETECTION_METRICS], rows),
        PLOTS_FILE: performance_picture(
            curves,
            np.concatenate(errors),
            tolerance=settings.tolerance,
            pixel_size_nm=settings.pixel_size_nm,
        ),
    }
    if panels:
        files[EXAMPLES_FILE] = examples_picture(panels[:_EXAMPLES])
    return {"all": total, "movies": rows}, files


def _check_same_movie(truth: Spots, found: Spots, truth_file: Path, file: Path) -> None:
    """Raise where a table goes far beyond the truth: it is another movie's."""
    if not len(found):
        return
    reach = truth.positions.max(axis=0) * 1.5 + 50.0
    last = int(truth.frames.max()) * 2 + 50
    beyond = (found.positions > reach).any(axis=1).mean() > 0.2
    if beyond or int(found.frames.min()) > last:
        msg = (
            f"{file} goes to x {found.positions[:, 0].max():.0f}, y "
            f"{found.positions[:, 1].max():.0f}, frame {int(found.frames.max())}, but the truth "
            f"{truth_file} to x {truth.positions[:, 0].max():.0f}, y "
            f"{truth.positions[:, 1].max():.0f}, frame {int(truth.frames.max())}: another movie's "
            "truth, or other units?"
        )
        raise SettingsError(msg)


def _panels(
    settings: MovieEvaluateSettings,
    truth_file: Path,
    truth: Spots,
    found: Spots,
    name: str,
    n_movies: int,
) -> list[Any]:
    """Return frames to draw: of one movie three, of several one each; none without the movie."""
    path = movie_of(truth_file, settings.movie if n_movies == 1 else None)
    if path is None:
        return []
    movie = open_movie(path)
    n_frames = len(movie.frames)
    numbers = [n_frames // 2] if n_movies > 1 else [0, n_frames // 2, n_frames - 1]
    return [
        (
            f"{name} frame {number}".strip(),
            movie.frames[number],
            truth.positions[truth.frames == number],
            found.positions[found.frames == number],
        )
        for number in numbers
    ]


def _summed(rows: list[dict[str, Any]], errors: Any) -> dict[str, Any]:  # noqa: ANN401 (an array)
    """Return the scores of all movies together."""
    total = {
        key: sum(row[key] for row in rows)
        for key in ("puncta", "detections", "hits", "false", "missed")
    }
    hits, n_found, n_truth = total["hits"], total["detections"], total["puncta"]
    return total | {
        "precision": hits / n_found if n_found else None,
        "recall": hits / n_truth if n_truth else None,
        "f1": 2 * hits / (n_found + n_truth) if n_found + n_truth else None,
        "rmse_per_axis_px": float(np.sqrt((errors**2).mean())) if hits else None,
        "mean_distance_px": float(np.hypot(*errors.T).mean()) if hits else None,
        "bias_x_px": float(errors[:, 0].mean()) if hits else None,
        "bias_y_px": float(errors[:, 1].mean()) if hits else None,
    }


def _add_nm(row: dict[str, Any], pixel_size_nm: float) -> None:
    for name in ("rmse_per_axis", "mean_distance"):
        value = row[f"{name}_px"]
        row[f"{name}_nm"] = None if value is None else value * pixel_size_nm


def _row(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{row['puncta']:,}",
        f"{row['detections']:,}",
        *(_text(row[key], 4) for key in ("precision", "recall", "f1")),
        _text(row["rmse_per_axis_px"], 3),
    )


def _text(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _csv(columns: tuple[str, ...], rows: dict[str, dict[str, Any]]) -> str:
    lines = [",".join(columns)]
    for name, row in rows.items():
        values = [row.get(column) for column in columns[1:]]
        lines.append(",".join([name, *("" if v is None else f"{v:.6g}" for v in values)]))
    return "\n".join(lines) + "\n"


def _detection_words(total: dict[str, Any], pixel_size_nm: float | None) -> str:
    error = total["rmse_per_axis_px"]
    told = "-" if error is None else f"{error:.3f} px"
    if error is not None and pixel_size_nm is not None:
        told += f" = {error * pixel_size_nm:.1f} nm"
    return (
        f"F1 {_text(total['f1'], 4)}, precision {_text(total['precision'], 4)}, recall "
        f"{_text(total['recall'], 4)}, error {told} along an axis"
    )


def _tracks(
    settings: MovieEvaluateSettings, tables: dict[str, tuple[Path, Path]], reporter: Reporter
) -> tuple[dict[str, Any], dict[str, str | bytes]]:
    rows: dict[str, dict[str, Any]] = {}
    for name, (truth_file, file) in tables.items():
        truth, tracks = (
            read_spots(each, pixel_size_nm=settings.pixel_size_nm) for each in (truth_file, file)
        )
        require_some(len(truth), truth_file, "puncta")
        _check_same_movie(truth, tracks, truth_file, file)
        alone = settings.movie if len(tables) == 1 else None
        refuse_beyond(file, tracks.frames, "positions", truth=truth_file, movie=alone)
        rows[name or file.parent.name] = track_scores(truth, tracks, tolerance=settings.tolerance)
    total = _summed_tracks(list(rows.values()))
    columns = ("movie", "true", "found", "fragments", "merges", "IDF1", "HOTA")
    reporter.table(
        f"Tracks, hits within {settings.tolerance:g} pixels",
        columns,
        [
            (
                name,
                str(row["n_reference"]),
                str(row["n_candidate"]),
                _text(row["fragments"], 3),
                str(row["merges"]),
                _text(row["idf1"], 4),
                _text(row["hota"], 4),
            )
            for name, row in [*list(rows.items())[:_TABLE_LENGTH], ("all", total)]
        ],
    )
    return {"all": total, "movies": rows}, {TRACK_METRICS: _csv(COLUMNS[TRACK_METRICS], rows)}


def _summed_tracks(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return sums of counts and means of shares over the movies."""
    total: dict[str, Any] = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        counts = all(isinstance(value, int) for value in values) and bool(values)
        total[key] = (sum(values) if counts else float(np.mean(values))) if values else None
    return total


def _track_words(total: dict[str, Any]) -> str:
    merges = f"{total['merges']} merge{'' if total['merges'] == 1 else 's'}"
    return (
        f"fragments {_text(total['fragments'], 3)} for each true track, {merges}, "
        f"IDF1 {_text(total['idf1'], 4)}"
    )
