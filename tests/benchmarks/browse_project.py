"""How long ``browse project`` takes over a project of 1,000 runs on this machine.

    .venv/bin/python tests/benchmarks/browse_project.py

Each run holds a tomogram, a segmentation and four pick sets of 50 picks. Wall time and the
processor's seconds (user and system) of the whole command, medians of several starts, first without
and then with ``--details``.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, SegmentationKey
from copick_picker.records.points import PickSet
from projects import SHAPE_ZYX, run_folder, slabs_of, small_project

RUNS = 1000
STARTS = 5


def main() -> None:
    """Make the project and print the figures."""
    script = Path(sys.executable).parent / "copick-picker"
    with tempfile.TemporaryDirectory() as folder:
        config = make(Path(folder))
        print(
            f"{RUNS} runs; python {platform.python_version()}, "
            f"copick {metadata.version('copick')}; "
            f"median of {STARTS} starts; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
        for extra in ([], ["--details"]):
            times = [
                measured([script, "browse", "project", "-c", config, *extra]) for _ in range(STARTS)
            ]
            wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
            print(f"browse project {' '.join(extra):10} {wall:.2f} s wall, {cpu:.2f} s processor")


def make(folder: Path) -> Path:
    """Return the configuration of the project: one run, copied."""
    config = small_project(folder, ("TS_0001",))
    store, rng = open_project(config), np.random.default_rng(0)
    for user_id in ("curator", "picker"):
        for name in ("ribosome", "apo-ferritin"):
            picks = PickSet(name, rng.uniform(0, 200, (50, 3)), rng.uniform(size=50))
            key = PicksKey(name, user_id, "1")
            store.write_picks("TS_0001", key, picks, provenance={}, overwrite=False)
    store.write_segmentation(
        "TS_0001",
        SegmentationKey("predict", "picker", "1", 10.0),
        slabs_of(np.zeros(SHAPE_ZYX, dtype=np.uint8), 8),
        shape_zyx=SHAPE_ZYX,
        provenance={},
        overwrite=False,
    )
    for number in range(2, RUNS + 1):
        shutil.copytree(run_folder(config, "TS_0001"), run_folder(config, f"TS_{number:04}"))
    return config


def measured(command: list[Path | str]) -> tuple[float, float]:
    """Return wall and processor seconds of a command."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


if __name__ == "__main__":
    main()
