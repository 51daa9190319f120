"""Rules of CryoSiam's semantic prediction."""

from dataclasses import dataclass

from copick_picker.records.runs import InputScaling


@dataclass(frozen=True)
class LamellaRules:
    """Rules for cutting a lamella out of its probability.

    Attributes
    ----------
    smoothing_zyx : tuple of float
        Standard deviation of the Gaussian, in voxels; the volume is padded with zeros.
    smoothing_cut : float
        Standard deviations at which the Gaussian is cut off.
    threshold : float
        The lamella is where the smoothed probability is above it.
    hull_in_3d : bool
        One convex hull of the whole, else one per plane.
    """

    smoothing_zyx: tuple[float, float, float]
    smoothing_cut: float
    threshold: float
    hull_in_3d: bool


@dataclass(frozen=True)
class SemanticRules:
    """Settings of a prediction from CryoSiam's YAML.

    Attributes
    ----------
    scaling : InputScaling
        Scaling of the input.
    threshold : float
        Probabilities below it count as 0 when a label is chosen.
    lamella : LamellaRules or None
        How to cut a lamella out of the first class; None for no lamella.
    least_sizes : tuple of int or None
        Minimum voxels of a component of each label; None keeps all.
    """

    scaling: InputScaling
    threshold: float
    lamella: LamellaRules | None
    least_sizes: tuple[int, ...] | None
