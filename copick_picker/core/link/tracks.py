"""Tracks: points in order, as links between their sides join them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from copick_picker.core.link.points import Edges, FloatArray, IndexArray

NOBODY = -1


class Track(NamedTuple):
    """Points in order.

    Attributes
    ----------
    members : numpy.ndarray, shape (k,), int64
        The points.
    turned : numpy.ndarray, shape (k,), bool
        Whether the track runs through a point from its side 1 to its side 0: against its tangent.
    """

    members: IndexArray
    turned: npt.NDArray[np.bool_]


def tracks_of(edges: Edges, scores: FloatArray, n_points: int) -> list[Track]:
    """Return the tracks that links make; a circle is opened at its weakest link.

    Parameters
    ----------
    edges : Edges
        Links, of which no two use one side of a point.
    scores : numpy.ndarray, shape (m,), float64
        Score of each link.
    n_points : int
        Number of points; those in no link are tracks of one.

    Returns
    -------
    list of Track
        By their first point in the order of numbers.

    Examples
    --------
    >>> one, zero = np.ones(2, dtype=int), np.zeros(2, dtype=int)
    >>> edges = Edges(np.array([0, 2]), np.array([2, 1]), one, zero, one)
    >>> [track.members.tolist() for track in tracks_of(edges, np.ones(2), 4)]
    [[0, 2, 1], [3]]
    """
    partner = np.full((n_points, 2), NOBODY, dtype=np.int64)
    partner_port = np.full((n_points, 2), NOBODY, dtype=np.int64)
    partner[edges.first, edges.first_ports] = edges.second
    partner_port[edges.first, edges.first_ports] = edges.second_ports
    partner[edges.second, edges.second_ports] = edges.first
    partner_port[edges.second, edges.second_ports] = edges.first_ports
    score = np.zeros((n_points, 2))
    score[edges.first, edges.first_ports] = scores
    score[edges.second, edges.second_ports] = scores
    seen = np.zeros(n_points, dtype=bool)
    found = []
    for start in range(n_points):
        free = [port for port in (0, 1) if partner[start, port] == NOBODY]
        if not seen[start] and free:
            found.append(_walk(start, free[0], partner, partner_port, seen))
    for start in np.flatnonzero(~seen).tolist():
        if seen[start]:
            continue
        circle = _walk(start, 0, partner, partner_port, np.zeros_like(seen), stop=start)
        leaving = np.where(circle.turned, 0, 1)
        weakest = int(np.argmin(score[circle.members, leaving]))
        last, port = int(circle.members[weakest]), int(leaving[weakest])
        other, other_port = int(partner[last, port]), int(partner_port[last, port])
        partner[last, port] = partner[other, other_port] = NOBODY
        found.append(_walk(other, other_port, partner, partner_port, seen))
    return sorted(found, key=lambda track: int(track.members[0]))


def _walk(
    start: int,
    entered: int,
    partner: IndexArray,
    partner_port: IndexArray,
    seen: npt.NDArray[np.bool_],
    *,
    stop: int = NOBODY,
) -> Track:
    """Return the track from a point on, entered at one of its sides; mark its points as seen."""
    members, turned = [], []
    point, port = start, entered
    while True:
        members.append(point)
        turned.append(port == 1)
        seen[point] = True
        leaving = 1 - port
        following = int(partner[point, leaving])
        if following in (NOBODY, stop):
            break
        point, port = following, int(partner_port[point, leaving])
    return Track(np.array(members, dtype=np.int64), np.array(turned))


def turned_round(track: Track) -> Track:
    """Return a track from its other end."""
    return Track(track.members[::-1], ~track.turned[::-1])
