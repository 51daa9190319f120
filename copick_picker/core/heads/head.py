"""Heads: what a network's outputs mean, what they are trained on, and how they are read.

A head is one file and one line in :data:`HEADS`.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy.typing as npt
from torch import Tensor, nn

from copick_picker.core.heads.softmax import HeadRules, SoftmaxHead
from copick_picker.core.heads.targets import PatchTruth
from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name


class Head(Protocol):
    """One way to find objects with a network."""

    n_outputs: int
    """Channels that the network puts out."""
    output_stride: int
    """Voxels of the patch for a voxel of the output, along each axis."""

    def target(self, truth: PatchTruth) -> npt.NDArray[Any]:
        """Return what the outputs of a patch shall be; of one shape for all patches of a size."""
        ...

    def loss(self) -> nn.Module:
        """Return a module: (outputs (b, n, z, y, x), targets (b, ...)) -> scalar."""
        ...

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return probabilities (b, c, z, y, x), background first, of outputs (b, n, z, y, x)."""
        ...


HEADS: dict[str, Callable[[HeadRules], Head]] = {"softmax": SoftmaxHead}
"""Name -> builder."""


def build_head(name: str, rules: HeadRules) -> Head:
    """Return a head.

    Parameters
    ----------
    name : str
        Name in :data:`HEADS`.
    rules : HeadRules
        What it is made for.

    Raises
    ------
    UnknownNameError
        If there is no such head, kind of target or loss.
    SettingsError
        If the channel weights are not one for the background and each object.

    Examples
    --------
    >>> rules = HeadRules(2, "spheres", 0.5, 1, "cross-entropy", {}, (1.0, 4.0, 4.0))
    >>> build_head("softmax", rules).n_outputs
    3
    """
    if name not in HEADS:
        msg = f"no head '{name}'{nearest_name(name, HEADS)}; known: {choices_text(HEADS)}"
        raise UnknownNameError(msg)
    if len(rules.channel_weights) != rules.n_objects + 1:
        msg = (
            f"{len(rules.channel_weights)} channel weights for {rules.n_objects} objects; "
            "expected one for the background and one for each object"
        )
        raise SettingsError(msg)
    return HEADS[name](rules)


def outputs_of(network: nn.Module, patches: Tensor, *, output_stride: int) -> Tensor:
    """Return what a network puts out for patches, on the grid of the head's targets.

    Parameters
    ----------
    network : torch.nn.Module
        One of the registry.
    patches : torch.Tensor, shape (b, 1, z, y, x)
        Parts of tomograms.
    output_stride : int
        The head's; above 1 the network's ``coarse`` outputs are taken.

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
            f"use ResidualUNet with output_stride: {output_stride}"
        )
        raise SettingsError(msg)
    coarse: Tensor = network.coarse(patches)  # type: ignore[operator]
    return coarse
