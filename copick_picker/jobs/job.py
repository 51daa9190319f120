"""A command's work over the runs of a project.

:class:`Job` owns what all commands share: the project, the selected runs, which outputs exist
already, writing, and what is reported of a run. A :class:`Recipe` is what differs: the inputs of a
run, its outputs, and the computation.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Generic, Protocol, TypeVar

from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.inputs import Input, Key
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.outputs import MEANWHILE, standing_keys
from copick_picker.jobs.provenance import same_job_as
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import check_object_names, named_runs, select_runs
from copick_picker.jobs.summary import Summary
from copick_picker.project.store import OutputKey, ProjectStore, Provenance, Slabs
from copick_picker.project.uris import picks_query, segmentation_query, tomogram_query
from copick_picker.records.filaments import FilamentSet
from copick_picker.records.keys import (
    FeatureKey,
    FilamentsKey,
    PicksKey,
    SegmentationKey,
    TomogramKey,
)
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.job import EVERY, FOR_EVERY, JobSettings

SettingsT = TypeVar("SettingsT", bound=JobSettings, covariant=True)
Opened = TypeVar("Opened", bound=JobSettings)
Given = TypeVar("Given")


_FAR = 5.0
"""Factor between two radii of an object from which on one is in another unit."""


@dataclass(frozen=True)
class Plan(Generic[Given]):
    """The plan of one run.

    Attributes
    ----------
    given : object
        What the recipe needs to compute the outputs.
    records : mapping
        Key of each output -> its provenance record.
    complete : str
        Message if all outputs exist.
    planned : str
        Message of a dry run; empty if a dry run goes on until it would write.
    """

    given: Given
    records: Mapping[OutputKey, Provenance]
    complete: str
    planned: str = ""


class Recipe(Protocol[Given]):
    """What differs between the commands."""

    def plan(self, run_name: str) -> Plan[Given] | RunOutcome:
        """Return the plan of a run, or its outcome if there is nothing to do."""
        ...

    def make(self, run_name: str, plan: Plan[Given], missing: Collection[OutputKey]) -> RunOutcome:
        """Compute the outputs, write those that are missing, and return the outcome."""
        ...


@dataclass(frozen=True)
class Job(Generic[SettingsT]):
    """A command's work over the runs of one project.

    Attributes
    ----------
    command : str
        Name of the command.
    settings : JobSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.
    store : ProjectStore
        The project.
    run_names : tuple of str
        The selected runs, in the project's order.
    """

    command: str
    settings: SettingsT
    reporter: Reporter
    store: ProjectStore
    run_names: tuple[str, ...]

    @classmethod
    def open(cls, command: str, settings: Opened, *, reporter: Reporter) -> "Job[Opened]":
        """Return the job that settings describe.

        Raises
        ------
        ProjectError
            If the project cannot be opened.
        UnknownNameError
            If it has no such split or run.
        """
        store = open_job(settings)
        chosen = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
        return Job(command, settings, reporter, store, tuple(chosen))

    @cached_property
    def specs(self) -> dict[str, ObjectSpec]:
        """The project's objects by name."""
        return {spec.name: spec for spec in self.store.objects()}

    @cached_property
    def is_named(self) -> bool:
        """Whether the user named the runs; an absent input is then a failure."""
        return named_runs(self.settings.run_names)

    def check_objects(self, *fields: str) -> None:
        """Raise if the settings name objects that the project does not have.

        Parameters
        ----------
        *fields : str
            Fields of the settings that hold names of objects.

        Raises
        ------
        UnknownNameError
            With the nearest name and the choices.
        """
        for field in fields:
            option = "--" + field.replace("_", "-")
            value = getattr(self.settings, field)
            for_every = field in FOR_EVERY
            names = [name for name in value if not (for_every and name == EVERY)]
            check_object_names(names, self.specs, option)

    def warn_of_radii(self, given: Mapping[str, float]) -> None:
        """Say which radii are so far from the project's that they may be in nm.

        Parameters
        ----------
        given : mapping
            Object -> radius that the user names, in Angstrom.
        """
        for name, radius in given.items():
            own = self.specs[name].radius_angstrom if name in self.specs else None
            if own and not 1.0 / _FAR <= radius / own <= _FAR:
                self.reporter.warn(
                    f"--radius {name}={radius:g} differs from the project's {own:g}; lengths "
                    "are in Angstrom"
                )

    def tomograms(self, uri: str) -> Input[TomogramKey]:
        """Return the tomograms that a URI matches."""
        return Input(tomogram_query(uri), self.store.tomograms, "tomogram")

    def segmentations(self, uri: str) -> Input[SegmentationKey]:
        """Return the segmentations that a URI matches."""
        return Input(segmentation_query(uri), self.store.segmentations, "segmentation")

    def picks(self, uri: str, what: str = "pick set") -> Input[PicksKey]:
        """Return the pick sets that a URI matches."""
        return Input(picks_query(uri), self.store.picks, what)

    def find(self, wanted: Input[Key], run_name: str) -> Key | RunOutcome:
        """Return the one input of a run, or an outcome that says it is absent.

        Raises
        ------
        CopickPickerError
            If it is absent and the user named the run, or if the URI matches several.
        """
        if not self.is_named and not wanted.keys(run_name):
            return RunOutcome(run_name, "absent", f"no {wanted.what} '{wanted.query.uri}'")
        return wanted.key(run_name)

    def absent(self, run_name: str, why: str) -> RunOutcome:
        """Return the outcome of a run without input: a failure if the user named the run."""
        return RunOutcome(run_name, "failed" if self.is_named else "absent", why)

    def run(self, recipe: Recipe[Given]) -> Summary:
        """Carry out a recipe for every run and return the summary.

        Raises
        ------
        CopickPickerError
            If the project is read-only; raised before any run is touched.
        """
        self.check_writable()
        work = InTurn(partial(self.run_one, recipe))
        return process_runs(self.command, self.run_names, work, reporter=self.reporter)

    def run_one(self, recipe: Recipe[Given], run_name: str) -> RunOutcome:
        """Carry out a recipe for one run."""
        plan = recipe.plan(run_name)
        if isinstance(plan, RunOutcome):
            return plan
        missing = self.missing(run_name, plan)
        return missing if isinstance(missing, RunOutcome) else recipe.make(run_name, plan, missing)

    def check_writable(self) -> None:
        """Raise if the project is read-only; in a dry run too, which plans no more than can be."""
        self.store.check_writable()

    def missing(self, run_name: str, plan: Plan[Any]) -> set[OutputKey] | RunOutcome:
        """Return the outputs still to be made, or the outcome if there is nothing to do.

        Raises
        ------
        ConflictError
            If something else is in the place of an output.
        """
        standing = self.standing(run_name, plan.records)
        if len(standing) == len(plan.records):
            return RunOutcome(run_name, "skipped", plan.complete)
        if self.settings.dry_run and plan.planned:
            return RunOutcome(run_name, "planned", plan.planned)
        return plan.records.keys() - standing

    def standing(self, run_name: str, records: Mapping[OutputKey, Provenance]) -> set[OutputKey]:
        """Return the outputs that the same job made already (``jobs.outputs.stands_already``)."""
        return standing_keys(self.store, run_name, records, overwrite=self.settings.overwrite)

    def finished(
        self,
        run_name: str,
        written: Iterable[bool],
        what: object,
        text: str,
        details: Mapping[str, Any] | None = None,
    ) -> RunOutcome:
        """Return the outcome of a run whose outputs are written.

        Parameters
        ----------
        run_name : str
            The run.
        written : iterable of bool
            For each output, whether it was written now; False if another process was faster.
        what : object
            Its outputs, for the message.
        text : str
            What was made.
        details : mapping, optional
            The same, for ``--json``.
        """
        known = list(written)
        if known and not any(known):
            return RunOutcome(run_name, "skipped", f"{what} {MEANWHILE}", details or {})
        return RunOutcome(run_name, "done", text, details or {})

    def write_picks(self, run_name: str, key: PicksKey, picks: PickSet, record: Provenance) -> bool:
        """Write picks; return False if another process has just written the same."""
        return self.store.write_picks(
            run_name,
            key,
            picks,
            provenance=record,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(record),
        )

    def write_filaments(
        self, run_name: str, key: FilamentsKey, filaments: FilamentSet, record: Provenance
    ) -> bool:
        """Write filaments; return False if another process has just written the same."""
        return self.store.write_filaments(
            run_name,
            key,
            filaments,
            provenance=record,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(record),
        )

    def write_segmentation(
        self,
        run_name: str,
        key: SegmentationKey,
        slabs: Slabs,
        *,
        shape_zyx: tuple[int, int, int],
        record: Provenance,
    ) -> bool:
        """Write labels; return False if another process has just written the same."""
        return self.store.write_segmentation(
            run_name,
            key,
            slabs,
            shape_zyx=shape_zyx,
            provenance=record,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(record),
        )

    def write_feature(
        self,
        run_name: str,
        key: FeatureKey,
        slabs: Slabs,
        *,
        shape_czyx: tuple[int, int, int, int],
        record: Provenance,
    ) -> bool:
        """Write a feature volume; return False if another process has just written the same."""
        return self.store.write_feature(
            run_name,
            key,
            slabs,
            shape_czyx=shape_czyx,
            provenance=record,
            overwrite=self.settings.overwrite,
            replaces=same_job_as(record),
        )
