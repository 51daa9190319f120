"""The card of a model: what ``model.yaml`` says about the weights beside it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from copick_picker.errors import CheckpointError, SettingsError, nearest_name
from copick_picker.records.runs import InputScaling
from copick_picker.settings.wrong_values import expected_words

_SPACING_TOLERANCE = 0.01
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
WindowSide = Annotated[int, Field(ge=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelObject(_Frozen):
    """One object that a model finds, and the channel that holds it.

    Attributes
    ----------
    name : str
        Name of the object; matched by name with the objects of a project.
    channel : int
        Channel of the network's output; 0 is background and never an object.
    radius_angstrom : float or None
        Radius that the training saw.
    target_fraction : float or None
        Radius of the painted training target as a fraction of the particle's radius.
    score_threshold : float or None
        Lowest score of a pick that counts, tuned on held-out tomograms.
    """

    name: Annotated[str, Field(min_length=1)]
    channel: Annotated[int, Field(ge=1)]
    radius_angstrom: Positive | None = None
    target_fraction: Annotated[float, Field(gt=0, le=2)] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)] | None = None


class Scaling(_Frozen):
    """How a network that is not fed z-scores wants its input; see ``records.InputScaling``."""

    minimum: float = 0.0
    maximum: float = 1.0
    mean: float = 0.0
    standard_deviation: Positive = 1.0

    @model_validator(mode="after")
    def _limits_differ(self) -> Self:
        if self.maximum <= self.minimum:
            msg = f"the maximum {self.maximum:g} is not above the minimum {self.minimum:g}"
            raise ValueError(msg)
        return self

    def record(self) -> InputScaling:
        """Return the scaling as core takes it."""
        return InputScaling(self.minimum, self.maximum, self.mean, self.standard_deviation)


class CheckCrop(_Frozen):
    """A piece of a real tomogram beside the weights, and what the network made of it.

    Attributes
    ----------
    file : str
        Name of the file in the model's folder: one float16 array ``crop`` (z, y, x), normalised.
    sha256 : str or None
        SHA-256 of that file; written with it.
    fingerprint : tuple of float
        Output of the network for the crop, see ``core.models.fingerprint``.
    run_name, tomogram : str
        Which tomogram it was cut from.
    corner_zyx : tuple of int
        Its first voxel (z, y, x) there.
    """

    file: Annotated[str, Field(pattern=r"^[\w][\w.-]*$")] = "crop.safetensors"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    fingerprint: tuple[float, ...]
    run_name: str
    tomogram: str
    corner_zyx: tuple[int, int, int]


class Ensemble(_Frozen):
    """What holds where a model is used together with all members of its ensemble.

    Attributes
    ----------
    members : int
        Number of members.
    thresholds : dict
        Object name -> lowest score of a pick that counts.
    head_settings : dict
        Calibration of the head, over that of a single model.
    """

    members: Annotated[int, Field(ge=2)]
    thresholds: dict[str, float] = Field(default_factory=dict)
    head_settings: dict[str, Any] = Field(default_factory=dict)


class ModelCard(_Frozen):
    """All that a network's weights need to be used rightly.

    Attributes
    ----------
    format_version : int
        Version of this file format.
    name : str
        Name of the model, for records and messages.
    architecture : str
        Name of the network in the registry of ``core.models``.
    parameters : dict
        Settings of the network, as its builder takes them.
    window_voxels : tuple of int
        Window (z, y, x) in voxels that the network was trained on.
    objects : tuple of ModelObject
        The objects, each with its channel.
    n_channels : int or None
        Channels of the network's output; None means one more than the objects, as the head
        ``softmax`` has, for the background.
    voxel_spacing_angstrom : float or None
        Voxel spacing of the training data; None where the source does not say.
    contrast : str
        ``dark`` or ``bright``: how protein looked in the training data.
    normalization : str
        ``zscore``: the whole volume has mean 0 and standard deviation 1. ``scaled``: as
        ``scaling`` says.
    scaling : Scaling or None
        Clipping limits, mean and standard deviation of ``normalization: scaled``.
    probability_threshold : float or None
        Probabilities below it count as 0 when ``exact`` of home ``cryosiam`` chooses a label.
    head : str
        Name of the head in ``core.heads``: what the outputs mean.
    head_settings : dict
        What the head has to know of its training and its calibration.
    home : str
        Whose arithmetic ``exact`` follows. ``octopi`` pads a volume smaller than the window with
        zeros on both sides, ``picker`` reflects it, ``cryosiam`` adds zeros at the end and lets
        windows wrap.
    augmentation_set : str
        Default set of test-time augmentations, ``octopi`` or ``quarter-turns``.
    augmentation_count : int
        Default number of augmentations, taken from the start of the set.
    overlap : float
        Default overlap of neighbouring windows, as a fraction of the window.
    blending : str
        Default weight of a window's voxels, ``constant`` or ``gaussian``.
    weights_file : str
        Name of the weights file in the model's folder.
    weights_sha256 : str or None
        SHA-256 of the weights file; written with the weights.
    ensemble : Ensemble or None
        What holds where all members of its ensemble are used together.
    fingerprint : tuple of float or None
        Output of the network for a fixed input, see ``core.models.fingerprint``.
    crop : CheckCrop or None
        A piece of a validation tomogram and the network's output there, for ``model check``.
    provenance : dict
        Free text and figures: training data, seeds, scores, licence, limits.
    """

    format_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1)]
    architecture: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    window_voxels: tuple[WindowSide, WindowSide, WindowSide]
    objects: Annotated[tuple[ModelObject, ...], Field(min_length=1)]
    n_channels: Annotated[int, Field(ge=1)] | None = None
    voxel_spacing_angstrom: Positive | None
    contrast: Literal["dark", "bright"] = "dark"
    normalization: Literal["zscore", "scaled"] = "zscore"
    scaling: Scaling | None = None
    probability_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    head: str = "softmax"
    head_settings: dict[str, Any] = Field(default_factory=dict)
    home: Literal["octopi", "picker", "cryosiam"] = "picker"
    augmentation_set: Literal["octopi", "quarter-turns"] = "octopi"
    augmentation_count: Annotated[int, Field(ge=1, le=8)] = 4
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5
    blending: Literal["constant", "gaussian"] = "constant"
    weights_file: Annotated[str, Field(pattern=r"^[\w][\w.-]*$")] = "weights.safetensors"
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    ensemble: Ensemble | None = None
    fingerprint: tuple[float, ...] | None = None
    crop: CheckCrop | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _scaling_fits(self) -> Self:
        if (self.scaling is not None) != (self.normalization == "scaled"):
            msg = "'scaling' and 'normalization: scaled' need each other"
            raise ValueError(msg)
        if self.home == "cryosiam" and self.scaling is None:
            msg = "a model of home 'cryosiam' needs 'normalization: scaled' and 'scaling'"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _objects_fit_channels(self) -> Self:
        names = [entry.name for entry in self.objects]
        channels = [entry.channel for entry in self.objects]
        if len(set(names)) < len(names):
            msg = f"an object is listed twice: {', '.join(sorted(names))}"
            raise ValueError(msg)
        if len(set(channels)) < len(channels):
            msg = f"two objects share a channel: {sorted(channels)}"
            raise ValueError(msg)
        if self.head == "softmax" and max(channels) >= self.channel_count:
            msg = (
                f"an object has channel {max(channels)}, but the network has "
                f"{self.channel_count} channels (0 is background)"
            )
            raise ValueError(msg)
        return self

    @property
    def channel_count(self) -> int:
        """Channels of the network's output."""
        return len(self.objects) + 1 if self.n_channels is None else self.n_channels

    @property
    def channel_names(self) -> dict[str, int]:
        """Object name -> channel, by channel."""
        ordered = sorted(self.objects, key=lambda entry: entry.channel)
        return {entry.name: entry.channel for entry in ordered}

    def to_mapping(self) -> dict[str, Any]:
        """Return the card as ``model.yaml`` holds it, unset entries left out."""
        empty = set() if self.head_settings else {"head_settings"}
        return self.model_dump(mode="json", exclude_none=True, exclude=empty) | {
            "voxel_spacing_angstrom": self.voxel_spacing_angstrom
        }

    def digest(self) -> str:
        """Return a short hash of all that changes a prediction: the card without its remarks."""
        remarks = {"name", "provenance", "fingerprint", "crop", "weights_file", "weights_sha256"}
        later = ("scaling", "probability_threshold", "ensemble")
        remarks |= {name for name in later if getattr(self, name) is None}
        remarks |= {"head", "head_settings"} if self.head == "softmax" else set()
        text = json.dumps(self.model_dump(mode="json", exclude=remarks), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def in_ensemble(cards: Sequence[ModelCard]) -> list[ModelCard]:
    """Return cards with the thresholds and calibration of their ensemble, if all of it is there.

    Parameters
    ----------
    cards : sequence of ModelCard
        Cards of the models that are used together.
    """
    known = cards[0].ensemble
    if known is None or len(cards) != known.members or any(c.ensemble != known for c in cards):
        return list(cards)
    return [
        card.model_copy(
            update={
                "objects": tuple(
                    entry.model_copy(update={"score_threshold": known.thresholds.get(entry.name)})
                    for entry in card.objects
                ),
                "head_settings": {**card.head_settings, **known.head_settings},
            }
        )
        for card in cards
    ]


def card_with_thresholds(
    raw: Mapping[str, Any], chosen: Mapping[str, float], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a raw card with other score thresholds, and how they were chosen.

    Parameters
    ----------
    raw : mapping
        What ``model.yaml`` holds.
    chosen : mapping
        Object name -> its threshold; the others keep theirs.
    record : mapping
        How they were chosen, for the card's provenance.
    """
    objects = [
        {**dict(entry), "score_threshold": chosen[entry["name"]]}
        if entry["name"] in chosen
        else dict(entry)
        for entry in raw["objects"]
    ]
    provenance = {**dict(raw.get("provenance") or {}), "calibration": dict(record)}
    return {**raw, "objects": objects, "provenance": provenance}


def model_card(raw: Mapping[str, Any], source: str) -> ModelCard:
    """Return the checked card of a raw mapping.

    Parameters
    ----------
    raw : mapping
        What ``model.yaml`` holds.
    source : str
        Where the mapping came from, for messages.

    Raises
    ------
    CheckpointError
        In one line, if a key is unknown or missing, or a value does not fit.
    """
    try:
        return ModelCard.model_validate(dict(raw))
    except ValidationError as error:
        faults = "; ".join(_fault_text(dict(fault)) for fault in error.errors())
        msg = f"model card of {source}: {faults}"
        raise CheckpointError(msg) from None


def check_alike(cards: Sequence[ModelCard]) -> None:
    """Raise where models cannot be averaged.

    Parameters
    ----------
    cards : sequence of ModelCard
        Cards of an ensemble.

    Raises
    ------
    SettingsError
        If they differ in objects, channels, scaling, contrast, spacing or head.
    """
    first = cards[0]
    for card in cards[1:]:
        both = f"models '{first.name}' and '{card.name}' cannot be averaged"
        if card.channel_names != first.channel_names or card.channel_count != first.channel_count:
            msg = f"{both}: their channels are {first.channel_names} and {card.channel_names}"
            raise SettingsError(msg)
        if card.head != first.head:
            msg = f"{both}: their heads are {first.head} and {card.head}"
            raise SettingsError(msg)
        if card.scaling != first.scaling:
            msg = f"{both}: they scale their input differently"
            raise SettingsError(msg)
        if card.contrast != first.contrast:
            msg = f"{both}: trained on {first.contrast} and on {card.contrast} protein"
            raise SettingsError(msg)
    stated = [card for card in cards if card.voxel_spacing_angstrom is not None]
    for card in stated[1:]:
        wanted, got = stated[0].voxel_spacing_angstrom or 0.0, card.voxel_spacing_angstrom or 0.0
        if abs(got - wanted) > _SPACING_TOLERANCE * wanted:
            msg = (
                f"models '{stated[0].name}' and '{card.name}' cannot be averaged: trained at "
                f"{wanted:g} and {got:g} Angstrom a voxel"
            )
            raise SettingsError(msg)


def _fault_text(fault: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = ModelObject if where.startswith("objects") else ModelCard
        name = where.rsplit(".", 1)[-1]
        return f"unknown key '{where}'{nearest_name(name, known.model_fields)}"
    if fault["type"] == "missing":
        return f"'{where}' is missing"
    message = expected_words(fault)
    if not where:
        return message
    return f"'{where}' is {fault['input']!r}: {message}"
