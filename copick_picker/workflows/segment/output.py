"""One run of ``segment``: its input, and its results while they are written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.masks.grids import BoolVolume
from copick_picker.core.segment.results import Slab, WindowCounts
from copick_picker.core.segment.volume import PlaneReader, VolumeStatistics
from copick_picker.jobs.job import Plan
from copick_picker.jobs.slab_writer import SlabWriter
from copick_picker.project.store import OutputKey
from copick_picker.records.keys import FeatureKey, SegmentationKey, TomogramKey
from copick_picker.records.points import Localized
from copick_picker.workflows.localize.outputs import PicksSource
from copick_picker.workflows.segment.picks import PicksSink

Table = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class RunInput:
    """A run, ready to be segmented.

    ``is_kept`` says that its segmentation exists already, ``is_stored`` that its picks are made
    from what is stored, so that nothing is computed; ``picks`` are its pick sets and those of them
    that are missing; ``cleaning`` says what was done to its voxels. ``feature`` is the key of its
    class probabilities and ``scores`` that of its score volume, where these are stored.
    """

    run_name: str
    tomogram: TomogramKey
    volume: PlaneReader
    key: SegmentationKey
    feature: FeatureKey | None
    scores: FeatureKey | None
    record: dict[str, Any]
    is_kept: bool
    picks: tuple[Plan[PicksSource], set[OutputKey]] | None
    is_stored: bool = False
    statistics: VolumeStatistics | None = None
    mask: BoolVolume | None = None
    cleaning: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Writers:
    """Writes labels, probabilities and scores and makes picks from them, each if requested."""

    labels: SlabWriter | None = None
    shares: SlabWriter | None = None
    scores: SlabWriter | None = None
    picks: PicksSink | None = None

    def put(self, labels: npt.NDArray[Any], slab: Slab) -> None:
        """Queue some planes: labels of the project, and the engine's result."""
        if self.labels is not None:
            self.labels.put(slab.z_start, labels)
        if self.shares is not None and slab.probabilities is not None:
            self.shares.put(slab.z_start, slab.probabilities)
        scores = None if slab.scores is None else slab.scores * (labels > 0)
        if self.scores is not None and scores is not None:
            self.scores.put(slab.z_start, scores[None])
        if self.picks is not None:
            self.picks.put(labels, replace(slab, scores=scores))

    def finish(self) -> tuple[dict[str, Localized], bool]:
        """Wait until all is written, the segmentation last: its record marks the run as complete.

        Returns
        -------
        dict of str to Localized
            Object name -> its picks, if requested.
        bool
            False if another process has finished all of it in the meantime.
        """
        try:
            volumes = [self.shares, self.scores, self.labels]
            is_new = [each.finish() for each in volumes if each is not None]
            found = {} if self.picks is None else self.picks.result()
        except BaseException:
            self.stop()
            raise
        return found, any(is_new) or not is_new

    def stop(self) -> None:
        """Remove whatever was not finished."""
        for each in (self.labels, self.shares, self.scores, self.picks):
            if each is not None:
                each.stop()


class RunOutput:
    """The results of a run while they are written.

    Parameters
    ----------
    given : RunInput
        The run.
    windows : WindowCounts or None
        Its windows; None if nothing is computed.
    writers : Writers
        Where results go.
    table : numpy.ndarray, shape (c,)
        Label of each channel.
    """

    def __init__(
        self, given: RunInput, windows: WindowCounts | None, writers: Writers, table: Table
    ) -> None:
        self.given = given
        self.windows = windows
        self._writers = writers
        self._table = table
        self._counts = np.zeros(len(table), dtype=np.int64)

    def put(self, slab: Slab) -> None:
        """Count a slab's labels and queue it for writing."""
        self._counts += np.bincount(slab.labels.ravel(), minlength=len(self._counts))
        self._writers.put(self._table[slab.labels], slab)

    def finish(self) -> tuple[dict[str, Localized], bool]:
        """Wait until all is written; return the picks by object, and whether this wrote it."""
        return self._writers.finish()

    def stop(self) -> None:
        """Remove whatever was not finished."""
        self._writers.stop()

    def shares(self, channels: Mapping[str, int]) -> dict[str, float]:
        """Return object name -> share of the volume."""
        total = int(self._counts.sum())
        return {name: float(self._counts[channel] / total) for name, channel in channels.items()}
