"""The benchmark of points: its figures from ``matches.csv``, its page. Nothing is timed here."""

import json
from pathlib import Path

import numpy as np
import point_report
import point_scores
import pytest

DOCS = Path(__file__).parents[2] / "docs"
HEAD = (
    "run,object,kind,index,x_angstrom,y_angstrom,z_angstrom,score,partner,distance_angstrom,"
    "sigma_x_angstrom,sigma_y_angstrom,sigma_z_angstrom"
)


def matches(tmp_path, rows):
    lines = ["# a line before the table", HEAD, *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "matches.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return point_scores.rows_of(tmp_path)


def test_errors_and_z_scores_are_those_of_hits(tmp_path):
    rows = matches(
        tmp_path,
        [
            ("a", "ribosome", "reference", 0, 100, 200, 300, "", 1, 5, "", "", ""),
            ("a", "ribosome", "reference", 1, 500, 200, 300, "", 2, 0, "", "", ""),
            ("a", "ribosome", "candidate", 0, 900, 0, 0, 0.9, "", "", 2, 2, 2),
            ("a", "ribosome", "candidate", 1, 103, 204, 300, 0.8, 0, 5, 3, 2, 1),
            ("a", "ribosome", "candidate", 2, 497, 196, 300, 0.1, 1, 5, 3, 2, 1),
        ],
    )
    errors, sigmas = point_scores.errors_of(rows, {})
    assert errors.tolist() == [[3, 4, 0], [-3, -4, 0]]
    assert point_scores.z_scores(errors, sigmas)["mean"] == [0, 0, 0]
    assert point_scores.z_scores(errors, sigmas)["sd"] == pytest.approx(
        [2**0.5, 8**0.5, 0], abs=1e-3
    )
    assert len(point_scores.errors_of(rows, {"ribosome": 0.5})[0]) == 1


def test_probabilities_that_are_true_have_no_calibration_error(tmp_path):
    rows = [
        ("a", "r", "reference", number, 0, 0, 0, "", number, 0, "", "", "") for number in range(3)
    ]
    rows += [
        ("a", "r", "candidate", number, 0, 0, 0, 0.75, number if number < 3 else "", "", "", "", "")
        for number in range(4)
    ]
    known = point_scores.probabilities(matches(tmp_path, rows))
    assert known["calibration_error"] == pytest.approx(0.0)
    assert (known["expected_number"], known["true_number"]) == (3.0, 3)
    assert known["mean_difference_of_runs"] == 0.0
    rows[-1] = (*rows[-1][:7], 0.35, *rows[-1][8:])
    known = point_scores.probabilities(matches(tmp_path, rows))
    assert known["calibration_error"] == pytest.approx((3 * 0.25 + 0.35) / 4)


def test_particles_with_a_near_neighbour_of_their_kind_are_counted(tmp_path):
    rows = [
        ("a", "r", "reference", 0, 0, 0, 0, "", 0, 0, "", "", ""),
        ("a", "r", "reference", 1, 100, 0, 0, "", "", "", "", "", ""),
        ("a", "r", "reference", 2, 250, 0, 0, "", 2, 0, "", "", ""),
        ("a", "other", "reference", 0, 0, 100, 0, "", "", "", "", "", ""),
        ("b", "r", "reference", 0, 0, 0, 100, "", "", "", "", "", ""),
    ]
    found = point_scores.near_pairs(
        matches(tmp_path, rows), {"r": 100.0, "other": 90.0}, (0.9, 1.2)
    )
    assert found == {"particles": 2, "found": 1}


def test_the_difference_of_errors_is_over_particles_that_both_find():
    rng = np.random.default_rng(0)
    first = {f"TS_{run} r {number}": rng.uniform(4, 6) for run in range(8) for number in range(20)}
    second = {name: error - 1.0 for name, error in first.items() if not name.endswith(" 3")}
    found = point_scores.error_difference(first, second, 1)
    assert found["particles"] == 8 * 19
    assert found["difference"] == pytest.approx(-1.0)
    assert found["low"] <= found["difference"] <= found["high"] < 0


def test_the_page_is_that_of_its_figures():
    figures = json.loads((DOCS / "point-accuracy.json").read_text(encoding="utf-8"))
    page = (DOCS / "point-accuracy.md").read_text(encoding="utf-8")
    assert page == point_report.page(figures)
