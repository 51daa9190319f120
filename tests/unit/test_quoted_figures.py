"""Figures that pages quote are those of the page that a benchmark wrote."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def row(page, first):
    """Return the cells of the first row of a page's tables that begins with a text."""
    for line in text_of(page).splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if line.startswith("|") and cells[0].startswith(first):
            return cells
    pytest.fail(f"{page} has no row {first}")


def number(text):
    return re.match(r"[-+]?[\d.]+", text)[0]


MEASURED = "docs/performance.md"
MODES = ("`exact`", "`balanced`", "`fast`")


def seconds(name):
    return number(row(MEASURED, name)[1])


def test_readme_quotes_the_measured_times_of_segment():
    ours = ", ".join(seconds(mode) for mode in MODES)
    assert row("README.md", "segment, octopi's network")[1:3] == [ours, seconds("octopi")]


def test_readme_quotes_the_measured_change_of_f1():
    spans = [re.search(r"\((.*?)\)", row(MEASURED, mode)[8])[1] for mode in MODES[1:]]
    assert row("README.md", "change of macro F1")[1] == ", ".join(spans)


def test_the_page_of_segment_quotes_speed_and_accuracy():
    for mode in MODES:
        measured, quoted = row(MEASURED, mode), row("docs/commands/segment.md", mode)
        assert quoted[1] == measured[2]
        assert quoted[2] == number(measured[6])
        if mode != "`exact`":
            assert quoted[3] == number(measured[8])


def test_readme_quotes_the_measured_times_of_localize():
    text = text_of(MEASURED)
    part = text[text.index("## localize") : text.index("## evaluate")]
    found = {
        name: re.search(rf"^\| {name} \| ([\d.]+) s", part, re.MULTILINE)[1]
        for name in ("octopi", "copick-picker")
    }
    quoted = row("README.md", "localize, 1200 particles")
    assert quoted[1:3] == [found["copick-picker"], found["octopi"]]


def test_readme_and_metrics_quote_the_measured_times_of_evaluate():
    least = {
        name: re.search(rf"^\| test_{name} \| ([\d.]+) s", text_of(MEASURED), re.MULTILINE)[1]
        for name in (
            r"a_hundred_thousand_picks_over_twenty_runs\[match_all\]",
            r"a_hundred_thousand_picks_over_twenty_runs\[evaluate_all\]",
            "a_single_run_of_a_hundred_thousand_picks",
        )
    }
    matching, whole, single = least.values()
    assert row("README.md", "100,000 reference and")[1] == f"{whole} s"
    part = text_of("docs/metrics.md").partition("## Time and memory")[2]
    assert re.findall(r"\b(0\.\d+) s\b", part) == [matching, whole, single]


def test_readme_quotes_the_least_accuracy_of_the_seeds():
    rows = [line for line in text_of("docs/accuracy.md").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in rows]
    ours = [line[2] for line in cells if line[1:2] == ["copick-picker"]][:3]
    quoted = row("README.md", "simulated tomograms, twelve proteins")
    assert {f"{float(value):.2f}" for value in ours} == {quoted[1]}
