"""Detections to tracks: the linker of :mod:`copick_picker.core.link` along frames, and its gaps."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from copick_picker.core.link.linking import Linked, LinkRules, Scorer, link_points
from copick_picker.core.link.points import LinkPoints
from copick_picker.records.movies import NO_TRACK, FloatArray, IndexArray, Spots

_ROUNDS = 4
_N_NEAREST = 5
_GAPS = (4, 8, 16, 32)
"""Frames that the second pass joins over, growing, before it comes to the most that is allowed."""
_LEAST_ODDS = 1e-6


@dataclass(frozen=True)
class TrackRules:
    """How detections of a movie are linked.

    Attributes
    ----------
    gate : float
        Greatest distance in pixels of a direct link from a frame to the next; over g frames it is
        ``gate * sqrt(g)``.
    direct_gap : int
        Greatest difference of frames of a direct link.
    threshold : float
        Least probability of a direct link.
    fill_gap : int
        Most frames that the second pass joins over; 0: no second pass.
    fill_distance : float
        Greatest distance in pixels over such a gap.
    least_join : float
        Lowest score of such a join, a logarithm of a likelihood ratio.
    solver : str
        ``exact`` or ``threshold``.
    least_length : int
        Detections of the shortest track.
    """

    gate: float
    direct_gap: int
    threshold: float
    fill_gap: int
    fill_distance: float
    least_join: float
    solver: str
    least_length: int

    def link_rules(self) -> LinkRules:
        """Return the rules of the linker."""
        gaps = [gap for gap in _GAPS if gap < self.fill_gap]
        closed = tuple(float(gap) for gap in [*gaps, self.fill_gap] if self.fill_gap)
        odds = min(max(self.threshold, _LEAST_ODDS), 1.0 - _LEAST_ODDS)
        return LinkRules(
            gate=self.gate,
            largest_gap=self.direct_gap,
            n_nearest=_N_NEAREST,
            rounds=_ROUNDS,
            closed_gaps=closed,
            least_join=self.least_join,
            break_limit=math.inf,
            solver=self.solver,
            least_length=self.least_length,
            least_link=math.log(odds / (1.0 - odds)),
            join_reach=self.fill_distance,
        )


def link_spots(
    spots: Spots, rules: TrackRules, scorer: Scorer | None = None
) -> tuple[Spots, dict[str, Any]]:
    """Return the detections that are in tracks, by track and frame, and what was learned of them.

    Tracks are numbered from 1, the longest first.

    Parameters
    ----------
    spots : Spots
        Detections of a movie.
    rules : TrackRules
        How they are linked.
    scorer : Scorer, optional
        A learned one, in place of likelihood ratios.
    """
    linked = link_points(points_of(spots), rules.link_rules(), scorer)
    numbers = linked.numbers(len(spots))
    inside = np.flatnonzero(numbers)
    order = inside[np.lexsort((spots.frames[inside], numbers[inside]))]
    tracked = spots.with_values({"tracks": np.where(numbers > 0, numbers, NO_TRACK)})
    tracked = tracked.with_values({"filled": np.zeros(len(spots), dtype=bool)})
    return tracked.chosen(order), _facts(linked)


def _facts(linked: Linked) -> dict[str, Any]:
    return {**linked.model, "tracks": len(linked.tracks)}


def points_of(spots: Spots) -> LinkPoints:
    """Return detections as the linker takes them.

    Parameters
    ----------
    spots : Spots
        Detections of a movie.
    """
    photons = spots.photons
    if photons is not None and not (np.isfinite(photons) & (photons > 0)).all():
        photons = None
    return LinkPoints(
        spots.positions,
        places=spots.frames,
        probabilities=spots.probabilities,
        amplitudes=photons,
        sigmas=spots.sigmas,
    )


def with_gaps_filled(tracks: Spots) -> Spots:
    """Return tracks with positions interpolated in their gaps, marked as filled.

    x, y and photons lie on the line between the detections before and behind the gap; the
    probability is 0. No length and no score counts them.

    Parameters
    ----------
    tracks : Spots
        Tracks, sorted by track and frame.
    """
    if tracks.tracks is None or len(tracks) == 0:
        return tracks
    same = tracks.tracks[1:] == tracks.tracks[:-1]
    missing = np.where(same, np.diff(tracks.frames) - 1, 0)
    before = np.repeat(np.arange(len(tracks) - 1), missing)
    if len(before) == 0:
        return tracks
    number = np.arange(len(before)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    share = number / (missing[before] + 1)
    added = {
        name: _between(getattr(tracks, name), before, share)
        for name in ("positions", "photons", "sigmas")
    }
    spots = Spots(
        frames=tracks.frames[before] + number,
        positions=tracks.positions[before] if added["positions"] is None else added["positions"],
        probabilities=None if tracks.probabilities is None else np.zeros(len(before)),
        photons=added["photons"],
        sigmas=added["sigmas"],
        tracks=tracks.tracks[before],
        filled=np.ones(len(before), dtype=bool),
    )
    return _sorted_together(tracks, spots)


def _between(values: FloatArray | None, before: IndexArray, share: FloatArray) -> FloatArray | None:
    if values is None:
        return None
    part = share if values.ndim == 1 else share[:, None]
    result: FloatArray = values[before] + part * (values[before + 1] - values[before])
    return result


def _sorted_together(first: Spots, second: Spots) -> Spots:
    joined: dict[str, Any] = {}
    for name, values in first.__dict__.items():
        other = getattr(second, name)
        joined[name] = None if values is None or other is None else np.concatenate([values, other])
    spots = Spots(**joined)
    keys = spots.tracks if spots.tracks is not None else np.zeros(len(spots))
    return spots.chosen(np.lexsort((spots.frames, keys)))
