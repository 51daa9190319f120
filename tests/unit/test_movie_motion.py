"""Tracks and calcium in figures: diffusion, kinds of motion, coincidences, correlations."""

from dataclasses import replace

import numpy as np
import pytest

from copick_picker.core.movie.co_occurrence import (
    binned_means,
    coincidences,
    correlations,
    event_statistics,
    significant,
    track_spans,
)
from copick_picker.core.movie.motion import motion_figures, motions, share_with_interval
from copick_picker.core.movie.scene import SCENES
from copick_picker.core.movie.trajectories import trajectories
from copick_picker.records.calcium import Events, Traces
from copick_picker.records.movies import NO_TRACK, Spots

WITHIN = 12
"""Steps of a simulated walk in a frame."""


def spots(parts):
    """Return tracks from frames and places of each; numbers from 3."""
    return Spots(
        np.concatenate([frames for frames, _ in parts]),
        np.concatenate([places for _, places in parts]),
        tracks=np.concatenate([np.full(len(f), k) for k, (f, _) in enumerate(parts, start=3)]),
    )


def walks(number, frames, rng, *, diffusion, error, exposure=1.0, missing=0.0, drift=(0.0, 0.0)):
    """Return tracks in the lower right of a wide field, with gaps and motion blur."""
    parts = []
    for _ in range(number):
        moves = rng.normal(0.0, np.sqrt(2 * diffusion / WITHIN), (frames, WITHIN, 2))
        path = np.cumsum((moves + np.array(drift) / WITHIN).reshape(-1, 2), axis=0)
        exposed = path.reshape(frames, WITHIN, 2)[:, : max(1, round(exposure * WITHIN))]
        places = exposed.mean(axis=1) + rng.normal(0.0, error, (frames, 2)) + (431.0, 57.0)
        kept = np.flatnonzero(rng.random(frames) >= missing)
        parts.append((7 + kept, places[kept]))
    return spots(parts)


@pytest.mark.parametrize(
    ("diffusion", "error", "frames", "exposure", "missing"),
    [(0.1, 0.15, 60, 1.0, 0.2), (0.03, 0.2, 80, 1.0, 0.3), (0.2, 0.1, 40, 0.0, 0.0)],
)
def test_diffusion_lies_within_its_interval(diffusion, error, frames, exposure, missing):
    rng = np.random.default_rng(4)
    options = {"diffusion": diffusion, "error": error, "exposure": exposure, "missing": missing}
    found = motions(walks(150, frames, rng, **options), exposure=exposure, min_length=10)
    inside = np.array([each.low <= diffusion <= each.high for each in found])
    assert 0.90 <= inside.mean() <= 0.99
    values = np.array([each.diffusion for each in found])
    assert values.mean() == pytest.approx(diffusion, rel=0.08)
    assert np.median([each.error for each in found]) == pytest.approx(error, rel=0.12)
    assert np.mean([each.kind == "brownian" for each in found]) > 0.9


def test_a_blur_that_is_not_allowed_for_spoils_the_error_alone():
    tracks = walks(60, 60, np.random.default_rng(5), diffusion=0.1, error=0.25)
    right = motions(tracks, exposure=1.0, min_length=10)
    wrong = motions(tracks, exposure=0.0, min_length=10)
    for first, second in zip(right, wrong, strict=True):
        assert first.diffusion == pytest.approx(second.diffusion, rel=0.2, abs=0.02)
    errors = [np.median([each.error for each in found]) for found in (right, wrong)]
    assert errors[0] == pytest.approx(0.25, rel=0.1)
    assert errors[1] == pytest.approx(np.sqrt(0.25**2 - 0.1 / 3), rel=0.1)


def test_beads_that_rest_are_immobile():
    tracks = walks(80, 50, np.random.default_rng(6), diffusion=0.0, error=0.12, missing=0.1)
    found = motions(tracks, exposure=1.0, min_length=10)
    assert np.mean([not each.is_mobile for each in found]) > 0.95
    assert np.mean([each.low == 0 for each in found]) > 0.95
    assert max(each.high for each in found) < 0.01
    assert np.median([each.error for each in found]) == pytest.approx(0.12, rel=0.05)
    figures = motion_figures(found)
    assert figures["immobile"] + figures["mobile"] == 80
    assert figures["mobile_share"]["share"] == figures["mobile"] / 80


def test_a_drift_has_its_speed_and_is_no_diffusion():
    rng = np.random.default_rng(7)
    tracks = walks(30, 60, rng, diffusion=0.02, error=0.1, missing=0.2, drift=(0.3, -0.4))
    found = motions(tracks, exposure=1.0, min_length=10)
    assert all(each.kind == "directed" for each in found)
    assert np.median([each.speed for each in found]) == pytest.approx(0.5, rel=0.05)
    assert np.median([each.diffusion for each in found]) == pytest.approx(0.02, rel=0.2)


def test_a_confinement_has_its_radius():
    rng = np.random.default_rng(8)
    parts = []
    for _ in range(30):
        place, path = np.zeros(2), np.zeros((150, 2))
        for step in range(150):
            for _ in range(4):
                moved = place + rng.normal(0.0, np.sqrt(2 * 0.3 / 4), 2)
                place = moved if np.hypot(*moved) < 2.0 else place
            path[step] = place
        parts.append((np.arange(150), path + rng.normal(0.0, 0.1, path.shape) + (40.0, 300.0)))
    found = motions(spots(parts), exposure=0.0, min_length=10)
    held = [each for each in found if each.kind == "confined"]
    assert len(held) >= 28
    assert np.median([each.radius for each in held]) == pytest.approx(2.0, rel=0.15)


def test_kinds_of_motion_of_simulated_puncta():
    scene = replace(
        SCENES["guide"],
        shape_yx=(300, 500),
        tracks=120.0,
        motion_shares=(1, 1, 1, 0),
        lifetime_frames=1e6,
        born_later=0.0,
    )
    rng = np.random.default_rng(9)
    puncta = trajectories(scene, rng)
    parts = [
        (np.arange(100), each.positions_xy[:, 0] + rng.normal(0, 0.1, (100, 2))) for each in puncta
    ]
    found = motions(spots(parts), exposure=0.0, min_length=10)
    right = [each.kind == known.motion for each, known in zip(found, puncta, strict=True)]
    assert np.mean(right) > 0.93
    resting = [each.motion == "immobile" for each in puncta]
    assert [not each.is_mobile for each in found] == resting


def test_tracks_that_are_short_or_do_not_vary():
    still = np.full((20, 2), 5.25)
    line = np.stack([5 + 0.1 * np.arange(20), np.full(20, 7.5)], axis=1)
    tracks = spots([(np.arange(20), still), (np.arange(3), line[:3]), (np.arange(20), line)])
    found = motions(tracks, exposure=1.0, min_length=1)
    assert [(each.track_id, each.kind) for each in found] == [(3, "immobile"), (5, "directed")]
    assert found[0].high < 1e-6
    assert found[1].speed == pytest.approx(0.1)
    filled = np.zeros(len(tracks), dtype=bool)
    filled[:12] = True
    assert not motions(tracks.with_values({"filled": filled}), exposure=1.0, min_length=25)
    assert len(motions(tracks.with_values({"filled": filled}), exposure=1.0, min_length=8)) == 2
    nothing = motion_figures([])
    assert nothing["mobile_share"]["share"] is None


def test_a_second_position_in_a_frame_does_not_count():
    tracks = walks(1, 40, np.random.default_rng(10), diffusion=0.1, error=0.1)
    double = Spots(
        np.append(tracks.frames, tracks.frames[5:9]),
        np.concatenate([tracks.positions, tracks.positions[5:9] + 3.0]),
        tracks=np.append(tracks.tracks, tracks.tracks[5:9]),
    )
    options = {"exposure": 0.0, "min_length": 10}
    assert motions(double, **options) == motions(tracks, **options)


def test_shares_have_their_interval():
    assert share_with_interval(0, 20)["low"] == 0.0
    assert share_with_interval(20, 20)["high"] == pytest.approx(1.0)
    found = share_with_interval(30, 100)
    assert (found["low"], found["high"]) == (
        pytest.approx(0.2189, abs=1e-4),
        pytest.approx(0.3959, abs=1e-4),
    )


def events_at(onsets):
    """Return events from the onsets of each track."""
    tracks = np.concatenate([np.full(len(each), track) for track, each in onsets.items()])
    frames = np.concatenate([np.asarray(each, dtype=np.int64) for each in onsets.values()])
    return Events(tracks, frames.astype(np.float64), frames + 1, frames + 3, np.ones(len(frames)))


def test_pairs_of_events_are_those_of_other_tracks_and_close_in_time():
    events = events_at({2: [10, 11, 40], 5: [12, 43], 9: [70, 95], NO_TRACK: [10]})
    spans = {2: (5, 60), 5: (0, 50), 9: (60, 99)}
    rng = np.random.default_rng(0)
    for within, pairs in ((0, 0), (1, 1), (2, 2), (3, 3), (30, 6)):
        found = coincidences(events, spans, within=within, shuffles=3, rng=rng)
        brute = sum(
            abs(int(a) - int(b)) <= within
            for i, a in enumerate(events.onset_frames)
            for j, b in enumerate(events.onset_frames)
            if i < j
            and events.tracks[i] != events.tracks[j]
            and NO_TRACK not in (events.tracks[i], events.tracks[j])
        )
        assert found.observed == brute
        if within < 30:
            assert found.observed == pairs
    assert (found.events, found.tracks) == (7, 3)


def test_control_is_what_chance_makes():
    rng = np.random.default_rng(1)
    events = events_at({1: [50], 2: [50], 3: [10, 90]})
    spans = {1: (0, 99), 2: (0, 99), 3: (0, 99)}
    found = coincidences(events, spans, within=0, shuffles=4000, rng=rng)
    assert found.observed == 1
    assert found.control.mean() == pytest.approx((1 + 2 + 2) / 100, rel=0.3)
    figures = found.figures()
    assert figures["p"] == pytest.approx((1 + (found.control >= 1).sum()) / 4001)
    assert figures["ratio"] == pytest.approx(1.0 / found.control.mean())
    alone = coincidences(events_at({1: [3, 9]}), spans, within=2, shuffles=9, rng=rng).figures()
    assert (alone["p"], alone["observed"]) == (None, 0)


def test_p_is_uniform_without_and_small_with_planted_coincidences():
    rng = np.random.default_rng(2)
    spans = dict.fromkeys(range(12), (7, 306))
    by_chance = []
    for _ in range(120):
        onsets = {track: rng.integers(7, 307, 8) for track in spans}
        found = coincidences(events_at(onsets), spans, within=2, shuffles=99, rng=rng)
        by_chance.append(found.figures()["p"])
    assert np.mean(by_chance) == pytest.approx(0.5, abs=0.08)
    assert 0.0 <= np.mean(np.array(by_chance) <= 0.1) <= 0.2
    common = rng.integers(7, 307, 4)
    onsets = {
        track: np.concatenate([common + rng.integers(-1, 2, 4), rng.integers(7, 307, 4)])
        for track in spans
    }
    found = coincidences(events_at(onsets), spans, within=2, shuffles=199, rng=rng).figures()
    assert found["p"] == 1 / 200
    assert found["observed"] >= 4 * 66 * 0.8
    assert found["ratio"] > 1.5
    assert found["observed"] > found["control_high"]


def lit_tracks(rng, *, tied, tracks=20, frames=90):
    """Return tracks with photons, and traces that go with them or not."""
    numbers = np.repeat(np.arange(tracks), frames)
    times = np.tile(np.arange(4, 4 + frames), tracks)
    dff = np.zeros(len(times))
    for _ in range(5 * tracks):
        start = rng.integers(len(times))
        own = np.flatnonzero(numbers == numbers[start])
        dff[own] += (
            0.8
            * np.exp(-np.maximum(times[own] - times[start], 0) / 4)
            * (times[own] >= times[start])
        )
    photons = 900.0 * (1.0 + tied * dff) * rng.lognormal(0.0, 0.15, len(times))
    places = np.stack([10.0 + 9.0 * numbers, 200.0 - 2.0 * numbers], axis=1)
    spots = Spots(times, places, photons=photons, tracks=numbers)
    kept = rng.random(len(times)) > 0.1
    return spots.chosen(kept), Traces(numbers, times, dff + rng.normal(0, 0.05, len(times)))


def test_a_planted_dependence_is_found_and_no_other():
    rng = np.random.default_rng(3)
    tracks, traces = lit_tracks(rng, tied=0.8)
    found = correlations(tracks, traces, min_length=10)
    assert [each.track_id for each in found] == list(range(20))
    rows = tracks.tracks == 4
    shared = np.isin(traces.frames, tracks.frames[rows]) & (traces.tracks == 4)
    right = np.corrcoef(tracks.photons[rows], traces.dff[shared])[0, 1]
    assert found[4].correlation == pytest.approx(right)
    assert (found[4].mean_x, found[4].mean_y) == (46.0, 192.0)
    assert np.median([each.correlation for each in found]) > 0.5
    assert significant(np.array([each.p for each in found]), level=0.05).mean() > 0.8
    values = []
    for _ in range(8):
        found = correlations(*lit_tracks(rng, tied=0.0), min_length=10)
        values += [each.p for each in found]
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)
    assert np.mean(np.array(values) <= 0.1) < 0.2


def test_what_does_not_vary_is_not_compared_and_filled_positions_do_not_count():
    tracks, traces = lit_tracks(np.random.default_rng(4), tied=0.8, tracks=3)
    photons = tracks.photons.copy()
    photons[tracks.tracks == 1] = 700.0
    filled = (tracks.tracks == 2) & (tracks.frames > 11)
    tracks = tracks.with_values({"photons": photons, "filled": filled})
    assert [each.track_id for each in correlations(tracks, traces, min_length=10)] == [0]
    assert correlations(tracks.with_values({"photons": None}), traces, min_length=10) == []


def test_events_of_a_track_in_figures():
    events = Events(
        np.array([4, 4, 6]), np.array([3.2, 20.9, 5.5]), np.array([4, 22, 9]), np.array([6, 25, 9]),
        np.array([0.5, 0.9, 0.2]),
    )  # fmt: skip
    tracks = Spots(np.array([2, 11, 7, 8]), np.ones((4, 2)), tracks=np.array([4, 4, 8, NO_TRACK]))
    spans = track_spans(tracks, None, events)
    assert spans == {4: (2, 20), 6: (5, 5), 8: (7, 7)}
    first, second, third = event_statistics(events, spans)
    assert (first.frames, first.events, first.highest) == (19, 2, 0.9)
    assert first.mean_amplitude == pytest.approx(0.7)
    assert (second.frames, third.events, third.mean_amplitude) == (1, 0, None)


def test_means_over_the_field():
    places = np.array([[-0.4, 0.0], [9.4, 0.0], [9.6, 24.0], [39.0, 12.0]])
    means, numbers = binned_means(
        places, np.array([1.0, 0.0, 0.5, -1.0]), width=10.0, shape_yx=(3, 4)
    )
    assert numbers.tolist() == [[2, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert means[0, 0] == 0.5
    assert means[2, 1] == 0.5
    assert means[1, 3] == -1.0
    assert np.isnan(means).sum() == 9
