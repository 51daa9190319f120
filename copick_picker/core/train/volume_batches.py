"""Batches of whole volumes in memory, mirrored alone: for the scripts that made the shipped models.

``train`` takes its batches from :mod:`copick_picker.core.train.sampling`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError

Volume = npt.NDArray[np.floating]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TrainingVolume:
    """A tomogram with its target.

    Attributes
    ----------
    volume : numpy.ndarray, shape (z, y, x), floating
        Tomogram of mean 0 and standard deviation 1.
    target : numpy.ndarray, shape (z, y, x), uint8
        Painted channel of each voxel; 0 is background.
    centres_zyx : mapping of int to numpy.ndarray, shape (n, 3)
        Particle centres in voxels of each channel.
    """

    volume: Volume
    target: Labels
    centres_zyx: Mapping[int, npt.NDArray[np.float64]]


def patch_batch(
    volumes: Sequence[TrainingVolume],
    rng: np.random.Generator,
    *,
    batch_size: int,
    window_voxels: tuple[int, int, int],
    particle_share: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return a batch of patches and targets, mirrored at random along every axis.

    Around a particle: a channel is drawn first, each with the same probability, then one of its
    particles, and the patch lies so that the particle is anywhere in its inner half.

    Parameters
    ----------
    volumes : sequence of TrainingVolume
        Where patches come from.
    rng : numpy.random.Generator
        Source of randomness.
    batch_size : int
        Patches.
    window_voxels : tuple of int
        Patch (z, y, x); no volume may be smaller.
    particle_share : float
        Share of patches that are drawn around a particle.

    Returns
    -------
    patches : numpy.ndarray, shape (b, 1, z, y, x), float32
        Patches of the tomograms.
    targets : numpy.ndarray, shape (b, z, y, x), int64
        Channels.

    Raises
    ------
    DataError
        If there is no volume, or one is smaller than the window.
    """
    _check_volumes(volumes, window_voxels)
    patches = np.empty((batch_size, 1, *window_voxels), dtype=np.float32)
    targets = np.empty((batch_size, *window_voxels), dtype=np.int64)
    holders = _holders(volumes)
    for row in range(batch_size):
        if holders and rng.random() < particle_share:
            channel = list(holders)[int(rng.integers(len(holders)))]
            entry = holders[channel][int(rng.integers(len(holders[channel])))]
            corner = _corner_around(entry, channel, rng, window_voxels)
        else:
            entry = volumes[int(rng.integers(len(volumes)))]
            room = np.subtract(entry.volume.shape, window_voxels)
            corner = rng.integers(0, room, endpoint=True)
        where = tuple(
            slice(start, start + side) for start, side in zip(corner, window_voxels, strict=True)
        )
        mirror = tuple(slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(3))
        patches[row, 0] = entry.volume[where][mirror]
        targets[row] = entry.target[where][mirror]
    return patches, targets


def with_random_contrast(
    patches: npt.NDArray[np.float32],
    rng: np.random.Generator,
    *,
    scale_sigma: float,
    shift_sigma: float,
) -> npt.NDArray[np.float32]:
    """Return patches whose contrast and mean vary a little, each patch by itself.

    Parameters
    ----------
    patches : numpy.ndarray, shape (b, 1, z, y, x), float32
        Patches.
    rng : numpy.random.Generator
        Source of randomness.
    scale_sigma : float
        Standard deviation of the logarithm of the factor.
    shift_sigma : float
        Standard deviation of the added constant.
    """
    shape = (len(patches), 1, 1, 1, 1)
    factors = np.exp(scale_sigma * rng.standard_normal(shape))
    shifts = shift_sigma * rng.standard_normal(shape)
    return (patches * factors + shifts).astype(np.float32)


def _check_volumes(volumes: Sequence[TrainingVolume], window_voxels: tuple[int, int, int]) -> None:
    if not volumes:
        msg = "there is no volume to train on"
        raise DataError(msg)
    for entry in volumes:
        if np.any(np.less(entry.volume.shape, window_voxels)):
            msg = (
                f"a training volume has shape {entry.volume.shape}; expected at least the window "
                f"{window_voxels}"
            )
            raise DataError(msg)


def _holders(volumes: Sequence[TrainingVolume]) -> dict[int, list[TrainingVolume]]:
    """Return which volumes hold particles of each channel."""
    holders: dict[int, list[TrainingVolume]] = {}
    for entry in volumes:
        for channel, centres in entry.centres_zyx.items():
            if len(centres):
                holders.setdefault(channel, []).append(entry)
    return dict(sorted(holders.items()))


def _corner_around(
    entry: TrainingVolume,
    channel: int,
    rng: np.random.Generator,
    window_voxels: tuple[int, int, int],
) -> npt.NDArray[np.int64]:
    centres = entry.centres_zyx[channel]
    centre = centres[int(rng.integers(len(centres)))]
    window = np.asarray(window_voxels)
    corner = np.rint(centre - window * rng.uniform(0.25, 0.75, 3)).astype(np.int64)
    corner = np.clip(corner, 0, np.subtract(entry.volume.shape, window))
    return np.asarray(corner, dtype=np.int64)
