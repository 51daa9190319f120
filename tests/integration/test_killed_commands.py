"""Every command that writes, killed at a random moment and run again: nothing is lost.

What stood before stays whole until what takes its place is whole, and the same command again gives
what an undisturbed one gives. ``demo`` is left out: it takes too long, and works by ``segment``,
``localize``, ``evaluate`` and ``report``.
"""

import fnmatch
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from copick_picker.project.copick.making import create_project
from copick_picker.project.copick.store import open_project
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.records.keys import PicksKey, SegmentationKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec
from killed import server, start, struck, wait_for_children
from projects import noise, temporaries, tiny_octopi_model, tree

SEED = int(os.environ.get("COPICK_PICKER_KILL_SEED") or int.from_bytes(os.urandom(4)))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
START_OF_WORKERS = 10
"""How often a command could be done without workers while they start, about."""
RUNS = ("TS_1", "TS_2")
SHAPE = (20, 36, 40)
OBJECTS = (ObjectSpec("ribosome", 1, 70.0), ObjectSpec("apo-ferritin", 2, 40.0))
LABELS = {spec.name: spec.label for spec in OBJECTS}
POINTS = {
    "ribosome": np.array([[80.0, 80, 90], [300, 90, 110], [100, 260, 80], [300, 270, 100]]),
    "apo-ferritin": np.array([[190.0, 60, 60], [200, 180, 150], [60, 170, 50], [330, 180, 50]]),
}

Units = dict[str, dict[str, bytes]]
"""Name of what must be whole as one, a file or a folder -> its files by their path in it."""


def whole_picture(data: bytes) -> bytes:
    """Return the same for every picture that is whole."""
    Image.open(io.BytesIO(data)).load()
    return b"a whole picture"


def whole_json(data: bytes) -> bytes:
    """Return the same for every JSON file that is whole."""
    json.loads(data)
    return b"whole JSON"


def names_of_stages(data: bytes) -> bytes:
    """Return the stages that are done; their hashes know how long the stages took."""
    return " ".join(json.loads(data)).encode()


def page_without_times(data: bytes) -> bytes:
    """Return a report without its table of times, or the remark that there are none."""
    table = rb'<div class="scroll"[^>]*aria-label="Times and hardware">.*?</table></div>'
    signature = rb'content="copick-picker [0-9a-f]{64}"'
    without = table + rb"|<li>Times and hardware were not given.*?</li>|" + signature
    return re.sub(without, b"", data, flags=re.DOTALL)


def what_is_asked(data: bytes) -> bytes:
    """Return what a training was asked for; beside it stands whether it replaces another."""
    return json.dumps(json.loads(data)["record"]).encode()


def curve_without_times(data: bytes) -> bytes:
    """Return the curve of a training without its column of seconds."""
    rows = [line.split(b",") for line in data.splitlines()]
    at = rows[0].index(b"seconds")
    return b"\n".join(b",".join(row[:at] + row[at + 1 :]) for row in rows)


def mrc_without_time(data: bytes) -> bytes:
    """Return an MRC file without the time in its header."""
    return re.sub(rb"\d{4}-\d\d-\d\d +\d\d:\d\d:\d\d", b"", data[:1024]) + data[1024:]


@dataclass(frozen=True)
class Row:
    """A command that works in the folder ``@``, and what is special about it.

    Attributes
    ----------
    line : str
        The command.
    earlier : str
        What an earlier call has besides, whose output then stands.
    like : str
        The row that leaves the same without workers; a worker takes long to begin.
    begins : str
        The line of the earlier call, where that is another one.
    outputs : tuple of str
        Folders that are whole as one; stores are in any case.
    replaced : str
        Folder that is begun anew; until it is whole the former one waits beside it.
    unfinished : tuple of str
        Globs of files that grow while the command works.
    left_out : tuple of str
        Globs of files that are never the same.
    may_lack : tuple of str
        Globs of files that a command that was killed cannot always make up for.
    compared : mapping
        Glob -> what is compared of the bytes of such files.
    """

    line: str
    earlier: str = ""
    like: str = ""
    begins: str = ""
    outputs: tuple[str, ...] = ()
    replaced: str = ""
    unfinished: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    compared: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)

    def aside(self, home: str) -> str:
        """Return where a file of the output folder waits until what replaces it is whole."""
        return f"{self.replaced}.replaced{home.removeprefix(self.replaced)}"

    def home(self, path: str) -> str:
        """Return where a file stood that waits aside; of others the path."""
        aside = f"{self.replaced}.replaced/"
        if self.replaced and path.startswith(aside):
            return f"{self.replaced}/{path.removeprefix(aside)}"
        return path

    def unit(self, path: str) -> str:
        """Return the name of the store or folder that a file belongs to, or its own."""
        parts = path.split("/")
        for number in range(1, len(parts)):
            folder = "/".join(parts[:number])
            if folder.endswith(".zarr") or self.home(folder) in self.outputs:
                return folder
        return path

    def units(self, folder: Path) -> Units:
        """Return what is in a folder, temporary files left out."""
        units: Units = {}
        for path, data in tree(folder).items():
            home = self.home(path)
            if path.endswith("/.copick-picker-replaced"):  # says who moved the folder aside
                continue
            if any(part.endswith(".tmp") for part in path.split("/")) or fits(home, self.left_out):
                continue
            how = [each for pattern, each in self.compared.items() if fits(home, (pattern,))]
            unit = self.unit(path)
            units.setdefault(unit, {})[path.removeprefix(unit)] = how[0](data) if how else data
        return units

    def damage(self, before: Units, after: Units, new: Units) -> list[str]:
        """Return what was lost, or is neither whole as it was nor whole as it will be."""
        found = []
        for unit in sorted({*before, *after}):
            home = self.home(unit)
            old, coming, standing = (units.get(home) for units in (before, new, after))
            waits = bool(self.replaced and old and after.get(self.aside(home)) == old)
            if unit != home:  # it goes once the new one stands
                good = waits or bool(old and standing and standing == coming)
            elif standing is None:
                good = waits
            else:
                grows = fits(home, self.unfinished) and (waits or old is None)
                good = grows or standing in (old, coming)
            if not good:
                found.append(f"{unit}: {told(after.get(unit), old, coming)}")
        return found


def told(state: dict[str, bytes] | None, *wanted: dict[str, bytes] | None) -> str:
    """Return in words how files differ from those that stood before and those that come."""
    if state is None:
        return "gone"
    words = []
    for name, other in zip(("old", "new"), wanted, strict=True):
        if other is None:
            words.append(f"no {name} one")
            continue
        parts = {
            "lacks": sorted({*other} - {*state}),
            "has besides": sorted({*state} - {*other}),
            "other bytes in": sorted(
                key for key in {*other} & {*state} if other[key] != state[key]
            ),
        }
        said = [f"{part} {keys[:4]}" for part, keys in parts.items() if keys]
        words.append(f"against the {name} one: {', '.join(said)}")
    return "; ".join(words)


def fits(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


MODEL = "-mc @/octopi/model_config.yaml -mw @/octopi/best_model.pth"
SEGMENT = (
    f"segment -c @/config.json -i wbp@10.0 {MODEL} -o found:picker/1 --tta 1 --threads 1 "
    "--probabilities"
)
SIMULATE = "simulate @/scene.yaml -o @/made --threads 2"
ROWS = {
    "segment": Row(SEGMENT, "--overlap 0.5"),
    "segment by two workers": Row(f"{SEGMENT} --workers 2", "--overlap 0.5", like="segment"),
    "localize": Row(
        "localize -c @/config.json -i predict:me/1 -o *:found/1 --method components "
        "--radius-min-scale 0.1",
        "--border-margin-angstrom 60",
    ),
    "filter": Row("filter -c @/config.json -i *:picker/1 --min-score *=0.3", "--top *=1"),
    "mask exclude-edges": Row(
        "mask exclude-edges -c @/config.json -i wbp@10.0 --margin-xy 50", "--margin-z 30"
    ),
    "mask from-labels": Row(
        "mask from-labels -c @/config.json -i predict:me/1 -o cell:picker/1", "--grow 20"
    ),
    "targets": Row("targets -c @/config.json -p *:curator/1", "--target-fraction 0.7"),
    "evaluate": Row(
        "evaluate -c @/config.json --reference *:curator/1 -o @/scores",
        "--tolerance 10A",
        outputs=("scores",),
    ),
    "export picks": Row(
        "export picks -c @/config.json -i *:picker/1 --to relion5 --per-run -o @/exported",
        "--top *=1",
    ),
    "export segmentation": Row(
        "export segmentation -c @/config.json -i predict:me/1 --to mrc -o @/exported",
        "-i predict:me/2",
        compared={"*.mrc": mrc_without_time},
    ),
    "import mrc": Row(
        "import mrc @/mrc -c @/config.json --type raw",
        begins="import mrc @/other_mrc -c @/config.json --type raw",
    ),
    "import picks": Row(
        "import picks @/points.csv -c @/config.json -o ribosome:back/1", "--keep-outside"
    ),
    "view": Row(
        "view TS_* -c @/config.json -o @/pages/{run}.html --slices 8", "--min-score ribosome=0.6"
    ),
    "report": Row("report @/given/a -c @/config.json -o @/report.html --gallery 1", "--title Old"),
    "calibrate": Row(
        "calibrate -c @/config.json -i *:picker/1 --reference *:curator/1 --project "
        "--plot @/plot.png --fewest-references 4",
        "--objects ribosome",
        compared={"plot.png": whole_picture},  # it shows the threshold that was in use
    ),
    "simulate": Row(SIMULATE, "--seed 6", replaced="made"),
    "simulate by two workers": Row(
        f"{SIMULATE} --workers 2", "--seed 6", like="simulate", replaced="made"
    ),
    "train": Row(
        "train -c @/config.json -p *:curator/1 -o @/model --patch 16 --batch-size 2 --threads 1 "
        "--parameter channels=[2,4] --parameter dropout=0.1 --steps 4 --validate-every 2 "
        "--save-every 1 --validation-runs TS_2",
        "--seed 5",
        outputs=("model",),
        replaced="model.training",
        unfinished=("model.training/*",),
        left_out=("model.training/tensorboard/*",),
        compared={"*/curve.csv": curve_without_times, "*/job.json": what_is_asked},
    ),
    "benchmark run": Row(
        "benchmark run @/suite.yaml -o @/out --threads 1",
        begins="benchmark run @/other_suite.yaml -o @/out --threads 1",
        outputs=("out/ours/scores",),
        replaced="out",
        unfinished=("out/stages.json",),
        may_lack=("out/ours/*.json",),
        compared={
            "out/ours/*.json": whole_json,
            "out/ours/report.html": page_without_times,
            "out/stages.json": names_of_stages,
        },
    ),
    "benchmark compare": Row(
        "benchmark compare @/given/a @/given/b -o @/compared",
        "--bootstrap 10",
        outputs=("compared",),
    ),
    "model convert": Row(
        f"model convert {MODEL} -o @/converted",
        "-mc @/other_octopi/model_config.yaml",
        outputs=("converted",),
    ),
}
SLOW = {"segment by two workers": "fresh", "simulate by two workers": "overwrite"}
"""Rows whose processes take long to start -> the one variant of them."""
SCENE = {
    "title": "Small",
    "seed": 5,
    "runs": 2,
    "shape": [24, 32, 36],
    "voxel_spacing": 10.0,
    "objects": {"ball": {"molecule": "blob:700", "count": 2, "radius_angstrom": 60}},
    "imaging": {"path": "quick"},
}
SUITE = {
    "title": "A tiny tomogram",
    "tomogram": "wbp@10.0",
    "reference": "*:curator/1",
    "segment": {"tta": 1, "contrast": "dark", "overlap": 0.0},
    "localize": {"method": "components"},
    "evaluate": {"bootstrap": 0},
    "report": {"gallery": 1, "contrast": "dark"},
}


def scene_of(run_number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with dark balls in it, and the labels of the balls."""
    volume, labels = noise(SHAPE, seed=run_number), np.zeros(SHAPE, dtype=np.uint8)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    for spec in OBJECTS:
        for px, py, pz in POINTS[spec.name] / 10:
            ball = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
            labels[ball <= (0.06 * (spec.radius_angstrom or 0.0)) ** 2] = spec.label
    return volume - 4.0 * (labels > 0).astype(np.float32), labels


def make_files(place: Path) -> None:
    """Make the files that commands read: volumes, points, models, a scene and suites."""
    for folder, n_planes in (("tomograms", SHAPE[0]), ("mrc", 6), ("other_mrc", 7)):
        (place / folder).mkdir(parents=True)
        for number, name in enumerate(RUNS):
            write_mrc(place / folder / f"{name}.mrc", scene_of(number)[0][:n_planes], 10.0)
    rows = [f"{name},{x},100,100" for name in RUNS for x in (50, 150, 250, 900)]
    (place / "points.csv").write_text("\n".join(["run_name,x,y,z", *rows, ""]))
    tiny_octopi_model(place / "octopi", LABELS)
    tiny_octopi_model(place / "other_octopi", LABELS, window_voxels=24)
    (place / "scene.yaml").write_text(yaml.safe_dump(SCENE))
    for name, seed in (("suite", 1), ("other_suite", 2)):
        content = SUITE | {
            "simulated": {"seeds": [seed], "shape_zyx": [24, 40, 44]},
            "models": {"ours": str(place / "ready")},
        }
        (place / f"{name}.yaml").write_text(yaml.safe_dump(content))


def make_picks(config: Path) -> None:
    """Add reference picks, scored picks and two segmentations to every run of a project."""
    store = open_project(config)
    for number, run in enumerate(RUNS):
        for name, points in POINTS.items():
            found = points + np.array([[5.0, 0, 0], [0, 8, 0], [0, 0, 0], [70, 70, 0]])
            for user, xyz, scores in (
                ("curator", points, np.ones(4)),
                ("picker", found, np.array([0.9, 0.7, 0.5, 0.2])),
            ):
                picks, key = PickSet(name, xyz, scores), PicksKey(name, user, "1")
                store.write_picks(run, key, picks, provenance={"a": 1}, overwrite=False)
        labels = scene_of(number)[1]
        for session, painted in (("1", labels), ("2", labels[:, ::-1])):
            store.write_segmentation(
                run,
                SegmentationKey("predict", "me", session, 10.0),
                [(0, painted)],
                shape_zyx=SHAPE,
                provenance={"command": "segment", "labels": LABELS},
                overwrite=False,
            )


class Bench:
    """Runs commands in a folder that always lies at one place, and keeps what they leave there."""

    def __init__(self, base: Path) -> None:
        self.context = server()
        self.base, self.place, self.said = base, base / "place", base / "said.txt"
        self.input = base / "input"
        self.left: dict[str, Units] = {}
        self.earlier: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}
        make_files(self.place)
        create_project(self.place, OBJECTS, name="small")
        self.well("import mrc @/tomograms -c @/config.json")
        make_picks(self.place / "config.json")
        self.well(f"model convert {MODEL} -o @/ready")
        line = "evaluate -c @/config.json --reference *:curator/1 --bootstrap 0 -o @/given/"
        self.well(f"{line}a")
        self.well(f"{line}b --min-score ribosome=0.6")
        self.place.rename(self.input)

    def lay_out(self, folder: Path) -> None:
        """Put a copy of a folder at the place."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(folder, self.place)

    def arguments(self, line: str) -> list[str]:
        words = [word.replace("@/", f"{self.place}/") for word in line.split()]
        logged = [] if line.startswith("model ") else ["--log", str(self.base / "log.txt")]
        return [*words, *logged]

    def to_its_end(self, line: str) -> tuple[int | None, str]:
        """Run a command and return its exit code and what it printed."""
        process = start(self.context, self.arguments(line), self.said)
        process.join()
        wait_for_children(self.said)
        return process.exitcode, self.said.read_text()

    def well(self, line: str) -> float:
        """Run a command that must succeed, and return how long it took."""
        began = time.monotonic()
        code, text = self.to_its_end(line)
        assert code == 0, text
        return time.monotonic() - began

    def prepare(self, name: str) -> None:
        """Keep what a command leaves and what an earlier call of it leaves, and the time."""
        row = ROWS[name]
        if name in self.left:
            return
        if row.like:
            self.prepare(row.like)
            self.left[name], self.earlier[name] = self.left[row.like], self.earlier[row.like]
            self.seconds[name] = START_OF_WORKERS * self.seconds[row.like]
            return
        self.lay_out(self.input)
        seconds = [self.well(row.line)]
        self.left[name] = row.units(self.place)
        self.lay_out(self.input)
        seconds.append(self.well(row.begins or f"{row.line} {row.earlier}"))
        self.earlier[name] = self.base / f"after {name}"
        self.place.rename(self.earlier[name])
        self.seconds[name] = min(seconds)

    def struck(self, name: str, line: str, rng: np.random.Generator) -> None:
        """Send a command a random signal at a random moment, and wait for its end.

        A command with workers is struck within their start, or once they write.
        """
        row, blow = ROWS[name], SIGNALS[rng.integers(len(SIGNALS))]
        waits = bool(row.like and rng.uniform() < 0.5)
        seconds = rng.uniform() * self.seconds[row.like if waits else name]
        runs = self.place / row.replaced / "project" / "ExperimentRuns"
        process = start(self.context, self.arguments(line), self.said)
        still_ran = struck(
            process,
            seconds,
            blow,
            ready=lambda: not waits or any(runs.glob("*/*/*.tmp")),
        )
        wait_for_children(self.said)
        assert still_ran or process.exitcode == 0, self.said.read_text()
        moment = f"{seconds:.3f} s after its {'first file' if waits else 'start'}"
        then = f"ended it with {process.exitcode}" if still_ran else "came too late"
        sys.stdout.write(f"{blow.name} {moment} {then}\n")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Return the bench with its input: a project, models and files for every command."""
    return Bench(tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        (name, variant)
        for name in ROWS
        for variant in ("fresh", "overwrite")
        if SLOW.get(name, variant) == variant
    ],
)
def test_a_command_killed_at_a_random_moment_loses_nothing_and_comes_to_its_end(
    bench, name, variant
):
    sys.stdout.write(f"COPICK_PICKER_KILL_SEED={SEED}: {name}, {variant}: ")
    row, overwrites = ROWS[name], variant == "overwrite"
    bench.prepare(name)
    bench.lay_out(bench.earlier[name] if overwrites else bench.input)
    before, new = row.units(bench.place), bench.left[name]
    assert before != new
    line = f"{row.line} --overwrite" if overwrites else row.line

    bench.struck(name, line, np.random.default_rng([SEED, *f"{name} {variant}".encode()]))

    after = row.units(bench.place)
    damage = row.damage(before, after, new)
    assert not damage, "\n".join(damage)

    code, text = bench.to_its_end(line)

    if after == new and code != 0:  # all was done, and what stands is not replaced
        assert "overwrite" in text
    else:
        assert code == 0, text
    assert temporaries(bench.place) == []
    found = row.units(bench.place)
    differing = sorted(
        f"{unit}: {told(found.get(unit), None, new.get(unit))}"
        for unit in {*found, *new}
        if found.get(unit) != new.get(unit) and not fits(unit, row.may_lack)
    )
    assert not differing, "\n".join(differing)
