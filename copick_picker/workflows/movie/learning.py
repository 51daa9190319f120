"""Trainings of networks that see frames: data, steps, and how held-out movies judge them."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

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
from copick_picker.errors import CopickPickerError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result
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
from copick_picker.workflows.movie.known_movies import LONGEST, known_movie
from copick_picker.workflows.movie.training import (
    begin_training,
    end_training,
    model_output,
    plain,
)
from copick_picker.workflows.train.running import CurveCallback, machine_of, run_trainer

_VALIDATION_FRAMES = 24
_OTHER_SEED = 950_000
_USELESS = 0.2
"""F1 below which a model is said to be of no use."""


@dataclass(frozen=True)
class Judgement:
    """How a network does on held-out movies.

    Attributes
    ----------
    score : float
        The higher the better.
    f1 : float
        F1 of the puncta.
    columns : dict
        Figures for the curve.
    words : str
        The figures in words.
    """

    score: float
    f1: float
    columns: dict[str, float]
    words: str


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A trained detector, calibrated on held-out movies.

    Attributes
    ----------
    detector : Detector
        The detector.
    head_settings : dict
        Settings of its head, calibration included.
    thresholds : dict
        Kind of camera -> threshold of the highest F1.
    scores : dict
        Scores at the threshold of the training's camera.
    """

    detector: Detector
    head_settings: dict[str, Any]
    thresholds: dict[str, float]
    scores: dict[str, Any]


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

    kind: ClassVar[str] = "movie detector"
    command: ClassVar[str] = "movie train detector"
    card_file: ClassVar[str] = DETECTOR_CARD

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

    def network(self) -> FrameNetwork:
        """Return a network without training."""
        settings = self.settings
        return FrameNetwork(settings.context, self.head().n_outputs, settings.base_channels)

    def fresh_network(self) -> FrameNetwork:
        """Return the network that training begins with."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = self.network()
            self.head().prepare(network)
        convert_conv2d_weight_memory_format(network, torch.channels_last)
        return network

    def module(self) -> PickerModule:
        """Return what Lightning trains."""
        return PickerModule(self.fresh_network(), self.head().loss(), self.plan(), output_stride=1)

    def batch(self, number: int) -> TensorBatch:
        """Return a batch by its number."""
        rules, head, seed = self.rules(), self.head(), self.settings.seed
        if self.movies:
            return as_tensors(batch_of_movies(number, self.movies, rules, head, seed=seed))
        return as_tensors(simulated_batch(number, rules, head, seed=seed))

    def detector(self, network: nn.Module, head_settings: Mapping[str, Any]) -> Detector:
        """Return a detector of a network."""
        if not isinstance(network, FrameNetwork):
            msg = f"got a {type(network).__name__}"
            raise CopickPickerError(msg)
        readout = CentresReadout(self.head().n_outputs, head_settings)
        return Detector(network, readout, next(network.parameters()).device)

    def judged(self, detector: Detector) -> Judgement:
        """Return how a detector does on some frames of the held-out movies."""
        held = Judged([found_in(detector, m, frames=_VALIDATION_FRAMES) for m in self.held_out])
        scores = held.at(held.threshold())
        f1, error = scores["f1"] or 0.0, scores["rmse_per_axis_px"]
        told = "-" if error is None else f"{error:.3f} px"
        columns = {
            "f1": f1,
            "precision": scores["precision"] or 0.0,
            "recall": scores["recall"] or 0.0,
            "error_px": float("nan") if error is None else error,
        }
        # of equal F1 the smaller error
        score = f1 - 0.01 * (2.0 if error is None else error)
        return Judgement(score, f1, columns, f"F1 {f1:.4f}, error {told}")

    def terms(self) -> list[str]:
        """Return the names of the loss's terms."""
        terms = ["probability", "position", "amplitude"]
        return terms + (["count"] if self.settings.count_weight else [])

    def more_columns(self) -> list[str]:
        """Return what the curve holds beside scores and terms."""
        return []

    def facts(self, found: Calibrated) -> tuple[dict[str, Any], str]:  # noqa: ARG002 (of a hybrid)
        """Return what the card says beside the detector, and that in words."""
        return {}, ""

    def watched(self, module: PickerModule) -> dict[str, float]:  # noqa: ARG002 (of a hybrid)
        """Return what is looked at in a module, for the curve."""
        return {}

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
    """

    def __init__(self, training: DetectorTraining) -> None:
        self.training = training

    def __len__(self) -> int:
        """Return the total number of batches."""
        return self.training.plan().steps

    def __getitem__(self, number: int) -> TensorBatch:
        """Return a batch."""
        return self.training.batch(number)


class DetectorCallback(CurveCallback):
    """Judges the network on held-out movies, and keeps the best."""

    def __init__(self, training: DetectorTraining, reporter: Reporter) -> None:
        super().__init__(training.folder, training.plan(), training.settings, reporter)
        self.training = training

    def judge(self, module: PickerModule, step: int) -> dict[str, Any]:
        """Score the network on some frames of the held-out movies."""
        network = module.averaged_network()
        was_training = network.training
        network.eval()
        training = self.training
        found = training.judged(training.detector(network, training.head().settings()))
        network.train(was_training)
        best = dict(module.best)
        before = best.get("score", -np.inf)
        since = 0 if found.score > before else best.get("since", 0) + 1
        if found.score >= before:
            best |= {"score": float(found.score), "step": step, "f1": found.f1}
            write_weights(self.folder / BEST_FILE, network.state_dict())
        best["since"] = since
        self.reporter.note(
            f"step {step} of {self.plan.steps}: loss {module.recent_loss():.3f}, {found.words}, "
            f"{module.seconds / 60:.1f} min"
        )
        columns = {name: repr(float(value)) for name, value in found.columns.items()}
        terms = getattr(module.loss, "terms", {})
        columns |= {f"loss {name}": repr(float(value)) for name, value in terms.items()}
        columns |= {name: repr(v) for name, v in training.watched(module).items()}
        return {"best": best, "columns": columns}

    def columns(self) -> list[str]:
        """Return the columns of the curve."""
        training = self.training
        terms = [f"loss {name}" for name in training.terms()]
        return ["f1", "precision", "recall", "error_px", *terms, *training.more_columns()]


def calibrated(training: DetectorTraining, network: FrameNetwork, *, frames: int) -> Calibrated:
    """Return a trained network with probabilities and standard deviations that mean what they say.

    Parameters
    ----------
    training : DetectorTraining
        Its training.
    network : FrameNetwork
        The network, ready to use.
    frames : int
        Frames of each held-out movie to look at.
    """
    head = training.head()
    detector = training.detector(network, head.settings())
    parts = [found_in(detector, movie, frames=frames) for movie in training.held_out]
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
    if not training.movies:
        thresholds |= _other_camera(training, detector, fit)
    return Calibrated(detector, head_settings, thresholds, held.at(thresholds[kind]))


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


def record_of(training: DetectorTraining) -> dict[str, Any]:
    """Return what identifies a training.

    Parameters
    ----------
    training : DetectorTraining
        The training.
    """
    settings = training.settings
    left_out = {"output", "overwrite", "json_file", "threads", "config", "device", "loaders"}
    return {
        "settings": settings.model_dump(mode="json", exclude=left_out),
        "scene": plain(asdict(training.scene)),
        "movies": [movie.name for movie in (*training.held_out, *training.movies)],
    }


def run_training(training: DetectorTraining, *, reporter: Reporter) -> Result:
    """Train, or take up a training that was stopped; calibrate, and write the model.

    Parameters
    ----------
    training : DetectorTraining
        The training, checked.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the data are wrong, or something stands in the place of the model.
    """
    settings = training.settings
    use_threads(settings.threads)
    machine_of(settings, cpu_loaders=0)
    record = record_of(training)
    if begin_training(settings, record, training.card_file):
        line = f"{settings.output} is complete"
        return Result(f"{training.command}: {line}", content={"result": line})
    training.folder.mkdir(parents=True, exist_ok=True)
    if read_json(training.folder / DONE_FILE) is None:
        callback = DetectorCallback(training, reporter)
        try:
            run_trainer(training.module(), MoviePatches(training), callback, cpu_loaders=0)
        except LossNotFiniteError as error:
            text = str(error).replace("look at these tomograms", "look at these movies")
            return Result(f"{training.command}: stopped: {text}", 1, {"result": text})
    return _finished(training, record, reporter)


def _finished(training: DetectorTraining, record: Mapping[str, Any], reporter: Reporter) -> Result:
    """Calibrate on held-out movies, and write the model."""
    began = time.perf_counter()
    settings = training.settings
    done = finished(training.folder)
    network = training.network()
    network.load_state_dict(read_weights(training.folder / BEST_FILE))
    found = calibrated(training, in_use(network, resolve_device(settings.device)), frames=LONGEST)
    facts, more = training.facts(found)
    scores, n_held = found.scores, len(training.held_out)
    data = str(settings.data or "simulated on the fly")
    card = {
        "kind": training.kind,
        "format_version": 1,
        "name": settings.output.name,
        "context": settings.context,
        "base_channels": settings.base_channels,
        "head_settings": plain(found.head_settings),
        "thresholds": found.thresholds,
        "camera": asdict(training.scene.camera),
        "scene": plain(asdict(training.scene)),
        "validation": plain(scores) | {"movies": n_held},
        "training": plain({**done, "seed": settings.seed, "data": data, "job": record["digest"]}),
        "version": __version__,
        **plain(facts),
    }
    write_movie_model(
        settings.output,
        card,
        training.folder / BEST_FILE,
        training.folder / CURVE_FILE,
        files=(training.card_file, DETECTOR_WEIGHTS),
        permit=model_output(settings, training.card_file).check,
    )
    for file in (STATE_FILE, BEST_FILE):
        remove(training.folder / file)
    end_training(training.folder, reporter=reporter)
    if (scores["f1"] or 0.0) < _USELESS:
        reporter.warn(f"{settings.output} finds almost nothing on held-out movies; train longer")
    error = scores["rmse_per_axis_px"]
    told = "" if error is None else f", error {error:.3f} px along an axis"
    threshold = found.thresholds[training.scene.camera.kind]
    line = (
        f"{settings.output}: F1 {scores['f1'] or 0.0:.4f} on {n_held} held-out movies at a "
        f"threshold of {threshold:.2f}{told}{more}; {done['steps']} steps"
    )
    content: dict[str, Any] = {"output": str(settings.output), "scores": scores, **plain(facts)}
    content["thresholds"] = found.thresholds
    content["seconds_of_calibration"] = time.perf_counter() - began
    return Result(f"{training.command}: {line}", content=content)
