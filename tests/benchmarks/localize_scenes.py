"""Localization of every scene, beside octopi's two methods on the same volumes.

Usage: python tests/benchmarks/localize_scenes.py [--octopi-python PYTHON] [--seeds 1,2,3]
       [--particles 320] [--scenes clean,rough] [--method watershed]

Prints F1 (one to one within half a radius) and the mean error of the matches in voxels, pooled
over objects and seeds. Without ``--octopi-python`` the columns of octopi are left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import copick_picker
import scenarios
from copick_picker.core.localize import localize
from copick_picker.settings.localize import LocalizeParameters


def ours(scene: scenarios.Scene, method: str) -> scenarios.Agreement:
    rules = LocalizeParameters(method=method).rules()
    found = localize(
        scene.labels, None, scene.targets(), voxel_spacing=scenarios.VOXEL_SPACING, rules=rules
    )
    points = {name: result.picks.points_xyz for name, result in found.items()}
    return scenarios.scene_agreement(scene, points)


def octopi(
    scene: scenarios.Scene, python: str, folder: Path
) -> tuple[str, dict[str, scenarios.Agreement]]:
    targets = {
        name: (scenarios.LABEL_OF[name], scenarios.RADIUS_VOXELS[name])
        for name in scene.centres_zyx
    }
    stored, result = folder / "scene.npz", folder / "result.json"
    np.savez(stored, labels=scene.labels, targets=json.dumps(targets))
    script = Path(__file__).with_name("octopi_localize.py")
    subprocess.run([python, str(script), str(stored), str(result)], check=True, timeout=3600)
    content = json.loads(result.read_text(encoding="utf-8"))
    agreements = {}
    for method, centres_zyx in content["centres_zyx"].items():
        points = {
            name: np.array(found).reshape(-1, 3)[:, ::-1] * scenarios.VOXEL_SPACING
            for name, found in centres_zyx.items()
        }
        agreements[method] = scenarios.scene_agreement(scene, points)
    return content["version"], agreements


def cell(agreement: scenarios.Agreement) -> str:
    error = f"{agreement.mean_error_voxels:.2f}" if agreement.hits else "–"
    return f"{agreement.f1:.4f} ({error})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octopi-python", default=None)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--particles", type=int, default=320)
    parser.add_argument("--scenes", default=",".join(scenarios.SCENES))
    parser.add_argument("--method", default="watershed")
    options = parser.parse_args()

    columns = [f"copick-picker {options.method}"]
    columns += ["octopi watershed", "octopi com"] if options.octopi_python else []
    print("| scene | particles | CPU s | " + " | ".join(columns) + " |")
    print("|" + "---|" * (len(columns) + 3))
    octopi_version = "not run"
    for name in options.scenes.split(","):
        totals: dict[str, scenarios.Agreement] = defaultdict(lambda: scenarios.NOTHING)
        seconds = 0.0
        for seed in (int(seed) for seed in options.seeds.split(",")):
            scene = scenarios.make_scene(name, seed=seed, particles=options.particles)
            start = time.process_time()
            totals[columns[0]] += ours(scene, options.method)
            seconds += time.process_time() - start
            if options.octopi_python:
                with tempfile.TemporaryDirectory() as folder:
                    octopi_version, theirs = octopi(scene, options.octopi_python, Path(folder))
                for method, agreement in theirs.items():
                    totals[f"octopi {method}"] += agreement
        count = totals[columns[0]].references
        figures = " | ".join(cell(totals[column]) for column in columns)
        print(f"| {name} | {count} | {seconds:.1f} | {figures} |", flush=True)
    print(
        f"\nF1 (mean error in voxels); spacing 10 A, radii 60-150 A; seeds {options.seeds}; "
        f"copick-picker {copick_picker.__version__}, octopi {octopi_version}"
    )


if __name__ == "__main__":
    main()
