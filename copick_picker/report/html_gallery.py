"""The gallery: which picks it shows, and the three orthogonal slices through each."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from copick_picker.records.scores import FALSE, PickTable

HALF_WIDTH_RADII = 2.0
"""Half of a slice's width, in radii of the object."""
_THICKNESS_RADII = 0.25
_MOST_PIXELS = 72
_LOW_HIGH_PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class ChosenPick:
    """A pick of the gallery.

    Attributes
    ----------
    kind : str
        ``missed``, ``false`` or ``best``.
    run_name, object_name : str
        Where it is.
    point_xyz : tuple of float
        Its centre (x, y, z) in Angstrom.
    words : str
        Score, distance, or what it lies at.
    radius_angstrom : float
        Radius of the object.
    """

    kind: str
    run_name: str
    object_name: str
    point_xyz: tuple[float, float, float]
    words: str
    radius_angstrom: float


@dataclass(frozen=True)
class Picture:
    """A pick with its three slices as PNG files: xy, xz, yz."""

    pick: ChosenPick
    slices: tuple[bytes, bytes, bytes]


def chosen_picks(
    picks: PickTable, radii_angstrom: Mapping[str, float], *, each: int
) -> list[ChosenPick]:
    """Return the picks to show: up to ``each`` missed, false and best picks of every object.

    False and best picks are those with the highest scores. Missed picks, and picks with equal
    scores, are spread over the runs.

    Parameters
    ----------
    picks : PickTable
        All picks.
    radii_angstrom : mapping of str to float
        Radius of each object to show.
    each : int
        Most picks of a kind and an object.
    """
    chosen = []
    for name, radius in radii_angstrom.items():
        groups = {
            "missed": picks.rows("reference", "missed", object_name=name),
            "false": picks.rows("candidate", *FALSE, object_name=name),
            "best": picks.rows("candidate", "matched", object_name=name),
        }
        for kind, rows in groups.items():
            for row in _first(picks, rows, each):
                x, y, z = picks.points_xyz[row].tolist()
                run_name = str(picks.run_name[row])
                words = _words(picks, row)
                chosen.append(ChosenPick(kind, run_name, name, (x, y, z), words, radius))
    return chosen


def picture_of(
    pick: ChosenPick,
    slab_zyx: npt.NDArray[np.float32],
    z_start: int,
    voxel_spacing: float,
    *,
    contrast: str,
) -> Picture:
    """Return the three slices through a pick; protein is dark in them.

    Parameters
    ----------
    pick : ChosenPick
        The pick.
    slab_zyx : numpy.ndarray, shape (z, y, x), float32
        Planes of the tomogram that hold the slices; beyond its edges the slices are grey.
    z_start : int
        First plane of the slab in the tomogram.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    contrast : str
        ``dark`` or ``bright``: how protein looks in the tomogram.
    """
    half = max(2, round(HALF_WIDTH_RADII * pick.radius_angstrom / voxel_spacing))
    thick = round(_THICKNESS_RADII * pick.radius_angstrom / voxel_spacing)
    x, y, z = (round(value / voxel_spacing) for value in pick.point_xyz)
    block = _padded(slab_zyx, (z - z_start, y, x), half)
    middle = slice(half - thick, half + thick + 1)
    planes = (
        _mean(block[middle], 0),
        _mean(block[:, middle], 1),
        _mean(block[:, :, middle], 2),
    )
    return Picture(pick, tuple(_png(plane, contrast) for plane in planes))  # type: ignore[arg-type]


def slab_of(pick: ChosenPick, voxel_spacing: float, n_planes: int) -> tuple[int, int]:
    """Return the first plane and the one after the last that a pick's slices need.

    Parameters
    ----------
    pick : ChosenPick
        The pick.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    n_planes : int
        Planes of the tomogram.
    """
    half = max(2, round(HALF_WIDTH_RADII * pick.radius_angstrom / voxel_spacing))
    z = round(pick.point_xyz[2] / voxel_spacing)
    start = min(max(0, z - half), n_planes - 1)
    return start, max(start + 1, min(n_planes, z + half + 1))


def _first(picks: PickTable, rows: npt.NDArray[np.intp], number: int) -> list[int]:
    """Return the first rows by falling score; rows of equal score take the runs in turn."""
    turn: dict[str, int] = {}
    order = []
    for row in rows.tolist():
        run_name = str(picks.run_name[row])
        turn[run_name] = turn.get(run_name, -1) + 1
        score = picks.score[row]
        order.append((-score if np.isfinite(score) else 0.0, turn[run_name], run_name, row))
    return [row for *_, row in sorted(order)[:number]]


def _words(picks: PickTable, row: int) -> str:
    words = []
    if np.isfinite(picks.score[row]):
        words.append(f"score {picks.score[row]:.3f}")
    if np.isfinite(picks.distance_angstrom[row]):
        words.append(f"{picks.distance_angstrom[row]:.0f} Å off")
    if picks.confused_with[row]:
        words.append(f"at a {picks.confused_with[row]}")
    elif picks.status[row] == "duplicate":
        words.append("duplicate at its particle")
    return ", ".join(words)


def _padded(
    slab_zyx: npt.NDArray[np.float32], centre_zyx: tuple[int, int, int], half: int
) -> npt.NDArray[np.float32]:
    """Return a cube about a voxel, NaN beyond the edges."""
    side = 2 * half + 1
    cube = np.full((side, side, side), np.nan, dtype=np.float32)
    inner, outer = [], []
    for centre, size in zip(centre_zyx, slab_zyx.shape, strict=True):
        low, high = centre - half, centre + half + 1
        kept = slice(max(0, low), max(0, min(size, high)))
        outer.append(kept)
        inner.append(slice(kept.start - low, kept.start - low + max(0, kept.stop - kept.start)))
    cube[tuple(inner)] = slab_zyx[tuple(outer)]
    return cube


def _mean(values: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float64]:
    """Return the mean of the finite values along an axis; NaN where there are none."""
    known = np.isfinite(values)
    number = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis, dtype=np.float64)
    mean = np.full(total.shape, np.nan)
    np.divide(total, number, out=mean, where=number > 0)
    return mean


def _png(plane: npt.NDArray[np.float64], contrast: str) -> bytes:
    known = plane[np.isfinite(plane)]
    low, high = np.percentile(known, _LOW_HIGH_PERCENTILES) if known.size else (0.0, 1.0)
    share = np.clip((plane - low) / (high - low if high > low else 1.0), 0.0, 1.0)
    if contrast == "bright":
        share = 1.0 - share
    grey = np.where(np.isfinite(plane), 255 * share, 128.0).round().astype(np.uint8)
    image = Image.fromarray(grey[::-1])  # y and z grow upwards, as in the slices of evaluate
    if max(image.size) > _MOST_PIXELS:
        image.thumbnail((_MOST_PIXELS, _MOST_PIXELS), Image.Resampling.BOX)
    buffer = BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
