import json
import threading

import pytest

from copick_picker.errors import DataError, SettingsError, UnknownNameError
from copick_picker.jobs.execution import InStages, InTurn, process_runs
from copick_picker.jobs.selection import named_runs, select_runs
from copick_picker.jobs.summary import Summary
from copick_picker.records.runs import RunOutcome

RUNS = ["TS_01", "TS_02", "TS_03", "TS_10", "grid_1"]


class Silent:
    """A reporter that keeps what it was told."""

    def __init__(self):
        self.outcomes = []

    def note(self, text):
        pass

    def warn(self, text):
        pass

    def table(self, title, columns, rows):
        pass

    def begin(self, total):
        self.total = total

    def progress(self, run_name, *, done, total, unit):
        pass

    def outcome(self, outcome, *, done, total, seconds):
        assert seconds >= 0
        self.outcomes.append((outcome.run_name, done, total))


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], RUNS),
        (["TS_0*"], RUNS[:3]),
        (["!grid_*"], RUNS[:4]),
        (["TS_*", "!TS_02"], ["TS_01", "TS_03", "TS_10"]),
        (["grid_1", "TS_01"], ["TS_01", "grid_1"]),
    ],
)
def test_patterns_choose_runs_in_project_order(patterns, chosen):
    assert select_runs(RUNS, patterns) == chosen


def test_a_file_of_names(tmp_path):
    path = tmp_path / "runs.txt"
    path.write_text("# chosen\nTS_02\n\n grid_* \n")
    assert select_runs(RUNS, [f"@{path}"]) == ["TS_02", "grid_1"]
    with pytest.raises(SettingsError, match=r"cannot read the list of runs .*none\.txt"):
        select_runs(RUNS, [f"@{tmp_path / 'none.txt'}"])


def test_shards_deal_out_every_run_once():
    shards = [select_runs(RUNS, [], shard=f"{part}/3") for part in (1, 2, 3)]
    assert sorted(name for shard in shards for name in shard) == RUNS
    assert [len(shard) for shard in shards] == [2, 2, 1]


def test_an_unknown_run_names_the_nearest():
    with pytest.raises(UnknownNameError, match="no run 'gird_1'; did you mean 'grid_1'"):
        select_runs(RUNS, ["gird_1"])


def test_naming_runs_makes_an_absent_input_a_failure():
    assert named_runs(["TS_01"])
    assert not named_runs([])
    assert not named_runs(["!TS_01"])


def test_a_failing_run_stops_no_other():
    def work(run_name):
        if run_name == "TS_02":
            msg = "run TS_02: broken"
            raise DataError(msg)
        if run_name == "TS_03":
            return [][1]
        return RunOutcome(run_name, "done")

    reporter = Silent()
    summary = process_runs("segment", RUNS, InTurn(work), reporter=reporter)
    assert [outcome.status for outcome in summary.outcomes] == [
        "done",
        "failed",
        "failed",
        "done",
        "done",
    ]
    assert summary.exit_code == 1
    assert "failed: TS_02, TS_03" in summary.text()
    assert summary.outcomes[1].message == "broken"
    assert summary.outcomes[2].message.startswith("IndexError")
    assert reporter.outcomes[-1] == ("grid_1", 5, 5)


def test_the_summary_file_holds_every_run(tmp_path):
    outcomes = (RunOutcome("a", "done", "fine", {"picks": 3}), RunOutcome("b", "failed", "why"))
    Summary("localize", outcomes, 1.5, {"x": 1}).write(tmp_path / "deep" / "summary.json")
    content = json.loads((tmp_path / "deep" / "summary.json").read_text())
    assert content["counts"] == {"done": 1, "failed": 1}
    first = {"run": "a", "status": "done", "message": "fine", "warnings": [], "picks": 3}
    assert content["runs"][0] == first
    assert content["x"] == 1


class Staged:
    """Stages that record what happens while what else happens."""

    def __init__(self, *, fail=()):
        self.fail = set(fail)
        self.seen = []
        self.read_next = threading.Event()
        self.finishing = threading.Event()

    def _step(self, stage, name):
        self.seen.append((stage, name))
        if (stage, name) in self.fail:
            msg = f"run {name}: {stage} broke"
            raise DataError(msg)

    def read(self, name):
        self._step("read", name)
        if name == "TS_02":
            self.read_next.set()
        if name == "TS_10":
            return RunOutcome(name, "skipped", "there already")
        return name

    def compute(self, name):
        self._step("compute", name)
        if name == "TS_01":
            assert self.read_next.wait(20), "the next run is not read meanwhile"
        if name == "TS_02":
            self.finishing.set()
        return name

    def finish(self, name):
        if name == "TS_01":
            assert self.finishing.wait(20), "the next run is not computed meanwhile"
        self._step("finish", name)
        return RunOutcome(name, "done")

    def stop(self):
        self.seen.append(("stop", ""))


def test_a_run_is_read_and_another_finished_while_one_is_computed():
    reporter, stages = Silent(), Staged()
    summary = process_runs("segment", RUNS, InStages(stages), reporter=reporter)
    assert summary.counts == {"done": 4, "skipped": 1}
    assert [name for name, _, _ in reporter.outcomes] == RUNS
    assert [done for _, done, _ in reporter.outcomes] == [1, 2, 3, 4, 5]
    assert ("compute", "TS_10") not in stages.seen


@pytest.mark.parametrize("stage", ["read", "compute", "finish"])
def test_a_stage_that_fails_fails_its_own_run(stage):
    reporter, stages = Silent(), Staged(fail=[(stage, "TS_03")])
    summary = process_runs("segment", RUNS, InStages(stages), reporter=reporter)
    assert summary.counts == {"done": 3, "failed": 1, "skipped": 1}
    failed = summary.outcomes[2]
    assert (failed.run_name, failed.message) == ("TS_03", f"{stage} broke")


def test_an_interrupt_stops_the_stages_when_what_is_being_finished_is_finished():
    class Interrupted(Staged):
        def compute(self, name):
            if name == "TS_02":
                self.finishing.set()
                raise KeyboardInterrupt
            return super().compute(name)

    stages = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        process_runs("segment", RUNS, InStages(stages), reporter=Silent())
    assert stages.seen[-1] == ("stop", "")
    assert ("finish", "TS_01") in stages.seen
    assert ("compute", "TS_03") not in stages.seen


def test_no_run_is_read_more_than_one_ahead():
    stages = Staged()
    process_runs("segment", RUNS, InStages(stages), reporter=Silent())
    for number, name in enumerate(RUNS[2:], 2):
        earlier = stages.seen.index(("compute", RUNS[number - 2]))
        assert stages.seen.index(("read", name)) > earlier - 1
    assert process_runs("segment", [], InStages(Staged()), reporter=Silent()).outcomes == ()
