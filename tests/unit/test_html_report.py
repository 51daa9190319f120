"""Pieces of the HTML report: slices, charts, tables."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from copick_picker.records.scores import PickTable
from copick_picker.report.html_charts import (
    Axis,
    Bars,
    Line,
    Span,
    histogram,
    interval_chart,
    line_chart,
    ticks,
)
from copick_picker.report.html_gallery import (
    ChosenPick,
    chosen_picks,
    gallery,
    picture_of,
    slab_of,
)
from copick_picker.report.html_text import Cell, number, rate, table

SPACING = 10.0


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
    assert chosen[3].words == "score 0.500, second at its particle"
    assert chosen_picks(picks, {"ribosome": 150.0}, each=0) == []


def test_every_picture_of_the_gallery_has_words_and_a_mark_of_its_own_shape():
    volume = np.zeros((20, 20, 20), dtype=np.float32)
    pictures = [
        picture_of(a_pick(90.0, 90.0, 90.0, kind), volume, 0, SPACING, contrast="dark")
        for kind in ("missed", "false", "best")
    ]
    page = gallery(pictures)
    alts = re.findall(r'<img alt="([^"]+)"', page)
    assert len(alts) == 9
    assert alts[0] == "xy slice through a missed pick of ribosome in TS_1"
    assert all(mark in page for mark in ("<rect", "<path", "<circle"))
    data = re.findall(r"base64,([^\"]+)", page)
    assert pixels(base64.b64decode(data[0])).shape == (17, 17)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 7.0, [0.0, 2.0, 4.0, 6.0]),
        (0.9, 1.0, [0.9, 0.92, 0.94, 0.96, 0.98, 1.0]),
        (3.0, 3.0, [3.0]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert ticks(Axis("", low, high)) == pytest.approx(expected)


def test_a_line_with_gaps_is_drawn_in_pieces():
    line = Line("a", [0.0, 0.5, None, 0.8, 1.0], [0.0, 1.0, None, 1.0, 0.0], 0)
    chart = line_chart([line], Axis("x", 0.0, 1.0), Axis("y", 0.0, 1.0), alt="what it says")
    assert chart.count("<path") == 2
    assert 'role="img"' in chart
    assert 'aria-label="what it says"' in chart


def test_lines_differ_by_dash_after_all_colours_are_used():
    axis = Axis("", 0.0, 1.0)
    lines = [Line(f"n{look}", [0.0, 1.0], [0.0, 1.0], look) for look in range(9)]
    chart = line_chart(lines, axis, axis, alt="")
    looks = re.findall(r'<path class="line (c\d)"( stroke-dasharray="[^"]+")? d="M5', chart)
    assert len(set(looks)) == 9


def test_bars_are_stacked_to_the_highest():
    chart = histogram(
        [Bars("matched", [2, 0], 0), Bars("false", [2, 1], 1)],
        [0.0, 0.5, 1.0],
        "score",
        alt="",
        threshold=0.5,
    )
    bars = re.findall(r'y="([\d.]+)" width="[\d.]+" height="([\d.]+)"><title>', chart)
    (first, height), (second, _), (third, low) = [(float(y), float(h)) for y, h in bars]
    assert first == pytest.approx(second + height, abs=0.2)
    assert low == pytest.approx(height / 2, abs=0.2)
    assert third > second
    assert 'class="threshold"' in chart


def test_a_value_that_is_not_there_is_said():
    spans = [Span("a", None, None, None), Span("b", 0.5, 0.4, 0.6)]
    chart = interval_chart(spans, Axis("F1", 0.0, 1.0), alt="")
    assert "n/a" in chart
    assert chart.count("<path") == 1


def test_names_are_text_not_markup():
    page = table(["<b>"], [[Cell("<script>")]], caption='"&', sorts=True, name="t")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&quot;&amp;" in page


def test_numbers_sort_below_what_is_not_there():
    assert number(None).key < number(-5.0).key
    assert rate(0.5, (0.4, 0.6)).small == "0.400–0.600"
    assert rate(None, None).text == "n/a"
