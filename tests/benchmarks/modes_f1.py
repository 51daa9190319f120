"""F1 of the three modes of ``segment``, tomogram by tomogram, with the shipped simulated model.

Usage: python tests/benchmarks/modes_f1.py [--work FOLDER] [--tomograms 16] [--modes exact,...]

Held-out simulated tomograms (seeds of their own) are segmented in each mode, localized with the
default settings and compared with the truth, one to one within half a radius. The difference of the
macro F1 to ``exact`` is bootstrapped over tomograms, paired. Each tomogram's counts are kept in the
work folder, so that an interrupted run goes on; delete the folder to start anew. A mode may carry
settings: ``balanced+overlap=0.125+blending=gaussian``.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import copick_picker
from copick_picker.core.evaluate.matching import match_picks
from copick_picker.core.evaluate.pairs import find_pairs
from copick_picker.core.simulate.imaging import simulated_tomogram
from copick_picker.core.simulate.molecule_scenes import drawn_conditions, molecule_scene
from copick_picker.project.folders.checkpoints import read_model_folder
from copick_picker.project.folders.model_places import shipped_models
from copick_picker.records.points import LocalizeTarget
from copick_picker.settings.model import ModelCard, model_card
from copick_picker.settings.simulate import DEMO_IMAGING, DEMO_SCENE
from copick_picker.workflows.benchmark.demo_projects import demo_molecules

MODEL = "simulated-10a"
SHAPE_ZYX = (128, 256, 256)
CROWD = 5
"""Times as many objects as in the demo's tomograms, in five times their volume."""
SEED = 77_001
REPLICATES = 10_000
MODES = ("exact", "balanced", "fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(".bench/modes"))
    parser.add_argument("--tomograms", type=int, default=16)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--shape", default=",".join(map(str, SHAPE_ZYX)))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    z, y, x = (int(side) for side in options.shape.split(","))
    modes = options.modes.split(",")
    counts = all_counts(options.work, options.tomograms, modes, (z, y, x))
    result = compared(counts, modes)
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text, encoding="utf-8")


def all_counts(
    work: Path, n_tomograms: int, modes: Sequence[str], shape_zyx: tuple[int, int, int]
) -> list[dict[str, Any]]:
    """Return mode -> object -> [hits, references, candidates] of every tomogram."""
    work.mkdir(parents=True, exist_ok=True)
    _, raw = read_model_folder(shipped_models()[MODEL])
    card = model_card(raw, MODEL)
    counts = []
    for index in range(n_tomograms):
        name = "x".join(map(str, shape_zyx))
        stored = work / f"{name}_{(card.weights_sha256 or '')[:8]}_{index:03d}.json"
        known = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
        missing = [mode for mode in modes if mode not in known]
        if missing:
            known |= counts_of_tomogram(index, card, missing, shape_zyx, work)
            stored.write_text(json.dumps(known), encoding="utf-8")
        counts.append(known)
    return counts


def counts_of_tomogram(
    index: int, card: ModelCard, modes: Sequence[str], shape_zyx: tuple[int, int, int], work: Path
) -> dict[str, Any]:
    """Simulate one tomogram and count the hits of each mode."""
    rng = np.random.default_rng([SEED, index])
    share = CROWD * np.prod(shape_zyx) / np.prod(SHAPE_ZYX)
    spec = replace(
        DEMO_SCENE,
        objects=times(DEMO_SCENE.objects, share),
        distractors=times(DEMO_SCENE.distractors, share),
    )
    scene = molecule_scene(demo_molecules(), spec, shape_zyx, rng)
    conditions = drawn_conditions(DEMO_IMAGING, rng)
    volume = simulated_tomogram(scene.potential, scene.voxel_spacing, conditions, rng)
    found: dict[str, Any] = {}
    exact = work / f"exact_{hashlib.sha256(volume.tobytes()).hexdigest()[:12]}.npy"
    for mode in modes:
        labels, seconds, candidates = picked(volume, mode, card, scene.voxel_spacing)
        if mode == "exact":
            np.save(exact, labels)
        found[mode] = {
            "counts": {
                entry.name: hits(
                    scene.points_xyz[entry.name],
                    candidates[entry.name],
                    0.5 * (entry.radius_angstrom or 0.0),
                )
                for entry in card.objects
            },
            "cpu_seconds": seconds,
            "labels_as_exact": float(np.mean(np.load(exact) == labels)) if exact.exists() else None,
        }
        print(index, mode, f"{seconds:.1f} s", found[mode]["labels_as_exact"], flush=True)
    return found


def times(counts: Mapping[str, tuple[int, int]], factor: float) -> dict[str, tuple[int, int]]:
    """Return ranges of counts times a factor."""
    return {
        name: (round(low * factor), round(high * factor)) for name, (low, high) in counts.items()
    }


def picked(
    volume: npt.NDArray[Any], mode: str, card: ModelCard, spacing: float
) -> tuple[npt.NDArray[np.uint8], float, dict[str, npt.NDArray[np.float64]]]:
    """Return labels, CPU-seconds of segmenting, and points (x, y, z) of each object."""
    name, *changes = mode.split("+")
    settings: dict[str, Any] = dict(change.split("=") for change in changes)
    began = time.process_time()
    result = copick_picker.segment(volume, MODEL, probabilities=True, mode=name, **settings)
    seconds = time.process_time() - began
    targets = [
        LocalizeTarget(
            entry.name,
            entry.channel,
            entry.radius_angstrom or 0.0,
            score_threshold=entry.score_threshold,
            target_fraction=entry.target_fraction,
            channel=entry.channel,
        )
        for entry in card.objects
    ]
    found = copick_picker.localize(
        result.labels, targets, voxel_spacing=spacing, probabilities=result.probabilities
    )
    return result.labels, seconds, {key: entry.picks.points_xyz for key, entry in found.items()}


def hits(reference: npt.ArrayLike, candidate: npt.ArrayLike, tolerance: float) -> list[int]:
    """Return hits, references and candidates of a one-to-one comparison."""
    pairs = find_pairs(reference, candidate, reach_angstrom=tolerance)
    match = match_picks(pairs, matcher="one-to-one", tolerance_angstrom=tolerance)
    return [match.true_positives, len(np.atleast_2d(reference)), len(np.atleast_2d(candidate))]


def compared(counts: Sequence[Mapping[str, Any]], modes: Sequence[str]) -> dict[str, Any]:
    """Return macro F1 of each mode and its paired difference to the first, with 95 % interval."""
    names = list(counts[0][modes[0]]["counts"])
    tables = {
        mode: np.array([[entry[mode]["counts"][name] for name in names] for entry in counts])
        for mode in modes
    }
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(0, len(counts), (REPLICATES, len(counts)))
    weights = np.apply_along_axis(np.bincount, 1, chosen, minlength=len(counts))
    base = macro_f1(np.einsum("rt,tok->rok", weights, tables[modes[0]]))
    result: dict[str, Any] = {
        "model": MODEL,
        "tomograms": len(counts),
        "particles": int(tables[modes[0]][:, :, 1].sum()),
        "modes": {},
    }
    for mode in modes:
        totals = tables[mode].sum(axis=0)
        differences = macro_f1(np.einsum("rt,tok->rok", weights, tables[mode])) - base
        agreements = [entry[mode]["labels_as_exact"] for entry in counts]
        point = macro_f1(totals)
        result["modes"][mode] = {
            "macro_f1": float(point),
            "difference": float(point - macro_f1(tables[modes[0]].sum(axis=0))),
            "interval": [float(value) for value in np.percentile(differences, [2.5, 97.5])],
            "f1": dict(zip(names, f1(totals).round(4).tolist(), strict=True)),
            "cpu_seconds": float(np.mean([entry[mode]["cpu_seconds"] for entry in counts])),
            "labels_as_exact": (None if None in agreements else float(np.mean(agreements))),
        }
    return result


def f1(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return F1 from hits, references and candidates on the last axis."""
    return 2 * counts[..., 0] / np.maximum(counts[..., 1] + counts[..., 2], 1)


def macro_f1(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean of F1 over objects, the axis before the last."""
    return f1(counts).mean(axis=-1)


if __name__ == "__main__":
    main()
