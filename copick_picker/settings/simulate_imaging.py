"""How the tomograms of ``simulate`` are taken: ranges of the two imaging paths."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from copick_picker.records.specimens import ImagingPlan, ImagingRanges, TiltSeriesRanges
from copick_picker.settings.simulate_entries import Entry, Lengths, Range, Share, as_range

Tilt = Annotated[float, Field(gt=0, lt=90)]
Tilts = Annotated[tuple[Tilt, Tilt], BeforeValidator(as_range)]
Positive = Annotated[float, Field(gt=0)]
Positives = Annotated[tuple[Positive, Positive], BeforeValidator(as_range)]


class QuickEntry(Entry):
    """The quick path: contrast transfer times missing wedge, with coloured noise inside it.

    For what each attribute means see :class:`copick_picker.records.specimens.ImagingRanges`.
    """

    CHOICES: ClassVar[frozenset[str]] = frozenset({"tilt_steps_degrees"})

    defocus_angstrom: Lengths = (2e4, 5e4)
    phase_flipped_share: Share = 0.5
    tilt_limit_degrees: Tilts = (60.0, 60.0)
    tilt_steps_degrees: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 3.0)
    noise_std: Positives = (0.0145, 0.0175)
    noise_exponent: Range = (0.3, 0.7)
    filter_exponent: Range = (-0.2, 0.05)


class FullEntry(Entry):
    """The full path: a tilt series, image by image, and weighted back-projection.

    The attributes are those of
    :class:`copick_picker.core.simulate.acquisition.TiltSeriesConditions`, which says what each
    means and where it is from; pairs are ranges to draw from.
    """

    tilt_limit_degrees: Tilts = (60.0, 60.0)
    tilt_step_degrees: Annotated[float, Field(gt=0, le=30)] = 3.0
    total_dose_per_square_angstrom: Positives = (100.0, 120.0)
    defocus_angstrom: Lengths = (2e4, 5e4)
    phase_flipped_share: Share = 1.0
    defocus_spread_angstrom: Annotated[float, Field(ge=0)] = 50.0
    illumination_semiangle_radian: Annotated[float, Field(ge=0)] = 1e-5
    inelastic_mean_free_path_angstrom: Positives = (3500.0, 3800.0)
    critical_dose_scale: Positive = 1.0
    detector_pixel_angstrom: Positive = 2.5
    dqe_zero: Annotated[float, Field(gt=0, le=1)] = 0.85
    dqe_nyquist: Annotated[float, Field(gt=0, le=1)] = 0.3
    shift_sigma_angstrom: Lengths = (1.0, 4.0)
    rotation_sigma_degrees: Lengths = (0.0, 0.1)
    filter_cutoff_per_voxel: Annotated[float, Field(gt=0, le=0.5)] = 0.45
    filter_falloff_per_voxel: Annotated[float, Field(ge=0)] = 0.05

    @model_validator(mode="after")
    def _can_be_taken(self) -> Self:
        narrowest = 2.0 * self.tilt_limit_degrees[0]
        if self.tilt_step_degrees > narrowest:
            msg = (
                f"tilt_step_degrees: {self.tilt_step_degrees:g} is more than the whole range "
                f"of tilts, {narrowest:g} degrees: a series needs at least two tilts"
            )
            raise ValueError(msg)
        if self.dqe_nyquist > self.dqe_zero:
            msg = f"dqe_nyquist: {self.dqe_nyquist:g} is above dqe_zero, {self.dqe_zero:g}"
            raise ValueError(msg)
        return self


class ImagingEntry(Entry):
    """Microscope and reconstruction.

    Attributes
    ----------
    path : str
        ``full``: a tilt series, and weighted back-projection. ``quick``: one step in Fourier space.
    tomogram_type : str
        Type of the tomogram in the project.
    denoised_type : str or None
        Type of the variant with little noise; None leaves it out.
    denoised_noise_share : float
        Share of the noise that the variant keeps.
    denoised_lowpass_angstrom : float
        Resolution at which the Gaussian that smooths it leaves half the amplitude; 0 for none.
    voltage_kilovolt, spherical_aberration_angstrom, amplitude_contrast : float
        The microscope.
    quick, full : QuickEntry, FullEntry
        Ranges of the two paths.
    """

    path: Literal["full", "quick"] = "quick"
    tomogram_type: str = "wbp"
    denoised_type: str | None = "denoised"
    denoised_noise_share: Share = 0.15
    denoised_lowpass_angstrom: Annotated[float, Field(ge=0)] = 40.0
    voltage_kilovolt: Positive = 300.0
    spherical_aberration_angstrom: Annotated[float, Field(ge=0)] = 2.7e7
    amplitude_contrast: Annotated[float, Field(ge=0, lt=1)] = 0.07
    quick: QuickEntry = QuickEntry()
    full: FullEntry = FullEntry()

    def plan(self) -> ImagingPlan:
        """Return the choices as core takes them."""
        microscope: dict[str, Any] = {
            "voltage_kilovolt": self.voltage_kilovolt,
            "spherical_aberration_angstrom": self.spherical_aberration_angstrom,
            "amplitude_contrast": self.amplitude_contrast,
        }
        return ImagingPlan(
            path=self.path,
            tomogram_type=self.tomogram_type,
            denoised_type=self.denoised_type,
            denoised_noise_share=self.denoised_noise_share,
            denoised_lowpass_angstrom=self.denoised_lowpass_angstrom,
            quick=ImagingRanges(**microscope, **self.quick.model_dump()),
            full=TiltSeriesRanges(**microscope, **self.full.model_dump()),
        )
