"""Panels of figures that show a slice of a tomogram with the picks it cuts."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from copick_picker.report.view_lines import Line, near_slice
from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status, cut
from copick_picker.report.view_volume import Slice, SmallVolume, slice_bytes

ANGSTROM_PER_NM = 10.0
OUTLINE = (withStroke(linewidth=2.6, foreground="black"),)
"""A black rim that keeps marks visible on any grey."""
_MARKERS = {
    "circle": "o",
    "square": "s",
    "dashed circle": "o",
    "dot": ".",
    "cross": "x",
    "diamond": "D",
    "triangle": "^",
}
_VIEWS = (("xy", "z", (0, 1)), ("xz", "y", (0, 2)), ("yz", "x", (1, 2)))
"""By the axis (z, y, x) across: name, that axis, and the columns of (x, y, z) in the plane."""
_MOST_SCORES = 60


def draw_panel(
    axes: Axes,
    small: SmallVolume,
    entry: Slice,
    marks: Sequence[Marks],
    *,
    limits: tuple[float, float],
    contrast: str,
    letters: Mapping[str, str],
    lines: Sequence[Line] = (),
) -> None:
    """Draw a slice, every pick whose sphere it cuts, and where the slice is.

    Circles and squares have the size of the cut. Scores stand beside candidates unless there are
    too many to read.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The panel, changed in place.
    small : SmallVolume
        The tomogram.
    entry : Slice
        The slice.
    marks : sequence of Marks
        All picks.
    limits : tuple of float
        Values drawn black and white.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the volume.
    letters : mapping of str to str
        Object name -> what precedes its scores; empty for a single object.
    lines : sequence of Line
        Filaments.
    """
    rows, columns = entry.picture.shape
    low, step = small.low_angstrom / ANGSTROM_PER_NM, small.voxel_spacing / ANGSTROM_PER_NM
    axes.imshow(
        slice_bytes(entry, limits, contrast=contrast),
        cmap="gray",
        vmin=0,
        vmax=255,
        origin="lower",
        extent=(low, low + columns * step, low, low + rows * step),
        interpolation="bilinear",
        aspect="equal",
    )
    axes.set_autoscale_on(False)
    n_drawn = sum(_draw_marks(axes, group, entry, letters) for group in marks)
    for line in lines:
        _draw_line(axes, line, entry)
    name, across, _ = _VIEWS[entry.axis_zyx]
    axes.set_title(
        f"{name} slice at {across} = {entry.centre_angstrom / ANGSTROM_PER_NM:.1f} nm, "
        f"{entry.thickness_angstrom / ANGSTROM_PER_NM:.1f} nm thick; "
        f"{n_drawn} of {sum(map(len, marks))} picks",
        fontsize=8,
        loc="left",
    )
    axes.set_xlabel(f"{name[0]} (nm)", fontsize=8, labelpad=1)
    axes.set_ylabel(f"{name[1]} (nm)", fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7)


def draw_legend(figure: Figure, marks: Sequence[Marks], **layout: object) -> None:
    """Explain the marks below the panels, with the number of picks of each kind.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, changed in place.
    marks : sequence of Marks
        All picks.
    **layout
        Where the legend stands, as ``Figure.legend`` takes it.
    """
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            markersize=8,
            label=f"{LOOKS[status].words}: {number}",
            **_point_style(status),
        )
        for status, number in counts_by_status(marks).items()
    ]
    if handles:
        figure.legend(handles=handles, fontsize=8, frameon=False, borderpad=0, **layout)


def _draw_marks(axes: Axes, marks: Marks, entry: Slice, letters: Mapping[str, str]) -> int:
    """Draw the picks of a group that the slice cuts; return how many."""
    look = LOOKS[marks.status]
    which, radii = cut(marks, entry.axis_zyx, entry.centre_angstrom)
    _, _, in_plane = _VIEWS[entry.axis_zyx]
    centres = marks.points_xyz[which][:, list(in_plane)] / ANGSTROM_PER_NM
    if look.shape in ("circle", "square", "dashed circle"):
        for (x, y), radius in zip(centres, radii / ANGSTROM_PER_NM, strict=True):
            axes.add_patch(_outline(look.shape, (x, y), radius, look.colour))
    else:
        axes.plot(*centres.T, linestyle="", markersize=6, **_point_style(marks.status))
    if marks.scores is not None and len(which) <= _MOST_SCORES:
        for centre, score in zip(centres, marks.scores[which], strict=True):
            axes.annotate(
                f"{letters.get(marks.object_name, '')}{score:.2f}",
                centre,
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=6.5,
                color="white",
                path_effects=OUTLINE,
                annotation_clip=True,
                clip_on=True,
            )
    return len(which)


def _draw_line(axes: Axes, line: Line, entry: Slice) -> None:
    """Draw the pieces of a filament near a slice, an arrow where its direction is known."""
    _, _, in_plane = _VIEWS[entry.axis_zyx]
    for piece in near_slice(line, entry.axis_zyx, entry.centre_angstrom):
        points = piece[:, list(in_plane)] / ANGSTROM_PER_NM
        axes.plot(*points.T, color=line.colour, linewidth=1.8)
        if line.is_polar:
            style = {"arrowstyle": "-|>", "color": line.colour, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", points[-1], xytext=points[-2], arrowprops=style)
        axes.annotate(
            str(line.number),
            points[len(points) // 2],
            xytext=(3, -9),
            textcoords="offset points",
            fontsize=6.5,
            color=line.colour,
            path_effects=OUTLINE,
            annotation_clip=True,
            clip_on=True,
        )


def _outline(
    shape: str, centre: tuple[float, float], radius: float, colour: str
) -> Circle | Rectangle:
    style: dict[str, Any] = {
        "fill": False,
        "edgecolor": colour,
        "linewidth": 1.3,
        "path_effects": OUTLINE,
    }
    if shape == "square":
        corner = (centre[0] - radius, centre[1] - radius)
        return Rectangle(corner, 2 * radius, 2 * radius, **style)
    return Circle(centre, radius, linestyle="-" if shape == "circle" else (0, (4, 3)), **style)


def _point_style(status: str) -> dict[str, Any]:
    look = LOOKS[status]
    return {
        "marker": _MARKERS[look.shape],
        "color": look.colour,
        "markerfacecolor": look.colour if look.shape == "dot" else "none",
        "markeredgewidth": 1.6 if look.shape == "cross" else 1.2,
        "path_effects": OUTLINE,
    }
