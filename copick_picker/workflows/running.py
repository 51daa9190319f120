"""Models on one volume: the engine, or the windows of a model's home package."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.segment.engine import SegmentedVolume, masked_volume, segment_volume
from copick_picker.core.segment.plan import check_mask
from copick_picker.core.segment.volume import VolumeStatistics
from copick_picker.core.segment.wrapped import LabelRule, scaled, segment_wrapped
from copick_picker.settings.model import ModelCard
from copick_picker.workflows.loading import LoadedModels


def run_models(
    volume: npt.NDArray[Any],
    models: LoadedModels,
    *,
    inverted: bool,
    probabilities: bool,
    mask_zyx: npt.NDArray[np.bool_] | None = None,
) -> SegmentedVolume:
    """Return labels and, where asked for, probabilities of a tomogram, as the models want it.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), any real dtype
        Tomogram at the models' voxel spacing.
    models : LoadedModels
        A model or an ensemble.
    inverted : bool
        Whether dark and bright change places.
    probabilities : bool
        Whether the probabilities are kept.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool, optional
        Outside is background; the engine skips the windows that lie wholly outside.

    Raises
    ------
    DataError, DeviceMemoryError
        As :func:`copick_picker.core.segment.engine.segment_volume`.
    """
    check_mask(mask_zyx, volume.shape)
    options = replace(models.options, inverted=inverted)
    card = models.cards[0]
    if card.scaling is None:
        return segment_volume(
            volume, models.members, options, probabilities=probabilities, mask_zyx=mask_zyx
        )
    values = scaled(volume, card.scaling.record(), inverted=inverted)
    if not models.wraps:
        return segment_volume(
            values,
            models.members,
            replace(options, inverted=False),
            probabilities=probabilities,
            mask_zyx=mask_zyx,
            statistics=VolumeStatistics(0.0, 1.0),
        )
    result = segment_wrapped(
        values, models.members[0], options, rule=label_rule(card), probabilities=probabilities
    )
    kept = result.probabilities
    whole = SegmentedVolume(result.labels, None if kept is None else kept.astype(np.float16))
    return whole if mask_zyx is None else masked_volume(whole, mask_zyx)


def label_rule(card: ModelCard) -> LabelRule:
    """Return how CryoSiam chooses labels with a model.

    Parameters
    ----------
    card : ModelCard
        Of home ``cryosiam``.
    """
    return LabelRule(card.probability_threshold, card.parameters.get("out_channels") == 1)
