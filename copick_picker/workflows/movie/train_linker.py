"""``movie train linker``: a learned score of links, from simulated tracks or from detections."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from copick_picker._version import __version__
from copick_picker.core.link.graph import GraphScorer
from copick_picker.core.link.learning import KnownPoints, train_scorer
from copick_picker.core.link.linking import Scorer
from copick_picker.core.movie.known_tracks import known_detections, scene_of_points
from copick_picker.core.movie.linking import TrackRules, link_spots
from copick_picker.core.movie.patches import KnownMovie
from copick_picker.core.movie.scene import MovieScene
from copick_picker.core.movie.scores import track_scores
from copick_picker.core.segment.device import use_threads
from copick_picker.errors import DataError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.folders.model_places import CURVE_FILE
from copick_picker.project.folders.movie_models import (
    LINKER_CARD,
    LINKER_WEIGHTS,
    write_movie_model,
)
from copick_picker.project.folders.training_files import write_curve
from copick_picker.records.movies import Spots, all_spots
from copick_picker.settings.movie_models import MovieTrainLinkerSettings
from copick_picker.workflows.movie.known_movies import known_movie, movies_of
from copick_picker.workflows.movie.models import load_detector
from copick_picker.workflows.movie.simulate import scene_of
from copick_picker.workflows.movie.training import (
    begin_training,
    end_training,
    given_by_guide,
    model_output,
    plain,
    work_folder,
)

_TOLERANCE = 2.0
_HELD_OUT = 4
_SEED, _HELD_SEED = 700_000, 750_000
_FILL_GAP = 40
_FILL_DISTANCE = 100.0
_SHOW_EVERY = 100
_COLUMNS = ("step", "loss", "seconds")
Scenes = list[tuple[KnownPoints, Spots, Spots]]
"""Points with their tracks, the detections, and the truth."""


@summarised
def train_linker(settings: MovieTrainLinkerSettings, *, reporter: Reporter) -> Result:
    """Train a learned score of links.

    Parameters
    ----------
    settings : MovieTrainLinkerSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If a setting or the data are wrong, something stands in the place of the model, or the
        network has learned nothing.
    """
    settings = given_by_guide(settings, "linker", reporter=reporter)
    use_threads(settings.threads)
    scene = scene_of(settings)
    left_out = {"output", "overwrite", "json_file", "threads", "config", "device"}
    record: dict[str, Any] = {
        "settings": settings.model_dump(mode="json", exclude=left_out),
        "scene": plain(asdict(scene)),
    }
    if begin_training(settings, record, LINKER_CARD):
        line = f"{settings.output} is complete"
        return Result(f"movie train linker: {line}", content={"result": line})
    began = time.monotonic()
    scenes, scene = _scenes(settings, scene, reporter)
    n_held = min(_HELD_OUT, max(1, len(scenes) // 4))
    if len(scenes) <= n_held:
        msg = f"{len(scenes)} movie to learn from; expected two or more"
        raise DataError(msg)
    held, learned_from = scenes[:n_held], scenes[n_held:]
    rules = _rules(settings)
    scorer, rows = _trained(settings, [known for known, _, _ in learned_from], rules, reporter)
    scores = {
        "learned": _scores(held, rules, scorer),
        "likelihood": _scores(held, rules, None),
    }
    folder = work_folder(settings.output)
    scorer.save(folder / LINKER_WEIGHTS)
    write_curve(folder / CURVE_FILE, _COLUMNS, rows)
    card = {
        "kind": "movie linker",
        "format_version": 1,
        "name": settings.output.name,
        "gate": settings.gate,
        "direct_gap": settings.direct_gap,
        "frame_time_ms": scene.frame_time_ms,
        "pixel_size_nm": scene.pixel_size_nm,
        "scene": plain(asdict(scene)),
        "validation": plain(scores) | {"movies": n_held},
        "training": {
            "steps": len(rows),
            "seconds": round(time.monotonic() - began, 1),
            "seed": settings.seed,
            "movies": len(learned_from),
            "data": str(settings.data or "simulated"),
            "detections": "none: true positions with errors"
            if settings.detector is None
            else str(settings.detector),
            "job": record["digest"],
        },
        "version": __version__,
    }
    write_movie_model(
        settings.output,
        card,
        folder / LINKER_WEIGHTS,
        folder / CURVE_FILE,
        files=(LINKER_CARD, LINKER_WEIGHTS),
        permit=model_output(settings, LINKER_CARD).check,
    )
    (folder / LINKER_WEIGHTS).unlink()
    end_training(folder, reporter=reporter)
    _tell(scores, reporter)
    better = scores["learned"]["idf1"] > scores["likelihood"]["idf1"]
    word = "more" if better else "not more"
    line = (
        f"{settings.output}: IDF1 {scores['learned']['idf1']:.4f} on {n_held} held-out movies, "
        f"{word} than likelihood ratios' {scores['likelihood']['idf1']:.4f}; {len(rows)} steps"
    )
    content = {"output": str(settings.output), "scores": scores}
    return Result(f"movie train linker: {line}", content=content)


def _rules(settings: MovieTrainLinkerSettings) -> TrackRules:
    return TrackRules(
        gate=settings.gate,
        direct_gap=settings.direct_gap,
        threshold=0.5,
        fill_gap=_FILL_GAP,
        fill_distance=_FILL_DISTANCE,
        least_join=1.0,
        solver="exact",
        least_length=2,
    )


def _scenes(
    settings: MovieTrainLinkerSettings, scene: MovieScene, reporter: Reporter
) -> tuple[Scenes, MovieScene]:
    """Return points with known tracks, those of held-out movies first, and what they are like."""
    n_scenes = settings.scenes
    seeds = [_HELD_SEED + 1000 * settings.seed + k for k in range(_HELD_OUT)]
    seeds += [_SEED + 1000 * settings.seed + k for k in range(n_scenes)]
    if settings.detector is None and settings.data is None:
        reporter.note(f"{n_scenes} movies of points without images")
        return [scene_of_points(scene, seed=seed) for seed in seeds], scene
    if settings.data is not None:
        movies, scene = movies_of(settings.data, settings.limit, scene)
    else:
        movies = tuple(known_movie(scene, seed) for seed in seeds)
    reporter.note(f"{len(movies)} movies")
    return [_of_movie(settings, movie) for movie in movies], scene


def _of_movie(
    settings: MovieTrainLinkerSettings, movie: KnownMovie
) -> tuple[KnownPoints, Spots, Spots]:
    truth = movie.truth
    if truth.tracks is None:
        msg = f"the truth of {movie.name} has no column track_id"
        raise DataError(msg)
    spots = truth.with_values({"tracks": None})
    if settings.detector is not None:
        model = load_detector(settings.detector, settings.device)
        known = model.card.thresholds
        threshold = known.get(model.card.camera.kind, 0.5)
        spots = all_spots(
            list(
                model.detector.spots(
                    movie.frames,
                    range(len(movie.frames)),
                    scale=movie.scale,
                    gain=movie.gain,
                    threshold=threshold,
                )
            )
        )
    return known_detections(spots, truth, tolerance=_TOLERANCE), spots, truth


def _trained(
    settings: MovieTrainLinkerSettings,
    scenes: list[KnownPoints],
    rules: TrackRules,
    reporter: Reporter,
) -> tuple[GraphScorer, list[dict[str, str]]]:
    rows: list[dict[str, str]] = []
    began = time.monotonic()
    limit = math.inf if settings.max_minutes is None else 60.0 * settings.max_minutes

    def tell(step: int, loss: float) -> bool:
        seconds = time.monotonic() - began
        rows.append({"step": str(step + 1), "loss": repr(loss), "seconds": f"{seconds:.1f}"})
        if (step + 1) % _SHOW_EVERY == 0:
            recent = np.mean([float(row["loss"]) for row in rows[-_SHOW_EVERY:]])
            reporter.note(
                f"step {step + 1} of {settings.steps}: loss {recent:.4f}, {seconds / 60:.1f} min"
            )
        return seconds >= limit

    scorer = train_scorer(
        scenes, rules.link_rules(), steps=settings.steps, seed=settings.seed, tell=tell
    )
    return scorer, rows


def _scores(held: Scenes, rules: TrackRules, scorer: Scorer | None) -> dict[str, Any]:
    """Return the scores of tracks on held-out movies: means over them, merges as a sum."""
    found = [
        track_scores(truth, link_spots(spots, rules, scorer)[0], tolerance=_TOLERANCE)
        for _, spots, truth in held
    ]
    means = {
        key: float(np.mean([each[key] for each in found if each[key] is not None] or [0.0]))
        for key in ("fragments", "idf1", "hota")
    }
    return means | {"merges": sum(each["merges"] for each in found)}


def _tell(scores: Mapping[str, Mapping[str, Any]], reporter: Reporter) -> None:
    rows = [
        (name, f"{s['fragments']:.3f}", str(s["merges"]), f"{s['idf1']:.4f}", f"{s['hota']:.4f}")
        for name, s in scores.items()
    ]
    reporter.table(
        "Held-out movies, gaps filled", ("score", "fragments", "merges", "IDF1", "HOTA"), rows
    )
