"""Lipid bilayers: closed rough vesicles and open wavy sheets, with their surface normals.

A bilayer is two Gaussian leaflets on both sides of a mid-plane. The mid-plane is a sphere or a
plane with waves on it; the height above it is divided by the length of its gradient, so that the
thickness stays the same on a slope (to first order).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import length_to_voxels
from copick_picker.core.simulate.orientations import random_rotations
from copick_picker.errors import DataError
from copick_picker.records.simulation import MembraneSpec

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
VESICLE = "vesicle"
SHEET = "sheet"
CELL = "cell"
FORMS = (VESICLE, SHEET, CELL)
WAVES = 6
SMALLEST_SIGMA_VOXELS = 0.45
"""A leaflet thinner than this is drawn wider, with the same integral."""
EXTENT_SIGMAS = 1.5
"""The bilayer covers what lies within so many standard deviations of a leaflet's middle."""
TAIL_SIGMAS = 4.0


@dataclass(frozen=True, eq=False)
class Bilayer:
    """One bilayer; lengths in voxels, vectors (z, y, x).

    Attributes
    ----------
    form : str
        ``vesicle`` or ``sheet``.
    centre_zyx : numpy.ndarray, shape (3,), float64
        Middle of the sphere or of the disc.
    frame : numpy.ndarray, shape (3, 3), float64
        Columns: the normal of a sheet and two directions in its plane.
    radius : float
        Of the mid-plane's sphere, or of the disc.
    amplitude : float
        Standard deviation of the waves.
    vectors : numpy.ndarray, shape (3, w), float64
        Wave vectors: over unit directions for a vesicle, per voxel in the plane for a sheet.
    phases : numpy.ndarray, shape (w,), float64
        Phases of the waves.
    half_distance, sigma, volt_voxels : float
        Half the leaflets' distance, their standard deviation, and the potential integrated across
        one leaflet in volts times voxels.
    """

    form: str
    centre_zyx: FloatArray
    frame: FloatArray
    radius: float
    amplitude: float
    vectors: FloatArray
    phases: FloatArray
    half_distance: float
    sigma: float
    volt_voxels: float

    @property
    def reach(self) -> float:
        """Distance from the centre beyond which the bilayer has no potential, in voxels."""
        return self.radius + 3.0 * self.amplitude + self.half_distance + TAIL_SIGMAS * self.sigma

    @property
    def extent(self) -> float:
        """Distance from the mid-plane that the bilayer covers, in voxels."""
        return self.half_distance + EXTENT_SIGMAS * self.sigma


def drawn_bilayer(
    spec: MembraneSpec, centre_zyx: FloatArray, voxel_spacing: float, rng: np.random.Generator
) -> Bilayer:
    """Return a bilayer drawn from the ranges of a plan.

    Parameters
    ----------
    spec : MembraneSpec
        What to draw from.
    centre_zyx : numpy.ndarray, shape (3,)
        Its middle in voxels.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rng : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    DataError
        If the form is not known.
    """
    if spec.form not in FORMS:
        msg = f"membrane {spec.name} has the form {spec.form}; expected {', '.join(FORMS)}"
        raise DataError(msg)
    radius = length_to_voxels(rng.uniform(*spec.radius_angstrom), voxel_spacing)
    vectors = rng.standard_normal((3, WAVES))
    if spec.form == SHEET:
        vectors[0] = 0.0
    vectors *= rng.uniform(1.0, 4.0, WAVES) / np.linalg.norm(vectors, axis=0)
    if spec.form == SHEET:
        vectors *= np.pi / (2.0 * radius)
    return Bilayer(
        SHEET if spec.form == SHEET else VESICLE,
        np.asarray(centre_zyx, dtype=np.float64),
        random_rotations(1, rng)[0],
        radius,
        radius * rng.uniform(*spec.roughness),
        vectors,
        rng.uniform(0.0, 2.0 * np.pi, WAVES),
        0.5 * length_to_voxels(rng.uniform(*spec.leaflet_distance_angstrom), voxel_spacing),
        max(length_to_voxels(spec.leaflet_sigma_angstrom, voxel_spacing), SMALLEST_SIGMA_VOXELS),
        length_to_voxels(rng.uniform(*spec.leaflet_volt_angstrom), voxel_spacing),
    )


def heights(bilayer: Bilayer, voxels_zyx: npt.NDArray[np.number]) -> tuple[FloatArray, FloatArray]:
    """Return the height above the mid-plane, outwards, and the unit normals.

    Parameters
    ----------
    bilayer : Bilayer
        The bilayer.
    voxels_zyx : numpy.ndarray, shape (n, 3)
        Positions in voxels of the volume.

    Returns
    -------
    heights : numpy.ndarray, shape (n,), float64
        Height in voxels, to first order a distance.
    normals_zyx : numpy.ndarray, shape (n, 3), float64
        Unit vectors (z, y, x) along which the height grows.
    """
    offsets = np.asarray(voxels_zyx, dtype=np.float64) - bilayer.centre_zyx
    if bilayer.form == VESICLE:
        distance = np.maximum(np.linalg.norm(offsets, axis=1), 1e-6)
        unit = offsets / distance[:, None]
        values, slopes = _waves(bilayer, unit)
        # The gradient of a function of the direction has no part along it.
        across = slopes - (slopes * unit).sum(axis=1)[:, None] * unit
        raw = distance - bilayer.radius - values
        gradient = unit - across / distance[:, None]
    else:
        inside = offsets @ bilayer.frame
        values, slopes = _waves(bilayer, inside)
        raw = inside[:, 0] - values
        slopes[:, 0] = -1.0
        gradient = -slopes @ bilayer.frame.T
    length = np.linalg.norm(gradient, axis=1)
    return raw / length, gradient / length[:, None]


def surface_samples(
    bilayer: Bilayer, count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return points spread evenly over the mid-plane's area, with the outward normals.

    Parameters
    ----------
    bilayer : Bilayer
        The bilayer.
    count : int
        How many points.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    points_zyx, normals_zyx : numpy.ndarray, shape (count, 3), float64
        In voxels of the volume, and unit vectors.
    """
    points, normals = np.zeros((0, 3)), np.zeros((0, 3))
    while len(points) < count:
        some, axes, weights = _surface_candidates(bilayer, max(2 * count, 64), rng)
        _, directions = heights(bilayer, some)
        area = weights / (directions * axes).sum(axis=1)
        keep = rng.random(len(some)) * area.max() < area
        points = np.vstack([points, some[keep]])
        normals = np.vstack([normals, directions[keep]])
    return points[:count], normals[:count]


def bilayer_area(bilayer: Bilayer) -> float:
    """Return the area of a bilayer without its waves, in square voxels.

    Parameters
    ----------
    bilayer : Bilayer
        The bilayer.
    """
    return float((4.0 if bilayer.form == VESICLE else 1.0) * np.pi * bilayer.radius**2)


def bilayer_box(
    bilayer: Bilayer, within_zyx: tuple[int, int, int] | None = None
) -> tuple[npt.NDArray[np.float32], BoolArray, IntArray]:
    """Return a bilayer in a box of its own, or the part of it in a volume.

    Parameters
    ----------
    bilayer : Bilayer
        The bilayer.
    within_zyx : tuple of int, optional
        Shape of the volume, which is then the box.

    Returns
    -------
    potential : numpy.ndarray, shape (a, b, c), float32
        Volts.
    body : numpy.ndarray, shape (a, b, c), bool
        Voxels that the bilayer covers.
    corner_zyx : numpy.ndarray, shape (3,), int64
        Lowest corner of the box in the volume.
    """
    low = np.floor(bilayer.centre_zyx - bilayer.reach).astype(np.int64)
    side = int(2 * np.ceil(bilayer.reach)) + 2
    box = (side, side, side)
    if within_zyx is not None:
        low, box = np.zeros(3, dtype=np.int64), within_zyx
    starts = (low - bilayer.centre_zyx).tolist()
    axes = [np.arange(size) + start for size, start in zip(box, starts, strict=True)]
    near = _near(bilayer, axes)
    voxels = np.argwhere(near) + low
    height, _ = heights(bilayer, voxels)
    profile = np.zeros(len(height))
    for middle in (-bilayer.half_distance, bilayer.half_distance):
        profile += np.exp(-0.5 * ((height - middle) / bilayer.sigma) ** 2)
    profile *= bilayer.volt_voxels / (bilayer.sigma * np.sqrt(2.0 * np.pi))
    covered = np.abs(height) <= bilayer.extent
    if bilayer.form == SHEET:
        inside = (voxels - bilayer.centre_zyx) @ bilayer.frame
        beyond = np.hypot(inside[:, 1], inside[:, 2]) - bilayer.radius
        profile *= 1.0 / (1.0 + np.exp(np.clip(4.0 * beyond, -50.0, 50.0)))
        covered &= beyond <= 0.0
    potential = np.zeros(box, dtype=np.float32)
    potential[near] = profile
    body = np.zeros(box, dtype=bool)
    body[near] = covered
    return potential, body, low


def _near(bilayer: Bilayer, axes: list[FloatArray]) -> BoolArray:
    """Return which voxels of a box, at offsets from the centre, may hold potential."""
    along_z, along_y, along_x = np.ix_(*axes)
    squared = along_z**2 + along_y**2 + along_x**2
    margin = bilayer.reach - bilayer.radius + 1.0
    if bilayer.form == VESICLE:
        inner = max(bilayer.radius - margin, 0.0)
        return (squared >= inner**2) & (squared <= (bilayer.radius + margin) ** 2)
    normal = bilayer.frame[:, 0]
    height = along_z * normal[0] + along_y * normal[1] + along_x * normal[2]
    near: BoolArray = (np.abs(height) <= margin) & (squared <= bilayer.reach**2)
    return near


def _waves(bilayer: Bilayer, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the waves' values (n,) and their slopes (n, 3) at positions (n, 3)."""
    angles = positions @ bilayer.vectors + bilayer.phases
    scale = bilayer.amplitude * np.sqrt(2.0 / WAVES)
    return scale * np.cos(angles).sum(axis=1), -scale * (np.sin(angles) @ bilayer.vectors.T)


def _surface_candidates(
    bilayer: Bilayer, count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return points of the mid-plane, the directions that they were drawn along, and weights.

    The points are even over the sphere's directions or the disc; the weight divided by the cosine
    between direction and normal is the area that a point stands for.
    """
    if bilayer.form == VESICLE:
        unit = rng.standard_normal((count, 3))
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        length = bilayer.radius + _waves(bilayer, unit)[0]
        return bilayer.centre_zyx + length[:, None] * unit, unit, length**2
    distance = bilayer.radius * np.sqrt(rng.random(count))
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    inside = np.stack([np.zeros(count), distance * np.cos(angle), distance * np.sin(angle)], axis=1)
    inside[:, 0] = _waves(bilayer, inside)[0]
    points = bilayer.centre_zyx + inside @ bilayer.frame.T
    return points, np.broadcast_to(bilayer.frame[:, 0], (count, 3)), np.ones(count)
