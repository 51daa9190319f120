"""Scenes of ``simulate``: what a YAML file says, checked; the ones that ship with the package."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from copick_picker.errors import SettingsError, choices_text, nearest_name
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.files import read_yaml
from copick_picker.settings.simulate_entries import (
    AmountEntry,
    CrowdingEntry,
    DistractorEntry,
    Entry,
    FilamentEntry,
    GoldEntry,
    IceEntry,
    LayoutEntry,
    MembraneEntry,
    MembraneProteinEntry,
    MoleculeEntry,
    NamedEntry,
    VlpEntry,
)
from copick_picker.settings.simulate_imaging import ImagingEntry
from copick_picker.settings.wrong_values import expected_words

Edge = Annotated[int, Field(ge=16, le=4096)]
Spacing = Annotated[float, Field(ge=2, le=50)]
_PRESETS = "configs/simulate"
SHAPE_SOURCE = "shape:"
"""Begins the source of a molecule that is drawn; a number behind a second colon is its variant."""
_AMOUNT_SECTIONS = (
    "objects", "distractors", "membranes", "membrane_proteins", "vlps", "filaments"
)  # fmt: skip
_OF_RUN, _OF_BLOCK = 1, 2
SECTIONS = ("objects", "membrane_proteins", "vlps", "filaments", "membranes")
"""Sections whose entries may be objects of the project, in the order of their labels."""


class SceneSettings(Entry):
    """What a project of simulated tomograms holds; every pair is a range to draw from.

    Attributes
    ----------
    title : str
        Name of the project.
    seed : int
        Seed of everything that is drawn; run i draws from (seed, i) alone.
    runs : int
        Tomograms.
    shape : tuple of int
        Size (z, y, x) of a tomogram in voxels.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    voxel_spacings : tuple of float
        One of these for each tomogram instead; empty: all have ``voxel_spacing``.
    shape_range : tuple of tuple of int, or None
        Smallest and largest size (z, y, x), between which each tomogram has one of its own.
    objects : dict
        Name -> dissolved molecules to be found.
    distractors : dict
        Name -> dissolved molecules without a label.
    membranes, membrane_proteins, vlps, filaments : dict
        Name -> membranes, molecules in them, enveloped particles, filaments.
    gold : GoldEntry or None
        Fiducials.
    ice : IceEntry
        The slab.
    crowding : CrowdingEntry or None
        What fills the rest.
    layout : LayoutEntry or None
        Real picks for the entries of amount ``layout``.
    gap_angstrom : float
        What stays free around a particle.
    footprint_volts : float
        A molecule covers the voxels where its potential is above this.
    imaging : ImagingEntry
        How the tomograms are taken.
    """

    title: str = "Simulated tomograms"
    seed: Annotated[int, Field(ge=0)] = 1
    runs: Annotated[int, Field(ge=1, le=9999)] = 1
    shape: tuple[Edge, Edge, Edge]
    voxel_spacing: Spacing
    voxel_spacings: tuple[Spacing, ...] = ()
    shape_range: tuple[tuple[Edge, Edge, Edge], tuple[Edge, Edge, Edge]] | None = None
    objects: dict[str, MoleculeEntry] = Field(default_factory=dict)
    distractors: dict[str, DistractorEntry] = Field(default_factory=dict)
    membranes: dict[str, MembraneEntry] = Field(default_factory=dict)
    membrane_proteins: dict[str, MembraneProteinEntry] = Field(default_factory=dict)
    vlps: dict[str, VlpEntry] = Field(default_factory=dict)
    filaments: dict[str, FilamentEntry] = Field(default_factory=dict)
    gold: GoldEntry | None = None
    ice: IceEntry = IceEntry()
    crowding: CrowdingEntry | None = None
    layout: LayoutEntry | None = None
    gap_angstrom: Annotated[float, Field(ge=0)] = 10.0
    footprint_volts: Annotated[float, Field(gt=0)] = 0.5
    imaging: ImagingEntry

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [name for section in (*SECTIONS, "distractors") for name in getattr(self, section)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"the name '{twice[0]}' appears in two sections"
            raise ValueError(msg)
        if not self.labelled():
            msg = "the scene has no objects to find"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        owners: dict[int, str] = {}
        for name, entry in self.labelled().items():
            if entry.label in owners:
                msg = f"'{owners[entry.label]}' and '{name}' both have the label {entry.label}"
                raise ValueError(msg)
            if entry.label is not None:
                owners[entry.label] = name
        return self

    @model_validator(mode="after")
    def _parts_are_there(self) -> Self:
        by_layout = [name for name, entry in {**self.objects, **self.distractors}.items()]
        wanting = [name for name in by_layout if self._amount(name).layout]
        if wanting and self.layout is None:
            msg = f"'{wanting[0]}' takes its amount from a layout, but the scene has none"
            raise ValueError(msg)
        if self.membrane_proteins and not self.membranes:
            msg = "membrane_proteins without membranes: there is no membrane to put them in"
            raise ValueError(msg)
        for name, protein in self.membrane_proteins.items():
            if protein.membrane is not None and protein.membrane not in self.membranes:
                msg = (
                    f"membrane_proteins.{name}: no membrane '{protein.membrane}'; there are "
                    f"{choices_text(self.membranes)}"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _detector_fits(self) -> Self:
        pixel = self.imaging.full.detector_pixel_angstrom
        if self.imaging.path == "full" and pixel > self.voxel_spacing:
            msg = (
                f"voxel_spacing: {self.voxel_spacing:g} A is less than "
                f"imaging.full.detector_pixel_angstrom, {pixel:g} A"
            )
            raise ValueError(msg)
        return self

    def _amount(self, name: str) -> MoleculeEntry | DistractorEntry:
        return self.objects[name] if name in self.objects else self.distractors[name]

    def labelled(self) -> dict[str, NamedEntry]:
        """Return name -> entry of all objects of the project, in order."""
        found: dict[str, NamedEntry] = {}
        for section in SECTIONS:
            entries: Mapping[str, NamedEntry] = getattr(self, section)
            found.update({name: entry for name, entry in entries.items() if entry.is_object})
        return found

    def labels(self) -> dict[str, int]:
        """Return name -> label: as given, else the next free number."""
        entries = self.labelled()
        taken = {entry.label for entry in entries.values() if entry.label is not None}
        free = (number for number in range(1, 256) if number not in taken)
        return {
            name: entry.label if entry.label is not None else next(free)
            for name, entry in entries.items()
        }

    @property
    def varies(self) -> bool:
        """Whether tomograms differ in more than what is placed at random."""
        sections = [getattr(self, section) for section in _AMOUNT_SECTIONS]
        entries = [entry for section in sections for entry in section.values()]
        has_shapes = any(getattr(each, "molecule", "").startswith(SHAPE_SOURCE) for each in entries)
        has_counts = any(entry.counts is not None for entry in entries)
        return bool(self.voxel_spacings or self.shape_range or has_shapes or has_counts)

    def of_run(self, number: int, *, n_variants: int) -> "SceneSettings":
        """Return the scene of one tomogram: its voxel spacing, size, numbers and variants drawn.

        Parameters
        ----------
        number : int
            Number of the run, from 1; what is drawn depends on it and the seed alone.
        n_variants : int
            Variants of each drawn shape.
        """
        if not self.varies:
            return self
        rng = np.random.default_rng([self.seed, number, _OF_RUN])
        changes: dict[str, Any] = {"voxel_spacings": (), "shape_range": None}
        if self.voxel_spacings:
            changes["voxel_spacing"] = float(rng.choice(self.voxel_spacings))
        if self.shape_range is not None:
            low, high = self.shape_range
            changes["shape"] = tuple(rng.integers(low, high, endpoint=True).tolist())
        for section in _AMOUNT_SECTIONS:
            entries = getattr(self, section)
            changes[section] = {
                name: entry.model_copy(update=self._of_entry(entry, number, n_variants, rng))
                for name, entry in entries.items()
            }
        return self.model_copy(update=changes)

    def _of_entry(
        self, entry: AmountEntry, number: int, n_variants: int, rng: np.random.Generator
    ) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if entry.counts is not None:
            block, place = divmod(number - 1, len(entry.counts))
            order = np.random.default_rng([self.seed, block, _OF_BLOCK]).permutation(entry.counts)
            changes |= {"counts": None, "count": (float(order[place]),) * 2}
        molecule = getattr(entry, "molecule", "")
        if molecule.startswith(SHAPE_SOURCE) and molecule.count(":") == 1:
            changes["molecule"] = f"{molecule}:{rng.integers(n_variants)}"
        return changes

    def project_objects(self) -> tuple[list[ObjectSpec], dict[str, dict[str, Any]]]:
        """Return the project's objects, and by name further keys of copick for each."""
        labels = self.labels()
        specs, details = [], {}
        for name, entry in self.labelled().items():
            specs.append(
                ObjectSpec(
                    name,
                    labels[name],
                    entry.radius_angstrom,
                    score_weight=entry.score_weight,
                    is_particle=not isinstance(entry, MembraneEntry),
                    is_filament=isinstance(entry, FilamentEntry),
                    has_polarity=True if isinstance(entry, FilamentEntry) else None,
                )
            )
            known = entry.model_dump(mode="json", include={"pdb_id", "emdb_id", "color"})
            details[name] = {key: value for key, value in known.items() if value is not None}
            if isinstance(entry, FilamentEntry):
                helix = {
                    "polar": True,
                    "helical_rise_a": entry.rise_angstrom,
                    "helical_twist_deg": entry.twist_degrees,
                }
                details[name]["metadata"] = {"copick": {"filament": helix}}
        return specs, details


def preset_names() -> list[str]:
    """Return the names of the scenes that ship with the package."""
    folder = resources.files("copick_picker") / _PRESETS
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir())


def preset_path(name: str) -> Path:
    """Return the file of a scene that ships with the package.

    Parameters
    ----------
    name : str
        Name of the scene.

    Raises
    ------
    SettingsError
        If there is no such scene; the nearest name is given.
    """
    names = preset_names()
    if name not in names:
        near = nearest_name(name, names)
        msg = f"no preset '{name}'{near}; presets: {choices_text(names)}"
        raise SettingsError(msg)
    return Path(str(resources.files("copick_picker") / _PRESETS / f"{name}.yaml"))


def load_scene(path: Path, changes: Mapping[str, Any]) -> SceneSettings:
    """Return the scene of a YAML file, checked.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    changes : mapping
        Values that win over the file's: ``seed``, ``runs``, ``shape``, ``voxel_spacing``, and
        ``path`` for ``imaging.path``; None means not given.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a key or a value is wrong.
    """
    content = read_yaml(path, SceneSettings)
    given = {name: value for name, value in changes.items() if value is not None}
    imaging_path = given.pop("path", None)
    if imaging_path is not None:
        imaging = content.get("imaging")
        content["imaging"] = {
            **(imaging if isinstance(imaging, dict) else {}),
            "path": imaging_path,
        }
    for name, varied in (("voxel_spacing", "voxel_spacings"), ("shape", "shape_range")):
        if name in given:
            content.pop(varied, None)
    try:
        return SceneSettings.model_validate({**content, **given})
    except ValidationError as error:
        faults = [(str(each["loc"][:1]), problem_text(each)) for each in error.errors()]
        options = {str((name,)) for name in given}
        msg = "; ".join(
            f"--{text.replace('_', '-', 1)}" if first in options else f"{path}: {text}"
            for first, text in faults
        )
        raise SettingsError(msg) from error


def problem_text(error: Any) -> str:  # noqa: ANN401 (pydantic's mapping)
    """Return one problem as ``place: what, got``.

    Parameters
    ----------
    error : mapping
        One of the errors of pydantic's ``ValidationError``.
    """
    place = ".".join(str(part) for part in error["loc"])
    text = expected_words(error)
    if error["type"] == "missing":
        text = "is missing"
    elif not isinstance(error["input"], dict | list | Entry):
        text = f"got {error['input']!r}; {text}"
    return f"{place}: {text}" if place else text


ImagingPath = Literal["full", "quick"]
