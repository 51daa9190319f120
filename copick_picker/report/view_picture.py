"""One picture of a run: an xy, an xz and a yz slice with its picks."""

from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.report.figures import FILE_STYLE, add_footer
from copick_picker.report.slice_panels import draw_legend, draw_panel
from copick_picker.report.view_lines import Line
from copick_picker.report.view_marks import Marks
from copick_picker.report.view_volume import Slice, SmallVolume

_WIDTH_INCHES = 11.0
_MOST_HEIGHT_INCHES = 11.0
_MARGINS = {"left": 0.65, "right": 0.15, "top": 0.75, "bottom": 1.2, "gap": 0.7}


def view_figure(
    small: SmallVolume,
    slices: Sequence[Slice],
    marks: Sequence[Marks],
    *,
    limits: tuple[float, float],
    contrast: str,
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
        The tomogram.
    slices : sequence of Slice
        One across z, one across y, one across x.
    marks : sequence of Marks
        Picks.
    limits : tuple of float
        Values that are drawn black and white.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the volume.
    title : str
        Headline.
    footer : str
        Small line at the foot.
    lines : sequence of Line
        Filaments, with their numbers, and arrows where their direction is known.
    """
    letters = _letters(marks)
    with rc_context(FILE_STYLE):
        figure, panels = _panels(*(small.size_angstrom(axis) for axis in (2, 1, 0)))
        for axes, entry in zip(panels, slices, strict=True):
            draw_panel(
                axes,
                small,
                entry,
                marks,
                limits=limits,
                contrast=contrast,
                letters=letters,
                lines=lines,
            )
        height = figure.get_figheight()
        figure.text(0.012, 1 - 0.12 / height, title, fontsize=12, va="top")
        anchor = (0.01, 0.32 / height)
        draw_legend(figure, marks, loc="lower left", bbox_to_anchor=anchor, ncols=len(marks))
        if letters:
            names = ", ".join(f"{letter.strip()} {name}" for name, letter in letters.items())
            figure.text(0.012, 0.22 / height, f"Numbers are scores. {names}", fontsize=7.5)
        add_footer(figure, footer)
    return figure


def _panels(width: float, height: float, depth: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with xy on the left, xz above yz on the right, all to one scale."""
    margins = _MARGINS
    across = _WIDTH_INCHES - margins["left"] - margins["right"] - margins["gap"]
    right = max(width, height)
    inner = _MOST_HEIGHT_INCHES - margins["top"] - margins["bottom"] - margins["gap"]
    scale = min(across / (width + right), inner / max(height, 2 * depth))
    rows = max(scale * height, 2 * scale * depth + margins["gap"])
    total_height = rows + margins["top"] + margins["bottom"]
    total_width = scale * (width + right) + _WIDTH_INCHES - across
    total_width = max(total_width, 7.0)
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


def _letters(marks: Sequence[Marks]) -> dict[str, str]:
    """Return a letter for each object; nothing for a single object."""
    names = list(dict.fromkeys(entry.object_name for entry in marks))
    if len(names) < 2:
        return {}
    return {name: f"{chr(ord('a') + at % 26)} " for at, name in enumerate(names)}
