"""Curricula: stages and shares, and simulated tomograms as a source of patches."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from copick_picker.core.train.curriculum import Stage, sources_of_rows, stage_at, tomogram_set
from copick_picker.errors import SettingsError, UnknownNameError
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.curriculum import load_curriculum, path_beside
from copick_picker.workflows.train.simulated import Wanted, scene_source

OBJECTS = (ObjectSpec("small", 1, 50.0), ObjectSpec("large", 2, 90.0))


def amount(molecule, **given):
    return {"molecule": molecule, "radius_angstrom": 60.0, "allow_fewer": True} | given


SCENE = {
    "shape": [32, 160, 200],
    "voxel_spacing": 12.0,
    "objects": {
        "large": amount("blob:900", per_cubic_micrometre=[9000, 12000]),
        "small": amount("blob:300", per_cubic_micrometre=[12000, 18000]),
        "other": amount("blob:150", per_cubic_micrometre=1000),
    },
    "imaging": {"path": "quick"},
}


def stages_file(folder, stages):
    path = folder / "stages.yaml"
    path.write_text(yaml.safe_dump({"stages": stages}))
    return path


def source_of(folder, *, patch=(24, 32, 40), seed=3, **changes):
    (folder / "scene.yaml").write_text(yaml.safe_dump(SCENE | changes))
    wanted = Wanted(OBJECTS, 10.0, patch, "wbp", True, seed)
    return scene_source(folder / "scene.yaml", "scene scene.yaml", 1, wanted)


def test_stages_follow_each_other_and_shares_hold():
    stages = [Stage(0, (2, 0), (0.25, 0.75)), Stage(7, (1,), (1.0,))]
    drawn = Counter(
        source
        for number in range(500)
        for source in sources_of_rows(stage_at(stages, 3), 4, seed=1, number=number)
    )
    assert drawn[2] / 2000 == pytest.approx(0.25, abs=0.03)
    assert set(drawn) == {0, 2}
    assert sources_of_rows(stage_at(stages, 7), 3, seed=1, number=9) == [1, 1, 1]
    first = sources_of_rows(stages[0], 8, seed=1, number=5)
    assert first == sources_of_rows(stages[0], 8, seed=1, number=5)
    assert first != sources_of_rows(stages[0], 8, seed=2, number=5)


def test_processes_that_take_turns_share_no_tomograms():
    sets = {number: tomogram_set(number, lanes=4, batches=8) for number in range(256)}
    assert set(Counter(sets.values()).values()) == {8}
    for n_processes in (2, 4):
        met = [{sets[n] for n in range(k, 256, n_processes)} for k in range(n_processes)]
        assert sum(len(one) for one in met) == len(set().union(*met))


def test_simulated_tomograms_hold_what_they_say_and_are_made_again_alike(tmp_path):
    source = source_of(tmp_path)
    assert source.scene.shape == (32, 96, 96)  # no larger than patches need
    assert source.scene.voxel_spacing == 10.0
    first, second = source.runs(0, inverted=False)
    assert source.runs(4, inverted=False)[0] is first  # of the same lane
    values = first.source.read((0, 0, 0), first.source.shape_zyx)
    assert values.mean() == pytest.approx(0.0, abs=1e-3)
    assert values.std() == pytest.approx(1.0, abs=1e-3)
    labels = first.labels.read((0, 0, 0), first.labels.shape_zyx)
    assert first.radii_voxels == {1: 5.0, 2: 9.0}
    for channel, points in first.centres_zyx.items():
        inside = points[((points >= 2) & (points <= np.array(values.shape) - 3)).all(axis=1)]
        assert len(inside) > 0
        held = [labels[tuple(np.rint(point).astype(int))] for point in inside]
        assert np.mean(np.array(held) == channel) > 0.8
        assert values[labels == channel].mean() < values[labels == 0].mean()  # protein is dark
    again = source_of(tmp_path).runs(0, inverted=False)[1]
    assert np.array_equal(
        again.source.read((1, 2, 3), (9, 8, 7)), second.source.read((1, 2, 3), (9, 8, 7))
    )
    turned = source_of(tmp_path).runs(0, inverted=True)[0]
    assert np.allclose(turned.source.read((0, 0, 0), (32, 96, 96)), -values, atol=1e-5)
    others = [
        source_of(tmp_path, seed=4).runs(0, inverted=False)[0],
        source_of(tmp_path).runs(1, inverted=False)[0],
        source_of(tmp_path).runs(32, inverted=False)[0],
    ]
    for other in others:
        assert not np.array_equal(other.source.read((0, 0, 0), (32, 96, 96)), values)


def test_a_scene_that_counts_keeps_its_size(tmp_path):
    objects = SCENE["objects"] | {"large": amount("blob:900", count=[1, 2])}
    assert source_of(tmp_path, objects=objects).scene.shape == (32, 160, 200)
    with pytest.raises(SettingsError, match=r"the patch \(40, 32, 40\) .* its shape \(32, 160"):
        source_of(tmp_path, objects=objects, patch=(40, 32, 40))
    assert source_of(tmp_path, patch=(40, 32, 120)).scene.shape == (40, 96, 200)


def test_a_scene_without_an_object_is_refused(tmp_path):
    objects = {"large": SCENE["objects"]["large"]}
    with pytest.raises(UnknownNameError, match="scene scene.yaml has no small; its objects: large"):
        source_of(tmp_path, objects=objects)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{"sources": [{"preset": "tiny", "shre": 1}]}], "unknown key 'shre'; did you mean"),
        ([{"step": 4, "sources": []}], "stages.0: unknown key 'step'"),
        ([{"sources": [{"preset": "tiny", "share": 0.9}]}], "sum to 0.9; expected 1"),
        ([{"sources": [{"preset": "tiny", "share": 2}]}], "stages.0.sources.0.share: got 2"),
        ([{"sources": [{"share": 1}]}], "give one of project, scene, preset; got none"),
        (
            [{"sources": [{"preset": "tiny", "scene": "a.yaml", "share": 1}]}],
            "got scene and preset",
        ),
        ([{"sources": []}], "stages.0.sources"),
        ([], "stages: "),
        (
            [{"sources": [{"preset": "tiny", "share": 1}]}] * 2,
            "stage 1 has no steps; only the last stage may omit them",
        ),
        ([{"steps": 0, "sources": [{"preset": "tiny", "share": 1}]}], "stages.0.steps: got 0"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, stages, message):
    with pytest.raises(SettingsError) as error:
        load_curriculum(stages_file(tmp_path, stages))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(SettingsError, match="cannot read"):
        load_curriculum(tmp_path / "none.yaml")


def test_paths_are_found_beside_the_file_or_from_here(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "scene.yaml").touch()
    monkeypatch.chdir(tmp_path)
    file = Path("inner") / "stages.yaml"
    assert path_beside(Path("scene.yaml"), file) == Path("inner/scene.yaml")
    assert path_beside(Path("config.json"), file) == Path("config.json")
