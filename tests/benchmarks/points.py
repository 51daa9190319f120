"""All figures of docs/point-accuracy.md: heads of points beside ``softmax``, and motors.

Usage: python tests/benchmarks/points.py --work DIR [--seeds 1,2,3] [--parts where,pairs,motors,...]
    [--minutes M] [--motor-minutes M] [--quick] [--report] [--output docs]

Parts: ``where`` trains ``softmax`` and ``centres`` on the same tomograms for the same time and
scores both on others; ``members`` trains five models of ``centres`` for one seed; ``variants``
changes one thing of such a model: its loss weights, its network, where its patches come from;
``pairs`` does ``centres`` on a scene of particles that touch; ``motors`` is docs/motors.md with
120 and 60 tomograms. Everything is simulated.

Every step is kept in the work folder by its settings: an interrupted run goes on where it was.
Seeds that the page has already and that are not measured now stay on it, if their sizes are the
same. ``--report`` computes nothing and writes the page from the steps that are there.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import bench
import point_report
import point_scores
from accuracy import machine
from accuracy_scores import best_thresholds, curve_of, differences, summary
from accuracy_seed import REFERENCE, TOMOGRAM, Seed
from accuracy_steps import QUICK, Accuracy, NotMeasuredError, Sizes

from copick_picker.project.copick.store import open_project

HERE = Path(__file__).parent
PAIRS = HERE / "pairs.yaml"
MEMBERS, MEMBER_SHARE = 5, 1.4  # each trains for 14 / 1.4 = 10 minutes
ONE_SEED = ("members", "variants")
STRIDE_4 = ("output_stride=4", "norm=batch", "dropout=0.1")


def network(name: str, *parameters: str) -> tuple[str, ...]:
    """Return the options of ``train`` for a network at an output stride of 4."""
    given = [word for each in (*parameters, *STRIDE_4) for word in ("--parameter", each)]
    return ("--architecture", name, *given)


VARIANTS = {
    "Kendall's weights": ("--loss-weighting", "kendall"),
    "FeaturePyramid": network("FeaturePyramid", "channels=[12,24,48,64]", "fold=2"),
    "ResNet": network("ResNet", "depth=18", "width=12"),
    "new specimens": ("--curriculum", str(HERE / "on_the_fly.yaml"), "--loaders", "1"),
}
PAIR_RADII = (0.9, 1.2)
MOTOR_RUNS = (120, 60)
SIZES = replace(Sizes(), shape="96,144,144", runs=(10, 3, 10), minutes=14.0)
SMALL = replace(
    QUICK, train_options=("--patch", "32", "--batch-size", "2", "--validate-every", "5")
)
PARTS = ("where", "members", "variants", "pairs", "motors")


class PointSeed(Seed):
    """One seed: its projects and models."""

    def train(self, name: str, *more: str, minutes: float, seed: int) -> dict[str, Any]:
        """Train a model on the training project; its folder bears its name."""
        words = ["train", "-c", self.config("train"), "-i", TOMOGRAM]
        words += ["-p", f"*:{'/'.join(REFERENCE)}", "-o", str(self.folder / name)]
        words += [part for run in self.validation_runs for part in ("--validation-runs", run)]
        words += ["--max-minutes", f"{minutes:g}", "--steps", "1000000", "--seed", str(seed)]
        words += ["--device", "cpu", "--overwrite", "--threads", str(self.accuracy.threads)]
        words += [*self.sizes.train_options, *more]
        settings = self.data() | {"words": words[words.index("--max-minutes") :]}

        def measure() -> dict[str, Any]:
            taken = self.accuracy.command(self.name(name), *words)
            return taken | curve_of(self.folder / name / "curve.csv")

        return self.accuracy.once(f"{self.name(name)} train", settings, measure)

    def detect(self, trained: dict[str, Any], models: tuple[str, ...], user: str) -> dict[str, Any]:
        """Detect with a model, all candidates, and score them at the model's thresholds."""
        words = ["detect", "-c", self.config("test"), "-i", TOMOGRAM, "--overwrite"]
        words += [part for model in models for part in ("-m", str(self.folder / model))]
        words += ["--device", "cpu", "--threads", str(self.accuracy.threads)]
        everything = [*words, "-o", f"*:{user}/all"]
        everything += [part for name in self.radii for part in ("--threshold", f"{name}=0")]

        def measure() -> dict[str, Any]:
            taken = self.accuracy.command(self.name(user), *words, "-o", f"*:{user}/1")
            self.accuracy.command(self.name(f"{user}-all"), *everything)
            found = summary(self.scores("test", f"*:{user}/1", beta=1.0))
            hits = point_scores.rows_of(self.folder / "scores" / f"{user}_1" / "test")
            errors, sigmas = point_scores.errors_of(hits, {})
            self.scores("test", f"*:{user}/all", beta=1.0, bootstrap=0)
            rows = point_scores.rows_of(self.folder / "scores" / f"{user}_all" / "test")
            taken["tomograms"] = len(self.test_runs)
            return {
                "use": taken,
                "scores": found,
                "z": point_scores.z_scores(errors, sigmas),
                "probability": point_scores.probabilities(rows),
                "pairs": point_scores.near_pairs(hits, self.radii, PAIR_RADII),
                "hits": point_scores.hits_of(hits),
            }

        settings = {"of": trained["settings"], "models": models}
        return self.accuracy.once(f"{self.name(user)} detect", settings, measure)

    def softmax(self, trained: dict[str, Any]) -> dict[str, Any]:
        """Segment, find peaks and score: the path of a head of regions, in one command."""
        words = ["segment", "-c", self.config("test"), "-m", str(self.folder / "softmax")]
        words += ["-i", TOMOGRAM, "-o", "predict:softmax/1", "--probabilities", "--overwrite"]
        words += ["--device", "cpu", "--threads", str(self.accuracy.threads)]
        localize = ["localize", "-c", self.config("test"), "-i", "predict:softmax/1@10.0"]
        localize += ["-o", "*:softmax/1", "--overwrite"]
        peaks = ["detect", *words[1:7], "-o", "*:softmax/peaks", *words[10:]]

        def measure() -> dict[str, Any]:
            taken = self.accuracy.command(self.name("softmax"), *words)
            more = self.accuracy.command(self.name("softmax"), *localize)
            taken = {
                "cpu_seconds": taken["cpu_seconds"] + more["cpu_seconds"],
                "wall_seconds": taken["wall_seconds"] + more["wall_seconds"],
                "peak_mib": max(taken["peak_mib"], more["peak_mib"]),
                "tomograms": len(self.test_runs),
            }
            in_one = self.accuracy.command(self.name("softmax-peaks"), *peaks)
            return {
                "use": taken,
                "detect": in_one | {"tomograms": len(self.test_runs)},
                "scores": summary(self.scores("test", "*:softmax/1", beta=1.0)),
                "peaks": summary(self.scores("test", "*:softmax/peaks", beta=1.0)),
                "hits": point_scores.hits_of(
                    point_scores.rows_of(self.folder / "scores" / "softmax_1" / "test")
                ),
            }

        return self.accuracy.once(
            f"{self.name('softmax')} segment", {"of": trained["settings"]}, measure
        )

    def tuned(self, trained: dict[str, Any], user: str) -> dict[str, Any]:
        """Score all candidates at the thresholds that ``train --beta 1`` would choose.

        They are those of the highest F1 on the validation runs; of ``centres``, whose scores are
        probabilities, of the highest F1 that these let expect. The models' own are those of F4.
        """
        runs = [part for run in self.validation_runs for part in ("-r", run)]
        how = ["--device", "cpu", "--threads", str(self.accuracy.threads), "--overwrite"]
        low = [part for name in self.radii for part in ("--threshold", f"{name}=0")]
        model = ["-m", str(self.folder / user), "-i", TOMOGRAM]

        def localize(kind: str, session: str, *more: str) -> None:
            words = ["localize", "-c", self.config(kind), "-i", "predict:softmax/1@10.0"]
            words += ["-o", f"*:{user}/{session}", "--overwrite", *low, *more]
            self.accuracy.command(self.name(f"{user}-tuned"), *words)

        def measure() -> dict[str, Any]:
            config = ["-c", self.config("train"), *runs]
            if user == "softmax":
                words = ["segment", *config, *model, "-o", "predict:softmax/1", "--probabilities"]
                self.accuracy.command(self.name(f"{user}-tuned"), *words, *how)
                localize("train", "val", *runs)
                localize("test", "all")
            else:
                words = ["detect", *config, *model, "-o", f"*:{user}/val", *low]
                self.accuracy.command(self.name(f"{user}-tuned"), *words, *how)
            known = self.scores("train", f"*:{user}/val", *runs, beta=1.0, bootstrap=0)
            thresholds, _ = best_thresholds(known)
            if user != "softmax":
                candidates = self.folder / "scores" / f"{user}_val" / "train"
                thresholds = point_scores.expected_thresholds(
                    point_scores.rows_of(candidates), beta=1.0
                )
            least = [
                part
                for name, value in thresholds.items()
                for part in ("--min-score", f"{name}={value!r}")
            ]
            found = summary(self.scores("test", f"*:{user}/all", *least, beta=1.0))
            rows = point_scores.rows_of(self.folder / "scores" / f"{user}_all" / "test")
            return {
                "thresholds": thresholds,
                "scores": found,
                "hits": point_scores.hits_of(rows),
            }

        settings = {"of": trained["settings"], "user": user, "rule": "as train --beta 1"}
        return self.accuracy.once(f"{self.name(user)} tuned", settings, measure)

    @property
    def radii(self) -> dict[str, float]:
        objects = open_project(self.config("train")).objects()
        return {
            spec.name: float(spec.radius_angstrom or 0.0) for spec in objects if spec.is_particle
        }

    def where(self) -> dict[str, Any]:
        """Return both heads on the same tomograms."""
        made = [self.simulate(kind) for kind in ("train", "test")]
        minutes = self.sizes.minutes
        with ThreadPoolExecutor(2) as pool:  # at the same time: both meet the same machine
            lanes = [
                pool.submit(self.train, name, *more, minutes=minutes, seed=self.number)
                for name, more in (("softmax", ()), ("centres", ("--head", "centres")))
            ]
            softmax, centres = (lane.result() for lane in lanes)
        found = {
            "softmax": self.softmax(softmax),
            "centres": self.detect(centres, ("centres",), "centres"),
        }
        tuned = {
            "softmax": self.tuned(softmax, "softmax"),
            "centres": self.tuned(centres, "centres"),
        }
        pairs = {
            "regions": (found["softmax"]["scores"], found["centres"]["scores"]),
            "peaks": (found["softmax"]["peaks"], found["centres"]["scores"]),
            "tuned": (tuned["softmax"]["scores"], tuned["centres"]["scores"]),
        }
        compared = {
            key: differences(*both, list(self.radii), self.number) for key, both in pairs.items()
        }
        compared["error"] = point_scores.error_difference(
            tuned["softmax"]["hits"], tuned["centres"]["hits"], self.number
        )
        trained = {"softmax": softmax, "centres": centres}
        return {
            "simulate": made,
            "train": trained,
            "compared": compared,
            "tuned": tuned,
            **found,
        }

    def member(self, at: int) -> dict[str, Any]:
        """Train and use one member on its own."""
        minutes = self.sizes.minutes / MEMBER_SHARE
        name, seed = f"member_{at}", 100 * self.number + at - 1
        trained = self.train(name, "--head", "centres", minutes=minutes, seed=seed)
        return trained | {"use": self.detect(trained, (name,), name.replace("_", "-"))}

    def members(self) -> dict[str, Any]:
        """Return five members against the mean of all."""
        made = [self.simulate(kind) for kind in ("train", "test")]
        names = tuple(f"member_{number}" for number in range(1, MEMBERS + 1))
        with ThreadPoolExecutor(2) as pool:
            trained = list(pool.map(self.member, range(1, MEMBERS + 1)))
        alone = [each.pop("use") for each in trained]
        together = self.detect(trained[0], names, "members")
        return {
            "simulate": made,
            "train": trained,
            "alone": alone,
            "together": together,
            "compared": [self.difference(each, together) for each in alone],
        }

    def difference(self, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
        """Return what the second finds more than the first, and how much nearer."""
        found = differences(first["scores"], second["scores"], list(self.radii), self.number)
        error = point_scores.error_difference(first["hits"], second["hits"], self.number)
        return found | {"error": error}

    def variants(self) -> dict[str, Any]:
        """Return models that differ from the first member in one thing, two at a time."""
        made = [self.simulate(kind) for kind in ("train", "test")]
        minutes = self.sizes.minutes / MEMBER_SHARE

        def measure(title: str) -> dict[str, Any]:
            name = title.lower().replace("'", "").replace(" ", "_")
            more = ("--head", "centres", *VARIANTS[title])
            trained = self.train(name, *more, minutes=minutes, seed=100 * self.number)
            return {"train": trained, "use": self.detect(trained, (name,), name.replace("_", "-"))}

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(self.member, 1)
            found = dict(zip(VARIANTS, pool.map(measure, VARIANTS), strict=True))
            base = first.result()
        use = base.pop("use")
        for variant in found.values():
            variant["compared"] = self.difference(use, variant["use"])
        return {"simulate": made, "base": {"train": base, "use": use}, "variants": found}

    def pairs(self) -> dict[str, Any]:
        """Return how many of the particles with a near neighbour are found."""
        made = [self.simulate(kind) for kind in ("train", "test")]
        trained = self.train(
            "centres", "--head", "centres", minutes=self.sizes.minutes, seed=self.number
        )
        found = self.detect(trained, ("centres",), "centres")
        return {"simulate": made, "train": trained, "centres": found}


class MotorSeed:
    """docs/motors.md with one seed: tomograms as slices, a model, a submission, a score."""

    def __init__(self, accuracy: Accuracy, number: int, runs: tuple[int, int]) -> None:
        self.accuracy, self.number, self.runs = accuracy, number, runs
        self.folder = accuracy.work / f"motors-{runs[0]}-{runs[1]}" / f"seed_{number}"

    def measured(self) -> dict[str, Any]:
        """Return all that is known of this seed; make what is missing."""
        sizes, folder = self.accuracy.sizes, self.folder
        name = f"motors-{self.number}"
        threads = ["--threads", str(self.accuracy.threads)]
        for at, kind in enumerate(("train", "test")):
            words = ["simulate", "--preset", "motors", "--runs", str(self.runs[at])]
            words += ["--seed", str(2 * self.number - 1 + at), *threads]
            paths = ["-o", str(folder / kind), "--slices", str(folder / f"{kind}-slices")]
            project = ["-c", str(folder / f"{kind}-byu" / "config.json")]
            load = ["import", "byu", str(folder / f"{kind}-slices"), *project, "--labels"]
            load.append(str(folder / f"{kind}-slices" / "train_labels.csv"))
            self.accuracy.once(
                f"{name} simulate {kind}",
                {"words": words},
                lambda words=words, paths=paths, load=load: (
                    dict(self.accuracy.command(name, *words, *paths))
                    | {"import": self.accuracy.command(name, *load)}
                ),
            )
        words = ["train", "-c", str(folder / "train-byu" / "config.json"), "-i", "byu@*"]
        words += ["-p", "motor:byu/1", "-o", str(folder / "motor"), "--overwrite"]
        options = ["--head", "heatmap", "--preset", "motor-small"]
        options += ["--max-minutes", f"{sizes.minutes:g}", "--steps", "1000000"]
        options += ["--seed", str(self.number), "--device", "cpu", *threads, *sizes.train_options]
        trained = self.accuracy.once(
            f"{name} train",
            {"words": options},
            lambda: (
                self.accuracy.command(name, *words, *options)
                | curve_of(folder / "motor" / "curve.csv")
            ),
        )
        return {"train": trained, "use": self.used(trained, name, threads)}

    def used(self, trained: dict[str, Any], name: str, threads: list[str]) -> dict[str, Any]:
        """Detect in the test tomograms and score, at the model's threshold and without one."""
        test = ["-c", str(self.folder / "test-byu" / "config.json")]
        words = ["detect", *test, "-m", str(self.folder / "motor"), "-i", "byu@*", "--overwrite"]
        words += ["--top", "*=1", "--device", "cpu", *threads]

        def measure() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for session, more in (("1", ()), ("all", ("--threshold", "motor=0"))):
                candidate = f"motor:picker/{session}"
                taken = self.accuracy.command(name, *words, *more, "-o", candidate)
                folder = self.folder / "scores" / session
                score = ["evaluate", *test, "--reference", "motor:byu/1", "--overwrite"]
                score += ["--candidate", candidate, "--matcher", "byu", "-o", str(folder)]
                self.accuracy.command(name, *score)
                values = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
                found[session] = {"detect": taken, "object": values["objects"][0]}
            return found

        return self.accuracy.once(f"{name} detect", {"of": trained["settings"]}, measure)


def measured(
    accuracy: Accuracy, seeds: list[int], parts: list[str], motor_minutes: float
) -> dict[str, Any]:
    """Return every figure; where only a report is wanted, of what is complete."""
    quick = accuracy.sizes.preset == QUICK.preset
    minutes = accuracy.sizes.minutes
    small = replace(accuracy.sizes, preset=str(PAIRS), shape="64,96,96", minutes=minutes / 3)
    pairs = replace(accuracy, work=accuracy.work / "pairs", sizes=small)
    options = ("--patch", "16,32,32", "--validate-every", "4") if quick else ()
    motors = replace(
        accuracy, sizes=replace(accuracy.sizes, minutes=motor_minutes, train_options=options)
    )
    made = {
        "where": lambda seed: PointSeed(accuracy, seed).where(),
        "pairs": lambda seed: PointSeed(pairs, seed).pairs(),
        "members": lambda seed: PointSeed(accuracy, seed).members(),
        "variants": lambda seed: PointSeed(accuracy, seed).variants(),
        "motors": lambda seed: MotorSeed(motors, seed, (6, 4) if quick else MOTOR_RUNS).measured(),
    }
    figures: dict[str, Any] = {"sizes": json.loads(json.dumps(asdict(accuracy.sizes)))}
    for part in PARTS:
        figures[part] = {}
        for number in seeds[:1] if part in ONE_SEED else seeds:
            if part not in parts:
                continue
            try:
                figures[part][str(number)] = made[part](number) | {"machine": machine(accuracy)}
            except NotMeasuredError as missing:
                bench.say(f"{part}, seed {number}: {missing} is missing")
    return figures


def without_hits(figures: Any) -> Any:
    """Return figures without the errors of single hits, which only comparisons need."""
    if isinstance(figures, list):
        return [without_hits(value) for value in figures]
    if not isinstance(figures, dict):
        return figures
    return {name: without_hits(value) for name, value in figures.items() if name != "hits"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(".accuracy"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--minutes", type=float, help="wall time of a training")
    parser.add_argument("--motor-minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="minutes of seconds: does it run?")
    parser.add_argument("--report", action="store_true", help="compute nothing")
    parser.add_argument("--output", type=Path, default=bench.ROOT / "docs")
    options = parser.parse_args()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    sizes = SMALL if options.quick else SIZES
    if options.minutes is not None:
        sizes = replace(sizes, minutes=options.minutes)
    accuracy = Accuracy(work, Path(), sizes, options.threads, options.report)
    seeds = [int(number) for number in options.seeds.split(",")]
    motor_minutes = min(options.motor_minutes, 0.2) if options.quick else options.motor_minutes
    figures = measured(accuracy, seeds, options.parts.split(","), motor_minutes)
    options.output.mkdir(parents=True, exist_ok=True)
    figures = without_hits(figures)
    stored = options.output / "point-accuracy.json"
    if stored.exists():
        known = json.loads(stored.read_text(encoding="utf-8"))
        if known["sizes"] == figures["sizes"]:
            for part in PARTS:
                figures[part] = dict(sorted({**known.get(part, {}), **figures[part]}.items()))
    stored.write_text(json.dumps(figures, separators=(",", ":")) + "\n", encoding="utf-8")
    page = point_report.page(figures)
    (options.output / "point-accuracy.md").write_text(page, encoding="utf-8")
    bench.say(f"wrote {options.output / 'point-accuracy.md'}")


if __name__ == "__main__":
    main()
