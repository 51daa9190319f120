"""The picks of ``segment --picks``: made from the same slabs that are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from copick_picker.core.localize import LabelledSlab, picks_of_slabs
from copick_picker.core.segment.results import Slab
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.slab_writer import SlabWriter, SlabWriters
from copick_picker.project.store import Slabs
from copick_picker.project.uris import picks_output
from copick_picker.records.keys import FeatureKey, SegmentationKey
from copick_picker.records.points import Localized
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.inputs.object_labels import object_labels
from copick_picker.workflows.localize.outputs import PickSets, PicksSource

RADIUS_ADVICE = (
    "set it in the project's configuration, or run segment without --picks, "
    "then localize with --radius {name}=ANGSTROM"
)


@dataclass(frozen=True)
class SegmentPicks:
    """The picks of a segmentation job.

    Attributes
    ----------
    sets : PickSets
        Their keys, and how they are made: with the default settings of ``localize``.
    labels : mapping
        Object name -> label, for the objects to look for.
    """

    sets: PickSets
    labels: Mapping[str, int]

    @property
    def takes_labels(self) -> bool:
        """Whether picks are made from the labels, not from probabilities."""
        return self.sets.job.settings.method != "peaks"

    def can_read(self, feature: FeatureKey | None) -> bool:
        """Return whether the picks can be made from the stored segmentation and probabilities.

        Parameters
        ----------
        feature : FeatureKey or None
            Stored probabilities.
        """
        return self.takes_labels or feature is not None

    def plan(
        self,
        run_name: str,
        key: SegmentationKey,
        record: Mapping[str, Any],
        feature: FeatureKey | None,
        scores: FeatureKey | None,
    ) -> Plan[PicksSource]:
        """Return the pick sets to make for a run.

        Parameters
        ----------
        run_name : str
            The run.
        key : SegmentationKey
            Its segmentation.
        record : mapping
            The record that the segmentation has, or will have.
        feature : FeatureKey or None
            Where its probabilities are stored, if they are.
        scores : FeatureKey or None
            Where its score volume is stored, if it is.
        """
        is_scored = not self.takes_labels or feature is not None or scores is not None
        targets = self.sets.targets(self.labels, record["objects"], is_scored=is_scored)
        used = scores if self.takes_labels else None
        return self.sets.plan(run_name, PicksSource(key, record, targets, feature, used))


def segment_picks(job: Job[SegmentSettings], labels: Mapping[str, int]) -> SegmentPicks | None:
    """Return the picks that a segmentation job makes; None if it makes none.

    Errors that affect any of the requested picks are raised here, before any run is touched.

    Parameters
    ----------
    job : Job
        The segmentation job.
    labels : mapping
        Object name in the project -> label, for everything segmented.

    Raises
    ------
    SettingsError
        If the URI of the picks is wrong, or an object has no radius.
    """
    settings = job.settings
    if settings.picks is None:
        return None
    chosen = LocalizeSettings(
        config=settings.config,
        objects=settings.objects,
        overwrite=settings.overwrite,
        dry_run=settings.dry_run,
        input=settings.output,
        output=settings.picks,
        method=settings.picks_method,
    )
    localization = Job("localize", chosen, job.reporter, job.store, job.run_names)
    sets = PickSets(localization, picks_output(settings.picks), RADIUS_ADVICE)
    sought = object_labels(labels, job.specs, object_map={}, objects=settings.objects)
    for target in sets.targets(sought, {}, is_scored=False):
        sets.output.key(target.object_name)
    return SegmentPicks(sets, sought)


class PicksSink:
    """Makes picks from the slabs of a run, in a thread of its own.

    At most one slab waits. ``peaks`` keeps the planes that a peak still needs; the other methods
    keep the labels of the run, and its scores or probabilities if these are stored too.

    Parameters
    ----------
    picks : SegmentPicks
        How the picks are made.
    source : PicksSource
        The segmentation that they are made from.
    shape_zyx : tuple of int
        Shape of the volume.
    job : SlabWriters
        The writers that stop with the job.
    """

    def __init__(
        self,
        picks: SegmentPicks,
        source: PicksSource,
        shape_zyx: tuple[int, int, int],
        *,
        job: SlabWriters,
    ) -> None:
        self._found: dict[str, Localized] = {}
        self._takes_labels = picks.takes_labels
        self._takes_shares = not picks.takes_labels or source.probabilities is not None
        self._takes_scores = source.scores is not None
        self._waiting: dict[int, LabelledSlab] = {}

        def find(slabs: Slabs) -> None:
            self._found = picks_of_slabs(
                (self._waiting.pop(z_start) for z_start, _ in slabs),
                source.targets,
                shape_zyx=shape_zyx,
                voxel_spacing=source.key.voxel_spacing,
                rules=picks.sets.job.settings.rules(),
            )

        self._thread = SlabWriter(find, waiting_bytes=0, job=job)

    def put(self, labels: npt.NDArray[Any], slab: Slab) -> None:
        """Queue the next planes, which must not be changed afterwards.

        Parameters
        ----------
        labels : numpy.ndarray, shape (k, y, x), integer
            Labels of the project.
        slab : Slab
            The engine's result for these planes.
        """
        shares = slab.probabilities if self._takes_shares else None
        kept = labels if self._takes_labels else None
        scores = slab.scores if self._takes_scores else None
        self._waiting[slab.z_start] = LabelledSlab(slab.z_start, kept, shares, scores=scores)
        self._thread.put(slab.z_start, labels)

    def result(self) -> dict[str, Localized]:
        """Return object name -> picks, after all planes are queued."""
        self._thread.finish()
        return self._found

    def stop(self) -> None:
        """Stop the search."""
        self._thread.stop()
