"""The text that stands beside a trained model."""

from collections.abc import Mapping
from typing import Any

from copick_picker.errors import choices_text


def readme_text(card: Mapping[str, Any]) -> str:
    """Return a model's README: what it finds, what it was trained on, how well, and its limits.

    Parameters
    ----------
    card : mapping
        ``model.yaml`` as ``train`` writes it.
    """
    known = card["provenance"]
    data, scores, done = known["data"], known["scores"], known["training"]
    objects = [
        f"{entry['name']} (radius {entry['radius_angstrom']:g} A)" for entry in card["objects"]
    ]
    peaks = " --method peaks" if known["localize_method"] == "peaks" else ""
    started = "fresh weights" if known.get("started_from") is None else known["started_from"]
    lines = [
        f"# {card['name']}",
        "",
        f"Finds {choices_text(objects)} in tomograms of {card['voxel_spacing_angstrom']:g} A "
        f"per voxel, {card['contrast']} protein.",
        "",
        f"Made by copick-picker {known['package_version']} (`{known['command']}`). Licence: "
        f"{known['licence']}.",
        "",
        "```",
        f"copick-picker segment -c config.json -m {card['name']} --probabilities",
        f"copick-picker localize -c config.json{peaks}",
        "```",
        "",
        "## Trained on",
        "",
        *_sides(data),
        "",
        f"{card['architecture']} {dict(card['parameters'])}, {done['steps']} steps from "
        f"{started}; the weights are from step {done['best_step']}, the best on the "
        "validation runs. The curve is in `curve.csv`, all settings are in `model.yaml`.",
        "",
        "## Scores",
        "",
        f"On {scores['on']}, {scores['rules']}, at the thresholds of the card:",
        "",
        *_table(scores["objects"]),
        "",
        "## Limits",
        "",
        *[f"* {limit}" for limit in known["limits"]],
    ]
    return "\n".join(lines) + "\n"


def _sides(data: Mapping[str, Any]) -> list[str]:
    lines = []
    for side in ("training", "validation"):
        runs, picks = data[side]["runs"], data[side]["picks"]
        counts = ", ".join(f"{name} {number}" for name, number in picks.items())
        lines.append(f"* {side}: {len(runs)} runs ({choices_text(runs)}); picks: {counts}")
    return lines


def _table(objects: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = ["| object | picks | threshold | precision | recall | F1 | error (A) |"]
    rows.append("|---|---|---|---|---|---|---|")
    for name, entry in objects.items():
        keys = ("reference", "threshold", "precision", "recall", "f1", "mean_error_angstrom")
        values = ["-" if entry.get(key) is None else f"{entry[key]:g}" for key in keys]
        rows.append(f"| {name} | {' | '.join(values)} |")
    return rows
