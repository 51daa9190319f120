import re
import subprocess
from pathlib import Path

import pytest

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
