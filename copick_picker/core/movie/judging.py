"""How a detector does on held-out movies: what training, threshold and calibration go by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.heads.point_scores import probability_of
from copick_picker.core.movie.detector import Channel, Detector
from copick_picker.core.movie.event_scores import state_scores
from copick_picker.core.movie.patches import KnownMovie
from copick_picker.core.movie.scores import best_threshold, curve_of, matched
from copick_picker.records.movies import FloatArray, IndexArray, Spots, all_spots

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


def spread_over(n_frames: int, most: int) -> IndexArray:
    """Return some frames all over a movie.

    Parameters
    ----------
    n_frames : int
        Frames of the movie.
    most : int
        How many are wanted.
    """
    return np.unique(np.linspace(0, n_frames - 1, min(most, n_frames)).astype(np.int64))


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
    numbers = spread_over(len(movie.frames), frames)
    found = all_spots(
        list(
            detector.spots(
                movie.frames,
                numbers.tolist(),
                scale=movie.scale,
                gain=movie.gain,
                threshold=_FLOOR,
                second=second_channel(movie),
            )
        )
    )
    truth = movie.truth.chosen(np.isin(movie.truth.frames, numbers))
    match = matched(truth, found, tolerance=_TOLERANCE)
    is_hit = np.zeros(len(found), dtype=bool)
    is_hit[match.found_rows] = True
    order = np.argsort(match.found_rows)
    return FoundPuncta(truth, found, is_hit, match.errors[order])


def second_channel(movie: KnownMovie) -> Channel | None:
    """Return the second channel of a movie as a detector takes it.

    Parameters
    ----------
    movie : KnownMovie
        The movie.
    """
    known = movie.calcium
    return None if known is None else Channel(known.frames, known.scale)


@dataclass(frozen=True, eq=False)
class JudgedCalcium:
    """How likely calcium is up at true puncta, and whether it is.

    Attributes
    ----------
    logits : numpy.ndarray, shape (n,), float64
        The network's.
    active : numpy.ndarray, shape (n,), bool
        The truth.
    """

    logits: FloatArray
    active: npt.NDArray[np.bool_]

    def probabilities(self, fit: tuple[float, float] = (1.0, 0.0)) -> FloatArray:
        """Return calibrated probabilities."""
        return probability_of(1.0 / (1.0 + np.exp(-self.logits.clip(-30.0, 30.0))), fit)

    def threshold(self, fit: tuple[float, float] = (1.0, 0.0)) -> float:
        """Return the threshold of the highest F1."""
        n = int(self.active.sum())
        return best_threshold(*curve_of(self.probabilities(fit), self.active, n))

    def at(self, threshold: float, fit: tuple[float, float] = (1.0, 0.0)) -> dict[str, Any]:
        """Return the scores at a threshold, see :func:`state_scores`."""
        return state_scores(self.probabilities(fit) >= threshold, self.active)


def calcium_in(
    detector: Detector, movies: Sequence[KnownMovie], *, frames: int
) -> JudgedCalcium | None:
    """Return the network's view of calcium at true puncta; None where nothing is known.

    Parameters
    ----------
    detector : Detector
        A hybrid one.
    movies : sequence of KnownMovie
        Held-out movies.
    frames : int
        Frames of each to look at, spread over the movie.
    """
    logits, active = [], []
    for movie in movies:
        second = second_channel(movie)
        if movie.calcium is None or movie.calcium.active is None or not len(movie.truth):
            continue
        rows = np.isin(movie.truth.frames, spread_over(len(movie.frames), frames))
        channels = [Channel(movie.frames, movie.scale)] + ([] if second is None else [second])
        logits.append(detector.calcium_at(channels, movie.truth.chosen(rows)))
        active.append(movie.calcium.active[rows])
    if not logits:
        return None
    return JudgedCalcium(np.concatenate(logits), np.concatenate(active))
