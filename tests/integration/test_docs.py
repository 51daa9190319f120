"""Every command line that the docs show runs, in the order of its page, on a small project."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_picks
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from projects import copied_project, project_of

ROOT = Path(__file__).parents[2]
OCTOPI = ROOT / "tests" / "fixtures" / "octopi"
CRYOSIAM = ROOT / "tests" / "fixtures" / "cryosiam"
APART = ROOT / "docs" / "first-hour.md"  # on tomograms of its own: test_first_hour.py
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").rglob("*.md")) - {APART})]
OBJECTS = (
    ObjectSpec("apo-ferritin", 1, 60.0),
    ObjectSpec("beta-galactosidase", 2, 90.0),
    ObjectSpec("ribosome", 5, 150.0),
    ObjectSpec("virus-like-particle", 6, 135.0),
)
RUNS = ("TS_01", "TS_02")
CONVERT = "model convert -mc best_model_config.yaml -mw best_model.pth -o model_dir"


def commands(page):
    """Return the command lines in the bash blocks of a page, continued lines joined."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "make ", "pip ", "git "))]


@pytest.fixture(scope="session")
def docs_folder(tmp_path_factory):
    """Return a folder with all that the docs speak of: a project, models, ready settings."""
    folder = tmp_path_factory.mktemp("docs")
    with np.load(OCTOPI / "input.npz") as stored:
        large = stored["volume"]
    volume = large[:24, :44, :48]
    points = np.array([[100.0, 200.0, 150.0], [400.0, 300.0, 200.0], [250.0, 420.0, 300.0]])
    picks = {
        (run_name, PicksKey(spec.name, "curator", "1")): points + 10 * spec.label
        for run_name in RUNS
        for spec in OBJECTS
    }
    tomograms = {name: volume + 0.01 * number for number, name in enumerate(RUNS)}
    project_of(folder, tomograms, picks, objects=OBJECTS, tomogram=TomogramKey("wbp", 10.0))
    put_candidates(folder / "config.json", points)
    shutil.copy(OCTOPI / "Unet" / "best_model.pth", folder / "best_model.pth")
    shutil.copy(OCTOPI / "Unet" / "model_config.yaml", folder / "best_model_config.yaml")
    shutil.copytree(ROOT / "configs", folder / "configs")
    cryosiam_files(folder)
    put_exchange_files(folder, {RUNS[0]: large, RUNS[1]: volume})
    return folder


def put_candidates(config, points):
    """Store the picks of a low threshold: shifted ones with high scores, false ones with low."""
    for run_name in RUNS:
        for spec in OBJECTS:
            found = np.concatenate([points + 10 * spec.label + 20, points + 300])
            scores = np.array([0.9, 0.8, 0.6, 0.3, 0.2, 0.1])
            picks = PickSet(spec.name, found, scores)
            add_picks(config, run_name, PicksKey(spec.name, "picker", "all"), picks)


def put_exchange_files(folder, tomograms):
    """Put in files of other programs: MRC volumes, particles, tomograms, an IMOD model."""
    for name, volume in tomograms.items():
        write_mrc(folder / "tomograms" / f"{name}.mrc", volume, 10.0)
    rows = [f"{name}.tomostar 10 20 {z} 0.{z}" for name in RUNS for z in (5, 15)]
    columns = ["rlnMicrographName", *(f"rlnCoordinate{axis}" for axis in "XYZ")]
    columns.append("rlnAutopickFigureOfMerit")
    head = "\n".join(f"_{name} #{number}" for number, name in enumerate(columns, 1))
    (folder / "particles.star").write_text("data_\n\nloop_\n" + "\n".join([head, *rows]) + "\n")
    table = ["run_name,x,y,z,score", *(f"{name},100,200,50,0.5" for name in RUNS)]
    (folder / "centres.csv").write_text("\n".join(table) + "\n")
    names = ["run_name,tomogram_name", *(f"{name},position_{name}" for name in RUNS)]
    (folder / "names.csv").write_text("\n".join(names) + "\n")


def cryosiam_files(folder):
    """Put small files of CryoSiam beside the project."""
    (folder / "tomograms").mkdir(exist_ok=True)
    shutil.copy(CRYOSIAM / "tomograms" / "TS_02_6.80Apx.mrc", folder / "tomograms")
    shutil.copy(CRYOSIAM / "multiclass" / "model.ckpt", folder / "model.ckpt")
    shutil.copy(CRYOSIAM / "lamella" / "model.ckpt", folder / "lamella.ckpt")
    for name, page_name in (("multiclass_sizes", "semantic"), ("lamella", "lamella")):
        text = (CRYOSIAM / f"{name}.yaml").read_text()
        text = text.replace("multiclass/model.ckpt", "model.ckpt")
        text = text.replace("lamella/model.ckpt", "lamella.ckpt")
        text = text.replace("test_files: null", "test_files: [TS_02_6.80Apx.mrc]")
        (folder / f"{page_name}.yaml").write_text(text)


@pytest.fixture
def workplace(docs_folder, tmp_path, monkeypatch):
    """Go to a fresh copy of the docs' folder, with paths of the project that lead into it."""
    place = copied_project(docs_folder, tmp_path / "place").parent
    monkeypatch.chdir(place)
    arguments = shlex.split(CONVERT)
    result = CliRunner().invoke(console, arguments)
    assert result.exit_code == 0, result.output
    return place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("workplace")
def test_the_commands_of_a_page_run(page):
    for line in commands(page):
        program, *arguments = shlex.split(line)
        if program == "copick-picker":
            result = CliRunner().invoke(console, arguments)
            assert result.exit_code == 0, f"{line}\n{result.output}"
        elif program == "copick":
            copick = Path(sys.executable).parent / "copick"
            run = subprocess.run([copick, *arguments], capture_output=True, text=True)
            assert run.returncode == 0, f"{line}\n{run.stdout}\n{run.stderr}"
        else:
            pytest.fail(f"{page.name} shows '{line}': which program is that?")
