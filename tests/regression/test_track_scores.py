"""Scores of tracks beside those of other programs, and beside their definitions."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from copick_picker.core.evaluate.filament_shape import shape_scores
from copick_picker.core.evaluate.track_challenge import challenge_scores
from copick_picker.core.evaluate.track_edges import edge_scores
from copick_picker.core.evaluate.track_fragments import fragment_scores
from copick_picker.core.evaluate.track_identity import LEVELS, identity_scores
from copick_picker.core.evaluate.track_sets import TrackSet, match_points
from copick_picker.core.link.splines import smooth_curve
from copick_picker.errors import DataError

KNOWN = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "track_scores.json").read_text(encoding="utf-8")
)


def tracks(rows):
    table = np.array(rows, dtype=np.float64)
    return TrackSet(table[:, 2:], table[:, 0].astype(int), table[:, 1].astype(int), is_placed=True)


@pytest.mark.parametrize("case", KNOWN["cases"], ids=range(len(KNOWN["cases"])))
def test_scores_are_those_of_other_programs(case):
    match = match_points(tracks(case["reference"]), tracks(case["candidate"]), tolerance=3.0)
    edges, identity = edge_scores(match), identity_scores(match)
    assert edges.det == pytest.approx(case["det"], abs=1e-9)
    assert edges.tra == pytest.approx(case["tra"], abs=1e-9)
    assert edges.lnk == pytest.approx(case["lnk"], abs=1e-9)
    assert identity.idf1 == pytest.approx(case["idf1"], abs=1e-9)


def small(seed, *, n_tracks, n_places):
    rng = np.random.default_rng(seed)
    rows = [
        (number, place, *rng.uniform(0, 6, 2))
        for number in range(1, n_tracks + 1)
        for place in range(n_places)
        if rng.random() < 0.8
    ]
    return tracks(rows)


def best_pairing(n_first, n_second, cost_of):
    """Return the pairing of lowest cost, of all; each of the first with one or none."""
    best = (np.inf, ())
    for partners in itertools.product([None, *range(n_second)], repeat=n_first):
        used = [partner for partner in partners if partner is not None]
        if len(set(used)) == len(used):
            cost = sum(cost_of(one, partner) for one, partner in enumerate(partners))
            best = min(best, (cost, partners), key=lambda each: each[0])
    return best


@pytest.mark.parametrize("seed", range(4))
def test_alpha_and_beta_are_those_of_their_definition(seed):
    reference, candidate = (small(2 * seed + k, n_tracks=3, n_places=5) for k in (0, 1))
    gate = 3.0
    sets = [
        [{int(each.ranks[i]): each.positions[i] for i in own} for own in each.members().values()]
        for each in (reference, candidate)
    ]

    def apart(first, second):
        places = set(first) | set(second)
        both = set(first) & set(second)
        near = sum(min(gate, np.linalg.norm(first[k] - second[k])) for k in both)
        return near + gate * len(places - both)

    theirs, ours = sets
    cost, partners = best_pairing(
        len(theirs),
        len(ours),
        lambda one, partner: apart(theirs[one], {} if partner is None else ours[partner]),
    )
    nothing = sum(apart(own, {}) for own in theirs)
    spurious = sum(apart(own, {}) for number, own in enumerate(ours) if number not in partners)
    scores = challenge_scores(reference, candidate, gate=gate)
    assert scores.alpha == pytest.approx(1 - cost / nothing)
    assert scores.beta == pytest.approx((nothing - cost) / (nothing + spurious))


def test_hota_of_equal_and_of_torn_tracks():
    line = tracks([(1, place, 3.0 * place, 0.0) for place in range(8)])
    same = identity_scores(match_points(line, line, tolerance=2.0))
    assert (same.idf1, same.hota, same.det_a, same.ass_a, same.loc_a) == (1, 1, 1, 1, 1)
    torn = tracks([(1 + place // 4, place, 3.0 * place, 0.0) for place in range(8)])
    # each point shares 4 of 8 points with its track: association 1/2, detection 1
    scores = identity_scores(match_points(line, torn, tolerance=2.0))
    assert scores.hota == pytest.approx(np.sqrt(0.5))
    assert scores.ass_a == pytest.approx(0.5)
    assert scores.idf1 == pytest.approx(0.5)
    # points 1 off have a similarity of 3/4: hits at 15 of the 19 levels
    moved = tracks([(1, place, 3.0 * place, 1.0) for place in range(8)])
    scores = identity_scores(match_points(line, moved, tolerance=2.0))
    assert scores.det_a == pytest.approx((LEVELS <= 0.75 + 1e-9).mean())


def test_a_merge_is_counted_even_where_no_fragment_is():
    two = tracks(
        [(1, place, place, 0.0) for place in range(6)]
        + [(2, place, place, 0.0) for place in range(6, 12)]
    )
    one = tracks([(1, place, place, 0.0) for place in range(12)])
    scores = fragment_scores(match_points(two, one, tolerance=0.5))
    assert (scores.fragments, scores.merges, scores.missed, scores.false) == (1.0, 1, 0, 0)
    back = fragment_scores(match_points(one, two, tolerance=0.5))
    assert (back.fragments, back.merges, back.switches) == (2.0, 0, 1)
    assert back.expected_run_length == pytest.approx(6.0)


def test_a_link_over_a_missed_point_is_right_but_not_one_over_a_point_that_is_hit():
    line = tracks([(1, place, place, 0.0) for place in range(4)])
    over_missed = tracks([(1, place, place, 0.0) for place in (0, 1, 3)])
    scores = edge_scores(match_points(line, over_missed, tolerance=0.5))
    assert (scores.true, scores.false, scores.missed) == (2, 0, 0)
    left_out = tracks([(1, 0, 0.0, 0.0), (1, 1, 1.0, 0.0), (2, 2, 2.0, 0.0), (1, 3, 3.0, 0.0)])
    scores = edge_scores(match_points(line, left_out, tolerance=0.5))
    assert (scores.true, scores.false, scores.missed) == (1, 1, 2)


def test_nothing_on_either_side_has_no_scores_and_raises_nothing():
    empty = TrackSet(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, int), is_placed=True)
    line = tracks([(1, place, place, 0.0) for place in range(4)])
    for first, second in ((empty, line), (line, empty), (empty, empty)):
        match = match_points(first, second, tolerance=1.0)
        edges, pieces = edge_scores(match), fragment_scores(match)
        identity_scores(match)
        challenge_scores(first, second, gate=1.0)
        assert edges.true == pieces.merges == 0
        assert edges.recall is None or edges.recall == 0
    assert edge_scores(match_points(line, empty, tolerance=1.0)).tra == 0.0
    assert fragment_scores(match_points(line, empty, tolerance=1.0)).missed == 1


def test_two_points_of_a_track_at_one_place_are_refused():
    with pytest.raises(DataError, match="1 tracks have two points at one place"):
        tracks([(1, 3, 0.0, 0.0), (1, 3, 1.0, 0.0)])


def test_shapes_of_curves():
    line = smooth_curve(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 400.0]]), stiffness=0.0)
    tilted = smooth_curve(np.array([[0.0, 0.0, 0.0], [0.0, 40.0, 400.0]]), stiffness=0.0)
    back = smooth_curve(np.array([[0.0, 0.0, 400.0], [0.0, 0.0, 0.0]]), stiffness=0.0)
    same = shape_scores([line], [back], tolerance=5.0)
    assert (same.coverage, same.excess, same.hd95, same.length_ratio) == (1.0, 0.0, 0.0, 1.0)
    assert same.tangent_error_degrees == pytest.approx(0.0, abs=1e-5)
    turned = shape_scores([line], [tilted], tolerance=50.0)
    assert turned.tangent_error_degrees == pytest.approx(np.degrees(np.arctan(0.1)), rel=1e-6)
    assert turned.coverage == 1.0
    nothing = shape_scores([line], [], tolerance=5.0)
    assert (nothing.coverage, nothing.length_ratio) == (0.0, None)
