"""Pick sets of a segmentation: their objects, keys and provenance records."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from copick_picker.core.localize.values import unread_text
from copick_picker.core.masks.run_mask import RunMask
from copick_picker.errors import SettingsError, choices_text
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import digest, new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.copick.pick_files import MASK_DISTANCES, finite_or_none
from copick_picker.project.store import OutputKey, Provenance
from copick_picker.project.uris import PicksOutput
from copick_picker.records.keys import FeatureKey, SegmentationKey
from copick_picker.records.points import Localized, LocalizeTarget
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.job import for_object
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.workflows.inputs.masks import mask_record


@dataclass(frozen=True)
class PicksSource:
    """The segmentation that a run's picks are made from.

    Attributes
    ----------
    key : SegmentationKey
        The segmentation.
    record : mapping or None
        Its provenance record.
    targets : tuple of LocalizeTarget
        What to look for.
    probabilities : FeatureKey or None
        Class probabilities, if they are stored.
    scores : FeatureKey or None
        The probability of each voxel's label, where that alone is stored.
    known : frozenset of int or None
        Values of the segmentation that stand for something; None where the user chose the value.
    """

    key: SegmentationKey
    record: Provenance | None
    targets: tuple[LocalizeTarget, ...]
    probabilities: FeatureKey | None
    scores: FeatureKey | None = None
    known: frozenset[int] | None = None

    @property
    def is_one_object(self) -> bool:
        """Whether every value above 0 is the one object."""
        return any(target.any_value for target in self.targets)


@dataclass(frozen=True)
class Finding:
    """What was found in a run.

    Attributes
    ----------
    picks : mapping
        Object name -> its picks.
    mask : RunMask or None
        Mask that the search was restricted to; distances to its surface are recorded.
    unread : mapping of int to int
        Values of the segmentation that nobody read -> their voxels. An object that was not found
        beside them may be among them: its set is not written.
    remarks : tuple of str
        What else the user has to know.
    """

    picks: Mapping[str, Localized]
    mask: RunMask | None = None
    unread: Mapping[int, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def is_certain(self, name: str) -> bool:
        """Return whether the picks of an object are all that there are, as far as was looked."""
        return not self.unread or len(self.picks[name].picks) > 0

    def warnings(self) -> tuple[str, ...]:
        """Return what the user has to know."""
        if not self.unread:
            return self.remarks
        text = unread_text(self.unread, "no object of the project")
        held = [name for name in self.picks if not self.is_certain(name)]
        if held:
            text += (
                f": no empty set is written for {choices_text(held)}; assign values with "
                "--label, or give the objects these labels"
            )
        return (text, *self.remarks)


@dataclass(frozen=True)
class PickSets:
    """The pick sets of a job, one per object and run.

    Attributes
    ----------
    job : Job
        The job; its settings determine how the picks are made.
    output : PicksOutput
        Their keys.
    radius_advice : str
        What to do about an object without a radius; ``{name}`` is the object.
    """

    job: Job[LocalizeSettings]
    output: PicksOutput
    radius_advice: str = "give --radius {name}=ANGSTROM"

    def targets(
        self,
        labels: Mapping[str, int],
        known: Mapping[str, Mapping[str, Any]],
        *,
        is_scored: bool,
    ) -> tuple[LocalizeTarget, ...]:
        """Return the objects to look for.

        Parameters
        ----------
        labels : mapping
            Object name -> value in the segmentation.
        known : mapping
            Object name -> its entry in the segmentation's record.
        is_scored : bool
            Whether scores will be probabilities.

        Raises
        ------
        SettingsError
            If an object has no radius.
        """
        settings, targets = self.job.settings, []
        for name, label in labels.items():
            spec, recorded = self.job.specs[name], known.get(name, {})
            threshold = for_object(settings.threshold, name, spec.score_threshold)
            if threshold is None and is_scored:
                threshold = recorded.get("score_threshold")
            radius = settings.radius.get(name, spec.radius_angstrom)
            if radius is None:
                advice = self.radius_advice.format(name=name)
                msg = f"object '{name}' has no radius in the project: {advice}"
                raise SettingsError(msg)
            target = LocalizeTarget(
                name,
                label,
                radius,
                score_threshold=threshold,
                target_fraction=recorded.get("target_fraction"),
                channel=recorded.get("channel") if is_scored else None,
            )
            targets.append(target)
        return tuple(targets)

    def plan(self, run_name: str, source: PicksSource) -> Plan[PicksSource]:
        """Return the plan of a run: a pick set of each object, with its record."""
        records: dict[OutputKey, Provenance] = {
            self.output.key(target.object_name): self._record(run_name, source, target)
            for target in source.targets
        }
        return Plan(
            source,
            records,
            complete=f"{len(records)} pick sets are complete",
            planned=f"{source.key} -> {choices_text(records)}",
        )

    def write(
        self,
        run_name: str,
        plan: Plan[PicksSource],
        missing: Collection[OutputKey],
        finding: Finding,
    ) -> RunOutcome:
        """Write the pick sets that are missing and return the run's outcome.

        Parameters
        ----------
        run_name : str
            The run.
        plan : Plan
            Its plan.
        missing : collection of PicksKey
            Pick sets to write.
        finding : Finding
            Object name -> its picks, and what was not read.
        """
        written = []
        found, mask = finding.picks, finding.mask
        for name, result in found.items():
            key = self.output.key(name)
            if key not in missing or not finding.is_certain(name):
                continue
            record = {**plan.records[key], "score_kind": result.score_kind}
            record["dropped"] = dict(result.dropped)
            if finding.unread:
                record["unread_values"] = {str(v): count for v, count in finding.unread.items()}
            if finding.remarks:
                record["remarks"] = list(finding.remarks)
            if mask is not None:
                record[MASK_DISTANCES] = finite_or_none(mask.distances(result.picks))
            written.append(self.job.write_picks(run_name, key, result.picks, record))
        text = ", ".join(f"{name} {len(result.picks)}" for name, result in found.items())
        objects = {
            name: {
                "picks": len(result.picks),
                "dropped": dict(result.dropped),
                "score_kind": result.score_kind,
            }
            for name, result in found.items()
        }
        details: dict[str, Any] = {"input": str(plan.given.key), "objects": objects}
        if finding.unread:
            details["unread_values"] = {str(v): count for v, count in finding.unread.items()}
        what = f"{len(found)} pick sets:"
        outcome = self.job.finished(run_name, written, what, text or "no object", details)
        return replace(outcome, warnings=finding.warnings())

    def _record(self, run_name: str, source: PicksSource, target: LocalizeTarget) -> dict[str, Any]:
        """Return the record of one object's picks; it does not depend on other objects."""
        settings = self.job.settings
        features = {"probabilities": source.probabilities, "scores": source.scores}
        made_from: dict[str, Any] = {
            "segmentation": str(source.key),
            "segmentation_record": digest(source.record),
            **{kind: None if each is None else str(each) for kind, each in features.items()},
        }
        if settings.mask is not None:
            spacing = source.key.voxel_spacing
            found = mask_record(self.job.store, run_name, settings.mask, spacing=spacing)
            made_from["mask"] = {**found, "margin_angstrom": settings.mask_margin}
        looked_for = {
            "label": "above 0" if target.any_value else target.label,
            "radius_angstrom": target.radius_angstrom,
            "score_threshold": target.score_threshold,
            "target_fraction": target.target_fraction,
        }
        how: dict[str, Any] = {"target": looked_for}
        return new_record("localize", input=made_from, settings=settings.recorded() | how)


def show_totals(
    details: Iterable[Mapping[str, Any]], *, reporter: Reporter
) -> dict[str, dict[str, Any]]:
    """Return object name -> numbers of picks, kept and dropped, over all runs; show a table.

    Parameters
    ----------
    details : iterable of mapping
        Details of the runs' outcomes, see :meth:`PickSets.write`.
    reporter : Reporter
        Receives the table.
    """
    totals: dict[str, dict[str, Any]] = {}
    for each in details:
        for name, figures in each.get("objects", {}).items():
            total = totals.setdefault(name, {"picks": 0, "dropped": {}, "score_kinds": []})
            total["picks"] += figures["picks"]
            kind = figures.get("score_kind")
            if kind is not None and kind not in total["score_kinds"]:
                total["score_kinds"].append(kind)
            for reason, count in figures["dropped"].items():
                total["dropped"][reason] = total["dropped"].get(reason, 0) + count
    rows = []
    for name, total in totals.items():
        dropped = [f"{count} {reason}" for reason, count in total["dropped"].items() if count]
        kinds = ", ".join(total["score_kinds"]) or "-"
        rows.append((name, str(total["picks"]), kinds, ", ".join(dropped) or "none"))
    if rows:
        reporter.table("Picks", ("object", "picks", "scores are", "dropped"), rows)
    return totals
