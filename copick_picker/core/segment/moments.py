"""Mean, spread and skewness of numbers that come block by block."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_AT_ONCE = 2**18
"""Numbers that are taken as float64 at a time."""


@dataclass(frozen=True)
class Moments:
    """Sums over numbers, about their mean, in float64.

    Attributes
    ----------
    count : int
        How many there are.
    mean : float
        Their mean; 0 where there are none.
    squares, cubes : float
        Sums of the second and third powers of the distances to the mean.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    cubes: float = 0.0

    @property
    def standard_deviation(self) -> float:
        """Population standard deviation; 0 where there are no numbers."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0

    @property
    def skewness(self) -> float:
        """Third standardised moment; 0 where all numbers are equal."""
        spread = self.standard_deviation
        return self.cubes / self.count / spread**3 if spread > 0 else 0.0

    def joined(self, other: "Moments") -> "Moments":
        """Return the sums over both.

        Neither the number of blocks nor a large mean costs digits (Chan, Golub and LeVeque 1979,
        equation 2.1; for the cubes Pébay 2008, equation 2.1).

        Parameters
        ----------
        other : Moments
            Sums over other numbers.
        """
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        step = other.mean - self.mean
        part, rest = other.count / count, self.count / count
        return Moments(
            count,
            self.mean + step * part,
            self.squares + other.squares + step**2 * self.count * part,
            self.cubes
            + other.cubes
            + step**3 * self.count * part * (rest - part)
            + 3 * step * (rest * other.squares - part * self.squares),
        )


def moments_of(block: npt.NDArray[Any]) -> Moments:
    """Return the sums over a block.

    Parameters
    ----------
    block : numpy.ndarray
        Finite numbers, any real type; at least one.

    Examples
    --------
    >>> moments_of(np.array([1.0, 2.0])).joined(moments_of(np.array([6.0])))
    Moments(count=3, mean=3.0, squares=14.0, cubes=18.0)
    """
    numbers = block.ravel()
    known = Moments()
    for start in range(0, numbers.size, _AT_ONCE):
        known = known.joined(_moments_of(numbers[start : start + _AT_ONCE]))
    return known


def _moments_of(numbers: npt.NDArray[Any]) -> Moments:
    distance = numbers.astype(np.float64)
    mean = float(distance.mean())
    distance -= mean
    squares = float(np.vdot(distance, distance))
    cubes = float(np.vdot(distance, np.square(distance)))
    return Moments(numbers.size, mean, squares, cubes)
