"""Which voxels of a specimen are free, and where a shape still fits.

A shape may stick out of the volume's faces, so the grid of owners is wider than the volume on all
sides. Voxels outside the ice belong to the vacuum: whatever fits lies in the ice as a whole.
"""

from dataclasses import dataclass

import cc3d
import edt
import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import length_to_voxels
from copick_picker.core.simulate.placement import overlap

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FREE = 0
VACUUM = 1
TAKEN = 2
FIRST_MEMBRANE = 3
"""Owner of the voxels of membrane 0; those of membrane k are FIRST_MEMBRANE + k."""
SOFT_EDGE_ANGSTROM = 10.0
"""Shapes keep this far from the vacuum, so that their band-limited edges stay in the ice."""
KEY_VOXELS = 24
SPARSE_SHARE = 0.02
BATCH = 256


@dataclass(frozen=True, eq=False)
class Space:
    """The grid of owners of a specimen.

    Attributes
    ----------
    owners : numpy.ndarray, shape (z + 2 pad, y + 2 pad, x + 2 pad), int16
        Who covers each voxel.
    pad : int
        Voxels by which the grid is wider than the volume on each side.
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    ice_z_angstrom : tuple of float
        Bottom and top of the ice.
    ice_planes : tuple of int
        First and last plane of the volume's index, pads included as negative and beyond, that
        shapes may cover.
    """

    owners: npt.NDArray[np.int16]
    pad: int
    shape_zyx: tuple[int, int, int]
    voxel_spacing: float
    ice_z_angstrom: tuple[float, float]
    ice_planes: tuple[int, int]

    @property
    def centre_planes(self) -> tuple[int, int]:
        """First and last plane of the volume in which a particle's centre voxel may lie."""
        low, high = self.ice_planes
        return max(low, 1), min(high, self.shape_zyx[0] - 2)


@dataclass(frozen=True, eq=False)
class Centres:
    """Voxels to draw centres from.

    Attributes
    ----------
    is_set : numpy.ndarray, shape (z * y * x,), bool
        Which voxels may be centres.
    shape_zyx : tuple of int
        Shape of the volume.
    share : float
        Share of the voxels that are set.
    listed : numpy.ndarray, shape (n,), int64, or None
        Flat indices of the voxels that are set, where they are few.
    """

    is_set: BoolArray
    shape_zyx: tuple[int, ...]
    share: float
    listed: IntArray | None


def empty_space(
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    ice_z_angstrom: tuple[float, float],
    pad: int,
) -> Space:
    """Return a slab of ice with nothing in it.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    ice_z_angstrom : tuple of float
        Bottom and top of the ice.
    pad : int
        Voxels by which shapes may stick out of the volume.
    """
    n_z, n_y, n_x = (length + 2 * pad for length in shape_zyx)
    owners = np.zeros((n_z, n_y, n_x), dtype=np.int16)
    edge = length_to_voxels(SOFT_EDGE_ANGSTROM, voxel_spacing)
    low = int(np.ceil(length_to_voxels(ice_z_angstrom[0], voxel_spacing) + edge))
    high = int(np.floor(length_to_voxels(ice_z_angstrom[1], voxel_spacing) - edge))
    owners[: max(low + pad, 0)] = VACUUM
    owners[max(high + pad + 1, 0) :] = VACUUM
    return Space(owners, pad, shape_zyx, voxel_spacing, ice_z_angstrom, (low, high))


def clear_centres(space: Space, reach_voxels: float) -> BoolArray:
    """Return the voxels of the volume that are at least so far from everything that is covered.

    Parameters
    ----------
    space : Space
        Who covers what.
    reach_voxels : float
        Distance in voxels; below 1 every voxel of the ice is returned, covered or not.

    Returns
    -------
    numpy.ndarray, shape (z, y, x), bool
        Where a shape's centre voxel may lie, if the shape holds a ball of that radius. The
        outermost voxels are left out: the centre is up to half a voxel away from its voxel.
    """
    low, high = space.centre_planes
    clear = np.zeros(space.shape_zyx, dtype=bool)
    if low > high:
        return clear
    if reach_voxels < 1.0:
        clear[low : high + 1, 1:-1, 1:-1] = True
        return clear
    margin = int(np.ceil(reach_voxels))
    first = max(low + space.pad - margin, 0)
    last = high + space.pad + margin + 1
    distance = edt.edt(space.owners[first:last] == FREE, black_border=False, parallel=2)
    inner = tuple(slice(space.pad + 1, space.pad + length - 1) for length in space.shape_zyx[1:])
    start = low + space.pad - first
    planes = slice(start, start + high - low + 1)
    clear[low : high + 1, 1:-1, 1:-1] = distance[(planes, *inner)] > reach_voxels
    return clear


def listed_centres(clear: BoolArray) -> Centres:
    """Return voxels made ready for drawing.

    Parameters
    ----------
    clear : numpy.ndarray, shape (z, y, x), bool
        Voxels to draw from.
    """
    share = float(np.count_nonzero(clear)) / max(clear.size, 1)
    flat = np.flatnonzero(clear) if share < SPARSE_SHARE else None
    return Centres(clear.ravel(), clear.shape, share, flat)


def random_centres(centres: Centres, rng: np.random.Generator) -> IntArray:
    """Return voxels drawn evenly from those that may be centres; none where there is none.

    Parameters
    ----------
    centres : Centres
        Voxels to draw from.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray, shape (n, 3), int64
        Voxels (z, y, x), about 256.
    """
    if centres.listed is None:
        drawn = rng.integers(0, centres.is_set.size, int(BATCH / centres.share))
        drawn = drawn[centres.is_set[drawn]]
    elif len(centres.listed):
        drawn = centres.listed[rng.integers(0, len(centres.listed), BATCH)]
    else:
        drawn = centres.listed
    return np.stack(np.unravel_index(drawn, centres.shape_zyx), axis=1).astype(np.int64)


def shape_offsets(mask: BoolArray, space: Space) -> IntArray:
    """Return the steps in the flat grid of owners from a shape's centre to each of its voxels.

    Parameters
    ----------
    mask : numpy.ndarray, shape (m, m, m), bool
        The shape; its centre is voxel m // 2.
    space : Space
        The grid.

    Returns
    -------
    numpy.ndarray, shape (n,), int64
        Steps, the voxels farthest from the centre first among a few that are tried first.
    """
    voxels = np.argwhere(mask) - np.array(mask.shape) // 2
    order = np.argsort(-(voxels**2).sum(axis=1), kind="stable")
    _, n_y, n_x = space.owners.shape
    steps = (voxels @ np.array([n_y * n_x, n_x, 1]))[order]
    stride = max(len(steps) // KEY_VOXELS, 1)
    keys = np.zeros(len(steps), dtype=bool)
    keys[::stride] = True
    return np.concatenate([steps[keys], steps[~keys]]).astype(np.int64)


def first_free(
    space: Space, offsets: IntArray, centres_zyx: npt.NDArray[np.integer], own: int
) -> int | None:
    """Return which is the first of some centres where a shape fits, or None.

    Parameters
    ----------
    space : Space
        Who covers what.
    offsets : numpy.ndarray, shape (n,), int64
        The shape, as :func:`shape_offsets` gives it.
    centres_zyx : numpy.ndarray, shape (k, 3), int64
        Centres to try, in order; they lie in the volume.
    own : int
        Owner whose voxels count as free; FREE where there is none.
    """
    owners = space.owners.ravel()
    bases = np.ravel_multi_index((centres_zyx + space.pad).T, space.owners.shape)
    keys = owners[bases[:, None] + offsets[None, : KEY_VOXELS + 1]]
    for index in np.flatnonzero(((keys == FREE) | (keys == own)).all(axis=1)).tolist():
        covered = owners[bases[index] + offsets]
        if bool(((covered == FREE) | (covered == own)).all()):
            return int(index)
    return None


def take(space: Space, mask: BoolArray, corner_zyx: npt.ArrayLike, owner: int) -> None:
    """Give the voxels of a shape to an owner, in place; what lies outside the grid is left out.

    Parameters
    ----------
    space : Space
        Changed in place.
    mask : numpy.ndarray, shape (a, b, c), bool
        The shape.
    corner_zyx : array_like, shape (3,)
        Its lowest corner in the volume; may be negative.
    owner : int
        The new owner.
    """
    corner = np.asarray(corner_zyx) + space.pad
    inside, within = overlap(space.owners.shape, mask.shape, corner)
    space.owners[inside][mask[within]] = owner


def is_free(space: Space, mask: BoolArray, corner_zyx: npt.ArrayLike) -> bool:
    """Return whether no voxel of a shape is covered; what lies outside the grid counts as free.

    Parameters
    ----------
    space : Space
        Who covers what.
    mask : numpy.ndarray, shape (a, b, c), bool
        The shape.
    corner_zyx : array_like, shape (3,)
        Its lowest corner in the volume; may be negative.
    """
    corner = np.asarray(corner_zyx) + space.pad
    inside, within = overlap(space.owners.shape, mask.shape, corner)
    return not bool(np.any(space.owners[inside][mask[within]] != FREE))


def points_are_free(space: Space, voxels_zyx: npt.NDArray[np.floating]) -> bool:
    """Return whether none of some positions is covered or outside the ice.

    Parameters
    ----------
    space : Space
        Who covers what.
    voxels_zyx : numpy.ndarray, shape (n, 3)
        Positions in voxels of the volume; what lies beyond the grid across y or x counts as free.
    """
    voxels = np.round(voxels_zyx).astype(np.int64)
    low, high = space.ice_planes
    if np.any((voxels[:, 0] < low) | (voxels[:, 0] > high)):
        return False
    voxels += space.pad
    known = voxels[np.all((voxels >= 0) & (voxels < space.owners.shape), axis=1)]
    return not bool(np.any(space.owners[tuple(known.T)] != FREE))


def voxels_are_free(space: Space, voxels_zyx: IntArray, own: int) -> bool:
    """Return whether some voxels are covered by nothing but one owner.

    Parameters
    ----------
    space : Space
        Who covers what.
    voxels_zyx : numpy.ndarray, shape (n, 3), int64
        Voxels of the volume; those beyond the grid are not looked at.
    own : int
        Owner whose voxels count as free.
    """
    voxels = voxels_zyx + space.pad
    known = voxels[np.all((voxels >= 0) & (voxels < space.owners.shape), axis=1)]
    owners = space.owners[tuple(known.T)]
    return bool(((owners == FREE) | (owners == own)).all())


def filled(mask: BoolArray) -> BoolArray:
    """Return a shape with its closed cavities.

    Parameters
    ----------
    mask : numpy.ndarray, shape (a, b, c), bool
        The shape; it does not touch the faces of its box everywhere.
    """
    wider = np.pad(~mask, 1, constant_values=True)
    parts = cc3d.connected_components(wider, connectivity=6)
    body: BoolArray = (parts != parts[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return body
