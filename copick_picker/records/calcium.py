"""Calcium at puncta: traces along tracks, and the events in them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import DataError
from copick_picker.records.movies import FloatArray, IndexArray

PUNCTUM, WAVE, SPARK = "punctum", "wave", "spark"
EVENT_KINDS = (PUNCTUM, WAVE, SPARK)
"""What an event is: a transient at a punctum, a wave that runs over the field, or a transient
apart from puncta (a spark or a puff)."""


@dataclass(frozen=True, eq=False)
class Events:
    """Calcium events, a row each.

    Attributes
    ----------
    tracks : numpy.ndarray, shape (n,), int64
        Track of the punctum; ``NO_TRACK``: none.
    onsets : numpy.ndarray, shape (n,), float64
        When the signal begins to rise, in frames: 12.5 is the middle of the exposure of frame 12.
    peaks : numpy.ndarray, shape (n,), int64
        Frame of the highest signal.
    ends : numpy.ndarray, shape (n,), int64
        Last frame in which the signal is at least half of its peak.
    amplitudes : numpy.ndarray, shape (n,), float64
        Height of the peak as dF/F0.
    probabilities : numpy.ndarray, shape (n,), float64, or None
        Probability that the event is real.
    rises, decays : numpy.ndarray, shape (n,), float64, or None
        Time constants in frames.
    kinds : tuple of str, or None
        One of :data:`EVENT_KINDS` each.
    positions : numpy.ndarray, shape (n, 2), float64, or None
        x and y in pixels.
    """

    tracks: IndexArray
    onsets: FloatArray
    peaks: IndexArray
    ends: IndexArray
    amplitudes: FloatArray
    probabilities: FloatArray | None = None
    rises: FloatArray | None = None
    decays: FloatArray | None = None
    kinds: tuple[str, ...] | None = None
    positions: FloatArray | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.tracks)

    @property
    def onset_frames(self) -> IndexArray:
        """Frame during whose exposure each event begins."""
        return np.floor(self.onsets).astype(np.int64)

    def chosen(self, which: Any) -> "Events":  # noqa: ANN401 (any index of numpy)
        """Return some of the events.

        Parameters
        ----------
        which : numpy.ndarray
            Mask or indices.
        """
        values: dict[str, Any] = {}
        for name, own in self.__dict__.items():
            if name == "kinds" and own is not None:
                rows = np.arange(len(self))[which]
                values[name] = tuple(own[int(row)] for row in rows)
            else:
                values[name] = None if own is None else own[which]
        return Events(**values)


@dataclass(frozen=True, eq=False)
class Traces:
    """Signals along tracks, a row for each track and frame, sorted by both.

    Attributes
    ----------
    tracks, frames : numpy.ndarray, shape (n,), int64
        Track and frame.
    dff : numpy.ndarray, shape (n,), float64
        dF/F0: the signal over its baseline, relative to the baseline.
    positions : numpy.ndarray, shape (n, 2), float64, or None
        x and y in pixels.
    active : numpy.ndarray, shape (n,), bool, or None
        Whether calcium is up.
    probabilities : numpy.ndarray, shape (n,), float64, or None
        The network's probability of that.
    """

    tracks: IndexArray
    frames: IndexArray
    dff: FloatArray
    positions: FloatArray | None = None
    active: npt.NDArray[np.bool_] | None = None
    probabilities: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check shapes."""
        n = len(self.tracks)
        for name, own in self.__dict__.items():
            if own is not None and len(own) != n:
                msg = f"{n} rows of traces, but {len(own)} of {name}"
                raise DataError(msg)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.tracks)

    def members(self) -> list[tuple[int, IndexArray]]:
        """Return each track's number and rows, in order of frames."""
        if not len(self):
            return []
        order = np.lexsort((self.frames, self.tracks))
        borders = np.flatnonzero(np.diff(self.tracks[order])) + 1
        return [(int(self.tracks[part[0]]), part) for part in np.split(order, borders)]
