"""The network of a training: fresh, or with the weights of another model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from copick_picker.core.heads.head import head_kind
from copick_picker.core.models.multiples import window_multiple
from copick_picker.core.models.registry import build_network
from copick_picker.core.train.sampling import MOST_OF_TOMOGRAM
from copick_picker.core.train.starting import StartReport, start_from
from copick_picker.errors import CheckpointError, SettingsError
from copick_picker.project.folders.model_places import find_folder
from copick_picker.settings.model import ModelCard
from copick_picker.settings.train import (
    DEFAULT_ARCHITECTURE,
    DEFAULT_PARAMETERS,
    DEFAULT_PATCH,
    LEAST_START_SHARE,
    TrainSettings,
)
from copick_picker.settings.train_presets import PRESETS
from copick_picker.workflows.models.load import (
    LoadedModel,
    load_cryosiam_checkpoint,
    load_folder,
    load_octopi_pair,
)
from copick_picker.workflows.train.data import TrainingData


@dataclass(frozen=True, eq=False)
class NetworkFactory:
    """Makes the network of a training.

    Attributes
    ----------
    architecture : str
        Name of the network.
    parameters : dict
        Its settings.
    n_channels : int
        Number of its outputs.
    patch : tuple of int
        Training patch (z, y, x).
    start : LoadedModel or None
        Model whose weights it starts from.
    """

    architecture: str
    parameters: dict[str, Any]
    n_channels: int
    patch: tuple[int, int, int]
    start: LoadedModel | None

    @property
    def start_card(self) -> ModelCard | None:
        """Card of the model to start from."""
        return None if self.start is None else self.start.card

    def network(self, seed: int) -> tuple[nn.Module, StartReport | None]:
        """Return the network and a report of the weights that it took over.

        Parameters
        ----------
        seed : int
            Seed of the random weights.

        Raises
        ------
        CheckpointError
            If the parameters do not fit the architecture, or the weights to start from belong to
            another one.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(self.architecture, self.parameters, self.n_channels)
        if self.start is None:
            return network, None
        try:
            report = start_from(
                network,
                self.start.member.network.state_dict(),
                least_share=LEAST_START_SHARE,
            )
        except CheckpointError as error:
            msg = (
                f"--start: {self.start.card.name} is {self.start.card.architecture} with "
                f"{self.start.card.parameters}, and the network to train {self.architecture} with "
                f"{self.parameters}: {error}"
            )
            raise CheckpointError(msg) from error
        return network, report

    def multiple(self, network: nn.Module) -> int:
        """Return the number that each side of a window must be a multiple of.

        Parameters
        ----------
        network : torch.nn.Module
            As :meth:`network` returns it.

        Raises
        ------
        SettingsError
            If the patch does not fit.
        """
        multiple = window_multiple(self.architecture, self.parameters, network)
        if any(side % multiple for side in self.patch):
            msg = (
                f"--patch {','.join(map(str, self.patch))}: {self.architecture} needs sides that "
                f"are multiples of {multiple}"
            )
            raise SettingsError(msg)
        return multiple


def fitted_patch(
    factory: NetworkFactory, settings: TrainSettings, data: TrainingData
) -> NetworkFactory:
    """Return the factory with a preset's patch cut down, where no mirroring would make it fit.

    A patch may be twice as long as the smallest tomogram, which is mirrored beyond its faces. One
    that the user gave is not changed; if it does not fit, that is an error later.

    Parameters
    ----------
    factory : NetworkFactory
        Makes the network.
    settings : TrainSettings
        ``preset`` and ``patch``.
    data : TrainingData
        The tomograms.
    """
    preset = PRESETS.get(settings.preset or "", {})
    if settings.patch is None or settings.patch != preset.get("patch"):
        return factory
    multiple = factory.multiple(factory.network(settings.seed)[0])
    smallest = np.min([run.shape_at(data.voxel_spacing) for run in data.runs], axis=0)
    room = np.maximum(MOST_OF_TOMOGRAM * smallest // multiple, 1) * multiple
    z, y, x = np.minimum(factory.patch, room).tolist()
    return replace(factory, patch=(z, y, x))


def start_model(settings: TrainSettings) -> LoadedModel | None:
    """Return the model to start from, or None.

    Parameters
    ----------
    settings : TrainSettings
        ``start``, ``start_config``, ``trust_checkpoint``.

    Raises
    ------
    CheckpointError
        If a file is missing, broken or unsafe.
    """
    if settings.start is None:
        return None
    path, trust = Path(settings.start), settings.trust_checkpoint
    if settings.start_config is not None:
        return load_octopi_pair(Path(settings.start_config), path, trust=trust)
    if path.suffix == ".pth":
        msg = f"--start {path}: octopi's weights need --start-config, its model_config.yaml"
        raise SettingsError(msg)
    if path.suffix == ".ckpt":
        return load_cryosiam_checkpoint(path, objects=None, trust=trust)
    return load_folder(find_folder(settings.start))


def network_factory(
    settings: TrainSettings, start: LoadedModel | None, n_objects: int
) -> NetworkFactory:
    """Return how to make the network: as the user says, else like the start, else the default.

    Parameters
    ----------
    settings : TrainSettings
        ``architecture``, ``parameters``, ``patch``.
    start : LoadedModel or None
        Model to start from.
    n_objects : int
        Objects to learn.
    """
    n_outputs = head_kind(settings.head).n_outputs(n_objects)
    architecture, parameters, patch = DEFAULT_ARCHITECTURE, dict(DEFAULT_PARAMETERS), DEFAULT_PATCH
    if start is not None:
        card = start.card
        architecture, parameters = card.architecture, dict(card.parameters)
        patch = card.window_voxels
        if architecture == DEFAULT_ARCHITECTURE:  # same weights, faster training
            parameters.setdefault("output_stride", DEFAULT_PARAMETERS["output_stride"])
    if settings.architecture not in (None, architecture):
        architecture = str(settings.architecture)
        if settings.parameters is None:
            msg = f"--architecture {architecture} needs its settings: --parameter NAME=VALUE"
            raise SettingsError(msg)
    if settings.parameters is not None:
        parameters = dict(settings.parameters)
    n_side = head_kind(settings.head).n_side(n_objects)
    if architecture == DEFAULT_ARCHITECTURE and n_side and "side_outputs" not in parameters:
        parameters["side_outputs"] = n_side
    if architecture == "CryoSiam":
        parameters["out_channels"] = n_outputs
    return NetworkFactory(architecture, parameters, n_outputs, settings.patch or patch, start)
