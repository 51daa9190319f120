"""Read a segmentation and its probabilities, find particles, write picks: for every run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from copick_picker.core.localize import localize as localize_volume
from copick_picker.core.localize import localize_slabs
from copick_picker.errors import (
    CopickPickerError,
    DataError,
    SettingsError,
    UnknownNameError,
    choices_text,
)
from copick_picker.jobs.execution import (
    Reporter,
    Summary,
    check_object_names,
    named_runs,
    nothing_to_read,
    process_runs,
    select_runs,
)
from copick_picker.jobs.opening import open_job
from copick_picker.project.copick.volume_writing import FEATURE_CHUNK_CZYX
from copick_picker.project.store import LazyVolume, ProjectStore, Provenance, Slabs
from copick_picker.project.uris import check_uri, matching, parse_output, the_one
from copick_picker.records.keys import FeatureKey, SegmentationKey
from copick_picker.records.points import Localized
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.workflows.inputs.masks import (
    check_mask,
    load_mask,
)
from copick_picker.workflows.localize.outputs import (
    PicksOutput,
    PicksSource,
    object_labels,
    picks_outcome,
    show_totals,
)

logger = logging.getLogger(__name__)


def localize(settings: LocalizeSettings, *, reporter: Reporter) -> Summary:
    """Make picks of the segmentations of a project and return what became of every run.

    Parameters
    ----------
    settings : LocalizeSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    store = open_job(settings)
    check_uri(settings.input, "segmentation")
    check_mask(settings.mask)
    output = parse_output(settings.output, "picks")
    specs = {spec.name: spec for spec in store.objects()}
    for option in ("objects", "radius", "threshold"):
        check_object_names(getattr(settings, option), specs, "--" + option)
    run_names = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    if not settings.dry_run:
        store.check_writable()
    if run_names and not named_runs(settings.run_names):
        _check_any(store, run_names, settings.input)
    job = _Job(settings, store, PicksOutput(settings, store, specs, output), reporter)
    summary = process_runs("localize", run_names, job.run, reporter=reporter)
    totals = show_totals((each.details for each in summary.outcomes), reporter=reporter)
    summary = replace(summary, figures={"objects": totals})
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


@dataclass(frozen=True)
class _Job:
    """One localization job over runs."""

    settings: LocalizeSettings
    store: ProjectStore
    picks: PicksOutput
    reporter: Reporter

    def run(self, run_name: str) -> RunOutcome:
        """Make the picks of one run."""
        settings, store = self.settings, self.store
        found = store.segmentations(run_name)
        if not matching(found, settings.input, "segmentation") and not named_runs(
            settings.run_names
        ):
            return RunOutcome(run_name, "absent", f"no segmentation '{settings.input}'")
        key = the_one(found, settings.input, "segmentation", run_name=run_name)
        given = self._input(run_name, key)
        keys = self.picks.keys(given)
        record = self.picks.record(run_name, given)
        standing = self.picks.standing(run_name, keys.values(), record)
        if len(standing) == len(keys):
            return RunOutcome(run_name, "skipped", f"{len(keys)} pick sets are complete")
        if settings.dry_run:
            return RunOutcome(run_name, "planned", f"{key} -> {choices_text(keys.values())}")
        labels = self.store.open_segmentation(run_name, key)
        mask = load_mask(
            store,
            run_name,
            settings.mask,
            shape_zyx=labels.shape,
            spacing=key.voxel_spacing,
            warn=self.reporter.warn,
        )
        results = self._localized(run_name, given, labels)
        if mask is not None:
            margin = settings.mask_margin
            results = {
                name: mask.without_outer(result, margin_angstrom=margin)
                for name, result in results.items()
            }
        is_new = [
            self.picks.write(run_name, keys[name], result, record, mask)
            for name, result in results.items()
            if keys[name] not in standing
        ]
        return picks_outcome(run_name, key, results, is_new=any(is_new) or not is_new)

    def _input(self, run_name: str, key: SegmentationKey) -> PicksSource:
        record = self.store.segmentation_provenance(run_name, key)
        recorded = self.store.segmentation_labels(run_name, key)
        if self.settings.label is not None:
            names = self.settings.objects or tuple(self.picks.specs)
            recorded = dict.fromkeys(names, self.settings.label)
        elif recorded is None and not key.is_multilabel:
            recorded = {key.name: 1}
        elif recorded is None:
            self.reporter.warn(
                f"run {run_name}: {key} does not say what its labels mean; "
                "taken to be the project's"
            )
        labels = object_labels(
            recorded,
            self.picks.specs,
            object_map=self.settings.object_map,
            objects=self.settings.objects,
        )
        probabilities = self._probabilities(run_name, key, record)
        known = dict((record or {}).get("objects", {}))
        targets = self.picks.targets(labels, known, has_probabilities=probabilities is not None)
        return PicksSource(key, record, targets, probabilities)

    def _probabilities(
        self, run_name: str, key: SegmentationKey, record: Provenance | None
    ) -> FeatureKey | None:
        """Return the key of the class probabilities where they are stored whole."""
        stated = (record or {}).get("probabilities")
        if not stated:
            if self.settings.method == "peaks":
                msg = (
                    f"run {run_name}: --method peaks needs class probabilities, and {key} has none;"
                    " run segment with --probabilities"
                )
                raise SettingsError(msg)
            return None
        keys = matching(self.store.features(run_name), stated["uri"], "feature")
        if keys and self.store.feature_provenance(run_name, keys[0]) is not None:
            return keys[0]
        msg = (
            f"run {run_name}: the class probabilities {stated['uri']} of {key} are missing or "
            "unfinished; run segment with --probabilities --overwrite"
        )
        raise UnknownNameError(msg)

    def _localized(
        self, run_name: str, given: PicksSource, labels: LazyVolume
    ) -> dict[str, Localized]:
        key, spacing, rules = given.probabilities, given.key.voxel_spacing, self.settings.rules()
        stored = None if key is None else self.store.open_feature(run_name, key)
        if rules.method == "peaks" and stored is not None:
            return localize_slabs(
                _slabs(stored),
                given.targets,
                shape_zyx=_frame(stored, labels),
                voxel_spacing=spacing,
                rules=rules,
            )
        return localize_volume(
            labels.read(),
            None if stored is None else stored.read(),
            given.targets,
            voxel_spacing=spacing,
            rules=rules,
        )


def _slabs(probabilities: LazyVolume) -> Slabs:
    """Yield stored probabilities (c, z, y, x) in blocks of whole chunks."""
    depth = FEATURE_CHUNK_CZYX[1]
    for z_start in range(0, probabilities.shape[1], depth):
        yield z_start, probabilities.read(z_start, z_start + depth)


def _frame(probabilities: LazyVolume, labels: LazyVolume) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of both volumes."""
    if probabilities.shape[1:] != labels.shape:
        msg = (
            f"segmentation has shape {labels.shape} but probabilities {probabilities.shape}; "
            "expected the same (z, y, x)"
        )
        raise DataError(msg)
    z, y, x = labels.shape
    return z, y, x


def _check_any(store: ProjectStore, run_names: Sequence[str], uri: str) -> None:
    """Raise where no run has the segmentation; a run that cannot be listed fails later."""

    def listing(run_name: str) -> list[SegmentationKey]:
        try:
            return store.segmentations(run_name)
        except CopickPickerError:
            return []

    if not any(matching(listing(name), uri, "segmentation") for name in run_names):
        raise nothing_to_read(listing, run_names, uri, "segmentation")
