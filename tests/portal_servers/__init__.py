"""A CryoET Data Portal for tests: GraphQL and S3 over real HTTPS, in a process of its own.

In a test use the session's fixture ``portal`` (all take the same server; it forgets faults and log
before each test), and give ``portal.environment(tmp_path)`` to subprocesses, or
``portal.enter(monkeypatch, tmp_path)`` where the package is called in the test's own process::

    def test_something(portal, tmp_path):
        config = portal.config(tmp_path)
        portal.fault("TS_5_4.zarr/0/0/0/1", status=503, times=2)
        subprocess.run([...], env=portal.environment(tmp_path))
        assert len(portal.chunk_reads()) == 12

From a shell: ``python -m portal_servers FOLDER [RUNS]`` prints the environment to set.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patience import HANG_SECONDS
from portal_servers.names import DATASET, OBJECTS

if TYPE_CHECKING:
    import pytest

RADII = {
    "ferritin-complex": 60.0,
    "beta-amylase": 65.0,
    "beta-galactosidase": 90.0,
    "cytosolic-ribosome": 150.0,
    "thyroglobulin": 130.0,
    "virus-like-capsid": 135.0,
    "membrane": None,
}


@dataclass(frozen=True)
class PortalServers:
    """A running test portal."""

    address: str
    variables: dict[str, str]

    def environment(self, folder: Path, **extra: str) -> dict[str, str]:
        """Return the environment of a subprocess that shall see this portal and no other."""
        # copick keeps answers of the portal on disk by what it asked, not by whom.
        cache = {"COPICK_PORTAL_CACHE_DIR": str(folder / "portal-cache")}
        return {**os.environ, **self.variables, **cache, **extra}

    def enter(self, monkeypatch: "pytest.MonkeyPatch", folder: Path) -> None:
        """Lead this process to the portal for the length of a test."""
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COPICK_PORTAL_CACHE_DIR", str(folder / "portal-cache"))

    def fault(self, match: str, **what: Any) -> None:
        """Order a fault; see ``portal_servers.front.Fault`` for what may be said."""
        self._ask("fault", {"match": match, **what})

    def reset(self) -> None:
        """Forget all faults and the log."""
        self._ask("reset", {})

    def log(self) -> list[dict[str, Any]]:
        """Return all requests: host, method, path, query, status, bytes."""
        return list(self._ask("log", {}))

    def queries(self) -> list[str]:
        """Return the texts of the GraphQL queries."""
        return [entry["query"] for entry in self.log() if entry["query"]]

    def chunk_reads(self, match: str = ".zarr/0/") -> list[str]:
        """Return the paths of the S3 reads whose path holds the text and ends with a chunk."""
        return [
            entry["path"]
            for entry in self.log()
            if entry["method"] == "GET"
            and match in entry["path"]
            and entry["path"].rsplit("/", 1)[-1].isdigit()
        ]

    def config(self, folder: Path, dataset_ids: Sequence[int] = (DATASET,), **extra: Any) -> Path:
        """Write a copick configuration of the portal with stable labels and true radii."""
        objects: list[dict[str, Any]] = [
            {
                "name": name.replace(" ", "-"),
                "is_particle": True,
                "label": label,
                "identifier": identifier,
                "radius": RADII[name.replace(" ", "-")],
            }
            for label, (name, identifier, _) in enumerate(OBJECTS, 1)
        ]
        membrane: dict[str, Any] = {
            "name": "membrane",
            "is_particle": False,
            "identifier": "GO:0016020",
        }
        objects.append({**membrane, "label": len(objects) + 1})
        config = {
            "config_type": "cryoet_data_portal",
            "name": "portal",
            "version": "1.0.0",
            "overlay_root": f"local://{folder / 'overlay'}",
            "overlay_fs_args": {"auto_mkdir": True},
            "dataset_ids": list(dataset_ids),
            "pickable_objects": objects,
            **extra,
        }
        path = folder / "portal.json"
        path.write_text(json.dumps(config, indent=2))
        return path

    def _ask(self, order: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - an address of ours
            f"{self.address}/control/{order}", data=json.dumps(body).encode(), method="POST"
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=HANG_SECONDS) as answer:
            return json.load(answer)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[PortalServers]:
    """Start a test portal in a process of its own; arguments: runs, then a shape z y x."""
    command = [sys.executable, "-m", "portal_servers", str(folder), *(arguments or ("3",))]
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with (
        (folder / "portal-servers.log").open("w") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=place,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "portal-servers.log").read_text()
            said = json.loads(line)
            yield PortalServers(said["address"], said["environment"])
        finally:
            process.stdin.close()  # type: ignore[union-attr]
            process.terminate()
