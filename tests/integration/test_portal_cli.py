"""Commands on a CryoET Data Portal: real processes, a real GraphQL and S3, real faults."""

import json

import copick
import numpy as np
import pytest

from copick_picker.errors import SettingsError
from copick_picker.project.copick.store import open_project
from copick_picker.project.uris import tomogram_query
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from killed import finished
from portal_servers.names import (
    AWKWARD,
    AWKWARD_RUNS,
    DATASET,
    FIRST_AWKWARD_RUN,
    FIRST_RUN,
    MANY,
    RUNS_OF_MANY,
    WINNER,
)

TYPE = "wbp-denoised-denoiset-ctfdeconv"
OBJECTS = "cytosolic-ribosome,virus-like-capsid,ferritin-complex"
MAP = "ribosome=cytosolic-ribosome,virus-like-particle=virus-like-capsid,"
MAP += "apo-ferritin=ferritin-complex"
MODEL = ("-m", "simulated-10a", "--mode", "fast", "--object-map", MAP, "--objects", OBJECTS)
QUICK = ("--attempts", "2", "--timeout", "6")
OPENING = 8
"""Queries of copick itself when it opens a project of up to 50 runs."""


def run_of(name):
    return str(FIRST_AWKWARD_RUN + AWKWARD_RUNS.index(name))


@pytest.fixture
def ours(portal, tmp_path):
    """Return a function that runs copick-picker in a process that sees the test portal."""

    def run(*arguments, code=0):
        environment = portal.environment(tmp_path, XDG_CACHE_HOME=str(tmp_path / "xdg"))
        result = finished([str(each) for each in arguments], tmp_path, environment)
        said = result.stdout + result.stderr
        assert result.returncode == code, said
        assert "Traceback (most" not in said
        return result

    return run


def statuses(path):
    return {entry["run"]: entry for entry in json.loads(path.read_text())["runs"]}


def test_config_segment_localize_evaluate_and_report(ours, portal, tmp_path):
    said = ours("config", "portal", "--dataset", DATASET, "-o", "config.json").stdout
    assert len(portal.queries()) == 1
    assert "7 objects): written" in said
    before = (tmp_path / "config.json").read_bytes()
    config = json.loads(before)
    by_name = {entry["name"]: entry for entry in config["pickable_objects"]}
    assert by_name["thyroglobulin"]["radius"] == 130.0
    assert "CZII" in by_name["thyroglobulin"]["metadata"]["radius_source"]
    assert by_name["membrane"]["radius"] is None
    assert "already says this" in ours("config", "portal", "--dataset", DATASET).stdout
    assert (tmp_path / "config.json").read_bytes() == before

    portal.reset()
    said = ours("browse", "portal", "--query", "ribosome", "--has-truth").stdout
    assert "CZII ML challenge training data" in said
    assert len(portal.queries()) == 2
    portal.reset()
    ours("browse", "project", "-c", "config.json", "--json", "listing.json")
    kinds = [item["kind"] for item in statuses(tmp_path / "listing.json")[str(FIRST_RUN)]["items"]]
    assert kinds.count("tomogram") == 1
    assert kinds.count("picks") == 18
    assert len(portal.queries()) == OPENING
    for kept in tmp_path.glob("portal-cache/portal_*.json"):
        kept.unlink()

    portal.reset()
    work = ("-c", "config.json", "-r", FIRST_RUN, "--cache", "cache")
    ours("segment", *work, *MODEL)
    chunks = portal.chunk_reads()
    assert len(chunks) == 18
    assert len(set(chunks)) == 18
    assert len(portal.queries()) == OPENING
    portal.reset()
    ours("segment", *work, *MODEL, "--overwrite")
    assert portal.chunk_reads() == []
    assert portal.queries() == []  # copick keeps its answers for a day

    (kept,) = tmp_path.glob("portal-cache/portal_*.json")
    old = {**json.loads(kept.read_text()), "created": "2001-01-01T00:00:00+00:00"}
    kept.write_text(json.dumps(old))
    ours("localize", *work, "-i", "predict:picker/1", "--objects", OBJECTS)
    assert len(portal.queries()) == OPENING  # an expired answer is asked for again
    ours(
        *("evaluate", "-c", "config.json", "--reference", "ground-truth", "-o", "scores"),
        *("--candidate", f"deposition:{WINNER}", "--json", "evaluate.json"),
    )
    objects = json.loads((tmp_path / "evaluate.json").read_text())["objects"]
    hits = {entry["object"]: entry["counts"]["true_positives"] for entry in objects}
    assert hits["ferritin-complex"] == 12
    ours("report", "scores", "-o", "report.html")
    assert "ferritin-complex" in (tmp_path / "report.html").read_text()


def test_a_dataset_of_120_runs_costs_four_questions_of_our_own(ours, portal, monkeypatch, tmp_path):
    ours("config", "portal", "--dataset", MANY, "-o", "config.json")
    ours("browse", "portal", "--dataset", MANY, "--json", "listing.json")
    runs = json.loads((tmp_path / "listing.json").read_text())["runs"]
    assert len(runs) == RUNS_OF_MANY
    assert len(portal.queries()) == 1 + 3
    portal.reset()
    ours(
        *("evaluate", "-c", "config.json", "--dry-run", "--json", "summary.json"),
        *("--reference", "ground-truth", "--candidate", f"deposition:{WINNER}"),
        *("--tomogram", f"{TYPE}@10.012"),
    )
    found = statuses(tmp_path / "summary.json").values()
    assert [entry["status"] for entry in found] == ["planned"] * RUNS_OF_MANY
    asked = sorted(portal.queries())
    portal.reset()
    portal.enter(monkeypatch, tmp_path / "elsewhere")  # without the answers that copick has kept
    copick.from_file(str(tmp_path / "config.json"))
    assert asked == sorted(portal.queries())


def test_no_failing_chunk_reads_as_zeros(ours, portal, tmp_path):
    portal.config(tmp_path, [DATASET, AWKWARD])
    faults = {
        str(FIRST_RUN): ("TS_5_4.zarr/0/0/1/0", {"status": 403}, "HTTP 403 in 2 attempts"),
        str(FIRST_RUN + 1): ("TS_6_4.zarr/0/0/1/0", {"status": 500}, "HTTP 500 in 2 attempts"),
        str(FIRST_RUN + 2): ("TS_69_2.zarr/0/0/1/0", {"status": 404}, "HTTP 404 in 2 attempts"),
        run_of("good"): ("good.zarr/0/0/1/0", {"status": 503}, "HTTP 503 in 2 attempts"),
        run_of("empty_points"): ("empty_points.zarr/0/0/1/0", {"hang": 15}, "timed out in 2 att"),
        run_of("malformed_points"): (
            "malformed_points.zarr/0/0/1/0",
            {"drop": True},
            "the connection failed in 2 attempts",
        ),
        run_of("other_alignment"): (
            "prefix=.*other_alignment.zarr",
            {"status": 503},
            "cannot list cryoet-data-portal-public",
        ),
    }
    for match, what, _ in faults.values():
        portal.fault(match, **what)
    portal.fault("instances.zarr/0/0/1/0", status=503, times=1)
    runs = [*faults, *map(run_of, ("lost_chunk", "sparse_store", "instances", "no_tomogram"))]
    runs += [run_of("tomogram_without_files"), run_of("two_of_one_type")]
    chosen = [part for name in runs for part in ("-r", name)]
    result = ours(
        *("segment", "-c", "portal.json", *chosen, *MODEL, *QUICK, "--json", "summary.json"), code=1
    )
    found = statuses(tmp_path / "summary.json")
    for name, (match, _, said) in faults.items():
        assert found[name]["status"] == "failed"
        assert said in found[name]["message"]
        if "prefix" not in match:
            assert match in found[name]["message"]
        assert "\n" not in found[name]["message"]
    lost = found[run_of("lost_chunk")]["message"]
    assert "lost_chunk.zarr/0/0/1/1 is not in its store: the chunk is lost" in lost
    assert "without an OME-Zarr store" in found[run_of("tomogram_without_files")]["message"]
    assert "has no tomogram '*'" in found[run_of("no_tomogram")]["message"]
    assert f"{TYPE}#6@10.012" in found[run_of("two_of_one_type")]["message"]
    assert found[run_of("instances")]["status"] == "done"
    assert found[run_of("sparse_store")]["status"] == "done"
    assert "1 of 4 chunks are not stored; they are read as zeros" in result.stdout + result.stderr
    written = sorted(
        path.parts[-3] for path in tmp_path.glob("overlay/ExperimentRuns/*/Segmentations/*.zarr")
    )
    assert written == sorted([run_of("instances"), run_of("sparse_store")])


def test_one_of_two_tomograms_of_a_type_is_chosen_by_its_number(portal, monkeypatch, tmp_path):
    config = portal.config(tmp_path, [AWKWARD])
    portal.enter(monkeypatch, tmp_path)
    store, name = open_project(config), run_of("two_of_one_type")
    keys = store.tomograms(name)
    with pytest.raises(SettingsError, match=f"{TYPE}#6@10.012, {TYPE}#7@10.012"):
        tomogram_query(f"{TYPE}@10.012").match_one(keys, run_name=name)
    first, second = (tomogram_query(f"{TYPE}#{n}").match_one(keys, run_name=name) for n in (6, 7))
    difference = store.open_tomogram(name, second).read() - store.open_tomogram(name, first).read()
    np.testing.assert_allclose(difference, 1.0, atol=1e-5)


def test_points_that_are_no_truth_of_this_tomogram_are_refused(ours, portal, monkeypatch, tmp_path):
    config = portal.config(tmp_path, [AWKWARD])
    portal.enter(monkeypatch, tmp_path)
    store = open_project(config)
    names = ("good", "empty_points", "malformed_points", "other_alignment")
    key = PicksKey("cytosolic-ribosome", "picker", "1")
    picks = PickSet(key.object_name, np.array([[400.0, 300.0, 200.0]]), np.array([0.7]))
    for name in names:
        store.write_picks(run_of(name), key, picks, provenance={"command": "x"}, overwrite=False)
    ours(
        *("evaluate", "-c", "portal.json", "--reference", "*?truth=true", "-o", "scores"),
        *("--json", "summary.json", *(part for name in names for part in ("-r", run_of(name)))),
        code=1,
    )
    found = statuses(tmp_path / "summary.json")
    assert found[run_of("good")]["status"] == "done"
    assert "contains no point" in found[run_of("empty_points")]["message"]
    assert "line 3 is not a point" in found[run_of("malformed_points")]["message"]
    wrong = found[run_of("other_alignment")]["message"]
    number = int(run_of("other_alignment"))
    assert f"coordinates of alignment {number + 30000}" in wrong
    assert f"made with alignment {number + 20000}" in wrong


@pytest.mark.parametrize(
    ("fault", "arguments", "said"),
    [
        ({"status": 503}, ("--dataset", DATASET), "did not answer in 4 attempts: HTTP 503"),
        ({"body": "<html>"}, ("--dataset", DATASET), "an answer that is not JSON"),
        (None, ("--dataset", "99"), "has no dataset 99; it has: 10440, 10901, 10902"),
        (None, ("--dataset", DATASET, "--objects", "ribosom"), "did you mean 'cytosolic-ribosom"),
        (None, ("--dataset", DATASET, "--radius", "thyroglobulin=-1"), "is not positive"),
    ],
)
def test_config_says_in_one_line_what_is_wrong(ours, portal, tmp_path, fault, arguments, said):
    if fault is not None:
        portal.fault("datasets", **fault)
    result = ours("config", "portal", *arguments, "-o", "config.json", code=2)
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "config.json").exists()


def test_a_radius_that_nobody_knows_is_asked_for(ours, portal, tmp_path, monkeypatch):
    from copick_picker.settings import config_portal as module
    from copick_picker.workflows.catalog.portal_configuration import config_portal

    portal.enter(monkeypatch, tmp_path)
    known = {name: item for name, item in module.KNOWN_OBJECTS.items() if name != "GO:0022626"}
    monkeypatch.setattr("copick_picker.settings.portal_configuration.KNOWN_OBJECTS", known)
    settings = module.ConfigPortalSettings(dataset=(AWKWARD,), output=tmp_path / "config.json")
    with pytest.raises(ValueError, match="--radius cytosolic-ribosome=ANGSTROM"):
        config_portal(settings, reporter=_Silent())
    ours("config", "portal", "--dataset", AWKWARD, "--radius", "cytosolic-ribosome=140")
    radii = {
        entry["name"]: entry["radius"]
        for entry in json.loads((tmp_path / "config.json").read_text())["pickable_objects"]
    }
    assert radii == {"cytosolic-ribosome": 140.0}
    said = ours("config", "portal", "--dataset", f"{DATASET}", code=2).stderr
    assert "contains another configuration" in said
    ours("config", "portal", "--dataset", DATASET, "--dataset", AWKWARD, "--overwrite")
    entries = json.loads((tmp_path / "config.json").read_text())["pickable_objects"]
    assert entries[0]["name"] == "cytosolic-ribosome"
    assert entries[0]["label"] == 1
    assert entries[0]["radius"] == 140.0


class _Silent:
    def note(self, text):
        """Say nothing."""

    def warn(self, text):
        """Say nothing."""

    def table(self, title, columns, rows):
        """Show nothing."""


def test_an_overlay_that_cannot_be_written_is_named(ours, portal, tmp_path):
    (tmp_path / "file").write_text("no folder")
    portal.config(tmp_path, overlay_root=f"local://{tmp_path / 'file' / 'overlay'}")
    result = ours("segment", "-c", "portal.json", "-r", FIRST_RUN, *MODEL, code=2)
    assert "cannot write to" in result.stderr


def test_a_portal_that_answers_nonsense_when_a_project_is_opened(ours, portal, tmp_path):
    portal.config(tmp_path)
    portal.fault("runs", body="<html>maintenance</html>")
    result = ours("localize", "-c", "portal.json", "-i", "predict:picker/1", code=2)
    assert "the CryoET Data Portal is not responding" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
