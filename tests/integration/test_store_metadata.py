"""What the metadata of a store say counts: the right level is read, contradictions are named."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zarr
from click.testing import CliRunner, Result

from copick_picker.cli.main import console
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import SegmentationKey, TomogramKey
from projects import noise, project_of, run_folder, tiny_octopi_model
from things import VOLUMES

SHAPE = (12, 18, 22)
TOMOGRAM = TomogramKey("wbp", 10.0)
LABELS = SegmentationKey("given", "me", "1", 10.0)
GIVEN = noise(SHAPE, seed=3)


def ome(*levels: tuple[str, Any], unit: str = "angstrom", **more: Any) -> dict[str, Any]:
    """Return OME-Zarr 0.4 attributes: path and scale (one edge, or z, y and x) of each level."""
    axes = [{"name": name, "type": "space", "unit": unit} for name in "zyx"]
    datasets = [
        {
            "path": path,
            "coordinateTransformations": [
                {"type": "scale", "scale": [scale] * 3 if isinstance(scale, float) else scale}
            ],
        }
        for path, scale in levels
    ]
    return {"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets, **more}]}


def write(
    path: Path, arrays: dict[str, npt.NDArray[Any]], attributes: dict[str, Any], separator: str
) -> None:
    """Write a store as another program would."""
    group = zarr.open_group(str(path), mode="w")
    group.attrs.update(attributes)
    for name, values in arrays.items():
        group.create_dataset(name, data=values, chunks=5, dimension_separator=separator)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return project_of(tmp_path / "data", {"TS_1": GIVEN, "TS_2": GIVEN}, {})


def store_path(config: Path) -> Path:
    return run_folder(config, "TS_2") / "VoxelSpacing10.000" / "wbp.zarr"


def run(*words: object) -> Result:
    return CliRunner().invoke(console, [str(word) for word in words])


def checks(config: Path) -> dict[str, str]:
    """Return check -> text of all that ``browse`` says of TS_2."""
    listing = config.parent / "listing.json"
    assert run("browse", "project", "-c", config, "--json", listing).exit_code == 0
    content = json.loads(listing.read_text())
    (found,) = [each for each in content["runs"] if each["run"] == "TS_2"]
    named = found["checks"] + [check for item in found["items"] for check in item["checks"]]
    total = {each["check"]: each["found"] for each in content["checks"]}
    assert all(total[each["check"]] >= 1 for each in named)
    return {each["check"]: each["text"] for each in named}


def preflight(config: Path) -> Result:
    """Return what ``segment --dry-run`` says."""
    model = config.parent / "model"
    model_config, weights = tiny_octopi_model(model, {"ribosome": 1})
    words = ("segment", "-c", config, "-mc", model_config, "-mw", weights, "-i", "wbp@10.0")
    return run(*words, "--threads", "1", "--objects", "ribosome", "--dry-run")


def coarse(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values[::2, ::2, ::2]


@pytest.mark.parametrize(
    ("arrays", "attributes"),
    [
        ({"s0": GIVEN, "s1": coarse(GIVEN)}, ome(("s0", 10.0), ("s1", 20.0))),
        ({"s0": GIVEN, "s1": coarse(GIVEN)}, ome(("s1", 20.0), ("s0", 10.0))),
        ({"0": coarse(GIVEN), "1": GIVEN}, ome(("0", 20.0), ("1", 10.0))),
        ({"full": GIVEN}, {}),
        ({"s0": GIVEN, "s1": coarse(GIVEN)}, {}),
        ({"scale0/image": GIVEN}, ome(("scale0/image", 10.0))),
    ],
)
def test_the_finest_level_is_read_whatever_its_name(
    config: Path, arrays: dict[str, npt.NDArray[Any]], attributes: dict[str, Any]
) -> None:
    write(store_path(config), arrays, attributes, "/")

    volume = open_project(config).open_tomogram("TS_2", TOMOGRAM)
    said = preflight(config)

    assert np.array_equal(volume.read(2, 9), GIVEN[2:9])
    assert "its finest level is array" in checks(config)["level"]
    assert said.exit_code == 0, said.output
    assert "its finest level is array" in said.output


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize("stated", [True, False])
def test_chunks_are_found_under_either_form_of_their_names(
    config: Path, separator: str, *, stated: bool
) -> None:
    write(store_path(config), {"0": GIVEN}, ome(("0", 10.0)), separator)
    metadata = store_path(config) / "0" / ".zarray"
    content = json.loads(metadata.read_text())
    content.pop("dimension_separator", None)
    metadata.write_text(
        json.dumps({**content, "dimension_separator": separator} if stated else content)
    )

    volume = open_project(config).open_tomogram("TS_2", TOMOGRAM)

    assert np.array_equal(volume.read(), GIVEN)
    assert checks(config) == {}


@pytest.mark.parametrize(
    ("attributes", "check", "text"),
    [
        (ome(("0", 5.0)), "scale", "its metadata state a voxel spacing of 5 A, its folder 10 A"),
        (ome(("0", 1.0)), "scale", "a voxel spacing of 1 A"),
        (ome(("0", 0.5), unit="nanometer"), "scale", "a voxel spacing of 5 A"),
        (ome(("0", [10.0, 10.0, 5.0])), "cubic", "voxels of 10 x 10 x 5 A (z, y, x)"),
        (
            ome(("0", 1.0), coordinateTransformations=[{"type": "scale", "scale": [5.0] * 3}]),
            "scale",
            "a voxel spacing of 5 A",
        ),
    ],
)
def test_a_scale_that_contradicts_the_folder_is_named(
    config: Path, attributes: dict[str, Any], check: str, text: str
) -> None:
    write(store_path(config), {"0": GIVEN}, attributes, "/")

    said = preflight(config)

    assert text in checks(config)[check]
    assert text in said.output
    assert "warning" in said.output.splitlines()[-3]
    assert np.array_equal(open_project(config).open_tomogram("TS_2", TOMOGRAM).read(), GIVEN)


@pytest.mark.parametrize(
    "attributes",
    [
        ome(("0", 10.0)),
        ome(("0", 1.0), unit="nanometer"),
        ome(("0", 10.04)),
        ome(("0", 3.0), unit="parsec"),
        {"multiscales": 3},
        {"multiscales": [{"datasets": [{"path": 0}, 7]}]},
        {},
    ],
)
def test_a_scale_that_agrees_or_is_not_said_is_no_trouble(
    config: Path, attributes: dict[str, Any]
) -> None:
    write(store_path(config), {"0": GIVEN}, attributes, "/")
    assert checks(config) == {}
    assert np.array_equal(open_project(config).open_tomogram("TS_2", TOMOGRAM).read(), GIVEN)


def test_a_segmentation_is_looked_at_the_same(config: Path) -> None:
    labels = (GIVEN > 1).astype(np.uint8)
    path = run_folder(config, "TS_2") / "Segmentations" / "10.000_me_1_given-multilabel.zarr"
    write(path, {"s0": labels[None]}, ome(("s0", 5.0)), ".")

    volume = open_project(config).open_segmentation("TS_2", LABELS)

    assert np.array_equal(volume.read(), labels)
    assert set(checks(config)) == {"level", "scale", "axes"}


def test_a_level_that_the_metadata_name_has_to_be_there(config: Path) -> None:
    write(store_path(config), {"1": coarse(GIVEN)}, ome(("0", 10.0), ("1", 20.0)), "/")

    said = preflight(config)

    text = "its metadata list the array 0, which it does not have (its arrays: 1)"
    assert checks(config)["level"] == text
    assert f"TS_2 failed: cannot open wbp@10.0 of run TS_2: {text}" in said.output
    assert "] TS_1 planned" in said.output


def test_a_folder_that_copick_does_not_find_is_named(config: Path) -> None:
    store_path(config).parent.rename(store_path(config).parent.with_name("VoxelSpacing10"))

    said = preflight(config)

    text = "copick finds nothing in the folder VoxelSpacing10: rename it VoxelSpacing10.000"
    assert checks(config)["folder"] == text
    assert f"run TS_2: {text}" in said.output


def test_a_store_of_zarr_3_is_named(config: Path) -> None:
    shutil.rmtree(store_path(config))
    VOLUMES["v3"].make(store_path(config))

    said = preflight(config)

    assert checks(config)["format"].startswith("stored as zarr v3")
    (failed,) = [line for line in said.output.splitlines() if "TS_2 failed" in line]
    assert "zarr v3" in failed


@pytest.mark.parametrize("command", ["browse", "info"])
def test_objects_whose_numbers_cannot_be_are_named(config: Path, command: str) -> None:
    content = json.loads(config.read_text())
    ribosome, ferritin, membrane = content["pickable_objects"]
    ribosome.update(radius=0, label=70_000, metadata={"score_weight": -1})
    ferritin.update(radius=float("inf"), metadata={"score_threshold": float("nan")})
    membrane.update(name="ribosome")
    config.write_text(json.dumps(content))

    words = ("browse", "project") if command == "browse" else ("info",)
    result = run(*words, "-c", config)

    assert result.exit_code == 0, result.output
    for text in (
        "two objects are named ribosome",
        "object ribosome has radius 0; expected more than 0",
        "object ribosome has label 70000; expected 1 to 65535",
        "object ribosome has score_weight -1; expected 0 or more",
        "object apo-ferritin has radius inf",
        "object apo-ferritin has score_threshold nan",
    ):
        assert text in result.output


def test_labels_that_cannot_be_stored_are_refused_at_the_beginning(config: Path) -> None:
    content = json.loads(config.read_text())
    content["pickable_objects"][0]["label"] = 70_000
    config.write_text(json.dumps(content))

    said = preflight(config)

    assert said.exit_code == 2
    assert "object 'ribosome' has label 70000; a segmentation holds 1 to 65535" in said.output
