import json

import pytest

from copick_picker.errors import DataError, SettingsError, UnknownNameError
from copick_picker.records import RunOutcome
from copick_picker.workflows.runs import Summary, named_runs, process_runs, select_runs

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
    summary = process_runs("segment", RUNS, work, reporter=reporter)
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
    assert content["runs"][0] == {"run": "a", "status": "done", "message": "fine", "picks": 3}
    assert content["x"] == 1
