import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest
import yaml

from copick_picker.cli.main import COMMANDS, console
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.files import read_yaml
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.settings.targets import TargetsSettings
from copick_picker.settings.train import TrainSettings

SETTINGS = {
    "segment": SegmentSettings,
    "localize": LocalizeSettings,
    "evaluate": EvaluateSettings,
    "targets": TargetsSettings,
    "train": TrainSettings,
}
HEAVY = ["torch", "monai", "scipy", "skimage", "zarr", "cryoet_data_portal", "matplotlib"]
ROOT = Path(__file__).parents[2]


def imported(code):
    """Return which modules a fresh interpreter has after some code."""
    code += "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def command(name):
    return console.get_command(click.Context(console), name)


def test_help_of_the_group_imports_no_command_and_no_copick():
    modules = imported(
        "import click\nfrom copick_picker.cli.main import console\n"
        "try:\n    console(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert not {name for name in modules if name.split(".")[0] in ("copick", "rich", *HEAVY)}
    assert {name for name in modules if name.startswith("copick_picker")} == {
        "copick_picker",
        "copick_picker._version",
        "copick_picker.cli",
        "copick_picker.cli.main",
    }


def test_plugin_modules_import_nothing_that_copick_has_not_imported():
    ours = [point.value.split(":")[0] for point in plugins()]
    before = imported("import click, copick.cli.types")
    after = imported("import click, copick.cli.types\n" + "\n".join(f"import {n}" for n in ours))
    assert {name.split(".")[0] for name in after - before} == {"copick_picker"}


def plugins():
    found = metadata.distribution("copick-picker").entry_points
    return [point for point in found if point.group.startswith("copick.")]


def test_every_plugin_loads_into_the_real_copick_group():
    from copick.cli.cli import main as copick_main  # noqa: F401 (loads the groups)

    places = {(point.group, point.load().name) for point in plugins()}
    assert places == {
        ("copick.commands", "picker"),
        ("copick.inference.commands", "segment"),
        ("copick.convert.commands", "localize"),
        ("copick.evaluation.commands", "evaluate"),
    }


@pytest.mark.parametrize("arguments", [["inference"], ["convert"], ["evaluation"], ["picker"]])
def test_copick_lists_our_commands(arguments):
    copick = Path(sys.executable).parent / "copick"
    run = subprocess.run([copick, *arguments, "--help"], capture_output=True, text=True, check=True)
    ours = {"inference": "segment", "convert": "localize", "evaluation": "evaluate"}
    assert ours.get(arguments[0], "segment") in run.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    ours = command(name)
    text = ours.get_help(click.Context(ours, info_name=name))
    assert f"copick-picker {name}" in text
    assert ours.name == name
    assert COMMANDS[name][1] == ours.get_short_help_str(limit=200)


DECIDED_LATER = {
    "model's",
    "exact: model's, else 0",
    "exact: model's, else gaussian",
    "CPU 1, else 4",
    "CPU 0, else up to 4",
    "start's, else ResidualUNet",
    "start's, else channels=[12,32,64,64] dropout=0.1 output_stride=2",
    "start's window, else 48",
}
"""Defaults that the model, the mode or the device decides, as the help says them."""


@pytest.mark.parametrize("name", SETTINGS)
def test_defaults_in_help_are_the_defaults_of_the_settings(name):
    fields = SETTINGS[name].model_fields
    for option in command(name).params:
        shown = getattr(option, "show_default", None)
        if option.hidden or not isinstance(shown, str):
            continue
        default = fields[option.name].default
        if default is None:
            assert shown in DECIDED_LATER, option.name
            continue
        assert shown.split(" ")[0] == f"{default}", option.name


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_an_option(name):
    special = {"json_file", "model_config_file"}
    options = {option.name for option in command(name).params if not option.hidden}
    assert set(SETTINGS[name].model_fields) - special <= options


@pytest.mark.parametrize("name", SETTINGS)
def test_the_ready_configuration_of_a_command_is_valid(name):
    path = ROOT / "configs" / f"{name}.yaml"
    assert SETTINGS[name].model_validate(read_yaml(path))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_ready_configuration_shows_the_defaults(name):
    shown = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    fields = SETTINGS[name].model_fields
    asked = {"config", "model", "input", "output", "picks", "reference", "candidate"}
    asked.add("probabilities")
    for key, value in read_yaml(ROOT / "configs" / f"{name}.yaml").items():
        if key not in asked:
            assert value == fields[key].default, key
    assert shown["config"] == "config.json"
