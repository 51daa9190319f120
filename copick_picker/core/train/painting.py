"""Targets of whole tomograms for inspection: the same voxels as in training patches."""

from collections.abc import Iterator

import numpy as np

from copick_picker.core.heads.targets import labels_of
from copick_picker.core.labels import LabelVolume
from copick_picker.core.train.placement import Placement
from copick_picker.core.train.sampling import TrainingRun, truth_of


def target_slabs(
    run: TrainingRun, *, kind: str, fraction: float, slab_planes: int
) -> Iterator[tuple[int, LabelVolume]]:
    """Yield the target of a whole tomogram in slabs, from the first plane to the last.

    Each slab is a patch of full width, painted like those of a batch. The tomogram itself is not
    read.

    Parameters
    ----------
    run : TrainingRun
        A tomogram's shape, its particles and, for ``masks``, its segmentation.
    kind : str
        One of :data:`copick_picker.core.heads.targets.TARGET_KINDS`; see
        :func:`copick_picker.core.heads.targets.labels_of` for ``gaussian``.
    fraction : float
        Size of the target as a fraction of the particle's radius.
    slab_planes : int
        Planes per slab; the last may have fewer.

    Yields
    ------
    z_start : int
        First plane of the slab.
    channels : numpy.ndarray, shape (z, y, x), uint8
        Channel of each voxel; 0 is background.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    SettingsError
        If a channel has particles but no radius.
    DataError
        If the kind is ``masks`` and the run has no segmentation.

    Examples
    --------
    >>> from copick_picker.core.train.sources import ArraySource
    >>> centres, radii = {1: np.array([[4.0, 2.0, 3.0]])}, {1: 2.0}
    >>> run = TrainingRun("TS_1", ArraySource(np.zeros((8, 6, 7))), centres, radii)
    >>> slabs = target_slabs(run, kind="spheres", fraction=0.5, slab_planes=4)
    >>> [(start, int(channels.sum())) for start, channels in slabs]
    [(0, 1), (4, 6)]
    """
    depth, height, width = run.source.shape_zyx
    for start in range(0, depth, slab_planes):
        window = (min(slab_planes, depth - start), height, width)
        centre = (np.asarray(window) - 1) / 2 + (start, 0, 0)
        truth = truth_of(run, Placement(np.eye(3), centre, window))
        yield start, labels_of(kind, truth, fraction=fraction)
