"""Loading models from files: one, or an ensemble of compatible members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from copick_picker.core.augmentations import augmentation_set
from copick_picker.core.heads.head import Readout, head_kind
from copick_picker.core.localize import PointReader
from copick_picker.core.models.cryosiam import prediction_state
from copick_picker.core.models.multiples import window_multiple
from copick_picker.core.models.registry import build_network, load_state
from copick_picker.core.segment.device import fast_precision, keep_freed_memory, resolve_device
from copick_picker.core.segment.plan import EngineOptions, Member
from copick_picker.core.segment.prepared import prepared
from copick_picker.errors import (
    CheckpointError,
    SettingsError,
    UnknownNameError,
    choices_text,
)
from copick_picker.project.folders.checkpoints import (
    file_sha256,
    read_cryosiam_checkpoint,
    read_model_folder,
    read_octopi_pair,
)
from copick_picker.project.folders.model_places import model_folders, shipped_models
from copick_picker.settings.cryosiam_model import cryosiam_card
from copick_picker.settings.model import ModelCard, check_alike, in_ensemble, model_card
from copick_picker.settings.octopi_model import octopi_card
from copick_picker.settings.segment import (
    FITTED_BLENDING,
    FITTED_OVERLAP,
    WINDOW_BATCH_CPU,
    WINDOW_BATCH_DEVICE,
    SegmentVolumeSettings,
)

_PADDING_OF_HOME = {"octopi": "zero", "picker": "reflect", "cryosiam": "reflect"}
_LAYOUT_OF_MODE = {"exact": "aligned", "balanced": "tiled", "fast": "interleaved"}


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """One model in memory: its card and its network with weights."""

    card: ModelCard
    member: Member


@dataclass(frozen=True, eq=False)
class LoadedModels:
    """A model or an ensemble, and the options to run it.

    Attributes
    ----------
    members : tuple of Member
        Members for the engine.
    cards : tuple of ModelCard
        One per member.
    options : EngineOptions
        Options of the engine: the user's choices, else those of the first card.
    choices : dict
        The choices that change a result, for provenance records.
    wraps : bool
        Whether to use CryoSiam's windows, which wrap around and are not blended.
    """

    members: tuple[Member, ...]
    cards: tuple[ModelCard, ...]
    options: EngineOptions
    choices: dict[str, Any]
    wraps: bool = False

    @property
    def channels(self) -> dict[str, int]:
        """Object name in the model -> channel; equal in all members."""
        return self.cards[0].channel_names

    @property
    def readout(self) -> Readout:
        """Head of all members: what their outputs mean."""
        return self.members[0].readout

    @property
    def point_reader(self) -> PointReader | None:
        """How points are read, if the head finds them itself."""
        return point_reader(self.members[0])

    @property
    def n_channels(self) -> int:
        """Channels of the probabilities, background included."""
        return self.readout.n_channels

    @property
    def voxel_spacing(self) -> float | None:
        """Spacing of the training data in Angstrom; None if no card states it."""
        stated = [card.voxel_spacing_angstrom for card in self.cards]
        return next((spacing for spacing in stated if spacing is not None), None)

    @property
    def contrast(self) -> str:
        """``dark`` or ``bright``: how protein looked in the training data."""
        return self.cards[0].contrast

    @property
    def is_own_recipe(self) -> bool:
        """Whether all models are of this package, so that its recipe for voxels holds."""
        return all(card.home == "picker" and card.normalization == "zscore" for card in self.cards)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Identification of each model for provenance records."""
        return [
            {
                "name": card.name,
                "architecture": card.architecture,
                "weights_sha256": card.weights_sha256,
                "card_sha256": card.digest(),
            }
            for card in self.cards
        ]


def check_segments(models: LoadedModels) -> None:
    """Raise if models find points, so that there are no regions to segment.

    Parameters
    ----------
    models : LoadedModels
        A model or an ensemble.

    Raises
    ------
    SettingsError
        With the command that uses them.
    """
    if models.point_reader is not None:
        card = models.cards[0]
        msg = (
            f"model '{card.name}' has the head '{card.head}', which finds points, not regions: "
            "use copick-picker detect"
        )
        raise SettingsError(msg)


def point_reader(member: Member) -> PointReader | None:
    """Return how points are read from what a network gives, if its head finds them itself.

    Parameters
    ----------
    member : Member
        The network and its head.
    """
    return PointReader(member.readout, member.stride) if member.readout.finds_points else None


def load_models(settings: SegmentVolumeSettings) -> LoadedModels:
    """Return the models that the settings name, ready to run.

    Parameters
    ----------
    settings : SegmentVolumeSettings
        Which models, and what overrides their cards.

    Raises
    ------
    CheckpointError
        If a file is missing, broken, unsafe, or does not fit its card.
    SettingsError
        If no model is named, or the models of an ensemble are incompatible.
    """
    models = load_members(
        folders=settings.model,
        octopi_configs=settings.model_config_file,
        octopi_weights=settings.model_weights,
        trust=settings.trust_checkpoint,
    )
    cards = tuple(model.card for model in models)
    options = _engine_options(settings, cards[0])
    device = resolve_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    members = tuple(
        replace(model.member, network=prepared(model.member.network, device)) for model in models
    )
    if settings.mode == "exact" and cards[0].home == "cryosiam":
        settings.check_plain(len(cards))
        return LoadedModels(
            members=members,
            cards=cards,
            options=options,
            choices={"precision": options.precision, "windows": "cryosiam"},
            wraps=True,
        )
    return LoadedModels(
        members=members,
        cards=cards,
        options=options,
        choices=_choices(settings, options, cards[0]),
    )


def load_members(
    *,
    folders: Sequence[str],
    octopi_configs: Sequence[str],
    octopi_weights: Sequence[str],
    trust: bool = False,
) -> list[LoadedModel]:
    """Return the members of an ensemble: model folders first, then octopi's pairs.

    Parameters
    ----------
    folders : sequence of str
        Model folders, or names of shipped models.
    octopi_configs, octopi_weights : sequence of str
        Octopi's pairs of files, in the same order.
    trust : bool
        Whether weights that contain more than numbers are unpickled.

    Raises
    ------
    CheckpointError
        If a file is missing, broken, unsafe, or does not fit its card.
    SettingsError
        If no model is named, or the models differ in objects, channels, contrast or spacing.
    """
    if len(octopi_configs) != len(octopi_weights):
        msg = (
            f"octopi's models need pairs of files: got {len(octopi_configs)} --model-config "
            f"and {len(octopi_weights)} --model-weights"
        )
        raise SettingsError(msg)
    models = [load_folder(each) for folder in folders for each in model_folders(folder)]
    models += [
        load_octopi_pair(Path(config), Path(weights), trust=trust)
        for config, weights in zip(octopi_configs, octopi_weights, strict=True)
    ]
    if not models:
        msg = (
            "no model given: use --model FOLDER, or --model-config and --model-weights for "
            f"an octopi model; shipped models: {choices_text(shipped_models())}"
        )
        raise SettingsError(msg)
    check_alike([model.card for model in models])
    cards = in_ensemble([model.card for model in models])
    return [
        LoadedModel(card, replace(model.member, head_settings=card.head_settings))
        for card, model in zip(cards, models, strict=True)
    ]


def load_folder(folder: Path) -> LoadedModel:
    """Return the model in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with ``model.yaml`` and weights.

    Raises
    ------
    CheckpointError
        If a file is missing or broken, or the weights do not fit the card.
    """
    state, raw = read_model_folder(folder)
    return _loaded(model_card(raw, str(folder)), state, str(folder))


def load_octopi_pair(config: Path, weights: Path, *, trust: bool = False) -> LoadedModel:
    """Return the model in octopi's two files.

    Parameters
    ----------
    config, weights : pathlib.Path
        ``model_config.yaml`` and ``best_model.pth``.
    trust : bool
        Whether weights that contain more than numbers are unpickled.

    Raises
    ------
    CheckpointError
        If a file is missing, broken or unsafe, or the weights do not fit the settings.
    """
    state, raw = read_octopi_pair(config, weights, trust=trust)
    name = config.parent.name or weights.stem
    card = octopi_card(raw, name=name, source=str(config), weights_file=weights.name)
    card = card.model_copy(update={"weights_sha256": file_sha256(weights)})
    return _loaded(card, state, str(weights))


def load_cryosiam_checkpoint(
    path: Path, *, objects: Mapping[str, int] | None, trust: bool = False
) -> LoadedModel:
    """Return the model in a checkpoint of CryoSiam.

    Parameters
    ----------
    path : pathlib.Path
        The ``.ckpt`` file.
    objects : mapping or None
        Object name -> channel, as the checkpoint stores no names; None for numbers as names.
    trust : bool
        Whether a file that contains more than numbers and settings is unpickled.

    Raises
    ------
    CheckpointError
        If the file is missing, broken or unsafe, its decoder is unknown, or its weights do not fit
        its hyper-parameters.
    """
    state, raw = read_cryosiam_checkpoint(path, trust=trust)
    card = cryosiam_card(raw, objects=objects, name=path.stem, source=str(path))
    card = card.model_copy(update={"weights_sha256": file_sha256(path)})
    return _loaded(card, prediction_state(state), str(path))


def _loaded(card: ModelCard, state: dict[str, torch.Tensor], source: str) -> LoadedModel:
    try:
        _check_head(card)
        network = build_network(card.architecture, card.parameters, card.channel_count)
        load_state(network, state)
    except (CheckpointError, UnknownNameError) as error:
        msg = f"model {source} ({card.architecture}, {card.channel_count} channels): {error}"
        raise CheckpointError(msg) from error
    member = Member(
        network,
        card.window_voxels,
        card.channel_count,
        _PADDING_OF_HOME[card.home],
        window_multiple(card.architecture, card.parameters, network),
        card.head,
        card.head_settings,
    )
    return LoadedModel(card, member)


def _check_head(card: ModelCard) -> None:
    """Raise if a head that finds points has not the channels of its objects."""
    kind = head_kind(card.head)
    if not kind.read(card.channel_count, card.head_settings).finds_points:
        return
    wanted = kind.n_outputs(len(card.objects))
    if card.channel_count != wanted:
        msg = (
            f"the head '{card.head}' of {len(card.objects)} objects has {wanted} channels; the "
            f"card says {card.channel_count}"
        )
        raise CheckpointError(msg)


def _engine_options(settings: SegmentVolumeSettings, card: ModelCard) -> EngineOptions:
    set_name = settings.tta_set or card.augmentation_set
    count = settings.tta
    if count is None:
        count = 4 if settings.tta_set is not None else card.augmentation_count
    device = resolve_device(settings.device)
    is_exact = settings.mode == "exact"
    overlap = card.overlap if is_exact else FITTED_OVERLAP
    batch = WINDOW_BATCH_CPU if device.type == "cpu" else WINDOW_BATCH_DEVICE
    return EngineOptions(
        augmentations=augmentation_set(set_name, count),
        overlap=overlap if settings.overlap is None else settings.overlap,
        blending=settings.blending or (card.blending if is_exact else FITTED_BLENDING),
        layout=_LAYOUT_OF_MODE[settings.mode],
        precision="float32" if is_exact else fast_precision(device),
        device=settings.device,
        window_batch=settings.window_batch or batch,
        inverted=False,
    )


def _choices(
    settings: SegmentVolumeSettings, options: EngineOptions, card: ModelCard
) -> dict[str, Any]:
    return {
        "tta": len(options.augmentations),
        "tta_set": settings.tta_set or card.augmentation_set,
        "overlap": options.overlap,
        "blending": options.blending,
        "precision": options.precision,
    }
