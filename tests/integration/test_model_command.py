"""``copick-picker model`` and loading of ensembles, on octopi's real files."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from pydantic import ValidationError

from copick_picker.cli.main import console
from copick_picker.core.segment.engine import segment_volume
from copick_picker.errors import CheckpointError, SettingsError
from copick_picker.project.folders.checkpoints import write_model_folder
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.models.load import load_members, load_models

OCTOPI = Path(__file__).parents[1] / "fixtures" / "octopi"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(console, ["model", *map(str, arguments)])


def refused(result: Result) -> str:
    """Return the one line of an error with exit code 2."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    return lines[0]


def convert(name: str, output: Path, *extra: str) -> Result:
    source = OCTOPI / name
    return run(
        "convert",
        *("-mc", source / "model_config.yaml", "-mw", source / "best_model.pth", "-o", output),
        *extra,
    )


def octopi_copy(name: str, folder: Path, **changes: Any) -> tuple[str, str]:
    """Copy octopi's pair of files, with changed blocks in the YAML."""
    folder.mkdir()
    raw = yaml.safe_load((OCTOPI / name / "model_config.yaml").read_text())
    (folder / "model_config.yaml").write_text(yaml.safe_dump(raw | changes))
    shutil.copy(OCTOPI / name / "best_model.pth", folder)
    return str(folder / "model_config.yaml"), str(folder / "best_model.pth")


@pytest.mark.parametrize("name", ["Unet", "DynUNet", "SegResNet"])
def test_converted_model_shows_checks_and_segments_the_same(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert convert(name, folder).exit_code == 0
    shown = run("show", folder)
    assert shown.exit_code == 0
    assert name in shown.output
    assert "ribosome" in shown.output
    checked = run("check", folder)
    assert checked.exit_code == 0, checked.output
    assert "its output matches the card's fingerprint" in checked.output
    volume = np.load(OCTOPI / "input.npz")["volume"][:33]
    pair = [str(OCTOPI / name / file) for file in ("model_config.yaml", "best_model.pth")]
    settings = [
        SegmentSettings(config="unused", model=(str(folder),), tta=1),
        SegmentSettings(
            config="unused", model_config_file=(pair[0],), model_weights=(pair[1],), tta=1
        ),
    ]
    labels = []
    for entry in settings:
        loaded = load_models(entry)
        result = segment_volume(volume, loaded.members, loaded.options, probabilities=False)
        labels.append(result.labels)
    np.testing.assert_array_equal(*labels)


def test_convert_keeps_an_existing_folder(tmp_path: Path) -> None:
    assert convert("Unet", tmp_path / "model").exit_code == 0
    assert "use overwrite" in refused(convert("Unet", tmp_path / "model"))
    assert convert("Unet_b", tmp_path / "model", "--overwrite").exit_code == 0


def test_check_notices_a_card_that_fits_but_lies(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    convert("DynUNet", folder)
    raw = yaml.safe_load((folder / "model.yaml").read_text())
    raw["parameters"]["act_name"] = ["leakyrelu", {"inplace": True, "negative_slope": 0.3}]
    (folder / "model.yaml").write_text(yaml.safe_dump(raw))
    assert "the card does not describe these weights" in refused(run("check", folder))


def test_check_without_a_fingerprint_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    convert("Unet", folder)
    raw = yaml.safe_load((folder / "model.yaml").read_text())
    del raw["fingerprint"]
    (folder / "model.yaml").write_text(yaml.safe_dump(raw))
    result = run("check", folder)
    assert result.exit_code == 0
    assert "no fingerprint" in result.output


def test_check_refuses_a_window_that_the_network_cannot_take(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    convert("SegResNet", folder)
    raw = yaml.safe_load((folder / "model.yaml").read_text())
    raw["window_voxels"] = [30, 32, 32]
    (folder / "model.yaml").write_text(yaml.safe_dump(raw))
    assert "fails on a window" in refused(run("check", folder))


@pytest.mark.parametrize("command", ["show", "check"])
def test_bad_folders_are_one_line(command: str, tmp_path: Path) -> None:
    assert "no model folder" in refused(run(command, tmp_path / "nowhere"))
    assert "is not a model folder" in refused(run(command, tmp_path))
    folder = tmp_path / "model"
    convert("Unet", folder)
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])
    assert "changed or truncated" in refused(run(command, folder))
    (folder / "model.yaml").write_text("name: [")
    assert "not valid YAML" in refused(run(command, folder))
    (folder / "model.yaml").write_text("name: thin")
    refused(run(command, folder))


def test_convert_refuses_broken_and_unsafe_files(tmp_path: Path) -> None:
    config, weights = octopi_copy("Unet", tmp_path / "pair")
    output = tmp_path / "model"
    data = Path(weights).read_bytes()
    Path(weights).write_bytes(data[: len(data) // 2])
    assert "cut short" in refused(run("convert", "-mc", config, "-mw", weights, "-o", output))
    torch.save({"weight": Path("x")}, weights)
    line = refused(run("convert", "-mc", config, "-mw", weights, "-o", output))
    assert "--trust-checkpoint" in line
    assert not output.exists()


def test_wrong_channel_count_is_one_line(tmp_path: Path) -> None:
    model = yaml.safe_load((OCTOPI / "Unet" / "model_config.yaml").read_text())["model"]
    pair = octopi_copy("Unet", tmp_path / "pair", model=model | {"num_classes": 6})
    line = refused(run("convert", "-mc", pair[0], "-mw", pair[1], "-o", tmp_path / "model"))
    assert "(Unet, 6 channels)" in line
    assert "file (4,), network (6,)" in line


def test_attention_unet_without_settings_is_refused(tmp_path: Path) -> None:
    pair = octopi_copy("Unet", tmp_path / "pair", model=None)
    line = refused(run("convert", "-mc", pair[0], "-mw", pair[1], "-o", tmp_path / "model"))
    assert "AttentionUnet" in line


def test_members_of_an_ensemble_keep_their_order_and_windows(tmp_path: Path) -> None:
    convert("Unet_b", tmp_path / "model")
    config, weights = octopi_copy("Unet", tmp_path / "pair")
    models = load_members(
        folders=[str(tmp_path / "model")], octopi_configs=[config], octopi_weights=[weights]
    )
    assert [model.card.parameters["channels"] for model in models] == [[6, 12, 18], [8, 12, 16, 16]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": {"apo-ferritin": 1, "ribosome": 3, "virus-like-particle": 2}}, "channels"),
        ({"labels": {"apo-ferritin": 1, "ribosome": 2, "other": 3}}, "other"),
        ({"dataloader": {"voxel_size": 8.0}}, "10 and 8 Angstrom"),
    ],
)
def test_unlike_members_are_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    first = octopi_copy("Unet", tmp_path / "first")
    second = octopi_copy("Unet_b", tmp_path / "second", **changes)
    with pytest.raises(SettingsError, match="cannot be averaged") as error:
        load_members(
            folders=[],
            octopi_configs=[first[0], second[0]],
            octopi_weights=[first[1], second[1]],
        )
    assert reason in str(error.value)


def test_models_of_other_contrast_are_not_averaged(tmp_path: Path) -> None:
    convert("Unet", tmp_path / "dark")
    raw = yaml.safe_load((tmp_path / "dark" / "model.yaml").read_text())
    state = load_members(folders=[str(tmp_path / "dark")], octopi_configs=[], octopi_weights=[])[
        0
    ].member.network.state_dict()
    write_model_folder(tmp_path / "bright", state, raw | {"contrast": "bright"})
    folders = [str(tmp_path / "dark"), str(tmp_path / "bright")]
    with pytest.raises(SettingsError, match="trained on dark and on bright"):
        load_members(folders=folders, octopi_configs=[], octopi_weights=[])


def test_pairs_must_be_pairs_and_something_must_be_named() -> None:
    with pytest.raises(SettingsError, match="come in pairs: got 1"):
        load_members(folders=[], octopi_configs=["a"], octopi_weights=[])
    with pytest.raises(SettingsError, match="no model given"):
        load_members(folders=[], octopi_configs=[], octopi_weights=[])
    with pytest.raises(CheckpointError, match="no model folder 'nothing'"):
        load_members(folders=["nothing"], octopi_configs=[], octopi_weights=[])


def test_the_card_decides_where_the_user_does_not(tmp_path: Path) -> None:
    convert("Unet", tmp_path / "model")
    raw = yaml.safe_load((tmp_path / "model" / "model.yaml").read_text())
    raw |= {
        "home": "picker",
        "augmentation_set": "quarter-turns",
        "augmentation_count": 2,
        "overlap": 0.25,
        "blending": "gaussian",
    }
    (tmp_path / "model" / "model.yaml").write_text(yaml.safe_dump(raw))
    folder = (str(tmp_path / "model"),)
    loaded = load_models(SegmentSettings(config="unused", model=folder, mode="exact"))
    assert loaded.choices == {
        "tta": 2,
        "tta_set": "quarter-turns",
        "overlap": 0.25,
        "blending": "gaussian",
        "precision": "float32",
    }
    assert loaded.members[0].padding == "reflect"
    other = SegmentSettings(config="unused", model=folder, tta=3, overlap=0.0, blending="constant")
    assert load_models(other).choices["tta"] == 3
    assert (load_models(other).options.overlap, load_models(other).options.blending) == (
        0.0,
        "constant",
    )
    fitted = load_models(SegmentSettings(config="unused", model=folder))
    assert fitted.options.layout == "tiled"
    assert (fitted.options.overlap, fitted.options.blending) == (0.0, "gaussian")
    assert fitted.members[0].window_multiple == 4
    fast = SegmentSettings(config="unused", model=folder, mode="fast", overlap=0.125)
    assert load_models(fast).options.layout == "interleaved"
    assert load_models(fast).options.overlap == 0.125


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "quick"}, {"overlap": 0.95}, {"overlap": -0.1}, {"tta": 9}, {"tta": 0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SegmentSettings.model_validate({"config": "unused", **wrong})


def test_more_augmentations_than_the_set_has_are_refused() -> None:
    pair = [str(OCTOPI / "Unet" / file) for file in ("model_config.yaml", "best_model.pth")]
    settings = SegmentSettings(
        config="unused",
        model_config_file=(pair[0],),
        model_weights=(pair[1],),
        tta=5,
        tta_set="quarter-turns",
    )
    with pytest.raises(SettingsError, match="has 1 to 4"):
        load_models(settings)


def test_the_models_that_ship_are_listed_by_the_name_that_m_takes():
    output = CliRunner().invoke(console, ["model", "list"]).output
    for name in ("hiv-vlp-40a", "simulated-10a"):
        assert name in output
        shown = CliRunner().invoke(console, ["model", "show", name])
        assert shown.exit_code == 0
        assert name in shown.output
        assert len(shown.output.splitlines()) < 50
        assert "learning_rate" not in shown.output
        whole = CliRunner().invoke(console, ["model", "show", name, "--all"]).output
        assert "learning_rate" in whole
    assert "apo-ferritin" in output
