"""What copick's objects of the CryoET Data Portal know, and points of the portal's files.

Objects of other projects know none of it: they give None.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from copick_picker.errors import DataError, ProjectError
from copick_picker.project.copick.api import CopickPicks, CopickTomogram, Volume
from copick_picker.project.remote.objects import RemoteReader
from copick_picker.records.keys import PicksOrigin
from copick_picker.records.points import PickSet

_POINT_FIELDS = ("x", "y", "z")


def tomogram_number(item: CopickTomogram) -> int | None:
    """Return a tomogram's number on the portal.

    Parameters
    ----------
    item : copick tomogram
        Of any project.
    """
    number = getattr(getattr(item, "meta", None), "portal_tomo_id", None)
    return None if number is None else int(number)


def tomogram_alignment(item: CopickTomogram) -> int | None:
    """Return the alignment that a tomogram was reconstructed from.

    Parameters
    ----------
    item : copick tomogram
        Of any project.
    """
    number = getattr(_tomogram_row(item), "alignment_id", None)
    return None if number is None else int(number)


def stated_bytes(item: Volume) -> int | None:
    """Return the size of a tomogram's store as the portal states it.

    Parameters
    ----------
    item : copick volume
        Of any project.
    """
    size = getattr(_tomogram_row(item), "file_size_omezarr", None)
    return None if size is None else int(size)


def check_has_files(item: Volume, where: str) -> None:
    """Raise where the portal lists a tomogram without files.

    Parameters
    ----------
    item : copick volume
        Of any project.
    where : str
        URI and run, for messages.

    Raises
    ------
    ProjectError
        Naming the tomogram's number on the portal.
    """
    number = tomogram_number(item)
    if number is not None and not item.meta.portal_tomo_path:
        msg = f"{where}: the portal lists tomogram {number} without an OME-Zarr store"
        raise ProjectError(msg)


def picks_origin(item: CopickPicks) -> PicksOrigin | None:
    """Return what the portal says of a pick set; None for a set of the overlay or elsewhere.

    Parameters
    ----------
    item : copick picks
        Of any project.
    """
    known = getattr(getattr(item, "meta", None), "portal_metadata", None)
    annotation = getattr(known, "portal_annotation", None)
    if known is None or annotation is None or getattr(annotation, "id", None) is None:
        return None
    return PicksOrigin(
        annotation_id=int(annotation.id),
        deposition_id=annotation.deposition_id,
        is_truth=bool(annotation.ground_truth_status),
        authors=tuple(known.portal_author_names or ()),
        alignment_id=known.portal_annotation_file.alignment_id,
    )


def read_points(item: CopickPicks, where: str, reader: RemoteReader) -> PickSet:
    """Return the points of an annotation file of the portal.

    Parameters
    ----------
    item : copick picks
        With an origin on the portal.
    where : str
        URI and run, for messages.
    reader : RemoteReader
        Who reads.

    Returns
    -------
    PickSet
        Centres in Angstrom; scores 1, since the portal's files hold none.

    Raises
    ------
    ProjectError
        If the file cannot be read, or is not what the portal writes.
    DataError
        If the file holds no point.
    """
    known = item.meta.portal_metadata
    if known.voxel_spacing is None:
        msg = f"{where}: the portal does not state the voxel spacing of its points"
        raise ProjectError(msg)
    filesystem = reader.filesystem(item.fs)
    path = str(filesystem._strip_protocol(known.s3_path))
    text = reader.read(filesystem, [path])[path].decode("utf-8", errors="replace")
    return parsed_points(
        text, str(item.pickable_object_name), float(known.voxel_spacing), f"{where} ({path})"
    )


def parsed_points(text: str, object_name: str, voxel_spacing: float, where: str) -> PickSet:
    """Return the points of a text with a JSON object a line, as the portal writes them.

    Parameters
    ----------
    text : str
        ``{"type": "point", "location": {"x": ..., "y": ..., "z": ...}}`` a line, in voxels.
    object_name : str
        Name of the object.
    voxel_spacing : float
        Edge of the points' voxels in Angstrom.
    where : str
        File and run, for messages.

    Returns
    -------
    PickSet
        Centres (n, 3) (x, y, z) in Angstrom, rotations where the points have them.

    Raises
    ------
    DataError
        If there is no point, or a line is not one; the message gives its number.
    """
    points, rotations = [], []
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        msg = f"{where} contains no point"
        raise DataError(msg)
    for number, line in lines:
        try:
            row = json.loads(line)
            points.append(_position(row["location"]))
            if "xyz_rotation_matrix" in row:
                rotations.append(_rotation(row["xyz_rotation_matrix"]))
        except (ValueError, TypeError, LookupError) as error:
            msg = f"{where}: line {number} is not a point: {line.strip()[:80]}"
            raise DataError(msg) from error
    if len(rotations) not in (0, len(points)):
        msg = f"{where}: {len(rotations)} of {len(points)} points have a rotation; expected all"
        raise DataError(msg)
    points_xyz = np.array(points, dtype=np.float64) * voxel_spacing
    return PickSet(
        object_name,
        points_xyz,
        np.ones(len(points_xyz)),
        np.array(rotations) if rotations else None,
    )


def _position(location: Mapping[str, object]) -> list[float]:
    position = [float(str(location[axis])) for axis in _POINT_FIELDS]
    if not np.isfinite(position).all():
        msg = "a position is three finite numbers"
        raise ValueError(msg)
    return position


def _rotation(rows: object) -> Any:  # noqa: ANN401 - an array of numpy
    matrix = np.asarray(rows, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        msg = "a rotation is 3 x 3 numbers"
        raise ValueError(msg)
    return matrix


def _tomogram_row(item: Volume) -> object:
    known = getattr(getattr(item, "meta", None), "portal_metadata", None)
    return getattr(known, "portal_metadata", None)
