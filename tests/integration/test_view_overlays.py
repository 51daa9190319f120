"""``view``: the project's colours, segmentations and probabilities over the slices, sorting."""

import base64
import io
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_tomogram
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from projects import SHAPE_ZYX, add_segmented, noise, project_of, slabs_of

RED, GREEN = (250, 10, 20), (10, 200, 30)
OBJECTS = (
    ObjectSpec("ribosome", label=2, radius_angstrom=60.0, colour=RED),
    ObjectSpec("apo-ferritin", label=3, radius_angstrom=40.0, colour=GREEN),
)
BLOCK = (slice(8, 14), slice(6, 16), slice(20, 34))  # z, y, x in voxels of 10 A
POINTS = {"ribosome": [[270.0, 110, 110]], "apo-ferritin": [[60.0, 200, 110]]}


@pytest.fixture
def config(tmp_path):
    """Return a project of two objects with colours, a pick of each, and a tomogram of noise."""
    path = project_of(tmp_path, {"TS_1": noise(SHAPE_ZYX, seed=0)}, {}, objects=OBJECTS)
    store = open_project(path)
    for name, points in POINTS.items():
        picks = PickSet(name, np.array(points), np.array([0.5]))
        key = PicksKey(name, "picker", "1")
        store.write_picks("TS_1", key, picks, provenance={"a": 1}, overwrite=False)
    return path


def put_labels(config, labels, spacing, session="1", *, known=("ribosome", "apo-ferritin")):
    """Store labels that say what they mean."""
    open_project(config).write_segmentation(
        "TS_1",
        SegmentationKey("predict", "picker", session, spacing),
        slabs_of(labels, 4),
        shape_zyx=labels.shape,
        provenance={"labels": {spec.name: spec.label for spec in OBJECTS if spec.name in known}},
        overwrite=False,
    )


def a_block(label, step=1):
    """Return labels with a block, on a grid of 10 A, or coarser by a whole number."""
    labels = np.zeros(SHAPE_ZYX, dtype=np.uint8)
    labels[BLOCK] = label
    return labels[::step, ::step, ::step]


def view(config, *arguments):
    return CliRunner().invoke(console, ["view", "TS_1", "-c", str(config), *arguments])


def made(config, *arguments):
    """Return the path of a page or picture that was made."""
    result = view(config, *map(str, arguments))
    assert result.exit_code == 0, result.output
    return result.output


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text()).group(1))


def picture_of(address):
    """Return red, green, blue and opacity of a picture in a page, the first row at the bottom."""
    content = base64.b64decode(address.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[::-1]


def test_marks_have_the_projects_colours(config, tmp_path):
    page, picture = tmp_path / "a.html", tmp_path / "a.png"
    made(config, "-o", page)
    colours = {entry["name"]: entry["colour"] for entry in data_of(page)["objects"]}
    assert colours == {"ribosome": "#fa0a14", "apo-ferritin": "#0ac81e"}
    made(config, "-o", picture)
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    for colour in (RED, GREEN):
        assert (pixels == colour).all(axis=1).sum() > 100


@pytest.mark.parametrize(("spacing", "step"), [(10.0, 1), (20.0, 2)])
def test_a_segmentation_lies_where_its_spacing_says(config, tmp_path, spacing, step):
    put_labels(config, a_block(2, step), spacing)
    page = tmp_path / "a.html"
    made(config, "-o", page, "--segmentation", "predict:picker/1", "--slab-angstrom", "30")
    xy, xz, yz = data_of(page)["views"]
    at = [np.abs(np.array(view["centres"]) - middle).argmin() for view, middle in
          ((xy, 110.0), (xz, 110.0), (yz, 270.0))]  # fmt: skip
    for view_, index, (rows, columns) in (
        (xy, at[0], BLOCK[1:]),
        (xz, at[1], (BLOCK[0], BLOCK[2])),
        (yz, at[2], (BLOCK[0], BLOCK[1])),
    ):
        shown = picture_of(view_["labels"][index])
        drawn = np.argwhere(shown[..., 3] > 0)
        low, high = drawn.min(axis=0), drawn.max(axis=0)
        expected = ((rows.start, rows.stop - 1), (columns.start, columns.stop - 1))
        for axis in (0, 1):
            assert abs(low[axis] - expected[axis][0]) <= step - 1
            assert abs(high[axis] - expected[axis][1]) <= step - 1
        middle = shown[(low[0] + high[0]) // 2, (low[1] + high[1]) // 2]
        assert tuple(middle[:3]) == RED
        assert 0 < middle[3] < 128  # the tomogram shows through
    assert picture_of(xy["labels"][0])[..., 3].max() == 0


def test_a_picture_shows_the_segmentation_and_names_its_objects(config, tmp_path):
    labels = a_block(3)
    labels[BLOCK[0], 18:28, 2:10] = 9
    put_labels(config, labels, 10.0)
    plain, drawn = tmp_path / "plain.png", tmp_path / "drawn.png"
    made(config, "-o", plain, "--candidate", "*:nobody/1")
    made(config, "-o", drawn, "--candidate", "*:nobody/1", "--segmentation", "predict:picker/1")
    before, after = (np.asarray(Image.open(path).convert("RGB")) for path in (plain, drawn))
    assert before.shape[0] < after.shape[0]  # a legend
    greenish = (after[..., 1].astype(int) - after[..., 0] > 60).sum()
    assert greenish > 1000
    page = tmp_path / "a.html"
    made(config, "-o", page, "--segmentation", "predict:picker/1")
    assert "label 9" in page.read_text()


def test_objects_choose_what_is_drawn(config, tmp_path):
    labels = a_block(3)
    labels[BLOCK[0], 18:28, 2:10] = 2
    put_labels(config, labels, 10.0)
    page = tmp_path / "a.html"
    made(config, "-o", page, "--segmentation", "predict:picker/1", "--objects", "ribosome")
    pictures = [picture_of(address) for address in data_of(page)["views"][0]["labels"]]
    shown = np.concatenate([each[each[..., 3] > 0][:, :3] for each in pictures])
    assert {tuple(colour) for colour in shown.tolist()} == {RED}


def test_instances_of_one_object_have_its_colour(config, tmp_path):
    labels = a_block(3)
    labels[BLOCK[0], 18:28, 2:10] = 41
    open_project(config).write_segmentation(
        "TS_1",
        SegmentationKey("apo-ferritin", "picker", "1", 10.0, is_multilabel=False),
        slabs_of(labels, 4),
        shape_zyx=labels.shape,
        provenance={"a": 1},
        overwrite=False,
    )
    page = tmp_path / "a.html"
    made(config, "-o", page, "--segmentation", "apo-ferritin:picker/1")
    pictures = [picture_of(address) for address in data_of(page)["views"][0]["labels"]]
    shown = np.concatenate([each[each[..., 3] > 0][:, :3] for each in pictures])
    assert {tuple(colour) for colour in shown.tolist()} == {GREEN}


def test_several_segmentations_or_none_are_said_in_a_line(config, tmp_path):
    put_labels(config, a_block(2), 10.0)
    put_labels(config, a_block(2), 10.0, "2")
    for uri, words in (
        ("predict:picker", "predict:picker/2"),
        ("other:picker/1", "no segmentation"),
    ):
        result = view(config, "-o", str(tmp_path / "a.png"), "--segmentation", uri)
        assert result.exit_code == 1, result.output
        assert words in result.output


def test_another_extent_is_warned_of(config, tmp_path):
    put_labels(config, a_block(2)[:10], 10.0)
    said = made(config, "-o", tmp_path / "a.png", "--segmentation", "predict:picker/1")
    assert "measures 100 x 300 x 400 Angstrom (z, y, x), wbp@10.0 200 x 300 x 400" in " ".join(
        said.split()
    )


def shares_of(probability):
    """Return probabilities of background and of one object: one value in the block."""
    shares = np.zeros((2, *SHAPE_ZYX), dtype=np.float16)
    shares[0] = 1.0
    shares[(0, *BLOCK)] = 1.0 - probability
    shares[(1, *BLOCK)] = probability
    return shares


def test_probabilities_are_drawn_with_a_colour_bar(config, tmp_path):
    add_segmented(config, "TS_1", OBJECTS[0], shares_of(0.9))
    page = tmp_path / "a.html"
    made(config, "-o", page, "--heat-map", "predict:picker/1")
    assert "linear-gradient" in page.read_text()
    xy = data_of(page)["views"][0]
    index = int(np.abs(np.array(xy["centres"]) - 110.0).argmin())
    shown = picture_of(xy["heats"][index])
    assert np.argwhere(shown[..., 3] > 0).min(axis=0).tolist() == [6, 20]
    assert np.argwhere(shown[..., 3] > 0).max(axis=0).tolist() == [15, 33]
    made(config, "-o", tmp_path / "a.png", "--heat-map", "predict:picker/1")
    wrong = view(
        config, "-o", str(tmp_path / "b.png"), "--heat-map", "predict:picker/1",
        "--objects", "apo-ferritin",
    )  # fmt: skip
    assert wrong.exit_code == 1
    assert "hold ribosome; none of --objects apo-ferritin" in " ".join(wrong.output.split())


def test_scores_are_drawn_where_no_probabilities_are_stored(config, tmp_path):
    feature = FeatureKey("wbp", 10.0, "predict-picker-1-scores")
    record = {"labels": {"ribosome": 2}, "scores": {"uri": str(feature)}}
    store = open_project(config)
    shares = shares_of(0.9)[1:]
    store.write_feature(
        "TS_1",
        feature,
        slabs_of(shares, 20),
        shape_czyx=shares.shape,
        provenance=record,
        overwrite=False,
    )
    key = SegmentationKey("predict", "picker", "1", 10.0)
    store.write_segmentation(
        "TS_1",
        key,
        slabs_of(a_block(2), 4),
        shape_zyx=SHAPE_ZYX,
        provenance=record,
        overwrite=False,
    )
    page = tmp_path / "a.html"
    made(config, "-o", page, "--heat-map", "predict:picker/1")
    pictures = [picture_of(address) for address in data_of(page)["views"][0]["heats"]]
    drawn = np.argwhere(np.max([each[..., 3] for each in pictures], axis=0) > 0)
    assert drawn.min(axis=0).tolist() == [6, 20]
    assert drawn.max(axis=0).tolist() == [15, 33]


def test_a_segmentation_without_probabilities_or_scores_is_said(config, tmp_path):
    put_labels(config, a_block(2), 10.0)
    result = view(config, "-o", str(tmp_path / "a.png"), "--heat-map", "predict:picker/1")
    assert result.exit_code == 1
    assert "neither probabilities nor scores are stored with" in " ".join(result.output.split())


def test_probabilities_of_another_spacing_are_sampled(config, tmp_path):
    add_segmented(config, "TS_1", OBJECTS[0], shares_of(1.0))
    fine = TomogramKey("fine", 5.0)
    add_tomogram(config, "TS_1", fine, noise(tuple(2 * size for size in SHAPE_ZYX), seed=1))
    page = tmp_path / "a.html"
    made(config, "-o", page, "--tomogram", "fine", "--heat-map", "predict:picker/1")
    xy = data_of(page)["views"][0]
    index = int(np.abs(np.array(xy["centres"]) - 110.0).argmin())
    drawn = np.argwhere(picture_of(xy["heats"][index])[..., 3] > 0)
    assert np.abs(drawn.min(axis=0) - [12, 40]).max() <= 1
    assert np.abs(drawn.max(axis=0) - [31, 67]).max() <= 1


def test_overlays_can_be_hidden_and_picks_sorted_in_a_browser(config, tmp_path, browser):
    put_labels(config, a_block(2), 10.0)
    page = tmp_path / "a.html"
    made(config, "-o", page, "--segmentation", "predict:picker/1")
    browser.show(page)
    assert browser.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    over = "document.querySelector('.over')"
    assert browser.run(f"{over}.getBoundingClientRect().width > 100")
    browser.run("document.querySelector('input[data-over]').click()")
    assert browser.run(f"{over}.getBoundingClientRect().width") == 0
    first = "document.querySelector('#picks tbody tr').cells[1].textContent"
    head = "#picks th:nth-child({}) button"
    browser.click(head.format(5))  # x, the highest first
    assert browser.run(first) == "ribosome"
    browser.click(head.format(5))
    assert browser.run(first) == "apo-ferritin"
    browser.click(head.format(2))
    browser.click(head.format(2))
    assert browser.run(first) == "ribosome"
    browser.click("button[data-pick]")  # that of the first row
    caption = browser.run("document.querySelector('figcaption').textContent")
    assert "xy slice at z = 8.5 nm" in caption
    assert browser.run("document.querySelectorAll('.scale-bar').length") == 3
    assert browser.complaints == []
    assert browser.requests == []


def test_scores_never_cover_each_other(config, tmp_path, browser):
    crowd = np.stack([np.linspace(150, 220, 12), np.full(12, 150.0), np.full(12, 110.0)], axis=1)
    picks = PickSet("ribosome", crowd, np.linspace(0.1, 0.9, 12))
    key = PicksKey("ribosome", "crowd", "1")
    open_project(config).write_picks("TS_1", key, picks, provenance={"a": 1}, overwrite=False)
    page = tmp_path / "a.html"
    made(config, "-o", page, "--candidate", "*:crowd/1")
    browser.show(page)
    boxes = browser.run(
        "[...document.querySelector('.stage').querySelectorAll('text')].map(t => { "
        "const b = t.getBBox(); return [b.x, b.y + 2, b.x + b.width, b.y + b.height - 2]; })"
    )
    assert len(boxes) > 4
    for at, (left, top, right, low) in enumerate(boxes):
        for other in boxes[at + 1 :]:
            clear = other[0] >= right or other[2] <= left or other[1] >= low or other[3] <= top
            assert clear
