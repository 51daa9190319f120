"""Write a copick configuration of the CryoET Data Portal with fixed labels and radii.

copick itself renumbers the portal's objects in each process and gives each the radius 50.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from copick_picker.errors import (
    ConflictError,
    DataError,
    ProjectError,
)
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result
from copick_picker.project.copick.api import sanitize_name
from copick_picker.project.copick.making import COLOURS
from copick_picker.project.files import write_text
from copick_picker.project.folders.score_folder import read_json
from copick_picker.project.portal.client import PortalClient
from copick_picker.project.portal.queries import portal_objects
from copick_picker.project.standing import Output, own_file
from copick_picker.records.portal import PortalObject
from copick_picker.settings.config_portal import ConfigPortalSettings
from copick_picker.settings.portal_configuration import (
    REFERENCE,
    chosen_objects,
    configuration,
    difference,
    object_entries,
)


def config_portal(settings: ConfigPortalSettings, *, reporter: Reporter) -> Result:
    """Write a configuration of portal datasets, unless the same one exists already.

    Parameters
    ----------
    settings : ConfigPortalSettings
        Which datasets, which objects, their radii.
    reporter : Reporter
        Receives the table of objects.

    Raises
    ------
    CopickPickerError
        If the portal does not answer, a name is unknown, a radius is missing, or the file contains
        another configuration.
    """
    before = _existing(settings)
    found = portal_objects(PortalClient(), settings.dataset)
    named = _named(found)
    chosen = chosen_objects(named, settings)
    entries, sources = object_entries(chosen, settings, before, COLOURS)
    content = configuration(settings, entries, before)
    rows = [
        (
            str(entry["name"]),
            str(entry["label"]),
            "-" if entry["radius"] is None else f"{entry['radius']:g}",
            str(entry["identifier"]),
            sources[entry["identifier"]],
        )
        for entry in entries
    ]
    columns = ("object", "label", "radius (A)", "identifier", "radius from")
    reporter.table("Objects", columns, rows)
    if not any(item.has_truth for item in chosen.values()):
        reporter.warn("none of these objects has ground-truth annotations")
    is_changed = content != before
    if is_changed:
        if before is not None and not settings.overwrite:
            msg = (
                f"{settings.output} contains another configuration "
                f"({difference(before, content)}); use --overwrite or choose another file"
            )
            raise ConflictError(msg)
        text = json.dumps(content, indent=2) + "\n"
        write_text(settings.output, text, permit=_place(settings).check)
    reporter.note(f'reference picks: --reference "{REFERENCE}" (marked as ground truth)')
    done = "written" if is_changed else "already says this; nothing was changed"
    return Result(f"config portal: {settings.output} ({len(entries)} objects): {done}")


def _existing(settings: ConfigPortalSettings) -> dict[str, Any] | None:
    if settings.output.is_file() and _is_portal_config(settings.output):
        return dict(read_json(settings.output))
    _place(settings).check()
    return None


def _place(settings: ConfigPortalSettings) -> Output:
    kind = own_file(_is_portal_config)
    return Output(settings.output, kind, settings.overwrite, advice="another file")


def _is_portal_config(path: Path) -> bool:
    try:
        return read_json(path).get("config_type") == "cryoet_data_portal"
    except (ProjectError, DataError):
        return False


def _named(found: Sequence[PortalObject]) -> dict[str, PortalObject]:
    """Return the objects by a name that copick can store; equal names get their identifier."""
    plain = {item.identifier: _plain(item.name) for item in found}
    names = list(plain.values())
    return {
        name if names.count(name) == 1 else f"{name}-{_plain(identifier)}": item
        for item in found
        for identifier, name in [(item.identifier, plain[item.identifier])]
    }


def _plain(name: str) -> str:
    return str(sanitize_name(name, suppress_warnings=True)).lower()
