"""Lamellae and gold beads in volumes of known truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from copick_picker.core.masks.gold import GoldRules, gold_beads
from copick_picker.core.masks.lamella import LamellaRules, block_means, lamella_mask
from copick_picker.errors import DataError

SHAPE = (61, 83, 102)
RULES = LamellaRules(20.0, 100.0, 120.0, least_ratio=1.3)
GOLD = GoldRules(25.0, 10.0, 0.2, 30.0, 0.6, 2.0, dark=True)


def scene(*, centre=24.0, tilt=0.12, half=9.0, strength=1.0):
    """Return a tilted slab of texture in noise, off centre, and where it is."""
    rng = np.random.default_rng(8)
    z, y, _ = np.indices(SHAPE)
    truth = np.abs(z - (centre + tilt * (y - 41))) <= half
    texture = ndimage.gaussian_filter(rng.normal(size=SHAPE), 2.5)
    volume = rng.normal(size=SHAPE) + strength * truth * texture / texture.std()
    return volume.astype(np.float32), truth


def overlap(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.mark.parametrize("contrast", [1, -1])
@pytest.mark.parametrize(("detail", "least"), [(10.0, 0.93), (20.0, 0.9), (35.0, 0.88)])
def test_a_tilted_slab_is_found_in_either_contrast(contrast, detail, least):
    volume, truth = scene()
    rules = replace(RULES, detail_angstrom=detail)
    found = lamella_mask(contrast * volume, voxel_spacing=10.0, rules=rules)
    assert found.shape == SHAPE
    assert overlap(found, truth) > least


def test_surfaces_lie_where_they_are_to_two_voxels():
    volume, truth = scene()
    found = lamella_mask(volume, voxel_spacing=10.0, rules=RULES)
    for one, other in ((found, truth), (found[::-1], truth[::-1])):
        assert abs(np.mean(one.argmax(axis=0) - other.argmax(axis=0))) < 2


def test_gold_in_the_void_does_not_pass_for_the_specimen():
    volume, truth = scene()
    volume[52:57, 20:25, 30:35] = -80
    assert overlap(lamella_mask(volume, voxel_spacing=10.0, rules=RULES), truth) > 0.9


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        (np.random.default_rng(2).normal(size=SHAPE), "texture inside is 1\\.[0-2]"),
        (np.full(SHAPE, 7, dtype=np.int8), "the same everywhere"),
        (np.random.default_rng(2).normal(size=(15, 83, 102)), "expected 200 A along every axis"),
        (np.zeros((1, 83, 102)), "too small for blocks of 2"),
    ],
)
def test_what_holds_no_lamella_is_refused(volume, text):
    with pytest.raises(DataError, match=text):
        lamella_mask(volume, voxel_spacing=10.0, rules=RULES)


def test_means_of_blocks_cut_off_what_is_left_over():
    volume = np.arange(5 * 4 * 7, dtype=np.int16).reshape(5, 4, 7)
    means = block_means(volume, 2)
    assert means.shape == (2, 2, 3)
    assert means[1, 0, 2] == volume[2:4, 0:2, 4:6].mean()
    assert np.array_equal(block_means(volume, 1), volume)


@pytest.mark.parametrize("dark", [True, False])
def test_beads_are_found_and_neither_specks_nor_sheets(dark):
    volume = np.random.default_rng(3).normal(size=(40, 50, 60)).astype(np.float32)
    sign = -1 if dark else 1
    volume[10:15, 20:25, 41:46] += sign * 40
    volume[20:25, 7:12, 3:8] += sign * 40
    volume[5, 40, 10] += sign * 40
    volume[36:40] += sign * 40
    volume[20:25, 35:40, 20:25] -= sign * 40
    beads, count = gold_beads(volume, voxel_spacing=10.0, rules=replace(GOLD, dark=dark))
    assert count == 2
    assert beads[12, 22, 43]
    assert beads[22, 9, 5]
    assert not beads[36:].any()
    assert not beads[22, 37, 22]
    assert 0.5 < beads.sum() / (2 * 125) < 1.5


def test_neither_a_membrane_nor_a_lump_of_ice_is_gold():
    volume = np.random.default_rng(3).normal(size=(40, 50, 60)).astype(np.float32)
    volume[10:15, 20:25, 41:46] -= 40
    volume[30, 2:20, 5:21] -= 40  # one voxel thick
    volume[8:22, 30:44, 5:19] -= 40
    rules = replace(GOLD, radius_angstrom=30.0, largest_volume=100.0)
    beads, count = gold_beads(volume, voxel_spacing=10.0, rules=rules)
    assert count == 1
    assert beads[12, 22, 43]
    assert not beads[:, :, :30].any()
    assert gold_beads(volume, voxel_spacing=10.0, rules=replace(rules, least_inner=0.0))[1] == 2
    assert gold_beads(volume, voxel_spacing=10.0, rules=replace(rules, largest_inner=9.0))[1] == 2


def test_a_clump_of_beads_is_gold():
    volume = np.random.default_rng(3).normal(size=(40, 50, 60)).astype(np.float32)
    z, y, x = np.indices(volume.shape)
    for centre in ((18, 20, 20), (18, 26, 20), (18, 23, 25), (23, 23, 22)):
        near = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= 9
        volume[near] = -40
    beads, count = gold_beads(volume, voxel_spacing=10.0, rules=replace(GOLD, radius_angstrom=30.0))
    assert count == 1
    assert beads[18, 20, 20]
    assert beads[23, 23, 22]


def test_noise_and_a_constant_volume_hold_no_gold():
    for volume in (np.random.default_rng(4).normal(size=(20, 30, 40)), np.ones((20, 30, 40))):
        beads, count = gold_beads(volume, voxel_spacing=10.0, rules=GOLD)
        assert count == 0
        assert not beads.any()
