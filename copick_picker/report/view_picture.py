"""One picture of a run: an xy, an xz and a yz slice with its picks."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from copick_picker.report.figures import add_footer
from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status, cut
from copick_picker.report.view_volume import Slice, SmallVolume, grey_bytes

_NM = 10.0
_OUTLINE = (withStroke(linewidth=2.6, foreground="black"),)
_MARKERS = {"circle": "o", "square": "s", "dot": ".", "cross": "x", "diamond": "D"}
_MOST_SCORES = 60
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
    """
    lengths = [small.size_angstrom(axis) for axis in (2, 1, 0)]
    figure, panels = _panels(*lengths)
    letters = _letters(marks)
    for axes, entry in zip(panels, slices, strict=True):
        _draw_slice(axes, small, entry, limits, contrast)
        n_drawn = sum(_draw_marks(axes, group, entry, letters) for group in marks)
        _label(axes, entry, n_drawn, sum(len(group) for group in marks))
    figure.text(0.012, 1 - 0.12 / figure.get_figheight(), title, fontsize=12, va="top")
    _legend(figure, marks, letters)
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


def _draw_slice(
    axes: Axes, small: SmallVolume, entry: Slice, limits: tuple[float, float], contrast: str
) -> None:
    rows, columns = entry.picture.shape
    low, step = small.low_angstrom / _NM, small.voxel_spacing / _NM
    axes.imshow(
        grey_bytes(entry.picture, limits, contrast=contrast),
        cmap="gray",
        vmin=0,
        vmax=255,
        origin="lower",
        extent=(low, low + columns * step, low, low + rows * step),
        interpolation="bilinear",
        aspect="equal",
    )
    axes.set_autoscale_on(False)


def _in_plane(axis_zyx: int) -> tuple[int, int]:
    """Return the horizontal and the vertical axis of a view, as columns of (x, y, z)."""
    return {0: (0, 1), 1: (0, 2), 2: (1, 2)}[axis_zyx]


def _draw_marks(axes: Axes, marks: Marks, entry: Slice, letters: dict[str, str]) -> int:
    look = LOOKS[marks.status]
    which, radii = cut(marks, entry.axis_zyx, entry.centre_angstrom)
    centres = marks.points_xyz[which][:, list(_in_plane(entry.axis_zyx))] / _NM
    if look.shape in ("circle", "square"):
        for centre, radius in zip(centres, radii / _NM, strict=True):
            patch: Circle | Rectangle
            style: dict[str, Any] = {"fill": False, "edgecolor": look.colour, "linewidth": 1.3}
            if look.shape == "circle":
                patch = Circle((centre[0], centre[1]), radius, **style)
            else:
                corner = (centre[0] - radius, centre[1] - radius)
                patch = Rectangle(corner, 2 * radius, 2 * radius, **style)
            patch.set_path_effects(list(_OUTLINE))
            axes.add_patch(patch)
    else:
        axes.plot(
            centres[:, 0],
            centres[:, 1],
            linestyle="",
            marker=_MARKERS[look.shape],
            markersize=6,
            markeredgewidth=1.6 if look.shape == "cross" else 1.2,
            markerfacecolor=look.colour if look.shape == "dot" else "none",
            markeredgecolor=look.colour,
            path_effects=_OUTLINE,
        )
    if marks.scores is not None and len(which) <= _MOST_SCORES:
        for centre, score in zip(centres, marks.scores[which], strict=True):
            axes.annotate(
                f"{letters.get(marks.object_name, '')}{score:.2f}",
                (centre[0], centre[1]),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=6.5,
                color="white",
                path_effects=_OUTLINE,
                annotation_clip=True,
                clip_on=True,
            )
    return len(which)


def _label(axes: Axes, entry: Slice, n_drawn: int, n_picks: int) -> None:
    name, along = {0: ("xy", "z"), 1: ("xz", "y"), 2: ("yz", "x")}[entry.axis_zyx]
    axes.set_title(
        f"{name} at {along} = {entry.centre_angstrom / _NM:.1f} nm, "
        f"{entry.thickness_angstrom / _NM:.1f} nm thick; {n_drawn} of {n_picks} marks",
        fontsize=8,
        loc="left",
    )
    axes.set_xlabel(f"{name[0]} (nm)", fontsize=8, labelpad=1)
    axes.set_ylabel(f"{name[1]} (nm)", fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7)


def _letters(marks: Sequence[Marks]) -> dict[str, str]:
    """Return a letter for each object, nothing where there is one object alone."""
    names = list(dict.fromkeys(entry.object_name for entry in marks))
    if len(names) < 2:
        return {}
    return {name: f"{chr(ord('a') + at % 26)} " for at, name in enumerate(names)}


def _legend(figure: Figure, marks: Sequence[Marks], letters: dict[str, str]) -> None:
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=_MARKERS[LOOKS[status].shape],
            color=LOOKS[status].colour,
            markerfacecolor=LOOKS[status].colour if LOOKS[status].shape == "dot" else "none",
            markersize=8,
            markeredgewidth=1.6,
            path_effects=_OUTLINE,
            label=f"{LOOKS[status].words}: {number}",
        )
        for status, number in counts_by_status(marks).items()
    ]
    height = figure.get_figheight()
    if handles:
        figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0.01, 0.32 / height),
            ncols=len(handles),
            fontsize=8,
            frameon=False,
            borderpad=0,
        )
    if letters:
        text = "Numbers are scores. " + ", ".join(
            f"{letter.strip()} {name}" for name, letter in letters.items()
        )
        figure.text(0.012, 0.22 / height, text, fontsize=7.5, va="bottom")
