"""Colours of objects: the project's, made legible on white, on a dark page and on grey."""

from collections.abc import Iterable, Sequence

from copick_picker.records.runs import ObjectSpec
from copick_picker.report.figures import PALETTE, PAPER

DARK_PAGE = "#14171b"
"""Background of our pages where a reader prefers them dark."""
_LEAST_CONTRAST = 3.0
"""Contrast of lines and marks with what is behind them (WCAG 2.2, criterion 1.4.11)."""
_DARK_MARK = 0.2
_STEPS = 20


def object_colours(specs: Sequence[ObjectSpec], names: Iterable[str] = ()) -> dict[str, str]:
    """Return object name -> colour as ``#rrggbb``, no two alike as far as the palette reaches.

    It is the project's. Objects for which the project states none, or the same as for an object
    before them, get the first colours of our palette that are free.

    Parameters
    ----------
    specs : sequence of ObjectSpec
        Objects of the project.
    names : iterable of str
        Further names that need a colour.

    Examples
    --------
    >>> specs = [ObjectSpec("ribosome", 1, colour=(0, 114, 178)), ObjectSpec("virus", 2)]
    >>> object_colours(specs, ["tube"])
    {'ribosome': '#0072b2', 'virus': '#d55e00', 'tube': '#009e73'}
    """
    stated: dict[str, str] = {}
    for spec in specs:
        colour = None if spec.colour is None else "#{:02x}{:02x}{:02x}".format(*spec.colour)
        if colour is not None and colour not in stated.values():
            stated[spec.name] = colour
    free = [colour for colour in PALETTE if colour not in stated.values()] or list(PALETTE)
    every = dict.fromkeys([*(spec.name for spec in specs), *names])
    without = [name for name in every if name not in stated]
    filled = {name: free[at % len(free)] for at, name in enumerate(without)}
    return {name: stated.get(name) or filled[name] for name in every}


def legible(colour: str, paper: str = PAPER) -> str:
    """Return a colour that stands out from what is behind it, of the same hue.

    Parameters
    ----------
    colour : str
        As ``#rrggbb``.
    paper : str
        What it stands on; on a dark one it is made lighter, on a light one darker.

    Examples
    --------
    >>> legible("#0072b2"), legible("#f0e442")
    ('#0072b2', '#9c942b')
    """
    end = 0.0 if _luminance(paper) > 0.5 else 255.0
    for step in range(_STEPS + 1):
        share = step / _STEPS
        mixed = "#" + "".join(
            f"{round((1 - share) * value + share * end):02x}" for value in _parts(colour)
        )
        if _contrast(mixed, paper) >= _LEAST_CONTRAST:
            return mixed
    return mixed


def rim_of(colour: str) -> str:
    """Return the colour of the rim that keeps a mark visible on grey: white round a dark one.

    Parameters
    ----------
    colour : str
        As ``#rrggbb``.

    Examples
    --------
    >>> rim_of("#0072b2"), rim_of("#f0e442")
    ('#ffffff', '#000000')
    """
    return "#ffffff" if _luminance(colour) < _DARK_MARK else "#000000"


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue from 0 to 255.

    Parameters
    ----------
    colour : str
        As ``#rrggbb``.
    """
    red, green, blue = _parts(colour)
    return red, green, blue


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _luminance(colour: str) -> float:
    """Return the relative luminance of sRGB, from 0 (black) to 1, as WCAG 2.2 defines it."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in _parts(colour))
    ]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


def _contrast(first: str, second: str) -> float:
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)
