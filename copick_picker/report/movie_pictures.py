"""Pictures of movies, detections and tracks, as PNG files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker._version import __version__
from copick_picker.report.figures import (
    CHART_STYLE,
    PALETTE,
    add_footer,
    png_bytes,
    tick_whole_numbers,
)

FloatArray = npt.NDArray[np.float64]
_BLUE, _RED, _GREEN, _PINK, _ORANGE, _SKY, _BLACK = PALETTE
_ABOUT = {"Software": f"copick-picker {__version__}"}
_SIMPLE = (0.01, 0.04, 1.0, 1.0)


def _finished(figure: Figure, footer: str) -> bytes:
    figure.tight_layout(rect=_SIMPLE)
    add_footer(figure, footer)
    return png_bytes(figure, _ABOUT)


def _lengths_chart(axes: Axes, groups: Mapping[str, FloatArray]) -> None:
    """Draw histograms of track lengths side by side, on a scale that shows short and long ones."""
    longest = max((float(values.max()) for values in groups.values() if len(values)), default=1.0)
    edges = np.unique(np.concatenate([[0.5, 1.5, 2.5, 3.5], np.geomspace(5.5, longest + 6, 14)]))
    looks = ((_BLUE, "--", 3), (_ORANGE, "-", 2))  # the first stays visible where both are equal
    for (name, values), (colour, line, order) in zip(groups.items(), looks, strict=False):
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts, edges, fill=True, alpha=0.35, color=colour)
        label = f"{name}: {len(values):,}"
        if len(values):
            label += f", mean {values.mean():.1f}, median {np.median(values):.0f}"
        axes.stairs(
            counts, edges, color=colour, linewidth=1.8, linestyle=line, zorder=order, label=label
        )
    axes.set_xscale("log")
    ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000, 3000) if tick <= longest * 1.3]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    tick_whole_numbers(axes.yaxis)
    axes.set_xlabel("detections of a track")
    axes.set_ylabel("tracks")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def gap_filling_picture(before: FloatArray, after: FloatArray) -> bytes:
    """Return lengths of tracks before and after gaps were filled.

    Parameters
    ----------
    before, after : numpy.ndarray, shape (n,)
        Detections of each track.
    """
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(7.0, 4.2))
        axes = figure.subplots()
        _lengths_chart(axes, {"before": before, "gaps filled": after})
        axes.set_title("Tracks before and after filling gaps", fontsize=11, loc="left")
        return _finished(figure, "Lengths count detections, not filled positions.")


def performance_picture(
    curves: Sequence[tuple[str, FloatArray, FloatArray, FloatArray]],
    errors: FloatArray,
    *,
    tolerance: float,
    pixel_size_nm: float | None,
) -> bytes:
    """Return precision and recall, F1 by threshold, and errors of hits.

    Parameters
    ----------
    curves : sequence of tuple
        Name of a movie, thresholds, precision and recall.
    errors : numpy.ndarray, shape (n, 2)
        x and y of hits less the truth, in pixels.
    tolerance : float
        Pixels within which a detection is a hit.
    pixel_size_nm : float or None
        Errors are given in nm where it is known.
    """
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(12.0, 4.0))
        first, second, third = figure.subplots(1, 3)
        for _, thresholds, precision, recall in curves:
            if not len(thresholds):
                continue
            first.plot(recall, precision, color=_BLUE, alpha=0.6, linewidth=1.2)
            f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
            second.plot(thresholds, f1, color=_BLUE, alpha=0.6, linewidth=1.2)
        first.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        of = "one movie" if len(curves) == 1 else f"{len(curves)} movies"
        first.set_title(f"Precision and recall, {of}", fontsize=11, loc="left")
        second.set(xlabel="least probability", ylabel="F1", xlim=(0, 1.02), ylim=(0, 1.02))
        second.set_title("F1 by threshold", fontsize=11, loc="left")
        scale, unit = (pixel_size_nm, "nm") if pixel_size_nm else (1.0, "pixels")
        if len(errors):
            reach = float(np.quantile(np.abs(errors), 0.99)) * scale or 1.0
            bins = np.linspace(-reach, reach, 41).tolist()
            for axis, name, colour in ((0, "x", _BLUE), (1, "y", _RED)):
                spread = float(np.sqrt((errors[:, axis] ** 2).mean())) * scale
                third.hist(
                    errors[:, axis] * scale,
                    bins=bins,
                    histtype="step",
                    color=colour,
                    label=f"{name}: root mean square {spread:.3g} {unit}",
                )
            third.set_ylim(0, 1.25 * third.get_ylim()[1])
            tick_whole_numbers(third.yaxis)
            third.legend(frameon=False, fontsize=8, loc="upper left")
        third.set(xlabel=f"error of hits ({unit})", ylabel="hits")
        third.set_title("Errors", fontsize=11, loc="left")
        return _finished(figure, f"Hits are one-to-one within {tolerance:g} pixels.")


def examples_picture(
    panels: Sequence[tuple[str, npt.NDArray[Any], FloatArray, FloatArray]],
) -> bytes:
    """Return frames with the truth and what was found.

    Parameters
    ----------
    panels : sequence of tuple
        Title, frame (y, x), true and found positions (n, 2) as x, y in pixels.
    """
    with rc_context(CHART_STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(4.2 * len(panels), 4.6))
        for axes, (title, frame, truth, found) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            _show(axes, frame)
            axes.scatter(*truth.T, s=60, facecolors="none", edgecolors=_SKY, linewidths=1.0)
            axes.scatter(*found.T, s=14, marker="+", color=_ORANGE, linewidths=0.9)
            axes.set_title(title, fontsize=10, loc="left")
        return _finished(figure, "Rings: ground truth. Crosses: detections.")


def _show(axes: Axes, frame: npt.NDArray[Any]) -> None:
    low, high = np.quantile(frame, [0.02, 0.998])
    axes.imshow(frame, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), origin="upper")
    height, width = frame.shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])


def overlay_picture(
    frame: npt.NDArray[Any], tracks: Sequence[FloatArray], *, title: str, per_pixel: str
) -> bytes:
    """Return tracks over the mean of a movie.

    Parameters
    ----------
    frame : numpy.ndarray, shape (y, x)
        Mean of some frames.
    tracks : sequence of numpy.ndarray, shape (k, 2)
        x and y of each track in order of frames.
    title : str
        Above the picture.
    per_pixel : str
        Scale, for the footer.
    """
    with rc_context(CHART_STYLE | {"axes.grid": False}):
        height, width = frame.shape
        figure = Figure(figsize=(7.0, 7.0 * min(max(height / width, 0.4), 1.6) + 0.6))
        axes = figure.subplots()
        _show(axes, frame)
        colours = [colour for colour in PALETTE if colour != _BLACK]
        for number, places in enumerate(tracks):
            colour = colours[number % len(colours)]
            axes.plot(*places.T, color=colour, linewidth=0.9)
            axes.plot(*places[-1], "o", color=colour, markersize=2.5)
        axes.set_title(title, fontsize=11, loc="left")
        return _finished(
            figure, f"Lines: tracks; dots: their ends; background: the mean. {per_pixel}"
        )


def statistics_picture(
    lengths: FloatArray, steps: FloatArray, per_frame: FloatArray, *, unit: str
) -> bytes:
    """Return lengths, steps and numbers of tracks in a movie.

    Parameters
    ----------
    lengths : numpy.ndarray, shape (n,)
        Detections of each track.
    steps : numpy.ndarray, shape (m,)
        Root mean square step of tracks, in ``unit``.
    per_frame : numpy.ndarray, shape (t,)
        Detections in tracks in each frame.
    unit : str
        Of the steps.
    """
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(12.0, 3.8))
        first, second, third = figure.subplots(1, 3)
        _lengths_chart(first, {"tracks": lengths})
        first.set_title("Lengths", fontsize=11, loc="left")
        if len(steps):
            second.hist(steps, bins=min(30, max(5, len(steps) // 2)), color=_GREEN, alpha=0.7)
        tick_whole_numbers(second.yaxis)
        second.set(xlabel=f"root mean square step ({unit} per frame)", ylabel="tracks")
        second.set_title("Steps", fontsize=11, loc="left")
        third.plot(np.arange(len(per_frame)), per_frame, color=_BLUE, linewidth=1.2)
        third.set(xlabel="frame", ylabel="detections in tracks", ylim=(0, None))
        tick_whole_numbers(third.xaxis)
        tick_whole_numbers(third.yaxis)
        third.set_title("Detections", fontsize=11, loc="left")
        return _finished(figure, "Filled positions are not counted.")


def length_analysis_picture(found: FloatArray, truth: FloatArray | None) -> bytes:
    """Return lengths of the tracks beside those of the truth, and their classes.

    Parameters
    ----------
    found, truth : numpy.ndarray, shape (n,), or None
        Detections of each track.
    """
    groups = {"found": found} if truth is None else {"found": found, "truth": truth}
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(10.0, 4.0))
        first, second = figure.subplots(1, 2, width_ratios=(2, 1))
        _lengths_chart(first, groups)
        first.set_title("Lengths of tracks", fontsize=11, loc="left")
        names = ("up to 3", "4 to 10", "more than 10")
        for number, (name, values) in enumerate(groups.items()):
            shares = [
                float(((values > low) & (values <= high)).mean()) if len(values) else 0.0
                for low, high in ((0, 3), (3, 10), (10, np.inf))
            ]
            places = np.arange(3) + (number - 0.5 * (len(groups) - 1)) * 0.38
            colour = (_BLUE, _ORANGE)[number]
            bars = second.bar(places, shares, 0.36, color=colour, label=name)
            second.bar_label(bars, [f"{100 * share:.0f} %" for share in shares], fontsize=8)
        second.set_xticks(np.arange(3), names)
        second.set(ylabel="fraction of tracks", ylim=(0, 1.12))
        second.legend(frameon=False, fontsize=8, loc="upper left")
        second.set_title("Short, medium, long", fontsize=11, loc="left")
        return _finished(figure, "Lengths count detections, not filled positions.")


def diagnostic_picture(
    fragments: FloatArray, shares: FloatArray, words: str, *, mean: float | None
) -> bytes:
    """Return fragments of true tracks, how much of each one track holds, and the verdict.

    Parameters
    ----------
    fragments : numpy.ndarray, shape (n,)
        Found tracks that share each true one.
    shares : numpy.ndarray, shape (n,)
        Share of each true track in the found one that holds most of it.
    words : str
        The verdict.
    mean : float or None
        Mean number of pieces, as the scores have it.
    """
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(10.0, 4.6))
        first, second = figure.subplots(1, 2)
        most = int(fragments.max(initial=1))
        edges = np.arange(-0.5, most + 1.5).tolist()
        first.hist(fragments, bins=edges, color=_BLUE, alpha=0.8, rwidth=0.85)
        for axis in (first.xaxis, first.yaxis, second.yaxis):
            tick_whole_numbers(axis)
        told = "" if mean is None else f" (mean of those found {mean:.2f})"
        first.set(xlabel=f"found tracks per true track{told}", ylabel="true tracks")
        first.set_title("Fragments", fontsize=11, loc="left")
        second.hist(shares, bins=np.linspace(0, 1, 21).tolist(), color=_GREEN, alpha=0.8)
        second.set(xlabel="fraction of a true track in one found track", ylabel="true tracks")
        second.set_title("Completeness", fontsize=11, loc="left")
        figure.suptitle(words, fontsize=10, x=0.02, ha="left", wrap=True)
        return _finished(figure, "Summary of all movies.")
