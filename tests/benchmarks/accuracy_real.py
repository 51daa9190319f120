"""Sim to real: the shipped model of virus-like particles on a real tomogram, and fine-tuned.

The model saw simulated tomograms alone. It is scored on both halves in x of the real tomogram of
HIV-1 virus-like particles, then fine-tuned on one half and scored on the other, and the other way
round. The fine-tuned models are for this table only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_steps import Accuracy

from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.making import add_picks, add_tomogram, create_project
from copick_picker.project.copick.store import open_project
from copick_picker.project.folders.checkpoints import read_mapping
from copick_picker.project.folders.package_data import package_data, vlp_centres
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.project.formats.tables import read_csv
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.workflows.benchmark.demo_projects import (
    VLP_NAME,
    VLP_RADIUS_ANGSTROM,
    VLP_SPACING,
    make_real_project,
)

MODEL, TOMOGRAM = "hiv-vlp-40a", "wbp@40.0"
SPLIT_X_ANGSTROM = 2700.0
SPLIT_X_VOXELS = 68
CUTS_Y_VOXELS = {"left": 67, "right": 57}
"""Where a half is cut along y: below is trained on, above judges. Few particles are cut there."""
SIDES = ("left", "right")
HIT_ANGSTROM = 540.0
PATCH = 48


def measured(accuracy: Accuracy) -> dict[str, Any]:
    """Return how many particles of each half are found before and after fine-tuning."""
    folder = accuracy.work / "real"
    minutes = accuracy.sizes.real_minutes
    settings = {"minutes": minutes, "patch": PATCH, "cuts": CUTS_Y_VOXELS}
    return accuracy.once("real", settings, lambda: _measure(accuracy, folder, minutes))


def _measure(accuracy: Accuracy, folder: Path, minutes: float) -> dict[str, Any]:
    whole = folder / "whole" / "config.json"
    if not whole.exists():
        make_real_project(folder / "whole")
    half_references(whole)
    _find(accuracy, whole, MODEL, "shipped")
    result: dict[str, Any] = {"before": {}, "after": {}, "training": {}}
    for side in SIDES:
        config = half_project(folder / side, side)
        model = folder / f"model_{side}"
        words = ["train", "-c", str(config), "-i", TOMOGRAM, "-p", f"{VLP_NAME}:curator/1"]
        words += ["-o", str(model), "--start", MODEL, "--contrast", "bright", "--overwrite"]
        words += ["--validation-runs", "above", "--patch", str(PATCH), "--batch-size", "4"]
        words += ["--learning-rate", "3e-4", "--validate-every", "20", "--device", "cpu"]
        words += ["--max-minutes", str(minutes), "--steps", "1000000"]
        words += ["--threads", str(accuracy.threads)]
        result["training"][side] = accuracy.command(f"real-{side}", *words)
        _find(accuracy, whole, str(model), side)
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        result["before"][other] = _score(accuracy, whole, "shipped", other)
        result["after"][other] = _score(accuracy, whole, side, other)
    return result


def in_half(points_xyz: np.ndarray, side: str) -> np.ndarray:
    """Return which points (x, y, z) in Angstrom lie in a half."""
    is_left: np.ndarray = points_xyz[:, 0] < SPLIT_X_ANGSTROM
    return is_left if side == "left" else ~is_left


def threshold() -> float:
    """Return that of the shipped model's card; it is kept, as the picks are too few for another."""
    card = read_mapping(package_data().parent / "models" / MODEL / "model.yaml")
    return float(card["objects"][0]["score_threshold"])


def half_references(whole: Path) -> None:
    """Put in the reference picks of each half, as those of a user of its own."""
    points = np.array([centre[:3] for centre in vlp_centres()])
    store = open_project(whole)
    for side in SIDES:
        chosen = points[in_half(points, side)]
        store.write_picks(
            "hiv",
            PicksKey(VLP_NAME, f"curator-{side}", "1"),
            PickSet(VLP_NAME, chosen, np.ones(len(chosen))),
            provenance=new_record("accuracy benchmark: half of the reference"),
            overwrite=True,
        )


def half_project(folder: Path, side: str) -> Path:
    """Make the project of a half, cut along y into the runs ``below`` and ``above``."""
    config = folder / "config.json"
    if config.exists():
        return config
    volume, _ = read_mrc(package_data() / "hiv_vlp" / "hiv_vlp.mrc.gz")
    points = np.array([centre[:3] for centre in vlp_centres()])
    x = slice(0, SPLIT_X_VOXELS) if side == "left" else slice(SPLIT_X_VOXELS, None)
    points, cut = points[in_half(points, side)], CUTS_Y_VOXELS[side]
    create_project(
        folder, [ObjectSpec(VLP_NAME, 1, VLP_RADIUS_ANGSTROM)], name=f"HIV-1, {side} half"
    )
    is_below = points[:, 1] < cut * VLP_SPACING
    for run, y, which in (
        ("below", slice(0, cut), is_below),
        ("above", slice(cut, None), ~is_below),
    ):
        corner = np.array([x.start, y.start, 0]) * VLP_SPACING
        add_tomogram(config, run, TomogramKey("wbp", VLP_SPACING), volume[:, y, x])
        chosen = points[which] - corner
        picks = PickSet(VLP_NAME, chosen, np.ones(len(chosen)))
        add_picks(config, run, PicksKey(VLP_NAME, "curator", "1"), picks)
    return config


def _find(accuracy: Accuracy, whole: Path, model: str, user: str) -> None:
    """Find particles in the whole tomogram with a model."""
    words = ["segment", "-c", str(whole), "-m", model, "-i", TOMOGRAM, "--contrast", "bright"]
    words += ["-o", f"predict:{user}/1", "--probabilities", "--overwrite", "--device", "cpu"]
    accuracy.command(f"real-{user}", *words, "--threads", str(accuracy.threads))
    words = ["localize", "-c", str(whole), "-i", f"predict:{user}/1@40.0", "--overwrite"]
    words += ["-o", f"*:{user}/1", "--threshold", f"{VLP_NAME}={threshold()}"]
    accuracy.command(f"real-{user}", *words)


def _score(accuracy: Accuracy, whole: Path, user: str, side: str) -> dict[str, Any]:
    """Return the scores of the picks in one half."""
    store = open_project(whole)
    found = store.read_picks("hiv", PicksKey(VLP_NAME, user, "1"))
    picks = found.chosen(in_half(found.points_xyz, side))
    key = PicksKey(VLP_NAME, f"{user}-{side}", "1")
    record = new_record("accuracy benchmark: half of the picks")
    store.write_picks("hiv", key, picks, provenance=record, overwrite=True)
    output = whole.parent / "scores" / f"{user}_{side}"
    words = ["evaluate", "-c", str(whole), "-o", str(output), "--overwrite"]
    words += ["--reference", f"{VLP_NAME}:curator-{side}/1", "--candidate", str(key)]
    words += ["--tolerance", f"{HIT_ANGSTROM:g}A"]
    words += ["--border-margin-xy-angstrom", f"{HIT_ANGSTROM:g}"]
    accuracy.command(f"real-{user}-{side}", *words)
    return half_scores(read_csv(output / "matches.csv"))


def half_scores(rows: list[Mapping[str, str]]) -> dict[str, Any]:
    """Return what the table of the matches says."""
    annotated = np.array([centre[:3] for centre in vlp_centres() if centre[3]])
    errors = []
    for row in rows:
        if row["kind"] == "reference" and row["status"] == "matched":
            point = np.array([float(row[f"{axis}_angstrom"]) for axis in "xyz"])
            if np.linalg.norm(annotated - point, axis=1).min() < 1.0:
                errors.append(float(row["distance_angstrom"]))
    reference = [row["status"] for row in rows if row["kind"] == "reference"]
    candidate = [row["status"] for row in rows if row["kind"] == "candidate"]
    return {
        "of": len(reference),
        "found": reference.count("matched"),
        "false": sum(status in {"false", "duplicate", "confused"} for status in candidate),
        "near_a_face": candidate.count("border"),
        "annotated_found": len(errors),
        "error_angstrom": float(np.mean(errors)) if errors else None,
    }
