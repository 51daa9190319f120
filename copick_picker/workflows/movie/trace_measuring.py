"""How bright one channel of a movie is along tracks, and what is wrong with that."""

from typing import Any

import numpy as np

from copick_picker.core.movie.traces import (
    Measured,
    TraceRules,
    measured,
    measured_signals,
    noise_of_trace,
)
from copick_picker.core.movie.widths import best_width
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.formats.movie_files import Movie
from copick_picker.records.movies import Spots
from copick_picker.settings.movie_calcium import MovieTraceRules
from copick_picker.workflows.movie.models import LoadedDetector

_USUAL_OFFSET = 100.0
"""Grey value without light of most scientific cameras."""
_LEAST_REST = 3.0
"""F0 over the noise below which dF/F0 means little."""
_WHITES = (4095.0, 16383.0)
"""Ends of cameras of 12 and 14 bits."""


def measured_channel(
    movie: Movie,
    spots: Spots,
    rules: MovieTraceRules,
    offset: float | None,
    model: LoadedDetector | None,
) -> tuple[Measured, dict[str, Any], list[str]]:
    """Return the traces of a channel, how they were measured, and that in words.

    Parameters
    ----------
    movie : Movie
        The channel.
    spots : Spots
        Positions along tracks, without gaps.
    rules : MovieTraceRules
        How traces are measured.
    offset : float or None
        Grey value without light; None: of the movie's metadata or the model, else estimated.
    model : LoadedDetector or None
        A model whose camera is taken where the movie says nothing.
    """
    level, source = _offset_of(movie, offset, model)
    width, how = _width_of(movie, spots, rules)
    n_frames = len(movie.frames)
    own = TraceRules(
        rules.baseline_window,
        rules.percentile,
        rules.f0,
        corrects_bleaching=not rules.keep_bleaching,
    )
    signals = measured_signals(movie.frames, spots, width=width, whites=_whites_of(movie))
    found = measured(signals, level, own, n_frames=n_frames)
    notes = [
        f"spots of {width:.3g} pixels (standard deviation{how}); grey value without light "
        f"{level:.0f} ({source}); baseline: percentile {rules.percentile:g} of "
        f"{rules.baseline_window} frames; F0: "
        + ("all light at rest" if rules.f0 == "total" else "the spot over its surround")
    ]
    lost = found.fading
    if lost is not None and lost.share > 0:
        notes.append(f"bleaching by {100 * lost.share:.0f} % was corrected")
    elif lost is not None and not lost.is_determined:
        notes.append("bleaching not determined (too few or too uneven frames) and not corrected")
    faded = None if lost is None or not lost.is_determined else lost.share
    facts = {"spot_sigma_px": width, "offset": level, "faded": faded}
    return found, facts, notes


def _width_of(movie: Movie, spots: Spots, rules: MovieTraceRules) -> tuple[float, str]:
    """Return the width of spots, and in words where it comes from."""
    if rules.spot_sigma:
        return rules.spot_sigma, ""
    found = best_width(movie.frames, spots)
    if not found.stands_out:
        return found.pixels, ", because nothing stands out"
    if found.is_fitted:
        return found.pixels, ", fitted to what changes along tracks"
    return found.pixels, (
        "; a guess, because too little changes along tracks to fit it: amplitudes may be "
        "off by a third; set --spot-sigma"
    )


def _offset_of(
    movie: Movie, given: float | None, model: LoadedDetector | None
) -> tuple[float, str]:
    if given is not None:
        return given, "the options"
    if movie.camera:
        return float(movie.camera["baseline"]), "metadata.json"
    if model is not None:
        return model.camera.baseline, "the model; set --baseline if it differs"
    darkest = float(np.quantile(np.asarray(movie.frames[0], dtype=np.float64), 0.001))
    if darkest >= _USUAL_OFFSET:
        return _USUAL_OFFSET, "a guess typical of most cameras; set --baseline"
    return max(darkest - 1.0, 0.0), "a guess from the darkest pixels; set --baseline"


def _whites_of(movie: Movie) -> tuple[float, ...]:
    """Return the grey values at which pixels may be saturated."""
    kind = movie.frames.dtype
    ends = (float(np.iinfo(kind).max),) if np.issubdtype(kind, np.integer) else ()
    return (*_WHITES, *ends)


def warn_of_traces(found: Measured, rules: MovieTraceRules, name: str, reporter: Reporter) -> None:
    """Say which traces are short, hardly above the noise, or saturated.

    Parameters
    ----------
    found : Measured
        Traces.
    rules : MovieTraceRules
        The baseline's window.
    name : str
        The movie's, for messages.
    reporter : Reporter
        Is told.
    """
    lengths = np.array([len(rows) for _, rows in found.rows_by_track()])
    short = int((lengths < rules.baseline_window).sum())
    if short:
        reporter.note(
            f"{name}: {short} of {len(lengths)} tracks shorter than the baseline's window of "
            f"{rules.baseline_window} frames: one baseline for each"
        )
    noises = [noise_of_trace(found.heights[rows]) for _, rows in found.rows_by_track()]
    if np.median(found.levels) < _LEAST_REST * float(np.median(noises)):
        reporter.warn(
            f"{name}: F0 is hardly above the noise, so dF/F0 is unreliable; use --baseline "
            "or another --f0"
        )
    saturated = int(found.signals.is_saturated.sum())
    if saturated:
        reporter.warn(
            f"{name}: {saturated:,} of {len(found.heights):,} positions have saturated "
            "pixels; their signal is underestimated"
        )
