"""Simulated tomograms as folders of JPG slices with a table of places, as BYU 2025 has them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import points_to_voxels
from copick_picker.core.simulate.eight_bits import eight_bits
from copick_picker.errors import SettingsError, choices_text
from copick_picker.project.files import write_folder, write_text
from copick_picker.project.folders.simulation_folder import SESSION, USER
from copick_picker.project.formats.byu_tables import LABEL_COLUMNS, MotorLabels, labels_csv
from copick_picker.project.formats.jpg_slices import slice_bytes
from copick_picker.project.own_files import has_columns
from copick_picker.project.standing import Output, own_file, own_folder
from copick_picker.project.store import ProjectStore
from copick_picker.records.keys import PicksKey
from copick_picker.settings.simulate_command import GREY_PERCENTILES, JPG_QUALITY
from copick_picker.settings.simulate_entries import MembraneEntry
from copick_picker.settings.simulate_scene import SceneSettings

LABELS_FILE = "train_labels.csv"
_SLICE = "slice_{:04d}.jpg"
_SLICES = "slice_[0-9]*[0-9].jpg"


@dataclass(frozen=True)
class SliceFolders:
    """A folder with one folder of slices a run.

    Attributes
    ----------
    path : pathlib.Path
        The folder; other things in it are left alone.
    overwrite : bool
        Whether slices that differ are replaced.
    """

    path: Path
    overwrite: bool = field(kw_only=True)

    def check(self, scene: SceneSettings, run_names: Sequence[str]) -> None:
        """Raise if the scene cannot be written so, or something else is in the way.

        Parameters
        ----------
        scene : SceneSettings
            The scene.
        run_names : sequence of str
            The runs.

        Raises
        ------
        SettingsError
            If the scene has several objects.
        ConflictError
            If a folder holds anything but slices.
        """
        _object_of(scene)
        for name in run_names:
            self._place(name, overwrite=True).check()
        self._table(overwrite=True).check()

    def write(self, run_name: str, volume: npt.NDArray[np.floating]) -> bool:
        """Write the slices of a run unless they are there; return whether they are new.

        Parameters
        ----------
        run_name : str
            The run.
        volume : numpy.ndarray, shape (z, y, x)
            Its tomogram.

        Raises
        ------
        ConflictError
            If other slices are in their place and may not be replaced.
        """
        grey = eight_bits(volume, percentiles=GREY_PERCENTILES)
        files = {
            _SLICE.format(number): slice_bytes(plane, quality=JPG_QUALITY)
            for number, plane in enumerate(grey)
        }
        place = self._place(run_name, overwrite=self.overwrite)
        if _holds(place.path, files):
            return False
        place.check()
        write_folder(place.path, files, permit=place.check)
        return True

    def write_labels(
        self, scene: SceneSettings, store: ProjectStore, run_names: Sequence[str]
    ) -> Path:
        """Write the table of places, unless it is there; return its path.

        Parameters
        ----------
        scene : SceneSettings
            The scene.
        store : ProjectStore
            The simulated project.
        run_names : sequence of str
            The runs.

        Raises
        ------
        ConflictError
            If another table is in its place and may not be replaced.
        """
        text = labels_csv({name: _labels(scene, store, name) for name in run_names})
        table = self._table(overwrite=self.overwrite)
        if not table.holds(text.encode()):
            table.check()
            write_text(table.path, text, permit=table.check)
        return table.path

    def _place(self, run_name: str, *, overwrite: bool) -> Output:
        return Output(self.path / run_name, own_folder(_foreign), overwrite, "another --slices")

    def _table(self, *, overwrite: bool) -> Output:
        kind = own_file(lambda file: has_columns(file, LABEL_COLUMNS))
        return Output(self.path / LABELS_FILE, kind, overwrite, "another --slices")


def _object_of(scene: SceneSettings) -> str:
    names = [
        name for name, entry in scene.labelled().items() if not isinstance(entry, MembraneEntry)
    ]
    if len(names) != 1:
        msg = (
            f"--slices: the scene has {len(names)} objects ({choices_text(names)}); a table "
            "of motors needs exactly one"
        )
        raise SettingsError(msg)
    return names[0]


def _labels(scene: SceneSettings, store: ProjectStore, run_name: str) -> MotorLabels:
    """Return the places of the object in one tomogram, in voxels."""
    kind = scene.imaging.tomogram_type
    key = next(key for key in store.tomograms(run_name) if key.tomogram_type == kind)
    depth, height, width = store.open_tomogram(run_name, key).shape
    picks = store.read_picks(run_name, PicksKey(_object_of(scene), USER, SESSION))
    return MotorLabels(
        points_to_voxels(picks.points_xyz, key.voxel_spacing),
        (depth, height, width),
        key.voxel_spacing,
    )


def _foreign(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not fnmatch(path.name, _SLICES)]


def _holds(folder: Path, files: dict[str, bytes]) -> bool:
    """Return whether a folder holds just these files."""
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != files.keys():
        return False
    return all((folder / name).read_bytes() == data for name, data in files.items())
