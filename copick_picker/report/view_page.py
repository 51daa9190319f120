"""A page of slices that scroll, with picks on them: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from copick_picker.report.object_colours import rim_of
from copick_picker.report.overlays import heat_address, heat_gradient, regions_address
from copick_picker.report.pages import render
from copick_picker.report.slice_panels import PanelLook
from copick_picker.report.view_lines import Line
from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status
from copick_picker.report.view_volume import (
    VIEWS,
    Slice,
    SmallVolume,
    grey_bytes,
    jpeg_address,
)

_IN_PLANE = {"xy": (0, 1, 2), "xz": (0, 2, 1), "yz": (1, 2, 0)}
"""View -> horizontal, vertical and third axis, as places in (x, y, z)."""
_MOST_ROWS = 2000


@dataclass(frozen=True, eq=False)
class ViewContent:
    """What a page shows.

    Attributes
    ----------
    title, lead, footer : str
        Headline, the line below it, the line at the foot.
    small : SmallVolume
        The tomogram.
    slices : mapping of str to sequence of Slice
        View (``xy``, ``xz``, ``yz``) -> its slices, in order.
    marks : sequence of Marks
        Picks.
    spot_xyz : tuple of float
        Point (x, y, z) in Angstrom that the slices go through at first.
    look : PanelLook
        Grey values, and what the regions over the slices mean.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.
    lines : sequence of Line
        Filaments.
    """

    title: str
    lead: str
    footer: str
    small: SmallVolume
    slices: Mapping[str, Sequence[Slice]]
    marks: Sequence[Marks]
    spot_xyz: tuple[float, float, float]
    look: PanelLook
    colours: Mapping[str, str]
    lines: Sequence[Line] = ()


def view_page(content: ViewContent) -> str:
    """Return the page as HTML.

    Three views share one point: a slider, the wheel or a click in one view moves the others.
    Statuses, objects and low scores can be hidden; a click on a pick's row goes there.

    Parameters
    ----------
    content : ViewContent
        What to show.
    """
    objects = {line.object_name: _short(line.radius_angstrom) for line in content.lines}
    objects |= {entry.object_name: _short(entry.radius_angstrom) for entry in content.marks}
    picks = _picks(content.marks, list(objects))
    has_heat = content.small.heat is not None
    counts = counts_by_status(content.marks)
    looks = {status: asdict(LOOKS[status]) for status in counts}
    return render(
        "view.html",
        title=content.title,
        lead=content.lead,
        footer=content.footer,
        counts=counts,
        looks=looks,
        objects={name: content.colours[name] for name in objects},
        regions=content.look.regions,
        has_labels=content.small.labels is not None,
        heat_gradient=heat_gradient() if has_heat else "",
        n_lines=len(content.lines),
        picks=picks,
        listed=_by_score(picks)[:_MOST_ROWS],
        data={
            "low": _short(content.small.low_angstrom),
            "spot": [_short(value) for value in content.spot_xyz],
            "looks": looks,
            "objects": [
                {
                    "name": name,
                    "radius": radius,
                    "colour": content.colours[name],
                    "rim": rim_of(content.colours[name]),
                }
                for name, radius in objects.items()
            ],
            "views": [_view(content, name) for _, name in VIEWS],
            "picks": picks,
            "lines": _lines(content.lines, list(objects)),
        },
    )


def _short(value: float) -> float:
    return round(float(value), 2)


def _picks(marks: Sequence[Marks], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return object, status, score, remark and point of every pick, as the script reads them."""
    found = []
    for entry in marks:
        for at, point in enumerate(entry.points_xyz):
            score = None if entry.scores is None else round(float(entry.scores[at]), 4)
            found.append(
                {
                    "o": names.index(entry.object_name),
                    "s": entry.status,
                    "c": score,
                    "r": entry.remarks[at] if entry.remarks else "",
                    "p": [_short(value) for value in point],
                }
            )
    return found


def _lines(lines: Sequence[Line], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return object, number, colour and points of every filament, as the script reads them."""
    return [
        {
            "o": names.index(line.object_name),
            "n": line.number,
            "c": line.colour,
            "polar": line.is_polar,
            "radius": _short(line.radius_angstrom),
            "p": [[_short(value) for value in point] for point in line.points_xyz],
        }
        for line in lines
    ]


def _view(content: ViewContent, name: str) -> dict[str, Any]:
    slices = content.slices[name]
    horizontal, vertical, across = _IN_PLANE[name]
    rows, columns = slices[0].picture.shape
    return {
        "name": name,
        "h": horizontal,
        "v": vertical,
        "across": across,
        "rows": rows,
        "columns": columns,
        "width": columns * content.small.voxel_spacing,
        "thick": [_short(entry.thickness_angstrom) for entry in slices],
        "centres": [_short(entry.centre_angstrom) for entry in slices],
        "images": [
            jpeg_address(
                grey_bytes(entry.picture, content.look.limits, contrast=content.look.contrast)
            )
            for entry in slices
        ],
        "heats": [heat_address(entry.heat) for entry in slices if entry.heat is not None],
        "labels": [
            regions_address(entry.labels, content.look.regions)
            for entry in slices
            if entry.labels is not None
        ],
    }


def _by_score(picks: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the indices of picks from the highest score down, then of those without a score."""
    return sorted(
        range(len(picks)), key=lambda at: (picks[at]["c"] is None, -(picks[at]["c"] or 0))
    )
