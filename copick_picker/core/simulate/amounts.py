"""What a plan asks for in numbers, and what is refused."""

from collections.abc import Mapping

import numpy as np

from copick_picker.core.simulate.canvas import Canvas
from copick_picker.core.simulate.membrane_scenes import PROTEIN_VOLTS
from copick_picker.core.simulate.molecules import Molecule
from copick_picker.core.simulate.truth import PlacedObjects
from copick_picker.errors import DataError, UnknownNameError, choices_text, nearest_name
from copick_picker.records.simulation import (
    CONCENTRATION,
    COUNT,
    LAYOUT,
    Amount,
    SpecimenSpec,
)

CUBIC_MICROMETRE = 1e12
"""In cubic Angstrom."""


def how_many(
    name: str,
    amount: Amount,
    slab_volume: float,
    rng: np.random.Generator,
    integral: float | None = None,
) -> int:
    """Return how many particles an amount stands for.

    Parameters
    ----------
    name : str
        Name of the particles, for messages.
    amount : Amount
        What the plan says; not one of a layout.
    slab_volume : float
        Volume of the ice inside the volume, in cubic Angstrom.
    rng : numpy.random.Generator
        Source of randomness.
    integral : float or None
        Integrated potential of one particle in V A^3; None where it is not known.

    Raises
    ------
    DataError
        If the amount is of a kind that these particles cannot have.

    Examples
    --------
    >>> how_many("a", Amount("concentration", 200, 200), 2e10, np.random.default_rng(1))
    4
    """
    if amount.kind == COUNT:
        return int(rng.integers(round(amount.low), round(amount.high), endpoint=True))
    drawn = rng.uniform(amount.low, amount.high)
    if amount.kind == CONCENTRATION:
        return round(drawn * slab_volume / CUBIC_MICROMETRE)
    if integral is None or amount.kind == LAYOUT:
        msg = f"amount of {name} is a {amount.kind}; expected a {COUNT} or a {CONCENTRATION}"
        raise DataError(msg)
    return round(drawn * slab_volume * PROTEIN_VOLTS / integral)


def integrated_potential(molecule: Molecule) -> float:
    """Return a molecule's integrated potential in V A^3: a spline's weights sum to 1.

    Parameters
    ----------
    molecule : Molecule
        The molecule.
    """
    total = float(molecule.coefficients.sum(dtype=np.float64))
    return total * molecule.source_spacing**3


def check_names(spec: SpecimenSpec, molecules: Mapping[str, Molecule]) -> None:
    """Refuse a plan in which a molecule is missing or two things have one name.

    Parameters
    ----------
    spec : SpecimenSpec
        The plan.
    molecules : mapping of str to Molecule
        What is given.

    Raises
    ------
    UnknownNameError
        If a molecule is missing.
    DataError
        If two things have one name.
    """
    fillers = spec.crowding.molecules if spec.crowding else ()
    needed = [entry.molecule for entry in spec.particles]
    needed += [*(entry.molecule for entry in spec.filaments), *fillers]
    for name in needed:
        if name not in molecules:
            msg = f"no molecule {name}; given: {choices_text(molecules)}"
            raise UnknownNameError(msg + nearest_name(name, molecules))
    names = [entry.name for entry in spec.entries()] + [*fillers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"{choices_text(twice)}: one name is used twice in a specimen"
        raise DataError(msg)


def check_molecules(molecules: Mapping[str, Molecule], voxel_spacing: float) -> None:
    """Refuse a molecule that is empty or made for another voxel spacing.

    Parameters
    ----------
    molecules : mapping of str to Molecule
        What is given.
    voxel_spacing : float
        Edge of a voxel in Angstrom.

    Raises
    ------
    DataError
        If a molecule cannot be drawn.
    """
    for name, molecule in molecules.items():
        if not np.isclose(molecule.target_spacing, voxel_spacing, rtol=1e-6):
            msg = (
                f"molecule {name} is made for voxels of {molecule.target_spacing:g} A; "
                f"expected {voxel_spacing:g} A"
            )
            raise DataError(msg)
        total = integrated_potential(molecule)
        if not (np.isfinite(total) and total > 0.0):
            msg = f"molecule {name} is empty: its potential sums to {total:g} V A^3"
            raise DataError(msg)


def check_all_fitted(
    spec: SpecimenSpec,
    canvas: Canvas,
    asked: Mapping[str, int],
    placed: Mapping[str, PlacedObjects],
) -> None:
    """Refuse a specimen in which something does not fit that may not be left out.

    Parameters
    ----------
    spec : SpecimenSpec
        The plan.
    canvas : Canvas
        Where it was to fit.
    asked : mapping of str to int
        How many of each name.
    placed : mapping of str to PlacedObjects
        What was placed.

    Raises
    ------
    DataError
        If there are fewer than asked; the message counts them.
    """
    missing = [
        f"{placed[entry.name].count()} of {asked[entry.name]} {entry.name}"
        for entry in spec.entries()
        if not entry.allow_fewer and placed[entry.name].count() < asked[entry.name]
    ]
    if missing:
        msg = f"{described(canvas)} has no room for everything: placed {', '.join(missing)}"
        raise DataError(msg)


def described(canvas: Canvas) -> str:
    """Return a specimen's size in words, for messages.

    Parameters
    ----------
    canvas : Canvas
        The specimen.
    """
    depth, height, width = canvas.shape_zyx
    bottom, top = canvas.space.ice_z_angstrom
    return (
        f"specimen of {depth} x {height} x {width} voxels of {canvas.voxel_spacing:g} A "
        f"with {top - bottom:.0f} A of ice"
    )
