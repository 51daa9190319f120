"""CryoSiam's semantic prediction of one tomogram: windows, mask, lamella, cleaned labels.

The rules are those of CryoSiam's ``semantic_predict`` and ``semantic_postprocessing`` (Stojanovska
et al., https://github.com/frosinastojanovska/cryosiam).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.segment.cleaning import lamella, without_small_components
from copick_picker.core.segment.plan import EngineOptions, Mask, Member, Progress
from copick_picker.core.segment.wrapped import LabelRule, scaled, segment_wrapped
from copick_picker.records.semantic import SemanticRules


@dataclass(frozen=True, eq=False)
class SemanticPrediction:
    """A prediction, and figures for its warnings.

    Attributes
    ----------
    labels : numpy.ndarray, shape (z, y, x), uint8
        CryoSiam's labels.
    probabilities : numpy.ndarray, shape (c, z, y, x), float32, or None
        As CryoSiam stores them: for a network with one class, only that class.
    clipped_share : float
        Fraction of the voxels outside the limits of the scaling.
    planes_without : int or None
        Planes without the lamella; None if no lamella is cut out.
    """

    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32] | None
    clipped_share: float
    planes_without: int | None


def predict_semantic(
    volume: npt.NDArray[Any],
    member: Member,
    options: EngineOptions,
    rules: SemanticRules,
    *,
    is_sigmoid: bool,
    inside: Callable[[], Mask | None],
    probabilities: bool,
    progress: Progress | None = None,
) -> SemanticPrediction:
    """Return CryoSiam's prediction of a tomogram.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), any real dtype
        Tomogram.
    member : Member
        The network.
    options : EngineOptions
        Device, precision and window batch.
    rules : SemanticRules
        Settings from CryoSiam's YAML.
    is_sigmoid : bool
        Whether the network has a single class, as channel 1.
    inside : callable
        Returns the mask (z, y, x), bool, outside which is background, or None; called after the
        network has run.
    probabilities : bool
        Whether to return the probabilities.
    progress : callable, optional
        Called with (windows done, total windows).

    Raises
    ------
    DataError, SettingsError, DeviceMemoryError
        As :func:`copick_picker.core.segment.wrapped.segment_wrapped`.
    """
    scaling = rules.scaling
    outside = (volume < scaling.minimum) | (volume > scaling.maximum)
    result = segment_wrapped(
        scaled(volume, scaling, inverted=False),
        member,
        options,
        rule=LabelRule(rules.threshold, is_sigmoid),
        probabilities=probabilities or rules.lamella is not None,
        progress=progress,
    )
    labels, shares, inside_zyx = result.labels, result.probabilities, inside()
    shares = shares[1:] if shares is not None and is_sigmoid else shares
    if inside_zyx is not None:
        labels = labels * inside_zyx
        shares = None if shares is None else shares * inside_zyx
    planes_without = None
    if rules.lamella is not None and shares is not None:
        body = lamella(shares[0], rules.lamella)
        planes_without = int((~body.any(axis=(1, 2))).sum())
        labels = body.astype(np.uint8)
        labels = labels if inside_zyx is None else labels * inside_zyx
    if rules.least_sizes is not None:
        labels = without_small_components(labels, rules.least_sizes)
    return SemanticPrediction(labels, shares, float(np.mean(outside)), planes_without)
