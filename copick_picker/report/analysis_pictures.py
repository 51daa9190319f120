"""Pictures of how puncta move and how they go with calcium, each as a PNG and an SVG file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from copick_picker._version import __version__
from copick_picker.report.figures import (
    CHART_STYLE,
    INK,
    PALETTE,
    add_footer,
    png_bytes,
    svg_bytes,
    tick_whole_numbers,
)

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
Files = dict[str, bytes]
"""Name of a file -> its content."""
_BLUE, _RED = PALETTE[:2]
_MAKER = f"copick-picker {__version__}"
_GREY = "0.72"
ANALYSIS_STYLE = CHART_STYLE | {"font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left"}
_FIELD_STYLE = ANALYSIS_STYLE | {
    "axes.grid": False,
    "axes.spines.right": True,
    "axes.spines.top": True,
}
_MOST_FIELDS = 6
_MOST_BIN_LABELS = 16
_MANY = 400
"""Values from which on the farthest ones are left out of a chart."""
_BAR_SHARE = 0.25
"""Longest scale bar, as a share of the field's width."""
_BEFORE_TEXT = 3
_LEAST_REACH_PIXELS, _LEAST_SAID = 0.05, 0.02
"""Least end of an axis of errors, far below what is measured, and smallest median as its share."""


@dataclass(frozen=True, eq=False)
class FieldOfTracks:
    """The tracks of a movie.

    Attributes
    ----------
    name : str
        Name of the movie; empty where it is the only one.
    mobile, immobile, short : sequence of numpy.ndarray, shape (k, 2), float64
        x and y in pixels of each track, in order of frames.
    """

    name: str
    mobile: Sequence[FloatArray]
    immobile: Sequence[FloatArray]
    short: Sequence[FloatArray]

    def places(self) -> FloatArray:
        """Return all positions."""
        return np.concatenate([*self.mobile, *self.immobile, *self.short])


def _bounds(fields: Sequence[FieldOfTracks]) -> tuple[FloatArray, FloatArray]:
    """Return the least and greatest x and y, with some room."""
    places = np.concatenate([each.places() for each in fields])
    low, high = places.min(axis=0), places.max(axis=0)
    room = np.maximum(0.04 * (high - low).max(), 1.0)
    return low - room, high + room


def picture_files(figure: Figure, name: str, footer: str, top: float = 1.0) -> Files:
    """Return a figure as a PNG and an SVG file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure; it is laid out.
    name : str
        Name of the files, without their endings.
    footer : str
        Small line at its foot.
    top : float
        Share of the height below a legend of the whole figure.
    """
    figure.tight_layout(rect=(0.01, 0.22 / figure.get_figheight(), 1.0, top), w_pad=2.0)
    add_footer(figure, footer)
    return {
        f"{name}.png": png_bytes(figure, {"Software": _MAKER}),
        f"{name}.svg": svg_bytes(figure, name, _MAKER),
    }


def say_why_empty(axes: Axes, words: str) -> None:
    """Write in the middle of a chart why it is empty.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The chart, changed in place.
    words : str
        Why.
    """
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.text(
        0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color="0.35", wrap=True
    )


def _add_scale_bar(axes: Axes, pixel_size_nm: float) -> None:
    """Draw a bar of a round length in the lower right corner; y runs downwards."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    most = _BAR_SHARE * (right - left) * pixel_size_nm / 1000.0
    power = 10.0 ** np.floor(np.log10(most))
    length = max(factor * power for factor in (1.0, 2.0, 5.0) if factor * power <= most)
    pixels = 1000.0 * length / pixel_size_nm
    end = right - 0.04 * (right - left)
    place = bottom - 0.05 * (bottom - top)
    axes.plot([end - pixels, end], [place, place], color=INK, linewidth=3, solid_capstyle="butt")
    words = f"{length:g} µm" if length >= 1 else f"{1000 * length:g} nm"
    axes.annotate(
        words,
        (end - pixels / 2, place),
        xytext=(0, _BEFORE_TEXT),
        textcoords="offset points",
        ha="center",
        va="bottom",
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0},
    )


def _draw_tracks(axes: Axes, tracks: Sequence[FloatArray], colour: str, width: float) -> None:
    axes.add_collection(LineCollection(list(tracks), colors=colour, linewidths=width))
    if tracks:
        ends = np.array([places[-1] for places in tracks])
        axes.plot(*ends.T, "o", color=colour, markersize=2.4, markeredgewidth=0)


def trajectories_picture(
    fields: Sequence[FieldOfTracks], *, min_length: int, pixel_size_nm: float | None
) -> Files:
    """Return where mobile and immobile puncta went, movie by movie.

    Parameters
    ----------
    fields : sequence of FieldOfTracks
        Tracks of each movie.
    min_length : int
        Detections from which on a track is called mobile or immobile.
    pixel_size_nm : float or None
        A scale bar is drawn where it is known.
    """
    shown = fields[:_MOST_FIELDS]
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    low, high = _bounds(shown)
    tall = float(np.clip((high - low)[1] / (high - low)[0], 0.4, 1.5))
    side = 5.4 if columns == 1 else 3.0
    with rc_context(_FIELD_STYLE):
        figure = Figure(figsize=((side + 0.8) * columns, (side * tall + 0.7) * rows + 0.6))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, field in zip(panels, shown, strict=False):
            _draw_tracks(axes, field.short, _GREY, 0.6)
            _draw_tracks(axes, field.mobile, _BLUE, 0.8)
            _draw_tracks(axes, field.immobile, _RED, 0.8)
            axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
            axes.set(xlabel="x (pixels)", ylabel="y (pixels)", title=field.name)
            if pixel_size_nm is not None:
                _add_scale_bar(axes, pixel_size_nm)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        _add_legend(figure, fields, min_length)
        of = f"The first {len(shown)} of {len(fields)} movies. " if len(fields) > len(shown) else ""
        words = f"{of}Lines: tracks; dots: their ends. Immobile: best explained by rest (BIC)."
        return picture_files(figure, "trajectories", words, top=1.0 - 0.34 / figure.get_figheight())


def _add_legend(figure: Figure, fields: Sequence[FieldOfTracks], min_length: int) -> None:
    groups = (
        (_BLUE, "mobile", sum(len(each.mobile) for each in fields)),
        (_RED, "immobile", sum(len(each.immobile) for each in fields)),
        (_GREY, f"under {min_length} detections", sum(len(each.short) for each in fields)),
    )
    shown = [each for each in groups if each[2]]
    lines = [Line2D([], [], color=colour, marker="o", markersize=4) for colour, _, _ in shown]
    words = [f"{name}: {number:,}" for _, name, number in shown]
    figure.legend(lines, words, loc="upper center", ncols=3, frameon=False, handlelength=1.4)


def correlation_map_picture(
    means: FloatArray,
    numbers: IndexArray,
    correlations: FloatArray,
    significant: npt.NDArray[np.bool_],
    *,
    width: float,
    size_xy: tuple[float, float],
    pixel_size_nm: float | None,
) -> Files:
    """Return how photons and calcium go together over the field, and from track to track.

    Parameters
    ----------
    means : numpy.ndarray, shape (y, x), float64
        Mean coefficient of each bin of the field, NaN where there is no track.
    numbers : numpy.ndarray, shape (y, x), int64
        Tracks in each bin.
    correlations : numpy.ndarray, shape (n,), float64
        Coefficient of each track.
    significant : numpy.ndarray, shape (n,), bool
        Whether chance is excluded.
    width : float
        Side of a bin in pixels.
    size_xy : tuple of float
        Pixels of the field along x and y.
    pixel_size_nm : float or None
        The bins' side is also given in micrometres where it is known.
    """
    tall = float(np.clip(size_xy[1] / size_xy[0], 0.5, 1.3))
    with rc_context(_FIELD_STYLE):
        figure = Figure(figsize=(9.6, 4.4 * tall + 1.3))
        first, second = figure.subplots(1, 2, width_ratios=(1.35, 1))
        _draw_map(first, means, numbers, width, size_xy)
        um = "" if pixel_size_nm is None else f" ({width * pixel_size_nm / 1000.0:.2g} µm)"
        first.set_title(f"Photons with calcium, bins of {width:.3g} pixels{um}")
        second.grid(visible=True)
        second.spines[["right", "top"]].set_visible(False)
        edges = np.linspace(-1.0, 1.0, 41).tolist()
        groups = [correlations[significant], correlations[~significant]]
        words = [f"significant: {len(groups[0])}", f"not: {len(groups[1])}"]
        second.hist(groups, bins=edges, stacked=True, color=[_BLUE, _GREY], label=words)
        reach = float(np.ceil(10 * np.abs(correlations).max() + 0.5) / 10)
        second.set(xlim=(-min(reach, 1.0), min(reach, 1.0)), ylabel="tracks")
        second.set_ylim(0, 1.2 * second.get_ylim()[1])
        tick_whole_numbers(second.yaxis)
        second.xaxis.set_major_locator(MaxNLocator(6))
        second.set_xlabel("correlation of a track's photons with its dF/F0")
        second.set_title(f"Tracks: median {np.median(correlations):.2f}")
        second.legend(frameon=False, loc="upper left")
        return picture_files(
            figure,
            "correlation_map",
            "Pearson correlation of each punctum's photons with its calcium signal dF/F0, "
            "over the frames of the track. Hatched: no track. Significant: false discovery "
            "rate 5 %, against circular shifts of one signal.",
        )


def _draw_map(
    axes: Axes,
    means: FloatArray,
    numbers: IndexArray,
    width: float,
    size_xy: tuple[float, float],
) -> None:
    reach = max(0.1, float(np.ceil(10 * np.nanmax(np.abs(means))) / 10))
    rows, columns = means.shape
    extent = (-0.5, columns * width - 0.5, rows * width - 0.5, -0.5)
    axes.set_facecolor("0.94")
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor("0.8")
    image = axes.imshow(
        np.ma.masked_invalid(means),
        cmap="RdBu_r",
        vmin=-reach,
        vmax=reach,
        origin="upper",
        extent=extent,
        interpolation="nearest",
    )
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)")
    axes.set(xlim=(-0.5, size_xy[0] - 0.5), ylim=(size_xy[1] - 0.5, -0.5))
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.02, 0.0, 0.04, 1.0)))
    bar.set_label("mean correlation of the tracks in a bin")
    if max(means.shape) > _MOST_BIN_LABELS:
        return
    for row, column in np.argwhere(numbers > 0):
        dark = abs(means[row, column]) > 0.6 * reach
        ends = [
            min((at + 1) * width, side) for at, side in zip((column, row), size_xy, strict=True)
        ]
        place = 0.5 * (column * width + ends[0]) - 0.5, 0.5 * (row * width + ends[1]) - 0.5
        colour = "white" if dark else INK
        words = str(numbers[row, column])
        axes.text(*place, words, ha="center", va="center", fontsize=6.5, color=colour)


def precision_picture(
    stated: FloatArray | None,
    fitted: Mapping[str, FloatArray],
    *,
    pixel_size_nm: float | None,
) -> Files:
    """Return how precise positions are: as the detector says, and as the tracks show.

    Parameters
    ----------
    stated : numpy.ndarray, shape (n, 2), float64, or None
        Standard deviations of x and y in pixels, of each detection.
    fitted : mapping of str to numpy.ndarray, shape (m,), float64
        Error of the positions of each track in pixels, by group of tracks.
    pixel_size_nm : float or None
        Errors are given in nm where it is known.
    """
    scale, unit = (pixel_size_nm, "nm") if pixel_size_nm else (1.0, "pixels")
    groups: list[tuple[str, str, dict[str, FloatArray]]] = []
    if stated is not None and len(stated):
        by_axis = {"x": scale * stated[:, 0], "y": scale * stated[:, 1]}
        groups.append(("Predicted by the detector", "detections", by_axis))
    by_kind = {name: scale * values for name, values in fitted.items()}
    groups.append(("Estimated from the motion of tracks", "tracks", by_kind))
    with rc_context(ANALYSIS_STYLE):
        figure = Figure(figsize=(5.2 * len(groups), 4.0))
        for axes, (title, what, values) in zip(
            figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
        ):
            _errors_chart(axes, values, unit, least_reach=_LEAST_REACH_PIXELS * scale)
            axes.set(title=title, ylabel=what, xlabel=f"error along an axis ({unit})")
        return picture_files(
            figure,
            "precision_histogram",
            "Error: standard deviation of a position. For a track it is the residual of the "
            "motion model, corrected for motion blur; it is uncertain for fast puncta.",
        )


def _errors_chart(
    axes: Axes, groups: Mapping[str, FloatArray], unit: str, *, least_reach: float
) -> None:
    """Draw histograms of errors from 0 to the largest, at least to ``least_reach``."""
    together = np.concatenate(list(groups.values()))
    if not len(together):
        say_why_empty(axes, "No track is long enough.")
        return
    share = 0.995 if len(together) > _MANY else 1.0
    reach = max(1.05 * float(np.quantile(together, share)), least_reach)
    bins = min(40, max(8, len(together) // 4))
    edges = np.linspace(0.0, reach, bins + 1)
    for (name, values), colour in zip(groups.items(), (_BLUE, _RED), strict=True):
        if not len(values):
            continue
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts, edges, fill=True, alpha=0.3, color=colour)
        middle = float(np.median(values))
        least = _LEAST_SAID * least_reach
        size = f"under {least:.1g}" if middle < least else f"{middle:.3g}"
        words = f"{name}: {len(values):,}, median {size} {unit}"
        axes.stairs(counts, edges, color=colour, linewidth=1.6, label=words)
        axes.vlines(middle, 0, counts.max(), colour, "dashed", linewidth=1.0)
    axes.set_xlim(0, reach)
    axes.set_ylim(0, 1.28 * axes.get_ylim()[1])
    tick_whole_numbers(axes.yaxis)
    axes.legend(frameon=False, fontsize=8, loc="upper right")
