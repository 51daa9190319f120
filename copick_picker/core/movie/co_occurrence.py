"""Calcium at tracks: events of each, events that begin together, photons and calcium together.

Chance is what is left when the events of each track, or its photons against its trace, are shifted
in a circle within the track's own frames: that keeps the number of events and their spacing, and
undoes what ties them to others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.analysis import members_of
from copick_picker.records.calcium import Events, Traces
from copick_picker.records.movies import NO_TRACK, FloatArray, IndexArray, Spots

Spans = Mapping[int, tuple[int, int]]
"""First and last frame of each track."""
_LEAST_SHARED = 3
_ROUNDING = 1e-9


@dataclass(frozen=True)
class TrackEvents:
    """The events of a track.

    Attributes
    ----------
    track_id : int
        Its number.
    frames : int
        Frames in which it could have events.
    events : int
        Their number.
    mean_amplitude, highest : float or None
        Mean and greatest dF/F0 of the peaks; None without events.
    """

    track_id: int
    frames: int
    events: int
    mean_amplitude: float | None
    highest: float | None

    @property
    def per_frame(self) -> float:
        """Events a frame."""
        return self.events / self.frames


@dataclass(frozen=True, eq=False)
class Coincidences:
    """Pairs of events that begin together, and how many chance makes.

    Attributes
    ----------
    events, tracks : int
        Events, and tracks that have some.
    observed : int
        Pairs of events of different tracks whose onsets lie close to each other.
    control : numpy.ndarray, shape (s,), int64
        The same with the events of each track shifted at random, over and over.
    """

    events: int
    tracks: int
    observed: int
    control: IndexArray

    def joined(self, other: "Coincidences") -> "Coincidences":
        """Return the coincidences of two movies together."""
        return Coincidences(
            self.events + other.events,
            self.tracks + other.tracks,
            self.observed + other.observed,
            self.control + other.control,
        )

    def figures(self) -> dict[str, Any]:
        """Return mean and 95 % range of the control, ratio and p value; None where none can be.

        The p value is one-sided, ``(1 + #{control >= observed}) / (1 + #control)``: Phipson and
        Smyth 2010, https://doi.org/10.2202/1544-6115.1585.
        """
        found: dict[str, Any] = {"events": self.events, "tracks": self.tracks}
        found |= {"observed": self.observed, "shuffles": len(self.control)}
        names = ("control_mean", "control_low", "control_high", "ratio", "p")
        found |= dict.fromkeys(names)
        if self.tracks < 2 or not len(self.control):
            return found
        mean = float(self.control.mean())
        low, high = (float(each) for each in np.quantile(self.control, (0.025, 0.975)))
        found |= {"control_mean": mean, "control_low": low, "control_high": high}
        found["ratio"] = self.observed / mean if mean > 0 else None
        as_many = int((self.control >= self.observed).sum())
        return found | {"p": (1 + as_many) / (1 + len(self.control))}


@dataclass(frozen=True)
class TrackCorrelation:
    """How a punctum's photons and its calcium go together.

    Attributes
    ----------
    track_id : int
        Its number.
    frames : int
        Frames that both are known in.
    mean_x, mean_y : float
        Mean position in these frames, in pixels.
    correlation : float
        Pearson's coefficient of photons and dF/F0.
    p : float
        Share of all circular shifts of the one against the other, none included, whose coefficient
        is at least as far from 0.
    """

    track_id: int
    frames: int
    mean_x: float
    mean_y: float
    correlation: float
    p: float


def track_spans(tracks: Spots, traces: Traces | None, events: Events | None) -> Spans:
    """Return the first and last frame of each track, wherever the tables mention it.

    Parameters
    ----------
    tracks : Spots
        Tracks; interpolated positions count.
    traces : Traces or None
        Traces along them.
    events : Events or None
        Events at them; only their onsets count.
    """
    numbers, frames = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    if tracks.tracks is not None:
        numbers.append(tracks.tracks)
        frames.append(tracks.frames)
    if traces is not None:
        numbers.append(traces.tracks)
        frames.append(traces.frames)
    if events is not None:
        numbers.append(events.tracks)
        frames.append(events.onset_frames)
    whose, when = np.concatenate(numbers), np.concatenate(frames)
    order = np.lexsort((when, whose))
    whose, when = whose[order], when[order]
    names, first = np.unique(whose, return_index=True)
    last = np.append(first[1:], len(whose)) - 1
    return {
        int(name): (int(when[start]), int(when[end]))
        for name, start, end in zip(names, first, last, strict=True)
        if name != NO_TRACK
    }


def event_statistics(events: Events, spans: Spans) -> list[TrackEvents]:
    """Return the events of each track in figures, in the order of their numbers.

    Parameters
    ----------
    events : Events
        Events.
    spans : mapping of int to tuple of int
        Tracks that could have events, with their first and last frame.

    Examples
    --------
    >>> when = np.array([3, 11])
    >>> events = Events(np.array([7, 7]), when + 0.5, when + 1, when + 3, np.array([0.4, 0.6]))
    >>> [(each.track_id, each.events) for each in event_statistics(events, {7: (0, 19), 9: (5, 9)})]
    [(7, 2), (9, 0)]
    """
    found = []
    for track, (first, last) in sorted(spans.items()):
        own = events.amplitudes[events.tracks == track]
        mean, highest = (float(own.mean()), float(own.max())) if len(own) else (None, None)
        found.append(TrackEvents(track, last - first + 1, len(own), mean, highest))
    return found


def coincidences(
    events: Events, spans: Spans, *, within: int, shuffles: int, rng: np.random.Generator
) -> Coincidences:
    """Return the pairs of events of different tracks that begin together, and those of chance.

    For the control the events of each track are shifted by a random number of frames, in a circle
    within the track's own frames.

    Parameters
    ----------
    events : Events
        Events of one movie; those of no track do not count.
    spans : mapping of int to tuple of int
        First and last frame of each track, its events' onsets included.
    within : int
        Most frames between the two onsets of a pair.
    shuffles : int
        Repetitions of the control.
    rng : numpy.random.Generator
        Source of randomness.

    Examples
    --------
    >>> when = np.array([3, 4, 15])
    >>> events = Events(np.array([1, 2, 2]), when + 0.5, when + 1, when + 3, np.ones(3))
    >>> spans = {1: (0, 19), 2: (0, 19)}
    >>> rng = np.random.default_rng(0)
    >>> coincidences(events, spans, within=2, shuffles=100, rng=rng).observed
    1
    """
    own = events.chosen(events.tracks != NO_TRACK)
    names, which = np.unique(own.tracks, return_inverse=True)
    if not len(own):
        return Coincidences(0, 0, 0, np.zeros(shuffles, dtype=np.int64))
    ends = np.array([spans[int(name)] for name in names], dtype=np.int64)
    first, lengths = ends[:, 0], ends[:, 1] - ends[:, 0] + 1
    away = own.onset_frames - first[which]
    stride = int(ends[:, 1].max() - first.min()) + within + 1

    def pairs(shifts: IndexArray) -> int:
        shifted = first[which] + (away + shifts[which]) % lengths[which]
        return _close(shifted, within) - _close(shifted + stride * which, within)

    observed = pairs(np.zeros(len(names), dtype=np.int64))
    control = [pairs(rng.integers(0, lengths)) for _ in range(shuffles)]
    return Coincidences(len(own), len(names), observed, np.array(control, dtype=np.int64))


def _close(frames: IndexArray, within: int) -> int:
    """Return how many pairs lie at most so far from each other."""
    ordered = np.sort(frames)
    up_to = np.searchsorted(ordered, ordered + within, side="right")
    return int((up_to - np.arange(len(ordered)) - 1).sum())


def correlations(tracks: Spots, traces: Traces, *, min_length: int) -> list[TrackCorrelation]:
    """Return how photons and calcium go together, of each track that has enough of both.

    Positions interpolated in gaps do not count, nor do tracks whose photons or traces do not vary.
    Where calcium and photons both change slowly, few shifts differ and p stays large: it is at
    least 1 / frames.

    Parameters
    ----------
    tracks : Spots
        Tracks with photons.
    traces : Traces
        Traces along them.
    min_length : int
        Fewest frames that both are known in.
    """
    if tracks.photons is None:
        return []
    rows_of = dict(traces.members())
    least = max(min_length, _LEAST_SHARED)
    found = []
    for track, members in members_of(tracks):
        rows = members[np.isfinite(tracks.photons[members])]
        others = rows_of.get(track, np.zeros(0, dtype=np.int64))
        _, here, there = np.intersect1d(
            tracks.frames[rows], traces.frames[others], return_indices=True
        )
        if len(here) < least:
            continue
        shared = rows[here]
        both = _correlation(tracks.photons[shared], traces.dff[others[there]])
        if both is not None:
            mean_x, mean_y = (float(each) for each in tracks.positions[shared].mean(axis=0))
            found.append(TrackCorrelation(track, len(shared), mean_x, mean_y, *both))
    return found


def _correlation(first: FloatArray, second: FloatArray) -> tuple[float, float] | None:
    """Return Pearson's coefficient and its p value; None where one of the two does not vary."""
    spectra = []
    for values in (first, second):
        away = values - values.mean()
        length = float(np.sqrt((away**2).sum()))
        if length <= _ROUNDING * float(np.abs(values).max()):
            return None
        spectra.append(np.fft.rfft(away / length))
    shifted = np.fft.irfft(spectra[0] * spectra[1].conj(), len(first))
    as_far = np.abs(shifted) >= abs(shifted[0]) - _ROUNDING
    return float(shifted[0]), float(as_far.mean())


def significant(p_values: FloatArray, *, level: float) -> npt.NDArray[np.bool_]:
    """Return which tests are significant at a false discovery rate.

    Benjamini and Hochberg 1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x.

    Parameters
    ----------
    p_values : numpy.ndarray, shape (n,), float64
        One a test.
    level : float
        False discovery rate.

    Examples
    --------
    >>> significant(np.array([0.04, 0.001, 0.02, 0.9]), level=0.05).tolist()
    [False, True, True, False]
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    passed = np.flatnonzero(p_values[order] <= level * np.arange(1, n + 1) / max(n, 1))
    result = np.zeros(n, dtype=bool)
    if len(passed):
        result[order[: passed[-1] + 1]] = True
    return result


def binned_means(
    positions_xy: FloatArray, values: FloatArray, *, width: float, shape_yx: tuple[int, int]
) -> tuple[FloatArray, IndexArray]:
    """Return means of values in square bins of the field, and how many are in each.

    Parameters
    ----------
    positions_xy : numpy.ndarray, shape (n, 2), float64
        x and y in pixels; the first bin begins at the first pixel's corner, -0.5.
    values : numpy.ndarray, shape (n,), float64
        A value each.
    width : float
        Side of a bin in pixels.
    shape_yx : tuple of int
        Bins along y and x; what lies beyond counts in the last.

    Returns
    -------
    means : numpy.ndarray, shape (y, x), float64
        NaN where a bin is empty.
    numbers : numpy.ndarray, shape (y, x), int64
    """
    index = np.floor((positions_xy[:, ::-1] + 0.5) / width).astype(np.int64)
    rows, columns = (index[:, axis].clip(0, shape_yx[axis] - 1) for axis in (0, 1))
    sums = np.zeros(shape_yx)
    numbers = np.zeros(shape_yx, dtype=np.int64)
    np.add.at(sums, (rows, columns), values)
    np.add.at(numbers, (rows, columns), 1)
    means = np.full(shape_yx, np.nan)
    np.divide(sums, numbers, out=means, where=numbers > 0)
    return means, numbers
