"""Running models on one volume: with the engine, or with the windows of the model's own package."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from copick_picker.core.segment.engine import segment_slabs, sums_bytes
from copick_picker.core.segment.plan import EngineOptions, Progress, check_mask
from copick_picker.core.segment.results import (
    SegmentedVolume,
    Slab,
    Stream,
    WindowCounts,
    masked_volume,
    whole_volume,
    with_scores,
)
from copick_picker.core.segment.volume import (
    PlaneReader,
    Volume,
    VolumeStatistics,
    as_reader,
)
from copick_picker.core.segment.wrapped import LabelRule, ScaledReader, scaled, segment_wrapped
from copick_picker.jobs.reporter import Reporter
from copick_picker.records.points import LocalizeTarget
from copick_picker.settings.memory import SUMS_BYTES
from copick_picker.settings.model import ModelCard
from copick_picker.workflows.models.load import LoadedModels, check_segments

Mask = npt.NDArray[np.bool_]


def run_models(
    volume: Volume,
    models: LoadedModels,
    *,
    inverted: bool,
    probabilities: bool,
    scores: bool = False,
    mask_zyx: Mask | None = None,
) -> SegmentedVolume:
    """Return labels and optionally probabilities of a tomogram.

    Parameters
    ----------
    volume : numpy.ndarray or PlaneReader, shape (z, y, x), any real dtype
        Tomogram at the models' voxel spacing.
    models : LoadedModels
        A model or an ensemble.
    inverted : bool
        Whether to invert the contrast.
    probabilities : bool
        Whether to return the probabilities.
    scores : bool
        Whether to return the probability of each voxel's label.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool, optional
        Outside is background; the engine skips windows that lie entirely outside.

    Raises
    ------
    DataError, DeviceMemoryError
        As :func:`copick_picker.core.segment.engine.segment_volume`.
    """
    check_segments(models)
    slabs = model_slabs(
        volume,
        models,
        inverted=inverted,
        probabilities=probabilities,
        scores=scores,
        mask_zyx=mask_zyx,
    )
    targets = tuple(
        LocalizeTarget(
            entry.name,
            entry.channel,
            entry.radius_angstrom,
            score_threshold=entry.score_threshold,
            target_fraction=entry.target_fraction,
            channel=entry.channel,
        )
        for entry in models.cards[0].objects
    )
    return replace(whole_volume(slabs), targets=targets)


def model_slabs(
    volume: Volume,
    models: LoadedModels,
    *,
    inverted: bool,
    probabilities: bool,
    scores: bool = False,
    mask_zyx: Mask | None = None,
    statistics: VolumeStatistics | None = None,
    progress: Progress | None = None,
) -> Stream[Slab]:
    """Return the result of :func:`run_models` a few planes at a time, as they are finished.

    CryoSiam's own windows wrap around; with those the whole result is one slab.

    Parameters
    ----------
    volume, models, inverted, probabilities, mask_zyx
        As for :func:`run_models`.
    scores : bool
        Whether to return the probability of each voxel's label.
    statistics : VolumeStatistics, optional
        Of the whole volume, if known.
    progress : callable, optional
        Called with (windows done, total windows).

    Raises
    ------
    DataError, DeviceMemoryError
        As :func:`copick_picker.core.segment.engine.segment_slabs`.
    """
    reader = as_reader(volume)
    check_mask(mask_zyx, reader.shape)
    if models.wraps:
        kept = probabilities or scores
        whole = _wrapped(reader, models, inverted=inverted, probabilities=kept, progress=progress)
        masked = whole if mask_zyx is None else masked_volume(whole, mask_zyx)
        slab = Slab(0, masked.labels, masked.probabilities)
        slab = with_scores(slab, scores=scores, probabilities=probabilities)
        return Stream(WindowCounts(0, 0), iter([slab]))
    options = replace(models.options, inverted=inverted)
    scaling = models.cards[0].scaling
    if scaling is not None:
        reader = ScaledReader(reader, scaling.record(), inverted)
        options = replace(options, inverted=False)
        statistics = VolumeStatistics(0.0, 1.0)
    return segment_slabs(
        reader,
        models.members,
        fitting_options(reader, models, options, mask_zyx),
        probabilities=probabilities,
        scores=scores,
        mask_zyx=mask_zyx,
        statistics=statistics,
        progress=progress,
    )


def window_progress(reporter: Reporter, run_name: str) -> Progress:
    """Return a function that tells a reporter how many windows of a run are done.

    Parameters
    ----------
    reporter : Reporter
        Is told.
    run_name : str
        The run.
    """
    return lambda done, total: reporter.progress(run_name, done=done, total=total, unit="windows")


def fitting_options(
    volume: PlaneReader, models: LoadedModels, options: EngineOptions, mask_zyx: Mask | None
) -> EngineOptions:
    """Return options whose sums over windows fit the memory limit, in float32 if possible.

    Parameters
    ----------
    volume : PlaneReader
        Shape (z, y, x).
    models : LoadedModels
        A model or an ensemble.
    options : EngineOptions
        Options of the engine.
    mask_zyx : numpy.ndarray, shape (z, y, x), bool, or None
        Region to segment.
    """
    z, y, x = volume.shape
    needed = sums_bytes((z, y, x), models.members, options, mask_zyx=mask_zyx)
    return options if needed <= SUMS_BYTES else replace(options, sums="float16")


def label_rule(card: ModelCard) -> LabelRule:
    """Return how CryoSiam chooses labels with a model.

    Parameters
    ----------
    card : ModelCard
        Card whose home is ``cryosiam``.
    """
    return LabelRule(card.probability_threshold, card.parameters.get("out_channels") == 1)


def _wrapped(
    reader: PlaneReader,
    models: LoadedModels,
    *,
    inverted: bool,
    probabilities: bool,
    progress: Progress | None,
) -> SegmentedVolume:
    """Return the result with CryoSiam's own windows."""
    card = models.cards[0]
    raw = reader.read()
    values = raw if card.scaling is None else scaled(raw, card.scaling.record(), inverted=inverted)
    result = segment_wrapped(
        values,
        models.members[0],
        models.options,
        rule=label_rule(card),
        probabilities=probabilities,
        progress=progress,
    )
    kept = result.probabilities
    return SegmentedVolume(result.labels, None if kept is None else kept.astype(np.float16))
