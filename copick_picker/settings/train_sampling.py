"""Settings of ``train`` that say which patches it learns from."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from copick_picker.settings.job import Count, Parameters, Settings, split_pairs
from copick_picker.settings.options import Option


class SamplingParameters(Parameters):
    """Which patches are learned from.

    Attributes
    ----------
    patch_kinds : dict or None
        Kind of patch -> its share of the patches, up to a common factor; in place of
        ``particle_share`` and ``hard_negative_share``.
    """

    patch_kinds: Annotated[
        dict[str, float] | None,
        BeforeValidator(lambda value: value if value is None else split_pairs(value)),
        Option(
            "Shares of single, multi, hard-negative, negative patches, for the two shares above.",
            metavar="KIND=W,KIND=W",
            after="hard_negative_share",
        ),
    ] = None


class TrainFiles(Settings):
    """Files that a training reads beside its project; what they say is recorded, not their names.

    Attributes
    ----------
    folds_file : pathlib.Path or None
        Table with the fold of each run.
    curriculum : pathlib.Path or None
        Stages of the training and where their patches come from.
    patch_cache : pathlib.Path or None
        Folder on a fast disk that keeps copies of the volumes that patches are cut from.
    cache_readers : int
        Processes that fill it.
    """

    folds_file: Annotated[
        Path | None,
        Option(
            "Cross-validation by the folds of a CSV file: columns run or tomo_id, and fold; "
            "-1 leaves a run out.",
            metavar="FILE",
            after="folds",
        ),
    ] = None
    curriculum: Annotated[
        Path | None,
        Option(
            "Stages from easy to hard: a YAML file of projects and scenes to take patches from.",
            metavar="FILE",
            after="patch_kinds",
        ),
    ] = None
    patch_cache: Annotated[
        Path | None,
        Option(
            "Copy tomograms to this folder on a fast disk once, and cut patches from the copies.",
            metavar="FOLDER",
            after="loaders",
        ),
    ] = None
    cache_readers: Annotated[Count, Option("Processes that fill --patch-cache.")] = 1
