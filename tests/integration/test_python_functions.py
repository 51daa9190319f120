"""The public functions on arrays do what the commands do."""

import re
from pathlib import Path

import numpy as np
import pytest

import copick_picker
from copick_picker.core.labels import paint_spheres
from copick_picker.errors import CheckpointError, DataError, SettingsError
from copick_picker.records.points import LocalizeTarget

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
    with pytest.raises(SettingsError, match="overlp"):
        copick_picker.segment(volume, "hiv-vlp-40a", overlp=0.5)
    with pytest.raises(CheckpointError, match="hiv-vlp-40a"):
        copick_picker.segment(volume, "no-such-model")
    with pytest.raises(DataError):
        copick_picker.segment(volume[0], "hiv-vlp-40a")
    with pytest.raises(SettingsError, match="method"):
        copick_picker.localize(np.zeros((2, 3, 4), int), [], voxel_spacing=10.0, method="magic")


def test_the_example_of_the_docs_prints_what_it_says(capsys):
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(code, PAGE, "exec"), {})  # noqa: S102 (the page's own example)
    assert capsys.readouterr().out.strip() == code.rsplit("# ", 1)[-1].strip()
