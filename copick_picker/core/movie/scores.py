"""Detections and tracks of a movie against the truth."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.evaluate.track_edges import edge_scores
from copick_picker.core.evaluate.track_fragments import fragment_scores
from copick_picker.core.evaluate.track_identity import identity_scores
from copick_picker.core.evaluate.track_sets import NOBODY, TrackMatch, TrackSet, match_points
from copick_picker.errors import DataError
from copick_picker.records.movies import FloatArray, IndexArray, Spots


@dataclass(frozen=True, eq=False)
class DetectionMatch:
    """Which detections are puncta.

    Attributes
    ----------
    truth_rows, found_rows : numpy.ndarray, shape (h,), int64
        Rows of the hits.
    errors : numpy.ndarray, shape (h, 2), float64
        x and y of the detection less those of the punctum, in pixels.
    n_truth, n_found : int
        Puncta and detections.
    """

    truth_rows: IndexArray
    found_rows: IndexArray
    errors: FloatArray
    n_truth: int
    n_found: int


def track_set(spots: Spots) -> TrackSet:
    """Return puncta as the track metrics take them; those in no track have the number 0.

    Parameters
    ----------
    spots : Spots
        Puncta; positions that were interpolated are left out.
    """
    seen = spots.seen()
    numbers = np.zeros(len(seen), dtype=np.int64)
    if seen.tracks is not None and len(seen):
        inside = seen.tracks >= 0
        _, ranked = np.unique(seen.tracks[inside], return_inverse=True)
        numbers[inside] = ranked + 1
    return TrackSet(seen.positions, numbers, seen.frames, is_placed=True)


def matched(truth: Spots, found: Spots, *, tolerance: float) -> DetectionMatch:
    """Return the one-to-one assignment of detections to puncta, frame by frame.

    Parameters
    ----------
    truth, found : Spots
        Puncta and detections.
    tolerance : float
        Greatest distance of a hit in pixels.
    """
    known, seen = truth.seen(), found.seen()
    zeros = [np.zeros(len(each), dtype=np.int64) for each in (known, seen)]
    first = TrackSet(known.positions, zeros[0], known.frames, is_placed=True)
    second = TrackSet(seen.positions, zeros[1], seen.frames, is_placed=True)
    partner = match_points(first, second, tolerance=tolerance).candidate_of
    rows = np.flatnonzero(partner != NOBODY)
    errors = seen.positions[partner[rows]] - known.positions[rows]
    return DetectionMatch(rows, partner[rows], errors, len(known), len(seen))


def detection_scores(match: DetectionMatch) -> dict[str, Any]:
    """Return precision, recall, F1 and errors; None where there is nothing to divide by.

    Parameters
    ----------
    match : DetectionMatch
        The hits.
    """
    hits = len(match.truth_rows)
    false, missed = match.n_found - hits, match.n_truth - hits
    total = match.n_truth + match.n_found
    away = np.hypot(*match.errors.T) if hits else np.zeros(0)
    return {
        "puncta": match.n_truth,
        "detections": match.n_found,
        "hits": hits,
        "false": false,
        "missed": missed,
        "precision": hits / match.n_found if match.n_found else None,
        "recall": hits / match.n_truth if match.n_truth else None,
        "f1": 2 * hits / total if total else None,
        "rmse_per_axis_px": float(np.sqrt((match.errors**2).mean())) if hits else None,
        "mean_distance_px": float(away.mean()) if hits else None,
        "bias_x_px": float(match.errors[:, 0].mean()) if hits else None,
        "bias_y_px": float(match.errors[:, 1].mean()) if hits else None,
    }


def track_scores(truth: Spots, tracks: Spots, *, tolerance: float) -> dict[str, Any]:
    """Return the scores of tracks: fragments, merges, identities, links.

    Parameters
    ----------
    truth, tracks : Spots
        Tracks; positions that were interpolated are left out.
    tolerance : float
        Greatest distance of a hit in pixels.

    Raises
    ------
    DataError
        If a table has no tracks.
    """
    match = matched_tracks(truth, tracks, tolerance=tolerance)
    return (
        asdict(fragment_scores(match)) | asdict(identity_scores(match)) | asdict(edge_scores(match))
    )


def matched_tracks(truth: Spots, tracks: Spots, *, tolerance: float) -> TrackMatch:
    """Return which positions of two sets of tracks hit each other.

    Parameters
    ----------
    truth, tracks : Spots
        Tracks.
    tolerance : float
        Greatest distance of a hit in pixels.

    Raises
    ------
    DataError
        If a table has no tracks.
    """
    for name, each in (("the truth", truth), ("the table of tracks", tracks)):
        if each.tracks is None:
            msg = f"{name} has no column track_id"
            raise DataError(msg)
    return match_points(track_set(truth), track_set(tracks), tolerance=tolerance)


def curve(
    truth: Spots, found: Spots, *, tolerance: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return precision and recall at every threshold of the probability, from high to low.

    Hits are those of all detections together: a detection keeps its partner at every threshold.

    Parameters
    ----------
    truth, found : Spots
        Puncta, and detections with probabilities.
    tolerance : float
        Greatest distance of a hit in pixels.

    Returns
    -------
    thresholds, precision, recall : numpy.ndarray, shape (k,)
    """
    seen = found.seen()
    scores = np.ones(len(seen)) if seen.probabilities is None else seen.probabilities
    match = matched(truth, seen, tolerance=tolerance)
    is_hit = np.zeros(len(seen), dtype=bool)
    is_hit[match.found_rows] = True
    return curve_of(scores, is_hit, match.n_truth)


def curve_of(
    scores: FloatArray, is_hit: npt.NDArray[np.bool_], n_truth: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return precision and recall of scored detections at every threshold, from high to low.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n,), float64
        Score of each.
    is_hit : numpy.ndarray, shape (n,), bool
        Whether each is a punctum.
    n_truth : int
        Number of puncta.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_hit[order])
    number = np.arange(1, len(order) + 1)
    last = np.append(np.diff(scores[order]) != 0, True) if len(order) else np.zeros(0, bool)
    return (
        scores[order][last],
        (hits / number)[last],
        (hits / max(n_truth, 1))[last],
    )


def best_threshold(thresholds: FloatArray, precision: FloatArray, recall: FloatArray) -> float:
    """Return the threshold of the highest F1, halfway to the next lower score.

    Parameters
    ----------
    thresholds, precision, recall : numpy.ndarray, shape (k,)
        As :func:`curve` returns them.
    """
    if len(thresholds) == 0:
        return 0.5
    f1 = 2.0 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(f1))
    below = thresholds[best + 1] if best + 1 < len(thresholds) else 0.0
    return float(0.5 * (thresholds[best] + below))
