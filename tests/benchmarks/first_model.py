"""Type the commands of docs/first-model.md, time each, and print the page's tables.

Usage: python tests/benchmarks/first_model.py --work DIR

The folder is made; it must not exist yet.
"""

import argparse
import json
import re
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "first-model.md"
SCORES = "exam_scores"


def commands(text: str) -> list[list[str]]:
    """Return the command lines of the page's first block, split as a shell does."""
    block = re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    return [shlex.split(line) for line in block.splitlines()]


def timed(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder; return its seconds and CPU-seconds; stop where it fails."""
    start, before = time.perf_counter(), cpu_seconds()
    run = [sys.executable, "-m", "copick_picker", *arguments]
    subprocess.run(run, cwd=folder, check=True)
    return time.perf_counter() - start, cpu_seconds() - before


def cpu_seconds() -> float:
    """Return the CPU-seconds of all processes that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def score_rows(values: dict[str, Any]) -> list[str]:
    """Return the table of objects, in Markdown."""
    rows = ["| object | picks | found | false | precision | recall | F1 | mean error |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for entry in values["objects"]:
        counts, error = entry["counts"], entry["localization"]["mean_angstrom"]
        figures = (f"{entry[name]:.3f}" for name in ("precision", "recall", "f1"))
        rows.append(
            f"| {entry['object']} | {counts['n_reference']} | {counts['true_positives']} "
            f"| {counts['false_positives']} | {' | '.join(figures)} | {error:.1f} Å |"
        )
    rows.append(f"| macro | | | | | | {values['totals']['macro']['f1']:.3f} | |")
    return rows


def main() -> None:
    """Run the page and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    folder = parser.parse_args().work
    folder.mkdir(parents=True)
    rows = ["| command | seconds | CPU-seconds |", "|---|---|---|"]
    total, work = 0.0, 0.0
    for _, *arguments in commands(PAGE.read_text(encoding="utf-8")):
        seconds, used = timed(arguments, folder)
        total, work = total + seconds, work + used
        name = " ".join(arguments[:2]) if arguments[0] == "model" else arguments[0]
        rows.append(f"| `{name}` | {seconds:.0f} | {used:.0f} |")
        print(rows[-1], flush=True)
    rows.append(f"| all | {total:.0f} | {work:.0f} |")
    values = json.loads((folder / SCORES / "scores.json").read_text(encoding="utf-8"))
    print("\n".join([*rows, "", *score_rows(values)]))


if __name__ == "__main__":
    main()
