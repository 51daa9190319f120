"""Read a segmentation and its probabilities, find particles, write picks: for every run."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from copick_picker.core.localize import LabelledSlab, picks_of_slabs
from copick_picker.core.localize.checks import FloatVolume, IntVolume
from copick_picker.core.localize.values import unread_values
from copick_picker.errors import DataError, SettingsError, UnknownNameError
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import same_job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.volume_writing import FEATURE_CHUNK_CZYX
from copick_picker.project.store import OutputKey, ProjectStore, Provenance
from copick_picker.project.uris import feature_query, picks_output
from copick_picker.records.keys import FeatureKey, SegmentationKey
from copick_picker.records.points import Localized, LocalizeRules
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.workflows.inputs.masks import check_mask, load_mask
from copick_picker.workflows.inputs.object_labels import (
    is_one_object,
    known_values,
    object_labels,
    read_labels,
    stated_labels,
)
from copick_picker.workflows.localize.outputs import Finding, PickSets, PicksSource, show_totals


@summarised
def localize(settings: LocalizeSettings, *, reporter: Reporter) -> Summary:
    """Make picks from the segmentations of a project and return the outcome of every run.

    Parameters
    ----------
    settings : LocalizeSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    job = Job.open("localize", settings, reporter=reporter)
    segmentations = job.segmentations(settings.input)
    check_mask(settings.mask)
    output = picks_output(settings.output)
    job.check_objects("objects", "radius", "threshold")
    job.warn_of_radii(job.settings.radius)
    if not job.is_named:
        segmentations.check_any(job.run_names)
    summary = job.run(_Localization(job, segmentations, PickSets(job, output)))
    totals = show_totals((each.details for each in summary.outcomes), reporter=reporter)
    return replace(summary, figures={"objects": totals})


@dataclass(frozen=True)
class _Localization:
    """The recipe of ``localize``."""

    job: Job[LocalizeSettings]
    segmentations: Input[SegmentationKey]
    picks: PickSets

    def plan(self, run_name: str) -> Plan[PicksSource] | RunOutcome:
        """Return the pick sets to make for a run."""
        key = self.job.find(self.segmentations, run_name)
        if isinstance(key, RunOutcome):
            return key
        return self.picks.plan(run_name, self._source(key, run_name))

    def make(
        self, run_name: str, plan: Plan[PicksSource], missing: Collection[OutputKey]
    ) -> RunOutcome:
        """Find the picks of one run and write them."""
        settings, store, source = self.job.settings, self.job.store, plan.given
        mask = load_mask(
            store,
            run_name,
            settings.mask,
            shape_zyx=_frame(store, run_name, source),
            spacing=source.key.voxel_spacing,
            warn=self.job.reporter.warn,
        )
        found, unread = picks_of_stored(store, run_name, source, rules=settings.rules())
        if mask is not None:
            margin = settings.mask_margin
            found = {
                name: mask.without_outer(result, margin_angstrom=margin)
                for name, result in found.items()
            }
        finding = Finding(found, mask, unread, self._thresholds_left(source))
        return self.picks.write(run_name, plan, missing, finding)

    def _thresholds_left(self, source: PicksSource) -> tuple[str, ...]:
        """Return what to say of the model's thresholds that mean nothing for fills of regions."""
        if source.probabilities is not None or source.scores is not None or source.record is None:
            return ()
        known = source.record.get("objects", {})
        left = [
            f"{target.object_name} {known[target.object_name]['score_threshold']:.3g}"
            for target in source.targets
            if known.get(target.object_name, {}).get("score_threshold") is not None
            and target.score_threshold is None
        ]
        if not left:
            return ()
        return (
            f"{source.key} was segmented with --no-scores: scores are the fill of each region, and "
            f"the model's thresholds ({', '.join(left)}) are not applied; segment without "
            "--no-scores for those",
        )

    def _source(self, key: SegmentationKey, run_name: str) -> PicksSource:
        settings, store = self.job.settings, self.job.store
        record = store.segmentation_provenance(run_name, key)
        if settings.label is not None:
            names = settings.objects or tuple(self.job.specs)
            recorded: dict[str, int] | None = dict.fromkeys(names, settings.label)
        else:
            recorded = stated_labels(store, run_name, key, warn=self.job.reporter.warn)
        labels = object_labels(
            recorded, self.job.specs, object_map=settings.object_map, objects=settings.objects
        )
        probabilities = self._feature(run_name, key, record, "probabilities")
        scores = None
        if probabilities is None and settings.method == "peaks":
            msg = (
                f"run {run_name}: --method peaks needs class probabilities, and {key} has none;"
                " run segment with --probabilities"
            )
            raise SettingsError(msg)
        if probabilities is None:
            scores = self._feature(run_name, key, record, "scores")
        known = {} if record is None else dict(record.get("objects", {}))
        is_scored = probabilities is not None or scores is not None
        targets = self.picks.targets(labels, known, is_scored=is_scored)
        values: frozenset[int] | None = known_values(recorded, self.job.specs)
        if settings.label is not None:
            values = None
        elif is_one_object(key, recorded):
            targets = tuple(replace(target, any_value=True) for target in targets)
            values = frozenset()
        return PicksSource(key, record, targets, probabilities, scores, values)

    def _feature(
        self, run_name: str, key: SegmentationKey, record: Provenance | None, kind: str
    ) -> FeatureKey | None:
        """Return the key of the stored probabilities or scores of a segmentation, if any."""
        store = self.job.store
        stated = None if record is None else record.get(kind)
        if not stated:
            return None
        keys = feature_query(stated["uri"]).matching(store.features(run_name))
        made = store.feature_provenance(run_name, keys[0]) if keys else None
        if made is not None:
            self._check_same(run_name, key, keys[0], made, record or {})
            return keys[0]
        option = " --probabilities" if kind == "probabilities" else ""
        what = "class probabilities" if kind == "probabilities" else "score volume"
        msg = (
            f"run {run_name}: the {what} {stated['uri']} of {key}: missing or unfinished; run "
            f"segment{option} again, which makes what is missing"
        )
        raise UnknownNameError(msg)

    def _check_same(
        self,
        run_name: str,
        key: SegmentationKey,
        feature: FeatureKey,
        made: Provenance,
        record: Provenance,
    ) -> None:
        """Raise where probabilities or scores were not made together with their segmentation."""
        difference = same_job(made, record)
        if made.get("command") == record.get("command") == "segment" and difference:
            msg = (
                f"run {run_name}: {feature} was not made together with {key} ({difference}): "
                f"segment this run again: -r {run_name} --overwrite"
            )
            raise DataError(msg)


def picks_of_stored(
    store: ProjectStore, run_name: str, source: PicksSource, *, rules: LocalizeRules
) -> tuple[dict[str, Localized], dict[int, int]]:
    """Return object name -> picks, from the stored labels and class probabilities of a run.

    With them, the values of the labels that stand for nothing known, and their voxels.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    source : PicksSource
        Its segmentation.
    rules : LocalizeRules
        How picks are found.

    Raises
    ------
    DataError
        If the labels and the probabilities differ in shape.
    """
    unread: dict[int, int] = {}
    found = picks_of_slabs(
        _stored_slabs(store, run_name, source, unread, whole=rules.method != "peaks"),
        source.targets,
        shape_zyx=_frame(store, run_name, source),
        voxel_spacing=source.key.voxel_spacing,
        rules=rules,
    )
    return found, unread


def _stored_slabs(
    store: ProjectStore,
    run_name: str,
    source: PicksSource,
    unread: dict[int, int],
    *,
    whole: bool,
) -> Iterator[LabelledSlab]:
    """Yield both in one piece, or only the probabilities in blocks of whole chunks."""
    stored, scores = (
        None if each is None else store.open_feature(run_name, each)
        for each in (source.probabilities, source.scores)
    )
    if whole or stored is None:
        labels = read_labels(store, run_name, source.key)
        unread |= unread_of(labels, source)
        shares = None if stored is None else stored.read()
        own = None if scores is None else scores.read()[0]
        _check_complete(run_name, source, labels, shares, own)
        yield LabelledSlab(0, labels, shares, scores=own)
        return
    depth = FEATURE_CHUNK_CZYX[1]
    for z_start in range(0, stored.shape[1], depth):
        block = stored.read(z_start, z_start + depth)
        if not (block.max(axis=0) > 0).all():  # probabilities of all classes add up to 1
            raise _incomplete(run_name, source.probabilities)
        yield LabelledSlab(z_start, None, block)


def _check_complete(
    run_name: str,
    source: PicksSource,
    labels: IntVolume,
    shares: FloatVolume | None,
    scores: FloatVolume | None,
) -> None:
    """Raise where labels have no probability: a chunk that was lost reads as zeros."""
    if shares is not None and ((labels > 0) & ~(shares.max(axis=0) > 0)).any():
        raise _incomplete(run_name, source.probabilities)
    if scores is not None and ((labels > 0) & ~(scores > 0)).any():
        raise _incomplete(run_name, source.scores)


def _incomplete(run_name: str, feature: FeatureKey | None) -> DataError:
    return DataError(
        f"{feature} is incomplete: some voxels have no value, so chunks were lost; segment this "
        f"run again: -r {run_name} --overwrite"
    )


def unread_of(labels: IntVolume, source: PicksSource) -> dict[int, int]:
    """Return the values that stand for nothing known in a segmentation, with their voxels.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        The segmentation.
    source : PicksSource
        What is known of its values.
    """
    if source.known is None:
        return {}
    if not source.is_one_object:
        return unread_values(labels, source.known)
    lowest = int(labels.min(initial=0))
    return {} if lowest >= 0 else unread_values(np.minimum(labels, 0), ())


def _frame(store: ProjectStore, run_name: str, source: PicksSource) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of a run's labels, and of what its scores are read from."""
    z, y, x = store.open_segmentation(run_name, source.key).shape
    for feature in filter(None, (source.probabilities, source.scores)):
        shape = store.open_feature(run_name, feature).shape
        if shape[1:] != (z, y, x):
            msg = (
                f"segmentation has shape {(z, y, x)} but {feature} {shape}; "
                "expected the same (z, y, x)"
            )
            raise DataError(msg)
    return z, y, x
