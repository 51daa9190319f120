import pytest

from copick_picker.errors import SettingsError
from copick_picker.settings.files import join_settings
from copick_picker.settings.segment import SegmentSettings


def write(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return path


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = write(tmp_path, "config: a.json\noverlap: 0.25\ntta: 8\nmodel-config: [x.yaml]\n")
    settings = join_settings(
        SegmentSettings, flags={"tta": 2, "config": None, "run_names": ()}, path=path
    )
    assert (settings.config, settings.overlap, settings.tta) == ("a.json", 0.25, 2)
    assert settings.model_config_file == ("x.yaml",)
    assert settings.output == "predict:picker/1"


@pytest.mark.parametrize("text", ["a,b", "[a,b]", "[a, b]"])
def test_lists_work_with_and_without_brackets(text):
    settings = join_settings(SegmentSettings, flags={"config": "c", "objects": text})
    assert settings.objects == ("a", "b")


def test_an_unknown_key_names_the_nearest(tmp_path):
    with pytest.raises(SettingsError, match="unknown setting 'overlp'; did you mean 'overlap'"):
        join_settings(SegmentSettings, flags={"config": "c"}, path=write(tmp_path, "overlp: 0.5\n"))


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"overlap": 0.95}, "--overlap: got 0.95"),
        ({"tta": 9}, "--tta: got 9"),
        ({"mode": "quick"}, "--mode: got 'quick'"),
        ({"shard": "3/2"}, "must be 1 to 2"),
        ({"shard": "0/2"}, "--shard"),
        ({"object_map": ("a=1", "a=2")}, "'a' is given twice"),
        ({"object_map": ("a",)}, "expected name=value"),
        ({"config": None}, "'--config' is missing"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_option(flags, text):
    with pytest.raises(SettingsError) as caught:
        join_settings(SegmentSettings, flags={"config": "c", **flags})
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [("a: [1, 2", "line"), ("- 1\n- 2\n", "holds a list"), ("tta: 99\n", "settings.yaml: --tta")],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, content, text):
    with pytest.raises(SettingsError, match=text) as caught:
        join_settings(SegmentSettings, flags={"config": "c"}, path=write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        join_settings(SegmentSettings, flags={}, path=tmp_path / "none.yaml")


def test_only_what_changes_a_result_is_recorded():
    settings = join_settings(SegmentSettings, flags={"config": "c", "threads": 3, "overlap": 0.25})
    recorded = settings.recorded()
    assert recorded["overlap"] == 0.25
    assert not {"config", "threads", "device", "overwrite", "run_names"} & set(recorded)
