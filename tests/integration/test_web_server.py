"""A project on a web server: what it cannot list, and what it answers instead."""

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import TomogramKey
from projects import noise, run_folder, small_project

SHAPE = (8, 10, 12)
TOMOGRAM = TomogramKey("wbp", 10.0)
Answer = Callable[[Path], int | None]


@dataclass
class Server:
    """A web server over a folder; ``answer`` gives the state for what is not to be served."""

    config: Path
    folder: Path
    answers: list[Answer] = field(default_factory=list)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(console, [*words, "-c", str(self.config)])


class _Handler(http.server.SimpleHTTPRequestHandler):
    answers: list[Answer]

    def send_head(self):  # type: ignore[no-untyped-def]
        path = Path(self.translate_path(self.path))
        for answer in self.answers:
            state = answer(path)
            if state is not None:
                self.send_error(state)
                return None
        return super().send_head()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    config = small_project(tmp_path / "data", shape_zyx=SHAPE)
    folder = config.parent / "project"
    answers: list[Answer] = []
    kind = type("Handler", (_Handler,), {"answers": answers})
    httpd = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(kind, directory=str(folder))
    )
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    content = json.loads(config.read_text())
    (tmp_path / "overlay").mkdir()
    content["overlay_root"] = str(tmp_path / "overlay")
    content["static_root"] = f"http://127.0.0.1:{httpd.server_port}"
    content["static_fs_args"] = {"skip_instance_cache": True}
    remote = tmp_path / "remote.json"
    remote.write_text(json.dumps(content))
    try:
        yield Server(remote, config, answers)
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@pytest.mark.parametrize("separator", ["/", "."])
def test_a_tomogram_is_read_though_its_chunks_cannot_be_listed(
    server: Server, separator: str
) -> None:
    values = noise(SHAPE, seed=7)
    path = run_folder(server.folder, "TS_1") / "VoxelSpacing10.000" / "wbp.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.create_dataset("0", data=values, chunks=5, dimension_separator=separator)
    server.answers.append(lambda path: 403 if path.is_dir() and path.name == "0" else None)

    read = open_project(server.config).open_tomogram("TS_1", TOMOGRAM).read()
    result = server.run("mask", "gold", "-i", "wbp@10.0")

    assert np.array_equal(read, values)
    assert result.exit_code == 0, result.output
    assert "2 done" in result.output


def test_a_chunk_that_is_missing_is_found_when_it_is_read(server: Server) -> None:
    store = run_folder(server.folder, "TS_1") / "VoxelSpacing10.000" / "wbp.zarr" / "0"
    (chunk,) = [path for path in store.rglob("*") if path.is_file() and path.name[0] != "."]
    chunk.unlink()

    result = server.run("mask", "gold", "-i", "wbp@10.0", "--attempts", "1")

    assert result.exit_code == 1
    (failed,) = [line for line in result.output.splitlines() if "TS_1 failed" in line]
    assert "wbp.zarr/0/0/0/0: HTTP 404" in failed
    assert "] TS_2 done" in result.output


@pytest.mark.parametrize("state", [403, 404, 500, 503])
@pytest.mark.parametrize("words", [("mask", "gold", "-i", "wbp@10.0"), ("browse", "project")])
def test_a_listing_that_fails_is_no_empty_project(
    server: Server, state: int, words: tuple[str, ...]
) -> None:
    server.answers.append(lambda path: state if path.is_dir() else None)

    result = server.run(*words)

    assert result.exit_code == 2, result.output
    assert f"cannot list the runs of {server.config}: HTTP {state}" in result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("state", [403, 404, 500])
def test_a_run_that_cannot_be_listed_fails_alone(server: Server, state: int) -> None:
    server.answers.append(lambda path: state if path.name == "TS_1" else None)

    result = server.run("mask", "gold", "-i", "wbp@10.0")

    assert result.exit_code == 1, result.output
    (failed,) = [line for line in result.output.splitlines() if "TS_1 failed" in line]
    assert f"HTTP {state}" in failed
    assert "] TS_2 done" in result.output
