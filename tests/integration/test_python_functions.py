"""The public functions on arrays do what the commands do."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import copick_picker
from copick_picker.core.labels import paint_spheres
from copick_picker.errors import CheckpointError, DataError, SettingsError, UnknownNameError
from copick_picker.records.points import LocalizeTarget, PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.evaluate import EvaluateParameters
from copick_picker.settings.localize import LocalizeParameters
from copick_picker.settings.segment import SegmentParameters

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture(scope="module")
def shells():
    """Return a noisy volume (z, y, x) at 40 A with one shell, and its centre (z, y, x)."""
    shape, centre = (48, 60, 72), np.array([22.0, 33.0, 41.0])
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    radius = np.linalg.norm(grid - centre, axis=-1) * 40.0
    noise = np.random.default_rng(5).normal(size=shape)
    return (noise - 3.0 * (np.abs(radius - 470.0) < 60.0)).astype(np.float32), centre


def test_the_three_steps_find_a_shell(shells):
    volume, centre = shells
    segmented = copick_picker.segment(
        volume, "hiv-vlp-40a", probabilities=True, tta=1, overlap=0.25
    )
    assert segmented.labels.shape == volume.shape
    assert segmented.probabilities.shape == (2, *volume.shape)
    target = LocalizeTarget("vlp", 1, 560.0, target_fraction=0.4, channel=1)
    found = copick_picker.localize(
        segmented.labels, [target], voxel_spacing=40.0, probabilities=segmented.probabilities
    )["vlp"]
    assert len(found.picks) == 1
    assert np.linalg.norm(found.picks.points_xyz[0] - centre[::-1] * 40.0) < 80.0
    assert 0.5 < found.picks.scores[0] <= 1


def test_localize_takes_labels_alone():
    points = np.array([[150.0, 200.0, 120.0], [400.0, 300.0, 250.0]])
    labels = paint_spheres((40, 50, 60), {3: points}, {3: 80.0}, voxel_spacing=10.0)
    target = LocalizeTarget("ball", 3, 100.0)
    found = copick_picker.localize(labels, [target], voxel_spacing=10.0, method="components")
    picks = found["ball"].picks
    nearest = np.linalg.norm(points[:, None] - picks.points_xyz[None], axis=2).min(axis=1)
    assert nearest.max() < 5.0
    assert found["ball"].score_kind == "fill"


def test_wrong_settings_and_models_are_named(shells):
    volume, _ = shells
    with pytest.raises(TypeError, match="overlp"):
        copick_picker.segment(volume, "hiv-vlp-40a", overlp=0.5)
    with pytest.raises(SettingsError, match="^overlap: got 2"):
        copick_picker.segment(volume, "hiv-vlp-40a", overlap=2)
    with pytest.raises(CheckpointError, match="hiv-vlp-40a"):
        copick_picker.segment(volume, "no-such-model")
    with pytest.raises(DataError):
        copick_picker.segment(volume[0], "hiv-vlp-40a")
    with pytest.raises(SettingsError, match="method"):
        copick_picker.localize(np.zeros((2, 3, 4), int), [], voxel_spacing=10.0, method="magic")


WHERE = {
    "segment": {
        *("volume", "model", "mask", "scores", "window_batch", "device", "threads"),
        *("model_config_file", "model_weights", "trust_checkpoint"),
    },
    "localize": {
        *("labels", "targets", "voxel_spacing", "probabilities", "scores"),
        *("radius", "threshold"),
    },
    "evaluate": {"reference", "candidate", "objects", "boxes_xyz"},
}
"""Arguments that are no scientific parameters: the arrays, and where they are computed."""


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("segment", SegmentParameters),
        ("localize", LocalizeParameters),
        ("evaluate", EvaluateParameters),
    ],
)
def test_a_function_takes_every_parameter_of_its_command_by_name(name, parameters):
    arguments = inspect.signature(getattr(copick_picker, name)).parameters
    assert set(arguments) == WHERE[name] | set(parameters.model_fields)
    for field, about in parameters.model_fields.items():
        argument = arguments[field]
        assert argument.kind is inspect.Parameter.KEYWORD_ONLY
        assert argument.default in (None, about.default)
        if isinstance(about.default, float):
            documented = re.search(
                rf"^    (\w+, )*{field}(, \w+)* : (.*\n)((        .*)?\n)+",
                getattr(copick_picker, name).__doc__,
                re.MULTILINE,
            )
            assert f"Default: {about.default:g}" in documented[0], field


def test_a_volume_of_the_other_contrast_is_flipped(shells):
    volume, _ = shells
    dark = copick_picker.segment(volume, "hiv-vlp-40a", tta=1, device="cpu", window_batch=2)
    bright = copick_picker.segment(-volume, "hiv-vlp-40a", tta=1, contrast="bright", device="cpu")
    assert dark.labels.any()
    assert (dark.labels == bright.labels).mean() > 0.999


def test_a_border_margin_needs_the_size_of_the_tomogram():
    points = np.array([[20.0, 300.0, 300.0], [300.0, 300.0, 300.0]])
    picks = {"run": {"ball": PickSet("ball", points, np.ones(2))}}
    balls = [ObjectSpec("ball", 1, 100.0)]
    asked = {"border_margin_xy_angstrom": 50.0}
    with pytest.raises(DataError):
        copick_picker.evaluate(picks, picks, balls, **asked)
    box = {"run": np.array([600.0, 600.0, 600.0])}
    scores = copick_picker.evaluate(picks, picks, balls, boxes_xyz=box, **asked)
    assert scores.objects[0].score.recall == 1.0


def test_the_example_of_the_docs_prints_what_it_says(capsys):
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(code, PAGE, "exec"), {})  # noqa: S102 (the page's own example)
    assert capsys.readouterr().out.strip() == code.rsplit("# ", 1)[-1].strip()


def test_a_segmented_volume_names_its_objects_and_is_localized_as_it_is(shells):
    volume, centre = shells
    segmented = copick_picker.segment(volume, "hiv-vlp-40a", tta=1)
    assert segmented.names == {1: "virus-like-particle"}
    found = copick_picker.localize(
        segmented, voxel_spacing=40.0, radius={"virus-like-particle": 560.0}
    )["virus-like-particle"]
    assert found.score_kind == "probability"
    assert np.linalg.norm(found.picks.points_xyz[0] - centre[::-1] * 40.0) < 80.0
    none = copick_picker.localize(
        segmented, voxel_spacing=40.0, threshold={"virus-like-particle": 1.0}
    )["virus-like-particle"]
    assert len(none.picks) == 0
    whole = copick_picker.segment(volume, "hiv-vlp-40a", tta=1, probabilities=True, scores=False)
    same = copick_picker.localize(whole, voxel_spacing=40.0)["virus-like-particle"]
    np.testing.assert_array_equal(same.picks.scores, found.picks.scores)


def test_names_in_place_of_records_are_told():
    labels = np.zeros((8, 9, 10), int)
    with pytest.raises(SettingsError, match=r"targets: got 'ribosome'; expected LocalizeTarget\("):
        copick_picker.localize(labels, ["ribosome"], voxel_spacing=10.0)
    with pytest.raises(SettingsError, match="no targets given"):
        copick_picker.localize(labels, voxel_spacing=10.0)
    with pytest.raises(SettingsError, match=r"objects: got 'ribosome'; expected ObjectSpec\("):
        copick_picker.evaluate({}, {}, ["ribosome"])
    target = LocalizeTarget("ball", 1, 100.0)
    with pytest.raises(UnknownNameError, match="radius: no object 'bal'; did you mean 'ball'"):
        copick_picker.localize(labels, [target], voxel_spacing=10.0, radius={"bal": 3.0})
