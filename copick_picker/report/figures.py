"""What all figures share: colours, footers, and turning a figure into the bytes of a PNG."""

from collections.abc import Mapping
from io import BytesIO

from matplotlib.figure import Figure

PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
"""Colours that people with any form of colour blindness tell apart (Okabe and Ito, 2008)."""
LINE_STYLES = ("-", "--", ":", "-.")
DOTS_PER_INCH = 130
FILE_STYLE = {"text.parse_math": False}
"""Settings of every figure: a dollar sign in a name starts no formula."""


def line_look(index: int) -> tuple[str, str]:
    """Return colour and line style of the index-th line; both repeat late.

    Parameters
    ----------
    index : int
        Number of the line, from 0.
    """
    style = LINE_STYLES[index // len(PALETTE) % len(LINE_STYLES)]
    return PALETTE[index % len(PALETTE)], style


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
