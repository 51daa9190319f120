"""Masks: grids, distances, growing, and what the engine leaves out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from copick_picker.core.augmentations import augmentation_set
from copick_picker.core.masks.distances import distances_at, grown, signed_distances
from copick_picker.core.masks.grids import (
    covering,
    inside_of,
    on_grid,
    same_box,
    within_edges,
)
from copick_picker.core.segment.engine import segment_volume
from copick_picker.core.segment.plan import EngineOptions, Member, planned_jobs
from copick_picker.errors import DataError
from networks import edge_sensitive

SHAPE = (9, 14, 21)
SPACING = 8.0


def off_centre():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[2:6, 3:9, 10:20] = True
    return mask


def test_distances_are_those_of_a_search_over_all_voxels():
    mask = off_centre()
    inner, outer = np.argwhere(mask) * SPACING, np.argwhere(~mask) * SPACING
    found = signed_distances(mask, voxel_spacing=SPACING)
    pairs = cdist(inner, outer)
    assert np.allclose(found[mask], pairs.min(axis=1) - SPACING / 2, atol=1e-3)
    assert np.allclose(found[~mask], SPACING / 2 - pairs.min(axis=0), atol=1e-3)


def test_distances_of_points_between_voxels_are_in_angstrom_from_the_face():
    """The block ends midway between voxels 19 and 20 along x: at 19.5 x 8 A."""
    distances = signed_distances(off_centre(), voxel_spacing=SPACING)
    points_xyz = np.array([[150.0, 48.0, 28.0], [159.0, 48.0, 28.0], [1e4, 48.0, 28.0]])
    found = distances_at(distances, points_xyz, voxel_spacing=SPACING)
    assert found[:2] == pytest.approx([156 - 150.0, 156 - 159.0])
    assert found[2] == pytest.approx(156 - 160.0)


@pytest.mark.parametrize(("fill", "sign"), [(True, 1), (False, -1)])
def test_a_full_or_empty_mask_has_no_surface(fill, sign):
    distances = signed_distances(np.full(SHAPE, fill), voxel_spacing=SPACING)
    assert (distances == sign * np.inf).all()
    points_xyz = np.array([[3.0, 4.0, 5.0]])
    assert distances_at(distances, points_xyz, voxel_spacing=SPACING)[0] == sign * np.inf
    assert distances_at(distances, np.zeros((0, 3)), voxel_spacing=SPACING).shape == (0,)


def test_a_mask_grows_and_shrinks_by_a_length():
    mask = off_centre()
    wider = grown(mask, voxel_spacing=SPACING, by_angstrom=SPACING)
    assert np.array_equal(np.argwhere(wider).min(axis=0), [1, 2, 9])
    assert np.array_equal(np.argwhere(wider).max(axis=0), [6, 9, 20])
    smaller = grown(mask, voxel_spacing=SPACING, by_angstrom=-SPACING)
    assert np.array_equal(np.argwhere(smaller).min(axis=0), [3, 4, 11])
    assert grown(mask, voxel_spacing=SPACING, by_angstrom=0.0) is mask


def test_a_binned_mask_covers_the_same_blocks():
    coarse = np.zeros((4, 6, 9), dtype=bool)
    coarse[1, 2:4, 5] = True
    fine = on_grid(coarse, 16.0, shape_zyx=(8, 12, 18), spacing=8.0)
    inside = np.argwhere(fine)
    assert np.array_equal(inside.min(axis=0), [2, 4, 10])
    assert np.array_equal(inside.max(axis=0), [3, 7, 11])
    back = on_grid(fine, 8.0, shape_zyx=(4, 6, 9), spacing=16.0)
    assert np.array_equal(back, coarse)


def test_a_binned_grid_may_lose_part_of_a_voxel_but_no_more():
    assert same_box((21, 31, 41), 10.0, (10, 15, 20), 20.0)
    assert not same_box((21, 31, 41), 10.0, (10, 14, 20), 20.0)


def test_another_box_is_refused_and_both_are_named():
    with pytest.raises(
        DataError, match="9 x 14 x 21 voxels.* of 8 A.*; the volume has 9 x 14 x 24 voxels"
    ):
        on_grid(off_centre(), 8.0, shape_zyx=(9, 14, 24), spacing=8.0)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.zeros((3, 4)), "shape \\(3, 4\\)"),
        (np.zeros((0, 3, 4)), "no axis empty"),
        (np.zeros((1, 2, 3), dtype=complex), "complex128"),
    ],
)
def test_what_is_no_mask_is_refused(values, text):
    with pytest.raises(DataError, match=text):
        inside_of(values)


def test_labels_and_fractions_become_insides():
    assert inside_of(np.array([[[-1, 0, 7]]], dtype=np.int8)).tolist() == [[[True, False, True]]]
    assert inside_of(np.array([[[0.49, 0.5, np.nan]]])).tolist() == [[[False, True, False]]]


def test_a_covering_mask_reaches_past_every_voxel():
    mask = off_centre()
    found = covering(mask, factor=1.25, shape_zyx=(8, 12, 17))
    near = on_grid(mask, 8.0, shape_zyx=(8, 12, 17), spacing=10.0)
    assert (found >= near).all()
    assert found.sum() > near.sum()


def test_edges_are_cut_by_lengths_of_their_own_axes():
    inside = within_edges(SHAPE, SPACING, margins_zyx=(8.0, 15.0, 0.0))
    assert inside[1:-1, 2:-2].all()
    assert inside.sum() == 7 * 10 * 21
    assert not within_edges(SHAPE, SPACING, margins_zyx=(900.0, 0.0, 0.0)).any()


OPTIONS = EngineOptions(
    augmentations=augmentation_set("octopi", 2),
    overlap=0.5,
    blending="gaussian",
    layout="aligned",
    precision="float32",
    device="cpu",
    window_batch=3,
    inverted=False,
)
VOLUME = np.random.default_rng(3).normal(size=(26, 17, 30)).astype(np.float32)


def member():
    return Member(edge_sensitive(), (8, 8, 8), 3, "zero")


@pytest.mark.parametrize(
    "place",
    [
        (slice(0, 3), slice(4, 9), slice(20, 28)),
        (slice(20, 26), slice(0, 4), slice(0, 5)),
        (slice(9, 10), slice(16, 17), slice(29, 30)),
    ],
)
def test_inside_of_a_mask_the_engine_gives_what_it_gives_without(place):
    mask = np.zeros(VOLUME.shape, dtype=bool)
    mask[place] = True
    mask[0, 0, 0] = True  # two parts with planes between them that no window sees
    whole = segment_volume(VOLUME, [member()], OPTIONS, probabilities=True)
    found = segment_volume(VOLUME, [member()], OPTIONS, probabilities=True, mask_zyx=mask)
    assert found.probabilities is not None
    assert np.array_equal(found.labels[mask], whole.labels[mask])
    assert np.allclose(found.probabilities[:, mask], whole.probabilities[:, mask], atol=1e-3)
    assert (found.labels[~mask] == 0).all()
    assert (found.probabilities[0][~mask] == 1).all()
    assert (found.probabilities[1:, ~mask] == 0).all()


def test_windows_outside_are_not_computed():
    mask = np.zeros(VOLUME.shape, dtype=bool)
    mask[10, 8, 15] = True
    jobs = planned_jobs(VOLUME.shape, [member()], OPTIONS, mask_zyx=mask)
    assert 0 < len(jobs) < len(planned_jobs(VOLUME.shape, [member()], OPTIONS)) / 5
    seen = []
    segment_volume(
        VOLUME,
        [member()],
        OPTIONS,
        probabilities=False,
        mask_zyx=mask,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(jobs), len(jobs))


def test_a_full_mask_changes_nothing():
    options = replace(OPTIONS, augmentations=augmentation_set("octopi", 1))
    whole = segment_volume(VOLUME, [member()], options, probabilities=True)
    full = np.ones(VOLUME.shape, dtype=bool)
    found = segment_volume(VOLUME, [member()], options, probabilities=True, mask_zyx=full)
    assert np.array_equal(found.probabilities, whole.probabilities)


@pytest.mark.parametrize("mask", [np.zeros(VOLUME.shape, bool), np.ones((26, 17, 29), bool)])
def test_an_empty_mask_or_one_of_another_shape_stops_the_engine(mask):
    with pytest.raises(DataError, match="mask"):
        segment_volume(VOLUME, [member()], OPTIONS, probabilities=False, mask_zyx=mask)


@pytest.mark.parametrize(("side", "percent"), [(64, 44), (96, 33), (128, 0)])
def test_what_the_docs_say_of_windows_that_are_skipped(side, percent):
    shape = (300, 630, 630)
    mask = np.zeros(shape, dtype=bool)
    mask[100:200] = True
    options = replace(OPTIONS, augmentations=augmentation_set("octopi", 1))
    member_of_side = Member(edge_sensitive(), (side, side, side), 3, "zero")
    n_all = len(planned_jobs(shape, [member_of_side], options))
    computed = len(planned_jobs(shape, [member_of_side], options, mask_zyx=mask))
    assert round(100 * (1 - computed / n_all)) == percent
