"""Start-up times: our console script, and what our plugins add to the ``copick`` command.

    .venv/bin/python tests/benchmarks/startup.py

Each figure is the median of several fresh interpreters.
"""

import platform
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

RUNS = 11
PLUGINS = """
import time
import copick.cli.types, click
began = time.perf_counter()
import copick_picker.cli.main, copick_picker.cli.segment
import copick_picker.cli.localize, copick_picker.cli.evaluate
print(time.perf_counter() - began)
"""


def main() -> None:
    """Print the table."""
    script = Path(sys.executable).parent / "copick-picker"
    copick = Path(sys.executable).parent / "copick"
    rows = {
        "copick-picker --help": statistics.median(wall([script, "--help"])),
        "copick --help, our plugins installed": statistics.median(wall([copick, "--help"])),
        "of which importing our plugins": statistics.median(plugins()),
    }
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("copick", "click"))
    print(f"python {platform.python_version()}, {versions}; median of {RUNS} starts")
    for name, seconds in rows.items():
        print(f"{name:40} {seconds:.3f} s")


def wall(command: list[Path | str]) -> list[float]:
    """Return the wall times of a command, one a start, after one that is not counted."""
    times = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return times[1:]


def plugins() -> list[float]:
    """Return how long importing our plugin modules takes where copick is loaded already."""
    command = [sys.executable, "-c", PLUGINS]
    return [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(RUNS)
    ]


if __name__ == "__main__":
    main()
