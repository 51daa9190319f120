from dataclasses import replace
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenarios
from copick_picker.core.geometry import points_to_voxels
from copick_picker.core.labels import paint_spheres
from copick_picker.core.localize import METHODS, localize
from copick_picker.records.points import LocalizeTarget
from copick_picker.settings.localize import LocalizeParameters

SHAPE = (34, 44, 54)
TARGET = LocalizeTarget("ribosome", label=2, radius_angstrom=70.0, channel=1)
FEW = settings(max_examples=15, deadline=None, derandomize=True)


@st.composite
def scattered_points(draw: st.DrawFn) -> npt.NDArray[np.float64]:
    """Up to five points (x, y, z) in Angstrom inside the volume, 150 A apart."""
    coordinate = [st.floats(0.0, 10.0 * (size - 1)) for size in SHAPE[::-1]]
    found: list[npt.NDArray[np.float64]] = []
    for point in draw(st.lists(st.tuples(*coordinate), max_size=5)):
        here = np.array(point)
        if all(np.linalg.norm(here - other) > 150.0 for other in found):
            found.append(here)
    return np.array(found).reshape(-1, 3)


def paint(points_xyz: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return paint_spheres(SHAPE, {2: points_xyz}, {2: 56.0}, voxel_spacing=10.0)


def soft(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    ball = (labels == 2).astype(np.float32)
    return np.stack([1.0 - 0.9 * ball, 0.9 * ball])


@FEW
@given(points=scattered_points())
def test_painted_points_are_found_again(points: npt.NDArray[np.float64]) -> None:
    rules = LocalizeParameters().rules()
    picks = localize(paint(points), None, [TARGET], voxel_spacing=10.0, rules=rules)
    result = scenarios.agreement(picks["ribosome"].picks.points_xyz, points, 70.0)
    assert result.f1 == 1.0
    assert result.hits == 0 or result.errors_voxels.max() < 1.0


@FEW
@given(points=scattered_points(), method=st.sampled_from(sorted(METHODS)), data=st.data())
def test_permuted_axes_permute_the_picks(
    points: npt.NDArray[np.float64], method: str, data: st.DataObject
) -> None:
    axes = data.draw(st.sampled_from(list(permutations(range(3)))))
    labels = paint(points)
    rules = LocalizeParameters.model_validate({"method": method}).rules()
    straight = localize(labels, soft(labels), [TARGET], voxel_spacing=10.0, rules=rules)
    turned_labels = np.ascontiguousarray(labels.transpose(axes))
    turned = localize(turned_labels, soft(turned_labels), [TARGET], voxel_spacing=10.0, rules=rules)
    expected = points_to_voxels(straight["ribosome"].picks.points_xyz, 10.0)[:, list(axes)]
    got = points_to_voxels(turned["ribosome"].picks.points_xyz, 10.0)
    assert got.shape == expected.shape
    np.testing.assert_allclose(
        got[np.lexsort(got.round(3).T)], expected[np.lexsort(expected.round(3).T)], atol=1e-3
    )
    assert dict(turned["ribosome"].dropped) == dict(straight["ribosome"].dropped)


@settings(FEW, max_examples=6)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(sorted(METHODS)))
def test_any_labels_give_valid_picks_and_the_same_each_time(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, 0, 0, 2, 5], size=(6, 7, 9))
    labels = coarse.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 0
    targets = [TARGET, replace(TARGET, object_name="shell", label=5, radius_angstrom=40.0)]
    rules = LocalizeParameters.model_validate({"method": method, "radius_min_scale": 0.1}).rules()
    first, second = (
        localize(labels, soft(labels), targets, voxel_spacing=10.0, rules=rules) for _ in range(2)
    )
    for name, result in first.items():
        picks = result.picks
        assert ((picks.scores >= 0) & (picks.scores <= 1)).all()
        assert (np.diff(picks.scores) <= 0).all()
        centres = points_to_voxels(picks.points_xyz, 10.0)
        assert ((centres >= 0) & (centres <= np.array(labels.shape) - 1)).all()
        np.testing.assert_array_equal(picks.points_xyz, second[name].picks.points_xyz)
        np.testing.assert_array_equal(picks.scores, second[name].picks.scores)


@FEW
@given(points=scattered_points(), spacing=st.floats(1.0, 30.0))
def test_painting_does_not_depend_on_the_order_or_the_unit(
    points: npt.NDArray[np.float64], spacing: float
) -> None:
    reference = paint(points)
    np.testing.assert_array_equal(paint(points[::-1]), reference)
    assert set(np.unique(reference)) <= {0, 2}
    centres = points_to_voxels(points, 10.0)
    scaled = paint_spheres(
        SHAPE, {2: points * spacing}, {2: 56.0 * spacing}, voxel_spacing=10.0 * spacing
    )
    assert np.count_nonzero(scaled != reference) <= 6 * len(centres)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_channel_of_ones_is_no_error(method: str) -> None:
    labels = np.full(SHAPE, 2, dtype=np.uint8)
    ones = np.stack([np.zeros(SHAPE), np.ones(SHAPE)]).astype(np.float16)
    rules = LocalizeParameters.model_validate({"method": method}).rules()
    found = localize(labels, ones, [TARGET], voxel_spacing=10.0, rules=rules)
    assert found["ribosome"].picks.points_xyz.shape[1] == 3
