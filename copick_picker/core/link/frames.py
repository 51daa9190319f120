"""Rotations along a filament: the z axis is its tangent."""

import numpy as np

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
        Unit vectors (x, y, z) in order along the filament.

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
    for at, tangent in enumerate(tangents):
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
    """Return the smallest rotation of a unit vector onto another (Rodrigues' formula).

    Parameters
    ----------
    first, second : numpy.ndarray, shape (3,), float64
        Unit vectors.
    """
    axis, cosine = np.cross(first, second), float(first @ second)
    if cosine < -1.0 + _LEAST:
        across = np.eye(3)[int(np.argmin(np.abs(first)))]
        normal = across - (across @ first) * first
        normal /= np.linalg.norm(normal)
        return np.asarray(2.0 * np.outer(normal, normal) - np.eye(3))
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1.0 + cosine))
