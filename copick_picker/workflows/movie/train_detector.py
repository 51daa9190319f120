"""``movie train detector``: a network on simulated movies, or on a folder of movies with truth."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.utils.data import Dataset

from copick_picker._version import __version__
from copick_picker.core.heads.centres import CentresHead, CentresReadout
from copick_picker.core.heads.point_scores import probability_fit, probability_of, sigma_scale
from copick_picker.core.movie.detector import Detector
from copick_picker.core.movie.network import FrameNetwork, in_use
from copick_picker.core.movie.patches import (
    KnownMovie,
    PatchRules,
    batch_of_movies,
    detector_rules,
    simulated_batch,
)
from copick_picker.core.movie.scaling import scale_of_movie
from copick_picker.core.movie.scene import Camera, MovieScene
from copick_picker.core.movie.scores import best_threshold, curve_of, matched
from copick_picker.core.movie.simulation import simulate_movie
from copick_picker.core.segment.device import resolve_device, use_threads
from copick_picker.core.train.module import (
    LearningPlan,
    LossNotFiniteError,
    PickerModule,
    TensorBatch,
    as_tensors,
)
from copick_picker.errors import CopickPickerError, DataError, SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.files import remove
from copick_picker.project.folders.model_places import CURVE_FILE
from copick_picker.project.folders.movie_models import (
    DETECTOR_CARD,
    DETECTOR_WEIGHTS,
    write_movie_model,
)
from copick_picker.project.folders.training_files import (
    BEST_FILE,
    DONE_FILE,
    STATE_FILE,
    finished,
    read_json,
    read_weights,
    write_weights,
)
from copick_picker.project.formats.movie_files import open_movie
from copick_picker.project.formats.spot_tables import read_spots
from copick_picker.records.movies import FloatArray, Spots, all_spots
from copick_picker.settings.movie_models import MovieTrainDetectorSettings
from copick_picker.workflows.movie.places import TRUTH_FILES, movies_at
from copick_picker.workflows.movie.simulate import scene_beside, scene_of
from copick_picker.workflows.movie.training import (
    begin_training,
    end_training,
    given_by_guide,
    model_output,
    work_folder,
)
from copick_picker.workflows.train.running import CurveCallback, machine_of, run_trainer

_TOLERANCE = 2.0
_FLOOR = 0.02
_VALIDATION_FRAMES = 24
_VALIDATION_SEED = 900_000
_OTHER_SEED = 950_000
_FINAL_FRAMES = 60


@dataclass(frozen=True, eq=False)
class DetectorTraining:
    """A training, checked.

    Attributes
    ----------
    settings : MovieTrainDetectorSettings
        Settings of the command.
    scene : MovieScene
        What the movies are like.
    movies : tuple of KnownMovie
        Movies to learn from; empty: simulated on the fly.
    held_out : tuple of KnownMovie
        Movies to judge by.
    folder : pathlib.Path
        Folder of the training's files.
    """

    settings: MovieTrainDetectorSettings
    scene: MovieScene
    movies: tuple[KnownMovie, ...]
    held_out: tuple[KnownMovie, ...]
    folder: Path

    def head(self) -> CentresHead:
        """Return the head in training."""
        settings = self.settings
        return CentresHead(
            detector_rules(
                loss_parameters={
                    "offset_weight": settings.offset_weight,
                    "amplitude_weight": settings.amplitude_weight,
                    "count_weight": settings.count_weight,
                    "kendall": float(settings.loss_weighting == "kendall"),
                }
            )
        )

    def rules(self) -> PatchRules:
        """Return how patches are made."""
        settings = self.settings
        return PatchRules(
            self.scene,
            settings.context,
            settings.patch,
            settings.batch_size,
            settings.easy_steps,
        )

    def plan(self) -> LearningPlan:
        """Return duration and learning rates."""
        settings = self.settings
        steps = settings.steps
        if settings.epochs is not None:
            frames = sum(len(movie.frames) for movie in self.movies)
            steps = max(1, settings.epochs * frames // settings.batch_size)
        return LearningPlan(
            steps=steps,
            seconds=None if settings.max_minutes is None else 60.0 * settings.max_minutes,
            warmup_steps=min(settings.warmup_steps, steps // 2),
            learning_rate=settings.learning_rate,
            backbone_rate=1.0,
            backbone=frozenset(),
            weight_decay=settings.weight_decay,
            average_decay=settings.average_decay,
            seed=settings.seed,
        )


class MoviePatches(Dataset[TensorBatch]):
    """Batches by number, made on demand.

    Parameters
    ----------
    training : DetectorTraining
        The training.
    steps : int
        Batches in all.
    """

    def __init__(self, training: DetectorTraining, steps: int) -> None:
        self.training, self.steps = training, steps
        self._head = training.head()

    def __len__(self) -> int:
        """Return the total number of batches."""
        return self.steps

    def __getitem__(self, number: int) -> TensorBatch:
        """Return a batch."""
        training, seed = self.training, self.training.settings.seed
        if training.movies:
            batch = batch_of_movies(
                number, training.movies, training.rules(), self._head, seed=seed
            )
        else:
            batch = simulated_batch(number, training.rules(), self._head, seed=seed)
        return as_tensors(batch)


class DetectorCallback(CurveCallback):
    """Judges the network by F1 and error on held-out movies."""

    def __init__(self, training: DetectorTraining, reporter: Reporter) -> None:
        super().__init__(training.folder, training.plan(), training.settings, reporter)
        self.training = training

    def judge(self, module: PickerModule, step: int) -> dict[str, Any]:
        """Score the network on some frames of the held-out movies."""
        network = module.averaged_network()
        was_training = network.training
        network.eval()
        detector = _detector(self.training, network, self.training.head().settings())
        found = [
            _found(detector, movie, frames=_VALIDATION_FRAMES) for movie in self.training.held_out
        ]
        network.train(was_training)
        held = Judged(found)
        scores = held.at(held.threshold())
        f1, error = scores["f1"] or 0.0, scores["rmse_per_axis_px"]
        best = dict(module.best)
        # of equal F1 the smaller error
        score = f1 - 0.01 * (2.0 if error is None else error)
        before = best.get("score", -np.inf)
        since = 0 if score > before else best.get("since", 0) + 1
        if score >= before:
            best |= {"score": float(score), "step": step, "f1": f1}
            write_weights(self.folder / BEST_FILE, network.state_dict())
        best["since"] = since
        told = "-" if error is None else f"{error:.3f} px"
        self.reporter.note(
            f"step {step} of {self.plan.steps}: loss {module.recent_loss():.3f}, F1 {f1:.4f}, "
            f"error {told}, {module.seconds / 60:.1f} min"
        )
        columns = {
            "f1": repr(f1),
            "precision": repr(scores["precision"] or 0.0),
            "recall": repr(scores["recall"] or 0.0),
            "error_px": repr(float("nan") if error is None else error),
        }
        terms = getattr(module.loss, "terms", {})
        columns |= {f"loss {name}": repr(float(value)) for name, value in terms.items()}
        return {"best": best, "columns": columns}

    def columns(self) -> list[str]:
        """Return the columns of the curve."""
        terms = ["probability", "position", "amplitude"]
        terms += ["count"] if self.training.settings.count_weight else []
        return ["f1", "precision", "recall", "error_px", *(f"loss {name}" for name in terms)]


@dataclass(frozen=True, eq=False)
class FoundPuncta:
    """Detections of a held-out movie, all of them, and the truth of its frames."""

    truth: Spots
    found: Spots
    is_hit: Any
    errors: FloatArray
    """Of the hits, x and y in pixels."""


class Judged:
    """Detections of several held-out movies.

    Parameters
    ----------
    parts : sequence of FoundPuncta
        The movies.
    fit : tuple of float
        Slope and intercept that calibrate the scores.
    """

    def __init__(self, parts: Sequence[FoundPuncta], fit: tuple[float, float] = (1.0, 0.0)) -> None:
        self.parts = parts
        scores = [part.found.probabilities for part in parts]
        joined = np.concatenate([np.zeros(0) if each is None else each for each in scores])
        self.scores = probability_of(joined, fit)
        self.is_hit = np.concatenate([part.is_hit for part in parts])
        self.n_truth = sum(len(part.truth) for part in parts)

    def threshold(self) -> float:
        """Return the threshold of the highest F1."""
        return best_threshold(*curve_of(self.scores, self.is_hit, self.n_truth))

    def at(self, threshold: float) -> dict[str, Any]:
        """Return the scores at a threshold."""
        keep = self.scores >= threshold
        errors = np.concatenate([part.errors for part in self.parts])
        kept = keep[self.is_hit]
        hits, n_found = int(kept.sum()), int(keep.sum())
        total = n_found + self.n_truth
        return {
            "puncta": self.n_truth,
            "precision": hits / n_found if n_found else None,
            "recall": hits / self.n_truth if self.n_truth else None,
            "f1": 2 * hits / total if total else None,
            "rmse_per_axis_px": float(np.sqrt((errors[kept] ** 2).mean())) if hits else None,
        }


@summarised
def train_detector(settings: MovieTrainDetectorSettings, *, reporter: Reporter) -> Result:
    """Train a detector; resume a training that was stopped.

    Parameters
    ----------
    settings : MovieTrainDetectorSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If a setting or the data are wrong, or something stands in the place of the model.
    """
    settings = given_by_guide(settings, "detector", reporter=reporter)
    use_threads(settings.threads)
    if settings.epochs is not None and settings.data is None:
        msg = "--epochs counts the frames of --data; of simulated patches give --steps"
        raise SettingsError(msg)
    machine_of(settings, cpu_loaders=0)
    training = _training(settings)
    record = _record(training)
    if begin_training(settings, record, DETECTOR_CARD):
        line = f"{settings.output} is complete"
        return Result(f"movie train detector: {line}", content={"result": line})
    training.folder.mkdir(parents=True, exist_ok=True)
    if read_json(training.folder / DONE_FILE) is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            head = training.head()
            network = FrameNetwork(settings.context, head.n_outputs, settings.base_channels)
            head.prepare(network)
        convert_conv2d_weight_memory_format(network, torch.channels_last)
        plan = training.plan()
        module = PickerModule(network, head.loss(), plan, output_stride=1)
        callback = DetectorCallback(training, reporter)
        try:
            run_trainer(module, MoviePatches(training, plan.steps), callback, cpu_loaders=0)
        except LossNotFiniteError as error:
            text = str(error).replace("look at these tomograms", "look at these movies")
            return Result(f"movie train detector: stopped: {text}", 1, {"result": text})
    return _result(training, record, reporter)


def _training(settings: MovieTrainDetectorSettings) -> DetectorTraining:
    scene = scene_of(settings)
    folder = work_folder(settings.output)
    if settings.data is None:
        held = tuple(
            known_movie(scene, _VALIDATION_SEED + 1000 * settings.seed + number)
            for number in range(settings.validation_movies)
        )
        return DetectorTraining(settings, scene, (), held, folder)
    movies, scene = movies_of(settings.data, settings.limit, scene)
    n_held = min(settings.validation_movies, max(1, len(movies) // 5))
    if len(movies) <= n_held:
        msg = f"--data {settings.data} gives {len(movies)} movie; expected two or more"
        raise SettingsError(msg)
    return DetectorTraining(settings, scene, movies[n_held:], movies[:n_held], folder)


def known_movie(scene: MovieScene, seed: int) -> KnownMovie:
    """Return a simulated movie with its truth.

    Parameters
    ----------
    scene : MovieScene
        What it shows.
    seed : int
        Equal seeds give equal movies.
    """
    short = replace(scene, frames=min(scene.frames, _FINAL_FRAMES))
    made = simulate_movie(short, seed=seed)
    scale = scale_of_movie(made.frames[:16])
    return KnownMovie(f"simulated {seed}", made.frames, made.truth, scale, scene.camera.gain)


def movies_of(
    folder: Path, limit: int | None, scene: MovieScene
) -> tuple[tuple[KnownMovie, ...], MovieScene]:
    """Return the movies of a folder with their truth, and what they are like.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of movies, a table of truth beside each.
    limit : int or None
        Most movies.
    scene : MovieScene
        What they are like where no file says so.

    Raises
    ------
    DataError
        If a truth is missing, or of another size than its movie.
    """
    known = []
    found = movies_at(folder)[:limit]
    first = scene_beside(found[0].path)
    scene = scene if first is None else first
    for each in found:
        table = next(
            (each.path.with_name(n) for n in TRUTH_FILES if each.path.with_name(n).is_file()), None
        )
        if table is None:
            msg = f"{each.path} has no truth beside it: {' or '.join(TRUTH_FILES)}"
            raise DataError(msg)
        movie, truth = open_movie(each.path), read_spots(table)
        check_truth(movie.frames.shape, truth, table)
        gain = float(movie.camera.get("gain", scene.camera.gain))
        scale = scale_of_movie(movie.frames[: min(16, len(movie.frames))])
        known.append(KnownMovie(each.name, movie.frames, truth, scale, gain))
    if not any(len(movie.truth) for movie in known):
        msg = f"{folder}: no movie has a punctum in its truth"
        raise DataError(msg)
    return tuple(known), scene


def check_truth(shape: tuple[int, int, int], truth: Spots, table: Path) -> None:
    """Raise where a truth does not belong to a movie of this size.

    Parameters
    ----------
    shape : tuple of int
        Frames and pixels along y and x.
    truth : Spots
        The truth.
    table : pathlib.Path
        Its file, for the message.

    Raises
    ------
    DataError
        If a punctum lies beyond the movie.
    """
    if not len(truth):
        return
    n_frames, height, width = shape
    last = int(truth.frames.max())
    x, y = truth.positions.T
    outside = (x < -1) | (x > width) | (y < -1) | (y > height)
    if last >= n_frames or outside.mean() > 0.02:
        what = f"frame {last}" if last >= n_frames else f"x {x.max():.0f}, y {y.max():.0f}"
        msg = (
            f"{table} goes to {what}, but the movie has {n_frames} frames of {height} x {width} "
            "pixels: another movie's truth?"
        )
        raise DataError(msg)


def _detector(
    training: DetectorTraining, network: nn.Module, head_settings: Mapping[str, Any]
) -> Detector:
    if not isinstance(network, FrameNetwork):
        msg = f"got a {type(network).__name__}"
        raise CopickPickerError(msg)
    device = next(network.parameters()).device
    readout = CentresReadout(training.head().n_outputs, head_settings)
    return Detector(network, readout, device)


def _found(detector: Detector, movie: KnownMovie, *, frames: int) -> FoundPuncta:
    """Return everything that a detector finds in some frames of a movie, against the truth."""
    n_frames = len(movie.frames)
    numbers = np.unique(np.linspace(0, n_frames - 1, min(frames, n_frames)).astype(int))
    found = all_spots(
        list(
            detector.spots(
                movie.frames,
                numbers.tolist(),
                scale=movie.scale,
                gain=movie.gain,
                threshold=_FLOOR,
            )
        )
    )
    truth = movie.truth.chosen(np.isin(movie.truth.frames, numbers))
    match = matched(truth, found, tolerance=_TOLERANCE)
    is_hit = np.zeros(len(found), dtype=bool)
    is_hit[match.found_rows] = True
    order = np.argsort(match.found_rows)
    return FoundPuncta(truth, found, is_hit, match.errors[order])


def _result(training: DetectorTraining, record: Mapping[str, Any], reporter: Reporter) -> Result:
    """Calibrate on held-out movies, and write the model."""
    began = time.perf_counter()
    settings, head = training.settings, training.head()
    done = finished(training.folder)
    network = FrameNetwork(settings.context, head.n_outputs, settings.base_channels)
    network.load_state_dict(read_weights(training.folder / BEST_FILE))
    network = in_use(network, resolve_device(settings.device))
    detector = _detector(training, network, head.settings())
    parts = [_found(detector, movie, frames=_FINAL_FRAMES) for movie in training.held_out]
    raw = Judged(parts)
    fit = probability_fit(raw.scores, raw.is_hit)
    errors = np.concatenate([part.errors for part in parts])
    sigmas = np.concatenate(
        [part.found.sigmas[part.is_hit] for part in parts if part.found.sigmas is not None]
    )
    factors = sigma_scale(errors, sigmas)
    head_settings = {
        **head.settings(),
        "n_outputs": head.n_outputs,
        "probability": [list(fit)],
        "sigma_scale": [[float(each) for each in factors[::-1]]],  # along y, x
    }
    kind = training.scene.camera.kind
    held = Judged(parts, fit)
    thresholds = {kind: held.threshold()}
    scores = held.at(thresholds[kind])
    if not training.movies:
        thresholds |= _other_camera(training, detector, fit)
    card = {
        "kind": "movie detector",
        "format_version": 1,
        "name": settings.output.name,
        "context": settings.context,
        "base_channels": settings.base_channels,
        "head_settings": plain(head_settings),
        "thresholds": thresholds,
        "camera": asdict(training.scene.camera),
        "scene": plain(asdict(training.scene)),
        "validation": plain(scores) | {"movies": len(training.held_out)},
        "training": plain(
            {**done, "seed": settings.seed, "data": str(settings.data or "simulated on the fly")}
        )
        | {"job": record["digest"]},
        "version": __version__,
    }
    write_movie_model(
        settings.output,
        card,
        training.folder / BEST_FILE,
        training.folder / CURVE_FILE,
        files=(DETECTOR_CARD, DETECTOR_WEIGHTS),
        permit=model_output(settings).check,
    )
    for file in (STATE_FILE, BEST_FILE):
        remove(training.folder / file)
    end_training(training.folder, reporter=reporter)
    error = scores["rmse_per_axis_px"]
    told = "" if error is None else f", error {error:.3f} px along an axis"
    line = (
        f"{settings.output}: F1 {scores['f1'] or 0.0:.4f} on {len(training.held_out)} held-out "
        f"movies at a threshold of {thresholds[kind]:.2f}{told}; {done['steps']} steps"
    )
    content: dict[str, Any] = {"output": str(settings.output), "scores": scores}
    content["thresholds"] = thresholds
    content["seconds_of_calibration"] = time.perf_counter() - began
    return Result(f"movie train detector: {line}", content=content)


def _other_camera(
    training: DetectorTraining, detector: Detector, fit: tuple[float, float]
) -> dict[str, float]:
    """Return the threshold of the highest F1 with the other kind of camera."""
    kind = {"emccd": "scmos", "scmos": "emccd"}[training.scene.camera.kind]
    usual = {"emccd": Camera(), "scmos": Camera("scmos", 100.0, 2.0, 1.6)}[kind]
    scene = replace(training.scene, camera=usual)
    movies = [known_movie(scene, _OTHER_SEED + number) for number in range(2)]
    parts = [_found(detector, movie, frames=_VALIDATION_FRAMES) for movie in movies]
    return {kind: Judged(parts, fit).threshold()}


def plain(content: Any) -> Any:  # noqa: ANN401 (values for YAML)
    """Return values that YAML has a word for.

    Parameters
    ----------
    content : object
        Mappings, sequences, numbers and paths.
    """
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, np.generic):
        return content.item()
    return str(content) if isinstance(content, Path) else content


def _record(training: DetectorTraining) -> dict[str, Any]:
    """Return what identifies a training."""
    settings = training.settings
    left_out = {"output", "overwrite", "json_file", "threads", "config", "device", "loaders"}
    return {
        "settings": settings.model_dump(mode="json", exclude=left_out),
        "scene": plain(asdict(training.scene)),
        "movies": [movie.name for movie in (*training.held_out, *training.movies)],
    }
