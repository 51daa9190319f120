"""What a scene of ``simulate`` can hold: one class an entry of the YAML file."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from copick_picker.errors import choices_text, nearest_name

AMOUNTS = ("count", "counts", "per_cubic_micrometre", "volume_share", "layout")
"""Ways to say how many; an entry takes one of them."""
Where = Literal["inside", "outside"]
Count = Annotated[int, Field(ge=0, le=10_000)]


def as_range(value: object) -> object:
    """Return a pair of equal numbers for a single number, else the value itself.

    Parameters
    ----------
    value : object
        What the YAML file gave.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (value, value) if is_number else value


_NotNegative = Annotated[float, Field(ge=0)]
Range = Annotated[tuple[float, float], BeforeValidator(as_range), Field()]
Lengths = Annotated[tuple[_NotNegative, _NotNegative], BeforeValidator(as_range)]
Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[tuple[Share, Share], BeforeValidator(as_range)]
Label = Annotated[int, Field(ge=1, le=255)]
Colour = tuple[
    Annotated[int, Field(ge=0, le=255)],
    Annotated[int, Field(ge=0, le=255)],
    Annotated[int, Field(ge=0, le=255)],
    Annotated[int, Field(ge=0, le=255)],
]


class Entry(BaseModel):
    """Part of a scene: unknown keys are refused with the nearest name, ranges are in order."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    CHOICES: ClassVar[frozenset[str]] = frozenset()
    """Attributes whose pair is two values to choose from, no range."""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: object) -> object:
        if value is None:
            return {}
        if isinstance(value, dict):
            valid = list(cls.model_fields)
            for key in value:
                if key not in valid:
                    near = nearest_name(str(key), valid)
                    msg = f"unknown key '{key}'{near}; valid: {choices_text(valid)}"
                    raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            is_range = isinstance(value, tuple) and len(value) == 2 and name not in self.CHOICES
            if is_range and all(isinstance(end, float) for end in value) and value[0] > value[1]:
                msg = f"{name}: the range {value[0]:g} to {value[1]:g} is reversed"
                raise ValueError(msg)
        return self


class AmountEntry(Entry):
    """How much of something a specimen holds: one of four ways.

    Attributes
    ----------
    count : tuple of float or None
        Particles a tomogram.
    counts : tuple of int or None
        Particles of as many tomograms as there are numbers, in an order drawn for each such block.
    per_cubic_micrometre : tuple of float or None
        Particles per cubic micrometre of the ice.
    volume_share : tuple of float or None
        Share of the ice's volume that the molecules fill.
    layout : bool
        As many, and where, as the real picks of the scene's layout have.
    allow_fewer : bool
        Go on where there is no room for all.
    """

    count: Lengths | None = None
    counts: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    per_cubic_micrometre: Lengths | None = None
    volume_share: Shares | None = None
    layout: bool = False
    allow_fewer: bool = False

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        given = [name for name in AMOUNTS if getattr(self, name) not in (None, False)]
        if len(given) != 1:
            got = " and ".join(given) if given else "none"
            msg = f"give one of {choices_text(AMOUNTS)}; got {got}"
            raise ValueError(msg)
        return self


class NamedEntry(AmountEntry):
    """Something that may be an object of the project.

    Attributes
    ----------
    label : int or None
        Label in the project; None means the next free one.
    radius_angstrom : float or None
        Radius of the particle in the project.
    pdb_id, emdb_id : str or None
        Where the structure is known.
    color : tuple of int or None
        Red, green, blue, opacity; None means one of the package's.
    score_weight : float
        Weight in macro averages.
    """

    label: Label | None = None
    radius_angstrom: Annotated[float, Field(gt=0)] | None = None
    pdb_id: str | None = None
    emdb_id: str | None = None
    color: Colour | None = None
    score_weight: _NotNegative = 1.0

    @property
    def is_object(self) -> bool:
        """Whether it is listed among the project's objects."""
        return bool(getattr(self, "labelled", True))


class MoleculeEntry(NamedEntry):
    """A dissolved molecule that is to be found.

    Attributes
    ----------
    molecule : str
        Name of a molecule that ships with the package, a file beside the scene (``.pdb``, ``.cif``,
        ``.mrc``), ``blob:200`` for a ball of 200 kDa, or ``shape:NAME`` for a drawn shape such as
        ``shape:flagellar-motor``, of which every tomogram has a variant of its own.
    where : str or None
        ``inside`` or ``outside`` the scene's cells; None: anywhere.
    """

    molecule: str
    where: Where | None = None
    radius_angstrom: Annotated[float, Field(gt=0)]


class DistractorEntry(AmountEntry):
    """A molecule without a label: the model has to tell it from the objects.

    Attributes
    ----------
    molecule : str
        As that of an object.
    where : str or None
        ``inside`` or ``outside`` the scene's cells; None: anywhere.
    """

    molecule: str
    where: Where | None = None
    allow_fewer: bool = True


class MembraneProteinEntry(NamedEntry):
    """A molecule in the membranes, its +z along their outward normal.

    Attributes
    ----------
    molecule : str
        As that of an object.
    membrane_centre_z_angstrom : float or None
        Where the mid-plane of the membrane lies along z from the molecule's centre; None takes the
        table of the molecules that ship with the package.
    membrane : str or None
        Name of the membranes that it stands in; None: any.
    labelled : bool
        Whether it is an object of the project.
    """

    molecule: str
    membrane_centre_z_angstrom: float | None = None
    membrane: str | None = None
    labelled: bool = True
    allow_fewer: bool = True

    @model_validator(mode="after")
    def _object_has_a_radius(self) -> Self:
        _check_radius(self.radius_angstrom, is_object=self.labelled)
        return self


class MembraneEntry(NamedEntry):
    """Lipid bilayers.

    Attributes
    ----------
    form : str
        ``vesicle``, ``sheet`` or ``cell``: an inner and an outer membrane that the volume cuts.
    membrane_radius_angstrom : tuple of float
        Radius of a vesicle's mid-plane, of a sheet's disc, or of a cell's inner membrane.
    outer_distance_angstrom : tuple of float
        Distance of a cell's outer membrane from its inner one.
    roughness : tuple of float
        Standard deviation of the surface, as a share of the radius.
    leaflet_distance_angstrom : tuple of float
        Distance of the two leaflets.
    leaflet_sigma_angstrom : float
        Standard deviation of a leaflet's profile.
    leaflet_volt_angstrom : tuple of float
        Potential integrated across one leaflet.
    labelled : bool
        Whether the bilayers are an object of the project (one that is no particle).
    """

    form: Literal["vesicle", "sheet", "cell"] = "vesicle"
    membrane_radius_angstrom: Lengths
    outer_distance_angstrom: Lengths = (220.0, 280.0)
    roughness: Lengths = (0.0, 0.05)
    leaflet_distance_angstrom: Lengths = (25.0, 35.0)
    leaflet_sigma_angstrom: Annotated[float, Field(gt=0)] = 6.0
    leaflet_volt_angstrom: Lengths = (20.0, 50.0)
    labelled: bool = False
    allow_fewer: bool = True


class LayerEntry(Entry):
    """One layer of an enveloped particle.

    Attributes
    ----------
    offset_angstrom : tuple of float
        Distance from the reference layer, outwards.
    sigma_angstrom : tuple of float
        Standard deviation of its profile.
    volt_angstrom : tuple of float
        Potential integrated across it.
    patchy : bool
        Whether it covers the sphere only in part.
    """

    offset_angstrom: Range
    sigma_angstrom: Lengths
    volt_angstrom: Lengths
    patchy: bool = False


class VlpEntry(NamedEntry):
    """Enveloped virus-like particles.

    Attributes
    ----------
    shell_radius_angstrom : tuple of float
        Radius of the reference layer.
    outer_angstrom : float
        How far a particle reaches beyond it.
    roughness, coverage : tuple of float
        Unevenness of the radius; share of the sphere that patchy layers cover.
    layers : tuple of LayerEntry
        Leaflets and lattices.
    labelled : bool
        Whether they are an object of the project.
    """

    shell_radius_angstrom: Lengths
    outer_angstrom: _NotNegative
    roughness: Lengths = (0.005, 0.03)
    coverage: Shares = (0.5, 0.95)
    layers: Annotated[tuple[LayerEntry, ...], Field(min_length=1)]
    labelled: bool = True

    @model_validator(mode="after")
    def _object_has_a_radius(self) -> Self:
        _check_radius(self.radius_angstrom, is_object=self.labelled)
        return self


class GoldEntry(AmountEntry):
    """Gold fiducials.

    Attributes
    ----------
    bead_radius_angstrom : tuple of float
        Radius of a bead.
    volts : float
        Potential over ice inside.
    """

    bead_radius_angstrom: Lengths = (30.0, 60.0)
    volts: float = 22.0
    allow_fewer: bool = True


class FilamentEntry(NamedEntry):
    """Filaments of subunits along a worm-like chain.

    Attributes
    ----------
    molecule : str
        The subunit; its +z points along the filament and its +x away from it.
    n_strands : int
        Strands (protofilaments).
    rise_angstrom, stagger_angstrom, twist_degrees : float
        The lattice.
    subunit_distance_angstrom : float
        Distance of the subunits' centres from the axis.
    outer_radius_angstrom : float
        Radius of the whole filament.
    persistence_length_angstrom : float
        Persistence length.
    length_angstrom : tuple of float
        Length; what leaves the volume is cut off.
    point_distance_angstrom : float
        Distance of the picks along the filament.
    labelled : bool
        Whether they are an object of the project.
    """

    molecule: str = "blob:50"
    n_strands: Annotated[int, Field(ge=1)] = 13
    rise_angstrom: Annotated[float, Field(gt=0)] = 40.9
    stagger_angstrom: float = 9.4
    twist_degrees: float = 0.0
    subunit_distance_angstrom: _NotNegative = 112.0
    outer_radius_angstrom: Annotated[float, Field(gt=0)] = 135.0
    persistence_length_angstrom: Annotated[float, Field(gt=0)] = 5.2e7
    length_angstrom: Lengths = (1500.0, 4000.0)
    point_distance_angstrom: Annotated[float, Field(gt=0)] = 80.0
    labelled: bool = True
    allow_fewer: bool = True

    @model_validator(mode="after")
    def _object_has_a_radius(self) -> Self:
        _check_radius(self.radius_angstrom, is_object=self.labelled)
        return self


class IceEntry(Entry):
    """The slab of ice, normal to z.

    Attributes
    ----------
    thickness_angstrom : tuple of float or None
        Thickness; None fills the volume.
    centre_offset_angstrom : tuple of float
        Where its middle lies along z from the volume's middle.
    adsorbed_share : float
        Share of the dissolved molecules that stick to the air-water interfaces.
    adsorbed_gap_angstrom : tuple of float
        Their distance from the interface.
    """

    thickness_angstrom: Lengths | None = None
    centre_offset_angstrom: Range = (0.0, 0.0)
    adsorbed_share: Share = 0.0
    adsorbed_gap_angstrom: Lengths = (0.0, 20.0)


class CrowdingEntry(Entry):
    """Molecules without label that fill what is free.

    Attributes
    ----------
    molecules : tuple of str
        As those of objects.
    occupied_share : tuple of float
        Share of the ice that all particles cover in the end.
    allow_fewer : bool
        Go on where a lower share is reached.
    """

    molecules: Annotated[tuple[str, ...], Field(min_length=1)]
    occupied_share: Shares
    allow_fewer: bool = True


class LayoutEntry(Entry):
    """Real picks that say where particles stand.

    Attributes
    ----------
    picks : str
        ``czii``: those of the CZII 2024 challenge's training runs, which ship with the package; or
        a CSV file beside the scene: ``run, object, x_angstrom, y_angstrom, z_angstrom``.
    box_angstrom : tuple of float
        Size (x, y, z) of the tomograms that they were picked in.
    jitter_angstrom : float
        Standard deviation of a particle's shift on each axis.
    """

    picks: str = "czii"
    box_angstrom: tuple[float, float, float] = (6307.56, 6307.56, 1842.208)
    jitter_angstrom: _NotNegative = 20.0


def _check_radius(radius_angstrom: float | None, *, is_object: bool) -> None:
    if is_object and radius_angstrom is None:
        msg = "radius_angstrom is missing: an object of the project needs one"
        raise ValueError(msg)
