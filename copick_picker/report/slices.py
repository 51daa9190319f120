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
from copick_picker.report.picture_legends import draw_legends, legends_height
from copick_picker.report.slice_panels import PanelLook, draw_panel
from copick_picker.report.view_marks import Marks, best_centre, object_looks
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
_MARGINS_INCHES = {"left": 0.75, "right": 0.2, "top": 0.6, "gap": 0.55, "bottom": 0.8}
_FOOTER_INCHES = 0.36
_PANEL_WIDTH_INCHES = 6.6
_MOST_PANEL_HEIGHT_INCHES = 11.0


def slice_figure(
    volume_zyx: npt.NDArray[np.float32],
    voxel_spacing: float,
    matches: Sequence[RunObjectMatch],
    radii_angstrom: Mapping[str, float],
    *,
    colours: Mapping[str, str],
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
    colours : mapping of str to str
        Object name -> colour as ``#rrggbb``.
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
    objects = object_looks(marks, colours)
    with rc_context(FILE_STYLE):
        legends = legends_height(
            marks, PanelLook((0.0, 1.0), contrast, objects), width=_PANEL_WIDTH_INCHES
        )
        figure, panels = _empty_panels(n_y / n_x, n_z / n_x, legends)
        for axis, axes in enumerate(panels):
            planes = np.arange(volume_zyx.shape[axis], dtype=np.float64) * voxel_spacing
            shown = small.slice_at(axis, best_centre(marks, axis, planes), n_planes)
            limits = grey_limits([_layer(shown, marks, voxel_spacing)], _LOW_HIGH_PERCENTILES)
            look = PanelLook(limits, contrast, objects)
            draw_panel(axes, small, shown, marks, look=look, has_scale_bar=axis == 0)
        height = figure.get_figheight()
        figure.suptitle(title, fontsize=11, y=1 - 0.1 / height, va="top")
        draw_legends(figure, marks, look, left=_MARGINS_INCHES["left"], low=_FOOTER_INCHES)
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


def _empty_panels(
    ratio_xy: float, ratio_xz: float, legends: float
) -> tuple[Figure, tuple[Axes, Axes]]:
    """Return a figure with two panels of the given height / width, without wasted space."""
    margins = _MARGINS_INCHES | {"bottom": _MARGINS_INCHES["bottom"] + legends}
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
