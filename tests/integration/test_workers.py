"""Worker processes: who gets which run, and what happens when one dies or lacks memory."""

from functools import partial

import pytest
from click.testing import CliRunner

import worker_jobs
from copick_picker.cli.main import console
from copick_picker.jobs.execution import process_runs
from copick_picker.jobs.placement import Place
from copick_picker.jobs.processes import Processes
from copick_picker.records.runs import RunOutcome
from projects import small_project, tiny_octopi_model, tree
from worker_jobs import Diary

CPU = Place("cpu", 1)


class Heard:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.ended: list[tuple[str, int, int]] = []

    def note(self, text: str) -> None:
        raise AssertionError(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def table(self, title, columns, rows) -> None:
        raise AssertionError(title, columns, rows)

    def begin(self, total: int) -> None:
        assert total > 0
        assert self.ended == []

    def progress(self, run_name: str, *, done: int, total: int, unit: str) -> None:
        assert 0 < done <= total, run_name
        assert unit == "windows"

    def outcome(self, outcome: RunOutcome, *, done: int, total: int, seconds: float) -> None:
        assert seconds >= 0
        self.ended.append((outcome.run_name, done, total))


def processed(make, run_names, places, sizes=None):
    heard = Heard()
    executor = Processes(make, places, sizes or {})
    summary = process_runs("segment", run_names, executor, reporter=heard)
    assert [outcome.run_name for outcome in summary.outcomes] == list(run_names)
    assert [entry[1:] for entry in heard.ended] == [
        (done, len(run_names)) for done in range(1, len(run_names) + 1)
    ]
    return {outcome.run_name: outcome for outcome in summary.outcomes}, heard, summary


def test_runs_are_dealt_out_by_size_and_reported_as_in_one_process(tmp_path):
    names = ("small", "large", "odd", "broken", "middle")
    sizes = {"small": 1, "large": 9, "middle": 5, "odd": 3, "broken": 2}
    found, heard, summary = processed(
        partial(worker_jobs.easy, tmp_path), names, [Place("cpu", 3)], sizes
    )
    assert Diary(tmp_path).begun() == ["large", "middle", "odd", "broken", "small"]
    assert found["broken"].status == "failed"
    assert found["broken"].message == "no such data"
    assert heard.warnings == ["run odd: strange"]
    assert found["small"].details["threads"] == 3
    assert summary.exit_code == 1
    assert summary.counts == {"done": 4, "failed": 1}


def test_a_killed_worker_gives_its_run_back_and_the_others_go_on(tmp_path):
    names = ("deadly", "A", "B", "C")
    make = partial(worker_jobs.deadly, tmp_path, 1)
    found, heard, summary = processed(make, names, [CPU, CPU])
    assert summary.counts == {"done": 4}
    assert found["deadly"].details["halvings"] == 1
    assert heard.warnings == ["run deadly: the worker on cpu died (SIGKILL); tried again"]
    assert sorted(Diary(tmp_path).begun()) == ["A", "B", "C", "deadly", "deadly"]


def test_a_run_that_kills_every_worker_is_reported_as_failed(tmp_path):
    make = partial(worker_jobs.deadly, tmp_path, 99)
    found, _, summary = processed(make, ("deadly", "A"), [CPU])
    assert found["A"].status == "done"
    assert found["deadly"].status == "failed"
    assert found["deadly"].message == "the worker on cpu died (SIGKILL), 3 times"
    assert summary.exit_code == 1


def test_workers_that_cannot_begin_fail_the_runs():
    found, heard, _ = processed(worker_jobs.unable, ("A", "B"), [CPU, CPU])
    assert {outcome.status for outcome in found.values()} == {"failed"}
    assert heard.warnings == ["no worker on cpu: model is missing"] * 2


def test_a_batch_without_memory_shrinks_in_a_worker_and_one_window_too_many_fails():
    found, heard, _ = processed(partial(worker_jobs.greedy, 2), ("A",), [CPU])
    first, *others = found["A"].details["batches"]
    assert first > 2 >= max(others)
    assert heard.warnings == []
    found, heard, _ = processed(partial(worker_jobs.greedy, 0), ("A",), [CPU])
    assert found["A"].status == "failed"
    assert "too small for one window" in found["A"].message
    again = "run A: out of memory on cpu; tried again with half as many windows at once"
    assert heard.warnings == [again, again]


def segment(config, model, *options, code=0):
    model_config, weights = model
    line = ["segment", "-c", config, "-i", "wbp@10.0", "-mc", model_config, "-mw", weights]
    line += ["--tta", "1", "--threads", "2", *options]
    result = CliRunner().invoke(console, [str(each) for each in line])
    assert result.exit_code == code, result.output
    return result.output


def test_segment_with_two_workers_writes_what_one_process_writes(tmp_path):
    model = tiny_octopi_model(tmp_path / "model", {"ribosome": 1, "apo-ferritin": 2})
    config = small_project(tmp_path / "p", ("TS_1", "TS_2"))
    line = ("--window-batch", "1", "--overwrite")
    line += ("--picks", "*:peaks/1", "--picks-method", "peaks")
    segment(config, model, *line, "--threads", "1")
    alone = tree(tmp_path / "p")
    assert any("/Picks/peaks_1_ribosome.json" in path for path in alone)
    output = segment(config, model, *line, "--workers", "2")
    assert "segment: 2 runs: 2 done" in output
    assert tree(tmp_path / "p") == alone
    assert "2 skipped" in segment(config, model, "--workers", "1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--devices", "cpu", "--workers", "2"),
            "devices cannot be combined with device or workers",
        ),
        (("--devices", "cpu,cpu"), "a device is listed twice; use --workers"),
        (("--devices", "cuda:77"), "no device 'cuda:77' here"),
        (("--workers", "0"), "expected at least 1"),
    ],
)
def test_devices_that_make_no_sense_are_refused(tmp_path, options, said):
    model = tiny_octopi_model(tmp_path / "model", {"ribosome": 1, "apo-ferritin": 2})
    config = small_project(tmp_path / "p", ("TS_1", "TS_2"))
    assert said in " ".join(segment(config, model, *options, code=2).split())
