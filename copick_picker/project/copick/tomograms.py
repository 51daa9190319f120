"""Tomograms written into a project block by block, with copick's pyramid, whole or not at all."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from skimage.transform import downscale_local_mean

from copick_picker.errors import DataError, ProjectError, SameOutputError, SettingsError
from copick_picker.project import provenance
from copick_picker.project.copick import listing, volume_writing, volumes
from copick_picker.project.copick.api import CopickRoot, CopickTomogram, sanitize_name
from copick_picker.project.copick.configuration import open_root
from copick_picker.project.files import Permit, replacing
from copick_picker.project.guards import guarded
from copick_picker.project.local_places import is_local
from copick_picker.project.standing import Claim, MayReplace, Standing
from copick_picker.records.keys import TomogramKey

LEVELS = 3
"""Levels of resolution, as many as copick writes."""
CHUNK_ZYX = (256, 256, 256)
"""Chunks that copick writes."""
BLOCK_ZYX = (256, 256, 512)
"""Voxels that are held at a time; whole chunks, and even, so that levels fit together."""

Triple = tuple[int, int, int]
ReadBlock = Callable[[Triple, Triple], npt.NDArray[np.float32] | npt.NDArray[np.uint8]]
"""(First voxel, one past the last) -> block (z, y, x); its type is the one that is stored."""


class TomogramWriter:
    """Writes tomograms into the project of a configuration.

    Parameters
    ----------
    config_path : pathlib.Path
        copick's JSON configuration.

    Raises
    ------
    ProjectError
        If the project cannot be opened.
    """

    def __init__(self, config_path: Path) -> None:
        self._root: CopickRoot = open_root(config_path)

    def standing(self, run_name: str, key: TomogramKey) -> Standing | None:
        """Return what stands in the place of a tomogram, whatever it is.

        Parameters
        ----------
        run_name : str
            The run; it need not exist.
        key : TomogramKey
            Type and voxel spacing.
        """
        return volumes.standing(self._item(run_name, key))

    def write(
        self,
        run_name: str,
        key: TomogramKey,
        shape_zyx: Triple,
        read_block: ReadBlock,
        *,
        record: Mapping[str, Any],
        overwrite: bool,
        replaces: MayReplace | None = None,
        dtype: str = "float32",
    ) -> bool:
        """Write a tomogram, its pyramid and its record; the run is made where needed.

        Returns False, and writes nothing, where the same tomogram stands by then: of this record.

        Parameters
        ----------
        run_name : str
            The run.
        key : TomogramKey
            Type and voxel spacing.
        shape_zyx : tuple of int
            Shape of the tomogram.
        read_block : callable
            (first voxel, one past the last) -> block (z, y, x).
        record : mapping
            Provenance.
        overwrite : bool
            Whether a tomogram that stands there is replaced.
        replaces : callable, optional
            Whether a tomogram of ours with some other record may be replaced, too.
        dtype : str
            Type to store, ``float32`` or ``uint8``; means of lower levels are rounded to it.

        Raises
        ------
        ConflictError
            If anything stands there and may not be replaced.
        DataError
            If a value is not finite.
        ProjectError
            If the project cannot be written.
        """
        where = f"{key} of run {run_name}"
        stored = provenance.to_stored(record, where)
        item = self._item(run_name, key)
        claim = Claim(where, record, overwrite, replaces)
        permit = claim.permit(lambda: volumes.standing(item))
        spacing = Path(item.overlay_path).parent
        made = [folder for folder in (spacing, spacing.parent) if not folder.exists()]
        try:
            permit()
            volume = _Blocks(shape_zyx, read_block, np.dtype(dtype), key.voxel_spacing)
            _write_item(item, volume, stored, permit)
        except SameOutputError:
            return False
        finally:
            for folder in made:
                remove_empty(folder)
            self._root.refresh()
        return True

    def _item(self, run_name: str, key: TomogramKey) -> CopickTomogram:
        """Return copick's object for a tomogram; nothing is made on disk."""
        run = self._root.get_run(run_name)
        if run is None:
            kind, meta = self._root._run_factory()
            run = kind(self._root, meta=meta(name=run_name))
        else:
            found: CopickTomogram | None = listing.tomogram_items(run).get(key)
            if found is not None:
                return found
        kind, meta = run._voxel_spacing_factory()
        spacing = kind(run=run, meta=meta(voxel_size=listing.spacing_of(key.voxel_spacing)))
        kind, meta = spacing._tomogram_factory()
        return kind(voxel_spacing=spacing, meta=meta(tomo_type=key.tomogram_type))


def check_type_name(name: str) -> None:
    """Raise where copick cannot store a tomogram type.

    Parameters
    ----------
    name : str
        The type.

    Raises
    ------
    SettingsError
        With a name that it can store.
    """
    with guarded(f"the tomogram type '{name}' cannot be a name in copick"):
        allowed = sanitize_name(name, suppress_warnings=True)
    if name != allowed or not name.strip("."):
        allowed = allowed.strip(".") or "tomogram"
        msg = f"the tomogram type '{name}' is not a valid name in copick; use '{allowed}'"
        raise SettingsError(msg)


@dataclass(frozen=True)
class _Blocks:
    """A volume that is read block by block."""

    shape_zyx: Triple
    read_block: ReadBlock
    dtype: np.dtype[Any]
    voxel_spacing: float


def _write_item(
    item: CopickTomogram, volume: _Blocks, stored: dict[str, Any], permit: Permit
) -> None:
    shape_zyx = volume.shape_zyx
    path = item.overlay_path
    if not is_local(item.fs_overlay):
        msg = f"{path} is remote: tomograms can only be imported into local projects"
        raise ProjectError(msg)
    with (
        replacing(Path(path), permit=permit) as temporary,
        guarded(f"cannot write {path}"),
    ):
        group = zarr.open_group(str(temporary), mode="w")
        group.attrs.update(_ome_attributes(volume.voxel_spacing))
        shapes = [tuple(-(-size // 2**level) for size in shape_zyx) for level in range(LEVELS)]
        arrays = [
            group.create_dataset(
                str(level),
                shape=shape,
                chunks=tuple(map(min, shape, CHUNK_ZYX)),
                dtype=volume.dtype,
                dimension_separator="/",
            )
            for level, shape in enumerate(shapes)
        ]
        with volume_writing.same_bytes():
            for corner in _corners(shape_zyx):
                _write_block(arrays, corner, volume)
        group.attrs[provenance.ATTRIBUTE] = stored


def _write_block(arrays: list[Any], corner: Triple, volume: _Blocks) -> None:
    """Write one block at every level; a level is the local mean of the one before."""
    sides = zip(corner, BLOCK_ZYX, volume.shape_zyx, strict=True)
    z, y, x = (min(at + most, size) for at, most, size in sides)
    block = volume.read_block(corner, (z, y, x))
    bad = int(block.size - np.count_nonzero(np.isfinite(block)))
    if bad:
        msg = f"{bad} voxels are NaN or infinite in the block from (z, y, x) = {corner}"
        raise DataError(msg)
    for level, array in enumerate(arrays):
        if level:
            mean = downscale_local_mean(block, (2, 2, 2))
            block = (mean if volume.dtype.kind == "f" else np.rint(mean)).astype(volume.dtype)
        begin = [at // 2**level for at in corner]
        array[tuple(slice(at, at + size) for at, size in zip(begin, block.shape, strict=True))] = (
            block
        )


def _corners(shape_zyx: Triple) -> list[Triple]:
    starts = [range(0, size, most) for size, most in zip(shape_zyx, BLOCK_ZYX, strict=True)]
    return [(z, y, x) for z in starts[0] for y in starts[1] for x in starts[2]]


def _ome_attributes(voxel_spacing: float) -> dict[str, Any]:
    """Return OME-Zarr 0.4 attributes of copick's three levels."""
    attributes = volume_writing.ome_attributes(voxel_spacing, dimensions=3, zarr_format=2)
    attributes["multiscales"][0]["datasets"] = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [voxel_spacing * 2**level] * 3}
            ],
        }
        for level in range(LEVELS)
    ]
    return attributes


def remove_empty(folder: Path) -> None:
    """Remove a folder where it is empty; else leave it.

    Parameters
    ----------
    folder : pathlib.Path
        What a write that failed may have left.
    """
    with contextlib.suppress(OSError):
        folder.rmdir()
