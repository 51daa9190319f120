"""The links of highest total score, of which no two use one side of a point: exact.

Where sides fall into two kinds, of which links always join one with the other, this is a matching
in a bipartite graph, solved by scipy's ``min_weight_full_bipartite_matching`` (Jonker and Volgenant
1987, https://doi.org/10.1007/BF02278710). Otherwise it is a matching in a general graph, solved as
an integer program by HiGHS (Huangfu and Hall 2018, https://doi.org/10.1007/s12532-017-0130-5).
Parts of the graph that hang together are solved one by one.
"""

from collections import deque

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from copick_picker.core.link.points import FloatArray, IndexArray
from copick_picker.errors import DataError

_AT_ONCE = 2000
"""About how many links of small parts are solved at once."""
_HALF = 0.5


def best_matching(ends: IndexArray, scores: FloatArray, n_ends: int) -> npt.NDArray[np.bool_]:
    """Return which links to choose: the highest total score, each end in one link at most.

    Parameters
    ----------
    ends : numpy.ndarray, shape (m, 2), int64
        The two ends that each link joins.
    scores : numpy.ndarray, shape (m,), float64
        Score of each link; one of 0 or less is never chosen.
    n_ends : int
        Number of ends.

    Returns
    -------
    numpy.ndarray, shape (m,), bool

    Raises
    ------
    DataError
        If a part of the graph could not be solved to the end.

    Examples
    --------
    >>> ends = np.array([[0, 1], [1, 2], [2, 3]])
    >>> best_matching(ends, np.array([2.0, 3.0, 2.0]), 4).tolist()
    [True, False, True]
    """
    chosen = np.zeros(len(ends), dtype=bool)
    useful = np.flatnonzero(scores > 0)
    if len(useful) == 0:
        return chosen
    useful = useful[np.argsort(-scores[useful], kind="stable")]
    pair = ends[useful].min(axis=1) * n_ends + ends[useful].max(axis=1)
    useful = useful[np.unique(pair, return_index=True)[1]]  # of equal links the best
    own = ends[useful]
    graph = coo_array((np.ones(len(own)), (own[:, 0], own[:, 1])), shape=(n_ends, n_ends))
    _, part_of_end = connected_components(graph, directed=False)
    colours = _two_colours(own, n_ends)
    part = part_of_end[own[:, 0]]
    is_odd = np.zeros(int(part_of_end.max()) + 1, dtype=bool)
    is_odd[part[colours[own[:, 0]] == colours[own[:, 1]]]] = True
    even = ~is_odd[part]
    order = np.argsort(part[even], kind="stable")
    links, of_part = useful[even][order], part[even][order]
    borders = np.flatnonzero(np.diff(of_part)) + 1  # where a part ends
    cuts = borders[np.flatnonzero(np.diff(borders // _AT_ONCE)) + 1]
    for some in np.split(links, cuts):
        if len(some):
            chosen[some] = _bipartite(ends[some], scores[some], colours)
    order = np.argsort(part[~even], kind="stable")
    odd = useful[~even][order]
    borders = np.flatnonzero(np.diff(part[~even][order])) + 1
    for links in np.split(odd, borders):
        if len(links):
            chosen[links] = _general(ends[links], scores[links])
    return chosen


def _two_colours(ends: IndexArray, n_ends: int) -> IndexArray:
    """Return 0 or 1 for every end, so that links join unlike ends wherever that can be."""
    number = len(ends)
    both = np.concatenate([ends, ends[:, ::-1]])
    graph = csr_array((np.ones(2 * number), (both[:, 0], both[:, 1])), shape=(n_ends, n_ends))
    begins, neighbours = graph.indptr.tolist(), graph.indices.tolist()
    colours = [-1] * n_ends
    for start in np.unique(ends).tolist():
        if colours[start] >= 0:
            continue
        colours[start] = 0
        waiting = deque([start])
        while waiting:
            end = waiting.popleft()
            for other in neighbours[begins[end] : begins[end + 1]]:
                if colours[other] < 0:
                    colours[other] = 1 - colours[end]
                    waiting.append(other)
    return np.array(colours, dtype=np.int64)


def _bipartite(ends: IndexArray, scores: FloatArray, colours: IndexArray) -> npt.NDArray[np.bool_]:
    """Return the best links between ends of colour 0 and ends of colour 1."""
    is_turned = colours[ends[:, 0]] == 1
    left = np.where(is_turned, ends[:, 1], ends[:, 0])
    right = np.where(is_turned, ends[:, 0], ends[:, 1])
    rows, row = np.unique(left, return_inverse=True)
    columns, column = np.unique(right, return_inverse=True)
    n_rows, n_columns = len(rows), len(columns)
    # Every row may also take a column of its own, which stands for no link. A constant on all
    # entries changes no choice, and keeps them from 0, which would mean "no entry".
    alone = np.arange(n_rows)
    values = np.concatenate([scores, np.zeros(n_rows)]) + 1.0
    index = (np.concatenate([row, alone]), np.concatenate([column, n_columns + alone]))
    matrix = csr_array((values, index), shape=(n_rows, n_columns + n_rows))
    found_rows, found_columns = min_weight_full_bipartite_matching(matrix, maximize=True)
    partner = np.full(n_rows, -1)
    partner[found_rows] = found_columns
    result: npt.NDArray[np.bool_] = partner[row] == column
    return result


def _general(ends: IndexArray, scores: FloatArray) -> npt.NDArray[np.bool_]:
    """Return the best links of a part that has an odd circle."""
    used, local = np.unique(ends, return_inverse=True)
    number = len(ends)
    once = csr_array(
        (np.ones(2 * number), (local.ravel(), np.repeat(np.arange(number), 2))),
        shape=(len(used), number),
    )
    found = milp(
        -scores,
        integrality=np.ones(number),
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(once, -np.inf, 1.0),
    )
    if not found.success:
        msg = f"the links of {len(used)} ends could not be solved: {found.message}"
        raise DataError(msg)
    result: npt.NDArray[np.bool_] = found.x > _HALF
    return result
