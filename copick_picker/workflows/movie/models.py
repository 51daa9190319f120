"""Loading the models of movies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from copick_picker.core.heads.centres import CentresReadout
from copick_picker.core.link.graph import GraphScorer, load_scorer
from copick_picker.core.movie.detector import Detector
from copick_picker.core.movie.network import FrameNetwork, in_use
from copick_picker.core.movie.scene import Camera
from copick_picker.core.segment.device import fast_precision, resolve_device
from copick_picker.errors import CheckpointError
from copick_picker.project.folders.movie_models import (
    DETECTOR_CARD,
    DETECTOR_WEIGHTS,
    LINKER_CARD,
    LINKER_WEIGHTS,
    check_weights,
    read_movie_card,
)
from copick_picker.project.folders.training_files import read_weights
from copick_picker.settings.job import Settings
from copick_picker.settings.movie_card import DetectorCard, LinkerCard

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
    card: DetectorCard

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


def load_detector(folder: Path, device: str, precision: str = "float32") -> LoadedDetector:
    """Return a detector.

    Parameters
    ----------
    folder : pathlib.Path
        Its folder.
    device : str
        Where it is to run.
    precision : str
        ``float32``, ``bf16``, ``fp16``, or ``auto``: the fastest of the device.

    Raises
    ------
    CheckpointError
        If the folder holds none, or it is damaged.
    """
    card = _card(folder, DETECTOR_CARD, DetectorCard)
    check_weights(folder / DETECTOR_WEIGHTS, card.sha256)
    state = read_weights(folder / DETECTOR_WEIGHTS)
    n_outputs = int(card.head_settings.get("n_outputs", 7))
    network = FrameNetwork(card.context, n_outputs, card.base_channels)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        msg = f"{folder}: the weights do not fit the card: {' '.join(str(error).split())[:200]}"
        raise CheckpointError(msg) from error
    target = resolve_device(device)
    network = in_use(network, target)
    readout = CentresReadout(n_outputs, card.head_settings)
    chosen = fast_precision(target) if precision == "auto" else precision
    return LoadedDetector(Detector(network, readout, target, chosen), card)


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
