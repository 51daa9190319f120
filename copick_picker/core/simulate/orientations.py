"""Uniform random orientations."""

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError


def random_rotations(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return rotation matrices that are uniform over all orientations.

    Normalised Gaussian quaternions are uniform on the 3-sphere; Shoemake 1992, Graphics Gems III,
    "Uniform random rotations".

    Parameters
    ----------
    count : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray, shape (count, 3, 3), float64
        Proper rotations that act on column vectors (z, y, x).

    Raises
    ------
    DataError
        If the count is negative.

    Examples
    --------
    >>> rotation = random_rotations(1, np.random.default_rng(1))[0]
    >>> bool(np.allclose(rotation @ rotation.T, np.eye(3)))
    True
    """
    if count < 0:
        msg = f"cannot draw {count} rotations; expected 0 or more"
        raise DataError(msg)
    quaternions = rng.standard_normal((count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    w, x, y, z = quaternions.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)
