"""Physical invariants of the simulated tilt series and its reconstruction."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import fft

from copick_picker.core.simulate.acquisition import (
    TiltSeriesConditions,
    critical_dose,
    tilt_angles,
    transmission,
)
from copick_picker.core.simulate.detector import displaced
from copick_picker.core.simulate.image_formation import image_frequencies
from copick_picker.core.simulate.imaging import tomogram_signal
from copick_picker.core.simulate.optics import (
    electron_wavelength,
    interaction_constant,
    phase_aberration,
)
from copick_picker.core.simulate.projection import (
    back_projected,
    detector_width,
    projected_layers,
)
from copick_picker.core.simulate.tilt_series import (
    low_noise_tomogram,
    tilt_series,
    tilt_series_tomogram,
)
from copick_picker.core.wedge import wedge_mask
from copick_picker.errors import DataError
from copick_picker.records.specimens import ImagingConditions

Volume = npt.NDArray[np.float32]
SPACING = 10.0
SHAPE = (96, 24, 128)
CONDITIONS = TiltSeriesConditions(
    tilt_limits_degrees=(-60.0, 60.0),
    tilt_step_degrees=3.0,
    total_dose_per_square_angstrom=120.0,
    voltage_kilovolt=300.0,
    spherical_aberration_angstrom=2.7e7,
    amplitude_contrast=0.07,
    defocus_angstrom=3e4,
    phase_flipped=True,
    defocus_spread_angstrom=50.0,
    illumination_semiangle_radian=1e-5,
    ice_z_angstrom=(0.0, 960.0),
    inelastic_mean_free_path_angstrom=3650.0,
    critical_dose_scale=1.0,
    detector_pixel_angstrom=2.5,
    dqe_zero=0.85,
    dqe_nyquist=0.3,
    shift_sigma_angstrom=0.0,
    rotation_sigma_degrees=0.0,
    filter_cutoff_per_voxel=0.45,
    filter_falloff_per_voxel=0.05,
)
IDEAL = replace(
    CONDITIONS,
    critical_dose_scale=float("inf"),
    dqe_zero=1.0,
    dqe_nyquist=1.0,
    defocus_spread_angstrom=0.0,
    illumination_semiangle_radian=0.0,
)


def blobs(shape_zyx: tuple[int, int, int], points_zyx: npt.ArrayLike, volts: float) -> Volume:
    volume = np.zeros(shape_zyx)
    grid = np.indices(shape_zyx)
    for point in np.asarray(points_zyx, dtype=np.float64):
        squared = sum((axis - place) ** 2 for axis, place in zip(grid, point, strict=True))
        volume += volts * np.exp(-0.5 * squared / 1.5**2)
    return volume.astype(np.float32)


def noise_free(potential: Volume, conditions: TiltSeriesConditions) -> Volume:
    series = tilt_series(potential, SPACING, conditions, np.random.default_rng(1), n_threads=1)
    return low_noise_tomogram(
        series,
        potential.shape,
        SPACING,
        conditions=conditions,
        noise_share=0.0,
        lowpass_angstrom=0.0,
        n_threads=1,
    )


def outside_over_inside(volume: Volume, conditions: TiltSeriesConditions) -> float:
    """Return the power outside over that inside; each tilt stands for its step."""
    low, high = conditions.tilt_limits_degrees
    half = 0.5 * conditions.tilt_step_degrees
    power = np.abs(fft.rfftn(volume - volume.mean(dtype=np.float64))) ** 2
    power[..., 1:-1] *= 2.0
    inside = np.broadcast_to(wedge_mask(volume.shape, (low - half, high + half)) > 0, power.shape)
    return float(power[~inside].sum() / power[inside].sum())


def test_projections_are_the_sums_of_plane_waves_and_keep_the_mass() -> None:
    volume = np.random.default_rng(2).standard_normal((20, 3, 31)).astype(np.float32)
    tilts = np.array([-60.0, -33.0, 0.0, 47.0])
    n_pixels = detector_width((20, 3, 31), tilts)
    z, x = np.arange(20)[:, None] - 9.5, np.arange(31)[None, :] - 15.0
    frequency = fft.rfftfreq(n_pixels)[:, None, None]
    made = projected_layers(volume, tilts, 7.0, n_threads=1)
    for tilt, (layers, heights) in zip(np.deg2rad(tilts), made, strict=True):
        place = x * np.cos(tilt) + z * np.sin(tilt) + (n_pixels - 1) / 2.0
        waves = np.exp(-2j * np.pi * frequency * place)
        expected = np.einsum("zyx,kzx->yk", volume, waves)
        got = fft.rfft(layers.sum(axis=0), axis=-1)
        assert np.abs(got - expected)[:, :-1].max() < 3e-3 * np.abs(expected).max()
        assert layers.sum() == pytest.approx(volume.sum(), rel=1e-3)
        assert len(heights) == len(layers) > 1
        assert (np.diff(heights) < 0).all()


def test_back_projection_is_the_transpose_of_projection() -> None:
    rng = np.random.default_rng(3)
    volume = rng.standard_normal((14, 5, 23)).astype(np.float32)
    tilts = np.array([-41.0, 7.0, 60.0])
    made = projected_layers(volume, tilts, 1000.0, n_threads=1)
    projected = np.stack([layers.sum(axis=0) for layers, _ in made])
    images = rng.standard_normal(projected.shape).astype(np.float32)
    back = back_projected(images, tilts, volume.shape, n_threads=1)
    assert (projected * images).sum() == pytest.approx((volume * back).sum(), rel=1e-2, abs=1e-1)


@pytest.mark.parametrize("conditions", [IDEAL, CONDITIONS], ids=["ideal", "damage and envelopes"])
def test_little_power_outside_the_wedge(conditions: TiltSeriesConditions) -> None:
    points = np.random.default_rng(4).uniform(0.2, 0.8, (20, 3)) * SHAPE
    potential = blobs(SHAPE, points, 5.0)
    clean = noise_free(potential, conditions)
    rng = np.random.default_rng(5)
    noisy = tilt_series_tomogram(potential, SPACING, conditions, rng, n_threads=1).tomogram
    for volume in (clean, noisy, noisy - clean):
        assert outside_over_inside(volume, conditions) <= 0.01


@pytest.mark.parametrize("transfer", ["none", "phase-flipped"])
def test_centres_of_mass_are_at_the_truth(transfer: str) -> None:
    points = np.array([[20.3, 9.6, 25.7], [43.5, 17.25, 70.1], [30.9, 14.5, 48.35]])
    shape = (64, 27, 96)
    plain = replace(
        IDEAL, amplitude_contrast=0.99, defocus_angstrom=0.0, spherical_aberration_angstrom=0.0
    )
    conditions = replace(plain if transfer == "none" else CONDITIONS, ice_z_angstrom=(0.0, 640.0))
    dark = -noise_free(blobs(shape, points, 3.0), conditions).astype(np.float64)
    grid = np.indices(shape)
    for point in points:
        near = sum((axis - place) ** 2 for axis, place in zip(grid, point, strict=True)) < 3.5**2
        peak = dark[near].max()
        weight = np.where(near, np.maximum(dark - 0.3 * peak, 0.0), 0.0)
        centre = [(axis * weight).sum() / weight.sum() for axis in grid]
        np.testing.assert_allclose(centre, point, atol=0.1)


@pytest.mark.parametrize("tilt_sign", [-1.0, 1.0])
def test_images_of_a_point_have_the_transfer_at_its_own_defocus(tilt_sign: float) -> None:
    conditions = replace(
        IDEAL,
        tilt_limits_degrees=(-0.5, 0.5),
        tilt_step_degrees=1.0,
        ice_z_angstrom=(0.0, 2000.0),
        defocus_angstrom=5e4,
    )
    plane = 99 + 20 * int(tilt_sign)
    potential = np.zeros((200, 48, 60), dtype=np.float32)
    potential[plane, 24, 30] = 5.0
    series = tilt_series(potential, SPACING, conditions, np.random.default_rng(1), n_threads=1)
    contrast = series.signal[0]
    spectrum = np.abs(fft.fft2(contrast.astype(np.float64)))
    frequency = image_frequencies(contrast.shape, SPACING)
    chi = phase_aberration(
        frequency,
        wavelength_angstrom=electron_wavelength(300.0),
        defocus_angstrom=5e4,
        spherical_aberration_angstrom=2.7e7,
    )
    transfer = np.abs(np.sin(chi + np.arcsin(0.07)))
    expected = 2.0 * interaction_constant(300.0) * SPACING * 5.0 * transfer
    inner = (frequency > 0.0) & (frequency < 0.049)
    assert np.abs(spectrum - expected)[inner].max() < 0.08 * expected.max()
    zeros = inner & (transfer < 0.03)
    assert zeros.any()
    assert spectrum[zeros].max() < 0.12 * expected.max()


def test_the_dose_is_kept_and_counts_are_poisson() -> None:
    ice = np.zeros((12, 60, 70), dtype=np.float32)
    series = tilt_series(ice, SPACING, CONDITIONS, np.random.default_rng(6), n_threads=1)
    passed = transmission(CONDITIONS, series.tilts_degrees)
    on_specimen = series.ice_counts / (passed * SPACING**2 * CONDITIONS.dqe_zero)
    assert on_specimen.sum() == pytest.approx(120.0)
    thickness = 960.0 / 3650.0
    assert passed[0] / passed[20] == pytest.approx(np.exp(-thickness))  # 60 degrees: twice the ice
    assert not series.signal.any()
    counts = (series.images.astype(np.float64) + 1.0) * series.ice_counts[:, None, None]
    np.testing.assert_allclose(counts.mean(axis=(1, 2)), series.ice_counts, rtol=0.01)
    np.testing.assert_allclose(counts.var(axis=(1, 2)), series.ice_counts, rtol=0.15)
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)


def test_noise_of_the_tomogram_is_at_the_level_of_the_counts() -> None:
    ice = np.zeros((40, 60, 72), dtype=np.float32)
    sharp = replace(CONDITIONS, filter_cutoff_per_voxel=0.5, filter_falloff_per_voxel=0.0)
    result = tilt_series_tomogram(ice, SPACING, sharp, np.random.default_rng(7), n_threads=1)
    variance = np.deg2rad(3.0) ** 2 * (1.0 / result.series.ice_counts).sum() / 12.0
    assert result.tomogram.std(dtype=np.float64) == pytest.approx(np.sqrt(variance), rel=0.03)


def test_damage_follows_the_critical_dose() -> None:
    point = np.zeros((12, 40, 50), dtype=np.float32)
    point[6, 20, 25] = 5.0
    spared = replace(CONDITIONS, critical_dose_scale=float("inf"))
    harmed, whole = (
        tilt_series(point, SPACING, conditions, np.random.default_rng(1), n_threads=1)
        for conditions in (CONDITIONS, spared)
    )
    first, last = 20, 0  # 0 degrees and -60 degrees
    assert harmed.dose_before[first] == 0.0
    assert harmed.dose_before[last] == pytest.approx(120.0 * 40 / 41)
    frequency = image_frequencies(harmed.signal[0].shape, SPACING)
    chosen = np.abs(frequency - 0.03) < 0.002
    for index in (first, last):
        ratio = np.abs(fft.fft2(harmed.signal[index])[chosen]).sum()
        ratio /= np.abs(fft.fft2(whole.signal[index])[chosen]).sum()
        dose = harmed.dose_before[index] + 60.0 / 41.0
        assert ratio == pytest.approx(np.exp(-0.5 * dose / critical_dose(0.03, 1.0)), rel=0.03)


def test_misalignment_has_the_spread_asked_for() -> None:
    moved = replace(
        CONDITIONS, tilt_step_degrees=0.5, shift_sigma_angstrom=4.0, rotation_sigma_degrees=0.2
    )
    ice = np.zeros((4, 5, 6), dtype=np.float32)
    series = tilt_series(ice, SPACING, moved, np.random.default_rng(8), n_threads=1)
    assert series.shifts_yu_angstrom.std() == pytest.approx(4.0, rel=0.15)
    assert series.rotations_degrees.std() == pytest.approx(0.2, rel=0.15)


def test_a_displaced_image_is_where_shift_and_rotation_put_it() -> None:
    y, u = np.indices((41, 57), dtype=np.float64)
    image = np.exp(-0.5 * ((y - 25.0) ** 2 + (u - 38.0) ** 2) / 4.0).astype(np.float32)
    moved = displaced(image, (1.25, -2.5), 20.0).astype(np.float64)
    angle, along_y, along_u = np.deg2rad(20.0), 25.0 - 20.0, 38.0 - 28.0
    expected_y = 20.0 + along_y * np.cos(angle) + along_u * np.sin(angle) + 1.25
    expected_u = 28.0 + along_u * np.cos(angle) - along_y * np.sin(angle) - 2.5
    assert (moved * y).sum() / moved.sum() == pytest.approx(expected_y, abs=0.02)
    assert (moved * u).sum() / moved.sum() == pytest.approx(expected_u, abs=0.02)


def test_full_and_quick_agree_where_both_know_the_same() -> None:
    points = np.random.default_rng(9).uniform(0.2, 0.8, (15, 3)) * SHAPE
    potential = blobs(SHAPE, points, 3.0)
    full = noise_free(potential, replace(IDEAL, tilt_step_degrees=1.5))
    quick = tomogram_signal(
        potential,
        SPACING,
        ImagingConditions(300.0, 2.7e7, 0.07, 3e4, True, (-60.0, 60.0), 0.0, 0.0, 0.5, 0.0),
    )
    assert np.corrcoef(full.ravel(), quick.ravel())[0, 1] >= 0.95
    assert full.std() / quick.std() == pytest.approx(1.0, abs=0.1)


def test_equal_seeds_give_equal_bytes_with_any_number_of_threads() -> None:
    potential = blobs((24, 40, 31), [[10.2, 20.0, 15.5]], 3.0)
    moved = replace(CONDITIONS, shift_sigma_angstrom=3.0, rotation_sigma_degrees=0.1)
    first, second, other = (
        tilt_series_tomogram(
            potential, SPACING, moved, np.random.default_rng(seed), n_threads=threads
        ).tomogram
        for seed, threads in ((8, 1), (8, 2), (9, 1))
    )
    assert first.shape == potential.shape
    assert first.dtype == np.float32
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_the_low_noise_variant_with_all_the_noise_is_the_tomogram() -> None:
    potential = blobs((24, 30, 31), [[10.2, 20.0, 15.5]], 3.0)
    made = tilt_series_tomogram(
        potential, SPACING, CONDITIONS, np.random.default_rng(1), n_threads=1
    )
    whole, part = (
        low_noise_tomogram(
            made.series,
            potential.shape,
            SPACING,
            conditions=CONDITIONS,
            noise_share=share,
            lowpass_angstrom=lowpass,
            n_threads=1,
        )
        for share, lowpass in ((1.0, 0.0), (0.1, 40.0))
    )
    np.testing.assert_allclose(whole, made.tomogram, atol=1e-5)
    assert part.std() < 0.5 * whole.std()
    with pytest.raises(DataError, match="share of the noise"):
        low_noise_tomogram(
            made.series,
            potential.shape,
            SPACING,
            conditions=CONDITIONS,
            noise_share=1.5,
            lowpass_angstrom=0.0,
            n_threads=1,
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tilt_limits_degrees": (60.0, -60.0)}, "tilt limits"),
        ({"tilt_step_degrees": 0.0}, "tilt step"),
        ({"ice_z_angstrom": (100.0, 0.0)}, "surfaces of the ice"),
        ({"total_dose_per_square_angstrom": 0.0}, "total_dose"),
        ({"shift_sigma_angstrom": float("nan")}, "shift_sigma"),
        ({"amplitude_contrast": 1.0}, "amplitude_contrast"),
        ({"dqe_nyquist": 0.9}, "quantum efficiency"),
        ({"filter_cutoff_per_voxel": 0.6}, "cutoff"),
    ],
)
def test_conditions_out_of_range_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(CONDITIONS, **wrong)


def test_a_potential_that_cannot_be_imaged_is_refused() -> None:
    rng = np.random.default_rng(1)
    hole = np.zeros((4, 5, 6), dtype=np.float32)
    hole[1, 2, 3] = np.nan
    for potential in (np.zeros((4, 5), dtype=np.float32), hole):
        with pytest.raises(DataError, match="potential"):
            tilt_series(potential, SPACING, CONDITIONS, rng, n_threads=1)
    with pytest.raises(DataError, match="detector's pixel"):
        tilt_series(np.zeros((4, 5, 6), dtype=np.float32), 2.0, CONDITIONS, rng, n_threads=1)


def test_tilts_run_from_the_lowest_by_whole_steps() -> None:
    assert tilt_angles(CONDITIONS)[[0, 20, -1]].tolist() == [-60.0, 0.0, 60.0]
    assert tilt_angles(replace(CONDITIONS, tilt_limits_degrees=(-4.0, 4.0))).tolist() == [
        -4.0,
        -1.0,
        2.0,
    ]
