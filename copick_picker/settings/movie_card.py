"""Cards of the models of movies: ``detector.yaml``, ``hybrid.yaml`` and ``linker.yaml``."""

from typing import Annotated, Any, Literal

from pydantic import Field

from copick_picker.settings.job import Settings


class CameraCard(Settings):
    """A camera, see ``core.movie.scene.Camera``."""

    kind: Literal["emccd", "scmos"]
    baseline: float
    gain: Annotated[float, Field(gt=0)]
    read_noise: float


class DetectorCard(Settings):
    """All that a detector's weights need to be used rightly.

    Attributes
    ----------
    kind : str
        Always ``movie detector``.
    format_version : int
        Version of this file format.
    name : str
        Name of the model.
    context, base_channels : int
        Frames that the network sees; its channels at half resolution.
    head_settings : dict
        Settings of the head ``centres``, calibration included.
    thresholds : dict
        Kind of camera -> least probability of the highest F1 on held-out movies.
    camera : CameraCard
        Camera of the training.
    scene : dict
        What the movies of the training were like.
    validation : dict
        Scores on held-out movies.
    training : dict
        Steps, minutes, seed, data.
    version : str
        Version of this package.
    sha256 : str
        SHA-256 of the weights.
    """

    kind: Literal["movie detector"] = "movie detector"
    format_version: Literal[1] = 1
    name: str
    context: Annotated[int, Field(ge=1)]
    base_channels: Annotated[int, Field(ge=4)]
    head_settings: dict[str, Any]
    thresholds: dict[Literal["emccd", "scmos"], float]
    camera: CameraCard
    scene: dict[str, Any]
    validation: dict[str, Any]
    training: dict[str, Any]
    version: str
    sha256: str


class HybridCard(DetectorCard):
    """All that a hybrid's weights need to be used rightly: a detector's, and what calcium needs.

    Attributes
    ----------
    channels : int
        Channels that the network sees.
    calcium_probability : tuple of float
        Slope and intercept that calibrate the probability of calcium being up.
    calcium_threshold : float
        Probability of the highest F1 on held-out movies.
    calcium_validation : dict
        Scores of calcium on held-out movies; empty where nothing was known.
    class_balance : dict
        How many states the training knew, and how many of them were active.
    parameters : dict
        Parameters of each part.
    """

    kind: Literal["movie hybrid"] = "movie hybrid"  # type: ignore[assignment]
    channels: Annotated[int, Field(ge=1, le=2)]
    calcium_probability: tuple[float, float]
    calcium_threshold: float
    calcium_validation: dict[str, Any]
    class_balance: dict[str, Any]
    parameters: dict[str, int]


class LinkerCard(Settings):
    """All that a learned score of links needs to be used rightly.

    Attributes
    ----------
    kind : str
        Always ``movie linker``.
    format_version : int
        Version of this file format.
    name : str
        Name of the model.
    gate : float
        Most pixels from a frame to the next in training.
    direct_gap : int
        Most frames of a direct link in training.
    frame_time_ms, pixel_size_nm : float
        Of the movies of the training.
    scene, validation, training : dict
        What the movies were like; scores on held-out ones; steps, minutes, seed, data.
    version : str
        Version of this package.
    sha256 : str
        SHA-256 of the network's file.
    """

    kind: Literal["movie linker"] = "movie linker"
    format_version: Literal[1] = 1
    name: str
    gate: float
    direct_gap: int
    frame_time_ms: Annotated[float, Field(gt=0)]
    pixel_size_nm: Annotated[float, Field(gt=0)]
    scene: dict[str, Any]
    validation: dict[str, Any]
    training: dict[str, Any]
    version: str
    sha256: str
