"""CryoSiam's YAML files run as they are and give CryoSiam's files (tests/fixtures/cryosiam)."""

import csv
import json
import shlex
import shutil
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import starfile
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.core.segment.device import cuda_devices
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.runs import ObjectSpec
from projects import project_of, tree
from things import FILES, state

CRYOSIAM = Path(__file__).parents[1] / "fixtures" / "cryosiam"
EXPECTED = CRYOSIAM / "expected"
ONE, TWO = "TS_01_6.80Apx", "TS_02_6.80Apx"


def command(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Go to a fresh copy of CryoSiam's folder."""
    shutil.copytree(CRYOSIAM, tmp_path / "place", ignore=shutil.ignore_patterns("expected"))
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


@pytest.fixture
def predicted(place):
    """Put CryoSiam's own predictions where ours would be."""
    shutil.copytree(EXPECTED, place / "predictions")
    for path in (place / "predictions").glob("*/labels_*"):
        path.unlink()
    return place


def dataset(path, name="labels"):
    with h5py.File(path) as file:
        return file[name][()]


def stem_labels(name, stem):
    ours = dataset(Path("predictions") / name / f"{stem}_preds.h5")
    return ours, dataset(EXPECTED / name / f"{stem}_preds.h5")


def rows(path):
    with path.open() as file:
        header, *lines = list(csv.reader(file))
    return header, sorted(lines)


def edit(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


OBJECTS = (
    ObjectSpec("ribosome", 7, 120.0),
    ObjectSpec("actin", 300, 60.0),
    ObjectSpec("membrane", 3, is_particle=False),
)
NAMED = ("--object-map", "class_1=ribosome,class_2=membrane,class_3=actin")


@pytest.fixture
def config(place):
    """Return a project that holds CryoSiam's tomograms."""
    volumes = {stem: mrcfile.read(place / "tomograms" / f"{stem}.mrc") for stem in (ONE, TWO)}
    return project_of(
        place / "project", volumes, {}, objects=OBJECTS, tomogram=TomogramKey("denoised", 6.8)
    )


def labels_in_project(config, stem, name="predict"):
    store = open_project(str(config))
    key = SegmentationKey(name, "picker", "1", 6.8)
    assert store.segmentation_provenance(stem, key) is not None
    return store.open_segmentation(stem, key).read()


def test_a_prediction_and_its_picks_are_cryosiams(place, config):
    job = ("--cryosiam-config", "multiclass.yaml", "-c", config, *NAMED)
    output = command("segment", *job, "--device", "cpu")
    assert "[2/2]" in output
    for stem in (ONE, TWO):
        ours, wanted = stem_labels("multiclass", stem)
        assert ours.dtype == np.uint8
        assert (ours == wanted).mean() >= 0.9995
        shares = dataset(place / "predictions" / "multiclass" / f"{stem}_preds.h5", "probs")
        assert shares.dtype == np.float32
        probabilities = dataset(EXPECTED / "multiclass" / f"{stem}_preds.h5", "probs")
        assert np.abs(shares - probabilities.astype(np.float32)).max() <= 1e-3
        stored = labels_in_project(config, stem)
        assert (stored == np.array([0, 7, 3, 300])[ours]).all()
        feature = FeatureKey("denoised", 6.8, "predict-picker-1-probabilities")
        kept = open_project(str(config)).open_feature(stem, feature).read()
        np.testing.assert_allclose(kept, shares, atol=1e-3)
    before = tree(config.parent)
    assert command("segment", *job, "--device", "cpu").count("skipped") >= 2
    assert tree(config.parent) == before
    elsewhere = ("-o", "again:picker/1", "--objects", "ribosome", "-r", TWO)
    assert "done" in command("segment", *job, *elsewhere)  # of the file that stands
    again = labels_in_project(config, TWO, "again")
    assert (again == np.array([0, 7, 0, 0])[stem_labels("multiclass", TWO)[0]]).all()
    refused = command("segment", *job, "--objects", "ribosome", code=1)
    assert "labels.actin: 300 there, None now" in refused
    command("localize", "-c", config, "-o", "*:engine/1", "--method", "peaks")
    command("localize", "--cryosiam-config", "multiclass.yaml")
    for label in (1, 2, 3):
        _, ours = rows(place / "predictions" / "multiclass" / f"labels_{label}.csv")
        _, wanted = rows(EXPECTED / "multiclass" / f"labels_{label}.csv")
        centres = np.array([row[2:5] for row in ours], float)
        distances = [
            np.linalg.norm(centres - np.array(row[2:5], float), axis=1).min() for row in wanted
        ]
        assert np.mean(np.array(distances) <= 0.5) >= 0.95
    again = command("segment", "--cryosiam-config", "multiclass.yaml", "--device", "cpu")
    assert again.count("skipped") >= 2
    edit(place / "multiclass.yaml", ("threshold: 0.45", "threshold: 0.4"))
    refused = command("segment", "--cryosiam-config", "multiclass.yaml", code=1)
    assert "settings.threshold: 0.45 there, 0.4 now" in refused


@pytest.mark.parametrize(
    ("name", "classes"), [("multiclass", 3), ("multiclass_masked", 3), ("lamella_raw", 1)]
)
def test_picks_of_cryosiams_labels_are_cryosiams(predicted, name, classes):
    command("localize", "--cryosiam-config", f"{name}.yaml")
    folder = predicted / "predictions" / name
    assert len(list(folder.glob("labels_*"))) == 2 * classes
    for label in range(1, classes + 1):
        header, ours = rows(folder / f"labels_{label}.csv")
        assert (header, ours) == rows(EXPECTED / name / f"labels_{label}.csv")
        star = starfile.read(folder / f"labels_{label}_particles.star")
        wanted = starfile.read(EXPECTED / name / f"labels_{label}_particles.star")
        assert list(star) == list(wanted)
        assert len(star) == len(wanted)
        if len(wanted):
            order = ["rlnMicrographName", "rlnLabel"]
            star, wanted = star.sort_values(order), wanted.sort_values(order)
            numbers = list(star)[:-1]
            np.testing.assert_allclose(star[numbers], wanted[numbers], atol=1e-3)
    assert "0 files written" in command("localize", "--cryosiam-config", f"{name}.yaml")


def test_picks_that_say_something_else_are_kept(predicted):
    folder = predicted / "predictions" / "lamella_raw"
    line = ("localize", "--cryosiam-config", "lamella_raw.yaml")
    (folder / "labels_1.csv").write_text("mine\n")
    for more in ((), ("--overwrite",)):  # no table of CryoSiam's kind: it is never replaced
        output = command(*line, *more, code=2)
        assert "labels_1.csv" in output
        assert sorted(path.name for path in folder.glob("labels_1*")) == ["labels_1.csv"]
        assert (folder / "labels_1.csv").read_text() == "mine\n"
    other = "label,area,centroid-0,centroid-1,centroid-2,tomo\n1,5.0,1.0,2.0,3.0,TS\n"
    (folder / "labels_1.csv").write_text(other)
    assert "use --overwrite" in command(*line, code=2)
    assert (folder / "labels_1.csv").read_text() == other
    command(*line, "--overwrite")
    assert (folder / "labels_1.csv").read_text().startswith("label,area")
    assert "TS_01" in (folder / "labels_1.csv").read_text()


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", [f"{TWO}_preds.h5", f"{TWO}_preds.mrc", "labels_1.csv"])
def test_whatever_stands_where_cryosiams_files_go_stays(predicted, name, kind):
    folder, thing = predicted / "predictions" / "lamella_raw", FILES[kind]
    settings = predicted / "lamella_raw.yaml"
    settings.write_text(settings.read_text() + "save_original_file_extension: true\n")
    edit(settings, ("log_dir: logs", "log_dir: ../logs"))
    segments = name != "labels_1.csv"
    if segments:
        (folder / f"{TWO}_preds.h5").unlink()
    thing.make(folder / name)
    before = state(predicted)
    line = ["segment" if segments else "localize", "--cryosiam-config", "lamella_raw.yaml"]
    line += ["-r", TWO, "--device", "cpu"] if segments else []

    output = command(*line, code=1 if segments else 2)

    assert name in output
    assert state(predicted) == before
    if not thing.is_replaceable:
        assert thing.words in command(*line, "--overwrite", code=1 if segments else 2)
        assert state(predicted) == before
        return
    if segments and kind != "link-to-file":  # one shows it; each takes seconds
        return
    command(*line, "--overwrite")
    after = state(predicted)
    assert (folder / name).is_file()
    assert not (folder / name).is_symlink()
    kept = [path for path in before if path.startswith(str(folder.relative_to(predicted)))]
    kept = [path for path in kept if "elsewhere" in path]
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}


@pytest.mark.usefixtures("place")
def test_masks_cut_labels_of_their_own_and_of_another_grid():
    for name in ("multiclass_masked", "multiclass_binned_mask"):
        command("segment", "--cryosiam-config", f"{name}.yaml", "-r", TWO, "--device", "cpu")
    ours, wanted = stem_labels("multiclass_masked", TWO)
    assert (ours == wanted).mean() >= 0.9995
    ours, wanted = stem_labels("multiclass_binned_mask", TWO)
    assert (ours[wanted > 0] == wanted[wanted > 0]).mean() >= 0.9995
    assert (ours > 0).sum() > (wanted > 0).sum()  # CryoSiam trims the mask


def test_a_lamella_is_the_hull_of_its_component_and_nothing_else(place):
    command("segment", "--cryosiam-config", "lamella.yaml", "-r", TWO, "--device", "cpu")
    ours, wanted = stem_labels("lamella", TWO)
    slices = json.loads((EXPECTED / "lamella" / "component_slices.json").read_text())[TWO]
    assert (ours[slices] == wanted[slices]).mean() >= 0.9995
    assert not np.delete(ours, slices, axis=0).any()
    edit(place / "lamella.yaml", ("threshold: 0.4", "threshold: 1.0"))
    output = command(
        "segment", "--cryosiam-config", "lamella.yaml", "-r", TWO, "--overwrite", "--device", "cpu"
    )
    assert "no lamella" in output
    assert not stem_labels("lamella", TWO)[0].any()


def test_small_components_of_existing_predictions_are_cryosiams(predicted):
    folder = predicted / "predictions" / "multiclass_sizes"
    for stem in (ONE, TWO):
        shutil.copy(EXPECTED / "multiclass" / f"{stem}_preds.h5", folder)
    flags = ("--cryosiam-config", "multiclass_sizes.yaml", "--postprocess-only")
    command("segment", *flags)
    for stem in (ONE, TWO):
        ours, wanted = stem_labels("multiclass_sizes", stem)
        assert (ours == wanted).all()
        assert dataset(folder / f"{stem}_preds.h5", "probs").any()  # CryoSiam drops them
    assert command("segment", *flags).count("skipped") >= 2


def test_a_prediction_with_sizes_is_cleaned_at_once_and_written_as_mrc_too(place):
    changes = ("save_internal_files: false", "save_original_file_extension: true")
    edit(place / "multiclass_sizes.yaml", changes)
    arguments = ("--cryosiam-config", "multiclass_sizes.yaml", "-r", TWO, "--device", "cpu")
    command("segment", *arguments)
    ours, wanted = stem_labels("multiclass_sizes", TWO)
    assert (ours == wanted).mean() >= 0.9995
    with mrcfile.open(place / "predictions" / "multiclass_sizes" / f"{TWO}_preds.mrc") as file:
        assert (file.data == ours).all()
        assert float(file.voxel_size.x) == pytest.approx(6.8)


def test_unknown_keys_warn(predicted):
    edit(
        predicted / "lamella_raw.yaml",
        ("file_extension", "colour: red\nfile_extension"),
        ("threshold", "treshold: 0.1\n    threshold"),
    )
    output = command("localize", "--cryosiam-config", "lamella_raw.yaml")
    assert "unknown key 'colour' has no effect" in output
    assert "'parameters.network.treshold' has no effect; did you mean 'threshold'?" in output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("threshold: 0.45", "threshold: high", "parameters.network.threshold"),
        ("threshold: 0.45", "", "'parameters.network.threshold' is missing"),
        ("std: 0.2", "std: 0", "parameters.data.std"),
        ("test_files: null", "", "'test_files' is missing"),
        ("min_voxels: 13", "min_voxels: [1, 2]", "2 entries for 3 classes"),
        ("data_folder: tomograms", "data_folder: nowhere", "nowhere is not a folder"),
        ("file_extension: .mrc", "file_extension: .rec", "no file that ends with .rec"),
        ("model.ckpt", "none.ckpt", "none.ckpt do not exist"),
        ("postprocessing: false", "postprocessing: true", "needs a model of one channel"),
        ("data_folder", "- data_folder", "multiclass.yaml, line 2"),
    ],
)
def test_what_is_wrong_stops_in_one_line_before_any_work(place, old, new, words):
    edit(place / "multiclass.yaml", (old, new))
    output = command("segment", "--cryosiam-config", "multiclass.yaml", code=2)
    assert words in output
    assert output.count("\n") == 1
    assert not (place / "predictions").exists()


def test_a_bad_tomogram_or_mask_fails_alone(place):
    (place / "tomograms" / "cut.mrc").write_bytes(
        (place / "tomograms" / f"{TWO}.mrc").read_bytes()[:5000]
    )
    with (
        pytest.warns(RuntimeWarning, match="NaN"),
        mrcfile.new(place / "tomograms" / "nan.mrc", np.full((8, 8, 8), np.nan, "f4")),
    ):
        pass
    with mrcfile.new(place / "tomograms" / "other.mrc", np.zeros((40, 20, 20), "f4")):
        pass
    shutil.copy(place / "masks" / f"{TWO}_preds.h5", place / "masks" / "other_preds.h5")
    for stem in ("nan", "cut"):
        shutil.copy(place / "masks" / f"{TWO}_preds.h5", place / "masks" / f"{stem}_preds.h5")
    with h5py.File(place / "masks" / f"{ONE}_preds.h5", "w") as file:
        file["mask"] = np.ones((2, 2, 2))
    edit(place / "multiclass_masked.yaml", (f"[{TWO}.mrc, {ONE}.mrc]", "null"))
    arguments = ("--cryosiam-config", "multiclass_masked.yaml", "--device", "cpu")
    output = command("segment", *arguments, code=1)
    assert "nan failed" in output
    assert "512 voxels are NaN or infinite" in output
    assert "cut failed" in output
    assert "another box" in output
    assert "no dataset 'labels'" in output
    assert [path.name for path in (place / "predictions").rglob("*.*")] == [f"{TWO}_preds.h5"]


def test_a_prediction_without_labels_stops_the_merged_files(predicted):
    folder = predicted / "predictions" / "lamella_raw"
    with h5py.File(folder / "odd_preds.h5", "w") as file:
        file["probs"] = np.ones((1, 2, 2, 2))
    output = command("localize", "--cryosiam-config", "lamella_raw.yaml", code=1)
    assert "no dataset 'labels'; it has: probs" in output
    assert not list(folder.glob("labels_*"))
    command("localize", "--cryosiam-config", "lamella_raw.yaml", "-r", "!odd")
    assert len(list(folder.glob("labels_*"))) == 2


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("-m", "x"), "does not apply with --cryosiam-config"),
        (("--tta", "4"), "does not apply with --cryosiam-config"),
        (("-i", "wbp@10"), "--input needs a project: add --config"),
        (("-o", "a:b/1"), "--output needs a project: add --config"),
        (("-c", "none.json"), "none.json"),
    ],
)
@pytest.mark.usefixtures("place")
def test_options_of_projects_and_models_are_refused_where_there_is_none(extra, words):
    output = command("segment", "--cryosiam-config", "multiclass.yaml", *extra, code=2)
    assert words in output
    assert output.count("\n") <= 4
    assert not Path("predictions").exists()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--object-map", "class_4=ribosome"), "the model finds: class_1, class_2, class_3"),
        (("--object-map", "class_1=ribsome"), "no object 'ribsome' in the project"),
        (("-i", "wbp@6.8", *NAMED), "has no tomogram 'wbp@6.8'; it has: denoised@6.8"),
    ],
)
def test_a_project_that_does_not_fit_is_left_as_it_was(config, extra, words):
    before = tree(config.parent)
    job = ("--cryosiam-config", "multiclass.yaml", "-c", config, "-r", TWO)
    output = command("segment", *job, *extra, code=1 if "-i" in extra else 2)
    assert words in output
    assert tree(config.parent) == before
    assert not Path("predictions").exists()


def test_a_project_without_the_tomograms_names_the_command_that_brings_them(place):
    config = project_of(place / "empty", {}, {}, objects=OBJECTS)
    job = ("--cryosiam-config", "multiclass.yaml", "-c", config, *NAMED)
    edit(place / "multiclass.yaml", ("file_extension: .mrc", "file_extension: _6.80Apx.mrc"))
    output = command("segment", *job, code=2)
    line = output.split("first: ")[1].strip()
    assert (
        line == f'copick-picker import mrc tomograms -c {config} --name-pattern "{{run}}_6.80Apx"'
    )
    command(*shlex.split(line)[1:])
    planned = command("segment", *job, "--dry-run")
    assert "predict:picker/1@6.8" in planned
    assert not (place / "predictions").exists()


def test_another_tomogram_of_that_name_is_refused(place):
    other = {ONE: np.zeros((8, 9, 10), "f4"), TWO: np.ones((24, 50, 44), "f4")}
    config = project_of(
        place / "other", other, {}, objects=OBJECTS, tomogram=TomogramKey("wbp", 10.0)
    )
    job = ("--cryosiam-config", "multiclass.yaml", "-c", config, *NAMED)
    output = command("segment", *job, code=1)
    assert (
        "wbp@10.0 has shape (8, 9, 10), the MRC file (40, 72, 56): they are different tomograms"
        in output
    )
    assert "the MRC file has voxels of 6.8 A, the project's tomogram is wbp@10.0" in output
    assert not list((place / "predictions").rglob("*.*"))


@pytest.mark.parametrize(("name", "kind"), [("multiclass", "probability"), ("lamella_raw", "fill")])
def test_picks_in_the_project_are_those_of_the_files(predicted, config, name, kind):
    named = NAMED if name == "multiclass" else ("--object-map", "class_1=actin")
    job = ("localize", "--cryosiam-config", f"{name}.yaml", "-c", config, *named)
    folder = predicted / "predictions" / name
    assert "would be written" in command(*job, "--dry-run")
    assert not list(folder.glob("labels_*"))
    command(*job)
    label, key = (3 if name == "multiclass" else 1), PicksKey("actin", "picker", "1")
    store = open_project(str(config))
    for stem in (ONE, TWO):
        picks = store.read_picks(stem, key)
        _, lines = rows(folder / f"labels_{label}.csv")
        wanted = np.array([row[2:5] for row in lines if row[5] == stem], float)
        order = np.lexsort(picks.points_xyz.T)
        expected = wanted[np.lexsort(wanted[:, ::-1].T), ::-1] * 6.8
        np.testing.assert_allclose(picks.points_xyz[order], expected, atol=1e-3)
        assert store.picks_provenance(stem, key)["score_kind"] == kind
        assert (picks.scores > 0).all()
        assert (picks.scores <= 1).all()
        assert all(found.object_name != "membrane" for found in store.picks(stem))
    before = tree(config.parent)
    assert "0 pick sets written" in command(*job)
    text = (predicted / f"{name}.yaml").read_text().replace("min_voxels: 13", "")
    changed = text.replace("  network:\n", "  network:\n    min_voxels: 3\n")
    (predicted / f"{name}.yaml").write_text(changed)
    output = command(*job, code=1)
    assert "settings.more_than_voxels" in output
    assert tree(config.parent) == before
    command(*job, "--overwrite")
    assert len(store.read_picks(ONE, key)) > 0


def test_a_lamella_becomes_a_mask_of_the_project(config):
    job = ("--cryosiam-config", "lamella.yaml", "-c", config, "-r", TWO)
    command("segment", *job, "-o", "lamella:picker/1", "--device", "cpu")
    stored = labels_in_project(config, TWO, "lamella")
    assert (stored == stem_labels("lamella", TWO)[0]).all()
    assert set(np.unique(stored)) == {0, 1}
    output = command("localize", *job, code=2)
    assert "makes a lamella, not objects" in output


def test_small_components_leave_the_segmentation_too(predicted, config):
    folder = predicted / "predictions" / "multiclass_sizes"
    shutil.copy(EXPECTED / "multiclass" / f"{TWO}_preds.h5", folder)
    flags = ("--cryosiam-config", "multiclass_sizes.yaml", "--postprocess-only", "-r", TWO)
    command("segment", *flags, "-c", config, *NAMED)
    wanted = dataset(EXPECTED / "multiclass_sizes" / f"{TWO}_preds.h5")
    assert (labels_in_project(config, TWO) == np.array([0, 7, 3, 300])[wanted]).all()
    assert "1 skipped" in command("segment", *flags, "-c", config, *NAMED)


@pytest.mark.usefixtures("place")
def test_a_hull_in_3d_is_smaller_than_cryosiams():
    command("segment", "--cryosiam-config", "lamella_3d.yaml", "-r", ONE, "--device", "cpu")
    ours, wanted = stem_labels("lamella_3d", ONE)
    both = ours.sum() + wanted.sum()
    assert 2 * np.logical_and(ours, wanted).sum() / both > 0.7  # CryoSiam's is 1.4 times too large
    assert 0.3 < ours.mean() < 0.45


def test_a_converted_model_writes_into_a_project(place):
    volume = mrcfile.read(place / "tomograms" / f"{TWO}.mrc")
    objects = (ObjectSpec("ribosome", 4, 120.0), ObjectSpec("actin", 2, 60.0))
    config = project_of(
        place / "project", {TWO: volume}, {}, objects=objects, tomogram=TomogramKey("den", 6.8)
    )
    labels = ("--label", "ribosome=1", "--label", "actin=3")
    command(
        *("model", "convert", "--checkpoint", "multiclass/model.ckpt", *labels),
        *("--cryosiam-config", "multiclass.yaml", "--voxel-spacing", 6.8, "-o", "my_model"),
    )
    job = ("-c", config, "-m", "my_model", "-i", "den@6.8", "--device", "cpu", "--mode", "exact")
    command("segment", *job, "-o", "predict:picker/1", "--contrast", "bright")
    key = SegmentationKey("predict", "picker", "1", 6.8)
    ours = open_project(str(config)).open_segmentation(TWO, key).read()
    wanted = dataset(EXPECTED / "multiclass" / f"{TWO}_preds.h5")
    assert (np.array([0, 4, 0, 2])[wanted] == ours).mean() >= 0.9995
    for extra in (("--tta", 4), ("--rescale",), ("-m", "my_model")):
        output = command("segment", *job, "-o", "predict:picker/2", *extra, code=2)
        assert "--mode balanced" in output


def test_convert_says_what_is_missing(place):
    convert = ("model", "convert", "-o", "my_model")
    assert "needs --label" in command(*convert, "--checkpoint", "multiclass/model.ckpt", code=2)
    assert "--checkpoint" in command(*convert, code=2)
    flags = ("--checkpoint", "multiclass/model.ckpt", "--label", "a=4")
    assert "channel 4" in command(*convert, *flags, code=2)
    assert not (place / "my_model").exists()


def test_a_run_hands_over_to_the_next_command(predicted):
    words = ("--cryosiam-config", "multiclass.yaml")
    output = " ".join(command("segment", *words, "-r", ONE, "--overwrite").split())
    assert "mask_folder is null: the whole tomogram is searched" in output
    if not cuda_devices():
        assert "gpu_devices is 1, but this machine has no CUDA GPU: using cpu" in output
    assert "predictions/multiclass: 1 predictions" in output
    assert "next: copick-picker localize --cryosiam-config multiclass.yaml" in output
    (log,) = (predicted / "logs").glob("segment-*.log")
    assert "multiclass.yaml" in log.read_text()
    output = " ".join(command("localize", *words).split())
    assert "labels_1.csv and labels_1_particles.star" in output
    assert "next: copick-picker import picks predictions/multiclass/labels_1_particles" in output
    assert len(list((predicted / "logs").glob("localize-*.log"))) == 1
    lines = ("--cryosiam-config", "lamella.yaml", "-r", ONE, "--overwrite")
    output = " ".join(command("segment", *lines).split())
    assert "mask_folder is null" not in output
    assert "next: 'mask_folder: predictions/lamella' in the YAML file" in output
    result = CliRunner().invoke(console, ["semantic_predict", "--config_file", "multiclass.yaml"])
    assert "use copick-picker segment --cryosiam-config FILE" in result.output


def test_no_pick_comes_with_a_reason(predicted):
    summary = predicted / "summary.json"
    words = ("localize", "--cryosiam-config", "multiclass.yaml", "-r", ONE, "--json", summary)
    edit(predicted / "multiclass.yaml", ("min_voxels: 13", "min_voxels: 90000"))
    output = " ".join(command(*words).split())
    assert "label 1: 0 (" in output
    assert "dropped by min_voxels 90000: the largest has" in output
    facts = json.loads(summary.read_text())["runs"][0]["candidates"]["1"]
    assert facts["dropped_by_min_voxels"] == facts["eroded_components"] > 0
    path = predicted / "predictions" / "multiclass" / f"{ONE}_preds.h5"
    with h5py.File(path, "r+") as file:
        labels = file["labels"][()]
        labels[labels == 1] = 0
        labels[labels == 2] = 0
        labels[3:5, 3:5, 3:5] = 2
        file["labels"][...] = labels
    output = " ".join(command(*words, "--overwrite").split())
    assert "label 1: 0 (no voxel has the label: see the threshold" in output
    assert "label 2: 0 (1 of at most 8 voxels, none left after erosion by one voxel)" in output
