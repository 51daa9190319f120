"""Times of the commands of the main job at two commits, in turns on the same machine.

    git worktree add ../before COMMIT
    python tests/benchmarks/two_commits.py ../before . [--rounds 5] [--shape Z,Y,X] [--runs N]

Both checkouts run in the interpreter that runs this script, on one simulated project that the
second makes. Each round runs every command once with either checkout; the first of the two changes
from round to round. A round that is not counted comes first. Printed are the medians of the wall
times of the whole command, and their ratio.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SCORED = (
    *("evaluate", "-c", "CONFIG", "--reference", "*:simulation/1", "--candidate", "*:picker/1"),
    *("-o", "SCORES", "--overwrite"),
)
PICKED = (
    *("segment", "-c", "CONFIG", "-m", "simulated-10a", "-i", "wbp@10.0", "--overwrite"),
    *("--objects", "ribosome,proteasome,apo-ferritin"),
)
COMMANDS = {
    "copick-picker --help": ("--help",),
    "segment --help": ("segment", "--help"),
    "train --help": ("train", "--help"),
    "browse project": ("browse", "project", "-c", "CONFIG"),
    "segment": (*PICKED, "-o", "predict:picker/1", "--probabilities"),
    "localize": ("localize", "-c", "CONFIG", "-i", "predict:picker/1@10.0", "--overwrite"),
    "segment --picks-method peaks": (
        *(*PICKED, "-o", "other:picker/2", "--picks", "*:picker/2", "--picks-method", "peaks"),
    ),
    "evaluate": SCORED,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", default="64,192,192")
    parser.add_argument("--runs", default="3")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project, empty = Path(folder) / "project", Path(folder) / "empty"
        empty.mkdir()
        made = ("simulate", "--preset", "tiny", "-o", str(project), "--path", "quick")
        call(options.after, (*made, "--runs", options.runs, "--shape", options.shape), empty)
        places = {"CONFIG": str(project / "config.json"), "SCORES": str(Path(folder) / "scores")}
        times: dict[tuple[str, Path], list[float]] = {}
        for number in range(options.rounds + 1):
            for name, command in COMMANDS.items():
                pair = (options.before, options.after)
                for checkout in pair if number % 2 else reversed(pair):
                    arguments = [places.get(part, part) for part in command]
                    seconds = call(checkout, arguments, empty)
                    if number:
                        times.setdefault((name, checkout), []).append(seconds)
    print(f"median of {options.rounds}, {options.runs} tomograms of {options.shape} voxels")
    print(f"{'command':30} {'before':>8} {'after':>8} {'ratio':>7}")
    for name in COMMANDS:
        before = statistics.median(times[name, options.before])
        after = statistics.median(times[name, options.after])
        print(f"{name:30} {before:7.3f}s {after:7.3f}s {after / before:7.3f}")


def call(checkout: Path, arguments: Sequence[str], folder: Path) -> float:
    """Return how long a command of a checkout takes."""
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve())}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "copick_picker", *arguments],
        check=True,
        capture_output=True,
        env=environment,
        cwd=folder,  # an empty one, since Python looks there first
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
