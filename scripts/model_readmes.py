"""Texts of the model cards; the figures are filled in by the training script."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CARDS = Path(__file__).parent / "cards"


def card_text(model: str, fields: Mapping[str, object]) -> str:
    """Return the README of a model folder."""
    return (CARDS / f"{model}.md").read_text(encoding="utf-8").format(**fields)


def score_table(figures: Mapping[str, Mapping[str, float]], thresholds: Mapping[str, float]) -> str:
    """Return the held-out figures as a Markdown table."""
    lines = [
        "| object | particles | precision | recall | F1 | mean error (A) | threshold |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in figures.items():
        lines.append(
            f"| {name} | {entry['reference']:g} | {entry['precision']:.3f} | {entry['recall']:.3f} "
            f"| {entry['f1']:.3f} | {entry['mean_error_angstrom']:.1f} | {thresholds[name]:.3f} |"
        )
    return "\n".join(lines)


def real_text(figures: Mapping[str, Any]) -> str:
    """Return the figures on the real tomogram as a sentence."""
    return (
        f"{figures['found']} of {figures['of']} found within 540 A, {figures['false']} false "
        f"({figures['false_near_a_face']} more near an x or y face, not counted), mean error over "
        f"the 9 annotated centres {figures['mean_error_of_annotated_angstrom']} A"
    )
