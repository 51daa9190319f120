"""Steps of the accuracy benchmark: how large they are, how they run, where they are kept."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench

HERE = Path(__file__).parent


class NotMeasuredError(Exception):
    """A step was not made, and may not be made now."""


@dataclass(frozen=True)
class Sizes:
    """How large the benchmark is.

    Attributes
    ----------
    preset : str
        Scene of the tomograms.
    shape : str
        Size Z,Y,X of a tomogram in voxels.
    runs : tuple of int
        Training, validation and test runs.
    minutes : float
        Wall time of a training.
    train_options : tuple of str
        Further options of our ``train``.
    peer_window, peer_channels, peer_batch : int, tuple of int, int
        Octopi's network, and the patches of one of its steps.
    groups : tuple of dict
        How template matching looks for objects, see ``template_matching.Group``.
    real_minutes : float
        Wall time of a fine-tuning on half of the real tomogram.
    """

    preset: str = "shrec-like"
    shape: str = "96,192,192"
    runs: tuple[int, int, int] = (6, 2, 10)
    minutes: float = 60.0
    train_options: tuple[str, ...] = ()
    peer_window: int = 96
    peer_channels: tuple[int, ...] = (32, 64, 96, 96)
    peer_batch: int = 16
    groups: tuple[dict[str, float], ...] = (
        {
            "up_to_angstrom": 50.0,
            "binning": 1,
            "orientations": 1860,
            "resemblance": 0.9,
            "most": 150,
        },
        {
            "up_to_angstrom": 1e9,
            "binning": 2,
            "orientations": 1860,
            "resemblance": 0.9,
            "most": 1860,
        },
    )
    real_minutes: float = 3.0


QUICK = Sizes(
    preset="tiny",
    shape="48,64,72",
    runs=(2, 1, 5),
    minutes=0.2,
    train_options=(
        *("--patch", "24", "--batch-size", "2", "--validate-every", "5"),
        *("--parameter", "channels=[4,8]", "--parameter", "dropout=0.1"),
    ),
    peer_window=32,
    peer_channels=(4, 6, 8, 8),
    peer_batch=2,
    groups=(
        {"up_to_angstrom": 1e9, "binning": 2, "orientations": 100, "resemblance": 0.9, "most": 20},
    ),
    real_minutes=0.05,
)


@dataclass(frozen=True)
class Accuracy:
    """Where the benchmark works, how large it is, and with what it is compared."""

    work: Path
    peer: Path
    sizes: Sizes
    threads: int
    report: bool = False

    def once(
        self, name: str, settings: Mapping[str, Any], measure: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return what a step gave, from the work folder where its settings were the same."""
        stored = self.work / "results" / f"{name.replace(' ', '-')}.json"
        wanted = json.loads(json.dumps(dict(settings) | {"threads": self.threads}))
        if stored.exists():
            known: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
            if known["settings"] == wanted:
                return known
        if self.report:
            msg = name
            raise NotMeasuredError(msg)
        bench.say(name)
        before = bench.load()
        found = {"settings": wanted, "commit": bench.git("rev-parse", "--short", "HEAD")}
        found |= measure()
        found["load"] = [before, bench.load()]
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(found, indent=1), encoding="utf-8")
        return found

    def command(self, name: str, *words: str) -> dict[str, float]:
        """Run one of our commands; return its CPU and wall seconds and its memory."""
        log = self.log(f"{name}-{words[0]}")
        line = [sys.executable, "-m", "copick_picker", *words]
        return bench.child(line, self.threads, log=log)

    def script(self, name: str, python: Path, script: str, job: dict[str, Any]) -> dict[str, Any]:
        """Run a script beside this one with a job; return what it wrote, and what it took."""
        result = self.work / "results" / f"{name}.raw.json"
        job_file = self.work / "jobs" / f"{name}.json"
        for path in (result, job_file):
            path.parent.mkdir(parents=True, exist_ok=True)
        result.unlink(missing_ok=True)
        job_file.write_text(json.dumps(job | {"result": str(result)}, indent=1), encoding="utf-8")
        line = [str(python), str(HERE / script), str(job_file)]
        taken = bench.child(line, self.threads, log=self.log(name))
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return found | taken

    def log(self, name: str) -> Path:
        path = self.work / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
