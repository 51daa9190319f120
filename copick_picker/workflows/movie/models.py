"""Loading the models of movies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import ValidationError

from copick_picker.core.heads.centres import CentresReadout
from copick_picker.core.heads.point_scores import probability_of
from copick_picker.core.link.graph import GraphScorer, load_scorer
from copick_picker.core.movie.detector import Detector
from copick_picker.core.movie.network import FrameNetwork, HybridNetwork, in_use
from copick_picker.core.movie.scene import Camera
from copick_picker.core.segment.device import fast_precision, resolve_device
from copick_picker.errors import CheckpointError
from copick_picker.project.folders.movie_models import (
    DETECTOR_CARD,
    DETECTOR_WEIGHTS,
    HYBRID_CARD,
    LINKER_CARD,
    LINKER_WEIGHTS,
    check_weights,
    read_movie_card,
)
from copick_picker.project.folders.training_files import read_weights
from copick_picker.records.movies import FloatArray
from copick_picker.settings.job import Settings
from copick_picker.settings.movie_card import DetectorCard, HybridCard, LinkerCard

Card = TypeVar("Card", bound=Settings)


@dataclass(frozen=True, eq=False)
class LoadedDetector:
    """A detector ready to use.

    Attributes
    ----------
    detector : Detector
        Network and readout.
    card : DetectorCard
        Its card.
    """

    detector: Detector
    card: DetectorCard | HybridCard

    @property
    def n_channels(self) -> int:
        """Channels that the network sees."""
        return self.card.channels if isinstance(self.card, HybridCard) else 1

    def calcium(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities of calcium being up.

        Parameters
        ----------
        logits : numpy.ndarray, shape (n,), float64
            As ``Detector.calcium_at`` returns them.
        """
        fit = self.card.calcium_probability if isinstance(self.card, HybridCard) else (1.0, 0.0)
        return probability_of(1.0 / (1.0 + np.exp(-logits.clip(-30.0, 30.0))), fit)

    @property
    def camera(self) -> Camera:
        """Camera of the training."""
        known = self.card.camera
        return Camera(known.kind, known.baseline, known.gain, known.read_noise)

    @property
    def psf_sigma(self) -> float:
        """Width of a punctum in pixels in the training's scene."""
        scene = self.card.scene
        return float(scene["psf_sigma_nm"]) / float(scene["pixel_size_nm"])


def load_detector(
    folder: Path, device: str, precision: str = "float32", members: Sequence[Path] = ()
) -> LoadedDetector:
    """Return a detector, alone or part of a hybrid.

    Parameters
    ----------
    folder : pathlib.Path
        Its folder.
    device : str
        Where it is to run.
    precision : str
        ``float32``, ``bf16``, ``fp16``, or ``auto``: the fastest of the device.
    members : sequence of pathlib.Path
        Further models whose outputs are averaged with its own; thresholds and calibration are
        those of the first.

    Raises
    ------
    CheckpointError
        If a folder holds none, it is damaged, or a member is of another kind.
    """
    places = [each.resolve() for each in (folder, *members)]
    if len(set(places)) < len(places):
        msg = "a model is listed twice in -m and --members"
        raise CheckpointError(msg)
    target = resolve_device(device)
    chosen = fast_precision(target) if precision == "auto" else precision
    (card, network), *others = [_network_of(each, target) for each in (folder, *members)]
    for member, (other, _) in zip(members, others, strict=True):
        if _likeness(other) != _likeness(card):
            msg = f"{member} cannot be a member of {folder}: they use different frames or channels"
            raise CheckpointError(msg)
    n_outputs = int(card.head_settings.get("n_outputs", 7))
    readout = CentresReadout(n_outputs, card.head_settings)
    networks = tuple(each for _, each in others)
    return LoadedDetector(Detector(network, readout, target, chosen, networks), card)


def _likeness(card: DetectorCard) -> tuple[Any, ...]:
    """Return what members of an ensemble have in common."""
    channels = card.channels if isinstance(card, HybridCard) else 1
    return card.kind, card.context, channels, card.head_settings.get("n_outputs")


def _network_of(folder: Path, device: torch.device) -> tuple[DetectorCard, FrameNetwork]:
    """Return the card and the network of a model, ready to use."""
    is_hybrid = (folder / HYBRID_CARD).is_file()
    card: DetectorCard = (
        _card(folder, HYBRID_CARD, HybridCard)
        if is_hybrid
        else _card(folder, DETECTOR_CARD, DetectorCard)
    )
    check_weights(folder / DETECTOR_WEIGHTS, card.sha256)
    state = read_weights(folder / DETECTOR_WEIGHTS)
    n_outputs = int(card.head_settings.get("n_outputs", 7))
    network = FrameNetwork(card.context, n_outputs, card.base_channels)
    if isinstance(card, HybridCard):
        network = HybridNetwork(card.context, n_outputs, card.base_channels, card.channels)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        msg = f"{folder}: the weights do not fit the card: {' '.join(str(error).split())[:200]}"
        raise CheckpointError(msg) from error
    return card, in_use(network, device)


def load_linker(folder: Path) -> tuple[GraphScorer, LinkerCard]:
    """Return a learned score of links, and its card.

    Parameters
    ----------
    folder : pathlib.Path
        Its folder.

    Raises
    ------
    CheckpointError
        If the folder holds none, or it is damaged.
    """
    card = _card(folder, LINKER_CARD, LinkerCard)
    check_weights(folder / LINKER_WEIGHTS, card.sha256)
    return load_scorer(folder / LINKER_WEIGHTS), card


def _card(folder: Path, file: str, kind: type[Card]) -> Card:
    content: dict[str, Any] = read_movie_card(folder, file)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{folder / file}: {where}: {first['msg']}"
        raise CheckpointError(msg) from error
