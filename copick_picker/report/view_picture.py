"""One picture of a run: an xy, an xz and a yz slice with its picks."""

from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.report.figures import FILE_STYLE, add_footer
from copick_picker.report.picture_legends import draw_colour_bar, draw_legends, legends_height
from copick_picker.report.slice_panels import PanelLook, draw_panel
from copick_picker.report.view_lines import Line
from copick_picker.report.view_marks import Marks
from copick_picker.report.view_volume import Slice, SmallVolume

_WIDTH_INCHES = 11.0
_MOST_HEIGHT_INCHES = 11.0
_LEAST_WIDTH_INCHES = 7.0
_MARGINS = {"left": 0.65, "right": 0.15, "top": 0.75, "bottom": 0.85, "gap": 0.7}
_EDGE_INCHES, _FOOTER_INCHES, _WORDS_INCHES = 0.15, 0.24, 0.2
_BAR_INCHES = (0.3, 2.4, 0.12)
"""Distance of the colour bar from the legends, its width and height."""


def view_figure(
    small: SmallVolume,
    slices: Sequence[Slice],
    marks: Sequence[Marks],
    *,
    look: PanelLook,
    title: str,
    footer: str,
    lines: Sequence[Line] = (),
) -> Figure:
    """Return slices along the three axes with picks in marks that differ in shape and colour.

    A pick is drawn where the slice's middle cuts the sphere of its object's radius; circles and
    squares have the size of the cut. Scores stand beside candidates where there are not too many.

    Parameters
    ----------
    small : SmallVolume
        The tomogram, and what is drawn over it.
    slices : sequence of Slice
        One across z, one across y, one across x.
    marks : sequence of Marks
        Picks.
    look : PanelLook
        Grey values, and the colours of objects and regions.
    title : str
        Headline.
    footer : str
        Small line at the foot.
    lines : sequence of Line
        Filaments, with their numbers, and arrows where their direction is known.
    """
    has_heat = any(entry.heat is not None for entry in slices)
    with rc_context(FILE_STYLE):
        sizes = (small.size_angstrom(2), small.size_angstrom(1), small.size_angstrom(0))
        foot = has_heat * 2 * _BAR_INCHES[0]
        foot += legends_height(marks, look, width=_layout(*sizes, foot)[1])
        figure, panels = _panels(*sizes, foot)
        without_room = sum(
            draw_panel(
                axes, small, entry, marks, look=look, lines=lines, has_scale_bar=axes is panels[0]
            )
            for axes, entry in zip(panels, slices, strict=True)
        )
        width, height = figure.get_size_inches()
        figure.text(0.012, 1 - 0.12 / height, title, fontsize=12, va="top")
        low = _FOOTER_INCHES
        if words := _words(marks, without_room):
            figure.text(_EDGE_INCHES / width, low / height, words, fontsize=8)
            low += _WORDS_INCHES
        draw_legends(figure, marks, look, left=_EDGE_INCHES, low=low)
        if has_heat:
            gap, across, thick = _BAR_INCHES
            low = _FOOTER_INCHES + _WORDS_INCHES + foot - gap
            draw_colour_bar(
                figure.add_axes(
                    (2 * _EDGE_INCHES / width, low / height, across / width, thick / height)
                )
            )
        add_footer(figure, footer)
    return figure


def _words(marks: Sequence[Marks], without_room: int) -> str:
    """Return what the numbers on the panels are; empty where there are none."""
    if not without_room and all(entry.scores is None for entry in marks):
        return ""
    left_out = f" Omitted for lack of space: {without_room}." if without_room else ""
    return f"Numbers are scores.{left_out}"


def _layout(width: float, height: float, depth: float, foot: float) -> tuple[float, float]:
    """Return inches for each Angstrom, and the width of the figure in inches."""
    across = _WIDTH_INCHES - _MARGINS["left"] - _MARGINS["right"] - _MARGINS["gap"]
    right = max(width, height)
    inner = _MOST_HEIGHT_INCHES - sum(_MARGINS[name] for name in ("top", "bottom", "gap")) - foot
    scale = min(across / (width + right), inner / max(height, 2 * depth))
    return scale, max(scale * (width + right) + _WIDTH_INCHES - across, _LEAST_WIDTH_INCHES)


def _panels(width: float, height: float, depth: float, foot: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with xy on the left, xz above yz on the right, all to one scale."""
    margins = _MARGINS
    scale, total_width = _layout(width, height, depth, foot)
    rows = max(scale * height, 2 * scale * depth + margins["gap"])
    total_height = rows + margins["top"] + margins["bottom"] + foot
    figure = Figure(figsize=(total_width, total_height))

    def panel(left: float, low: float, wide: float, high: float) -> Axes:
        return figure.add_axes(
            (
                left / total_width,
                low / total_height,
                scale * wide / total_width,
                scale * high / total_height,
            )
        )

    top = total_height - margins["top"]
    second = margins["left"] + scale * width + margins["gap"]
    xy = panel(margins["left"], top - scale * height, width, height)
    xz = panel(second, top - scale * depth, width, depth)
    yz = panel(second, top - 2 * scale * depth - margins["gap"], height, depth)
    return figure, [xy, xz, yz]
