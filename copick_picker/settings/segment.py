"""Settings of ``segment``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from copick_picker.errors import SettingsError, choices_text
from copick_picker.settings.files import option_name
from copick_picker.settings.job import JobSettings, NameByName, Names

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


class SegmentSettings(JobSettings):
    """Settings of ``segment``; None means that the model's card decides.

    Attributes
    ----------
    input : str
        Tomogram URI ``type@spacing``; parts may be left out where one thing matches.
    output : str
        Segmentation URI ``name:user/session``.
    model : tuple of str
        Model folders; several make an ensemble.
    model_config_file, model_weights : tuple of str
        Octopi's pairs of files, in the same order.
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
    window_batch : int or None
        Windows that go through the network at once; None means 1 on a CPU, else 4.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    devices : tuple of str
        Devices with a worker process each; ``auto`` means all CUDA devices.
    workers : int or None
        Worker processes on the one ``device``; None means that this process does all the work.
    threads : int or None
        CPU threads, of all workers together; None leaves torch's choice.
    probabilities : bool
        Also store the class probabilities (float16).
    picks : str or None
        Picks URI ``object:user/session``: localize every segmentation at once, with the default
        settings of ``localize``.
    picks_method : str
        ``watershed``: from the stored segmentations, when all are made. ``peaks``: maxima of the
        probabilities, found while each tomogram is segmented.
    contrast : str
        What protein looks like in the tomograms; ``auto`` takes it to be as in the model's
        training data and warns where the picture says otherwise.
    rescale : bool
        Resample tomograms of another voxel spacing to the model's, and the result back.
    mask : str or None
        Segmentation URI or file: what lies outside of the mask is background, and windows wholly
        outside are not computed.
    object_map : dict
        Model's object name -> project's object name.
    trust_checkpoint : bool
        Load weights that need unpickling of arbitrary objects.
    preflight_runs : int
        How many runs have their voxels looked at before the work starts; later ones are checked
        when they are read.
    """

    input: str = "*"
    output: str = "predict:picker/1"
    model: Names = ()
    model_config_file: Names = ()
    model_weights: Names = ()
    mode: Literal["exact", "balanced", "fast"] = "balanced"
    tta: Annotated[int, Field(ge=1, le=8)] | None = None
    tta_set: Literal["octopi", "quarter-turns"] | None = None
    overlap: Annotated[float, Field(ge=0, lt=0.95)] | None = None
    blending: Literal["constant", "gaussian"] | None = None
    window_batch: Annotated[int, Field(ge=1)] | None = None
    device: str = "auto"
    devices: Names = ()
    workers: Annotated[int, Field(ge=1)] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    probabilities: bool = False
    picks: str | None = None
    picks_method: Literal["watershed", "peaks"] = "watershed"
    contrast: Literal["auto", "dark", "bright"] = "auto"
    rescale: bool = False
    mask: str | None = None
    object_map: NameByName = Field(default_factory=dict)
    trust_checkpoint: bool = False
    preflight_runs: Annotated[int, Field(ge=0)] = 50

    @model_validator(mode="after")
    def _one_way_to_name_devices(self) -> Self:
        if self.devices and (self.workers is not None or self.device != "auto"):
            msg = "devices is given with device or workers; it has a worker for each device"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _method_of_picks(self) -> Self:
        if self.picks is None and self.picks_method != "watershed":
            msg = "picks_method is given without picks; use --picks too"
            raise ValueError(msg)
        return self

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
        asked = [
            option_name(field)
            for field in ("tta", "tta_set", "overlap", "blending")
            if getattr(self, field) is not None
        ]
        asked += ["--rescale"] if self.rescale else []
        if asked or n_models > 1:
            what = f"no {choices_text(asked)}" if asked else "one model, no ensemble"
            msg = (
                "--mode exact with a model of CryoSiam has its windows and takes "
                f"{what}; use --mode balanced"
            )
            raise SettingsError(msg)

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields that change no result, or are recorded in another form."""
        return {
            "input",
            "output",
            "picks",
            "picks_method",
            "mask",
            "model",
            "model_config_file",
            "model_weights",
            "window_batch",
            "device",
            "devices",
            "workers",
            "threads",
            "trust_checkpoint",
            "preflight_runs",
        }
