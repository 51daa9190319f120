"""Subvolumes as MRC files or stacks, and their tables for RELION and Dynamo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import numpy.typing as npt
import pandas as pd

from copick_picker._version import __version__
from copick_picker.project.formats.copick_formats import (
    build_relion_star_tables,
    copick_to_dynamo_transform,
)
from copick_picker.project.formats.dynamo_tables import dynamo_text
from copick_picker.project.formats.mrc import write_mrc
from copick_picker.project.formats.particle_writers import ANGLES, SCORE_COLUMN, star_tables
from copick_picker.project.own_files import MARK
from copick_picker.records.points import PickSet

FloatArray = npt.NDArray[np.float64]
STACK_FILE = "particles.mrcs"


@dataclass(frozen=True, eq=False)
class CutRun:
    """Subvolumes of one object in one run.

    Attributes
    ----------
    run_name : str
        The run.
    folder : pathlib.Path
        Where they lie.
    picks : PickSet
        Their picks, in order of the files.
    centres_xyz : numpy.ndarray, shape (n, 3), float64
        Position (x, y, z) of the centre of each box, in voxels of the tomogram.
    shifts_xyz : numpy.ndarray, shape (n, 3), float64
        Pick less that position, in voxels of the tomogram.
    voxel_spacing : float
        Of the tomogram in Angstrom.
    size : int
        Edge of a box in written voxels.
    """

    run_name: str
    folder: Path
    picks: PickSet
    centres_xyz: FloatArray
    shifts_xyz: FloatArray
    voxel_spacing: float
    size: int


@dataclass(frozen=True)
class Optics:
    """What the optics table of a RELION file says.

    Attributes
    ----------
    voltage, spherical_aberration, amplitude_contrast : float
        In kV, in mm, a share.
    binning : int
        Voxels of the tomogram along the edge of a written one.
    """

    voltage: float
    spherical_aberration: float
    amplitude_contrast: float
    binning: int


def particle_file(number: int) -> str:
    """Return the name of a subvolume's file, as in Dynamo's data folders.

    Parameters
    ----------
    number : int
        From 1.
    """
    return f"particle_{number:06d}.mrc"


class BoxWriter:
    """Writes the subvolumes of a run into a folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder, which exists.
    number : int
        How many there are.
    size : int
        Edge of each in voxels.
    voxel_spacing : float
        Of what is written, in Angstrom.
    is_stack : bool
        Whether they go into one stack of volumes.
    """

    def __init__(
        self, folder: Path, number: int, size: int, voxel_spacing: float, *, is_stack: bool
    ) -> None:
        self.folder, self.voxel_spacing = folder, voxel_spacing
        self.stack: Any = None
        if is_stack and number:
            shape = (number, size, size, size)
            self.stack = mrcfile.new_mmap(folder / STACK_FILE, shape=shape, mrc_mode=2)

    def write(self, number: int, box: npt.NDArray[np.float32]) -> None:
        """Write one subvolume.

        Parameters
        ----------
        number : int
            From 1.
        box : numpy.ndarray, shape (size, size, size), float32
            The subvolume (z, y, x).
        """
        if self.stack is None:
            write_mrc(self.folder / particle_file(number), box, self.voxel_spacing)
        else:
            self.stack.data[number - 1] = box

    def close(self) -> None:
        """Write what stands in the header of a stack."""
        if self.stack is None:
            return
        self.stack.header.label[0] = f"{MARK} {__version__}"
        self.stack.voxel_size = self.voxel_spacing
        self.stack.update_header_stats()
        self.stack.close()


def relion_star(runs: Sequence[CutRun], optics: Optics, *, is_stack: bool) -> bytes:
    """Return the table of subvolumes as RELION reads it.

    Coordinates are the centres of the boxes in voxels of the tomogram; origins are the shift that
    brings the box onto its particle, in Angstrom, with RELION's sign.

    Parameters
    ----------
    runs : sequence of CutRun
        Subvolumes by run; not empty.
    optics : Optics
        Of the microscope and the boxes.
    is_stack : bool
        Whether each run is one stack.
    """
    table, _ = build_relion_star_tables(
        {run.run_name: (run.centres_xyz, _transforms(run.picks)) for run in runs},
        tilt_series_pixel_size=1.0,
        include_optics=False,
    )
    table = pd.DataFrame(table)
    if all(run.picks.rotations is None for run in runs):
        table = table.drop(columns=ANGLES)
    names = [name for run in runs for name in _image_names(run, is_stack=is_stack)]
    table.insert(0, "rlnImageName", names)
    table.insert(1, "rlnMicrographName", table["rlnTomoName"])
    spacings = np.concatenate([np.full(len(run.picks), run.voxel_spacing) for run in runs])
    shifts = np.concatenate([run.shifts_xyz for run in runs])
    for axis, name in enumerate("XYZ"):
        table[f"rlnOrigin{name}Angst"] = -shifts[:, axis] * spacings
    table[SCORE_COLUMN] = np.concatenate([run.picks.scores for run in runs])
    boxes = dict(sorted((run.voxel_spacing, run.size) for run in runs))
    sizes = list(boxes)
    table["rlnOpticsGroup"] = [sizes.index(value) + 1 for value in spacings]
    group = pd.DataFrame(
        {
            "rlnOpticsGroup": np.arange(1, len(sizes) + 1),
            "rlnOpticsGroupName": [f"opticsGroup{k + 1}" for k in range(len(sizes))],
            "rlnVoltage": optics.voltage,
            "rlnSphericalAberration": optics.spherical_aberration,
            "rlnAmplitudeContrast": optics.amplitude_contrast,
            "rlnMicrographOriginalPixelSize": sizes,
            "rlnImagePixelSize": [size * optics.binning for size in sizes],
            "rlnImageSize": list(boxes.values()),
            "rlnImageDimensionality": 3,
        }
    )
    return star_tables({"optics": group, "particles": table})


def dynamo_star(runs: Sequence[CutRun]) -> bytes:
    """Return Dynamo's list of particle files: tags from 1, absolute paths.

    Parameters
    ----------
    runs : sequence of CutRun
        Subvolumes by run, in files.
    """
    paths = [
        str((run.folder / particle_file(k + 1)).absolute())
        for run in runs
        for k in range(len(run.picks))
    ]
    table = pd.DataFrame({"tag": np.arange(1, len(paths) + 1), "particleFile": paths})
    return star_tables({"": table})


def dynamo_table(runs: Sequence[CutRun], binning: int) -> bytes:
    """Return Dynamo's table of the same particles, in lengths of a voxel of the boxes.

    A position times the pixel size of column 36 is one in Angstrom, whatever the binning.

    Parameters
    ----------
    runs : sequence of CutRun
        Subvolumes by run.
    binning : int
        Voxels of the tomogram along the edge of a written one.
    """
    places = np.concatenate([run.centres_xyz / binning for run in runs])
    transforms = np.concatenate([_transforms(run.picks) for run in runs])
    _, angles, _ = copick_to_dynamo_transform(places, transforms, 1.0)
    counts = [len(run.picks) for run in runs]
    text = dynamo_text(
        places,
        angles,
        np.concatenate([run.picks.scores for run in runs]),
        np.repeat(np.arange(1, len(runs) + 1), counts).tolist(),
        np.repeat([run.voxel_spacing * binning for run in runs], counts),
        shifts=np.concatenate([run.shifts_xyz / binning for run in runs]),
    )
    return text.encode("ascii")


def _image_names(run: CutRun, *, is_stack: bool) -> list[str]:
    numbers = range(1, len(run.picks) + 1)
    if is_stack:
        return [f"{number:06d}@{run.folder / STACK_FILE}" for number in numbers]
    return [str(run.folder / particle_file(number)) for number in numbers]


def _transforms(picks: PickSet) -> FloatArray:
    transforms = np.tile(np.eye(4), (len(picks), 1, 1))
    if picks.rotations is not None:
        transforms[:, :3, :3] = picks.rotations
    return transforms
