"""Headings under which help lists the options of a command.

A table maps a heading to the names of parameters, separated by spaces. The groups of a command come
first, in their order; its other options follow under ``Options``, then those that commands share.
"""

from collections.abc import Iterator, Mapping, Sequence

import click

Groups = Mapping[str, str]

IN_AND_OUT = "Input and output"
REST = "Options"
SHARED: Groups = {
    IN_AND_OUT: "input output picks reference candidate tomogram config run_names objects split "
    "shard",
    REST: "",
    "Filters": "min_score min_distance between_distance_angstrom border_margin_angstrom top "
    "quantile mask mask_margin",
    "Device": "device devices workers threads window_batch batch precision loaders cache_megabytes",
    "Remote data": "cache cache_gigabytes attempts timeout_seconds",
    "Reporting and control": "settings_file overwrite dry_run json_file log verbose wide help",
}
"""Groups of every command."""

_MODEL = "model model_config_file model_weights object_map trust_checkpoint"
_WINDOWS = "mode tta tta_set overlap blending"
SEGMENT: Groups = {
    "Model": f"{_MODEL} cryosiam_config postprocess_only",
    "Windows and augmentation": _WINDOWS,
    "Scores and picks": "probabilities scores picks picks_method",
    "Tomograms": "contrast rescale mask clip fill_nan preflight_runs",
}
DETECT: Groups = {
    IN_AND_OUT: "csv_file probabilities",
    "Model": _MODEL,
    "Windows and augmentation": _WINDOWS,
    "Picks to keep": "radius threshold min_distance_radii border_margin_angstrom top quantile mask "
    "mask_margin",
    "Tomograms": "contrast clip fill_nan preflight_runs",
}
LOCALIZE: Groups = {
    IN_AND_OUT: "label object_map cryosiam_config",
    "Method": "method radius smoothing_radii neck_ratio peak_floor peak_smoothing_radii",
    "Picks to keep": "threshold radius_min_scale radius_max_scale target_max_scale "
    "min_distance_radii border_margin_angstrom mask mask_margin",
}
EVALUATE: Groups = {
    "Matching": "matcher tolerance radius min_score merge_sets links border_margin_xy_angstrom "
    "border_margin_z_angstrom",
    "Scores": "beta weight bootstrap seed fail_under",
    "Pictures": "slices contrast",
}
VIEW: Groups = {
    IN_AND_OUT: "segmentation heat_map",
    "Matching": "matcher tolerance radius min_score",
    "Pictures and pages": "contrast at slab_angstrom slices pixels",
    "Viewers": "neuroglancer port napari",
}
TRAIN: Groups = {
    IN_AND_OUT: "preset licence",
    "Validation": "validation_runs validation_share validation_split folds folds_file fold "
    "validate_every patience beta validation_tta",
    "Targets and loss": "target target_fraction radius masks head heatmap_sigma loss "
    "loss_parameters loss_weighting object_weight size_power weight",
    "Network": "architecture parameters start start_config backbone_rate trust_checkpoint members",
    "Patches and augmentation": "voxel_spacing contrast patch batch_size particle_share "
    "hard_negative_share hard_negatives patch_kinds curriculum augmentations patch_cache "
    "cache_readers",
    "Optimisation": "steps max_minutes learning_rate warmup_share weight_decay average_decay "
    "gradient_norm accumulate save_every seed",
}
_SCENE: Groups = {
    "Scene": "preset size frames tracks photons background psf psf_sigma_nm pixel_size_nm "
    "frame_time_ms unevenness vesicles vesicle_photons",
    "Camera": "camera baseline gain read_noise blur_steps",
    "Motion and blinking": "motion diffusion speed confinement lifetime born_later blink "
    "blink_frames",
    "Second channel": "active_share event_rate event_height event_rise event_decay "
    "calcium_background sparks waves bleaching bleed_through",
}
MOVIE_SIMULATE: Groups = {IN_AND_OUT: "movies seed", **_SCENE}
MOVIE_TRAIN_LINKER: Groups = {
    IN_AND_OUT: "detector data limit",
    "Training": "scenes steps max_minutes gate direct_gap seed",
    **_SCENE,
}
_TRAINING = (
    "patch batch_size steps epochs max_minutes learning_rate weight_decay easy_steps "
    "gradient_norm average_decay warmup_steps validation_movies validate_every save_every "
    "patience seed"
)
_LOSS = "context base_channels loss_weighting offset_weight amplitude_weight count_weight"
MOVIE_TRAIN_DETECTOR: Groups = {
    IN_AND_OUT: "data limit",
    "Network and loss": _LOSS,
    "Training": _TRAINING,
    **_SCENE,
}
MOVIE_TRAIN_HYBRID: Groups = {
    IN_AND_OUT: "data limit real labels label_share",
    "Network and loss": f"{_LOSS} channels tasks localization_weight calcium_weight calcium_loss "
    "calcium_positive_weight",
    "Training": f"{_TRAINING} stage curriculum start freeze freeze_steps",
    **_SCENE,
}
_MOVIE = "pixel_size_nm frame_time_ms second channel"
_CAMERA = "camera baseline gain"
_SPOTS = "model members method detection_threshold psf_sigma"
_LINKS = "linker fill_gaps max_gap max_distance threshold gate direct_gap min_length solver"
_TRACES = (
    "spot_sigma baseline_window percentile f0 keep_bleaching min_snr min_event_probability "
    "min_trace"
)
MOVIE_DETECT: Groups = {IN_AND_OUT: _MOVIE, "Detection": _SPOTS, "Camera": _CAMERA}
MOVIE_LINK: Groups = {
    IN_AND_OUT: "min_probability pixel_size_nm frame_time_ms",
    "Linking": _LINKS,
}
MOVIE_TRACES: Groups = {
    IN_AND_OUT: f"tracks baseline {_MOVIE}",
    "Traces and events": f"model events {_TRACES}",
}
MOVIE_RUN: Groups = {
    **MOVIE_DETECT,
    "Linking": _LINKS,
    "Traces and events": _TRACES,
}


def grouped(
    parameters: Sequence[click.Parameter], own: Groups
) -> Iterator[tuple[str, list[click.Parameter]]]:
    """Yield the headings of a command and the parameters under each, empty ones left out.

    Parameters
    ----------
    parameters : sequence of click.Parameter
        Parameters in the order of help, which each group keeps.
    own : mapping
        Groups of the command. They take a name that a shared group holds too.
    """
    tables = (SHARED, own)
    heading_of = {
        name: heading for table in tables for heading in table for name in table[heading].split()
    }
    for heading in dict.fromkeys([IN_AND_OUT, *own, *SHARED]):
        found = [each for each in parameters if heading_of.get(_name(each), REST) == heading]
        if found:
            yield heading, found


def _name(parameter: click.Parameter) -> str:
    """Return the name of a parameter; click names its own help option as it likes."""
    return "help" if "--help" in parameter.opts else parameter.name or ""
