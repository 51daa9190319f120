"""Linking of points to filaments: ours, greedy, and clusters within a radius.

Usage: python tests/benchmarks/linking.py [--scenes 3] [--steps 300] [--output docs]
       python tests/benchmarks/linking.py --points 100000
       python tests/benchmarks/linking.py --frames 100

Simulated filaments in four levels (link_scenes.py), three scenes each: precision and recall of
links, fragments per filament, merges a scene, filaments without a piece, and CPU-seconds; with the
points' tangents and without them, and by a learned score, which is trained first, for so many
steps, on six other scenes of each level. ``--output`` writes the table into linking.md.
``--points N`` instead links about N points once, ``--frames N`` 50 moving points in so many frames.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bench
import numpy as np
import torch
from link_scenes import LEVELS, SPACING, Scene, scene
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from copick_picker.core.evaluate.track_edges import edge_scores
from copick_picker.core.evaluate.track_fragments import fragment_scores
from copick_picker.core.evaluate.track_sets import TrackSet, match_points
from copick_picker.core.link.learning import KnownPoints, train_scorer
from copick_picker.core.link.linking import LinkRules, Scorer, link_points
from copick_picker.core.link.points import LinkPoints

RULES = LinkRules(
    gate=4.0 * SPACING,
    largest_gap=1,
    n_nearest=8,
    rounds=4,
    closed_gaps=(4.0 * SPACING, 8.0 * SPACING, 14.0 * SPACING),
    least_join=2.0,
    break_limit=4.0,
    solver="exact",
    least_length=3,
)
TRAINING_SEED, TRAINING_SCENES = 100, 6
MOVING, BOX_PIXELS, STEP_PIXELS = 50, 256.0, 1.5
BEGIN, END = "<!-- measured -->", "<!-- end -->"
Numbers = tuple[np.ndarray, np.ndarray]


def ours(
    of: Scene, *, tangents: bool = True, rules: LinkRules = RULES, scorer: Scorer | None = None
) -> Numbers:
    """Return track and rank of each point."""
    linked = link_points(
        LinkPoints(of.positions, tangents=of.tangents if tangents else None), rules, scorer
    )
    ranks = np.zeros(len(of.positions), dtype=np.int64)
    for track in linked.tracks:
        ranks[track.members] = np.arange(len(track.members))
    return linked.numbers(len(of.positions)), ranks


def clusters(of: Scene) -> Numbers:
    """Return connected components of points within 1.6 spacings, along their longest axis."""
    pairs = cKDTree(of.positions).query_pairs(1.6 * SPACING, output_type="ndarray")
    number = len(of.positions)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(number, number))
    _, part = connected_components(graph, directed=False)
    tracks, ranks = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
    for name in np.flatnonzero(np.bincount(part) >= RULES.least_length):
        own = np.flatnonzero(part == name)
        centred = of.positions[own] - of.positions[own].mean(axis=0)
        along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
        tracks[own], ranks[own] = name + 1, np.argsort(np.argsort(along))
    return tracks, ranks


def learned(steps: int) -> Callable[[Scene], Numbers]:
    """Train a score of links on other scenes; return linking by it."""
    began = time.process_time()
    scenes = [
        KnownPoints(LinkPoints(of.positions, tangents=of.tangents), of.filaments, of.ranks)
        for level in LEVELS.values()
        for of in (scene(level, TRAINING_SEED + number) for number in range(TRAINING_SCENES))
    ]
    scorer = train_scorer(scenes, RULES, steps=steps, seed=0)
    print(f"learned: {steps} steps in {time.process_time() - began:.0f} CPU-seconds", flush=True)
    return lambda of: ours(of, scorer=scorer)


METHODS: dict[str, Callable[[Scene], Numbers]] = {
    "ours": ours,
    "ours, tangents unknown": lambda of: ours(of, tangents=False),
    "greedy": lambda of: ours(of, rules=replace(RULES, solver="threshold", closed_gaps=())),
    "clusters": clusters,
}


def figures(of: Scene, method: Callable[[Scene], Numbers]) -> list[float]:
    began = time.process_time()
    tracks, ranks = method(of)
    seconds = time.process_time() - began
    true = TrackSet(of.positions, of.filaments, of.ranks, is_placed=False)
    found = TrackSet(of.positions, tracks, ranks, is_placed=False)
    match = match_points(true, found, tolerance=1.0)
    edges, pieces = edge_scores(match), fragment_scores(match)
    return [
        edges.precision or 0.0,
        edges.recall or 0.0,
        pieces.fragments or 0.0,
        pieces.merges,
        pieces.missed,
        seconds,
    ]


def in_time(n_frames: int) -> None:
    """Link points that move by chance, 10 % of them missing and 5 % false; print how well."""
    rng = np.random.default_rng(0)
    steps = rng.normal(0, STEP_PIXELS, (n_frames, MOVING, 2))
    places = np.cumsum(steps, axis=0) + rng.uniform(0, BOX_PIXELS, (1, MOVING, 2))
    frames, owners = np.indices(places.shape[:2])
    kept = rng.random(frames.shape) > 0.10
    positions, at, owner = places[kept], frames[kept], owners[kept] + 1
    n_false = len(positions) // 20
    positions = np.concatenate([positions, rng.uniform(0, BOX_PIXELS, (n_false, 2))])
    at = np.concatenate([at, rng.integers(0, n_frames, n_false)])
    owner = np.concatenate([owner, np.zeros(n_false, dtype=owner.dtype)])
    rules = replace(RULES, gate=5 * STEP_PIXELS, largest_gap=3, closed_gaps=(10.0,), least_length=2)
    began = time.process_time()
    linked = link_points(LinkPoints(positions, at), rules)
    seconds = time.process_time() - began
    true = TrackSet(positions, owner, at, is_placed=True)
    found = TrackSet(positions, linked.numbers(len(positions)), at, is_placed=True)
    match = match_points(true, found, tolerance=0.01)
    edges, pieces = edge_scores(match), fragment_scores(match)
    print(
        f"{len(positions)} detections in {n_frames} frames: {seconds:.2f} CPU-seconds, precision "
        f"{edges.precision:.3f}, recall {edges.recall:.3f}, {pieces.fragments:.2f} fragments"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--points", type=int)
    parser.add_argument("--frames", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.frames is not None:
        in_time(options.frames)
        return
    if options.points is not None:
        copies = []
        while sum(len(each.positions) for each in copies) < options.points:
            copies.append(scene(LEVELS["medium"], len(copies)))
        apart = [np.array([7000.0, 0.0, 0.0]) * number for number in range(len(copies))]
        positions = np.concatenate([c.positions + a for c, a in zip(copies, apart, strict=True)])
        tangents = np.concatenate([each.tangents for each in copies])
        began = time.process_time()
        tracks = link_points(LinkPoints(positions, tangents=tangents), RULES).tracks
        seconds = time.process_time() - began
        print(f"{len(positions)} points, {len(tracks)} filaments: {seconds:.1f} CPU-seconds")
        return
    methods = dict(METHODS)
    if options.steps:
        methods["ours, learned score"] = learned(options.steps)
    lines = ["| scene | method | precision | recall | fragments | merges | missed | CPU s |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))
    for name, level in LEVELS.items():
        scenes = [scene(level, seed) for seed in range(options.scenes)]
        for method, function in methods.items():
            values = np.mean([figures(of, function) for of in scenes], axis=0)
            cells = [f"{value:.3f}" for value in values[:2]] + [f"{v:.2f}" for v in values[2:]]
            lines.append(f"| {name} | {method} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if options.output is not None:
        page = options.output / "linking.md"
        text = page.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        commit = bench.git("rev-parse", "--short", "HEAD")
        table = "\n".join(lines)
        measured = f"Measured at commit {commit}, {bench.processor()}, one thread.\n\n{table}"
        page.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
