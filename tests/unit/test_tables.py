"""Tables of the command line: at any width no name and no number is split."""

import os
import subprocess
import sys

import pytest

from copick_picker.cli.tables import line_width, table_text

COLUMNS = ("run", "object", "ref", "cand", "TP", "FP", "FN", "P", "F1", "verdict")
ROWS = (
    ("TS_0001_long-name", "virus-like-particle", "12345", "5", "5", "0", "0", "1.000", "0.987",
     "spacing is 10.5 A, the model's 10 A: resampled"),
    ("TS_2", "apo-ferritin", "5", "-", "5", "0", "0", "n/a", "0.5", "ok"),
)  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, None])
def test_no_word_is_split_and_nothing_is_wider(width):
    text = table_text("Scores", COLUMNS, ROWS, width=width)
    if width is not None and width >= 80:
        assert max(map(len, text.splitlines())) <= width
    words = set(text.split())
    last = text.rsplit("\n\n", 1)[-1] if "Hidden" not in text else text[text.index("Hidden") :]
    for number, column in enumerate(COLUMNS):
        is_shown = any(column in line.split() for line in text.splitlines()[:4])
        assert is_shown or column in last
        for row in ROWS if is_shown else ():
            assert set(row[number].split()) <= words
    assert {"TS_0001_long-name", "TS_2"} <= words


def test_secondary_columns_go_first_and_are_named():
    text = table_text("Scores", COLUMNS, ROWS, width=80)
    assert "Hidden at this width: cand, TP, FP, FN (--wide shows all)" in text
    assert "verdict" in text.splitlines()[2]
    assert "Hidden" not in table_text("Scores", COLUMNS, ROWS, width=None)


def test_numbers_stand_right_and_names_left():
    lines = table_text("t", ("run", "n", "what"), [("a", "1", "x"), ("b", "100", "yy")], width=80)
    first, second = lines.splitlines()[-2:]
    assert first.index("1") == second.index("100") + 2
    assert first.index("x") == second.index("yy")


def test_a_table_without_rows_has_its_columns():
    assert "verdict" in table_text("", ("run", "verdict"), [], width=80)


def test_a_long_value_is_wider_than_the_line_rather_than_split_or_dropped():
    digest = 64 * "a"
    text = table_text("Model", ("", "value"), [("sha256", digest), ("name", "x")], width=40)
    assert digest in text
    assert "Hidden" not in text


def test_output_that_is_no_terminal_has_no_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "97")
    assert line_width() is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_terminal_has_the_width_that_it_says(width):
    import pty

    read, write = pty.openpty()
    code = "from copick_picker.cli.tables import line_width; print(line_width(), flush=True)"
    environment = os.environ | {"COLUMNS": str(width)}
    subprocess.run([sys.executable, "-c", code], stdout=write, check=True, env=environment)
    assert os.read(read, 100).decode().strip() == str(width)
    os.close(read)
    os.close(write)
