"""Our own questions to the portal: what comes back, in how many queries, what is said in need."""

import pytest

from copick_picker.errors import ProjectError, UnknownNameError
from copick_picker.project.portal import queries as portal_module
from copick_picker.project.portal.client import PORTAL_URL, PortalClient
from copick_picker.project.portal.queries import (
    portal_datasets,
    portal_names,
    portal_objects,
    portal_runs,
    tomogram_type,
)
from copick_picker.records.portal import DatasetFilter, TomogramCount
from portal_servers.names import AWKWARD, DATASET, EMPTY, MANY, SPACING, TRUTH, WINNER

TYPE = "wbp-denoised-denoiset-ctfdeconv"


@pytest.fixture
def client(portal, monkeypatch, tmp_path):
    portal.enter(monkeypatch, tmp_path)
    monkeypatch.setattr("copick_picker.project.portal.client.FIRST_WAIT_SECONDS", 0.01)
    return PortalClient()


def test_the_address_is_that_of_the_portals_own_client():
    import cryoet_data_portal._client as theirs

    assert theirs.DEFAULT_URL == PORTAL_URL


def test_a_listing_counts_runs_tomograms_and_annotations_in_two_queries(client, portal):
    found = portal_datasets(client, DatasetFilter())
    assert [item.dataset_id for item in found] == [DATASET, AWKWARD, EMPTY, MANY]
    czii = found[0]
    assert czii.runs == 3
    assert czii.authors == ("Ariana Example",)
    assert czii.tomograms == (TomogramCount(TYPE, SPACING, 3),)
    ferritin = [item for item in czii.annotations if item.object_name == "ferritin complex"]
    assert [(item.deposition_id, item.is_truth) for item in ferritin][:2] == [
        (TRUTH, True),
        (WINNER, False),
    ]
    assert ferritin[0].points == 12
    assert ferritin[0].annotations == 3
    assert ferritin[1].depositors == ("Wanda Winner",)
    assert ferritin[1].deposition_title == "First place of the challenge"
    assert found[2].runs == 0
    assert found[2].tomograms == ()
    assert len(portal.queries()) == 2
    assert client.queries == 2


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DatasetFilter(words="RIBOSOME"), [DATASET, AWKWARD]),
        (DatasetFilter(words="nothing YET"), [EMPTY]),
        (DatasetFilter(words="galactos", organism="lysate"), [DATASET]),
        (DatasetFilter(organism="chlamy"), [AWKWARD]),
        (DatasetFilter(ids=(AWKWARD, EMPTY)), [AWKWARD, EMPTY]),
        (DatasetFilter(ids=(AWKWARD, EMPTY), has_truth=True), [AWKWARD]),
        (DatasetFilter(words="no such thing"), []),
    ],
)
def test_filters_choose_datasets(client, wanted, expected):
    assert [item.dataset_id for item in portal_datasets(client, wanted)] == expected


def test_runs_come_with_tomograms_and_annotations_in_one_query(client, portal):
    runs = portal_runs(client, [DATASET])
    assert len(portal.queries()) == 1
    assert [run.name for run in runs] == ["TS_5_4", "TS_6_4", "TS_69_2"]
    first = runs[0]
    assert first.run_id == 16463
    (tomogram,) = first.tomograms
    assert tomogram.tomogram_type == TYPE
    assert tomogram.shape_zyx == (40, 72, 96)
    assert tomogram.alignment_id == 36463
    truth = [item for item in first.annotations if item.is_truth]
    assert len(truth) == 7
    assert {item.alignment_id for item in truth} == {36463}
    oriented = [item for item in first.annotations if item.shape_type == "OrientedPoint"]
    assert oriented[0].object_name == "virus-like capsid"
    assert oriented[0].voxel_spacing == SPACING
    winner = [item for item in first.annotations if item.deposition_id == WINNER]
    assert winner[0].authors == ("Wanda Winner",)


def test_a_tomogram_without_files_and_a_run_without_tomograms_are_seen(client):
    runs = {run.name: run for run in portal_runs(client, [AWKWARD])}
    assert runs["no_tomogram"].tomograms == ()
    assert runs["tomogram_without_files"].tomograms[0].store is None
    assert len({item.id for item in runs["two_of_one_type"].tomograms}) == 2
    wrong = runs["other_alignment"]
    assert wrong.annotations[0].alignment_id != wrong.tomograms[0].alignment_id


def test_objects_of_a_dataset(client, portal):
    found = {item.identifier: item for item in portal_objects(client, [DATASET])}
    assert len(found) == 7
    assert found["GO:0022626"].name == "cytosolic ribosome"
    assert found["GO:0022626"].is_particle
    assert not found["GO:0016020"].is_particle
    assert len(portal.queries()) == 1


def test_an_unknown_dataset_is_named_with_the_choices(client):
    with pytest.raises(UnknownNameError, match=r"no dataset 99; it has: 10440, 10901, 10902"):
        portal_objects(client, [DATASET, 99])


def test_names_of_objects_and_organisms(client):
    names = portal_names(client)
    assert "thyroglobulin" in names.objects
    assert names.organisms[0] == "Chlamydomonas reinhardtii"
    assert names.dataset_ids == (DATASET, AWKWARD, EMPTY, MANY)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("WBP", "filtered", None, True), "wbp-filtered-ctfdeconv"),
        (("SIRT", "raw", "", False), "sirt-raw"),
        (("Fourier Space", "denoised", "cryo_CARE 0.3", None), "fourierSpace-denoised-cryoCare0.3"),
    ],
)
def test_tomogram_types_are_those_of_copick(columns, expected):
    from copick.impl.cryoet_data_portal import camel

    method, processing, software, is_corrected = columns
    found = tomogram_type(method, processing, software, is_ctf_corrected=is_corrected)
    assert found == expected
    assert found.split("-")[0] == camel(method)
    if software:
        assert found.split("-")[2] == camel(software)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 503}, r"did not answer in 4 attempts: HTTP 503"),
        ({"status": 500, "body": "<html>oh</html>"}, r"4 attempts: HTTP 500"),
        ({"body": "<html>maintenance</html>"}, r"4 attempts: HTTP 200 .* not JSON"),
        ({"body": "[]"}, r"its answer is a list"),
        ({"body": '{"data": null}'}, r"contains no data"),
        ({"body": '{"data": {"runs": [{}]}}'}, r"cannot read the portal's answer: .* missing"),
        ({"body": '{"errors": [{"message": "too\\n deep"}]}'}, r"rejected a query: too deep"),
        ({"drop": True}, r"4 attempts: it cannot be reached"),
    ],
)
def test_a_portal_that_fails_is_said_in_one_line(client, portal, fault, said):
    portal.fault("runs", **fault)
    with pytest.raises(ProjectError, match=said) as caught:
        portal_runs(client, [DATASET])
    assert "\n" not in str(caught.value)


def test_a_passing_fault_costs_another_question(client, portal):
    portal.fault("runs", status=503, times=2)
    assert len(portal_runs(client, [DATASET])) == 3
    assert [entry["status"] for entry in portal.log()] == [503, 503, 200]


def test_queries_keep_off_connections(client):
    """A server may cut a connection short without a word; rows come from the roots alone."""
    assert client.queries == 0
    texts = [portal_module._RUNS, portal_module._COUNTS, portal_module._OBJECTS]
    assert all("edges" not in text for text in texts)
