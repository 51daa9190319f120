"""The plan of a simulated specimen.

Pairs are ranges to draw from, both ends included. Lengths are in Angstrom. Angles and shapes are
drawn by :func:`copick_picker.core.simulate.specimen.build_specimen`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError, choices_text

Range = tuple[float, float]
FloatArray = npt.NDArray[np.float64]

COUNT = "count"
CONCENTRATION = "concentration"
VOLUME_SHARE = "volume-share"
LAYOUT = "layout"
AMOUNT_KINDS = (COUNT, CONCENTRATION, VOLUME_SHARE, LAYOUT)


@dataclass(frozen=True)
class Amount:
    """Amount of something in a specimen.

    Attributes
    ----------
    kind : str
        ``count``: particles; ``concentration``: particles per cubic micrometre of the slab;
        ``volume-share``: share of the slab's volume that the molecules' potential fills, at the
        potential of protein; ``layout``: number and positions of the real picks.
    low, high : float
        Range to draw from; not used by ``layout``.

    Raises
    ------
    DataError
        If the kind is unknown, the range is not 0 <= low <= high, or a share is above 1.
    """

    kind: str
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        """Check the kind and the range."""
        if self.kind not in AMOUNT_KINDS:
            msg = f"amount is of kind {self.kind}; expected one of {choices_text(AMOUNT_KINDS)}"
            raise DataError(msg)
        if not 0.0 <= self.low <= self.high < float("inf"):
            msg = f"amount is {self.low} to {self.high}; expected 0 <= low <= high"
            raise DataError(msg)
        if self.kind == VOLUME_SHARE and self.high > 1.0:
            msg = f"amount is a volume share of {self.high}; expected at most 1"
            raise DataError(msg)


@dataclass(frozen=True)
class ParticleSpec:
    """One kind of molecule.

    Attributes
    ----------
    name : str
        Name of the object or distractor; unique in a specimen.
    molecule : str
        Key of the molecule to draw.
    amount : Amount
        Number or density.
    is_labelled : bool
        Whether it is in the labels of the ground truth; distractors are not.
    allow_fewer : bool
        Whether fewer than requested may be placed if there is no room.
    membrane_centre_z_angstrom : float or None
        None: dissolved, in any orientation. A number: a membrane protein, placed with its +z along
        the membrane's outward normal and the membrane's mid-plane this far along +z from its centre
        of mass; its rotation about the normal is drawn uniformly.
    membrane : str or None
        Name of the membranes that a membrane protein stands in; None: any.
    where : str or None
        ``inside`` or ``outside``: on which side of the cells' membranes a dissolved molecule's
        centre lies; None: anywhere.
    """

    name: str
    molecule: str
    amount: Amount
    is_labelled: bool
    allow_fewer: bool
    membrane_centre_z_angstrom: float | None = None
    membrane: str | None = None
    where: str | None = None


@dataclass(frozen=True)
class MembraneSpec:
    """Lipid bilayers: closed vesicles, open sheets, or cells that the volume cuts.

    Attributes
    ----------
    name : str
        Name of the membranes; unique in a specimen.
    form : str
        ``vesicle`` (closed, about a sphere), ``sheet`` (an open disc) or ``cell`` (two vesicles
        with one middle, larger than the volume, whose surface passes through it).
    amount : Amount
        Number or density.
    radius_angstrom : tuple of float
        Radius of a vesicle's mid-plane, or of a sheet's disc.
    roughness : tuple of float
        Standard deviation of the surface: of a vesicle's radius over directions, as a share of it;
        of a sheet's height, as a fraction of its radius.
    leaflet_distance_angstrom : tuple of float
        Distance between the densest planes of the two leaflets.
    leaflet_sigma_angstrom : float
        Standard deviation of a leaflet's Gaussian profile.
    leaflet_volt_angstrom : tuple of float
        Excess potential integrated across one leaflet.
    is_labelled : bool
        Whether the bilayers are in the ground truth.
    allow_fewer : bool
        Whether fewer than requested may be placed.
    outer_distance_angstrom : tuple of float
        Distance of a cell's outer membrane from its inner one.
    """

    name: str
    form: str
    amount: Amount
    radius_angstrom: Range
    roughness: Range
    leaflet_distance_angstrom: Range
    leaflet_sigma_angstrom: float
    leaflet_volt_angstrom: Range
    is_labelled: bool
    allow_fewer: bool
    outer_distance_angstrom: Range = (0.0, 0.0)


@dataclass(frozen=True)
class LayerRange:
    """Ranges for drawing one layer of a shell; the fields are those of ``ShellLayer``."""

    offset_angstrom: Range
    sigma_angstrom: Range
    volt_angstrom: Range
    is_patchy: bool


@dataclass(frozen=True)
class EnvelopedSpec:
    """Enveloped virus-like particles: a membrane and lattices of protein inside it.

    Attributes
    ----------
    name : str
        Name of the particles; unique in a specimen.
    amount : Amount
        Number or density.
    radius_angstrom : tuple of float
        Radius of the reference layer (offset 0).
    outer_angstrom : float
        How far a particle reaches beyond that radius.
    roughness : tuple of float
        Standard deviation of the radius over directions, as a share of it.
    coverage : tuple of float
        Share of the sphere that the patchy layers cover.
    layers : tuple of LayerRange
        Layers, such as two leaflets and the shells of a lattice.
    is_labelled : bool
        Whether they are in the ground truth.
    allow_fewer : bool
        Whether fewer than requested may be placed.
    """

    name: str
    amount: Amount
    radius_angstrom: Range
    outer_angstrom: float
    roughness: Range
    coverage: Range
    layers: tuple[LayerRange, ...]
    is_labelled: bool
    allow_fewer: bool


@dataclass(frozen=True)
class BeadSpec:
    """Solid balls, such as gold fiducials.

    Attributes
    ----------
    name : str
        Name of the beads; unique in a specimen.
    amount : Amount
        Number or density.
    radius_angstrom : tuple of float
        Radius.
    volts : float
        Potential over ice inside (gold: 22 V).
    is_labelled : bool
        Whether they are in the ground truth.
    allow_fewer : bool
        Whether fewer than requested may be placed.
    """

    name: str
    amount: Amount
    radius_angstrom: Range
    volts: float
    is_labelled: bool
    allow_fewer: bool


@dataclass(frozen=True)
class FilamentSpec:
    """Filaments: strands of subunits along a worm-like chain.

    Subunit ``i`` of strand ``k`` is at the arc length ``i * rise_angstrom + k * stagger_angstrom``,
    at the angle ``i * twist_degrees + k * 360 / n_strands`` about the chain. For a microtubule: 13
    strands, rise 40.9, stagger 9.4 (three starts), twist 0, subunits at radius 112, persistence
    length 5.2e7. For actin: 1 strand, rise 27.5, twist -166.6, radius 16, persistence length
    1.77e5.

    Attributes
    ----------
    name : str
        Name of the filaments; unique in a specimen.
    molecule : str
        Key of the subunit; its +z points along the chain and its +x away from it.
    amount : Amount
        Number or density of filaments.
    n_strands : int
        Strands.
    rise_angstrom, stagger_angstrom, twist_degrees : float
        The lattice.
    subunit_radius_angstrom : float
        Distance of the subunits' centres from the chain.
    outer_radius_angstrom : float
        Radius that the filament occupies.
    persistence_length_angstrom : float
        Persistence length.
    length_angstrom : tuple of float
        Contour length; parts outside the volume are cut off.
    point_distance_angstrom : float
        Spacing of the ground-truth points along the chain.
    is_labelled : bool
        Whether they are in the ground truth.
    allow_fewer : bool
        Whether fewer than requested may be placed.
    """

    name: str
    molecule: str
    amount: Amount
    n_strands: int
    rise_angstrom: float
    stagger_angstrom: float
    twist_degrees: float
    subunit_radius_angstrom: float
    outer_radius_angstrom: float
    persistence_length_angstrom: float
    length_angstrom: Range
    point_distance_angstrom: float
    is_labelled: bool
    allow_fewer: bool


Entry = ParticleSpec | EnvelopedSpec | MembraneSpec | BeadSpec | FilamentSpec


@dataclass(frozen=True)
class IceSpec:
    """The slab of vitreous ice, normal to z; nothing lies outside it.

    Attributes
    ----------
    thickness_angstrom : tuple of float
        Thickness; may exceed the volume's.
    centre_offset_angstrom : tuple of float
        Position of the slab's middle along z relative to the volume's middle.
    adsorbed_share : float
        Share of the dissolved molecules that stick to one of the two air-water interfaces.
    adsorbed_gap_angstrom : tuple of float
        Distance of such a molecule's nearest voxel from the interface.
    """

    thickness_angstrom: Range
    centre_offset_angstrom: Range
    adsorbed_share: float
    adsorbed_gap_angstrom: Range


@dataclass(frozen=True)
class CrowdingSpec:
    """Unlabelled molecules that fill the free space.

    Attributes
    ----------
    molecules : tuple of str
        Keys of the molecules; each gets an equal share of the volume to fill.
    occupied_share : tuple of float
        Share of the slab's voxels that all particles cover together, fillers included.
    allow_fewer : bool
        Whether a lower share may be reached.
    """

    molecules: tuple[str, ...]
    occupied_share: Range
    allow_fewer: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions of the particles in one real tomogram.

    Attributes
    ----------
    name : str
        Name of the tomogram.
    points_xyz : mapping of str to numpy.ndarray, shape (n, 3), float64
        Centres (x, y, z) in Angstrom of each object.
    box_xyz : tuple of float
        Size (x, y, z) of the tomogram in Angstrom.
    """

    name: str
    points_xyz: Mapping[str, FloatArray]
    box_xyz: tuple[float, float, float]


@dataclass(frozen=True)
class SpecimenSpec:
    """Contents of a specimen.

    Attributes
    ----------
    particles : tuple of ParticleSpec
        Molecules: objects, distractors and membrane proteins.
    membranes : tuple of MembraneSpec
        Vesicles and sheets.
    enveloped : tuple of EnvelopedSpec
        Enveloped virus-like particles.
    beads : tuple of BeadSpec
        Gold beads.
    filaments : tuple of FilamentSpec
        Microtubules, actin.
    ice : IceSpec
        The slab.
    crowding : CrowdingSpec or None
        Filler molecules.
    layouts : tuple of Layout
        Real tomograms; one of them, drawn at random, gives the positions of the particles whose
        amount is of kind ``layout``.
    layout_jitter_angstrom : float
        Standard deviation of a particle's shift from its real position, along each axis.
    gap_angstrom : float
        Free space around a particle, rounded to voxels.
    footprint_volts : float
        A molecule covers the voxels where its potential is above this.
    """

    particles: tuple[ParticleSpec, ...]
    membranes: tuple[MembraneSpec, ...]
    enveloped: tuple[EnvelopedSpec, ...]
    beads: tuple[BeadSpec, ...]
    filaments: tuple[FilamentSpec, ...]
    ice: IceSpec
    crowding: CrowdingSpec | None
    layouts: tuple[Layout, ...]
    layout_jitter_angstrom: float
    gap_angstrom: float
    footprint_volts: float

    def entries(self) -> tuple[Entry, ...]:
        """Return everything with a name of its own, except fillers; labels follow this order."""
        return (
            *self.particles,
            *self.enveloped,
            *self.membranes,
            *self.beads,
            *self.filaments,
        )
