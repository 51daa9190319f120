"""Rotations along a filament: the z axis is its tangent."""

import numpy as np
from scipy.spatial.transform import Rotation

from copick_picker.core.link.points import FloatArray

_LEAST = 1e-9
_FLIP = np.diag([1.0, -1.0, -1.0])


def frames_along(tangents: FloatArray) -> FloatArray:
    """Return rotations whose z axis is the tangent, and which turn about it as little as can be.

    Each frame is the one before it, turned by the smallest rotation that brings its z axis onto the
    tangent (a discrete rotation minimizing frame: Bishop 1975,
    https://doi.org/10.1080/00029890.1975.11993807).

    Parameters
    ----------
    tangents : numpy.ndarray, shape (n, 3), float64
        Vectors (x, y, z) in order along the filament.

    Returns
    -------
    numpy.ndarray, shape (n, 3, 3), float64
        Rotations of the particle's axes to (x, y, z).

    Examples
    --------
    >>> frames_along(np.array([[0.0, 0.0, 1.0]]))[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    result = np.zeros((len(tangents), 3, 3))
    frame = np.eye(3)
    for at, tangent in enumerate(tangents / np.linalg.norm(tangents, axis=1)[:, None]):
        frame = smallest_turn(frame[:, 2], tangent) @ frame
        result[at] = frame
    return result


def turned_onto(rotations: FloatArray, tangents: FloatArray) -> FloatArray:
    """Return rotations turned by the smallest angle that brings their z axes onto tangents.

    A rotation whose z axis points the other way is first turned about its own x axis by half a
    circle: the particle then runs backward along the filament.

    Parameters
    ----------
    rotations : numpy.ndarray, shape (n, 3, 3), float64
        Rotations of the particle's axes to (x, y, z).
    tangents : numpy.ndarray, shape (n, 3), float64
        Unit vectors.
    """
    result = np.zeros_like(rotations)
    for at, (rotation, tangent) in enumerate(zip(rotations, tangents, strict=True)):
        own = rotation if float(rotation[:, 2] @ tangent) >= 0 else rotation @ _FLIP
        result[at] = smallest_turn(own[:, 2], tangent) @ own
    return result


def smallest_turn(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the smallest rotation of a unit vector onto another.

    The quaternion (1 + first . second, first x second), made a unit one.

    Parameters
    ----------
    first, second : numpy.ndarray, shape (3,), float64
        Unit vectors.
    """
    axis, real = np.cross(first, second), 1.0 + float(first @ second)
    if real < _LEAST:
        axis = np.cross(first, np.eye(3)[int(np.argmin(np.abs(first)))])
        real = 0.0
    return np.asarray(Rotation.from_quat([*axis, real]).as_matrix(), dtype=np.float64)
