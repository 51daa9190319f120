"""A page of slices that scroll, with picks on them: one HTML file that needs nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib import resources
from typing import Any

from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status
from copick_picker.report.view_volume import (
    VIEWS,
    Slice,
    SmallVolume,
    grey_bytes,
    jpeg_address,
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
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
    limits : tuple of float
        Values that are drawn black and white.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the volume.
    """

    title: str
    lead: str
    footer: str
    small: SmallVolume
    slices: Mapping[str, Sequence[Slice]]
    marks: Sequence[Marks]
    spot_xyz: tuple[float, float, float]
    limits: tuple[float, float]
    contrast: str


def view_page(content: ViewContent) -> str:
    """Return the page as HTML.

    Three views share one point: a slider, the wheel or a click in one view moves the others.
    Statuses, objects and low scores can be hidden; a click on a pick's row goes there.

    Parameters
    ----------
    content : ViewContent
        What to show.
    """
    objects = _objects(content.marks)
    picks = _picks(content.marks, list(objects))
    data = {
        "low": _short(content.small.low_angstrom),
        "spot": [_short(value) for value in content.spot_xyz],
        "looks": {name: asdict(LOOKS[name]) for name in counts_by_status(content.marks)},
        "objects": [{"name": name, "radius": radius} for name, radius in objects.items()],
        "views": [_view(content, name) for _, name in VIEWS],
        "picks": picks,
    }
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    title = escape(content.title)
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="generator" content="copick-picker">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{title}</title><style>{_part('view_page.css')}</style></head><body>"
        f"<header><h1>{title}</h1><p>{escape(content.lead)}</p></header><main>"
        f"{_controls(content.marks, list(objects), picks)}"
        '<div class="views" id="views"></div>'
        "<noscript><p>This page needs JavaScript.</p></noscript>"
        '<p class="note">Scroll: slider, mouse wheel or arrow keys. A click in one view moves the '
        "others there.</p>"
        f"{_table(list(objects), picks)}</main>"
        f'<footer><p class="note">{escape(content.footer)}</p></footer>'
        f'<script type="application/json" id="data">{text}</script>'
        f"<script>{_part('view_page.js')}</script></body></html>\n"
    )


def _part(name: str) -> str:
    return (resources.files("copick_picker") / "report" / name).read_text(encoding="utf-8")


def _short(value: float) -> float:
    return round(float(value), 2)


def _objects(marks: Sequence[Marks]) -> dict[str, float]:
    return {entry.object_name: _short(entry.radius_angstrom) for entry in marks}


def _picks(marks: Sequence[Marks], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return every pick: object, status, score, remark, point; candidates by falling score."""
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
            jpeg_address(grey_bytes(entry.picture, content.limits, contrast=content.contrast))
            for entry in slices
        ],
    }


def _controls(
    marks: Sequence[Marks], names: Sequence[str], picks: Sequence[Mapping[str, Any]]
) -> str:
    parts = []
    statuses = "".join(
        f'<label><input type="checkbox" checked data-status="{status}">'
        f'<svg width="22" height="22" data-look="{status}" aria-hidden="true"></svg>'
        f"{escape(LOOKS[status].words)}: {number}</label>"
        for status, number in counts_by_status(marks).items()
    )
    if statuses:
        parts.append(f"<fieldset><legend>Marks</legend>{statuses}</fieldset>")
    if len(names) > 1:
        boxes = "".join(
            f'<label><input type="checkbox" checked data-object="{at}">{escape(name)}</label>'
            for at, name in enumerate(names)
        )
        parts.append(f"<fieldset><legend>Objects</legend>{boxes}</fieldset>")
    scores = [pick["c"] for pick in picks if pick["c"] is not None]
    if scores:
        low, high = min(scores), max(scores)
        step = max((high - low) / 200, 1e-6)
        parts.append(
            '<label><input type="checkbox" checked id="show-scores">scores</label>'
            f'<label>least score <input type="range" id="least" min="{low:.4f}" max="{high:.4f}" '
            f'step="{step:.6f}" value="{low:.4f}"><output id="least-shown">{low:.2f}</output>'
            "</label>"
        )
    parts.append(
        '<label>contrast <input type="range" id="contrast" min="50" max="300" value="100"></label>'
    )
    return f'<form aria-label="What is shown">{"".join(parts)}</form>'


def _table(names: Sequence[str], picks: Sequence[Mapping[str, Any]]) -> str:
    if not picks:
        return "<p>No picks.</p>"
    rows = []
    order = sorted(
        range(len(picks)), key=lambda at: (picks[at]["c"] is None, -(picks[at]["c"] or 0))
    )
    for at in order[:_MOST_ROWS]:
        pick = picks[at]
        words = LOOKS[pick["s"]].words + (f" ({pick['r']})" if pick["r"] else "")
        score = "" if pick["c"] is None else f"{pick['c']:.3f}"
        x, y, z = pick["p"]
        rows.append(
            f"<tr><td>{escape(names[pick['o']])}</td><td>{escape(words)}</td>"
            f'<td class="number">{score}</td><td class="number"><button type="button" '
            f'data-pick="{at}">{x:.0f}, {y:.0f}, {z:.0f}</button></td></tr>'
        )
    cut = f"; the first {_MOST_ROWS} are listed" if len(picks) > _MOST_ROWS else ""
    return (
        f"<h2>Picks</h2><div class='scroll' tabindex='0' role='region' aria-label='Picks'><table>"
        f"<caption>{len(picks)} picks by score{cut}; a click on a position goes there</caption>"
        '<thead><tr><th scope="col">object</th><th scope="col">status</th>'
        '<th scope="col" class="number">score</th><th scope="col" class="number">x, y, z (Å)</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
