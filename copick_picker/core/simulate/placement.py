"""Where particles stand: spheres that do not overlap, and shapes that do not overlap."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def separated_points(
    radii_angstrom: npt.ArrayLike,
    low_xyz: npt.ArrayLike,
    high_xyz: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    touching_share: float,
    tries: int,
) -> tuple[FloatArray, FloatArray]:
    """Return centres of spheres that do not overlap, some of them in contact with another.

    Spheres are placed one after the other; one that finds no place after ``tries`` draws is left
    out.

    Parameters
    ----------
    radii_angstrom : array_like, shape (n,)
        Radius of each sphere, in the order of placing.
    low_xyz, high_xyz : array_like, shape (3,)
        Corners of the box of allowed centres, in Angstrom.
    rng : numpy.random.Generator
        Source of randomness.
    touching_share : float
        Probability that a draw puts the sphere in contact with one that stands already.
    tries : int
        Draws for each sphere.

    Returns
    -------
    points_xyz : numpy.ndarray, shape (m, 3), float64
        Centres (x, y, z) in Angstrom, m <= n.
    radii_angstrom : numpy.ndarray, shape (m,), float64
        Their radii.
    """
    low, high = np.asarray(low_xyz, dtype=np.float64), np.asarray(high_xyz, dtype=np.float64)
    points, radii = np.zeros((0, 3)), np.zeros(0)
    for radius in np.asarray(radii_angstrom, dtype=np.float64):
        for _ in range(tries):
            point = rng.uniform(low, high)
            if len(points) and rng.random() < touching_share:
                neighbour = int(rng.integers(len(points)))
                direction = rng.standard_normal(3)
                direction /= np.linalg.norm(direction)
                point = points[neighbour] + direction * (radii[neighbour] + radius)
            inside = bool(np.all((point >= low) & (point <= high)))
            gaps = np.linalg.norm(points - point, axis=1) - radii - radius
            if inside and bool(np.all(gaps >= -1e-6)):
                points, radii = np.vstack([points, point]), np.append(radii, radius)
                break
    return points, radii


def free_corner(
    occupied: BoolArray,
    footprint: BoolArray,
    rng: np.random.Generator,
    *,
    centre_low_zyx: npt.ArrayLike,
    centre_high_zyx: npt.ArrayLike,
    tries: int,
) -> npt.NDArray[np.int64] | None:
    """Return where a shape can stand without touching what is there, or None.

    Parameters
    ----------
    occupied : numpy.ndarray, shape (z, y, x), bool
        Voxels that are taken.
    footprint : numpy.ndarray, shape (m, m, m), bool
        Voxels of the shape; its centre is voxel m // 2. It may stick out of the volume.
    rng : numpy.random.Generator
        Source of randomness.
    centre_low_zyx, centre_high_zyx : array_like, shape (3,)
        Box of allowed centre voxels, both ends included.
    tries : int
        Number of draws.

    Returns
    -------
    numpy.ndarray, shape (3,), int64, or None
        Lowest corner (z, y, x) of the footprint's cube; may be negative.
    """
    low, high = np.asarray(centre_low_zyx), np.asarray(centre_high_zyx)
    half = np.array(footprint.shape) // 2
    for _ in range(tries):
        corner = rng.integers(low, high, endpoint=True) - half
        inside, within = overlap(occupied.shape, footprint.shape, corner)
        if not np.any(occupied[inside] & footprint[within]):
            return np.asarray(corner, dtype=np.int64)
    return None


def overlap(
    volume_shape: tuple[int, ...], cube_shape: tuple[int, ...], corner_zyx: npt.ArrayLike
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices, in the volume and in the cube, where a cube lies inside a volume.

    Parameters
    ----------
    volume_shape, cube_shape : tuple of int
        Shapes (z, y, x).
    corner_zyx : array_like, shape (3,)
        Lowest corner of the cube in the volume; may be negative.

    Examples
    --------
    >>> overlap((10, 10, 10), (4, 4, 4), (-1, 3, 8))[0]
    (slice(0, 3, None), slice(3, 7, None), slice(8, 10, None))
    """
    inside, within = [], []
    corners = np.asarray(corner_zyx).tolist()
    for length, side, corner in zip(volume_shape, cube_shape, corners, strict=True):
        start, stop = max(corner, 0), max(min(corner + side, length), max(corner, 0))
        inside.append(slice(start, stop))
        within.append(slice(start - corner, stop - corner))
    return tuple(inside), tuple(within)
