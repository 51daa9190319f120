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
            "Proportions of single, multi, hard-negative and negative patches, instead of the two "
            "fractions above.",
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
            "Cross-validation with folds from a CSV file: columns run or tomo_id, and fold; -1 "
            "excludes a run.",
            metavar="FILE",
            after="folds",
        ),
    ] = None
    curriculum: Annotated[
        Path | None,
        Option(
            "YAML file with stages from easy to hard: projects and scenes to take patches from.",
            metavar="FILE",
            after="patch_kinds",
        ),
    ] = None
    patch_cache: Annotated[
        Path | None,
        Option(
            "Copy tomograms once to this folder on a fast disk, and cut patches from the copies.",
            metavar="FOLDER",
            after="loaders",
        ),
    ] = None
    cache_readers: Annotated[Count, Option("Number of processes that fill --patch-cache.")] = 1
