"""All figures of docs/performance.md: each measure beside its peer, in one sitting on one machine.

Usage: python tests/benchmarks/bench.py [--work .bench] [--peer PYTHON] [--quick] [--output docs]

``make bench`` runs it. ``--peer`` is a Python that has octopi 1.7.0; where it is missing, an
environment is made in the work folder with pip. What is measured is kept in the work folder by
machine and by state of the package, so that an interrupted run goes on where it was; octopi's
figures do not depend on our package and are measured once. Both programs compute on one thread:
waiting threads burn CPU-seconds too, the more the busier the machine is. CPU-seconds are those of
the whole process and its children.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import bench_project
import bench_report
import numpy as np
import startup
import torch

import copick_picker
from copick_picker.project.copick.store import open_project

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OCTOPI = "octopi==1.7.0"
MODES = ("exact", "balanced", "fast")
FULL, QUICK = (200, 400, 400), (48, 72, 72)
Measure = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Bench:
    """Where and at what size things are measured."""

    work: Path
    peer: Path
    quick: bool
    threads: int
    keep: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        return QUICK if self.quick else FULL

    @property
    def window(self) -> int:
        return 32 if self.quick else 96

    @property
    def model(self) -> tuple[Path, Path]:
        channels = (4, 6, 8, 8) if self.quick else tuple(bench_project.UNET["channels"])
        folder = self.work / ("unet_quick" if self.quick else "unet")
        return bench_project.octopi_model(folder, channels=channels, window=self.window)

    def project(self, name: str, runs: int) -> Path:
        size = "x".join(map(str, self.shape))
        return bench_project.bench_project(self.work / f"{name}_{size}", self.shape, runs=runs)

    def once(self, name: str, measure: Measure, *, ours: bool = True) -> dict[str, Any]:
        """Return a measure, from the work folder where it was made before in this state."""
        place = "|".join([name, processor(), str(self.quick), str(self.threads)])
        key = hashlib.sha256(place.encode()).hexdigest()[:12]
        stored = self.work / "results" / f"{name}-{key}.json"
        state = package_state() if ours else ""
        if stored.exists():
            known: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
            if self.keep or known["state"] == state:
                return known
        say(f"measuring {name}")
        commit = git("rev-parse", "--short", "HEAD")
        before, waiting = pace(), load()
        figures = {"commit": commit, "state": state, "load": waiting} | measure()
        figures["pace"] = [before, pace()]
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        return figures

    def script(self, name: str, *arguments: str) -> dict[str, Any]:
        """Return what another benchmark writes as JSON."""
        result = self.work / f"{name}.json"
        result.unlink(missing_ok=True)
        arguments = tuple(argument.replace("RESULT", str(result)) for argument in arguments)
        child([sys.executable, str(HERE / name), *arguments], self.threads)
        figures: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return figures


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def load() -> float:
    """Return how many processes waited for a core a minute ago: the others' work."""
    return round(os.getloadavg()[0], 1)


def pace() -> float:
    """Return GFLOP a CPU-second of a float32 matrix product: less where others use the core."""
    side, times = 1024, 12
    one = torch.ones(side, side)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    began = time.process_time()
    for _ in range(times):
        one @ one
    spent = time.process_time() - began
    torch.set_num_threads(threads)
    return round(2e-9 * times * side**3 / spent, 1)


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def package_state() -> str:
    """Return a hash of all files that compute."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "copick_picker" / "core").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def child(command: Sequence[str], threads: int, *, log: Path | None = None) -> dict[str, float]:
    """Run a command; return CPU-seconds and wall seconds, and the peak of resident memory."""
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    where = log or Path(os.devnull)
    began = time.perf_counter()
    with where.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | limits, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        text = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log else ""
        msg = f"{' '.join(command)} failed ({process.returncode})\n{text}"
        raise SystemExit(msg)
    return {
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.perf_counter() - began,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def peer_python(given: str | None, work: Path) -> Path:
    """Return a Python that has octopi; make its environment where there is none."""
    python = Path(given) if given else work / "octopi" / "bin" / "python"
    if not python.exists():
        say(f"installing {OCTOPI} into {python.parents[1]}")
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", OCTOPI], check=True)
    return python


def octopi_segment(bench: Bench) -> dict[str, Any]:
    config, result = bench.project("octopi", 1), bench.work / "octopi.json"
    model = [str(path) for path in bench.model]
    script = str(HERE / "octopi_segment.py")
    line = [str(bench.peer), script, str(config), *model, str(result), "4", str(bench.threads)]
    figures = child(line, bench.threads, log=bench.work / "octopi.log")
    return figures | json.loads(result.read_text(encoding="utf-8"))


def segment(bench: Bench, mode: str, runs: Sequence[str]) -> dict[str, float]:
    """Return what our command needs for some runs."""
    model_config, weights = bench.model
    line = [sys.executable, "-m", "copick_picker", "segment", "-c", str(bench.project("ours", 2))]
    line += ["-mc", str(model_config), "-mw", str(weights), "-i", "wbp@10.0"]
    line += ["-o", f"predict:{mode}/1", "--mode", mode, "--device", "cpu", "--overwrite"]
    line += ["--threads", str(bench.threads), "-r", ",".join(runs)]
    return child(line, bench.threads, log=bench.work / f"{mode}.log")


def of_mode(bench: Bench, mode: str) -> dict[str, Any]:
    """Return all-in and steady figures of a mode; ``exact`` runs once, for its length."""
    single = segment(bench, mode, ["TS_1"])
    if mode == "exact":
        return {"single": single}
    both = segment(bench, mode, ["TS_1", "TS_2"])
    return {"single": single, "steady_cpu_seconds": both["cpu_seconds"] - single["cpu_seconds"]}


def agreement(bench: Bench) -> dict[str, float]:
    """Return shares of voxels with equal labels, of the same tomogram."""
    ours = open_project(str(bench.project("ours", 2)))
    theirs = open_project(str(bench.project("octopi", 1)))
    labels = {}
    for store, user in ((theirs, "octopi"), *((ours, mode) for mode in MODES)):
        (key,) = [key for key in store.segmentations("TS_1") if key.user_id == user]
        labels[user] = np.asarray(store.open_segmentation("TS_1", key).read())
    pairs = [("octopi", "exact"), ("exact", "balanced"), ("exact", "fast")]
    return {f"{one} {other}": float(np.mean(labels[one] == labels[other])) for one, other in pairs}


def start_up() -> dict[str, Any]:
    script = Path(sys.executable).parent / "copick-picker"
    copick = Path(sys.executable).parent / "copick"
    return {
        "copick-picker --help": float(np.median(startup.wall([script, "--help"]))),
        "copick --help": float(np.median(startup.wall([copick, "--help"]))),
        "our plugins in it": float(np.median(startup.plugins())),
    }


def matching(bench: Bench) -> dict[str, Any]:
    result = bench.work / "matching.json"
    line = [sys.executable, "-m", "pytest", str(HERE / "test_matching_speed.py"), "-q"]
    line += ["--benchmark-enable", f"--benchmark-json={result}", "-p", "no:cacheprovider"]
    child(line, bench.threads, log=bench.work / "matching.log")
    found = json.loads(result.read_text(encoding="utf-8"))["benchmarks"]
    return {"seconds": {entry["name"]: entry["stats"]["min"] for entry in found}}


def growth(bench: Bench) -> dict[str, Any]:
    """Return time and peak memory of ``segment`` with a thin network, against depth and classes."""
    side, window = (96, 32) if bench.quick else (320, 96)
    cases = [("depth", side * times // 2, 5) for times in (1, 2, 4, 8, 16)]
    cases += [("classes", side // 2, classes) for classes in (2, 14, 40)]
    rows = []
    for against, depth, classes in cases:
        line = [sys.executable, str(HERE / "memory.py"), "--shape", str(depth), str(side)]
        line += [str(side), "--classes", str(classes), "--window", str(window)]
        line += ["--", "--tta", "1", "--threads", str(bench.threads)]
        log = bench.work / "growth.log"
        child(line, bench.threads, log=log)
        figures = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        rows.append({"against": against, "depth": depth, "classes": classes, **figures})
    return {"side": side, "rows": rows}


def measured(bench: Bench) -> dict[str, Any]:
    """Return every figure, in the order in which they are cheap."""
    window, threads = str(bench.window), str(bench.threads)
    result: dict[str, Any] = {"machine": machine(bench)}
    result["roofline"] = bench.once(
        "roofline",
        lambda: bench.script("bench_children.py", "roofline", "RESULT", threads, window),
    )
    result["monai"] = bench.once(
        "monai", lambda: bench.script("bench_children.py", "monai", "RESULT", threads, window)
    )
    result["octopi"] = bench.once("octopi", lambda: octopi_segment(bench), ours=False)
    for mode in reversed(MODES):
        result[mode] = bench.once(mode, lambda mode=mode: of_mode(bench, mode))
    result["agreement"] = bench.once("agreement", lambda: agreement(bench))
    quick = ["--tomograms", "2", "--shape", "64,96,96"] if bench.quick else []
    modes = ["--json", "RESULT", "--work", str(bench.work / "modes"), "--threads", threads, *quick]
    result["f1"] = bench.once("f1", lambda: bench.script("modes_f1.py", *modes), ours=False)
    quick = ["--shape", "40,60,60", "--particles", "4", "--many", "200"] if bench.quick else []
    peer = ["--octopi-python", str(bench.peer), "--json", "RESULT", *quick]
    result["localize"] = bench.once("localize", lambda: bench.script("localize_speed.py", *peer))
    result["matching"] = bench.once("matching", lambda: matching(bench))
    result["start_up"] = bench.once("start_up", start_up)
    result["growth"] = bench.once("growth", lambda: growth(bench))
    return result


def machine(bench: Bench) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in ("torch", "monai", "copick", "numpy")}
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": bench.threads,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "system": platform.system(),
        "copick_picker": copick_picker.__version__,
        "commit": git("rev-parse", "--short", "HEAD"),
        "seed": bench_project.SEED,
        "shape_zyx": bench.shape,
        "window": bench.window,
        **versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--peer", default=os.environ.get("BENCH_PEER"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep figures of other commits too")
    parser.add_argument("--output", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(
        work, peer_python(options.peer, work), options.quick, options.threads, options.keep
    )
    figures = measured(bench)
    text = json.dumps(figures, indent=1)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "performance.json").write_text(text + "\n", encoding="utf-8")
    page = bench_report.page(figures)
    (options.output / "performance.md").write_text(page, encoding="utf-8")
    say(f"wrote {options.output / 'performance.md'}")


if __name__ == "__main__":
    main()
