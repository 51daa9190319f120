"""What users mistype and machines break ends in one line of our own, never in a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.errors import CopickPickerError, DataError
from copick_picker.project.folders.score_folder import read_scores
from patience import HANG_SECONDS
from projects import small_project

SHAPE = (8, 10, 12)
PROGRAM = (sys.executable, "-m", "copick_picker")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return small_project(tmp_path, ("TS_1",), shape_zyx=SHAPE)


def run(*words: object) -> Result:
    result = CliRunner().invoke(console, [str(word) for word in words])
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    return result


def refused(*words: object) -> str:
    """Return the one line of an error."""
    result = run(*words)
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    return line


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("re:(", "'(' is not a regular expression"),
        ("re:.*@x", "spacing is 'x'"),
        ("re:[a@10", "'[a' is not a regular expression"),
        ("re:*@10", ""),
        ("wbp@ten", "spacing is 'ten'"),
        ("wbp@nan", "spacing is 'nan'"),
        ("wbp@-10", "spacing is '-10'"),
        ("wbp@10?foo=1", "unknown query '?foo=1'"),
        ("wbp?", "unknown query"),
        ("wbp@10\n", "has a line break"),
    ],
)
def test_tomogram_uris(config: Path, uri: str, text: str) -> None:
    words = ("mask", "gold", "-c", config, "-i", uri, "--dry-run")
    if text:
        assert text in refused(*words)
    else:
        assert run(*words).exit_code == 0


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("re:(:a/1", "'(' is not a regular expression"),
        ("predict:a/1?foo=1", "unknown query '?foo=1'"),
        ("predict:a/1@10?multilabel=maybe", "unknown query"),
        ("predict:a/1@10?instance=true", "instance segmentations are not supported"),
    ],
)
def test_segmentation_uris(config: Path, uri: str, text: str) -> None:
    assert text in refused("localize", "-c", config, "-i", uri)


@pytest.mark.parametrize("uri", ["..:me/1", "mask:../1", "mask:me/..", "mask:me/.", "m:me/1\n"])
def test_outputs(config: Path, uri: str) -> None:
    words = ("mask", "gold", "-c", config, "-i", "wbp@10.0", "-o", uri)
    line = refused(*words)
    assert "not only dots" in line or "line break" in line
    assert refused(*words, "--dry-run") == line


def bomb() -> str:
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x]"
    more = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join([first, *more, "run_names: *a11", ""])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("border_margin_angstrom: 2020-13-45", "month must be in 1..12"),
        (f"top: {'9' * 5000}", "more than 4300 digits"),
        (f"run_names: {'[' * 20_000}", "nested more than 64 levels deep"),
        (f"run_names: {'{a: ' * 20_000}", "nested more than 64 levels deep"),
        (bomb(), "aliases stand for more than 100,000 values"),
        ("run_names: &a [*a]", "refers to itself"),
    ],
    ids=["date", "digits", "lists", "mappings", "aliases", "self"],
)
def test_settings_files(config: Path, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    line = refused("filter", "-c", config, "-i", "ribosome:a/1", "--settings", path)
    assert words in line
    assert len(line) < 400


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"overlay_fs_args": [1]}, "overlay_fs_args is a list or a value; expected a JSON object"),
        ({"static_fs_args": "x"}, "static_fs_args is a list or a value"),
        ({"overlay_root": 3}, "overlay_root: Input should be a valid string (got 3)"),
        ({"pickable_objects": {"a": 1}}, "pickable_objects: Input should be a valid list"),
        ({"config_type": "other"}, "Unknown config_type: other"),
    ],
)
def test_configurations(config: Path, change: dict[str, Any], words: str) -> None:
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    assert words in refused("filter", "-c", config, "-i", "ribosome:a/1")
    result = run("browse", "project", "-c", config)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"score_threshold": float("nan")}}, "score_threshold is nan"),
        ({"metadata": {"score_threshold": "high"}}, "score_threshold is high"),
        ({"metadata": {"score_weight": float("nan")}}, "score_weight is nan"),
        ({"metadata": {"score_weight": -1}}, "score_weight is -1; expected a number from 0"),
        ({"metadata": {"weight": float("inf")}}, "score_weight is inf"),
        ({"radius": float("nan")}, "radius is nan"),
        ({"radius": float("inf")}, "radius is inf"),
        ({"name": "membrane"}, "more than one object named membrane"),
    ],
)
def test_numbers_of_objects(config: Path, change: dict[str, Any], words: str) -> None:
    content = json.loads(config.read_text())
    content["pickable_objects"][0].update(change)
    config.write_text(json.dumps(content))
    for command in (
        ("filter", "-i", "ribosome:a/1", "--top", "ribosome=1"),
        ("evaluate", "--reference", "ribosome:a/1", "--candidate", "ribosome:b/1"),
        ("localize", "-i", "predict:a/1"),
    ):
        assert words in refused(*command, "-c", config)


@pytest.mark.parametrize("text", ["[" * 50_000, '{"overlay_root": 1' + "0" * 5000 + "}", "\xff"])
def test_configurations_that_are_no_json(config: Path, text: str) -> None:
    config.write_bytes(text.encode("latin-1"))
    for command in (("filter", "-i", "ribosome:a/1"), ("browse", "project"), ("info",)):
        result = run(*command, "-c", config)
        assert result.exit_code == 2
        assert "cannot read the configuration" in result.output


def program(*words: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *map(str, words)], check=False, timeout=HANG_SECONDS, **more)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_standard_output_is_one_line(config: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = program("browse", "project", "-c", config, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
    assert result.stderr == b"Error: cannot write to standard output: No space left on device\n"


@pytest.mark.skipif(os.name != "posix", reason="shells of POSIX systems close streams")
def test_a_closed_standard_output_takes_no_file(config: Path) -> None:
    script = f'exec "$@" >&- 2>"{config.parent}/said"'
    words = [*PROGRAM, "browse", "project", "-c", str(config), "--json", f"{config.parent}/o.json"]
    result = subprocess.run(["sh", "-c", script, "sh", *words], check=False, timeout=HANG_SECONDS)
    assert result.returncode == 0
    assert (config.parent / "said").read_text() == ""
    assert json.loads((config.parent / "o.json").read_text())["counts"] == {"listed": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have UTF-8 in every locale")
def test_a_path_of_other_letters_in_the_c_locale(config: Path) -> None:
    folder = config.parent / "Züge"
    folder.mkdir()
    (folder / "config.json").write_text(config.read_text())
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    found = program("browse", "project", "-c", folder / "config.json", env=plain, capture_output=1)
    missing = program("browse", "project", "-c", folder / "ü.json", env=plain, capture_output=1)
    assert found.returncode == 0
    assert found.stderr == b""
    assert missing.returncode == 2
    assert "Züge/ü.json: No such file" in missing.stderr.decode()
    assert b"Traceback" not in missing.stderr


@pytest.mark.skipif(os.name != "posix", reason="other systems keep a folder that is in use")
def test_a_deleted_working_folder_is_one_line(config: Path) -> None:
    (config.parent / "gone").mkdir()
    script = f'cd "{config.parent}/gone" && rmdir "{config.parent}/gone" && exec "$@"'
    words = [*PROGRAM, "filter", "-c", str(config), "-i", "ribosome:a/1"]
    result = subprocess.run(
        ["sh", "-c", script, "sh", *words], check=False, timeout=HANG_SECONDS, capture_output=True
    )
    assert result.returncode == 2
    assert b"Error: the working folder was deleted: change to another one\n" in result.stderr


COUNTS = {
    "n_reference": 2,
    "n_candidate": 2,
    "true_positives": 1,
    "false_positives": 1,
    "false_negatives": 1,
    "duplicates": 0,
}
RATES = dict.fromkeys(("precision", "recall", "f1", "f_beta", "jaccard"), 0.5)
ERROR = {
    "n_pairs": 1,
    "mean_angstrom": 3.0,
    "median_angstrom": 3.0,
    "p95_angstrom": 3.0,
    "mean_offset_xyz_angstrom": [1.0, 2.0, 2.0],
}
TOTAL = {"objects": ["ribosome"], **RATES, "intervals": None, "average_precision": None}
SCORES: dict[str, Any] = {
    "matcher": "octopi",
    "beta": 4.0,
    "tolerance": "0.5r",
    "n_runs": 1,
    "totals": {
        "micro": {**TOTAL, "counts": COUNTS, "localization": ERROR},
        "macro": TOTAL,
        "macro_of_objects_with_reference": TOTAL,
    },
    "objects": [
        {
            "object": "ribosome",
            "tolerance_angstrom": 60.0,
            "radius_angstrom": 120.0,
            "weight": 1.0,
            "n_runs": 1,
            "counts": COUNTS,
            **RATES,
            "intervals": {"f1": [0.2, 0.7]},
            "localization": ERROR,
            "recall_at_distance": [{"fraction": 1.0, "tolerance_angstrom": 60.0, "recall": 0.5}],
            "average_precision": 0.5,
            "suggested_threshold": None,
            "curve": None,
            "curve_note": None,
        }
    ],
    "runs": [{"run": "TS_1", "object": "ribosome", "counts": COUNTS, **RATES}],
    "confusion": [{"reference": None, "candidate": "ribosome", "picks": 1}],
    "input": {"project": "config.json", "reference": "ribosome:a/1", "candidate": "b"},
    "settings": {},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in inner:
        yield (*path, name)
        if isinstance(part, dict | list):
            yield from places(part, (*path, name))


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return the scores with one value changed, or gone."""
    whole = json.loads(json.dumps(SCORES))  # no two parts are one object
    inner: Any = whole
    for name in path[:-1]:
        inner = inner[name]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return whole


def test_a_whole_file_of_scores_is_read(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(SCORES))
    assert read_scores(tmp_path) == SCORES


@pytest.mark.parametrize("value", [None, {"a": [1]}, [[]], True], ids=["gone", "map", "list", "1"])
def test_every_key_of_the_scores_is_checked(tmp_path: Path, value: Any) -> None:
    for path in places(SCORES):
        if value is None and (isinstance(path[-1], int) or "intervals" in path[:-1]):
            continue  # a shorter list is a list
        if isinstance(value, dict) and path == ("settings",):
            continue
        (tmp_path / "scores.json").write_text(json.dumps(changed(path, value)))
        with pytest.raises(DataError) as caught:
            read_scores(tmp_path)
        message = str(caught.value)
        assert "scores.json is not an output of evaluate" in message
        assert str(path[0]) in message
        assert "\n" not in message
        assert isinstance(caught.value, CopickPickerError)


@pytest.mark.parametrize("path", [("runs", 0, "counts"), ("objects",), ("input", "reference")])
def test_report_and_comparison_say_it_too(tmp_path: Path, path: tuple[Any, ...]) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps(changed(path, [3])))
    (folder / "matches.csv").write_text("run\n")
    assert "is not an output of evaluate" in refused("report", folder)
    assert "is not an output of evaluate" in refused("benchmark", "compare", folder, folder)
