"""The three steps of the main job as functions on arrays, for Python.

The commands call the same code; here there is no project. Defaults are those of the commands.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.evaluate import evaluate_picks
from copick_picker.core.localize import localize as localize_volume
from copick_picker.core.masks.grids import inside_of
from copick_picker.core.segment.results import SegmentedVolume
from copick_picker.records.points import Localized, LocalizeTarget, PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.records.scores import Evaluation
from copick_picker.settings.evaluate import EvaluateSettings
from copick_picker.settings.files import join_settings
from copick_picker.settings.localize import LocalizeParameters
from copick_picker.settings.scored_objects import scored_objects, scoring_rules
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.evaluate.evaluate import with_min_score
from copick_picker.workflows.models.load import load_models
from copick_picker.workflows.models.run import run_models

Volume = npt.NDArray[Any]
PicksByRun = Mapping[str, Mapping[str, PickSet]]


def segment(
    volume: Volume,
    model: str | Path | Sequence[str | Path],
    *,
    mask: Volume | None = None,
    probabilities: bool = False,
    **settings: Any,
) -> SegmentedVolume:
    """Return the labels, and where asked for the class probabilities, of a tomogram.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), any real dtype
        Tomogram at the model's voxel spacing; normalised here.
    model : str, path or sequence of those
        Model folder, or name of a model that ships with the package; several make an ensemble.
    mask : numpy.ndarray, shape (z, y, x), optional
        Bool or integer: where it is 0 the result is background, and windows wholly outside are not
        computed. Floats are inside from 0.5 on.
    probabilities : bool
        Whether the class probabilities are returned too.
    **settings
        Settings of :class:`copick_picker.settings.segment.SegmentSettings`, such as ``tta``,
        ``overlap``, ``device``, ``mode``.

    Returns
    -------
    SegmentedVolume
        ``labels`` (z, y, x) uint8: the model's channels, 0 is background; ``probabilities``
        (c, z, y, x) float16 or None.

    Raises
    ------
    SettingsError
        If a setting is unknown or wrong.
    CheckpointError
        If the model cannot be loaded.
    DataError
        If the volume is not (z, y, x), is constant or has voxels that are not finite, or if the
        mask is empty or of another shape.
    """
    folders = [model] if isinstance(model, str | Path) else list(model)
    flags = {"config": "", "model": tuple(str(folder) for folder in folders), **settings}
    models = load_models(join_settings(SegmentSettings, flags=flags))
    return run_models(
        volume,
        models,
        inverted=False,
        probabilities=probabilities,
        mask_zyx=None if mask is None else inside_of(mask),
    )


def localize(
    labels: Volume,
    targets: Sequence[LocalizeTarget],
    *,
    voxel_spacing: float,
    probabilities: Volume | None = None,
    **settings: Any,
) -> dict[str, Localized]:
    """Return scored picks of every target, by object name.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer
        Segmentation.
    targets : sequence of LocalizeTarget
        What to look for: name, label, radius in Angstrom, and where known the channel of the
        probabilities, the target fraction and a score threshold.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    probabilities : numpy.ndarray, shape (c, z, y, x), optional
        Class probabilities; with them a score is the mean probability over the pick's region.
    **settings
        Settings of :class:`copick_picker.settings.localize.LocalizeParameters`, such as ``method``.

    Returns
    -------
    dict of str to Localized
        Points (x, y, z) in Angstrom with scores, and what was dropped.

    Raises
    ------
    SettingsError
        If a setting is unknown or wrong, or a radius is missing.
    DataError
        If the arrays do not fit each other.
    """
    rules = join_settings(LocalizeParameters, flags=settings).rules()
    return localize_volume(labels, probabilities, targets, voxel_spacing=voxel_spacing, rules=rules)


def evaluate(
    reference: PicksByRun,
    candidate: PicksByRun,
    objects: Sequence[ObjectSpec],
    **settings: Any,
) -> Evaluation:
    """Return the scores of candidate picks against reference picks.

    Parameters
    ----------
    reference, candidate : mapping
        Run name -> object name -> picks in Angstrom. A missing entry means that there is no such
        set; an empty set means that nothing was found.
    objects : sequence of ObjectSpec
        The objects, with radius and weight.
    **settings
        Settings of :class:`copick_picker.settings.evaluate.EvaluateSettings`, such as ``matcher``,
        ``tolerance``, ``beta``, ``bootstrap``, ``seed``.

    Returns
    -------
    Evaluation
        Scores per run, object and in all, with every pick and what became of it.

    Raises
    ------
    SettingsError
        If a setting is unknown or wrong, or a radius is missing.
    DataError
        If a position is not finite.
    """
    flags = {"config": "", "reference": "*", **settings}
    checked = join_settings(EvaluateSettings, flags=flags)
    specs = {spec.name: spec for spec in objects}
    scored, _ = scored_objects(checked, specs, reference)
    return evaluate_picks(
        reference,
        with_min_score(candidate, checked.min_score),
        scored,
        rules=scoring_rules(checked),
        rng=np.random.default_rng(checked.seed),
    )
