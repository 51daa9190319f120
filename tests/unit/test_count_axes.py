"""Axes of counts and of errors: whole numbers, and ranges that mean something."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from copick_picker.report.analysis_pictures import _errors_chart, precision_picture
from copick_picker.report.figures import tick_whole_numbers


@pytest.mark.parametrize("top", [0.8, 1.0, 2.5, 3.0, 40.0, 12_345.0])
def test_counts_have_whole_ticks(top):
    axes = Figure().subplots()
    axes.set_ylim(0, top)
    tick_whole_numbers(axes.yaxis)
    ticks = axes.get_yticks()
    assert len(ticks) >= 1
    assert (ticks == np.round(ticks)).all()


@pytest.mark.parametrize(("scale", "unit", "said"), [(1.0, "pixels", 0.001), (100.0, "nm", 0.1)])
def test_errors_of_a_perfect_fit_do_not_shrink_the_axis(scale, unit, said):
    perfect = {"mobile": scale * np.full(9, 1e-6), "immobile": np.zeros(3)}
    axes = Figure().subplots()
    _errors_chart(axes, perfect, unit, least_reach=0.05 * scale)
    assert axes.get_xlim() == (0.0, 0.05 * scale)
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words[0] == f"mobile: 9, median under {said:g} {unit}"
    wide = {"mobile": scale * np.array([0.1, 0.2, 0.3]), "immobile": np.zeros(0)}
    axes = Figure().subplots()
    _errors_chart(axes, wide, unit, least_reach=0.05 * scale)
    assert axes.get_xlim()[1] == pytest.approx(0.315 * scale)
    assert (
        axes.get_legend().get_texts()[0].get_text() == f"mobile: 3, median {0.2 * scale:g} {unit}"
    )


def test_ideal_tracks_make_the_pictures():
    files = precision_picture(
        None, {"mobile": np.full(9, 1e-6), "immobile": np.zeros(2)}, pixel_size_nm=None
    )
    assert sorted(files) == ["precision_histogram.png", "precision_histogram.svg"]
