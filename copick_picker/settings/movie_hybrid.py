"""Settings of ``movie train hybrid``."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from copick_picker.errors import SettingsError, choices_text
from copick_picker.settings.movie import NotNegative, Preset, Probability, split_names
from copick_picker.settings.movie_models import MovieTrainDetectorSettings, odd
from copick_picker.settings.options import Option

Part = Literal["encoder", "localization", "calcium"]
Stage = Literal["1-localization", "2-real", "3-calcium", "4-joint", "fine-tuning"]
SHIPPED = "shipped"


class MovieTrainHybridSettings(MovieTrainDetectorSettings):
    """Settings of ``movie train hybrid``.

    Attributes
    ----------
    channels : int
        Channels that the network sees.
    real, labels : pathlib.Path or None
        Folder of real movies, and folder of tables of their puncta.
    label_share : float
        Share of the patches that are cut from real movies.
    tasks : str
        ``both``, ``localization`` or ``calcium``.
    localization_weight, calcium_weight : float
        Weights of the tasks.
    calcium_loss : str
        ``cross-entropy`` or ``focal``.
    calcium_positive_weight : float
        Weight of pixels where calcium is up.
    start : pathlib.Path or None
        Detector or hybrid whose weights training begins with.
    freeze : tuple of str
        Parts whose weights stay.
    freeze_steps : int or None
        Steps until they learn too.
    curriculum : pathlib.Path or None
        File of stages for patches simulated on the fly; ``shipped``: that of the package.
    stage : str or None
        Name of shipped settings, see :func:`stage_path`.
    """

    preset: Annotated[Preset, Option("Scene to start from; other options change it.")] = (
        "hybrid-test"
    )
    context: Annotated[
        int,
        Field(ge=1, le=9),
        AfterValidator(odd),
        Option("Number of input frames of the network, odd."),
    ] = 5
    channels: Annotated[
        Annotated[int, Field(ge=1, le=2)],
        Option("Number of input channels of the network; 1: only that of the puncta."),
    ] = 2
    loss_weighting: Annotated[
        Literal["fixed", "kendall"], Option("Weights of the two tasks: fixed, or learned.")
    ] = "fixed"
    real: Annotated[
        Path | None,
        Option("Folder of real movies to train on as well, with --labels.", metavar="FOLDER"),
    ] = None
    labels: Annotated[
        Path | None,
        Option(
            "Tables of puncta for --real, one per movie: output folders of movie detect or movie "
            "import-labels, or ThunderSTORM's NAME.csv.",
            metavar="FOLDER",
        ),
    ] = None
    label_share: Annotated[Probability, Option("Fraction of patches from --real.")] = 0.5
    tasks: Annotated[Literal["both", "localization", "calcium"], Option("Tasks to train.")] = "both"
    localization_weight: Annotated[NotNegative, Option("Weight of the localization loss.")] = 1.0
    calcium_weight: Annotated[NotNegative, Option("Weight of the calcium loss.")] = 1.0
    calcium_loss: Annotated[Literal["cross-entropy", "focal"], Option("Calcium loss.")] = (
        "cross-entropy"
    )
    calcium_positive_weight: Annotated[
        Annotated[float, Field(gt=0)], Option("Weight of pixels with raised calcium.")
    ] = 1.0
    start: Annotated[
        Path | None,
        Option(
            "Detector or hybrid to start from; its encoder is frozen at first.",
            metavar="FOLDER",
        ),
    ] = None
    freeze: Annotated[
        tuple[Part, ...],
        BeforeValidator(split_names),
        Option("Parts to freeze: encoder, localization, calcium.", metavar="PART,..."),
    ] = ()
    freeze_steps: Annotated[
        Annotated[int, Field(ge=0)] | None,
        Option(
            "Steps until frozen parts are trained too. Default: never for --freeze; 500 for the "
            "encoder of --start."
        ),
    ] = None
    curriculum: Annotated[
        Path | None,
        Option(
            "Stages of patches simulated on the fly, or 'shipped': from 5 bright puncta to 30 dim "
            "ones.",
            metavar="YAML",
        ),
    ] = None
    stage: Annotated[
        Stage | None,
        Option("Preset for one stage of progressive training; other options override it."),
    ] = None


def stage_path(name: str) -> Path:
    """Return a shipped file of settings, or the curriculum.

    Parameters
    ----------
    name : str
        One of :data:`Stage`, or ``curriculum``.
    """
    return Path(str(files("copick_picker").joinpath("configs", "movies", f"{name}.yaml")))


_LOCALIZATION_KEYS: Mapping[str, str] = {
    "model.in_channels": "channels",
    "model.base_channels": "base_channels",
    "model.pretrained_encoder": "start",
    "model.freeze_encoder": "freeze",
    "data.synthetic_dir": "data",
    "data.thunderstorm_dir": "labels",
    "data.batch_size": "batch_size",
    "data.num_workers": "loaders",
    "training.num_iterations": "steps",
    "training.learning_rate": "learning_rate",
    "training.val_frequency": "validate_every",
    "training.save_frequency": "save_every",
    "loss.offset_weight": "offset_weight",
    "loss.photon_weight": "amplitude_weight",
}
_LOCALIZATION_FIXED: Mapping[str, str] = {
    "data.train_split": "a fifth of the movies is held out, at most --validation-movies",
    "training.scheduler": "half a cosine",
    "loss.detection_weight": "1: the others are relative to it",
}
_HYBRID_KEYS: Mapping[str, str] = {
    "model.in_channels": "channels",
    "model.base_channels": "base_channels",
    "model.pretrained_encoder": "start",
    "model.pretrained_localization": "start",
    "model.freeze_encoder": "freeze",
    "data.paired_data": "data",
    "data.batch_size": "batch_size",
    "training.num_iterations": "steps",
    "training.learning_rate": "learning_rate",
    "loss.use_uncertainty_weighting": "loss_weighting",
    "loss.localization_weight": "localization_weight",
    "loss.calcium_weight": "calcium_weight",
}


def hybrid_values(content: Mapping[str, Any], *, where: str) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that a file gives, and its keys that change nothing here.

    Parameters
    ----------
    content : mapping
        ``training_localization.yaml`` or ``training_hybrid.yaml``: sections, keys, values.
    where : str
        The file, for messages.

    Raises
    ------
    SettingsError
        If a key is not the guide's.
    """
    flat = {
        f"{section}.{key}": value
        for section, keys in content.items()
        for key, value in (keys.items() if isinstance(keys, Mapping) else [("", keys)])
    }
    localizes = any(name in _LOCALIZATION_KEYS and name not in _HYBRID_KEYS for name in flat)
    keys = _LOCALIZATION_KEYS if localizes else _HYBRID_KEYS
    fixed = _LOCALIZATION_FIXED if localizes else {}
    values: dict[str, Any] = {"tasks": "localization"} if localizes else {}
    idle = []
    for name, value in flat.items():
        if name in fixed:
            idle.append(f"{name} ({fixed[name]})")
        elif name not in keys:
            msg = f"{where}: unknown key '{name}'; known: {choices_text([*keys, *fixed])}"
            raise SettingsError(msg)
        elif value is not None:
            values |= _translated(keys[name], value, values)
    return values, idle


def _translated(setting: str, value: Any, before: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Return a key of the guide as our setting; an empty path or a false switch says nothing."""
    if setting == "freeze":
        return {"freeze": ("encoder",)} if value else {}
    if setting == "loss_weighting":
        return {setting: "kendall" if value else "fixed"}
    if setting in ("start", "data", "labels") and not value:
        return {}
    if setting == "start" and "start" in before:
        return {"start": value}  # the localization's model holds its encoder too
    if setting == "labels":
        return {"labels": value, "real": value}
    return {setting: value}
