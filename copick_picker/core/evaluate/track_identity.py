"""How well the identity of objects is kept: IDF1 and HOTA."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from copick_picker.core.evaluate.track_sets import FloatArray, IndexArray, TrackMatch

LEVELS = np.arange(0.05, 0.99, 0.05)
"""Similarities at which HOTA looks for hits."""
_LEAST = 1e-12


@dataclass(frozen=True)
class IdentityScores:
    """How well identity is kept.

    Attributes
    ----------
    idf1, id_precision, id_recall : float or None
        Of points in tracks that are assigned to one another as wholes; None without any.
    hota, det_a, ass_a, loc_a : float or None
        HOTA and its parts: detection, association and localization accuracy, means over the levels
        of similarity; None without any.
    """

    idf1: float | None
    id_precision: float | None
    id_recall: float | None
    hota: float | None
    det_a: float | None
    ass_a: float | None
    loc_a: float | None


def identity_scores(match: TrackMatch) -> IdentityScores:
    """Return how well the identity of objects is kept.

    IDF1 (Ristani et al. 2016, https://doi.org/10.1007/978-3-319-48881-3_2): tracks are assigned one
    to one so that most of their points hit each other, 2 IDTP / (points of both). HOTA (Luiten et
    al. 2021, https://doi.org/10.1007/s11263-020-01375-2): the geometric mean of detection and
    association accuracy, averaged over similarities of 0.05 to 0.95; the similarity of two points
    is 1 - distance / (2 tolerance), so that a hit at the tolerance has 0.5.

    Parameters
    ----------
    match : TrackMatch
        Which points hit each other. Points without a track are left out.
    """
    ours, theirs = match.candidate.tracks, match.reference.tracks
    n_ours, n_theirs = int((ours > 0).sum()), int((theirs > 0).sum())
    found = match.found_tracks(np.arange(len(theirs)))
    inside = (theirs > 0) & (found > 0)
    shared = _table(theirs[inside], found[inside], theirs, ours)
    rows, columns = linear_sum_assignment(-shared)
    true = float(shared[rows, columns].sum())
    values = _hota(match)
    return IdentityScores(
        idf1=2.0 * true / (n_ours + n_theirs) if n_ours + n_theirs else None,
        id_precision=true / n_ours if n_ours else None,
        id_recall=true / n_theirs if n_theirs else None,
        **dict(zip(("hota", "det_a", "ass_a", "loc_a"), values, strict=True)),
    )


def _table(
    first: IndexArray, second: IndexArray, all_first: IndexArray, all_second: IndexArray
) -> FloatArray:
    """Return how many points each track of one set shares with each of the other."""
    shape = (int(all_first.max(initial=0)) + 1, int(all_second.max(initial=0)) + 1)
    flat = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)


def _hota(match: TrackMatch) -> tuple[float | None, float | None, float | None, float | None]:
    reference, candidate = match.reference, match.candidate
    theirs, ours = np.flatnonzero(reference.tracks > 0), np.flatnonzero(candidate.tracks > 0)
    if len(theirs) + len(ours) == 0:
        return None, None, None, None
    blocks = _similar(match, theirs, ours)
    sizes_first = np.bincount(reference.tracks[theirs], minlength=1).astype(np.float64)
    sizes_second = np.bincount(candidate.tracks[ours], minlength=1).astype(np.float64)
    shape = (
        max(len(sizes_first), int(reference.tracks.max(initial=0)) + 1),
        max(len(sizes_second), int(candidate.tracks.max(initial=0)) + 1),
    )
    likely = np.zeros(shape)
    for rows, columns, similar in blocks:
        total = similar.sum(axis=0)[None, :] + similar.sum(axis=1)[:, None] - similar
        share = np.where(total > _LEAST, similar / np.maximum(total, _LEAST), 0.0)
        at = np.ix_(reference.tracks[rows], candidate.tracks[columns])
        np.add.at(likely, at, share)
    union = sizes_first[:, None] + sizes_second[None, :] - likely
    alike = np.where(union > 0, likely / np.maximum(union, _LEAST), 0.0)
    hits = np.zeros((len(LEVELS), *shape))
    closeness = np.zeros(len(LEVELS))
    for rows, columns, similar in blocks:
        first, second = reference.tracks[rows], candidate.tracks[columns]
        chosen = linear_sum_assignment(-(alike[np.ix_(first, second)] * similar))
        values = similar[chosen]
        for number, level in enumerate(LEVELS):
            good = values >= level - 1e-9
            np.add.at(hits[number], (first[chosen[0][good]], second[chosen[1][good]]), 1.0)
            closeness[number] += values[good].sum()
    found = hits.sum(axis=(1, 2))
    det = found / np.maximum(len(theirs) + len(ours) - found, 1.0)
    pairs = sizes_first[:, None] + sizes_second[None, :] - hits
    association = (hits * hits / np.maximum(pairs, 1.0)).sum(axis=(1, 2)) / np.maximum(found, 1.0)
    local = np.where(found > 0, closeness / np.maximum(found, 1.0), 1.0)
    hota = np.sqrt(det * association)
    return float(hota.mean()), float(det.mean()), float(association.mean()), float(local.mean())


def _groups_in_space(
    match: TrackMatch, theirs: IndexArray, ours: IndexArray
) -> list[tuple[IndexArray, IndexArray]]:
    """Return groups of points of which no two of different groups are similar."""
    first, second = match.reference.positions[theirs], match.candidate.positions[ours]
    if len(first) == 0 or len(second) == 0:
        return []
    near = cKDTree(first).sparse_distance_matrix(
        cKDTree(second), 2.0 * match.tolerance, output_type="coo_matrix"
    )
    number = len(first) + len(second)
    joined = coo_array(
        (np.ones(near.nnz), (near.row, near.col + len(first))), shape=(number, number)
    )
    _, group = connected_components(joined, directed=False)
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return [
        (theirs[part[part < len(first)]], ours[part[part >= len(first)] - len(first)])
        for part in parts
        if len(part) > 1
    ]


def _similar(
    match: TrackMatch, theirs: IndexArray, ours: IndexArray
) -> list[tuple[IndexArray, IndexArray, FloatArray]]:
    """Return points of the same place, and the similarity of each pair."""
    reference, candidate = match.reference, match.candidate
    if not reference.is_placed:
        groups = _groups_in_space(match, theirs, ours)
    else:
        places = np.union1d(reference.ranks[theirs], candidate.ranks[ours])
        groups = [
            (theirs[reference.ranks[theirs] == place], ours[candidate.ranks[ours] == place])
            for place in places
        ]
    blocks = []
    for rows, columns in groups:
        if len(rows) and len(columns):
            apart = reference.positions[rows][:, None] - candidate.positions[columns][None]
            distance = np.linalg.norm(apart, axis=2)
            blocks.append((rows, columns, np.maximum(0.0, 1.0 - distance / (2 * match.tolerance))))
    return blocks
