"""The test portal itself: both clients, unmodified, see a portal; faults come as ordered."""

import json
import urllib.error
import urllib.request

import copick
import pytest

from patience import HANG_SECONDS
from portal_servers.names import DATASET, GRAPHQL_HOST, SHAPE_ZYX


@pytest.fixture
def entered(portal, monkeypatch, tmp_path):
    portal.enter(monkeypatch, tmp_path)
    return portal


def asked(query):
    request = urllib.request.Request(
        f"https://{GRAPHQL_HOST}/graphql", data=json.dumps({"query": query}).encode()
    )
    with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310
        return json.load(answer)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_copick_opens_the_portal_and_reads_points_and_voxels(entered, tmp_path):
    root = copick.from_file(str(entered.config(tmp_path)))
    run = next(run for run in root.runs if run.name == "16463")
    assert run.portal_run_name == "TS_5_4"
    assert len(run.picks) == 18
    assert run.get_picks(object_name="ferritin-complex")[0].points
    (tomogram,) = run.voxel_spacings[0].tomograms
    assert tomogram.tomo_type == "wbp-denoised-denoiset-ctfdeconv"
    assert tomogram.numpy().shape == SHAPE_ZYX


def test_filters_follow_relations_and_null_is_neither(entered):
    assert entered.address
    query = (
        f"{{annotations(where: {{run: {{dataset: {{id: {{_eq: {DATASET}}}}}}}, WANTED}}) {{id}}}}"
    )
    found = asked(query.replace("WANTED", 'objectName: {_ilike: "%RIBOSOME"}'))["data"][
        "annotations"
    ]
    assert len(found) == 9
    assert asked(query.replace("WANTED", 'objectState: {_neq: "x"}'))["data"]["annotations"] == []


def test_aggregates_count_in_groups(entered):
    assert entered.address
    answer = asked(
        f"{{annotationsAggregate(where: {{run: {{datasetId: {{_eq: {DATASET}}}}}}}) {{aggregate {{"
        "count sum {objectCount} groupBy {groundTruthStatus run {name}}}}}"
    )
    groups = answer["data"]["annotationsAggregate"]["aggregate"]
    counts = {
        (group["groupBy"]["run"]["name"], group["groupBy"]["groundTruthStatus"]): group["count"]
        for group in groups
    }
    assert counts["TS_5_4", True] == 7
    assert counts["TS_6_4", False] == 12
    assert groups[0]["sum"]["objectCount"] > 6


def test_an_offset_without_a_limit_is_refused(entered):
    assert entered.address
    answer = asked("{runs(limitOffset: {offset: 1}) {id}}")
    assert "limit" in answer["errors"][0]["message"]


def test_faults_come_as_often_as_ordered_and_are_logged(entered):
    entered.fault("runs", status=503, times=1)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        asked("{runs {id}}")
    assert len(asked("{runs {id}}")["data"]["runs"]) > 3
    assert [entry["status"] for entry in entered.log()] == [503, 200]
