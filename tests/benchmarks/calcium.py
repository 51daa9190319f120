"""All figures of docs/calcium.md: events in traces, and hybrids.

Usage: python tests/benchmarks/calcium.py --work DIR [--seeds 1,2,3] [--steps 2000] [--members 5]
    [--report] [--output docs]

Events: for each of six scenes and each seed a movie of one minute is simulated, traces are measured
along its true tracks (in ``hard`` with a tenth of the positions missing and errors), and events
found by matched filters. Hybrids: trained on ``--preset hybrid-test --movies 100`` with fixed and
with learned weights for each seed, a detector alone on the same movies for as many steps, and
further members of an ensemble; all are judged on forty movies of another seed. What is there
already is not made again; ``--report`` only writes the tables.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bench
import numpy as np
from bench_report import table

from copick_picker.core.movie.detector import Channel
from copick_picker.core.movie.event_scores import state_scores
from copick_picker.core.movie.judging import second_channel
from copick_picker.core.movie.scene import SCENES
from copick_picker.core.movie.scores import matched
from copick_picker.project.formats.calcium_tables import read_traces
from copick_picker.project.formats.spot_tables import read_spots, tracks_csv
from copick_picker.records.movies import all_spots
from copick_picker.workflows.movie.known_movies import movies_of
from copick_picker.workflows.movie.models import load_detector

BEGIN, END = "<!-- measured -->", "<!-- end -->"
PIXEL = 130.0
TEST_SEED, TEST_MOVIES, DATA_MOVIES = 77, 40, 100
USUAL = (
    *("--preset", "hybrid-test", "--size", "96,128", "--frames", "1200", "--tracks", "12"),
    *("--event-rise", "50,200", "--event-decay", "250,1500", "--event-rate", "0.08"),
    *("--lifetime", "1000000", "--born-later", "0", "--waves", "0.5", "--bleaching", "1e9,1e9"),
)
EVENT_SCENES: dict[str, tuple[str, ...]] = {
    "usual": (),
    "dim": ("--calcium-background", "20"),
    "small": ("--event-height", "0.12,0.5"),
    "busy": ("--event-rate", "0.35", "--active-share", "1"),
    "hard": ("--bleaching", "60,60", "--unevenness", "0.4"),
    "silent": ("--active-share", "0"),
}
TARGETS = {"usual": 0.88, "dim": 0.92, "small": 0.90, "busy": 0.86, "hard": 0.81}
GAPS, ERROR_PX = 0.1, 0.15


def command(*words: object) -> None:
    """Run one of our commands."""
    line = [sys.executable, "-m", "copick_picker", "movie", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        bench.say(f"{' '.join(line)}: {done.stdout[-800:]} {done.stderr[-800:]}")
        raise SystemExit(1)


def events_of(name: str, seed: int, work: Path) -> dict[str, Any]:
    """Return the scores of events of a scene and a seed."""
    folder = work / "events" / name / str(seed)
    stored = folder / "figures.json"
    if stored.exists():
        known: dict[str, Any] = json.loads(stored.read_text())
        return known
    bench.say(f"events: {name}, seed {seed}")
    words = (*USUAL, *EVENT_SCENES[name], "--movies", 1, "--seed", seed)
    command("simulate", *words, "-o", folder / "movies")
    sample = folder / "movies" / "sample_000"
    truth = sample / "ground_truth_tracks.csv"
    tracks = truth
    if name == "hard":
        rng = np.random.default_rng(seed)
        spots = read_spots(truth)
        kept = spots.chosen(rng.random(len(spots)) >= GAPS)
        off = ERROR_PX * rng.standard_normal(kept.positions.shape)
        tracks = folder / "tracks.csv"
        moved = kept.with_values({"positions": kept.positions + off})
        tracks.write_text(tracks_csv(moved))
    began = time.perf_counter()
    command(
        "traces", sample / "movie.tif", "--tracks", tracks, "--channel", 1, "-o", folder / "out"
    )
    seconds = time.perf_counter() - began
    words = ("--events", folder / "out" / "events.csv", "--truth", truth, "--overwrite")
    command("evaluate", *words, "-o", folder / "scores")
    scores = json.loads((folder / "scores" / "evaluation_summary.json").read_text())["calcium"]
    minutes = len(read_spots(truth)) * SCENES["hybrid-test"].frame_time_ms / 6e4
    found = {**scores, "track_minutes": minutes, "seconds": seconds}
    found["fitted_correlation"] = fitted_correlation(sample, folder / "out")
    stored.write_text(json.dumps(found))
    return found


def fitted_correlation(sample: Path, out: Path) -> float:
    """Return the correlation of the fitted transients' dF/F0 with the truth."""
    truth = {
        (row["track_id"], row["frame"]): float(row["dff"])
        for row in rows_of(sample / "ground_truth_traces.csv")
    }
    rows = rows_of(out / "trace_details.csv")
    pairs = [(truth[row["track_id"], row["frame"]], float(row["fitted_dff"])) for row in rows]
    return float(np.corrcoef(np.array(pairs).T)[0, 1])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def events_table(seeds: list[int], work: Path) -> str:
    """Return the table of events."""
    rows = []
    for name in EVENT_SCENES:
        each = [events_of(name, seed, work) for seed in seeds]
        hits = sum(one["event_hits"] for one in each)
        false = sum(one["found_events"] - one["event_hits"] for one in each)
        true = sum(one["true_events"] for one in each)
        f1 = [one["event_f1"] for one in each if one["event_f1"] is not None]
        minutes = sum(one["track_minutes"] for one in each)
        per_minute = false / minutes
        met = per_minute <= 0.1 if name == "silent" else min(f1) >= TARGETS[name]
        rows.append(
            [
                name,
                f"{hits} of {true}",
                "-" if name == "silent" else ", ".join(f"{value:.3f}" for value in f1),
                f"{per_minute:.3f}",
                "-" if name == "silent" else spread(each, "onset_error"),
                "-" if name == "silent" else spread(each, "correlation"),
                "-" if name == "silent" else spread(each, "fitted_correlation"),
                "false <= 0.1" if name == "silent" else f"F1 >= {TARGETS[name]}",
                "met" if met else "**missed**",
            ]
        )
    columns = [
        *("scene", "events found", "F1 of each seed", "false a minute and track"),
        *("onset error (frames)", "correlation of dF/F0"),
        *("the same of the fit", "target", ""),
    ]
    return table(columns, rows)


def spread(each: list[dict[str, Any]], key: str) -> str:
    return ", ".join(f"{one[key]:.2f}" for one in each)


class Hybrids:
    """Hybrids and detectors in a work folder, and the movies that they are judged on."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.work = options, options.work
        self.seeds: list[int] = options.seeds

    def movies(self) -> None:
        """Simulate the movies."""
        words = ("--preset", "hybrid-test")
        for name, number, seed in (
            ("pairs", DATA_MOVIES, 1),
            ("test", TEST_MOVIES, TEST_SEED),
        ):
            more = ("--movies", number, "--seed", seed)
            command("simulate", *words, *more, "-o", self.work / name)

    def jobs(self) -> list[tuple[str, tuple[object, ...]]]:
        """Return every model and how it is trained."""
        shared = ("--steps", self.options.steps, "--threads", 1)
        shared += ("--data", self.work / "pairs", "--validation-movies", 16)
        jobs: list[tuple[str, tuple[object, ...]]] = []
        for seed in self.seeds:
            own = (*shared, "--seed", seed)
            jobs.append((f"fixed-{seed}", ("hybrid", *own)))
            jobs.append((f"kendall-{seed}", ("hybrid", *own, "--loss-weighting", "kendall")))
            jobs.append((f"alone-{seed}", ("detector", *own, "--context", 5)))
        more = range(len(self.seeds) + 1, self.options.members + 1)
        return jobs + [(f"fixed-{k}", ("hybrid", *shared, "--seed", k)) for k in more]

    def train(self) -> None:
        """Train what is missing; another process may train the rest at the same time."""
        for name, words in self.jobs():
            claim = self.work / "claims" / name
            claim.parent.mkdir(parents=True, exist_ok=True)
            if (self.work / name).is_dir() or claim.exists():
                continue
            claim.touch()
            bench.say(f"train {name}")
            command("train", *words, "-o", self.work / name)

    def judged(self, name: str, members: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return what a model finds in every test movie."""
        stored = self.work / "judged" / f"{name}{'-ensemble' if members else ''}.json"
        if stored.exists():
            known: dict[str, Any] = json.loads(stored.read_text())
            return known
        bench.say(f"judge {name}")
        folders = [self.work / each for each in members]
        model = load_detector(self.work / name, "cpu", members=folders)
        movies, _ = movies_of(self.work / "test", None, SCENES["hybrid-test"], n_channels=2)
        rows = [self._of_movie(model, movie) for movie in movies]
        stored.parent.mkdir(exist_ok=True)
        stored.write_text(json.dumps({"movies": rows}))
        return {"movies": rows}

    def _of_movie(self, model: Any, movie: Any) -> dict[str, Any]:
        second = second_channel(movie)
        of_model = second if model.n_channels == 2 else None
        threshold = model.card.thresholds["scmos"]
        given = {"scale": movie.scale, "gain": movie.gain, "threshold": threshold}
        found = all_spots(
            list(
                model.detector.spots(
                    movie.frames, range(len(movie.frames)), **given, second=of_model
                )
            )
        )
        match = matched(movie.truth, found, tolerance=2.0)
        row: dict[str, Any] = {
            "hits": len(match.truth_rows),
            "truth": match.n_truth,
            "found": match.n_found,
            "squares": float((match.errors**2).sum()),
        }
        if model.detector.has_calcium:
            channels = [Channel(movie.frames, movie.scale), second]
            probabilities = model.calcium(model.detector.calcium_at(channels, found))
            dff = read_traces(self.work / "test" / movie.name / "ground_truth_traces.csv").dff
            at_truth = np.zeros(len(movie.truth))
            at_truth[match.truth_rows] = probabilities[match.found_rows]
            up = at_truth >= model.card.calcium_threshold
            active = movie.calcium.active
            row |= {
                "calcium_hits": int((up & active).sum()),
                "calcium_found": int(up.sum()),
                "calcium_true": int(active.sum()),
                "states": len(active),
                "probabilities": at_truth[match.truth_rows].round(4).tolist(),
                "dff": dff[match.truth_rows].round(4).tolist(),
            }
            row |= {k: v for k, v in state_scores(up, active).items() if k == "specificity"}
        return row


def figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the figures of some movies together."""
    hits = sum(row["hits"] for row in rows)
    total = sum(row["truth"] + row["found"] for row in rows)
    found = {
        "f1": 2 * hits / total,
        "rmse": PIXEL * float(np.sqrt(sum(row["squares"] for row in rows) / (2 * hits))),
    }
    if "states" in rows[0]:
        hits = sum(row["calcium_hits"] for row in rows)
        true = sum(row["calcium_true"] for row in rows)
        up = sum(row["calcium_found"] for row in rows)
        rest = sum(row["states"] for row in rows) - true
        values = [np.concatenate([row[key] for row in rows]) for key in ("probabilities", "dff")]
        found |= {
            "calcium_f1": 2 * hits / max(true + up, 1),
            "sensitivity": hits / max(true, 1),
            "specificity": 1.0 - (up - hits) / max(rest, 1),
            "correlation": float(np.corrcoef(*values)[0, 1]),
        }
    return found


def difference(first: list[dict[str, Any]], second: list[dict[str, Any]], key: str) -> str:
    """Return the difference of a figure with a 95 % interval over movies drawn anew."""
    rng = np.random.default_rng(0)
    n = len(first)
    value = figures(first)[key] - figures(second)[key]
    drawn = []
    for _ in range(500):
        rows = rng.integers(n, size=n)
        drawn.append(
            figures([first[r] for r in rows])[key] - figures([second[r] for r in rows])[key]
        )
    low, high = np.percentile(drawn, [2.5, 97.5])
    digits = 1 if key == "rmse" else 3
    return f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def hybrid_tables(hybrids: Hybrids) -> str:
    """Return the tables of hybrids."""
    rows, differences = [], []
    kinds = [("fixed", "hybrid, fixed weights"), ("kendall", "hybrid, learned weights")]
    for seed in hybrids.seeds:
        own = {}
        for kind, title in [*kinds, ("alone", "detector alone")]:
            if not (hybrids.work / f"{kind}-{seed}").is_dir():
                continue
            own[kind] = hybrids.judged(f"{kind}-{seed}")["movies"]
            rows.append([f"{title}, seed {seed}", *shown(figures(own[kind]))])
        if "alone" not in own or "kendall" not in own:
            continue
        ratio = figures(own["fixed"])["rmse"] / figures(own["alone"])["rmse"]
        gain = difference(own["fixed"], own["alone"], "rmse")
        differences.append(
            [f"hybrid less detector alone, seed {seed}", f"{gain}; x {ratio:.3f}", "-"]
        )
        pair = [difference(own["kendall"], own["fixed"], key) for key in ("rmse", "calcium_f1")]
        differences.append([f"learned less fixed weights, seed {seed}", *pair])
    names = [f"fixed-{k + 1}" for k in range(hybrids.options.members)]
    if all((hybrids.work / name).is_dir() for name in names):
        together = hybrids.judged(names[0], tuple(names[1:]))["movies"]
        rows.append([f"{len(names)} members", *shown(figures(together))])
        for seed in hybrids.seeds:
            one = hybrids.judged(f"fixed-{seed}")["movies"]
            pair = [difference(together, one, key) for key in ("rmse", "calcium_f1")]
            differences.append([f"{len(names)} members less seed {seed} alone", *pair])
    columns = [
        *("model", "F1 of puncta", "error along an axis (nm)", "calcium F1", "sensitivity"),
        *("specificity", "correlation"),
    ]
    second = ["difference (95 % interval)", "error (nm)", "calcium F1"]
    return f"{table(columns, rows)}\n\n{table(second, differences)}"


def shown(found: dict[str, float]) -> list[str]:
    keys = ("calcium_f1", "sensitivity", "specificity", "correlation")
    rest = [f"{found[key]:.3f}" if key in found else "-" for key in keys]
    return [f"{found['f1']:.4f}", f"{found['rmse']:.1f}", *rest]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(".calcium"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--train-only", action="store_true", help="train, judge nothing")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--output", type=Path, default=bench.ROOT / "docs")
    options = parser.parse_args()
    options.work = options.work.absolute()
    options.work.mkdir(parents=True, exist_ok=True)
    options.seeds = [int(each) for each in options.seeds.split(",")]
    hybrids = Hybrids(options)
    if not options.report:
        hybrids.movies()
        hybrids.train()
    if options.train_only:
        return
    machine = (
        f"Measured at commit {bench.git('rev-parse', '--short', 'HEAD')}, {bench.processor()}, no "
        f"GPU; trainings of {options.steps:,} steps with one thread, two at a time."
    )
    text = (
        f"{machine}\n\nEvents by matched filters along true tracks, one minute of 12 tracks for "
        f"each scene and seed:\n\n{events_table(options.seeds, options.work)}\n\nHybrids, on "
        f"{TEST_MOVIES} movies of another seed:\n\n{hybrid_tables(hybrids)}"
    )
    print(text)
    target = options.output / "calcium.md"
    known = target.read_text(encoding="utf-8")
    before, rest = known.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    target.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
