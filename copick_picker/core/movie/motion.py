"""How tracks move: diffusion coefficient, error of the positions, and kind of motion.

Four models are compared: a punctum that rests; Brownian motion (Berglund 2010 [1]_, Michalet and
Berglund 2012 [2]_); Brownian motion with a drift; and Brownian motion in a spring, which stands for
confinement. The kind is that of the lowest criterion of Schwarz (BIC [3]_). Drift and centre of the
spring are integrated out: a fitted drift would explain the wandering of a short Brownian track too
often.

Confinement shows only in tracks that are some ten times as long as the time ``radius^2 / (3.4 D)``
in which a punctum forgets where it was; shorter ones are Brownian. Walls are harder than a spring:
within narrow ones the diffusion coefficient comes out low, by 15 % where the track is 30 times as
long.

References
----------
.. [1] https://doi.org/10.1103/PhysRevE.82.011917
.. [2] https://doi.org/10.1103/PhysRevE.85.061916
.. [3] https://doi.org/10.1214/aos/1176344136
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from copick_picker.core.movie.analysis import members_of
from copick_picker.core.movie.motion_models import Batch, Springs, Surface, Walks
from copick_picker.records.movies import Spots

IMMOBILE, BROWNIAN, DIRECTED, CONFINED = "immobile", "brownian", "directed", "confined"
_PARAMETERS: Mapping[str, int] = MappingProxyType(
    {IMMOBILE: 1, BROWNIAN: 2, DIRECTED: 2, CONFINED: 3}
)
"""Parameters of each kind that are fitted, not integrated out."""
LEAST_LENGTH = 4
"""Fewest detections of a track whose motion can be told."""
_TOGETHER = 48
_Z = 1.9600
"""97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Motion:
    """How a track moves.

    Attributes
    ----------
    track_id : int
        Its number.
    length : int
        Its detections.
    kind : str
        ``immobile``, ``brownian``, ``directed`` or ``confined``.
    margin : float
        BIC of the next best kind less that of this.
    diffusion : float
        Diffusion coefficient in square pixels a frame: of a directed punctum about its drift, of a
        confined one within its confinement, of an immobile one as if it were Brownian.
    low, high : float
        Its 95 % interval, from the profile of the likelihood.
    error : float
        Standard deviation of a position about the true mean of its exposure, along an axis, in
        pixels.
    speed : float or None
        Pixels a frame of a directed punctum.
    radius : float or None
        Pixels; radius of the disc with the variance of a confined punctum's places.
    """

    track_id: int
    length: int
    kind: str
    margin: float
    diffusion: float
    low: float
    high: float
    error: float
    speed: float | None = None
    radius: float | None = None

    @property
    def is_mobile(self) -> bool:
        """Whether it is not immobile."""
        return self.kind != IMMOBILE


def motions(tracks: Spots, *, exposure: float, min_length: int) -> list[Motion]:
    """Return how each track moves, in the order of their numbers.

    Parameters
    ----------
    tracks : Spots
        Tracks; positions interpolated in gaps do not count, nor a second one in a frame.
    exposure : float
        Share of the frame time in which light is collected, 0 to 1: the blur by motion.
    min_length : int
        Detections of the shortest track, at least :data:`LEAST_LENGTH`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> places = 20.0 + rng.normal(0.0, 0.1, (60, 2))
    >>> tracks = Spots(np.arange(60), places, tracks=np.zeros(60, dtype=np.int64))
    >>> found = motions(tracks, exposure=1.0, min_length=10)[0]
    >>> found.kind, found.low, round(found.error, 1)
    ('immobile', 0.0, 0.1)
    """
    least = max(min_length, LEAST_LENGTH)
    firsts = [
        (number, rows[np.unique(tracks.frames[rows], return_index=True)[1]])
        for number, rows in members_of(tracks)
    ]
    members = [each for each in firsts if len(each[1]) >= least]
    members.sort(key=lambda each: len(each[1]))
    found: list[Motion] = []
    for start in range(0, len(members), _TOGETHER):
        part = members[start : start + _TOGETHER]
        batch = Batch.of(tracks, [rows for _, rows in part])
        for (number, _), known in zip(part, _each_of(batch, exposure), strict=True):
            found.append(Motion(number, **known))
    return sorted(found, key=lambda each: each.track_id)


def _each_of(batch: Batch, exposure: float) -> Iterator[dict[str, Any]]:
    """Yield what a :class:`Motion` says of each track."""
    walks, springs = Walks.of(batch, exposure), Springs.of(batch, exposure)
    for row, length in enumerate(batch.lengths):
        free = int(length) - 1
        brownian = walks.surface(row, free)
        surfaces = {
            IMMOBILE: brownian.part(walks.diffusion == 0),
            BROWNIAN: brownian,
            DIRECTED: walks.drifting(row, free),
            CONFINED: springs.surface(row, free),
        }
        kind, best, known = _chosen(surfaces)
        if kind == DIRECTED:
            known["speed"] = walks.speed(row, best)
        if kind == CONFINED:
            variance = surfaces[kind].scales()[best] * springs.variance[row, best]
            known["radius"] = float(2.0 * np.sqrt(variance))
        yield known


def _chosen(surfaces: Mapping[str, Surface]) -> tuple[str, int, dict[str, Any]]:
    """Return the kind that explains a track best, its best shape, and what is said of it."""
    free = surfaces[BROWNIAN].free
    criteria = {
        kind: _PARAMETERS[kind] * float(np.log(2.0 * free)) - 2.0 * float(each.highest().max())
        for kind, each in surfaces.items()
    }
    kind, second = sorted(criteria, key=lambda each: criteria[each])[:2]
    if surfaces[IMMOBILE].has_no_spread():
        kind = IMMOBILE
    chosen = surfaces[kind]
    best = int(np.argmax(chosen.highest()))
    diffusion, low, high = surfaces[BROWNIAN if kind == IMMOBILE else kind].interval()
    known = {"length": free + 1, "kind": kind, "diffusion": diffusion, "low": low, "high": high}
    known["margin"] = abs(criteria[second] - criteria[kind])
    known["error"] = float(np.sqrt(chosen.scales()[best] * chosen.error[best]))
    return kind, best, known


def share_with_interval(number: int, total: int) -> dict[str, float | None]:
    """Return a share and its 95 % interval by Wilson's score; None where there is nothing.

    E. B. Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Parameters
    ----------
    number, total : int
        Those that count, and all.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in share_with_interval(8, 10).items()}
    {'share': 0.8, 'low': 0.49, 'high': 0.943}
    """
    if total == 0:
        return {"share": None, "low": None, "high": None}
    share, weight = number / total, 1.0 + _Z**2 / total
    centre = (share + _Z**2 / (2 * total)) / weight
    half = _Z * np.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2)) / weight
    low, high = max(float(centre - half), 0.0), min(float(centre + half), 1.0)
    return {"share": share, "low": low, "high": high}


def motion_figures(found: list[Motion]) -> dict[str, Any]:
    """Return numbers of each kind, shares, and medians of diffusion and error.

    Parameters
    ----------
    found : list of Motion
        Tracks.
    """
    mobile = [each for each in found if each.is_mobile]
    return {
        "kinds": {kind: sum(each.kind == kind for each in found) for kind in _PARAMETERS},
        "mobile": len(mobile),
        "immobile": len(found) - len(mobile),
        "mobile_share": share_with_interval(len(mobile), len(found)),
        "median_diffusion_of_mobile_px2_frame": _median([each.diffusion for each in mobile]),
        "median_error_px": _median([each.error for each in found]),
    }


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
