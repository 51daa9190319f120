"""What pip is told: bounds, tested versions and how its choices are counted."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOG = """
Looking in links: /wheels
Processing ./.
Processing /wheels/torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl
Collecting boto3>=1.43 (from copick-picker==0.1.0)
  Downloading boto3-1.43.117-py3-none-any.whl.metadata (6.4 kB)
  Using cached boto3-1.43.116-py3-none-any.whl (140 kB)
  Downloading boto3-1.43.117-py3-none-any.whl (140 kB)
Processing ./wheels/ome_zarr-0.11.1-py3-none-any.whl
  Downloading jsonpath-rw-1.4.0.tar.gz (13 kB)
"""


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked():
    """Return package -> version of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [line.partition(" ;")[0].split("==") for line in lines if not line.startswith("#")]
    return dict(pairs)


def test_the_versions_that_pip_opens_are_counted(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from count_versions import versions_looked_at

    sys.modules.pop("count_versions")
    assert versions_looked_at(LOG) == {
        "torch": ["2.13.0+cpu"],
        "boto3": ["1.43.117", "1.43.116"],
        "ome-zarr": ["0.11.1"],
        "jsonpath-rw": ["1.4.0"],
    }


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_the_locked_versions_are_within_the_bounds(extra):
    versions = locked()
    texts = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, texts):
        version = versions.get(canonical(requirement.name))
        assert version is not None, f"{requirement} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(version), f"{requirement}: locked is {version}"


def test_the_makefile_installs_the_torch_of_the_lock():
    torch = re.search(r"^TORCH \?= torch==(\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert torch is not None
    assert locked()["torch"] == torch[1]
