"""Rules of a head in training."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HeadRules:
    """Objects, target and loss of a head.

    Attributes
    ----------
    n_objects : int
        Number of objects; their channels start from 1.
    target_kind : str
        One of :data:`copick_picker.core.heads.targets.TARGET_KINDS`; for ``softmax``.
    target_fraction : float
        Size of the target as a fraction of the particle's radius; for ``softmax``.
    output_stride : int
        Voxels of the patch per voxel of the output, along each axis.
    loss : str
        Name of the loss.
    loss_parameters : mapping of str to float
        Its parameters.
    channel_weights : tuple of float
        Weight of each channel in the loss, background first.
    priors : tuple of float
        For each object, the share of the output's voxels that hold a particle's centre; for heads
        that find points.
    blob_radii : tuple of float
        For each object, the standard deviation of its blobs in radii; for ``heatmap``.
    spreads : tuple of float
        For each object, the standard deviation of its blobs in voxels of the output; for
        ``centres``.
    block_radii : tuple of float
        For each object, its radius in voxels of the output; for ``centres``.
    has_amplitude : bool
        Whether ``centres`` learns an amplitude too.
    n_axes : int
        Axes of the volume: 3, or 2 for images.
    """

    n_objects: int
    target_kind: str
    target_fraction: float
    output_stride: int
    loss: str
    loss_parameters: Mapping[str, float]
    channel_weights: tuple[float, ...]
    priors: tuple[float, ...] = field(default=())
    blob_radii: tuple[float, ...] = field(default=())
    spreads: tuple[float, ...] = field(default=())
    block_radii: tuple[float, ...] = field(default=())
    has_amplitude: bool = False
    n_axes: int = 3
