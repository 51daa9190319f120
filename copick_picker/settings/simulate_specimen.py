"""From a scene's settings to what the core is to draw."""

from collections.abc import Callable, Iterator

from copick_picker.errors import SettingsError
from copick_picker.records.simulation import (
    CONCENTRATION,
    COUNT,
    LAYOUT,
    VOLUME_SHARE,
    Amount,
    BeadSpec,
    CrowdingSpec,
    EnvelopedSpec,
    FilamentSpec,
    IceSpec,
    LayerRange,
    Layout,
    MembraneSpec,
    ParticleSpec,
    SpecimenSpec,
)
from copick_picker.settings.simulate_entries import (
    AmountEntry,
    FilamentEntry,
    MembraneEntry,
    VlpEntry,
)
from copick_picker.settings.simulate_scene import SceneSettings

GOLD = "gold"


def molecule_sources(scene: SceneSettings) -> list[str]:
    """Return the molecules that a scene names, in its words.

    Parameters
    ----------
    scene : SceneSettings
        The scene.
    """
    found = set(scene.crowding.molecules if scene.crowding else ())
    found |= {entry.molecule for entry in scene.objects.values()}
    found |= {entry.molecule for entry in scene.distractors.values()}
    found |= {entry.molecule for entry in scene.membrane_proteins.values()}
    found |= {entry.molecule for entry in scene.filaments.values()}
    return sorted(found)


def specimen_spec(
    scene: SceneSettings,
    *,
    layouts: tuple[Layout, ...],
    membrane_centre: Callable[[str], float | None],
) -> SpecimenSpec:
    """Return what the core is to draw.

    Parameters
    ----------
    scene : SceneSettings
        The scene.
    layouts : tuple of Layout
        Real picks that the scene's layout names.
    membrane_centre : callable
        Molecule -> where the mid-plane of the membrane lies in it, along z from its centre of mass
        in Angstrom; None where that is not known.

    Raises
    ------
    SettingsError
        If the mid-plane of a membrane protein is not known.
    """
    ice = scene.ice
    depth = scene.shape[0] * scene.voxel_spacing
    crowding = scene.crowding
    return SpecimenSpec(
        particles=tuple(_particles(scene, membrane_centre)),
        membranes=tuple(_membrane(name, each) for name, each in scene.membranes.items()),
        enveloped=tuple(_enveloped(name, each) for name, each in scene.vlps.items()),
        beads=tuple(_beads(scene)),
        filaments=tuple(_filament(name, each) for name, each in scene.filaments.items()),
        ice=IceSpec(
            thickness_angstrom=ice.thickness_angstrom or (depth, depth),
            centre_offset_angstrom=ice.centre_offset_angstrom,
            adsorbed_share=ice.adsorbed_share,
            adsorbed_gap_angstrom=ice.adsorbed_gap_angstrom,
        ),
        crowding=None
        if crowding is None
        else CrowdingSpec(crowding.molecules, crowding.occupied_share, crowding.allow_fewer),
        layouts=layouts,
        layout_jitter_angstrom=0.0 if scene.layout is None else scene.layout.jitter_angstrom,
        gap_angstrom=scene.gap_angstrom,
        footprint_volts=scene.footprint_volts,
    )


def _amount(entry: AmountEntry) -> Amount:
    if entry.count is not None:
        return Amount(COUNT, *entry.count)
    if entry.counts is not None:
        return Amount(COUNT, min(entry.counts), max(entry.counts))
    if entry.per_cubic_micrometre is not None:
        return Amount(CONCENTRATION, *entry.per_cubic_micrometre)
    if entry.volume_share is not None:
        return Amount(VOLUME_SHARE, *entry.volume_share)
    return Amount(LAYOUT)


def _particles(
    scene: SceneSettings, membrane_centre: Callable[[str], float | None]
) -> Iterator[ParticleSpec]:
    for name, entry in scene.objects.items():
        yield ParticleSpec(
            name,
            entry.molecule,
            _amount(entry),
            is_labelled=True,
            allow_fewer=entry.allow_fewer,
            where=entry.where,
        )
    for name, protein in scene.membrane_proteins.items():
        centre = protein.membrane_centre_z_angstrom
        if centre is None:
            centre = membrane_centre(protein.molecule)
        if centre is None:
            msg = (
                f"membrane_proteins.{name}: where the membrane lies in '{protein.molecule}' is not "
                "known: give membrane_centre_z_angstrom"
            )
            raise SettingsError(msg)
        yield ParticleSpec(
            name,
            protein.molecule,
            _amount(protein),
            is_labelled=protein.labelled,
            allow_fewer=protein.allow_fewer,
            membrane_centre_z_angstrom=centre,
            membrane=protein.membrane,
        )
    for name, distractor in scene.distractors.items():
        yield ParticleSpec(
            name,
            distractor.molecule,
            _amount(distractor),
            is_labelled=False,
            allow_fewer=distractor.allow_fewer,
            where=distractor.where,
        )


def _membrane(name: str, entry: MembraneEntry) -> MembraneSpec:
    return MembraneSpec(
        name=name,
        form=entry.form,
        amount=_amount(entry),
        radius_angstrom=entry.membrane_radius_angstrom,
        roughness=entry.roughness,
        leaflet_distance_angstrom=entry.leaflet_distance_angstrom,
        leaflet_sigma_angstrom=entry.leaflet_sigma_angstrom,
        leaflet_volt_angstrom=entry.leaflet_volt_angstrom,
        is_labelled=entry.labelled,
        allow_fewer=entry.allow_fewer,
        outer_distance_angstrom=entry.outer_distance_angstrom,
    )


def _enveloped(name: str, entry: VlpEntry) -> EnvelopedSpec:
    layers = tuple(
        LayerRange(
            layer.offset_angstrom, layer.sigma_angstrom, layer.volt_angstrom, is_patchy=layer.patchy
        )
        for layer in entry.layers
    )
    return EnvelopedSpec(
        name=name,
        amount=_amount(entry),
        radius_angstrom=entry.shell_radius_angstrom,
        outer_angstrom=entry.outer_angstrom,
        roughness=entry.roughness,
        coverage=entry.coverage,
        layers=layers,
        is_labelled=entry.labelled,
        allow_fewer=entry.allow_fewer,
    )


def _beads(scene: SceneSettings) -> Iterator[BeadSpec]:
    if scene.gold is not None:
        yield BeadSpec(
            GOLD,
            _amount(scene.gold),
            scene.gold.bead_radius_angstrom,
            scene.gold.volts,
            is_labelled=False,
            allow_fewer=scene.gold.allow_fewer,
        )


def _filament(name: str, entry: FilamentEntry) -> FilamentSpec:
    return FilamentSpec(
        name=name,
        molecule=entry.molecule,
        amount=_amount(entry),
        n_strands=entry.n_strands,
        rise_angstrom=entry.rise_angstrom,
        stagger_angstrom=entry.stagger_angstrom,
        twist_degrees=entry.twist_degrees,
        subunit_radius_angstrom=entry.subunit_distance_angstrom,
        outer_radius_angstrom=entry.outer_radius_angstrom,
        persistence_length_angstrom=entry.persistence_length_angstrom,
        length_angstrom=entry.length_angstrom,
        point_distance_angstrom=entry.point_distance_angstrom,
        is_labelled=entry.labelled,
        allow_fewer=entry.allow_fewer,
    )
