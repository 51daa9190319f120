"""Take the tomograms of a specimen: by a tilt series, or in one step."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.simulate.acquisition import TiltSeriesConditions
from copick_picker.core.simulate.imaging import tomogram_noise, tomogram_signal
from copick_picker.core.simulate.molecule_scenes import drawn_conditions
from copick_picker.core.simulate.tilt_series import low_noise_tomogram, tilt_series_tomogram
from copick_picker.core.simulate.truth import Specimen
from copick_picker.records.specimens import ImagingPlan

Volume = npt.NDArray[np.float32]
_SIGMA_PER_LOWPASS = float(np.sqrt(np.log(2.0) / 2.0) / np.pi)
"""Standard deviation of a Gaussian over the resolution at which its transfer is a half."""


@dataclass(frozen=True, eq=False)
class Tomograms:
    """What was made of a specimen.

    Attributes
    ----------
    by_type : mapping of str to numpy.ndarray, shape (z, y, x), float32
        Tomogram type -> contrast; protein is dark.
    facts : mapping
        What was drawn, and the levels of signal and noise; JSON values.
    """

    by_type: Mapping[str, Volume]
    facts: Mapping[str, Any]


def tomograms_of(
    specimen: Specimen, imaging: ImagingPlan, rng: np.random.Generator, *, n_threads: int
) -> Tomograms:
    """Return the tomogram of a specimen and, where asked for, the variant with little noise.

    Parameters
    ----------
    specimen : Specimen
        What is imaged.
    imaging : ImagingPlan
        Which path, and the ranges of both.
    rng : numpy.random.Generator
        Source of randomness.
    n_threads : int
        CPU threads of the full path.
    """
    if imaging.path == "quick":
        return _quick(specimen, imaging, rng)
    return _full(specimen, imaging, rng, n_threads)


def _quick(specimen: Specimen, imaging: ImagingPlan, rng: np.random.Generator) -> Tomograms:
    conditions = drawn_conditions(imaging.quick, rng)
    signal = tomogram_signal(specimen.potential, specimen.voxel_spacing, conditions)
    noise = tomogram_noise(signal.shape, conditions, rng)
    made = {imaging.tomogram_type: signal + noise}
    if imaging.denoised_type is not None:
        share = np.float32(imaging.denoised_noise_share)
        sigma = _SIGMA_PER_LOWPASS * imaging.denoised_lowpass_angstrom / specimen.voxel_spacing
        made[imaging.denoised_type] = ndimage.gaussian_filter(signal + share * noise, sigma)
    levels = {"signal_std": float(signal.std()), "noise_std": float(noise.std())}
    return Tomograms(made, {"path": "quick", **levels, "conditions": asdict(conditions)})


def _full(
    specimen: Specimen, imaging: ImagingPlan, rng: np.random.Generator, n_threads: int
) -> Tomograms:
    conditions = _drawn_series(imaging, specimen.ice_z_angstrom, rng)
    result = tilt_series_tomogram(
        specimen.potential, specimen.voxel_spacing, conditions, rng, n_threads=n_threads
    )
    made = {imaging.tomogram_type: result.tomogram}
    if imaging.denoised_type is not None:
        made[imaging.denoised_type] = low_noise_tomogram(
            result.series,
            specimen.potential.shape,
            specimen.voxel_spacing,
            conditions=conditions,
            noise_share=imaging.denoised_noise_share,
            lowpass_angstrom=imaging.denoised_lowpass_angstrom,
            n_threads=n_threads,
        )
    facts = {
        "path": "full",
        "tilts_degrees": result.series.tilts_degrees.tolist(),
        "dose_per_tilt": result.series.dose_per_tilt,
        "shifts_yu_angstrom": result.series.shifts_yu_angstrom.tolist(),
        "rotations_degrees": result.series.rotations_degrees.tolist(),
        "conditions": asdict(conditions),
    }
    return Tomograms(made, facts)


def _drawn_series(
    imaging: ImagingPlan, ice_z_angstrom: tuple[float, float], rng: np.random.Generator
) -> TiltSeriesConditions:
    full = imaging.full
    return TiltSeriesConditions(
        tilt_limits_degrees=(
            -float(rng.uniform(*full.tilt_limit_degrees)),
            float(rng.uniform(*full.tilt_limit_degrees)),
        ),
        tilt_step_degrees=full.tilt_step_degrees,
        total_dose_per_square_angstrom=float(rng.uniform(*full.total_dose_per_square_angstrom)),
        voltage_kilovolt=full.voltage_kilovolt,
        spherical_aberration_angstrom=full.spherical_aberration_angstrom,
        amplitude_contrast=full.amplitude_contrast,
        defocus_angstrom=float(rng.uniform(*full.defocus_angstrom)),
        phase_flipped=bool(rng.random() < full.phase_flipped_share),
        defocus_spread_angstrom=full.defocus_spread_angstrom,
        illumination_semiangle_radian=full.illumination_semiangle_radian,
        ice_z_angstrom=ice_z_angstrom,
        inelastic_mean_free_path_angstrom=float(
            rng.uniform(*full.inelastic_mean_free_path_angstrom)
        ),
        critical_dose_scale=full.critical_dose_scale,
        detector_pixel_angstrom=full.detector_pixel_angstrom,
        dqe_zero=full.dqe_zero,
        dqe_nyquist=full.dqe_nyquist,
        shift_sigma_angstrom=float(rng.uniform(*full.shift_sigma_angstrom)),
        rotation_sigma_degrees=float(rng.uniform(*full.rotation_sigma_degrees)),
        filter_cutoff_per_voxel=full.filter_cutoff_per_voxel,
        filter_falloff_per_voxel=full.filter_falloff_per_voxel,
    )
