"""How far a run is: a line a minute in a file, bars on a terminal."""

import io

import click
from rich.console import Console as Terminal

from copick_picker.cli.console import Console
from copick_picker.cli.progress import RunProgress


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_file_gets_a_line_a_minute_and_none_for_short_runs():
    lines, clock = [], Clock()
    shown = RunProgress(lines.append, Terminal(file=io.StringIO()), clock)
    for done in range(1, 41):
        clock.now += 3.0
        shown.update("TS_1", done=done, total=40, unit="windows")
    shown.update("TS_2", done=1, total=2, unit="windows")
    clock.now += 1.0
    shown.update("TS_2", done=2, total=2, unit="windows")
    assert lines == ["TS_1: 21 of 40 windows, about 54 s left"]


def test_a_terminal_has_a_bar_for_each_run_and_none_at_the_end():
    screen = io.StringIO()
    terminal = Terminal(file=screen, force_terminal=True, width=80)
    lines, clock = [], Clock()
    shown = RunProgress(lines.append, terminal, clock)
    for done in (1, 2):
        clock.now += 100.0
        shown.update("TS_1", done=done, total=4, unit="windows")
        shown.update("TS_2", done=done, total=9, unit="frames")
    with shown.hidden():
        screen.write("a line\n")
    text = screen.getvalue()
    assert "2 of 4 windows" in text
    assert "2 of 9 frames" in text
    assert lines == []
    shown.stop()
    assert " of " not in screen.getvalue().rsplit("\x1b[2K")[-1]  # the last bars are erased


def test_lines_of_a_console_stand_beside_its_progress(capsys):
    console = Console()
    console.begin(1)
    console.progress("TS_1", done=1, total=3, unit="windows")
    console.note("a note")
    console.warn("a warning")
    console.stop()
    captured = capsys.readouterr()
    assert captured.out == "a note\n"
    assert click.unstyle(captured.err) == "Warning: a warning\n"
