"""Real tomograms go through the whole path, with the models that ship with the package."""

import csv
from pathlib import Path

import copick
import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.simulate import OBJECT_RADII_ANGSTROM
from projects import project_of

CROPS = Path(__file__).parents[1] / "fixtures" / "crops"
MOLECULES = tuple(
    ObjectSpec(name, label, radius)
    for label, (name, radius) in enumerate(OBJECT_RADII_ANGSTROM.items(), 1)
)
VLP = (ObjectSpec("virus-like-particle", 1, 560.0),)
FEW = 8
"""More candidates than this in a small crop without any such object are not few."""


def crop(name):
    """Return a crop (z, y, x), packed or not."""
    (path,) = CROPS.glob(f"{name}.mrc*")
    return read_mrc(path)[0]


def run(*arguments):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def check_whole_path(folder, names, *, spacing, contrast, model, objects):
    """Segment, localize and evaluate crops of which it is known that no object is in them."""
    tomograms = {name.replace("_", "-"): crop(name) for name in names}
    empty = {
        (run_name, PicksKey(spec.name, "curator", "1")): np.zeros((0, 3))
        for run_name in tomograms
        for spec in objects
    }
    key = TomogramKey("wbp", spacing)
    config = project_of(folder / "project", tomograms, empty, objects=objects, tomogram=key)
    model_options = ["-m", model, "--tta", "1", "--overlap", "0.25"]
    how = ["--rescale", "--contrast", contrast, "--probabilities"]
    output = run("segment", "-c", config, *model_options, *how)
    assert "resampled" in output
    run("localize", "-c", config)
    scores = folder / "scores"
    run("evaluate", "-c", config, "--reference", "*:curator/1", "-o", scores)
    with (scores / "matches.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert all(row["kind"] == "candidate" and row["matched"] == "0" for row in rows)
    root = copick.from_file(str(config))
    for run_name, volume in tomograms.items():
        item = root.get_run(run_name)
        labels = item.get_segmentations(name="predict")[0].numpy()
        assert labels.shape == volume.shape
        stored = item.get_picks(user_id="picker")
        assert {picks.pickable_object_name for picks in stored} == {s.name for s in objects}
        points = [picks.full_positions() for picks in stored if len(picks.points)]
        assert sum(len(centres) for centres in points) <= FEW, run_name
        box = (np.array(volume.shape[::-1]) - 1) * spacing
        assert all((centres >= 0).all() and (centres <= box).all() for centres in points)


@pytest.mark.slow
def test_microtubules_give_few_picks_of_molecules(tmp_path):
    check_whole_path(
        tmp_path,
        ["microtubule_13pf"],
        spacing=10.52,
        contrast="bright",
        model="simulated-10a",
        objects=MOLECULES,
    )


def test_plastic_sections_give_few_virus_like_particles(tmp_path):
    names = ["tardis_mt_4", "tardis_mt_5", "tardis_tf30_raw_header"]
    check_whole_path(
        tmp_path, names, spacing=25.0, contrast="dark", model="hiv-vlp-40a", objects=VLP
    )
