"""``movie train hybrid``: one encoder, a decoder for puncta and one for calcium."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import yaml

from copick_picker.core.heads.point_losses import CentresLoss
from copick_picker.core.heads.point_scores import probability_fit
from copick_picker.core.movie.detector import Detector
from copick_picker.core.movie.hybrid import (
    TASKS,
    HybridLoss,
    HybridModule,
    parameters_of_parts,
    take_weights,
)
from copick_picker.core.movie.judging import calcium_in
from copick_picker.core.movie.network import FrameNetwork, HybridNetwork
from copick_picker.core.movie.patches import (
    KnownMovie,
    PatchRules,
    batch_of_movies,
    simulated_batch,
)
from copick_picker.core.train.module import PickerModule, TensorBatch, as_tensors
from copick_picker.errors import CheckpointError, CopickPickerError, DataError, SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.folders.movie_models import (
    DETECTOR_CARD,
    DETECTOR_WEIGHTS,
    HYBRID_CARD,
    read_movie_card,
)
from copick_picker.project.folders.training_files import read_weights
from copick_picker.project.guards import guarded
from copick_picker.records.plain_text import load_yaml
from copick_picker.settings.movie_hybrid import (
    SHIPPED,
    MovieTrainHybridSettings,
    stage_path,
)
from copick_picker.workflows.movie.known_movies import LONGEST, movies_of, simulated_movies
from copick_picker.workflows.movie.learning import (
    Calibrated,
    DetectorTraining,
    Judgement,
    run_training,
)
from copick_picker.workflows.movie.simulate import scene_of
from copick_picker.workflows.movie.train_detector import held_out_of
from copick_picker.workflows.movie.training import given_by_guide, work_folder

_FROZEN_FIRST = 500
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "1-localization": (),
    "2-real": ("start", "real", "labels"),
}
"""Stage -> options that it needs; the others need ``--start``."""
_VALIDATION_FRAMES = 24


@dataclass(frozen=True)
class PunctaStage:
    """What simulated patches show up to a step."""

    until: int
    tracks: float
    photons: float


@dataclass(frozen=True, eq=False)
class HybridTraining(DetectorTraining):
    """The training of a hybrid, checked.

    Attributes
    ----------
    real : tuple of KnownMovie
        Real movies with labels.
    stages : tuple of PunctaStage
        Curriculum of patches simulated on the fly; empty: by ``easy_steps``.
    """

    kind: ClassVar[str] = "movie hybrid"
    command: ClassVar[str] = "movie train hybrid"
    card_file: ClassVar[str] = HYBRID_CARD
    real: tuple[KnownMovie, ...] = ()
    stages: tuple[PunctaStage, ...] = ()

    @property
    def own(self) -> MovieTrainHybridSettings:
        """The settings, as those of a hybrid."""
        if not isinstance(self.settings, MovieTrainHybridSettings):
            msg = f"got {type(self.settings).__name__}"
            raise CopickPickerError(msg)
        return self.settings

    def rules(self) -> PatchRules:
        """Return how patches are made."""
        return replace(super().rules(), n_channels=self.own.channels, has_calcium=True)

    def network(self) -> HybridNetwork:
        """Return a network without training."""
        own = self.own
        return HybridNetwork(own.context, self.head().n_outputs, own.base_channels, own.channels)

    def fresh_network(self) -> FrameNetwork:
        """Return the network that training begins with; with the weights of ``--start``."""
        network = super().fresh_network()
        if self.own.start is not None and isinstance(network, HybridNetwork):
            state, context = _weights_of(self.own.start)
            try:
                take_weights(network, state, context)
            except CopickPickerError as error:
                msg = f"--start {self.own.start}: {error}; give its --base-channels"
                raise SettingsError(msg) from error
        return network

    def loss(self) -> HybridLoss:
        """Return the loss of both tasks."""
        own, localization = self.own, self.head().loss()
        if not isinstance(localization, CentresLoss):
            msg = f"got a {type(localization).__name__}"
            raise CopickPickerError(msg)
        weights = dict(zip(TASKS, (own.localization_weight, own.calcium_weight), strict=True))
        weights = {name: weights[name] if own.tasks in ("both", name) else 0.0 for name in TASKS}
        if not any(weights.values()):
            msg = "both tasks have weight 0, so nothing would be learned"
            raise SettingsError(msg)
        return HybridLoss(
            localization,
            weights=weights,
            calcium=own.calcium_loss,
            positive_weight=own.calcium_positive_weight,
            kendall=own.loss_weighting == "kendall",
        )

    def module(self) -> PickerModule:
        """Return what Lightning trains."""
        network, own = self.fresh_network(), self.own
        if not isinstance(network, HybridNetwork):
            msg = f"got a {type(network).__name__}"
            raise CopickPickerError(msg)
        frozen, until = own.freeze, own.freeze_steps
        if not frozen and own.start is not None:
            usual = min(_FROZEN_FIRST, self.plan().steps // 4)
            frozen, until = ("encoder",), usual if until is None else until
        return HybridModule(network, self.loss(), self.plan(), frozen=frozen, frozen_until=until)

    def batch(self, number: int) -> TensorBatch:
        """Return a batch by its number: simulated, from movies with truth, or from real ones."""
        rules, head, seed = self.rules(), self.head(), self.settings.seed
        rng = np.random.default_rng([seed, number, 1])
        if self.real and rng.random() < self.own.label_share:
            return as_tensors(batch_of_movies(number, self.real, rules, head, seed=seed))
        if self.movies:
            return as_tensors(batch_of_movies(number, self.movies, rules, head, seed=seed))
        return as_tensors(simulated_batch(number, self._of_stage(rules, number), head, seed=seed))

    def _of_stage(self, rules: PatchRules, number: int) -> PatchRules:
        stage = next((s for s in self.stages if number < s.until), None)
        if not self.stages:
            return rules
        stage = stage or self.stages[-1]
        scene = replace(rules.scene, tracks=stage.tracks, photons=stage.photons)
        return replace(rules, scene=scene, easy_batches=0)

    def judged(self, detector: Detector) -> Judgement:
        """Return how a hybrid does on some frames of the held-out movies."""
        found = super().judged(detector)
        if self.own.tasks == "localization":
            return found
        calcium = calcium_in(detector, self.held_out, frames=_VALIDATION_FRAMES)
        if calcium is None:
            return found
        scores = calcium.at(calcium.threshold())
        f1 = scores["f1"] or 0.0
        columns = found.columns | {f"calcium {k}": scores[k] or 0.0 for k in _SHOWN}
        score = f1 if self.own.tasks == "calcium" else found.score
        score += f1 if self.own.tasks == "both" else 0.0
        return Judgement(score, found.f1, columns, f"{found.words}, calcium F1 {f1:.4f}")

    def terms(self) -> list[str]:
        """Return the names of the loss's terms."""
        return [*super().terms(), "calcium"]

    def more_columns(self) -> list[str]:
        """Return what the curve holds beside scores and terms."""
        sigmas = [f"log sigma {name}" for name in TASKS]
        return [
            *(f"calcium {name}" for name in _SHOWN),
            *sigmas,
            *(f"gradient {name}" for name in TASKS),
        ]

    def watched(self, module: PickerModule) -> dict[str, float]:
        """Return both log sigmas, and the norms of both gradients at the encoder."""
        if not isinstance(module, HybridModule) or not isinstance(module.loss, HybridLoss):
            return {}
        sigmas = {f"log sigma {name}": v for name, v in module.loss.log_sigmas().items()}
        return sigmas | {f"gradient {name}": v for name, v in module.gradient_norms.items()}

    def facts(self, found: Calibrated) -> tuple[dict[str, Any], str]:
        """Return what the card says of calcium, and that in words."""
        network = found.detector.network
        calcium = calcium_in(found.detector, self.held_out, frames=LONGEST)
        fit, threshold, scores, words = (1.0, 0.0), 0.5, {}, ""
        if calcium is not None and calcium.active.any():
            fit = probability_fit(calcium.probabilities(), calcium.active)
            threshold = calcium.threshold(fit)
            scores = calcium.at(threshold, fit)
            if self.own.tasks != "localization":
                words = f"; calcium F1 {scores['f1'] or 0.0:.4f} at {threshold:.2f}"
        return {
            "channels": self.own.channels,
            "calcium_probability": list(fit),
            "calcium_threshold": threshold,
            "calcium_validation": scores,
            "class_balance": class_balance(self),
            "parameters": parameters_of_parts(network)
            if isinstance(network, HybridNetwork)
            else {},
        }, words


_SHOWN = ("f1", "sensitivity", "specificity")


@summarised
def train_hybrid(settings: MovieTrainHybridSettings, *, reporter: Reporter) -> Result:
    """Train a hybrid; resume a training that was stopped.

    Parameters
    ----------
    settings : MovieTrainHybridSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If a setting or the data are wrong, or something stands in the place of the model.
    """
    settings = given_by_guide(_staged(settings), "hybrid", reporter=reporter)
    if settings.epochs is not None and settings.data is None:
        msg = "--epochs counts the frames of --data; for simulated patches use --steps"
        raise SettingsError(msg)
    training = _training(settings)
    balance = class_balance(training)
    reporter.note(_balance_words(balance))
    if balance["states"] and not balance["active"] and settings.tasks != "localization":
        msg = (
            f"calcium is never raised in the {balance['states']:,} states checked; check the "
            "labels, or train with --tasks localization"
        )
        raise DataError(msg)
    return run_training(training, reporter=reporter)


def _staged(settings: MovieTrainHybridSettings) -> MovieTrainHybridSettings:
    """Return settings with those of a shipped stage, where the command line says nothing."""
    if settings.stage is None:
        return settings
    needed = _NEEDED.get(settings.stage, ("start",))
    missing = [name for name in needed if getattr(settings, name) is None]
    if missing:
        msg = f"--stage {settings.stage} needs " + " and ".join(f"--{name}" for name in missing)
        raise SettingsError(msg)
    content = load_yaml(stage_path(settings.stage).read_text(encoding="utf-8"))
    given = settings.model_dump(exclude_unset=True)
    return MovieTrainHybridSettings.model_validate({**content, **given})


def _training(settings: MovieTrainHybridSettings) -> HybridTraining:
    scene = scene_of(settings)
    folder = work_folder(settings.output)
    if (settings.real is None) != (settings.labels is None):
        given = "--real" if settings.labels is None else "--labels"
        msg = f"{given} needs its partner: give --real MOVIES and --labels TABLES together"
        raise SettingsError(msg)
    movies: tuple[KnownMovie, ...] = ()
    if settings.data is not None:
        movies, scene = movies_of(
            settings.data, settings.limit, scene, n_channels=settings.channels
        )
        n_held = held_out_of(len(movies), settings)
        held, movies = movies[:n_held], movies[n_held:]
    else:
        if scene.calcium is None:
            msg = f"the preset {settings.preset} has one channel; use hybrid-test or hybrid"
            raise SettingsError(msg)
        held = simulated_movies(scene, settings.validation_movies, seed=settings.seed)
    real: tuple[KnownMovie, ...] = ()
    if settings.real is not None:
        real, _ = movies_of(
            settings.real,
            settings.limit,
            scene,
            labels=settings.labels,
            pixel_size_nm=settings.pixel_size_nm,
            n_channels=settings.channels,
        )
    stages: tuple[PunctaStage, ...] = ()
    if settings.curriculum is not None:
        shipped = str(settings.curriculum) == SHIPPED
        stages = read_stages(stage_path("curriculum") if shipped else settings.curriculum)
    if stages and settings.data is not None:
        msg = "--curriculum needs patches simulated on the fly; omit --data"
        raise SettingsError(msg)
    return HybridTraining(settings, scene, movies, held, folder, real, stages)


def read_stages(path: Path) -> tuple[PunctaStage, ...]:
    """Return the stages of a curriculum file.

    Parameters
    ----------
    path : pathlib.Path
        YAML: a list of ``until`` (a step), ``tracks`` and ``photons``.

    Raises
    ------
    SettingsError
        If it cannot be read, or a stage is not whole.
    """
    with guarded(f"cannot read {path}"):
        try:
            content = load_yaml(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            msg = f"{path} is not a YAML file: {' '.join(str(error).split())}"
            raise SettingsError(msg) from error
    stages = []
    rows: list[Any] = content if isinstance(content, list) else [content]
    for row in rows:
        try:
            stages.append(
                PunctaStage(int(row["until"]), float(row["tracks"]), float(row["photons"]))
            )
        except (TypeError, KeyError, ValueError) as error:
            msg = f"{path}: expected a list of stages with until, tracks and photons; got {row}"
            raise SettingsError(msg) from error
    if any(late.until <= early.until for early, late in pairwise(stages)):
        msg = f"{path}: each stage must end later than the previous one"
        raise SettingsError(msg)
    return tuple(stages)


def class_balance(training: HybridTraining) -> dict[str, Any]:
    """Return how many states (a punctum in a frame) are known, and in how many calcium is up.

    Parameters
    ----------
    training : HybridTraining
        The training; of movies all states, of patches simulated on the fly those of some.
    """
    movies = [*training.movies, *training.real]
    known = [m.calcium.active for m in movies if m.calcium is not None]
    states = [each for each in known if each is not None]
    if training.movies or states:
        return {
            "states": sum(len(each) for each in states),
            "active": sum(int(each.sum()) for each in states),
            "of": f"{len(states)} movies",
        }
    held = [m.calcium.active for m in training.held_out if m.calcium is not None]
    kept = [each for each in held if each is not None]
    return {
        "states": sum(len(each) for each in kept),
        "active": sum(int(each.sum()) for each in kept),
        "of": f"{len(kept)} simulated movies",
    }


def _balance_words(balance: Mapping[str, Any]) -> str:
    states, active = balance["states"], balance["active"]
    if not states:
        return "no movie has calcium labels"
    share = 100.0 * active / states
    return (
        f"{states:,} states of puncta in {balance['of']}, calcium raised in {active:,} "
        f"({share:.1f} %)"
    )


def _weights_of(folder: Path) -> tuple[Mapping[str, torch.Tensor], int]:
    """Return the weights of a detector or a hybrid, and the frames that it sees."""
    name = HYBRID_CARD if (folder / HYBRID_CARD).is_file() else DETECTOR_CARD
    card = read_movie_card(folder, name)
    try:
        return read_weights(folder / DETECTOR_WEIGHTS), int(card["context"])
    except (KeyError, ValueError, TypeError) as error:
        msg = f"{folder / name} does not give the number of input frames"
        raise CheckpointError(msg) from error
