"""Points to tracks: candidates, scores, an exact solution, and a second pass over gaps.

With an ordered axis links lead along it, and are scored by motion; without one they lead along
tangents, and are scored by distance and angle. Everything else is one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from copick_picker.core.link import chains, motion
from copick_picker.core.link.candidates import candidate_edges, passes_none
from copick_picker.core.link.closing import (
    Straightness,
    broken_tracks,
    joined_tracks,
    learned_straightness,
)
from copick_picker.core.link.points import Edges, FloatArray, Joins, LinkPoints
from copick_picker.core.link.solve import best_matching
from copick_picker.core.link.tangents import refined_tangents, tangents_from_neighbours
from copick_picker.core.link.tracklets import joined_tracklets
from copick_picker.core.link.tracks import Track, tracks_of, turned_round
from copick_picker.errors import SettingsError, choices_text

SOLVERS = ("exact", "threshold")
"""``exact``: the links of highest total score; ``threshold``: every link of a positive score, the
best of each side first."""
_WIDTH = 0.5
_N_EACH_SIDE = 3
_BESIDE = 4.0


@dataclass(frozen=True)
class LinkRules:
    """How points are linked.

    Attributes
    ----------
    gate : float
        Greatest distance of two points that are linked directly; over a gap of g places it is
        ``gate * sqrt(g)``.
    largest_gap : int
        Greatest difference of places of a direct link.
    n_nearest : int
        Most partners of a point that are looked at, for each gap or on each side.
    rounds : int
        Times that the parameters are estimated anew.
    closed_gaps : tuple of float
        Gaps that the second pass closes, growing: distances, or numbers of places.
    least_join : float
        Lowest score of a join of the second pass.
    break_limit : float
        A link is cut where its two sides bend so many times as much as is usual; along tangents.
    solver : str
        Name in :data:`SOLVERS`.
    least_length : int
        Points of the shortest track that is kept.
    least_link : float
        Lowest score of a direct link along an ordered axis, a logarithm of odds.
    join_reach : float or None
        Greatest distance of the ends that the second pass joins along an ordered axis; None: as far
        as the motion allows.
    """

    gate: float
    largest_gap: int
    n_nearest: int
    rounds: int
    closed_gaps: tuple[float, ...]
    least_join: float
    break_limit: float
    solver: str
    least_length: int
    least_link: float = 0.0
    join_reach: float | None = None


@dataclass(frozen=True, eq=False)
class Linked:
    """Tracks, and what was learned of the points.

    Attributes
    ----------
    tracks : list of Track
        Tracks of at least the least length, the longest first.
    tangents : numpy.ndarray, shape (n, d), float64, or None
        Tangents of all points, those in a track from their neighbours along it. They keep the side
        that they pointed to: forward along the track, but where ``Track.turned`` says backward.
        None where links are along an ordered axis.
    model : dict
        Estimated parameters, for records and messages.
    was_bounded : bool
        Whether the gate held more partners than were looked at.
    """

    tracks: list[Track]
    tangents: FloatArray | None
    model: Mapping[str, Any]
    was_bounded: bool

    def numbers(self, n_points: int) -> npt.NDArray[np.int64]:
        """Return the number of the track of every point, from 1; 0: none."""
        result = np.zeros(n_points, dtype=np.int64)
        for number, track in enumerate(self.tracks, start=1):
            result[track.members] = number
        return result


class Scorer(Protocol):
    """Scores links and joins in place of likelihood ratios: see ``graph``."""

    def scores(self, points: LinkPoints, tangents: FloatArray | None, edges: Edges) -> FloatArray:
        """Return the score of each possible link; positive where it is better than none.

        Tangents are None with an ordered axis.
        """
        ...

    def of_joins(self, joins: Joins) -> FloatArray:
        """Return the score of each possible join of fragments."""
        ...


def link_points(points: LinkPoints, rules: LinkRules, scorer: Scorer | None = None) -> Linked:
    """Return the tracks of points.

    Parameters
    ----------
    points : LinkPoints
        The points. Without an ordered axis tangents are used where they are given, else found from
        neighbours.
    rules : LinkRules
        How they are linked.
    scorer : Scorer, optional
        A learned one, in place of likelihood ratios.

    Raises
    ------
    SettingsError
        If there is no such solver.

    Examples
    --------
    >>> rules = LinkRules(30.0, 1, 6, 2, (60.0,), 2.0, 4.0, "exact", 3)
    >>> line = np.stack([np.arange(20) * 10.0, np.zeros(20), np.zeros(20)], axis=1)
    >>> len(link_points(LinkPoints(line), rules).tracks[0].members)
    20
    """
    if rules.solver not in SOLVERS:
        msg = f"no solver '{rules.solver}'; known: {choices_text(SOLVERS)}"
        raise SettingsError(msg)
    if len(points) < 2:
        return Linked([], points.tangents, {}, was_bounded=False)
    along = _along if points.places is None else _along_the_axis
    found = along(points, rules, scorer)
    return _kept(found, rules)


def _along_the_axis(points: LinkPoints, rules: LinkRules, scorer: Scorer | None) -> Linked:
    edges, was_bounded = candidate_edges(
        points, gate=rules.gate, largest_gap=rules.largest_gap, n_nearest=rules.n_nearest
    )
    model = motion.first_motion(points, edges)
    if model is None:
        model = motion.scarce_motion(points, gate=rules.gate)
    chosen, scores = np.zeros(len(edges), dtype=bool), np.zeros(len(edges))
    learned = None if scorer is None else scorer.scores(points, None, edges)
    for _ in range(rules.rounds):
        scores = motion.motion_scores(points, edges, model) if learned is None else learned
        scores = scores - rules.least_link
        chosen = _solved(edges, scores, len(points), rules.solver)
        model = motion.fitted_motion(points, edges, chosen, model)
    found = tracks_of(edges.chosen(chosen), scores[chosen], len(points))
    tracks = [turned_round(track) if track.turned[0] else track for track in found]
    for gap in rules.closed_gaps:
        tracks = joined_tracklets(
            points,
            tracks,
            largest_gap=int(gap),
            least_score=rules.least_join,
            reach=rules.join_reach,
            scorer=None if scorer is None else scorer.of_joins,
        )
    return Linked(tracks, None, asdict(model), was_bounded)


def _along(points: LinkPoints, rules: LinkRules, scorer: Scorer | None) -> Linked:
    tangents = points.tangents
    if tangents is None:
        tangents = tangents_from_neighbours(
            points.positions,
            reach=rules.gate,
            width=_WIDTH * chains.nearest_spacing(points),
            n_nearest=2 * rules.n_nearest,
        )
    given = replace(points, tangents=tangents)
    edges, was_bounded = candidate_edges(
        given, gate=rules.gate, largest_gap=1, n_nearest=rules.n_nearest
    )
    features = chains.chain_features(given, tangents, edges)
    model = chains.first_model(given, edges, features)
    if model is None:
        model = chains.scarce_model(given)
    free = passes_none(
        points.positions,
        edges,
        width=_BESIDE * max(model.axial_sigma, model.across_sigma),
        n_nearest=2 * rules.n_nearest,
    )
    edges = edges if scorer is not None else edges.chosen(free)
    features = chains.chain_features(given, tangents, edges)
    n_axes = points.positions.shape[1]
    learned = None if scorer is None else scorer.scores(given, tangents, edges)
    chosen, scores = np.zeros(len(edges), dtype=bool), np.zeros(len(edges))
    for _ in range(rules.rounds):
        scores = chains.chain_scores(features, model, n_axes) if learned is None else learned
        chosen = _solved(edges, scores, len(points), rules.solver)
        model = chains.fitted_model(model, features, chosen, len(points), n_axes=n_axes)
    tracks = tracks_of(edges.chosen(chosen), scores[chosen], len(points))
    tracks, straightness = _mended(
        points, tracks, rules, (model.spacing, model.across_sigma**2 / 2.0), scorer
    )
    smooth = refined_tangents(points.positions, tangents, tracks, n_each_side=_N_EACH_SIDE)
    facts = asdict(model) | {"straightness": asdict(straightness)}
    return Linked(tracks, smooth, facts, was_bounded)


def _mended(
    points: LinkPoints,
    tracks: list[Track],
    rules: LinkRules,
    known: tuple[float, float],
    scorer: Scorer | None,
) -> tuple[list[Track], Straightness]:
    """Return tracks that were cut where they bend, and joined over growing gaps."""
    spacing, scatter = known

    def learned() -> Straightness:
        return learned_straightness(points.positions, tracks, spacing=spacing, scatter=scatter)

    tracks = broken_tracks(points.positions, tracks, learned(), limit=rules.break_limit)
    straightness = learned()
    for gap in rules.closed_gaps:
        tracks = joined_tracks(
            points.positions,
            tracks,
            straightness,
            largest_gap=gap,
            least_score=rules.least_join,
            scorer=None if scorer is None else scorer.of_joins,
        )
    return tracks, straightness


def mend_tracks(
    points: LinkPoints, tracks: list[Track], rules: LinkRules, *, spacing: float, scatter: float
) -> Linked:
    """Return the tracks that given ones make: cut where they bend, joined over gaps.

    Parameters
    ----------
    points : LinkPoints
        The points, without an ordered axis.
    tracks : list of Track
        Tracks so far.
    rules : LinkRules
        How they are joined.
    spacing : float
        Distance of neighbours along them.
    scatter : float
        Variance of a point about its track, along an axis; used if the tracks cannot tell.
    """
    mended, straightness = _mended(points, tracks, rules, (spacing, scatter), None)
    model = {"spacing": spacing, "straightness": asdict(straightness)}
    return _kept(Linked(mended, None, model, was_bounded=False), rules)


def _kept(found: Linked, rules: LinkRules) -> Linked:
    """Return the tracks that are long enough, the longest first."""
    kept = [track for track in found.tracks if len(track.members) >= rules.least_length]
    kept.sort(key=lambda track: (-len(track.members), int(track.members[0])))
    return replace(found, tracks=kept)


def _solved(edges: Edges, scores: FloatArray, n_points: int, solver: str) -> npt.NDArray[np.bool_]:
    """Return which links to choose; each side of a point in one at most."""
    ends = np.stack(
        [2 * edges.first + edges.first_ports, 2 * edges.second + edges.second_ports], axis=1
    )
    if solver == "exact":
        return best_matching(ends, scores, 2 * n_points)
    chosen = np.zeros(len(edges), dtype=bool)
    taken = np.zeros(2 * n_points, dtype=bool)
    for link in np.argsort(-scores, kind="stable").tolist():
        if scores[link] > 0 and not taken[ends[link]].any():
            chosen[link] = True
            taken[ends[link]] = True
    return chosen
