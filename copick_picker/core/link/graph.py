"""A learned score of links: a graph network over points and their possible links.

Points are nodes, possible links are edges. In each of three layers a point gathers what its edges
and their other ends say, weighted by attention and by distance, and an edge what its two points say
(the idea of MAGIK: Pineda et al. 2023, https://doi.org/10.1038/s42256-022-00595-0). Each side of a
point then chooses one of its links, or none, by a softmax. The score of a link is the sum of its
logarithmic odds against none at both of its ends, as the likelihood ratios of ``chains`` and
``motion`` are, and is solved and mended by the same code.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from copick_picker.core.link.chains import chain_features
from copick_picker.core.link.points import Edges, FloatArray, Joins, LinkPoints
from copick_picker.errors import CheckpointError, DataError

HIDDEN, N_LAYERS = 64, 3
N_FEATURES, N_JOIN_FEATURES = 14, 6
_MOST_AXES = 3
_KIND = "copick-picker link scorer 1"
_LEAST = 1e-9
_MOST_LENGTHS = 20.0
_SCORE_SCALE = 10.0


def edge_features(points: LinkPoints, tangents: FloatArray | None, edges: Edges) -> FloatArray:
    """Return what the network sees of each possible link, without a unit.

    Length over the usual distance of neighbours, its logarithm, the gap, the step along each axis
    (with an ordered axis only: filaments have no preferred one), angles to the tangents, the
    differences of amplitude and probability, the mean probability, and the length over its error.

    Parameters
    ----------
    points : LinkPoints
        The points.
    tangents : numpy.ndarray, shape (n, d), float64, or None
        Their tangents; None with an ordered axis.
    edges : Edges
        The possible links.

    Returns
    -------
    numpy.ndarray, shape (m, 14), float64
    """
    apart = points.positions[edges.second] - points.positions[edges.first]
    length = np.linalg.norm(apart, axis=1)
    scale = usual_length(edges, length, len(points))
    found = np.zeros((len(edges), N_FEATURES))
    found[:, 0] = np.minimum(length / scale, _MOST_LENGTHS)
    found[:, 1] = np.log(np.maximum(length / scale, _LEAST)).clip(-3.0, 3.0)
    found[:, 2] = edges.gaps - 1.0
    if tangents is None:
        d = min(apart.shape[1], _MOST_AXES)
        found[:, 3 : 3 + d] = (apart[:, :d] / scale).clip(-_MOST_LENGTHS, _MOST_LENGTHS)
    else:
        chain = chain_features(points, tangents, edges)
        found[:, 6:8] = np.sort(chain.angles, axis=1)
        found[:, 8], found[:, 9] = np.sqrt(chain.same), np.sqrt(chain.other)
    if points.amplitudes is not None:
        logs = np.log(np.maximum(points.amplitudes, _LEAST))
        found[:, 10] = np.abs(logs[edges.second] - logs[edges.first])
    if points.probabilities is not None:
        both = points.probabilities[np.stack([edges.first, edges.second])]
        found[:, 11], found[:, 12] = np.abs(both[1] - both[0]), both.mean(axis=0)
    if points.sigmas is not None:
        squares = (points.sigmas**2).mean(axis=1)
        error = np.sqrt(squares[edges.first] + squares[edges.second])
        found[:, 13] = np.log1p(length / np.maximum(error, _LEAST))
    return found


def usual_length(edges: Edges, length: FloatArray, n_points: int) -> float:
    """Return the median over points of the length of their shortest possible link.

    Parameters
    ----------
    edges : Edges
        The possible links.
    length : numpy.ndarray, shape (m,), float64
        Their lengths.
    n_points : int
        All points.
    """
    shortest = np.full(n_points, np.inf)
    for ends in (edges.first, edges.second):
        np.minimum.at(shortest, ends, length)
    known = shortest[np.isfinite(shortest)]
    return max(float(np.median(known)), _LEAST) if len(known) else 1.0


def _perceptron(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, n_out))


class _Layer(nn.Module):
    """One exchange between points and links."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.value = nn.Linear(2 * HIDDEN, HIDDEN)
        self.bias = nn.Linear(HIDDEN, 1)
        self.reach, self.power = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        self.of_points, self.of_edges = (
            _perceptron(3 * HIDDEN, HIDDEN),
            _perceptron(3 * HIDDEN, HIDDEN),
        )
        self.points_norm, self.edges_norm = nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)

    def forward(
        self, points: Tensor, edges: Tensor, graph: "Graph"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return points, links, and what each side of each point gathered."""
        match = (self.query(points)[graph.to] * self.key(points)[graph.source]).sum(dim=1)
        logit = match / HIDDEN**0.5 + self.bias(edges)[graph.edge, 0]
        near = torch.exp(-((graph.length / (4.0 * self.reach.exp())) ** (2.0 * self.power.exp())))
        weight = segment_softmax(logit, graph.side, graph.n_sides) * near[graph.edge]
        value = self.value(torch.cat([points[graph.source], edges[graph.edge]], dim=1))
        sides = value.new_zeros(graph.n_sides, HIDDEN)
        sides = sides.index_add(0, graph.side, weight[:, None] * value)
        first, second = sides[0::2], sides[1::2]
        gathered = torch.cat([points, first + second, (first - second).abs()], dim=1)
        points = self.points_norm(points + self.of_points(gathered))
        one, other = points[graph.first], points[graph.second]
        seen = torch.cat([one + other, (one - other).abs(), edges], dim=1)
        return points, self.edges_norm(edges + self.of_edges(seen)), sides


class Graph:
    """Possible links as index tensors: every link twice, seen from each of its ends."""

    def __init__(self, edges: Edges, length: FloatArray, n_points: int) -> None:
        first, second = (torch.from_numpy(np.asarray(end)) for end in (edges.first, edges.second))
        ports = [torch.from_numpy(np.asarray(p)) for p in (edges.first_ports, edges.second_ports)]
        number = torch.arange(len(edges))
        self.first, self.second = first, second
        self.to, self.source = torch.cat([first, second]), torch.cat([second, first])
        self.side = torch.cat([2 * first + ports[0], 2 * second + ports[1]])
        self.edge = torch.cat([number, number])
        self.length = torch.from_numpy(length / usual_length(edges, length, n_points)).float()
        self.n_points, self.n_sides = n_points, 2 * n_points

    def to_device(self, device: torch.device) -> "Graph":
        """Move the tensors to a device, and return the graph."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self


class GraphScorer(nn.Module):
    """The network: ``forward`` returns a logit of every link, and of none at every side."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("spread", torch.ones(N_FEATURES))
        self.begin_edges = _perceptron(N_FEATURES, HIDDEN)
        self.begin_points = nn.Linear(2, HIDDEN)
        self.layers = nn.ModuleList(_Layer() for _ in range(N_LAYERS))
        self.of_link, self.of_none = nn.Linear(HIDDEN, 1), _perceptron(2 * HIDDEN, 1)
        self.joins = _perceptron(N_JOIN_FEATURES, 1)

    def forward(self, features: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """Return logits of links (m,) and of none (2 n,): sides 2 i and 2 i + 1 of point i.

        Parameters
        ----------
        features : torch.Tensor, shape (m, 14), float32
            See ``edge_features``.
        graph : Graph
            The possible links.
        """
        edges = self.begin_edges((features - self.mean) / self.spread)
        counts = edges.new_zeros(graph.n_sides)
        counts = counts.index_add(0, graph.side, edges.new_ones(len(graph.side)))
        degree = counts.view(-1, 2)
        both = torch.stack([degree.sum(dim=1), (degree[:, 0] - degree[:, 1]).abs()], dim=1)
        points = self.begin_points(torch.log1p(both))
        sides = edges.new_zeros(graph.n_sides, HIDDEN)
        for layer in self.layers:
            points, edges, sides = layer(points, edges, graph)
        own = points.repeat_interleave(2, dim=0)
        return self.of_link(edges)[:, 0], self.of_none(torch.cat([own, sides], dim=1))[:, 0]

    def scores(self, points: LinkPoints, tangents: FloatArray | None, edges: Edges) -> FloatArray:
        """Return the score of each possible link: positive where it is better than none.

        Parameters
        ----------
        points : LinkPoints
            The points.
        tangents : numpy.ndarray, shape (n, d), float64, or None
            Their tangents; None with an ordered axis.
        edges : Edges
            The possible links.
        """
        if len(edges) == 0:
            return np.zeros(0)
        apart = points.positions[edges.second] - points.positions[edges.first]
        device = self.mean.device
        graph = Graph(edges, np.linalg.norm(apart, axis=1), len(points)).to_device(device)
        features = torch.from_numpy(edge_features(points, tangents, edges)).float().to(device)
        with torch.inference_mode():
            link, none = self(features, graph)
            half = len(edges)
            odds = 2.0 * link - none[graph.side[:half]] - none[graph.side[half:]]
        result: FloatArray = odds.double().cpu().numpy()
        return result

    def of_joins(self, joins: Joins) -> FloatArray:
        """Return the score of each possible join of fragments: positive where it is true.

        Parameters
        ----------
        joins : Joins
            Possible joins.
        """
        if len(joins.scores) == 0:
            return np.zeros(0)
        with torch.inference_mode():
            logit = self.joins(join_features(joins).to(self.mean.device))[:, 0]
        result: FloatArray = logit.double().cpu().numpy()
        return result

    def save(self, path: Path) -> None:
        """Write the network to a file.

        Parameters
        ----------
        path : pathlib.Path
            Where.
        """
        torch.save({"kind": _KIND, "state": self.state_dict()}, path)


def join_features(joins: Joins) -> Tensor:
    """Return what the network sees of possible joins: their features and likelihood ratio.

    Parameters
    ----------
    joins : Joins
        Possible joins.

    Returns
    -------
    torch.Tensor, shape (m, 6), float32
    """
    scores = np.tanh(joins.scores / _SCORE_SCALE)[:, None]
    limits = np.concatenate([joins.features.clip(-_MOST_LENGTHS, _MOST_LENGTHS), scores], axis=1)
    return torch.from_numpy(limits).float()


def load_scorer(path: Path) -> GraphScorer:
    """Return a network from a file.

    Parameters
    ----------
    path : pathlib.Path
        A file that ``GraphScorer.save`` wrote.

    Raises
    ------
    CheckpointError
        If there is none, or it is something else.
    """
    try:
        content: Any = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        why = "there is no such file" if not path.exists() else "it is damaged, or another file"
        msg = f"{path} contains no link scorer: {why}"
        raise CheckpointError(msg) from error
    if not isinstance(content, Mapping) or content.get("kind") != _KIND:
        msg = f"{path} contains no link scorer ({_KIND})"
        raise CheckpointError(msg)
    scorer = GraphScorer()
    scorer.load_state_dict(content["state"])
    return scorer.eval()


def segment_softmax(logit: Tensor, segment: Tensor, number: int) -> Tensor:
    """Return the softmax of values within each of some segments.

    Parameters
    ----------
    logit : torch.Tensor, shape (k,)
        Values.
    segment : torch.Tensor, shape (k,), int64
        Segment of each.
    number : int
        Segments.
    """
    highest = logit.new_full((number,), -torch.inf)
    highest = highest.scatter_reduce(0, segment, logit.detach(), "amax")
    weight = torch.exp(logit - highest[segment])
    total = weight.new_zeros(number).index_add(0, segment, weight)
    result: Tensor = weight / total[segment]
    return result


def none_loss(link: Tensor, none: Tensor, graph: Graph, is_true: Tensor) -> Tensor:
    """Return the mean cross-entropy of the choice of every side: a link, or none.

    Parameters
    ----------
    link, none : torch.Tensor, shapes (m,) and (2 n,)
        Logits of the network.
    graph : Graph
        The possible links.
    is_true : torch.Tensor, shape (m,), bool
        Which links are true; at most one at a side.

    Raises
    ------
    DataError
        If two true links share a side.
    """
    counts = link.new_zeros(graph.n_sides)
    counts = counts.index_add(0, graph.side, is_true[graph.edge].to(link.dtype))
    if counts.max() > 1:
        msg = "two true links share a side of a point"
        raise DataError(msg)
    logit = link[graph.edge]
    highest = none.detach().scatter_reduce(0, graph.side, logit.detach(), "amax")
    total = torch.exp(none - highest).index_add(
        0, graph.side, torch.exp(logit - highest[graph.side])
    )
    normal = highest + torch.log(total)
    chosen = torch.where(counts > 0, torch.zeros_like(none), none)
    chosen = chosen.index_add(0, graph.side, torch.where(is_true[graph.edge], logit, 0.0))
    used = torch.zeros_like(counts, dtype=torch.bool)
    used[graph.side] = True
    result: Tensor = (normal - chosen)[used].mean()
    return result
