"""Linking of points to filaments: ours, greedy, and clusters within a radius.

Usage: python tests/benchmarks/linking.py [--scenes 3] [--points 100000]

Simulated filaments in four levels (link_scenes.py), three scenes each. Prints precision and recall
of links, fragments per filament, merges a scene, filaments without a piece, and CPU-seconds; with
the points' tangents and without them. ``--points N`` instead links about N points once.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from link_scenes import LEVELS, SPACING, Scene, scene
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from copick_picker.core.evaluate.track_edges import edge_scores
from copick_picker.core.evaluate.track_fragments import fragment_scores
from copick_picker.core.evaluate.track_sets import TrackSet, match_points
from copick_picker.core.link.linking import LinkRules, link_points
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
Numbers = tuple[np.ndarray, np.ndarray]


def ours(of: Scene, *, tangents: bool = True, rules: LinkRules = RULES) -> Numbers:
    """Return track and rank of each point."""
    linked = link_points(
        LinkPoints(of.positions, tangents=of.tangents if tangents else None), rules
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--points", type=int)
    options = parser.parse_args()
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
    print("| scene | method | precision | recall | fragments | merges | missed | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, level in LEVELS.items():
        scenes = [scene(level, seed) for seed in range(options.scenes)]
        for method, function in METHODS.items():
            values = np.mean([figures(of, function) for of in scenes], axis=0)
            cells = [f"{value:.3f}" for value in values[:2]] + [f"{v:.2f}" for v in values[2:]]
            print(f"| {name} | {method} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
