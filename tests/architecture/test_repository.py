import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import copick_picker

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "copick_picker"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def tracked():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\n") if (ROOT / name).is_file()]


def test_the_tree_stays_under_40_megabytes():
    assert sum(path.stat().st_size for path in tracked()) < 40e6


def test_shipped_models_stay_under_8_megabytes():
    models = ROOT / "copick_picker" / "models"
    assert sum(path.stat().st_size for path in models.rglob("*") if path.is_file()) <= 8e6


def folders(place):
    return {
        path.relative_to(place).parts[0] for path in tracked() if path.parent.is_relative_to(place)
    }


def test_every_link_of_the_docs_leads_somewhere():
    missing = []
    for page in PAGES:
        targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
        missing += [
            f"{page.relative_to(ROOT)}: {target}"
            for target in targets
            if not target.startswith("http") and not (page.parent / target).exists()
        ]
    assert not missing


def test_every_path_that_the_docs_name_exists():
    starts = "|".join(map(re.escape, sorted(folders(ROOT) | folders(PACKAGE))))
    named = re.compile(rf"(?<![\w./:~<-])((?:{starts})/[\w./*-]*)")
    missing = []
    for page in PAGES:
        text = re.sub(r"\]\([^)]*\)", "]", page.read_text())
        names = {name.rstrip(".") for name in named.findall(text)}
        missing += [
            f"{page.relative_to(ROOT)}: {name}"
            for name in sorted(names)
            if not any(any(place.glob(name)) for place in (ROOT, PACKAGE))
        ]
    assert not missing


def test_every_changelog_fragment_has_a_known_kind_and_says_something():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    kinds = "|".join(kind["directory"] for kind in settings["type"])
    name = re.compile(rf"(\d+|\+[\w-]+)\.({kinds})(\.\d+)?\.md")
    for path in (ROOT / settings["directory"]).iterdir():
        if path.name in (*settings["ignore"], ".gitkeep"):
            continue
        assert name.fullmatch(path.name), f"{path.name}: expected <issue or +name>.<{kinds}>.md"
        text = path.read_text().strip()
        assert text.endswith((".", "`")), f"{path.name}: expected a sentence"
        assert not text.startswith(("-", "*", "#")), f"{path.name}: the release makes the list"


def test_a_release_finds_its_place_in_the_changelog():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    assert (ROOT / settings["filename"]).read_text().count(settings["start_string"]) == 1


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == copick_picker.__version__
