"""Pieces of the HTML report: slices, charts, tables."""

import base64
import re
from html import escape
from io import BytesIO

import numpy as np
import pytest
from jinja2 import UndefinedError
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from PIL import Image

from copick_picker.core.evaluate import ScoredObject, ScoringRules, evaluate_picks
from copick_picker.records.points import PickSet
from copick_picker.records.scores import PickTable
from copick_picker.report.charts import (
    chart_text,
    draw_histogram,
    draw_intervals,
    draw_recall,
)
from copick_picker.report.figures import PAGE_STYLE, inline_svg, line_look
from copick_picker.report.html_gallery import ChosenPick, chosen_picks, picture_of, slab_of
from copick_picker.report.html_page import ReportContent, report_page
from copick_picker.report.pages import render
from copick_picker.report.score_values import evaluation_values

SPACING = 10.0
BLUE = "#0072b2"


def a_pick(x, y, z, kind="best", radius=40.0):
    return ChosenPick(kind, "TS_1", "ribosome", (x, y, z), "score 0.9", radius)


def pixels(content):
    return np.array(Image.open(BytesIO(content)))


def test_slices_show_x_to_the_right_and_y_and_z_upwards():
    volume = np.zeros((30, 40, 50), dtype=np.float32)
    z, y, x = 14, 18, 25
    volume[z, y + 2 : y + 5, x + 4 : x + 7] = -1.0  # seen in xy, where x and y grow
    volume[z + 4 : z + 7, y, x - 7 : x - 4] = -1.0  # seen in xz
    volume[z - 5 : z - 2, y + 5 : y + 8, x] = -1.0  # seen in yz
    picture = picture_of(
        a_pick(x * SPACING, y * SPACING, z * SPACING), volume, 0, SPACING, contrast="dark"
    )
    half = 8  # two radii of 4 voxels
    dark = [np.argwhere(pixels(content) == 0).mean(axis=0) for content in picture.slices]
    assert [pixels(content).shape for content in picture.slices] == [(17, 17)] * 3
    assert dark[0].tolist() == [half - 3, half + 5]
    assert dark[1].tolist() == [half - 5, half - 6]
    assert dark[2].tolist() == [half + 4, half + 6]


def test_protein_is_dark_whatever_the_contrast():
    volume = np.zeros((20, 20, 20), dtype=np.float32)
    volume[9:12, 9:12, 9:12] = 5.0
    pick = a_pick(100.0, 100.0, 100.0)
    bright = pixels(picture_of(pick, volume, 0, SPACING, contrast="bright").slices[0])
    dark = pixels(picture_of(pick, volume, 0, SPACING, contrast="dark").slices[0])
    middle = bright.shape[0] // 2
    assert bright[middle, middle] < bright[0, 0]
    assert dark[middle, middle] > dark[0, 0]


def test_a_pick_at_a_corner_or_outside_is_grey_beyond_the_edge():
    volume = np.random.default_rng(0).normal(size=(12, 14, 16)).astype(np.float32)
    corner = pixels(picture_of(a_pick(0, 0, 0), volume, 0, SPACING, contrast="dark").slices[0])
    assert (corner[9:] == 128).all()  # y below 0 lies at the foot
    assert (corner[:, :8] == 128).all()  # x below 0 lies left
    far = picture_of(a_pick(900.0, 900.0, 900.0), volume, 0, SPACING, contrast="dark")
    assert all((pixels(content) == 128).all() for content in far.slices)


def test_only_the_planes_that_the_slices_need_are_read():
    assert slab_of(a_pick(0, 0, 100.0), SPACING, 184) == (2, 19)
    assert slab_of(a_pick(0, 0, 10.0), SPACING, 184) == (0, 10)
    assert slab_of(a_pick(0, 0, 5000.0), SPACING, 184) == (183, 184)


def test_large_slices_are_made_small():
    volume = np.zeros((300, 300, 300), dtype=np.float32)
    picture = picture_of(
        a_pick(1500.0, 1500.0, 1500.0, radius=600.0), volume, 0, SPACING, contrast="dark"
    )
    assert max(pixels(picture.slices[0]).shape) <= 72


def picks_of(rows):
    """Return a table from (run, kind, status, score) of ribosomes."""
    runs, kinds, statuses, scores = zip(*rows, strict=True)
    n = len(rows)
    return PickTable(
        run_name=np.array(runs),
        object_name=np.array(["ribosome"] * n),
        kind=np.array(kinds),
        status=np.array(statuses),
        confused_with=np.array([""] * n),
        points_xyz=np.arange(3 * n, dtype=float).reshape(n, 3),
        score=np.array(scores, dtype=float),
        distance_angstrom=np.full(n, np.nan),
    )


def test_the_gallery_shows_the_highest_scores_and_spreads_missed_ones_over_runs():
    nan = float("nan")
    picks = picks_of(
        [
            ("TS_1", "reference", "missed", nan),
            ("TS_1", "reference", "missed", nan),
            ("TS_2", "reference", "missed", nan),
            ("TS_1", "candidate", "false", 0.2),
            ("TS_2", "candidate", "false", 0.8),
            ("TS_2", "candidate", "duplicate", 0.5),
            ("TS_1", "candidate", "matched", 0.6),
            ("TS_2", "candidate", "border", 0.9),
        ]
    )
    chosen = chosen_picks(picks, {"ribosome": 150.0}, each=2)
    assert [(pick.kind, pick.run_name) for pick in chosen] == [
        ("missed", "TS_1"),
        ("missed", "TS_2"),
        ("false", "TS_2"),
        ("false", "TS_2"),
        ("best", "TS_1"),
    ]
    assert chosen[2].words == "score 0.800"
    assert chosen[3].words == "score 0.500, duplicate at its particle"
    assert chosen_picks(picks, {"ribosome": 150.0}, each=0) == []


def test_every_picture_of_the_gallery_has_words_and_a_mark_of_its_own_shape():
    volume = np.zeros((20, 20, 20), dtype=np.float32)
    pictures = [
        picture_of(a_pick(90.0, 90.0, 90.0, kind), volume, 0, SPACING, contrast="dark")
        for kind in ("missed", "false", "best")
    ]
    page = render(
        "gallery.html",
        pictures=pictures,
        half_width_radii=2.0,
        colours={"ribosome": "#0ac81e"},
        rims={"ribosome": "#000000"},
    )
    assert page.count("--mark:#0ac81e;--rim:#000000") == 3
    alts = re.findall(r'<img alt="([^"]+)"', page)
    assert len(alts) == 9
    assert alts[0] == "xy slice through a missed pick of ribosome in TS_1"
    assert all(mark in page for mark in ("<rect", "<path", "<circle"))
    data = re.findall(r"base64,([^\"]+)", page)
    assert pixels(base64.b64decode(data[0])).shape == (17, 17)


def drawn(draw, *arguments, **options):
    """Return the axes of a page's chart, and its SVG."""
    with rc_context(PAGE_STYLE):
        figure = Figure()
        axes = figure.subplots()
        draw(axes, *arguments, **options)
        return axes, inline_svg(figure, "chart", "what it says")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 8.0, [0.0, 2.0, 4.0, 6.0, 8.0]),
        (0.9, 1.0, [0.9, 0.92, 0.94, 0.96, 0.98, 1.0]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    edges = np.array([low, high])
    axes, _ = drawn(draw_histogram, {"pairs": np.array([3])}, edges, x_label="score", colour=BLUE)
    assert axes.get_xticks() == pytest.approx(expected)
    assert axes.get_yticks() == pytest.approx([0, 1, 2, 3])


def recall_of(name, recall):
    points = [{"fraction": n / 2, "recall": value} for n, value in enumerate(recall)]
    return {"object": name, "radius_angstrom": 1.0, "recall_at_distance": points}


def test_a_line_with_gaps_is_drawn_in_pieces():
    axes, chart = drawn(draw_recall, [recall_of("a", [0.0, 1.0, None, 1.0, 0.0])], {"a": BLUE})
    (line,) = axes.lines
    assert np.isnan(line.get_ydata()).tolist() == [False, False, True, False, False]
    (path,) = re.findall(r'<path d="([^"]+)"[^>]* style="[^"]*var\(--c0\);stroke-width:2', chart)
    assert path.count("M") == 2
    assert 'role="img"' in chart
    assert 'aria-label="what it says"' in chart
    assert "<title>what it says</title>" in chart


def test_a_page_follows_light_and_dark_with_colours_of_its_own():
    _, chart = drawn(draw_recall, [recall_of("a", [0.0, 1.0])], {"a": "#fa0a14"})
    assert "var(--own-fa0a14,#fa0a14)" in chart


def test_lines_differ_by_dash_and_by_mark():
    looks = [line_look(number) for number in range(28)]
    assert len({(look["color"], look["linestyle"]) for look in looks}) == 28
    assert len({(look["color"], look["marker"]) for look in looks}) == 28


def test_bars_are_stacked_to_the_highest():
    axes, chart = drawn(
        draw_histogram,
        {"matched": np.array([2, 0]), "false": np.array([2, 1])},
        np.array([0.0, 0.5, 1.0]),
        x_label="score",
        colour=BLUE,
        threshold=0.5,
    )
    bars = [(bar.get_x(), bar.get_y(), bar.get_height()) for bar in axes.patches]
    assert bars == [(0.0, 0, 2), (0.0, 2, 2), (0.5, 0, 1)]
    assert axes.get_ylim() == (0.0, 4.0)
    assert [line.get_xdata() for line in axes.lines] == [[0.5, 0.5]]
    assert re.findall("<g><title>([^<]+)", chart) == ["0 to 0.5: 2", "0 to 0.5: 2", "0.5 to 1: 1"]


def test_a_value_that_is_not_there_is_said():
    objects = [
        {"object": "a", "f1": None},
        {"object": "b", "f1": 0.5, "intervals": {"f1": (0.4, 0.6)}},
    ]
    axes, chart = drawn(
        draw_intervals, objects, "f1", x_label="F1", colours={"a": BLUE, "b": "#fa0a14"}
    )
    assert "n/a" in chart
    assert [list(line.get_xdata()) for line in axes.lines] == [[0.4, 0.6], [0.5]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]


def test_long_names_and_line_breaks_are_cut_from_charts():
    assert chart_text("x" * 60, 20) == "x" * 19 + "…"
    assert chart_text("a\nb\0c") == "a\ufffdb\ufffdc"


HOSTILE = ["<script>alert(1)</script>", "\"'&><b>", "$\\frac$ \0 \u2028", "\u6838\u7cd6\u9ad4"]


def hostile_values(names, beta=4.0):
    """Return the values of an evaluation whose objects and runs have such names."""
    points = np.array([[10.0, 10, 10], [200, 200, 200]])
    truth = {name: PickSet(name, points, np.ones(2)) for name in names}
    found = {name: PickSet(name, points + 5.0, np.array([0.9, 0.5])) for name in names}
    rules = ScoringRules("one-to-one", beta, (0.5, 1.0), 10, 2, 0.95, (0.0, 0.0, 0.0))
    evaluation = evaluate_picks(
        {"<i>": truth, "TS_2": truth},
        {"<i>": found, "TS_2": found},
        [ScoredObject(name, 30.0, 60.0, 1.0) for name in names],
        rules=rules,
        rng=np.random.default_rng(0),
    )
    given = {"candidate": "<u>", "reference": "*:curator/1"}
    return evaluation_values(evaluation) | {"input": given, "tolerance": "0.5r"}


def hostile_page(**content):
    values = hostile_values(HOSTILE)
    names = np.repeat(HOSTILE, 4)
    n = len(names)
    picks = PickTable(
        run_name=np.full(n, "<i>"),
        object_name=names,
        kind=np.array(["candidate", "candidate", "reference", "reference"] * len(HOSTILE)),
        status=np.array(["matched", "false", "matched", "missed"] * len(HOSTILE)),
        confused_with=np.full(n, ""),
        points_xyz=np.zeros((n, 3)),
        score=np.linspace(0, 1, n),
        distance_angstrom=np.full(n, 5.0),
    )
    return report_page(ReportContent("</title><b>", values, picks, **content))


def test_names_are_text_not_markup():
    values = hostile_values(HOSTILE)
    picture = picture_of(
        ChosenPick("best", "<i>", HOSTILE[0], (0.0, 0.0, 0.0), "<b>", 20.0),
        np.zeros((9, 9, 9), dtype=np.float32),
        0,
        SPACING,
        contrast="dark",
    )
    page = hostile_page(
        compared=[("<u>", values), ("<s>", values)],
        pictures=[picture],
        making=[("<u>", "<script>")],
        times=[("<s>",), ("<script>",)],
        remarks=["<script>"],
    )
    assert page.count("<script>") == 1  # ours
    assert page.count("</title>") == page.count("<title>")
    for tag in ('<b>"', "<i>", "<u>", "<s>", "<script>alert"):
        assert tag not in page
    assert page.count("<b>") == page.count("<figcaption><b>") == 1
    assert escape(HOSTILE[0]) in page
    assert "&#34;&#39;&amp;&gt;&lt;b&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "$\\frac$" in page


def test_ids_are_unique_and_every_reference_has_its_own():
    page = hostile_page()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {"totals", "objects", "runs", "run-totals", "curves"} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_the_same_page_twice_is_the_same_bytes_and_leaves_matplotlib_as_it_was():
    before = dict(rcParams)
    assert hostile_page() == hostile_page()
    assert dict(rcParams) == before


def test_numbers_sort_below_what_is_not_there():
    page = hostile_page()
    keys = re.findall(r'data-key="([^"]+)">n/a</td>', page)
    assert keys
    assert {float(key) for key in keys} == {-1e300}
    rates = re.findall(r'data-key="([^"]+)">([\d.]+) <small>([\d.]+)–([\d.]+)</small>', page)
    assert rates
    for key, text, low, high in rates:
        assert f"{float(key):.3f}" == text
        assert float(low) <= float(key) <= float(high)


def test_a_blank_that_nobody_fills_in_is_an_error():
    with pytest.raises(UndefinedError, match="'pictures' is undefined"):
        render("gallery.html")
