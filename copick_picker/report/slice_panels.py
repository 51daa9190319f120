"""Panels of figures that show a slice of a tomogram with the picks it cuts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from copick_picker.report.label_places import label_places
from copick_picker.report.object_colours import rim_of
from copick_picker.report.overlays import Region, heat_rgba, regions_rgba
from copick_picker.report.view_lines import Line, near_slice
from copick_picker.report.view_marks import LOOKS, Marks, ObjectLook, cut
from copick_picker.report.view_volume import Slice, SmallVolume, grey_bytes

ANGSTROM_PER_NM = 10.0
_POINTS_PER_INCH = 72.0
_MARKERS = {
    "circle": "o",
    "square": "s",
    "dashed circle": "o",
    "dot": ".",
    "cross": "x",
    "ringed diamond": "D",
    "triangle": "^",
}
_VIEWS = (("xy", "z", (0, 1)), ("xz", "y", (0, 2)), ("yz", "x", (1, 2)))
"""By the axis (z, y, x) across: name, that axis, and the columns of (x, y, z) in the plane."""
_MOST_SCORES = 60
_LABEL_POINTS, _LETTER_WIDTH, _LABEL_GAP = 6.5, 0.62, 3.5
"""Size of a label's letters in points, the width of one as a share of it, and its distance."""
_BAR_LENGTHS_NM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_BAR_SHARE, _BAR_POINTS, _BAR_ROOM, _BAR_HEIGHT = 0.25, 4.0, 7.0, 24.0
"""Longest scale bar as a share of the panel's width, its thickness, and the room about it."""


@dataclass(frozen=True)
class PanelLook:
    """What all panels of a figure have in common.

    Attributes
    ----------
    limits : tuple of float
        Values drawn black and white.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the volume.
    objects : mapping of str to ObjectLook
        Object -> how its picks are drawn.
    regions : sequence of Region
        What the labels drawn over the slices mean.
    """

    limits: tuple[float, float]
    contrast: str
    objects: Mapping[str, ObjectLook]
    regions: Sequence[Region] = ()


@dataclass(frozen=True)
class _Label:
    """Words beside a point of a panel, in the panel's units (nm); they may be empty."""

    point: tuple[float, float]
    words: str
    colour: str = "#ffffff"


def draw_panel(
    axes: Axes,
    small: SmallVolume,
    entry: Slice,
    marks: Sequence[Marks],
    *,
    look: PanelLook,
    lines: Sequence[Line] = (),
    has_scale_bar: bool = True,
) -> int:
    """Draw a slice, every pick whose sphere it cuts, and where the slice is.

    Circles and squares have the size of the cut. Scores stand beside candidates unless there are
    too many to read; none covers another.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The panel, changed in place; it has its final size.
    small : SmallVolume
        The tomogram.
    entry : Slice
        The slice.
    marks : sequence of Marks
        All picks.
    look : PanelLook
        Grey values and colours.
    lines : sequence of Line
        Filaments.
    has_scale_bar : bool
        Whether a bar shows a length in nm.

    Returns
    -------
    int
        Labels that are left out for want of room.
    """
    _draw_slice(axes, small, entry, look)
    drawn = [
        label
        for group in marks
        for label in _draw_marks(axes, group, entry, look.objects[group.object_name])
    ]
    labels = [label for line in lines for label in _draw_line(axes, line, entry)] + drawn
    taken = [_draw_scale_bar(axes, labels)] if has_scale_bar else []
    name, across, _ = _VIEWS[entry.axis_zyx]
    axes.set_title(
        f"{name} slice at {across} = {entry.centre_angstrom / ANGSTROM_PER_NM:.1f} nm, "
        f"{entry.thickness_angstrom / ANGSTROM_PER_NM:.1f} nm thick; "
        f"{len(drawn)} of {sum(map(len, marks))} picks",
        fontsize=8,
        loc="left",
    )
    axes.set_xlabel(f"{name[0]} (nm)", fontsize=8, labelpad=1)
    axes.set_ylabel(f"{name[1]} (nm)", fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7)
    return _draw_labels(axes, labels, taken)


def _draw_slice(axes: Axes, small: SmallVolume, entry: Slice, look: PanelLook) -> None:
    """Draw grey values, and what lies over them."""
    rows, columns = entry.picture.shape
    low, step = small.low_angstrom / ANGSTROM_PER_NM, small.voxel_spacing / ANGSTROM_PER_NM
    extent = (low, low + columns * step, low, low + rows * step)
    axes.imshow(
        grey_bytes(entry.picture, look.limits, contrast=look.contrast),
        cmap="gray",
        vmin=0,
        vmax=255,
        origin="lower",
        extent=extent,
        interpolation="bilinear",
        aspect="equal",
    )
    over = []
    if entry.heat is not None:
        over.append(heat_rgba(entry.heat))
    if entry.labels is not None:
        over.append(regions_rgba(entry.labels, look.regions))
    for colours in over:
        axes.imshow(colours, origin="lower", extent=extent, interpolation="nearest", aspect="equal")
    axes.set_autoscale_on(False)


def _draw_marks(axes: Axes, marks: Marks, entry: Slice, look: ObjectLook) -> list[_Label]:
    """Draw the picks of a group that the slice cuts; return each with its score, if any."""
    shape = LOOKS[marks.status].shape
    which, radii = cut(marks, entry.axis_zyx, entry.centre_angstrom)
    _, _, in_plane = _VIEWS[entry.axis_zyx]
    centres = marks.points_xyz[which][:, list(in_plane)] / ANGSTROM_PER_NM
    if shape in ("circle", "square", "dashed circle", "ringed diamond"):
        for (x, y), radius in zip(centres, radii / ANGSTROM_PER_NM, strict=True):
            axes.add_patch(_outline(shape, (x, y), radius, look.colour))
    if shape not in ("circle", "square", "dashed circle"):
        size = 3.5 if shape == "ringed diamond" else 6.0
        style = point_style(marks.status, look.colour)
        axes.plot(*centres.T, linestyle="", markersize=size, **style)
    words = [""] * len(which)
    if marks.scores is not None and len(which) <= _MOST_SCORES:
        letter = f"{look.letter} " if look.letter else ""
        words = [f"{letter}{score:.2f}" for score in marks.scores[which]]
    return [_Label((x, y), said) for (x, y), said in zip(centres.tolist(), words, strict=True)]


def _draw_line(axes: Axes, line: Line, entry: Slice) -> list[_Label]:
    """Draw the pieces of a filament near a slice, an arrow where its direction is known."""
    _, _, in_plane = _VIEWS[entry.axis_zyx]
    labels = []
    for piece in near_slice(line, entry.axis_zyx, entry.centre_angstrom):
        points = piece[:, list(in_plane)] / ANGSTROM_PER_NM
        axes.plot(*points.T, color=line.colour, linewidth=1.8)
        if line.is_polar:
            style = {"arrowstyle": "-|>", "color": line.colour, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", points[-1], xytext=points[-2], arrowprops=style)
        x, y = points[len(points) // 2].tolist()
        labels.append(_Label((x, y), str(line.number), line.colour))
    return labels


def _draw_labels(
    axes: Axes, labels: Sequence[_Label], taken: Sequence[tuple[float, float, float, float]]
) -> int:
    """Write labels beside their points where there is room; return how many there is none for."""
    shown = [label for label in labels if label.words and _is_inside(axes, label.point)]
    if not shown:
        return 0
    origin, scale, window = _in_points(axes)
    points = (np.array([label.point for label in shown]) - origin) * scale
    sizes = np.array([_size_of(label.words) for label in shown])
    places = label_places(points, sizes, window=window, gap=_LABEL_GAP, taken=taken)
    for label, place, size in zip(shown, places, sizes, strict=True):
        if place is not None:
            x, y = origin + (np.array(place) + 0.5 * size) / scale
            axes.text(
                x,
                y,
                label.words,
                fontsize=_LABEL_POINTS,
                color=label.colour,
                ha="center",
                va="center",
                path_effects=_rim("#000000"),
            )
    return places.count(None)


def _is_inside(axes: Axes, point: tuple[float, float]) -> bool:
    spans = zip(point, (axes.get_xlim(), axes.get_ylim()), strict=True)
    return all(low <= value <= high for value, (low, high) in spans)


def _in_points(
    axes: Axes,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], tuple[float, float]]:
    """Return the lower left corner of a panel, points per unit, and its size in points."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    points = _POINTS_PER_INCH / axes.figure.dpi
    width, height = axes.bbox.width * points, axes.bbox.height * points
    scale = np.array([width / (right - left), height / (high - low)])
    return np.array([left, low]), scale, (width, height)


def _size_of(words: str) -> tuple[float, float]:
    """Return about how wide and high words are, in points."""
    return _LETTER_WIDTH * _LABEL_POINTS * len(words), 1.2 * _LABEL_POINTS


def _draw_scale_bar(axes: Axes, labels: Sequence[_Label]) -> tuple[float, float, float, float]:
    """Draw a bar with its length in nm in the emptiest corner; return its box in points."""
    origin, scale, (width, height) = _in_points(axes)
    width_nm = width / scale[0]
    length = max([bar for bar in _BAR_LENGTHS_NM if bar <= _BAR_SHARE * width_nm], default=1)
    boxes = [
        (left - _BAR_ROOM, low, left + length * scale[0] + _BAR_ROOM, low + _BAR_HEIGHT)
        for low in (0.0, height - _BAR_HEIGHT)
        for left in (2 * _BAR_ROOM, width - length * scale[0] - 2 * _BAR_ROOM)
    ]
    points = [tuple((np.array(label.point) - origin) * scale) for label in labels]
    box = min(boxes, key=lambda box: sum(_is_near(point, box) for point in points))
    x, y = origin + np.array([box[0] + _BAR_ROOM, box[1] + _BAR_ROOM]) / scale
    axes.plot(
        [x, x + length],
        [y, y],
        color="white",
        linewidth=_BAR_POINTS,
        path_effects=_rim("#000000"),
        solid_capstyle="butt",
    )
    axes.annotate(
        f"{length} nm",
        (x + length / 2, y),
        xytext=(0, _BAR_POINTS),
        textcoords="offset points",
        color="white",
        fontsize=9,
        ha="center",
        va="bottom",
        path_effects=_rim("#000000"),
    )
    return box


def _is_near(point: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
    """Return whether a point or its label would lie in a box."""
    left, low, right, high = box
    reach = _LABEL_POINTS
    return left - 4 * reach <= point[0] <= right + reach and low - reach <= point[1] <= high + reach


def _rim(colour: str) -> list[AbstractPathEffect]:
    """Return a rim that keeps what is drawn visible on any grey."""
    return [withStroke(linewidth=2.6, foreground=colour)]


def _outline(
    shape: str, centre: tuple[float, float], radius: float, colour: str
) -> Circle | Rectangle:
    style: dict[str, Any] = {
        "fill": False,
        "edgecolor": colour,
        "linewidth": 1.3,
        "path_effects": _rim(rim_of(colour)),
    }
    if shape == "square":
        corner = (centre[0] - radius, centre[1] - radius)
        return Rectangle(corner, 2 * radius, 2 * radius, **style)
    return Circle(
        centre, radius, linestyle=(0, (4, 3)) if shape.startswith("dashed") else "-", **style
    )


def point_style(status: str, colour: str) -> dict[str, Any]:
    """Return how a small mark looks, as ``Axes.plot`` takes it.

    Parameters
    ----------
    status : str
        A key of ``LOOKS``.
    colour : str
        Its colour as ``#rrggbb``.
    """
    shape = LOOKS[status].shape
    return {
        "marker": _MARKERS[shape],
        "color": colour,
        "markerfacecolor": colour if shape in ("dot", "ringed diamond") else "none",
        "markeredgewidth": 1.6 if shape == "cross" else 1.2,
        "path_effects": _rim(rim_of(colour)),
    }
