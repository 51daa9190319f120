"""Points to link: where they are, and what is known of each.

A point may have a place along an ordered axis, such as the frame of a movie; then links lead from
lower to higher places. Without one, links lead along the points' tangents, either way.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LinkPoints:
    """Points to link.

    Attributes
    ----------
    positions : numpy.ndarray, shape (n, d), float64
        Positions, all axes in one unit of length.
    places : numpy.ndarray, shape (n,), int64, or None
        Place along the ordered axis; None if there is no such axis.
    tangents : numpy.ndarray, shape (n, d), float64, or None
        Unit vectors along the filament, of either sign; None if unknown.
    probabilities : numpy.ndarray, shape (n,), float64, or None
        Probability that the point is real.
    amplitudes : numpy.ndarray, shape (n,), float64, or None
        Brightness or the like, positive.
    sigmas : numpy.ndarray, shape (n, d), float64, or None
        Standard deviation of each position.
    """

    positions: FloatArray
    places: IndexArray | None = None
    tangents: FloatArray | None = None
    probabilities: FloatArray | None = None
    amplitudes: FloatArray | None = None
    sigmas: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check shapes and values."""
        if self.positions.ndim != 2:
            msg = f"positions have shape {self.positions.shape}, expected (n, d)"
            raise DataError(msg)
        shapes = {"places": (len(self),), "tangents": self.positions.shape}
        shapes |= {"probabilities": (len(self),), "amplitudes": (len(self),)}
        shapes |= {"sigmas": self.positions.shape}
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                msg = f"{len(self)} points, but {name} of shape {values.shape}; expected {shape}"
                raise DataError(msg)
        for name in ("positions", "tangents", "probabilities", "amplitudes", "sigmas"):
            values = getattr(self, name)
            if values is not None and not np.isfinite(values).all():
                bad = int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum())
                msg = f"{bad} of {len(self)} points have {name} that are NaN or infinite"
                raise DataError(msg)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class Edges:
    """Possible links between points.

    Attributes
    ----------
    first, second : numpy.ndarray, shape (m,), int64
        The points; with an ordered axis the first has the lower place.
    first_ports, second_ports : numpy.ndarray, shape (m,), int64
        Side of each point that the link uses: 0 or 1, before and behind it along the ordered axis,
        or against and along its tangent.
    gaps : numpy.ndarray, shape (m,), int64
        Difference of the places; 1 where there is no ordered axis.
    """

    first: IndexArray
    second: IndexArray
    first_ports: IndexArray
    second_ports: IndexArray
    gaps: IndexArray

    def __len__(self) -> int:
        """Return the number of edges."""
        return len(self.first)

    def chosen(self, which: npt.NDArray[np.bool_] | IndexArray) -> "Edges":
        """Return some of the edges."""
        return Edges(
            self.first[which],
            self.second[which],
            self.first_ports[which],
            self.second_ports[which],
            self.gaps[which],
        )


@dataclass(frozen=True, eq=False)
class Joins:
    """Possible joins of fragments at their ends.

    Attributes
    ----------
    ends : numpy.ndarray, shape (m, 2), int64
        Ends: 2 k is the first point of fragment k, 2 k + 1 its last.
    features : numpy.ndarray, shape (m, 5), float64
        What a learned score sees: the logarithm of the gap over the usual step, the offset and the
        turn (or 0) in standard deviations, and the logarithms of the points of the shorter and the
        longer fragment.
    scores : numpy.ndarray, shape (m,), float64
        Logarithm of the likelihood ratio; joins of positive score are better than none.
    """

    ends: IndexArray
    features: FloatArray
    scores: FloatArray
