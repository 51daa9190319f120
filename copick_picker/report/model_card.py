"""The card of a model in tables."""

from collections.abc import Mapping
from typing import Any

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""Title, columns, rows."""


_LONG = 60
"""Letters of a value of the provenance that stands in the short table."""


def model_tables(
    card: Mapping[str, Any], channels: Mapping[str, int], size: int, *, whole: bool
) -> list[Table]:
    """Return the tables that show a model: what it is, its objects, where it comes from.

    Parameters
    ----------
    card : mapping
        ``model.yaml``.
    channels : mapping
        Object name -> channel.
    size : int
        Numbers in its weights.
    whole : bool
        Whether all of its provenance is shown, or only the first level.
    """
    z, y, x = card["window_voxels"]
    spacing = card["voxel_spacing_angstrom"]
    scaling = card.get("scaling", {})
    rows: list[tuple[str, ...]] = [
        ("architecture", card["architecture"]),
        *((f"  {key}", str(value)) for key, value in card["parameters"].items()),
        ("weights", f"{size:,}"),
        ("window (z, y, x)", f"{z} x {y} x {x} voxels"),
        ("voxel spacing", "not recorded" if spacing is None else f"{spacing:g} Angstrom"),
        ("contrast", f"{card['contrast']} protein"),
        ("normalization", card["normalization"]),
        *((f"  {key}", f"{value:g}") for key, value in scaling.items()),
        ("head", card["head"]),
        ("home package", card["home"]),
        ("augmentations", f"{card['augmentation_count']} of the set {card['augmentation_set']}"),
        ("windows", f"overlap {card['overlap']:g}, {card['blending']} blending"),
        ("weights SHA-256", str(card.get("weights_sha256"))),
    ]
    columns = ("object", "channel", "radius (A)", "target fraction", "score threshold")
    known = {entry["name"]: entry for entry in card["objects"]}
    numbers = ("radius_angstrom", "target_fraction", "score_threshold")
    objects: list[tuple[str, ...]] = [
        (name, str(channel), *(_number(known[name].get(key)) for key in numbers))
        for name, channel in channels.items()
    ]
    tables: list[Table] = [
        (f"Model {card['name']}", ("what", "value"), rows),
        ("Objects", columns, objects),
    ]
    origin = _flat(card["provenance"]) if whole else _first_level(card["provenance"])
    if origin:
        tables.append(("Provenance", ("what", "value"), origin))
    return tables


def _first_level(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the entries that are one short value, as rows."""
    plain = {key: str(value) for key, value in content.items() if isinstance(value, str | int)}
    return [(key, text) for key, text in plain.items() if len(text) <= _LONG]


def _flat(content: Mapping[str, Any], above: str = "") -> list[tuple[str, ...]]:
    """Return nested entries as rows (path of keys, value), those without a value left out."""
    rows: list[tuple[str, ...]] = []
    for key, value in content.items():
        path = f"{above} {key}".strip()
        if isinstance(value, Mapping):
            rows += _flat(value, path)
        elif value is not None:
            rows.append((path, str(value)))
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
