"""All figures of docs/movies.md: detection and linking on three levels, and trackpy and laptrack.

Usage: python tests/benchmarks/movies.py --work DIR [--levels guide,medium,hard] [--movies 8]
    [--minutes 10] [--linker-minutes 5] [--peers PYTHON] [--report] [--output docs]

For each level: a detector and a linker are trained (one thread, so many minutes) unless the work
folder has them; movies of a seed of their own are simulated; the detector, and LoG and fit, find
puncta; then every linker links the same detections, those of the detector. Parameters of all
linkers are searched on four other movies, ours too: the highest IDF1. ``--peers`` is a Python with
trackpy and laptrack (``pip install trackpy laptrack``); without one they are left out. What is
there already is not made again; ``--report`` only writes the page and its plot.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import bench
import numpy as np
from bench_report import table
from matplotlib.figure import Figure

from copick_picker.core.movie.analysis import lengths_of
from copick_picker.core.movie.bound import cramer_rao_bound
from copick_picker.core.movie.linking import TrackRules, link_spots
from copick_picker.core.movie.scene import SCENES
from copick_picker.core.movie.scores import detection_scores, matched, track_scores
from copick_picker.core.movie.simulation import light_at, light_of, simulate_movie
from copick_picker.core.movie.survey import survey_movie
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.movies import all_spots
from copick_picker.workflows.movie.detect import log_spots
from copick_picker.workflows.movie.models import load_detector, load_linker

HERE = Path(__file__).parent
BEGIN, END = "<!-- measured -->", "<!-- end -->"
SEED, TUNING_SEED, TUNING_MOVIES = 101, 202, 4
TOLERANCE = 2.0
OURS = [
    {"gate": gate, "fill_gap": gap, "least_join": join}
    for gate, gap, join in itertools.product((5.0, 8.0), (20, 40), (0.0, 1.0, 3.0))
]
PEERS = {
    "trackpy": [
        {"search_range": reach, "memory": memory}
        for reach, memory in itertools.product((2, 3, 4, 5, 6, 8), (0, 3, 5, 10, 20))
    ],
    "laptrack": [
        {"cutoff": cutoff, "gap_cutoff": gap, "gap_frames": frames}
        for cutoff, gap, frames in itertools.product((3, 4, 5, 7), (4, 6, 9), (5, 10, 20))
    ],
}
LEARNING_SEED, LEARNED_MOVIES = 303, 16
NEAREST = {"search_range": 30, "memory": 0}
PHOTONS, DENSITIES = (100, 150, 200, 300, 500, 1000, 2000), (25, 100, 300)
"""Of the plot; densities in puncta of 256 x 256 pixels."""
TARGETS = {
    "guide": {"f1": 0.995, "error": 1.5, "fragments": 1.10, "merges": 0, "idf1": 0.98},
    "medium": {"f1": 0.99, "error": 1.5, "fragments": 1.35, "merges": 5, "idf1": 0.92},
    "hard": {"f1": 0.985, "error": 1.3, "fragments": 1.55, "merges": 25, "idf1": 0.89},
}


class Level:
    """One level: its movies, models and results in a work folder."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        self.folder = options.work / name
        self.scene = SCENES[name]

    def command(self, *words: object) -> float:
        """Run one of our commands; return its seconds."""
        line = [sys.executable, "-m", "copick_picker", "movie", *map(str, words)]
        began = time.perf_counter()
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            bench.say(f"{' '.join(line)}: {done.stdout[-800:]} {done.stderr[-800:]}")
            raise SystemExit(1)
        return time.perf_counter() - began

    def models(self) -> None:
        """Train what is missing."""
        if not (self.folder / "detector").is_dir():
            bench.say(f"{self.name}: train the detector")
            words = ["--max-minutes", self.options.minutes, "--threads", 1]
            self.command(
                *("train", "detector", "--preset", self.name, *words),
                *("-o", self.folder / "detector"),
            )
        if not (self.folder / "linker").is_dir():
            bench.say(f"{self.name}: train the linker")
            words = ["--max-minutes", self.options.linker_minutes, "--threads", 1]
            self.command(
                *("train", "linker", "--preset", self.name, *words), "-o", self.folder / "linker"
            )

    def movies(self, kind: str) -> Path:
        """Simulate the movies of a kind, and detect in them; return their folder."""
        seed, number = SEED, self.options.movies
        if kind == "tuning":
            seed, number = TUNING_SEED, TUNING_MOVIES
        folder = self.folder / kind
        words = ("--preset", self.name, "--movies", number, "--seed", seed)
        self.command("simulate", *words, "-o", folder / "movies")
        ways = {"network": ("-m", self.folder / "detector"), "log": ("--method", "log")}
        for way, more in ways.items():
            if (folder / way / f"sample_{number - 1:03d}").is_dir() or (
                way == "log" and kind == "tuning"
            ):
                continue
            bench.say(f"{self.name}: detect in {kind} by {way}")
            seconds = self.command(
                *("detect", folder / "movies", *more, "--threads", 2),
                *("-o", folder / way, "--overwrite"),
            )
            frames = number * self.scene.frames
            (folder / f"{way}.json").write_text(json.dumps({"frames_per_second": frames / seconds}))
        return folder

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in (folder / "movies").iterdir())

    def truths(self, folder: Path) -> list[Any]:
        names = self.names(folder)
        return [read_spots(folder / "movies" / n / "ground_truth_tracks.csv") for n in names]

    def detections(self, folder: Path, way: str) -> list[Any]:
        return [read_spots(folder / way / n / "detections.csv") for n in self.names(folder)]

    def detection(self, folder: Path) -> dict[str, Any]:
        """Return F1, error and bound of both ways."""
        truths = self.truths(folder)
        light = light_of(self.scene)
        squares = [
            cramer_rao_bound(
                truth.positions,
                truth.photons,
                self.scene.background * light_at(light, truth.positions),
                sigma=self.scene.psf_sigma,
                camera=self.scene.camera,
            )
            ** 2
            for truth in truths
        ]
        pixel = self.scene.pixel_size_nm
        result: dict[str, Any] = {"bound": pixel * float(np.sqrt(np.concatenate(squares).mean()))}
        for way in ("network", "log"):
            matches = [
                matched(truth, found, tolerance=TOLERANCE)
                for truth, found in zip(truths, self.detections(folder, way), strict=True)
            ]
            scores = [detection_scores(match) for match in matches]
            hits, n = (sum(each[key] for each in scores) for key in ("hits", "puncta"))
            n_found = sum(each["detections"] for each in scores)
            errors = np.concatenate([match.errors for match in matches])
            told = json.loads((folder / f"{way}.json").read_text())
            result[way] = {
                "f1": 2 * hits / (n + n_found),
                "precision": hits / n_found,
                "recall": hits / n,
                "error": pixel * float(np.sqrt((errors**2).mean())),
                **told,
            }
        return result

    def linked(self, folder: Path, rules: dict[str, Any], scorer: Any) -> tuple[list[Any], float]:
        """Return the tracks of our linker, and its seconds."""
        full = TrackRules(
            gate=rules["gate"],
            direct_gap=3,
            threshold=0.5,
            fill_gap=rules["fill_gap"],
            fill_distance=100.0,
            least_join=rules["least_join"],
            solver="exact",
            least_length=2,
        )
        found = self.detections(folder, "network")
        began = time.perf_counter()
        tracks = [link_spots(spots, full, scorer)[0] for spots in found]
        return tracks, time.perf_counter() - began

    def peers(
        self, folder: Path, runs: list[tuple[str, dict[str, Any]]]
    ) -> tuple[list[list[Any]], list[float], dict[str, Any]]:
        """Return the tracks of each run of a peer, and its seconds."""
        work = folder / "peers" / runs[0][0] / str(len(runs))
        job = {
            "tables": [str(folder / "network" / n / "detections.csv") for n in self.names(folder)],
            "runs": [
                {"program": name, "parameters": parameters, "folder": str(work / str(k))}
                for k, (name, parameters) in enumerate(runs)
            ],
            "result": str(work / "result.json"),
            "movie": str(folder / "movies" / "sample_000" / "movie.tif"),
            "diameter": 7,
        }
        work.mkdir(parents=True, exist_ok=True)
        text, file = json.dumps(job), work / "job.json"
        is_done = file.is_file() and file.read_text() == text and (work / "result.json").is_file()
        if not is_done:
            file.write_text(text)
            (work / "result.json").unlink(missing_ok=True)
            line = [str(self.options.peers), str(HERE / "movie_peers.py"), str(file)]
            subprocess.run(line, check=True, capture_output=True)
        result = json.loads((work / "result.json").read_text())
        tracks = [
            [read_spots(work / str(k) / f"{m}.csv") for m in range(len(self.names(folder)))]
            for k in range(len(runs))
        ]
        return tracks, result["seconds"], result

    def scores(self, truths: list[Any], tracks: list[Any]) -> dict[str, float]:
        rows = [
            track_scores(t, f, tolerance=TOLERANCE) for t, f in zip(truths, tracks, strict=True)
        ]
        lengths = [np.concatenate([lengths_of(each) for each in some]) for some in (truths, tracks)]
        return {
            "fragments": float(np.mean([row["fragments"] or 0.0 for row in rows])),
            "merges": int(sum(row["merges"] for row in rows)),
            "idf1": float(np.mean([row["idf1"] or 0.0 for row in rows])),
            "length": float(lengths[1].mean() / lengths[0].mean()) if len(lengths[1]) else 0.0,
        }

    def linking(self) -> dict[str, Any]:
        """Return the scores of every linker with the parameters that did best on other movies."""
        tuning, test = self.folder / "tuning", self.folder / "test"
        known, truths = self.truths(tuning), self.truths(test)
        found: dict[str, Any] = {}
        learned = load_linker(self.folder / "linker")[0]
        for name, scorer in (("ours, likelihood", None), ("ours, learned", learned)):
            bench.say(f"{self.name}: search {name}")
            tried = [
                self.scores(known, self.linked(tuning, each, scorer)[0])["idf1"] for each in OURS
            ]
            best = OURS[int(np.argmax(tried))]
            tracks, seconds = self.linked(test, best, scorer)
            found[name] = self.scores(truths, tracks) | {"parameters": best, "seconds": seconds}
        if self.options.peers is None:
            return found
        for name, grid in PEERS.items():
            bench.say(f"{self.name}: search {name}")
            runs = [(name, each) for each in grid]
            tracks, _, _ = self.peers(tuning, runs)
            tried = [self.scores(known, each)["idf1"] for each in tracks]
            best = grid[int(np.argmax(tried))]
            tracks, seconds, result = self.peers(test, [(name, best)])
            found[name] = self.scores(truths, tracks[0]) | {
                "parameters": best,
                "seconds": seconds[0],
                "version": result["versions"][name],
                "locate_frames_per_second": result["locate_frames_per_second"],
            }
        if self.name != "guide":  # trackpy refuses: too many candidates within 30 pixels
            return found
        tracks, seconds, _ = self.peers(test, [("trackpy", NEAREST)])
        found["nearest, 30 pixels"] = self.scores(truths, tracks[0]) | {
            "parameters": NEAREST,
            "seconds": seconds[0],
        }
        return found

    def compared(self) -> dict[str, Any]:
        """Return detectors of half the time, on the fly and from movies, and two linkers."""
        stored = self.folder / "compared.json"
        if stored.exists():
            known: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
            return known
        test, minutes = self.folder / "test", self.options.minutes / 2
        self.command(
            *(
                "simulate",
                "--preset",
                self.name,
                "--movies",
                LEARNED_MOVIES,
                "--seed",
                LEARNING_SEED,
            ),
            *("-o", self.folder / "learning"),
        )
        found: dict[str, Any] = {"minutes": minutes, "movies": LEARNED_MOVIES}
        words = ("--preset", self.name, "--max-minutes", minutes, "--threads", 1)
        for name, more in (("on the fly", ()), ("movies", ("--data", self.folder / "learning"))):
            bench.say(f"{self.name}: a detector from {name}")
            model = self.folder / f"detector {name}"
            if not model.is_dir():
                self.command("train", "detector", *words, *more, "-o", model)
            folder = self.folder / f"found {name}"
            self.command("detect", test / "movies", "-m", model, "-o", folder, "--overwrite")
            rows = [
                detection_scores(
                    matched(
                        truth, read_spots(folder / each / "detections.csv"), tolerance=TOLERANCE
                    )
                )
                for truth, each in zip(self.truths(test), self.names(test), strict=True)
            ]
            found[name] = {
                "f1": float(np.mean([row["f1"] for row in rows])),
                "error_px": float(np.mean([row["rmse_per_axis_px"] for row in rows])),
            }
        words = ("--preset", self.name, "--threads", 1, "--scenes", 12)
        truths = self.truths(test)
        for name, more in (
            ("points", ()),
            ("detections", ("--detector", self.folder / "detector")),
        ):
            bench.say(f"{self.name}: a linker from {name}")
            model = self.folder / f"linker {name}"
            if not model.is_dir():
                self.command("train", "linker", *words, *more, "-o", model)
            rules = {"gate": 8.0, "fill_gap": 40, "least_join": 1.0}
            tracks, _ = self.linked(test, rules, load_linker(model)[0])
            found[f"linker from {name}"] = self.scores(truths, tracks)
        stored.write_text(json.dumps(found, indent=1), encoding="utf-8")
        return found

    def measured(self) -> dict[str, Any]:
        """Return all figures of the level."""
        stored = self.folder / "figures.json"
        if stored.exists():
            known: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
            return known
        self.models()
        for kind in ("tuning", "test"):
            self.movies(kind)
        found = {
            "detection": self.detection(self.folder / "test"),
            "linking": self.linking(),
            "commit": bench.git("rev-parse", "--short", "HEAD"),
            "load": bench.load(),
        }
        stored.write_text(json.dumps(found, indent=1), encoding="utf-8")
        return found


def where(options: argparse.Namespace) -> list[dict[str, float]]:
    """Return F1 of network and LoG by photons and density, by the detector of ``hard``."""
    stored = options.work / "where.json"
    if stored.exists():
        known: list[dict[str, float]] = json.loads(stored.read_text(encoding="utf-8"))
        return known
    model = load_detector(options.work / "hard" / "detector", "cpu")
    rows = []
    for photons, density in itertools.product(PHOTONS, DENSITIES):
        scene = replace(
            SCENES["hard"],
            shape_yx=(128, 128),
            frames=24,
            tracks=density / 4,
            photons=float(photons),
            photons_spread=0.05,
            vesicles=0.0,
            unevenness=0.0,
            born_later=0.0,
            lifetime_frames=1e9,
            blink_off=0.0,
        )
        made = simulate_movie(scene, seed=7)
        survey = survey_movie(made.frames, name="where")
        ways = {
            "network": all_spots(
                list(
                    model.detector.spots(
                        made.frames,
                        range(scene.frames),
                        scale=survey.scale,
                        gain=scene.camera.gain,
                        threshold=0.02,
                    )
                )
            ),
            "log": all_spots(list(log_spots(made.frames, scene.camera, scene.psf_sigma, 1e-6))),
        }
        row: dict[str, float] = {"photons": photons, "density": density}
        for way, spots in ways.items():
            levels = np.unique(np.quantile(spots.probabilities, np.linspace(0, 0.98, 60)))
            row[way] = max(
                detection_scores(
                    matched(made.truth, spots.chosen(spots.probabilities >= t), tolerance=TOLERANCE)
                )["f1"]
                for t in levels
            )
        rows.append(row)
    stored.write_text(json.dumps(rows), encoding="utf-8")
    return rows


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Draw F1 of network and LoG by photons and density."""
    figure = Figure(figsize=(7.0, 4.2))
    axes = figure.subplots()
    for density, colour in zip(DENSITIES, ("#0072b2", "#d55e00", "#009e73"), strict=True):
        own = [row for row in rows if row["density"] == density]
        for way, style in (("network", "-o"), ("log", "--s")):
            label = f"{'network' if way == 'network' else 'LoG and fit'}, {density} puncta"
            axes.plot(
                [row["photons"] for row in own],
                [row[way] for row in own],
                style,
                color=colour,
                label=label,
                markersize=4,
            )
    axes.set_xscale("log")
    axes.set_xticks(PHOTONS, [str(each) for each in PHOTONS])
    axes.minorticks_off()
    axes.set(xlabel="photons of a punctum", ylabel="F1 at the best threshold", ylim=(0, 1.02))
    axes.grid(color="#ededed")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, title="on 256 x 256 pixels", title_fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100, metadata={"Software": "copick-picker"})


def page(figures: dict[str, Any]) -> str:
    """Return the tables."""
    rows, links = [], []
    for level, each in figures.items():
        detection, wanted = each["detection"], TARGETS[level]
        for way, name in (("network", "network"), ("log", "LoG and fit")):
            own = detection[way]
            ratio = own["error"] / detection["bound"]
            met = own["f1"] >= wanted["f1"] and ratio <= wanted["error"]
            if level == "hard":
                met = met and own["f1"] >= detection["log"]["f1"] + 0.01
            rows.append(
                [
                    level,
                    name,
                    f"{own['precision']:.4f}",
                    f"{own['recall']:.4f}",
                    f"{own['f1']:.4f}",
                    f"{own['error']:.1f} nm = {ratio:.2f} x the bound of {detection['bound']:.1f}",
                    f"{own['frames_per_second']:.0f}",
                    "" if way == "log" else "met" if met else "**missed**",
                ]
            )
        for name, own in each["linking"].items():
            met = (
                own["fragments"] <= wanted["fragments"]
                and own["merges"] <= wanted["merges"]
                and own["idf1"] >= wanted["idf1"]
            )
            links.append(
                [
                    level,
                    name + (f" {own['version']}" if "version" in own else ""),
                    f"{own['fragments']:.3f}",
                    str(own["merges"]),
                    f"{own['idf1']:.4f}",
                    f"{100 * own['length']:.0f} %",
                    f"{own['seconds']:.2f}",
                    ", ".join(f"{k} {v:g}" for k, v in own["parameters"].items()),
                    ("met" if met else "**missed**") if name.startswith("ours") else "",
                ]
            )
    commits = ", ".join(sorted({each["commit"] for each in figures.values()}))
    columns = [
        "level",
        "",
        "precision",
        "recall",
        "F1",
        "error along an axis",
        "frames/s",
        "target",
    ]
    linkers = ["level", "linker", "fragments", "merges", "IDF1", "mean length", "s", "parameters"]
    machine = f"Measured at commit {commits}, {bench.processor()}, two threads, no GPU."
    return f"{machine}\n\n{table(columns, rows)}\n\n{table([*linkers, 'target'], links)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(".movies"))
    parser.add_argument("--levels", default="guide,medium,hard")
    parser.add_argument("--movies", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--linker-minutes", type=float, default=5.0)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--compare", action="store_true", help="ways to learn, at half the time")
    parser.add_argument("--output", type=Path, default=bench.ROOT / "docs")
    options = parser.parse_args()
    options.work = options.work.absolute()
    options.work.mkdir(parents=True, exist_ok=True)
    figures = {}
    for name in options.levels.split(","):
        level = Level(name, options)
        if options.report and not (level.folder / "figures.json").exists():
            continue
        figures[name] = level.measured()
        if options.compare:
            print(json.dumps(level.compared(), indent=1))
    text = page(figures)
    print(text)
    target = options.output / "movies.md"
    known = target.read_text(encoding="utf-8")
    before, rest = known.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    target.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    if (options.work / "hard" / "detector").is_dir():
        plot(where(options), options.output / "images" / "movies_where.png")


if __name__ == "__main__":
    main()
