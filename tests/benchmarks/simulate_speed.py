"""Time, memory and levels of the imaging step of ``simulate``, ``full`` against ``quick``.

Usage: python tests/benchmarks/simulate_speed.py [--shape 200,400,400] [--runs 3] [--threads 2]
       [--scene 128,256,256] [--json FILE]

The timed volume holds random potential: the time does not depend on what it shows. Each path
runs in a process of its own; the least of the runs counts, and the memory is the most that the
process held. ``full`` is a tilt series from -60 to 60 degrees in steps of 3 with all that the
command simulates, and the weighted back-projection; ``quick`` is signal and noise in Fourier space.

Levels are those of the demo's scene (three seeds) at 120 electrons per square Angstrom in ice as
thick as the box: the ratio of the variances of signal and noise over all voxels, and the mean
contrast of protein (potential of 0.5 V or more, gold left out) over the noise's standard
deviation. The correlation is that of the two noise-free tomograms, both after the low-pass filter
named (Gaussian, half amplitude).
"""

import argparse
import json
import multiprocessing
import platform
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fft

import copick_picker
from copick_picker.core.simulate.acquisition import TiltSeriesConditions
from copick_picker.core.simulate.imaging import simulated_tomogram, tomogram_signal
from copick_picker.core.simulate.molecule_scenes import molecule_scene
from copick_picker.core.simulate.tilt_series import (
    low_noise_tomogram,
    tilt_series,
    tilt_series_tomogram,
)
from copick_picker.core.simulate.wedge import frequencies
from copick_picker.records import ImagingConditions
from copick_picker.settings.simulate import DEMO_SCENE, DEMO_SEEDS
from copick_picker.workflows.demo_projects import demo_molecules

SPACING = 10.0
DEFOCUS = 3.5e4
GOLD_VOLT = 12.0
PROTEIN_VOLT = 0.5
LOWPASS_ANGSTROM = (0.0, 40.0, 60.0)
Shape = tuple[int, int, int]


def full_conditions(depth: int) -> TiltSeriesConditions:
    """Return the middle of what the command draws from, in ice as thick as the box."""
    return TiltSeriesConditions(
        tilt_limits_degrees=(-60.0, 60.0),
        tilt_step_degrees=3.0,
        total_dose_per_square_angstrom=120.0,
        voltage_kilovolt=300.0,
        spherical_aberration_angstrom=2.7e7,
        amplitude_contrast=0.07,
        defocus_angstrom=DEFOCUS,
        phase_flipped=True,
        defocus_spread_angstrom=50.0,
        illumination_semiangle_radian=1e-5,
        ice_z_angstrom=(-0.5 * SPACING, (depth - 0.5) * SPACING),
        inelastic_mean_free_path_angstrom=3650.0,
        critical_dose_scale=1.0,
        detector_pixel_angstrom=2.5,
        dqe_zero=0.85,
        dqe_nyquist=0.3,
        shift_sigma_angstrom=2.5,
        rotation_sigma_degrees=0.05,
        filter_cutoff_per_voxel=0.45,
        filter_falloff_per_voxel=0.05,
    )


def quick_conditions(tilt_step_degrees: float) -> ImagingConditions:
    """Return the same microscope for the quick path."""
    return ImagingConditions(
        voltage_kilovolt=300.0,
        spherical_aberration_angstrom=2.7e7,
        amplitude_contrast=0.07,
        defocus_angstrom=DEFOCUS,
        phase_flipped=True,
        tilt_limits_degrees=(-60.0, 60.0),
        tilt_step_degrees=tilt_step_degrees,
        noise_std=0.016,
        noise_exponent=0.5,
        filter_exponent=0.0,
    )


def timed(path: str, shape: Shape, runs: int, threads: int) -> dict[str, float]:
    """Return the least seconds of one tomogram and the most memory of the process."""
    rng = np.random.default_rng(1)
    potential = rng.standard_normal(shape, dtype=np.float32)
    conditions = full_conditions(shape[0])
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        if path == "full":
            tilt_series_tomogram(potential, SPACING, conditions, rng, n_threads=threads)
        elif path == "full and denoised":
            made = tilt_series_tomogram(potential, SPACING, conditions, rng, n_threads=threads)
            low_noise_tomogram(
                made.series,
                shape,
                SPACING,
                conditions=conditions,
                noise_share=0.15,
                lowpass_angstrom=40.0,
                n_threads=threads,
            )
        else:
            simulated_tomogram(potential, SPACING, quick_conditions(3.0), rng)
        seconds.append(time.perf_counter() - start)
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": min(seconds), "peak_gib": kibibytes / 2**20}


def levels(shape: Shape, seed: int, threads: int) -> dict[str, Any]:
    """Return signal, noise and the correlation with the quick path for one scene."""
    rng = np.random.default_rng(seed)
    potential = molecule_scene(demo_molecules(), DEMO_SCENE, shape, rng).potential
    conditions = full_conditions(shape[0])
    made = tilt_series_tomogram(potential, SPACING, conditions, rng, n_threads=threads)
    clean = _noise_free(potential, conditions, threads)
    noise = made.tomogram - _low_noise(made.series, shape, conditions, threads)
    protein = (potential >= PROTEIN_VOLT) & (potential < GOLD_VOLT)
    contrast = clean[potential < PROTEIN_VOLT].mean() - clean[protein].mean()
    unharmed = replace(
        conditions,
        critical_dose_scale=float("inf"),
        shift_sigma_angstrom=0.0,
        rotation_sigma_degrees=0.0,
    )  # what the quick path knows, too
    correlations = {}
    for step in (1.0, 3.0):
        full = _noise_free(potential, replace(unharmed, tilt_step_degrees=step), threads)
        for gapless in (0.0, step):
            quick = tomogram_signal(potential, SPACING, quick_conditions(gapless))
            for resolution in LOWPASS_ANGSTROM:
                pair = _lowpass(full, resolution).ravel(), _lowpass(quick, resolution).ravel()
                key = f"full {step:g} deg, quick {gapless:g}, {resolution:g} A"
                correlations[key] = round(float(np.corrcoef(*pair)[0, 1]), 3)
    return {
        "protein share": float(protein.mean()),
        "SNR": float(clean.var() / noise.var()),
        "CNR": float(contrast / noise.std()),
        "noise": float(noise.std()),
        "correlations": correlations,
    }


def _noise_free(potential: Any, conditions: TiltSeriesConditions, threads: int) -> Any:
    rng = np.random.default_rng(1)
    series = tilt_series(potential, SPACING, conditions, rng, n_threads=threads)
    return _low_noise(series, potential.shape, conditions, threads)


def _low_noise(series: Any, shape: Shape, conditions: TiltSeriesConditions, threads: int) -> Any:
    return low_noise_tomogram(
        series,
        shape,
        SPACING,
        conditions=conditions,
        noise_share=0.0,
        lowpass_angstrom=0.0,
        n_threads=threads,
    )


def _lowpass(volume: Any, resolution: float) -> Any:
    along_z, along_y, along_x = frequencies(volume.shape, SPACING)
    squared = along_z**2 + along_y**2 + along_x**2
    weights = np.exp(-np.log(2.0) * squared * resolution**2)
    return fft.irfftn(fft.rfftn(volume) * weights.astype(np.float32), volume.shape)


def main() -> None:
    """Run the benchmark and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="200,400,400")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scene", default="128,256,256", help="empty: no levels")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    shape = tuple(int(part) for part in options.shape.split(","))
    found: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "version": copick_picker.__version__,
        "shape": shape,
    }
    context = multiprocessing.get_context("spawn")
    for path in ("quick", "full", "full and denoised"):
        with context.Pool(1) as pool:
            found[path] = pool.apply(timed, (path, shape, options.runs, options.threads))
        print(path, {key: round(value, 2) for key, value in found[path].items()}, flush=True)
    print(f"full / quick: {found['full']['seconds'] / found['quick']['seconds']:.2f}")
    if options.scene:
        scene = tuple(int(part) for part in options.scene.split(","))
        for seed in DEMO_SEEDS:
            found[f"seed {seed}"] = levels(scene, seed, options.threads)
            print(seed, found[f"seed {seed}"], flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.exit(main())
