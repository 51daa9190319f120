"""Settings of ``segment``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.errors import SettingsError, choices_text
from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.settings.job import (
    Count,
    JobSettings,
    NameByName,
    Names,
    Parameters,
    Settings,
)
from copick_picker.settings.options import Option, long_name

DEFAULT_NAME = "predict"
"""Name of a segmentation where the user names none."""
SPACING_SILENT = 0.01
"""Largest relative difference of voxel spacings that nobody need hear of."""
SPACING_LIMIT = 0.05
"""Largest relative difference of voxel spacings that a run may have without ``--rescale``."""
FITTED_OVERLAP = 0.0
"""Overlap of windows that fit the tomogram (modes ``balanced`` and ``fast``): other passes have
their borders elsewhere, see docs/performance.md for what more would cost and gain."""
FITTED_BLENDING: Literal["gaussian"] = "gaussian"
"""Weights within those windows: a voxel takes most from the pass that sees it far from a border."""
WINDOW_BATCH_CPU = 1
"""Windows at once on a CPU, where a batch only costs cache."""
WINDOW_BATCH_DEVICE = 4
"""Windows at once on an accelerator."""
CONTRAST_SMOOTHING_VOXELS = 1.0
"""Smoothing before the skewness of a tomogram is taken."""
CONTRAST_LEAST_SKEWNESS = 0.2
"""Skewness from which on a tomogram says what its contrast is. Real tomograms and crops (eight,
dark and bright) had absolute values of 0.5 to 1.2 after smoothing by one voxel."""


Mode = Literal["exact", "balanced", "fast"]
AugmentationSet = Literal["octopi", "quarter-turns"]
Blending = Literal["constant", "gaussian"]
Contrast = Literal["auto", "dark", "bright"]
Device = Annotated[str, Option("auto, cpu, cuda, cuda:1 or mps.")]


class SegmentParameters(Parameters):
    """How networks are run over a tomogram; None means that the model's card decides.

    Attributes
    ----------
    mode : str
        ``exact``: float32, and the windows and arithmetic of the model's home package.
        ``balanced``: every augmentation on windows that fit the tomogram and do not overlap.
        ``fast``: two passes of those, whose windows take the augmentations in turn. The last two
        compute in half precision where the device does that faster.
    tta : int or None
        Number of test-time augmentations.
    tta_set : str or None
        ``octopi`` or ``quarter-turns``.
    overlap : float or None
        Overlap of neighbouring windows, as a fraction of the window.
    blending : str or None
        ``constant`` or ``gaussian`` weights within a window.
    probabilities : bool
        Also give the class probabilities (float16).
    contrast : str
        What protein looks like in the tomograms; ``auto`` takes it to be as in the model's
        training data and warns where the picture says otherwise.
    """

    mode: Annotated[
        Mode,
        Option(
            "exact: windows and float32 arithmetic of the model's home package; balanced: one "
            "pass per augmentation without overlap; fast: two such passes."
        ),
    ] = "balanced"
    tta: Annotated[
        int | None,
        Field(ge=1, le=8),
        Option("Test-time augmentations, 1 to 8.", shown="model's", aliases="--ntta -ntta"),
    ] = None
    tta_set: Annotated[
        AugmentationSet | None,
        Option("Augmentations: octopi's list, or quarter turns about z.", shown="model's"),
    ] = None
    overlap: Annotated[
        float | None,
        Field(ge=0, lt=0.95),
        Option("Window overlap, 0 to 0.95.", shown="exact: model's, else 0"),
    ] = None
    blending: Annotated[
        Blending | None,
        Option("Weights for blending windows.", shown="exact: model's, else gaussian"),
    ] = None
    probabilities: Annotated[bool, Option("Also store class probabilities (float16).")] = False
    contrast: Annotated[
        Contrast,
        Option(
            "How protein looks in the tomograms; they are inverted if the model was trained on "
            "the opposite."
        ),
    ] = "auto"


class ProjectParameters(Parameters):
    """How tomograms and objects of a project are matched to those that a model was trained on.

    Attributes
    ----------
    rescale : bool
        Resample tomograms of another voxel spacing to the model's, and the result back.
    object_map : dict
        Model's object name -> project's object name.
    """

    rescale: Annotated[
        bool,
        Option(
            "Resample tomograms to the model's voxel spacing, and the result back.",
            after="contrast",
        ),
    ] = False
    object_map: Annotated[
        NameByName,
        Option(
            "Map a model's object to a name in the project; repeatable.", metavar="MODEL=PROJECT"
        ),
    ] = Field(default_factory=dict)


class CleaningSettings(Settings):
    """What becomes of voxels that are no picture.

    Attributes
    ----------
    clip : float or None
        Voxels further from the median than so many standard deviations (by percentiles) are drawn
        in to there. None: 20 for models of this package, which saw none beyond; others see all.
    fill_nan : bool
        Whether voxels that are NaN or infinite take the median; else such a run fails.
    """

    clip: Annotated[
        float | None,
        Field(ge=2),
        Option(
            "Clip voxels beyond this many standard deviations from the median (gold, detector "
            "faults).",
            metavar="SD",
            shown="20 for our models, else none",
            after="contrast",
        ),
    ] = None
    fill_nan: Annotated[
        bool,
        Option("Replace NaN and infinite voxels with the median; otherwise the run fails."),
    ] = False


class NetworkSettings(Settings):
    """Which networks run, and on what device.

    Attributes
    ----------
    model : tuple of str
        Model folders; several make an ensemble.
    model_config_file, model_weights : tuple of str
        Octopi's pairs of files, in the same order.
    window_batch : int or None
        Windows that go through the network at once; None means 1 on a CPU, else 4.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    threads : int or None
        CPU threads, of all workers together; None leaves torch's choice.
    trust_checkpoint : bool
        Load weights that need unpickling of arbitrary objects.
    """

    model: Annotated[
        Names,
        Option("Model folder or shipped model; repeat for an ensemble.", "-m", metavar="FOLDER"),
    ] = ()
    model_config_file: Annotated[
        Names,
        Option("octopi's model_config.yaml files.", "-mc", metavar="A,B", long="--model-config"),
    ] = ()
    model_weights: Annotated[
        Names, Option("octopi's best_model.pth files.", "-mw", metavar="A,B")
    ] = ()
    window_batch: Annotated[
        Count | None,
        Option(
            "Windows per batch.",
            shown="1 on a CPU, else 4",
            aliases="--sliding-window-batch-size -swbs",
            after="blending",
        ),
    ] = None
    device: Device = "auto"
    threads: Annotated[Count | None, Option("CPU threads, shared between workers.")] = None
    trust_checkpoint: Annotated[
        bool,
        Option(
            "Load pickled weights, which can run code. Only for files you trust.",
            after="object_map",
        ),
    ] = False


class SegmentVolumeSettings(NetworkSettings, SegmentParameters):
    """Settings of the segmentation of an array: which networks run, and how."""

    def options_of_windows(self) -> list[str]:
        """Return the options given that choose windows and passes."""
        return [
            long_name(type(self), field)
            for field in ("tta", "tta_set", "overlap", "blending")
            if getattr(self, field) is not None
        ]

    def check_plain(self, n_models: int) -> None:
        """Raise where CryoSiam's own arithmetic cannot do what the user asks for.

        Parameters
        ----------
        n_models : int
            Number of models.

        Raises
        ------
        SettingsError
            Naming the options.
        """
        asked = self.options_of_windows()
        if asked or n_models > 1:
            what = f"no {choices_text(asked)}" if asked else "one model, no ensemble"
            msg = (
                "--mode exact with a model of CryoSiam uses CryoSiam's windows and does not "
                f"support {what}; use --mode balanced"
            )
            raise SettingsError(msg)


class WorkerSettings(SegmentVolumeSettings):
    """Settings of commands that run networks over a project, in this process or in workers.

    Attributes
    ----------
    devices : tuple of str
        Devices with a worker process each; ``auto`` means all CUDA devices.
    workers : int or None
        Worker processes on the one ``device``; None means that this process does all the work.
    """

    devices: Annotated[
        Names,
        Option(
            "One worker process per device: cuda:0,cuda:1; auto: all CUDA devices.",
            metavar="D,D",
            after="device",
        ),
    ] = ()
    workers: Annotated[Count | None, Option("Number of worker processes on one device.")] = None

    @model_validator(mode="after")
    def _one_way_to_name_devices(self) -> Self:
        if self.devices and (self.workers is not None or self.device != "auto"):
            msg = (
                "devices cannot be combined with device or workers; it starts one worker per device"
            )
            raise ValueError(msg)
        return self


class SegmentSettings(WorkerSettings, ProjectParameters, CleaningSettings, JobSettings):
    """Settings of ``segment``.

    Attributes
    ----------
    input : str
        Tomogram URI ``type@spacing``; parts may be left out where one thing matches.
    output : str
        Segmentation URI ``name:user/session``.
    picks : str or None
        Picks URI ``object:user/session``: localize every segmentation at once, with the default
        settings of ``localize``.
    picks_method : str
        ``watershed``: from the stored segmentations, when all are made. ``peaks``: maxima of the
        probabilities, found while each tomogram is segmented.
    scores : bool
        Whether the probability of each voxel's label is stored (float16), which gives picks the
        scores that all class probabilities would give them. Not stored beside those.
    mask : str or None
        Segmentation URI or file: what lies outside of the mask is background, and windows wholly
        outside are not computed.
    preflight_runs : int
        How many runs have their voxels looked at before the work starts; later ones are checked
        when they are read.
    """

    input: Annotated[
        str,
        Option(
            "Tomogram URI, type@spacing. Default: the run's only one.",
            "-i",
            uri="tomogram",
            aliases="--tomo-uri -uri -turi",
        ),
    ] = "*"
    output: Annotated[
        str,
        Option(
            "Segmentation URI, name:user/session.",
            "-o",
            makes="segmentation",
            aliases="--seg-uri -suri",
        ),
    ] = f"predict:{DEFAULT_ORIGIN}"
    scores: Annotated[
        bool,
        Option(
            "Store the probability of each voxel's label, for the scores of localize.",
            after="probabilities",
        ),
    ] = True
    picks: Annotated[
        str | None,
        Option(
            "Also localize, with default settings: picks URI, object:user/session.",
            makes="picks",
            after="scores",
        ),
    ] = None
    picks_method: Annotated[
        Literal["watershed", "peaks"],
        Option(
            "watershed: from the segmentation; peaks: maxima of the probabilities, which are not "
            "stored."
        ),
    ] = "watershed"
    mask: Annotated[
        str | None,
        Option(
            "Mask: segmentation name:user/session, or MRC file with {run} for the run. Outside "
            "becomes background; windows entirely outside are skipped.",
            metavar="URI|FILE",
            after="rescale",
        ),
    ] = None
    preflight_runs: Annotated[
        int,
        Field(ge=0),
        Option(
            "Number of runs whose voxels are checked before the start; others are checked when "
            "read.",
            after="trust_checkpoint",
        ),
    ] = 50

    @model_validator(mode="after")
    def _method_of_picks(self) -> Self:
        if self.picks is None and self.picks_method != "watershed":
            msg = "picks_method needs picks: add --picks"
            raise ValueError(msg)
        return self

    @property
    def has_scores(self) -> bool:
        """Whether a score volume is stored: not where all class probabilities are."""
        return self.scores and not self.probabilities

    def options_of_windows(self) -> list[str]:
        """Return the options given that choose windows and passes."""
        return super().options_of_windows() + (["--rescale"] if self.rescale else [])
