"""Physical invariants of the simulated microscope."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import fft

from copick_picker.core.simulate.imaging import (
    noise_std_for_snr,
    simulated_tomogram,
    tomogram_noise,
    tomogram_signal,
)
from copick_picker.core.simulate.optics import (
    contrast_transfer,
    electron_wavelength,
    interaction_constant,
)
from copick_picker.core.wedge import frequencies, tilt_weights, wedge_mask
from copick_picker.errors import DataError
from copick_picker.records.specimens import ImagingConditions

CONDITIONS = ImagingConditions(
    voltage_kilovolt=300.0,
    spherical_aberration_angstrom=2.7e7,
    amplitude_contrast=0.07,
    defocus_angstrom=3e4,
    phase_flipped=False,
    tilt_limits_degrees=(-60.0, 60.0),
    tilt_step_degrees=0.0,
    noise_std=0.02,
    noise_exponent=0.5,
    filter_exponent=0.0,
)
SHAPES = [(24, 30, 36), (25, 31, 37), (36, 24, 31)]


def test_wavelength_and_interaction_constant_are_those_of_the_textbook() -> None:
    assert electron_wavelength(300.0) == pytest.approx(0.019687, rel=1e-4)
    assert electron_wavelength(200.0) == pytest.approx(0.025079, rel=1e-4)
    assert interaction_constant(300.0) == pytest.approx(6.526e-4, rel=1e-3)


@pytest.mark.parametrize("voltage", [0.0, -300.0, float("nan")])
def test_a_voltage_that_is_not_positive_is_refused(voltage: float) -> None:
    with pytest.raises(DataError, match="voltage"):
        electron_wavelength(voltage)


def test_transfer_is_zero_where_the_phase_is_a_multiple_of_pi() -> None:
    wavelength = electron_wavelength(300.0)
    for order in (1, 2, 3):
        # chi(k^2) + asin(w) = order * pi is a quadratic equation in k^2.
        a = -0.5 * np.pi * 2.7e7 * wavelength**3
        b = np.pi * wavelength * 3e4
        c = np.arcsin(0.07) - order * np.pi
        squared = (-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a)
        zero = np.sqrt(squared)
        assert contrast_transfer(zero, CONDITIONS) == pytest.approx(0.0, abs=1e-9)
        around = contrast_transfer([zero * 0.99, zero * 1.01], CONDITIONS)
        assert around[0] * around[1] < 0


def test_transfer_starts_at_the_amplitude_contrast_and_flipping_takes_its_absolute_value() -> None:
    frequency = np.linspace(0.0, 0.1, 200)
    signed = contrast_transfer(frequency, CONDITIONS)
    flipped = contrast_transfer(frequency, replace(CONDITIONS, phase_flipped=True))
    assert signed[0] == pytest.approx(0.07)
    assert signed.min() < -0.9
    np.testing.assert_allclose(flipped, np.abs(signed))


@pytest.mark.parametrize("shape_zyx", SHAPES)
@pytest.mark.parametrize("limits", [(-60.0, 60.0), (-45.0, 63.0)])
@pytest.mark.parametrize("step", [0.0, 3.0])
def test_no_power_outside_the_wedge(
    shape_zyx: tuple[int, int, int], limits: tuple[float, float], step: float
) -> None:
    conditions = replace(CONDITIONS, tilt_limits_degrees=limits, tilt_step_degrees=step)
    rng = np.random.default_rng(3)
    potential = rng.standard_normal(shape_zyx)
    volume = simulated_tomogram(potential, 10.0, conditions, rng)
    power = np.abs(fft.rfftn(volume.astype(np.float64))) ** 2
    outside = np.broadcast_to(wedge_mask(shape_zyx, limits) == 0, power.shape)
    assert power[outside].sum() < 1e-11 * power.sum()


def test_the_wedge_holds_two_thirds_of_space_and_opens_along_z() -> None:
    mask = wedge_mask((64, 8, 64), (-60.0, 60.0))
    along_z, _, along_x = frequencies((64, 8, 64), 1.0)
    within = np.hypot(along_z, along_x) < 0.45
    assert mask[within].mean() == pytest.approx(2 / 3, abs=0.03)
    assert mask[0].all()
    assert not mask[1:, 0, 0].any()


def test_the_sides_of_a_lopsided_tilt_range_are_where_the_angles_say() -> None:
    mask = wedge_mask((65, 4, 65), (-30.0, 60.0))[:, 0]
    assert mask[10, 7] == 1  # 55 degrees
    assert mask[-10, 7] == 0  # -55 degrees
    assert mask[-5, 10] == 1  # -27 degrees


@pytest.mark.parametrize("limits", [(60.0, -60.0), (-95.0, 60.0), (10.0, 10.0)])
def test_tilt_limits_out_of_order_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="tilt limits"):
        wedge_mask((8, 8, 8), limits)


def test_single_tilts_fill_their_planes_and_leave_gaps_far_out() -> None:
    weights = tilt_weights((64, 5, 64), np.arange(-60.0, 61.0, 10.0))[:, 0]
    assert weights[0, :].min() == pytest.approx(1.0)
    far = weights[:, 30]
    assert far.max() > 0.6
    assert far[:15].min() < 0.1


def test_protein_is_dark_and_the_signal_is_linear() -> None:
    potential = np.zeros((24, 30, 36))
    potential[10:14, 12:16, 20:24] = 3.0
    signal = tomogram_signal(potential, 10.0, CONDITIONS)
    assert signal[10:14, 12:16, 20:24].mean() < 0
    np.testing.assert_allclose(
        tomogram_signal(2.0 * potential, 10.0, CONDITIONS), 2.0 * signal, rtol=1e-4, atol=1e-7
    )


def test_the_signal_has_the_scale_of_the_weak_phase_image() -> None:
    wave = np.cos(2 * np.pi * 3 * np.arange(60) / 60)
    potential = np.broadcast_to(wave, (8, 10, 60))
    frequency = 3 / (60 * 5.0)
    expected = -2.0 * interaction_constant(300.0) * 5.0 * contrast_transfer(frequency, CONDITIONS)
    signal = tomogram_signal(potential, 5.0, CONDITIONS)
    np.testing.assert_allclose(signal[4, 5], expected * wave, atol=1e-7)


@pytest.mark.parametrize("shape_zyx", SHAPES)
def test_noise_has_the_standard_deviation_asked_for(shape_zyx: tuple[int, int, int]) -> None:
    noise = tomogram_noise(shape_zyx, CONDITIONS, np.random.default_rng(5))
    assert noise.std(dtype=np.float64) == pytest.approx(0.02, rel=1e-4)
    assert noise.mean(dtype=np.float64) == pytest.approx(0.0, abs=1e-6)


def test_noise_power_grows_with_the_exponent_asked_for() -> None:
    shape_zyx = (96, 16, 96)
    noise = tomogram_noise(shape_zyx, CONDITIONS, np.random.default_rng(6))
    power = np.abs(fft.rfftn(noise.astype(np.float64))) ** 2
    along_z, _, along_x = frequencies(shape_zyx, 1.0)
    radial = np.hypot(along_z, along_x)
    inside = wedge_mask(shape_zyx, (-60.0, 60.0)) > 0
    slow = power.mean(axis=1, keepdims=True)[inside & (np.abs(radial - 0.1) < 0.02)].mean()
    fast = power.mean(axis=1, keepdims=True)[inside & (np.abs(radial - 0.4) < 0.02)].mean()
    assert np.log(fast / slow) / np.log(4.0) == pytest.approx(1.0, abs=0.1)  # amplitude k^0.5


def test_signal_to_noise_is_at_the_stated_level() -> None:
    rng = np.random.default_rng(7)
    potential = np.zeros((40, 50, 60))
    potential[10:20, 15:25, 30:40] = 3.0
    signal = tomogram_signal(potential, 10.0, CONDITIONS)
    conditions = replace(CONDITIONS, noise_std=noise_std_for_snr(signal, 0.01))
    noise = tomogram_noise((40, 50, 60), conditions, rng)
    ratio = signal.var(dtype=np.float64) / noise.var(dtype=np.float64)
    assert ratio == pytest.approx(0.01, rel=1e-3)
    with pytest.raises(DataError, match="signal-to-noise"):
        noise_std_for_snr(signal, 0.0)


def test_no_noise_is_no_noise_and_equal_seeds_give_equal_bytes() -> None:
    quiet = replace(CONDITIONS, noise_std=0.0)
    assert not tomogram_noise((4, 5, 6), quiet, np.random.default_rng(1)).any()
    potential = np.random.default_rng(2).standard_normal((12, 14, 17))
    first, second, other = (
        simulated_tomogram(potential, 10.0, CONDITIONS, np.random.default_rng(seed))
        for seed in (8, 8, 9)
    )
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()
    assert first.dtype == np.float32


def test_a_potential_that_is_no_volume_is_refused() -> None:
    with pytest.raises(DataError, match=r"\(z, y, x\)"):
        tomogram_signal(np.zeros((4, 5)), 10.0, CONDITIONS)
