"""Time and memory of ``localize``: beside octopi's, against the voxels, and with many particles.

Usage: python tests/benchmarks/localize_speed.py [--octopi-python PYTHON] [--shape 200,400,400]
       [--particles 300] [--runs 3] [--many 100000] [--json FILE]

Both programs run their own command line on one project of painted balls of 0.8 R, radii 60 to
150 A at 10 A, every run another seed: once for one run (all-in) and once for all runs. What a
further run costs (steady) is the difference over the number of further runs. Ours, which takes
seconds, is run three times and the least counts. CPU-seconds are those of the command and all its
processes; memory is the largest sum of the resident memory of the
process tree, looked at every 50 ms. Both F1 are one to one within half a radius.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import copick
import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
import copick_picker
import scenarios
from copick_picker.core.labels import paint_spheres
from copick_picker.core.localize import localize
from copick_picker.project.copick.making import add_tomogram, create_project
from copick_picker.records.keys import TomogramKey
from copick_picker.records.points import LocalizeTarget
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.localize import LocalizeParameters

SPACING = scenarios.VOXEL_SPACING
PAINTED = 0.8
OBJECTS = tuple(
    ObjectSpec(name, label=scenarios.LABEL_OF[name], radius_angstrom=SPACING * radius)
    for name, radius in scenarios.RADIUS_VOXELS.items()
)
PAGE = os.sysconf("SC_PAGE_SIZE")
Shape = tuple[int, int, int]
Centres = dict[str, np.ndarray[Any, Any]]


def scattered(shape: Shape, particles: int, *, seed: int) -> Centres:
    """Return centres (z, y, x) of so many particles of every object, none touching another."""
    rng = np.random.default_rng(seed)
    edge = 2.0 * PAINTED * max(scenarios.RADIUS_VOXELS.values()) + 4.0
    cells = np.array([int(size // edge) for size in shape])
    wanted = particles * len(scenarios.RADIUS_VOXELS)
    if cells.prod() < wanted:
        return _packed(shape, particles, rng)
    chosen = rng.choice(cells.prod(), wanted, replace=False)
    middles = (np.stack(np.unravel_index(chosen, cells), axis=1) + 0.5) * edge
    parts = np.split(rng.permutation(middles + rng.uniform(-1, 1, (wanted, 3))), 4)
    return dict(zip(scenarios.RADIUS_VOXELS, parts, strict=True))


def _packed(shape: Shape, particles: int, rng: np.random.Generator) -> Centres:
    """Put the largest first, each where it touches none of those before."""
    names = sorted(scenarios.RADIUS_VOXELS, key=lambda name: -scenarios.RADIUS_VOXELS[name])
    centres = np.zeros((0, 3))
    reach = np.zeros(0)
    for name in names:
        own = PAINTED * scenarios.RADIUS_VOXELS[name] + 1.0
        for _ in range(particles):
            while True:
                place = rng.uniform(own, np.array(shape) - 1.0 - own)
                if (np.linalg.norm(centres - place, axis=1) > reach + own).all():
                    break
            centres, reach = np.vstack([centres, place]), np.append(reach, own)
    return dict(zip(names, np.split(centres, len(names)), strict=True))


def painted(shape: Shape, centres: Centres) -> np.ndarray[Any, Any]:
    labels = {name: scenarios.LABEL_OF[name] for name in centres}
    points = {labels[name]: found[:, ::-1] * SPACING for name, found in centres.items()}
    radii = {labels[name]: PAINTED * scenarios.RADIUS_VOXELS[name] * SPACING for name in centres}
    return paint_spheres(shape, points, radii, voxel_spacing=SPACING)


def make_project(folder: Path, shape: Shape, particles: int, runs: int) -> tuple[Path, list[Any]]:
    """Return the configuration of a project with a segmentation as octopi stores it in each run."""
    config = create_project(folder, OBJECTS, name="localize")
    truth = []
    for number in range(1, runs + 1):
        add_tomogram(config, f"TS_{number}", TomogramKey("wbp", SPACING), np.ones((8, 8, 8), "f4"))
        truth.append(scattered(shape, particles, seed=number))
        run = copick.from_file(str(config)).get_run(f"TS_{number}")
        item = run.new_segmentation(SPACING, "predict", "1", is_multilabel=True, user_id="octopi")
        item.from_numpy(painted(shape, truth[-1]))
    overlay = json.loads(config.read_text(encoding="utf-8"))["overlay_root"]
    logs = Path(overlay.removeprefix("local://")) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    labels = {spec.name: spec.label for spec in OBJECTS}
    text = yaml.safe_dump({"labels": labels})
    (logs / "segment-octopi_1_predict.yaml").write_text(text, encoding="utf-8")
    return config, truth


class Watch(threading.Thread):
    """Looks at the resident memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05):
            self.peak = max(self.peak, sum(_resident(pid) for pid in _tree(self.pid)))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _tree(int(child))


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    return 0


def command(arguments: Sequence[str]) -> dict[str, float]:
    """Return CPU-seconds, wall seconds and peak memory of a command with all its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    # Not through `subprocess.run`: the tree is watched while it lives.
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        watch = Watch(process.pid)
        watch.start()
        output = process.communicate()[0].decode()
        watch.ended.set()
        watch.join()
    if process.returncode:
        raise SystemExit(output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - start
    return {"cpu_seconds": cpu, "wall_seconds": wall, "peak_mib": watch.peak / 2**20}


def least(arguments: Sequence[str], tries: int) -> dict[str, float]:
    """Return the least of each figure over some tries."""
    found = [command(arguments) for _ in range(tries)]
    return {name: min(each[name] for each in found) for name in found[0]}


def measured(
    line: Sequence[str], option: str, tries: int, config: Path, *, user: str, truth: list[Any]
) -> dict[str, Any]:
    """Return what one program needs for one run and for each further one, and its F1."""
    runs = len(truth)
    single = least([*line, option, "TS_1"], tries)
    every = ",".join(f"TS_{number}" for number in range(1, runs + 1))
    many = least([*line, option, every], tries)
    steady = (many["cpu_seconds"] - single["cpu_seconds"]) / (runs - 1)
    return {
        "single_run": single,
        "all_runs": many,
        "steady_cpu_seconds_a_run": steady,
        "f1": pooled(config, user, truth).f1,
    }


def pooled(config: Path, user: str, truth: list[Any]) -> scenarios.Agreement:
    total = scenarios.NOTHING
    root = copick.from_file(str(config))
    for number, centres in enumerate(truth, start=1):
        for spec in OBJECTS:
            found = root.get_run(f"TS_{number}").get_picks(spec.name, user_id=user)
            points = [[p.location.x, p.location.y, p.location.z] for p in found[0].points]
            total += scenarios.agreement(
                np.array(points).reshape(-1, 3),
                centres[spec.name][:, ::-1] * SPACING,
                spec.radius_angstrom or 0.0,
            )
    return total


def beside_octopi(shape: Shape, particles: int, runs: int, peer: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        config, truth = make_project(Path(folder) / "project", shape, particles, runs)
        uri = f"predict:octopi/1@{SPACING:g}"
        ours = [sys.executable, "-m", "copick_picker", "localize", "-c", str(config), "-i", uri]
        ours += ["-o", "*:picker/1", "--overwrite"]
        result = {"ours": measured(ours, "-r", 3, config, user="picker", truth=truth)}
        if peer is None:
            return result
        theirs = [str(Path(peer).with_name("octopi")), "localize", "-c", str(config)]
        theirs += ["--seg-uri", "predict:octopi/1", "--n-procs", "2"]
        result["octopi"] = measured(theirs, "--runIDs", 1, config, user="octopi", truth=truth)
        pairs = {"steady": "steady_cpu_seconds_a_run"}
        ratios = {name: result["octopi"][key] / result["ours"][key] for name, key in pairs.items()}
        for name in ("cpu_seconds", "wall_seconds", "peak_mib"):
            ratios[f"single_run_{name}"] = (
                result["octopi"]["single_run"][name] / result["ours"]["single_run"][name]
            )
        asked = [peer, "-c", "from importlib.metadata import version; print(version('octopi'))"]
        version = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=600)
        return {**result, "octopi_version": version.stdout.strip(), "ratios": ratios}


def timed(labels: np.ndarray[Any, Any], targets: Sequence[LocalizeTarget]) -> tuple[float, int]:
    start = time.process_time()
    rules = LocalizeParameters().rules()
    found = localize(labels, None, targets, voxel_spacing=SPACING, rules=rules)
    return time.process_time() - start, sum(len(result.picks) for result in found.values())


def growth(shape: Shape, particles: int) -> list[dict[str, float]]:
    """Return CPU-seconds at equal density for volumes of one to eight times the voxels."""
    targets = [LocalizeTarget(each.name, each.label, each.radius_angstrom) for each in OBJECTS]
    rows = []
    for times in (1, 2, 4, 8):
        larger = (shape[0] // 2 * times, shape[1] // 2, shape[2] // 2)
        labels = painted(larger, scattered(larger, particles * times // 8, seed=times))
        seconds, picks = timed(labels, targets)
        rows.append({"voxels": labels.size, "picks": picks, "cpu_seconds": seconds})
    return rows


def many_particles(count: int) -> dict[str, float]:
    """Return CPU-seconds for so many particles of radius 30 A in one volume."""
    side = 7
    edge = int(np.ceil(count ** (1 / 3)))
    grid = np.stack(np.unravel_index(np.arange(count), (edge,) * 3), axis=1)
    points = (grid + 0.5) * side * SPACING
    shape = (edge * side,) * 3
    labels = paint_spheres(shape, {1: points}, {1: 2.4 * SPACING}, voxel_spacing=SPACING)
    seconds, picks = timed(labels, [LocalizeTarget("small", 1, 3.0 * SPACING)])
    return {"voxels": labels.size, "picks": picks, "cpu_seconds": seconds}


def processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octopi-python", default=None)
    parser.add_argument("--shape", default="200,400,400")
    parser.add_argument("--particles", type=int, default=300, help="of each of four objects")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    z, y, x = (int(size) for size in options.shape.split(","))
    result = {
        "version": copick_picker.__version__,
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "shape_zyx": [z, y, x],
        "particles": options.particles * len(OBJECTS),
        "beside_octopi": beside_octopi(
            (z, y, x), options.particles, options.runs, options.octopi_python
        ),
        "growth": growth((z, y, x), options.particles),
        "many_particles": many_particles(options.many),
    }
    text = json.dumps(result, indent=2)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
