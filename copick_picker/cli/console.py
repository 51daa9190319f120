"""The terminal: lines, tables, progress, one line per error, and a log file for the rest."""

import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import click

from copick_picker.cli.durations import duration

if TYPE_CHECKING:
    from copick_picker.cli.progress import RunProgress
    from copick_picker.records.runs import RunOutcome

PACKAGE = "copick_picker"
_LOG_LINE = re.compile(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z]+ {PACKAGE}")
_STYLES = {"done": "green", "skipped": "cyan", "absent": "yellow", "failed": "red"}


class Stop(click.ClickException):
    """An error that the user can fix: one line, exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ANN401 (click's signature)
        """Write the line to standard error."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)


class Console:
    """Reporter of the command line: lines and tables on standard output, warnings on error.

    Parameters
    ----------
    wide : bool
        Whether tables are as wide as their content, whatever the terminal.
    """

    def __init__(self, *, wide: bool = False) -> None:
        self._began, self._wide = time.perf_counter(), wide
        self._progress: RunProgress | None = None

    def note(self, text: str) -> None:
        """Show one line."""
        self._echo(text)

    def warn(self, text: str) -> None:
        """Show one line as a warning, on standard error."""
        self._echo(click.style(f"Warning: {text}", fg="yellow"), err=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table, as wide as the terminal; elsewhere as wide as its content."""
        from copick_picker.cli.tables import line_width, table_text

        self._echo(table_text(title, columns, rows, width=None if self._wide else line_width()))

    def begin(self, total: int) -> None:
        """Start the clock of the estimate."""
        self._began = time.perf_counter()
        if total == 0:
            self._echo("No runs to work on.")

    def progress(self, run_name: str, *, done: int, total: int, unit: str) -> None:
        """Show how far a run is: a bar on a terminal, elsewhere a line a minute."""
        if self._progress is None:
            from copick_picker.cli.progress import RunProgress

            self._progress = RunProgress(lambda text: click.echo(text, err=True))
        self._progress.update(run_name, done=done, total=total, unit=unit)

    def outcome(self, outcome: "RunOutcome", *, done: int, total: int, seconds: float) -> None:
        """Show the outcome of a run and the estimated time for the rest."""
        left = (time.perf_counter() - self._began) / done * (total - done)
        eta = f", about {duration(left)} left" if done < total else ""
        status = click.style(outcome.status, fg=_STYLES.get(outcome.status))
        text = f": {outcome.message}" if outcome.message else ""
        text += "".join(f"; warning: {each}" for each in outcome.warnings)
        if self._progress is not None:
            self._progress.end(outcome.run_name)
        self._echo(
            f"[{done}/{total}] {outcome.run_name} {status}{text} ({duration(seconds)}{eta})",
            err=outcome.status == "failed",
        )

    def stop(self) -> None:
        """Remove the bars of runs that were interrupted."""
        if self._progress is not None:
            self._progress.stop()

    def _echo(self, text: str, *, err: bool = False) -> None:
        with nullcontext() if self._progress is None else self._progress.hidden():
            click.echo(text, err=err)


def execute(
    command: str, *, workflow: str, settings: str, flags: Mapping[str, Any], job: Mapping[str, Any]
) -> None:
    """Run a workflow and exit with its code; a user's mistake gives one line.

    Parameters
    ----------
    command : str
        Name of the command, for the log file.
    workflow, settings : str
        ``module:name`` of the workflow and of its settings class, imported here.
    flags : mapping
        Values given on the command line, None where not given.
    job : mapping
        ``settings_file``, ``log``, ``verbose`` and ``wide``.
    """
    from copick_picker.jobs.early import check_early
    from copick_picker.jobs.result_files import result_json
    from copick_picker.settings.files import join_settings

    wait_without_spinning()
    log_file = start_log(command, job["log"], job["verbose"] or 0)
    logger = logging.getLogger(PACKAGE)
    console = Console(wide=bool(job["wide"]))
    try:
        with one_line_errors():
            path = Path(job["settings_file"]) if job["settings_file"] else None
            checked = join_settings(resolve_name(settings), flags=flags, path=path)
            logger.info("%s with %s", command, checked)
            json_file = getattr(checked, "json_file", None)
            if json_file is not None:
                result_json(json_file).check()
            check_early(checked)
            summary = resolve_name(workflow)(checked, reporter=console)
    except KeyboardInterrupt as interrupt:
        logger.info("interrupted")
        click.echo(
            "\nInterrupted: finished outputs are complete; run the same command again to resume.",
            err=True,
        )
        raise SystemExit(130) from interrupt
    finally:
        console.stop()
    click.echo(summary.text())
    if summary.exit_code == 1 and log_file is not None:
        click.echo(f"Details are in {log_file}", err=True)
    raise SystemExit(summary.exit_code)


def wait_without_spinning() -> None:
    """Let threads that wait for others sleep: of two that spin on a busy machine, none gets on.

    OpenMP reads this when torch is first imported; what the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn our errors into one line and exit code 2; the traceback is logged."""
    from copick_picker.errors import CopickPickerError

    try:
        yield
    except CopickPickerError as error:
        logging.getLogger(PACKAGE).debug("stopped", exc_info=True)
        raise Stop(str(error)) from error


def start_log(command: str, log: str | None, verbose: int) -> Path | None:
    """Return the path of the opened log file, None if none could be opened.

    Parameters
    ----------
    command : str
        Name of the command, part of the default file's name.
    log : str or None
        File that the user names; None means one in the user's cache.
    verbose : int
        0 shows warnings on standard error, 1 information, 2 everything.
    """
    logger = logging.getLogger(PACKAGE)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    shown = logging.StreamHandler(sys.stderr)
    shown.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    shown.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    if verbose == 0:  # a failed run has its own line; its traceback goes to the log file
        shown.addFilter(lambda record: record.exc_info is None and record.exc_text is None)
    logger.addHandler(shown)
    if log:
        path = Path(log)
    else:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        path = cache / "copick-picker" / "logs" / f"{command}-{stamp}.log"
    if log and not _is_log(path):
        text = f"{path} exists and is not a log of copick-picker; choose another file for --log"
        raise Stop(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = logging.FileHandler(
            path, encoding="utf-8", delay=log is None, errors="surrogateescape"
        )
    except OSError as error:
        if log:
            text = f"cannot write the log file {path}: {error}"
            raise Stop(text) from error
        logger.addHandler(logging.NullHandler())
        return None
    written.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(written)
    return path


def _is_log(path: Path) -> bool:
    """Return whether a file may be appended to: it is new, empty, or a log of ours."""
    if not path.is_file():
        return not path.exists() or path.is_char_device()
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
    except OSError:  # opening it for writing reports the error
        return True
    return not first or _LOG_LINE.match(first) is not None
