"""Calcium events in traces: by matched filters over time constants, or by a network's states."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label
from scipy.signal import fftconvolve

from copick_picker.core.movie.traces import noise_of_trace, running_baseline
from copick_picker.core.movie.transients import framed_curve
from copick_picker.records.calcium import Events
from copick_picker.records.movies import FloatArray, IndexArray

RISES = (0.3, 1.0, 3.0, 8.0)
DECAYS = (0.8, 1.3, 2.1, 3.4, 5.5, 9.0, 14.0, 23.0, 37.0, 60.0, 100.0)
"""Time constants in frames of the transients that are looked for."""
_PHASES = (0.0, 0.33, 0.67)
_LONG = 5.0
"""Decay constants after which a transient is over."""
_ROUNDS = 8
_CHECKS = 3
_STEPS = 6
_SHORTEST = 4
_TWINS, _TWIN_SHARE = 4.0, 1.5
"""Frames between onsets of transients that may be one; by how much more two have to explain."""
_RISE_RANGE, _DECAY_RANGE = (0.2, 20.0), (0.5, 200.0)
_SLOWEST = 0.95
"""Share of the longest constants from which on a transient is a change of the baseline."""
_DELTAS, _MOST_MOVE = (0.1, 0.1, 0.1), (0.7, 0.7, 0.5)
"""Changes of onset (frames) and of the logarithms of both constants: for a slope, and at most."""
_UPPER = 84.13
"""Percentile one standard deviation above the middle."""
_SHARE = 0.3
"""Least height of an event over what others reach at its peak: below it is their misfit."""
_PROBABILITY = (5.2, 0.6)
"""Signal over noise at which half of the events are real, and how fast that changes."""


@dataclass(frozen=True)
class EventRules:
    """What counts as an event.

    Attributes
    ----------
    least_snr : float
        Least height over its standard error.
    window : int
        Frames of the running baseline.
    percentile : float
        Of the running baseline.
    """

    least_snr: float = 4.6
    window: int = 500
    percentile: float = 20.0


@dataclass(frozen=True, eq=False)
class _Bank:
    """Transients of height 1 that begin in frame 0."""

    curves: FloatArray
    rises: FloatArray
    decays: FloatArray
    phases: FloatArray
    energies: FloatArray


@lru_cache(maxsize=8)
def _bank(longest: float) -> _Bank:
    rows = [
        (rise, decay, phase)
        for decay in DECAYS
        if decay <= longest
        for rise in RISES
        if rise <= max(decay, RISES[0])
        for phase in _PHASES
    ]
    rises, decays, phases = np.array(rows).T
    length = int(np.ceil(_LONG * decays.max() + 3.0 * rises.max())) + 2
    frames = np.broadcast_to(np.arange(length), (len(rows), length))
    curves = framed_curve(frames, phases[:, None], rises[:, None], decays[:, None])
    curves /= curves.max(axis=1, keepdims=True)
    return _Bank(curves, rises, decays, phases, (curves**2).sum(axis=1))


Shapes = FloatArray
"""Onset, rise and decay of transients (n, 3), in frames; an onset below 0: before the trace."""


@dataclass(frozen=True, eq=False)
class TraceEvents:
    """Events of one trace.

    Attributes
    ----------
    onsets : numpy.ndarray, shape (n,), float64
        In frames of the trace.
    peaks, ends : numpy.ndarray, shape (n,), int64
        Frame of the peak; last frame at half of it.
    heights : numpy.ndarray, shape (n,), float64
        In the unit of the trace.
    snrs : numpy.ndarray, shape (n,), float64
        Height over its standard error.
    rises, decays : numpy.ndarray, shape (n,), float64
        Time constants in frames.
    baseline : numpy.ndarray, shape (t,), float64
        Of the trace without its events.
    fitted : numpy.ndarray, shape (t,), float64
        Sum of the fitted transients, those that began before the trace too; NaN: none were fitted.
    """

    onsets: FloatArray
    peaks: IndexArray
    ends: IndexArray
    heights: FloatArray
    snrs: FloatArray
    rises: FloatArray
    decays: FloatArray
    baseline: FloatArray
    fitted: FloatArray

    @property
    def probabilities(self) -> FloatArray:
        """Probability that each is real, from its signal over noise."""
        middle, width = _PROBABILITY
        away = (self.snrs - middle) / width
        return np.asarray(1.0 / (1.0 + np.exp(-away.clip(-50.0, 50.0))))


@dataclass(frozen=True, eq=False)
class _Fit:
    """Transients fitted to a trace, and what they leave."""

    shapes: Shapes
    heights: FloatArray
    errors: FloatArray
    model: FloatArray
    baseline: FloatArray


def events_of_trace(values: FloatArray, rules: EventRules) -> TraceEvents:
    """Return the events of a trace.

    Matching pursuit over a bank of transients: in each round the best matches that do not overlap
    are added; then heights, onsets and time constants of all are fitted together with a baseline
    that changes slowly, and the weakest are dropped until each stands out from the noise.

    Parameters
    ----------
    values : numpy.ndarray, shape (t,), float64
        A trace, evenly sampled, without gaps.
    rules : EventRules
        What counts as an event.
    """
    length = len(values)
    noise = noise_of_trace(values)
    baseline = running_baseline(values, window=rules.window, percentile=rules.percentile)
    nothing = _Fit(np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros(length), baseline)
    if length < _SHORTEST or noise <= 0:
        return _told(nothing)
    longest = max(DECAYS[0], max(d for d in DECAYS if d <= max(length / 2, DECAYS[0])))
    bank = _bank(longest)
    slow = _slow_changes(length, rules.window / 2.0)
    noises, fit = np.full(len(bank.energies), noise), nothing
    for _ in range(_ROUNDS):
        rest = values - fit.baseline - fit.model
        more = _matches(rest, fit.model, bank, noises, rules.least_snr)
        if not len(more):
            break
        shapes = np.concatenate([fit.shapes, more])
        before = len(fit.shapes)
        fit = _refined(values, _fitted(values, shapes, bank, slow, noises, rules.least_snr), slow)
        fit = _fitted(values, fit.shapes, bank, slow, noises, rules.least_snr)
        if len(fit.shapes) <= before:
            break
    fit = _without_twins(values, fit, slow, noise * rules.least_snr)
    for _ in range(_CHECKS if len(fit.shapes) else 0):
        rest = values - fit.baseline - fit.model
        noises = noise * _excess(rest, bank, noise)
        fit = _fitted(values, fit.shapes, bank, slow, noises, rules.least_snr)
    return _told(fit)


def _without_twins(values: FloatArray, fit: _Fit, slow: FloatArray, least: float) -> _Fit:
    """Return transients without those that one in their place would explain as well.

    Of two that begin close to each other, such as one that rises with a bend, the other is fitted
    anew alone; both stay where that leaves more than one more of them may.
    """
    for row in np.argsort(fit.heights / np.maximum(fit.errors, 1e-12)):
        if row >= len(fit.shapes):
            continue
        away = np.abs(fit.shapes[:, 0] - fit.shapes[row, 0])
        away[row] = np.inf
        if away.min(initial=np.inf) > _TWINS + 2.0 * fit.shapes[row, 1]:
            continue
        solved, _ = _solved(values, np.delete(fit.shapes, row, axis=0), slow)
        alone = _refined(values, solved, slow)
        before, after = (float(((values - f.model - f.baseline) ** 2).sum()) for f in (fit, alone))
        if after - before < least**2 * _TWIN_SHARE:
            return _without_twins(values, alone, slow, least)
    return fit


def _slow_changes(length: int, spacing: float) -> FloatArray:
    """Return what a baseline is made of: triangles between knots (t, k), which sum up to one."""
    n_knots = max(1, round((length - 1) / spacing)) + 1
    if n_knots <= 2:
        return np.ones((length, 1))
    knots = np.linspace(0.0, length - 1.0, n_knots)
    away = np.abs(np.arange(length)[:, None] - knots[None]) / (knots[1] - knots[0])
    return np.asarray(np.maximum(1.0 - away, 0.0))


def _matches(
    residual: FloatArray, model: FloatArray, bank: _Bank, noises: FloatArray, least: float
) -> Shapes:
    """Return the best matches in what is left of a trace; those that overlap wait."""
    length = len(residual)
    starts, heights, scores = _scored(residual, bank, 1.0)
    scores /= noises[:, None]
    best = scores.argmax(axis=0)
    top = scores[best, np.arange(scores.shape[1])]
    found = []
    taken = np.zeros(length, dtype=bool)
    for column in np.argsort(-top):
        if top[column] < least:
            break
        start, kernel = int(starts[column]), int(best[column])
        span = _span(bank, kernel, start, length)
        if taken[span].any():
            continue
        peak = min(max(start + int(bank.curves[kernel].argmax()), 0), length - 1)
        taken[span] = True
        if heights[kernel, column] < _SHARE * model[peak]:
            continue
        onset = start + bank.phases[kernel]
        found.append((onset, bank.rises[kernel], bank.decays[kernel]))
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def _scored(
    residual: FloatArray, bank: _Bank, noise: float
) -> tuple[IndexArray, FloatArray, FloatArray]:
    """Return starts, and for each transient and start the best height and its signal over noise."""
    length = len(residual)
    before = bank.curves.shape[1] - 1
    padded = np.concatenate([np.zeros(before), residual])
    matches = fftconvolve(padded[None], bank.curves[:, ::-1], mode="full", axes=1)
    matches = matches[:, before : before + length + before]
    # column k: it begins in frame k - before; of one before the trace only a part shows
    starts = np.arange(length + before) - before
    energies = _shown_energies(bank, starts, length)
    scores = matches / np.sqrt(np.maximum(energies, 1e-9)) / noise
    scores[energies < 0.05 * bank.energies[:, None]] = 0.0
    return starts, matches / np.maximum(energies, 1e-9), scores


def _excess(rest: FloatArray, bank: _Bank, noise: float) -> FloatArray:
    """Return how much more than its noise a trace without its events matches each transient.

    Slow noise, such as of a spot that moves over uneven light, matches long ones at random.
    """
    starts, _, scores = _scored(rest, bank, noise)
    low, high = np.percentile(scores[:, starts >= 0], [100.0 - _UPPER, _UPPER], axis=1)
    return np.asarray(np.maximum(1.0, 0.5 * (high - low)))


def _shown_energies(bank: _Bank, starts: IndexArray, length: int) -> FloatArray:
    """Return the energy of each transient within the trace, shape (kernels, starts)."""
    sums = np.concatenate(
        [np.zeros((len(bank.energies), 1)), np.cumsum(bank.curves**2, axis=1)], axis=1
    )
    size = bank.curves.shape[1]
    first = (-starts).clip(0, size)
    last = (length - starts).clip(0, size)
    return np.asarray(sums[:, last] - sums[:, first])


def _span(bank: _Bank, kernel: int, start: int, length: int) -> slice:
    reach = int(np.ceil(bank.decays[kernel] + 2.0 * bank.rises[kernel])) + 2
    return slice(max(start - 1, 0), min(max(start + reach, 1), length))


def _design(shapes: Shapes, length: int) -> FloatArray:
    """Return transients of height 1 as columns (t, n)."""
    design = np.zeros((length, len(shapes)))
    for column, (onset, rise, decay) in enumerate(shapes):
        start = int(np.floor(onset))
        size = int(np.ceil(_LONG * decay + 3.0 * rise)) + 2
        curve = framed_curve(np.arange(size), onset - start, rise, np.asarray(decay))
        curve /= curve.max()
        first, end = max(start, 0), min(start + size, length)
        if first < end:
            design[first:end, column] = curve[first - start : end - start]
    return design


def _solved(values: FloatArray, shapes: Shapes, slow: FloatArray) -> tuple[_Fit, FloatArray]:
    """Return heights and baseline of transients, and the root of the normal matrix's inverse."""
    n = len(shapes)
    design = np.concatenate([_design(shapes, len(values)), slow], axis=1)
    normal = design.T @ design + 1e-6 * np.eye(design.shape[1])
    inverse = np.linalg.inv(normal)
    solution = inverse @ (design.T @ values)
    heights = solution[:n]
    roots = np.sqrt(np.diag(inverse)[:n])
    return _Fit(shapes, heights, roots, design[:, :n] @ heights, slow @ solution[n:]), roots


def _fitted(
    values: FloatArray,
    shapes: Shapes,
    bank: _Bank,
    slow: FloatArray,
    noises: FloatArray,
    least: float,
) -> _Fit:
    """Return transients and baseline fitted together; the weakest are dropped one by one.

    Standard errors count that the baseline is not known either.
    """
    while True:
        fit, roots = _solved(values, shapes, slow)
        errors = roots * noises[_nearest(shapes, bank)]
        ratios = np.where(_stands_out(fit), fit.heights / np.maximum(errors, 1e-12), -1.0)
        if not len(shapes) or ratios.min() >= least:
            return _Fit(shapes, fit.heights, errors, fit.model, fit.baseline)
        shapes = np.delete(shapes, int(ratios.argmin()), axis=0)


def _refined(values: FloatArray, fit: _Fit, slow: FloatArray) -> _Fit:
    """Return transients whose onsets and time constants fit better: Gauss-Newton, damped."""
    shapes = fit.shapes
    if not len(shapes):
        return fit
    best = float(((values - fit.model - fit.baseline) ** 2).sum())
    for _ in range(_STEPS):
        moves = _moves(values, fit, slow)
        for damping in (1.0, 0.3):
            changed = shapes.copy()
            changed[:, 0] += damping * moves[:, 0]
            changed[:, 1:] *= np.exp(damping * moves[:, 1:])
            changed[:, 1] = changed[:, 1].clip(*_RISE_RANGE)
            changed[:, 2] = changed[:, 2].clip(*_DECAY_RANGE)
            changed[:, 1] = np.minimum(changed[:, 1], np.maximum(changed[:, 2], _RISE_RANGE[0]))
            tried, _ = _solved(values, changed, slow)
            left = float(((values - tried.model - tried.baseline) ** 2).sum())
            if left < best:
                break
        else:
            return fit
        gained, best, shapes, fit = best - left, left, changed, tried
        if gained < 1e-3 * best:
            return fit
    return fit


def _moves(values: FloatArray, fit: _Fit, slow: FloatArray) -> FloatArray:
    """Return how onset and the logarithms of both constants should change (n, 3)."""
    length, n = len(values), len(fit.shapes)
    plain = _design(fit.shapes, length)
    columns = []
    for axis, size in enumerate(_DELTAS):
        shifted = fit.shapes.copy()
        if axis == 0:
            shifted[:, 0] += size
        else:
            shifted[:, axis] *= np.exp(size)
        columns.append(fit.heights[None] * (_design(shifted, length) - plain) / size)
    design = np.concatenate([*columns, plain, slow], axis=1)
    rest = values - fit.model - fit.baseline
    scale = (design**2).sum(axis=0)
    normal = design.T @ design + np.diag(1e-2 * scale + 1e-9)
    solution = np.linalg.solve(normal, design.T @ rest)
    moves = solution[: 3 * n].reshape(3, n).T
    return np.asarray(moves.clip(-np.array(_MOST_MOVE), np.array(_MOST_MOVE)))


def _nearest(shapes: Shapes, bank: _Bank) -> IndexArray:
    """Return the transient of the bank that each resembles."""
    if not len(shapes):
        return np.zeros(0, dtype=np.int64)
    logs = np.log(np.stack([bank.rises, bank.decays], axis=1))
    away = ((np.log(shapes[:, None, 1:]) - logs[None]) ** 2).sum(axis=2)
    return np.asarray(away.argmin(axis=1), dtype=np.int64)


def _peaks(shapes: Shapes, length: int) -> IndexArray:
    """Return the frame of each transient's peak, within the trace."""
    after = shapes[:, 1] * np.log1p(shapes[:, 2] / shapes[:, 1])
    frames = np.floor(shapes[:, 0] + after).astype(np.int64)
    return np.asarray(frames.clip(0, length - 1))


def _stands_out(fit: _Fit) -> npt.NDArray[np.bool_]:
    """Return whether each transient exceeds the others' misfit, and is no slow change."""
    at = _peaks(fit.shapes, len(fit.model))
    is_event = fit.heights >= _SHARE * (fit.model[at] - fit.heights)
    limits = np.array([_RISE_RANGE[1], _DECAY_RANGE[1]])
    is_slow = (fit.shapes[:, 1:] >= _SLOWEST * limits).any(axis=1)
    return np.asarray(is_event & ~is_slow)


def _told(fit: _Fit) -> TraceEvents:
    """Return the events that begin within the trace, in order of onsets."""
    length = len(fit.model)
    rows = np.flatnonzero(fit.shapes[:, 0] >= 0) if len(fit.shapes) else np.zeros(0, dtype=np.int64)
    rows = rows[np.argsort(fit.shapes[rows, 0])] if len(rows) else rows
    shapes = fit.shapes[rows]
    curves = _design(shapes, length)
    peaks = curves.argmax(axis=0) if len(rows) else np.zeros(0, dtype=np.int64)
    ends = [int(np.flatnonzero(curve >= 0.5 * curve.max())[-1]) for curve in curves.T]
    return TraceEvents(
        shapes[:, 0],
        np.asarray(peaks, dtype=np.int64),
        np.array(ends, dtype=np.int64),
        fit.heights[rows],
        fit.heights[rows] / np.maximum(fit.errors[rows], 1e-12),
        shapes[:, 1],
        shapes[:, 2],
        fit.baseline,
        fit.model,
    )


def events_of_states(
    probabilities: FloatArray, signal: FloatArray, *, threshold: float
) -> TraceEvents:
    """Return events from the probability that calcium is up in each frame.

    An event is a stretch of frames above half the threshold that reaches the threshold; single
    frames below it do not divide one. A stretch that begins with the trace is none: nothing shows
    when it began.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (t,), float64
        Of a network, along a track.
    signal : numpy.ndarray, shape (t,), float64
        The trace, over its baseline, for peaks and heights.
    threshold : float
        Least probability of an event's best frame.
    """
    above = probabilities >= 0.5 * threshold
    closed = above.copy()
    closed[1:-1] |= above[:-2] & above[2:]
    runs: npt.NDArray[np.int64]
    runs, n_runs = label(closed)
    rows = []
    for run in range(1, n_runs + 1):
        frames = np.flatnonzero(runs == run)
        best = float(probabilities[frames].max())
        if best < threshold or frames[0] == 0:
            continue
        peak = int(frames[signal[frames].argmax()])
        rest = float(signal[frames[0] - 1])
        rows.append((frames[0], peak, frames[-1], float(signal[peak]) - min(rest, 0.0), best))
    starts, peaks, ends, heights, best_of = (
        np.array([row[column] for row in rows], dtype=np.float64) for column in range(5)
    )
    missing = np.full(len(rows), np.nan)
    return TraceEvents(
        starts,
        peaks.astype(np.int64),
        ends.astype(np.int64),
        heights,
        _snr_of(best_of),
        missing,
        missing,
        np.zeros(len(signal)),
        np.full(len(signal), np.nan),
    )


def _snr_of(probabilities: FloatArray) -> FloatArray:
    """Return the signal over noise that a probability stands for."""
    middle, width = _PROBABILITY
    inside = probabilities.clip(1e-9, 1.0 - 1e-9)
    return np.asarray(middle + width * np.log(inside / (1.0 - inside)))


@dataclass(frozen=True, eq=False)
class TrackEvents:
    """Events along a track.

    Attributes
    ----------
    track : int
        Its number.
    first_frame : int
        First frame of its trace.
    events : TraceEvents
        Events of the trace.
    levels : numpy.ndarray, shape (t,), float64
        F0 in each frame: what a height is divided by.
    positions : numpy.ndarray, shape (t, 2), float64
        x and y in pixels.
    """

    track: int
    first_frame: int
    events: TraceEvents
    levels: FloatArray
    positions: FloatArray


def joined_events(parts: Sequence[TrackEvents]) -> Events:
    """Return the events of all tracks, in order of tracks and onsets.

    Parameters
    ----------
    parts : sequence of TrackEvents
        Events of each track.
    """

    def joined(values: list[FloatArray], *shape: int) -> FloatArray:
        return np.concatenate(values) if values else np.zeros((0, *shape))

    onsets = joined([each.events.onsets + each.first_frame for each in parts])
    shifted = [
        (each.events.peaks + each.first_frame, each.events.ends + each.first_frame)
        for each in parts
    ]
    peaks, ends = (joined([pair[k].astype(np.float64) for pair in shifted]) for k in (0, 1))
    tracks = joined([np.full(len(each.events.onsets), each.track) for each in parts])
    at = [np.floor(each.events.onsets).astype(np.int64).clip(0) for each in parts]
    return Events(
        tracks.astype(np.int64),
        onsets,
        peaks.astype(np.int64),
        ends.astype(np.int64),
        joined([each.events.heights / each.levels[each.events.peaks] for each in parts]),
        joined([each.events.probabilities for each in parts]),
        joined([each.events.rises for each in parts]),
        joined([each.events.decays for each in parts]),
        positions=joined([each.positions[row] for each, row in zip(parts, at, strict=True)], 2),
    )
