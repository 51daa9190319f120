"""What stands below the slices of a figure: marks, objects, the colours of probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from copick_picker.report.charts import chart_text
from copick_picker.report.overlays import heat_map
from copick_picker.report.slice_panels import PanelLook, point_style
from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status

_INK = "#404040"
_LETTER_INCHES, _HANDLE_INCHES, _ROW_INCHES = 0.07, 0.6, 0.18
_FONT = {"fontsize": 8, "frameon": False, "borderpad": 0.0, "borderaxespad": 0.0}


def draw_legends(
    figure: Figure, marks: Sequence[Marks], look: PanelLook, *, left: float, low: float
) -> None:
    """Explain the marks and name the objects with their colours, one legend above the other.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, changed in place.
    marks : sequence of Marks
        All picks.
    look : PanelLook
        What the panels show.
    left, low : float
        Where the lower legend begins, in inches.
    """
    width, height = figure.get_size_inches()
    for handles in (_objects(look), _marks(marks)):
        if handles:
            columns, rows = _columns(handles, width)
            anchor = (left / width, low / height)
            figure.legend(
                handles=[*handles.values()],
                labels=[*handles],
                loc="lower left",
                bbox_to_anchor=anchor,
                ncols=columns,
                **_FONT,
            )
            low += rows * _ROW_INCHES


def legends_height(marks: Sequence[Marks], look: PanelLook, *, width: float) -> float:
    """Return how high the legends are, in inches.

    Parameters
    ----------
    marks : sequence of Marks
        All picks.
    look : PanelLook
        What the panels show.
    width : float
        Width of the figure in inches.
    """
    both = (_objects(look), _marks(marks))
    return sum(_ROW_INCHES * _columns(handles, width)[1] for handles in both if handles)


def draw_colour_bar(axes: Axes) -> None:
    """Draw what the colours of probabilities mean, as they look over mid grey.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where, changed in place.
    """
    figure = axes.figure
    colours = ScalarMappable(cmap=heat_map())
    colours.set_clim(0.0, 1.0)
    bar = figure.colorbar(colours, cax=axes, orientation="horizontal")
    axes.set_facecolor("0.5")
    bar.set_ticks([0.0, 0.5, 1.0])
    axes.tick_params(labelsize=7, pad=1, length=2)
    axes.set_title("probability, maximum over objects", fontsize=8, loc="left", pad=3)


def _columns(handles: Mapping[str, object], width: float) -> tuple[int, int]:
    """Return columns and rows of a legend that is not wider than the figure."""
    columns = int(width / (_HANDLE_INCHES + _LETTER_INCHES * max(map(len, handles))))
    columns = min(max(1, columns), len(handles))
    return columns, -(-len(handles) // columns)


def _marks(marks: Sequence[Marks]) -> dict[str, tuple[Line2D, ...]]:
    """Return words -> signs that are drawn on each other."""
    return {
        f"{LOOKS[status].words}: {number}": _signs(status)
        for status, number in counts_by_status(marks).items()
    }


def _signs(status: str) -> tuple[Line2D, ...]:
    style = point_style(status, _INK) | {"path_effects": None, "linestyle": ""}
    if not LOOKS[status].shape.startswith("ringed"):
        return (Line2D([], [], markersize=8, **style),)
    ring = style | {"marker": "o", "markerfacecolor": "none"}
    return Line2D([], [], markersize=9, **ring), Line2D([], [], markersize=3, **style)


def _objects(look: PanelLook) -> dict[str, tuple[Line2D, ...]]:
    """Return the objects that have picks, with their letters, then those of a segmentation."""
    words = {
        f"{each.letter}  {chart_text(name)}" if each.letter else chart_text(name): each.colour
        for name, each in look.objects.items()
    }
    words |= {
        chart_text(region.name): region.colour
        for region in look.regions
        if region.name not in look.objects
    }
    style: dict[str, Any] = {"linestyle": "", "marker": "s", "markersize": 8}
    style |= {"markeredgecolor": _INK, "markeredgewidth": 0.6}
    return {label: (Line2D([], [], color=colour, **style),) for label, colour in words.items()}
