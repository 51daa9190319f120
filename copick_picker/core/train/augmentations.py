"""Augmentations of training patches, each with a random stream of its own.

A stream is seeded with (seed, step, row, name): turning one augmentation off, or adding another,
does not change the draws of the others.
"""

import zlib
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy import fft

from copick_picker.core.train.sources import FloatVolume
from copick_picker.core.wedge import wedge_mask
from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name

FloatArray = npt.NDArray[np.float64]
Parameters = Mapping[str, float]
Plan = Mapping[str, Parameters]
"""Name of an augmentation -> its parameters; those not named are off."""


def stream(seed: int, step: int, row: int, name: str) -> np.random.Generator:
    """Return the random generator for one purpose in one patch.

    Parameters
    ----------
    seed : int
        Seed of the training.
    step : int
        Number of the batch.
    row : int
        Number of the patch in its batch.
    name : str
        Purpose of the numbers.
    """
    return np.random.default_rng([seed, step, row, zlib.crc32(name.encode())])


def flips(rng: np.random.Generator, _: Parameters) -> FloatArray:
    """Return the matrix (z, y, x) that mirrors each axis with probability 1/2."""
    return np.diag(np.where(rng.random(3) < 0.5, -1.0, 1.0))


def quarter_turns(rng: np.random.Generator, _: Parameters) -> FloatArray:
    """Return the matrix of 0 to 3 quarter turns about z, all equally likely."""
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    result: FloatArray = np.linalg.matrix_power(turn, int(rng.integers(4)))
    return result


def tilts(rng: np.random.Generator, given: Parameters) -> FloatArray:
    """Return the matrix of small rotations about all three axes, x first, then y and z.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    given : mapping
        ``share`` of the patches that are tilted; ``max_degrees``, the limit of each uniform angle.
    """
    is_used = rng.random() < given["share"]
    angles = np.deg2rad(rng.uniform(-1.0, 1.0, 3) * given["max_degrees"])
    if not is_used:
        return np.eye(3)
    result = np.eye(3)
    for axis, angle in zip((2, 1, 0), angles, strict=True):
        first, second = (other for other in range(3) if other != axis)
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result


def scale(rng: np.random.Generator, given: Parameters) -> FloatArray:
    """Return the matrix of an isotropic change of size.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    given : mapping
        ``share`` of the patches that change; ``max_change``: the particles grow or shrink by up to
        this fraction, uniformly.
    """
    is_used = rng.random() < given["share"]
    change = rng.uniform(-1.0, 1.0) * given["max_change"]
    return np.eye(3) / (1.0 + change) if is_used else np.eye(3)


def contrast(patch: FloatVolume, rng: np.random.Generator, given: Parameters) -> FloatVolume:
    """Return a patch with slightly changed contrast and mean.

    Parameters
    ----------
    patch : numpy.ndarray, shape (z, y, x), float32
        The patch.
    rng : numpy.random.Generator
        Source of randomness.
    given : mapping
        ``scale_sigma`` of the logarithm of the factor, ``shift_sigma`` of the constant.
    """
    factor = np.exp(given["scale_sigma"] * rng.standard_normal())
    shift = given["shift_sigma"] * rng.standard_normal()
    return patch * np.float32(factor) + np.float32(shift)


def noise(patch: FloatVolume, rng: np.random.Generator, given: Parameters) -> FloatVolume:
    """Return a patch with white noise added.

    Parameters
    ----------
    patch : numpy.ndarray, shape (z, y, x), float32
        The patch.
    rng : numpy.random.Generator
        Source of randomness.
    given : mapping
        ``share`` of the patches; ``max_sigma``, the limit of the uniform standard deviation.
    """
    is_used, sigma = rng.random() < given["share"], rng.uniform(0.0, given["max_sigma"])
    if not is_used:
        return patch
    return patch + np.float32(sigma) * rng.standard_normal(patch.shape, dtype=np.float32)


def wedge(patch: FloatVolume, rng: np.random.Generator, given: Parameters) -> FloatVolume:
    """Return a patch as if from a shorter tilt series about y.

    Parameters
    ----------
    patch : numpy.ndarray, shape (z, y, x), float32
        The patch, its y axis along the tilt axis.
    rng : numpy.random.Generator
        Source of randomness.
    given : mapping
        ``share`` of the patches; ``min_degrees`` and ``max_degrees``: both ends of the tilt range
        are drawn between them, independently.
    """
    is_used = rng.random() < given["share"]
    low, high = rng.uniform(given["min_degrees"], given["max_degrees"], 2)
    if not is_used:
        return patch
    z, y, x = patch.shape
    spectrum = fft.rfftn(patch)
    spectrum *= wedge_mask((z, y, x), (-float(low), float(high))).astype(np.float32)
    result: FloatVolume = fft.irfftn(spectrum, s=patch.shape).astype(np.float32, copy=False)
    return result


Placing = Callable[[np.random.Generator, Parameters], FloatArray]
Changing = Callable[[FloatVolume, np.random.Generator, Parameters], FloatVolume]

PLACING: dict[str, tuple[tuple[str, ...], Placing]] = {
    "flips": ((), flips),
    "quarter-turns": ((), quarter_turns),
    "tilts": (("share", "max_degrees"), tilts),
    "scale": (("share", "max_change"), scale),
}
"""Placing a patch: name -> (parameters, draw of a matrix); multiplied in this order."""
CHANGING: dict[str, tuple[tuple[str, ...], Changing]] = {
    "wedge": (("share", "min_degrees", "max_degrees"), wedge),
    "contrast": (("scale_sigma", "shift_sigma"), contrast),
    "noise": (("share", "max_sigma"), noise),
}
"""Changing a patch's values: name -> (parameters, function), in this order."""
MIXUP = "mixup"
AUGMENTATIONS: dict[str, tuple[str, ...]] = {
    **{name: needed for name, (needed, _) in (PLACING | CHANGING).items()},
    MIXUP: ("share", "alpha"),
}
"""Every augmentation's name -> the names of its parameters."""


def check_plan(plan: Plan) -> None:
    """Raise if an augmentation is unknown or lacks a parameter.

    Parameters
    ----------
    plan : mapping
        Name -> parameters of the augmentations in use.

    Raises
    ------
    UnknownNameError
        With the nearest name and the choices.
    SettingsError
        With the parameters of the augmentation.

    Examples
    --------
    >>> check_plan({"flips": {}, "tilts": {"share": 0.5, "max_degrees": 10.0}})
    """
    for name, given in plan.items():
        if name not in AUGMENTATIONS:
            near = nearest_name(name, AUGMENTATIONS)
            msg = f"no augmentation '{name}'{near}; known: {choices_text(AUGMENTATIONS)}"
            raise UnknownNameError(msg)
        if set(given) != set(AUGMENTATIONS[name]):
            msg = (
                f"augmentation '{name}' got {choices_text(given)}; "
                f"expected {choices_text(AUGMENTATIONS[name])}"
            )
            raise SettingsError(msg)


def placing_matrix(plan: Plan, *, seed: int, step: int, row: int, may_swap: bool) -> FloatArray:
    """Return the matrix of a patch's axes (z, y, x) in the volume, shape (3, 3), float64.

    Parameters
    ----------
    plan : mapping
        Name -> parameters of the augmentations in use.
    seed, step, row : int
        Of the random streams.
    may_swap : bool
        Whether a quarter turn fits; if not, it becomes a half turn.
    """
    matrix = np.eye(3)
    for name, (_, draw) in PLACING.items():
        if name in plan:
            drawn = draw(stream(seed, step, row, name), plan[name])
            is_quarter = name == "quarter-turns" and abs(drawn[1, 1]) < 0.5
            matrix = matrix @ (drawn @ drawn if is_quarter and not may_swap else drawn)
    return matrix


def changed(
    patch: FloatVolume, plan: Plan, *, seed: int, step: int, row: int, is_turned: bool
) -> FloatVolume:
    """Return a patch with its values augmented.

    Parameters
    ----------
    patch : numpy.ndarray, shape (z, y, x), float32
        The patch.
    plan : mapping
        Name -> parameters of the augmentations in use.
    seed, step, row : int
        Of the random streams.
    is_turned : bool
        Whether the tilt axis, y in the tomogram, lies along the patch's x.
    """
    for name, (_, change) in CHANGING.items():
        if name not in plan:
            continue
        rng = stream(seed, step, row, name)
        is_swapped = name == "wedge" and is_turned
        view = patch.swapaxes(1, 2) if is_swapped else patch
        result = change(view, rng, plan[name])
        patch = np.ascontiguousarray(result.swapaxes(1, 2)) if is_swapped else result
    return patch


def mixup_share(plan: Plan, *, seed: int, step: int) -> float:
    """Return the share of the other patch in each mixed one, 0 without mixing.

    Zhang et al. 2018, https://arxiv.org/abs/1710.09412: Beta distributed; here the other patch gets
    the smaller part, at most 1/2.

    Parameters
    ----------
    plan : mapping
        ``mixup`` with the ``share`` of mixed batches, and ``alpha`` of the distribution.
    seed, step : int
        Of the random stream.
    """
    if MIXUP not in plan:
        return 0.0
    rng = stream(seed, step, 0, MIXUP)
    is_used = rng.random() < plan[MIXUP]["share"]
    drawn = rng.beta(plan[MIXUP]["alpha"], plan[MIXUP]["alpha"])
    return float(min(drawn, 1.0 - drawn)) if is_used else 0.0
