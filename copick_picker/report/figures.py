"""What all figures share: colours, footers, and how one becomes a file or part of a page."""

import re
import warnings
from collections.abc import Mapping
from io import BytesIO, StringIO
from typing import Any
from xml.etree import ElementTree as ET

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000001",
)
"""Colours that people with any form of colour blindness tell apart (Okabe and Ito, 2008)."""
INK, RULE, PAPER = "#000002", "#ededed", "#ffffff"
LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
DOTS_PER_INCH = 130
FILE_STYLE = {"text.parse_math": False}
"""Settings of every figure: a dollar sign in a name starts no formula."""
CHART_STYLE = FILE_STYLE | {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": RULE,
    "lines.markersize": 5,
}
PAGE_STYLE = CHART_STYLE | {
    "figure.dpi": 72,
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "legend.borderpad": 0.0,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "lines.markersize": 7,
    "xtick.bottom": False,
    "ytick.left": False,
}
_PAGE_COLOURS = {colour: f"var(--c{number})" for number, colour in enumerate(PALETTE)} | {
    INK: "var(--ink)",
    RULE: "var(--rule)",
    PAPER: "var(--page)",
}
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_HOVER = "hover:"
_DIGITS = re.compile(r"(?:(\.[1-9])|\.0)\d*")
_SPACE = re.compile(r"\s*([A-Za-z,()])\s*")
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def line_look(index: int, colour: str | None = None) -> dict[str, Any]:
    """Return colour, line style and marker of the index-th line, as ``Axes.plot`` takes them.

    Parameters
    ----------
    index : int
        Number of the line, from 0; looks repeat only after 28 lines.
    colour : str, optional
        A colour of its own.
    """
    return {
        "color": colour or PALETTE[index % len(PALETTE)],
        "linestyle": LINE_STYLES[index % len(LINE_STYLES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def tick_whole_numbers(axis: Axis) -> None:
    """Let an axis of counts have ticks at whole numbers alone.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis, changed in place.
    """
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def add_footer(figure: Figure, text: str) -> None:
    """Write a small line at the foot of a figure: where the picture is from.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, changed in place.
    text : str
        The line.
    """
    figure.text(0.01, 0.005, text, fontsize=6, color="0.35", ha="left", va="bottom", wrap=True)


def add_hover_text(artist: Artist, text: str) -> None:
    """Give a part of a figure the words that a page shows when the pointer rests on it.

    Parameters
    ----------
    artist : matplotlib.artist.Artist
        The part, changed in place.
    text : str
        The words.
    """
    artist.set_gid(_HOVER + text)


def png_bytes(figure: Figure, metadata: Mapping[str, str]) -> bytes:
    """Return a figure as a PNG file; needs no display.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    metadata : mapping of str to str
        Text chunks of the file, by keyword.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata=dict(metadata))
    return buffer.getvalue()


def svg_bytes(figure: Figure, name: str, creator: str) -> bytes:
    """Return a figure as an SVG file, the same bytes each time; letters are drawn as shapes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    name : str
        Its name: the ids in the file derive from it.
    creator : str
        What made it, for the metadata.
    """
    buffer = BytesIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA | {"Creator": creator})
    return buffer.getvalue()


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """Return a figure as an SVG element of a page, the same bytes each time.

    Text stays text in the page's font. The colours of ``PALETTE`` become the variables of the
    page's style sheet, others those of :func:`page_variable` if the page has them, so that a chart
    follows light and dark.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, 72 dots per inch.
    name : str
        Unique in the page: the element's ids derive from it.
    alt : str
        What the chart says, in words.
    """
    buffer = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the browser may have the font that we lack
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 (matplotlib wrote it just now)
    _slim(root)
    root.attrib = {
        "class": "chart",
        "role": "img",
        "aria-label": alt,
        "viewBox": root.attrib["viewBox"],
    }
    _add_title(root, alt)
    return ET.tostring(root, encoding="unicode")


def _slim(element: ET.Element) -> None:
    """Strip an element of what a page does not need or has in its style sheet."""
    children: list[ET.Element] = []
    for child in element:
        _slim(child)
        children += (
            [] if child.tag in ("metadata", "style") else child if _is_bare(child) else [child]
        )
    element[:] = children
    element.tag = element.tag.rpartition("}")[2]
    element.text, element.tail = (element.text or "").strip() or None, None
    known = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    words = known.pop("id", "") if element.tag == "g" else ""
    if words.startswith(_HOVER):
        _add_title(element, words.removeprefix(_HOVER))
    for name in ("d", "x", "y", "transform"):
        if name in known:
            known[name] = _SPACE.sub(r"\1", _DIGITS.sub(r"\1", known[name])).strip()
    if known.get("transform", "").startswith("rotate(-0 "):
        del known["transform"]
    element.attrib = known | _look(element.tag, known.pop("style", ""))


def page_variable(colour: str) -> str:
    """Return the variable of a page's style sheet that stands for a colour of its own.

    Parameters
    ----------
    colour : str
        As ``#rrggbb``.
    """
    return f"--own-{colour.removeprefix('#')}"


def _page_colour(value: str) -> str:
    """Return a colour as a page takes it: a variable, for those that follow light and dark."""
    if value in _PAGE_COLOURS or not _COLOUR.fullmatch(value):
        return _PAGE_COLOURS.get(value, value)
    return f"var({page_variable(value)},{value})"


def _is_bare(element: ET.Element) -> bool:
    return element.tag == "g" and not element.attrib and element.find("title") is None


def _look(tag: str, style: str) -> dict[str, str]:
    """Return the attributes that replace a style: colours follow the page."""
    if f"stroke: {RULE}" in style:
        return {"class": "rule"}
    wanted = dict(part.split(": ", 1) for part in style.split("; ") if part)
    if tag == "text":
        return {"text-anchor": wanted["text-anchor"]}
    for name in ("stroke-dashoffset", "stroke-linecap", "stroke-linejoin"):
        wanted.pop(name, None)
    words = ";".join(f"{name}:{_page_colour(is_)}" for name, is_ in wanted.items())
    return {"style": words} if words else {}


def _add_title(element: ET.Element, text: str) -> None:
    title = ET.Element("title")
    title.text = text
    element.insert(0, title)
