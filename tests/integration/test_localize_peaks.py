"""Peaks of stored probabilities are those of the same probabilities in memory."""

import copick
import numpy as np
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.core.labels import paint_spheres
from copick_picker.core.localize import localize
from copick_picker.records.points import LocalizeTarget
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.localize import LocalizeParameters
from projects import add_segmented, noise, project_of

SHAPE = (75, 56, 48)  # more planes than two chunks of stored probabilities
OBJECT = ObjectSpec("ribosome", 4, 100.0)
CENTRES = np.array([[130.0, 150.0, 140.0], [330.0, 390.0, 315.0], [200.0, 250.0, 655.0]])


def probabilities():
    ball = paint_spheres(SHAPE, {1: CENTRES}, {1: 80.0}, voxel_spacing=10.0).astype(np.float32)
    speckle = np.random.default_rng(4).random(SHAPE, dtype=np.float32)
    found = 0.2 * speckle + 0.7 * ball
    return np.stack([1.0 - found, found]).astype(np.float16)


def test_stored_probabilities_give_the_picks_of_those_in_memory(tmp_path):
    config = project_of(tmp_path / "p", {"TS_1": noise((8, 9, 10), seed=1)}, {}, objects=(OBJECT,))
    volume = probabilities()
    add_segmented(config, "TS_1", OBJECT, volume)
    result = CliRunner().invoke(
        console,
        ["localize", "-c", str(config), "-i", "predict:picker/1@10.0", "--method", "peaks"],
    )
    assert result.exit_code == 0, result.output
    target = LocalizeTarget("ribosome", 4, 100.0, target_fraction=0.8, channel=1)
    rules = LocalizeParameters(method="peaks").rules()
    expected = localize(None, volume, [target], voxel_spacing=10.0, rules=rules)["ribosome"].picks
    assert len(expected) == 3
    picks = copick.from_file(str(config)).get_run("TS_1").get_picks("ribosome", user_id="picker")
    points = np.array([[p.location.x, p.location.y, p.location.z] for p in picks[0].points])
    np.testing.assert_array_equal(points, expected.points_xyz)
    assert [point.score for point in picks[0].points] == expected.scores.tolist()
