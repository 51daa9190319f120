"""Filter stored picks without localizing again, or merge the picks of two models."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from copick_picker.core.localize.limits import merged
from copick_picker.errors import SettingsError
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import digest, new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.pick_files import (
    MASK_DISTANCES,
    SIGMAS,
    finite_or_none,
    recorded_sigmas,
    rounded,
)
from copick_picker.project.store import OutputKey, Provenance
from copick_picker.project.uris import PicksOutput, picks_output
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.filter import FILTERED_SESSION, MERGE_RADII, FilterSettings
from copick_picker.workflows.inputs.masks import mask_record
from copick_picker.workflows.inputs.pick_sets import (
    box_of_run,
    check_limits,
    limited_run,
    sets_of_run,
    thresholds_of_runs,
)


@summarised
def filter_picks(settings: FilterSettings, *, reporter: Reporter) -> Summary:
    """Store the picks that pass the limits and return the outcome of every run.

    Parameters
    ----------
    settings : FilterSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    job = Job.open("filter", settings, reporter=reporter)
    inputs = [job.picks(uri) for uri in (settings.input, settings.merge) if uri is not None]
    check_limits(job)
    output = picks_output(settings.output, session_id=FILTERED_SESSION)
    for each in inputs:
        each.check_any(job.run_names)
    filtering = _Filtering(job, inputs, output)
    thresholds = thresholds_of_runs(job, filtering.sets_of)
    return job.run(replace(filtering, thresholds=thresholds))


@dataclass(frozen=True)
class _Given:
    """The pick sets of one run: for each input, object name -> its set."""

    inputs: list[dict[str, PicksKey]]
    keys: Mapping[str, PicksKey]

    def of(self, name: str) -> list[PicksKey]:
        """Return the sets of an object: one, or two that are merged."""
        return [keys[name] for keys in self.inputs if name in keys]


@dataclass(frozen=True)
class _Filtering:
    """The recipe of ``filter``."""

    job: Job[FilterSettings]
    inputs: list[Input[PicksKey]]
    output: PicksOutput
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def sets_of(self, run_name: str) -> dict[str, PickSet]:
        """Return the picks of a run by object, before any limit."""
        given = self._given(run_name)
        return {name: self._picks(run_name, name, given.of(name)) for name in given.keys}

    def _given(self, run_name: str) -> _Given:
        found = [sets_of_run(each, run_name, self.job.settings.objects) for each in self.inputs]
        names = sorted({name for keys in found for name in keys})
        return _Given(found, {name: self.output.key(name) for name in names})

    def plan(self, run_name: str) -> Plan[_Given] | RunOutcome:
        """Return the pick sets to make for a run."""
        settings = self.job.settings
        given = self._given(run_name)
        if not given.keys:
            return self.job.absent(run_name, f"no picks '{settings.input}'")
        for name, key in given.keys.items():
            if key in given.of(name):
                msg = (
                    f"run {run_name}: {key} is both input and output; choose another session in "
                    "--output"
                )
                raise SettingsError(msg)
        records: dict[OutputKey, Provenance] = {
            key: self._record(run_name, name, given.of(name)) for name, key in given.keys.items()
        }
        return Plan(given, records, f"{len(given.keys)} pick sets are complete")

    def make(self, run_name: str, plan: Plan[_Given], missing: Collection[OutputKey]) -> RunOutcome:
        """Filter the picks of one run and write them."""
        keys = plan.given.keys
        sets = {name: self._picks(run_name, name, plan.given.of(name)) for name in keys}
        limited = limited_run(self.job, run_name, sets, thresholds=self.thresholds)
        text, details = limited.text, limited.details
        if self.job.settings.dry_run:
            return RunOutcome(run_name, "planned", text, details)
        written = []
        for name in (each for each in keys if keys[each] in missing):
            record = {**plan.records[keys[name]], "dropped": limited.dropped[name]}
            if limited.mask is not None:
                distances = limited.mask.distances(limited.kept[name])
                record[MASK_DISTANCES] = finite_or_none(distances)
            sigmas = limited.kept[name].sigmas_xyz
            if sigmas is not None:
                record[SIGMAS] = rounded(sigmas)
            written.append(self.job.write_picks(run_name, keys[name], limited.kept[name], record))
        return self.job.finished(run_name, written, f"{len(keys)} pick sets:", text, details)

    def _picks(self, run_name: str, name: str, keys: list[PicksKey]) -> PickSet:
        given = [self._with_sigmas(run_name, key) for key in keys]
        if len(given) == 1:
            return given[0]
        first, second = given
        return merged(first, second, self._merge_distance(name))

    def _with_sigmas(self, run_name: str, key: PicksKey) -> PickSet:
        """Return a set with the standard deviations that its record has."""
        picks = self.job.store.read_picks(run_name, key)
        record = self.job.store.picks_provenance(run_name, key)
        return replace(picks, sigmas_xyz=recorded_sigmas(record, len(picks)))

    def _merge_distance(self, name: str) -> float:
        if self.job.settings.merge_distance_angstrom is not None:
            return self.job.settings.merge_distance_angstrom
        spec = self.job.specs.get(name)
        if spec is None or spec.radius_angstrom is None:
            msg = f"object '{name}' has no radius: give --merge-distance-angstrom"
            raise SettingsError(msg)
        return MERGE_RADII * spec.radius_angstrom

    def _record(self, run_name: str, name: str, inputs: list[PicksKey]) -> dict[str, Any]:
        settings, store = self.job.settings, self.job.store
        limits = settings.limits([name])[name]
        return new_record(
            "filter",
            input={
                "picks": [str(key) for key in inputs],
                "records": [digest(store.picks_provenance(run_name, key)) for key in inputs],
                "counts": [len(store.read_picks(run_name, key)) for key in inputs],
            },
            settings=settings.recorded()
            | {
                "min_score": limits.min_score,
                "top": limits.top,
                "min_distance": limits.min_distance_angstrom,
                "mask": self._mask_record(run_name),
                "merge_distance": self._merge_distance(name) if len(inputs) == 2 else None,
            }
            | self._quantile_record(name),
        )

    def _quantile_record(self, name: str) -> dict[str, Any]:
        if name not in self.thresholds:
            return {}
        threshold = self.thresholds[name]
        return {
            "quantile": self.job.settings.shares([name])[name],
            "quantile_threshold": threshold if math.isfinite(threshold) else None,
        }

    def _mask_record(self, run_name: str) -> dict[str, Any] | None:
        settings, store = self.job.settings, self.job.store
        if settings.mask is None:
            return None
        spacing = box_of_run(store, run_name, settings.tomogram).key.voxel_spacing
        found = mask_record(store, run_name, settings.mask, spacing=spacing)
        return {**found, "margin_angstrom": settings.mask_margin}
