"""Centre and size of one particle from its voxels, also where a part of it is missing."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CellArray = npt.NDArray[np.int32]

CORE_FRACTION = 0.85  # holes within this fraction of the radius do not count
FIT_STEPS = 25
FIT_LOSS_FRACTION = 0.08  # surface points farther off than this fraction of the radius count less
RADIUS_PRIOR_FRACTION = 0.05  # the radius of one object's particles varies by about this fraction


def ball_volume(radius: float) -> float:
    """Return the volume of a ball.

    Parameters
    ----------
    radius : float
        Radius in any unit.
    """
    return 4.0 / 3.0 * np.pi * radius**3


def ball_radius(volume: float) -> float:
    """Return the radius of the ball of a volume.

    Parameters
    ----------
    volume : float
        Volume, in the cube of any unit.
    """
    return float((3.0 * volume / (4.0 * np.pi)) ** (1.0 / 3.0))


def whole_centre(cells: CellArray, number: int) -> FloatArray:
    """Return the centre of mass of a cell whose inner holes are filled.

    Voxels nearer to the plain centre of mass than 0.85 of the radius of the ball of equal volume
    count as filled unless another cell has them, so that cavities and missing clumps inside do
    not pull the centre away from them.

    Parameters
    ----------
    cells : numpy.ndarray, shape (z, y, x), int32
        Cells of one connected component.
    number : int
        Which cell.

    Returns
    -------
    numpy.ndarray, shape (3,), float64
        Centre (z, y, x) in voxels of the array.

    Examples
    --------
    >>> ball = (((np.mgrid[:9, :9, :9] - 4) ** 2).sum(axis=0) <= 16).astype(np.int32)
    >>> ball[4, 4, 5:7] = 0
    >>> whole_centre(ball, 1).tolist()
    [4.0, 4.0, 4.0]
    """
    count, total = count_and_sum(cells == number)
    centre = total / count
    near = squared_distance(cells.shape, centre) < (CORE_FRACTION * ball_radius(count)) ** 2
    near &= cells == 0
    holes, hole_total = count_and_sum(near)
    return (total + hole_total) / (count + holes)


def count_and_sum(mask: BoolArray) -> tuple[int, FloatArray]:
    """Return the number of true voxels and the sum of their indices.

    Parameters
    ----------
    mask : numpy.ndarray, shape (z, y, x), bool
        Voxels to count.

    Returns
    -------
    count : int
        Number of voxels.
    total : numpy.ndarray, shape (3,), float64
        Sum of the indices (z, y, x).
    """
    index = np.unravel_index(np.flatnonzero(mask), mask.shape)
    return len(index[0]), np.array([axis.sum() for axis in index], dtype=np.float64)


def squared_distance(shape: tuple[int, ...], centre_zyx: FloatArray) -> FloatArray:
    """Return the squared distance of every voxel of an array from a centre, in voxels.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array, order (z, y, x).
    centre_zyx : numpy.ndarray, shape (3,), float64
        Centre (z, y, x) in voxels of the array.
    """
    z, y, x = ((np.arange(n) - c) ** 2 for n, c in zip(shape, centre_zyx, strict=True))
    total: FloatArray = z[:, None, None] + y[None, :, None] + x[None, None, :]
    return total


def free_surface(cells: CellArray, number: int) -> FloatArray:
    """Return the points between a cell and the background beside it.

    Faces of the volume and contacts with other cells are no surface: the particle goes on there.

    Parameters
    ----------
    cells : numpy.ndarray, shape (z, y, x), int32
        Cells of one connected component.
    number : int
        Which cell.

    Returns
    -------
    numpy.ndarray, shape (n, 3), float64
        Points (z, y, x) in voxels of the array, half-way between the two voxels.
    """
    mine = ndimage.binary_fill_holes(cells == number)
    empty = (cells == 0) & ~mine
    points = []
    for axis in range(3):
        head = [slice(None)] * 3
        tail = [slice(None)] * 3
        head[axis], tail[axis] = slice(None, -1), slice(1, None)
        first, second = tuple(head), tuple(tail)
        edge = (mine[first] & empty[second]) | (empty[first] & mine[second])
        found = np.argwhere(edge).astype(np.float64)
        found[:, axis] += 0.5
        points.append(found)
    return np.concatenate(points)


def fit_ball(
    surface_zyx: FloatArray,
    centre_zyx: FloatArray,
    *,
    radius: float,
    radius_is_known: bool,
) -> tuple[FloatArray, float]:
    """Return centre and radius of the ball whose surface lies nearest to the points.

    Gauss-Newton steps on the distances from the surface, with Cauchy weights against cavities. A
    known radius is held by a prior of 5 percent, an unknown one is free.

    Parameters
    ----------
    surface_zyx : numpy.ndarray, shape (n, 3), float64
        Points on the surface in voxels; any part of it.
    centre_zyx : numpy.ndarray, shape (3,), float64
        Where to start.
    radius : float
        Radius to start from, in voxels.
    radius_is_known : bool
        Whether that radius is known from other particles.

    Returns
    -------
    centre_zyx : numpy.ndarray, shape (3,), float64
        Centre of the ball.
    radius : float
        Radius of the ball.

    Examples
    --------
    >>> angles = np.linspace(0.0, np.pi, 20)
    >>> rim = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    >>> cap = np.concatenate([rim, rim[:, [2, 1, 0]]]) * 5.0
    >>> centre, radius = fit_ball(cap, np.ones(3), radius=4.0, radius_is_known=False)
    >>> bool(np.allclose(centre, 0.0, atol=1e-6)), round(radius, 6)
    (True, 5.0)
    """
    centre, known = centre_zyx.astype(np.float64), radius
    for _ in range(FIT_STEPS):
        away = surface_zyx - centre
        distance = np.maximum(np.sqrt(np.einsum("ij,ij->i", away, away)), 1e-9)
        residual = distance - radius
        scale = max(FIT_LOSS_FRACTION * radius, 0.5)
        weight = 1.0 / (1.0 + (residual / scale) ** 2)
        away /= distance[:, None]  # minus the slope of the residual by the centre
        weighted = away * weight[:, None]
        total = weight.sum()
        normal = 1e-6 * np.eye(4)
        normal[:3, :3] += weighted.T @ away
        normal[:3, 3] = normal[3, :3] = weighted.sum(axis=0)
        normal[3, 3] += total
        force = np.append(weighted.T @ residual, weight @ residual)
        if radius_is_known:
            stiffness = total * (scale / (RADIUS_PRIOR_FRACTION * known)) ** 2 / len(weight)
            normal[3, 3] += stiffness
            force[3] += stiffness * (known - radius)
        step = np.linalg.solve(normal, force)
        centre += step[:3]
        radius += float(step[3])
        if np.abs(step).max() < 1e-3:
            break
    return centre, radius


def visible_fraction(centre_zyx: FloatArray, radius: float, shape_zyx: tuple[int, ...]) -> float:
    """Return which part of a ball lies inside the volume.

    Parameters
    ----------
    centre_zyx : numpy.ndarray, shape (3,), float64
        Centre (z, y, x) in voxels of the volume.
    radius : float
        Radius in voxels.
    shape_zyx : tuple of int
        Shape of the volume.

    Examples
    --------
    >>> round(visible_fraction(np.array([-0.5, 20.0, 20.0]), 8.0, (40, 40, 40)), 2)
    0.5
    """
    reach = int(np.ceil(radius))
    grid = np.arange(-reach, reach + 1)
    nearest = np.round(centre_zyx)
    inside_ball = squared_distance((len(grid),) * 3, reach + centre_zyx - nearest) <= radius**2
    inside = [
        (grid + start >= 0) & (grid + start < size)
        for start, size in zip(nearest, shape_zyx, strict=True)
    ]
    in_volume = inside[0][:, None, None] & inside[1][None, :, None] & inside[2][None, None, :]
    total = int(inside_ball.sum())
    return float((inside_ball & in_volume).sum() / total) if total else 1.0
