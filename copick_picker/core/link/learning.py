"""Training the learned score of links on points whose tracks are known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.link.candidates import candidate_edges
from copick_picker.core.link.graph import Graph, GraphScorer, edge_features, none_loss
from copick_picker.core.link.linking import LinkRules
from copick_picker.core.link.points import Edges, FloatArray, IndexArray, LinkPoints
from copick_picker.core.link.tangents import tangents_from_neighbours

_RATE = 2e-3
_WARMING = 0.05
_GREATEST_NORM = 1.0


@dataclass(frozen=True, eq=False)
class KnownPoints:
    """Points whose tracks are known.

    Attributes
    ----------
    points : LinkPoints
        The points.
    tracks : numpy.ndarray, shape (n,), int64
        Track of each from 1; 0: none.
    ranks : numpy.ndarray, shape (n,), int64
        Order along the track.
    """

    points: LinkPoints
    tracks: IndexArray
    ranks: IndexArray


@dataclass(frozen=True, eq=False)
class _Example:
    graph: Graph
    features: torch.Tensor
    is_true: torch.Tensor


def train_scorer(
    scenes: Iterable[KnownPoints],
    rules: LinkRules,
    *,
    steps: int,
    seed: int,
    tell: Callable[[int, float], None] | None = None,
) -> GraphScorer:
    """Return a network that was trained on scenes, one of them in each step.

    Parameters
    ----------
    scenes : iterable of KnownPoints
        Scenes; they are gone through again and again.
    rules : LinkRules
        Gate, gaps and number of candidates.
    steps : int
        Steps of training.
    seed : int
        Seed of the weights and of the order.
    tell : callable, optional
        Receives the step and its loss.

    Raises
    ------
    DataError
        If a scene has two points of a track at one place.
    """
    examples = [_example(scene, rules) for scene in scenes]
    examples = [example for example in examples if len(example.features)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        scorer = GraphScorer()
        everything = torch.cat([example.features for example in examples])
        scorer.mean.copy_(everything.mean(dim=0))
        scorer.spread.copy_(everything.std(dim=0).clamp_min(1e-3))
        optimizer = torch.optim.AdamW(scorer.parameters(), lr=_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, _RATE, total_steps=max(steps, 2), pct_start=_WARMING
        )
        order = np.random.default_rng(seed)
        for step in range(steps):
            example = examples[int(order.integers(len(examples)))]
            link, none = scorer(example.features, example.graph)
            loss = none_loss(link, none, example.graph, example.is_true)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(scorer.parameters(), _GREATEST_NORM)
            optimizer.step()
            schedule.step()
            if tell is not None:
                tell(step, float(loss))
    return scorer.eval()


def _example(scene: KnownPoints, rules: LinkRules) -> _Example:
    points, tangents = scene.points, scene.points.tangents
    if points.places is None and tangents is None:
        tangents = tangents_from_neighbours(
            points.positions,
            reach=rules.gate,
            width=rules.gate / 8.0,
            n_nearest=2 * rules.n_nearest,
        )
    given = LinkPoints(
        points.positions,
        points.places,
        tangents,
        points.probabilities,
        points.amplitudes,
        points.sigmas,
    )
    edges, _ = candidate_edges(
        given, gate=rules.gate, largest_gap=rules.largest_gap, n_nearest=rules.n_nearest
    )
    used = None if points.places is not None else tangents
    apart = points.positions[edges.second] - points.positions[edges.first]
    return _Example(
        Graph(edges, np.linalg.norm(apart, axis=1), len(points)),
        torch.from_numpy(edge_features(given, used, edges)).float(),
        torch.from_numpy(_true_links(scene, given, edges, apart)),
    )


def _true_links(
    scene: KnownPoints, given: LinkPoints, edges: Edges, apart: FloatArray
) -> npt.NDArray[np.bool_]:
    """Return which links join points that follow each other; of two at one side the shorter."""
    order = np.lexsort((scene.ranks, scene.tracks))
    order = order[scene.tracks[order] > 0]
    same = scene.tracks[order[1:]] == scene.tracks[order[:-1]]
    number = len(given)
    pairs = np.stack([order[:-1][same], order[1:][same]], axis=1)
    true = np.isin(
        np.minimum(edges.first, edges.second) * number + np.maximum(edges.first, edges.second),
        pairs.min(axis=1) * number + pairs.max(axis=1),
    )
    taken = np.zeros((number, 2), dtype=bool)
    length = np.linalg.norm(apart, axis=1)
    for link in np.flatnonzero(true)[np.argsort(length[true], kind="stable")].tolist():
        first = (int(edges.first[link]), int(edges.first_ports[link]))
        second = (int(edges.second[link]), int(edges.second_ports[link]))
        if taken[first] or taken[second]:
            true[link] = False
        taken[first] = taken[second] = True
    return true
