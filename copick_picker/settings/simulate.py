"""What the simulated demo shows, and what its model was trained on: 10 A voxels, five objects."""

from dataclasses import replace
from types import MappingProxyType

from copick_picker.records.specimens import ImagingRanges, MoleculeSceneSpec

DEMO_VOXEL_SPACING = 10.0
DEMO_SHAPE_ZYX = (64, 160, 160)
DEMO_SEEDS = (9001, 9002, 9003)
"""Seeds of the demo's tomograms; training and its tests draw from other seed sequences."""

MOLECULE_FILES = MappingProxyType(
    {
        "virus-like-particle": "8tux.mrc",
        "ribosome": "6qzp.mrc",
        "fatty-acid-synthase": "2uv8.mrc",
        "proteasome": "4cr2.mrc",
        "apo-ferritin": "4v1w.mrc",
        "small-ribosomal-subunit": "4v4r_30S.mrc",
        "cullin-complex": "1u6g.mrc",
        "hsp90": "2cg9.mrc",
        "hsp70-complex": "3d2f.mrc",
    }
)
"""Name of each molecule and its potential in ``data/molecules`` (5 A voxels, volts)."""

OBJECT_RADII_ANGSTROM = MappingProxyType(
    {
        "virus-like-particle": 165.0,
        "ribosome": 150.0,
        "fatty-acid-synthase": 130.0,
        "proteasome": 110.0,
        "apo-ferritin": 65.0,
    }
)
"""Radius of each object to find, in the order of the model's channels."""

DEMO_SCENE = MoleculeSceneSpec(
    objects={
        "virus-like-particle": (2, 7),
        "ribosome": (4, 12),
        "fatty-acid-synthase": (4, 12),
        "proteasome": (5, 14),
        "apo-ferritin": (8, 24),
    },
    distractors={
        "small-ribosomal-subunit": (0, 6),
        "cullin-complex": (5, 20),
        "hsp90": (5, 25),
        "hsp70-complex": (5, 30),
    },
    vesicle_count=(0, 3),
    vesicle_radius_angstrom=(150.0, 500.0),
    leaflet_distance_angstrom=(25.0, 35.0),
    leaflet_volt_angstrom=(20.0, 50.0),
    gold_count=(0, 2),
    gold_radius_angstrom=(30.0, 60.0),
    gap_voxels=1,
    footprint_volts=0.5,
)

TRAINING_IMAGING = ImagingRanges(
    voltage_kilovolt=300.0,
    spherical_aberration_angstrom=2.7e7,
    amplitude_contrast=0.07,
    defocus_angstrom=(2e4, 5e4),
    phase_flipped_share=0.5,
    tilt_limit_degrees=(55.0, 62.0),
    tilt_steps_degrees=(0.0, 3.0),
    noise_std=(0.012, 0.024),
    noise_exponent=(0.3, 0.7),
    filter_exponent=(-0.6, 0.1),
)
"""Wider than the demo's, on both sides."""

DEMO_IMAGING = replace(TRAINING_IMAGING, noise_std=(0.0145, 0.0175), filter_exponent=(-0.2, 0.05))
"""Back-projection with a contrast-to-noise ratio of protein of about 0.3 to 0.5."""
