"""Make a project of simulated tomograms with ground truth."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from copick_picker.errors import ConflictError
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.machine import usable_cores
from copick_picker.jobs.placement import Place, Work
from copick_picker.jobs.processes import Processes
from copick_picker.jobs.provenance import new_record, same_job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.copick.making import (
    CONFIG_FILE,
    check_root,
    config_hash,
    create_project,
    project_config,
)
from copick_picker.project.copick.store import open_project
from copick_picker.project.copick.tomograms import check_type_name
from copick_picker.project.files import write_text
from copick_picker.project.folders.project_folder import begin_anew, end_anew, foreign_files
from copick_picker.project.folders.simulation_folder import (
    COMMAND,
    CONFIG_HASH,
    MANIFEST,
    SESSION,
    USER,
    foreign_of_simulation,
    manifest_text,
    read_manifest,
)
from copick_picker.records.runs import RunOutcome
from copick_picker.records.simulation import SpecimenSpec
from copick_picker.settings.simulate_command import SimulateSettings
from copick_picker.settings.simulate_scene import SceneSettings, load_scene, preset_path
from copick_picker.settings.simulate_specimen import molecule_sources, specimen_spec
from copick_picker.workflows.simulate.layouts import read_layouts
from copick_picker.workflows.simulate.molecules import (
    LoadedMolecule,
    load_molecules,
    membrane_centre_angstrom,
)
from copick_picker.workflows.simulate.run import TRUTH, RunMaker, run_manifest
from copick_picker.workflows.simulate.slices import SliceFolders


@dataclass(frozen=True)
class Plan:
    """What to make; can be pickled.

    Attributes
    ----------
    scene : SceneSettings
        The scene.
    spec : SpecimenSpec
        What the core needs of it.
    folder : pathlib.Path
        Folder of the scene's file.
    output : pathlib.Path
        Folder of the project.
    record : dict
        Provenance of every output.
    slices : SliceFolders or None
        Where the tomograms go as slices, too.
    """

    scene: SceneSettings
    spec: SpecimenSpec
    folder: Path
    output: Path
    record: dict[str, Any]
    slices: SliceFolders | None = None


@summarised
def simulate(settings: SimulateSettings, *, reporter: Reporter) -> Summary:
    """Make a project of simulated tomograms and return the outcome of every run.

    Parameters
    ----------
    settings : SimulateSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the scene is wrong, a molecule cannot be read, or the folder contains something else.
    """
    scene, path = _scene(settings)
    folder = path.parent
    spec = specimen_spec(
        scene,
        layouts=read_layouts(scene.layout, folder),
        membrane_centre=membrane_centre_angstrom,
    )
    molecules = load_molecules(molecule_sources(scene), folder, scene.voxel_spacing)
    names = run_names(scene.runs)
    slices = None
    if settings.slices is not None:
        slices = SliceFolders(settings.slices, overwrite=settings.overwrite)
        slices.check(scene, names)
    plan = Plan(scene, spec, folder, settings.output, _record(scene, molecules), slices)
    _show(plan, molecules, reporter)
    if settings.dry_run:
        planned = tuple(RunOutcome(name, "planned") for name in names)
        return Summary(COMMAND, planned, 0.0)
    config = _project(plan, overwrite=settings.overwrite)
    summary = _made(plan, molecules, names, settings, reporter)
    if not summary.n_failed and (kept := end_anew(plan.output, foreign_of_simulation)):
        reporter.warn(kept)
    if slices is not None and not summary.n_failed:
        path = slices.write_labels(scene, open_project(config), names)
        reporter.note(f"slices: {slices.path}; table of positions: {path}")
    if summary.n_failed < len(names):
        reporter.note(
            f"project: {config}\nreference picks: *:{USER}/{SESSION}; segmentation of the "
            f"true extent: {TRUTH}:{USER}/{SESSION}"
        )
    return summary


def run_names(count: int) -> list[str]:
    """Return the names of the runs.

    Parameters
    ----------
    count : int
        Number of runs.

    Examples
    --------
    >>> run_names(2)
    ['SIM_001', 'SIM_002']
    """
    return [f"SIM_{number:03d}" for number in range(1, count + 1)]


def _scene(settings: SimulateSettings) -> tuple[SceneSettings, Path]:
    path = preset_path(settings.preset) if settings.preset is not None else settings.scene
    if path is None:
        msg = "neither a scene nor a preset"
        raise AssertionError(msg)
    scene = load_scene(path, settings.changes())
    for name in (scene.imaging.tomogram_type, scene.imaging.denoised_type):
        if name is not None:
            check_type_name(name)
    return scene, path


def _record(scene: SceneSettings, molecules: Mapping[str, LoadedMolecule]) -> dict[str, Any]:
    """Return the provenance of a project: everything but the number of runs."""
    return new_record(
        COMMAND,
        input={name: loaded.sha256 for name, loaded in molecules.items()},
        settings=scene.model_dump(mode="json", exclude={"runs"}),
        labels=scene.labels(),
    )


def _show(plan: Plan, molecules: Mapping[str, LoadedMolecule], reporter: Reporter) -> None:
    labels = plan.scene.labels()
    rows = []
    for name, entry in plan.scene.labelled().items():
        source = getattr(entry, "molecule", "")
        mass = f"{molecules[source].mass_kda:.0f}" if source in molecules else ""
        radius = "" if entry.radius_angstrom is None else f"{entry.radius_angstrom:g}"
        rows.append((name, str(labels[name]), radius, source, mass))
    columns = ("object", "label", "radius (A)", "molecule", "mass (kDa)")
    reporter.table(plan.scene.title, columns, rows)


def _project(plan: Plan, *, overwrite: bool) -> Path:
    """Make the project's folder, or check that the existing one is of the same simulation."""
    output, manifest = plan.output, plan.output / MANIFEST
    if os.path.lexists(output) and not output.is_dir():
        msg = f"{output} is not a folder; expected the name of a folder"
        raise ConflictError(msg)
    stored = read_manifest(output)
    if stored is None and foreign_files(output, ()):
        msg = f"the folder {output} contains other things; choose another --output"
        raise ConflictError(msg)
    if stored is not None and overwrite:
        begin_anew(output, COMMAND, foreign_of_simulation)
        stored = None
    runs = plan.scene.runs
    if stored is not None:
        difference = same_job(stored, plan.record)
        if difference:
            msg = (
                f"{output} was simulated with other settings ({difference}); use --overwrite "
                "or another --output"
            )
            raise ConflictError(msg)
        runs = max(runs, int(stored.get("runs", 1)))
    specs, details = plan.scene.project_objects()
    config = project_config(output, specs, name=plan.scene.title, details=details)
    if os.path.lexists(output / CONFIG_FILE):
        check_root(output / CONFIG_FILE)
    content = {**(stored or plan.record), "runs": runs, CONFIG_HASH: config_hash(config)}
    if content != stored:
        _write_manifest(manifest, content, stored, plan)
    if not (output / CONFIG_FILE).exists():
        create_project(output, specs, name=plan.scene.title, details=details)
    return output / CONFIG_FILE


def _write_manifest(
    manifest: Path, content: dict[str, Any], stored: dict[str, Any] | None, plan: Plan
) -> None:
    """Write the folder's manifest, unless somebody edited it or another process was faster."""
    if stored is not None and manifest.read_text(encoding="utf-8") != manifest_text(stored):
        msg = f"{manifest} was edited, and would be overwritten; choose another --output"
        raise ConflictError(msg)

    def permit() -> None:
        now = read_manifest(manifest.parent)
        if now is None and os.path.lexists(manifest):
            msg = f"{manifest} is not a manifest of a simulation; choose another --output"
            raise ConflictError(msg)
        difference = "" if now is None else same_job(now, plan.record)
        if difference:
            msg = (
                f"{manifest.parent} is being simulated by another process with other "
                f"settings ({difference})"
            )
            raise ConflictError(msg)

    write_text(manifest, manifest_text(content), permit=permit)


def _made(
    plan: Plan,
    molecules: Mapping[str, LoadedMolecule],
    names: list[str],
    settings: SimulateSettings,
    reporter: Reporter,
) -> Summary:
    threads = settings.threads or usable_cores()
    if settings.workers == 1:
        maker = RunMaker(
            plan.scene,
            plan.spec,
            molecules,
            plan.folder,
            plan.output,
            plan.record,
            threads,
            plan.slices,
        )
        return process_runs(COMMAND, names, InTurn(maker.make), reporter=reporter)
    todo = [name for name in names if not run_manifest(plan.output, name).exists()]
    workers = min(settings.workers, max(len(todo), 1))
    places = [Place("cpu", max(1, threads // workers))] * workers
    executor = Processes(partial(_worker, plan), places, sizes={})
    return process_runs(COMMAND, names, executor, reporter=reporter)


def _worker(plan: Plan, place: Place, reporter: Reporter) -> Work:
    """Return the function that makes a run in a worker process."""
    del reporter
    sources = molecule_sources(plan.scene)
    molecules = load_molecules(sources, plan.folder, plan.scene.voxel_spacing)
    maker = RunMaker(
        plan.scene,
        plan.spec,
        molecules,
        plan.folder,
        plan.output,
        plan.record,
        place.threads,
        plan.slices,
    )
    return lambda run_name, _: maker.make(run_name)


def _maker(plan: Plan, molecules: Mapping[str, LoadedMolecule], n_threads: int) -> RunMaker:
    return RunMaker(
        plan.scene,
        plan.spec,
        molecules,
        plan.folder,
        plan.output,
        plan.record,
        n_threads,
        plan.slices,
    )
