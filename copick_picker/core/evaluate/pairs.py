"""Which candidate picks lie within reach of which reference picks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.errors import DataError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SEARCH_SLACK = 1.0 + 1e-9
"""The tree search reaches this much farther; the bound itself is then applied by us."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a reference and a candidate pick within reach of each other.

    Attributes
    ----------
    n_reference, n_candidate : int
        Picks on both sides, those without a pair included.
    reference, candidate : numpy.ndarray, shape (k,), int64
        Indices, sorted by reference, then candidate.
    squared_distance : numpy.ndarray, shape (k,), float64
        Squared distance in Angstrom squared; bounds are compared with it.
    """

    n_reference: int
    n_candidate: int
    reference: IndexArray
    candidate: IndexArray
    squared_distance: FloatArray

    @property
    def distance(self) -> FloatArray:
        """Distance of each pair in Angstrom."""
        return np.sqrt(self.squared_distance)

    def select(self, keep: BoolArray) -> "Pairs":
        """Return the marked pairs; the picks keep their indices."""
        return Pairs(
            self.n_reference,
            self.n_candidate,
            self.reference[keep],
            self.candidate[keep],
            self.squared_distance[keep],
        )

    def within(self, tolerance_angstrom: float) -> "Pairs":
        """Return the pairs with distance <= tolerance."""
        return self.select(self.squared_distance <= tolerance_angstrom * tolerance_angstrom)

    def closer_than(self, tolerance_angstrom: float) -> "Pairs":
        """Return the pairs with distance < tolerance."""
        return self.select(self.squared_distance < tolerance_angstrom * tolerance_angstrom)


def find_pairs(
    reference_xyz: npt.ArrayLike, candidate_xyz: npt.ArrayLike, *, reach_angstrom: float
) -> Pairs:
    """Return all pairs of a reference and a candidate pick with distance <= reach.

    Squared distances are compared with the squared reach, so that points exactly at the bound
    count wherever their coordinates are exact. Time and memory grow with the number of pairs,
    not with the product of the two sets.

    Parameters
    ----------
    reference_xyz, candidate_xyz : array_like, shape (n, 3) and (m, 3)
        Centres (x, y, z) in Angstrom.
    reach_angstrom : float
        Greatest distance of a pair in Angstrom, the bound included.

    Returns
    -------
    Pairs
        Sorted by reference index, then candidate index.

    Raises
    ------
    DataError
        If points are not (n, 3) or not finite, or the reach is not positive and finite.

    Examples
    --------
    >>> pairs = find_pairs([[0, 0, 0], [90, 0, 0]], [[0, 0, 30]], reach_angstrom=30)
    >>> pairs.reference, pairs.candidate, pairs.distance
    (array([0]), array([0]), array([30.]))
    """
    if not (np.isfinite(reach_angstrom) and reach_angstrom > 0):
        msg = f"the tolerance is {reach_angstrom}; expected a positive number of Angstrom"
        raise DataError(msg)
    reference = checked_points(reference_xyz, "reference")
    candidate = checked_points(candidate_xyz, "candidate")
    if len(reference) == 0 or len(candidate) == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return Pairs(len(reference), len(candidate), nothing, nothing, np.zeros(0))
    found = cKDTree(reference).sparse_distance_matrix(
        cKDTree(candidate), reach_angstrom * _SEARCH_SLACK, output_type="ndarray"
    )
    order = np.lexsort((found["j"], found["i"]))
    first, second = found["i"][order].astype(np.int64), found["j"][order].astype(np.int64)
    offset = reference[first] - candidate[second]
    squared = np.einsum("ij,ij->i", offset, offset)
    return Pairs(len(reference), len(candidate), first, second, squared).within(reach_angstrom)


def checked_points(points_xyz: npt.ArrayLike, which: str) -> FloatArray:
    """Return the points as (n, 3) float64, or say what is wrong with them.

    Parameters
    ----------
    points_xyz : array_like, shape (n, 3)
        Centres (x, y, z) in Angstrom.
    which : str
        ``reference`` or ``candidate``, for the message.

    Raises
    ------
    DataError
        If they are not (n, 3) or not finite.
    """
    points = np.asarray(points_xyz, dtype=np.float64)
    if points.size == 0:
        return np.zeros((0, 3))
    if points.ndim != 2 or points.shape[1] != 3:
        msg = f"{which} picks have shape {points.shape}; expected (n, 3)"
        raise DataError(msg)
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        index = int(np.flatnonzero(~finite)[0])
        msg = f"{which} pick {index} is NaN or infinite: {points[index].tolist()}"
        raise DataError(msg)
    return points
