"""Which picks of the portal a URI means, what fits a tomogram, what a file of points is."""

import numpy as np
import pytest

from copick_picker.errors import DataError, SettingsError
from copick_picker.project.copick.alignments import check_alignments
from copick_picker.project.copick.portal_items import parsed_points
from copick_picker.project.remote.objects import fault_text
from copick_picker.project.uris import picks_query
from copick_picker.records.keys import PicksKey, PicksOrigin, TomogramKey

TRUTH = PicksOrigin(11, 10310, is_truth=True, authors=("Ariana Example",), alignment_id=5)
WINNER = PicksOrigin(12, 10319, is_truth=False, authors=("Wanda W", "Bo"), alignment_id=5)
OTHER = PicksOrigin(13, 10319, is_truth=False, authors=("Bo",), alignment_id=6)
KEYS = [
    PicksKey("ribosome", "data-portal", "80001", TRUTH),
    PicksKey("ribosome", "data-portal", "80002", WINNER),
    PicksKey("ferritin", "data-portal", "80003", OTHER),
    PicksKey("ribosome", "picker", "1"),
]


@pytest.mark.parametrize(
    ("uri", "sessions"),
    [
        ("ground-truth", ["80001"]),
        ("deposition:10319", ["80002", "80003"]),
        ("annotation:13", ["80003"]),
        ("author:Bo", ["80002", "80003"]),
        ("ribosome?deposition=10319", ["80002"]),
        ("*:data-portal/*?truth=false&author=Wanda W", ["80002"]),
        ("?truth=true", ["80001"]),
        ("ribosome:picker/1?truth=false", []),
        ("ribosome", ["80001", "80002", "1"]),
        ("deposition:curator", []),
    ],
)
def test_a_uri_chooses_by_origin(uri, sessions):
    assert [key.session_id for key in picks_query(uri).matching(KEYS)] == sessions


@pytest.mark.parametrize("uri", ["*?truth=yes", "*?deposition=x", "*?user=me", "*?author="])
def test_a_condition_that_means_nothing_is_refused(uri):
    with pytest.raises(SettingsError, match="unknown query .*; expected object:user/session"):
        picks_query(uri)


def test_the_origin_of_a_key_does_not_make_it_another():
    assert KEYS[0] == PicksKey("ribosome", "data-portal", "80001")
    assert len({KEYS[0], PicksKey("ribosome", "data-portal", "80001")}) == 1
    assert TomogramKey("wbp", 10.0, 5) == TomogramKey("wbp", 10.0)


def test_picks_of_another_alignment_than_the_tomogram_are_refused_with_both_numbers():
    tomograms = [TomogramKey("wbp", 10.0, 5), TomogramKey("sart", 10.0, 6)]
    check_alignments("TS_1", KEYS[:2], tomograms, "wbp")
    check_alignments("TS_1", KEYS[2:], tomograms, "*")
    check_alignments("TS_1", KEYS[2:], [TomogramKey("wbp", 10.0)], "*")
    with pytest.raises(DataError, match=r"run TS_1: ferritin.*alignment 6, .*wbp@10.0.*lignment 5"):
        check_alignments("TS_1", KEYS[2:], tomograms, "wbp")
    with pytest.raises(DataError, match=r"ribosome.*alignment 5, ferritin.* of alignment 6"):
        check_alignments("TS_1", KEYS, tomograms, "*")


def test_points_are_voxels_of_their_own_spacing():
    text = '{"type": "point", "location": {"x": 1, "y": 2.5, "z": 3}}\n\n'
    picks = parsed_points(text, "ribosome", 4.0, "here")
    np.testing.assert_array_equal(picks.points_xyz, [[4.0, 10.0, 12.0]])
    assert picks.rotations is None
    assert picks.scores.tolist() == [1.0]


def test_oriented_points_keep_their_rotation():
    row = '{"location": {"x": 1, "y": 2, "z": 3}, "xyz_rotation_matrix": '
    turn = "[[0, -1, 0], [1, 0, 0], [0, 0, 1]]}"
    picks = parsed_points(row + turn, "ribosome", 10.0, "here")
    np.testing.assert_array_equal(picks.rotations, [[[0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    plain = '\n{"location": {"x": 1, "y": 2, "z": 3}}'
    with pytest.raises(DataError, match="1 of 2 points have a rotation"):
        parsed_points(row + turn + plain, "ribosome", 10.0, "here")
    with pytest.raises(DataError, match="line 1 is not a point"):
        parsed_points(row + "[[1, 0], [0, 1]]}", "ribosome", 10.0, "here")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "contains no point"),
        (" \n\n", "contains no point"),
        ('{"location": {"x": 1, "y": 2}}', "line 1 is not a point"),
        ("[1, 2, 3]", "line 1 is not a point"),
        ('{"location": {"x": 1, "y": 2, "z": "a"}}', "line 1 is not a point"),
        ('{"location": {"x": 1, "y": 2, "z": NaN}}', "line 1 is not a point"),
        ("<html>", "line 1 is not a point: <html>"),
    ],
    ids=["empty", "blank", "two", "list", "text", "nan", "html"],
)
def test_what_is_no_point_is_named_by_its_line(text, said):
    with pytest.raises(DataError, match=said):
        parsed_points(text, "ribosome", 10.0, "here")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError("x"), "HTTP 403"),
        (FileNotFoundError("x"), "HTTP 404"),
        (TimeoutError(), "timed out"),
        (OSError(5, "slow\ndown"), "[Errno 5] slow down"),
    ],
    ids=["forbidden", "missing", "late", "other"],
)
def test_faults_are_said_in_few_words(error, said):
    assert fault_text(error) == said
