"""Flagellar motors, and what can be taken for one, as analytic potentials.

A motor is drawn from soft-edged solids of revolution about the membrane's normal, with sizes after
in situ averages of bacterial motors (S. Chen et al. 2011, EMBO J. 30, 2972; B. Chaban et al. 2018,
Sci. Rep. 8, 97): C-ring, MS-ring, studs of the stators, export gate, rod, P- and L-ring, hook. The
others have its size and about its potential but not its rings. z is 0 at the middle of the inner
membrane and grows outwards. Variants differ in size, number of studs and density, as species do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.errors import UnknownNameError, choices_text, nearest_name

FloatArray = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
EDGE_ANGSTROM = 12.0
"""Half-width of the soft edge of every part."""
N_VARIANTS = 6
_SIZE_RANGE = (0.86, 1.14)
_DENSITY_RANGE = (0.85, 1.1)
_STUDS_RANGE = (11, 18)


@dataclass(frozen=True)
class _Variant:
    size: float
    density: float
    n_studs: int
    hook_angstrom: float


@dataclass(frozen=True, eq=False)
class Cylindrical:
    """Positions about the membrane's normal.

    Attributes
    ----------
    rho, z, phi : numpy.ndarray, shape (1, n, n), (n, 1, 1) and (1, n, n), float64
        Distance from the normal and height in Angstrom, and angle in radians.
    """

    rho: FloatArray
    z: FloatArray
    phi: FloatArray


def shape_potential(name: str, variant: int, voxel_spacing: float) -> tuple[Volume, float]:
    """Return a shape's potential, and where the inner membrane lies in it.

    Parameters
    ----------
    name : str
        One of ``SHAPES``.
    variant : int
        From 0; the same variant always looks the same.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Returns
    -------
    potential : numpy.ndarray, shape (n, n, n), float32
        Volts over ice; the centre of mass lies at voxel n // 2.
    membrane_z_angstrom : float
        Height of the inner membrane's middle above the centre of mass.

    Raises
    ------
    UnknownNameError
        If there is no such shape.

    Examples
    --------
    >>> potential, membrane = shape_potential("flagellar-motor", 0, 20.0)
    >>> len(set(potential.shape)), bool(potential.max() < 4.0), bool(-150 < membrane < 150)
    (1, True, True)
    """
    if name not in SHAPES:
        near = nearest_name(name, SHAPES)
        msg = f"no shape '{name}'{near}; shapes: {choices_text(SHAPES)}"
        raise UnknownNameError(msg)
    rng = np.random.default_rng([variant, sorted(SHAPES).index(name)])
    drawn = _Variant(
        rng.uniform(*_SIZE_RANGE),
        rng.uniform(*_DENSITY_RANGE),
        int(rng.integers(*_STUDS_RANGE)),
        rng.uniform(20.0, 60.0),
    )
    draw, reach = SHAPES[name]
    side = 2 * int(np.ceil(reach * _SIZE_RANGE[1] / voxel_spacing)) + 3
    first = _density(draw, side, voxel_spacing, drawn, 0.0)
    planes = first.sum(axis=(1, 2))
    mean_z = float((np.arange(side) - side // 2) @ planes / planes.sum()) * voxel_spacing
    potential = _density(draw, side, voxel_spacing, drawn, mean_z)
    return potential.astype(np.float32), -mean_z


def _density(
    draw: "Callable[[Cylindrical, _Variant], FloatArray]",
    side: int,
    voxel_spacing: float,
    variant: _Variant,
    middle_z: float,
) -> FloatArray:
    axis = (np.arange(side) - side // 2) * voxel_spacing
    z, y, x = np.ix_(axis + middle_z, axis, axis)
    rho = np.asarray(np.hypot(y, x) / variant.size, dtype=np.float64)
    height = np.asarray(z / variant.size, dtype=np.float64)
    where = Cylindrical(rho, height, np.asarray(np.arctan2(y, x), dtype=np.float64))
    return variant.density * draw(where, variant)


def _between(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return 1 between two bounds and 0 outside, with soft edges."""
    rise, fall = (values - low) / EDGE_ANGSTROM, (values - high) / EDGE_ANGSTROM
    return np.asarray(0.5 * (np.tanh(rise) - np.tanh(fall)))


def _solid(at: Cylindrical, rho: tuple[float, float], z: tuple[float, float]) -> FloatArray:
    """Return a soft ring between two radii and two heights."""
    inner = -1e3 if rho[0] == 0.0 else rho[0]
    return _between(at.rho, inner, rho[1]) * _between(at.z, *z)


def _together(parts: Sequence[FloatArray]) -> FloatArray:
    """Return the sum of parts; where they overlap, no more than dense protein has."""
    total = np.zeros(())
    for part in parts:
        total = total + part
    return np.asarray(np.minimum(total, 3.5), dtype=np.float64)


def _motor(at: Cylindrical, variant: _Variant) -> FloatArray:
    """Return a motor: about 500 A across, 600 A long with its hook."""
    studs = 0.5 + 0.5 * np.cos(variant.n_studs * at.phi)
    parts = (
        2.6 * _solid(at, (170.0, 230.0), (-200.0, -60.0)),  # C-ring
        2.6 * _solid(at, (0.0, 130.0), (-55.0, 35.0)),  # MS-ring
        1.3 * _solid(at, (90.0, 190.0), (-95.0, -45.0)),  # neck between both
        2.4 * studs * _solid(at, (190.0, 260.0), (-30.0, 90.0)),  # stators
        1.8 * _solid(at, (0.0, 75.0), (-195.0, -115.0)),  # export gate and ATPase
        2.6 * _solid(at, (0.0, 50.0), (35.0, 300.0)),  # rod
        2.4 * _solid(at, (65.0, 135.0), (195.0, 245.0)),  # P-ring
        2.4 * _solid(at, (65.0, 120.0), (275.0, 325.0)),  # L-ring
        2.4 * _solid(at, (0.0, 80.0), (325.0, 330.0 + variant.hook_angstrom)),  # hook
    )
    return _together(parts)


def _needle(at: Cylindrical, variant: _Variant) -> FloatArray:
    """Return a needle complex: a rod through both membranes as a motor has, without a C-ring."""
    pods = 0.5 + 0.5 * np.cos(6.0 * at.phi)
    parts = (
        2.6 * _solid(at, (40.0, 125.0), (-35.0, 70.0)),
        1.6 * pods * _solid(at, (90.0, 170.0), (-210.0, -90.0)),
        2.5 * _solid(at, (35.0, 95.0), (70.0, 200.0)),
        2.5 * _solid(at, (35.0, 105.0), (235.0, 300.0)),
        2.4 * _solid(at, (0.0, 40.0), (-40.0, 340.0 + variant.hook_angstrom)),
    )
    return _together(parts)


def _lump(at: Cylindrical, variant: _Variant) -> FloatArray:
    """Return a lump at the membrane: a motor's size and potential without rings or rod."""
    uneven = 0.75 + 0.25 * np.cos(2.0 * at.phi + variant.n_studs)
    body = (at.rho / 245.0) ** 2 + ((at.z + 80.0) / 165.0) ** 2
    return np.asarray(2.6 * uneven * _between(np.sqrt(body) * 165.0, -1e3, 165.0))


def _array(at: Cylindrical, variant: _Variant) -> FloatArray:
    """Return a patch of an array of receptors: columns from the membrane to a plate of kinases."""
    x, y = at.rho * np.cos(at.phi), at.rho * np.sin(at.phi)
    lattice = np.zeros_like(x)
    for angle in (0.0, np.pi / 3.0, 2.0 * np.pi / 3.0):
        along = x * np.cos(angle + variant.n_studs) + y * np.sin(angle + variant.n_studs)
        lattice += np.cos(2.0 * np.pi * along / 105.0) / 3.0
    columns = np.clip(0.4 + lattice, 0.0, 1.0)
    patch = _between(at.rho, -1e3, 260.0)
    return np.asarray(
        patch
        * (
            2.0 * columns * _between(at.z, -240.0, 40.0)
            + 2.4 * (0.5 + 0.5 * columns) * _between(at.z, -280.0, -240.0)
        )
    )


def _granule(at: Cylindrical, variant: _Variant) -> FloatArray:
    """Return a storage granule: an even ball of a motor's size."""
    radius = 180.0 + variant.hook_angstrom
    return 2.5 * _between(np.hypot(at.rho, at.z), -1e3, radius)


SHAPES: dict[str, tuple[Callable[[Cylindrical, _Variant], FloatArray], float]] = {
    "flagellar-motor": (_motor, 405.0),
    "needle-complex": (_needle, 400.0),
    "membrane-lump": (_lump, 280.0),
    "receptor-array": (_array, 320.0),
    "granule": (_granule, 260.0),
}
"""Name -> what draws it, and how far it reaches from its middle in Angstrom."""
