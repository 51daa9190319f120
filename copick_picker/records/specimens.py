"""Frozen records of simulations: specimens and imaging conditions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ImagingConditions:
    """Acquisition and reconstruction of a simulated tomogram.

    Attributes
    ----------
    voltage_kilovolt : float
        Acceleration voltage.
    spherical_aberration_angstrom : float
        Spherical aberration of the objective lens (2.7 mm = 2.7e7 A).
    amplitude_contrast : float
        Fraction of amplitude contrast.
    defocus_angstrom : float
        Underfocus, positive.
    phase_flipped : bool
        Whether the signs of the contrast transfer function were corrected.
    tilt_limits_degrees : tuple of float
        Lowest and highest tilt angle about the y axis.
    tilt_step_degrees : float
        Step between tilts; 0 means a continuous tilt range.
    noise_std : float
        Standard deviation of the noise before the reconstruction filter, in the unit of the image
        (contrast of one voxel).
    noise_exponent : float
        Noise amplitude grows with this power of the frequency perpendicular to the tilt axis; 0.5
        is weighted back-projection.
    filter_exponent : float
        Power of the frequency by which the reconstruction filter deviates from the ideal one, on
        signal and noise alike; below 0 favours low frequencies.
    """

    voltage_kilovolt: float
    spherical_aberration_angstrom: float
    amplitude_contrast: float
    defocus_angstrom: float
    phase_flipped: bool
    tilt_limits_degrees: tuple[float, float]
    tilt_step_degrees: float
    noise_std: float
    noise_exponent: float
    filter_exponent: float


@dataclass(frozen=True)
class ShellLayer:
    """One layer of a closed shell, such as a lipid leaflet or a protein lattice.

    Attributes
    ----------
    offset_angstrom : float
        Position of the layer, outwards from the shell's radius.
    sigma_angstrom : float
        Standard deviation of its Gaussian profile.
    volt_angstrom : float
        Excess potential integrated across the layer.
    coverage : float
        Share of the sphere that the layer covers; all layers of a shell with a coverage below 1
        miss the same patches.
    """

    offset_angstrom: float
    sigma_angstrom: float
    volt_angstrom: float
    coverage: float


@dataclass(frozen=True, eq=False)
class Scene:
    """A simulated specimen with ground truth.

    Attributes
    ----------
    potential : numpy.ndarray, shape (z, y, x), float32
        Electrostatic potential over vitreous ice, in volts.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    points_xyz : mapping of str to numpy.ndarray, shape (n, 3), float64
        Centres (x, y, z) in Angstrom of each object's particles, empty sets included.
    """

    potential: npt.NDArray[np.float32]
    voxel_spacing: float
    points_xyz: Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class MoleculeSceneSpec:
    """Contents of a simulated scene of molecules; every pair is a range to draw from.

    Attributes
    ----------
    objects : mapping of str to tuple of int
        Number of particles of each object to try to place; in the ground truth.
    distractors : mapping of str to tuple of int
        The same for molecules that are not objects.
    vesicle_count : tuple of int
        Lipid vesicles.
    vesicle_radius_angstrom : tuple of float
        Radius of a vesicle's mid-plane.
    leaflet_distance_angstrom : tuple of float
        Distance between the two leaflets.
    leaflet_volt_angstrom : tuple of float
        Integrated potential across one leaflet.
    gold_count : tuple of int
        Fiducial beads.
    gold_radius_angstrom : tuple of float
        Radius of a bead.
    gap_voxels : int
        Voxels kept free around a molecule.
    footprint_volts : float
        A molecule covers the voxels where its potential is above this.
    """

    objects: Mapping[str, tuple[int, int]]
    distractors: Mapping[str, tuple[int, int]]
    vesicle_count: tuple[int, int]
    vesicle_radius_angstrom: tuple[float, float]
    leaflet_distance_angstrom: tuple[float, float]
    leaflet_volt_angstrom: tuple[float, float]
    gold_count: tuple[int, int]
    gold_radius_angstrom: tuple[float, float]
    gap_voxels: int
    footprint_volts: float


@dataclass(frozen=True)
class ImagingRanges:
    """Ranges for drawing :class:`ImagingConditions`.

    The fields are those of the conditions; ``phase_flipped_share`` and ``tilt_limit_degrees`` (both
    sides are drawn) replace theirs, and ``noise_std`` is drawn uniformly in its logarithm.
    """

    voltage_kilovolt: float
    spherical_aberration_angstrom: float
    amplitude_contrast: float
    defocus_angstrom: tuple[float, float]
    phase_flipped_share: float
    tilt_limit_degrees: tuple[float, float]
    tilt_steps_degrees: tuple[float, ...]
    noise_std: tuple[float, float]
    noise_exponent: tuple[float, float]
    filter_exponent: tuple[float, float]


@dataclass(frozen=True)
class TiltSeriesRanges:
    """Ranges for :class:`copick_picker.core.simulate.acquisition.TiltSeriesConditions`.

    The fields are those of the conditions; ``phase_flipped_share`` and ``tilt_limit_degrees`` (both
    sides are drawn) replace theirs.
    """

    voltage_kilovolt: float
    spherical_aberration_angstrom: float
    amplitude_contrast: float
    tilt_limit_degrees: tuple[float, float]
    tilt_step_degrees: float
    total_dose_per_square_angstrom: tuple[float, float]
    defocus_angstrom: tuple[float, float]
    phase_flipped_share: float
    defocus_spread_angstrom: float
    illumination_semiangle_radian: float
    inelastic_mean_free_path_angstrom: tuple[float, float]
    critical_dose_scale: float
    detector_pixel_angstrom: float
    dqe_zero: float
    dqe_nyquist: float
    shift_sigma_angstrom: tuple[float, float]
    rotation_sigma_degrees: tuple[float, float]
    filter_cutoff_per_voxel: float
    filter_falloff_per_voxel: float


@dataclass(frozen=True)
class ImagingPlan:
    """Imaging of the tomograms of a specimen.

    Attributes
    ----------
    path : str
        ``quick``: one step in Fourier space; ``full``: a tilt series, and weighted back-projection.
    tomogram_type : str
        Type of the tomogram.
    denoised_type : str or None
        Type of the variant with little noise; None for no such variant.
    denoised_noise_share : float
        Fraction of the noise that the variant keeps.
    denoised_lowpass_angstrom : float
        Resolution at which its Gaussian low-pass filter halves the amplitude; 0 for no filter.
    quick, full : ImagingRanges, TiltSeriesRanges
        Ranges of the two paths.
    """

    path: str
    tomogram_type: str
    denoised_type: str | None
    denoised_noise_share: float
    denoised_lowpass_angstrom: float
    quick: ImagingRanges
    full: TiltSeriesRanges
