"""Instance segmentations: one object each, every voxel holds the number of its particle."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.project.copick import volume_writing
from copick_picker.project.copick.configuration import open_root
from copick_picker.project.copick.listing import spacing_of
from copick_picker.project.guards import guarded
from copick_picker.project.standing import Claim, MayReplace
from copick_picker.project.store import Provenance
from copick_picker.records.keys import SegmentationKey


def write_instances(
    config_path: Path,
    run_name: str,
    key: SegmentationKey,
    instances: npt.NDArray[np.uint16],
    *,
    record: Provenance,
    overwrite: bool,
    replaces: MayReplace | None = None,
) -> bool:
    """Write an instance segmentation.

    Returns False, and writes nothing, where the same one stands by then: of this record.

    Parameters
    ----------
    config_path : pathlib.Path
        The project's configuration.
    run_name : str
        Name of a run of it.
    key : SegmentationKey
        Name of the object, user, session and voxel spacing.
    instances : numpy.ndarray, shape (z, y, x), uint16
        Number of the particle in each voxel, from 1; 0 elsewhere.
    record : mapping
        Provenance.
    overwrite : bool
        Whether another one is replaced.
    replaces : callable, optional
        Whether one of ours with some other record may be replaced, too.

    Raises
    ------
    ConflictError
        If anything stands there and may not be replaced.
    ProjectError
        If the project has no such run or object, or cannot be written.
    """
    where = f"{key.name}:{key.user_id}/{key.session_id} (instances) of run {run_name}"
    with guarded(f"cannot write {where}"):
        run = open_root(config_path).get_run(run_name)
        kind, meta = run._segmentation_factory()
        fields = meta(
            voxel_size=spacing_of(key.voxel_spacing),
            name=key.name,
            user_id=key.user_id,
            session_id=key.session_id,
            is_multilabel=False,
            is_instance=True,
        )
        item = kind(run=run, meta=fields)
    depth, height, width = instances.shape
    stream = volume_writing.Stream(
        [(0, instances)], (depth, height, width), None, key.voxel_spacing
    )
    return volume_writing.write_claimed(item, stream, Claim(where, record, overwrite, replaces))
