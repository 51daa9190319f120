"""The bar over the windows of a tomogram, on a real terminal."""

import os
import pty
import subprocess
import sys

from projects import small_project, tiny_octopi_model

LAUNCH = "from copick_picker.cli.main import console; console()"


def test_segment_shows_its_windows_on_a_terminal_and_not_in_its_output(tmp_path):
    model = tiny_octopi_model(tmp_path / "model", {"ribosome": 1, "apo-ferritin": 2})
    config = small_project(tmp_path / "p", ("TS_1", "TS_2"))
    words = ("-c", config, "-mc", model[0], "-mw", model[1])
    ours, theirs = pty.openpty()
    line = [sys.executable, "-c", LAUNCH, "segment", *map(str, words), "--threads", "1"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        screen = b""
        while chunk := _read(ours):
            screen += chunk
        out = process.stdout.read().decode()
    assert process.returncode == 0, screen
    assert b"windows" in screen
    assert "2 done" in out
    assert "\x1b[2K" not in out


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""
