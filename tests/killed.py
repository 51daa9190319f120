"""Commands in processes of their own that can be killed, started from one with all imported."""

import fcntl
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from copick_picker.cli.main import COMMANDS, module_of
from patience import HANG_SECONDS

WORKFLOWS = (
    *("benchmark.benchmark", "evaluate.calibrate", "exchange.export_picks"),
    *("exchange.export_segmentations", "exchange.import_mrc", "exchange.import_picks"),
    *(
        "link.linking",
        "localize.filtering",
        "mask.making",
        "show.view",
        "simulate.simulate",
        "train.targets",
    ),
    *("train.making", "train.result"),
)
"""Which import all the others."""


def server() -> ForkServerContext:
    """Return what starts processes that need not import the package and what it uses again."""
    context = multiprocessing.get_context("forkserver")
    names = [
        *("copick.impl.cryoet_data_portal", "copick.impl.filesystem", "dask.array"),
        *("matplotlib.backends.backend_agg", "copick_picker.cli.console"),
        *(module_of(name) for name in COMMANDS),
        *(f"copick_picker.workflows.{name}" for name in WORKFLOWS),
    ]
    missing = [name for name in names if find_spec(name) is None]  # else left out without a word
    assert not missing, missing
    context.set_forkserver_preload(names)
    return context


def run_command(arguments: Sequence[str], output: Path) -> None:
    """Run a command of the console script to its end; what it prints goes to a file.

    The file is locked for as long as the command, or a process that it started, runs.
    """
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    from copick_picker.cli.main import console

    console.main(args=list(arguments), prog_name="copick-picker")


def start(context: ForkServerContext, arguments: Sequence[str], output: Path) -> BaseProcess:
    """Start a command in a process of its own."""
    process = context.Process(target=run_command, args=(tuple(arguments), output))
    process.start()
    return process


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    returncode: int | None
    stdout: str
    stderr: str


def finished(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, seconds: float = 300
) -> Done:
    """Run a command to its end in a process of its own, in a folder and an environment."""
    outputs = (folder / "stdout.txt", folder / "stderr.txt")
    process = server().Process(
        target=_run_in, args=(tuple(arguments), folder, dict(environment), outputs)
    )
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        msg = f"the command did not end within {seconds:g} s"
        raise AssertionError(msg)
    said = [path.read_text() for path in outputs]
    for path in outputs:
        path.unlink()
    return Done(process.exitcode, *said)


def _run_in(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    outputs: Sequence[Path],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(outputs, 1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
        os.close(descriptor)
    from copick_picker.cli.main import console

    console.main(args=list(arguments), prog_name="copick-picker")


def killed_when(process: BaseProcess, ready: Callable[[], bool], seconds: float) -> bool:
    """Kill -9 a process so many seconds after something is ready; return whether it ran then."""
    while process.is_alive() and not ready():
        time.sleep(0.002)
    process.join(seconds)
    still_ran = process.is_alive()
    process.kill()
    process.join()
    return still_ran


def struck(
    process: BaseProcess,
    seconds: float,
    blow: signal.Signals,
    *,
    ready: Callable[[], bool] = lambda: True,
) -> bool:
    """Send a process a signal so many seconds after something is ready; return whether it ran then.

    Waits for its end; what hangs is killed, and an error.
    """
    while process.is_alive() and not ready():
        time.sleep(0.002)
    process.join(seconds)
    still_ran = process.is_alive()
    if still_ran and process.pid is not None:
        os.kill(process.pid, blow)
        process.join(HANG_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        msg = f"the command hangs after {blow.name}"
        raise AssertionError(msg)
    return still_ran


def wait_for_children(output: Path, *, seconds: float = HANG_SECONDS) -> None:
    """Wait until no process of a command runs any more that prints to a file, its workers too."""
    if not output.exists():
        return
    limit = time.monotonic() + seconds
    with output.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > limit:
                    msg = f"processes of the command still run after {seconds:g} s"
                    raise AssertionError(msg) from None
                time.sleep(0.01)
            else:
                return
