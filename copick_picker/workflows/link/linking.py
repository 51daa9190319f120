"""Link the picks of every run, or the skeletons of its segmentation, into filaments."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.link.filaments import (
    FilamentRules,
    FoundFilaments,
    filaments_of,
    filaments_of_mask,
)
from copick_picker.core.link.linking import Scorer
from copick_picker.core.link.skeleton import filled_tubes
from copick_picker.core.localize.values import unread_text
from copick_picker.errors import SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import digest, new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.pick_files import SIGMAS, recorded_sigmas, rounded
from copick_picker.project.store import OutputKey, Provenance
from copick_picker.project.uris import PicksOutput, picks_output
from copick_picker.records.filaments import Filament, FilamentSet
from copick_picker.records.keys import FilamentsKey, PicksKey, SegmentationKey
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.link import LINKED_SESSION, LinkSettings
from copick_picker.workflows.inputs.object_labels import (
    known_values,
    object_labels,
    read_labels,
    stated_labels,
    stored_unread,
)
from copick_picker.workflows.inputs.pick_sets import sets_of_run, voxels_suspected

_VERTEX_ANGSTROM = 10.0
"""Distance of the points that a filament is stored as."""


@summarised
def link(settings: LinkSettings, *, reporter: Reporter) -> Summary:
    """Link picks into filaments and return the outcome of every run.

    Parameters
    ----------
    settings : LinkSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    job = Job.open("link", settings, reporter=reporter)
    job.check_objects("objects")
    output = picks_output(settings.output, session_id=LINKED_SESSION)
    is_segmentation = "@" in settings.input
    source: Input[PicksKey] | Input[SegmentationKey] = (
        job.segmentations(settings.input) if is_segmentation else job.picks(settings.input)
    )
    source.check_any(job.run_names)
    names = _filament_names(job, output, source)
    scorer = None
    if settings.scorer is not None:
        from copick_picker.core.link.graph import load_scorer  # imports torch

        scorer = load_scorer(settings.scorer)
    summary = job.run(_Linking(job, source, output, names, scorer))
    return replace(summary, figures={"objects": _totals(summary)})


def _filament_names(
    job: Job[LinkSettings], output: PicksOutput, source: Input[Any]
) -> tuple[str, ...]:
    """Return the objects to link; raise if one of them is not declared a filament."""
    declared = tuple(name for name, spec in job.specs.items() if spec.is_filament)
    wanted = job.settings.objects or (() if output.object_name == "*" else (output.object_name,))
    if source.what == "pick set":
        given = str(source.query.parts["object_name"])
        if output.object_name != "*" and given in job.specs and given != output.object_name:
            msg = f"--output is for {output.object_name}, --input for {given}: use the same object"
            raise SettingsError(msg)
    if not wanted and source.what == "pick set":
        keys = {key.object_name for run in job.run_names for key in source.keys(run)}
        if len(keys) == 1 or not keys & set(declared):
            wanted = tuple(sorted(keys))
    for name in wanted:
        if name not in job.specs:
            msg = f"--output: no object '{name}' in {job.settings.config}; objects: "
            raise UnknownNameError(msg + choices_text(job.specs))
        if name not in declared:
            msg = (
                f"object '{name}' is not declared a filament in {job.settings.config}: give it "
                '"metadata": {"copick": {"filament": {"polar": true}}} there ("polar": false if '
                f"its directions do not differ); filaments: {choices_text(declared) or 'none'}"
            )
            raise SettingsError(msg)
    return tuple(wanted) or declared


@dataclass(frozen=True)
class _Source:
    """What one object of a run is linked from: picks, or a label of a segmentation."""

    key: PicksKey | SegmentationKey
    label: int | None = None


@dataclass(frozen=True)
class _Linking:
    """The recipe of ``link``."""

    job: Job[LinkSettings]
    source: Input[PicksKey] | Input[SegmentationKey]
    output: PicksOutput
    names: tuple[str, ...]
    scorer: Scorer | None

    def plan(self, run_name: str) -> Plan[dict[str, _Source]] | RunOutcome:
        """Return the sets of filaments to make for a run."""
        given = self._given(run_name)
        if isinstance(given, RunOutcome):
            return given
        if not given:
            return self.job.absent(run_name, f"no {self.source.what} '{self.job.settings.input}'")
        records: dict[OutputKey, Provenance] = {}
        for name, source in given.items():
            key = self.output.key(name)
            if key == source.key:
                msg = (
                    f"run {run_name}: {key} is both input and output; choose another session in "
                    "--output"
                )
                raise SettingsError(msg)
            records[key] = records[FilamentsKey.of(key)] = self._record(run_name, source)
        complete = f"filaments of {choices_text(given)} are complete"
        return Plan(given, records, complete)

    def make(
        self, run_name: str, plan: Plan[dict[str, _Source]], missing: Collection[OutputKey]
    ) -> RunOutcome:
        """Link the points of one run and write filaments and picks."""
        written, texts, details = [], [], {}
        made: list[tuple[PicksKey, FoundFilaments]] = []
        unread = self._unread(run_name, plan.given)
        for name, source in plan.given.items():
            found = self._found(run_name, name, source)
            if not unread or len(found.picks):
                made.append((self.output.key(name), found))
            texts.append(_text(name, found))
            details[name] = _details(found)
            for note in found.notes:
                self.job.reporter.warn(f"run {run_name}: {note}")
        text = "; ".join(texts)
        if self.job.settings.dry_run:
            return RunOutcome(run_name, "planned", text, {"objects": details})
        for key, found in made:
            record = {**plan.records[key], "found": _facts(found)}
            filaments = FilamentsKey.of(key)
            if filaments in missing:
                stored = _stored(found, self.job.specs[key.object_name])
                written.append(self.job.write_filaments(run_name, filaments, stored, record))
            if key in missing:
                if found.picks.sigmas_xyz is not None:
                    record = {**record, SIGMAS: rounded(found.picks.sigmas_xyz)}
                written.append(self.job.write_picks(run_name, key, found.picks, record))
        return self.job.finished(run_name, written, "filaments", text, {"objects": details})

    def _given(self, run_name: str) -> dict[str, _Source] | RunOutcome:
        if self.source.what == "pick set":
            keys = sets_of_run(self.job.picks(self.job.settings.input), run_name, self.names)
            return {name: _Source(key) for name, key in keys.items()}
        key = self.job.find(self.job.segmentations(self.job.settings.input), run_name)
        if isinstance(key, RunOutcome):
            return key
        if not key.is_multilabel:
            if len(self.names) > 1:
                msg = (
                    f"run {run_name}: {key} contains one object, but {len(self.names)} are "
                    "filaments: choose one in --output"
                )
                raise SettingsError(msg)
            return {self.names[0]: _Source(key)}
        recorded = stated_labels(self.job.store, run_name, key, warn=self.job.reporter.warn)
        labels = object_labels(recorded, self.job.specs, object_map={}, objects=self.names)
        return {name: _Source(key, label) for name, label in labels.items()}

    def _unread(self, run_name: str, given: Mapping[str, _Source]) -> dict[int, int]:
        """Return, and warn of, the values of a segmentation that stand for nothing known."""
        key = next((source.key for source in given.values() if source.label is not None), None)
        if not isinstance(key, SegmentationKey):
            return {}
        store = self.job.store
        known = known_values(store.segmentation_labels(run_name, key), self.job.specs)
        unread = stored_unread(store.open_segmentation(run_name, key), known)
        if unread:
            text = unread_text(unread, "no object of the project")
            self.job.reporter.warn(f"run {run_name}: {key}: {text}: no empty set is written")
        return unread

    def _found(self, run_name: str, name: str, source: _Source) -> FoundFilaments:
        rules = self._rules(name)
        if isinstance(source.key, SegmentationKey):
            mask = self._mask(run_name, name, source.key, source.label)
            return filaments_of_mask(name, mask, rules, voxel_spacing=source.key.voxel_spacing)
        store = self.job.store
        picks = store.read_picks(run_name, source.key)
        record = store.picks_provenance(run_name, source.key)
        picks = replace(picks, instance_ids=None, sigmas_xyz=recorded_sigmas(record, len(picks)))
        suspicion = voxels_suspected(store, run_name, picks)
        if suspicion:
            self.job.reporter.warn(f"run {run_name}: {source.key}: {suspicion}")
        return filaments_of(picks, rules, self.scorer)

    def _mask(
        self, run_name: str, name: str, key: SegmentationKey, label: int | None
    ) -> npt.NDArray[np.bool_]:
        """Return the regions of a label, hollow tubes filled."""
        labels = read_labels(self.job.store, run_name, key)
        mask: npt.NDArray[np.bool_] = labels > 0 if label is None else labels == label
        radius = self.job.specs[name].radius_angstrom
        if self.job.settings.fill == "auto" and radius is not None:
            filled = filled_tubes(mask, radius / key.voxel_spacing)
            if filled is not None:
                mask = filled
                self.job.reporter.note(
                    f"run {run_name}: {key} shows walls of {name}; filling them (see --fill)"
                )
        return mask

    def _rules(self, name: str) -> FilamentRules:
        settings = self.job.settings
        return FilamentRules(
            gate_angstrom=settings.gate_angstrom,
            max_gap_angstrom=settings.max_gap_angstrom,
            min_points=settings.min_points,
            solver=settings.solver,
            spacing_angstrom=settings.spacing_angstrom,
            min_length_angstrom=settings.min_length_angstrom,
            max_curvature=settings.max_curvature,
            min_straightness=settings.min_straightness,
            uses_rotations=settings.tangents == "auto",
            has_polarity=self.job.specs[name].has_polarity is True,
            finds_branches=settings.branches,
        )

    def _record(self, run_name: str, source: _Source) -> dict[str, Any]:
        settings, store = self.job.settings, self.job.store
        if isinstance(source.key, SegmentationKey):
            record = store.segmentation_provenance(run_name, source.key)
            given: dict[str, Any] = {"segmentation": str(source.key), "label": source.label}
        else:
            record = store.picks_provenance(run_name, source.key)
            given = {
                "picks": str(source.key),
                "count": len(store.read_picks(run_name, source.key)),
            }
        given["record"] = digest(record)
        return new_record("link", input=given, settings=settings.recorded())


def _stored(found: FoundFilaments, spec: ObjectSpec) -> FilamentSet:
    """Return filaments as they are stored: by points at small even steps."""
    filaments = []
    for number, each in enumerate(found.filaments, start=1):
        steps = max(1, math.ceil(each.curve.length / _VERTEX_ANGSTROM))
        points, _ = each.curve.at(np.linspace(0.0, each.curve.length, steps + 1))
        filaments.append(
            Filament(
                number,
                points,
                score=each.score,
                is_polar=each.is_polar,
                radius_angstrom=spec.radius_angstrom,
                facts={
                    "picks": len(each.members),
                    "length_angstrom": round(each.curve.length, 2),
                    "curvature_per_um": round(1e4 * each.curve.curvature, 4),
                    "straightness": round(each.curve.straightness, 4),
                    **{f"{end}_point_meets": other for end, other in each.branches.items()},
                },
            )
        )
    return FilamentSet(found.picks.object_name, tuple(filaments), _VERTEX_ANGSTROM)


def _details(found: FoundFilaments) -> dict[str, Any]:
    lengths = [each.curve.length for each in found.filaments]
    linked = sum(len(each.members) for each in found.filaments)
    return {
        "filaments": len(found.filaments),
        "directed": sum(each.is_polar for each in found.filaments),
        "linked": linked,
        "unlinked": found.n_points - linked,
        "picks": len(found.picks),
        "length_um": round(sum(lengths) / 1e4, 3),
        "spacing_angstrom": round(float(found.facts["spacing"]), 2),
        "gate_angstrom": round(float(found.facts["gate"]), 2),
        "dropped": dict(found.dropped),
    }


def _facts(found: FoundFilaments) -> dict[str, Any]:
    return {**_details(found), "model": found.facts["model"], "notes": list(found.notes)}


def _text(name: str, found: FoundFilaments) -> str:
    numbers = _details(found)
    dropped = ", ".join(f"{count} too {why}" for why, count in found.dropped.items() if count)
    text = (
        f"{name}: {numbers['filaments']} filament{'' if numbers['filaments'] == 1 else 's'}, "
        f"{numbers['length_um']:.2f} um, of {numbers['linked']} of {found.n_points} {found.of}"
    )
    if found.n_points > 1:
        text += f" {numbers['spacing_angstrom']:.0f} A apart"
    if numbers["picks"] != found.n_points:
        text += f"; {numbers['picks']} picks written"
    return f"{text} (dropped: {dropped})" if dropped else text


def _totals(summary: Summary) -> dict[str, dict[str, float]]:
    totals: dict[str, dict[str, float]] = {}
    for outcome in summary.outcomes:
        objects: Mapping[str, Mapping[str, Any]] = outcome.details.get("objects", {})
        for name, numbers in objects.items():
            own = totals.setdefault(name, {})
            for key in ("filaments", "linked", "unlinked", "picks", "length_um"):
                own[key] = round(own.get(key, 0) + numbers[key], 3)
    return totals
