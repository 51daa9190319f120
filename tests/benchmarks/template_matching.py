"""Template matching with the true structures, for the accuracy benchmark.

Usage: python template_matching.py JOB.json, with the keys
    scene               scene (YAML) whose objects are looked for
    volumes             list of [copick configuration, run]; all tomograms have one shape
    tomogram            type@spacing
    picks               [user, session, session after the objects have competed]
    groups              how to look for which objects, see ``Group``
    most_picks          most picks of an object in a tomogram
    threads, result

The score is the local normalised cross-correlation in a sphere (Roseman 2003,
https://doi.org/10.1016/S0304-3991(02)00333-9), computed with Fourier transforms, the highest over
all orientations. A template is the molecule's potential as the tomograms show it: times the mean
contrast transfer and radiation damage of the scene's imaging, and the missing wedge. Tomograms and
templates are whitened by the tomograms' mean spectrum. Orientations are spread evenly, and those
whose template another one resembles are left out, so that a molecule needs as many as its size and
its symmetry ask for.
"""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import fft, ndimage
from scipy.spatial import KDTree

from copick_picker.core.geometry import voxels_to_points
from copick_picker.core.simulate.acquisition import critical_dose
from copick_picker.core.simulate.molecules import Molecule, drawn_molecule
from copick_picker.core.simulate.optics import electron_wavelength, phase_aberration
from copick_picker.core.wedge import frequencies, wedge_mask
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.store import open_project
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.settings.simulate_imaging import ImagingEntry
from copick_picker.settings.simulate_scene import load_scene
from copick_picker.workflows.simulate.molecules import load_molecules

Volume = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
MASK_MARGIN_ANGSTROM = 20.0
DEFOCUS_SAMPLES = 9
SPECTRUM_BINS = 48


@dataclass(frozen=True)
class Group:
    """How objects up to a radius are looked for.

    Attributes
    ----------
    up_to_angstrom : float
        Largest radius of an object of the group.
    binning : int
        Voxels of the tomogram along an edge of a voxel that is searched.
    orientations : int
        Orientations that templates are made of.
    resemblance : float
        Correlation with a kept template above which another is left out.
    most : int
        Most templates that are kept.
    """

    up_to_angstrom: float
    binning: int
    orientations: int
    resemblance: float
    most: int


def even_rotations(count: int) -> FloatArray:
    """Return rotations spread evenly over all orientations, shape (count, 3, 3).

    Super-Fibonacci spirals: Alexa 2022, https://doi.org/10.1109/CVPR52688.2022.00811.
    """
    s = np.arange(count) + 0.5
    small, large = np.sqrt(s / count), np.sqrt(1.0 - s / count)
    alpha = 2.0 * np.pi * s / math.sqrt(2.0)
    beta = 2.0 * np.pi * s / 1.533751168755204288118041
    a, b = small * np.sin(alpha), small * np.cos(alpha)
    c, d = large * np.sin(beta), large * np.cos(beta)
    rows = [
        [1 - 2 * (b * b + c * c), 2 * (a * b - c * d), 2 * (a * c + b * d)],
        [2 * (a * b + c * d), 1 - 2 * (a * a + c * c), 2 * (b * c - a * d)],
        [2 * (a * c - b * d), 2 * (b * c + a * d), 1 - 2 * (a * a + b * b)],
    ]
    rotations: FloatArray = np.moveaxis(np.array(rows), -1, 0)
    return rotations


def angular_step(count: int) -> float:
    """Return the step in degrees of so many even rotations: a cube each of their whole, 8 pi^2."""
    return math.degrees((8.0 * math.pi**2 / count) ** (1.0 / 3.0))


def imaging_filter(
    shape_zyx: tuple[int, int, int], spacing: float, imaging: ImagingEntry
) -> Volume:
    """Return what the scene's mean imaging leaves of a potential, over the half spectrum."""
    ranges = imaging.full if imaging.path == "full" else imaging.quick
    along_z, along_y, along_x = frequencies(shape_zyx, spacing)
    frequency = np.sqrt(along_z**2 + along_y**2 + along_x**2)
    total = np.zeros_like(frequency)
    for defocus in np.linspace(*ranges.defocus_angstrom, DEFOCUS_SAMPLES):
        chi = phase_aberration(
            frequency,
            wavelength_angstrom=electron_wavelength(imaging.voltage_kilovolt),
            defocus_angstrom=float(defocus),
            spherical_aberration_angstrom=imaging.spherical_aberration_angstrom,
        )
        transfer = np.sin(chi + math.asin(imaging.amplitude_contrast))
        share = ranges.phase_flipped_share
        total += share * np.abs(transfer) + (1.0 - share) * transfer
    if imaging.path == "full":
        dose = float(np.mean(imaging.full.total_dose_per_square_angstrom))
        exponent = 0.5 * dose / critical_dose(frequency, imaging.full.critical_dose_scale)
        total *= np.where(exponent > 0, -np.expm1(-exponent) / np.maximum(exponent, 1e-9), 1.0)
    tilt = float(np.mean(ranges.tilt_limit_degrees))
    total *= wedge_mask(shape_zyx, (-tilt, tilt))
    return (-total / DEFOCUS_SAMPLES).astype(np.float32)


def binned(volume: npt.NDArray[Any], factor: int) -> Volume:
    """Return a volume cut down in Fourier space; voxel 0 stays where it is."""
    if factor == 1:
        return volume.astype(np.float32)
    if any(side % (2 * factor) for side in volume.shape):
        msg = f"binning {factor} needs sides that are multiples of {2 * factor}: {volume.shape}"
        raise ValueError(msg)
    spectrum = fft.rfftn(volume.astype(np.float32))
    depth, height, width = (side // factor for side in volume.shape)
    for axis, side in ((0, depth), (1, height)):
        half = side // 2
        spectrum = np.concatenate(
            [
                np.take(spectrum, range(half), axis),
                np.take(spectrum, range(-half, 0), axis),
            ],
            axis,
        )
    cut: Volume = fft.irfftn(spectrum[..., : width // 2 + 1], s=(depth, height, width))
    return cut.astype(np.float32) / np.float32(factor**3)


def amplitudes(volumes: Sequence[Volume]) -> FloatArray:
    """Return the mean amplitude of the volumes at frequencies 0 to 0.87 cycles a voxel."""
    total = np.zeros(SPECTRUM_BINS)
    where = _bins(volumes[0].shape)
    counts = np.bincount(where.ravel(), minlength=SPECTRUM_BINS)
    for volume in volumes:
        power = np.abs(fft.rfftn(volume)) ** 2 / volume.size
        total += np.bincount(where.ravel(), power.ravel(), SPECTRUM_BINS) / np.maximum(counts, 1)
    found: FloatArray = np.sqrt(total / len(volumes))
    found[0] = found[1]
    return np.maximum(found, 1e-3 * found.max())


def whitening(shape_zyx: tuple[int, ...], amplitude: FloatArray) -> Volume:
    """Return one over the amplitude, over the half spectrum of a shape."""
    return (amplitude[1] / amplitude)[_bins(shape_zyx)].astype(np.float32)


def _bins(shape_zyx: tuple[int, ...]) -> npt.NDArray[np.int64]:
    depth, height, width = shape_zyx
    along_z, along_y, along_x = frequencies((depth, height, width), 1.0)
    frequency = np.sqrt(along_z**2 + along_y**2 + along_x**2)
    return np.minimum(frequency / 0.87 * SPECTRUM_BINS, SPECTRUM_BINS - 1).astype(np.int64)


def sphere(side: int, radius_voxels: float) -> Volume:
    """Return 1 within a radius of voxel ``side // 2``, else 0."""
    line = np.arange(side) - side // 2
    squared = line[:, None, None] ** 2 + line[None, :, None] ** 2 + line[None, None, :] ** 2
    return (squared <= radius_voxels**2).astype(np.float32)


def masked_unit(templates: Volume, mask: Volume) -> Volume:
    """Return templates of mean 0 in the mask and norm 1, nothing outside; shape (n, m, m, m)."""
    inside = mask > 0
    result = np.zeros_like(templates)
    values = templates[:, inside]
    values = values - values.mean(axis=1, keepdims=True)
    result[:, inside] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return result


def templates_of(
    molecule: Molecule, rotations: FloatArray, transfer: Volume, mask: Volume
) -> Volume:
    """Return a template of each orientation, its centre at voxel ``m // 2``, in the mask."""
    side = mask.shape[0]
    drawn = np.zeros((len(rotations), side, side, side), dtype=np.float32)
    for index, rotation in enumerate(rotations):
        cube = drawn_molecule(molecule, rotation, np.zeros(3))
        drawn[index] = fitted(cube, side)
        drawn[index] = fft.irfftn(fft.rfftn(drawn[index]) * transfer, s=mask.shape)
    return masked_unit(drawn, mask)


def fitted(cube: Volume, side: int) -> Volume:
    """Return a cube cut or padded to a side; voxel ``n // 2`` goes to ``side // 2``."""
    edge = len(cube)
    if edge > side:
        low = edge // 2 - side // 2
        return cube[low : low + side, low : low + side, low : low + side]
    before = side // 2 - edge // 2
    return np.pad(cube, (before, side - edge - before))


def covering(templates: Volume, resemblance: float, most: int) -> tuple[list[int], float]:
    """Return templates that resemble all others, and how well the worst of those is met.

    Each next one is the template that resembles those chosen least (Gonzalez 1985,
    https://doi.org/10.1016/0304-3975(85)90224-5).
    """
    flat = templates.reshape(len(templates), -1)
    chosen = [0]
    nearest = flat @ flat[0]
    while nearest.min() < resemblance and len(chosen) < most:
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, flat @ flat[chosen[-1]])
    return chosen, float(nearest.min())


def at_origin(template: Volume, shape_zyx: tuple[int, ...]) -> Volume:
    """Return a template in a volume, its voxel ``m // 2`` at voxel 0, wrapped around."""
    side = template.shape[0]
    volume = np.zeros(shape_zyx, dtype=np.float32)
    index = np.arange(side) - side // 2
    volume[np.ix_(*(index % length for length in shape_zyx))] = template
    return volume


def correlations(volumes: Volume, templates: Volume, mask: Volume) -> Volume:
    """Return the highest local normalised cross-correlation over the templates.

    Parameters
    ----------
    volumes : numpy.ndarray, shape (v, z, y, x), float32
        Tomograms; they are taken to go on at the opposite face.
    templates : numpy.ndarray, shape (n, m, m, m), float32
        As `masked_unit` returns them.
    mask : numpy.ndarray, shape (m, m, m), float32
        0 and 1.

    Returns
    -------
    numpy.ndarray, shape (v, z, y, x), float32
        From -1 to 1, at the voxel of the template's centre.
    """
    shape = volumes.shape[1:]
    axes = (-3, -2, -1)
    stack = torch.from_numpy(np.ascontiguousarray(volumes))
    spectra = torch.fft.rfftn(stack, dim=axes)
    of_mask = torch.fft.rfftn(torch.from_numpy(at_origin(mask, shape))).conj()
    best = torch.full(stack.shape, -math.inf)
    for template in templates:
        of_template = torch.fft.rfftn(torch.from_numpy(at_origin(template, shape))).conj()
        for index in range(len(stack)):
            found = torch.fft.irfftn(spectra[index] * of_template, s=shape, dim=axes)
            torch.maximum(best[index], found, out=best[index])
    n_inside = float(mask.sum())
    for index, volume in enumerate(stack):
        mean = torch.fft.irfftn(spectra[index] * of_mask, s=shape, dim=axes) / n_inside
        squares = torch.fft.rfftn(volume**2, dim=axes)
        variance = torch.fft.irfftn(squares * of_mask, s=shape, dim=axes) / n_inside - mean**2
        floor = 1e-6 * float(volume.var())
        best[index] /= torch.sqrt(n_inside * torch.clamp(variance, min=floor))
    result: Volume = best.numpy()
    return result


def peaks(score: Volume, distance_voxels: float, most: int) -> tuple[FloatArray, FloatArray]:
    """Return the highest maxima no nearer to each other than a distance.

    Returns
    -------
    tuple of numpy.ndarray
        Centres (z, y, x) in voxels, refined by a parabola along each axis, and scores above 0,
        the highest first.
    """
    is_peak = (score == ndimage.maximum_filter(score, size=3, mode="nearest")) & (score > 0)
    centres = np.argwhere(is_peak)
    order = np.argsort(-score[is_peak], kind="stable")[: 20 * most]
    centres = centres[order]
    kept = _far_apart(centres.astype(np.float64), distance_voxels)[:most]
    centres = centres[kept]
    values = score[tuple(centres.T)].astype(np.float64)
    return centres + _refinement(score, centres), values


def _far_apart(ordered: FloatArray, distance: float) -> list[int]:
    """Return the points of which no better one is nearer; the best come first."""
    if not len(ordered):
        return []
    near = KDTree(ordered).query_ball_point(ordered, distance)
    dropped: set[int] = set()
    kept = []
    for index, others in enumerate(near):
        if index not in dropped:
            kept.append(index)
            dropped.update(others)
    return kept


def _refinement(score: Volume, centres: npt.NDArray[np.int64]) -> FloatArray:
    shift = np.zeros((len(centres), 3))
    top = score[tuple(centres.T)]
    for axis in range(3):
        inside = (centres[:, axis] > 0) & (centres[:, axis] < score.shape[axis] - 1)
        step = np.eye(3, dtype=np.int64)[axis]
        low, high = (score[tuple((centres[inside] + sign * step).T)] for sign in (-1, 1))
        bend = low - 2.0 * top[inside] + high
        shift[inside, axis] = np.where(bend < 0, 0.5 * (low - high) / np.minimum(bend, -1e-12), 0.0)
    return np.clip(shift, -0.5, 0.5)


@dataclass(frozen=True, eq=False)
class Found:
    """Picks of one object in one tomogram: points (x, y, z) in Angstrom, scores, and z-scores."""

    points_xyz: FloatArray
    scores: FloatArray
    z_scores: FloatArray


def competing(found: Mapping[str, Found], radii_angstrom: Mapping[str, float]) -> dict[str, Found]:
    """Return the picks without those that stand where another object fits better.

    Of two picks of different objects, nearer than the mean of their radii, that with the higher
    z-score stays.
    """
    names = list(found)
    points = np.concatenate([found[name].points_xyz for name in names])
    z_scores = np.concatenate([found[name].z_scores for name in names])
    owner = np.repeat(np.arange(len(names)), [len(found[name].scores) for name in names])
    radii = np.array([radii_angstrom[name] for name in names])[owner]
    keep = np.ones(len(points), dtype=bool)
    tree = KDTree(points) if len(points) else None
    for index in np.argsort(-z_scores, kind="stable"):
        if tree is None or not keep[index]:
            continue
        for other in tree.query_ball_point(points[index], float(radii.max())):
            distance = np.linalg.norm(points[index] - points[other])
            nearer = distance < 0.5 * (radii[index] + radii[other])
            if nearer and owner[other] != owner[index] and z_scores[other] <= z_scores[index]:
                keep[other] = False
    return {
        name: Found(
            found[name].points_xyz[keep[owner == at]],
            found[name].scores[keep[owner == at]],
            found[name].z_scores[keep[owner == at]],
        )
        for at, name in enumerate(names)
    }


def z_score(score: Volume, values: FloatArray) -> FloatArray:
    """Return scores in robust standard deviations of the map that they are from."""
    middle = float(np.median(score))
    spread = 1.4826 * float(np.median(np.abs(score - middle)))
    return (values - middle) / max(spread, 1e-12)


def main(job_file: str) -> None:
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    began = time.process_time()
    kind, spacing = job["tomogram"].split("@")
    key = TomogramKey(kind, float(spacing))
    stores = {config: open_project(config) for config, _ in job["volumes"]}
    volumes = [
        np.asarray(stores[config].open_tomogram(run, key).read(), dtype=np.float32)
        for config, run in job["volumes"]
    ]
    scene = load_scene(Path(job["scene"]), {})
    found: list[dict[str, Found]] = [{} for _ in volumes]
    figures: dict[str, Any] = {}
    lowest = 0.0
    for group in (Group(**entry) for entry in job["groups"]):
        names = {
            name: entry
            for name, entry in scene.objects.items()
            if lowest < (entry.radius_angstrom or 0.0) <= group.up_to_angstrom
        }
        lowest = group.up_to_angstrom
        if names:
            figures |= search(group, names, volumes, key.voxel_spacing, scene.imaging, found, job)
    radii = {name: float(entry.radius_angstrom or 0.0) for name, entry in scene.objects.items()}
    for (config, run), picks in zip(job["volumes"], found, strict=True):
        for session, sets in zip(job["picks"][1:], (picks, competing(picks, radii)), strict=True):
            for name, entry in sets.items():
                stores[config].write_picks(
                    run,
                    PicksKey(name, job["picks"][0], session),
                    PickSet(name, entry.points_xyz, entry.scores),
                    provenance=new_record("template matching"),
                    overwrite=True,
                )
    result = {"objects": figures, "cpu_seconds_in_all": time.process_time() - began}
    Path(job["result"]).write_text(json.dumps(result, indent=1), encoding="utf-8")


def search(
    group: Group,
    entries: Mapping[str, Any],
    volumes: Sequence[Volume],
    voxel_spacing: float,
    imaging: ImagingEntry,
    found: list[dict[str, Found]],
    job: Mapping[str, Any],
) -> dict[str, Any]:
    """Look for the objects of a group in all tomograms; return how, by object."""
    spacing = voxel_spacing * group.binning
    small = [binned(volume, group.binning) for volume in volumes]
    amplitude = amplitudes(small)
    white = whitening(small[0].shape, amplitude)
    stack = np.stack(
        [fft.irfftn(fft.rfftn(volume) * white, s=volume.shape) for volume in small]
    ).astype(np.float32)
    rotations = even_rotations(group.orientations)
    sources = [entry.molecule for entry in entries.values()]
    molecules = load_molecules(sources, Path(job["scene"]).parent, spacing)
    figures = {}
    for name, entry in entries.items():
        began = time.process_time()
        loaded = molecules[entry.molecule]
        radius = float(entry.radius_angstrom)
        radius_voxels = (radius + MASK_MARGIN_ANGSTROM) / spacing
        mask = sphere(2 * math.ceil(radius_voxels) + 2, radius_voxels)
        box = (len(mask),) * 3
        transfer = imaging_filter(box, spacing, imaging) * whitening(box, amplitude)
        templates = templates_of(loaded.molecule, rotations, transfer, mask)
        chosen, worst = covering(templates, group.resemblance, group.most)
        scores = correlations(stack, templates[chosen], mask)
        for index, score in enumerate(scores):
            centres, values = peaks(score, radius / spacing, job["most_picks"])
            found[index][name] = Found(
                voxels_to_points(centres, spacing), values, z_score(score, values)
            )
        figures[name] = {
            "mass_kda": loaded.mass_kda,
            "spacing_angstrom": spacing,
            "orientations": group.orientations,
            "step_degrees": angular_step(group.orientations),
            "templates": len(chosen),
            "least_resemblance": worst,
            "cpu_seconds": time.process_time() - began,
        }
        print(name, figures[name], flush=True)
    return figures


if __name__ == "__main__":
    main(*sys.argv[1:])
