"""The project that an import makes where there is none."""

from collections.abc import Mapping
from pathlib import Path

from copick_picker.errors import SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.copick.making import CONFIG_FILE, create_project
from copick_picker.records.runs import ObjectSpec


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
            f"there is no {config}: give an existing project, or make one with --new-object "
            "NAME=RADIUS"
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
