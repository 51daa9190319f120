"""Labels and class probabilities, as slabs of finished planes and as whole volumes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from copick_picker.core.segment.plan import Mask
from copick_picker.records.points import LocalizeTarget

Item = TypeVar("Item", covariant=True)


@dataclass(frozen=True, eq=False)
class Slab:
    """Finished planes.

    Attributes
    ----------
    z_start : int
        First plane.
    labels : numpy.ndarray, shape (k, y, x), uint8
        Channel of the highest probability, the first if tied; 0 is background.
    probabilities : numpy.ndarray, shape (c, k, y, x), float16, or None
        Probability of each channel, if requested.
    maps : numpy.ndarray, shape (m, k, y, x), float16, or None
        Maps of a head that finds points.
    scores : numpy.ndarray, shape (k, y, x), float16, or None
        Probability of each voxel's label, 0 in the background, if requested.
    """

    z_start: int
    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float16] | None
    maps: npt.NDArray[np.float16] | None = None
    scores: npt.NDArray[np.float16] | None = None


@dataclass
class WindowCounts:
    """Counts of the windows of a volume; grow while they run.

    Attributes
    ----------
    planned : int
        Windows of all augmentations and models.
    outside : int
        Those entirely outside the mask, which are not computed.
    constant : int
        Constant ones that equal an earlier window and reuse its result.
    """

    planned: int
    outside: int
    constant: int = 0


@dataclass(eq=False)
class Stream(Generic[Item]):
    """Pieces of a volume, ascending and gapless along z, computed on demand.

    Attributes
    ----------
    windows : WindowCounts
        Counts of the windows run so far.
    """

    windows: WindowCounts
    _pieces: Iterator[Item] = field(repr=False)

    def __iter__(self) -> Iterator[Item]:
        """Return the stream itself."""
        return self

    def __next__(self) -> Item:
        """Compute the next piece."""
        return next(self._pieces)


@dataclass(frozen=True, eq=False)
class SegmentedVolume:
    """A whole volume.

    Attributes
    ----------
    labels : numpy.ndarray, shape (z, y, x), uint8
        Channel of the highest probability, the first if tied; 0 is background.
    probabilities : numpy.ndarray, shape (c, z, y, x), float16, or None
        Probability of each channel, if requested.
    scores : numpy.ndarray, shape (z, y, x), float16, or None
        Probability of each voxel's label, 0 in the background, if requested.
    targets : tuple of LocalizeTarget
        The objects of the model: name, label, channel, and what its card states.
    """

    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float16] | None
    scores: npt.NDArray[np.float16] | None = None
    targets: tuple[LocalizeTarget, ...] = ()

    @property
    def names(self) -> dict[int, str]:
        """Label (and channel) -> name of the object."""
        return {target.label: target.object_name for target in self.targets}


def whole_volume(slabs: Iterable[Slab]) -> SegmentedVolume:
    """Return slabs joined into a volume.

    Parameters
    ----------
    slabs : iterable of Slab
        Ascending and gapless along z; all with probabilities, or none.

    Examples
    --------
    >>> slabs = [Slab(z, np.full((2, 3, 4), z, np.uint8), None) for z in (0, 2)]
    >>> whole_volume(slabs).labels.shape
    (4, 3, 4)
    """
    parts = list(slabs)
    kept = [slab.probabilities for slab in parts if slab.probabilities is not None]
    scores = [slab.scores for slab in parts if slab.scores is not None]
    return SegmentedVolume(
        np.concatenate([slab.labels for slab in parts]),
        np.concatenate(kept, axis=1) if kept else None,
        np.concatenate(scores) if scores else None,
    )


def masked_volume(volume: SegmentedVolume, mask_zyx: Mask) -> SegmentedVolume:
    """Return a volume that is background with probability 1 outside a mask.

    Parameters
    ----------
    volume : SegmentedVolume
        Labels (z, y, x) and optionally probabilities (c, z, y, x).
    mask_zyx : numpy.ndarray, shape (z, y, x), bool
        Where the volume is unchanged.

    Examples
    --------
    >>> labels = np.array([[[1, 2]]], dtype=np.uint8)
    >>> volume = SegmentedVolume(labels, None)
    >>> masked_volume(volume, np.array([[[True, False]]])).labels
    array([[[1, 0]]], dtype=uint8)
    """
    labels = np.where(mask_zyx, volume.labels, np.uint8(0))
    if volume.probabilities is None:
        return SegmentedVolume(labels, None)
    background = np.zeros((len(volume.probabilities), 1, 1, 1), dtype=np.float16)
    background[0] = 1
    return SegmentedVolume(labels, np.where(mask_zyx, volume.probabilities, background))


def masked_slab(slab: Slab, mask_zyx: Mask) -> Slab:
    """Return a slab that is background with probability 1 outside a mask; maps are 0 there.

    Parameters
    ----------
    slab : Slab
        Planes of a volume.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool
        Where the volume is unchanged; for the whole volume.
    """
    planes = mask_zyx[slab.z_start : slab.z_start + len(slab.labels)]
    masked = masked_volume(SegmentedVolume(slab.labels, slab.probabilities), planes)
    maps = None if slab.maps is None else np.where(planes, slab.maps, np.float16(0))
    scores = None if slab.scores is None else np.where(planes, slab.scores, np.float16(0))
    return Slab(slab.z_start, masked.labels, masked.probabilities, maps, scores)


def label_scores(
    labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float16]:
    """Return the probability of each voxel's label (z, y, x), 0 in the background.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), uint8
        Channel of each voxel; 0 is background.
    probabilities : numpy.ndarray, shape (c, z, y, x), floating
        Probability of each channel.

    Examples
    --------
    >>> shares = np.array([0.25, 0.75, 0.5, 0.5], np.float16).reshape(2, 1, 1, 2, order="F")
    >>> label_scores(np.array([[[1, 0]]], np.uint8), shares)
    array([[[0.75, 0.  ]]], dtype=float16)
    """
    chosen = np.take_along_axis(probabilities, labels[None].astype(np.intp), axis=0)[0]
    return np.where(labels > 0, chosen, 0).astype(np.float16)


def with_scores(slab: Slab, *, scores: bool, probabilities: bool) -> Slab:
    """Return a slab that has the scores of its labels, and probabilities, where asked for.

    Parameters
    ----------
    slab : Slab
        Planes with probabilities.
    scores, probabilities : bool
        What is asked for.
    """
    shares = slab.probabilities
    own = label_scores(slab.labels, shares) if scores and shares is not None else None
    return replace(slab, scores=own, probabilities=shares if probabilities else None)
