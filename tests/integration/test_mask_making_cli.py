"""``mask`` through the real command line, on real copick projects on disk."""

import copick
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

from copick_picker.cli.main import console
from copick_picker.cli.mask import mask as group
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.mask import (
    ExcludeEdgesSettings,
    FromLabelsSettings,
    GoldSettings,
    LamellaSettings,
)
from projects import noise, project_of, tree

SHAPE = (48, 64, 80)
OBJECTS = (ObjectSpec("ribosome", 2, 100.0), ObjectSpec("membrane", 5, is_particle=False))
SETTINGS = {
    "lamella": LamellaSettings,
    "from-labels": FromLabelsSettings,
    "exclude-edges": ExcludeEdgesSettings,
    "gold": GoldSettings,
}
BEADS_ZYX = ((12, 20, 30), (30, 50, 15))


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def specimen():
    """Return where the slab of the test is: off centre, tilted along x."""
    z, _, x = np.indices(SHAPE)
    return np.abs(z - (20 + 0.1 * (x - 40))) <= 9


def tomogram():
    """Return a slab of texture in noise, with two dark beads."""
    texture = ndimage.gaussian_filter(noise(SHAPE, seed=5), 2.5)
    volume = noise(SHAPE, seed=6) + specimen() * texture / texture.std()
    for z, y, x in BEADS_ZYX:
        volume[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] -= 40
    return volume.astype(np.float32)


@pytest.fixture
def config(tmp_path):
    tomograms = {"TS_1": tomogram(), "TS_2": noise(SHAPE, seed=7)}
    config = project_of(
        tmp_path / "p", tomograms, {}, objects=OBJECTS, tomogram=TomogramKey("wbp", 10.0)
    )
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[10:20, 10:20, 10:30] = 2
    labels[30:33, 5:8, 60:62] = 2
    labels[40:44, 30:60, 40:70] = 5
    root = copick.from_file(str(config))
    item = root.get_run("TS_1").new_segmentation(10.0, "organelles", "1", True, user_id="me")
    item.from_numpy(labels)
    return config


def mask_of(config, name, run_name="TS_1"):
    found = (
        copick.from_file(str(config))
        .get_run(run_name)
        .get_segmentations(name=name, user_id="picker", session_id="1")
    )
    assert len(found) == 1
    values = found[0].numpy()
    assert values.dtype == np.uint8
    assert set(np.unique(values)) <= {0, 1}
    return values.astype(bool)


def test_a_lamella_is_found_between_its_surfaces_and_noise_alone_is_refused(config):
    scales = ("--texture", "100", "--smoothing", "100", "--detail", "20")
    output = run("mask", "lamella", "-c", config, *scales, code=1)
    assert "TS_2 failed: no lamella found: texture inside is" in output
    found, truth = mask_of(config, "lamella"), specimen()
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9
    columns = found.reshape(SHAPE[0], -1)
    assert (np.abs(np.diff(columns.astype(int), axis=0)).sum(axis=0) <= 2).all()
    before = tree(config.parent)
    assert "complete" in run("mask", "lamella", "-c", config, *scales, "-r", "TS_1")
    assert tree(config.parent) == before
    output = run("mask", "lamella", "-c", config, "-r", "TS_1", code=1)
    assert "settings.detail: stored 20.0, requested 40.0" in output


def test_labels_become_masks_by_value_and_by_name(config):
    labels = ("mask", "from-labels", "-c", config, "-i", "organelles:me/1")
    run(*labels, "-o", "all:picker/1")
    assert mask_of(config, "all").sum() == 2000 + 18 + 3600
    run(*labels, "--labels", "2", "--largest", "-o", "two:picker/1")
    assert mask_of(config, "two").sum() == 2000
    run(*labels, "--labels", "2", "--largest", "--grow", "10", "--invert", "-o", "not:picker/1")
    inverted = mask_of(config, "not")
    assert not inverted[9, 15, 20]
    assert inverted[8, 15, 20]
    output = run(*labels, "--labels", "nucleus", code=1)
    assert "--labels: no 'nucleus' in the segmentation; it names: none" in output
    assert "the mask would be empty" in run(*labels, "--labels", "9", code=1)


def test_hulls_fill_what_lies_between(config):
    labels = ("mask", "from-labels", "-c", config, "-i", "organelles:me/1", "--labels", "2")
    run(*labels, "--hull", "planes", "-o", "planes:picker/1")
    assert mask_of(config, "planes").sum() == 2000 + 18
    run(*labels, "--hull", "volume", "-o", "volume:picker/1")
    whole = mask_of(config, "volume")
    assert whole[25, 11, 40]
    assert whole.sum() > 2018
    output = run(*labels, "--hull", "sphere", code=2)
    assert "--hull: got 'sphere'" in output


def test_edges_are_left_out_and_masks_are_combined(config):
    edges = ("mask", "exclude-edges", "-c", config, "-i", "wbp@10.0")
    run(*edges, "--margin-xy", "100", "--margin-z", "50")
    found = mask_of(config, "inner", "TS_2")
    assert found[5:43, 10:54, 10:70].all()
    assert found.sum() == 38 * 44 * 60
    run("mask", "from-labels", "-c", config, "-i", "organelles:me/1", "-o", "cell:picker/1")
    within = ("--within", "cell:picker/1", "-r", "TS_1", "-o", "both:picker/1")
    run(*edges, "--margin-xy", "100", *within)
    both = mask_of(config, "both")
    assert np.array_equal(both, mask_of(config, "cell") & mask_of(config, "both"))
    assert 0 < both.sum() < mask_of(config, "cell").sum()


def test_gold_is_left_out_with_what_is_near(config):
    output = run(
        "mask", "gold", "-c", config, "--radius", "25", "--grow", "40", "--least-score", "20"
    )
    assert "2 beads or clumps left out" in output
    assert "0 beads or clumps left out" in output
    found = mask_of(config, "no-gold")
    for z, y, x in BEADS_ZYX:
        assert not found[z - 4 : z + 5, y, x].any()
    assert found[40, 10, 60]
    assert found.mean() > 0.97
    assert mask_of(config, "no-gold", "TS_2").all()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["lamella", "-i", "sirt@10.0"], 2, "none of the 2 runs has a tomogram 'sirt@10.0'"),
        (["lamella", "--texture", "50"], 2, "at least twice detail"),
        (["lamella", "--detail", "700", "--texture", "2000"], 1, "too small for blocks of 70"),
        (["exclude-edges"], 2, "give margin_xy, margin_z or both"),
        (["exclude-edges", "--margin-xy", "900"], 1, "the mask would be empty"),
        (["exclude-edges", "--margin-z", "9", "--within", "no:me/1"], 1, "no segmentation 'no:me"),
        (["gold", "--contrast", "grey"], 2, "--contrast: got 'grey'"),
        (["gold", "-o", "no_gold:picker/1"], 2, "name is 'no_gold'"),
        (["from-labels", "-i", "cells:me/1"], 2, "organelles:me/1@10.0"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_writes_nothing(config, arguments, code, text):
    before = tree(config.parent)
    name, *rest = arguments
    output = run("mask", name, "-c", config, *rest, code=code)
    assert text in output
    assert "Traceback (most" not in output
    assert tree(config.parent) == before


@pytest.mark.parametrize("name", SETTINGS)
def test_options_of_the_commands_are_the_settings(name):
    fields, command = SETTINGS[name].model_fields, group.commands[name]
    options = {option.name: option for option in command.params if not option.hidden}
    assert set(fields) - {"json_file"} <= set(options)
    for option in options.values():
        shown = getattr(option, "show_default", None)
        if isinstance(shown, str):
            assert shown == f"{fields[option.name].default}"
