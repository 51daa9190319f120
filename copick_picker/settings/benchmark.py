"""Settings of ``benchmark``: what a suite holds, and what its commands take."""

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from copick_picker.errors import SettingsError, choices_text, nearest_name
from copick_picker.settings.evaluate import EvaluateSettings, Replicates, Seed
from copick_picker.settings.files import join_settings
from copick_picker.settings.job import Count, JobSettings, Names, Settings, Threads, split_pairs
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.options import Option
from copick_picker.settings.segment import SegmentSettings

_LABEL = re.compile(r"[A-Za-z0-9.\-]+")
_OURS = {
    *("config", "run_names", "input", "output", "candidate", "reference", "overwrite", "dry_run"),
    *("model", "json_file", "shard", "split", "cache"),
}
"""Fields of the commands that a suite sets by itself."""
_SUITES = "configs/benchmarks"
SOURCES = ("config", "manifest", "dataset", "simulated")
"""Where the data of a suite can come from."""

TextByName = Annotated[dict[str, str], BeforeValidator(split_pairs)]


class SimulatedProject(Settings):
    """A project of tomograms that are simulated here.

    Attributes
    ----------
    seeds : tuple of int
        One tomogram a seed.
    shape_zyx : tuple of int
        Size of each tomogram, in voxels of 10 Angstrom.
    """

    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    shape_zyx: tuple[
        Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]
    ]


class PortalObject(Settings):
    """An object of the CryoET Data Portal under the name that the project gives it.

    Attributes
    ----------
    identifier : str
        What the portal knows it by, such as ``GO:0022626``.
    label : int
        Value in a segmentation.
    radius_angstrom : float
        Radius of the particle.
    """

    identifier: str
    label: Count
    radius_angstrom: Annotated[float, Field(gt=0)]


class Suite(Settings):
    """A benchmark: where the data are, which candidates are scored, by which rules.

    Attributes
    ----------
    title : str
        Headline of its reports.
    config : str or None
        copick configuration of the project: a path.
    manifest : str or None
        Croissant manifest of the project: an address or a path.
    dataset : tuple of int
        Datasets of the CryoET Data Portal.
    objects : dict
        Project's name -> object of the portal, for ``dataset``.
    simulated : SimulatedProject or None
        A project made here. Just one of config, manifest, dataset and simulated is given.
    split : str or None
        Only the runs of this split of a manifest.
    run_names : tuple of str
        Only these runs: names, globs, ``!name`` to leave out.
    tomogram : str
        Tomogram URI.
    reference : str
        Picks URI of the reference picks.
    models : dict
        Label of each model -> the model, as ``segment --model`` takes it.
    also : dict
        Label -> picks URI of candidates that are there already; on the portal also
        ``deposition:NUMBER``.
    segment, localize, evaluate, report : dict
        Further settings of the commands.
    """

    title: str
    config: str | None = None
    manifest: str | None = None
    dataset: tuple[int, ...] = ()
    objects: dict[str, PortalObject] = Field(default_factory=dict)
    simulated: SimulatedProject | None = None
    split: str | None = None
    run_names: Names = ()
    tomogram: str = "*"
    reference: str
    models: TextByName = Field(default_factory=dict)
    also: TextByName = Field(default_factory=dict)
    segment: dict[str, Any] = Field(default_factory=dict)
    localize: dict[str, Any] = Field(default_factory=dict)
    evaluate: dict[str, Any] = Field(default_factory=dict)
    report: dict[str, Any] = Field(default_factory=dict)

    @field_validator("models", "also")
    @classmethod
    def _labels_are_names(cls, value: dict[str, str]) -> dict[str, str]:
        wrong = [label for label in value if not _LABEL.fullmatch(label)]
        if wrong:
            msg = f"label '{wrong[0]}': expected letters, digits, '.' and '-' only"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = self.sources()
        if len(given) > 1:
            msg = f"{' and '.join(given)} given; expected one source of data"
            raise ValueError(msg)
        if self.dataset and not self.objects:
            msg = "dataset given without objects: list the portal objects to look for"
            raise ValueError(msg)
        twice = sorted(set(self.models) & set(self.also))
        if twice:
            msg = f"'{twice[0]}' is the label of a model and of other candidates"
            raise ValueError(msg)
        return self

    def sources(self) -> list[str]:
        """Return which sources of data are given; a suite may leave that to the user."""
        return [name for name in SOURCES if getattr(self, name)]

    def configuration(self, overlay: Path) -> tuple[dict[str, Any], str]:
        """Return the copick configuration of the suite's data, and the data in words.

        Parameters
        ----------
        overlay : pathlib.Path
            Absolute folder for outputs.
        """
        content: dict[str, Any] = {
            "name": self.title,
            "version": "1.31.0",
            "overlay_root": f"local://{overlay}",
            "overlay_fs_args": {"auto_mkdir": True},
        }
        if self.dataset:
            # what copick leaves open: labels that stay, and true radii
            objects = [
                {
                    "name": name,
                    "is_particle": True,
                    "label": entry.label,
                    "identifier": entry.identifier,
                    "radius": entry.radius_angstrom,
                }
                for name, entry in self.objects.items()
            ]
            source = f"datasets {choices_text(self.dataset)} of the CryoET Data Portal"
            return content | {
                "config_type": "cryoet_data_portal",
                "dataset_ids": list(self.dataset),
                "pickable_objects": objects,
            }, source
        manifest = str(self.manifest)
        url = manifest if "://" in manifest else str(Path(manifest).absolute())
        return content | {
            "config_type": "mlcroissant",
            "pickable_objects": [],  # copick takes those of the manifest
            "croissant_url": url,
        }, f"the manifest {self.manifest}"

    @model_validator(mode="after")
    def _commands_take_their_settings(self) -> Self:
        kinds: dict[str, type[JobSettings]] = {
            "segment": SegmentSettings,
            "localize": LocalizeSettings,
            "evaluate": EvaluateSettings,
        }
        for name, kind in kinds.items():
            given = getattr(self, name)
            ours = sorted(_OURS & set(given))
            if ours:
                msg = f"{name}.{ours[0]} is set by the benchmark; omit it"
                raise ValueError(msg)
            needed = {"config": "config.json"}
            if kind is EvaluateSettings:
                needed["reference"] = self.reference
            valid = kind.model_fields
            unknown = [field for field in given if field not in valid]
            if unknown:
                msg = f"{name}: no setting '{unknown[0]}'{nearest_name(unknown[0], valid)}"
                raise ValueError(msg)
            kind.model_validate({**given, **needed})
        return self


class RunSettings(Settings):
    """Settings of ``benchmark run``.

    Attributes
    ----------
    suite : str
        Name of a suite that ships with the package, or the path of a YAML file.
    output : str
        Folder for everything.
    model : dict
        Label -> model: these instead of the suite's.
    also : dict
        Label -> picks URI, beside the suite's.
    manifest : str or None
        Croissant manifest instead of the suite's data: an address or a path.
    reference : str or None
        Picks URI of the reference picks instead of the suite's.
    run_names : tuple of str
        Only these runs of the suite's.
    cache : str or None
        Folder that keeps remote array data.
    device : str or None
        As ``segment --device``.
    threads : int or None
        CPU threads.
    overwrite : bool
        Begin anew: the benchmark that the folder holds is removed.
    """

    suite: Annotated[str, Option(argument=True)]
    output: Annotated[str, Option("Folder for all results.", "-o", metavar="FOLDER")] = "benchmark"
    model: Annotated[
        TextByName,
        Option("Score this model instead of the suite's; repeatable.", "-m", metavar="LABEL=MODEL"),
    ] = Field(default_factory=dict)
    also: Annotated[
        TextByName,
        Option(
            "Also score these picks by the same rules; deposition:NUMBER on the portal; "
            "repeatable.",
            metavar="LABEL=URI",
        ),
    ] = Field(default_factory=dict)
    manifest: Annotated[
        str | None,
        Option("Croissant metadata.json to read instead of the suite's data.", metavar="URL|PATH"),
    ] = None
    reference: Annotated[
        str | None, Option("Reference picks. Default: the suite's.", metavar="URI")
    ] = None
    run_names: Annotated[
        Names,
        Option(
            "Run name or glob, or !name to exclude; repeatable. Default: the suite's.",
            "-r",
            metavar="RUN",
        ),
    ] = ()
    cache: Annotated[
        str | None, Option("Cache remote array data in this folder.", metavar="DIR")
    ] = None
    device: Annotated[
        str | None, Option("auto, cpu, cuda, cuda:1 or mps. Default: the suite's.")
    ] = None
    threads: Threads = None
    overwrite: Annotated[bool, Option("Start again and replace the existing benchmark.")] = False


class CompareSettings(Settings):
    """Settings of ``benchmark compare``.

    Attributes
    ----------
    first, second : str
        Folders of ``evaluate`` or of ``benchmark run``.
    output : str or None
        Folder for ``compare.json`` and ``changes.csv``; None writes nothing.
    bootstrap : int
        Replicates of the bootstrap over runs; 0 leaves intervals out.
    seed : int
        Seed of the bootstrap.
    overwrite : bool
        Replace the folder.
    """

    first: Annotated[str, Option(argument=True)]
    second: Annotated[str, Option(argument=True)]
    output: Annotated[
        str | None, Option("Folder for compare.json and changes.csv.", "-o", metavar="FOLDER")
    ] = None
    bootstrap: Annotated[
        Replicates, Option("Paired bootstrap replicates over runs; 0: no intervals.")
    ] = 1000
    seed: Seed = 0
    overwrite: Annotated[bool, Option("Replace the folder.")] = False


def suite_names() -> list[str]:
    """Return the names of the suites that ship with the package."""
    folder = resources.files("copick_picker") / _SUITES
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir())


def load_suite(name: str) -> Suite:
    """Return a suite, checked.

    Parameters
    ----------
    name : str
        Name of a suite that ships with the package, or the path of a YAML file.

    Raises
    ------
    SettingsError
        If there is no such suite, or a setting is wrong.
    """
    path = Path(name)
    names = suite_names()
    if name in names:
        path = Path(str(resources.files("copick_picker") / _SUITES / f"{name}.yaml"))
    elif path.suffix not in (".yaml", ".yml"):
        near = nearest_name(name, names)
        msg = f"no suite '{name}'{near}; suites: {choices_text(names)}, or a YAML file"
        raise SettingsError(msg)
    return join_settings(Suite, flags={}, path=path)


def asked_suite(settings: RunSettings) -> Suite:
    """Return the suite with the models, candidates and runs that the user names instead.

    Parameters
    ----------
    settings : RunSettings
        What the user asks for.

    Raises
    ------
    SettingsError
        If nothing would be scored.
    """
    suite = load_suite(settings.suite)
    changes: dict[str, Any] = {"also": {**suite.also, **settings.also}}
    if settings.manifest is not None:
        changes |= {**dict.fromkeys(SOURCES), "dataset": (), "manifest": settings.manifest}
    for name, given in (
        ("models", settings.model),
        ("reference", settings.reference),
        ("run_names", settings.run_names),
    ):
        if given:
            changes[name] = given
    try:
        asked = Suite.model_validate({**suite.model_dump(exclude_unset=True), **changes})
    except ValidationError as error:
        raise SettingsError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    if not asked.sources():
        msg = (
            f"suite {settings.suite} has no data: give --manifest with the address or path "
            "of its Croissant metadata.json"
        )
        raise SettingsError(msg)
    if not asked.models and not asked.also:
        msg = (
            f"suite {settings.suite} has no model: give one with --model LABEL=MODEL, or "
            "existing picks with --also LABEL=URI"
        )
        raise SettingsError(msg)
    return asked
