"""The project of a benchmark: made, opened, or configured from a manifest or the portal."""

import json
import os
from pathlib import Path

from copick_picker.errors import ConflictError
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.copick.making import CONFIG_FILE, check_root, config_hash, is_config
from copick_picker.project.files import remove_at_once, write_text
from copick_picker.project.folders.benchmark_folder import (
    CONFIG_HASH,
    MADE_FILE,
    PROJECT,
    foreign_of_project,
    read_made,
)
from copick_picker.project.folders.project_folder import (
    refuse_foreign,
)
from copick_picker.project.folders.score_folder import read_json
from copick_picker.settings.benchmark import SimulatedProject, Suite
from copick_picker.workflows.benchmark.demo_projects import make_simulated_project


def prepare_project(suite: Suite, folder: Path, *, reporter: Reporter) -> str:
    """Return the configuration of a suite's project, made if it does not exist yet.

    Parameters
    ----------
    suite : Suite
        The suite.
    folder : pathlib.Path
        Folder of the benchmark.
    reporter : Reporter
        Receives progress and messages.

    Raises
    ------
    CopickPickerError
        If the project cannot be made.
    """
    if suite.config is not None:
        return suite.config
    place = folder / PROJECT
    if suite.simulated is not None:
        return _simulated(suite.simulated, place, reporter)
    overlay = (place / "overlay").absolute()
    content, source = suite.configuration(overlay)
    config = place / CONFIG_FILE
    if os.path.lexists(config) and not is_config(config, config_hash(content)):
        msg = (
            f"{config} was changed after the benchmark made it; restore it, or choose another "
            "--output"
        )
        raise ConflictError(msg)
    overlay.mkdir(parents=True, exist_ok=True)
    write_text(place / MADE_FILE, json.dumps({CONFIG_HASH: config_hash(content)}) + "\n")
    write_text(config, json.dumps(content, indent=2) + "\n")
    reporter.note(f"project: {config}: {source}")
    return str(config)


def _simulated(wanted: SimulatedProject, place: Path, reporter: Reporter) -> str:
    """Return the configuration of a simulated project; an incomplete one is made again."""
    config, made = place / CONFIG_FILE, place / MADE_FILE
    asked = wanted.model_dump(mode="json")
    recorded = read_made(made)
    if {key: value for key, value in recorded.items() if key != CONFIG_HASH} == asked:
        check_root(config)
        reporter.note(f"project: {config}, {len(wanted.seeds)} runs exist already")
        return str(config)
    refuse_foreign(place, "benchmark", foreign_of_project(place, ()))
    remove_at_once(place)
    reporter.note(f"project: simulating {len(wanted.seeds)} tomograms")
    make_simulated_project(place, seeds=wanted.seeds, shape_zyx=wanted.shape_zyx)
    told = {**asked, CONFIG_HASH: config_hash(read_json(config))}
    write_text(made, json.dumps(told) + "\n")
    return str(config)
