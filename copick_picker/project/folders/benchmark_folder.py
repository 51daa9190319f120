"""The folder of a benchmark: its suite, its project, and a folder for each candidate."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from copick_picker.errors import CopickPickerError
from copick_picker.project.copick.making import CONFIG_FILE, is_config
from copick_picker.project.files import write_text
from copick_picker.project.folders.demo_folder import MADE_BY, REFERENCE_SESSION, REFERENCE_USER
from copick_picker.project.folders.project_folder import (
    files_below,
    foreign_files,
    foreign_in_project,
    foreign_results,
)
from copick_picker.project.folders.score_folder import SCORES_FILE, read_json
from copick_picker.project.own_files import is_own_page
from copick_picker.records.keys import DEFAULT_USER
from copick_picker.records.plain_text import load_yaml

SUITE_FILE, STAGES_FILE = "suite.yaml", "stages.json"
_OWN = (SUITE_FILE, STAGES_FILE)
_OWN_OF_LABEL = ("report.html", "segment.json", "localize.json")
PROJECT = "project"
"""Folder of the project that a benchmark makes."""
SEGMENTATION, USER = "predict", DEFAULT_USER
"""Name and user of a benchmark's outputs in a project; the session is a candidate's label."""
MADE_FILE = "made.json"
CONFIG_HASH = "config_sha256"
"""Key in it: hash of the original configuration."""
_CANDIDATES = "candidates"


class Stages:
    """The finished stages, identified by a hash of their inputs.

    Parameters
    ----------
    file : pathlib.Path
        Where they are stored.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, Any] = {}
        if file.exists():
            try:
                self._known = read_json(file)
            except CopickPickerError:  # repeating a stage does no harm
                self._known = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of all candidates that the benchmark has started."""
        return tuple(self._known.get(_CANDIDATES, {}))

    @property
    def models(self) -> tuple[str, ...]:
        """Labels of those that are models, whose picks the benchmark makes."""
        return tuple(
            label for label, kind in self._known.get(_CANDIDATES, {}).items() if kind == "model"
        )

    def begin(self, models: Iterable[str], also: Iterable[str]) -> None:
        """Store the candidates before the work, to recognise the benchmark's own files later.

        Parameters
        ----------
        models, also : iterable of str
            Labels of models, and of existing picks.
        """
        known = dict(self._known.get(_CANDIDATES, {}))
        known |= dict.fromkeys(also, "picks") | dict.fromkeys(models, "model")
        if known != self._known.get(_CANDIDATES):
            self._known[_CANDIDATES] = known
            self._write()

    def done(self, name: str, key: Mapping[str, Any]) -> bool:
        """Return whether a stage was done with exactly this input.

        Parameters
        ----------
        name : str
            Name of the stage.
        key : mapping
            JSON values that go into it.
        """
        return self._known.get(name) == _hash(key)

    def mark(self, name: str, key: Mapping[str, Any]) -> None:
        """Store that a stage is done.

        Parameters
        ----------
        name : str
            Name of the stage.
        key : mapping
            JSON values that went into it.
        """
        self._known[name] = _hash(key)
        self._write()

    def _write(self) -> None:
        write_text(self._file, json.dumps(self._known, indent=1, sort_keys=True) + "\n")


def suite_text(fixed: Mapping[str, Any]) -> str:
    """Return the content of the file that identifies a folder's suite.

    Parameters
    ----------
    fixed : mapping
        The suite without its candidates.
    """
    return yaml.safe_dump(dict(fixed), sort_keys=False, allow_unicode=True)


def is_own_suite(file: Path) -> bool:
    """Return whether a benchmark wrote a suite file: it has its own form and no candidates."""
    if file.is_symlink() or not file.is_file():
        return False
    text = file.read_text(encoding="utf-8")
    try:
        content = load_yaml(text)
    except yaml.YAMLError:
        return False
    is_plain = isinstance(content, dict) and text == suite_text(content)
    return is_plain and not {"models", "also"} & set(content)


def foreign_of_benchmark(folder: Path) -> list[str]:
    """Return everything in a folder that no benchmark puts there.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of an earlier benchmark, or any other.
    """
    if folder.is_symlink() or not is_own_suite(folder / SUITE_FILE):
        return [folder.name]
    stages = Stages(folder / STAGES_FILE)
    places = {name: folder / name for name in (*stages.labels, PROJECT)}
    own = [f"{name}/" for name, place in places.items() if not place.is_symlink()]
    found = []
    for name in (each for each in foreign_files(folder, _OWN) if each not in own):
        place = folder / name.rstrip("/")
        found += files_below(place) if place.is_dir() and not place.is_symlink() else [name]
    inside = foreign_of_project(folder / PROJECT, stages.models)
    found += [f"{PROJECT}/{name}" for name in inside]
    for label in stages.labels:
        place = folder / label
        inside = [each for each in foreign_files(place, _OWN_OF_LABEL) if each != "scores/"]
        page = place / "report.html"
        if page.is_file() and not is_own_page(page):
            inside.append(page.name)
        inside += [f"scores/{each}" for each in foreign_results(place / "scores", SCORES_FILE)]
        found += [f"{label}/{each}" for each in inside]
    return found


def foreign_of_project(place: Path, labels: Sequence[str]) -> list[str]:
    """Return everything in the folder of a benchmark's project that no benchmark puts there.

    Parameters
    ----------
    place : pathlib.Path
        The folder; it need not exist.
    labels : sequence of str
        Candidates with a folder in the benchmark.
    """
    if place.is_symlink() or (os.path.lexists(place) and not place.is_dir()):
        return [""]
    roots = ("project", "overlay")
    found = [
        name
        for name in foreign_files(place, (CONFIG_FILE, MADE_FILE))
        if name not in {f"{root}/" for root in roots}
    ]
    recorded, config = read_made(place / MADE_FILE), place / CONFIG_FILE
    if recorded and os.path.lexists(config) and not is_config(config, recorded.get(CONFIG_HASH)):
        found.append(CONFIG_FILE)
    made = _names_made(labels)

    def is_own(_: str, name: str, record: Mapping[str, Any]) -> bool:
        patterns = made.get(str(record.get("command")), ())
        return any(fnmatch(name, pattern) for pattern in patterns)

    for root in roots:
        found += [f"{root}/{name}" for name in foreign_in_project(place / root, is_own)]
    return found


def _names_made(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return command -> names of its outputs in the project of a benchmark."""
    stems = [f"_{USER}_{label}_{SEGMENTATION}-multilabel.zarr" for label in labels]
    features = [
        f"_{SEGMENTATION}-{USER}-{label}-{kind}_features.zarr"
        for label in labels
        for kind in ("probabilities", "scores")
    ]
    return {
        MADE_BY: ("wbp.zarr", f"{REFERENCE_USER}_{REFERENCE_SESSION}_*"),
        "segment": tuple(f"*{ending}" for ending in (*stems, *features)),
        "localize": tuple(f"{USER}_{label}_*" for label in labels),
    }


def _hash(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def read_made(file: Path) -> Mapping[str, Any]:
    """Return a benchmark's record of the project that it made; empty if there is none.

    Parameters
    ----------
    file : pathlib.Path
        Its file.
    """
    try:
        return read_json(file)
    except CopickPickerError:
        return {}
