"""Charts of scores, drawn into the axes of a file's figure or a page's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from copick_picker.report.figures import INK, PAPER, add_hover_text, line_look

Values = Mapping[str, Any]
_N_TICKS, _STEPS = 5, (1, 2, 5, 10)
_MOST_LETTERS = 48
_BAR_FILLS = (0.85, 0.25)


def chart_text(name: str, most: int = _MOST_LETTERS) -> str:
    """Return a name as a chart shows it: on one line, cut where it is long.

    Parameters
    ----------
    name : str
        Any text.
    most : int
        Most characters.

    Examples
    --------
    >>> chart_text("beta-galactosidase", 10)
    'beta-gala…'
    """
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def draw_precision_recall(
    axes: Axes, objects: Sequence[Values], colours: Mapping[str, str]
) -> None:
    """Draw precision against recall, with an open mark at the suggested threshold.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where, changed in place.
    objects : sequence of mapping
        Objects of ``scores.json``; those without a curve are left out.
    colours : mapping of str to str
        Object -> colour of its line.
    """
    for index, entry in enumerate(objects):
        curve, suggested = entry.get("curve"), entry.get("suggested_threshold")
        if curve is None:
            continue
        look = line_look(index, colours[entry["object"]])
        axes.plot(
            [0.0, *curve["recall"]],
            [curve["precision"][0], *curve["precision"]],
            drawstyle="steps-pre",
            **look | {"marker": ""},
        )
        axes.plot(
            [suggested["recall"]] if suggested else [],
            [suggested["precision"]] if suggested else [],
            markerfacecolor=PAPER,
            markeredgewidth=1.6,
            clip_on=False,
            label=f"{chart_text(entry['object'])}, AP {entry['average_precision']:.3f}",
            **look,
        )
    axes.set_xlim(0.0, 1.02)
    _finish_rates(axes, "recall", "precision")


def draw_recall(axes: Axes, objects: Sequence[Values], colours: Mapping[str, str]) -> None:
    """Draw recall against the distance that counts as a hit.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where, changed in place.
    objects : sequence of mapping
        Objects of ``scores.json``.
    colours : mapping of str to str
        Object -> colour of its line.
    """
    for index, entry in enumerate(objects):
        points = entry["recall_at_distance"]
        if points:
            axes.plot(
                [at["fraction"] for at in points],
                [np.nan if at["recall"] is None else at["recall"] for at in points],
                label=chart_text(entry["object"]),
                clip_on=False,
                **line_look(index, colours[entry["object"]]),
            )
    without = any(entry["radius_angstrom"] is None for entry in objects)
    axes.set_xlim(left=0.0)
    _finish_rates(axes, f"hit distance / radius{' (or tolerance)' * without}", "recall")


def draw_histogram(
    axes: Axes,
    kinds: Mapping[str, npt.NDArray[np.int64]],
    edges: npt.NDArray[np.float64],
    *,
    x_label: str,
    colour: str,
    threshold: float | None = None,
) -> None:
    """Draw stacked bars; the pointer on one shows its range and number.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where, changed in place.
    kinds : mapping of str to numpy.ndarray, shape (n,), int64
        What is counted -> number in each bin, from the bottom to the top; two at most.
    edges : numpy.ndarray, shape (n + 1,), float64
        Edges of the bins.
    x_label : str
        What is along the horizontal axis.
    colour : str
        Colour of the lowest kind; another is grey.
    threshold : float, optional
        Where to draw a dashed upright line.
    """
    lows, highs = edges[:-1], edges[1:]
    below = np.zeros(len(lows))
    looks = zip((colour, INK), _BAR_FILLS, strict=True)
    for (kind, counts), (shade, fill) in zip(kinds.items(), looks, strict=False):
        look: dict[str, Any] = {"facecolor": (shade, fill), "edgecolor": shade, "linewidth": 1.4}
        axes.fill_between(
            [], [], label=kind, **look
        )  # for the legend, also where every bin is empty
        for at in np.flatnonzero(counts):
            corner, width = (lows[at], below[at]), highs[at] - lows[at]
            bar = axes.add_artist(Rectangle(corner, width, counts[at], **look))
            add_hover_text(bar, f"{lows[at]:.3g} to {highs[at]:.3g}: {counts[at]}")
        below += counts
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1.6, linestyle=(0, (3, 2.5)), clip_on=False)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0.0, max(1.0, below.max()))
    axes.set_xlabel(x_label)
    axes.set_ylabel("picks")
    axes.xaxis.set_major_locator(MaxNLocator(_N_TICKS, steps=_STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(_N_TICKS, steps=_STEPS, integer=True))


def draw_intervals(
    axes: Axes, objects: Sequence[Values], rate: str, *, x_label: str, colours: Mapping[str, str]
) -> None:
    """Draw a rate of each object as a dot with its interval; ``n/a`` where there is none.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where, changed in place.
    objects : sequence of mapping
        Objects of ``scores.json``, from the top to the bottom.
    rate : str
        Name of the rate.
    x_label : str
        What it is called.
    colours : mapping of str to str
        Object -> colour of its dot.
    """
    for row, entry in enumerate(objects):
        value, colour = entry[rate], colours[entry["object"]]
        if value is None:
            axes.text(0.01, row, "n/a", va="center")
            continue
        interval = (entry.get("intervals") or {}).get(rate)
        if interval is not None:
            axes.plot(interval, [row, row], color=colour)
        axes.plot(value, row, marker="o", color=colour, clip_on=False)  # whole at 0 and 1
    axes.set_yticks(range(len(objects)), [chart_text(entry["object"], 20) for entry in objects])
    axes.set_ylim(len(objects) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel(x_label)
    axes.grid(visible=False, axis="y")


def _finish_rates(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    highest = axes.dataLim.ymax  # not finite where there is nothing to draw
    axes.set_ylim(0.0, max(1.08, 1.02 * highest) if np.isfinite(highest) else 1.08)
