"""All figures of docs/accuracy.md: our default recipe, octopi's, and template matching.

Usage: python tests/benchmarks/accuracy.py --work DIR [--peer PYTHON] [--seeds 1,2,3]
    [--minutes M] [--shape Z,Y,X] [--quick] [--report] [--output docs]

For each seed ``simulate`` makes a training project (training and validation runs) and a test
project; then two lanes run at the same time, so that both meet the same machine: our ``train``,
``segment``, ``localize`` and after them template matching in one, octopi's in the other, with the
same wall time for the two trainings. Everything is scored by ``evaluate``. At last the shipped
model of virus-like particles is tried on a real tomogram, as it is and fine-tuned.

Every step is kept in the work folder by its settings: an interrupted run goes on where it was.
``--report`` computes nothing and writes the page from the seeds that are complete. ``--peer`` is a
Python that has octopi 1.7.0; where it is missing, an environment is made in the work folder.
"""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import accuracy_real
import accuracy_report
import bench
from accuracy_seed import Seed
from accuracy_steps import QUICK, Accuracy, NotMeasuredError, Sizes

import copick_picker


def measured(accuracy: Accuracy, seeds: Sequence[int]) -> dict[str, Any]:
    """Return every figure; where only a report is wanted, of what is complete."""
    figures: dict[str, Any] = {
        "machine": machine(accuracy),
        "sizes": asdict(accuracy.sizes),
        "seeds": {},
        "real": None,
    }
    for number in seeds:
        try:
            figures["seeds"][str(number)] = Seed(accuracy, number).measured()
        except NotMeasuredError as missing:
            bench.say(f"seed {number} is not complete: {missing} is missing")
    try:
        figures["real"] = accuracy_real.measured(accuracy)
    except NotMeasuredError as missing:
        bench.say(f"{missing} is missing")
    return figures


def machine(accuracy: Accuracy) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in ("torch", "monai", "copick", "numpy")}
    return {
        "processor": bench.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": accuracy.threads,
        "python": platform.python_version(),
        "system": platform.system(),
        "copick_picker": copick_picker.__version__,
        "octopi": bench.OCTOPI.partition("==")[2],
        **versions,
    }


def sizes_of(options: argparse.Namespace) -> Sizes:
    """Return the sizes that the command line asks for."""
    base = asdict(QUICK if options.quick else Sizes())
    given = {
        "minutes": options.minutes,
        "shape": options.shape,
        "runs": None if options.runs is None else tuple(map(int, options.runs.split(","))),
        "peer_batch": options.peer_batch,
        "real_minutes": options.real_minutes,
    }
    if options.templates is not None:
        most = map(int, options.templates.split(","))
        given["groups"] = tuple(
            group | {"most": number} for group, number in zip(base["groups"], most, strict=True)
        )
    return Sizes(**base | {name: value for name, value in given.items() if value is not None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path(".accuracy"))
    parser.add_argument("--peer", default=os.environ.get("BENCH_PEER"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--minutes", type=float, help="wall time of a training")
    parser.add_argument("--real-minutes", type=float, help="wall time of a fine-tuning")
    parser.add_argument("--shape", help="Z,Y,X in voxels, multiples of 4")
    parser.add_argument("--runs", help="training,validation,test")
    parser.add_argument("--peer-batch", type=int, help="patches of a step of octopi's")
    parser.add_argument("--templates", help="most templates of small objects, of the others")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="minutes of seconds: does it run?")
    parser.add_argument("--report", action="store_true", help="compute nothing")
    parser.add_argument("--output", type=Path, default=bench.ROOT / "docs")
    options = parser.parse_args()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    os.environ["OCTOPI_MAX_WORKERS"] = "1"
    peer = Path() if options.report else bench.peer_python(options.peer, work)
    accuracy = Accuracy(work, peer, sizes_of(options), options.threads, options.report)
    figures = measured(accuracy, [int(number) for number in options.seeds.split(",")])
    text = json.dumps(figures, indent=1)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "accuracy.json").write_text(text + "\n", encoding="utf-8")
    page = accuracy_report.page(figures)
    (options.output / "accuracy.md").write_text(page, encoding="utf-8")
    bench.say(f"wrote {options.output / 'accuracy.md'}")


if __name__ == "__main__":
    main()
