"""The charts of the report's page: inline SVG with captions and descriptions in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copick_picker.records.scores import FALSE, PickTable
from copick_picker.report.charts import (
    Values,
    draw_histogram,
    draw_intervals,
    draw_precision_recall,
    draw_recall,
)
from copick_picker.report.figures import PAGE_STYLE, inline_svg
from copick_picker.report.score_tables import number_text

_N_BINS = 20
# Lengths of a chart in CSS pixels; matplotlib takes inches, 72 dots each.
_WIDTH, _HEIGHT = 460, 272
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 52
_X_LABEL, _Y_LABEL = 27, 40
_NAMES_LEFT, _NAME_ROW = 150, 26
_LEGEND_ROW, _LEGEND_HANDLE, _LETTER = 20, 50, 8
_DOTS_PER_INCH = 72


@dataclass(frozen=True)
class Chart:
    """A chart of a page.

    Attributes
    ----------
    svg : str
        The SVG element.
    caption : str
        Plain text below it.
    """

    svg: str
    caption: str


def rate_chart(values: Values, colours: Mapping[str, str]) -> Chart | None:
    """Return the F-beta of each object with its interval; None without objects.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.
    """
    objects, f_name = values["objects"], f"F{values['beta']:g}"
    if not objects:
        return None
    said = ", ".join(f"{entry['object']} {number_text(entry['f_beta'])}" for entry in objects)
    return _chart(
        "rates",
        partial(draw_intervals, objects=objects, rate="f_beta", x_label=f_name, colours=colours),
        caption=f"{f_name} of each object, with its 95 % interval over runs if given.",
        alt=f"{f_name} of each object: {said}",
        left=_NAMES_LEFT,
        height=_NAME_ROW * len(objects),
    )


def curve_charts(values: Values, colours: Mapping[str, str]) -> list[Chart]:
    """Return precision-recall curves and recall against tolerance, where there are any.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.
    """
    objects = values["objects"]
    charts = []
    curved = [entry for entry in objects if entry.get("curve") is not None]
    if curved:
        said = ", ".join(
            f"{entry['object']} average precision {entry['average_precision']:.3f}"
            for entry in curved
        )
        charts.append(
            _chart(
                "precision-recall",
                partial(draw_precision_recall, objects=objects, colours=colours),
                caption=(
                    "Precision against recall at decreasing score threshold; open marks: "
                    "suggested thresholds."
                ),
                alt=f"Precision against recall: {said}",
            )
        )
    known = [entry for entry in objects if entry["recall_at_distance"]]
    if known:
        last = [entry["recall_at_distance"][-1] for entry in known]
        said = ", ".join(
            f"{entry['object']} {number_text(at['recall'])}"
            for entry, at in zip(known, last, strict=True)
        )
        top = max(at["fraction"] for at in last)
        charts.append(
            _chart(
                "recall-distance",
                partial(draw_recall, objects=objects, colours=colours),
                caption="Recall against the maximum distance of a hit.",
                alt=f"Recall against tolerance; at {top:g}: {said}",
            )
        )
    return charts


def error_charts(values: Values, picks: PickTable, colours: Mapping[str, str]) -> list[Chart]:
    """Return how far matched candidates are from their reference picks, a chart an object.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    picks : PickTable
        All picks.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.
    """
    charts = []
    for number, entry in enumerate(values["objects"]):
        name, error = entry["object"], entry["localization"]
        distance = picks.distance_angstrom[picks.rows("reference", "matched", object_name=name)]
        distance = distance[np.isfinite(distance)]
        if not len(distance):
            continue
        top = entry["tolerance_angstrom"] or float(distance.max()) or 1.0
        counts, edges = np.histogram(np.minimum(distance, top), _N_BINS, (0.0, top))
        words = (
            f"{name}: {len(distance)} pairs, mean {error['mean_angstrom']:.1f} Å, median "
            f"{error['median_angstrom']:.1f} Å, 95th percentile {error['p95_angstrom']:.1f} Å"
        )
        draw = partial(
            draw_histogram,
            kinds={"pairs": counts},
            edges=edges,
            x_label="distance of the pair (Å)",
            colour=colours[name],
        )
        caption, alt = f"{words}.{_offset(error)}", f"Histogram of distances. {words}"
        charts.append(_chart(f"error-{number}", draw, caption=caption, alt=alt))
    return charts


def score_charts(values: Values, picks: PickTable, colours: Mapping[str, str]) -> list[Chart]:
    """Return the scores of matched and of false candidates, with thresholds, a chart an object.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    picks : PickTable
        All picks.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.
    """
    charts = []
    for number, entry in enumerate(values["objects"]):
        name, suggested = entry["object"], entry.get("suggested_threshold")
        hit = _scores(picks, name, "matched")
        false = _scores(picks, name, *FALSE)
        both = np.concatenate([hit, false])
        if len(both) == 0 or both.min() == both.max():
            continue
        low, high = np.floor(both.min() * 10) / 10, np.ceil(both.max() * 10) / 10
        edges = np.linspace(low, high, _N_BINS + 1)
        words = f"{name}: {len(hit)} matched, {len(false)} false candidates"
        threshold = None
        if suggested is not None:
            threshold = float(suggested["threshold"])
            words += (
                f"; dashed: suggested threshold {threshold:.3f} (P {suggested['precision']:.3f}, "
                f"R {suggested['recall']:.3f})"
            )
        kinds = {"matched": hit, "false": false}
        draw = partial(
            draw_histogram,
            kinds={kind: np.histogram(found, edges)[0] for kind, found in kinds.items()},
            edges=edges,
            x_label="score",
            colour=colours[name],
            threshold=threshold,
        )
        alt = f"Histogram of scores. {words}"
        charts.append(_chart(f"score-{number}", draw, caption=f"{words}.", alt=alt))
    return charts


def _scores(picks: PickTable, name: str, *statuses: str) -> npt.NDArray[np.float64]:
    found = picks.score[picks.rows("candidate", *statuses, object_name=name)]
    return found[np.isfinite(found)]


def _offset(error: Values) -> str:
    offset = error["mean_offset_xyz_angstrom"]
    if offset is None or not any(offset):
        return ""
    return " Mean offset (x, y, z): ({:.1f}, {:.1f}, {:.1f}) Å.".format(*offset)


def _chart(
    name: str,
    draw: Callable[[Axes], None],
    *,
    caption: str,
    alt: str,
    left: float = _LEFT,
    height: float = _HEIGHT,
) -> Chart:
    """Return a chart with its legend below; a single line or kind of bars needs none."""
    with rc_context(PAGE_STYLE):
        figure = Figure()
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), frameon=False)
        figure.patch.set_visible(False)
        draw(axes)
        handles, labels = axes.get_legend_handles_labels()
        foot = float(_BOTTOM)
        if len(handles) > 1:
            longest = max(map(len, labels))
            columns = max(1, _WIDTH // (_LEGEND_HANDLE + _LETTER * longest))
            foot += _LEGEND_ROW * -(-len(handles) // columns)
            figure.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 0), ncols=columns)
        total = _TOP + height + foot
        figure.set_size_inches(_WIDTH / _DOTS_PER_INCH, total / _DOTS_PER_INCH)
        wide = _WIDTH - left - _RIGHT
        axes.set_position((left / _WIDTH, foot / total, wide / _WIDTH, height / total))
        axes.xaxis.set_label_coords(0.5, -_X_LABEL / height)  # faster than to search for a place
        axes.yaxis.set_label_coords(-_Y_LABEL / wide, 0.5)
        return Chart(inline_svg(figure, name, alt), caption)
