"""The figure of a calibration: F-beta, precision and recall against the score threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from copick_picker.records.scores import ObjectScore, ScoreCurve
from copick_picker.report.charts import chart_text
from copick_picker.report.figures import CHART_STYLE, add_footer
from copick_picker.report.object_colours import legible

_COLUMNS = 3
_PANEL_INCHES = (3.6, 2.7)
_F_BETA: dict[str, Any] = {"linewidth": 4.0, "alpha": 0.7, "solid_capstyle": "butt"}
_PRECISION: dict[str, Any] = {"color": "0.35", "linewidth": 1.3, "linestyle": (0, (5, 2))}
_RECALL: dict[str, Any] = {"color": "black", "linewidth": 1.3, "linestyle": (0, (1, 1.5))}
_CHOSEN: dict[str, Any] = {"color": "black", "linewidth": 1.0}
_PRESENT: dict[str, Any] = {"color": "0.5", "linewidth": 1.0, "linestyle": (0, (6, 2, 1, 2))}


@dataclass(frozen=True)
class ThresholdMarks:
    """What is marked on a curve: the threshold chosen, and the one in use so far."""

    chosen: float
    present: float | None


@dataclass(frozen=True)
class _Look:
    """Colour of a panel's object, and the name of F-beta."""

    colour: str
    name: str


def threshold_figure(
    objects: Sequence[ObjectScore],
    marks: Mapping[str, ThresholdMarks],
    *,
    colours: Mapping[str, str],
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
    colours : mapping of str to str
        Object name -> colour as ``#rrggbb``.
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
                look = _Look(legible(colours[entry.name]), f"F{beta:g}")
                _draw(axes, entry, entry.curve, marks[entry.name], look)
        for axes in panels[len(objects) :]:
            axes.set_axis_off()
        has_present = any(each.present is not None for each in marks.values())
        _legend(figure, f"F{beta:g}", has_present=has_present)
        figure.subplots_adjust(
            left=0.55 / width,
            right=1 - 0.15 / width,
            top=1 - 0.55 / height,
            bottom=0.65 / height,
            wspace=0.25,
            hspace=0.45,
        )
        add_footer(figure, footer)
    return figure


def _draw(
    axes: Axes, entry: ObjectScore, curve: ScoreCurve, marks: ThresholdMarks, look: _Look
) -> None:
    """Draw the rates; F-beta lies broad below recall, which it often equals."""
    marked = [marks.chosen] if marks.present is None else [marks.chosen, marks.present]
    for values, style in (
        (curve.f_beta, {"color": look.colour, **_F_BETA}),
        (curve.precision, _PRECISION),
        (curve.recall, _RECALL),
    ):
        low = min(*marked, float(curve.thresholds[-1]))  # below the lowest score nothing changes
        axes.plot([*curve.thresholds, low], [*values, values[-1]], drawstyle="steps-post", **style)
    best = float(curve.f_beta[np.searchsorted(-curve.thresholds, -marks.chosen, "right") - 1])
    axes.axvline(marks.chosen, **_CHOSEN)
    if marks.present is not None:
        axes.axvline(marks.present, **_PRESENT)
    axes.set_title(
        f"{chart_text(entry.name, 28)}: {marks.chosen:.3g} "
        f"({look.name} {best:.3f}, {entry.counts.n_reference} ref.)",
        fontsize=8,
    )
    axes.set_xlabel("score threshold", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.set_ylim(0.0, 1.03)


def _legend(figure: Figure, beta_name: str, *, has_present: bool) -> None:
    lines = {
        f"{beta_name}, in the object's colour": {"color": "0.6", **_F_BETA},
        "precision": _PRECISION,
        "recall": _RECALL,
        "chosen": _CHOSEN,
    }
    if has_present:
        lines["currently in use"] = _PRESENT
    figure.legend(
        [Line2D([], [], **style) for style in lines.values()],
        list(lines),
        loc="upper center",
        ncols=5,
        fontsize=7,
        frameon=False,
        handlelength=3.0,
    )
