"""The figure of a calibration: F-beta, precision and recall against the score threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.records.scores import ObjectScore, ScoreCurve
from copick_picker.report.figures import CHART_STYLE, PALETTE, add_footer

_COLUMNS = 3
_PANEL_INCHES = (3.6, 2.7)


@dataclass(frozen=True)
class ThresholdMarks:
    """What is marked on a curve: the threshold chosen, and the one in use so far."""

    chosen: float
    present: float | None


def threshold_figure(
    objects: Sequence[ObjectScore],
    marks: Mapping[str, ThresholdMarks],
    *,
    beta: float,
    footer: str,
) -> Figure:
    """Return a panel an object: rates when candidates below the threshold are left out.

    Parameters
    ----------
    objects : sequence of ObjectScore
        Objects with a curve.
    marks : mapping of str to ThresholdMarks
        Object name -> thresholds to mark.
    beta : float
        Weight of recall in F-beta, for the names.
    footer : str
        Small line at the foot.

    Returns
    -------
    matplotlib.figure.Figure
        At most three panels a row.
    """
    columns = min(_COLUMNS, max(len(objects), 1))
    rows = max(-(-len(objects) // columns), 1)
    width, height = max(columns * _PANEL_INCHES[0], 6.0), rows * _PANEL_INCHES[1] + 0.9
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(width, height))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, entry in zip(panels, objects, strict=False):
            if entry.curve is not None:
                _draw(axes, entry, entry.curve, marks[entry.name], beta)
        for axes in panels[len(objects) :]:
            axes.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", ncols=5, fontsize=7, frameon=False)
        figure.subplots_adjust(
            left=0.55 / width,
            right=1 - 0.15 / width,
            top=1 - 0.55 / height,
            bottom=0.65 / height,
            wspace=0.25,
            hspace=0.55,
        )
        add_footer(figure, footer)
    return figure


def _draw(
    axes: Axes, entry: ObjectScore, curve: ScoreCurve, marks: ThresholdMarks, beta: float
) -> None:
    rates = (
        (f"F{beta:g}", curve.f_beta, PALETTE[0], 1.8),
        ("precision", curve.precision, PALETTE[1], 0.9),
        ("recall", curve.recall, PALETTE[2], 0.9),
    )
    for label, values, colour, width in rates:
        axes.plot(
            curve.thresholds,
            values,
            color=colour,
            linewidth=width,
            drawstyle="steps-post",
            label=label,
        )
    best = float(curve.f_beta[np.searchsorted(-curve.thresholds, -marks.chosen, "right") - 1])
    axes.axvline(marks.chosen, color=PALETTE[6], linewidth=1.0, label="chosen")
    if marks.present is not None:
        axes.axvline(marks.present, color="0.5", linewidth=1.0, linestyle="--", label="so far")
    else:
        axes.plot([], [], color="0.5", linestyle="--", label="so far")
    axes.set_title(
        f"{entry.name}: {marks.chosen:.3g} (F{beta:g} {best:.3f}, {entry.counts.n_reference} ref.)",
        fontsize=8,
    )
    axes.set_xlabel("score threshold", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.set_ylim(0.0, 1.03)
