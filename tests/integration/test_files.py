"""Files and folders appear whole or not at all."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from copick_picker.errors import ConflictError, DataError, ProjectError
from copick_picker.project import files
from copick_picker.project.files import remove_stale, replacing, write_bytes, write_text
from copick_picker.project.standing import standing_at
from copick_picker.project.zarr_survey import zarr_group
from projects import files_of_at_most, temporaries, tree
from things import FOLDERS, VOLUMES, state


def temporary_of_a_dead_process(target: Path) -> Path:
    """Return the temporary path that a process which is gone used for a target."""
    program = (
        "import sys; from pathlib import Path; from copick_picker.project.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as path: print(path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(target)], capture_output=True, text=True, check=False
    )
    return Path(done.stdout.strip())


def test_writes_and_replaces_text(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "scores.json"

    write_text(target, "first\n")
    write_text(target, "Å second\n")

    assert target.read_bytes() == "Å second\n".encode()
    assert os.listdir(target.parent) == ["scores.json"]  # noqa: PTH208 (hidden files too)


def test_a_folder_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for content in (("a", "b"), ("c",)):
        with replacing(target) as temporary:
            temporary.mkdir()
            for name in content:
                (temporary / name).write_text(name)

    assert tree(tmp_path) == {"model/c": b"c"}


@pytest.mark.parametrize("error", [DataError("no"), KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_in_between_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "scores.csv"
    write_text(target, "old")

    def half() -> None:
        with replacing(target) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(type(error)):
        half()
    assert tree(tmp_path) == {"scores.csv": b"old"}


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    write_text(target, "old")

    with files_of_at_most(1000), pytest.raises(ProjectError, match=r"scores\.csv: File too large"):
        write_bytes(target, bytes(5000))

    assert tree(tmp_path) == {"scores.csv": b"old"}


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores").write_text("in the way")

    with pytest.raises(ProjectError, match="cannot write .*scores/a.txt") as caught:
        write_text(tmp_path / "scores" / "a.txt", "text")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model", "x.zarr", "picker_1_ribosome.provenance.yaml"])
def test_the_next_write_removes_what_a_killed_process_left(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    left = temporary_of_a_dead_process(target)
    assert left.name.endswith(f"{target.suffix}.tmp")
    (left / "0").mkdir(parents=True)

    write_text(target, "whole")

    assert tree(tmp_path) == {name: b"whole"}
    assert temporaries(tmp_path) == []


def test_what_may_be_in_use_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "x.zarr"
    with replacing(target) as mine:
        mine.write_text("mine")
    living = mine.with_name(mine.name.replace(f"-{os.getpid()}.", f"-{os.getppid()}."))
    elsewhere = tmp_path / "x.another-host-12.zarr.tmp"
    another = tmp_path / "xy.another-host-12.zarr.tmp"
    foreign = tmp_path / "x.notes.zarr.tmp"
    for path in (living, elsewhere, another, foreign):
        path.write_text("")

    remove_stale(target)
    assert all(path.exists() for path in (living, elsewhere, another, foreign))

    os.utime(elsewhere, (0, 0))
    os.utime(another, (0, 0))
    remove_stale(target)
    assert not elsewhere.exists()
    assert another.exists()


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    """The last to finish wins; no reader ever sees anything but a whole file."""
    target = tmp_path / "scores.json"
    contents = {str(digit) * 100_000 for digit in range(2)}
    write_text(target, "0" * 100_000)
    program = (
        "import sys; from pathlib import Path; from copick_picker.project.files import write_text\n"
        "for _ in range(200): write_text(Path(sys.argv[1]), sys.argv[2] * 100_000)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(target), digit]) for digit in "01"
    ]
    done = threading.Event()
    while not done.is_set():
        assert target.read_text() in contents
        if all(writer.poll() is not None for writer in writers):
            done.set()

    assert [writer.returncode for writer in writers] == [0, 0]
    assert temporaries(tmp_path) == []


class TestStandsInTheWay:
    """What is found at a path, and how a new one takes its place."""

    @pytest.mark.parametrize("way", ["swap", "two steps"])
    def test_a_folder_takes_the_place_of_anything_that_is_permitted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        if way == "two steps":  # a system, or a file system, that cannot swap two names
            monkeypatch.setattr(files, "_exchange", lambda *_: False)
        for number, thing in enumerate((*FOLDERS.values(), *VOLUMES.values())):
            folder = tmp_path / str(number)
            folder.mkdir()
            target = folder / "x.zarr"
            thing.make(target)
            outside = {
                name: content for name, content in state(folder).items() if "x.zarr" not in name
            }

            with replacing(target, permit=lambda: None) as temporary:
                temporary.mkdir()
                (temporary / "new").write_text("new")

            assert state(folder) == {**outside, "x.zarr": "folder", "x.zarr/new": b"new"}

    def test_without_a_permit_no_folder_gives_way_to_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "thesis.txt").write_text("years of work")
        before = state(tmp_path)

        with pytest.raises(ProjectError, match="cannot write .*x: Is a directory"):
            write_text(tmp_path / "x", "text")

        assert state(tmp_path) == before

    def test_what_comes_between_the_permit_and_the_move_is_asked_for_again(
        self, tmp_path: Path
    ) -> None:
        """Another process writes its file just after this one has looked."""
        for make in (write_text, lambda path, _: path.mkdir()):
            target, asked = tmp_path / make.__name__, []

            def permit(target: Path = target, asked: list[bool] = asked) -> None:
                asked.append(os.path.lexists(target))
                if len(asked) == 1:
                    target.write_text("theirs")
                elif asked[-1]:
                    msg = "theirs stands"
                    raise ConflictError(msg)

            with pytest.raises(ConflictError), replacing(target, permit=permit) as temporary:
                make(temporary, "ours")

            assert asked == [False, True]
            assert target.read_text() == "theirs"
            assert temporaries(tmp_path) == []

    def test_a_process_killed_between_two_steps_leaves_the_old_one(self, tmp_path: Path) -> None:
        target = tmp_path / "x.zarr"
        target.mkdir()
        (target / "old").write_text("old")
        program = (
            "import os, sys\nfrom pathlib import Path\n"
            "from copick_picker.project import files\n"
            "files._exchange = lambda first, second: False\n"
            "rename, target = Path.rename, Path(sys.argv[1])\n"
            "def killed(self, other):\n"
            "    if Path(other) == target: os.kill(os.getpid(), 9)\n"
            "    return rename(self, other)\n"
            "Path.rename = killed\n"
            "with files.replacing(target, permit=lambda: None) as path:\n"
            "    path.mkdir()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(target)], capture_output=True, check=False
        )
        assert done.returncode == -9, done.stderr
        assert not target.exists()

        found = standing_at(target, zarr_group)

        assert found is not None
        assert found.words == "a folder that is not a zarr group, containing old"
        assert (target / "old").read_text() == "old"
        with replacing(target, permit=lambda: None) as path:
            path.mkdir()
        assert temporaries(tmp_path) == []

    def test_a_name_that_differs_in_case_only_is_another_ones(self, tmp_path: Path) -> None:
        place = Path(os.environ.get("COPICK_PICKER_TEST_FOLDING", tmp_path)) / "folding"
        place.mkdir()
        try:
            (place / "Predict.zarr").mkdir()
            if not (place / "predict.zarr").exists():
                pytest.skip(
                    "this file system tells case; name a folder of one that does not in "
                    "COPICK_PICKER_TEST_FOLDING"
                )
            assert standing_at(place / "Predict.zarr", zarr_group) is not None
            found = standing_at(place / "predict.zarr", zarr_group)
            assert found is not None
            assert not found.is_replaceable
            assert "Predict.zarr, which this file system does not distinguish" in found.words
        finally:
            shutil.rmtree(place)
