"""The report: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import Any

from copick_picker.records.scores import PickTable
from copick_picker.report import html_sections
from copick_picker.report.html_gallery import Picture, gallery
from copick_picker.report.html_text import Cell, paragraph, section, table

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_TRUTH = (
    "Reference picks may be incomplete: where nobody marked a particle, a candidate that finds it "
    "counts as false, so that precision is a lower bound. Look at the false candidates of the "
    "gallery before trusting it."
)
_GALLERY_HINT = (
    "Slices xy, xz and yz through each pick, four radii wide, mean of a few planes, protein dark. "
    "Square: missed reference pick; corners: false candidate; circle: matched candidate, as large "
    "as the object's radius."
)


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
    """

    title: str
    values: Mapping[str, Any]
    picks: PickTable
    compared: Sequence[tuple[str, Mapping[str, Any]]] = ()
    pictures: Sequence[Picture] = ()
    making: Sequence[tuple[str, str]] = ()
    times: Sequence[Sequence[str]] = field(default_factory=tuple)
    remarks: Sequence[str] = ()


def report_page(content: ReportContent) -> str:
    """Return the report as one HTML page: no other file, no network.

    Parameters
    ----------
    content : ReportContent
        What to show.
    """
    values, picks = content.values, content.picks
    sections = [
        section("headline", "Scores", html_sections.headline(values)),
        section("side-by-side", "Side by side", html_sections.compared(content.compared)),
        section("curves", "Curves", html_sections.curves(values)),
        section("by-object", "By object", html_sections.object_table(values)),
        section("by-run", "By run", html_sections.run_tables(values)),
        section("errors", "Localization error", html_sections.errors(values, picks)),
        section("scores", "Candidate scores", html_sections.score_histograms(values, picks)),
        section("mixed-up", "Confusion of objects", html_sections.confusion(values)),
        section("gallery", "Gallery", _gallery(content)),
        section("making", "How it was made", _making(content.making), _times(content.times)),
        section("remarks", "Remarks", html_sections.notes(values, [_TRUTH, *content.remarks])),
    ]
    kept = [entry for entry in sections if entry]
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="generator" content="copick-picker">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(content.title)}</title><style>{_part('page.css')}</style></head><body>"
        f"<header><h1>{escape(content.title)}</h1>{_lead(values)}{_menu(kept)}</header>"
        f"<main>{''.join(kept)}</main><script>{_part('page.js')}</script></body></html>\n"
    )


def _part(name: str) -> str:
    return (resources.files("copick_picker") / "report" / name).read_text(encoding="utf-8")


def _lead(values: Mapping[str, Any]) -> str:
    counts = values["totals"]["micro"]["counts"]
    given = values["input"]
    words = (
        f"{counts['n_candidate']} candidate picks ({given['candidate']}) against "
        f"{counts['n_reference']} reference picks ({given['reference']}) in {values['n_runs']} "
        f"runs; matcher {values['matcher']}, tolerance {values['tolerance']}."
    )
    return paragraph(words, "lead")


def _menu(sections: Sequence[str]) -> str:
    items = []
    for entry in sections:
        name = entry.split('"', maxsplit=2)[1]
        title = entry.split("<h2>", maxsplit=1)[1].split("</h2>", maxsplit=1)[0]
        items.append(f'<a href="#{name}">{title}</a>')
    return f'<nav aria-label="Sections">{"".join(items)}</nav>'


def _gallery(content: ReportContent) -> str:
    shown = gallery(content.pictures)
    return paragraph(_GALLERY_HINT, "note") + shown if shown else ""


def _making(making: Sequence[tuple[str, str]]) -> str:
    rows = [[Cell(what), Cell(words)] for what, words in making]
    if not rows:
        return ""
    return table(("what", "how"), rows, caption="Inputs, settings, versions", name="made")


def _times(times: Sequence[Sequence[str]]) -> str:
    if not times:
        return ""
    head, *rows = times
    cells = [[Cell(text) for text in row] for row in rows]
    return table(head, cells, caption="Times and hardware", name="times")
