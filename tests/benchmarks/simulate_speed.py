"""Time, memory and levels of the imaging step of ``simulate``, ``full`` against ``quick``.

Usage: python tests/benchmarks/simulate_speed.py [--shape 200,400,400] [--runs 3] [--threads 2]
       [--scene 128,256,256] [--json FILE]

The timed volume holds random potential: the time does not depend on what it shows. Each path
runs in a process of its own; the least of the runs counts (CPU-seconds are those of all threads,
and tell more on a machine that others use), and the memory is the most that the process held after
the first and after the last run. ``full`` is a tilt series from -60 to 60
degrees in steps of 3 with all that the command simulates, and the weighted back-projection;
``quick`` is signal and noise in Fourier space. ``least`` is what no way through Fourier space can
leave out: the random numbers of the noise, two transforms forwards and one back.

Levels are those of the demo's scene (three seeds) at 120 electrons per square Angstrom in ice as
thick as the box, of the same without gold, and of that with one thing changed. SNR is the ratio of
the variances of signal and noise over all voxels, CNR the mean contrast of protein (potential of
0.5 V or more, gold left out) over the noise's standard deviation, and the SNR of two levels what
remains of SNR where a voxel is either protein or not. The correlation is that of the
two noise-free tomograms, both after the low-pass filter named (Gaussian, half amplitude).
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from copick_picker.core.wedge import frequencies
from copick_picker.jobs.machine import peak_memory_bytes, processor_name, usable_cores
from copick_picker.records.specimens import ImagingConditions
from copick_picker.settings.simulate import DEMO_SCENE, DEMO_SEEDS
from copick_picker.workflows.benchmark.demo_projects import demo_molecules

if TYPE_CHECKING:
    from collections.abc import Callable

SPACING = 10.0
DEFOCUS = 3.5e4
GOLD_VOLT = 12.0
PROTEIN_VOLT = 0.5
LOWPASS_ANGSTROM = (0.0, 40.0, 60.0)
PATHS = ("quick", "least", "full", "full and denoised")
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
    """Return the least time of one tomogram, and the memory after the first and the last."""
    rng = np.random.default_rng(1)
    potential = rng.standard_normal(shape, dtype=np.float32)
    conditions = full_conditions(shape[0])

    def full() -> Any:
        return tilt_series_tomogram(potential, SPACING, conditions, rng, n_threads=threads)

    def full_and_denoised() -> None:
        low_noise_tomogram(
            full().series,
            shape,
            SPACING,
            conditions=conditions,
            noise_share=0.15,
            lowpass_angstrom=40.0,
            n_threads=threads,
        )

    def least() -> None:
        spectrum = fft.rfftn(potential)
        spectrum += fft.rfftn(rng.standard_normal(shape, dtype=np.float32))
        fft.irfftn(spectrum, s=shape, overwrite_x=True)

    ways: dict[str, Callable[[], Any]] = {
        "quick": lambda: simulated_tomogram(potential, SPACING, quick_conditions(3.0), rng),
        "full": full,
        "full and denoised": full_and_denoised,
        "least": least,
    }
    wall, busy, peaks = [], [], []
    for _ in range(runs):
        start = time.perf_counter(), time.process_time()
        ways[path]()
        wall.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
        peaks.append((peak_memory_bytes() or 0) / 2**30)
    return {
        "seconds": min(wall),
        "cpu_seconds": min(busy),
        "gib_after_first": peaks[0],
        "gib_after_last": peaks[-1],
    }


def levels(shape: Shape, seed: int, threads: int) -> dict[str, dict[str, float]]:
    """Return signal and noise of one scene, as it is and with one thing after another changed."""
    conditions = full_conditions(shape[0])
    thick = (shape[0] - 1) * SPACING / 2.0
    changes = {
        "as it is": conditions,
        "without gold": conditions,
        "signs not corrected": replace(conditions, phase_flipped=False),
        "defocus of 2 um": replace(conditions, defocus_angstrom=2e4),
        "ice of 200 nm": replace(conditions, ice_z_angstrom=(thick - 1000.0, thick + 1000.0)),
        "no radiation damage": replace(conditions, critical_dose_scale=float("inf")),
    }
    found = {}
    for name, changed in changes.items():
        scene = replace(DEMO_SCENE, gold_count=(0, 0)) if name != "as it is" else DEMO_SCENE
        rng = np.random.default_rng(seed)
        potential = molecule_scene(demo_molecules(), scene, shape, rng).potential
        made = tilt_series_tomogram(potential, SPACING, changed, rng, n_threads=threads)
        clean = _low_noise(made.series, shape, changed, threads)
        noise = made.tomogram - clean
        protein = (potential >= PROTEIN_VOLT) & (potential < GOLD_VOLT)
        contrast = clean[potential < PROTEIN_VOLT].mean() - clean[protein].mean()
        share = float(protein.mean())
        found[name] = {
            "protein share": share,
            "SNR": float(clean.var() / noise.var()),
            "CNR": float(contrast / noise.std()),
            "contrast": float(contrast),
            "noise": float(noise.std()),
            "SNR of two levels": float(share * (1.0 - share) * (contrast / noise.std()) ** 2),
        }
    return found


def correlations(shape: Shape, seed: int, threads: int) -> dict[str, float]:
    """Return how the noise-free tomograms of the two paths correlate."""
    rng = np.random.default_rng(seed)
    potential = molecule_scene(demo_molecules(), DEMO_SCENE, shape, rng).potential
    unharmed = replace(
        full_conditions(shape[0]),
        critical_dose_scale=float("inf"),
        shift_sigma_angstrom=0.0,
        rotation_sigma_degrees=0.0,
    )  # what the quick path knows, too
    found = {}
    for step in (1.0, 3.0):
        full = _noise_free(potential, replace(unharmed, tilt_step_degrees=step), threads)
        for gapless in (0.0, step):
            quick = tomogram_signal(potential, SPACING, quick_conditions(gapless))
            for resolution in LOWPASS_ANGSTROM:
                pair = _lowpass(full, resolution).ravel(), _lowpass(quick, resolution).ravel()
                key = f"full {step:g} deg, quick {gapless:g}, {resolution:g} A"
                found[key] = round(float(np.corrcoef(*pair)[0, 1]), 3)
    return found


def commit() -> str:
    """Return the commit that is measured, with a mark where files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, check=False, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


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
        "processor": processor_name(),
        "cores": usable_cores(),
        "load": os.getloadavg()[0],
        "version": copick_picker.__version__,
        "commit": commit(),
        "threads": options.threads,
        "shape": shape,
    }
    print({key: found[key] for key in ("processor", "cores", "load", "commit", "threads")})
    context = multiprocessing.get_context("spawn")
    for path in PATHS:
        with context.Pool(1) as pool:
            found[path] = pool.apply(timed, (path, shape, options.runs, options.threads))
        print(path, {key: round(value, 2) for key, value in found[path].items()}, flush=True)
    for other in ("quick", "least"):
        ratio = found["full"]["cpu_seconds"] / found[other]["cpu_seconds"]
        print(f"full / {other}, CPU-seconds: {ratio:.2f}")
    if options.scene:
        scene = tuple(int(part) for part in options.scene.split(","))
        for seed in DEMO_SEEDS:
            found[f"seed {seed}"] = levels(scene, seed, options.threads)
            for name, values in found[f"seed {seed}"].items():
                print(seed, name, {key: round(each, 4) for key, each in values.items()}, flush=True)
            found[f"correlations {seed}"] = correlations(scene, seed, options.threads)
            print(seed, found[f"correlations {seed}"], flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.exit(main())
