"""Calcium in movies: transients, traces, events, the hybrid network and its loss, labels."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from copick_picker.core.heads.centres import CentresHead, CentresReadout
from copick_picker.core.movie.detector import Channel, Detector
from copick_picker.core.movie.event_scores import (
    event_scores,
    grade,
    match_events,
    state_scores,
    states_of,
    trace_correlation,
)
from copick_picker.core.movie.events import (
    EventRules,
    TrackEvents,
    events_of_states,
    events_of_trace,
    joined_events,
)
from copick_picker.core.movie.hybrid import HybridLoss, parameters_of_parts, take_weights
from copick_picker.core.movie.labels import LabelRules, states_of_events, states_of_mask
from copick_picker.core.movie.network import FrameNetwork, HybridNetwork
from copick_picker.core.movie.patches import (
    UNKNOWN,
    PatchRules,
    Sample,
    calcium_target,
    detector_rules,
    simulated_batch,
    turned,
)
from copick_picker.core.movie.scaling import GreyScale
from copick_picker.core.movie.scene import SCENES, CalciumScene, Camera
from copick_picker.core.movie.simulation import simulate_movie
from copick_picker.core.movie.traces import (
    TraceRules,
    fading,
    measured,
    measured_signals,
    noise_of_trace,
    running_baseline,
    whole_tracks,
)
from copick_picker.core.movie.transients import framed_curve, transient_curve
from copick_picker.core.movie.widths import best_width
from copick_picker.errors import DataError
from copick_picker.records.calcium import PUNCTUM, SPARK, WAVE, Events, Traces
from copick_picker.records.movies import Spots

QUIET = replace(
    SCENES["hybrid-test"],
    shape_yx=(64, 96),
    frames=120,
    tracks=4,
    is_mean=False,
    motion_shares=(1.0, 0.0, 0.0, 0.0),
    least_distance_nm=3000.0,
    born_later=0.0,
    lifetime_frames=1e9,
    photons_flicker=0.0,
    camera=Camera("scmos", 100.0, 2.0, 1.0),
    calcium=CalciumScene(
        active_share=1.0,
        rate_hz=0.4,
        rise_ms=(50.0, 100.0),
        decay_ms=(300.0, 600.0),
        sparks=0.0,
        waves=0.0,
        bleach_s=(1e9, 1e9),
        bleed=(0.0, 0.0),
    ),
)


def events(tracks, onsets, **more):
    onsets = np.asarray(onsets, dtype=float)
    whole = np.floor(onsets).astype(np.int64)
    values = {"peaks": whole + 1, "ends": whole + 4, "amplitudes": np.ones(len(onsets))} | more
    return Events(np.asarray(tracks, dtype=np.int64), onsets, **values)


def test_a_transient_rises_to_one_and_frames_hold_its_mean():
    times = np.linspace(0.0, 60.0, 60001)
    curve = transient_curve(times, np.asarray(2.0), np.asarray(9.0))
    assert curve.max() == pytest.approx(1.0, abs=1e-6)
    assert times[curve.argmax()] == pytest.approx(2.0 * math.log1p(4.5), abs=2e-3)
    assert transient_curve(np.array([-1.0]), np.asarray(2.0), np.asarray(9.0))[0] == 0.0
    framed = framed_curve(np.arange(60), 3.4, 2.0, np.asarray(9.0))
    fine = transient_curve(times - 3.4, np.asarray(2.0), np.asarray(9.0))
    assert framed[:3].max() == 0.0
    assert framed[3:].sum() == pytest.approx(fine.mean() * 60.0, rel=5e-3)


def test_the_simulated_channel_shows_what_its_truth_says():
    made = simulate_movie(QUIET, seed=3)
    assert made.calcium is not None
    assert made.calcium.frames.shape == made.frames.shape == (120, 64, 96)
    table, truth = made.calcium.events, made.calcium.traces
    assert len(table) > 3
    assert set(table.kinds) == {PUNCTUM}
    for row in range(len(table)):
        own = truth.tracks == table.tracks[row]
        at_peak = truth.dff[own & (truth.frames == table.peaks[row])]
        assert at_peak[0] >= table.amplitudes[row] - 1e-6  # others may overlap
        before = truth.dff[own & (truth.frames == table.onset_frames[row] - 1)]
        assert len(before) == 0 or before[0] < 0.6
        x, y = table.positions[row]
        pixel = made.calcium.frames[table.peaks[row], round(y), round(x)] - 100.0
        assert pixel / (2.0 * 60.0 * made.light[round(y), round(x)]) - 1.0 > 0.2
    assert truth.active.sum() > 10
    quiet = truth.dff < 0.02
    assert not truth.active[quiet].any()


def test_waves_and_sparks_are_events_of_no_track():
    busy = replace(QUIET, calcium=replace(QUIET.calcium, sparks=6.0, waves=3.0))
    table = simulate_movie(busy, seed=5).calcium.events
    kinds = np.array(table.kinds)
    assert (table.tracks[kinds != PUNCTUM] == -1).all()
    assert (kinds == SPARK).sum() >= 2
    assert (kinds == WAVE).sum() >= 1


def test_bleaching_and_bleed_through_reach_both_channels():
    calcium = replace(QUIET.calcium, active_share=0.0, bleach_s=(3.0, 3.0), bleed=(0.5, 0.0))
    made = simulate_movie(replace(QUIET, calcium=calcium), seed=1)
    levels = np.median(made.calcium.frames.reshape(120, -1), axis=1) - 100.0
    assert levels[60] / levels[0] == pytest.approx(math.exp(-1.0), rel=0.04)
    photons = made.truth.photons[made.truth.tracks == 1]
    assert photons[60] / photons[0] == pytest.approx(math.exp(-1.0), rel=1e-6)
    x, y = made.truth.positions[0].round().astype(int)
    lit = made.calcium.frames[:10, y, x].mean()
    assert lit > np.median(made.calcium.frames[:10]) + 50  # half of a punctum of 1000 photons


def test_gaps_of_tracks_are_filled_on_a_line_and_frames_are_sorted():
    spots = Spots(
        np.array([7, 3, 4, 0]),
        np.array([[8.0, 20.0], [4.0, 12.0], [5.0, 14.0], [1.0, 1.0]]),
        tracks=np.array([5, 5, 5, -1]),
    )
    whole = whole_tracks(spots)
    assert whole.frames.tolist() == [3, 4, 5, 6, 7]
    assert whole.positions[2].tolist() == [6.0, 16.0]
    assert whole.filled.tolist() == [False, False, True, True, False]


def test_heights_are_those_of_each_spot_alone_and_off_centre():
    frame = np.full((40, 56), 10.0)
    places = np.array([[11.3, 20.7], [11.3, 24.2], [30.0, 50.5]])  # y, x
    rows, columns = np.mgrid[:40, :56]
    for (y, x), height in zip(places, (7.0, 3.0, 5.0), strict=True):
        frame += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 1.5**2))
    spots = Spots(np.zeros(3, dtype=np.int64), places[:, ::-1], tracks=np.array([1, 2, 3]))
    found = measured_signals(frame[None], spots, width=1.5, whites=(frame.max(),))
    assert found.heights == pytest.approx([7.0, 3.0, 5.0], abs=0.35)
    assert found.surrounds == pytest.approx([10.0] * 3, abs=0.2)
    assert found.is_saturated.tolist() == [True, False, False]


def test_traces_follow_the_truth_and_the_width_is_found():
    made = simulate_movie(QUIET, seed=3)
    spots = whole_tracks(made.truth)
    width = best_width(made.calcium.frames, spots)
    assert width.is_fitted
    assert width.pixels == pytest.approx(300.0 / 130.0, rel=0.05)
    signals = measured_signals(made.calcium.frames, spots, width=width.pixels)
    found = measured(signals, 100.0, TraceRules(), n_frames=120)
    traces = Traces(spots.tracks, spots.frames, found.dff)
    assert trace_correlation(made.calcium.traces, traces) > 0.95
    slope = np.polyfit(made.calcium.traces.dff, found.dff, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.15)


def test_baseline_is_that_of_the_rest_and_noise_is_not_an_event():
    rng = np.random.default_rng(2)
    trace = 50.0 + 2.0 * rng.standard_normal(2000)
    trace[200:260] += 40.0
    assert noise_of_trace(trace) == pytest.approx(2.0, rel=0.06)
    baseline = running_baseline(trace, window=300, percentile=20.0)
    assert baseline[600:] == pytest.approx(50.0, abs=0.8)
    assert baseline.max() < 53.0  # about a sixth of the frames is up
    assert np.ptp(running_baseline(trace[:50], window=300, percentile=20.0)) == 0.0


def test_fading_is_that_of_the_surrounds():
    frames = np.repeat(np.arange(100), 3)
    levels = 80.0 * np.exp(-frames / 60.0)
    found = fading(levels, frames, 100)
    assert found.left[-1] == pytest.approx(math.exp(-99 / 60.0), rel=1e-6)
    assert found.share == pytest.approx(1.0 - math.exp(-99 / 60.0))
    still = fading(np.full(300, 80.0), frames, 100)
    assert (still.left == 1.0).all()
    assert still.is_determined


def test_noise_of_a_dozen_frames_is_no_bleaching():
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(12), 3)
    found = [fading(80.0 + 4.0 * rng.standard_normal(36), frames, 12) for _ in range(200)]
    assert sum(each.share > 0 for each in found) <= 4
    assert sum(not each.is_determined for each in found) > 20
    assert not fading(np.full(6, 80.0), np.arange(6), 100).is_determined
    slow = 80.0 * np.exp(-np.arange(12) / 20.0) + rng.standard_normal(12)
    assert fading(slow, np.arange(12), 12).share == pytest.approx(0.42, abs=0.05)


@pytest.mark.parametrize("sigma", [1.2, 1.7, 2.4])
def test_amplitudes_hold_for_any_width_of_spots(sigma):
    """Before the width was fitted they were up to 21 % off."""
    calcium = replace(QUIET.calcium, spot_sigma_nm=sigma * QUIET.pixel_size_nm)
    made = simulate_movie(replace(QUIET, calcium=calcium), seed=3)
    spots = whole_tracks(made.truth)
    width = best_width(made.calcium.frames, spots)
    assert width.is_fitted
    # a pixel is as wide as its side
    heights, true = (
        measured_signals(made.calcium.frames, spots, width=each).heights
        for each in (width.pixels, np.hypot(sigma, 1.0 / np.sqrt(12.0)))
    )
    dff = made.calcium.traces.dff
    slope = np.polyfit(dff, heights, 1)[0] / np.polyfit(dff, true, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.06)


def test_a_camera_may_saturate_after_the_first_frame():
    frames = np.full((3, 20, 24), 100.0)
    frames[1, 10, 12] = 4095.0
    spots = Spots(np.arange(3), np.full((3, 2), (12.0, 10.0)), tracks=np.ones(3, dtype=np.int64))
    found = measured_signals(frames, spots, width=1.5, whites=(4095.0, 65535.0))
    assert found.is_saturated.tolist() == [False, True, False]
    assert not measured_signals(frames, spots, width=1.5, whites=(65535.0,)).is_saturated.any()


def test_planted_events_are_found_once_and_silent_traces_hold_none():
    rng = np.random.default_rng(4)
    onsets, constants = (
        [40.6, 150.2, 168.0, 410.4],
        [(1.0, 8.0), (2.0, 20.0), (1.5, 6.0), (0.5, 40.0)],
    )
    trace = 0.1 * rng.standard_normal(600)
    for onset, (rise, decay) in zip(onsets, constants, strict=True):
        trace += framed_curve(np.arange(600), onset, rise, np.asarray(decay))
    found = events_of_trace(trace + 3.0, EventRules())
    assert found.onsets == pytest.approx(onsets, abs=1.2)
    assert found.heights == pytest.approx([1.0] * 4, abs=0.25)
    assert found.decays[1] == pytest.approx(20.0, rel=0.4)
    assert (found.probabilities > 0.9).all()
    silent = sum(
        len(events_of_trace(rng.standard_normal(1200), EventRules()).onsets) for _ in range(20)
    )
    assert silent <= 2  # twenty minutes at 20 frames a second
    assert len(events_of_trace(np.full(100, 7.0), EventRules()).onsets) == 0
    assert len(events_of_trace(np.ones(2), EventRules()).onsets) == 0


def test_what_began_before_the_trace_is_no_event_of_it():
    rng = np.random.default_rng(0)
    trace = np.exp(-np.arange(300) / 25.0) + 0.05 * rng.standard_normal(300)
    assert len(events_of_trace(trace, EventRules()).onsets) == 0


def test_states_of_a_network_become_events():
    probabilities = np.full(40, 0.05)
    probabilities[[10, 11, 13, 14]] = (0.4, 0.9, 0.8, 0.45)
    probabilities[30] = 0.45
    signal = np.zeros(40)
    signal[13] = 2.0
    found = events_of_states(probabilities, signal, threshold=0.7)
    assert found.onsets.tolist() == [10.0]
    assert (found.peaks.tolist(), found.ends.tolist()) == ([13], [14])
    joined = joined_events([TrackEvents(9, 100, found, np.full(40, 4.0), np.zeros((40, 2)))])
    assert joined.onset_frames.tolist() == [110]
    assert joined.amplitudes.tolist() == [0.5]
    assert joined.probabilities[0] == pytest.approx(0.9)
    assert len(joined_events([])) == 0


def test_events_are_matched_one_to_one_within_their_track():
    truth = events([1, 1, 2], [10.0, 14.0, 30.0])
    found = events([1, 1, 1, 3], [11.0, 12.5, 90.0, 30.0])
    scores = event_scores(match_events(truth, found, tolerance=3.0))
    assert scores["event_hits"] == 2
    assert scores["event_f1"] == pytest.approx(4 / 7)
    assert scores["onset_error"] == pytest.approx((1.0 + 1.5) / 2)
    empty = event_scores(match_events(events([], []), events([], [])))
    assert empty["event_f1"] is None


def test_states_and_grades():
    scores = state_scores(
        np.array([1, 1, 0, 0, 0], dtype=bool), np.array([1, 0, 1, 0, 0], dtype=bool)
    )
    assert scores["sensitivity"] == 0.5
    assert scores["specificity"] == pytest.approx(2 / 3)
    assert scores["iou"] == pytest.approx(1 / 3)
    table = events([4], [2.5], peaks=np.array([4]), ends=np.array([6]))
    frames = np.arange(10)
    assert np.flatnonzero(states_of(table, np.full(10, 4), frames)).tolist() == [3, 4, 5, 6]
    assert [grade("rmse_nm", v) for v in (60.0, 40.0, 30.0, 5.0)] == [
        *("below target", "target", "good", "excellent")
    ]
    assert trace_correlation(
        Traces(np.ones(4, np.int64), np.arange(4), np.array([0.0, 1, 0, 2])),
        Traces(np.ones(4, np.int64), np.arange(4), np.array([1.0, 3, 1, 5])),
    ) == pytest.approx(1.0)


def test_calcium_target_is_one_at_active_puncta_and_unknown_about_them():
    centres = np.array([[10.0, 12.0], [10.0, 18.0], [30.0, 40.0]])
    target = calcium_target((40, 56), centres, np.array([True, False, False]))
    assert target[10, 12] == 1.0
    assert target[10, 18] == 0.0  # at rest, within the ring of its neighbour
    assert target[15, 12] == UNKNOWN
    assert target[30, 40] == 0.0
    assert (calcium_target((8, 8), centres, None) == UNKNOWN).all()


def test_turned_patches_keep_puncta_where_they_are():
    patch = np.zeros((2, 16, 16), dtype=np.float32)
    patch[:, 3, 11] = 1.0
    sample = Sample(patch, np.array([[3.0, 11.0]]), np.ones(1), np.array([True]))
    seen = set()
    for number in range(8):
        other = turned(sample, number)
        y, x = other.centres[0].astype(int)
        assert other.patch[1, y, x] == 1.0
        seen.add((y, x))
    assert len(seen) == 8


def rules(**more):
    given = {"context": 5, "side": 32, "batch_size": 3, "easy_batches": 0, "n_channels": 2}
    return PatchRules(SCENES["hybrid-test"], **given, has_calcium=True, **more)


def head():
    return CentresHead(detector_rules(loss_parameters={}))


def test_simulated_patches_of_two_channels_are_repeatable():
    first, again = (simulated_batch(7, rules(), head(), seed=2) for _ in range(2))
    assert first.patches.shape == (3, 10, 32, 32)
    assert first.targets.shape == (3, 6, 32, 32)  # share, channel, offset y x, amplitude, calcium
    assert np.array_equal(first.patches, again.patches)
    assert np.array_equal(first.targets, again.targets)
    more = [simulated_batch(k, rules(), head(), seed=2).targets[:, -1] for k in range(12)]
    values = np.unique(np.concatenate(more))
    assert set(values.tolist()) == {-1.0, 0.0, 1.0}


def hybrid_loss(**more):
    given = {"weights": {"localization": 1.0, "calcium": 1.0}, "calcium": "cross-entropy"}
    return HybridLoss(head().loss(), **(given | more))


def test_pixels_of_unknown_calcium_do_not_count():
    batch = simulated_batch(1, rules(), head(), seed=2)
    targets = torch.from_numpy(batch.targets)
    outputs = torch.randn(3, head().n_outputs + 1, 32, 32)
    loss = hybrid_loss()
    base = float(loss(outputs, targets))
    unknown = targets[:, -1] < 0
    changed = outputs.clone()
    changed[:, -1][unknown] += 5.0
    assert float(loss(changed, targets)) == pytest.approx(base, rel=1e-6)
    nothing = targets.clone()
    nothing[:, -1] = UNKNOWN
    loss(outputs, nothing)
    assert float(loss.tasks["calcium"]) == 0.0


@pytest.mark.parametrize("kind", ["cross-entropy", "focal"])
def test_learned_weights_begin_at_the_fixed_ones(kind):
    batch = simulated_batch(1, rules(), head(), seed=2)
    targets, outputs = torch.from_numpy(batch.targets), torch.randn(3, head().n_outputs + 1, 32, 32)
    fixed = hybrid_loss(calcium=kind, weights={"localization": 1.0, "calcium": 0.5})
    learned = hybrid_loss(calcium=kind, kendall=True, weights={"localization": 1.0, "calcium": 0.5})
    constant = sum(math.log1p(math.exp(-math.log(2.0 * w))) for w in (1.0, 0.5))
    expected = float(fixed(outputs, targets)) + constant
    assert learned(outputs, targets).item() == pytest.approx(expected, rel=1e-5)
    assert learned.log_sigmas() == pytest.approx(fixed.log_sigmas())
    assert [p.requires_grad for p in learned.parameters()] == [True, True]


def test_a_hybrid_begins_with_what_a_detector_learned():
    torch.manual_seed(0)
    detector = FrameNetwork(3, 7, 8).eval()
    hybrid = HybridNetwork(5, 7, 8, 2).eval()
    taken = take_weights(hybrid, detector.state_dict(), 3)
    assert taken == ["encoder", "localization"]
    frames = torch.randn(2, 3, 16, 24)
    wide = torch.randn(2, 10, 16, 24)
    wide[:, 1:4] = frames
    with torch.no_grad():
        assert torch.allclose(hybrid(wide)[:, :7], detector(frames), atol=1e-5)
    parts = parameters_of_parts(hybrid)
    assert sum(parts.values()) == sum(p.numel() for p in hybrid.parameters())
    assert min(parts.values()) > 0


def test_members_of_an_ensemble_are_averaged_and_calcium_is_read_where_puncta_are():
    torch.manual_seed(1)
    networks = [HybridNetwork(5, 7, 8, 2).eval() for _ in range(2)]
    readout = CentresReadout(7, head().settings())
    cpu = torch.device("cpu")
    rng = np.random.default_rng(0)
    movie = rng.normal(100.0, 5.0, (4, 24, 40)).astype(np.float32)
    channels = [Channel(movie, GreyScale(100.0, 5.0)), Channel(movie[::-1], GreyScale(100.0, 5.0))]
    spots = Spots(np.array([2, 0, 2]), np.array([[3.0, 5.0], [10.5, 20.25], [39.0, 23.0]]))
    alone = [Detector(n, readout, cpu).calcium_at(channels, spots) for n in networks]
    both = Detector(networks[0], readout, cpu, others=(networks[1],)).calcium_at(channels, spots)
    assert both == pytest.approx(np.mean(alone, axis=0), abs=1e-5)
    with pytest.raises(DataError, match="needs two channels, but the movie has one"):
        Detector(networks[0], readout, cpu).calcium_at(channels[:1], spots)


def tracked():
    frames = np.tile(np.arange(10), 2)
    places = np.repeat([[5.0, 6.0], [20.0, 12.0]], 10, axis=0)
    return Spots(frames, places, tracks=np.repeat([1, 2], 10))


def test_labels_at_puncta_are_kept_and_waves_left_out():
    label_rules = LabelRules(3.0, 100.0, frozenset({"wave"}))
    table = events(
        [-1, -1, -1, -1],
        [2.0, 3.0, 5.0, 1.0],
        ends=np.array([4, 6, 7, 9]),
        kinds=("punctum", "punctum", "punctum", "waves"),
        positions=np.array([[5.5, 7.0], [20.0, 14.0], [40.0, 40.0], [5.0, 6.0]]),
    )
    paired = states_of_events(table, tracked(), label_rules, n_frames=10, name="t.csv")
    assert paired.counts == {"labels": 4, "kept": 2, "apart from puncta": 1, "waves": 1}
    assert np.flatnonzero(paired.active).tolist() == [2, 3, 4, 13, 14, 15, 16]
    with pytest.raises(DataError, match="row 4 lasts from frame 1 to 9, but the movie has 9"):
        states_of_events(table, tracked(), label_rules, n_frames=9, name="t.csv")


def test_masks_of_two_values_mark_the_puncta_that_they_reach():
    mask = np.zeros((10, 30, 44), dtype=np.uint8)
    mask[4, 6:9, 4:7] = 255  # y, x
    mask[6] = 0
    mask[6, :, 15:25] = 255
    mask[8, 25:28, 40:43] = 255
    keep = LabelRules(2.0, 200.0, frozenset({"wave"}))
    paired = states_of_mask(mask, tracked(), keep, name="m.tif")
    assert np.flatnonzero(paired.active).tolist() == [4]
    assert paired.counts == {"labels": 3, "kept": 1, "apart from puncta": 1, "waves": 1}
    mask[9, 0, 0] = 7
    with pytest.raises(DataError, match="more than two values"):
        states_of_mask(mask, tracked(), keep, name="m.tif")
