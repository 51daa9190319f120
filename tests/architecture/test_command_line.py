import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest
import yaml
from click.shell_completion import ShellComplete

from copick_picker.cli import option_groups
from copick_picker.cli.command import SettingsCommand
from copick_picker.cli.fields import Alias, make_parameters
from copick_picker.cli.main import COMMANDS, console
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.files import read_yaml
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.options import option_of
from copick_picker.settings.segment import SegmentSettings
from copick_picker.settings.targets import TargetsSettings
from copick_picker.settings.train import TrainSettings
from help_texts import commands, help_texts

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
        "copick_picker.cli.streams",
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
    assert COMMANDS[name] == ours.get_short_help_str(limit=200)


def test_help_of_every_command_imports_nothing_heavy():
    tests = str(ROOT / "tests")
    code = f"import sys; sys.path.insert(0, {tests!r}); import help_texts; help_texts.help_texts()"
    modules = imported(code)
    assert not {name for name in modules if name.split(".")[0] in ("copick", "rich", *HEAVY)}
    assert not {name for name in modules if name.startswith("copick_picker.workflows")}


def test_help_is_the_stored_text():
    stored = (ROOT / "tests" / "fixtures" / "help.txt").read_text(encoding="utf-8")
    assert help_texts() == stored, "python tests/help_texts.py > tests/fixtures/help.txt"


OF_SETTINGS = {
    name: command
    for name, (command, _) in commands().items()
    if isinstance(command, SettingsCommand)
}


@pytest.mark.parametrize("name", OF_SETTINGS)
def test_options_are_the_settings_and_what_is_declared(name):
    ours = OF_SETTINGS[name]
    fields = set(resolve_name(ours.settings).model_fields)
    declared = [option.name for options in ours.extra.values() for option in options]
    shown = [option.name for option in ours.params if not isinstance(option, Alias)]
    assert len(shown) == len(set(shown))
    assert set(shown) == fields - set(ours.without) | set(declared)
    assert set(ours.extra) <= fields | {""}
    assert set(ours.without) <= fields


@pytest.mark.parametrize("name", OF_SETTINGS)
def test_a_default_is_said_in_words_only_where_something_else_decides_it(name):
    kind = resolve_name(OF_SETTINGS[name].settings)
    for field, about in kind.model_fields.items():
        option = option_of(kind, field)
        if option is not None and option.shown is not None:
            assert about.default is None, field


def test_every_command_has_its_workflow():
    for ours in OF_SETTINGS.values():
        assert callable(resolve_name(ours.workflow))


def test_a_shell_completes_options_of_settings():
    complete = ShellComplete(console, {}, "copick-picker", "_COPICK_PICKER_COMPLETE")
    found = {item.value for item in complete.get_completions(["segment"], "--tt")}
    assert found == {"--tta", "--tta-set"}


def test_uris_have_the_type_of_copick_where_copick_is_loaded():
    from copick.cli.types import CopickURI

    made = {
        option.name: option.type
        for option in make_parameters(SegmentSettings, extra={}, without=())
        if isinstance(option.type, CopickURI) and not isinstance(option, Alias)
    }
    assert {name: (uri.object_type, uri.role) for name, uri in made.items()} == {
        "input": ("tomogram", "input"),
        "output": ("segmentation", "output"),
        "picks": ("picks", "output"),
    }


@pytest.mark.parametrize("name", ["segment", "localize"])
def test_aliases_have_their_field(name):
    ours = OF_SETTINGS[f"copick-picker {name}"]
    aliases = {option.opts[0]: option.field for option in ours.params if isinstance(option, Alias)}
    assert aliases["--run-ids"] == "run_names"
    assert aliases["--seg-uri"] in ("input", "output")


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


def test_what_the_command_line_shows_to_be_wrong_is_said_without_torch_or_copick(tmp_path):
    (tmp_path / "project").mkdir()
    objects = [{"name": "ribosome", "label": 1, "radius": 100.0, "is_particle": True}]
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"overlay_root": "project", "pickable_objects": objects}))
    for words in (
        ["segment", "-c", str(config), "-m", "nowhere"],
        ["localize", "-c", str(config), "--threshold", "ribosom=0.4"],
        ["evaluate", "-c", str(config), "--reference", "a:b/1", "--candidate", "a:c/1", "-o", "s",
         "--radius", "ribosom=3"],
    ):  # fmt: skip
        modules = imported(
            "from copick_picker.cli.main import console\n"
            f"try:\n    console({words!r})\nexcept SystemExit as end:\n    assert end.code == 2"
        )
        assert not {"torch", "copick", "zarr", "monai"} & {name.split(".")[0] for name in modules}


WITH_SETTINGS = {
    name: entry for name, entry in commands().items() if isinstance(entry[0], SettingsCommand)
}


def sections(name):
    """Return the headings of a command's help, each with its option lines."""
    command_, context = WITH_SETTINGS[name]
    found = {}
    for line in command_.get_help(context).splitlines():
        if line.endswith(":") and not line.startswith(" "):
            found[line[:-1]] = []
        elif found and line.startswith("  -"):
            found[list(found)[-1]].append(line.split()[0].strip(","))
    return found


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_help_lists_every_option_once_under_short_headings(name):
    command_, context = WITH_SETTINGS[name]
    shown = [each for lines in sections(name).values() for each in lines]
    expected = [
        each.get_help_record(context)[0].split()[0].strip(",")
        for each in command_.get_params(context)
        if isinstance(each, click.Option) and each.get_help_record(context) is not None
    ]
    assert sorted(shown) == sorted(expected)
    assert max(len(lines) for lines in sections(name).values()) <= 22
    assert list(sections(name))[-1] == "Reporting and control"


def test_segment_lists_its_options_in_groups():
    found = sections("copick-picker segment")
    assert list(found) == [
        "Input and output",
        "Model",
        "Windows and augmentation",
        "Scores and picks",
        "Tomograms",
        "Device",
        "Remote data",
        "Reporting and control",
    ]
    assert found["Windows and augmentation"] == [
        "--mode",
        "--tta",
        "--tta-set",
        "--overlap",
        "--blending",
    ]
    assert found["Reporting and control"][-3:-1] == ["-v", "--wide"]


def test_every_name_in_a_table_of_headings_is_a_parameter():
    known = {each.name for made, _ in WITH_SETTINGS.values() for each in made.params} | {"help"}
    tables = [value for key, value in vars(option_groups).items() if key.isupper()]
    groups = [table for table in tables if isinstance(table, dict)]
    listed = {name for table in groups for names in table.values() for name in names.split()}
    assert listed - known == set()


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_every_own_heading_of_a_command_is_in_its_help(name):
    command_, _ = WITH_SETTINGS[name]
    params = {each.name for each in command_.params}
    for names in command_.groups.values():
        assert set(names.split()) <= params
