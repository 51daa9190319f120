"""Points of a head that finds them itself, from maps that come in slabs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import length_to_voxels, voxels_to_points
from copick_picker.core.heads.head import FoundPoints, Readout
from copick_picker.core.localize.candidates import REASONS, Search, kept_of
from copick_picker.core.localize.checks import FloatVolume, check_targets
from copick_picker.records.points import Localized, LocalizeRules, LocalizeTarget, PickSet

FloatArray = npt.NDArray[np.float64]
AT_ONCE = 16
"""Fewest planes that are read at once: planes around them are read again with the next ones."""


@dataclass(frozen=True, eq=False)
class PointReader:
    """How points are read from maps.

    Attributes
    ----------
    readout : Readout
        The head.
    stride : int
        Voxels of the volume per voxel of the maps.
    """

    readout: Readout
    stride: int


def points_of_slabs(
    slabs: Iterable[tuple[int, FloatVolume]], readout: Readout
) -> list[FoundPoints]:
    """Return the points of each object in maps that come in slabs.

    Some planes are kept at a time; the result does not depend on how the volume is cut.

    Parameters
    ----------
    slabs : iterable of (int, numpy.ndarray, shape (m, k, y, x))
        First plane and maps; ascending and gapless along z.
    readout : Readout
        The head.

    Returns
    -------
    list of FoundPoints
        By channel from 1; centres z, y, x in voxels of the maps, by planes.
    """
    found: list[list[FoundPoints]] = [[] for _ in range(readout.n_channels - 1)]
    kept: FloatVolume | None = None
    first, done = 0, 0
    for z_start, maps in slabs:
        kept = maps if kept is None else np.concatenate([kept, maps], axis=1)
        stop = z_start + maps.shape[1] - readout.halo
        if stop - done >= AT_ONCE:
            _collect(found, readout, kept, first, slice(done, stop))
            drop = max(0, stop - readout.halo - first)
            kept, first, done = kept[:, drop:], first + drop, stop
    if kept is not None and first + kept.shape[1] > done:
        _collect(found, readout, kept, first, slice(done, first + kept.shape[1]))
    return [joined(parts) for parts in found]


def limited_points(
    points: Sequence[FoundPoints],
    targets: Sequence[LocalizeTarget],
    *,
    stride: int,
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    rules: LocalizeRules,
) -> dict[str, Localized]:
    """Return the points that pass the limits of score, distance and border, by object.

    Parameters
    ----------
    points : sequence of FoundPoints
        By channel from 1, on a grid of blocks.
    targets : sequence of LocalizeTarget
        The objects.
    stride : int
        Side of the blocks in voxels of the volume.
    shape_zyx : tuple of int
        Shape of the volume.
    voxel_spacing : float
        Edge of its voxels in Angstrom.
    rules : LocalizeRules
        Distance and border.

    Raises
    ------
    SettingsError
        If a target has no radius, or appears twice.
    """
    check_targets(targets)
    margin, results = length_to_voxels(rules.border_margin_angstrom, voxel_spacing), {}
    for target in targets:
        found = points[(target.channel or target.label) - 1]
        centres = found.centres * stride + (stride - 1) / 2
        last = np.array(shape_zyx, dtype=np.float64) - 1.0
        centres = np.clip(centres, 0.0, last)
        scores = np.clip(found.scores, 0.0, 1.0)
        dropped = dict.fromkeys(REASONS, 0)
        search = Search(target, rules, length_to_voxels(target.radius_angstrom or 0, voxel_spacing))
        kept = kept_of(centres, scores, search, dropped, shape_zyx=shape_zyx, margin_voxels=margin)
        sigmas = None
        if found.sigmas is not None:
            sigmas = (found.sigmas[kept] * (stride * voxel_spacing))[:, ::-1].copy()
        picks = PickSet(
            target.object_name,
            voxels_to_points(centres[kept], voxel_spacing),
            scores[kept],
            sigmas_xyz=sigmas,
        )
        results[target.object_name] = Localized(picks, dropped, "probability")
    return results


def joined(parts: Sequence[FoundPoints]) -> FoundPoints:
    """Return the points of several parts of a volume together.

    Parameters
    ----------
    parts : sequence of FoundPoints
        All with the same attributes.
    """
    if not parts:
        return FoundPoints(np.zeros((0, 3), np.int64), np.zeros((0, 3)), np.zeros(0))
    sigmas = [part.sigmas for part in parts if part.sigmas is not None]
    amplitudes = [part.amplitudes for part in parts if part.amplitudes is not None]
    return FoundPoints(
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate(sigmas) if sigmas else None,
        np.concatenate(amplitudes) if amplitudes else None,
    )


def _collect(
    found: list[list[FoundPoints]],
    readout: Readout,
    maps: FloatVolume,
    first: int,
    planes: slice,
) -> None:
    """Add the points of some planes, the maps beginning at plane ``first``."""
    inner = slice(planes.start - first, planes.stop - first)
    end = min(maps.shape[1], inner.stop + readout.halo)
    for parts, new in zip(found, readout.points(maps[:, :end], inner), strict=True):
        shift = np.zeros(new.cells.shape[1], dtype=np.int64)
        shift[0] = first
        parts.append(replace(new, cells=new.cells + shift))
