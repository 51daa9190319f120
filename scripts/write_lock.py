"""Write requirements.lock: the version of every package that the installed package needs.

.venv/bin/python scripts/write_lock.py > requirements.lock
"""

import re
from importlib import metadata

from packaging.requirements import Requirement


def needed(name: str, found: dict[str, str]) -> None:
    """Add a package's needs, and theirs, to the table of name -> version."""
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        key = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if key not in found:
            found[key] = metadata.version(key).split("+")[0]
            needed(key, found)
        for extra in requirement.extras:
            for more in metadata.requires(key) or []:
                wanted = Requirement(more)
                if wanted.marker is not None and wanted.marker.evaluate({"extra": extra}):
                    other = re.sub(r"[-_.]+", "-", wanted.name).lower()
                    if other not in found:
                        found[other] = metadata.version(other).split("+")[0]
                        needed(other, found)


def main() -> None:
    """Print the table."""
    found: dict[str, str] = {}
    needed("copick-picker", found)
    print("# Versions that the tests of copick-picker ran with; made by scripts/write_lock.py.")
    for name in sorted(found):
        print(f"{name}=={found[name]}")


if __name__ == "__main__":
    main()
