"""Settings of the commands on movies that use or train networks: detect, run, train."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from copick_picker.errors import SettingsError, choices_text
from copick_picker.settings.job import Count, Threads
from copick_picker.settings.movie import (
    MovieLinking,
    MovieOutput,
    MovieScale,
    MovieSceneSettings,
    MovieSecond,
    NotNegative,
    Positive,
    Probability,
)
from copick_picker.settings.movie_calcium import MovieTraceRules
from copick_picker.settings.options import Option

DEVICE = "auto"


def odd(value: int) -> int:
    """Return a number if it is odd.

    Parameters
    ----------
    value : int
        Value of the option.

    Raises
    ------
    ValueError
        If it is not.
    """
    if value % 2 == 0:
        msg = f"{value} is even; expected 1, 3, 5 or so"
        raise ValueError(msg)
    return value


def split_paths(value: object) -> object:
    """Return paths from ``a,b``, or the value itself.

    Parameters
    ----------
    value : object
        Value from a flag or a YAML file.
    """
    if isinstance(value, str):
        return tuple(Path(part.strip()) for part in value.split(",") if part.strip())
    return value


class MovieCamera(MovieSecond):
    """The camera of a movie, and which channel is looked at.

    Attributes
    ----------
    channel : int
        Channel of the puncta, from 0.
    camera : str or None
        ``emccd`` or ``scmos``. None: the simulated movie's, else the model's.
    baseline, gain : float or None
        Grey value without light, and grey values for each photon.
    psf_sigma : float or None
        Width of a punctum in pixels, for ``log``. None: measured.
    """

    channel: Annotated[
        Annotated[int, Field(ge=0)], Option("Channel of the puncta in a two-channel movie, from 0.")
    ] = 0
    camera: Annotated[
        Literal["emccd", "scmos"] | None,
        Option("Camera. Default: from a simulated movie's metadata, else the model's."),
    ] = None
    baseline: Annotated[NotNegative | None, Option("Grey value without light.")] = None
    gain: Annotated[Positive | None, Option("Grey values per photon.")] = None
    psf_sigma: Annotated[
        Positive | None,
        Option("Width of a punctum in pixels, for --method log. Default: measured."),
    ] = None


class MovieDetection(MovieCamera, MovieScale):
    """How puncta are detected.

    Attributes
    ----------
    model : pathlib.Path or None
        Folder of a trained detector or hybrid.
    members : tuple of pathlib.Path
        Further ones whose outputs are averaged with its own.
    method : str
        ``network`` or ``log``.
    detection_threshold : float or None
        Least probability. None: the model's for this camera; of ``log`` 0.5.
    device : str
        Where the network runs.
    threads : int or None
        CPU threads.
    batch : int
        Frames that the network sees at a time.
    precision : str
        Of the convolutions.
    """

    model: Annotated[
        Path | None, Option("Folder of a trained detector or hybrid.", "-m", metavar="FOLDER")
    ] = None
    members: Annotated[
        tuple[Path, ...],
        BeforeValidator(split_paths),
        Option("More models to average with -m.", metavar="FOLDER,..."),
    ] = ()
    method: Annotated[
        Literal["network", "log"],
        Option("A trained network, or LoG maxima with a maximum-likelihood fit."),
    ] = "network"
    detection_threshold: Annotated[
        Probability | None,
        Option(
            "Minimum probability. Default: the model's for the camera.",
            aliases="--detection_threshold --min-probability",
        ),
    ] = None
    device: Annotated[str, Option("auto, cpu, cuda or mps.")] = DEVICE
    threads: Threads = None
    batch: Annotated[Count, Option("Frames per batch.")] = 4
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"],
        Option("Precision of the convolutions; auto: the fastest on the device."),
    ] = "auto"


class MovieDetectSettings(MovieDetection, MovieOutput):
    """Settings of ``movie detect``.

    Attributes
    ----------
    movie : pathlib.Path
        Movie, or folder of movies.
    """

    movie: Annotated[Path, Option("Movie, or folder of movies.", metavar="MOVIE", argument=True)]


class MovieRunSettings(MovieDetection, MovieLinking, MovieTraceRules, MovieOutput):
    """Settings of ``movie run``.

    Attributes
    ----------
    movie : pathlib.Path
        Movie, or folder of movies.
    """

    movie: Annotated[Path, Option("Movie, or folder of movies.", metavar="MOVIE", argument=True)]


class MovieTraining(MovieSceneSettings, MovieOutput):
    """What both trainings of movies share.

    Attributes
    ----------
    data : pathlib.Path or None
        Folder of movies with truth. None: simulated on the fly.
    limit : int or None
        Most movies of the folder.
    max_minutes : float or None
        Time limit.
    seed : int
        Seed of weights and data.
    threads : int or None
        CPU threads.
    config : pathlib.Path or None
        Settings file of the guide.
    """

    data: Annotated[
        Path | None,
        Option(
            "Folder of movies with ground truth. Default: simulate on the fly.", metavar="FOLDER"
        ),
    ] = None
    limit: Annotated[
        Count | None, Option("Maximum number of movies from --data.", aliases="--num_samples")
    ] = None
    max_minutes: Annotated[Positive | None, Option("Stop after this many minutes.")] = None
    seed: Annotated[int, Field(ge=0), Option("Seed of weights and data.")] = 0
    threads: Threads = None
    config: Annotated[
        Path | None,
        Option("The guide's settings file; the command line overrides it.", metavar="YAML"),
    ] = None


class MovieTrainDetectorSettings(MovieTraining):
    """Settings of ``movie train detector``.

    Attributes
    ----------
    context : int
        Frames that the network sees, the middle one that of the detections.
    base_channels : int
        Channels of the network at half resolution.
    patch, batch_size : int
        Pixels of a patch's side; patches of a batch.
    steps : int
        Most steps.
    epochs : int or None
        Times through all frames of ``data``, instead of ``steps``.
    learning_rate, weight_decay : float
        AdamW's.
    easy_steps : int
        Steps from few bright puncta to those of the scene.
    loss_weighting : str
        ``fixed`` or ``kendall``.
    offset_weight, amplitude_weight, count_weight : float
        Weights of the loss's terms.
    validation_movies : int
        Movies held out.
    validate_every, save_every : int
        Steps between validations, and between checkpoints.
    patience : int or None
        Validations without a better one after which training stops.
    gradient_norm, average_decay, warmup_steps : number
        Of the optimiser.
    device, precision : str
        Where and how the network learns.
    loaders : int or None
        Processes that make batches.
    """

    context: Annotated[
        int,
        Field(ge=1, le=9),
        AfterValidator(odd),
        Option("Number of input frames of the network, odd."),
    ] = 3
    base_channels: Annotated[
        Annotated[int, Field(ge=4)], Option("Network channels at half resolution.")
    ] = 32
    patch: Annotated[
        Annotated[int, Field(ge=16, multiple_of=8)], Option("Side of a patch, in pixels.")
    ] = 64
    batch_size: Annotated[Count, Option("Patches per batch.")] = 8
    steps: Annotated[Count, Option("Maximum number of steps.")] = 20000
    epochs: Annotated[
        Count | None, Option("Epochs over all frames of --data, instead of --steps.")
    ] = None
    learning_rate: Annotated[Positive, Option("Highest learning rate.")] = 2e-3
    weight_decay: Annotated[NotNegative, Option("Weight decay.")] = 1e-4
    easy_steps: Annotated[
        Annotated[int, Field(ge=0)],
        Option("Length of the curriculum, from few bright puncta to the full scene, in steps."),
    ] = 300
    loss_weighting: Annotated[
        Literal["fixed", "kendall"], Option("Weights of the loss terms: fixed, or learned.")
    ] = "fixed"
    offset_weight: Annotated[NotNegative, Option("Weight of the position loss.")] = 1.0
    amplitude_weight: Annotated[NotNegative, Option("Weight of the photon loss.")] = 0.1
    count_weight: Annotated[NotNegative, Option("Weight of the loss on the number of puncta.")] = (
        0.0
    )
    validation_movies: Annotated[Count, Option("Number of movies held out for validation.")] = 4
    validate_every: Annotated[Count, Option("Steps between validations.")] = 500
    save_every: Annotated[Count, Option("Steps between checkpoints.")] = 250
    patience: Annotated[
        Count | None, Option("Stop after this many validations without improvement.")
    ] = None
    gradient_norm: Annotated[Positive, Option("Clip gradients to this norm.")] = 1.0
    average_decay: Annotated[
        Annotated[float, Field(ge=0, lt=1)], Option("Decay of the moving average of the weights.")
    ] = 0.99
    warmup_steps: Annotated[
        Annotated[int, Field(ge=0)], Option("Warm-up steps of the learning rate.")
    ] = 100
    device: Annotated[str, Option("auto, cpu, cuda or mps.")] = DEVICE
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"], Option("Training precision.")
    ] = "float32"
    loaders: Annotated[
        Annotated[int, Field(ge=0)] | None, Option("Number of processes that make batches.")
    ] = None

    @property
    def accumulate(self) -> int:
        """Batches of a step."""
        return 1

    @property
    def devices(self) -> int:
        """Devices that learn."""
        return 1


class MovieTrainLinkerSettings(MovieTraining):
    """Settings of ``movie train linker``.

    Attributes
    ----------
    detector : pathlib.Path or None
        Learn from this detector's detections, not from the true positions with errors.
    scenes : int
        Simulated movies that it learns from.
    steps : int
        Steps of training.
    gate : float
        Most pixels from a frame to the next.
    direct_gap : int
        Most frames of a direct link.
    device : str
        Where the detector runs.
    """

    detector: Annotated[
        Path | None,
        Option(
            "Train on this detector's output in movies. Default: on true positions with errors, "
            "gaps and false positives, without images.",
            metavar="FOLDER",
            aliases="--decode",
        ),
    ] = None
    scenes: Annotated[Count, Option("Number of simulated movies to train on.")] = 24
    steps: Annotated[Count, Option("Training steps.")] = 400
    gate: Annotated[Positive, Option("Maximum step between frames, in pixels.")] = 8.0
    direct_gap: Annotated[Count, Option("Maximum frames spanned by a direct link.")] = 3
    device: Annotated[str, Option("Device of the detector: auto, cpu, cuda or mps.")] = DEVICE


_DETECTOR_KEYS: Mapping[str, str] = {
    "model.base_channels": "base_channels",
    "training.learning_rate": "learning_rate",
    "training.batch_size": "batch_size",
    "training.num_epochs": "epochs",
    "training.weight_decay": "weight_decay",
}
_LINKER_KEYS: Mapping[str, str] = {
    "data.max_temporal_gap": "direct_gap",
    "data.max_spatial_distance": "gate",
}
_LINKER_FIXED: Mapping[str, str] = {
    "model.node_features": "chosen by the linker",
    "model.edge_features": "chosen by the linker",
    "model.hidden_dim": "64",
    "model.num_layers": "3",
    "training.pos_weight": "needs none: the choice of a successor is a softmax",
    "training.learning_rate": "its own",
    "training.batch_size": "one movie a step",
    "training.num_epochs": "--steps",
    "training.weight_decay": "its own",
    "data.train_split": "all movies; validation is simulated",
}


def guide_values(
    content: Mapping[str, Any], kind: Literal["detector", "linker"], *, where: str
) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that a file of the guide gives, and its keys that change nothing here.

    Parameters
    ----------
    content : mapping
        Sections -> keys -> values.
    kind : str
        ``detector`` for ``decode_training.yaml``, ``linker`` for ``magik_training.yaml``.
    where : str
        The file, for messages.

    Raises
    ------
    SettingsError
        If a section or a key is not the guide's.
    """
    used = _DETECTOR_KEYS if kind == "detector" else _LINKER_KEYS
    fixed: Mapping[str, str] = {} if kind == "detector" else _LINKER_FIXED
    values: dict[str, Any] = {}
    idle: list[str] = []
    for section, keys in content.items():
        if not isinstance(keys, Mapping):
            msg = f"{where}: '{section}' is not a section; expected model, training or data"
            raise SettingsError(msg)
        for key, value in keys.items():
            name = f"{section}.{key}"
            if name in used:
                values[used[name]] = value
            elif name in fixed:
                idle.append(f"{name} ({fixed[name]})")
            else:
                known = choices_text([*used, *fixed])
                msg = f"{where}: unknown key '{name}'; known: {known}"
                raise SettingsError(msg)
    return values, idle
