"""One linker for points in space and for points in time.

Usage: python examples/link_points.py

Links points (z, y, x) along filaments, and points (t, y, x) that move, with the same functions;
what tells them apart is whether the points have places along an ordered axis. Prints how many
tracks were found, and how many of the true links.
"""

import numpy as np

from copick_picker.core.evaluate.track_edges import edge_scores
from copick_picker.core.evaluate.track_fragments import fragment_scores
from copick_picker.core.evaluate.track_sets import TrackSet, match_points
from copick_picker.core.link.linking import Linked, LinkRules, link_points
from copick_picker.core.link.points import LinkPoints


def in_space(rng: np.random.Generator) -> tuple[LinkPoints, np.ndarray, np.ndarray]:
    """Return points on straight filaments, 50 A apart; the filament and the order of each."""
    starts = rng.uniform(0, 2000, (8, 1, 3))
    ways = rng.normal(size=(8, 1, 3))
    ways /= np.linalg.norm(ways, axis=2, keepdims=True)
    steps = np.arange(40)
    points = starts + 50.0 * steps[None, :, None] * ways + rng.normal(0, 6.0, (8, 40, 3))
    owners, ranks = np.indices((8, 40))
    seen = rng.random((8, 40)) > 0.15
    order = rng.permutation(int(seen.sum()))
    return LinkPoints(points[seen][order]), owners[seen][order] + 1, ranks[seen][order]


def in_time(rng: np.random.Generator) -> tuple[LinkPoints, np.ndarray, np.ndarray]:
    """Return points that diffuse, a place in each frame; the track and the frame of each."""
    steps = rng.normal(0, 1.2, (60, 20, 2))
    points = rng.uniform(0, 128, (1, 20, 2)) + np.cumsum(steps, axis=0)
    frames, owners = np.indices((60, 20))
    seen = rng.random((60, 20)) > 0.15
    return LinkPoints(points[seen], places=frames[seen]), owners[seen] + 1, frames[seen]


def told(
    what: str, points: LinkPoints, owners: np.ndarray, ranks: np.ndarray, found: Linked
) -> str:
    """Return how many tracks there are, and how many links are right."""
    is_placed = points.places is not None
    order = np.zeros(len(points), dtype=np.int64)
    for track in found.tracks:
        order[track.members] = np.arange(len(track.members))
    true = TrackSet(points.positions, owners, ranks, is_placed=is_placed)
    tracks = found.numbers(len(points))
    ours = TrackSet(points.positions, tracks, ranks if is_placed else order, is_placed=is_placed)
    match = match_points(true, ours, tolerance=1e-6)
    edges, pieces = edge_scores(match), fragment_scores(match)
    return (
        f"{what}: {len(found.tracks)} tracks of {len(set(owners.tolist()))}, links: precision "
        f"{edges.precision:.3f}, recall {edges.recall:.3f}, fragments {pieces.fragments:.2f}"
    )


def main() -> None:
    rng = np.random.default_rng(0)
    common = {"n_nearest": 8, "rounds": 4, "least_join": 2.0, "break_limit": 4.0, "solver": "exact"}
    filaments = LinkRules(
        gate=200.0, largest_gap=1, closed_gaps=(200.0, 400.0), least_length=3, **common
    )
    movie = LinkRules(gate=6.0, largest_gap=3, closed_gaps=(10.0,), least_length=2, **common)
    for what, made, rules in (
        ("filaments (z, y, x)", in_space(rng), filaments),
        ("a movie (t, y, x)", in_time(rng), movie),
    ):
        points, owners, ranks = made
        print(told(what, points, owners, ranks, link_points(points, rules)))


if __name__ == "__main__":
    main()
