"""The cache of remote objects: bounded, whole or absent, shared by processes."""

import logging
import subprocess
import sys

import pytest

from copick_picker.project.remote.byte_cache import ByteCache
from patience import HANG_SECONDS

TWO_WRITERS = """
import sys
from pathlib import Path
from copick_picker.project.remote.byte_cache import ByteCache
cache = ByteCache(Path(sys.argv[1]), 20_000)
for number in range(60):
    cache.put(f"{sys.argv[2]}-{number}", bytes([number]) * 1000)
    total = 0
    for path in Path(sys.argv[1]).glob("*.object"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # the other process has just dropped it
            continue
    assert total <= 20_000, total
    found = cache.get(f"shared-{number % 7}")
    assert found in (None, b"x" * 2000), len(found)
    cache.put(f"shared-{number % 7}", b"x" * 2000)
"""


def size(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def test_what_is_put_comes_back_in_another_process_too(tmp_path):
    ByteCache(tmp_path / "cache", 10_000).put("s3://a/0\n1", b"voxels")
    assert ByteCache(tmp_path / "cache", 10_000).get("s3://a/0\n1") == b"voxels"
    assert ByteCache(tmp_path / "cache", 10_000).get("s3://a/0\n2") is None


def test_the_least_recently_used_makes_room(tmp_path):
    cache = ByteCache(tmp_path, 3_200)
    for name in "abc":
        cache.put(name, name.encode() * 1000)
        assert cache.get("a") is not None
    cache.put("d", b"d" * 1000)
    assert cache.get("b") is None
    assert cache.get("a") == b"a" * 1000
    assert cache.get("d") == b"d" * 1000
    assert size(tmp_path) <= 3_200
    cache.put("e", b"e" * 4_000)
    assert cache.get("e") is None


@pytest.mark.parametrize("ending", [b"", b"?"], ids=["cut", "changed"])
def test_a_damaged_file_is_read_again(tmp_path, caplog, ending):
    cache = ByteCache(tmp_path, 10_000)
    cache.put("a", b"voxels")
    (path,) = tmp_path.glob("*.object")
    path.write_bytes(path.read_bytes()[:-1] + ending)
    with caplog.at_level(logging.WARNING):
        assert cache.get("a") is None
    assert "is damaged" in caplog.text
    cache.put("a", b"voxels")
    assert cache.get("a") == b"voxels"


def test_two_processes_stay_within_the_bound(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", TWO_WRITERS, str(tmp_path), name])
        for name in ("one", "two")
    ]
    assert [process.wait(timeout=HANG_SECONDS) for process in processes] == [0, 0]
    assert list(tmp_path.glob("*.tmp")) == []


def test_leftovers_of_a_stopped_process_go(tmp_path):
    ByteCache(tmp_path, 1_000).put("a", b"1")
    [stored] = tmp_path.glob("*.object")
    stored.with_name(f"{stored.name}.999.tmp").write_bytes(b"half")
    ByteCache(tmp_path, 1_000).put("b", b"1")
    assert list(tmp_path.glob("*.tmp")) == []


def test_files_of_others_in_the_folder_stay(tmp_path):
    names = ("notes.tmp", "thesis.object", "x.object.999.tmp", "data.object.tmp")
    for name in names:
        (tmp_path / name).write_bytes(b"years of work")
    cache = ByteCache(tmp_path, 100)
    for name in "abc":
        cache.put(name, bytes(50))
    assert {name: (tmp_path / name).read_bytes() for name in names} == dict.fromkeys(
        names, b"years of work"
    )


def test_a_full_disk_ends_the_caching_not_the_reading(tmp_path):
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from copick_picker.project.remote.byte_cache import ByteCache\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "cache = ByteCache(Path(sys.argv[1]), 10**6)\n"
        "cache.put('a', b'a' * 20000)\n"
        "assert cache.get('a') is None\n"
        "assert not list(Path(sys.argv[1]).glob('*.object*'))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_a_place_that_is_no_folder_is_said_and_left_out(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        cache = ByteCache(tmp_path / "file", 10_000)
    assert "file is unusable" in caplog.text
    cache.put("a", b"voxels")
    assert cache.get("a") is None
