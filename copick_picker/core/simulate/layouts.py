"""Places of real particles: the densities and neighbour distances of a real tomogram.

The positions of one real tomogram are replayed in a window of the size of the volume, so that
densities, distances to neighbours and depths in the ice are the real ones; orientations are drawn.
The window is drawn at random where the volume is smaller across y or x, and the positions are
continued by mirror images where it is larger. Half of the windows are mirrored in x, half in y.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.records.simulation import Layout

FloatArray = npt.NDArray[np.float64]


def window_of_layout(
    layout: Layout,
    box_xyz: npt.ArrayLike,
    ice_z_angstrom: tuple[float, float],
    rng: np.random.Generator,
) -> Mapping[str, FloatArray]:
    """Return the real particles of a random window, in the frame of the volume.

    Along z the middle of the real particles' range comes to the middle of the ice; particles whose
    centres fall outside the ice or the volume are not part of the window.

    Parameters
    ----------
    layout : Layout
        Particles of a real tomogram.
    box_xyz : array_like, shape (3,)
        Greatest position (x, y, z) in the volume, in Angstrom.
    ice_z_angstrom : tuple of float
        Bottom and top of the ice.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    mapping of str to numpy.ndarray, shape (n, 3), float64
        Centres (x, y, z) in Angstrom of each object, in the layout's order.

    Raises
    ------
    DataError
        If the layout has no size or a particle lies outside it.

    Examples
    --------
    >>> layout = Layout("real", {"a": np.array([[50.0, 60.0, 20.0]])}, (100.0, 100.0, 40.0))
    >>> window = window_of_layout(layout, [100, 100, 40], (0, 40), np.random.default_rng(1))
    >>> float(window["a"][0, 2])
    20.0
    """
    size = np.asarray(layout.box_xyz, dtype=np.float64)
    wanted = np.asarray(box_xyz, dtype=np.float64)
    everything = np.vstack([np.zeros((0, 3)), *layout.points_xyz.values()])
    if np.any(size <= 0.0) or np.any(everything < 0.0) or np.any(everything > size):
        msg = f"layout {layout.name} has particles outside its box of {layout.box_xyz} Angstrom"
        raise DataError(msg)
    start = rng.uniform(0.0, 1.0, 2) * np.maximum(size[:2] - wanted[:2], 0.0)
    is_mirrored = rng.random(2) < 0.5
    depth = 0.0
    if len(everything):
        depth = 0.5 * sum(ice_z_angstrom) - 0.5 * (everything[:, 2].min() + everything[:, 2].max())
    copies = [int(np.ceil(length)) for length in wanted[:2] / size[:2]]
    found: dict[str, FloatArray] = {}
    for name, points in layout.points_xyz.items():
        tiles = [
            np.stack(
                [_mirrored(points[:, axis], size[axis], tile[axis]) for axis in (0, 1)], axis=1
            )
            for tile in np.ndindex(*copies)
        ]
        flat = np.vstack([np.zeros((0, 2)), *tiles]) - start
        flat = np.where(is_mirrored, wanted[:2] - flat, flat)
        heights = np.tile(points[:, 2] + depth, len(tiles))[:, None]
        moved = np.concatenate([flat, heights], axis=1)
        low = np.array([0.0, 0.0, max(0.0, ice_z_angstrom[0])])
        high = np.array([*wanted[:2], min(wanted[2], ice_z_angstrom[1])])
        found[name] = moved[np.all((moved >= low) & (moved <= high), axis=1)]
    return found


def _mirrored(values: FloatArray, length: float, tile: int) -> FloatArray:
    """Return positions in the n-th copy along an axis; every other copy is a mirror image."""
    return tile * length + (length - values if tile % 2 else values)
