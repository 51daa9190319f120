"""Slices of a tomogram with reference and candidate picks drawn on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from copick_picker.records.scores import RunObjectMatch
from copick_picker.report.figures import add_footer

FloatArray = npt.NDArray[np.float64]

ANGSTROM_PER_NM = 10.0
MARKS: Mapping[str, tuple[str, str, str]] = {
    "matched": ("o", "#56B4E9", "found: reference (circle), candidate (dot)"),
    "missed": ("s", "#F0E442", "missed reference"),
    "false": ("x", "#FF5A1F", "false candidate"),
    "border": ("^", "#FFFFFF", "at the border: listed, not counted"),
}
"""Status -> (marker, colour, words). Shapes differ, so that nothing hangs on colour alone."""
_OUTLINE = (withStroke(linewidth=2.8, foreground="black"),)
_LOW_HIGH_PERCENTILES = (1.0, 99.0)
_SLAB_ANGSTROM = 60.0
_SLAB_LEAST_PLANES = 3
_BAR_LENGTHS_NM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_MARGINS_INCHES = {"left": 0.75, "right": 0.2, "top": 0.6, "gap": 0.55, "bottom": 1.15}
_PANEL_WIDTH_INCHES = 6.6
_MOST_PANEL_HEIGHT_INCHES = 11.0


@dataclass(frozen=True)
class Section:
    """A slab of a volume, seen along one axis.

    Attributes
    ----------
    axis_zyx : int
        Axis along which the slab is averaged: 0 (z) for an xy slice, 1 (y) for an xz slice.
    start, stop : int
        First voxel and the one after the last along that axis.
    """

    axis_zyx: int
    start: int
    stop: int

    @property
    def centre_voxel(self) -> float:
        """Middle of the slab along its axis, in voxels."""
        return 0.5 * (self.start + self.stop - 1)


@dataclass(frozen=True, eq=False)
class _Marked:
    """Picks of one object, by what became of them, in voxels (z, y, x)."""

    radius_voxels: float
    reference: Mapping[str, FloatArray]
    candidate: Mapping[str, FloatArray]

    @property
    def all_zyx(self) -> FloatArray:
        parts = [*self.reference.values(), *self.candidate.values()]
        return np.concatenate([np.zeros((0, 3)), *parts])


def slice_figure(
    volume_zyx: npt.NDArray[np.float32],
    voxel_spacing: float,
    matches: Sequence[RunObjectMatch],
    radii_angstrom: Mapping[str, float],
    *,
    contrast: str,
    title: str,
    footer: str,
) -> Figure:
    """Return an xy and an xz slice with matched, missed and false picks in different marks.

    Each slice is the average of a few planes where the most reference and candidate picks are. A
    pick is drawn where the slab cuts the sphere of its object's radius, a circle being the cut.
    Protein is drawn dark, and the grey values run from the 1st to the 99th percentile of the layer
    that holds the picks.

    Parameters
    ----------
    volume_zyx : numpy.ndarray, shape (z, y, x), float32
        Tomogram.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    matches : sequence of RunObjectMatch
        Matched picks of this run, one entry an object.
    radii_angstrom : mapping of str to float
        Object name -> radius in Angstrom.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the volume.
    title : str
        Headline.
    footer : str
        Small line at the foot: matcher, tolerance, version, inputs.

    Returns
    -------
    matplotlib.figure.Figure
        Upper panel xy, lower panel xz, equal aspect, axes in nm.
    """
    marked = [_marked(match, radii_angstrom, voxel_spacing) for match in matches]
    n_z, n_y, n_x = volume_zyx.shape
    figure, panels = _empty_panels(n_y / n_x, n_z / n_x)
    for axes, axis in zip(panels, (0, 1), strict=True):
        section = best_section(volume_zyx.shape, voxel_spacing, marked, axis)
        _draw_section(axes, volume_zyx, voxel_spacing, section, marked, contrast=contrast)
        n_drawn = _draw_picks(axes, marked, section, voxel_spacing)
        _label(axes, section, voxel_spacing, n_drawn, sum(len(m.all_zyx) for m in marked))
    _draw_scale_bar(panels[0], n_x * voxel_spacing / ANGSTROM_PER_NM)
    height = figure.get_figheight()
    figure.suptitle(title, fontsize=11, y=1 - 0.1 / height, va="top")
    _draw_legend(figure, marked)
    add_footer(figure, footer)
    return figure


def best_section(
    shape_zyx: tuple[int, ...],
    voxel_spacing: float,
    marked: Sequence[_Marked],
    axis_zyx: int,
) -> Section:
    """Return the slab that cuts the most picks; the middle one where several do.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom, which sets how many planes are averaged.
    marked : sequence
        Picks by object.
    axis_zyx : int
        0 for an xy slice, 1 for an xz slice.
    """
    size = shape_zyx[axis_zyx]
    planes = np.arange(size)[:, None]
    cut = np.zeros(size)
    for entry in marked:
        distance = np.abs(planes - entry.all_zyx[:, axis_zyx])
        cut += (distance <= entry.radius_voxels).sum(axis=1)
    best = np.flatnonzero(cut == cut.max())
    centre = int(best[len(best) // 2])
    half = max(_SLAB_LEAST_PLANES, round(_SLAB_ANGSTROM / voxel_spacing)) // 2
    return Section(axis_zyx, max(0, centre - half), min(size, centre + half + 1))


def _marked(
    match: RunObjectMatch, radii_angstrom: Mapping[str, float], voxel_spacing: float
) -> _Marked:
    def chosen(points_xyz: FloatArray, status: npt.NDArray[np.str_], *names: str) -> FloatArray:
        zyx: FloatArray = points_xyz[np.isin(status, names)][:, ::-1] / voxel_spacing
        return zyx

    of_reference, of_candidate = match.reference_status, match.candidate_status
    return _Marked(
        radius_voxels=radii_angstrom[match.object_name] / voxel_spacing,
        reference={
            status: chosen(match.reference_xyz, of_reference, status)
            for status in ("matched", "missed", "border")
        },
        candidate={
            "matched": chosen(match.candidate_xyz, of_candidate, "matched"),
            "false": chosen(match.candidate_xyz, of_candidate, "false", "duplicate", "confused"),
            "border": chosen(match.candidate_xyz, of_candidate, "border"),
        },
    )


def _empty_panels(ratio_xy: float, ratio_xz: float) -> tuple[Figure, tuple[Axes, Axes]]:
    """Return a figure with two panels of the given height / width, without wasted space."""
    margins = _MARGINS_INCHES
    width = min(_PANEL_WIDTH_INCHES, _MOST_PANEL_HEIGHT_INCHES / (ratio_xy + ratio_xz))
    upper, lower = width * ratio_xy, width * ratio_xz
    total_width = margins["left"] + width + margins["right"]
    total_height = margins["top"] + upper + margins["gap"] + lower + margins["bottom"]
    figure = Figure(figsize=(total_width, total_height))
    left, across = margins["left"] / total_width, width / total_width
    low = margins["bottom"] / total_height
    high = (margins["bottom"] + lower + margins["gap"]) / total_height
    panel_xy = figure.add_axes((left, high, across, upper / total_height))
    panel_xz = figure.add_axes((left, low, across, lower / total_height))
    return figure, (panel_xy, panel_xz)


def _draw_section(
    axes: Axes,
    volume_zyx: npt.NDArray[np.float32],
    voxel_spacing: float,
    section: Section,
    marked: Sequence[_Marked],
    *,
    contrast: str,
) -> None:
    slab = np.take(volume_zyx, range(section.start, section.stop), axis=section.axis_zyx)
    picture = slab.mean(axis=section.axis_zyx, dtype=np.float64)
    low, high = np.percentile(_layer(picture, section, marked), _LOW_HIGH_PERCENTILES)
    nm = voxel_spacing / ANGSTROM_PER_NM
    rows, columns = picture.shape
    axes.imshow(
        picture,
        cmap="gray" if contrast == "dark" else "gray_r",
        vmin=low,
        vmax=high if high > low else low + 1.0,
        origin="lower",
        extent=(-0.5 * nm, (columns - 0.5) * nm, -0.5 * nm, (rows - 0.5) * nm),
        interpolation="bilinear",
        aspect="equal",
    )
    axes.set_autoscale_on(False)


def _layer(picture: FloatArray, section: Section, marked: Sequence[_Marked]) -> FloatArray:
    """Return the rows of an xz slice that hold the picks; an xy slice as it is."""
    reach = [
        (entry.all_zyx[:, 0] + side * entry.radius_voxels)
        for entry in marked
        for side in (-1.0, 1.0)
    ]
    heights = np.concatenate([np.zeros(0), *reach])
    if section.axis_zyx == 0 or len(heights) == 0:
        return picture
    first = int(np.clip(np.floor(heights.min()), 0, len(picture) - 1))
    last = int(np.clip(np.ceil(heights.max()), first, len(picture) - 1))
    return picture[first : last + 1]


def _draw_picks(
    axes: Axes, marked: Sequence[_Marked], section: Section, voxel_spacing: float
) -> int:
    """Draw the picks whose sphere the slab cuts; return how many."""
    nm = voxel_spacing / ANGSTROM_PER_NM
    n_drawn = 0
    for entry in marked:
        for status, points in entry.reference.items():
            centres, cut_radius = _cut(points, entry.radius_voxels, section)
            n_drawn += len(centres)
            for centre, radius in zip(centres * nm, cut_radius * nm, strict=True):
                axes.add_patch(_reference_patch(status, centre, radius))
        for status, points in entry.candidate.items():
            centres, _ = _cut(points, entry.radius_voxels, section)
            n_drawn += len(centres)
            _draw_points(axes, status, centres * nm)
    return n_drawn


def _cut(
    points_zyx: FloatArray, radius_voxels: float, section: Section
) -> tuple[FloatArray, FloatArray]:
    """Return in-plane centres (horizontal, vertical) and radii of the spheres that are cut."""
    away = points_zyx[:, section.axis_zyx] - section.centre_voxel
    inside = np.abs(away) <= radius_voxels
    vertical = 1 if section.axis_zyx == 0 else 0
    centres: FloatArray = points_zyx[inside][:, [2, vertical]]
    return centres, np.sqrt(radius_voxels**2 - away[inside] ** 2)


def _reference_patch(status: str, centre: FloatArray, radius: float) -> Circle | Rectangle:
    style: dict[str, Any] = {
        "fill": False,
        "edgecolor": MARKS[status][1],
        "linewidth": 1.4,
        "path_effects": _OUTLINE,
    }
    if status == "missed":
        corner = (centre[0] - radius, centre[1] - radius)
        return Rectangle(corner, 2 * radius, 2 * radius, **style)
    dashed = (0, (4, 3)) if status == "border" else "-"
    return Circle((centre[0], centre[1]), radius, linestyle=dashed, **style)


def _draw_points(axes: Axes, status: str, centres: FloatArray) -> None:
    marker, colour, _ = MARKS[status]
    axes.plot(
        centres[:, 0],
        centres[:, 1],
        linestyle="",
        marker="." if status == "matched" else marker,
        markersize={"matched": 6, "false": 7}.get(status, 6),
        markeredgewidth=1.8 if status == "false" else 1.0,
        markerfacecolor=colour if status == "matched" else "none",
        markeredgecolor=colour,
        path_effects=_OUTLINE,
    )


def _label(axes: Axes, section: Section, voxel_spacing: float, n_drawn: int, n_picks: int) -> None:
    along, other = ("z", "y") if section.axis_zyx == 0 else ("y", "z")
    nm = voxel_spacing / ANGSTROM_PER_NM
    axes.set_title(
        f"x{other} slice at {along} = {section.centre_voxel * nm:.0f} nm, mean of "
        f"{section.stop - section.start} planes; {n_drawn} of {n_picks} picks lie in it",
        fontsize=8,
        loc="left",
    )
    axes.set_xlabel("x (nm)", fontsize=8, labelpad=1)
    axes.set_ylabel(f"{other} (nm)", fontsize=8)
    axes.tick_params(labelsize=7)


def _draw_scale_bar(axes: Axes, width_nm: float) -> None:
    """Draw a bar of about a fifth of the width, with its length in nm."""
    length = max([bar for bar in _BAR_LENGTHS_NM if bar <= 0.25 * width_nm], default=1)
    low, high = axes.get_ylim()
    x, y = 0.03 * width_nm, low + 0.035 * (high - low)
    axes.plot(
        [x, x + length],
        [y, y],
        color="white",
        linewidth=4,
        path_effects=_OUTLINE,
        solid_capstyle="butt",
    )
    axes.text(
        x + length / 2,
        y + 0.015 * (high - low),
        f"{length} nm",
        color="white",
        fontsize=9,
        ha="center",
        va="bottom",
        path_effects=_OUTLINE,
    )


def _draw_legend(figure: Figure, marked: Sequence[_Marked]) -> None:
    handles = []
    for status, (marker, colour, words) in MARKS.items():
        number = sum(
            len(points)
            for entry in marked
            for side in (entry.reference, entry.candidate)
            for name, points in side.items()
            if name == status and not (status == "matched" and side is entry.candidate)
        )
        if number or status != "border":
            handles.append(
                Line2D(
                    [],
                    [],
                    linestyle="",
                    marker=marker,
                    color=colour,
                    markerfacecolor="none",
                    markersize=8,
                    markeredgewidth=1.8,
                    path_effects=_OUTLINE,
                    label=f"{words}: {number}",
                )
            )
    height = figure.get_figheight()
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.2 / height),
        ncols=2,
        fontsize=8,
        frameon=False,
    )
