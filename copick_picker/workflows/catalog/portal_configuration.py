"""Write a copick configuration of the CryoET Data Portal once: labels and radii that stay.

copick itself numbers the portal's objects anew in each process and gives each the radius 50.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copick_picker.errors import (
    ConflictError,
    DataError,
    ProjectError,
    SettingsError,
    UnknownNameError,
    choices_text,
    nearest_name,
)
from copick_picker.jobs.execution import Reporter
from copick_picker.project.copick.api import sanitize_name
from copick_picker.project.copick.making import COLOURS
from copick_picker.project.files import write_text
from copick_picker.project.folders.score_folder import read_json
from copick_picker.project.portal.client import PortalClient
from copick_picker.project.portal.queries import portal_objects
from copick_picker.project.portal.records import PortalObject
from copick_picker.project.standing import Output, own_file
from copick_picker.settings.config_portal import KNOWN_OBJECTS, ConfigPortalSettings

REFERENCE = "*?truth=true"
"""Reference picks of the portal: those that it marks as ground truth."""
_KEPT = ("user_id", "session_id", "portal_cache", "portal_cache_ttl_seconds", "portal_cache_dir")


@dataclass(frozen=True)
class ConfigMade:
    """What ``config portal`` did.

    Attributes
    ----------
    output : pathlib.Path
        The configuration.
    is_changed : bool
        Whether it was written.
    objects : int
        Number of objects in it.
    """

    output: Path
    is_changed: bool
    objects: int

    exit_code = 0

    def text(self) -> str:
        """Return the last line."""
        done = "written" if self.is_changed else "says this already, nothing is changed"
        return f"config portal: {self.output} ({self.objects} objects): {done}"


def config_portal(settings: ConfigPortalSettings, *, reporter: Reporter) -> ConfigMade:
    """Write a configuration of portal datasets, or find that it stands already.

    Parameters
    ----------
    settings : ConfigPortalSettings
        Which datasets, which objects, their radii.
    reporter : Reporter
        Where the table of objects goes.

    Raises
    ------
    CopickPickerError
        If the portal does not answer, a name is unknown, a radius is missing, or the file holds
        another configuration.
    """
    before = _before(settings)
    found = portal_objects(PortalClient(), settings.dataset)
    named = _named(found)
    chosen = _chosen(named, settings)
    entries, sources = _entries(chosen, settings, before)
    content = _content(settings, entries, before)
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
        reporter.warn("none of these objects has an annotation marked as ground truth")
    is_changed = content != before
    if is_changed:
        if before is not None and not settings.overwrite:
            msg = (
                f"{settings.output} holds another configuration ({_difference(before, content)}); "
                "use --overwrite or name another file"
            )
            raise ConflictError(msg)
        text = json.dumps(content, indent=2) + "\n"
        write_text(settings.output, text, permit=_place(settings).check)
    reporter.note(f'reference picks: --reference "{REFERENCE}" (marked as ground truth)')
    return ConfigMade(settings.output, is_changed, len(entries))


def _before(settings: ConfigPortalSettings) -> dict[str, Any] | None:
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
    """Return the objects by the name that copick can store; like names get their identifier."""
    plain = {item.identifier: _plain(item.name) for item in found}
    names = list(plain.values())
    return {
        name if names.count(name) == 1 else f"{name}-{_plain(identifier)}": item
        for item in found
        for identifier, name in [(item.identifier, plain[item.identifier])]
    }


def _plain(name: str) -> str:
    return str(sanitize_name(name, suppress_warnings=True)).lower()


def _chosen(
    named: Mapping[str, PortalObject], settings: ConfigPortalSettings
) -> dict[str, PortalObject]:
    spelt = {item.name: name for name, item in named.items()}
    spelt |= {item.identifier: name for name, item in named.items()}
    spelt |= {name: name for name in named}

    def known(name: str, option: str) -> str:
        if name not in spelt:
            within = [entry for entry in named if name.lower() in entry]
            near = f"; did you mean '{within[0]}'?" if within else nearest_name(name, spelt)
            datasets = ", ".join(str(number) for number in settings.dataset)
            msg = (
                f"{option}: no object '{name}'{near} in dataset {datasets}; "
                f"objects: {choices_text(named)}"
            )
            raise UnknownNameError(msg)
        return spelt[name]

    for name in settings.radius:
        known(name, "--radius")
    wanted = {known(name, "--objects") for name in settings.objects} or set(named)
    return {name: item for name, item in named.items() if name in wanted}


def _entries(
    chosen: Mapping[str, PortalObject],
    settings: ConfigPortalSettings,
    before: Mapping[str, Any] | None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the objects as copick writes them, by label, and where each radius comes from."""
    old = {entry["identifier"]: entry for entry in (before or {}).get("pickable_objects", [])}
    labels = {identifier: int(entry["label"]) for identifier, entry in old.items()}
    for item in sorted(chosen.values(), key=lambda item: item.identifier):
        labels.setdefault(item.identifier, max(labels.values(), default=0) + 1)
    entries, sources, missing = [], {}, []
    for name, item in chosen.items():
        radius, source = _radius(name, item, settings, old.get(item.identifier))
        if item.is_particle and radius is None:
            missing.append(name)
        known = KNOWN_OBJECTS.get(item.identifier)
        label = labels[item.identifier]
        weight = {} if known is None else {"score_weight": known.score_weight}
        entry = {
            "name": name,
            "is_particle": item.is_particle,
            "label": label,
            "color": list(COLOURS[(label - 1) % len(COLOURS)]),
            "identifier": item.identifier,
            "radius": radius,
            "metadata": {**weight, "radius_source": source},
        }
        kept = old.get(item.identifier, {})
        entries.append({**entry, "color": kept.get("color", entry["color"])})
        sources[item.identifier] = source
    if missing:
        given = " ".join(f"--radius {name}=ANGSTROM" for name in sorted(missing))
        msg = f"no radius is known of {choices_text(missing)}: give {given}, or choose --objects"
        raise SettingsError(msg)
    return sorted(entries, key=lambda entry: int(entry["label"])), sources


def _radius(
    name: str,
    item: PortalObject,
    settings: ConfigPortalSettings,
    old: Mapping[str, Any] | None,
) -> tuple[float | None, str]:
    for spelling in (name, item.name, item.identifier):
        if spelling in settings.radius:
            return settings.radius[spelling], "--radius"
    if not item.is_particle:
        return None, "not a particle"
    if old is not None and old.get("radius"):
        return float(old["radius"]), str((old.get("metadata") or {}).get("radius_source", "file"))
    known = KNOWN_OBJECTS.get(item.identifier)
    return (None, "") if known is None else (known.radius_angstrom, known.source)


def _content(
    settings: ConfigPortalSettings,
    entries: Sequence[Mapping[str, Any]],
    before: Mapping[str, Any] | None,
) -> dict[str, Any]:
    old = before or {}
    beside = f"local://{(settings.output.parent / 'overlay').absolute()}"
    overlay = settings.overlay or old.get("overlay_root") or beside
    if "://" not in overlay:
        overlay = f"local://{Path(overlay).absolute()}"
    numbers = ", ".join(str(number) for number in settings.dataset)
    return {
        "config_type": "cryoet_data_portal",
        "name": settings.name or old.get("name") or f"CryoET Data Portal {numbers}",
        "description": f"Datasets {numbers}; reference picks: {REFERENCE}",
        "version": "1.31.0",
        "user_id": "picker",
        **{name: old[name] for name in _KEPT if name in old},
        "dataset_ids": list(settings.dataset),
        "overlay_root": overlay,
        "overlay_fs_args": {"auto_mkdir": True} if overlay.startswith("local://") else {},
        "pickable_objects": [dict(entry) for entry in entries],
    }


def _difference(before: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    names = [name for name in content if before.get(name) != content[name]]
    names += [name for name in before if name not in content]
    return f"other {', '.join(names)}"
