"""Commands in processes of their own that can be killed, started from one that has torch loaded."""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path


def server() -> ForkServerContext:
    """Return what starts processes that need not import torch and copick again."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["copick_picker.workflows.segment", "copick_picker.workflows.localize", "copick"]
    )
    return context


def run_command(arguments: Sequence[str], output: Path) -> None:
    """Run a command of the console script to its end; what it prints goes to a file."""
    from copick_picker.cli.main import console

    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    console.main(args=list(arguments), prog_name="copick-picker")


def start(context: ForkServerContext, arguments: Sequence[str], output: Path) -> BaseProcess:
    """Start a command in a process of its own."""
    process = context.Process(target=run_command, args=(tuple(arguments), output))
    process.start()
    return process


def killed_when(process: BaseProcess, ready: Callable[[], bool], seconds: float) -> bool:
    """Kill -9 a process so many seconds after something is ready; return whether it ran then."""
    while process.is_alive() and not ready():
        time.sleep(0.002)
    process.join(seconds)
    still_ran = process.is_alive()
    process.kill()
    process.join()
    return still_ran
