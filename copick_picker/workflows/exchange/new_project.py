"""The project that an import makes where there is none."""

from collections.abc import Mapping
from pathlib import Path

from copick_picker.errors import SettingsError, choices_text
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.copick.making import CONFIG_FILE, create_project
from copick_picker.project.folders.checkpoints import read_model_folder
from copick_picker.project.folders.model_places import find_folder
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.model import model_card


def radii_of_model(name: str | None) -> dict[str, float]:
    """Return object name -> radius in Angstrom that a model was trained with; empty without one.

    Parameters
    ----------
    name : str or None
        Model folder, or name of a model that ships with the package.

    Raises
    ------
    CheckpointError
        If there is no such model.
    SettingsError
        If it does not state the radius of each of its objects.
    """
    if name is None:
        return {}
    card = model_card(read_model_folder(find_folder(name))[1], name)
    without = [entry.name for entry in card.objects if entry.radius_angstrom is None]
    if without:
        msg = f"--objects-of: {name} has no radius for {choices_text(without)}; use --new-object"
        raise SettingsError(msg)
    return {entry.name: entry.radius_angstrom or 0.0 for entry in card.objects}


def make_project(
    config: Path, radii: Mapping[str, float], *, dry_run: bool, reporter: Reporter
) -> None:
    """Make a project without runs, with the objects that the user named.

    Parameters
    ----------
    config : pathlib.Path
        Its configuration, ``config.json`` in a folder that may not exist yet.
    radii : mapping of str to float
        Object name -> radius in Angstrom.
    dry_run : bool
        Check only.
    reporter : Reporter
        Told what was made.

    Raises
    ------
    SettingsError
        If no object is named, or the configuration would have another name.
    """
    if not radii:
        msg = (
            f"there is no {config}: give an existing project, or make one with --objects-of "
            "MODEL or --new-object NAME=RADIUS"
        )
        raise SettingsError(msg)
    if config.name != CONFIG_FILE:
        msg = f"a new project's configuration is called {CONFIG_FILE}, not {config.name}"
        raise SettingsError(msg)
    if dry_run:
        return
    objects = [
        ObjectSpec(name, label, radius) for label, (name, radius) in enumerate(radii.items(), 1)
    ]
    create_project(config.parent, objects, name=config.absolute().parent.name)
    reporter.note(f"Made the project {config}")
