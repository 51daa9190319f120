"""Specimens of molecules, membranes, filaments, shells and beads in a slab of ice."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import (
    box_angstrom,
    length_to_voxels,
    points_to_voxels,
    rotations_xyz,
    voxels_to_points,
)
from copick_picker.core.simulate.amounts import (
    check_all_fitted,
    check_molecules,
    check_names,
    described,
    how_many,
    integrated_potential,
)
from copick_picker.core.simulate.bodies import place_beads, place_enveloped
from copick_picker.core.simulate.canvas import Canvas, Placed, placed_objects
from copick_picker.core.simulate.dissolved import (
    MoleculeKind,
    molecule_kind,
    place_at_points,
    place_dissolved,
)
from copick_picker.core.simulate.filaments import PlacedFilament, place_filaments
from copick_picker.core.simulate.layouts import window_of_layout
from copick_picker.core.simulate.membrane_scenes import (
    PlacedMembrane,
    place_membrane_proteins,
    place_membranes,
)
from copick_picker.core.simulate.molecules import Molecule
from copick_picker.core.simulate.space import FIRST_MEMBRANE, empty_space
from copick_picker.core.simulate.truth import PlacedObjects, Specimen
from copick_picker.errors import DataError, UnknownNameError, choices_text, nearest_name
from copick_picker.records.simulation import (
    LAYOUT,
    ParticleSpec,
    SpecimenSpec,
)

BORDER_VOXELS = 3
SHARE_REACHED = 0.98
"""Share of the wanted crowding at which it counts as reached."""


def build_specimen(
    spec: SpecimenSpec,
    molecules: Mapping[str, Molecule],
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    rng: np.random.Generator,
) -> Specimen:
    """Return a specimen: the potential of all that a plan asks for, and the truth about it.

    Placed in this order: filaments, enveloped particles, membranes, beads, membrane proteins,
    molecules at real places, molecules at random places, fillers; molecules from large to small.
    No two cover the same voxel, except that a membrane protein stands in its membrane. Centres lie
    inside the volume (of membranes and filaments not necessarily); shapes may be cut by the faces
    across y and x, and by those across z where the ice is thicker than the volume.

    Parameters
    ----------
    spec : SpecimenSpec
        The plan.
    molecules : mapping of str to Molecule
        Every molecule that the plan names, made for this voxel spacing.
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same bytes.

    Returns
    -------
    Specimen
        Potential, positions, orientations, and labels of real extent.

    Raises
    ------
    UnknownNameError
        If the plan names a molecule or a layout's object that was not given.
    DataError
        If names clash, a molecule was made for another spacing, is empty or has no voxel above the
        footprint's voltage, or if not everything fits that may not be left out; the message says
        how many fitted.

    Examples
    --------
    >>> from copick_picker.core.simulate.molecules import prepared_molecule
    >>> from copick_picker.records.simulation import Amount, IceSpec
    >>> grid = np.indices((16, 16, 16)) - 8.0
    >>> ball = 4.0 * np.exp(-(grid**2).sum(axis=0) / 18.0)
    >>> molecule = prepared_molecule("ball", ball, source_spacing=5.0, target_spacing=10.0)
    >>> particle = ParticleSpec("ball", "ball", Amount("count", 3, 3), True, False)
    >>> ice = IceSpec((200.0, 200.0), (0.0, 0.0), 0.0, (0.0, 0.0))
    >>> plan = SpecimenSpec((particle,), (), (), (), (), ice, None, (), 0.0, 0.0, 1.5)
    >>> specimen = build_specimen(plan, {"ball": molecule}, (24, 30, 36), 10.0,
    ...                           np.random.default_rng(1))
    >>> specimen.placed["ball"].points_xyz.shape
    (3, 3)
    """
    check_names(spec, molecules)
    check_molecules(molecules, voxel_spacing)
    canvas = _empty_canvas(spec, molecules, shape_zyx, voxel_spacing, rng)
    slab = _ice_planes(canvas)
    volume = float(np.count_nonzero(slab) * shape_zyx[1] * shape_zyx[2]) * voxel_spacing**3
    asked: dict[str, int] = {}
    placed: dict[str, PlacedObjects] = {}
    membranes = _place_structures(canvas, spec, molecules, volume, (asked, placed), rng)
    layout = _place_molecules(canvas, spec, molecules, (membranes, volume), (asked, placed), rng)
    check_all_fitted(spec, canvas, asked, placed)
    if spec.crowding is not None:
        _fill(canvas, spec, molecules, (asked, placed), rng)
    canvas.potential[~slab] = 0.0
    inside = canvas.covered[slab]
    return Specimen(
        canvas.potential,
        voxel_spacing,
        placed,
        tuple(entry.name for entry in spec.entries() if entry.is_labelled),
        canvas.instances,
        canvas.space.ice_z_angstrom,
        asked,
        float(inside.mean()) if inside.size else 0.0,
        layout,
    )


Truth = tuple[dict[str, int], dict[str, PlacedObjects]]
"""How many of each name were asked for, and what was placed; both grow."""


def _empty_canvas(
    spec: SpecimenSpec,
    molecules: Mapping[str, Molecule],
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    rng: np.random.Generator,
) -> Canvas:
    """Return empty volumes with a slab of ice, wide enough for shapes that stick out."""
    thickness = rng.uniform(*spec.ice.thickness_angstrom)
    middle = 0.5 * float(box_angstrom(shape_zyx, voxel_spacing)[2])
    middle += rng.uniform(*spec.ice.centre_offset_angstrom)
    sides = [
        molecule.coefficients.shape[0] * molecule.source_spacing for molecule in molecules.values()
    ]
    gap = round(length_to_voxels(spec.gap_angstrom, voxel_spacing))
    reach = length_to_voxels(0.5 * max(sides, default=0.0), voxel_spacing)
    pad = int(np.ceil(reach)) + gap + BORDER_VOXELS
    surfaces = (middle - 0.5 * thickness, middle + 0.5 * thickness)
    return Canvas(
        np.zeros(shape_zyx, dtype=np.float32),
        np.zeros(shape_zyx, dtype=np.uint16),
        np.zeros(shape_zyx, dtype=bool),
        empty_space(shape_zyx, voxel_spacing, surfaces, pad),
        spec.footprint_volts,
        gap,
    )


def _ice_planes(canvas: Canvas) -> npt.NDArray[np.bool_]:
    """Return which planes (z) of the volume lie in the ice."""
    bottom, top = (canvas.voxels(surface) for surface in canvas.space.ice_z_angstrom)
    planes = np.arange(canvas.shape_zyx[0])
    inside: npt.NDArray[np.bool_] = (planes >= bottom) & (planes <= top)
    return inside


def _place_structures(
    canvas: Canvas,
    spec: SpecimenSpec,
    molecules: Mapping[str, Molecule],
    slab_volume: float,
    truth: Truth,
    rng: np.random.Generator,
) -> list[PlacedMembrane]:
    """Place all that is no single molecule; return the membranes."""
    asked, placed = truth
    for filament in spec.filaments:
        asked[filament.name] = how_many(filament.name, filament.amount, slab_volume, rng)
        chains = place_filaments(
            canvas, filament, molecules[filament.molecule], asked[filament.name], rng
        )
        placed[filament.name] = _filament_objects(chains, canvas.voxel_spacing)
    for enveloped in spec.enveloped:
        asked[enveloped.name] = how_many(enveloped.name, enveloped.amount, slab_volume, rng)
        shells = place_enveloped(canvas, enveloped, asked[enveloped.name], rng)
        placed[enveloped.name] = placed_objects(shells, canvas.voxel_spacing)
    membranes: list[PlacedMembrane] = []
    for membrane in spec.membranes:
        asked[membrane.name] = how_many(membrane.name, membrane.amount, slab_volume, rng)
        first = FIRST_MEMBRANE + len(membranes)
        bilayers = place_membranes(canvas, membrane, asked[membrane.name], first, rng)
        placed[membrane.name] = placed_objects(
            [bilayer.placed for bilayer in bilayers], canvas.voxel_spacing
        )
        membranes += bilayers
    for bead in spec.beads:
        asked[bead.name] = how_many(bead.name, bead.amount, slab_volume, rng)
        balls = place_beads(canvas, bead, asked[bead.name], rng)
        placed[bead.name] = placed_objects(balls, canvas.voxel_spacing)
    return membranes


def _place_molecules(
    canvas: Canvas,
    spec: SpecimenSpec,
    molecules: Mapping[str, Molecule],
    room: tuple[Sequence[PlacedMembrane], float],
    truth: Truth,
    rng: np.random.Generator,
) -> str:
    """Place membrane proteins, then molecules at real places, then the others; large ones first.

    Returns the name of the layout, or an empty string.
    """
    asked, placed = truth
    membranes, slab_volume = room
    layout, real_points = _drawn_layout(canvas, spec, rng)
    ordered = sorted(
        spec.particles,
        key=lambda entry: (
            entry.membrane_centre_z_angstrom is None,
            not _is_at_real_place(entry),
            -integrated_potential(molecules[entry.molecule]),
        ),
    )
    for entry in ordered:
        molecule = molecules[entry.molecule]
        found: list[Placed] = []
        if _is_at_real_place(entry):
            kind = molecule_kind(canvas, entry.name, molecule, is_labelled=entry.is_labelled)
            points_zyx = points_to_voxels(real_points[entry.name], canvas.voxel_spacing)
            asked[entry.name] = len(points_zyx)
            jitter = canvas.voxels(spec.layout_jitter_angstrom)
            found = place_at_points(canvas, kind, points_zyx, jitter, rng)
        else:
            count = how_many(
                entry.name, entry.amount, slab_volume, rng, integrated_potential(molecule)
            )
            asked[entry.name] = count
            if count:
                kind = molecule_kind(canvas, entry.name, molecule, is_labelled=entry.is_labelled)
                kind = replace(kind, where=entry.where)
                found = _place_at_random(canvas, spec, entry, (kind, count), membranes, rng)
        placed[entry.name] = placed_objects(found, canvas.voxel_spacing)
    return layout


def _place_at_random(
    canvas: Canvas,
    spec: SpecimenSpec,
    entry: ParticleSpec,
    what: tuple[MoleculeKind, int],
    membranes: Sequence[PlacedMembrane],
    rng: np.random.Generator,
) -> list[Placed]:
    kind, count = what
    depth = entry.membrane_centre_z_angstrom
    if depth is None:
        return place_dissolved(canvas, kind, count, spec.ice, rng)
    own = [each for each in membranes if entry.membrane in (None, each.name)]
    return place_membrane_proteins(canvas, kind, count, depth, own, rng)


def _is_at_real_place(entry: ParticleSpec) -> bool:
    return entry.amount.kind == LAYOUT and entry.membrane_centre_z_angstrom is None


def _drawn_layout(
    canvas: Canvas, spec: SpecimenSpec, rng: np.random.Generator
) -> tuple[str, Mapping[str, npt.NDArray[np.float64]]]:
    """Return the name of a layout drawn at random and its points in the volume."""
    wanted = [entry.name for entry in spec.particles if _is_at_real_place(entry)]
    if not wanted:
        return "", {}
    if not spec.layouts:
        msg = f"{choices_text(wanted)}: the amount comes from a layout, but there is none"
        raise DataError(msg)
    layout = spec.layouts[int(rng.integers(len(spec.layouts)))]
    for name in wanted:
        if name not in layout.points_xyz:
            msg = f"layout {layout.name} has no object {name}; it has "
            msg += choices_text(layout.points_xyz) + nearest_name(name, layout.points_xyz)
            raise UnknownNameError(msg)
    box_xyz = box_angstrom(canvas.shape_zyx, canvas.voxel_spacing)
    return layout.name, window_of_layout(layout, box_xyz, canvas.space.ice_z_angstrom, rng)


def _fill(
    canvas: Canvas,
    spec: SpecimenSpec,
    molecules: Mapping[str, Molecule],
    truth: Truth,
    rng: np.random.Generator,
) -> None:
    """Fill what is free up to the wanted share of the slab, large molecules first."""
    crowding = spec.crowding
    if crowding is None:
        return
    asked, placed = truth
    slab = _ice_planes(canvas)
    n_voxels = int(np.count_nonzero(slab)) * canvas.shape_zyx[1] * canvas.shape_zyx[2]
    goal = rng.uniform(*crowding.occupied_share) * n_voxels
    ordered = sorted(crowding.molecules, key=lambda name: -integrated_potential(molecules[name]))
    for index, name in enumerate(ordered):
        covered = int(np.count_nonzero(canvas.covered[slab]))
        wanted = (goal - covered) / (len(ordered) - index)
        kind = molecule_kind(canvas, name, molecules[name], is_labelled=False)
        found = place_dissolved(
            canvas, kind, n_voxels, spec.ice, rng, voxels_wanted=max(wanted, 0.0)
        )
        asked[name] = len(found)
        placed[name] = placed_objects(found, canvas.voxel_spacing)
    reached = float(np.count_nonzero(canvas.covered[slab]))
    if reached < SHARE_REACHED * goal and not crowding.allow_fewer:
        msg = (
            f"{described(canvas)} cannot be filled to {goal / n_voxels:.3f} of the ice with "
            f"{choices_text(ordered)}: {reached / n_voxels:.3f} fitted"
        )
        raise DataError(msg)


def _filament_objects(chains: Sequence[PlacedFilament], voxel_spacing: float) -> PlacedObjects:
    lengths = [len(chain.points_zyx) for chain in chains]
    points = np.vstack([np.zeros((0, 3)), *(chain.points_zyx for chain in chains)])
    frames = np.concatenate([np.zeros((0, 3, 3)), *(chain.rotations_zyx for chain in chains)])
    numbers = np.array([chain.instance_id for chain in chains], dtype=np.int64)
    return PlacedObjects(
        voxels_to_points(points, voxel_spacing),
        rotations_xyz(frames),
        np.repeat(numbers, lengths),
        np.repeat(np.arange(1, len(chains) + 1), lengths),
    )
