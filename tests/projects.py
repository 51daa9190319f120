"""Small copick projects on disk, made with copick itself, for integration tests."""

import atexit
import ctypes
import functools
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml

from copick_picker.core.models.registry import build_network
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.making import add_picks, add_tomogram, create_project
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import FeatureKey, PicksKey, SegmentationKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import ObjectSpec

OBJECTS = (
    ObjectSpec("ribosome", label=1, radius_angstrom=120.0, score_weight=2.0),
    ObjectSpec("apo-ferritin", label=3, radius_angstrom=60.0, score_threshold=0.25),
    ObjectSpec("membrane", label=5, is_particle=False),
)
TOMOGRAM = TomogramKey("wbp", 10.0)
SHAPE_ZYX = (20, 30, 40)


def small_project(
    folder: Path,
    run_names: tuple[str, ...] = ("TS_1", "TS_2"),
    *,
    objects: tuple[ObjectSpec, ...] = OBJECTS,
    tomogram: TomogramKey = TOMOGRAM,
    shape_zyx: tuple[int, int, int] = SHAPE_ZYX,
) -> Path:
    """Return the configuration of a project whose runs each hold one tomogram of noise."""
    config_path = create_project(folder, objects, name="small")
    runs = _runs_of_noise(run_names, tomogram, shape_zyx)
    shutil.copytree(runs, config_path.parent / "project", dirs_exist_ok=True)
    return config_path


@functools.cache
def _runs_of_noise(
    run_names: tuple[str, ...], tomogram: TomogramKey, shape_zyx: tuple[int, int, int]
) -> Path:
    """Make the runs once a session: copick takes its time over a pyramid of 256 x 256 x 256."""
    folder = Path(tempfile.mkdtemp(prefix="copick-picker-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config_path = create_project(folder, OBJECTS, name="noise")
    for seed, run_name in enumerate(run_names):
        add_tomogram(config_path, run_name, tomogram, noise(shape_zyx, seed=seed))
    return folder / "project"


def project_of(
    folder: Path,
    tomograms: Mapping[str, npt.NDArray[Any]],
    picks: Mapping[tuple[str, PicksKey], npt.NDArray[np.float64]],
    *,
    objects: tuple[ObjectSpec, ...] = OBJECTS,
    tomogram: TomogramKey = TOMOGRAM,
) -> Path:
    """Return the configuration of a project of given tomograms and points (x, y, z) by run."""
    config_path = create_project(folder, objects, name="given")
    for run_name, volume in tomograms.items():
        add_tomogram(config_path, run_name, tomogram, volume)
    for (run_name, key), points_xyz in picks.items():
        scores = np.ones(len(points_xyz))
        add_picks(config_path, run_name, key, PickSet(key.object_name, points_xyz, scores))
    return config_path


def noise(shape_zyx: tuple[int, int, int], *, seed: int) -> npt.NDArray[np.float32]:
    """Return a volume (z, y, x) of white noise."""
    return np.random.default_rng(seed).normal(size=shape_zyx).astype(np.float32)


def slabs_of(volume: npt.NDArray[Any], n_planes: int) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield a volume in blocks of so many planes."""
    for z_start in range(0, volume.shape[-3], n_planes):
        yield z_start, volume[..., z_start : z_start + n_planes, :, :]


def add_segmented(
    config: Path, run_name: str, spec: ObjectSpec, probabilities: npt.NDArray[np.float16]
) -> None:
    """Write what ``segment --probabilities`` writes of one object at 10 A.

    Parameters
    ----------
    config : Path
        Configuration of the project.
    run_name : str
        The run.
    spec : ObjectSpec
        The object.
    probabilities : numpy.ndarray, shape (2, z, y, x), float16
        Of background and of the object.
    """
    feature = FeatureKey("wbp", 10.0, "predict-picker-1-probabilities")
    record = new_record(
        "segment",
        input="wbp@10.0",
        settings={},
        labels={spec.name: spec.label},
        objects={spec.name: {"channel": 1, "target_fraction": 0.8, "score_threshold": None}},
        probabilities={"uri": str(feature), "channels": ["background", spec.name]},
    )
    store = open_project(config)
    store.write_feature(
        run_name,
        feature,
        slabs_of(probabilities, 20),
        shape_czyx=probabilities.shape,
        provenance=record,
        overwrite=False,
    )
    labels = spec.label * (probabilities[1] > 0.5).astype(np.uint8)
    store.write_segmentation(
        run_name,
        SegmentationKey("predict", "picker", "1", 10.0),
        [(0, labels)],
        shape_zyx=labels.shape,
        provenance=record,
        overwrite=False,
    )


def run_folder(config_path: Path, run_name: str) -> Path:
    """Return the folder of a run."""
    return config_path.parent / "project" / "ExperimentRuns" / run_name


def copied_project(folder: Path, place: Path) -> Path:
    """Copy a folder that holds a project, with paths that lead into the copy; return its config."""
    shutil.copytree(folder, place)
    config = place / "config.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(str(folder), str(place)), encoding="utf-8")
    return config


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes, to tell whether anything changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def temporaries(folder: Path) -> list[str]:
    """Return the names of temporary files and folders below a folder."""
    return sorted(path.name for path in folder.rglob("*.tmp"))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away the right to write below a folder; root keeps it, see ``without_root_powers``."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in reversed(paths):
        path.chmod(modes[path] & ~0o222)
    try:
        yield
    finally:
        for path in paths:
            if path.exists():
                path.chmod(modes[path])


class _PowersHeader(ctypes.Structure):
    """Version of the call and process, 0 for the calling thread (``linux/capability.h``)."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Powers(ctypes.Structure):
    """Effective, permitted and inheritable capabilities, 32 bits of each."""

    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inherited"))


@contextmanager
def without_root_powers() -> Iterator[None]:
    """Make permissions count for root too (Linux), in this thread and those that it starts.

    Takes CAP_DAC_OVERRIDE out of the thread's effective capabilities and gives it back at the end.
    """
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, powers = _PowersHeader(0x20080522, 0), (_Powers * 2)()
    dac_override = 1 << 1
    assert libc.capget(ctypes.byref(header), powers) == 0
    before = powers[0].effective
    powers[0].effective = before & ~dac_override
    assert libc.capset(ctypes.byref(header), powers) == 0
    try:
        yield
    finally:
        powers[0].effective = before
        assert libc.capset(ctypes.byref(header), powers) == 0


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let no file grow longer, as on a full disk."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tiny_octopi_model(
    folder: Path, labels: Mapping[str, int], *, window_voxels: int = 16
) -> tuple[Path, Path]:
    """Return octopi's configuration and weights of a small network that was never trained."""
    n_channels = 1 + max(labels.values())
    network = {"channels": [4, 4], "strides": [2], "num_res_units": 1, "dropout": 0.0}
    model = {"architecture": "Unet", "num_classes": n_channels, "dim_in": window_voxels, **network}
    torch.manual_seed(0)
    weights = build_network("Unet", network, n_channels).state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    config_path, weights_path = folder / "model_config.yaml", folder / "best_model.pth"
    config_path.write_text(yaml.safe_dump({"model": model, "labels": dict(labels)}))
    torch.save(weights, weights_path)
    return config_path, weights_path
