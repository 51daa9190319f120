"""Pictures of calcium events: those that begin together, how often and how high they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.report.analysis_pictures import (
    ANALYSIS_STYLE,
    Files,
    FloatArray,
    IndexArray,
    picture_files,
    say_why_empty,
)
from copick_picker.report.figures import PALETTE, tick_whole_numbers

_BLUE, _RED, _GREEN, *_, _BLACK = PALETTE
_MOST_ROWS = 12


def co_occurrence_picture(
    observed: int, control: IndexArray, *, p: float | None, ratio: float | None, within: int
) -> Files:
    """Return how many pairs of events begin together, beside those of chance.

    Parameters
    ----------
    observed : int
        Pairs of events of different tracks.
    control : numpy.ndarray, shape (s,), int64
        The same of each shuffle.
    p, ratio : float or None
        Share of the control that is as high, and how often chance makes what is observed; None
        where there are no events to compare.
    within : int
        Most frames between the onsets of a pair.
    """
    with rc_context(ANALYSIS_STYLE):
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.subplots()
        axes.set_title("Coincident events of different tracks")
        axes.set(xlabel=f"pairs of events whose onsets are at most {within} frames apart")
        if p is None:
            say_why_empty(axes, "There are no events on two or more tracks.")
        else:
            _control_chart(axes, observed, control, p, ratio)
        return picture_files(
            figure,
            "co_occurrence",
            "Control: random circular shifts of each track's events. p: one-sided, fraction "
            "of shuffles with at least as many pairs.",
        )


def _control_chart(
    axes: Axes, observed: int, control: IndexArray, p: float, ratio: float | None
) -> None:
    low, high = int(min(control.min(), observed)), int(max(control.max(), observed))
    step = max(1, -(-(high - low + 1) // 50))
    edges = np.arange(low, high + step + 1, step) - 0.5
    counts, _ = np.histogram(control, edges)
    words = f"control: {len(control):,} shuffles, mean {control.mean():.1f}"
    axes.stairs(counts, edges, fill=True, color=_BLUE, alpha=0.35)
    axes.stairs(counts, edges, color=_BLUE, linewidth=1.4, label=words)
    p_words = f"p = {p:.2g}" if p > 1.0 / (1.0 + len(control)) else f"p ≤ {p:.2g}"
    times = "" if ratio is None else f", {ratio:.2f} times the control"
    words = f"observed: {observed:,}{times}, {p_words}"
    axes.vlines(observed, 0, 1.05 * counts.max(), _RED, linewidth=2.2, label=words)
    room = max(0.5, 0.04 * (high - low))
    axes.set(ylabel="shuffles", xlim=(max(edges[0] - room, -0.75), edges[-1] + room))
    axes.set_ylim(0, 1.32 * counts.max())
    tick_whole_numbers(axes.xaxis)
    tick_whole_numbers(axes.yaxis)
    axes.legend(frameon=False, loc="upper left")


@dataclass(frozen=True)
class ActiveShare:
    """Tracks with events among those that could have some.

    Attributes
    ----------
    name : str
        Name of the movie, or ``all``.
    active, tracks : int
        Tracks with events, and all.
    low, high : float
        95 % interval of the share.
    """

    name: str
    active: int
    tracks: int
    low: float
    high: float


def event_statistics_picture(
    rates: FloatArray, amplitudes: FloatArray, shares: Sequence[ActiveShare], *, unit: str
) -> Files:
    """Return how often tracks have events, how high these are, and how many tracks have some.

    Parameters
    ----------
    rates : numpy.ndarray, shape (n,), float64
        Events of each track, in ``unit``.
    amplitudes : numpy.ndarray, shape (m,), float64
        dF/F0 of each event.
    shares : sequence of ActiveShare
        Of each movie, that of all the last.
    unit : str
        Such as ``events per minute``.
    """
    with rc_context(ANALYSIS_STYLE):
        figure = Figure(figsize=(11.4, 3.8))
        first, second, third = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
        first.set(title="Rates", xlabel=unit, ylabel="tracks")
        second.set(title="Amplitudes", xlabel="dF/F0 at the peak", ylabel="events")
        third.set(title="Active tracks", xlabel="fraction of tracks with events")
        if len(rates):
            top = float(rates.max()) or 1.0
            edges = np.linspace(0.0, top, min(30, max(6, len(rates) // 3)) + 1).tolist()
            words = f"{len(rates):,} tracks, mean {rates.mean():.3g}"
            first.hist(rates, bins=edges, color=_BLUE, alpha=0.7, label=words)
            _leave_room(first)
        else:
            say_why_empty(first, "There are no tracks.")
        if len(amplitudes):
            words = f"{len(amplitudes):,} events, median {np.median(amplitudes):.3g}"
            bins = min(30, max(6, len(amplitudes) // 3))
            second.hist(amplitudes, bins=bins, color=_GREEN, alpha=0.7, label=words)
            _leave_room(second)
        else:
            say_why_empty(second, "There are no events.")
        _shares_chart(third, shares)
        return picture_files(
            figure,
            "event_statistics",
            "Rates include tracks without events. Lines: 95 % Wilson intervals.",
        )


def _leave_room(axes: Axes) -> None:
    axes.set_ylim(0, 1.22 * axes.get_ylim()[1])
    tick_whole_numbers(axes.yaxis)
    axes.legend(frameon=False, fontsize=8, loc="upper right", handlelength=1.2)


def _shares_chart(axes: Axes, shares: Sequence[ActiveShare]) -> None:
    shown = [*shares[: _MOST_ROWS - 1], shares[-1]] if len(shares) > _MOST_ROWS else list(shares)
    for place, each in enumerate(reversed(shown)):
        colour = _BLACK if each is shares[-1] else _BLUE
        share = each.active / max(each.tracks, 1)
        axes.plot([each.low, each.high], [place, place], color=colour, linewidth=1.6)
        axes.plot(share, place, "o", color=colour)
        words = f"{each.active} of {each.tracks}"
        middle = float(np.clip(share, 0.12, 0.88))
        axes.annotate(
            words, (middle, place), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.7, len(shown) - 0.3))
    axes.set_yticks(range(len(shown)), [each.name for each in reversed(shown)])
    axes.grid(visible=False, axis="y")
