"""The one-to-one assignment of candidate picks to reference picks, exact and sparse.

Picks within reach of each other form a graph, and an assignment of the whole is an assignment of
each connected component. Nearly all components are a pair or a star (one pick with several in
reach), which need no search; the others go to a sparse shortest-augmenting-path solver, many small
ones at a time.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import (
    connected_components,
    maximum_bipartite_matching,
    min_weight_full_bipartite_matching,
)

from copick_picker.core.evaluate.pairs import BoolArray, FloatArray, IndexArray, Pairs

_ROWS_A_BATCH = 256
_TIE_SHARE = 1e-8
"""Share of the tolerance by which totals may differ and still count as equal."""


@dataclass(frozen=True, eq=False)
class _Components:
    """Connected components of the pairs: the component of each pair, and which are stars."""

    of_pair: IndexArray
    n_reference: IndexArray
    n_candidate: IndexArray

    @property
    def pair_in_star(self) -> BoolArray:
        """Whether the pair's component has a single reference or a single candidate."""
        star: BoolArray = (self.n_reference == 1) | (self.n_candidate == 1)
        return star[self.of_pair]


def assign_one_to_one(pairs: Pairs, *, tolerance_angstrom: float) -> tuple[IndexArray, IndexArray]:
    """Return the most pairs in which no pick occurs twice, then the least total distance.

    Ties go to the lower indices: totals that differ by less than 1e-8 of the tolerance count as
    equal, and among them the least sum of reference and candidate indices wins, then partners in
    index order. (In components of more than about a hundred picks, rounding may decide a tie; the
    result is still the same on every run.)

    Parameters
    ----------
    pairs : Pairs
        Pairs within the tolerance.
    tolerance_angstrom : float
        Greatest distance of a pair in Angstrom.

    Returns
    -------
    reference, candidate : numpy.ndarray, shape (k,), int64
        Indices of the partners, sorted by reference.

    Notes
    -----
    Components are solved with the sparse Jonker-Volgenant algorithm [1]_. Each reference also has
    a partner of its own that stands for being missed, at a cost above that of any set of pairs, so
    that the number of pairs comes first.

    References
    ----------
    .. [1] R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse
       linear assignment problems", Computing 38 (1987), 325-340.

    Examples
    --------
    The nearest candidate of reference 0 is left to reference 1, which has no other:

    >>> from copick_picker.core.evaluate.pairs import find_pairs
    >>> pairs = find_pairs([[0, 0, 0], [50, 0, 0]], [[20, 0, 0], [-25, 0, 0]], reach_angstrom=30)
    >>> assign_one_to_one(pairs, tolerance_angstrom=30)
    (array([0, 1]), array([1, 0]))
    """
    components = _components(pairs)
    in_star = components.pair_in_star
    chosen = [_nearest_of_stars(pairs, components, in_star)]
    chosen += _solve_batches(pairs, components, np.flatnonzero(~in_star), tolerance_angstrom)
    picked = np.sort(np.concatenate(chosen))
    return pairs.reference[picked], pairs.candidate[picked]


def largest_assignment_sizes(pairs: Pairs, tolerances_angstrom: FloatArray) -> IndexArray:
    """Return how many one-to-one pairs there can be within each tolerance.

    Parameters
    ----------
    pairs : Pairs
        Pairs up to the greatest tolerance at least.
    tolerances_angstrom : numpy.ndarray, shape (k,), float64
        Tolerances in Angstrom.

    Returns
    -------
    numpy.ndarray, shape (k,), int64
        Size of the largest one-to-one assignment, by the algorithm of Hopcroft and Karp [1]_.

    References
    ----------
    .. [1] J. Hopcroft, R. Karp, "An n^(5/2) algorithm for maximum matchings in bipartite graphs",
       SIAM J. Comput. 2 (1973), 225-231.

    Examples
    --------
    >>> from copick_picker.core.evaluate.pairs import find_pairs
    >>> pairs = find_pairs([[0, 0, 0], [9, 0, 0]], [[0, 0, 2], [9, 5, 0]], reach_angstrom=8)
    >>> largest_assignment_sizes(pairs, np.array([1.0, 3.0, 8.0]))
    array([0, 1, 2])
    """
    components = _components(pairs)
    in_star = components.pair_in_star
    nearest = np.sort(pairs.squared_distance[_nearest_of_stars(pairs, components, in_star)])
    sizes = np.searchsorted(nearest, tolerances_angstrom**2, side="right").astype(np.int64)
    rest = pairs.select(~in_star)
    for index, tolerance in enumerate(tolerances_angstrom):
        sizes[index] += _cardinality(rest.within(float(tolerance)))
    return sizes


def _cardinality(pairs: Pairs) -> int:
    rows, reference = np.unique(pairs.reference, return_inverse=True)
    columns, candidate = np.unique(pairs.candidate, return_inverse=True)
    graph = csr_array(
        (np.ones(len(reference), dtype=np.int8), (reference, candidate)),
        shape=(len(rows), len(columns)),
    )
    return int(np.count_nonzero(maximum_bipartite_matching(graph) >= 0))


def _components(pairs: Pairs) -> _Components:
    n_nodes = pairs.n_reference + pairs.n_candidate
    links = (pairs.reference, pairs.candidate + pairs.n_reference)
    graph = coo_array((np.ones(len(pairs.reference), dtype=np.int8), links), (n_nodes, n_nodes))
    n_components, label = connected_components(graph.tocsr(), directed=False)
    return _Components(
        of_pair=label[pairs.reference].astype(np.int64),
        n_reference=np.bincount(label[: pairs.n_reference], minlength=n_components),
        n_candidate=np.bincount(label[pairs.n_reference :], minlength=n_components),
    )


def _nearest_of_stars(pairs: Pairs, components: _Components, in_star: BoolArray) -> IndexArray:
    """Return the nearest pair of each star, the first by index where several are equal."""
    index = np.flatnonzero(in_star)
    component = components.of_pair[index]
    order = np.lexsort((index, pairs.squared_distance[index], component))
    index, component = index[order], component[order]
    first = np.ones(len(index), dtype=bool)
    first[1:] = component[1:] != component[:-1]
    return index[first]


def _solve_batches(
    pairs: Pairs, components: _Components, index: IndexArray, tolerance_angstrom: float
) -> list[IndexArray]:
    """Return the chosen pairs of the components that are no stars, a batch of components at once.

    The solver's time grows with the square of the number of rows, so components are gathered only
    up to ``_ROWS_A_BATCH`` references.
    """
    if len(index) == 0:
        return []
    index = index[np.argsort(components.of_pair[index], kind="stable")]
    component = components.of_pair[index]
    starts = np.flatnonzero(np.concatenate([[True], component[1:] != component[:-1]]))
    rows_before = np.cumsum(components.n_reference[component[starts]])
    batch_of_start = rows_before // _ROWS_A_BATCH
    first_of_batch = np.flatnonzero(
        np.concatenate([[True], batch_of_start[1:] != batch_of_start[:-1]])
    )
    bounds = np.append(starts[first_of_batch], len(index))
    cost, miss_cost = _costs(pairs, components, index, tolerance_angstrom)
    chosen = []
    for start, stop in pairwise(bounds.tolist()):
        inside = slice(start, stop)
        kept = _solve(
            pairs.reference[index[inside]],
            pairs.candidate[index[inside]],
            cost[inside],
            miss_cost[inside],
        )
        chosen.append(index[inside][kept])
    return chosen


def _costs(
    pairs: Pairs, components: _Components, index: IndexArray, tolerance_angstrom: float
) -> tuple[FloatArray, FloatArray]:
    """Return the cost of each pair and of missing its reference, in units of the tolerance.

    A pair costs 1 + distance / tolerance + a tie term; missing a reference costs more than any set
    of pairs of the component could save.
    """
    component = components.of_pair[index]
    n_row = components.n_reference[component]
    n_column = components.n_candidate[component]
    n_most = np.minimum(n_row, n_column)
    row = _rank_in_group(pairs.reference[index], component)
    column = _rank_in_group(pairs.candidate[index], component)
    order = (1.0 - row * column / (n_row * n_column)) / (n_most + 1.0)
    tie = (row + column + order) * _TIE_SHARE / (n_most * (n_row + n_column))
    cost = 1.0 + pairs.distance[index] / tolerance_angstrom + tie
    return cost, 2.0 * (n_most + 1.0)


def _rank_in_group(values: IndexArray, group: IndexArray) -> IndexArray:
    """Return the rank of each value among the distinct values of its group, from 0."""
    order = np.lexsort((values, group))
    ordered_values, ordered_group = values[order], group[order]
    new_group = np.ones(len(order), dtype=bool)
    new_group[1:] = ordered_group[1:] != ordered_group[:-1]
    new_value = new_group.copy()
    new_value[1:] |= ordered_values[1:] != ordered_values[:-1]
    running = np.cumsum(new_value) - 1
    start_of_group = np.maximum.accumulate(np.where(new_group, running, 0))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = running - start_of_group
    return ranks


def _solve(
    reference: IndexArray, candidate: IndexArray, cost: FloatArray, miss_cost: FloatArray
) -> IndexArray:
    """Return the positions of the pairs of the cheapest assignment."""
    rows, row = np.unique(reference, return_inverse=True)
    columns, column = np.unique(candidate, return_inverse=True)
    n_row, n_column = len(rows), len(columns)
    own_miss_cost = np.empty(n_row)
    own_miss_cost[row] = miss_cost
    misses = np.arange(n_row)
    weights = csr_array(
        (
            np.concatenate([cost, own_miss_cost]),
            (np.concatenate([row, misses]), np.concatenate([column, n_column + misses])),
        ),
        shape=(n_row, n_column + n_row),
    )
    assigned_row, assigned_column = min_weight_full_bipartite_matching(weights)
    partner = np.full(n_row, -1)
    partner[assigned_row] = assigned_column
    return np.flatnonzero(partner[row] == column)
