"""Picks of a low score are left out, and nothing else changes."""

import numpy as np
import pytest

from copick_picker.records.points import PickSet
from copick_picker.workflows.evaluate.evaluate import with_min_score


def test_what_is_known_of_the_picks_that_stay_is_kept() -> None:
    points = np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 70.0], [5.0, 6.0, 8.0]])
    turned = np.array([np.eye(3), np.eye(3)[[1, 2, 0]], np.eye(3)[[2, 0, 1]]])
    picks = PickSet("fiber", points, np.array([0.9, 0.2, 0.5]), turned, np.array([3, 1, 2]))
    kept = with_min_score({"TS_1": {"fiber": picks, "other": picks}}, {"fiber": 0.5})["TS_1"]
    assert kept["other"] is picks
    assert kept["fiber"].points_xyz.tolist() == points[[0, 2]].tolist()
    assert kept["fiber"].scores.tolist() == [0.9, 0.5]
    assert kept["fiber"].rotations == pytest.approx(turned[[0, 2]])
    assert kept["fiber"].instance_ids is not None
    assert kept["fiber"].instance_ids.tolist() == [3, 2]
