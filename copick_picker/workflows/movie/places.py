"""Where movies, their tables and results lie."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.provenance import digest
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, Told
from copick_picker.project.files import write_bytes
from copick_picker.project.formats.calcium_tables import (
    EVENT_COLUMNS,
    EVENT_DETAIL_COLUMNS,
    TRACE_COLUMNS,
    TRACE_DETAIL_COLUMNS,
    TRUE_TRACE_COLUMNS,
)
from copick_picker.project.formats.movie_files import SUFFIXES
from copick_picker.project.formats.mrc_folders import is_hidden
from copick_picker.project.formats.spot_tables import (
    DETECTION_COLUMNS,
    TRACK_COLUMNS,
    TRUTH_COLUMNS,
)
from copick_picker.project.own_files import (
    MARK,
    RESULT_OF,
    TABLES,
    file_hash,
    is_own_drawing,
    is_own_json,
    is_own_picture,
    is_recorded_table,
)
from copick_picker.project.standing import Output, own_file
from copick_picker.records.plain_text import load_json
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.movie import MovieOutput

MOVIE_FILE = "movie.tif"
TRUTH_FILE = "ground_truth_tracks.csv"
TRUTH_FILES = (TRUTH_FILE, "ground_truth.csv")
TRUE_EVENTS_FILE, TRUE_TRACES_FILE = "ground_truth_events.csv", "ground_truth_traces.csv"
TRACES_FILE, EVENTS_FILE = "traces.csv", "events.csv"
TRACE_DETAILS_FILE, EVENT_DETAILS_FILE = "trace_details.csv", "event_details.csv"
DETECTIONS_FILE, TRACKS_FILE = "detections.csv", "tracks.csv"
DETECTION_METRICS, TRACK_METRICS = "detection_metrics.csv", "track_metrics.csv"
TRACK_STATISTICS, FRAGMENTATION = "track_statistics.csv", "fragmentation.csv"
MOTION, EVENT_STATISTICS = "motion.csv", "event_statistics.csv"
CORRELATION, CO_OCCURRENCE = "correlation.csv", "co_occurrence.csv"
SUMMARY_COLUMNS = (
    "track_id",
    "length",
    "start_frame",
    "end_frame",
    "duration",
    "mean_x",
    "mean_y",
)
_NOT_OF_THE_JOB = {"output", "overwrite", "json_file", "threads", "device", "batch"}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    DETECTIONS_FILE: DETECTION_COLUMNS,
    TRACKS_FILE: TRACK_COLUMNS,
    TRUTH_FILE: TRUTH_COLUMNS,
    TRUE_TRACES_FILE: TRUE_TRACE_COLUMNS,
    "track_summary.csv": SUMMARY_COLUMNS,
    TRACES_FILE: TRACE_COLUMNS,
    TRACE_DETAILS_FILE: TRACE_DETAIL_COLUMNS,
    EVENTS_FILE: EVENT_COLUMNS,
    EVENT_DETAILS_FILE: EVENT_DETAIL_COLUMNS,
    DETECTION_METRICS: (
        *("movie", "puncta", "detections", "hits", "false", "missed"),
        *("precision", "recall", "f1", "rmse_per_axis_px", "mean_distance_px"),
        *("rmse_per_axis_nm", "mean_distance_nm"),
    ),
    TRACK_METRICS: (
        *("movie", "n_reference", "n_candidate", "fragments", "merges", "switches", "missed"),
        *("false", "idf1", "id_precision", "id_recall", "hota", "det_a", "ass_a", "loc_a"),
    ),
    TRACK_STATISTICS: ("movie", *SUMMARY_COLUMNS, "step_px", "scatter_px"),
    FRAGMENTATION: ("movie", "track_id", "length", "found", "fragments", "longest"),
    MOTION: (
        *("movie", "track_id", "length", "diffusion_px2_frame", "low", "high"),
        *("diffusion_um2_s", "low_um2_s", "high_um2_s", "class", "margin", "error_px"),
        *("speed_px_frame", "radius_px"),
    ),
    EVENT_STATISTICS: (
        *("movie", "track_id", "frames", "events", "events_per_1000_frames", "events_per_minute"),
        *("mean_amplitude", "highest_amplitude"),
    ),
    CORRELATION: (
        *("movie", "track_id", "frames", "mean_x", "mean_y", "correlation", "p", "significant"),
    ),
    CO_OCCURRENCE: (
        *("movie", "events", "tracks", "observed", "control_mean", "control_low"),
        *("control_high", "ratio", "p"),
    ),
}


@dataclass(frozen=True)
class Named:
    """A movie or a table, and its name among others.

    Attributes
    ----------
    name : str
        Name of its folder of results; empty where it is the only one.
    path : pathlib.Path
        The file.
    """

    name: str
    path: Path


def movies_at(path: Path) -> list[Named]:
    """Return the movies at a path: the file itself, or those of a folder.

    A folder holds movies, or folders with a ``movie.tif`` each, as ``movie simulate`` makes them.

    Parameters
    ----------
    path : pathlib.Path
        File or folder.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if path.is_file():
        return [Named("", path)]
    if not path.exists():
        msg = f"there is no movie {path}"
        raise SettingsError(msg)
    inside = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
    found = [Named(each.stem, each) for each in inside if each.is_file() and not is_hidden(each)]
    found += [Named(each.parent.name, each) for each in sorted(path.glob(f"*/{MOVIE_FILE}"))]
    if not found:
        msg = (
            f"{path} contains no movie: no file that ends in {', '.join(SUFFIXES)}, and no "
            f"folder with a {MOVIE_FILE}"
        )
        raise SettingsError(msg)
    return found


def tables_at(path: Path, names: tuple[str, ...]) -> dict[str, Path]:
    """Return the tables at a path: the file itself, or one of each folder in it, by name.

    Parameters
    ----------
    path : pathlib.Path
        Table, folder with one of ``names``, or folder of such folders.
    names : tuple of str
        Names that the table may have in a folder.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if path.is_file() or path.suffix == ".geff" or (path / ".zgroup").exists():
        return {"": path}
    if not path.exists():
        msg = f"there is no table {path}"
        raise SettingsError(msg)
    for name in names:
        if (path / name).is_file():
            return {"": path / name}
    found: dict[str, Path] = {}
    for name in reversed(names):
        found |= {each.parent.name: each for each in sorted(path.glob(f"*/{name}"))}
    if not found:
        msg = f"{path} contains no {' or '.join(names)}, nor does a folder in it"
        raise SettingsError(msg)
    return found


def paired(
    truth: Mapping[str, Path], tables: Mapping[str, Path], what: str, known: str = "a truth"
) -> dict[str, tuple[Path, Path]]:
    """Return each movie's truth, or what else is known of it, and its table.

    Parameters
    ----------
    truth, tables : mapping of str to pathlib.Path
        By movie; a single one belongs to the single other one.
    what : str
        What the tables hold, for messages.
    known : str
        What is known of a movie, for messages.

    Raises
    ------
    SettingsError
        If a movie has no table.
    """
    if len(truth) == len(tables) == 1:
        name = next(iter(truth)) or next(iter(tables))
        return {name: (next(iter(truth.values())), next(iter(tables.values())))}
    missing = sorted(set(truth) - set(tables))
    if missing:
        msg = f"no {what} for {len(missing)} of {len(truth)} movies with {known}: {missing[0]}"
        msg += ", ..." if len(missing) > 1 else ""
        raise SettingsError(msg)
    return {name: (truth[name], tables[name]) for name in sorted(truth)}


@dataclass(frozen=True)
class ResultFolder:
    """A folder that results go to; files of ours are replaced where ``overwrite`` says so.

    A table is ours where the summary beside it records it; one that another program wrote, or that
    was edited since, stays.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    overwrite : bool
        Whether results that exist are replaced.
    waiting : dict
        Files that are ready, by name; ``flush`` writes them.
    """

    path: Path
    overwrite: bool
    waiting: dict[str, bytes] = field(default_factory=dict)

    def check(self, *names: str) -> None:
        """Raise where a file stands that must stay.

        Raises
        ------
        ConflictError
            With what was found.
        """
        if self.path.exists() and not self.path.is_dir():
            msg = f"{self.path} is a file; name a folder for --output"
            raise SettingsError(msg)
        for name in names:
            self._output(name).check()

    def _output(self, name: str) -> Output:
        if name.endswith(".png"):
            kind = own_file(is_own_picture)
        elif name.endswith(".svg"):
            kind = own_file(is_own_drawing)
        elif name.endswith(".json"):
            kind = own_file(is_own_json)
        else:
            kind = own_file(is_recorded_table, "a table not recorded in any summary next to it")
        return Output(self.path / name, kind, overwrite=self.overwrite, advice="another --output")

    def write(self, name: str, content: str | bytes | Mapping[str, Any]) -> None:
        """Keep a file until all are ready.

        Parameters
        ----------
        name : str
            Its name.
        content : str, bytes or mapping
            Text, bytes, or what becomes JSON.
        """
        if isinstance(content, Mapping):
            self.waiting[name] = _json({RESULT_OF: MARK, **content})
            return
        self.waiting[name] = content.encode("utf-8") if isinstance(content, str) else content

    def flush(self) -> None:
        """Write all files, each whole, in the order in which they came; the summary twice.

        Before the tables it names what is about to be written, so that an interrupted command can
        be run again with ``--overwrite``; after them it is whole.
        """
        tables = {k: [file_hash(v)] for k, v in self.waiting.items() if k.endswith(".csv")}
        summary = next((name for name in self.waiting if name.endswith(".json")), None)
        if tables and summary is not None:
            content = load_json(self.waiting.pop(summary))
            begun = {name: known + self._recorded(name) for name, known in tables.items()}
            self._put(summary, _json({RESULT_OF: MARK, TABLES: begun}), self._output(summary))
            self.waiting[summary] = _json(content | {TABLES: tables})
        for name, data in self.waiting.items():
            output = self._output(name)
            self._put(name, data, replace(output, renews=True) if name == summary else output)
        self.waiting.clear()

    def _recorded(self, name: str) -> list[str]:
        path = self.path / name
        return [file_hash(path.read_bytes())] if path.is_file() and is_recorded_table(path) else []

    def _put(self, name: str, data: bytes, output: Output) -> None:
        write_bytes(self.path / name, data, permit=output.check)


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode("utf-8")


@dataclass(frozen=True)
class MovieJob:
    """A command that makes some files of each movie.

    Attributes
    ----------
    command : str
        Name of the command.
    settings : MovieOutput
        Its settings.
    files : tuple of str
        What it makes, the summary last.
    models : tuple of str
        Hashes of the models that it uses.
    """

    command: str
    settings: MovieOutput
    files: tuple[str, ...]
    models: tuple[str, ...] = ()

    def results(self, movie: Named) -> ResultFolder:
        """Return where the results of a movie go."""
        return ResultFolder(self.settings.output / movie.name, self.settings.overwrite)

    def record(self, movie: Named) -> str:
        """Return what identifies the job on a movie: settings, models, state of its file."""
        kept = self.settings.model_dump(mode="json", exclude=_NOT_OF_THE_JOB)
        found = movie.path.stat()
        state = [found.st_size, found.st_mtime_ns]
        return str(digest({"settings": kept, "models": list(self.models), "input": state}))

    def is_finished(self, movie: Named) -> bool:
        """Return whether the same job made the results that stand.

        Raises
        ------
        ConflictError
            If other results stand that must stay.
        """
        results = self.results(movie)
        if not self.settings.overwrite:
            try:
                known = load_json((results.path / self.files[-1]).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                known = {}
            whole = all((results.path / name).is_file() for name in self.files)
            if whole and known.get("job") == self.record(movie):
                return True
        results.check(*self.files)
        return False


def each_movie(
    job: MovieJob,
    movies: list[Named],
    work: Callable[[Named, ResultFolder], tuple[str, dict[str, Any]]],
    *,
    reporter: Reporter,
) -> Told:
    """Return the result of a command on one movie, or on each of several.

    With several, one that fails does not stop the others. What the same job made before stays, so
    that an interrupted command can be run again.

    Parameters
    ----------
    job : MovieJob
        The command.
    movies : list of Named
        The movies.
    work : callable
        Movie and where its results go -> what was done in words, and values for ``--json``.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    ConflictError
        If other results stand that must stay, before any work.
    """
    done = {movie.name: job.is_finished(movie) for movie in movies}

    def made(movie: Named) -> tuple[str, dict[str, Any]]:
        results = job.results(movie)
        words, values = work(movie, results)
        content = {"command": job.command, "job": job.record(movie), **values}
        results.write(job.files[-1], content)
        results.flush()
        return words, values

    if len(movies) == 1 and not movies[0].name:
        if done[""]:
            line = f"{job.command}: {job.settings.output} is complete"
            return Result(line, content={"command": job.command, "result": line})
        words, values = made(movies[0])
        return Result(f"{job.command}: {words}", content={"command": job.command, **values})
    by_name = {movie.name: movie for movie in movies}

    def one(name: str) -> RunOutcome:
        if done[name]:
            return RunOutcome(name, "skipped", "is complete")
        words, values = made(by_name[name])
        return RunOutcome(name, "done", words, values)

    return process_runs(job.command, list(by_name), InTurn(one), reporter=reporter)


def require_some(n: int, path: Path, what: str) -> None:
    """Raise where a table is empty.

    Parameters
    ----------
    n : int
        Its rows.
    path : pathlib.Path
        The table.
    what : str
        What it holds, for the message.

    Raises
    ------
    DataError
        If there are none.
    """
    if n == 0:
        msg = f"{path} contains no {what}"
        raise DataError(msg)
