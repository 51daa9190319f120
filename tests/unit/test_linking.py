"""Linking: an exact solution, whatever the points stand for."""

import itertools

import numpy as np
import pytest

from copick_picker.core.link.candidates import candidate_edges, passes_none
from copick_picker.core.link.linking import LinkRules, link_points
from copick_picker.core.link.points import Edges, LinkPoints
from copick_picker.core.link.solve import best_matching
from copick_picker.core.link.splines import even_places, learned_stiffness, smooth_curve
from copick_picker.core.link.tangents import tangents_from_neighbours
from copick_picker.core.link.tracks import tracks_of
from copick_picker.core.simulate.filaments import worm_like_chain
from copick_picker.errors import DataError, SettingsError

SPACE = LinkRules(200.0, 1, 8, 4, (200.0, 400.0), 2.0, 4.0, "exact", 3)
TIME = LinkRules(12.0, 3, 8, 4, (10.0, 30.0), 2.0, 4.0, "exact", 2)


def filaments(seed, *, n=12, spacing=50.0, jitter=8.0, missing=0.15, tilt=10.0):
    """Return positions, tangents of either sign, filament and order of points, shuffled."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(1, n + 1):
        start = rng.uniform(0, 1, 3) * (1500.0, 4000.0, 3000.0)
        chain = worm_like_chain(start, rng.normal(size=3), 40, spacing, 1e5, rng)
        kept = np.flatnonzero(rng.random(41) > missing)
        points = chain.points_zyx[kept] + jitter * rng.normal(size=(len(kept), 3))
        tangents = chain.tangents[kept] + np.radians(tilt) * rng.normal(size=(len(kept), 3))
        tangents *= rng.choice([-1.0, 1.0], (len(kept), 1))
        tangents /= np.linalg.norm(tangents, axis=1)[:, None]
        parts.append((points, tangents, np.full(len(kept), number), kept))
    joined = [np.concatenate(each) for each in zip(*parts, strict=True)]
    order = rng.permutation(len(joined[0]))
    return [each[order] for each in joined]


def right_links(tracks, owner, rank):
    """Return shares of links that are right, and of true links that were made."""
    true = set()
    for number in np.unique(owner[owner > 0]):
        own = np.flatnonzero(owner == number)
        own = own[np.argsort(rank[own])]
        true |= {frozenset(pair) for pair in itertools.pairwise(own.tolist())}
    made = {
        frozenset(pair) for track in tracks for pair in itertools.pairwise(track.members.tolist())
    }
    return len(made & true) / len(made), len(made & true) / len(true)


def brute_force(ends, scores):
    best = 0.0
    for number in range(1, len(ends) + 1):
        for links in itertools.combinations(range(len(ends)), number):
            used = ends[list(links)].ravel()
            if len(set(used.tolist())) == len(used):
                best = max(best, scores[list(links)].sum())
    return best


@pytest.mark.parametrize("seed", range(12))
def test_no_choice_of_links_scores_higher(seed):
    rng = np.random.default_rng(seed)
    ends = np.array([rng.choice(7, 2, replace=False) for _ in range(9)])
    scores = rng.normal(0.5, 1.0, 9)
    chosen = best_matching(ends, scores, 7)
    used = ends[chosen].ravel()
    assert len(set(used.tolist())) == len(used)
    assert (scores[chosen] > 0).all()
    assert scores[chosen].sum() == pytest.approx(brute_force(ends, scores))


def test_an_odd_circle_is_solved_as_well():
    ends = np.array([[0, 1], [1, 2], [2, 0], [2, 3]])
    assert best_matching(ends, np.array([3.0, 3.0, 3.0, 2.0]), 4).tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_no_link_and_only_bad_links_give_none():
    assert best_matching(np.zeros((0, 2), int), np.zeros(0), 3).tolist() == []
    assert best_matching(np.array([[0, 1]]), np.array([-1.0]), 3).tolist() == [False]


def test_a_circle_is_opened_at_its_weakest_link():
    first, second = np.array([0, 1, 2]), np.array([1, 2, 0])
    edges = Edges(first, second, np.ones(3, int), np.zeros(3, int), np.ones(3, int))
    (track,) = tracks_of(edges, np.array([2.0, 1.0, 3.0]), 3)
    assert track.members.tolist() in ([2, 0, 1], [1, 0, 2])


@pytest.mark.parametrize("with_tangents", [True, False])
def test_filaments_are_followed(with_tangents):
    positions, tangents, owner, rank = filaments(3)
    points = LinkPoints(positions, tangents=tangents if with_tangents else None)
    linked = link_points(points, SPACE)
    precision, recall = right_links(linked.tracks, owner, rank)
    assert precision > 0.97
    assert recall > (0.96 if with_tangents else 0.9)
    assert abs(linked.model["spacing"] / 50.0 - 1.0) < 0.1
    for track in linked.tracks:  # in order along the filament, tangents forward
        steps = np.diff(positions[track.members], axis=0)
        forward = linked.tangents[track.members][:-1] * np.where(track.turned[:-1], -1, 1)[:, None]
        assert ((steps * forward).sum(axis=1) > 0).mean() > 0.98


def test_units_and_axes_change_nothing():
    positions, tangents, _, _ = filaments(5, n=6)
    known = link_points(LinkPoints(positions, tangents=tangents), SPACE)
    small = LinkRules(20.0, 1, 8, 4, (20.0, 40.0), 2.0, 4.0, "exact", 3)
    turned = LinkPoints(positions[:, [2, 0, 1]] / 10.0, tangents=tangents[:, [2, 0, 1]])
    again = link_points(turned, small)
    numbers = [each.numbers(len(positions)) for each in (known, again)]
    assert np.array_equal(*numbers)


def movie(seed, *, n=25, frames=60, missing=0.1):
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(1, n + 1):
        steps = rng.normal(size=(frames, 2)) * rng.choice([0.3, 1.5])
        places = np.flatnonzero(rng.random(frames) > missing)
        path = rng.uniform(0, 200, 2) + np.cumsum(steps, axis=0)
        parts.append((path[places], places, np.full(len(places), number)))
    joined = [np.concatenate(each) for each in zip(*parts, strict=True)]
    order = rng.permutation(len(joined[0]))
    return [each[order] for each in joined]


def test_moving_points_are_followed_by_the_same_code():
    positions, places, owner = movie(1)
    linked = link_points(LinkPoints(positions, places), TIME)
    precision, recall = right_links(linked.tracks, owner, places)
    assert precision > 0.98
    assert recall > 0.98
    for track in linked.tracks:
        assert (np.diff(places[track.members]) > 0).all()


def test_a_greedy_choice_is_not_better():
    positions, places, owner = movie(4, n=60)
    found = {
        solver: right_links(
            link_points(
                LinkPoints(positions, places), LinkRules(12.0, 3, 8, 4, (), 2.0, 4.0, solver, 2)
            ).tracks,
            owner,
            places,
        )
        for solver in ("exact", "threshold")
    }
    assert sum(found["exact"]) >= sum(found["threshold"])


def test_a_gap_is_closed_by_a_straight_way_on():
    line = np.stack([np.arange(30) * 50.0, np.zeros(30), np.zeros(30)], axis=1)
    line = line[(np.arange(30) < 12) | (np.arange(30) > 17)]
    near = LinkRules(120.0, 1, 8, 3, (), 2.0, 4.0, "exact", 3)
    far = LinkRules(120.0, 1, 8, 3, (200.0, 400.0), 2.0, 4.0, "exact", 3)
    assert len(link_points(LinkPoints(line), near).tracks) == 2
    (track,) = link_points(LinkPoints(line), far).tracks
    assert sorted(track.members.tolist()) == list(range(len(line)))


def test_few_points_give_no_track_and_no_error():
    for positions in (np.zeros((0, 3)), np.zeros((1, 3))):
        assert link_points(LinkPoints(positions), SPACE).tracks == []
    two = LinkPoints(np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0]]))
    assert link_points(two, SPACE).tracks == []


def test_wrong_points_and_rules_are_refused():
    with pytest.raises(DataError, match="1 of 2 points have positions that are NaN or infinite"):
        LinkPoints(np.array([[0.0, np.nan], [1.0, 1.0]]))
    with pytest.raises(DataError, match=r"places of shape \(1,\); expected \(2,\)"):
        LinkPoints(np.zeros((2, 2)), np.zeros(1, dtype=np.int64))
    with pytest.raises(DataError, match="need tangents"):
        candidate_edges(LinkPoints(np.zeros((2, 2))), gate=1.0, largest_gap=1, n_nearest=1)
    with pytest.raises(SettingsError, match="no solver 'best'; known: exact, threshold"):
        link_points(LinkPoints(np.zeros((2, 2))), LinkRules(1.0, 1, 1, 1, (), 0.0, 4.0, "best", 2))


def test_a_wide_gate_is_bounded_and_says_so():
    rng = np.random.default_rng(0)
    points = LinkPoints(rng.uniform(0, 10, (300, 2)), rng.integers(0, 3, 300))
    edges, was_bounded = candidate_edges(points, gate=100.0, largest_gap=2, n_nearest=4)
    assert was_bounded
    assert len(edges) <= 300 * 2 * 4
    assert (points.places[edges.second] - points.places[edges.first] == edges.gaps).all()
    assert not candidate_edges(points, gate=0.1, largest_gap=1, n_nearest=4)[1]


def test_a_link_over_a_point_is_not_possible():
    line = np.stack([np.arange(5) * 10.0, np.zeros(5)], axis=1)
    tangents = np.tile([1.0, 0.0], (5, 1))
    edges, _ = candidate_edges(
        LinkPoints(line, tangents=tangents), gate=25.0, largest_gap=1, n_nearest=4
    )
    free = passes_none(line, edges, width=2.0, n_nearest=4)
    assert (np.abs(edges.second - edges.first)[free] == 1).all()
    assert free.sum() == 4


def test_tangents_of_neighbours_follow_a_bent_line():
    t = np.linspace(0, np.pi, 60)
    bow = np.stack([500 * np.cos(t), 500 * np.sin(t), np.zeros(60)], axis=1)
    true = np.stack([-np.sin(t), np.cos(t), np.zeros(60)], axis=1)
    found = tangents_from_neighbours(bow, reach=100.0, width=10.0, n_nearest=8)
    assert np.abs((found * true).sum(axis=1)).min() > np.cos(np.radians(8))


def test_a_curve_through_points_has_their_length_and_bend():
    t = np.linspace(0, np.pi, 40)
    bow = np.stack([100 * np.cos(t), 100 * np.sin(t), np.zeros(40)], axis=1)
    curve = smooth_curve(bow, stiffness=0.0)
    assert curve.length == pytest.approx(100 * np.pi, rel=1e-3)
    assert np.median(curve.curvatures) == pytest.approx(0.01, rel=0.01)
    points, tangents = curve.at(even_places(curve, 30.0))
    assert np.allclose(np.linalg.norm(points, axis=1), 100.0, atol=0.1)
    assert np.allclose((points * tangents).sum(axis=1), 0.0, atol=1.0)
    noisy = bow + np.random.default_rng(0).normal(0, 3.0, bow.shape)
    assert smooth_curve(noisy, stiffness=learned_stiffness([noisy])).length == pytest.approx(
        100 * np.pi, rel=0.03
    )
    assert len(even_places(curve, 400.0)) == 0
