"""Colours of objects, overlays on other grids, and labels that keep clear of each other."""

import numpy as np
import pytest

from copick_picker.records.runs import ObjectSpec
from copick_picker.report.figures import PALETTE
from copick_picker.report.label_places import label_places
from copick_picker.report.object_colours import DARK_PAGE, legible, object_colours, rim_of
from copick_picker.report.overlays import (
    Region,
    StoredGrid,
    heat_rgba,
    numbered_regions,
    regions_rgba,
    sampled,
)
from copick_picker.report.view_volume import SmallVolume, small_volume


def spec(name, colour=None):
    return ObjectSpec(name, 1, colour=colour)


def test_objects_without_a_colour_or_with_a_taken_one_get_free_ones():
    specs = [spec("a", (1, 2, 3)), spec("b", (1, 2, 3)), spec("c"), spec("d", (0, 114, 178))]
    assert object_colours(specs, ["a", "e"]) == {
        "a": "#010203",
        "b": PALETTE[1],
        "c": PALETTE[2],
        "d": PALETTE[0],
        "e": PALETTE[3],
    }


def test_many_objects_share_the_palette():
    colours = object_colours([], [str(number) for number in range(20)])
    assert len(colours) == 20
    assert set(colours.values()) == set(PALETTE)


@pytest.mark.parametrize("colour", ["#ffffff", "#f0e442", "#000000", "#808080", "#0072b2"])
def test_colours_are_made_legible_on_both_pages(colour):
    light, dark = legible(colour), legible(colour, DARK_PAGE)
    assert sum(int(light[at : at + 2], 16) for at in (1, 3, 5)) < 3 * 180
    assert sum(int(dark[at : at + 2], 16) for at in (1, 3, 5)) > 3 * 80
    assert rim_of(colour) in ("#000000", "#ffffff")


def grid(values, spacing, layer):
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return values[start:stop]

    return StoredGrid(read, values.shape, spacing, layer, values.dtype), reads


@pytest.mark.parametrize("layer", [1, 3, 99])
def test_a_coarser_volume_is_sampled_at_the_nearest_voxels(layer):
    coarse = np.arange(2 * 3 * 4, dtype=np.int32).reshape(2, 3, 4) + 1
    stored, _ = grid(coarse, 20.0, layer)
    small = SmallVolume(np.zeros((5, 6, 9), dtype=np.float32), 10.0, 0.0)
    found = sampled(stored, small)
    index = [np.floor(np.arange(size) / 2 + 0.5).astype(int) for size in small.values.shape]
    for (z, y, x), value in np.ndenumerate(found):
        place = (index[0][z], index[1][y], index[2][x])
        inside = all(at < size for at, size in zip(place, coarse.shape, strict=True))
        assert value == (coarse[place] if inside else 0)


def test_a_finer_volume_is_sampled_at_the_middle_of_binned_voxels():
    fine = np.random.default_rng(0).integers(0, 5, (9, 12, 15)).astype(np.uint8)
    small = small_volume(lambda a, b: fine[a:b].astype(float), fine.shape, 5.0, 5)  # by 3
    stored, reads = grid(fine, 5.0, 4)
    np.testing.assert_array_equal(sampled(stored, small), fine[1::3, 1::3, 1::3])
    assert reads == [(0, 4), (4, 8)]  # nothing lies in the last plane


def test_layers_that_nothing_needs_are_not_read():
    stored, reads = grid(np.ones((100, 3, 3)), 1.0, 10)
    sampled(stored, SmallVolume(np.zeros((3, 3, 3), dtype=np.float32), 1.0, 0.0))
    assert reads == [(0, 10)]


def test_labels_become_regions_in_the_colours_of_their_objects():
    labels = np.array([[[0, 2, 7, 300]], [[-1, 0, 0, 0]]], dtype=np.int16)
    numbers, regions = numbered_regions(labels, {2: "a", 5: "b"}, {"a": "#0072b2", "b": "#ffffff"})
    assert numbers.tolist() == [[[0, 1, 2, 3]], [[0, 0, 0, 0]]]
    assert regions == [
        Region("a", "#0072b2"),
        Region("label 7", "#d55e00"),
        Region("label 300", "#009e73"),
    ]
    many, regions = numbered_regions(np.arange(40).reshape(1, 5, 8), {}, {})
    assert [region.name for region in regions] == ["39 labels of no object"]
    assert (many > 0).sum() == 39


def test_regions_are_clear_inside_and_outlined():
    labels = np.zeros((7, 7), dtype=np.uint8)
    labels[1:6, 1:6] = 1
    shown = regions_rgba(labels, [Region("a", "#102030")])
    assert shown[3, 3, :3].tolist() == [16, 32, 48]
    assert 0 < shown[3, 3, 3] < shown[1, 3, 3] < 255
    assert shown[0, 0, 3] == 0


def test_probabilities_are_clear_at_zero_and_never_hide_the_slice():
    shown = heat_rgba(np.array([[0.0, 0.5, 1.0, np.nan, 2.0]], dtype=np.float32))
    opacity = shown[0, :, 3].tolist()
    assert opacity[0] == opacity[3] == 0
    assert 0 < opacity[1] < opacity[2] < 255
    assert opacity[4] == opacity[2]


def test_labels_keep_clear_of_each_other_and_of_the_edges():
    rng = np.random.default_rng(3)
    points, sizes = rng.uniform(0, 200, (40, 2)), np.tile([24.0, 8.0], (40, 1))
    taken = [(0.0, 0.0, 60.0, 20.0)]
    places = label_places(points, sizes, window=(200.0, 200.0), gap=3.0, taken=taken)
    boxes = [*taken]
    for place in places:
        if place is None:
            continue
        left, low = place
        right, high = left + 24.0, low + 8.0
        assert min(left, low) >= 0
        assert max(right, high) <= 200.0
        assert all(a >= right or c <= left or b >= high or d <= low for a, b, c, d in boxes)
        boxes.append((left, low, right, high))
    assert len(boxes) > 25


def test_a_label_without_room_is_left_out():
    points, sizes = np.zeros((1, 2)), np.full((1, 2), 30.0)
    assert label_places(points, sizes, window=(20.0, 20.0), gap=1.0) == [None]
