"""The copick configuration of portal datasets that settings of ``config portal`` mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name
from copick_picker.records.keys import DEFAULT_USER
from copick_picker.records.portal import PortalObject
from copick_picker.settings.config_portal import KNOWN_OBJECTS, ConfigPortalSettings

REFERENCE = "*?truth=true"
"""Reference picks of the portal: those that it marks as ground truth."""
_KEPT = ("user_id", "session_id", "portal_cache", "portal_cache_ttl_seconds", "portal_cache_dir")


def chosen_objects(
    named: Mapping[str, PortalObject], settings: ConfigPortalSettings
) -> dict[str, PortalObject]:
    """Return the objects that the user chooses, by name.

    Parameters
    ----------
    named : mapping
        All objects of the datasets, by the name that copick can store.
    settings : ConfigPortalSettings
        Names, identifiers and radii that the user gives.

    Raises
    ------
    UnknownNameError
        If a name is unknown; the nearest is named.
    """
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


def object_entries(
    chosen: Mapping[str, PortalObject],
    settings: ConfigPortalSettings,
    before: Mapping[str, Any] | None,
    colours: Sequence[Sequence[int]],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the objects as copick writes them, by label, and where each radius comes from.

    Parameters
    ----------
    chosen : mapping
        Objects by name.
    settings : ConfigPortalSettings
        Radii that the user gives.
    before : mapping or None
        The configuration that stands, whose labels, colours and radii are kept.
    colours : sequence
        Red, green, blue and opacity of objects, by label.

    Raises
    ------
    SettingsError
        If the radius of a particle is not known.
    """
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
            "color": list(colours[(label - 1) % len(colours)]),
            "identifier": item.identifier,
            "radius": radius,
            "metadata": {**weight, "radius_source": source},
        }
        kept = old.get(item.identifier, {})
        entries.append({**entry, "color": kept.get("color", entry["color"])})
        sources[item.identifier] = source
    if missing:
        given = " ".join(f"--radius {name}=ANGSTROM" for name in sorted(missing))
        msg = f"no radius is known for {choices_text(missing)}: give {given}, or choose --objects"
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


def configuration(
    settings: ConfigPortalSettings,
    entries: Sequence[Mapping[str, Any]],
    before: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the whole configuration.

    Parameters
    ----------
    settings : ConfigPortalSettings
        Datasets, overlay and name.
    entries : sequence of mapping
        The objects, see :func:`object_entries`.
    before : mapping or None
        The configuration that stands, whose cache, user and session are kept.
    """
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
        "user_id": DEFAULT_USER,
        **{name: old[name] for name in _KEPT if name in old},
        "dataset_ids": list(settings.dataset),
        "overlay_root": overlay,
        "overlay_fs_args": {"auto_mkdir": True} if overlay.startswith("local://") else {},
        "pickable_objects": [dict(entry) for entry in entries],
    }


def difference(before: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Return in words which keys of two configurations differ.

    Parameters
    ----------
    before, content : mapping
        What stands, and what would be written.
    """
    names = [name for name in content if before.get(name) != content[name]]
    names += [name for name in before if name not in content]
    return f"other {', '.join(names)}"
