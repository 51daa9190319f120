"""Binned tomograms, slices, marks, pictures and pages of ``view``."""

import base64
import io
import json
import re

import numpy as np
import pytest
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from copick_picker.report.figures import png_bytes
from copick_picker.report.slice_panels import PanelLook
from copick_picker.report.view_marks import (
    LOOKS,
    Marks,
    best_centre,
    counts_by_status,
    cut,
    object_looks,
)
from copick_picker.report.view_page import ViewContent, view_page
from copick_picker.report.view_picture import view_figure
from copick_picker.report.view_volume import (
    VIEWS,
    SmallVolume,
    grey_bytes,
    grey_limits,
    jpeg_address,
    slab_planes,
    small_volume,
)

SHAPE_ZYX = (7, 12, 21)
SPACING = 8.0
COLOURS = {"ribosome": "#0072b2", "apo</script>": "#f0e442"}


def ramp():
    """Return a volume whose voxels hold z + 10 y + 1000 x."""
    z, y, x = np.indices(SHAPE_ZYX)
    return (z + 10.0 * y + 1000.0 * x).astype(np.float32)


def small_of(volume, most_pixels):
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return volume[start:stop]

    return small_volume(read, volume.shape, SPACING, most_pixels), reads


def test_a_volume_that_fits_stays_as_it_is():
    small, reads = small_of(ramp(), 21)
    np.testing.assert_array_equal(small.values, ramp())
    assert (small.voxel_spacing, small.first_angstrom) == (SPACING, 0.0)
    assert reads[0][0] == 0
    assert reads[-1][1] == 7


def test_binning_averages_what_is_there_and_keeps_positions():
    small, _ = small_of(ramp(), 10)  # by 3
    assert small.values.shape == (3, 4, 7)
    assert small.voxel_spacing == 24.0
    assert small.first_angstrom == 8.0  # the middle of voxels 0, 1, 2
    volume = ramp()
    assert small.values[1, 2, 3] == volume[3:6, 6:9, 9:12].mean()
    assert small.values[2, 2, 3] == volume[6:7, 6:9, 9:12].mean()  # one plane is left over


def test_binning_in_blocks_of_planes_is_binning_at_once(monkeypatch):
    whole, _ = small_of(ramp(), 10)
    monkeypatch.setattr("copick_picker.report.view_volume._BLOCK_VOXELS", 1)
    parts, reads = small_of(ramp(), 10)
    np.testing.assert_array_equal(parts.values, whole.values)
    assert reads == [(0, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize(("axis", "n_slices", "last"), [(0, 3, 6.0), (1, 4, 10.0), (2, 7, 19.0)])
def test_slices_follow_without_gap(axis, n_slices, last):
    small = SmallVolume(ramp(), SPACING, 0.0)
    slices = small.slices(axis, 3)
    assert len(slices) == n_slices
    assert slices[0].centre_angstrom == SPACING
    assert slices[-1].centre_angstrom == last * SPACING
    taken = ramp().take([0, 1, 2], axis=axis).mean(axis=axis)
    np.testing.assert_allclose(slices[0].picture, taken, rtol=1e-6)


@pytest.mark.parametrize(("wanted", "centre"), [(-50.0, 8.0), (80.0, 80.0), (9999.0, 152.0)])
def test_a_slice_stays_inside(wanted, centre):
    small = SmallVolume(ramp(), SPACING, 0.0)
    assert small.slice_at(2, wanted, 3).centre_angstrom == centre


@pytest.mark.parametrize(
    ("slab", "most", "planes"), [(24.0, 99, 3), (1.0, 99, 2), (24.0, 2, 11), (9e9, 99, 21)]
)
def test_slabs_are_thick_enough_and_not_too_many(slab, most, planes):
    small = SmallVolume(ramp(), SPACING, 0.0)
    assert slab_planes(small, 2, slab, least=2, most_slices=most) == planes


def test_grey_values_tell_the_middle_apart_and_protein_is_dark():
    small = SmallVolume(ramp(), SPACING, 0.0)
    limits = grey_limits(small.slices(0, 7), (0.0, 100.0))
    picture = small.slices(0, 7)[0].picture
    dark = grey_bytes(picture, limits, contrast="dark")
    assert (dark.min(), dark.max()) == (0, 255)
    np.testing.assert_array_equal(grey_bytes(picture, limits, contrast="bright"), 255 - dark)


def test_what_is_not_finite_is_grey_and_a_constant_volume_is_drawn():
    picture = np.array([[np.nan, 0.0], [1.0, np.inf]])
    grey = grey_bytes(picture, (0.0, 1.0), contrast="dark")
    assert grey.tolist() == [[128, 0], [255, 255]]
    constant = SmallVolume(np.ones(SHAPE_ZYX, dtype=np.float32), SPACING, 0.0)
    assert grey_limits(constant.slices(0, 3), (1.0, 99.0)) == (0.5, 1.5)
    nothing = SmallVolume(np.full(SHAPE_ZYX, np.nan, dtype=np.float32), SPACING, 0.0)
    assert grey_limits(nothing.slices(0, 3), (1.0, 99.0)) == (0.0, 1.0)


def test_pictures_have_their_first_row_at_the_bottom():
    grey = np.zeros((16, 24), dtype=np.uint8)
    grey[0] = 255
    address = jpeg_address(grey)
    data = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    shown = np.asarray(Image.open(io.BytesIO(data)))
    assert shown.shape == (16, 24)
    assert shown[-1].mean() > 200
    assert shown[0].mean() < 20


def ball(status, points, scores=None, radius=20.0, name="ribosome"):
    found = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    return Marks(name, radius, status, found, None if scores is None else np.asarray(scores))


@pytest.mark.parametrize(("axis", "column"), [(0, 2), (1, 1), (2, 0)])
def test_a_plane_cuts_spheres_along_its_own_axis(axis, column):
    points = np.full((3, 3), 500.0)
    points[:, column] = [100.0, 112.0, 121.0]
    which, radii = cut(ball("found", points), axis, 100.0)
    assert which.tolist() == [0, 1]
    assert radii.tolist() == [20.0, 16.0]


def test_the_best_plane_cuts_the_most_spheres():
    marks = [ball("found", [[0, 0, 50]]), ball("missed", [[0, 0, 200], [9, 9, 210]])]
    assert best_centre(marks, 0, np.arange(0, 400, 5.0)) == 205.0
    assert best_centre([], 0, np.arange(5.0)) == 2.0


def test_statuses_differ_in_shape_and_are_counted():
    on_one_side = [{"found", "missed"}, {"hit", "false", "candidate"}]
    for side in on_one_side:
        assert len({LOOKS[status].shape for status in side}) == len(side)
    marks = [
        ball("false", [[0, 0, 0]]),
        ball("found", np.zeros((2, 3))),
        ball("found", [[1, 1, 1]]),
    ]
    assert counts_by_status(marks) == {"found": 3, "false": 1}


def content(marks):
    small = SmallVolume(ramp(), SPACING, 0.0)
    slices = {name: small.slices(axis, 3) for axis, name in VIEWS}
    limits = grey_limits(slices["xy"], (1.0, 99.0))
    spot = (80.0, 40.0, 24.0)
    look = PanelLook(limits, "dark", object_looks(marks, COLOURS))
    return ViewContent("TS_1 <b>", "lead", "foot", small, slices, marks, spot, look, COLOURS)


MARKS = [
    ball("found", [[80, 40, 24]]),
    ball("missed", [[30, 30, 24]]),
    ball("hit", [[82, 41, 25]], [0.875]),
    ball("false", [[120, 60, 30]], [0.25], name="apo</script>"),
]


def test_the_picture_shows_the_three_views_to_one_scale():
    shown = content(MARKS)
    slices = [shown.small.slice_at(axis, shown.spot_xyz[2 - axis], 3) for axis, _ in VIEWS]
    figure = view_figure(
        shown.small,
        slices,
        MARKS,
        look=shown.look,
        title="TS_1",
        footer="foot",
    )
    assert len(figure.axes) == 3
    labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
    assert labels == [("x (nm)", "y (nm)"), ("x (nm)", "z (nm)"), ("y (nm)", "z (nm)")]
    xy = figure.axes[0]
    assert xy.get_xlim() == pytest.approx((-0.4, 16.4))
    assert xy.get_ylim() == pytest.approx((-0.4, 9.2))
    circles = [patch for patch in xy.patches if isinstance(patch, Circle)]
    squares = [patch for patch in xy.patches if isinstance(patch, Rectangle)]
    assert [circle.center for circle in circles] == [(8.0, 4.0)]
    assert squares[0].get_xy() == pytest.approx((1.0, 1.0))
    texts = [text.get_text() for text in xy.texts]
    assert texts == ["2 nm", "a 0.88", "b 0.25"]
    width = [axes.get_position().width * figure.get_figwidth() for axes in figure.axes]
    assert width[0] / 16.8 == pytest.approx(width[2] / 9.6)
    assert png_bytes(figure, {}).startswith(b"\x89PNG")


def test_the_page_holds_all_slices_and_picks_and_needs_no_network():
    page = view_page(content(MARKS))
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "TS_1 &lt;b&gt;" in page
    found = re.search(r'id="data">(.*?)</script>', page)
    data = json.loads(found.group(1))
    assert [view["name"] for view in data["views"]] == ["xy", "xz", "yz"]
    assert [len(view["images"]) for view in data["views"]] == [3, 4, 7]
    assert [view["width"] for view in data["views"]] == [168.0, 168.0, 96.0]
    assert [(pick["s"], pick["c"]) for pick in data["picks"]] == [
        ("found", None),
        ("missed", None),
        ("hit", 0.875),
        ("false", 0.25),
    ]
    assert data["picks"][3]["p"] == [120.0, 60.0, 30.0]
    assert data["low"] == -4.0


def test_a_page_and_a_picture_without_picks_are_drawn():
    shown = content([])
    assert "No picks." in view_page(shown)
    slices = [shown.small.slice_at(axis, 0.0, 3) for axis, _ in VIEWS]
    look = PanelLook((0.0, 1.0), "bright", {})
    figure = view_figure(shown.small, slices, [], look=look, title="", footer="")
    assert png_bytes(figure, {}).startswith(b"\x89PNG")
