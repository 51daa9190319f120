"""What the CryoET Data Portal holds, in few queries: datasets, runs, tomograms, annotations.

Listings are aggregates, tables of rows come whole in one question with several root fields.
Connections (lists inside of rows) are not used: a server may cut them short without a word.
The portal keeps no order, so everything is sorted here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from copick_picker.errors import UnknownNameError, choices_text
from copick_picker.project.guards import guarded
from copick_picker.project.portal.client import PortalClient
from copick_picker.records.portal import (
    AnnotationCount,
    DatasetFilter,
    PortalAnnotation,
    PortalDataset,
    PortalNames,
    PortalObject,
    PortalRun,
    PortalTomogram,
    TomogramCount,
)

Row = Mapping[str, Any]
POINT_SHAPES = ("Point", "OrientedPoint")
"""Shapes of annotations that copick shows as picks."""


def portal_datasets(client: PortalClient, wanted: DatasetFilter) -> list[PortalDataset]:
    """Return the datasets that a filter lets through, by id; two queries.

    Parameters
    ----------
    client : PortalClient
        Who asks.
    wanted : DatasetFilter
        Which datasets.

    Returns
    -------
    list of PortalDataset
        With their numbers of runs, tomograms by type and spacing, annotations by object and
        deposition.

    Raises
    ------
    ProjectError
        If the portal does not answer.
    """
    answer = client.ask(*_datasets_query(wanted))
    rows = {int(row["id"]): row for found in answer.values() for row in found}
    if not rows:
        return []
    counts = client.ask(_COUNTS, {"ids": sorted(rows)})
    with guarded("cannot read the portal's answer"):
        return [_dataset(rows[number], counts) for number in sorted(rows)]


def portal_runs(client: PortalClient, dataset_ids: Sequence[int]) -> list[PortalRun]:
    """Return the runs of datasets with their tomograms and annotation files; one query.

    Parameters
    ----------
    client : PortalClient
        Who asks.
    dataset_ids : sequence of int
        Which datasets.

    Raises
    ------
    ProjectError
        If the portal does not answer.
    """
    answer = client.ask(_RUNS, {"ids": list(dataset_ids)})
    with guarded("cannot read the portal's answer"):
        authors = _names_by(answer["annotationAuthors"], "annotationId")
        tomograms: dict[int, list[PortalTomogram]] = {}
        for row in answer["tomograms"]:
            tomograms.setdefault(int(row["runId"]), []).append(_tomogram(row))
        files: dict[int, list[PortalAnnotation]] = {}
        for row in answer["annotationFiles"]:
            annotation = row["annotationShape"]["annotation"]
            names = authors.get(int(annotation["id"]), ())
            files.setdefault(int(annotation["runId"]), []).append(_annotation(row, names))
        return [
            PortalRun(
                run_id=number,
                name=str(row["name"]),
                dataset_id=int(row["datasetId"]),
                tomograms=tuple(sorted(tomograms.get(number, ()), key=lambda item: item.id)),
                annotations=tuple(sorted(files.get(number, ()), key=lambda item: item.file_id)),
            )
            for number, row in sorted((int(row["id"]), row) for row in answer["runs"])
        ]


def portal_objects(client: PortalClient, dataset_ids: Sequence[int]) -> list[PortalObject]:
    """Return what is annotated in datasets, by identifier; one query.

    Parameters
    ----------
    client : PortalClient
        Who asks.
    dataset_ids : sequence of int
        Which datasets.

    Raises
    ------
    UnknownNameError
        If the portal has no such dataset; the message lists those that it has.
    ProjectError
        If the portal does not answer.
    """
    answer = client.ask(_OBJECTS, {"ids": list(dataset_ids)})
    with guarded("cannot read the portal's answer"):
        known = {int(row["id"]) for row in answer["asked"]}
        missing = [str(number) for number in dataset_ids if number not in known]
        if missing:
            choices = sorted(str(row["id"]) for row in answer["all"])
            msg = (
                f"the CryoET Data Portal has no dataset {', '.join(missing)}; "
                f"it has: {choices_text(choices)}"
            )
            raise UnknownNameError(msg)
        found: dict[str, PortalObject] = {}
        groups = answer["annotationShapesAggregate"]["aggregate"] or ()
        for group in sorted(groups, key=lambda item: str(item["groupBy"])):
            by = group["groupBy"]
            identifier = str(by["annotation"]["objectId"])
            before = found.get(identifier)
            found[identifier] = PortalObject(
                identifier=identifier,
                name=str(by["annotation"]["objectName"]),
                is_particle=by["shapeType"] in POINT_SHAPES
                or (before is not None and before.is_particle),
                has_truth=bool(by["annotation"]["groundTruthStatus"])
                or (before is not None and before.has_truth),
            )
        return [found[identifier] for identifier in sorted(found)]


def portal_names(client: PortalClient) -> PortalNames:
    """Return the names of all annotated objects and organisms, for nearest names; one query.

    Parameters
    ----------
    client : PortalClient
        Who asks.

    Raises
    ------
    ProjectError
        If the portal does not answer.
    """
    answer = client.ask(_NAMES, {})
    with guarded("cannot read the portal's answer"):
        return PortalNames(
            objects=_group_names(answer["annotationsAggregate"], "objectName"),
            organisms=_group_names(answer["datasetsAggregate"], "organismName"),
            dataset_ids=tuple(sorted(int(row["id"]) for row in answer["datasets"])),
        )


def tomogram_type(
    reconstruction: str, processing: str, software: str | None, *, is_ctf_corrected: bool | None
) -> str:
    """Return the tomogram type that copick makes of a portal tomogram's columns.

    Parameters
    ----------
    reconstruction : str
        Method, such as WBP.
    processing : str
        raw, filtered or denoised.
    software : str or None
        What processed it.
    is_ctf_corrected : bool or None
        Whether the contrast transfer was corrected.

    Examples
    --------
    >>> tomogram_type("WBP", "denoised", "DenoisET", is_ctf_corrected=True)
    'wbp-denoised-denoiset-ctfdeconv'
    """
    parts = [_camel(reconstruction), _camel(processing)]
    parts += [_camel(software)] if software else []
    parts += ["ctfdeconv"] if is_ctf_corrected else []
    return "-".join(parts)


_DATASET_FIELDS = "{id title organismName depositionId}"
_COUNTS = """query Counts($ids: [Int!]) {
  runsAggregate(where: {datasetId: {_in: $ids}}) {aggregate {count groupBy {dataset {id}}}}
  tomogramsAggregate(where: {run: {datasetId: {_in: $ids}}}) {aggregate {count groupBy {
    run {dataset {id}} voxelSpacing reconstructionMethod processing processingSoftware ctfCorrected
  }}}
  annotationsAggregate(where: {run: {datasetId: {_in: $ids}}}) {aggregate {
    count sum {objectCount}
    groupBy {run {dataset {id}} objectName objectId groundTruthStatus deposition {id title}}
  }}
  datasetAuthors(where: {datasetId: {_in: $ids}}) {datasetId name authorListOrder}
  depositionAuthors(where: {deposition: {annotations: {run: {datasetId: {_in: $ids}}}}}) {
    depositionId name authorListOrder
  }
}"""
_RUNS = """query Runs($ids: [Int!]) {
  runs(where: {datasetId: {_in: $ids}}) {id name datasetId}
  tomograms(where: {run: {datasetId: {_in: $ids}}}) {
    id runId voxelSpacing sizeX sizeY sizeZ alignmentId s3OmezarrDir
    reconstructionMethod processing processingSoftware ctfCorrected
  }
  annotationFiles(where: {annotationShape: {annotation: {run: {datasetId: {_in: $ids}}}}}) {
    id format s3Path alignmentId tomogramVoxelSpacing {voxelSpacing}
    annotationShape {shapeType annotation {
      id runId objectName objectId objectCount groundTruthStatus depositionId deposition {title}
    }}
  }
  annotationAuthors(where: {annotation: {run: {datasetId: {_in: $ids}}}}) {
    annotationId name authorListOrder
  }
}"""
_OBJECTS = """query Objects($ids: [Int!]) {
  asked: datasets(where: {id: {_in: $ids}}) {id}
  all: datasets {id}
  annotationShapesAggregate(where: {annotation: {run: {datasetId: {_in: $ids}}}}) {aggregate {
    count groupBy {shapeType annotation {objectName objectId groundTruthStatus}}
  }}
}"""
_NAMES = """query Names {
  annotationsAggregate {aggregate {count groupBy {objectName}}}
  datasetsAggregate {aggregate {count groupBy {organismName}}}
  datasets {id}
}"""


def _datasets_query(wanted: DatasetFilter) -> tuple[str, dict[str, Any]]:
    """Return one question for the datasets; words are sought in each column by a root of its own.

    The portal's filters know "and" alone.
    """
    conditions: list[str] = []
    variables: dict[str, Any] = {}
    types: list[str] = []
    if wanted.ids:
        conditions.append("id: {_in: $ids}")
        types.append("$ids: [Int!]")
        variables["ids"] = list(wanted.ids)
    if wanted.organism:
        conditions.append("organismName: {_ilike: $organism}")
        types.append("$organism: String")
        variables["organism"] = _anywhere(wanted.organism)
    truth = "groundTruthStatus: {_eq: true}" if wanted.has_truth else ""
    runs = f"runs: {{annotations: {{{truth}}}}}" if truth else ""
    roots = [f"found: datasets(where: {{{', '.join([*conditions, runs])}}}) {_DATASET_FIELDS}"]
    if wanted.words:
        types.append("$words: String")
        variables["words"] = _anywhere(wanted.words)
        titled = ", ".join([*conditions, runs, "title: {_ilike: $words}"])
        named = f"runs: {{annotations: {{{truth} objectName: {{_ilike: $words}}}}}}"
        annotated = ", ".join([*conditions, named])
        roots = [
            f"titled: datasets(where: {{{titled}}}) {_DATASET_FIELDS}",
            f"annotated: datasets(where: {{{annotated}}}) {_DATASET_FIELDS}",
        ]
    head = f"query Datasets({', '.join(types)})" if types else "query Datasets"
    return f"{head} {{{' '.join(roots)}}}", variables


def _anywhere(words: str) -> str:
    return f"%{words.strip().replace('%', '')}%"


def _dataset(row: Row, counts: Row) -> PortalDataset:
    number = int(row["id"])
    tomograms: dict[tuple[str, float], int] = {}
    for group in _groups_of(counts["tomogramsAggregate"], number):
        by = group["groupBy"]
        key = (_type_of(by), float(by["voxelSpacing"]))
        tomograms[key] = tomograms.get(key, 0) + int(group["count"])
    depositors = _names_by(counts["depositionAuthors"], "depositionId")
    annotations = [
        _annotation_count(group, depositors)
        for group in _groups_of(counts["annotationsAggregate"], number)
    ]
    authors = _names_by(counts["datasetAuthors"], "datasetId")
    return PortalDataset(
        dataset_id=number,
        title=str(row["title"]),
        organism=str(row.get("organismName") or ""),
        authors=authors.get(number, ()),
        runs=sum(int(group["count"]) for group in _runs_of(counts, number)),
        tomograms=tuple(
            TomogramCount(kind, spacing, count)
            for (kind, spacing), count in sorted(tomograms.items())
        ),
        annotations=tuple(
            sorted(
                annotations,
                key=lambda item: (item.object_name, not item.is_truth, item.deposition_id or 0),
            )
        ),
    )


def _runs_of(counts: Row, dataset_id: int) -> list[Row]:
    groups = counts["runsAggregate"]["aggregate"] or ()
    return [group for group in groups if int(group["groupBy"]["dataset"]["id"]) == dataset_id]


def _groups_of(aggregate: Row, dataset_id: int) -> list[Row]:
    groups = aggregate["aggregate"] or ()
    return [
        group for group in groups if int(group["groupBy"]["run"]["dataset"]["id"]) == dataset_id
    ]


def _annotation_count(group: Row, depositors: Mapping[int, tuple[str, ...]]) -> AnnotationCount:
    by = group["groupBy"]
    deposition = by.get("deposition") or {}
    number = deposition.get("id")
    return AnnotationCount(
        object_name=str(by["objectName"]),
        identifier=str(by["objectId"]),
        is_truth=bool(by["groundTruthStatus"]),
        deposition_id=None if number is None else int(number),
        deposition_title=str(deposition.get("title") or ""),
        depositors=depositors.get(int(number), ()) if number is not None else (),
        annotations=int(group["count"]),
        points=int((group.get("sum") or {}).get("objectCount") or 0),
    )


def _tomogram(row: Row) -> PortalTomogram:
    return PortalTomogram(
        id=int(row["id"]),
        tomogram_type=_type_of(row),
        voxel_spacing=float(row["voxelSpacing"]),
        shape_zyx=(int(row["sizeZ"]), int(row["sizeY"]), int(row["sizeX"])),
        alignment_id=_number(row["alignmentId"]),
        store=row["s3OmezarrDir"] or None,
    )


def _annotation(row: Row, authors: tuple[str, ...]) -> PortalAnnotation:
    shape = row["annotationShape"]
    annotation = shape["annotation"]
    spacing = (row["tomogramVoxelSpacing"] or {}).get("voxelSpacing")
    return PortalAnnotation(
        annotation_id=int(annotation["id"]),
        file_id=int(row["id"]),
        object_name=str(annotation["objectName"]),
        identifier=str(annotation["objectId"]),
        shape_type=str(shape["shapeType"]),
        is_truth=bool(annotation["groundTruthStatus"]),
        deposition_id=_number(annotation["depositionId"]),
        deposition_title=str((annotation["deposition"] or {}).get("title") or ""),
        authors=authors,
        alignment_id=_number(row["alignmentId"]),
        voxel_spacing=None if spacing is None else float(spacing),
        points=_number(annotation["objectCount"]),
        path=str(row["s3Path"]),
    )


def _type_of(row: Row) -> str:
    return tomogram_type(
        str(row["reconstructionMethod"]),
        str(row["processing"]),
        row["processingSoftware"],
        is_ctf_corrected=row["ctfCorrected"],
    )


def _names_by(rows: Iterable[Row], column: str) -> dict[int, tuple[str, ...]]:
    """Return the authors' names by the number in a column, in their own order."""
    found: dict[int, list[str]] = {}
    for row in sorted(rows, key=lambda row: (row.get("authorListOrder") or 0, str(row["name"]))):
        names = found.setdefault(int(row[column]), [])
        if row["name"] not in names:
            names.append(str(row["name"]))
    return {number: tuple(names) for number, names in found.items()}


def _group_names(aggregate: Row, column: str) -> tuple[str, ...]:
    names = (group["groupBy"][column] for group in aggregate["aggregate"] or ())
    return tuple(sorted({str(name) for name in names if name}))


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))


def _camel(words: str) -> str:
    joined = re.sub(r"[_\-]+", " ", words).title().replace(" ", "")
    return joined[:1].lower() + joined[1:]
