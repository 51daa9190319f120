"""A wrong option is told in a user's words, and what is not there with what is near it."""

import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.jobs.inputs import nearest_uri

FOUND = ["truth:simulation/1@10.0?multilabel=true", "truth:simulation/2@13.5?multilabel=true"]
WORDS = {
    "--tta 9": "--tta: got 9; expected at most 8",
    "--mode exacr": "--mode: got 'exacr'; expected 'exact', 'balanced' or 'fast'; did you mean",
    "--shard 3": "--shard: got '3'; expected i/n, such as 1/4",
    "--preflight-runs x": "'x' is not a valid",
    "--min-scroe 1": "No such option '--min-scroe'.",
    "--overlp 1": "No such option '--overlp'. Did you mean '--overlap'",
}


@pytest.mark.parametrize(("words", "said"), WORDS.items(), ids=WORDS)
def test_a_wrong_value_is_told_without_the_parsers_words(words, said):
    line = ["segment", "-c", "none.json", "-m", "simulated-10a", *words.split()]
    result = CliRunner().invoke(console, line)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert "Input should" not in result.output


def test_a_wrong_number_of_values_shows_what_was_given():
    line = ["simulate", "--preset", "tiny", "-o", "nowhere", "--shape"]
    for given, said in (("3", "got '3'; expected more values"), ("1,2,3,4", "expected 3 values")):
        result = CliRunner().invoke(console, [*line, given])
        assert said in result.output
        assert "missing" not in result.output
    result = CliRunner().invoke(console, [*line[:-1], "--runs", "-1"])
    assert "--runs: got -1; expected at least 1" in result.output


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("truth:simulation/3@10.0", "truth:simulation/1@10.0"),
        ("truth:simulation/1@12", "truth:simulation/1@10.0"),
        ("truth:simulation/2@12", "truth:simulation/2@13.5"),
        ("truht:simulatio/1", "truth:simulation/1"),
        ("*:simulation/7", "*:simulation/1"),
        ("truth:nobody/1", ""),
        ("membrane:simulation/1", ""),
        ("", ""),
    ],
)
def test_a_uri_is_suggested_part_by_part(uri, meant):
    assert nearest_uri(uri, FOUND) == meant


def test_tomograms_are_suggested_with_their_spacing():
    assert nearest_uri("wbp@20", ["denoised@10.0", "wbp@10.0"]) == "wbp@10.0"
    assert nearest_uri("denosied@10", ["denoised@10.0", "wbp@10.0"]) == "denoised@10.0"
    assert nearest_uri("ctf@10", ["denoised@10.0", "wbp@10.0"]) == ""


def test_options_of_octopi_that_mean_something_else_say_so():
    for line, said in (
        ("segment --tomo-batch-size 2 -m simulated-10a", "means windows here (--window-batch)"),
        ("localize --filter-size 10", "--filter-size has no effect here: markers follow"),
    ):
        result = CliRunner().invoke(console, [*line.split(), "-c", "none.json"])
        assert said in result.output
