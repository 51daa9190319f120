"""A made-up portal: rows of the GraphQL types and the objects of the bucket.

Dataset 10440 speaks like the CZII training set: runs with one denoised tomogram each, ground truth
of six objects (deposition 10310), two sets of deposited predictions (10319, 10320). Dataset 10901
is awkward: a run each for what can be wrong. 10902 holds no runs. 10903 holds 120 runs whose files
are not in the bucket: rows alone.
Voxels are 10.012 A; points are stored in voxels, as the portal does.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from numcodecs import Blosc

from portal_servers.names import (
    AWKWARD,
    AWKWARD_RUNS,
    AWKWARD_SHAPE_ZYX,
    BUCKET,
    DATASET,
    EMPTY,
    FIRST_AWKWARD_RUN,
    FIRST_OF_MANY,
    FIRST_RUN,
    MANY,
    OBJECTS,
    RUN_NAMES,
    RUNNER_UP,
    RUNS_OF_MANY,
    SHAPE_ZYX,
    SPACING,
    TRUTH,
    WINNER,
)

CHUNK = 32
DAY = "2024-11-06T00:00:00+00:00"


@dataclass
class Portal:
    """Rows by type, and the bytes of the bucket's objects by key."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)

    def add(self, type_name: str, **row: Any) -> int:
        """Add a row, with an id of its own where none is given, and return its id."""
        rows = self.tables.setdefault(type_name, [])
        row.setdefault("id", len(rows) + 1)
        rows.append(row)
        return int(row["id"])


def made_up(runs: int = 3, shape_zyx: tuple[int, int, int] = SHAPE_ZYX) -> Portal:
    """Return the portal; the first dataset has so many runs, with volumes of such a shape."""
    portal = Portal()
    for deposition, title, author in (
        (TRUTH, "CZII training set", "Ariana Example"),
        (WINNER, "First place of the challenge", "Wanda Winner"),
        (RUNNER_UP, "Second place of the challenge", "Sam Second"),
    ):
        portal.add("Deposition", id=deposition, title=title, description=title, **_dates())
        portal.add("DepositionAuthor", depositionId=deposition, **_author(author))
    _dataset(portal, DATASET, "CZII ML challenge training data", "in-silico lysate")
    _dataset(portal, AWKWARD, "Awkward runs", "Chlamydomonas reinhardtii")
    _dataset(portal, EMPTY, "Nothing yet", "Homo sapiens")
    _dataset(portal, MANY, "Many runs", "Saccharomyces cerevisiae")
    for number in range(runs):
        name = RUN_NAMES[number] if number < len(RUN_NAMES) else f"TS_{100 + number}_1"
        _plain_run(portal, number, name, shape_zyx)
    _awkward_runs(portal)
    _many_runs(portal)
    return portal


def _dates() -> dict[str, str]:
    return {"depositionDate": DAY, "releaseDate": DAY, "lastModifiedDate": DAY}


def _author(name: str) -> dict[str, Any]:
    return {"name": name, "authorListOrder": 1, "primaryAuthorStatus": True}


def _places(key: str) -> tuple[str, str]:
    return f"s3://{BUCKET}/{key}", f"https://files.cryoetdataportal.cziscience.com/{key}"


def _dataset(portal: Portal, dataset: int, title: str, organism: str) -> None:
    s3_prefix, https_prefix = _places(f"{dataset}/")
    portal.add(
        "Dataset",
        id=dataset,
        depositionId=TRUTH,
        title=title,
        description=f"{title}, made up for tests",
        organismName=organism,
        sampleType="in_vitro",
        s3Prefix=s3_prefix,
        httpsPrefix=https_prefix,
        **_dates(),
    )
    portal.add("DatasetAuthor", datasetId=dataset, **_author("Ariana Example"))


def _run(portal: Portal, dataset: int, run_id: int, name: str) -> int:
    s3_prefix, https_prefix = _places(f"{dataset}/{name}/")
    portal.add(
        "Run", id=run_id, datasetId=dataset, name=name, s3Prefix=s3_prefix, httpsPrefix=https_prefix
    )
    s3_prefix, https_prefix = _places(f"{dataset}/{name}/Reconstructions/VoxelSpacing{SPACING:.3f}")
    portal.add(
        "TomogramVoxelSpacing",
        id=run_id + 50000,
        runId=run_id,
        voxelSpacing=SPACING,
        s3Prefix=s3_prefix,
        httpsPrefix=https_prefix,
    )
    portal.add("Alignment", id=run_id + 20000, runId=run_id, depositionId=TRUTH)
    return run_id


def _tomogram(
    portal: Portal,
    run_id: int,
    volume: npt.NDArray[np.float32] | None,
    *,
    number: int = 100,
    **columns: Any,
) -> str:
    """Add a tomogram row and, where a volume is given, its store; return the store's key."""
    run = next(row for row in portal.tables["Run"] if row["id"] == run_id)
    folder = f"{run['datasetId']}/{run['name']}/Reconstructions/VoxelSpacing{SPACING:.3f}/Tomograms"
    key = f"{folder}/{number}/{run['name']}.zarr"
    stored = {} if volume is None else zarr_objects(key, volume, SPACING)
    portal.objects.update(stored)
    place, https = _places(key)
    shape = SHAPE_ZYX if volume is None else volume.shape
    row: dict[str, Any] = {
        "alignmentId": run_id + 20000,
        "depositionId": TRUTH,
        "runId": run_id,
        "tomogramVoxelSpacingId": run_id + 50000,
        "name": f"{run['name']}-{number}",
        **dict(zip(("sizeZ", "sizeY", "sizeX"), shape, strict=True)),
        "voxelSpacing": SPACING,
        "fiducialAlignmentStatus": "FIDUCIAL",
        "reconstructionMethod": "WBP",
        "processing": "denoised",
        "processingSoftware": "DenoisET",
        "ctfCorrected": True,
        "reconstructionSoftware": "AreTomo3",
        "s3OmezarrDir": place if volume is not None else None,
        "httpsOmezarrDir": https if volume is not None else None,
        "fileSizeOmezarr": float(sum(map(len, stored.values()))) if stored else None,
        "isVisualizationDefault": True,
        "offsetX": 0,
        "offsetY": 0,
        "offsetZ": 0,
        **_dates(),
    }
    tomogram = portal.add("Tomogram", **{**row, **columns})
    portal.add("TomogramAuthor", tomogramId=tomogram, **_author("Ariana Example"))
    return key


def zarr_objects(
    key: str, volume: npt.NDArray[Any], spacing: float, fill_value: float | None = 0
) -> dict[str, bytes]:
    """Return the objects of an OME-Zarr 0.4 store of a volume (z, y, x), two levels."""
    store: dict[str, bytes] = {}
    group = zarr.group(store=store)
    levels = [volume, volume[::2, ::2, ::2]]
    for level, data in enumerate(levels):
        array = group.create_dataset(
            str(level),
            shape=data.shape,
            chunks=tuple(min(size, CHUNK) for size in data.shape),
            dtype=data.dtype,
            compressor=Blosc(cname="lz4", clevel=5),
            dimension_separator="/",
            fill_value=fill_value,
        )
        array[...] = data
    axes = [{"name": name, "type": "space", "unit": "angstrom"} for name in "zyx"]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [spacing * 2**level] * 3}],
        }
        for level in range(len(levels))
    ]
    group.attrs["multiscales"] = [
        {"version": "0.4", "name": "/", "axes": axes, "datasets": datasets}
    ]
    return {f"{key}/{name}": bytes(content) for name, content in store.items()}


@dataclass(frozen=True)
class Annotated:
    """What an annotation says besides its points."""

    object_name: str
    object_id: str
    deposition: int = TRUTH
    is_truth: bool = True
    author: str = "Ariana Example"
    shape_type: str = "Point"
    alignment: int | None = None


def _annotation(
    portal: Portal, run_id: int, what: Annotated, content: bytes | npt.NDArray[np.int8], count: int
) -> int:
    """Add an annotation with its file; return the id of the file."""
    run = next(row for row in portal.tables["Run"] if row["id"] == run_id)
    folder = f"{run['datasetId']}/{run['name']}/Reconstructions/VoxelSpacing{SPACING:.3f}"
    number = 100 + len(portal.tables.get("Annotation", ()))
    stem = f"{folder}/Annotations/{number}/{what.object_name.replace(' ', '_')}-1.0"
    metadata, https_metadata = _places(f"{stem}.json")
    annotation = portal.add(
        "Annotation",
        runId=run_id,
        depositionId=what.deposition,
        s3MetadataPath=metadata,
        httpsMetadataPath=https_metadata,
        annotationMethod="manual" if what.is_truth else "network",
        annotationIngestId=str(number),
        groundTruthStatus=what.is_truth,
        objectId=what.object_id,
        objectName=what.object_name,
        objectCount=count,
        isCuratorRecommended=what.is_truth,
        methodType="manual" if what.is_truth else "automated",
        **_dates(),
    )
    portal.add("AnnotationAuthor", annotationId=annotation, **_author(what.author))
    shape = portal.add("AnnotationShape", annotationId=annotation, shapeType=what.shape_type)
    if isinstance(content, bytes):
        ending = {"Point": "point", "OrientedPoint": "orientedpoint"}.get(
            what.shape_type, "instancesegmentation"
        )
        key, form = f"{stem}_{ending}.ndjson", "ndjson"
        portal.objects[key] = content
    else:
        key, form = f"{stem}_segmentationmask.zarr", "zarr"
        portal.objects.update(zarr_objects(key, content, SPACING))
    place, https = _places(key)
    return portal.add(
        "AnnotationFile",
        id=80000 + len(portal.tables.get("AnnotationFile", ())),
        alignmentId=run_id + 20000 if what.alignment is None else what.alignment,
        annotationShapeId=shape,
        tomogramVoxelSpacingId=run_id + 50000,
        format=form,
        s3Path=place,
        httpsPath=https,
        source="dataset_author" if what.is_truth else "community",
    )


def points_text(points_xyz: Iterable[Iterable[float]], *, oriented: bool = False) -> bytes:
    """Return points (x, y, z) in voxels as the portal's ndjson."""
    out = io.StringIO()
    for x, y, z in points_xyz:
        row: dict[str, Any] = {"type": "point", "location": {"x": x, "y": y, "z": z}}
        if oriented:
            row |= {
                "type": "orientedPoint",
                "xyz_rotation_matrix": [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
            }
        out.write(json.dumps(row) + "\n")
    return out.getvalue().encode()


def points_of(run_number: int, shape_zyx: tuple[int, int, int]) -> dict[str, npt.NDArray[Any]]:
    """Return the true points (n, 3) of a run by object name: x, y, z in voxels."""
    rng = np.random.default_rng(1000 + run_number)
    limits = np.array(shape_zyx[::-1], dtype=float)
    return {
        name: np.round(rng.uniform(0.15, 0.85, size=(count, 3)) * limits, 3)
        for name, _, count in OBJECTS
    }


def volume_of(run_number: int, shape_zyx: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """Return the tomogram (z, y, x) of a run: noise with dark blobs at the true points."""
    rng = np.random.default_rng(2000 + run_number)
    volume = rng.normal(0.0, 1.0, size=shape_zyx).astype(np.float32)
    grid = np.indices(shape_zyx, dtype=np.float32)
    for points_xyz in points_of(run_number, shape_zyx).values():
        for x, y, z in points_xyz:
            distance = np.sqrt((grid[0] - z) ** 2 + (grid[1] - y) ** 2 + (grid[2] - x) ** 2)
            volume -= 3.0 * np.exp(-((distance / 6.0) ** 2)).astype(np.float32)
    return volume


def _plain_run(portal: Portal, number: int, name: str, shape_zyx: tuple[int, int, int]) -> None:
    run_id = _run(portal, DATASET, FIRST_RUN + number, name)
    _tomogram(portal, run_id, volume_of(number, shape_zyx))
    rng = np.random.default_rng(3000 + number)
    for object_name, points_xyz in points_of(number, shape_zyx).items():
        object_id = next(item[1] for item in OBJECTS if item[0] == object_name)
        is_oriented = object_name == "virus-like capsid"
        what = Annotated(
            object_name, object_id, shape_type="OrientedPoint" if is_oriented else "Point"
        )
        _annotation(
            portal, run_id, what, points_text(points_xyz, oriented=is_oriented), len(points_xyz)
        )
        for deposition, author, spread in (
            (WINNER, "Wanda Winner", 0.5),
            (RUNNER_UP, "Sam Second", 4.0),
        ):
            guesses = np.abs(points_xyz + rng.normal(0.0, spread, points_xyz.shape)).round(3)
            what = Annotated(object_name, object_id, deposition, is_truth=False, author=author)
            _annotation(portal, run_id, what, points_text(guesses), len(guesses))
    mask = (volume_of(number, shape_zyx) < -2.5).astype(np.int8)
    what = Annotated("membrane", "GO:0016020", shape_type="SegmentationMask")
    _annotation(portal, run_id, what, mask, 1)


def _awkward_runs(portal: Portal) -> None:
    """Add a run for each thing that can be wrong with one; its name says what."""
    volume = volume_of(0, AWKWARD_SHAPE_ZYX)
    ribosome = Annotated("cytosolic ribosome", "GO:0022626")
    good = points_text([(40.0, 30.0, 20.0), (60.5, 41.25, 11.0)])
    for number, name in enumerate(AWKWARD_RUNS):
        run_id = _run(portal, AWKWARD, FIRST_AWKWARD_RUN + number, name)
        if name == "no_tomogram":
            continue
        stored = None if name == "tomogram_without_files" else volume
        key = _tomogram(portal, run_id, stored)
        what, points = ribosome, good
        if name == "two_of_one_type":
            _tomogram(portal, run_id, volume + 1, number=101)
        elif name == "empty_points":
            points = b""
        elif name == "malformed_points":
            points = good + b'{"type": "point", "location": {"x": 1.0, "y"'
        elif name == "other_alignment":
            portal.add("Alignment", id=run_id + 30000, runId=run_id, depositionId=TRUTH)
            what = Annotated("cytosolic ribosome", "GO:0022626", alignment=run_id + 30000)
        elif name == "lost_chunk":
            del portal.objects[f"{key}/0/0/1/1"]
        elif name == "sparse_store":
            _leave_out_a_chunk(portal, key)
        elif name == "instances":
            what = Annotated("cytosolic ribosome", "GO:0022626", shape_type="InstanceSegmentation")
        _annotation(portal, run_id, what, points, 2)


def _many_runs(portal: Portal) -> None:
    """Add runs with a tomogram, truth and a prediction each, none of them stored."""
    before = dict(portal.objects)
    for run_id in range(FIRST_OF_MANY, FIRST_OF_MANY + RUNS_OF_MANY):
        _run(portal, MANY, run_id, f"run_{run_id}")
        place, https = _places(f"{MANY}/run_{run_id}/nothing.zarr")
        _tomogram(portal, run_id, None, s3OmezarrDir=place, httpsOmezarrDir=https)
        for deposition, is_truth in ((TRUTH, True), (WINNER, False)):
            what = Annotated("beta-amylase", "UniProtKB:P10537", deposition, is_truth)
            _annotation(portal, run_id, what, b"", 1)
    portal.objects = before


def _leave_out_a_chunk(portal: Portal, key: str) -> None:
    """Make the store one that never held a chunk: the recorded size speaks of the rest."""
    lost = portal.objects.pop(f"{key}/0/0/1/1")
    row = next(row for row in portal.tables["Tomogram"] if f"/{key}" in str(row["s3OmezarrDir"]))
    row["fileSizeOmezarr"] -= float(len(lost))
