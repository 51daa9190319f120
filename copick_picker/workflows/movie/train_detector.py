"""``movie train detector``: a network on simulated movies, or on a folder of movies with truth."""

import time
from collections.abc import Mapping
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
from copick_picker.core.heads.point_scores import probability_fit, sigma_scale
from copick_picker.core.movie.detector import Detector
from copick_picker.core.movie.judging import Judged, found_in
from copick_picker.core.movie.network import FrameNetwork, in_use
from copick_picker.core.movie.patches import (
    KnownMovie,
    PatchRules,
    batch_of_movies,
    detector_rules,
    simulated_batch,
)
from copick_picker.core.movie.scene import Camera, MovieScene
from copick_picker.core.segment.device import resolve_device, use_threads
from copick_picker.core.train.module import (
    LearningPlan,
    LossNotFiniteError,
    PickerModule,
    TensorBatch,
    as_tensors,
)
from copick_picker.errors import CopickPickerError, SettingsError
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
from copick_picker.settings.movie_models import MovieTrainDetectorSettings
from copick_picker.workflows.movie.known_movies import LONGEST, known_movie, movies_of
from copick_picker.workflows.movie.simulate import scene_of
from copick_picker.workflows.movie.training import (
    begin_training,
    end_training,
    given_by_guide,
    model_output,
    plain,
    work_folder,
)
from copick_picker.workflows.train.running import CurveCallback, machine_of, run_trainer

_VALIDATION_FRAMES = 24
_VALIDATION_SEED = 900_000
_OTHER_SEED = 950_000


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
            found_in(detector, movie, frames=_VALIDATION_FRAMES) for movie in self.training.held_out
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


def _detector(
    training: DetectorTraining, network: nn.Module, head_settings: Mapping[str, Any]
) -> Detector:
    if not isinstance(network, FrameNetwork):
        msg = f"got a {type(network).__name__}"
        raise CopickPickerError(msg)
    device = next(network.parameters()).device
    readout = CentresReadout(training.head().n_outputs, head_settings)
    return Detector(network, readout, device)


def _result(training: DetectorTraining, record: Mapping[str, Any], reporter: Reporter) -> Result:
    """Calibrate on held-out movies, and write the model."""
    began = time.perf_counter()
    settings, head = training.settings, training.head()
    done = finished(training.folder)
    network = FrameNetwork(settings.context, head.n_outputs, settings.base_channels)
    network.load_state_dict(read_weights(training.folder / BEST_FILE))
    network = in_use(network, resolve_device(settings.device))
    detector = _detector(training, network, head.settings())
    parts = [found_in(detector, movie, frames=LONGEST) for movie in training.held_out]
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
    parts = [found_in(detector, movie, frames=_VALIDATION_FRAMES) for movie in movies]
    return {kind: Judged(parts, fit).threshold()}


def _record(training: DetectorTraining) -> dict[str, Any]:
    """Return what identifies a training."""
    settings = training.settings
    left_out = {"output", "overwrite", "json_file", "threads", "config", "device", "loaders"}
    return {
        "settings": settings.model_dump(mode="json", exclude=left_out),
        "scene": plain(asdict(training.scene)),
        "movies": [movie.name for movie in (*training.held_out, *training.movies)],
    }
