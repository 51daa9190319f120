"""Picks on their way into a project: which objects, under which names, with which record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from copick_picker.errors import SettingsError, choices_text
from copick_picker.jobs.execution import Reporter, check_labels_differ
from copick_picker.jobs.provenance import (
    MEANWHILE,
    digest,
    new_record,
    same_job_as,
    standing_keys,
)
from copick_picker.project.copick.pick_files import MASK_DISTANCES
from copick_picker.project.store import ProjectStore, Provenance
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey
from copick_picker.records.points import Localized, LocalizeTarget
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.workflows.inputs.masks import RunMask, finite_or_none, mask_record


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
class PicksSource:
    """What is known of the segmentation that a run's picks are made of.

    Attributes
    ----------
    key : SegmentationKey
        The segmentation.
    record : mapping or None
        Its provenance record.
    targets : tuple of LocalizeTarget
        What is looked for.
    probabilities : FeatureKey or None
        Class probabilities, where they are stored.
    """

    key: SegmentationKey
    record: Provenance | None
    targets: tuple[LocalizeTarget, ...]
    probabilities: FeatureKey | None


@dataclass(frozen=True)
class PicksOutput:
    """Pick sets that a job writes, one an object and run.

    Attributes
    ----------
    settings : LocalizeSettings
        How the picks are made.
    store : ProjectStore
        The project.
    specs : mapping
        The project's objects by name.
    parts : mapping
        Parts of the output's URI.
    radius_advice : str
        What to do about an object without a radius; ``{name}`` is the object.
    """

    settings: LocalizeSettings
    store: ProjectStore
    specs: Mapping[str, ObjectSpec]
    parts: Mapping[str, str]
    radius_advice: str = "give --radius {name}=ANGSTROM"

    def targets(
        self,
        labels: Mapping[str, int],
        known: Mapping[str, Mapping[str, Any]],
        *,
        has_probabilities: bool,
    ) -> tuple[LocalizeTarget, ...]:
        """Return what is looked for.

        Parameters
        ----------
        labels : mapping
            Object name -> value in the segmentation.
        known : mapping
            Object name -> what the segmentation's record says of it.
        has_probabilities : bool
            Whether there are class probabilities.

        Raises
        ------
        SettingsError
            If an object has no radius.
        """
        return tuple(
            self.target(name, label, known.get(name, {}), has_probabilities=has_probabilities)
            for name, label in labels.items()
        )

    def keys(self, source: PicksSource) -> dict[str, PicksKey]:
        """Return object name -> where its picks go."""
        return {target.object_name: self.key(target) for target in source.targets}

    def target(
        self,
        name: str,
        label: int,
        known: Mapping[str, Any],
        *,
        has_probabilities: bool,
    ) -> LocalizeTarget:
        """Return what is looked for of one object."""
        spec = self.specs[name]
        threshold = self.settings.threshold.get(name, spec.score_threshold)
        if threshold is None and has_probabilities:
            threshold = known.get("score_threshold")
        radius = self.settings.radius.get(name, spec.radius_angstrom)
        if radius is None:
            advice = self.radius_advice.format(name=name)
            msg = f"object '{name}' has no radius in the project: {advice}"
            raise SettingsError(msg)
        return LocalizeTarget(
            name,
            label,
            radius,
            score_threshold=threshold,
            target_fraction=known.get("target_fraction"),
            channel=known.get("channel") if has_probabilities else None,
        )

    def key(self, target: LocalizeTarget) -> PicksKey:
        """Return where the picks of one object go."""
        wanted = self.parts["object_name"]
        if wanted not in ("*", target.object_name):
            msg = f"output '{self.settings.output}': use '*' and choose with --objects"
            raise SettingsError(msg)
        user, session = self.parts["user_id"], self.parts["session_id"]
        return PicksKey(
            target.object_name,
            "picker" if user == "*" else user,
            "1" if session == "*" else session,
        )

    def record(self, run_name: str, given: PicksSource) -> dict[str, Any]:
        """Return the record of all pick sets of a run."""
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

    def standing(
        self, run_name: str, keys: Iterable[PicksKey], record: dict[str, Any]
    ) -> set[PicksKey]:
        """Return the pick sets that stand; raise where something else stands in their place."""
        records = {key: _own_record(record, key.object_name) for key in keys}
        return standing_keys(self.store, run_name, records, overwrite=self.settings.overwrite)

    def write(
        self,
        run_name: str,
        key: PicksKey,
        result: Localized,
        record: dict[str, Any],
        mask: RunMask | None,
    ) -> bool:
        """Write the picks of one object; return False where another process just did."""
        own = _own_record(record, key.object_name)
        own |= {"score_kind": result.score_kind, "dropped": dict(result.dropped)}
        if mask is not None:
            own[MASK_DISTANCES] = finite_or_none(mask.distances(result.picks))
        return self.store.write_picks(
            run_name,
            key,
            result.picks,
            provenance=own,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(own),
        )


def _own_record(record: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the record of one object's picks: other objects do not matter to it."""
    own = {part: value for part, value in record.items() if part != "targets"}
    own["settings"] = record["settings"] | {"target": record["targets"][name]}
    return own


def picks_outcome(
    run_name: str, key: SegmentationKey, results: Mapping[str, Localized], *, is_new: bool
) -> RunOutcome:
    """Return the outcome of a run whose picks are written.

    Parameters
    ----------
    run_name : str
        The run.
    key : SegmentationKey
        Its segmentation.
    results : mapping
        Object name -> picks.
    is_new : bool
        False where another process has written all of them in the meantime.
    """
    if not is_new:
        return RunOutcome(run_name, "skipped", f"{len(results)} pick sets: {MEANWHILE}")
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


def outcome_with_picks(segmented: RunOutcome, picked: RunOutcome) -> RunOutcome:
    """Return the outcome of a run's segmentation, with what its picks became told too.

    Parameters
    ----------
    segmented, picked : RunOutcome
        Of the segmentation and of the picks.
    """
    message = f"{segmented.message}; picks: {picked.message}"
    details = {**segmented.details, "picks": dict(picked.details)}
    return replace(segmented, message=message, details=details)


def show_totals(
    details: Iterable[Mapping[str, Any]], *, reporter: Reporter
) -> dict[str, dict[str, Any]]:
    """Return object name -> numbers of picks, kept and dropped, of all runs; show them as a table.

    Parameters
    ----------
    details : iterable of mapping
        Details of the runs' outcomes, see ``picks_outcome``.
    reporter : Reporter
        Where the table goes.
    """
    totals: dict[str, dict[str, Any]] = {}
    for each in details:
        for name, figures in each.get("objects", {}).items():
            total = totals.setdefault(name, {"picks": 0, "dropped": {}})
            total["picks"] += figures["picks"]
            for reason, count in figures["dropped"].items():
                total["dropped"][reason] = total["dropped"].get(reason, 0) + count
    if totals:
        reporter.table("Picks", ("object", "picks", "dropped"), _total_rows(totals))
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
