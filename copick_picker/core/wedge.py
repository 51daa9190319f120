"""Which part of Fourier space a tilt series about the y axis fills."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from copick_picker.errors import DataError

FloatArray = npt.NDArray[np.float64]


def frequencies(
    shape_zyx: tuple[int, int, int], voxel_spacing: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the spatial frequencies of the half spectrum ``scipy.fft.rfftn`` gives.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    tuple of numpy.ndarray
        Frequencies along z, y, x in 1/Angstrom, shapes (z, 1, 1), (1, y, 1), (1, 1, x // 2 + 1).

    Examples
    --------
    >>> along_z, along_y, along_x = frequencies((4, 2, 6), 10.0)
    >>> along_x.ravel().round(4).tolist()
    [0.0, 0.0167, 0.0333, 0.05]
    """
    depth, height, width = shape_zyx
    along_z = fft.fftfreq(depth, voxel_spacing)[:, None, None]
    along_y = fft.fftfreq(height, voxel_spacing)[None, :, None]
    along_x = fft.rfftfreq(width, voxel_spacing)[None, None, :]
    return along_z, along_y, along_x


def wedge_mask(
    shape_zyx: tuple[int, int, int],
    tilt_limits_degrees: tuple[float, float],
) -> FloatArray:
    """Return 1 where a gapless tilt series about y measures, 0 in the missing wedge.

    By the projection theorem a tilt by ``t`` measures the plane that holds the y axis and the
    direction ``(cos t, sin t)`` in x and z; Crowther et al. 1970,
    https://doi.org/10.1098/rspa.1970.0119. Where an even axis has only one of the two Nyquist
    frequencies, both have to be measured.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume; voxels are cubes.
    tilt_limits_degrees : tuple of float
        Lowest and highest tilt angle, within -90 and 90.

    Returns
    -------
    numpy.ndarray, shape (z, 1, x // 2 + 1), float64
        Mask over the half spectrum; it does not depend on y.

    Raises
    ------
    DataError
        If the limits are out of order or out of range.

    Examples
    --------
    >>> wedge_mask((4, 4, 4), (-60.0, 60.0))[2].tolist()
    [[0.0, 0.0, 1.0]]
    """
    low, high = tilt_limits_degrees
    if not -90.0 <= low < high <= 90.0:
        msg = f"tilt limits are {low} and {high} degrees; expected -90 <= lowest < highest <= 90"
        raise DataError(msg)
    along_z, _, along_x = frequencies(shape_zyx, 1.0)
    inside = _between(along_z, along_x, low, high)
    inside &= _between(_mirrored_nyquist(along_z), along_x, low, high)
    if shape_zyx[2] % 2 == 0:
        inside[..., -1:] &= _between(-along_z, along_x[..., -1:], low, high)
    return inside.astype(np.float64)


def tilt_weights(
    shape_zyx: tuple[int, int, int],
    tilts_degrees: npt.ArrayLike,
) -> FloatArray:
    """Return how well single tilts about y measure each frequency, 0 to 1.

    A tilt fills its central plane, blurred by the inverse of the volume's thickness: weight
    ``exp(-(d D)^2 pi)`` at the distance d from the plane, D the number of planes of the volume.
    Far from the axis, neighbouring planes no longer touch (Crowther's limit), which makes the
    streaks of a coarsely sampled tilt series.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume; voxels are cubes.
    tilts_degrees : array_like, shape (n,)
        Tilt angles.

    Returns
    -------
    numpy.ndarray, shape (z, 1, x // 2 + 1), float64
        Sum over the tilts, at most 1; it does not depend on y.
    """
    along_z, _, along_x = frequencies(shape_zyx, 1.0)
    total = np.zeros(np.broadcast_shapes(along_z.shape, along_x.shape))
    for tilt in np.deg2rad(np.asarray(tilts_degrees, dtype=np.float64)):
        distance = along_z * np.cos(tilt) - along_x * np.sin(tilt)
        total += np.exp(-np.pi * (distance * shape_zyx[0]) ** 2)
    return np.minimum(total, 1.0)


def _between(
    along_z: FloatArray, along_x: FloatArray, low: float, high: float
) -> npt.NDArray[np.bool_]:
    tolerance = 1e-9
    angle = np.rad2deg(np.arctan2(along_z, along_x))
    inside = (angle >= low - tolerance) & (angle <= high + tolerance)
    on_axis = along_x == 0.0
    reaches_axis = low <= -90.0 or high >= 90.0
    return np.where(on_axis, reaches_axis | (along_z == 0.0), inside)


def _mirrored_nyquist(along_z: FloatArray) -> FloatArray:
    mirrored = along_z.copy()
    depth = len(mirrored)
    if depth % 2 == 0:
        mirrored[depth // 2] *= -1.0
    return mirrored
