"""Pictures of a run's picks, from as little of its tomogram as they need."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from copick_picker.report.html_gallery import ChosenPick, Picture, picture_of, slab_of

WHOLE_BYTES = 1_000_000_000
"""Up to so many bytes the planes that a run's pictures need are read at once, else one by one."""


class Planes(Protocol):
    """A stored tomogram."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (z, y, x)."""
        ...

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        """Return the planes z_start to z_stop as stored."""
        ...


def pictures_of_run(
    volume: Planes,
    voxel_spacing: float,
    picks: Sequence[ChosenPick],
    *,
    contrast: str,
    looks: Callable[[npt.NDArray[np.float32], str], str],
) -> list[Picture]:
    """Return the pictures of a run's picks; what they need is read once where it is not large.

    Parameters
    ----------
    volume : Planes
        The tomogram.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    picks : sequence of ChosenPick
        What is drawn.
    contrast : str
        What the user says: ``auto``, ``dark`` or ``bright``.
    looks : callable
        Planes and what is known of the contrast -> ``dark`` or ``bright``.
    """
    n_z, n_y, n_x = volume.shape
    spans = [slab_of(pick, voxel_spacing, n_z) for pick in picks]
    first, last = min(start for start, _ in spans), max(stop for _, stop in spans)
    whole = None
    if (last - first) * n_y * n_x * 4 <= WHOLE_BYTES:
        whole = _planes(volume, first, last)
    pictures = []
    for pick, (start, stop) in zip(picks, spans, strict=True):
        slab = _planes(volume, start, stop) if whole is None else whole
        contrast = looks(slab, contrast)
        begin = start if whole is None else first
        pictures.append(picture_of(pick, slab, begin, voxel_spacing, contrast=contrast))
    return pictures


def labelled_scores(
    entries: Sequence[tuple[str, Mapping[str, Any]]],
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return each evaluation under its candidates, and its folder where these are the same.

    Parameters
    ----------
    entries : sequence of tuple
        Folder, and content of its ``scores.json``.
    """
    names = [str(values["input"]["candidate"]) for _, values in entries]
    return [
        (name if names.count(name) == 1 else f"{name} ({folder})", values)
        for name, (folder, values) in zip(names, entries, strict=True)
    ]


def _planes(volume: Planes, start: int, stop: int) -> npt.NDArray[np.float32]:
    return volume.read(start, stop).astype(np.float32, copy=False)
