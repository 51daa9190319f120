"""Heads: the meaning of a network's outputs, in training and inference.

A head is one file and one line in :data:`HEADS`. In training it defines target and loss
(:class:`LearningHead`); in inference it defines what is averaged over windows, augmentations and
models, how an augmentation is undone on its channels, and how the averages are decoded
(:class:`Readout`). The card of a model names its head.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from copick_picker.core.augmentations import Augmentation
from copick_picker.core.heads.rules import HeadRules
from copick_picker.core.heads.targets import PatchTruth
from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name

Decoded = tuple[Tensor, ...]
"""Decoded planes: labels (k, y, x), uint8; whether each row is finite (k, y, 1), bool; optionally
probabilities (c, k, y, x), float16; for a head that finds points, its maps (m, k, y, x)."""
HeadSettings = Mapping[str, Any]
"""What the card of a model stores for its head, by name; lists are by object."""


@dataclass(frozen=True, eq=False)
class FoundPoints:
    """Points of one object that a head found, on the grid of its maps.

    Attributes
    ----------
    cells : numpy.ndarray, shape (n, d), int64
        Voxel of the maps that each was found at, along their axes, such as z, y, x.
    offsets : numpy.ndarray, shape (n, d), float64
        Centre relative to it, in voxels of the maps.
    scores : numpy.ndarray, shape (n,), float64
        Score of each in [0, 1].
    sigmas : numpy.ndarray, shape (n, d), float64, or None
        Standard deviation of each centre along the axes, in voxels; None if the head has none.
    amplitudes : numpy.ndarray, shape (n,), float64, or None
        Amplitude of each, in the unit of the training; None if the head has none.
    """

    cells: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    sigmas: npt.NDArray[np.float64] | None = None
    amplitudes: npt.NDArray[np.float64] | None = None

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """Centres along the axes of the maps in voxels of the maps."""
        return self.cells + self.offsets


class LearningHead(Protocol):
    """A head in training."""

    n_outputs: int
    """Output channels of the network."""
    output_stride: int
    """Voxels of the patch per voxel of the output, along each axis."""

    def target(self, truth: PatchTruth) -> npt.NDArray[Any]:
        """Return the target of a patch; its shape depends only on that of the patch."""
        ...

    def loss(self) -> nn.Module:
        """Return a module: (outputs (b, n, z, y, x), targets (b, ...)) -> scalar."""
        ...

    def prepare(self, network: nn.Module) -> None:
        """Set the last layer of a fresh network to where training begins, in place."""
        ...

    def settings(self) -> HeadSettings:
        """Return what the readout of the finished model has to know."""
        ...


class Readout(Protocol):
    """A head in inference: from a network's outputs to labels, probabilities and points."""

    n_outputs: int
    """Output channels of the network."""
    n_sums: int
    """Channels that are averaged over windows, augmentations and models."""
    n_channels: int
    """Channels of the probabilities, background included; labels are below it."""
    finds_points: bool
    """Whether picks are read from maps of its own, not from labels or probabilities. The maps are
    on the grid of the network's outputs, which may be coarser than the volume's."""
    halo: int
    """Planes of the maps on each side of a plane that decide on its points."""

    def sums(self, outputs: Tensor) -> Tensor:
        """Return the channels to average (b, m, z, y, x), float32, from outputs (b, n, z, y, x)."""
        ...

    def undo(self, sums: Tensor, augmentation: Augmentation) -> Tensor:
        """Return the sums (m, z, y, x) of an augmented window in the volume's orientation."""
        ...

    def compact(self, sums: Tensor) -> Tensor:
        """Return sums (m, z, y, x) in the range of float16 that decode to the same result."""
        ...

    def decode(self, averages: Tensor, *, probabilities: bool) -> Decoded:
        """Return the decoded planes of averages (m, k, y, x)."""
        ...

    def points(self, maps: npt.NDArray[Any], planes: slice) -> list[FoundPoints]:
        """Return the points of each object, by channel from 1.

        Parameters
        ----------
        maps : numpy.ndarray, shape (m, z, y, x)
            Some planes of the maps.
        planes : slice
            Only points that belong to these planes are returned; ``halo`` planes on either side are
            there too, where the volume has them.
        """
        ...


@dataclass(frozen=True)
class HeadKind:
    """The two sides of a head.

    Attributes
    ----------
    learn : callable
        Rules of a training -> head for training.
    read : callable
        Channels of the network's outputs, and what the card stores for the head -> head for
        inference.
    n_outputs : callable
        Number of objects -> output channels of the network.
    n_side : callable
        Number of objects -> how many of them, the last ones, learn beside the others without
        changing the rest of the network, where the network can do that.
    """

    learn: Callable[[HeadRules], LearningHead]
    read: Callable[[int, HeadSettings], Readout]
    n_outputs: Callable[[int], int]
    n_side: Callable[[int], int] = lambda _: 0


HEADS = {
    "centres": "copick_picker.core.heads.centres:CENTRES",
    "heatmap": "copick_picker.core.heads.heatmap:HEATMAP",
    "softmax": "copick_picker.core.heads.softmax:SOFTMAX",
}
"""Name -> ``module:name`` of the :class:`HeadKind`, imported on first use."""


def head_kind(name: str) -> HeadKind:
    """Return a head by name.

    Parameters
    ----------
    name : str
        Name in :data:`HEADS`.

    Raises
    ------
    UnknownNameError
        With the nearest name and the choices.

    Examples
    --------
    >>> head_kind("softmax").read(3, {}).n_channels
    3
    """
    if name not in HEADS:
        msg = f"no head '{name}'{nearest_name(name, HEADS)}; known: {choices_text(HEADS)}"
        raise UnknownNameError(msg)
    kind: HeadKind = resolve_name(HEADS[name])
    return kind


def build_head(name: str, rules: HeadRules) -> LearningHead:
    """Return a head for training.

    Parameters
    ----------
    name : str
        Name in :data:`HEADS`.
    rules : HeadRules
        Objects, target and loss.

    Raises
    ------
    UnknownNameError
        If there is no such head, kind of target or loss.
    SettingsError
        If the channel weights are not one each for the background and every object.

    Examples
    --------
    >>> rules = HeadRules(2, "spheres", 0.5, 1, "cross-entropy", {}, (1.0, 4.0, 4.0))
    >>> build_head("softmax", rules).n_outputs
    3
    """
    kind = head_kind(name)
    if len(rules.channel_weights) != rules.n_objects + 1:
        msg = (
            f"{len(rules.channel_weights)} channel weights for {rules.n_objects} objects; "
            "expected one for the background and one for each object"
        )
        raise SettingsError(msg)
    return kind.learn(rules)


def outputs_of(network: nn.Module, patches: Tensor, *, output_stride: int) -> Tensor:
    """Return a network's outputs for patches, on the grid of the head's targets.

    Parameters
    ----------
    network : torch.nn.Module
        One of the registry.
    patches : torch.Tensor, shape (b, 1, z, y, x)
        Parts of tomograms.
    output_stride : int
        The head's; above 1 the network's ``coarse`` outputs are used.

    Raises
    ------
    SettingsError
        If the network has no outputs on that grid.
    """
    if output_stride == 1:
        result: Tensor = network(patches)
        return result
    if getattr(network, "output_stride", 1) != output_stride:
        msg = (
            f"{type(network).__name__} has no outputs at stride {output_stride}; "
            "use ResidualUNet, FeaturePyramid or ResNet with "
            f"output_stride: {output_stride}"
        )
        raise SettingsError(msg)
    coarse: Tensor = network.coarse(patches)  # type: ignore[operator]
    return coarse


def stride_of(network: nn.Module) -> int:
    """Return the voxels of a window per voxel of the outputs that a network learns with.

    Parameters
    ----------
    network : torch.nn.Module
        One of the registry.
    """
    return int(getattr(network, "output_stride", 1))
