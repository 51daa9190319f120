"""The benchmark: its page, its small measures, its statistics. Nothing is timed here."""

import json
from pathlib import Path

import bench_children
import bench_report
import modes_f1
import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_that_of_the_figures() -> None:
    figures = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    assert bench_report.page(figures) == (DOCS / "performance.md").read_text(encoding="utf-8")


def test_monais_inferer_gives_the_same_labels() -> None:
    assert bench_children.monai(32)["labels_equal"] > 0.999


def test_the_interval_of_a_mode_beside_itself_is_nothing() -> None:
    counts = [
        {"counts": {"a": [9 - number, 10, 12], "b": [0, 3, 0]}, "cpu_seconds": 1.0}
        | {"labels_as_exact": 1.0}
        for number in range(5)
    ]
    result = modes_f1.compared([{"exact": entry, "fast": entry} for entry in counts], ["exact"])
    both = modes_f1.compared(
        [{"exact": entry, "fast": entry} for entry in counts], ["exact", "fast"]
    )
    assert result["particles"] == 65
    assert both["modes"]["fast"]["interval"] == [0.0, 0.0]
    assert both["modes"]["fast"]["macro_f1"] == pytest.approx((2 * 35 / 110 + 0) / 2)
