"""Training the learned score of links on points whose tracks are known."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.link.candidates import candidate_edges
from copick_picker.core.link.closing import LEAST_PIECE, Straightness, possible_joins
from copick_picker.core.link.graph import (
    Graph,
    GraphScorer,
    edge_features,
    join_features,
    none_loss,
)
from copick_picker.core.link.linking import LinkRules, link_points
from copick_picker.core.link.points import Edges, FloatArray, IndexArray, Joins, LinkPoints
from copick_picker.core.link.tangents import tangents_from_neighbours
from copick_picker.core.link.tracklets import possible_tracklet_joins
from copick_picker.core.link.tracks import Track
from copick_picker.errors import DataError

_RATE = 2e-3
_WARMING = 0.05
_GREATEST_NORM = 1.0
_JOIN_STEPS = 400
_LOOKED_AT = 4


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
    tell: Callable[[int, float], bool] | None = None,
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
        Receives the step and its loss; where it returns true, training ends.

    Raises
    ------
    DataError
        If no scene has a possible link, or all links of all scenes got one answer.
    """
    known = list(scenes)
    examples = [_example(scene, rules) for scene in known]
    examples = [example for example in examples if len(example.features)]
    if not examples:
        msg = f"none of the {len(known)} scenes has two points within the gate of {rules.gate:g}"
        raise DataError(msg)
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
            if tell is not None and tell(step, float(loss.detach())):
                break
        scorer.eval()
        _refuse_one_answer(known, rules, scorer)
        _train_joins(scorer, [_joins_of(scene, rules, scorer) for scene in known])
    return scorer


def _refuse_one_answer(
    scenes: Sequence[KnownPoints], rules: LinkRules, scorer: GraphScorer
) -> None:
    """Raise where a network has learned nothing: it says yes, or no, to every possible link."""
    n_links, n_yes, n_true = 0, 0, 0
    for scene in scenes[:_LOOKED_AT]:
        given = scene.points
        edges, _ = candidate_edges(
            given, gate=rules.gate, largest_gap=rules.largest_gap, n_nearest=rules.n_nearest
        )
        if given.places is None or not len(edges):
            return
        apart = given.positions[edges.second] - given.positions[edges.first]
        n_links += len(edges)
        n_yes += int((scorer.scores(given, None, edges) > 0).sum())
        n_true += int(_true_links(scene, given, edges, apart).sum())
    if n_links and n_yes in (0, n_links) and 0 < n_true < n_links:
        answer = "no link" if n_yes == 0 else "a link"
        msg = (
            f"the linker answers '{answer}' for all {n_links:,} possible links, of which "
            f"{n_true:,} are true: it learned nothing; train for more steps or with a "
            "smaller gate"
        )
        raise DataError(msg)


def _train_joins(
    scorer: GraphScorer, examples: Sequence[tuple[torch.Tensor, torch.Tensor]]
) -> None:
    """Train the score of joins on all of them at once."""
    features = torch.cat([each for each, _ in examples])
    is_true = torch.cat([each for _, each in examples])
    if len(features) == 0:
        return
    optimizer = torch.optim.AdamW(scorer.joins.parameters(), lr=_RATE)
    for _ in range(_JOIN_STEPS):
        logit = scorer.joins(features)[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, is_true)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _joins_of(
    scene: KnownPoints, rules: LinkRules, scorer: GraphScorer
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the joins of the fragments of a scene, and which of them are true."""
    points, places = scene.points, scene.points.places
    first = replace(rules, closed_gaps=(), least_length=1)
    linked = link_points(points, first, scorer)
    largest = max(rules.closed_gaps, default=rules.gate)
    if places is not None:
        tracks = linked.tracks
        joins = possible_tracklet_joins(points, places, tracks, largest_gap=int(largest))
    else:
        tracks = [track for track in linked.tracks if len(track.members) >= LEAST_PIECE]
        straightness = Straightness(**linked.model["straightness"])
        joins = possible_joins(points.positions, tracks, straightness, largest_gap=largest)
    return join_features(joins), torch.from_numpy(_true_joins(scene, tracks, joins)).float()


def _true_joins(scene: KnownPoints, tracks: Sequence[Track], joins: Joins) -> npt.NDArray[np.bool_]:
    """Return which joins are of fragments that follow each other on one true track."""
    owners = np.zeros(len(tracks), dtype=np.int64)
    spans = np.zeros((len(tracks), 2))
    for number, track in enumerate(tracks):
        names, counts = np.unique(scene.tracks[track.members], return_counts=True)
        owners[number] = names[counts.argmax()]
        own = scene.ranks[track.members[scene.tracks[track.members] == owners[number]]]
        spans[number] = own.min(), own.max()
    following = set()
    for name in np.unique(owners[owners > 0]).tolist():
        own = np.flatnonzero(owners == name)
        own = own[np.argsort(spans[own].mean(axis=1))]
        following |= {frozenset(pair) for pair in pairwise(own.tolist())}
    good = []
    for one, other in joins.ends.tolist():
        first, second = one // 2, other // 2
        good.append(
            frozenset((first, second)) in following
            and _faces(scene, tracks, spans, one, second)
            and _faces(scene, tracks, spans, other, first)
        )
    return np.array(good, dtype=bool)


def _faces(
    scene: KnownPoints, tracks: Sequence[Track], spans: FloatArray, end: int, other: int
) -> bool:
    """Return whether an end of a fragment lies towards another fragment of its true track."""
    members = tracks[end // 2].members
    own = scene.ranks[members[-1 if end % 2 else 0]]
    far = scene.ranks[members[0 if end % 2 else -1]]
    towards = spans[other].mean() - spans[end // 2].mean()
    return bool((own - far) * towards >= 0)


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
