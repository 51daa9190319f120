"""Peaks found while a tomogram is segmented: what ``segment --picks-method peaks`` does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from copick_picker.core.localize import localize_slabs
from copick_picker.core.localize.checks import FloatVolume
from copick_picker.jobs.slab_writer import SlabWriter, SlabWriters
from copick_picker.project.store import ProjectStore, Slabs
from copick_picker.project.uris import parse_output
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey
from copick_picker.records.points import Localized, LocalizeRules, LocalizeTarget
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.localize.outputs import (
    PicksOutput,
    PicksSource,
    object_labels,
    picks_outcome,
)

RADIUS_ADVICE = (
    "set it in the project's configuration, or run segment without --picks, "
    "then localize with --radius {name}=ANGSTROM"
)


@dataclass(frozen=True)
class PlannedPicks:
    """Pick sets that a run gets.

    Attributes
    ----------
    source : PicksSource
        What they are made of.
    keys : mapping
        Object name -> where its picks go.
    record : dict
        Their provenance record.
    standing : frozenset of PicksKey
        Those that stand, made the same way.
    """

    source: PicksSource
    keys: Mapping[str, PicksKey]
    record: dict[str, Any]
    standing: frozenset[PicksKey]

    @property
    def complete(self) -> bool:
        """Whether all of them stand."""
        return len(self.standing) == len(self.keys)


@dataclass(frozen=True)
class SegmentPeaks:
    """The peaks of one segmentation job.

    Attributes
    ----------
    output : PicksOutput
        Where they go.
    labels : mapping
        Object name -> label, of what is looked for.
    """

    output: PicksOutput
    labels: Mapping[str, int]

    def planned(
        self,
        run_name: str,
        key: SegmentationKey,
        record: Mapping[str, Any],
        feature: FeatureKey | None,
    ) -> PlannedPicks:
        """Return what a run gets.

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

        Raises
        ------
        ConflictError
            If other picks stand there and are not to be replaced.
        """
        targets = self.output.targets(self.labels, record["objects"], has_probabilities=True)
        source = PicksSource(key, record, targets, feature)
        keys, own = self.output.keys(source), self.output.record(run_name, source)
        standing = self.output.standing(run_name, keys.values(), own)
        return PlannedPicks(source, keys, own, frozenset(standing))

    def finder(
        self,
        planned: PlannedPicks,
        shape_zyx: tuple[int, int, int],
        spacing: float,
        *,
        job: SlabWriters,
    ) -> "PeakFinder":
        """Return what takes a run's probabilities while they are computed.

        Parameters
        ----------
        planned : PlannedPicks
            What the run gets.
        shape_zyx : tuple of int
            Shape of its tomogram.
        spacing : float
            Edge of a voxel in Angstrom.
        job : SlabWriters
            What is stopped with the job.
        """
        rules = self.output.settings.rules()
        return PeakFinder(planned.source.targets, shape_zyx, spacing, rules, job=job)

    def write(
        self, run_name: str, planned: PlannedPicks, results: Mapping[str, Localized]
    ) -> RunOutcome:
        """Write the picks of a run and return what became of them.

        Parameters
        ----------
        run_name : str
            The run.
        planned : PlannedPicks
            What it gets.
        results : mapping
            Object name -> picks.
        """
        is_new = [
            self.output.write(run_name, planned.keys[name], result, planned.record, None)
            for name, result in results.items()
            if planned.keys[name] not in planned.standing
        ]
        key = planned.source.key
        return picks_outcome(run_name, key, results, is_new=any(is_new) or not is_new)


def segment_peaks(
    settings: SegmentSettings, store: ProjectStore, labels: Mapping[str, int]
) -> SegmentPeaks | None:
    """Return the peaks that a job finds while it segments; None where it finds none.

    What would fail for any picks that are asked for is told here, before any run is touched.

    Parameters
    ----------
    settings : SegmentSettings
        What to do.
    store : ProjectStore
        The project.
    labels : mapping
        Project's object name -> label, of all that is segmented.

    Raises
    ------
    SettingsError
        If the URI of the picks is wrong or an object has no radius.
    """
    if settings.picks is None:
        return None
    chosen = LocalizeSettings(
        config=settings.config,
        objects=settings.objects,
        overwrite=settings.overwrite,
        input=settings.output,
        output=settings.picks,
        method=settings.picks_method,
    )
    specs = {spec.name: spec for spec in store.objects()}
    parts = parse_output(settings.picks, "picks")
    output = PicksOutput(chosen, store, specs, parts, RADIUS_ADVICE)
    sought = object_labels(labels, specs, object_map={}, objects=settings.objects)
    for target in output.targets(sought, {}, has_probabilities=False):
        output.key(target)
    return SegmentPeaks(output, sought) if settings.picks_method == "peaks" else None


class PeakFinder:
    """Finds peaks in a thread of its own while the next planes are computed.

    At most one slab waits; the planes that a peak still needs are kept, see ``PeakStream``.

    Parameters
    ----------
    targets : sequence of LocalizeTarget
        What to look for.
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rules : LocalizeRules
        Limits of ``peaks``.
    job : SlabWriters
        What is stopped with the job.
    """

    def __init__(
        self,
        targets: Sequence[LocalizeTarget],
        shape_zyx: tuple[int, int, int],
        voxel_spacing: float,
        rules: LocalizeRules,
        *,
        job: SlabWriters,
    ) -> None:
        self._found: dict[str, Localized] = {}

        def find(slabs: Slabs) -> None:
            self._found = localize_slabs(
                _floating(slabs),
                targets,
                shape_zyx=shape_zyx,
                voxel_spacing=voxel_spacing,
                rules=rules,
            )

        self._thread = SlabWriter(find, waiting_bytes=0, job=job)

    def put(self, z_start: int, probabilities: FloatVolume) -> None:
        """Hand over the next planes.

        Parameters
        ----------
        z_start : int
            First plane.
        probabilities : numpy.ndarray, shape (c, k, y, x), float16
            Class probabilities; not to be changed any more.
        """
        self._thread.put(z_start, probabilities)

    def result(self) -> dict[str, Localized]:
        """Return object name -> picks, when all planes were handed over."""
        self._thread.finish()
        return self._found

    def stop(self) -> None:
        """Stop looking."""
        self._thread.stop()


def _floating(slabs: Slabs) -> Iterator[tuple[int, FloatVolume]]:
    yield from slabs
