"""Another head is one file and one line: it trains, segments with augmentations, yields picks."""

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.core.augmentations import AUGMENTATION_SETS
from copick_picker.core.heads.head import HEADS
from copick_picker.core.segment.engine import segment_volume
from copick_picker.core.segment.plan import EngineOptions, Member
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey
from copick_picker.records.runs import ObjectSpec
from projects import project_of
from toy_head import OffsetReadout

SHAPE_ZYX = (16, 24, 32)
RADIUS = 40.0


@pytest.fixture(autouse=True)
def offsets(monkeypatch):
    monkeypatch.setitem(HEADS, "offsets", "toy_head:OFFSETS")


def scene(seed):
    """Return dark balls in noise, and their centres (x, y, z) in Angstrom."""
    rng = np.random.default_rng(seed)
    volume = 0.3 * rng.normal(size=SHAPE_ZYX)
    grid = np.moveaxis(np.indices(SHAPE_ZYX), 0, -1)
    centres = []
    while len(centres) < 4:
        centre = rng.uniform(4.0, np.array(SHAPE_ZYX) - 5.0)
        if all(np.linalg.norm(centre - other) > 9 for other in centres):
            centres.append(centre)
            volume[np.linalg.norm(grid - centre, axis=-1) < 0.8 * RADIUS / 10] -= 3.0
    return volume.astype(np.float32), 10 * np.array(centres)[:, ::-1]


def run(*arguments):
    result = CliRunner().invoke(console, [str(part) for part in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_head_of_offsets_trains_segments_with_augmentations_and_yields_picks(
    tmp_path, monkeypatch
):
    scenes = {f"TS_{seed}": scene(seed) for seed in range(3)}
    project_of(
        tmp_path,
        {name: volume for name, (volume, _) in scenes.items()},
        {(n, PicksKey("ribosome", "curator", "1")): points for n, (_, points) in scenes.items()},
        objects=(ObjectSpec("ribosome", 1, RADIUS),),
    )
    monkeypatch.chdir(tmp_path)
    run(
        *("train", "-c", "config.json", "-p", "*:curator/1", "-o", "model", "--head", "offsets"),
        *("--validation-runs", "TS_2", "--steps", 60, "--validate-every", 60, "--patch", 16),
        *("--parameter", "channels=[8,16]", "--parameter", "dropout=0", "--threads", 2),
        *("--learning-rate", 0.01),
    )
    assert "weights: ok" in run("model", "check", "model")
    card = yaml.safe_load((tmp_path / "model" / "model.yaml").read_text())
    assert card["head"] == "offsets"
    assert card["n_channels"] == 4
    detect = ("detect", "-c", "config.json", "-m", "model", "-r", "TS_2", "--tta", 8)
    assert "ribosome 4" in run(*detect)
    store = open_project("config.json")
    picks = store.read_picks("TS_2", PicksKey("ribosome", "picker", "1"))
    errors = np.linalg.norm(picks.points_xyz[:, None] - scenes["TS_2"][1], axis=-1).min(axis=1)
    assert len(picks) == 4
    assert errors.max() < 20.0
    # what is there is kept, what is lost is found again, the same
    assert "1 skipped" in run(*detect)
    (stored,) = tmp_path.rglob("picker_1_ribosome.json")
    stored.unlink()
    assert "ribosome 4" in run(*detect)
    found = store.read_picks("TS_2", PicksKey("ribosome", "picker", "1"))
    np.testing.assert_array_equal(found.points_xyz, picks.points_xyz)
    # a segmentation is another thing
    result = CliRunner().invoke(console, ["segment", "-c", "config.json", "-m", "model"])
    assert result.exit_code == 2
    assert "head 'offsets', which finds points, not regions: use copick-picker detect" in (
        result.output
    )


class Gradient(torch.nn.Module):
    """Near everywhere; the offset is the gradient of the volume, which turns as vectors do."""

    def forward(self, windows):
        volume = windows[:, 0]
        steps = [torch.gradient(volume, dim=axis)[0] for axis in (1, 2, 3)]
        return torch.stack([torch.full_like(volume, 20.0), *steps], dim=1)


@pytest.mark.parametrize("name", ["octopi", "quarter-turns"])
def test_vectors_turn_with_every_augmentation(name):
    volume = np.random.default_rng(3).normal(size=(8, 10, 12)).astype(np.float32)
    member = Member(Gradient(), (16, 16, 16), 4, "reflect", head="offsets")

    def maps(augmentations):
        from copick_picker.core.segment.engine import segment_slabs

        options = EngineOptions(
            augmentations=augmentations,
            overlap=0.0,
            blending="constant",
            layout="tiled",
            precision="float32",
            device="cpu",
            window_batch=1,
            inverted=False,
        )
        slabs = segment_slabs(volume, [member], options, probabilities=False)
        return np.concatenate([slab.maps for slab in slabs], axis=1).astype(float)

    plain = maps(AUGMENTATION_SETS["octopi"][:1])
    assert np.abs(plain[1:]).max() > 1.0
    for augmentation in AUGMENTATION_SETS[name]:
        np.testing.assert_allclose(maps((augmentation,)), plain, atol=2e-3)
    np.testing.assert_allclose(maps(AUGMENTATION_SETS[name]), plain, atol=2e-3)


def test_heads_of_one_ensemble_are_alike():
    from copick_picker.errors import SettingsError

    members = [
        Member(Gradient(), (16, 16, 16), 4, "reflect", head=name) for name in ("offsets", "softmax")
    ]
    options = EngineOptions(
        augmentations=AUGMENTATION_SETS["octopi"][:1],
        overlap=0.0,
        blending="constant",
        layout="tiled",
        precision="float32",
        device="cpu",
        window_batch=1,
        inverted=False,
    )
    volume = np.random.default_rng(3).normal(size=(8, 10, 12))
    with pytest.raises(SettingsError, match="heads offsets, softmax"):
        segment_volume(volume, members, options, probabilities=False)


def test_points_of_a_head_are_read_in_voxels():
    maps = np.zeros((4, 6, 8, 10), np.float16)
    maps[0, 2, 3, 4:6] = 1.0
    maps[3, 2, 3, 4], maps[3, 2, 3, 5] = 0.75, -0.25
    (found,) = OffsetReadout(4, {}).points(maps, slice(0, 6))
    assert found.centres.tolist() == [[2.0, 3.0, 4.75]]
    assert found.scores.tolist() == [1.0]
