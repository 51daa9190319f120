"""What a simulated specimen came to hold: the truth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlacedObjects:
    """Where the particles of one name stand.

    Attributes
    ----------
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Centres of mass (x, y, z) in Angstrom; of shells and beads the middle of the sphere; of
        filaments points along the chain, in order, one filament after the other; of vesicles the
        middle, of sheets a point of the mid-plane.
    rotations : numpy.ndarray, shape (n, 3, 3), float64
        Turns the molecule as stored into its place, columns (x, y, z): what copick's
        ``transformation_`` of a pick holds. Of filaments +z is the tangent.
    instance_ids : numpy.ndarray, shape (n,), int64
        Number in ``Specimen.instances``; 0 where it has no label. All points of one filament have
        the same.
    filament_ids : numpy.ndarray, shape (n,), int64, or None
        Filament of each point, from 1 (copick's ``instance_ids`` of picks); None where the points
        are those of particles.
    """

    points_xyz: FloatArray
    rotations: FloatArray
    instance_ids: npt.NDArray[np.int64]
    filament_ids: npt.NDArray[np.int64] | None = None

    def count(self) -> int:
        """Return how many were placed; a filament counts once."""
        if self.filament_ids is None:
            return len(self.points_xyz)
        return len(np.unique(self.filament_ids))


@dataclass(frozen=True, eq=False)
class Specimen:
    """A simulated specimen with its truth.

    Attributes
    ----------
    potential : numpy.ndarray, shape (z, y, x), float32
        Electrostatic potential over vitreous ice, in volts; 0 outside the slab.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    placed : mapping of str to PlacedObjects
        Everything that was placed, by name, empty sets included; fillers under their molecule's.
    labelled : tuple of str
        Names with a label, in the order of the labels: the first has label 1.
    instances : numpy.ndarray, shape (z, y, x), uint16
        Number of the labelled particle that covers the voxel (its real extent), from 1; 0
        elsewhere.
    ice_z_angstrom : tuple of float
        Bottom and top of the slab; they may lie outside the volume.
    asked : mapping of str to int
        How many were to be placed, by name; of fillers as many as were placed.
    occupied_share : float
        Share of the slab's voxels, inside the volume, that are covered.
    layout : str
        Name of the real tomogram that gave the places, or an empty string.
    """

    potential: npt.NDArray[np.float32]
    voxel_spacing: float
    placed: Mapping[str, PlacedObjects]
    labelled: tuple[str, ...]
    instances: npt.NDArray[np.uint16]
    ice_z_angstrom: tuple[float, float]
    asked: Mapping[str, int]
    occupied_share: float
    layout: str

    def count(self, name: str) -> int:
        """Return how many of a name were placed; a filament counts once.

        Parameters
        ----------
        name : str
            Name of particles.
        """
        return self.placed[name].count()

    def labels(self) -> npt.NDArray[np.uint8]:
        """Return the multilabel segmentation: index in ``labelled`` + 1, and 0 elsewhere.

        Returns
        -------
        numpy.ndarray, shape (z, y, x), uint8
            Labels of real extent.
        """
        return self.with_labels({name: at for at, name in enumerate(self.labelled, start=1)})

    def with_labels(self, labels: Mapping[str, int]) -> npt.NDArray[np.uint8]:
        """Return a multilabel segmentation of the particles' real extent.

        Parameters
        ----------
        labels : mapping of str to int
            Name of labelled particles -> value, at most 255.

        Returns
        -------
        numpy.ndarray, shape (z, y, x), uint8
        """
        of_instance = np.zeros(int(self.instances.max(initial=0)) + 1, dtype=np.uint8)
        for name, label in labels.items():
            of_instance[self.placed[name].instance_ids] = label
        of_instance[0] = 0
        return of_instance[self.instances]

    def instances_of(self, name: str) -> npt.NDArray[np.uint16]:
        """Return the particles of one name, numbered as their picks are: from 1.

        Parameters
        ----------
        name : str
            Name of labelled particles.

        Returns
        -------
        numpy.ndarray, shape (z, y, x), uint16
        """
        placed = self.placed[name]
        numbers = placed.filament_ids
        if numbers is None:
            numbers = np.arange(1, len(placed.instance_ids) + 1)
        of_instance = np.zeros(int(self.instances.max(initial=0)) + 1, dtype=np.uint16)
        of_instance[placed.instance_ids] = numbers
        of_instance[0] = 0
        return of_instance[self.instances]
