"""One seed of the accuracy benchmark: its projects, three methods on them, their scores."""

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accuracy_scores import best_thresholds, curve_of, differences, summary, with_empty_sets
from accuracy_steps import Accuracy, Sizes

from copick_picker.settings.simulate_scene import preset_path

TOMOGRAM, REFERENCE = "wbp@10.0", ("simulation", "1")
MATCHING = ("matching", "alone", "competing")
LARGEST_KDA = 1000.0
LEAST_F1 = 0.1


@dataclass(frozen=True)
class Seed:
    """One seed of the benchmark: its projects, and what is done with them."""

    accuracy: Accuracy
    number: int

    @property
    def sizes(self) -> Sizes:
        return self.accuracy.sizes

    @property
    def folder(self) -> Path:
        size = f"{Path(self.sizes.preset).stem}-{self.sizes.shape.replace(',', 'x')}"
        runs = "-".join(map(str, self.sizes.runs))
        return self.accuracy.work / f"{size}-{runs}" / f"seed_{self.number}"

    def config(self, kind: str) -> str:
        return str(self.folder / kind / "config.json")

    @property
    def training_runs(self) -> list[str]:
        return [f"SIM_{number:03d}" for number in range(1, self.sizes.runs[0] + 1)]

    @property
    def validation_runs(self) -> list[str]:
        first, more, _ = self.sizes.runs
        return [f"SIM_{number:03d}" for number in range(first + 1, first + more + 1)]

    @property
    def test_runs(self) -> list[str]:
        return [f"SIM_{number:03d}" for number in range(1, self.sizes.runs[2] + 1)]

    def data(self) -> dict[str, Any]:
        """Return what the tomograms are made from; both projects draw ice and imaging anew."""
        return {
            "preset": self.sizes.preset,
            "shape": self.sizes.shape,
            "runs": self.sizes.runs,
            "seeds": [10 * self.number + 1, 10 * self.number + 2],
        }

    def simulate(self, kind: str) -> dict[str, Any]:
        """Make the training or the test project."""
        at = ("train", "test").index(kind)
        count = (sum(self.sizes.runs[:2]), self.sizes.runs[2])[at]
        scene = [] if Path(self.sizes.preset).suffix else ["--preset"]
        words = ["simulate", *scene, self.sizes.preset, "--shape", self.sizes.shape]
        words += ["--runs", str(count), "--seed", str(self.data()["seeds"][at])]
        words += ["-o", str(self.folder / kind), "--threads", str(self.accuracy.threads)]
        name = f"seed {self.number} simulate {kind}"
        return self.accuracy.once(
            name, self.data(), lambda: dict(self.accuracy.command(self.name(kind), *words))
        )

    def name(self, what: str) -> str:
        return f"seed-{self.number}-{what}"

    def ours_train(self) -> dict[str, Any]:
        """Train our default recipe."""
        words = ["train", "-c", self.config("train"), "-i", TOMOGRAM]
        words += ["-p", f"*:{'/'.join(REFERENCE)}", "-o", str(self.folder / "model")]
        words += [part for run in self.validation_runs for part in ("--validation-runs", run)]
        words += ["--max-minutes", str(self.sizes.minutes), "--steps", "1000000"]
        words += ["--seed", str(self.number), "--device", "cpu", "--overwrite"]
        words += ["--threads", str(self.accuracy.threads), *self.sizes.train_options]
        settings = self.data() | {"words": words[words.index("--max-minutes") :]}

        def measure() -> dict[str, Any]:
            taken = self.accuracy.command(self.name("ours"), *words)
            return taken | curve_of(self.folder / "model" / "curve.csv")

        return self.accuracy.once(f"seed {self.number} ours train", settings, measure)

    def ours_use(self, trained: Mapping[str, Any]) -> dict[str, Any]:
        """Segment and localize the test runs with the model's thresholds."""
        common = ["-c", self.config("test"), "--overwrite"]
        device = ["--device", "cpu", "--threads", str(self.accuracy.threads)]
        segment = ["segment", *common, "-m", str(self.folder / "model"), "-i", TOMOGRAM]
        segment += ["-o", "predict:picker/1", "--probabilities", *device]
        localize = ["localize", *common, "-i", "predict:picker/1@10.0", "-o", "*:picker/1"]
        return self.accuracy.once(
            f"seed {self.number} ours use",
            {"of": trained["settings"]},
            lambda: {
                "segment": self.accuracy.command(self.name("ours"), *segment),
                "localize": self.accuracy.command(self.name("ours"), *localize),
            },
        )

    def peer_job(self, stage: str) -> dict[str, Any]:
        sizes = self.sizes
        return {
            "stage": stage,
            "train": self.config("train"),
            "test": self.config("test"),
            "runs": self.training_runs,
            "validation": self.validation_runs,
            "tomogram": TOMOGRAM,
            "picks": list(REFERENCE),
            "output": str(self.folder / "octopi"),
            "seconds": 60.0 * sizes.minutes,
            "window": sizes.peer_window,
            "channels": list(sizes.peer_channels),
            "batch_size": sizes.peer_batch,
            "threads": self.accuracy.threads,
            "seed": self.number,
        }

    def peer(self, stage: str) -> dict[str, Any]:
        """Train octopi's recipe, or use what it made."""
        job = self.peer_job(stage)
        own = {key: job[key] for key in ("seconds", "window", "channels", "batch_size", "seed")}
        python, name = self.accuracy.peer, self.name(f"octopi-{stage}")
        return self.accuracy.once(
            f"seed {self.number} octopi {stage}",
            self.data() | own,
            lambda: self.accuracy.script(name, python, "octopi_train.py", job),
        )

    def matching(self) -> dict[str, Any]:
        """Match the true structures in validation and test runs."""
        volumes = [[self.config("train"), run] for run in self.validation_runs]
        volumes += [[self.config("test"), run] for run in self.test_runs]
        job = {
            "scene": str(preset_path(self.sizes.preset)),
            "volumes": volumes,
            "tomogram": TOMOGRAM,
            "picks": list(MATCHING),
            "groups": list(self.sizes.groups),
            "most_picks": 100,
            "threads": self.accuracy.threads,
        }
        settings = self.data() | {"groups": job["groups"]}
        name = self.name("matching")
        python = Path(sys.executable)
        return self.accuracy.once(
            f"seed {self.number} matching",
            settings,
            lambda: self.accuracy.script(name, python, "template_matching.py", job),
        )

    def scores(
        self, kind: str, candidate: str, *more: str, beta: float = 4.0, bootstrap: int = 1000
    ) -> dict[str, Any]:
        """Return the content of ``scores.json``."""
        folder = self.folder / "scores" / candidate.replace("*:", "").replace("/", "_") / kind
        words = ["evaluate", "-c", self.config(kind), "-o", str(folder), "--overwrite"]
        words += ["--reference", f"*:{'/'.join(REFERENCE)}", "--candidate", candidate]
        words += ["--beta", str(beta), "--bootstrap", str(bootstrap), *more]
        self.accuracy.command(self.name(folder.parent.name), *words)
        found: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        return found

    def matching_scores(self) -> dict[str, Any]:
        """Score template matching with thresholds chosen on the validation runs."""
        chosen: dict[str, Any] = {"f1": -1.0}
        runs = [part for run in self.validation_runs for part in ("-r", run)]
        for session in MATCHING[1:]:
            candidate = f"*:{MATCHING[0]}/{session}"
            found = self.scores("train", candidate, *runs, beta=1.0, bootstrap=0)
            thresholds, macro = best_thresholds(found)
            if macro > chosen["f1"]:
                chosen = {"f1": macro, "session": session, "thresholds": thresholds}
        least = [
            part
            for name, value in chosen["thresholds"].items()
            for part in ("--min-score", f"{name}={value!r}")
        ]
        candidate = f"*:{MATCHING[0]}/{chosen['session']}"
        return summary(self.scores("test", candidate, *least)) | {"validation": chosen}

    def measured(self) -> dict[str, Any]:
        """Return all that is known of this seed; make what is missing."""
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(self.simulate, ("train", "test")))
            lanes = [pool.submit(lane) for lane in (self.our_lane, self.peer_lane)]
            (trained, used, matched), (peer_trained, peer_used) = (lane.result() for lane in lanes)
        results = {
            "simulate": made,
            "ours": {"train": trained, "use": used},
            "octopi": {"train": peer_trained, "use": peer_used},
            "matching": {"use": matched},
        }
        steps = [trained["settings"], peer_trained["settings"], matched["settings"]]
        scored = self.accuracy.once(
            f"seed {self.number} scores", {"of": steps}, lambda: self.scored(matched)
        )
        for method in ("ours", "octopi", "matching"):
            results[method]["scores"] = scored[method]
        return results | {"compared": scored["compared"]}

    def our_lane(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        trained = self.ours_train()
        return trained, self.ours_use(trained), self.matching()

    def peer_lane(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.peer("train"), self.peer("use")

    def scored(self, matched: Mapping[str, Any]) -> dict[str, Any]:
        """Score the three methods on the test runs, and compare them run by run."""
        with_empty_sets(self.config("test"), self.test_runs, "octopi")
        found = {
            "ours": summary(self.scores("test", "*:picker/1")),
            "octopi": summary(self.scores("test", "*:octopi/1")),
            "matching": self.matching_scores(),
        }
        names = list(found["ours"]["objects"])
        small = [
            name
            for name in names
            if matched["objects"][name]["mass_kda"] < LARGEST_KDA
            and max(found[key]["objects"][name]["f1"] for key in ("ours", "matching")) >= LEAST_F1
        ]
        compared = {
            "octopi": differences(found["octopi"], found["ours"], names, self.number),
            "matching": differences(found["matching"], found["ours"], names, self.number),
            "matching_small": differences(found["matching"], found["ours"], small, self.number),
        }
        return found | {"compared": compared | {"small": small}}
