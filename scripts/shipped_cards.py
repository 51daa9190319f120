"""What the cards of the shipped models say: figures of the commands put into words."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from recipes import Recipe, noise_levels

from copick_picker import __version__
from copick_picker.core.models.registry import build_network
from copick_picker.project.files import write_text
from copick_picker.project.folders.checkpoints import read_model_folder, replace_card
from copick_picker.settings.model import ModelCard, model_card
from copick_picker.workflows.benchmark.demo import annotated_error

CARDS = Path(__file__).parent / "cards"


def write_card(
    model: str, recipe: Recipe, folder: Path, work: Path, *, counts: Mapping[str, int]
) -> None:
    """Write README, provenance and the curve of the validations into a model folder."""
    raw = read_model_folder(folder)[1]
    card = model_card(raw, str(folder))
    made = dict(card.provenance)
    table = simulated_figures(work / "scores" / "scores.json")
    facts = {
        "package_version": __version__,
        "command": f"copick-picker train --settings scripts/training/{folder.name}.yaml",
        "script": "scripts/train_shipped_models.py",
        "licence": "MIT",
        "training_data": "simulated tomograms only",
        "seed": recipe.seed,
        "scenes": dict(counts),
        "views_of_each_training_scene": recipe.views,
        "picks": {side: made["data"][side]["picks"] for side in ("training", "validation")},
        "training": made["training"],
        "settings": made["settings"],
        "calibration": made["calibration"],
        "held_out_simulated": table,
    }
    if model == "vlp":
        facts["held_out_real"] = real_figures(work / "real" / "scores")
    fields = text_fields(recipe, card, facts)
    text = (CARDS / f"{folder.name}.md").read_text(encoding="utf-8").format(**fields)
    write_text(folder / "README.md", text)
    write_text(folder / "curve.csv", validations(work / "trained" / folder.name / "curve.csv"))
    replace_card(folder, raw | {"provenance": facts})


def simulated_figures(scores_json: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each object on the test runs."""
    values = json.loads(scores_json.read_text(encoding="utf-8"))
    return {
        entry["object"]: {
            "reference": entry["counts"]["n_reference"],
            "precision": _rounded(entry["precision"]),
            "recall": _rounded(entry["recall"]),
            "f1": _rounded(entry["f1"]),
            "mean_error_angstrom": round(entry["localization"]["mean_angstrom"] or 0.0, 1),
        }
        for entry in values["objects"]
    }


def macro_f1(figures: Mapping[str, Mapping[str, float]]) -> float:
    """Return the mean F1 of the objects."""
    return float(np.mean([entry["f1"] for entry in figures.values()]))


def real_figures(folder: Path) -> dict[str, Any]:
    """Return what was found in the real tomogram."""
    values = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    counts = values["objects"][0]["counts"]
    lines = (folder / "matches.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    at_border = [row for row in rows if row["kind"] == "candidate" and row["status"] == "border"]
    return {
        "candidates": counts["n_candidate"] + len(at_border),
        "found": counts["true_positives"],
        "of": counts["n_reference"],
        "false": counts["false_positives"],
        "near_a_face_not_counted": len(at_border),
        "annotated": annotated_error(folder / "matches.csv"),
    }


def validations(curve: Path) -> str:
    """Return the rows of a training curve that hold a validation."""
    rows = list(csv.DictReader(io.StringIO(curve.read_text(encoding="utf-8"))))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in rows if row["f_beta"])
    return text.getvalue()


def text_fields(recipe: Recipe, card: ModelCard, facts: Mapping[str, Any]) -> dict[str, object]:
    """Return what the texts of the cards are filled in with."""
    network = build_network(card.architecture, card.parameters, card.channel_count)
    named = [f"`{name}` ({recipe.radius_angstrom[name]:g} A)" for name in recipe.objects]
    settings, training = facts["settings"], facts["training"]
    fields: dict[str, object] = {
        "name": recipe.name,
        "objects": ", ".join(named),
        "radius": recipe.radius_angstrom[recipe.objects[0]],
        "fraction": settings["target_fraction"],
        "tolerance": recipe.tolerance_angstrom[recipe.objects[0]],
        "parameters": sum(value.numel() for value in network.parameters()),
        "window": " x ".join(str(side) for side in card.window_voxels),
        "seed": recipe.seed,
        "margin": recipe.threshold_margin,
        "views": recipe.views,
        "steps": training["steps"],
        "best_step": training["best_step"],
        "batch": settings["batch_size"],
        "table": score_table(card, facts["held_out_simulated"]),
        "macro": macro_f1(facts["held_out_simulated"]),
        **facts["scenes"],
    }
    if "held_out_real" in facts:
        fields["real"] = real_text(facts["held_out_real"])
    else:
        fields["snr"], fields["cnr"] = noise_levels(recipe)
    return fields


def score_table(card: ModelCard, figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return the held-out figures as a Markdown table."""
    thresholds = {entry.name: entry.score_threshold for entry in card.objects}
    lines = [
        "| object | particles | precision | recall | F1 | mean error (A) | threshold |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in figures.items():
        threshold = thresholds[name]
        text = "none" if threshold is None else f"{threshold:.3f}"
        lines.append(
            f"| {name} | {entry['reference']:g} | {entry['precision']:.3f} | {entry['recall']:.3f} "
            f"| {entry['f1']:.3f} | {entry['mean_error_angstrom']:.1f} | {text} |"
        )
    return "\n".join(lines)


def real_text(figures: Mapping[str, Any]) -> str:
    """Return the figures on the real tomogram as a sentence."""
    return (
        f"{figures['found']} of {figures['of']} found within 540 A, {figures['false']} false "
        f"({figures['near_a_face_not_counted']} candidates near an x or y face, not counted); "
        f"{figures['annotated']}"
    )


def _rounded(value: float | None) -> float:
    return round(0.0 if value is None else value, 3)
