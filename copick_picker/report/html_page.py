"""The report: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from copick_picker.records.scores import PickTable
from copick_picker.report.figures import page_variable
from copick_picker.report.html_gallery import HALF_WIDTH_RADII, Picture
from copick_picker.report.object_colours import DARK_PAGE, legible, object_colours, rim_of
from copick_picker.report.page_charts import curve_charts, error_charts, rate_chart, score_charts
from copick_picker.report.pages import render
from copick_picker.report.score_values import COUNTS


@dataclass(frozen=True, eq=False)
class ReportContent:
    """What a report shows.

    Attributes
    ----------
    title : str
        Headline.
    values : mapping
        Content of ``scores.json``.
    picks : PickTable
        Content of ``matches.csv``.
    compared : sequence of (str, mapping)
        Label and ``scores.json`` of every evaluation shown side by side, this one first.
    pictures : sequence of Picture
        The gallery.
    making : sequence of (str, str)
        How the scores and the candidates were made: what, and in words.
    times : sequence of sequences of str
        Rows of the table of times; the first is its head.
    remarks : sequence of str
        What could not be shown, and why.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``; it is the palette's of objects that are not in it.
    """

    title: str
    values: Mapping[str, Any]
    picks: PickTable
    compared: Sequence[tuple[str, Mapping[str, Any]]] = ()
    pictures: Sequence[Picture] = ()
    making: Sequence[tuple[str, str]] = ()
    times: Sequence[Sequence[str]] = ()
    remarks: Sequence[str] = ()
    colours: Mapping[str, str] = field(default_factory=dict)


def report_page(content: ReportContent) -> str:
    """Return the report as one HTML page: no other file, no network.

    Parameters
    ----------
    content : ReportContent
        What to show.
    """
    values, picks = content.values, content.picks
    names = [entry["object"] for entry in values["objects"]]
    colours = object_colours((), names) | dict(content.colours)
    return render(
        "report.html",
        title=content.title,
        values=values,
        compared=content.compared,
        rate_chart=rate_chart(values, colours),
        curve_charts=curve_charts(values, colours),
        run_totals=_run_totals(values),
        error_charts=error_charts(values, picks, colours),
        score_charts=score_charts(values, picks, colours),
        confusion=_confusion(values),
        pictures=content.pictures,
        half_width_radii=HALF_WIDTH_RADII,
        making=content.making,
        times=content.times,
        remarks=content.remarks,
        colours=colours,
        rims={name: rim_of(colour) for name, colour in colours.items()},
        own_colours={
            page_variable(colour): (legible(colour), legible(colour, DARK_PAGE))
            for colour in colours.values()
        },
    )


def _run_totals(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return counts and rates of each run, all objects together."""
    summed: dict[str, dict[str, int]] = {}
    for entry in values["runs"]:
        counts = summed.setdefault(entry["run"], dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            counts[name] += entry["counts"][name]
    return [
        {"run": run, "counts": counts, **_rates(counts, values["beta"])}
        for run, counts in summed.items()
    ]


def _rates(counts: Mapping[str, int], beta: float) -> dict[str, float | None]:
    """Return precision, recall, F1 and F-beta of counts, as ``docs/metrics.md`` defines them."""
    names = ("true_positives", "false_positives", "false_negatives")
    hit, false, missed = (counts[name] for name in names)
    if not hit + false + missed:
        return dict.fromkeys(("precision", "recall", "f1", "f_beta"))

    def f_score(weight: float) -> float:
        whole = (1 + weight) * hit + weight * missed + false
        return (1 + weight) * hit / whole if whole else 0.0

    return {
        "precision": hit / (hit + false) if hit + false else 0.0,
        "recall": hit / (hit + missed) if hit + missed else 0.0,
        "f1": f_score(1.0),
        "f_beta": f_score(beta * beta),
    }


def _confusion(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, for references of each object and for none, what candidates lie there."""
    counted = {
        (entry["reference"] or "", entry["candidate"] or ""): entry["picks"]
        for entry in values["confusion"]
    }
    names = [entry["object"] for entry in values["objects"]]
    return [
        {
            "reference": reference,
            "picks": [counted.get((reference, name), 0) for name in names],
            "missed": counted.get((reference, ""), 0),
        }
        for reference in (*names, "")
        if counted
    ]
