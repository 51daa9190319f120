"""Read a segmentation and its probabilities, find particles, write picks: for every run."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from copick_picker.core.localize import localize as localize_volume
from copick_picker.core.localize import localize_slabs
from copick_picker.errors import (
    CopickPickerError,
    DataError,
    SettingsError,
    UnknownNameError,
    choices_text,
)
from copick_picker.project.pick_files import MASK_DISTANCES
from copick_picker.project.store import LazyVolume, ProjectStore, Provenance, Slabs
from copick_picker.project.uris import check_uri, matching, parse_output, the_one
from copick_picker.project.volumes import FEATURE_CHUNK_CZYX
from copick_picker.records import (
    FeatureKey,
    Localized,
    LocalizeTarget,
    ObjectSpec,
    PicksKey,
    RunOutcome,
    SegmentationKey,
)
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.workflows.masks import (
    RunMask,
    check_mask,
    finite_or_none,
    load_mask,
    mask_record,
)
from copick_picker.workflows.opening import open_job
from copick_picker.workflows.records import digest, new_record, refuse, same_job
from copick_picker.workflows.runs import (
    Reporter,
    Summary,
    check_labels_differ,
    check_object_names,
    named_runs,
    nothing_to_read,
    process_runs,
    select_runs,
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
    job = _Job(settings, store, specs, output, reporter)
    summary = process_runs("localize", run_names, job.run, reporter=reporter)
    totals = _totals(summary)
    if totals:
        reporter.table("Picks", ("object", "picks", "dropped"), _total_rows(totals))
    summary = replace(summary, figures={"objects": totals})
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def object_labels(
    recorded: Mapping[str, int] | None,
    specs: Mapping[str, ObjectSpec],
    *,
    object_map: Mapping[str, str],
    objects: Sequence[str],
) -> dict[str, int]:
    """Return project's object name -> value in a segmentation.

    Parameters
    ----------
    recorded : mapping or None
        Name -> value as the segmentation's maker recorded it; None where nothing is recorded: then
        the values are the project's labels.
    specs : mapping
        The project's objects by name.
    object_map : mapping
        Recorded name -> project's name, where they differ.
    objects : sequence of str
        Project's names to keep; empty means all that are particles.

    Raises
    ------
    SettingsError
        If a recorded name is not in the project, or two mean one object; both sides are listed.
    """
    if recorded is None:
        recorded = {name: spec.label for name, spec in specs.items()}
    both = (
        f"the segmentation holds: {choices_text(recorded)}; the project has: {choices_text(specs)}"
    )
    labels: dict[str, int] = {}
    for name, label in recorded.items():
        target = object_map.get(name, name)
        if objects and target not in objects:
            continue
        if target not in specs:
            msg = f"no object '{target}' in the project: use --object-map or --objects; {both}"
            raise SettingsError(msg)
        if target in labels:
            msg = f"two objects of the segmentation mean '{target}'; {both}"
            raise SettingsError(msg)
        if objects or specs[target].is_particle:
            labels[target] = label
    check_labels_differ(labels)
    missing = [name for name in objects if name not in labels]
    if missing:
        msg = f"--objects: no {choices_text(missing)} in the segmentation; {both}"
        raise SettingsError(msg)
    return labels


@dataclass(frozen=True)
class _Input:
    """What is known of a run's segmentation."""

    key: SegmentationKey
    record: Provenance | None
    targets: tuple[LocalizeTarget, ...]
    probabilities: FeatureKey | None


@dataclass(frozen=True)
class _Job:
    """One localization job over runs."""

    settings: LocalizeSettings
    store: ProjectStore
    specs: Mapping[str, ObjectSpec]
    output: Mapping[str, str]
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
        keys = {target.object_name: self._picks_key(target) for target in given.targets}
        record = self._record(run_name, given)
        if not settings.overwrite and self._complete(run_name, list(keys.values()), record):
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
        for name, result in results.items():
            self._write(run_name, keys[name], result, record, mask)
        return _outcome(run_name, key, results)

    def _input(self, run_name: str, key: SegmentationKey) -> _Input:
        record = self.store.segmentation_provenance(run_name, key)
        recorded = self.store.segmentation_labels(run_name, key)
        if self.settings.label is not None:
            names = self.settings.objects or tuple(self.specs)
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
            self.specs,
            object_map=self.settings.object_map,
            objects=self.settings.objects,
        )
        probabilities = self._probabilities(run_name, key, record)
        known = dict((record or {}).get("objects", {}))
        targets = tuple(
            self._target(name, label, known.get(name, {}), probabilities is not None)
            for name, label in labels.items()
        )
        return _Input(key, record, targets, probabilities)

    def _target(
        self,
        name: str,
        label: int,
        known: Mapping[str, Any],
        has_probabilities: bool,  # noqa: FBT001 (a private method)
    ) -> LocalizeTarget:
        spec = self.specs[name]
        threshold = self.settings.threshold.get(name, spec.score_threshold)
        if threshold is None and has_probabilities:
            threshold = known.get("score_threshold")
        radius = self.settings.radius.get(name, spec.radius_angstrom)
        if radius is None:
            msg = f"object '{name}' has no radius in the project: give --radius {name}=ANGSTROM"
            raise SettingsError(msg)
        return LocalizeTarget(
            name,
            label,
            radius,
            score_threshold=threshold,
            target_fraction=known.get("target_fraction"),
            channel=known.get("channel") if has_probabilities else None,
        )

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

    def _picks_key(self, target: LocalizeTarget) -> PicksKey:
        wanted = self.output["object_name"]
        if wanted not in ("*", target.object_name):
            msg = f"output '{self.settings.output}': use '*' and choose with --objects"
            raise SettingsError(msg)
        user, session = self.output["user_id"], self.output["session_id"]
        return PicksKey(
            target.object_name,
            "picker" if user == "*" else user,
            "1" if session == "*" else session,
        )

    def _record(self, run_name: str, given: _Input) -> dict[str, Any]:
        targets = {
            target.object_name: {
                "label": target.label,
                "radius_angstrom": target.radius_angstrom,
                "score_threshold": target.score_threshold,
                "target_fraction": target.target_fraction,
            }
            for target in given.targets
        }
        masked: dict[str, Any] = {}
        if self.settings.mask is not None:
            spacing = given.key.voxel_spacing
            found = mask_record(self.store, run_name, self.settings.mask, spacing=spacing)
            masked["mask"] = {**found, "margin_angstrom": self.settings.mask_margin}
        return new_record(
            "localize",
            input={
                "segmentation": str(given.key),
                "segmentation_record": digest(given.record),
                "probabilities": None if given.probabilities is None else str(given.probabilities),
                **masked,
            },
            settings=self.settings.recorded(),
            targets=targets,
        )

    def _complete(self, run_name: str, keys: list[PicksKey], record: dict[str, Any]) -> bool:
        """Return whether every output stands; raise where something else stands in its place."""
        complete = 0
        for key in keys:
            if not self.store.existing(run_name, [key]):
                continue
            stored = self.store.picks_provenance(run_name, key)
            own = _own_record(record, key.object_name)
            difference = same_job(stored or {}, own)
            if difference:
                refuse(run_name, key, stored, difference)
            complete += 1
        return complete == len(keys)

    def _localized(self, run_name: str, given: _Input, labels: LazyVolume) -> dict[str, Localized]:
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

    def _write(
        self,
        run_name: str,
        key: PicksKey,
        result: Localized,
        record: dict[str, Any],
        mask: RunMask | None,
    ) -> None:
        own = _own_record(record, key.object_name)
        own |= {"score_kind": result.score_kind, "dropped": dict(result.dropped)}
        if mask is not None:
            own[MASK_DISTANCES] = finite_or_none(mask.distances(result.picks))
        exists = bool(self.store.existing(run_name, [key]))
        self.store.write_picks(
            run_name,
            key,
            result.picks,
            provenance=own,
            overwrite=self.settings.overwrite or exists,
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


def _own_record(record: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the record of one object's picks: other objects do not matter to it."""
    own = {part: value for part, value in record.items() if part != "targets"}
    own["settings"] = record["settings"] | {"target": record["targets"][name]}
    return own


def _check_any(store: ProjectStore, run_names: Sequence[str], uri: str) -> None:
    """Raise where no run has the segmentation; a run that cannot be listed fails later."""

    def listing(run_name: str) -> list[SegmentationKey]:
        try:
            return store.segmentations(run_name)
        except CopickPickerError:
            return []

    if not any(matching(listing(name), uri, "segmentation") for name in run_names):
        raise nothing_to_read(listing, run_names, uri, "segmentation")


def _outcome(run_name: str, key: SegmentationKey, results: Mapping[str, Localized]) -> RunOutcome:
    text = ", ".join(f"{name} {len(result.picks)}" for name, result in results.items())
    details = {
        "input": str(key),
        "objects": {
            name: {
                "picks": len(result.picks),
                "dropped": dict(result.dropped),
                "score_kind": result.score_kind,
            }
            for name, result in results.items()
        },
    }
    return RunOutcome(run_name, "done", text or "no object", details)


def _totals(summary: Summary) -> dict[str, dict[str, Any]]:
    totals: dict[str, dict[str, Any]] = {}
    for outcome in summary.outcomes:
        for name, figures in outcome.details.get("objects", {}).items():
            total = totals.setdefault(name, {"picks": 0, "dropped": {}})
            total["picks"] += figures["picks"]
            for reason, count in figures["dropped"].items():
                total["dropped"][reason] = total["dropped"].get(reason, 0) + count
    return totals


def _total_rows(totals: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (
            name,
            str(total["picks"]),
            ", ".join(f"{count} {reason}" for reason, count in total["dropped"].items() if count)
            or "none",
        )
        for name, total in totals.items()
    ]
