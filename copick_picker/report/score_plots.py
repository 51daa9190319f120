"""The figure of an evaluation: precision-recall curves, or bars, and recall against tolerance."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.records.scores import Evaluation
from copick_picker.report.charts import Values, chart_text, draw_precision_recall, draw_recall
from copick_picker.report.figures import CHART_STYLE, PALETTE, add_footer
from copick_picker.report.object_colours import legible
from copick_picker.report.score_values import evaluation_values

_ISO_LEVELS = (0.2, 0.4, 0.6, 0.8, 0.9)


def score_figure(
    evaluation: Evaluation, *, colours: Mapping[str, str], title: str, footer: str
) -> Figure:
    """Return precision-recall curves (bars where no scores tell candidates apart) and recall.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.
    title : str
        Headline.
    footer : str
        Small line at the foot: matcher, tolerance, version, inputs.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.
    """
    objects, beta = evaluation_values(evaluation)["objects"], evaluation.beta
    shown = {name: legible(colour) for name, colour in colours.items()}
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(11.0, 5.2))
        figure.suptitle(title, fontsize=11)
        left, right = figure.subplots(1, 2)
        if any(entry["curve"] for entry in objects):
            _draw_curves(left, objects, shown, beta)
        else:
            _draw_bars(left, objects, beta)
        draw_recall(right, objects, shown)
        right.set_title("Recall against the maximum distance of a hit", fontsize=9)
        for axes, place in ((left, "lower left"), (right, "lower right")):
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=7, loc=place, framealpha=0.9)
        figure.subplots_adjust(left=0.065, right=0.985, top=0.88, bottom=0.16, wspace=0.2)
        add_footer(figure, footer)
    return figure


def _draw_curves(
    axes: Axes, objects: Sequence[Values], colours: Mapping[str, str], beta: float
) -> None:
    _draw_iso_lines(axes, beta)
    draw_precision_recall(axes, objects, colours)
    axes.set_title("Precision and recall; open marks: suggested thresholds", fontsize=9)
    without = [chart_text(entry["object"]) for entry in objects if entry["curve"] is None]
    if without:
        axes.plot([], [], " ", label=f"no curve: {', '.join(without)}")


def _draw_iso_lines(axes: Axes, beta: float) -> None:
    """Draw faint lines of equal F-beta: ``P = F R / ((1 + b^2) R - F b^2)``."""
    recall = np.linspace(0.01, 1.0, 400)
    for level in _ISO_LEVELS:
        below = (1 + beta * beta) * recall - level * beta * beta
        shown = below >= level * recall  # precision up to 1
        precision = level * recall[shown] / below[shown]
        axes.plot(recall[shown], precision, color="0.85", linewidth=0.8, zorder=0)
        axes.annotate(
            f"F{beta:g} {level:g}",
            (recall[shown][0], 1.0),
            fontsize=6,
            color="0.6",
            ha="center",
            va="bottom",
        )


def _draw_bars(axes: Axes, objects: Sequence[Values], beta: float) -> None:
    """Draw precision, recall and F-beta of each object, with intervals where there are any."""
    place = np.arange(len(objects), dtype=np.float64)
    rates = {"precision": "precision", "recall": "recall", "f_beta": f"F{beta:g}"}
    for index, (name, label) in enumerate(rates.items()):
        values = [entry[name] for entry in objects]
        xs, heights = place + (index - 1) * 0.27, [value or 0.0 for value in values]
        bars = axes.bar(xs, heights, width=0.25, color=PALETTE[index], label=label)
        texts = ["n/a" if value is None else f"{value:.2f}" for value in values]
        axes.bar_label(bars, texts, padding=1, fontsize=6)
        for x, entry in zip(xs, objects, strict=True):
            if entry["intervals"] and name in entry["intervals"]:
                axes.vlines(x, *entry["intervals"][name], color="0.2", linewidth=1.0)
    axes.set_title("No distinct candidate scores, so no curve", fontsize=9)
    axes.set_xticks(place, [chart_text(entry["object"]) for entry in objects], fontsize=8)
    axes.set_ylabel("rate")
    axes.set_ylim(0.0, max(1.08, 1.02 * axes.dataLim.ymax))
