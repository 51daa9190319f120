"""Write requirements.lock: a version of every package that this one and its extras need.

.venv/bin/python scripts/write_lock.py torch==2.13.0

pip resolves all extras at once, without the present lock, in a fresh virtual environment, and
installs nothing. The arguments are requirements beside ours. Packages that only some systems or
Pythons need get a marker.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from count_versions import ROOT, canonical, extras, fresh_python, resolved
from packaging.markers import Marker
from packaging.requirements import Requirement

PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {
    "linux": {"os_name": "posix", "platform_system": "Linux", "platform_machine": "x86_64"},
    "darwin": {"os_name": "posix", "platform_system": "Darwin", "platform_machine": "arm64"},
    "win32": {"os_name": "nt", "platform_system": "Windows", "platform_machine": "AMD64"},
}
OURS = "copick-picker"
Places = set[tuple[str, str]]
EVERYWHERE: Places = set(product(PYTHONS, SYSTEMS))


def environment(python: str, system: str) -> dict[str, str]:
    """Return the markers' values on one Python and system."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        **SYSTEMS[system],
    }


def asked_for(
    requires: list[str], wanted: tuple[str, ...], place: tuple[str, str]
) -> list[Requirement]:
    """Return which of a package's requirements hold in a place, with the extras wanted."""
    values = environment(*place)
    found = [Requirement(text) for text in requires]
    return [
        one
        for one in found
        if one.marker is None
        or any(one.marker.evaluate({**values, "extra": extra}) for extra in ("", *wanted))
    ]


def needed(metadata: dict[str, dict[str, Any]]) -> dict[str, Places]:
    """Return package -> the Pythons and systems that need it."""
    found: dict[str, Places] = {}
    for place in EVERYWHERE:
        todo = [(OURS, tuple(extras()))]
        seen = set(todo)
        while todo:
            name, wanted = todo.pop()
            requires = metadata.get(name, {}).get("requires_dist", [])
            for one in asked_for(requires, wanted, place):
                key = (canonical(one.name), tuple(sorted(one.extras)))
                found.setdefault(key[0], set()).add(place)
                if key not in seen:
                    seen.add(key)
                    todo.append(key)
    found.pop(OURS, None)
    return found


def marker(name: str, places: Places) -> str:
    """Return the marker that holds in these places alone; empty where all need the package."""
    if places == EVERYWHERE:
        return ""
    texts = [f'sys_platform {sign} "{system}"' for system in SYSTEMS for sign in ("==", "!=")]
    texts += [f'python_version {sign} "{python}"' for python in PYTHONS for sign in ("<", ">=")]
    texts += [f"{one} and {other}" for one, other in product(texts[:6], texts[6:])]
    for text in texts:
        if {p for p in EVERYWHERE if Marker(text).evaluate(environment(*p))} == places:
            return f" ; {text}"
    sys.exit(f"no simple marker says where {name} is needed: {sorted(places)}")


def version_elsewhere(python: Path, name: str) -> str:
    """Return the version of a package that this system does not need: the newest for Windows."""
    options = ["--no-deps", "--only-binary=:all:", "--platform=win_amd64", "--target=unused"]
    _, report = resolved(python, [*options, name])
    return str(report["install"][0]["metadata"]["version"])


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        python = fresh_python(Path(folder) / "venv")
        _, report = resolved(python, [*sys.argv[1:], f".[{','.join(extras())}]"])
        metadata = {
            canonical(one["metadata"]["name"]): one["metadata"] for one in report["install"]
        }
        lines = []
        for name, places in sorted(needed(metadata).items()):
            if name in metadata:
                version = metadata[name]["version"].split("+")[0]
            else:
                version = version_elsewhere(python, name)
            lines.append(f"{name}=={version}{marker(name, places)}\n")
    head = "# The versions that make demo and make test install; made by scripts/write_lock.py.\n"
    (ROOT / "requirements.lock").write_text(head + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
