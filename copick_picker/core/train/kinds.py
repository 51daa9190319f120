"""Patches of four kinds: one particle, several, near particles but without any, and elsewhere.

A particle is in a patch if its centre is. The kind of a patch is what it holds: where the wanted
kind is not found in some tries, as an empty place among crowded particles, the patch goes by the
kind that it came to be.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from copick_picker.core.geometry import Triple
from copick_picker.core.train.placement import (
    Placement,
    corner_within,
    placed_around,
    turned_window,
)
from copick_picker.core.train.sources import PatchSource
from copick_picker.errors import SettingsError, UnknownNameError, choices_text, nearest_name

FloatArray = npt.NDArray[np.float64]
SINGLE, MULTI, HARD_NEGATIVE, NEGATIVE = "single", "multi", "hard-negative", "negative"
PATCH_KINDS = (SINGLE, MULTI, HARD_NEGATIVE, NEGATIVE)
"""All kinds of patches."""
_TRIES = 24
_INNER = (0.15, 0.85)
"""Part of a patch, along each axis, in which its only particle lies."""
_NEAR = 0.8
"""Share of the patch's least side by which two near particles lie apart, at most, on each axis."""
_RING = (0.1, 0.3)
"""Distance from a hard negative to its particle, beyond the patch, in sides of the patch."""
_EDGE_VOXELS = 0.5
_Candidate = tuple[int, Placement]


class AnnotatedVolume(Protocol):
    """A tomogram with its particles."""

    @property
    def source(self) -> PatchSource:
        """The tomogram."""
        ...

    @property
    def centres_zyx(self) -> Mapping[int, FloatArray]:
        """Particles of each channel, shape (n, 3), in voxels."""
        ...

    @property
    def hard_negatives_zyx(self) -> FloatArray:
        """False positives of a model, shape (n, 3), in voxels."""
        ...


def check_kinds(weights: Mapping[str, float]) -> None:
    """Raise if the weights of the kinds make no sense.

    Parameters
    ----------
    weights : mapping
        Kind -> share of the patches, up to a common factor.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    SettingsError
        If a weight is negative or not finite, or none is above 0.
    """
    for kind, weight in weights.items():
        if kind not in PATCH_KINDS:
            msg = (
                f"no kind of patch '{kind}'{nearest_name(kind, PATCH_KINDS)}; "
                f"known: {choices_text(PATCH_KINDS)}"
            )
            raise UnknownNameError(msg)
        if not (np.isfinite(weight) and weight >= 0):
            msg = f"patch kind {kind} has the weight {weight:g}; expected a number from 0"
            raise SettingsError(msg)
    if not sum(weights.values()) > 0:
        msg = "no kind of patch has a weight above 0"
        raise SettingsError(msg)


def place_by_kind(
    runs: Sequence[AnnotatedVolume],
    weights: Mapping[str, float],
    *,
    window_voxels: Triple,
    matrix: FloatArray,
    rng: np.random.Generator,
) -> tuple[str, int, Placement]:
    """Return the kind of a patch, the number of its run, and its placement.

    Parameters
    ----------
    runs : sequence of AnnotatedVolume
        Runs to sample. Particles are drawn by channel, all alike, then among all runs; empty places
        by run, all alike, so that runs without any particle give negatives.
    weights : mapping
        Kind -> share of the patches, up to a common factor; see :data:`PATCH_KINDS`.
    window_voxels : tuple of int
        Shape (z, y, x) of the patch.
    matrix : numpy.ndarray, shape (3, 3), float64
        Patch axes (z, y, x) to volume axes.
    rng : numpy.random.Generator
        Source of randomness.

    Examples
    --------
    >>> from copick_picker.core.train.sampling import TrainingRun
    >>> from copick_picker.core.train.sources import ArraySource
    >>> source = ArraySource(np.zeros((12, 14, 40), np.float32))
    >>> run = TrainingRun("TS_1", source, {1: np.array([[5.0, 6.0, 30.0]])}, {1: 2.0})
    >>> rng, size = np.random.default_rng(1), (8, 8, 8)
    >>> place_by_kind([run], {"single": 1}, window_voxels=size, matrix=np.eye(3), rng=rng)[:2]
    ('single', 0)
    """
    sampler = _Sampler(runs, window_voxels, matrix, rng)
    names = [kind for kind in PATCH_KINDS if weights.get(kind)]
    shares = np.cumsum([weights[kind] for kind in names])
    kind = names[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]
    found: _Candidate | None = None
    for wanted in (kind, *_INSTEAD[kind]):
        for _ in range(_TRIES):
            candidate = getattr(sampler, _DRAWS[wanted])()
            if candidate is None:
                break
            found = candidate
            if sampler.holds(found) in _NUMBERS[wanted]:
                return wanted, *found
    number = 0 if found is None else sampler.holds(found)
    placed = sampler.anywhere() if found is None else found
    return _OF_NUMBER[min(number, 2)], *placed


_NUMBERS: dict[str, Sequence[int]] = {
    SINGLE: range(1, 2),
    MULTI: range(2, 2**31),
    HARD_NEGATIVE: range(1),
    NEGATIVE: range(1),
}
"""Kind -> particles that a patch of it holds."""
_INSTEAD: dict[str, tuple[str, ...]] = {
    SINGLE: (NEGATIVE,),
    MULTI: (SINGLE, NEGATIVE),
    HARD_NEGATIVE: (NEGATIVE,),
    NEGATIVE: (),
}
"""Kind -> kinds that are tried where it is not found."""
_DRAWS = {SINGLE: "around", MULTI: "between", HARD_NEGATIVE: "beside", NEGATIVE: "anywhere"}
_OF_NUMBER = (NEGATIVE, SINGLE, MULTI)


class _Sampler:
    """Draws placements; None where the runs hold nothing to place a patch by."""

    def __init__(
        self,
        runs: Sequence[AnnotatedVolume],
        window_voxels: Triple,
        matrix: FloatArray,
        rng: np.random.Generator,
    ) -> None:
        self.runs, self.window, self.matrix, self.rng = runs, window_voxels, matrix, rng
        self._sides = np.asarray(window_voxels, dtype=np.float64)
        self._pairs: dict[int, list[tuple[int, FloatArray, FloatArray]]] | None = None

    def holds(self, candidate: _Candidate) -> int:
        """Return the number of particles whose centre is in a patch."""
        number, placement = candidate
        run = self.runs[number]
        return sum(
            len(placement.points(points, run.source.shape_zyx, reach_voxels=_EDGE_VOXELS))
            for points in run.centres_zyx.values()
        )

    def around(self) -> _Candidate | None:
        """Return a patch around a particle."""
        found = self._particle()
        if found is None:
            return None
        low, high = _INNER
        return self._placed(*found, (low + (high - low) * self.rng.random(3)) * (self._sides - 1))

    def between(self) -> _Candidate | None:
        """Return a patch around two particles near each other."""
        if self._pairs is None:
            self._pairs = self._near_pairs()
        if not self._pairs:
            return None
        channels = sorted(self._pairs)
        pairs = self._pairs[channels[int(self.rng.integers(len(channels)))]]
        number, point, other = pairs[int(self.rng.integers(len(pairs)))]
        apart = np.linalg.inv(self.matrix) @ (other - point)
        least = np.clip(-apart, 0, self._sides - 1)
        most = np.clip(self._sides - 1 - apart, 0, self._sides - 1)
        return self._placed(number, point, least + (most - least) * self.rng.random(3))

    def beside(self) -> _Candidate | None:
        """Return a patch at a false positive, or with a particle just beyond one of its faces."""
        mined = self._mined() if self.rng.random() < 0.5 else None
        if mined is not None:
            low, high = _INNER
            local = (low + (high - low) * self.rng.random(3)) * (self._sides - 1)
            return self._placed(*mined, local)
        found = self._particle()
        if found is None:
            return None
        axis, is_before = int(self.rng.integers(3)), bool(self.rng.integers(2))
        beyond = self.rng.uniform(*_RING) * self._sides[axis]
        local = self.rng.random(3) * (self._sides - 1)
        local[axis] = -beyond if is_before else self._sides[axis] - 1 + beyond
        return self._placed(*found, local)

    def anywhere(self) -> _Candidate:
        """Return a patch at a random place of a random run."""
        number = int(self.rng.integers(len(self.runs)))
        turned = turned_window(self.matrix, self.window)
        shape = self.runs[number].source.shape_zyx
        corner = np.floor(self.rng.random(3) * (np.asarray(shape) - turned + 1))
        corner = corner_within(corner, turned, shape)
        return number, Placement(self.matrix, corner + (turned - 1) / 2, self.window)

    def _placed(self, number: int, point: FloatArray, local: FloatArray) -> _Candidate:
        shape = self.runs[number].source.shape_zyx
        return number, placed_around(point, local, self.matrix, self.window, shape_zyx=shape)

    def _particle(self) -> tuple[int, FloatArray] | None:
        channels = sorted({c for run in self.runs for c, p in run.centres_zyx.items() if len(p)})
        if not channels:
            return None
        channel = channels[int(self.rng.integers(len(channels)))]
        return self._one_of(lambda run: run.centres_zyx.get(channel, np.zeros((0, 3))))

    def _mined(self) -> tuple[int, FloatArray] | None:
        return self._one_of(lambda run: run.hard_negatives_zyx)

    def _one_of(
        self, points_of: Callable[[AnnotatedVolume], FloatArray]
    ) -> tuple[int, FloatArray] | None:
        ends = np.cumsum([len(points_of(run)) for run in self.runs])
        if not len(ends) or not ends[-1]:
            return None
        index = int(self.rng.integers(ends[-1]))
        number = int(np.searchsorted(ends, index, side="right"))
        return number, points_of(self.runs[number])[index - int(ends[number])]  # from its end

    def _near_pairs(self) -> dict[int, list[tuple[int, FloatArray, FloatArray]]]:
        """Return pairs of particles near each other by the channel of the first."""
        reach = _NEAR * (self._sides.min() - 1)
        pairs: dict[int, list[tuple[int, FloatArray, FloatArray]]] = {}
        for number, run in enumerate(self.runs):
            points = np.concatenate([np.zeros((0, 3)), *run.centres_zyx.values()])
            if len(points) < 2:
                continue
            channels = np.repeat(
                list(run.centres_zyx), [len(points) for points in run.centres_zyx.values()]
            )
            near = cKDTree(points).query_pairs(reach, p=np.inf, output_type="ndarray")
            for first, second in np.concatenate([near, near[:, ::-1]]):
                entry = (number, points[first], points[second])
                pairs.setdefault(int(channels[first]), []).append(entry)
        return pairs
