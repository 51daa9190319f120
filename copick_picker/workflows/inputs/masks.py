"""The mask that a run gets: a segmentation of the project, or a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.masks.distances import distances_at, signed_distances
from copick_picker.core.masks.grids import BoolVolume, box_text, inside_of, on_grid, same_box
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.provenance import digest
from copick_picker.project.copick.pick_files import MASK_DISTANCES
from copick_picker.project.folders.checkpoints import file_sha256
from copick_picker.project.formats.cryosiam_files import read_labels
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, matching, the_one
from copick_picker.records.keys import SegmentationKey
from copick_picker.records.points import Localized, PickSet

RUN_MARK = "{run}"
"""Stands for the run's name in the path of a mask."""
_MRC_ENDINGS = (".mrc", ".rec", ".map", ".mrc.gz", ".mrc.bz2", ".rec.gz", ".map.gz")
_SPACING_STEP = 1e-3

Volume = npt.NDArray[Any]
_Reader = Callable[[Path], tuple[Volume, float]]
READERS: tuple[tuple[tuple[str, ...], _Reader], ...] = (
    (_MRC_ENDINGS, read_mrc),
    ((".h5",), lambda path: (read_labels(path), 0.0)),
)
"""Endings of files that hold a mask -> what reads the volume and its spacing, 0.0 if unknown."""


@dataclass(frozen=True, eq=False)
class RunMask:
    """A mask whose box agrees with that of a run's volume.

    Attributes
    ----------
    inside_zyx : numpy.ndarray, shape (z, y, x), bool
        Where it is; at least one voxel.
    voxel_spacing : float
        Edge of one of its own voxels in Angstrom.
    uri : str
        Its URI or path.
    """

    inside_zyx: BoolVolume
    voxel_spacing: float
    uri: str

    def on(self, shape_zyx: Sequence[int], spacing: float) -> BoolVolume:
        """Return the mask on the grid of the run's volume."""
        z, y, x = shape_zyx
        return on_grid(self.inside_zyx, self.voxel_spacing, shape_zyx=(z, y, x), spacing=spacing)

    def distances(self, picks: PickSet) -> npt.NDArray[np.float64]:
        """Return the distance of each pick to the surface in Angstrom, positive inside."""
        spacing = self.voxel_spacing
        return distances_at(self._distances_zyx, picks.points_xyz, voxel_spacing=spacing)

    def without_outer(self, result: Localized, *, margin_angstrom: float) -> Localized:
        """Return the picks that lie at least so far inside the mask; below 0: so far outside."""
        picks = result.picks
        keep = self.distances(picks) >= margin_angstrom
        dropped = {**result.dropped, "outside mask": int((~keep).sum())}
        return replace(result, picks=picks.chosen(keep), dropped=dropped)

    @cached_property
    def _distances_zyx(self) -> npt.NDArray[np.float32]:
        return signed_distances(self.inside_zyx, voxel_spacing=self.voxel_spacing)


def check_mask(mask: str | None, option: str = "--mask") -> None:
    """Raise where a mask cannot be found for any run, before the first is looked at.

    Parameters
    ----------
    mask : str or None
        What the user wrote; None for no mask.
    option : str
        The option, for the message.

    Raises
    ------
    SettingsError
        If it is neither a segmentation URI nor a file that exists.
    """
    if mask is None:
        return
    if not _is_file(mask):
        check_uri(mask, "segmentation")
    elif RUN_MARK not in mask and not Path(mask).is_file():
        msg = f"{option}: no file '{mask}'"
        raise SettingsError(msg)


def mask_record(
    store: ProjectStore, run_name: str, mask: str, *, spacing: float
) -> dict[str, str | None]:
    """Return which mask a run gets, as it goes into provenance records.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    mask : str
        Segmentation URI or path.
    spacing : float
        Voxel spacing of the volume that is masked: of several masks this one is meant.

    Returns
    -------
    dict
        ``uri``, and ``record`` (hash of its own record) or ``sha256`` (of the file).

    Raises
    ------
    CopickPickerError
        If the run has no such mask.
    """
    if _is_file(mask):
        path = _path(run_name, mask)
        return {"uri": str(path), "sha256": file_sha256(path)}
    key = _key(store, run_name, mask, spacing)
    return {"uri": str(key), "record": digest(store.segmentation_provenance(run_name, key))}


def load_mask(
    store: ProjectStore,
    run_name: str,
    mask: str | None,
    *,
    shape_zyx: Sequence[int],
    spacing: float,
    warn: Callable[[str], None],
) -> RunMask | None:
    """Return the mask of a run, checked against its volume; None where none is asked for.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    mask : str or None
        Segmentation URI, or path of a file, perhaps with ``{run}`` in it.
    shape_zyx : sequence of int
        Shape of the volume.
    spacing : float
        Its voxel spacing in Angstrom.
    warn : callable
        Where it is said that the mask is on another grid.

    Raises
    ------
    DataError
        If the mask is empty, or has another box; both boxes are named.
    CopickPickerError
        If it is missing or cannot be read.
    """
    if mask is None:
        return None
    z, y, x = shape_zyx
    values, own, uri = _read(store, run_name, mask, spacing)
    try:
        inside = inside_of(values)
    except DataError as error:
        msg = f"run {run_name}: {uri}: {error}"
        raise DataError(msg) from error
    d, h, w = inside.shape
    if own <= 0:
        own = spacing
        agree = (d, h, w) == (z, y, x)
    else:
        agree = same_box((d, h, w), own, (z, y, x), spacing)
    if not agree:
        msg = (
            f"run {run_name}: the mask {uri} has another box: {box_text((d, h, w), own)}, where "
            f"the volume has {box_text((z, y, x), spacing)}"
        )
        raise DataError(msg)
    if not inside.any():
        msg = f"run {run_name}: the mask {uri} is empty: no voxel is inside"
        raise DataError(msg)
    if (d, h, w) != (z, y, x):
        warn(
            f"run {run_name}: the mask {uri} is on another grid and resampled (nearest voxel): "
            f"{box_text((d, h, w), own)}; the volume has {box_text((z, y, x), spacing)}"
        )
    return RunMask(inside, own, uri)


def finite_or_none(distances: npt.NDArray[np.float64]) -> list[float | None]:
    """Return distances for a record: to the hundredth, None where a mask has no surface.

    Parameters
    ----------
    distances : numpy.ndarray, shape (n,), float64
        Angstrom.

    Examples
    --------
    >>> finite_or_none(np.array([1.2345, np.inf]))
    [1.23, None]
    """
    return [round(float(value), 2) if np.isfinite(value) else None for value in distances.tolist()]


def recorded_distances(
    record: Mapping[str, Any] | None, points_xyz: npt.NDArray[np.float64]
) -> dict[tuple[float, ...], float]:
    """Return point (x, y, z) -> distance to the mask's surface, as the picks' record says.

    Parameters
    ----------
    record : mapping or None
        Record of the picks; without distances, or of another number of picks, it says nothing.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        The picks in their order, Angstrom.

    Examples
    --------
    >>> recorded_distances({MASK_DISTANCES: [12.5]}, np.array([[1.0, 2.0, 3.0]]))
    {(1.0, 2.0, 3.0): 12.5}
    """
    distances = (record or {}).get(MASK_DISTANCES)
    if not isinstance(distances, list) or len(distances) != len(points_xyz):
        return {}
    points = (tuple(point) for point in points_xyz.tolist())
    return {
        point: float(distance)
        for point, distance in zip(points, distances, strict=True)
        if distance is not None
    }


def _read(
    store: ProjectStore, run_name: str, mask: str, spacing: float
) -> tuple[Volume, float, str]:
    if not _is_file(mask):
        key = _key(store, run_name, mask, spacing)
        return store.open_segmentation(run_name, key).read(), key.voxel_spacing, str(key)
    path = _path(run_name, mask)
    reader = next(reader for endings, reader in READERS if _ends(mask, endings))
    values, own = reader(path)
    return values, own, str(path)


def _key(store: ProjectStore, run_name: str, mask: str, spacing: float) -> SegmentationKey:
    keys = store.segmentations(run_name)
    found = matching(keys, mask, "segmentation")
    near = [key for key in found if abs(key.voxel_spacing - spacing) < _SPACING_STEP]
    return the_one(near if near else keys, mask, "segmentation", run_name=run_name)


def _path(run_name: str, mask: str) -> Path:
    path = Path(mask.replace(RUN_MARK, run_name))
    if not path.is_file():
        msg = f"run {run_name}: no mask file '{path}'"
        raise SettingsError(msg)
    return path


def _is_file(mask: str) -> bool:
    return any(_ends(mask, endings) for endings, _ in READERS)


def _ends(mask: str, endings: tuple[str, ...]) -> bool:
    return mask.lower().endswith(endings)
