"""Likelihood of tracks under models of motion.

Along each axis a position is that of a Gaussian process, averaged over the exposure, and an error
of its own. The likelihood of the displacements is exact, gaps between frames included: a Kalman
filter computes it in one pass for many shapes of a model. The scale of a shape is free, its best
value has a closed form.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.records.movies import FloatArray, IndexArray, Spots

_DROP = 1.9207
"""Half of the 95 % quantile of chi-square with one degree of freedom."""
_HALVINGS = 30
_TINY = 1e-12
"""Least variance in square pixels."""
_RATIOS = np.concatenate([[0.0], np.geomspace(1e-7, 1e4, 331), [np.inf]])
"""Diffusion coefficient over the variance of the error."""
_DRIFT_PRECISION = 0.5
"""Of a drift of the variance of a displacement from a frame to the next, 2 at scale 1."""
_SPREADS = np.geomspace(0.03, 1e5, 26)
"""Variance of the place in a spring over that of the error."""
_N_TIMES, _SHORTEST_TIME = 22, 0.5
_NEAR = np.linspace(-1.2, 1.2, 15)
"""Steps of the coarse grid about its best, for the finer one."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Tracks of similar length, the shorter ones padded.

    Attributes
    ----------
    lengths : numpy.ndarray, shape (b,), int64
        Detections of each.
    gaps : numpy.ndarray, shape (b, n - 1), float64
        Frames from a detection to the next.
    places : numpy.ndarray, shape (b, n, 2), float64
        x and y less those of the first detection, in pixels.
    """

    lengths: IndexArray
    gaps: FloatArray
    places: FloatArray

    @staticmethod
    def of(tracks: Spots, members: list[IndexArray]) -> "Batch":
        """Return tracks side by side.

        Parameters
        ----------
        tracks : Spots
            Tracks.
        members : list of numpy.ndarray
            Rows of each in order of frames.
        """
        lengths = np.array([len(rows) for rows in members], dtype=np.int64)
        gaps = np.ones((len(members), int(lengths.max()) - 1))
        places = np.zeros((len(members), int(lengths.max()), 2))
        for number, rows in enumerate(members):
            gaps[number, : len(rows) - 1] = np.diff(tracks.frames[rows])
            places[number, : len(rows)] = tracks.positions[rows] - tracks.positions[rows[0]]
        return Batch(lengths, gaps, places)

    @property
    def times(self) -> FloatArray:
        """Frames since the first detection (b, n)."""
        return np.pad(np.cumsum(self.gaps, axis=1), ((0, 0), (1, 0)))

    @property
    def durations(self) -> FloatArray:
        """Frames from the first detection to the last (b,)."""
        return self.times[np.arange(len(self.lengths)), self.lengths - 1]


@dataclass(frozen=True, eq=False)
class Sums:
    """What one pass over tracks leaves for each shape of a model, all of shape (b, k).

    Attributes
    ----------
    determinant : numpy.ndarray
        Logarithm of the determinant of an axis' covariance.
    squares : numpy.ndarray
        Squares of the innovations over their variances, of both axes.
    crossed : numpy.ndarray, shape (2, b, k)
        Products of those of x and y with those of the regressor.
    own : numpy.ndarray
        Squares of those of the regressor.
    """

    determinant: FloatArray
    squares: FloatArray
    crossed: FloatArray
    own: FloatArray

    def joined(self, other: "Sums") -> "Sums":
        """Return the sums for these shapes and others of the same tracks."""
        pairs = zip(self.__dict__.values(), other.__dict__.values(), strict=True)
        return Sums(*(np.concatenate(pair, axis=-1) for pair in pairs))

    def without(self, row: int, precision: float) -> tuple[FloatArray, FloatArray]:
        """Return determinant and squares of a track, the regressor's factor integrated out.

        Parameters
        ----------
        row : int
            The track.
        precision : float
            That of the normal prior of the factor at scale 1; 0: any value is as likely as another.
        """
        whole = self.own[row] + precision
        spread = self.determinant[row] + np.log(whole / precision if precision else whole)
        return spread, self.squares[row] - (self.crossed[:, row] ** 2).sum(axis=0) / whole


Step = Callable[[FloatArray], tuple[FloatArray | float, FloatArray]]
"""Frames to the next detection (b, 1) -> factor of the place, and variance added."""


def _filtered(
    batch: Batch, regressor: FloatArray, start: FloatArray | None, noise: FloatArray, step: Step
) -> Sums:
    """Return the sums over the innovations (R. E. Kalman 1960, https://doi.org/10.1115/1.3662552).

    Without a start any first place is as likely as another. The noise may be negative, as blur by
    motion makes it: the variance of an innovation never is.

    Parameters
    ----------
    batch : Batch
        Tracks.
    regressor : numpy.ndarray, shape (b, n), float64
        Time, or ones.
    start, noise : numpy.ndarray, shape (b or 1, k), float64
        Variance of the place before the first detection, and what each detection adds.
    step : callable
        From a detection to the next.
    """
    series = np.concatenate([batch.places, regressor[..., None]], axis=2)[..., None]
    zeros = np.zeros((len(batch.lengths), noise.shape[-1]))
    mean = np.zeros((len(zeros), 3, noise.shape[-1]))
    variance = zeros if start is None else zeros + start
    sums = Sums(zeros.copy(), zeros.copy(), np.zeros((2, *zeros.shape)), zeros.copy())
    for number in range(series.shape[1]):
        if number:
            decay, added = step(batch.gaps[:, number - 1, None])
            mean = mean * (decay[:, None] if isinstance(decay, np.ndarray) else decay)
            variance = variance * decay**2 + added
        elif start is None:
            mean, variance = mean + series[:, 0], zeros + noise
            continue
        total = variance + noise
        error = series[:, number] - mean
        _add(sums, error, total, (number < batch.lengths)[:, None])
        gain = variance / total
        mean = mean + gain[:, None] * error
        variance = gain * noise
    return sums


def _add(sums: Sums, error: FloatArray, total: FloatArray, counts: npt.NDArray[np.bool_]) -> None:
    """Add an innovation (b, 3, k) of variance (b, k), where it counts (b, 1)."""
    weight = counts / total
    weighted = error[:, 2] * weight
    sums.determinant[:] += np.where(counts, np.log(total), 0.0)
    sums.squares[:] += (error[:, 0] ** 2 + error[:, 1] ** 2) * weight
    sums.crossed[:] += np.moveaxis(error[:, :2], 1, 0) * weighted
    sums.own[:] += error[:, 2] * weighted


@dataclass(frozen=True, eq=False)
class Surface:
    """Likelihood of a track under the shapes of a model; the scale s of each is free.

    ``log L = -free log s - spread - squares / (2 s)`` up to a constant.

    Attributes
    ----------
    free : int
        Displacements.
    spread, squares : numpy.ndarray, shape (k,), float64
        Logarithms of determinants, and weighted squares, at scale 1.
    diffusion, error : numpy.ndarray, shape (k,), float64
        Diffusion coefficient and variance of the error at scale 1.
    """

    free: int
    spread: FloatArray
    squares: FloatArray
    diffusion: FloatArray
    error: FloatArray

    def scales(self) -> FloatArray:
        """Return the best scale of each shape."""
        return np.maximum(self.squares / (2.0 * self.free), _TINY)

    def highest(self) -> FloatArray:
        """Return the likelihood of each shape at its best scale."""
        result: FloatArray = -self.free * (np.log(self.scales()) + 1.0) - self.spread
        return result

    def has_no_spread(self) -> bool:
        """Return whether all positions are equal."""
        return bool(self.squares.max() <= _TINY)

    def part(self, which: npt.NDArray[np.bool_]) -> "Surface":
        """Return some of the shapes.

        Parameters
        ----------
        which : numpy.ndarray, shape (k,), bool
            Those.
        """
        kept = (self.spread, self.squares, self.diffusion, self.error)
        return Surface(self.free, *(each[which] for each in kept))

    def at(self, diffusion: float) -> float:
        """Return the highest likelihood at a diffusion coefficient above 0.

        Parameters
        ----------
        diffusion : float
            Square pixels a frame.
        """
        scale = diffusion / self.diffusion
        values = -self.free * np.log(scale) - self.spread - self.squares / (2.0 * scale)
        return float(values.max())

    def interval(self) -> tuple[float, float, float]:
        """Return the best diffusion coefficient and the ends of its 95 % interval.

        The ends are where the profile of the likelihood has fallen by half of the quantile of
        chi-square (S. S. Wilks 1938, https://doi.org/10.1214/aoms/1177732360).
        """
        values = self.highest()
        best = int(np.argmax(values))
        middle = float(self.scales()[best] * self.diffusion[best])
        least = float(values[best]) - _DROP
        moving = self.part(self.diffusion > 0)
        high = max(middle, float(self.scales()[best] * moving.diffusion.min()))
        while moving.at(high) >= least:
            high *= 2.0
        high = _between(moving, 0.5 * high, high, least)
        if (values[self.diffusion == 0] >= least).any():
            return middle, 0.0, high
        low = middle
        while low > _TINY * middle and moving.at(low) >= least:
            low *= 0.5
        return middle, _between(moving, 2.0 * low, low, least), high


def _between(surface: Surface, inside: float, outside: float, least: float) -> float:
    """Return where the likelihood falls to ``least``, by halving in the logarithm."""
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(inside * outside))
        if surface.at(middle) >= least:
            inside = middle
        else:
            outside = middle
    return float(np.sqrt(inside * outside))


@dataclass(frozen=True, eq=False)
class Walks:
    """Shapes of Brownian motion, with and without a drift, and their sums.

    A displacement over g frames has the variance ``2 D g + 2 (e^2 - 2 D R)``, neighbours have the
    covariance ``2 D R - e^2``: D diffusion coefficient, e error, R the blur, a sixth of the
    exposure (A. J. Berglund 2010, https://doi.org/10.1103/PhysRevE.82.011917).

    Attributes
    ----------
    diffusion, error : numpy.ndarray, shape (k,), float64
        Diffusion coefficient and variance of the error at scale 1.
    sums : Sums
        With time as the regressor.
    """

    diffusion: FloatArray
    error: FloatArray
    sums: Sums

    @staticmethod
    def of(batch: Batch, exposure: float) -> "Walks":
        """Return the shapes for some tracks.

        Parameters
        ----------
        batch : Batch
            Tracks.
        exposure : float
            Share of the frame time.
        """
        error = 1.0 / (1.0 + _RATIOS)
        diffusion = 1.0 - error
        diffusion[:-1] = _RATIOS[:-1] * error[:-1]
        noise = (error - diffusion * exposure / 3.0)[None]

        def step(gap: FloatArray) -> tuple[float, FloatArray]:
            return 1.0, 2.0 * diffusion * gap

        return Walks(diffusion, error, _filtered(batch, batch.times, None, noise, step))

    def surface(self, row: int, free: int) -> Surface:
        """Return the likelihood of a track's displacements.

        Parameters
        ----------
        row, free : int
            The track, and its displacements.
        """
        parts = self.sums.determinant[row], self.sums.squares[row]
        return Surface(free, *parts, self.diffusion, self.error)

    def drifting(self, row: int, free: int) -> Surface:
        """Return the same with a drift, which is integrated out.

        Its prior is normal, of the variance of a displacement from a frame to the next.

        Parameters
        ----------
        row, free : int
            The track, and its displacements.
        """
        parts = self.sums.without(row, _DRIFT_PRECISION)
        return Surface(free, *parts, self.diffusion, self.error)

    def speed(self, row: int, shape: int) -> float:
        """Return the fitted drift of a track under a shape, in pixels a frame."""
        return float(np.hypot(*self.sums.crossed[:, row, shape]) / self.sums.own[row, shape])


@dataclass(frozen=True, eq=False)
class Springs:
    """Shapes of Brownian motion in a spring, and their sums, all of shape (b, k).

    The variance of a place is ``diffusion time`` (Uhlenbeck and Ornstein 1930,
    https://doi.org/10.1103/PhysRev.36.823).

    Attributes
    ----------
    times : numpy.ndarray
        Frames in which the memory of a place falls to 1/e.
    variance, error : numpy.ndarray
        Variance of the place, and of the error, at scale 1.
    sums : Sums
        With the centre of the spring as the regressor.
    """

    times: FloatArray
    variance: FloatArray
    error: FloatArray
    sums: Sums

    @staticmethod
    def of(batch: Batch, exposure: float) -> "Springs":
        """Return the shapes for some tracks: a coarse grid, and a finer one about its best.

        Parameters
        ----------
        batch : Batch
            Tracks.
        exposure : float
            Share of the frame time.
        """
        longest = np.maximum(batch.durations, 2.0)[:, None] / _SHORTEST_TIME
        steps = np.linspace(0.0, 1.0, _N_TIMES)
        times = np.repeat(_SHORTEST_TIME * longest**steps, len(_SPREADS), axis=1)
        ratios = np.tile(_SPREADS, (len(times), _N_TIMES))
        coarse = Springs._at(batch, exposure, times, ratios)
        surfaces = [coarse.surface(row, int(n) - 1) for row, n in enumerate(batch.lengths)]
        best = np.array([[int(np.argmax(each.highest()))] for each in surfaces])
        near = longest ** (steps[1] * _NEAR), (_SPREADS[1] / _SPREADS[0]) ** _NEAR
        finer_times = np.take_along_axis(times, best, axis=1) * near[0]
        finer_times = np.repeat(np.maximum(finer_times, 0.5 * _SHORTEST_TIME), len(_NEAR), axis=1)
        finer_ratios = np.take_along_axis(ratios, best, axis=1) * near[1]
        finer_ratios = np.tile(finer_ratios, (1, len(_NEAR)))
        fine = Springs._at(batch, exposure, finer_times, finer_ratios)
        both = (coarse, fine)
        return Springs(
            np.concatenate([each.times for each in both], axis=1),
            np.concatenate([each.variance for each in both], axis=1),
            np.concatenate([each.error for each in both], axis=1),
            coarse.sums.joined(fine.sums),
        )

    @staticmethod
    def _at(batch: Batch, exposure: float, times: FloatArray, ratios: FloatArray) -> "Springs":
        """Return shapes at times and ratios of variances (b, k)."""
        variance, error = ratios / (1.0 + ratios), 1.0 / (1.0 + ratios)
        shared, whole = _blurred(times, exposure)
        start = variance * shared

        def step(gap: FloatArray) -> tuple[FloatArray, FloatArray]:
            decay = np.exp(-gap / times)
            return decay, start * (1.0 - decay**2)

        noise = error + variance * (whole - shared)
        sums = _filtered(batch, np.ones_like(batch.times), start, noise, step)
        return Springs(times, variance, error, sums)

    def surface(self, row: int, free: int) -> Surface:
        """Return the likelihood of a track's displacements: any centre is as likely as another.

        Parameters
        ----------
        row, free : int
            The track, and its displacements.
        """
        diffusion = self.variance[row] / self.times[row]
        return Surface(free, *self.sums.without(row, 0.0), diffusion, self.error[row])


def _blurred(times: FloatArray, exposure: float) -> tuple[FloatArray, FloatArray]:
    """Return what averaging over an exposure leaves of a spring's covariance and variance.

    The covariance of two frames k apart is ``shared exp(-k / time)`` times the variance of a place,
    the variance of a frame ``whole`` times.
    """
    if exposure <= 0:
        return np.ones_like(times), np.ones_like(times)
    share = exposure / times
    shared = 2.0 * (np.cosh(share) - 1.0) / share**2
    whole = 2.0 * (share - 1.0 + np.exp(-share)) / share**2
    return shared, whole
