"""Print how many versions of each package pip looks at before it settles on one.

python3 scripts/count_versions.py --also torch==2.13.0

Each extra is resolved on its own in a fresh virtual environment, without requirements.lock; nothing
is installed. Exits with 1 if pip opens more than --limit versions of a package: then bounds in
pyproject.toml have to follow the packages they name.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOOK = re.compile(r"^\s*(?:Downloading|Using cached|Processing)\s+(\S+)", re.MULTILINE)
SUFFIXES = re.compile(r"(\.metadata|\.whl|\.tar\.gz|\.zip)+$")


def canonical(name: str) -> str:
    """Return a package's name as indices spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def extras() -> list[str]:
    """Return the names of the optional dependencies of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"])


def versions_looked_at(log: str) -> dict[str, list[str]]:
    """Return name -> versions, in pip's order, of the files that pip's log says it opened."""
    found: dict[str, list[str]] = {}
    for place in LOOK.findall(log):
        file_name = place.replace("\\", "/").rsplit("/", 1)[-1]
        stem = SUFFIXES.sub("", file_name)
        if stem == file_name or "-" not in stem:
            continue  # a folder: this package itself
        if file_name.removesuffix(".metadata").endswith(".whl"):
            name, version = stem.split("-")[:2]
        else:
            name, version = stem.rsplit("-", 1)
        versions = found.setdefault(canonical(name), [])
        if version not in versions:
            versions.append(version)
    return found


def fresh_python(folder: Path) -> Path:
    """Return the Python of a new virtual environment that has nothing but today's pip."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [python, "-m", "pip", "install", "--quiet", "--upgrade", "pip"]
    subprocess.run(command, check=True, capture_output=True)
    return python


def resolved(python: Path, requirements: list[str]) -> tuple[str, dict[str, Any]]:
    """Return pip's log and pip's report of what it would install; nothing is installed."""
    report = python.parent.parent / "report.json"
    command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--verbose"]
    command += ["--report", report, *requirements]
    run = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PIP_NO_COLOR": "1", "PIP_PROGRESS_BAR": "off"},
    )
    if run.returncode:
        sys.exit(f"{run.stdout[-4000:]}\npip found no versions for {' '.join(requirements)}")
    return run.stdout, json.loads(report.read_text(encoding="utf-8"))


def main() -> None:
    """Print one table, and exit with 1 where a package was looked at too often."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--also", action="append", default=[], help="a requirement beside ours")
    parser.add_argument("--extra", action="append", help="an extra; all where none is given")
    parser.add_argument("--limit", type=int, default=2, help="versions of one package")
    given = parser.parse_args()
    often = False
    with tempfile.TemporaryDirectory() as folder:
        python = fresh_python(Path(folder) / "venv")
        print(f"{'extra':14}{'packages':>10}{'versions':>10}  looked at more than once")
        for extra in given.extra or ["", *extras()]:
            place = f".[{extra}]" if extra else "."
            log, _ = resolved(python, [*given.also, place])
            looked = versions_looked_at(log)
            several = sorted(
                ((len(versions), name) for name, versions in looked.items() if len(versions) > 1),
                reverse=True,
            )
            often = often or any(count > given.limit for count, _ in several)
            words = ", ".join(f"{name} {count}" for count, name in several[:6]) or "none"
            if len(several) > 6:
                words += f" and {len(several) - 6} more"
            total = sum(len(versions) for versions in looked.values())
            print(f"{extra or '(none)':14}{len(looked):>10}{total:>10}  {words}", flush=True)
    if often:
        sys.exit(f"a package was looked at more than {given.limit} times: see its bounds")


if __name__ == "__main__":
    main()
