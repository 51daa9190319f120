"""Settings of ``train``: the default recipe, and what may be changed of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from copick_picker.settings.job import Count, Names, NumberByName, Threads
from copick_picker.settings.options import Option
from copick_picker.settings.segment import Contrast
from copick_picker.settings.targets import AnnotationParameters, AnnotationSettings
from copick_picker.settings.train_learning import LearningParameters
from copick_picker.settings.train_presets import with_preset
from copick_picker.settings.train_sampling import SamplingParameters, TrainFiles
from copick_picker.settings.train_values import augmentation_plan, split_numbers, split_values

CPU_LOADERS = 0
"""Loader processes on a CPU, which the network keeps busy."""
CURRICULUM_LOADERS = 1
"""Loader processes on a CPU that simulate tomograms meanwhile."""
DEVICE_LOADERS = 4
"""Most loader processes for an accelerator."""
CALIBRATION_MARGIN = 0.01
"""F-beta that a lower threshold may cost: scores on other data than the validation runs' tend to
be lower."""
FEWEST_REFERENCES = 5
"""Validation picks of an object from which on a threshold is chosen."""
TOLERANCE_RADII = 0.5
"""Greatest distance of a hit, in radii: that of ``evaluate``."""
AUGMENTATION_SET: Literal["octopi"] = "octopi"
"""Test-time augmentations of the finished model."""
MINED_RUNS = 24
"""Most training runs that are searched for hard negatives after a validation."""
MINING_SCORE = 0.3
"""Lowest score of a false positive that is trained on as a hard negative."""
MINING_DISTANCE_RADII = 1.0
"""A candidate nearer than this to any reference pick is no hard negative."""
PEAK_TARGETS = ("points", "gaussian")
"""Targets without a size: picks are maxima of the probabilities, ``localize --method peaks``."""
CROP_VOXELS = 48
"""Most voxels along a side of the stored crop of a validation tomogram."""


DEFAULT_ARCHITECTURE = "ResidualUNet"
"""Network where ``start`` does not say another."""
DEFAULT_PARAMETERS: Mapping[str, Any] = MappingProxyType(
    {"channels": [12, 32, 64, 64], "dropout": 0.1, "output_stride": 2}
)
"""Settings of that network. It learns at half the voxels' resolution, at which it works."""
DEFAULT_PATCH = (48, 48, 48)
"""Patch (z, y, x) where ``start`` does not say another."""
LEAST_START_SHARE = 0.5
"""Share of a network's numbers that ``start`` must fill, else it is of another architecture."""
LOSS_PARAMETERS: Mapping[str, float] = MappingProxyType(
    {
        "alpha": 0.3,
        "beta": 0.7,
        "gamma": 2.0,
        "positive_weight": 1.0,
        "top_share": 0.2,
        "spread": 0.35,
        "narrowest": 0.8,
        "offset_weight": 0.01,
        "count_weight": 0.0,
        "amplitude_weight": 1.0,
    }
)
"""Tversky's weights of false positives and false negatives; the exponent of the focal loss; for
heads that find points the weight of a positive voxel, the share of the voxels that ``top-k`` keeps,
the standard deviation of the blobs of ``centres`` in radii and its least in voxels of the output,
and the weights of position, count and amplitude against the probability's 1."""
HEAT_BATCHES = 4
"""Batches of held-out patches on which heat maps are compared with their targets."""
HEAT_RANKS = (1, 5, 10)
"""Ranks of the top-k accuracy of heat maps."""
BLOB_RADII = 0.4
"""Standard deviation of the blobs of ``heatmap`` in radii, where none is given: 200 A for flagellar
motors, whose radius is 500 A."""
DEFAULT_AUGMENTATIONS = ("flips", "quarter-turns", "tilts", "scale", "contrast")

Side = Annotated[int, Field(ge=8)]
Share = Annotated[float, Field(ge=0, le=1)]
Window = Annotated[tuple[Side, Side, Side], BeforeValidator(split_numbers)]


class TrainParameters(AnnotationParameters):
    """What is learned, and how.

    Attributes
    ----------
    contrast : str
        How protein looks in the tomograms: ``dark``, ``bright``, or ``auto`` to look.
    preset : str or None
        Recipe whose values hold where the user gives none, see ``train_presets.PRESETS``.
    voxel_spacing : float or None
        Voxel spacing that the model learns, in Angstrom; None: the tomograms', their median where
        they differ by more than 1 %.
    validation_runs : tuple of str
        Runs that are kept for validation: names, globs, ``@file``.
    validation_share : float
        Share of the runs that is drawn for validation where nothing else says which.
    validation_split : str or None
        Split of a Croissant manifest that is kept for validation; ``split`` is trained on.
    folds : int or None
        Deal the runs into so many folds.
    fold : int or None
        Train the model that leaves out this fold, from 1, or as numbered in ``folds_file``; None
        trains one for every fold.
    members : int or None
        Models to train from different seeds on the same split, for an ensemble; None: one.
    head : str
        What the network's channels mean: ``softmax`` (regions), ``centres`` (probability, offset
        and uncertainty) or ``heatmap`` (Gaussian blobs).
    heatmap_sigma : dict
        Object name -> standard deviation of its blobs in Angstrom; 0.4 radii where none is given.
    loss_weighting : str
        ``fixed`` weights between the terms of a loss, or learned ones (``kendall``).
    loss : str
        Name of the loss.
    loss_parameters : dict
        Settings of the loss, over its defaults.
    object_weight : float
        Weight of a voxel of the largest object in the cross-entropy, against 1 of the background.
    size_power : float
        The voxels of a smaller object weigh more: ``object_weight`` times the ratio of the largest
        radius to its own, to this power. 0: all objects weigh the same.
    weight : dict
        Object name -> weight of its voxels, over ``object_weight`` and ``size_power``.
    architecture : str or None
        Name of the network; None: that of ``start``, else ``ResidualUNet``.
    parameters : dict or None
        Settings of the network; None: those of ``start``, else the default recipe's.
    patch : tuple of int or None
        Patch (z, y, x) in voxels; None: the window of ``start``, else 48 a side.
    batch_size : int
        Patches of a batch.
    particle_share : float
        Share of the patches that is drawn around particles, every object alike.
    hard_negative_share : float
        Share of the patches that is drawn around hard negatives, once there are any.
    augmentations : dict
        Augmentation -> its parameters; names alone take the default parameters.
    start : str or None
        Model to start from: a model folder, the name of a shipped model, octopi's weights
        (with ``start_config``), or a checkpoint of CryoSiam.
    start_config : str or None
        Octopi's ``model_config.yaml`` of ``start``.
    backbone_rate : float
        Learning rate of the weights taken from ``start``, or without it of all but the head's, as a
        fraction of that of the others.
    """

    contrast: Annotated[Contrast, Option("How protein looks in the tomograms.", after="masks")] = (
        "auto"
    )
    preset: Annotated[
        str | None,
        Option(
            "Ready-made recipe; other options override it: motor (flagellar motors, 10 A, needs a "
            "GPU) or motor-small (minutes on two cores).",
            metavar="NAME",
        ),
    ] = None
    voxel_spacing: Annotated[
        float | None,
        Field(gt=0, le=100),
        Option(
            "Voxel spacing of the model; tomograms are resampled to it. Default: the tomograms', "
            "or their median.",
            metavar="A",
        ),
    ] = None
    validation_runs: Annotated[
        Names, Option("Validation runs: names, globs, @file; repeatable.", metavar="RUN")
    ] = ()
    validation_share: Annotated[
        float,
        Field(gt=0, lt=1),
        Option("Fraction of runs drawn for validation, if none are chosen."),
    ] = 0.2
    validation_split: Annotated[
        str | None,
        Option(
            "Split of a Croissant manifest for validation; --split is used for training.",
            metavar="NAME",
        ),
    ] = None
    folds: Annotated[
        int | None, Field(ge=2), Option("Cross-validation, with one model per fold.", metavar="K")
    ] = None
    fold: Annotated[
        int | None,
        Field(ge=0),
        Option("Train only the model that holds out fold I.", metavar="I"),
    ] = None
    members: Annotated[
        int | None,
        Field(ge=2, le=20),
        Option(
            "Train an ensemble of this many models from different seeds; --max-minutes and "
            "--steps apply to each.",
            metavar="N",
        ),
    ] = None
    head: Annotated[
        str,
        Option(
            "What the network predicts: regions (softmax), probability, position and uncertainty "
            "of particles (centres), or Gaussian blobs (heatmap).",
            metavar="softmax|centres|heatmap",
        ),
    ] = "softmax"
    heatmap_sigma: Annotated[
        NumberByName,
        Option(
            "Standard deviation of an object's blobs, in Angstrom; repeatable. Default: 0.4 radii.",
            metavar="NAME=A",
        ),
    ] = Field(default_factory=dict)
    loss: Annotated[
        str,
        Option(
            "Loss: tversky or dice-ce (with weighted cross-entropy), cross-entropy, focal; for "
            "heatmap and centres also bce and top-k. Default for heatmap: bce.",
            metavar="NAME",
        ),
    ] = "tversky"
    loss_parameters: Annotated[
        NumberByName,
        Option(
            "alpha and beta of tversky, gamma of focal, positive_weight of bce; repeatable.",
            metavar="NAME=X",
        ),
    ] = Field(default_factory=dict)
    loss_weighting: Annotated[
        Literal["fixed", "kendall"],
        Option("Weights of the loss terms of centres: fixed, or learned (kendall)."),
    ] = "fixed"
    object_weight: Annotated[
        float,
        Field(gt=0),
        Option("Weight of the largest object in the cross-entropy (background: 1)."),
    ] = 2.0
    size_power: Annotated[
        float,
        Field(ge=0, le=3),
        Option("Weight smaller objects more, by the ratio of radii to this power."),
    ] = 1.0
    weight: Annotated[
        NumberByName,
        Option("Weight of one object, whatever its size; repeatable.", metavar="NAME=W"),
    ] = Field(default_factory=dict)
    architecture: Annotated[
        str | None,
        Option(
            "ResidualUNet, FeaturePyramid, ResNet, Unet, DynUNet, SegResNet, SwinUNETR, "
            "AttentionUnet or CryoSiam.",
            metavar="NAME",
            shown=f"that of --start, else {DEFAULT_ARCHITECTURE}",
        ),
    ] = None
    parameters: Annotated[
        dict[str, Any] | None,
        BeforeValidator(split_values),
        Option(
            "Network parameter, such as channels=[16,32,64]; repeat for all of them.",
            "--parameter",
            metavar="NAME=VALUE",
            shown="those of --start, else channels=[12,32,64,64] dropout=0.1 output_stride=2",
        ),
    ] = None
    patch: Annotated[
        Window | None,
        Option("Patch size in voxels.", metavar="N|Z,Y,X", shown="window of --start, else 48"),
    ] = None
    batch_size: Annotated[Count, Option("Patches per batch.")] = 4
    particle_share: Annotated[
        Share, Option("Fraction of patches around particles, balanced over objects.")
    ] = 0.7
    hard_negative_share: Annotated[
        Share, Option("Fraction of patches around hard negatives, once there are any.")
    ] = 0.1
    augmentations: Annotated[
        dict[str, dict[str, float]],
        BeforeValidator(augmentation_plan),
        Option(
            "From flips, quarter-turns, tilts, scale, contrast (the default), noise, wedge, "
            "mixup; or none.",
            metavar="A,B",
        ),
    ] = Field(default=DEFAULT_AUGMENTATIONS, validate_default=True)
    start: Annotated[
        str | None,
        Option(
            "Initial weights: model folder, shipped model, octopi's .pth or CryoSiam's .ckpt.",
            metavar="MODEL",
        ),
    ] = None
    start_config: Annotated[
        str | None, Option("octopi's model_config.yaml for --start.", metavar="YAML")
    ] = None
    backbone_rate: Annotated[
        Share,
        Option("Relative learning rate of weights from --start, or else of all but the head."),
    ] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_head(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return with_preset(value)


class TrainSettings(
    TrainFiles, SamplingParameters, LearningParameters, TrainParameters, AnnotationSettings
):
    """Settings of ``train``.

    Attributes
    ----------
    output : str
        Model folder to make; with ``folds`` and no ``fold``, a folder of model folders.
    save_every : int
        Steps between two checkpoints.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``mps``.
    loaders : int or None
        Processes that read patches; None: none on a CPU, up to four for an accelerator.
    threads : int or None
        CPU threads; None leaves torch's choice.
    cache_megabytes : int
        Bound of the tomograms that are held in memory.
    licence : str or None
        Licence of the model, for its card.
    trust_checkpoint : bool
        Load weights of ``start`` that run code when they are read.
    """

    also_recorded = ("input", "picks", "radius", "masks", "licence")

    output: Annotated[str, Option("Model folder to write.", "-o", metavar="FOLDER", after="picks")]
    save_every: Annotated[Count, Option("Steps between checkpoints.", after="validate_every")] = 50
    device: Annotated[str, Option("auto, cpu, cuda, cuda:1 or mps.", after="precision")] = "auto"
    loaders: Annotated[
        int | None,
        Field(ge=0),
        Option(
            "Number of processes that read patches; does not change results.",
            shown="0 on a CPU, else up to 4",
            after="devices",
        ),
    ] = None
    threads: Threads = None
    cache_megabytes: Annotated[Count, Option("Memory limit for tomograms.")] = 2048
    licence: Annotated[str | None, Option("Licence for the model card.", metavar="TEXT")] = None
    trust_checkpoint: Annotated[
        bool,
        Option("Load pickled weights for --start, which can run code. Only for files you trust."),
    ] = False

    @model_validator(mode="after")
    def _one_way_to_split(self) -> Self:
        given = [
            name
            for name in ("validation_runs", "validation_split", "folds", "folds_file")
            if getattr(self, name) not in (None, ())
        ]
        if len(given) > 1:
            msg = f"{' and '.join(given)} cannot be combined; use one"
            raise ValueError(msg)
        in_file = self.folds_file is not None
        if self.fold is not None and not (in_file or 1 <= self.fold <= (self.folds or 0)):
            msg = f"fold is {self.fold}; expected 1 to the number of folds ({self.folds})"
            raise ValueError(msg)
        if self.validation_split is not None and self.split is None:
            msg = "validation_split needs split, the split to train on"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.members is not None and (self.folds is not None or self.folds_file is not None):
            msg = "members are trained on one split; do not use folds"
            raise ValueError(msg)
        if self.start_config is not None and self.start is None:
            msg = "start_config needs start"
            raise ValueError(msg)
        if self.particle_share + self.hard_negative_share > 1:
            msg = "particle_share and hard_negative_share together are more than 1"
            raise ValueError(msg)
        return self
