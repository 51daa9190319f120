"""Slices of a tomogram with reference and candidate picks drawn on them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.records.scores import FALSE, RunObjectMatch
from copick_picker.report.figures import FILE_STYLE, add_footer
from copick_picker.report.slice_panels import ANGSTROM_PER_NM, OUTLINE, draw_legend, draw_panel
from copick_picker.report.view_marks import Marks, best_centre
from copick_picker.report.view_volume import Slice, SmallVolume, grey_limits

_STATUSES = (
    ("found", "reference", ("matched",)),
    ("missed", "reference", ("missed",)),
    ("hit", "candidate", ("matched",)),
    ("false", "candidate", FALSE),
    ("reference at border", "reference", ("border",)),
    ("candidate at border", "candidate", ("border",)),
    ("reference", "reference", ("uncounted",)),
    ("candidate", "candidate", ("uncounted",)),
)
"""Status as drawn, which picks, and their statuses as scored."""
_UNCOUNTED = frozenset({"border", "uncounted"})
"""Statuses in the legend only where they occur."""
_LOW_HIGH_PERCENTILES = (1.0, 99.0)
_SLAB_ANGSTROM = 60.0
_SLAB_LEAST_PLANES = 3
_BAR_LENGTHS_NM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_MARGINS_INCHES = {"left": 0.75, "right": 0.2, "top": 0.6, "gap": 0.55, "bottom": 1.15}
_PANEL_WIDTH_INCHES = 6.6
_MOST_PANEL_HEIGHT_INCHES = 11.0


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

    Each slice averages a few planes where most picks are. A pick is drawn where the middle of the
    slice cuts the sphere of its object's radius, at the size of the cut. Protein is drawn dark, and
    grey values run from the 1st to the 99th percentile of the layer that holds the picks.

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
    small = SmallVolume(volume_zyx, voxel_spacing, 0.0)
    marks = [
        entry for match in matches for entry in _marks(match, radii_angstrom[match.object_name])
    ]
    n_planes = 2 * (max(_SLAB_LEAST_PLANES, round(_SLAB_ANGSTROM / voxel_spacing)) // 2) + 1
    n_z, n_y, n_x = volume_zyx.shape
    with rc_context(FILE_STYLE):
        figure, panels = _empty_panels(n_y / n_x, n_z / n_x)
        for axis, axes in enumerate(panels):
            planes = np.arange(volume_zyx.shape[axis], dtype=np.float64) * voxel_spacing
            shown = small.slice_at(axis, best_centre(marks, axis, planes), n_planes)
            limits = grey_limits([_layer(shown, marks, voxel_spacing)], _LOW_HIGH_PERCENTILES)
            draw_panel(axes, small, shown, marks, limits=limits, contrast=contrast, letters={})
        _draw_scale_bar(panels[0], n_x * voxel_spacing / ANGSTROM_PER_NM)
        height = figure.get_figheight()
        figure.suptitle(title, fontsize=11, y=1 - 0.1 / height, va="top")
        anchor = (0.5, 0.3 / height)
        draw_legend(figure, marks, loc="lower center", bbox_to_anchor=anchor, ncols=3)
        add_footer(figure, footer)
    return figure


def _marks(match: RunObjectMatch, radius_angstrom: float) -> list[Marks]:
    """Return the picks of an object by status; those that do not count only if there are any."""
    sides = {
        "reference": (match.reference_xyz, match.reference_status),
        "candidate": (match.candidate_xyz, match.candidate_status),
    }
    marks = []
    for status, side, scored in _STATUSES:
        points, statuses = sides[side]
        chosen = points[np.isin(statuses, scored)]
        if len(chosen) or not _UNCOUNTED.intersection(scored):
            marks.append(Marks(match.object_name, radius_angstrom, status, chosen))
    return marks


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


def _layer(shown: Slice, marks: Sequence[Marks], voxel_spacing: float) -> Slice:
    """Return the rows of an xz slice that hold the picks; an xy slice as it is."""
    reach = [
        entry.points_xyz[:, 2] + side * entry.radius_angstrom
        for entry in marks
        for side in (-1.0, 1.0)
    ]
    heights = np.concatenate([np.zeros(0), *reach]) / voxel_spacing
    if shown.axis_zyx == 0 or len(heights) == 0:
        return shown
    last_row = len(shown.picture) - 1
    first = int(np.clip(np.floor(heights.min()), 0, last_row))
    last = int(np.clip(np.ceil(heights.max()), first, last_row))
    return replace(shown, picture=shown.picture[first : last + 1])


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
        path_effects=OUTLINE,
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
        path_effects=OUTLINE,
    )
