"""CryoSiam's YAML files: the keys of its prediction, checked; the others are listed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from copick_picker.errors import SettingsError, choices_text, nearest_name
from copick_picker.records.semantic import LamellaRules, SemanticRules
from copick_picker.settings.files import read_yaml
from copick_picker.settings.job import NameByName, Names
from copick_picker.settings.model import Scaling
from copick_picker.settings.wrong_values import expected_words

DEFAULT_MIN_VOXELS = 100
"""CryoSiam's own: an eroded component must have more voxels than this."""
HULL_SMOOTHING_VOXELS = (10.0, 5.0, 5.0)
"""Standard deviation (z, y, x) of the smoothing before a lamella is cut out; CryoSiam's own."""
SMOOTHING_CUT = 4.0
"""Standard deviations at which that smoothing is cut off."""

CLIPPED_DOUBT = 0.5
"""Share of clipped voxels from which on the limits, or the tomogram, are doubtful."""

Side = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class _Block(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )


class DataBlock(_Block):
    """``parameters.data``; ``patch_size`` is checked and not used: the checkpoint's counts."""

    patch_size: Side | tuple[Side, ...] | None = None
    min: float = 0.0
    max: float = 1.0
    mean: float = 0.0
    std: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _limits_differ(self) -> Self:
        if self.max <= self.min:
            msg = f"max {self.max:g} is not above min {self.min:g}"
            raise ValueError(msg)
        return self

    def scaling(self) -> Scaling:
        """Return the scaling of the input."""
        return Scaling(
            minimum=self.min, maximum=self.max, mean=self.mean, standard_deviation=self.std
        )


class NetworkBlock(_Block):
    """``parameters.network``; channels and dimensions of the network are the checkpoint's."""

    in_channels: Side | None = None
    spatial_dims: Side | None = None
    out_channels: Annotated[int, Field(ge=1, le=255)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    postprocessing: bool = False
    hull_in_3d: Annotated[bool, Field(alias="3d_postprocessing")] = False
    postprocessing_sizes: tuple[Annotated[int, Field(ge=-1)], ...] | None = None
    min_voxels: Count | tuple[Count, ...] = DEFAULT_MIN_VOXELS

    @model_validator(mode="after")
    def _a_limit_for_every_class(self) -> Self:
        limits = self.min_voxels
        if isinstance(limits, tuple) and len(limits) < len(self.classes):
            msg = f"min_voxels has {len(limits)} entries for {len(self.classes)} classes"
            raise ValueError(msg)
        return self

    @property
    def classes(self) -> range:
        """Labels to make picks of: 1 to out_channels - 1, and 1 where there is one channel."""
        return range(1, max(self.out_channels, 2))

    def least_voxels(self, label: int) -> int:
        """Return the number of eroded voxels that a component of a label must exceed."""
        return self.min_voxels[label - 1] if isinstance(self.min_voxels, tuple) else self.min_voxels


class ParametersBlock(_Block):
    """``parameters``."""

    gpu_devices: int | list[int] | str | None = None
    data: DataBlock = DataBlock()
    network: NetworkBlock

    def gpu_names(self) -> list[str]:
        """Return the GPUs that ``gpu_devices`` means: a number of them, or a list of indices."""
        wanted = self.gpu_devices
        if isinstance(wanted, str):
            digits = [part.strip() for part in wanted.strip("[] ").split(",")]
            wanted = [int(each) for each in digits if each.isdigit()]
        if isinstance(wanted, int):
            wanted = list(range(wanted))
        return [f"cuda:{number}" for number in wanted or () if number >= 0]


class HyperBlock(_Block):
    """``hyper_parameters``."""

    batch_size: Annotated[int, Field(ge=1)] = 1


class CryosiamConfig(_Block):
    """A YAML file of CryoSiam's semantic prediction.

    Attributes
    ----------
    data_folder : pathlib.Path
        Folder of MRC files.
    mask_folder : pathlib.Path or None
        Folder of ``{stem}_preds.h5`` with the masks.
    log_dir : pathlib.Path or None
        Folder of our log file, where the command line names none.
    prediction_folder : pathlib.Path
        Where ``{stem}_preds.h5`` go, and the picks.
    trained_model : pathlib.Path or None
        Checkpoint; ``localize`` does without.
    file_extension : str
        End of the tomograms' names.
    test_files : tuple of str or None
        Names in ``data_folder``; None means all that end with ``file_extension``. The key must be
        there.
    save_internal_files : bool
        Whether the probabilities are stored too.
    save_original_file_extension : bool
        Whether the labels are written as MRC too.
    parameters : ParametersBlock
        Scaling, thresholds, sizes.
    hyper_parameters : HyperBlock
        Batch size.
    """

    data_folder: Path
    mask_folder: Path | None = None
    log_dir: Path | None = None
    prediction_folder: Path
    trained_model: Path | None = None
    file_extension: Annotated[str, Field(min_length=1)] = ".mrc"
    test_files: tuple[str, ...] | None
    save_internal_files: bool = False
    save_original_file_extension: bool = False
    parameters: ParametersBlock
    hyper_parameters: HyperBlock = HyperBlock()

    def rules(self) -> SemanticRules:
        """Return what is predicted, as core takes it."""
        network = self.parameters.network
        lamella = LamellaRules(
            HULL_SMOOTHING_VOXELS, SMOOTHING_CUT, network.threshold, network.hull_in_3d
        )
        return SemanticRules(
            self.parameters.data.scaling().record(),
            network.threshold,
            lamella if network.postprocessing else None,
            network.postprocessing_sizes,
        )

    def recorded(self) -> dict[str, Any]:
        """Return the settings that change a prediction, as they go into provenance records."""
        network = self.parameters.network
        return {
            "scaling": self.parameters.data.scaling().model_dump(),
            "threshold": network.threshold,
            "postprocessing": network.postprocessing,
            "3d_postprocessing": network.postprocessing and network.hull_in_3d,
            "postprocessing_sizes": network.postprocessing_sizes,
            "probabilities": self.save_internal_files,
        }


class CryosiamJob(BaseModel):
    """Settings of ``segment`` and ``localize`` with ``--cryosiam-config``.

    Attributes
    ----------
    cryosiam_config : pathlib.Path
        CryoSiam's YAML file.
    run_names : tuple of str
        Names of tomograms without their ending, globs, ``!name``; empty means all.
    shard : str or None
        ``i/n``: the i-th of n parts of the tomograms.
    overwrite : bool
        Replace outputs that exist.
    dry_run : bool
        Say what would be done, write nothing.
    json_file : pathlib.Path or None
        Where to write a machine-readable summary.
    device : str
        Where the network runs.
    threads : int or None
        CPU threads.
    window_batch : int or None
        Windows at once; None takes ``hyper_parameters.batch_size``.
    trust_checkpoint : bool
        Load a checkpoint that needs unpickling of arbitrary objects.
    postprocess_only : bool
        Only drop small components of ``{stem}_preds.h5`` that exist.
    config : str or None
        copick configuration of a project that the results are written into as well.
    input : str
        Tomogram URI in that project, where a run has several (``segment``).
    output : str or None
        Segmentation URI, or picks URI for ``localize``.
    object_map : dict
        Class name (``class_1``) -> project's object name.
    objects : tuple of str
        Objects of the project that are written; empty means all that the classes mean.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )

    cryosiam_config: Path
    run_names: Names = ()
    shard: Annotated[str, Field(pattern=r"^[1-9]\d*/[1-9]\d*$")] | None = None
    overwrite: bool = False
    dry_run: bool = False
    json_file: Path | None = None
    device: str = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    window_batch: Annotated[int, Field(ge=1)] | None = None
    trust_checkpoint: bool = False
    postprocess_only: bool = False
    config: str | None = None
    input: str = "*"
    output: str | None = None
    object_map: NameByName = Field(default_factory=dict)
    objects: Names = ()

    @model_validator(mode="after")
    def _what_belongs_to_a_project(self) -> Self:
        given = [name for name in ("output", "object_map", "objects") if getattr(self, name)]
        given += ["input"] if self.input != "*" else []
        if given and self.config is None:
            options = choices_text("--" + name.replace("_", "-") for name in given)
            msg = f"{options} needs a project: add --config"
            raise ValueError(msg)
        return self


def read_cryosiam_config(path: Path) -> tuple[CryosiamConfig, list[str]]:
    """Return CryoSiam's settings and one sentence for each key that is not known here.

    Parameters
    ----------
    path : pathlib.Path
        The YAML file. Relative paths in it are relative to the current folder, as in CryoSiam.

    Raises
    ------
    SettingsError
        In one line, if the file is no YAML mapping, a key is missing, or a value is wrong.
    """
    raw = read_yaml(path, CryosiamConfig)
    try:
        config = CryosiamConfig.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(_fault(dict(fault)) for fault in error.errors())
        msg = f"{path}: {faults}"
        raise SettingsError(msg) from None
    return config, _unknown(raw, CryosiamConfig)


def _fault(fault: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"'{where}' is missing"
    return f"'{where}' is {fault['input']!r}: {expected_words(fault)}"


def _unknown(raw: Mapping[str, Any], kind: type[BaseModel], above: str = "") -> list[str]:
    known = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    found = []
    for key, value in raw.items():
        if key not in known:
            found.append(f"unknown key '{above}{key}' has no effect{nearest_name(key, known)}")
            continue
        inner = known[key]
        if isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(value, Mapping):
            found += _unknown(value, inner, f"{above}{key}.")
    return found


def cryosiam_log(path: Path, name: str) -> Path | None:
    """Return the log file in the ``log_dir`` of CryoSiam's YAML file; None where there is none.

    Parameters
    ----------
    path : pathlib.Path
        The YAML file; what is wrong with it is told elsewhere.
    name : str
        Name of the log file.
    """
    try:
        folder = read_cryosiam_config(path)[0].log_dir
    except SettingsError:
        return None
    return None if folder is None else folder / name
