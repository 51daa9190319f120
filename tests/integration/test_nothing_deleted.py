"""No command takes what stands in the place of an output for absent: all commands, all things."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy import ndimage

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.records.keys import PicksKey, SegmentationKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from projects import copied_project, noise, project_of, run_folder, temporaries, tiny_octopi_model
from things import FILES, FOLDERS, PICKS, VOLUMES, Thing, state

SHAPE = (40, 42, 44)
OBJECTS = (ObjectSpec("ribosome", 1, 30.0, is_filament=True), ObjectSpec("apo-ferritin", 3, 30.0))
POINTS = np.array([[60.0, 70.0, 80.0], [150.0, 120.0, 60.0]])
GIVEN = SegmentationKey("given", "me", "1", 10.0)
CURATED = PicksKey("ribosome", "curator", "1")
SPACING = "VoxelSpacing10.000"


@dataclass(frozen=True)
class Command:
    """A command that writes into every run of a project.

    Attributes
    ----------
    place : str
        Where it writes, below a run.
    words : sequence of str
        Its command line; ``{here}`` is the folder of the project.
    things : mapping
        What may stand there.
    """

    place: str
    words: Sequence[str]
    things: Mapping[str, Thing] = field(default_factory=lambda: VOLUMES)

    def line(self, folder: Path, *more: str) -> list[str]:
        words = [word.format(here=folder) for word in self.words]
        return [*words, "-c", str(folder / "config.json"), *more]


def some(things: Mapping[str, Thing], *names: str) -> dict[str, Thing]:
    return {name: things[name] for name in names}


SEGMENT = (
    *("segment", "-i", "wbp@10.0", "--mode", "exact", "--tta", "1", "--overlap", "0"),
    *("-mc", "{here}/model/model_config.yaml", "-mw", "{here}/model/best_model.pth"),
    *("--threads", "1"),
)
COMMANDS = {
    "segment": Command("Segmentations/10.000_picker_1_predict-multilabel.zarr", SEGMENT),
    "probabilities": Command(
        f"{SPACING}/wbp_predict-picker-1-probabilities_features.zarr",
        (*SEGMENT, "--probabilities"),
    ),
    "segment --workers": Command(
        "Segmentations/10.000_picker_two_predict-multilabel.zarr",
        (*SEGMENT, "-o", "predict:picker/two", "--workers", "2"),
        some(VOLUMES, "v3", "v2-s0", "file"),  # processes take their time to start
    ),
    "segment --picks": Command(
        "Picks/picker_fused_ribosome.json",
        (*SEGMENT, "--picks", "*:picker/fused", "--picks-method", "peaks"),
        some(PICKS, "picks", "foreign-folder", "link-to-file", "picks-foreign-record"),
    ),
    "localize": Command(
        "Picks/picker_1_ribosome.json",
        ("localize", "-i", "given:me/1@10.0", "--objects", "ribosome"),
        PICKS,
    ),
    "filter": Command(
        "Picks/picker_filtered_ribosome.json",
        ("filter", "-i", "ribosome:curator/1", "--top", "ribosome=1"),
        PICKS,
    ),
    "link": Command(
        "Picks/picker_linked_ribosome.json", ("link", "-i", "ribosome:curator/1"), PICKS
    ),
    "link, filaments": Command(
        "Filaments/picker_linked_ribosome.json",
        ("link", "-i", "ribosome:curator/1"),
        some(PICKS, "picks", "foreign-folder", "link-to-file", "picks-foreign-record"),
    ),
    "mask exclude-edges": Command(
        "Segmentations/10.000_picker_1_inner-multilabel.zarr",
        ("mask", "exclude-edges", "-i", "wbp@10.0", "--margin-xy", "30"),
    ),
    "mask from-labels": Command(
        "Segmentations/10.000_picker_1_ribosomes-multilabel.zarr",
        (*("mask", "from-labels", "-i", "given:me/1@10.0"), *("-o", "ribosomes:picker/1")),
    ),
    "mask gold": Command(
        "Segmentations/10.000_picker_gold_mask-multilabel.zarr",
        ("mask", "gold", "-i", "wbp@10.0", "-o", "mask:picker/gold"),
    ),
    "mask lamella": Command(
        "Segmentations/10.000_picker_lamella_mask-multilabel.zarr",
        ("mask", "lamella", "-i", "wbp@10.0", "-o", "mask:picker/lamella"),
    ),
    "targets": Command(
        "Segmentations/10.000_picker_1_targets-multilabel.zarr",
        ("targets", "-i", "wbp@10.0", "--picks", "ribosome:curator/1"),
    ),
    "import mrc": Command(
        f"{SPACING}/imported.zarr",
        ("import", "mrc", "{here}/files", "--type", "imported"),
    ),
    "import picks": Command(
        "Picks/import_1_ribosome.json",
        ("import", "picks", "{here}/picks.csv", "-o", "ribosome:import/1"),
        PICKS,
    ),
}
RUNS = sorted({name for command in COMMANDS.values() for name in command.things})
NO_PICKS = {"import picks", "filter", "link", "link, filaments", "localize", "segment --picks"}


def invoke(arguments: Sequence[object]) -> Result:
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert "Traceback (most" not in result.output
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a run for each kind of thing, and what the commands read."""
    folder = tmp_path_factory.mktemp("nothing-deleted") / "made"
    z, y, x = np.indices(SHAPE)
    texture = ndimage.gaussian_filter(noise(SHAPE, seed=5), 2.5)
    volume = noise(SHAPE, seed=1) + (np.abs(z - 20) < 9) * texture / texture.std()
    tomograms = {name: volume.astype(np.float32) for name in RUNS}
    picks = {(name, CURATED): POINTS for name in RUNS}
    config = project_of(folder, tomograms, picks, objects=OBJECTS)
    labels = ((z - 18) ** 2 + (y - 9) ** 2 + (x - 11) ** 2 <= 9).astype(np.uint8)
    store = open_project(config)
    rows = ["run_name,x,y,z"]
    (folder / "files").mkdir()
    for name in RUNS:
        store.write_segmentation(
            name,
            GIVEN,
            [(0, labels)],
            shape_zyx=SHAPE,
            provenance={"command": "segment", "labels": {"ribosome": 1}},
            overwrite=False,
        )
        write_mrc(folder / "files" / f"{name}.mrc", noise((5, 6, 7), seed=2), 10.0)
        rows += [f"{name},{x},{y},{z}" for x, y, z in POINTS]
    (folder / "picks.csv").write_text("\n".join(rows) + "\n")
    tiny_octopi_model(folder / "model", {"ribosome": 1, "apo-ferritin": 2})
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copied_project(made, tmp_path / "project").parent


def line_of(output: str, run_name: str) -> str:
    """Return the one line of a run that failed."""
    (line,) = [text for text in output.splitlines() if f"] {run_name} failed: " in text]
    return line


@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_stands_in_a_project_stays_unless_overwrite(folder: Path, name: str) -> None:
    command = COMMANDS[name]
    runs = list(command.things)
    for run_name, thing in command.things.items():
        place = run_folder(folder / "config.json", run_name) / command.place
        place.parent.mkdir(parents=True, exist_ok=True)
        thing.make(place)
    before = state(folder)
    more = [word for run_name in runs for word in ("-r", run_name)]

    refused = invoke(command.line(folder, *more))

    assert refused.exit_code == 1, refused.output
    assert f"{len(runs)} failed" in refused.output
    for run_name, thing in command.things.items():
        line = line_of(refused.output, run_name)
        assert "exists and was not made by this tool" in line
        assert thing.words in line
        assert ("use --overwrite or another" in line) == thing.is_replaceable
    assert state(folder) == before

    replaced = invoke(command.line(folder, *more, "--overwrite"))

    kept = [each for each, thing in command.things.items() if not thing.is_replaceable]
    assert replaced.exit_code == 1, replaced.output
    assert f"{len(runs) - len(kept)} done, {len(kept)} failed" in replaced.output
    after = state(folder)
    for run_name, thing in command.things.items():
        of_run = [path for path in before if f"/ExperimentRuns/{run_name}/" in path]
        assert of_run
        place = run_folder(folder / "config.json", run_name) / command.place
        if not thing.is_replaceable:
            assert {path: after.get(path) for path in of_run} == {p: before[p] for p in of_run}
            assert thing.words in line_of(replaced.output, run_name)
            continue
        assert not place.is_symlink()
        assert place.is_file() if place.suffix == ".json" else (place / ".zgroup").is_file()
        inside = str(place.relative_to(folder))
        others = [path for path in of_run if not path.startswith(inside)]
        assert {path: after.get(path) for path in others} == {p: before[p] for p in others}
    assert temporaries(folder) == []

    again = invoke(command.line(folder, *more))

    assert f"{len(kept)} failed, {len(runs) - len(kept)} skipped" in again.output
    assert state(folder) == after


@dataclass(frozen=True)
class Named:
    """A command that writes a file or folder that the user names.

    Attributes
    ----------
    place : str
        Its path, below the folder of the project.
    words : sequence of str
        Its command line; ``{here}`` is the folder of the project.
    things : mapping
        What may stand there.
    has_overwrite : bool
        Whether the command has the flag; else it renews only what it wrote itself.
    code : int
        Exit code of a refusal: 1 where a run failed, 2 where the command stopped.
    """

    place: str
    words: Sequence[str]
    things: Mapping[str, Thing] = field(default_factory=lambda: FILES)
    has_overwrite: bool = True
    code: int = 2

    def line(self, folder: Path, *more: str) -> list[str]:
        return [*(word.format(here=folder) for word in self.words), *more]


CONFIG = ("-c", "{here}/config.json")
EVALUATE = ("evaluate", *CONFIG, "--reference", "ribosome:curator/1", "--candidate")
TRAIN = (
    *("train", *CONFIG, "-p", "ribosome:curator/1", "--patch", "16", "--batch-size", "1"),
    *("--steps", "1", "--validate-every", "1", "--validation-runs", "TU", "--threads", "1"),
    *("--parameter", "channels=[2,4]", "--parameter", "dropout=0.1", "--device", "cpu"),
)
BROWSE = ("browse", "project", *CONFIG)
NAMED = {
    "evaluate": Named("new", (*EVALUATE, "ribosome:other/1", "-o", "{here}/new"), FOLDERS),
    "benchmark compare": Named(
        "new", ("benchmark", "compare", "{here}/one", "{here}/two", "-o", "{here}/new"), FOLDERS
    ),
    "model convert": Named(
        "new",
        (
            *("model", "convert", "-mc", "{here}/model/model_config.yaml"),
            *("-mw", "{here}/model/best_model.pth", "-o", "{here}/new"),
        ),
        FOLDERS,
    ),
    "train": Named(
        "new",
        (*TRAIN, "-o", "{here}/new"),
        some(FOLDERS, "foreign-folder", "link-to-folder", "file"),
    ),
    "report": Named("new.html", ("report", "{here}/one", "-o", "{here}/new.html")),
    "view page": Named("new.html", ("view", *CONFIG, "TS", "-o", "{here}/new.html"), code=1),
    "view picture": Named("new.png", ("view", *CONFIG, "TS", "-o", "{here}/new.png"), code=1),
    "calibrate": Named(
        "new.png",
        (
            *("calibrate", *CONFIG, "--reference", "ribosome:curator/1"),
            *(
                "--candidate",
                "ribosome:other/1",
                "--plot",
                "{here}/new.png",
                "--fewest-references",
                "1",
            ),
        ),
    ),
    "export picks": Named(
        "out/ribosome.star",
        (
            *("export", "picks", *CONFIG, "-i", "ribosome:curator/1", "--to", "relion5"),
            *("-o", "{here}/out"),
        ),
    ),
    "export picks, second file": Named(
        "out/ribosome.doc",
        (
            *("export", "picks", *CONFIG, "-i", "ribosome:curator/1", "--to", "dynamo"),
            *("-o", "{here}/out"),
        ),
    ),
    "export segmentation": Named(
        "out/TS_given.mrc",
        (*("export", "segmentation", *CONFIG, "-i", "given:me/1@10.0"), "-o", "{here}/out"),
        code=1,
    ),
    "export segmentation, TIFF": Named(
        "out/TS_given.tif",
        (
            *("export", "segmentation", *CONFIG, "-i", "given:me/1@10.0", "--to", "tiff"),
            *("-o", "{here}/out"),
        ),
        code=1,
    ),
    "import mrc --names": Named(
        "new.csv",
        (
            *("import", "mrc", "{here}/files", *CONFIG, "--type", "imported"),
            *("--names", "{here}/new.csv"),
        ),
    ),
    "--json": Named("new.json", (*BROWSE, "--json", "{here}/new.json"), has_overwrite=False),
    "--csv": Named("new.csv", (*BROWSE, "--csv", "{here}/new.csv"), has_overwrite=False),
    "info --json": Named(
        "new.json", ("info", *CONFIG, "--json", "{here}/new.json"), has_overwrite=False
    ),
    "localize --json": Named(
        "new.json",
        (
            *("localize", *CONFIG, "-i", "given:me/1@10.0", "--objects", "ribosome"),
            *("--overwrite", "--json", "{here}/new.json"),
        ),
        has_overwrite=False,
    ),
}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with everything that the commands read, scores too."""
    folder = tmp_path_factory.mktemp("named") / "made"
    volume = noise(SHAPE, seed=1)
    given = {("TS", CURATED): POINTS, ("TU", CURATED): POINTS}
    config = project_of(folder, {"TS": volume, "TU": volume}, given, objects=OBJECTS)
    store = open_project(config)
    store.write_segmentation(
        "TS",
        GIVEN,
        [(0, (volume > 2).astype(np.uint8))],
        shape_zyx=SHAPE,
        provenance={"command": "segment", "labels": {"ribosome": 1}},
        overwrite=False,
    )
    candidates = PickSet(
        "ribosome", np.vstack([POINTS[:1], 200 + POINTS]), np.array([0.9, 0.5, 0.3])
    )
    key = PicksKey("ribosome", "other", "1")
    store.write_picks("TS", key, candidates, provenance={"command": "localize"}, overwrite=False)
    (folder / "files").mkdir()
    write_mrc(folder / "files" / "TS.mrc", noise((5, 6, 7), seed=2), 10.0)
    tiny_octopi_model(folder / "model", {"ribosome": 1, "apo-ferritin": 2})
    for name in ("one", "two"):
        line = [*EVALUATE, "ribosome:other/1", "-o", f"{{here}}/{name}"]
        done = invoke([word.format(here=folder) for word in line])
        assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize("name", NAMED)
def test_whatever_stands_where_a_user_names_stays_unless_overwrite(
    scored: Path, tmp_path: Path, name: str
) -> None:
    command = NAMED[name]
    for kind, thing in command.things.items():
        folder = copied_project(scored, tmp_path / kind).parent
        place = folder / command.place
        place.parent.mkdir(parents=True, exist_ok=True)
        thing.make(place)
        before = state(folder)

        refused = invoke(command.line(folder))

        assert refused.exit_code == command.code, refused.output
        assert thing.words in refused.output
        assert state(folder) == before
        if not command.has_overwrite:
            continue

        replaced = invoke(command.line(folder, "--overwrite"))

        after = state(folder)
        if not thing.is_replaceable:
            assert replaced.exit_code == command.code, replaced.output
            assert thing.words in replaced.output
            assert after == before
            continue
        assert replaced.exit_code == 0, replaced.output
        assert not place.is_symlink()
        kept = {path: content for path, content in before.items() if path != command.place}
        assert {path: after.get(path) for path in kept} == kept
        assert temporaries(folder) == []


@pytest.mark.parametrize("name", NAMED)
def test_what_a_command_wrote_itself_is_replaced_by_its_next_call(
    scored: Path, tmp_path: Path, name: str
) -> None:
    command = NAMED[name]
    folder = copied_project(scored, tmp_path / "project").parent
    more = ["--overwrite"] if command.has_overwrite else []

    for _ in range(2):
        done = invoke(command.line(folder, *more))

        assert done.exit_code == 0, done.output
        assert (folder / command.place).exists()


def test_a_configuration_is_no_summary_and_no_log(scored: Path, tmp_path: Path) -> None:
    config = copied_project(scored, tmp_path / "project")
    before = config.read_bytes()

    for option in ("--json", "--csv", "--log"):
        result = invoke(["browse", "project", "-c", config, option, config])

        assert result.exit_code == 2, result.output
        assert f"{config} exists" in result.output
        assert config.read_bytes() == before


def test_files_that_were_edited_or_are_of_another_kind_stay(scored: Path, tmp_path: Path) -> None:
    """A command's own file by name, which somebody has worked on, is the user's."""
    folder = copied_project(scored, tmp_path / "project").parent
    evaluate, report, convert, train = (
        NAMED[name].line(folder) for name in ("evaluate", "report", "model convert", "train")
    )
    for line, edited in (
        (evaluate, "new/scores.csv"),
        (report, "new.html"),
        (train, "new/README.md"),
        (convert, "new/README.md"),
    ):
        assert invoke(line).exit_code == 0
        place = folder / edited
        place.write_text((place.read_text() if place.exists() else "") + "my remark\n")
        before = state(folder)
        result = invoke([*line, "--overwrite"])
        assert result.exit_code == 2, result.output
        assert edited.split("/")[-1] in result.output
        assert state(folder) == before
        shutil.rmtree(folder / "new", ignore_errors=True)
        shutil.rmtree(folder / "new.training", ignore_errors=True)
    summary = invoke(
        [
            *NAMED["--json"].words[:2],
            *NAMED["--json"].line(folder)[2:4],
            "--json",
            str(folder / "one" / "scores.json"),
        ]
    )
    assert summary.exit_code == 2, summary.output
    assert "scores.json exists" in summary.output


def test_the_files_of_another_training_stay(scored: Path, tmp_path: Path) -> None:
    folder = copied_project(scored, tmp_path / "project").parent
    (folder / "new.training").mkdir()
    (folder / "new.training" / "best.safetensors").write_text("years of work")
    before = state(folder)

    result = invoke(NAMED["train"].line(folder))

    assert result.exit_code == 2, result.output
    assert "new.training contains other things (best.safetensors)" in result.output
    assert state(folder) == before


def test_the_current_folder_is_no_place_for_results(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied_project(scored, tmp_path / "project").parent
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for name in ("evaluate", "model convert", "train", "benchmark compare"):
        *words, _, _ = NAMED[name].line(folder)
        for more in ((), ("--overwrite",)):
            result = invoke([*words, "-o", ".", *more])
            assert result.exit_code == 2, result.output
            assert result.output.count("Error: ") == 1
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("kind", FILES)
def test_a_portal_configuration_takes_the_place_of_no_other_file(tmp_path: Path, kind: str) -> None:
    thing, place = FILES[kind], tmp_path / "config.json"
    thing.make(place)
    before = state(tmp_path)
    line = ("config", "portal", "--dataset", "1", "-o", place)

    for more in ((), () if thing.is_replaceable else ("--overwrite",)):
        result = invoke([*line, *more])

        assert result.exit_code == 2, result.output
        assert thing.words in result.output
        assert state(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["view page", "view picture", "export picks", "export segmentation"]
)
def test_the_same_call_again_finds_its_files_complete(
    scored: Path, tmp_path: Path, name: str
) -> None:
    command = NAMED[name]
    folder = copied_project(scored, tmp_path / "project").parent
    assert invoke(command.line(folder)).exit_code == 0
    place = folder / command.place
    stamp = place.stat().st_mtime_ns

    again = invoke(command.line(folder))

    assert again.exit_code == 0, again.output
    assert place.stat().st_mtime_ns == stamp


def test_names_that_the_system_refuses_and_pipes_are_one_line(scored: Path, tmp_path: Path) -> None:
    folder = copied_project(scored, tmp_path / "project").parent
    *words, _, _ = NAMED["evaluate"].line(folder)
    long = invoke([*words, "-o", folder / ("x" * 245)])
    assert long.exit_code == 2, long.output
    assert "File name too long" in long.output

    os.mkfifo(tmp_path / "pipe")  # whoever opens it waits for a reader
    piped = invoke([*NAMED["--json"].line(folder)[:-2], "--log", tmp_path / "pipe"])
    assert piped.exit_code == 2, piped.output
    assert "is not a log of copick-picker" in piped.output
