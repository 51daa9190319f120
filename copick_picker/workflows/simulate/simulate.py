"""Make a project of simulated tomograms whose truth is known."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from copick_picker.core.simulate.plan import SpecimenSpec
from copick_picker.errors import ConflictError
from copick_picker.jobs.execution import Reporter, Summary, process_runs
from copick_picker.jobs.machine import usable_cores
from copick_picker.jobs.processes import Place, Work, process_in_workers
from copick_picker.jobs.provenance import PRODUCER, new_record, same_job
from copick_picker.project.copick.making import (
    CONFIG_FILE,
    check_root,
    config_hash,
    create_project,
    is_config,
    project_config,
)
from copick_picker.project.copick.provenance import from_yaml
from copick_picker.project.copick.tomograms import check_type_name
from copick_picker.project.files import write_text
from copick_picker.project.folders.project_folder import (
    begin_anew,
    end_anew,
    foreign_files,
    foreign_in_project,
)
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.settings.simulate_command import SimulateSettings
from copick_picker.settings.simulate_entries import FilamentEntry, MembraneEntry
from copick_picker.settings.simulate_scene import SceneSettings, load_scene, preset_path
from copick_picker.workflows.simulate.molecules import LoadedMolecule, load_molecules
from copick_picker.workflows.simulate.run import (
    MANIFEST_FOLDER,
    SESSION,
    TRUTH,
    USER,
    RunMaker,
    run_manifest,
)
from copick_picker.workflows.simulate.specimen import molecule_sources, specimen_spec

COMMAND = "simulate"
MANIFEST = "manifest.yaml"
"""File that says what a folder was made from, and that it may be replaced."""
_HASH = "config_sha256"
"""Key in it: of the project's configuration as it was made."""


@dataclass(frozen=True)
class Plan:
    """What is to be made; can be pickled.

    Attributes
    ----------
    scene : SceneSettings
        The scene.
    spec : SpecimenSpec
        What the core draws of it.
    folder : pathlib.Path
        Where the scene's file lies.
    output : pathlib.Path
        Folder of the project.
    record : dict
        Provenance of every output.
    """

    scene: SceneSettings
    spec: SpecimenSpec
    folder: Path
    output: Path
    record: dict[str, Any]


def simulate(settings: SimulateSettings, *, reporter: Reporter) -> Summary:
    """Make a project of simulated tomograms and return what became of every run.

    Parameters
    ----------
    settings : SimulateSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the scene is wrong, a molecule cannot be read, or the folder holds something else.
    """
    scene, path = _scene(settings)
    folder = path.parent
    spec = specimen_spec(scene, folder)
    molecules = load_molecules(molecule_sources(scene), folder, scene.voxel_spacing)
    plan = Plan(scene, spec, folder, settings.output, _record(scene, molecules))
    _show(plan, molecules, reporter)
    names = run_names(scene.runs)
    if settings.dry_run:
        planned = tuple(RunOutcome(name, "planned") for name in names)
        return Summary(COMMAND, planned, 0.0)
    config = _project(plan, overwrite=settings.overwrite)
    summary = _made(plan, molecules, names, settings, reporter)
    if not summary.counts.get("failed") and (kept := end_anew(plan.output, foreign_of_simulation)):
        reporter.warn(kept)
    if summary.counts.get("failed", 0) < len(names):
        reporter.note(
            f"project: {config}\nreference picks: *:{USER}/{SESSION}; "
            f"segmentation of real extent: {TRUTH}:{USER}/{SESSION}"
        )
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def run_names(count: int) -> list[str]:
    """Return the names of the runs.

    Parameters
    ----------
    count : int
        How many.

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
    """Return the provenance of a project: everything but how many runs it has."""
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
    """Make the project's folder, or see that it is the same as what is asked for."""
    output, manifest = plan.output, plan.output / MANIFEST
    if os.path.lexists(output) and not output.is_dir():
        msg = f"{output} is no folder; expected the name of a folder"
        raise ConflictError(msg)
    stored = _stored(manifest)
    if stored is None and foreign_files(output, ()):
        msg = f"the folder {output} holds other things; name another --output"
        raise ConflictError(msg)
    if stored is not None and overwrite:
        begin_anew(output, COMMAND, foreign_of_simulation)
        stored = None
    runs = plan.scene.runs
    if stored is not None:
        difference = same_job(stored, plan.record)
        if difference:
            msg = (
                f"{output} was simulated otherwise ({difference}); use --overwrite or another "
                "--output"
            )
            raise ConflictError(msg)
        runs = max(runs, int(stored.get("runs", 1)))
    specs, details = _objects(plan.scene)
    config = project_config(output, specs, name=plan.scene.title, details=details)
    if os.path.lexists(output / CONFIG_FILE):
        check_root(output / CONFIG_FILE)
    content = {**(stored or plan.record), "runs": runs, _HASH: config_hash(config)}
    if content != stored:
        _write_manifest(manifest, content, stored, plan)
    if not (output / CONFIG_FILE).exists():
        create_project(output, specs, name=plan.scene.title, details=details)
    return output / CONFIG_FILE


def _write_manifest(
    manifest: Path, content: dict[str, Any], stored: dict[str, Any] | None, plan: Plan
) -> None:
    """Write what a folder is made from, unless somebody edited it or another process was faster."""
    if stored is not None and manifest.read_text(encoding="utf-8") != _text(stored):
        msg = f"{manifest} was edited, and this call would write it anew; name another --output"
        raise ConflictError(msg)

    def permit() -> None:
        now = _stored(manifest)
        if now is None and os.path.lexists(manifest):
            msg = f"{manifest} is no manifest of a simulation; name another --output"
            raise ConflictError(msg)
        difference = "" if now is None else same_job(now, plan.record)
        if difference:
            msg = (
                f"{manifest.parent} is being simulated otherwise by another process ({difference})"
            )
            raise ConflictError(msg)

    write_text(manifest, _text(content), permit=permit)


def _text(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)


def foreign_of_simulation(folder: Path) -> list[str]:
    """Return all in a folder that ``simulate`` did not make there.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of an earlier simulation, or any other.
    """
    stored = None if folder.is_symlink() else _stored(folder / MANIFEST)
    if stored is None:
        return [folder.name]
    config = folder / CONFIG_FILE
    own = (MANIFEST, CONFIG_FILE)
    found = [
        name
        for name in foreign_files(folder, own)
        if name not in ("project/", f"{MANIFEST_FOLDER}/")
    ]
    if os.path.lexists(config) and not is_config(config, stored.get(_HASH)):
        found.append(CONFIG_FILE)
    inside = foreign_files(folder / MANIFEST_FOLDER, ["SIM_[0-9]*[0-9].yaml"])
    found += [f"{MANIFEST_FOLDER}/{name}" for name in inside]
    names = _names_made(stored)

    def is_own(run_name: str, name: str, record: Mapping[str, Any]) -> bool:
        is_ours = record.get("command") == COMMAND and fnmatch(run_name, "SIM_*")
        return is_ours and any(fnmatch(name, pattern) for pattern in names)

    objects = foreign_in_project(folder / "project", is_own)
    return [*found, *(f"project/{name}" for name in objects)]


def _names_made(stored: Mapping[str, Any]) -> list[str]:
    """Return patterns of the names of what a run of an earlier simulation holds."""
    imaging = stored.get("settings", {}).get("imaging", {})
    kinds = [imaging.get(part) for part in ("tomogram_type", "denoised_type")]
    truth = (f"*_{USER}_{SESSION}_*.zarr", f"{USER}_{SESSION}_*")
    return [*(f"{kind}.zarr" for kind in kinds if kind), *truth]


def _stored(manifest: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder; None where it has none of ours."""
    if not manifest.is_file():
        return None
    content = from_yaml(manifest.read_bytes(), str(manifest))
    is_ours = isinstance(content, dict) and content.get("producer") == PRODUCER
    return content if isinstance(content, dict) and is_ours else None


def _objects(scene: SceneSettings) -> tuple[list[ObjectSpec], dict[str, dict[str, Any]]]:
    labels = scene.labels()
    specs, details = [], {}
    for name, entry in scene.labelled().items():
        specs.append(
            ObjectSpec(
                name,
                labels[name],
                entry.radius_angstrom,
                score_weight=entry.score_weight,
                is_particle=not isinstance(entry, MembraneEntry),
            )
        )
        known = entry.model_dump(mode="json", include={"pdb_id", "emdb_id", "color"})
        details[name] = {key: value for key, value in known.items() if value is not None}
        if isinstance(entry, FilamentEntry):
            helix = {
                "polar": True,
                "helical_rise_a": entry.rise_angstrom,
                "helical_twist_deg": entry.twist_degrees,
            }
            details[name]["metadata"] = {"copick": {"filament": helix}}
    return specs, details


def _made(
    plan: Plan,
    molecules: Mapping[str, LoadedMolecule],
    names: list[str],
    settings: SimulateSettings,
    reporter: Reporter,
) -> Summary:
    threads = settings.threads or usable_cores()
    if settings.workers == 1:
        maker = RunMaker(plan.scene, plan.spec, molecules, plan.output, plan.record, threads)
        return process_runs(COMMAND, names, maker.make, reporter=reporter)
    todo = [name for name in names if not run_manifest(plan.output, name).exists()]
    workers = min(settings.workers, max(len(todo), 1))
    places = [Place("cpu", max(1, threads // workers))] * workers
    return process_in_workers(
        COMMAND, names, partial(_worker, plan), places, sizes={}, reporter=reporter
    )


def _worker(plan: Plan, place: Place, reporter: Reporter) -> Work:
    """Return what makes a run, in a process of its own."""
    del reporter
    sources = molecule_sources(plan.scene)
    molecules = load_molecules(sources, plan.folder, plan.scene.voxel_spacing)
    maker = RunMaker(plan.scene, plan.spec, molecules, plan.output, plan.record, place.threads)
    return lambda run_name, _: maker.make(run_name)
