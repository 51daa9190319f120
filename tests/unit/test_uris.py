import pytest

from copick_picker.errors import SettingsError, UnknownNameError
from copick_picker.project.uris import (
    picks_output,
    picks_query,
    segmentation_output,
    segmentation_query,
    tomogram_query,
)
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
    assert tomogram_query(uri).matching(TOMOGRAMS) == found


def test_a_spacing_that_is_not_there_lists_those_that_are():
    with pytest.raises(UnknownNameError, match=r"run TS_1 has no tomogram 'wbp@10.0'.*wbp@10.012"):
        tomogram_query("wbp@10.0").match_one(TOMOGRAMS, run_name="TS_1")


def test_two_things_where_one_is_meant_lists_both():
    with pytest.raises(SettingsError, match=r"matches 2 items.*wbp@10\.012, wbp@20\.0"):
        tomogram_query("wbp").match_one(TOMOGRAMS, run_name="TS_1")


def test_segmentations_by_kind():
    both = [SegmentationKey("predict", "a", "1", 10.0, kind) for kind in (True, False)]
    assert segmentation_query("predict:a/1@10.0?multilabel=true").matching(both) == both[:1]
    assert segmentation_query("predict").matching(both) == both


def test_picks_by_glob():
    picks = [PicksKey("ribosome", "curator", "1"), PicksKey("vlp", "picker", "2")]
    assert picks_query("*:curator/1").matching(picks) == picks[:1]
    assert picks_query("vlp").matching(picks) == picks[1:]


@pytest.mark.parametrize(
    ("uri", "query"),
    [("wbp@ten", tomogram_query), ("a:b:c", picks_query), ("a:b/c@x", segmentation_query)],
)
def test_a_bad_uri_says_the_form(uri, query):
    with pytest.raises(SettingsError, match="expected|spacing"):
        query(uri)


def test_an_output_name_that_copick_cannot_store_is_refused():
    with pytest.raises(SettingsError, match="user is 'my_user'"):
        picks_output("*:my_user/1")
    assert picks_output("*:me/2").key("vlp") == PicksKey("vlp", "me", "2")


def test_parts_that_an_output_leaves_out_have_defaults():
    assert picks_output("vlp").key("vlp") == PicksKey("vlp", "picker", "1")
    assert picks_output("*", session_id="filtered").key("a") == PicksKey("a", "picker", "filtered")
    output = segmentation_output("*:me", name="predict")
    assert output.key("TS_1", 10.0) == SegmentationKey("predict", "me", "1", 10.0)


def test_an_output_of_another_object_or_spacing_is_refused():
    with pytest.raises(SettingsError, match="use '\\*' and choose with --objects"):
        picks_output("vlp:me/2").key("ribosome")
    with pytest.raises(SettingsError, match="run TS_1: the output's spacing is 20, .* 10"):
        segmentation_output("a:b/1@20", name="predict").key("TS_1", 10.0)
