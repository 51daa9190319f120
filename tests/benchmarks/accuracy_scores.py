"""Scores of the accuracy benchmark: what is taken of ``evaluate``, thresholds, differences."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.evaluate.compare import ComparisonRules, paired_differences
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet

BOOTSTRAP = 10_000
RULES = ComparisonRules(4.0, BOOTSTRAP, 5, 0.95, absent_is_zero=False)


def with_empty_sets(config: str, runs: Sequence[str], user: str) -> None:
    """Add empty pick sets where a program wrote none, which it does where it found nothing."""
    store = open_project(config)
    for run in runs:
        there = {key.object_name for key in store.picks(run) if key.user_id == user}
        for spec in store.objects():
            if spec.is_particle and spec.name not in there:
                picks = PickSet(spec.name, np.zeros((0, 3)), np.zeros(0))
                record = new_record("accuracy benchmark: found nothing")
                key = PicksKey(spec.name, user, "1")
                store.write_picks(run, key, picks, provenance=record, overwrite=False)


def curve_of(path: Path) -> dict[str, Any]:
    """Return what the curve of a training says: its validations, and mean losses between them."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    points, losses = [], []
    for row in rows:
        losses.append(float(row["loss"]))
        if row["f_beta"]:
            points.append(
                [
                    int(row["step"]),
                    round(float(row["seconds"]), 1),
                    round(float(np.mean(losses)), 4),
                    round(float(row["f_beta"]), 4),
                ]
            )
            losses = []
    last = rows[-1] if rows else {"step": "0", "seconds": "0"}
    return {
        "steps": int(last["step"]),
        "train_seconds": float(last["seconds"]),
        "curve": points,
    }


def best_thresholds(values: Mapping[str, Any]) -> tuple[dict[str, float], float]:
    """Return the score threshold of each object with the highest F-beta, and their mean F-beta."""
    thresholds, best = {}, []
    for entry in values["objects"]:
        curve = entry["curve"]
        if curve is None:
            best.append(entry["f_beta"] or 0.0)
            continue
        at = max(
            range(len(curve["threshold"])),
            key=lambda index, curve=curve: (curve["f_beta"][index], -curve["threshold"][index]),
        )
        thresholds[entry["object"]] = curve["threshold"][at]
        best.append(curve["f_beta"][at])
    return thresholds, float(np.mean(best)) if best else 0.0


def summary(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page needs of ``scores.json``: rates of objects, counts of runs."""
    objects = {
        entry["object"]: {
            "reference": entry["counts"]["n_reference"],
            "candidates": entry["counts"]["n_candidate"],
            "precision": entry["precision"] or 0.0,
            "recall": entry["recall"] or 0.0,
            "f1": entry["f1"] or 0.0,
            "f4": entry["f_beta"] or 0.0,
            "error_angstrom": entry["localization"]["mean_angstrom"],
            "found": entry["localization"]["n_pairs"],
        }
        for entry in values["objects"]
    }
    counts: dict[str, dict[str, list[int]]] = {}
    for entry in values["runs"]:
        number = entry["counts"]
        counts.setdefault(entry["run"], {})[entry["object"]] = [
            number["true_positives"],
            number["false_positives"],
            number["false_negatives"],
        ]
    return {"objects": objects, "counts": counts}


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], names: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return the macro averages of two methods over some objects, and second less first.

    The interval holds 95 % of the bootstrap's replicates, which draw runs, the same for both.
    """
    if not names:
        return {}
    runs = sorted(first["counts"])
    pair = [
        np.array([[each["counts"][run][name] for name in names] for run in runs], dtype=np.float64)
        for each in (first, second)
    ]
    found = paired_differences(
        *pair,
        np.ones(len(names)),
        average="macro",
        rules=RULES,
        rng=np.random.default_rng(seed),
    )
    return {
        {"f_beta": "f4"}.get(entry.rate, entry.rate): asdict(entry) | {"objects": len(names)}
        for entry in found
        if entry.rate in ("precision", "recall", "f1", "f_beta")
    }
