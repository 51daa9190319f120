"""Points with known tracks for a linker: of simulated movies without images, or of detections."""

import numpy as np

from copick_picker.core.link.learning import KnownPoints
from copick_picker.core.movie.bound import cramer_rao_bound
from copick_picker.core.movie.linking import points_of
from copick_picker.core.movie.scene import MovieScene
from copick_picker.core.movie.scores import matched
from copick_picker.core.movie.simulation import light_at, light_of, truth_of
from copick_picker.core.movie.trajectories import trajectories
from copick_picker.records.movies import Spots

_MISSED = (0.0, 0.06)
_FALSE = (0.0, 0.03)
_WORSE = (1.0, 1.5)
_PHOTON_ERROR = 0.08


def scene_of_points(scene: MovieScene, *, seed: int) -> tuple[KnownPoints, Spots, Spots]:
    """Return detections as a good detector makes them of a movie that is never drawn.

    Positions are off by one to one and a half times the Cramer-Rao bound; a few puncta are missed,
    the dim ones more often, and a few detections are false.

    Parameters
    ----------
    scene : MovieScene
        What the movie would show.
    seed : int
        Equal seeds give equal points.

    Returns
    -------
    known : KnownPoints
        For training.
    spots, truth : Spots
        The detections, and the puncta.
    """
    rng = np.random.default_rng(seed)
    light = light_of(scene)
    truth = truth_of(trajectories(scene, rng), light)
    photons = np.ones(len(truth)) if truth.photons is None else truth.photons
    bound = cramer_rao_bound(
        truth.positions,
        photons,
        scene.background * light_at(light, truth.positions),
        sigma=scene.psf_sigma,
        camera=scene.camera,
    )
    dim = np.clip(np.median(photons) / np.maximum(photons, 1e-9), 0.3, 4.0) if len(truth) else 1.0
    kept = rng.random(len(truth)) >= rng.uniform(*_MISSED) * dim
    errors = bound * rng.uniform(*_WORSE)
    found = truth.positions + errors * rng.standard_normal(truth.positions.shape)
    n_false = int(rng.poisson(rng.uniform(*_FALSE) * max(len(truth), 1)))
    height, width = scene.shape_yx
    places = rng.uniform(0.0, 1.0, (n_false, 2)) * (width, height) - 0.5
    middle = float(np.median(photons)) if len(truth) else scene.photons
    frames = np.concatenate([truth.frames[kept], rng.integers(scene.frames, size=n_false)])
    owners = np.zeros(len(truth), dtype=np.int64) if truth.tracks is None else truth.tracks
    tracks = np.concatenate([owners[kept], np.zeros(n_false, dtype=np.int64)])
    noise = np.exp(_PHOTON_ERROR * rng.standard_normal(int(kept.sum())))
    spots = Spots(
        frames,
        np.concatenate([found[kept], places]),
        probabilities=np.concatenate(
            [rng.beta(20.0, 1.0, int(kept.sum())), rng.beta(2.0, 2.0, n_false)]
        ),
        photons=np.concatenate([photons[kept] * noise, middle * rng.uniform(0.2, 0.8, n_false)]),
        sigmas=np.concatenate([errors[kept], np.full((n_false, 2), float(np.median(errors)))])
        if len(truth)
        else np.ones((n_false, 2)),
    )
    order = np.lexsort((spots.positions[:, 0], spots.frames))
    return (
        KnownPoints(points_of(spots.chosen(order)), tracks[order], frames[order]),
        spots.chosen(order),
        truth,
    )


def known_detections(spots: Spots, truth: Spots, *, tolerance: float) -> KnownPoints:
    """Return detections with the tracks of the puncta that they hit.

    Parameters
    ----------
    spots : Spots
        Detections of a movie.
    truth : Spots
        Its puncta.
    tolerance : float
        Greatest distance of a hit in pixels.
    """
    match = matched(truth, spots, tolerance=tolerance)
    tracks = np.zeros(len(spots), dtype=np.int64)
    if truth.tracks is not None:
        tracks[match.found_rows] = truth.tracks[match.truth_rows] + int(truth.tracks.min() < 1)
    return KnownPoints(points_of(spots), tracks, spots.frames)
