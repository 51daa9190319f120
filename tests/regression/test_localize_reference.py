"""``watershed`` finds the particles that a plain implementation without boxes finds."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import scenarios
from copick_picker.core.localize import localize
from copick_picker.core.localize.components import find_components
from copick_picker.core.localize.splitting import SplitRule, are_one_ball, split_cells
from copick_picker.records.points import LocalizeTarget
from copick_picker.settings.localize import LocalizeParameters
from localize_reference import reference_cells

SPACING = scenarios.VOXEL_SPACING
CROP = (slice(8, 58), slice(10, 70), slice(5, 77))
SCENES = ("specks", "touching pairs", "close pairs", "lattice", "rough", "rough lattice")
RULES = LocalizeParameters().rules()


def settings_of(item: str) -> tuple[SplitRule, float]:
    """Return the rule of an object and the fewest voxels of a component that is looked at."""
    radius = scenarios.RADIUS_VOXELS[item]
    ball = 4.0 / 3.0 * np.pi * radius**3
    rule = SplitRule(radius, RULES.smoothing_radii * radius, RULES.neck_ratio, ball)
    return rule, ball * RULES.radius_min_scale**3


def cells_in_boxes(
    labels: npt.NDArray[Any], label: int, rule: SplitRule, least: float
) -> npt.NDArray[np.int64]:
    """Return the package's cells, component by component in its box, put into the volume."""
    found = find_components(labels, [label], least_voxels=least)
    compact = are_one_ball(
        found.voxel_counts[found.large], found.covariances_zyx, rule.largest_volume
    )
    low, high = found.boxes[found.large, 0::2], found.boxes[found.large, 1::2]
    inside = ((low > 0) & (high < np.array(labels.shape) - 1)).all(axis=1)
    cells = np.zeros(labels.shape, dtype=np.int64)
    for number, single in zip(found.large, compact & inside, strict=True):
        mask, box = found.crop(number)
        own = mask.astype(np.int64) if single else split_cells(mask, rule)
        cells[box][mask] = own[mask] + cells.max()
    return cells


@pytest.mark.parametrize("name", SCENES)
def test_cells_are_those_of_the_plain_way_voxel_for_voxel(name: str) -> None:
    labels = scenarios.make_scene(name, seed=2, particles=48).labels[CROP]
    total = 0
    for item, label in scenarios.LABEL_OF.items():
        rule, least = settings_of(item)
        expected = reference_cells(labels, label, rule, least)
        got = cells_in_boxes(labels, label, rule, least)
        pairs = np.unique(np.stack([expected, got])[:, (expected > 0) | (got > 0)], axis=1)
        assert pairs.shape[1] == expected.max() == got.max()  # one to one, nothing beside
        total += expected.max()
    assert total >= 1


def test_picks_do_not_depend_on_where_a_particle_lies_in_the_volume() -> None:
    labels = scenarios.make_scene("rough lattice", seed=2, particles=48).labels[CROP]
    target = LocalizeTarget("shell", scenarios.LABEL_OF["shell"], 120.0)
    labels = np.where(labels > 0, target.label, 0).astype(np.uint8)
    near, far = np.pad(labels, 3), np.pad(labels, ((11, 4), (3, 17), (6, 3)))
    rules = replace(RULES, border_margin_angstrom=0.0)
    found = [
        localize(volume, None, [target], voxel_spacing=SPACING, rules=rules)["shell"]
        for volume in (near, far)
    ]
    shift = np.array([3.0, 0.0, 8.0]) * SPACING
    first, second = (result.picks for result in found)
    assert found[0].dropped == found[1].dropped
    assert len(first) >= 1
    order = [np.lexsort(picks.points_xyz.round(3).T) for picks in (first, second)]
    np.testing.assert_allclose(
        first.points_xyz[order[0]] + shift, second.points_xyz[order[1]], atol=1e-6
    )
