"""Octopi's localization of one stored scene; runs under a Python that has octopi installed.

Usage: python octopi_localize.py SCENE.npz RESULT.json
"""

import contextlib
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from octopi.extract.localize import extract_coordinates

MIN_SCALE, MAX_SCALE, FILTER_SIZE = 0.5, 1.0, 10  # defaults of octopi's command line


def main(scene_file: str, result_file: str) -> None:
    scene = np.load(scene_file)
    targets = json.loads(str(scene["targets"]))
    result: dict[str, dict[str, list[list[float]]]] = {"watershed": {}, "com": {}}
    for method, centres_zyx in result.items():
        for name, (label, radius_voxels) in targets.items():
            with contextlib.redirect_stdout(io.StringIO()):
                found = extract_coordinates(
                    scene["labels"],
                    MIN_SCALE * radius_voxels,
                    MAX_SCALE * radius_voxels,
                    label,
                    method,
                    FILTER_SIZE,
                )
            centres_zyx[name] = np.asarray(found, dtype=float).reshape(-1, 3).tolist()
    content = {"version": version("octopi"), "centres_zyx": result}
    Path(result_file).write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
