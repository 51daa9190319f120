"""Puncta of movies: optics, camera, motion, fit, bound, linking, figures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from copick_picker.core.heads.centres import CentresHead
from copick_picker.core.link.learning import KnownPoints, train_scorer
from copick_picker.core.link.points import LinkPoints
from copick_picker.core.movie.analysis import (
    fragments_of,
    length_figures,
    lengths_of,
    summaries,
    verdict,
)
from copick_picker.core.movie.bound import cramer_rao_bound
from copick_picker.core.movie.camera import recorded
from copick_picker.core.movie.fit import fit_spots, log_maxima, log_response
from copick_picker.core.movie.known_tracks import known_detections, scene_of_points
from copick_picker.core.movie.linking import TrackRules, link_spots, with_gaps_filled
from copick_picker.core.movie.network import FrameNetwork, in_use
from copick_picker.core.movie.patches import (
    AMPLITUDE_UNIT,
    KnownMovie,
    PatchRules,
    batch_of_movies,
    context_frames,
    detector_rules,
    simulated_batch,
)
from copick_picker.core.movie.psf import add_spots
from copick_picker.core.movie.scaling import GreyScale, scale_of_movie
from copick_picker.core.movie.scene import SCENES, Camera, MovieScene
from copick_picker.core.movie.scores import (
    best_threshold,
    curve,
    detection_scores,
    matched,
    matched_tracks,
    track_scores,
)
from copick_picker.core.movie.simulation import light_of, simulate_movie
from copick_picker.core.movie.survey import survey_movie
from copick_picker.errors import DataError
from copick_picker.records.movies import Spots, all_spots, no_spots

SMALL = replace(SCENES["guide"], shape_yx=(72, 96), frames=20, tracks=6.0)
RULES = TrackRules(8.0, 3, 0.5, 40, 100.0, 1.0, "exact", 2)


@pytest.mark.parametrize("psf", ["gaussian", "airy"])
def test_a_punctum_keeps_its_photons_and_its_place(psf):
    movie = np.zeros((2, 60, 80), dtype=np.float32)
    place = np.array([[33.3, 21.8]])
    add_spots(movie, np.array([1]), place, np.array([1000.0]), sigma=1.3, psf=psf)
    assert movie[0].sum() == 0
    lost = {"gaussian": 0.001, "airy": 0.08}[psf]  # the rings go on beyond the window
    assert movie[1].sum() == pytest.approx(1000.0, rel=lost)
    rows, columns = np.mgrid[:60, :80]
    centre = [(movie[1] * axis).sum() / movie[1].sum() for axis in (columns, rows)]
    assert centre == pytest.approx(place[0].tolist(), abs=0.05)


def test_a_punctum_at_the_edge_is_cut_not_wrapped():
    movie = np.zeros((1, 20, 30), dtype=np.float32)
    add_spots(movie, np.array([0]), np.array([[0.0, 19.0]]), np.ones(1), sigma=1.0, psf="gaussian")
    assert movie[0, 19, 0] == movie.max()
    assert movie[0, 0].max() == 0
    assert movie[0, :, 29].max() == 0


@pytest.mark.parametrize(("kind", "excess"), [("emccd", 2.0), ("scmos", 1.0)])
def test_cameras_have_the_mean_and_the_noise_that_they_state(kind, excess):
    camera = Camera(kind, 100.0, 10.0, 0.5)
    values = recorded(np.full((200, 300), 40.0, np.float32), camera, np.random.default_rng(0))
    assert values.dtype == np.uint16
    assert values.mean() == pytest.approx(500.0, rel=0.005)
    assert values.std() == pytest.approx(10.0 * np.sqrt(excess * 40.0 + 0.25), rel=0.02)


def test_equal_seeds_give_equal_movies_and_others_do_not():
    first, second = (simulate_movie(SMALL, seed=3) for _ in range(2))
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.truth.positions, second.truth.positions)
    assert not np.array_equal(first.frames, simulate_movie(SMALL, seed=4).frames)


def test_tracks_of_the_guide_have_its_length():
    lengths = [lengths_of(simulate_movie(SCENES["guide"], seed=seed).truth) for seed in range(4)]
    assert all(len(each) == 20 for each in lengths)
    assert np.concatenate(lengths).mean() == pytest.approx(93.0, abs=6.0)


def test_puncta_stay_in_the_field_and_dark_frames_are_not_in_the_truth():
    scene = replace(
        SMALL, tracks=30.0, blink_off=0.2, diffusion_um2_s=(1.0, 1.0), motion_shares=(0, 1, 0, 0)
    )
    truth = simulate_movie(scene, seed=1).truth
    x, y = truth.positions.T
    assert (x >= -0.5).all()
    assert (x <= 95.5).all()
    assert (y >= -0.5).all()
    assert (y <= 71.5).all()
    assert len(truth) < 0.95 * 30 * 20


@pytest.mark.parametrize(
    ("shares", "steps"), [((1, 0, 0, 0), 0.0), ((0, 1, 0, 0), 2 * 0.05 * 0.05 * 1e6 / 130**2)]
)
def test_steps_are_those_of_the_motion(shares, steps):
    scene = replace(SMALL, tracks=60.0, motion_shares=shares, diffusion_um2_s=(0.05, 0.05))
    truth = simulate_movie(scene, seed=2).truth
    same = np.diff(truth.tracks) == 0
    moves = np.diff(truth.positions, axis=0)[same]
    assert (moves**2).mean() == pytest.approx(steps, rel=0.1)


def test_uneven_light_is_full_in_the_middle_and_dim_in_the_corners():
    light = light_of(replace(SMALL, unevenness=0.5))
    assert light.max() == pytest.approx(1.0, abs=1e-3)
    assert light[0, 0] == pytest.approx(0.5, abs=0.02)


def test_the_fit_reaches_the_bound_without_bias():
    rng = np.random.default_rng(0)
    camera, sigma, n = Camera("scmos", 100.0, 2.0, 1.0), 1.2, 300
    places = np.array([20.0, 15.0]) + rng.uniform(-0.5, 0.5, (n, 2))
    expected = np.full((n, 30, 40), 20.0, np.float32)
    add_spots(expected, np.arange(n), places, np.full(n, 800.0), sigma=sigma, psf="gaussian")
    grey = recorded(expected, camera, rng).astype(np.float32)
    photons = (grey - 100.0) / 2.0
    found = fit_spots(photons, np.arange(n), np.round(places), sigma=sigma, camera=camera)
    bound = cramer_rao_bound(
        places, np.full(n, 800.0), np.full(n, 20.0), sigma=sigma, camera=camera
    )
    errors = found.positions_xy - places
    assert found.converged.all()
    assert np.abs(errors.mean(axis=0)).max() < 4.0 * bound.mean() / np.sqrt(n)
    assert errors.std() == pytest.approx(bound.mean(), rel=0.12)
    assert found.sigmas.mean() == pytest.approx(bound.mean(), rel=0.1)
    assert found.photons.mean() == pytest.approx(800.0, rel=0.02)


def test_maxima_stand_out_of_the_noise():
    frame = np.random.default_rng(0).poisson(20.0, (40, 60)).astype(np.float32)
    add_spots(
        frame[None],
        np.zeros(1, int),
        np.array([[30.0, 12.0]]),
        np.array([900.0]),
        sigma=1.1,
        psf="gaussian",
    )
    cells, heights = log_maxima(log_response(frame, 1.1), threshold=6.0, reach=1)
    assert cells.tolist() == [[12, 30]]
    assert heights[0] > 10.0


def test_two_near_puncta_are_fitted_together():
    camera, sigma = Camera("scmos", 0.0, 1.0, 0.1), 1.1
    places = np.array([[20.2, 15.1], [23.4, 15.3]])
    movie = np.full((1, 30, 40), 5.0, np.float32)
    at_once = np.zeros(2, dtype=np.int64)
    add_spots(movie, at_once, places, np.array([900.0, 500.0]), sigma=sigma, psf="gaussian")
    found = fit_spots(movie, at_once, np.round(places), sigma=sigma, camera=camera)
    order = np.argsort(found.positions_xy[:, 0])
    assert found.positions_xy[order] == pytest.approx(places, abs=0.1)
    assert found.photons[order] == pytest.approx([900.0, 500.0], rel=0.1)


def test_a_window_beyond_the_field_is_fitted_with_what_is_there():
    movie = np.full((1, 20, 20), 5.0, np.float32)
    place = np.array([[1.2, 18.4]])
    add_spots(movie, np.zeros(1, int), place, np.array([900.0]), sigma=1.1, psf="gaussian")
    found = fit_spots(
        movie, np.zeros(1, int), np.array([[1.0, 18.0]]), sigma=1.1, camera=Camera("scmos", 0, 1, 0)
    )
    assert found.positions_xy == pytest.approx(place, abs=0.02)


def test_the_scale_of_a_movie_is_that_of_its_background():
    made = simulate_movie(SMALL, seed=0)
    scale = scale_of_movie(made.frames)
    assert scale.level == pytest.approx(100.0 + 10.0 * 50.0, rel=0.02)
    assert scale.noise == pytest.approx(10.0 * np.sqrt(2 * 50.0 + 0.09), rel=0.05)
    assert GreyScale(10.0, 2.0).scaled(np.array([14.0])).tolist() == [2.0]


def test_the_survey_measures_the_width_and_refuses_a_still_picture():
    made = simulate_movie(replace(SMALL, psf_sigma_nm=200.0), seed=0)
    survey = survey_movie(made.frames, name="movie.tif")
    assert survey.width == pytest.approx(200.0 / 130.0, rel=0.06)
    assert survey.brightness == pytest.approx(10.0 * 2000.0, rel=0.25)
    with pytest.raises(DataError, match=r"movie\.tif: .* frames checked are all equal"):
        survey_movie(np.repeat(made.frames[:1], 9, axis=0), name="movie.tif")
    with pytest.raises(DataError, match="have the value 7"):
        survey_movie(np.full((4, 20, 30), 7, np.uint16), name="movie.tif")


def test_batches_depend_on_seed_and_number_alone():
    head = CentresHead(detector_rules(loss_parameters={}))
    rules = PatchRules(SCENES["guide"], 3, 32, 2, 10)
    first, again = (simulated_batch(7, rules, head, seed=1) for _ in range(2))
    assert first.patches.shape == (2, 3, 32, 32)
    assert first.targets.shape == (2, 5, 32, 32)
    assert np.array_equal(first.patches, again.patches)
    assert not np.array_equal(first.patches, simulated_batch(8, rules, head, seed=1).patches)


def test_patches_of_movies_hold_the_puncta_of_their_middle_frame():
    made = simulate_movie(SMALL, seed=5)
    movie = KnownMovie("a", made.frames, made.truth, GreyScale(600.0, 100.0), 10.0)
    head = CentresHead(detector_rules(loss_parameters={}))
    batch = batch_of_movies(3, [movie], PatchRules(SMALL, 3, 48, 6, 0), head, seed=0)
    probability, amplitude = batch.targets[:, 0], batch.targets[:, 4]
    centres = probability == 1.0
    assert centres.any()
    photons = np.exp(amplitude[centres]) * AMPLITUDE_UNIT * 100.0 / 10.0
    assert np.median(photons) == pytest.approx(2000.0, rel=0.4)
    assert np.median(batch.patches[:, 1][centres]) > 5.0  # they are bright in the middle frame
    with pytest.raises(DataError, match="72 x 96 pixels; a patch has 80 x 80"):
        batch_of_movies(0, [movie], PatchRules(SMALL, 3, 80, 1, 0), head, seed=0)


def test_context_is_mirrored_at_the_ends():
    assert context_frames(9, 5, 10).tolist() == [7, 8, 9, 8, 7]
    assert context_frames(1, 5, 2).tolist() == [1, 0, 1, 0, 0]


def wandering(n_tracks, n_frames, seed, step=0.6):
    rng = np.random.default_rng(seed)
    start = rng.uniform(20, 230, (n_tracks, 1, 2))
    paths = start + np.cumsum(rng.normal(0, step, (n_tracks, n_frames, 2)), axis=1)
    frames = np.tile(np.arange(n_frames), n_tracks)
    return Spots(
        frames, paths.reshape(-1, 2), tracks=np.repeat(np.arange(1, n_tracks + 1), n_frames)
    )


def test_tracks_come_back_whole_and_gaps_are_joined():
    truth = wandering(12, 60, 0, step=0.3)
    rng = np.random.default_rng(1)
    seen = truth.chosen(
        (rng.random(len(truth)) > 0.05) & ~((truth.frames > 20) & (truth.frames < 28))
    )
    found, facts = link_spots(seen.with_values({"tracks": None}), RULES)
    scores = track_scores(truth.chosen(np.isin(truth.frames, seen.frames)), found, tolerance=0.5)
    assert scores["fragments"] == 1.0
    assert scores["merges"] == 0
    assert facts["tracks"] == 12
    torn, _ = link_spots(seen.with_values({"tracks": None}), replace(RULES, fill_gap=0))
    assert len(lengths_of(torn)) >= 24


def test_links_below_the_threshold_and_joins_beyond_the_distance_are_left_out():
    truth = wandering(6, 40, 7, step=0.3)
    seen = truth.chosen((truth.frames < 15) | (truth.frames > 24)).with_values({"tracks": None})
    assert len(lengths_of(link_spots(seen, RULES)[0])) == 6
    near = replace(RULES, fill_distance=1e-3)
    assert len(lengths_of(link_spots(seen, near)[0])) == 12
    none = replace(RULES, threshold=1.0, fill_gap=0)
    assert len(link_spots(seen, none)[0]) < len(seen)


def test_filled_positions_are_marked_and_count_nowhere():
    spots = Spots(
        np.array([0, 1, 4, 5]),
        np.array([[0.0, 0], [1, 0], [4, 3], [5, 3]]),
        probabilities=np.ones(4),
        photons=np.array([10.0, 10, 40, 40]),
        tracks=np.array([1, 1, 1, 1]),
        filled=np.zeros(4, dtype=bool),
    )
    filled = with_gaps_filled(spots)
    assert filled.frames.tolist() == [0, 1, 2, 3, 4, 5]
    assert filled.filled.tolist() == [False, False, True, True, False, False]
    assert filled.positions[2:4] == pytest.approx(np.array([[2.0, 1.0], [3.0, 2.0]]))
    assert filled.photons[2:4] == pytest.approx([20.0, 30.0])
    assert filled.probabilities[2:4].tolist() == [0.0, 0.0]
    assert lengths_of(filled).tolist() == [4.0]
    summary = summaries(filled)[0]
    assert (summary.length, summary.duration) == (4, 6)
    match = matched(spots, filled, tolerance=1.0)
    assert detection_scores(match)["false"] == 0


def test_scores_of_detections_are_those_of_the_frame():
    truth = Spots(np.array([0, 0, 1]), np.array([[1.0, 2], [8, 2], [1, 2]]))
    found = Spots(np.array([0, 1, 1]), np.array([[1.5, 2], [1.0, 2], [8, 2]]))
    scores = detection_scores(matched(truth, found, tolerance=1.0))
    assert (scores["hits"], scores["false"], scores["missed"]) == (2, 1, 1)
    assert scores["f1"] == pytest.approx(2 / 3)
    assert scores["rmse_per_axis_px"] == pytest.approx(0.25)
    nothing = detection_scores(matched(truth, no_spots(), tolerance=1.0))
    assert (nothing["precision"], nothing["recall"], nothing["f1"]) == (None, 0.0, 0.0)


def test_the_threshold_is_that_of_the_best_f1():
    truth = Spots(np.zeros(3, int), np.array([[0.0, 0], [10, 0], [20, 0]]))
    found = Spots(
        np.zeros(4, int),
        np.array([[0.0, 0], [10, 0], [20, 0], [40, 0]]),
        probabilities=np.array([0.9, 0.8, 0.6, 0.2]),
    )
    thresholds, precision, recall = curve(truth, found, tolerance=1.0)
    assert precision.tolist() == [1.0, 1.0, 1.0, 0.75]
    assert recall == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])
    assert best_threshold(thresholds, precision, recall) == pytest.approx(0.4)
    assert best_threshold(*(np.zeros(0),) * 3) == 0.5


def test_analysis_counts_pieces_and_finds_words():
    truth = wandering(4, 30, 3)
    torn = truth.with_values({"tracks": truth.tracks * 100 + truth.frames // 3})
    match = matched_tracks(truth, torn, tolerance=0.1)
    rows = fragments_of(match)
    assert [row["fragments"] for row in rows] == [10] * 4
    assert [row["longest"] for row in rows] == [3] * 4
    found, known = (length_figures(lengths_of(each)) for each in (torn, truth))
    assert (found["short"], found["long"]) == (1.0, 0.0)
    assert "High fragmentation: 10.0 pieces" in verdict(found, known, 10.0, 0)
    assert verdict(known, known, 1.0, 2).startswith("Tracks are complete: 1.00 pieces")
    assert "2 tracks join two puncta" in verdict(known, known, 1.0, 2)
    assert verdict(length_figures(np.zeros(0)), known, None, 0).startswith("No tracks")


def test_the_learned_score_links_points_that_it_has_not_seen():
    scene = replace(SCENES["guide"], frames=30, tracks=15.0, shape_yx=(128, 128))
    scenes = [scene_of_points(scene, seed=seed)[0] for seed in range(6)]
    scorer = train_scorer(scenes, RULES.link_rules(), steps=60, seed=0)
    _, spots, truth = scene_of_points(scene, seed=99)
    scores = track_scores(truth, link_spots(spots, RULES, scorer)[0], tolerance=2.0)
    assert scores["idf1"] > 0.9


def test_a_linker_that_gives_one_answer_is_refused():
    scenes = [
        KnownPoints(
            LinkPoints(np.zeros((8, 2)), places=np.arange(8)), np.ones(8, int), np.arange(8)
        )
    ]
    with pytest.raises(DataError, match="answers 'no link' for all|answers 'a link' for all"):
        train_scorer(scenes, RULES.link_rules(), steps=1, seed=0)


def test_detections_take_the_tracks_of_the_puncta_that_they_hit():
    truth = wandering(3, 10, 4)
    spots = all_spots([truth.with_values({"tracks": None})]).chosen(slice(0, 15))
    far = spots.with_values({"positions": spots.positions + np.array([500.0, 0.0])})
    assert known_detections(spots, truth, tolerance=1.0).tracks.tolist() == [1] * 10 + [2] * 5
    assert known_detections(far, truth, tolerance=1.0).tracks.max() == 0


def test_scenes_have_the_names_of_the_guides():
    assert set(SCENES) == {"guide", "medium", "hard", "hybrid-test", "hybrid"}
    assert (SCENES["hybrid"].frames, SCENES["hybrid"].shape_yx) == (50, (512, 512))
    assert MovieScene().psf_sigma == pytest.approx(1.1)


def test_norms_folded_into_the_convolutions_change_nothing():
    torch.manual_seed(0)
    network = FrameNetwork(context=3, out_channels=7, base_channels=8)
    frames = torch.randn(2, 3, 24, 40)
    for _ in range(3):
        network(torch.randn(4, 3, 16, 16))  # statistics of the norms
    network.eval()
    with torch.inference_mode():
        before = network(frames)
        after = in_use(network, torch.device("cpu"))(frames)
    assert not any(isinstance(each, torch.nn.BatchNorm2d) for each in network.modules())
    assert torch.allclose(before, after, atol=1e-5)
