"""Charts as inline SVG: they follow the page's colours, light or dark, and need no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor

N_COLOURS = 7
"""Colours of the style sheet, ``.c0`` to ``.c6``; dashes change after a round of them."""
_WIDTH, _HEIGHT = 460.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 12.0, 12.0, 46.0
_DASHES = ("", "7 4", "2 4", "9 3 2 3")
_MARKS = ("circle", "square", "triangle", "diamond")
_N_TICKS = 5
_INTERVAL_ROW, _INTERVAL_LEFT = 26.0, 150.0
_MOST_NAME = 20


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes
    ----------
    name : str
        What it is, for the legend.
    x, y : sequence of float
        Points; None leaves a gap.
    look : int
        Number of its colour, dash and mark.
    steps : bool
        Drawn as steps, as a precision-recall curve is.
    marks : bool
        A mark at every point.
    dot : tuple of float or None
        A single open mark.
    """

    name: str
    x: Sequence[float | None]
    y: Sequence[float | None]
    look: int
    steps: bool = False
    marks: bool = False
    dot: tuple[float, float] | None = None


@dataclass(frozen=True)
class Axis:
    """An axis of a chart: its name and its range."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Bars:
    """One kind of thing in a histogram.

    Attributes
    ----------
    name : str
        What it is, for the legend.
    counts : sequence of int
        One a bin.
    look : int
        Number of its colour; the second kind is hatched as well.
    """

    name: str
    counts: Sequence[int]
    look: int


@dataclass(frozen=True)
class Span:
    """A value with its interval, for a chart of values by name."""

    name: str
    value: float | None
    low: float | None
    high: float | None


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, *, alt: str) -> str:
    """Return a chart of lines with its legend.

    Parameters
    ----------
    lines : sequence of Line
        What to draw.
    x, y : Axis
        The axes.
    alt : str
        What the chart says, in words.
    """
    drawn = [_axes(x, y)]
    for line in lines:
        points = [_place(a, b, x, y) for a, b in zip(line.x, line.y, strict=True)]
        drawn += [_path(run, line) for run in _unbroken(points)]
        if line.marks:
            drawn += [_mark(point, line.look) for point in points if point is not None]
        spot = None if line.dot is None else _place(*line.dot, x, y)
        if spot is not None:
            drawn.append(_mark(spot, line.look, "open"))
    return _svg("".join(drawn), alt) + legend([(line.name, line.look) for line in lines])


def histogram(
    kinds: Sequence[Bars],
    edges: Sequence[float],
    x_name: str,
    *,
    alt: str,
    threshold: float | None = None,
) -> str:
    """Return stacked bars with their legend.

    Parameters
    ----------
    kinds : sequence of Bars
        From the bottom to the top.
    edges : sequence of float
        Edges of the bins, one more than counts.
    x_name : str
        What stands on the horizontal axis.
    alt : str
        What the chart says, in words.
    threshold : float, optional
        Where a dashed upright line is drawn.
    """
    totals = [sum(counts) for counts in zip(*(kind.counts for kind in kinds), strict=True)]
    x = Axis(x_name, edges[0], edges[-1])
    y = Axis("picks", 0.0, float(max([*totals, 1])))
    drawn = [_axes(x, y, whole=True)]
    floor = [0] * len(totals)
    for kind in kinds:
        for at, count in enumerate(kind.counts):
            if count:
                drawn.append(_bar((edges[at], edges[at + 1]), floor[at], count, (x, y), kind.look))
            floor[at] += count
    if threshold is not None:
        across = _LEFT + _share(threshold, x) * _inner_width()
        drawn.append(
            f'<line class="threshold" x1="{across:.1f}" x2="{across:.1f}" '
            f'y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        )
    entries = [(kind.name, kind.look) for kind in kinds]
    return _svg("".join(drawn), alt) + legend(entries, bars=True)


def interval_chart(spans: Sequence[Span], x: Axis, *, alt: str) -> str:
    """Return values by name as dots with their intervals.

    Parameters
    ----------
    spans : sequence of Span
        From the top to the bottom.
    x : Axis
        The axis of the values.
    alt : str
        What the chart says, in words.
    """
    height = _TOP + _INTERVAL_ROW * len(spans) + _BOTTOM
    floor = height - _BOTTOM
    width = _WIDTH - _INTERVAL_LEFT - _RIGHT

    def across(value: float) -> float:
        return _INTERVAL_LEFT + _share(value, x) * width

    drawn = []
    for tick in ticks(x):
        drawn.append(_rule(across(tick), _TOP, across(tick), floor))
        drawn.append(_text(across(tick), floor + 17, f"{tick:g}", "middle"))
    for row, span in enumerate(spans):
        y = _TOP + _INTERVAL_ROW * (row + 0.5)
        short = span.name if len(span.name) <= _MOST_NAME else span.name[: _MOST_NAME - 1] + "…"
        drawn.append(_text(_INTERVAL_LEFT - 10, y + 4, short, "end"))
        if span.value is None:
            drawn.append(_text(_INTERVAL_LEFT + 4, y + 4, "n/a", "start"))
            continue
        if span.low is not None and span.high is not None:
            low, high = across(span.low), across(span.high)
            drawn.append(f'<path class="line c0" d="M{low:.1f},{y:.1f}H{high:.1f}"/>')
        drawn.append(_mark((across(span.value), y), 0))
    drawn.append(_text(_INTERVAL_LEFT + width / 2, height - 8, x.name, "middle"))
    return _svg("".join(drawn), alt, height)


def legend(entries: Sequence[tuple[str, int]], *, bars: bool = False) -> str:
    """Return a legend as a list, which wraps where a picture's would not.

    Parameters
    ----------
    entries : sequence of (str, int)
        Name and number of the look.
    bars : bool
        Swatches of bars instead of lines.
    """
    if len(entries) < 2:
        return ""
    items = []
    for name, look in entries:
        swatch = f'<rect class="bar {_bar_look(look)}" x="1" y="2" width="24" height="10"/>'
        if not bars:
            line = f'<path class="line c{look % N_COLOURS}"{_dash(look)} d="M0,7H26"/>'
            swatch = line + _mark((13.0, 7.0), look)
        items.append(
            f'<li><svg class="swatch" viewBox="0 0 26 14" aria-hidden="true">{swatch}</svg>'
            f"{escape(name)}</li>"
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def ticks(axis: Axis) -> list[float]:
    """Return round numbers along an axis.

    Parameters
    ----------
    axis : Axis
        The axis.

    Examples
    --------
    >>> ticks(Axis("recall", 0.0, 1.0))
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = axis.high - axis.low
    if span <= 0:
        return [axis.low]
    step = next(
        factor * 10.0**power
        for power in range(-9, 12)
        for factor in (1.0, 2.0, 5.0)
        if span / (factor * 10.0**power) <= _N_TICKS
    )
    first, last = ceil(axis.low / step - 1e-9), floor(axis.high / step + 1e-9)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _svg(content: str, alt: str, height: float = _HEIGHT) -> str:
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH:g} {height:g}" '
        f'aria-label="{escape(alt)}">{content}</svg>'
    )


def _inner_width() -> float:
    return _WIDTH - _LEFT - _RIGHT


def _inner_height() -> float:
    return _HEIGHT - _TOP - _BOTTOM


def _share(value: float, axis: Axis) -> float:
    span = axis.high - axis.low
    return min(1.0, max(0.0, (value - axis.low) / span)) if span > 0 else 0.0


def _place(a: float | None, b: float | None, x: Axis, y: Axis) -> tuple[float, float] | None:
    if a is None or b is None:
        return None
    return _LEFT + _share(a, x) * _inner_width(), _TOP + (1 - _share(b, y)) * _inner_height()


def _axes(x: Axis, y: Axis, *, whole: bool = False) -> str:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    drawn = []
    for tick in ticks(x):
        across = _LEFT + _share(tick, x) * _inner_width()
        drawn += [_rule(across, _TOP, across, floor), _text(across, floor + 17, f"{tick:g}")]
    for tick in ticks(y):
        if whole and tick != int(tick):
            continue
        up = _TOP + (1 - _share(tick, y)) * _inner_height()
        drawn += [_rule(_LEFT, up, right, up), _text(_LEFT - 7, up + 4, f"{tick:g}", "end")]
    drawn.append(_text(_LEFT + _inner_width() / 2, _HEIGHT - 8, x.name))
    middle = _TOP + _inner_height() / 2
    drawn.append(
        f'<text class="label" text-anchor="middle" transform="translate(14 {middle:.1f}) '
        f'rotate(-90)">{escape(y.name)}</text>'
    )
    return "".join(drawn)


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return (
        f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _dash(look: int) -> str:
    dash = _DASHES[look // N_COLOURS % len(_DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _unbroken(
    points: Sequence[tuple[float, float] | None],
) -> list[list[tuple[float, float]]]:
    """Return the stretches of points between gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _path(points: Sequence[tuple[float, float]], line: Line) -> str:
    first, *rest = points
    parts = [f"M{first[0]:.1f},{first[1]:.1f}"]
    for x, y in rest:
        parts.append(f"V{y:.1f}H{x:.1f}" if line.steps else f"L{x:.1f},{y:.1f}")
    return f'<path class="line c{line.look % N_COLOURS}"{_dash(line.look)} d="{"".join(parts)}"/>'


def _mark(point: tuple[float, float], look: int, kind: str = "full") -> str:
    x, y = point
    size = 5.5 if kind == "open" else 3.5
    look_class = f'class="mark {kind} c{look % N_COLOURS}"'
    shape = _MARKS[look % len(_MARKS)]
    if shape == "circle":
        return f'<circle {look_class} cx="{x:.1f}" cy="{y:.1f}" r="{size}"/>'
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.2), (1.15, 1), (-1.15, 1)),
        "diamond": ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    }[shape]
    points = " ".join(f"{x + a * size:.1f},{y + b * size:.1f}" for a, b in corners)
    return f'<polygon {look_class} points="{points}"/>'


def _bar_look(look: int) -> str:
    return f"c{look % N_COLOURS}"


def _bar(
    span: tuple[float, float], floor: int, count: int, axes: tuple[Axis, Axis], look: int
) -> str:
    x, y = axes
    left, right = (_LEFT + _share(edge, x) * _inner_width() for edge in span)
    low, high = (_share(float(n), y) * _inner_height() for n in (floor, floor + count))
    top = _TOP + _inner_height() - high
    return (
        f'<rect class="bar {_bar_look(look)}" x="{left + 0.5:.1f}" y="{top:.1f}" '
        f'width="{max(right - left - 1, 0.5):.1f}" height="{high - low:.1f}">'
        f"<title>{span[0]:.3g} to {span[1]:.3g}: {count}</title></rect>"
    )
