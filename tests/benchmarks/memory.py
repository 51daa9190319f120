"""Peak memory of ``segment``: a real project on disk, the real command in a process of its own.

    python tests/benchmarks/memory.py --shape 500 1000 1000 --classes 14 --window 96

The network is thin and was never trained, so that what is measured is the engine, the reading and
the writing. The project goes to a temporary folder and is removed. Peaks are Linux's VmHWM.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.models.registry import build_network
from copick_picker.project.copick.making import create_project
from copick_picker.project.copick.tomograms import TomogramWriter
from copick_picker.project.folders.checkpoints import write_model_folder
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec

TOMOGRAM = TomogramKey("wbp", 10.0)
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "unet": (
        "Unet",
        {"channels": [2, 4], "strides": [2], "num_res_units": 0, "dropout": 0.0},
    ),
    "cryosiam": (
        "CryoSiam",
        {
            "num_layers": [1, 1, 1, 1],
            "num_filters": [2, 2, 4, 4],
            "fpn_channels": 2,
            "dense_dim": 2,
            "filters": [2, 2],
            "kernel_size": 3,
            "padding": 1,
        },
    ),
}
_COMMAND = """
import sys
from pathlib import Path
from copick_picker.cli.main import console
try:
    console(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print("VmHWM", Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def memory_project(folder: Path, shape_zyx: tuple[int, int, int], *, objects: int) -> Path:
    """Return the configuration of a project of one tomogram of noise, written block by block."""
    specs = [ObjectSpec(f"object-{n}", n, 100.0) for n in range(1, objects + 1)]
    config = create_project(folder, specs, name="memory")

    def block(start: tuple[int, int, int], stop: tuple[int, int, int]) -> npt.NDArray[np.float32]:
        shape = tuple(high - low for low, high in zip(start, stop, strict=True))
        return np.random.default_rng(start).standard_normal(shape, dtype=np.float32)

    writer = TomogramWriter(config)
    writer.write("TS_1", TOMOGRAM, shape_zyx, block, record={}, overwrite=False)
    return config


def thin_model(folder: Path, *, network: str, classes: int, window: int) -> Path:
    """Return the folder of a thin model with random weights; a class is the background."""
    architecture, parameters = NETWORKS[network]
    card: dict[str, Any] = {
        "name": "thin",
        "window_voxels": [window] * 3,
        "objects": [{"name": f"object-{n}", "channel": n} for n in range(1, classes)],
        "voxel_spacing_angstrom": TOMOGRAM.voxel_spacing,
    }
    if network == "cryosiam":
        parameters = parameters | {"out_channels": classes}
        limits = {"minimum": -3.0, "maximum": 3.0, "mean": 0.0, "standard_deviation": 1.0}
        card |= {"home": "cryosiam", "normalization": "scaled", "scaling": limits}
    torch.manual_seed(0)
    state = build_network(architecture, parameters, classes).state_dict()
    write_model_folder(
        folder, state, card | {"architecture": architecture, "parameters": parameters}
    )
    return folder


def peak_of_segment(config: Path, model: Path, *options: str) -> dict[str, Any]:
    """Return peak memory in MiB and wall seconds of one ``segment`` of a project."""
    arguments = ["segment", "-c", str(config), "-m", str(model), "--device", "cpu", "--overwrite"]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    peak = int(done.stdout.rsplit("VmHWM", 1)[1]) / 1024
    return {"peak_mib": round(peak), "seconds": round(time.perf_counter() - began, 1)}


def main() -> None:
    """Measure one case and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(500, 1000, 1000))
    parser.add_argument("--classes", type=int, default=14, help="the background is one")
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--network", choices=NETWORKS, default="unet")
    parser.add_argument("--folder", type=Path, help="where the project goes for the time being")
    parser.add_argument("options", nargs="*", help="further options of segment, after --")
    given = parser.parse_args()
    z, y, x = given.shape
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        place = Path(folder)
        config = memory_project(place / "project", (z, y, x), objects=given.classes - 1)
        model = thin_model(
            place / "model", network=given.network, classes=given.classes, window=given.window
        )
        figures = peak_of_segment(config, model, *given.options)
    case = {
        "shape_zyx": [z, y, x],
        "classes": given.classes,
        "window": given.window,
        "network": given.network,
        "options": given.options,
    }
    sys.stdout.write(json.dumps(case | figures) + "\n")


if __name__ == "__main__":
    main()
