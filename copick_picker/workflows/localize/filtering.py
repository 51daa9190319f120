"""Filter stored picks without localizing again, and merge the picks of two models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from copick_picker.core.localize.limits import merged
from copick_picker.errors import SettingsError
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
from copick_picker.jobs.provenance import (
    MEANWHILE,
    digest,
    new_record,
    same_job_as,
    standing_keys,
)
from copick_picker.project.copick.pick_files import MASK_DISTANCES
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, matching, parse_output
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.filter import FilterSettings
from copick_picker.workflows.inputs.masks import (
    check_mask,
    finite_or_none,
    mask_record,
)
from copick_picker.workflows.inputs.pick_sets import (
    box_of_run,
    check_limit_names,
    dropped_text,
    limited_sets,
    mask_of_run,
    sets_of_run,
)

MERGE_RADII = 0.5
"""Picks of two sets nearer than this many radii mean one particle, where nothing is given."""


def filter_picks(settings: FilterSettings, *, reporter: Reporter) -> Summary:
    """Store the picks that pass the limits and return what became of every run.

    Parameters
    ----------
    settings : FilterSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    store = open_job(settings)
    check_uri(settings.input, "picks")
    if settings.merge is not None:
        check_uri(settings.merge, "picks")
    specs = {spec.name: spec for spec in store.objects()}
    check_object_names(settings.objects, specs, "--objects")
    check_limit_names(settings, specs)
    check_mask(settings.mask)
    output = parse_output(settings.output, "picks")
    run_names = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    for uri in (settings.input, settings.merge):
        if (
            uri
            and run_names
            and not any(matching(store.picks(name), uri, "picks") for name in run_names)
        ):
            raise nothing_to_read(store.picks, run_names, uri, "pick set")
    if not settings.dry_run:
        store.check_writable()
    job = _Job(settings, store, specs, output, reporter)
    summary = process_runs("filter", run_names, job.run, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


@dataclass(frozen=True)
class _Job:
    """One filtering job over runs."""

    settings: FilterSettings
    store: ProjectStore
    specs: Mapping[str, ObjectSpec]
    output: Mapping[str, str]
    reporter: Reporter

    def run(self, run_name: str) -> RunOutcome:
        """Filter the picks of one run."""
        settings, store = self.settings, self.store
        first = sets_of_run(store, run_name, settings.input, settings.objects)
        second = (
            {}
            if settings.merge is None
            else sets_of_run(store, run_name, settings.merge, settings.objects)
        )
        names = sorted({*first, *second})
        if not names:
            status = "failed" if named_runs(settings.run_names) else "absent"
            return RunOutcome(run_name, status, f"no picks '{settings.input}'")
        keys = {name: self._output_key(name) for name in names}
        self._check_apart(run_name, keys, first, second)
        records = {name: self._record(run_name, first, second, name) for name in names}
        standing = standing_keys(
            store,
            run_name,
            {keys[name]: records[name] for name in names},
            overwrite=settings.overwrite,
        )
        if len(standing) == len(names):
            return RunOutcome(run_name, "skipped", f"{len(names)} pick sets are complete")
        sets = {
            name: self._picks(run_name, name, first.get(name), second.get(name)) for name in names
        }
        box = box_of_run(store, run_name, settings.tomogram) if settings.needs_box else None
        mask = mask_of_run(store, run_name, settings, box, self.reporter.warn)
        kept, dropped = limited_sets(sets, settings, box, mask)
        text = ", ".join(f"{name} {len(kept[name])}{dropped_text(dropped[name])}" for name in names)
        counts = {name: {"picks": len(kept[name]), "dropped": dropped[name]} for name in names}
        if settings.dry_run:
            return RunOutcome(run_name, "planned", text, {"objects": counts})
        is_new = False
        for name in (each for each in names if keys[each] not in standing):
            record = records[name] | {"dropped": dropped[name]}
            if mask is not None:
                record[MASK_DISTANCES] = finite_or_none(mask.distances(kept[name]))
            is_new |= store.write_picks(
                run_name,
                keys[name],
                kept[name],
                provenance=record,
                overwrite=settings.overwrite,
                replaces=same_job_as(record),
            )
        if not is_new:
            return RunOutcome(run_name, "skipped", f"{len(names)} pick sets: {MEANWHILE}")
        return RunOutcome(run_name, "done", text, {"objects": counts})

    def _output_key(self, name: str) -> PicksKey:
        wanted = self.output["object_name"]
        if wanted not in ("*", name):
            msg = f"output '{self.settings.output}': use '*' and choose with --objects"
            raise SettingsError(msg)
        user, session = self.output["user_id"], self.output["session_id"]
        return PicksKey(
            name, "picker" if user == "*" else user, "filtered" if session == "*" else session
        )

    def _check_apart(
        self,
        run_name: str,
        keys: Mapping[str, PicksKey],
        first: Mapping[str, PicksKey],
        second: Mapping[str, PicksKey],
    ) -> None:
        for name, key in keys.items():
            if key in (first.get(name), second.get(name)):
                msg = f"run {run_name}: {key} is input and output; name another session in --output"
                raise SettingsError(msg)

    def _picks(
        self, run_name: str, name: str, first: PicksKey | None, second: PicksKey | None
    ) -> PickSet:
        given = [self.store.read_picks(run_name, key) for key in (first, second) if key]
        if len(given) == 1:
            return given[0]
        return merged(given[0], given[1], self._merge_distance(name))

    def _merge_distance(self, name: str) -> float:
        if self.settings.merge_distance_angstrom is not None:
            return self.settings.merge_distance_angstrom
        radius = self.specs[name].radius_angstrom if name in self.specs else None
        if radius is None:
            msg = f"object '{name}' has no radius: give --merge-distance-angstrom"
            raise SettingsError(msg)
        return MERGE_RADII * radius

    def _record(
        self,
        run_name: str,
        first: Mapping[str, PicksKey],
        second: Mapping[str, PicksKey],
        name: str,
    ) -> dict[str, Any]:
        inputs = [keys[name] for keys in (first, second) if name in keys]
        limits = self.settings.limits([name])[name]
        return new_record(
            "filter",
            input={
                "picks": [str(key) for key in inputs],
                "records": [digest(self.store.picks_provenance(run_name, key)) for key in inputs],
                "counts": [len(self.store.read_picks(run_name, key)) for key in inputs],
            },
            settings=self.settings.recorded()
            | {
                "min_score": limits.min_score,
                "top": limits.top,
                "min_distance": limits.min_distance_angstrom,
                "mask": self._mask_record(run_name),
                "merge_distance": self._merge_distance(name) if len(inputs) == 2 else None,
            },
        )

    def _mask_record(self, run_name: str) -> dict[str, Any] | None:
        settings = self.settings
        if settings.mask is None:
            return None
        spacing = box_of_run(self.store, run_name, settings.tomogram).key.voxel_spacing
        found = mask_record(self.store, run_name, settings.mask, spacing=spacing)
        return {**found, "margin_angstrom": settings.mask_margin}
