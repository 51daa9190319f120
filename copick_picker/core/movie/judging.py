"""How a detector does on held-out movies: what training, threshold and calibration go by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from copick_picker.core.heads.point_scores import probability_of
from copick_picker.core.movie.detector import Detector
from copick_picker.core.movie.patches import KnownMovie
from copick_picker.core.movie.scores import best_threshold, curve_of, matched
from copick_picker.records.movies import FloatArray, Spots, all_spots

_TOLERANCE = 2.0
_FLOOR = 0.02


@dataclass(frozen=True, eq=False)
class FoundPuncta:
    """Detections of a held-out movie, all of them, and the truth of its frames."""

    truth: Spots
    found: Spots
    is_hit: Any
    errors: FloatArray
    """Of the hits, x and y in pixels."""


class Judged:
    """Detections of several held-out movies.

    Parameters
    ----------
    parts : sequence of FoundPuncta
        The movies.
    fit : tuple of float
        Slope and intercept that calibrate the scores.
    """

    def __init__(self, parts: Sequence[FoundPuncta], fit: tuple[float, float] = (1.0, 0.0)) -> None:
        self.parts = parts
        scores = [part.found.probabilities for part in parts]
        joined = np.concatenate([np.zeros(0) if each is None else each for each in scores])
        self.scores = probability_of(joined, fit)
        self.is_hit = np.concatenate([part.is_hit for part in parts])
        self.n_truth = sum(len(part.truth) for part in parts)

    def threshold(self) -> float:
        """Return the threshold of the highest F1."""
        return best_threshold(*curve_of(self.scores, self.is_hit, self.n_truth))

    def at(self, threshold: float) -> dict[str, Any]:
        """Return the scores at a threshold."""
        keep = self.scores >= threshold
        errors = np.concatenate([part.errors for part in self.parts])
        kept = keep[self.is_hit]
        hits, n_found = int(kept.sum()), int(keep.sum())
        total = n_found + self.n_truth
        return {
            "puncta": self.n_truth,
            "precision": hits / n_found if n_found else None,
            "recall": hits / self.n_truth if self.n_truth else None,
            "f1": 2 * hits / total if total else None,
            "rmse_per_axis_px": float(np.sqrt((errors[kept] ** 2).mean())) if hits else None,
        }


def found_in(detector: Detector, movie: KnownMovie, *, frames: int) -> FoundPuncta:
    """Return everything that a detector finds in some frames of a movie, against the truth.

    Parameters
    ----------
    detector : Detector
        The detector.
    movie : KnownMovie
        The movie.
    frames : int
        Frames to look at, spread over the movie.
    """
    n_frames = len(movie.frames)
    numbers = np.unique(np.linspace(0, n_frames - 1, min(frames, n_frames)).astype(int))
    found = all_spots(
        list(
            detector.spots(
                movie.frames,
                numbers.tolist(),
                scale=movie.scale,
                gain=movie.gain,
                threshold=_FLOOR,
            )
        )
    )
    truth = movie.truth.chosen(np.isin(movie.truth.frames, numbers))
    match = matched(truth, found, tolerance=_TOLERANCE)
    is_hit = np.zeros(len(found), dtype=bool)
    is_hit[match.found_rows] = True
    order = np.argsort(match.found_rows)
    return FoundPuncta(truth, found, is_hit, match.errors[order])
