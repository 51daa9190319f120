import pytest

from copick_picker.errors import SettingsError, UnknownNameError
from copick_picker.project.uris import matching, parse_output, the_one
from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey

TOMOGRAMS = [TomogramKey("denoised", 10.012), TomogramKey("wbp", 10.012), TomogramKey("wbp", 20.0)]


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("wbp@10.012", [TOMOGRAMS[1]]),
        ("wbp@10.0", []),
        ("wbp", TOMOGRAMS[1:]),
        ("*@20", [TOMOGRAMS[2]]),
        ("w*@10*", [TOMOGRAMS[1]]),
        ("re:(wbp|denoised)@10.*", TOMOGRAMS[:2]),
    ],
)
def test_tomogram_uris(uri, found):
    assert matching(TOMOGRAMS, uri, "tomogram") == found


def test_a_spacing_that_is_not_there_lists_those_that_are():
    with pytest.raises(UnknownNameError, match=r"run TS_1 has no tomogram 'wbp@10.0'.*wbp@10.012"):
        the_one(TOMOGRAMS, "wbp@10.0", "tomogram", run_name="TS_1")


def test_two_things_where_one_is_meant_lists_both():
    with pytest.raises(SettingsError, match=r"means 2 things.*wbp@10\.012, wbp@20\.0"):
        the_one(TOMOGRAMS, "wbp", "tomogram", run_name="TS_1")


def test_segmentations_by_kind():
    both = [SegmentationKey("predict", "a", "1", 10.0, kind) for kind in (True, False)]
    assert matching(both, "predict:a/1@10.0?multilabel=true", "segmentation") == both[:1]
    assert matching(both, "predict", "segmentation") == both


def test_picks_by_glob():
    picks = [PicksKey("ribosome", "curator", "1"), PicksKey("vlp", "picker", "2")]
    assert matching(picks, "*:curator/1", "picks") == picks[:1]
    assert matching(picks, "vlp", "picks") == picks[1:]


@pytest.mark.parametrize(
    ("uri", "kind"), [("wbp@ten", "tomogram"), ("a:b:c", "picks"), ("a:b/c@x", "segmentation")]
)
def test_a_bad_uri_says_the_form(uri, kind):
    with pytest.raises(SettingsError, match="expected|spacing"):
        matching([], uri, kind)


def test_an_output_name_that_copick_cannot_store_is_refused():
    with pytest.raises(SettingsError, match="user is 'my_user'"):
        parse_output("*:my_user/1", "picks")
    assert parse_output("*:me/2", "picks") == {
        "object_name": "*",
        "user_id": "me",
        "session_id": "2",
    }
