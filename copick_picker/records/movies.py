"""Puncta of a movie: detections, tracks, and the truth of a simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
NO_TRACK = -1
"""Track of a punctum that belongs to none."""


class Frames(Protocol):
    """Frames (t, y, x) of a movie: an array, or what reads them from a file as they are needed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, and pixels along y and x."""
        ...

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 (an index of numpy)
        """Return frames, or parts of them."""
        ...


@dataclass(frozen=True, eq=False)
class Spots:
    """Puncta of a movie, a row each.

    Attributes
    ----------
    frames : numpy.ndarray, shape (n,), int64
        Frame of each, from 0.
    positions : numpy.ndarray, shape (n, 2), float64
        x and y in pixels; the centre of the first pixel lies at 0, 0.
    probabilities : numpy.ndarray, shape (n,), float64, or None
        Probability that it is real.
    photons : numpy.ndarray, shape (n,), float64, or None
        Detected photons.
    sigmas : numpy.ndarray, shape (n, 2), float64, or None
        Standard deviation of x and y in pixels.
    tracks : numpy.ndarray, shape (n,), int64, or None
        Number of the track of each; ``NO_TRACK``: none.
    filled : numpy.ndarray, shape (n,), bool, or None
        Whether the position was interpolated in a gap of its track.
    """

    frames: IndexArray
    positions: FloatArray
    probabilities: FloatArray | None = None
    photons: FloatArray | None = None
    sigmas: FloatArray | None = None
    tracks: IndexArray | None = None
    filled: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Check shapes and values."""
        n = len(self.frames)
        shapes = {"positions": (n, 2), "probabilities": (n,), "photons": (n,), "sigmas": (n, 2)}
        shapes |= {"tracks": (n,), "filled": (n,)}
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                msg = f"{n} puncta, but {name} of shape {values.shape}; expected {shape}"
                raise DataError(msg)
        if not np.isfinite(self.positions).all():
            bad = int((~np.isfinite(self.positions)).any(axis=1).sum())
            msg = f"{bad} of {n} puncta have positions that are NaN or infinite"
            raise DataError(msg)

    def __len__(self) -> int:
        """Return the number of puncta."""
        return len(self.frames)

    def chosen(self, which: Any) -> "Spots":  # noqa: ANN401 (any index of numpy)
        """Return some of the puncta.

        Parameters
        ----------
        which : numpy.ndarray
            Mask or indices.
        """
        values: dict[str, Any] = {
            name: None if own is None else own[which] for name, own in self.__dict__.items()
        }
        return Spots(**values)

    def with_values(self, values: Mapping[str, Any]) -> "Spots":
        """Return the puncta with other values of some attributes."""
        return replace(self, **values)

    def seen(self) -> "Spots":
        """Return the puncta without positions that were interpolated in gaps."""
        return self if self.filled is None else self.chosen(~self.filled)


def no_spots() -> Spots:
    """Return no puncta, with all that a detection has."""
    nothing = np.zeros(0)
    return Spots(np.zeros(0, dtype=np.int64), np.zeros((0, 2)), nothing, nothing, np.zeros((0, 2)))


def all_spots(parts: list[Spots]) -> Spots:
    """Return the puncta of several tables; a value that one of them lacks is left out.

    Parameters
    ----------
    parts : list of Spots
        Tables of one movie.
    """
    if not parts:
        return no_spots()
    joined: dict[str, Any] = {}
    for name in parts[0].__dict__:
        values = [getattr(part, name) for part in parts]
        joined[name] = None if any(each is None for each in values) else np.concatenate(values)
    return Spots(**joined)
