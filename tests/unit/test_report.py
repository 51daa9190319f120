"""Figures and tables of an evaluation."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from matplotlib import image
from matplotlib.patches import Circle, Rectangle

from copick_picker.core.evaluate import ScoredObject, ScoringRules, evaluate_picks
from copick_picker.records.points import PickSet
from copick_picker.records.scores import Evaluation
from copick_picker.report.figures import png_bytes
from copick_picker.report.object_colours import legible
from copick_picker.report.score_csv import matches_csv, scores_csv
from copick_picker.report.score_plots import score_figure
from copick_picker.report.score_tables import object_table, run_table
from copick_picker.report.score_values import evaluation_values
from copick_picker.report.slices import slice_figure
from copick_picker.report.threshold_plot import ThresholdMarks, threshold_figure

SPACING = 10.0
SHAPE_ZYX = (30, 50, 80)  # 300 x 500 x 800 A
RADIUS = 60.0
COLOUR = "#009e73"
REFERENCE = np.array([[200.0, 150, 100], [600, 350, 110], [400, 250, 280]])
CANDIDATE = np.array([[210.0, 150, 100], [100, 450, 105], [5, 250, 100]])


def evaluation(scores: Any = (0.9, 0.5, 0.4), matcher: str = "one-to-one") -> Evaluation:
    truth = PickSet("ribosome", REFERENCE, np.ones(3))
    found = PickSet("ribosome", CANDIDATE, np.array(scores, dtype=float))
    rules = ScoringRules(matcher, 4.0, (0.25, 0.5, 1.0), 100, 5, 0.95, (20.0, 20.0, 0.0))
    return evaluate_picks(
        {"TS_1": {"ribosome": truth}},
        {"TS_1": {"ribosome": found}},
        [ScoredObject("ribosome", 30.0, RADIUS, 2.0)],
        rules=rules,
        rng=np.random.default_rng(0),
        boxes_xyz={"TS_1": np.array([790.0, 490.0, 290.0])},
    )


def volume() -> np.ndarray[Any, Any]:
    """Return noise with a dark ball at each reference pick."""
    values = np.random.default_rng(0).normal(size=SHAPE_ZYX).astype(np.float32)
    z, y, x = np.ogrid[: SHAPE_ZYX[0], : SHAPE_ZYX[1], : SHAPE_ZYX[2]]
    for point in REFERENCE / SPACING:
        inside = (x - point[0]) ** 2 + (y - point[1]) ** 2 + (z - point[2]) ** 2 < 36
        values[inside] -= 8.0
    return values


def scores_of(scored: Any, title: str = "", footer: str = "") -> Any:
    return score_figure(scored, colours={"ribosome": COLOUR}, title=title, footer=footer)


def slices(values: np.ndarray[Any, Any], contrast: str = "dark") -> Any:
    return slice_figure(
        values,
        SPACING,
        evaluation().matches,
        {"ribosome": RADIUS},
        colours={"ribosome": COLOUR},
        contrast=contrast,
        title="TS_1",
        footer="made by a test",
    )


def test_slices_show_each_pick_where_it_is() -> None:
    figure = slices(volume())
    xy, xz = figure.axes
    assert "z = 1" in xy.get_title(loc="left")  # two of the three lie near z = 100 A
    circles = [patch for patch in xy.patches if isinstance(patch, Circle)]
    assert [circle.center for circle in circles] == [(20.0, 15.0)]  # nm, x then y
    squares = [patch for patch in xy.patches if isinstance(patch, Rectangle)]
    assert len(squares) == 1
    assert squares[0].get_center() == pytest.approx((60.0, 35.0))
    marked = {
        line.get_marker(): line.get_xydata().tolist() for line in xy.lines if len(line.get_xydata())
    }
    assert marked["x"] == [[10.0, 45.0]]
    assert marked["."] == [[21.0, 15.0]]
    assert marked["^"] == [[0.5, 25.0]]
    assert xz.get_ylabel() == "z (nm)"


def test_slices_have_equal_aspect_and_true_size() -> None:
    xy, xz = slices(volume()).axes
    for axes, size in ((xy, (80.0, 50.0)), (xz, (80.0, 30.0))):
        left, right, bottom, top = axes.images[0].get_extent()
        assert (right - left, top - bottom) == pytest.approx(size)
        assert left == bottom == -0.5
        assert axes.get_aspect() == 1.0
        assert axes.images[0].origin == "lower"
    assert any(text.get_text() == "20 nm" for text in xy.texts)


def test_protein_is_drawn_dark_whatever_the_contrast() -> None:
    for sign, contrast in ((1.0, "dark"), (-1.0, "bright")):
        shown = slices(sign * volume(), contrast).axes[0].images[0]
        grey = shown.to_rgba(shown.get_array())[..., 0]
        assert grey[15, 20] < 0.1 < grey[40, 40]  # row y, column x: at a particle and beside it
        low, high = shown.get_clim()
        assert low < high


def test_slices_of_a_run_without_picks_and_of_a_constant_volume() -> None:
    nothing = PickSet("ribosome", np.zeros((0, 3)), np.zeros(0))
    rules = ScoringRules("one-to-one", 4.0, (0.5,), 0, 5, 0.95, (0.0, 0.0, 0.0))
    empty = evaluate_picks(
        {"TS_1": {"ribosome": nothing}},
        {"TS_1": {"ribosome": nothing}},
        [ScoredObject("ribosome", 30.0, RADIUS, 1.0)],
        rules=rules,
        rng=np.random.default_rng(0),
    )
    figure = slice_figure(
        np.zeros((3, 4, 5), dtype=np.float32),
        SPACING,
        empty.matches,
        {"ribosome": RADIUS},
        colours={"ribosome": COLOUR},
        contrast="dark",
        title="empty",
        footer="",
    )
    assert len(png_bytes(figure, {})) > 1000


def test_all_rates_of_a_threshold_plot_can_be_told_apart() -> None:
    objects = evaluation().objects
    figure = threshold_figure(
        objects,
        {"ribosome": ThresholdMarks(0.2, 0.95)},
        colours={"ribosome": "#f0e442"},
        beta=4.0,
        footer="",
    )
    rates = figure.axes[0].lines[:3]
    assert len({(line.get_color(), line.get_linewidth()) for line in rates}) == 3
    assert len({str(line.get_linestyle()) for line in rates}) > 1
    f_beta, _, recall = rates
    assert f_beta.get_color() == legible("#f0e442")
    assert f_beta.get_linewidth() > 2 * recall.get_linewidth()  # seen below it
    assert {float(np.min(line.get_xdata())) for line in rates} == {0.2}  # down to the mark
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == [
        "F4, in the object's colour",
        "precision",
        "recall",
        "chosen",
        "currently in use",
    ]


def test_figures_become_png_files_with_text_and_the_same_bytes() -> None:
    made = [
        png_bytes(scores_of(evaluation(), title="a", footer="b"), {"Description": "czii 0.5r"})
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert b"Description" in made[0]
    assert b"czii 0.5r" in made[0]
    picture = image.imread(BytesIO(made[0]), format="png")
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000


def test_the_left_panel_shows_curves_or_bars() -> None:
    with_curves = scores_of(evaluation()).axes[0]
    labels = [text.get_text() for text in with_curves.get_legend().get_texts()]
    assert labels == [f"ribosome, AP {1 / 3:.3f}"]
    bars = scores_of(evaluation((1, 1, 1))).axes[0]
    assert [bar.get_height() for bar in bars.patches] == pytest.approx([0.5, 1 / 3, 17 / 50])


def test_tables_have_a_cell_for_every_column() -> None:
    for columns, rows in (object_table(evaluation()), run_table(evaluation())):
        assert rows
        assert all(len(row) == len(columns) for row in rows)
    columns, rows = object_table(evaluation((1, 1, 1)))
    cells = dict(zip(columns, rows[0], strict=True))
    assert cells["AP"] == cells["suggested"] == cells["F4 interval"] == "n/a"
    assert (cells["TP"], cells["FP"], cells["FN"]) == ("1", "1", "2")


def test_long_curves_are_thinned_in_json() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1e4, (3000, 3))
    rules = ScoringRules("one-to-one", 4.0, (0.5,), 0, 5, 0.95, (0.0, 0.0, 0.0))
    result = evaluate_picks(
        {"a": {"ribosome": PickSet("ribosome", points, np.ones(3000))}},
        {"a": {"ribosome": PickSet("ribosome", points, rng.random(3000))}},
        [ScoredObject("ribosome", 5.0, 10.0, 1.0)],
        rules=rules,
        rng=rng,
    )
    curve = evaluation_values(result)["objects"][0]["curve"]
    assert curve["n_thresholds"] == 3000
    assert len(curve["recall"]) == 500
    assert curve["recall"][0] == pytest.approx(1 / 3000)
    assert curve["recall"][-1] == 1.0


def test_csv_text_has_its_header_and_empty_cells_for_what_is_not_there() -> None:
    lines = scores_csv(evaluation((1, 1, 1)), ["made by a test", "second"]).splitlines()
    assert lines[:2] == ["# made by a test", "# second"]
    names = lines[2].split(",")
    macro = dict(zip(names, lines[4].split(","), strict=True))
    assert macro["level"] == "macro"
    assert macro["average_precision"] == macro["n_reference"] == ""
    picks = matches_csv(evaluation().matches, []).splitlines()
    assert len(picks) == 1 + 6
    assert picks[1] == "TS_1,ribosome,reference,0,200.000,150.000,100.000,,1,matched,0,10.000,,,,,"
    assert picks[6] == "TS_1,ribosome,candidate,2,5.000,250.000,100.000,0.4,0,border,,,,,,,"
