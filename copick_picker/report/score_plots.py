"""The figure of an evaluation: precision-recall curves, or bars, and recall against tolerance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.records.scores import Evaluation, ObjectScore
from copick_picker.report.figures import PALETTE, add_footer, line_look

_ISO_LEVELS = (0.2, 0.4, 0.6, 0.8, 0.9)


def score_figure(evaluation: Evaluation, *, title: str, footer: str) -> Figure:
    """Return precision-recall curves (bars where no scores tell candidates apart) and recall.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw.
    title : str
        Headline.
    footer : str
        Small line at the foot: matcher, tolerance, version, inputs.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.
    """
    figure = Figure(figsize=(11.0, 5.2))
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    if any(entry.curve is not None for entry in evaluation.objects):
        _draw_curves(left, evaluation)
    else:
        _draw_bars(left, evaluation)
    _draw_recall(right, evaluation.objects)
    figure.subplots_adjust(left=0.065, right=0.985, top=0.88, bottom=0.16, wspace=0.2)
    add_footer(figure, footer)
    return figure


def _draw_curves(axes: Axes, evaluation: Evaluation) -> None:
    beta = evaluation.beta
    _draw_iso_lines(axes, beta)
    for index, entry in enumerate(evaluation.objects):
        if entry.curve is None:
            continue
        colour, style = line_look(index)
        label = f"{entry.name}, AP {entry.curve.average_precision:.3f}"
        axes.plot(
            [0.0, *entry.curve.recall],
            [entry.curve.precision[0], *entry.curve.precision],
            color=colour,
            linestyle=style,
            drawstyle="steps-pre",
            label=label,
        )
        if entry.suggested is not None:
            axes.plot(
                entry.suggested.recall,
                entry.suggested.precision,
                marker="o",
                color=colour,
                markerfacecolor="white",
                linestyle="",
            )
    axes.set_title(f"Precision and recall; open circles: highest F{beta:g}", fontsize=9)
    without = [entry.name for entry in evaluation.objects if entry.curve is None]
    if without:
        axes.plot([], [], " ", label=f"no curve: {', '.join(without)}")
    _finish(axes, "recall", "precision")
    axes.set_xlim(0.0, 1.02)


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


def _draw_bars(axes: Axes, evaluation: Evaluation) -> None:
    """Draw precision, recall and F-beta of each object, with intervals where there are any."""
    rates = (
        ("precision", "precision"),
        ("recall", "recall"),
        ("f_beta", f"F{evaluation.beta:g}"),
    )
    place = np.arange(len(evaluation.objects), dtype=np.float64)
    for index, (name, label) in enumerate(rates):
        rates_of = [getattr(entry.score, name) for entry in evaluation.objects]
        values = [rate or 0.0 for rate in rates_of]
        texts = ["n/a" if rate is None else f"{rate:.2f}" for rate in rates_of]
        shift = (index - 1) * 0.27
        axes.bar(place + shift, values, width=0.25, color=PALETTE[index], label=label)
        shown = zip(place + shift, values, texts, evaluation.objects, strict=True)
        for x, value, text, entry in shown:
            axes.text(x, value + 0.01, text, fontsize=6, ha="center", va="bottom")
            if entry.intervals and name in entry.intervals:
                axes.vlines(x, *entry.intervals[name], color="0.2", linewidth=1.0)
    axes.set_title("No scores that tell candidates apart, so no curve", fontsize=9)
    axes.set_xticks(place, [entry.name for entry in evaluation.objects], fontsize=8)
    _finish(axes, "", "rate")


def _draw_recall(axes: Axes, objects: Sequence[ObjectScore]) -> None:
    by_radius = all(entry.radius_angstrom is not None for entry in objects)
    for index, entry in enumerate(objects):
        colour, style = line_look(index)
        fractions = [at.fraction for at in entry.recall_at]
        recall = [np.nan if at.recall is None else at.recall for at in entry.recall_at]
        axes.plot(fractions, recall, color=colour, linestyle=style, marker=".", label=entry.name)
    axes.set_title("Recall against the distance that counts as a hit", fontsize=9)
    axes.set_xlim(left=0.0)
    base = "radius" if by_radius else "radius (or of the tolerance, without one)"
    _finish(axes, f"distance as a fraction of the {base}", "recall", legend="lower right")


def _finish(axes: Axes, x_label: str, y_label: str, *, legend: str = "lower left") -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    highest = axes.dataLim.ymax  # not finite where there is nothing to draw
    axes.set_ylim(0.0, max(1.08, 1.02 * highest) if np.isfinite(highest) else 1.08)
    axes.grid(visible=True, color="0.93")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc=legend, framealpha=0.9)
