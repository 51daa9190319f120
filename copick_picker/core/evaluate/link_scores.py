"""How well points are linked into filaments: links, pieces, identity, shape; over all runs too."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from copick_picker.core.evaluate.filament_shape import ShapeScores, shape_scores
from copick_picker.core.evaluate.track_edges import EdgeScores, edge_scores
from copick_picker.core.evaluate.track_fragments import FragmentScores, fragment_scores
from copick_picker.core.evaluate.track_identity import IdentityScores, identity_scores
from copick_picker.core.evaluate.track_sets import TrackSet, match_points
from copick_picker.core.link.splines import Curve, learned_stiffness, smooth_curve
from copick_picker.errors import DataError, choices_text
from copick_picker.records.points import PickSet
from copick_picker.records.scores import Picks, ScoredObject

FAR_APART = 10.0
"""Steps along a filament of so many usual ones are told: are its numbers those of one filament?"""
_APART_TOLERANCES = 10.0


@dataclass(frozen=True)
class LinkScores:
    """How well the points of one object are linked.

    Attributes
    ----------
    tolerance : float
        Greatest distance of a hit.
    edges : EdgeScores
        Links.
    pieces : FragmentScores
        Fragments, merges, switches.
    identity : IdentityScores
        IDF1 and HOTA.
    shape : ShapeScores
        Shapes of the curves.
    """

    tolerance: float
    edges: EdgeScores
    pieces: FragmentScores
    identity: IdentityScores
    shape: ShapeScores

    def values(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return {
            "tolerance_angstrom": self.tolerance,
            "edges": asdict(self.edges),
            "pieces": asdict(self.pieces),
            "identity": asdict(self.identity),
            "shape": asdict(self.shape),
        }


def link_scores(reference: TrackSet, candidate: TrackSet, *, tolerance: float) -> LinkScores:
    """Return how well candidate tracks agree with those of the reference.

    Parameters
    ----------
    reference, candidate : TrackSet
        Tracks without an ordered axis. Candidate points in no track count as points, so that a
        link past them is missed.
    tolerance : float
        Greatest distance of a hit, and of curves that cover each other.
    """
    match = match_points(reference, candidate, tolerance=tolerance)
    return LinkScores(
        tolerance=tolerance,
        edges=edge_scores(match),
        pieces=fragment_scores(match),
        identity=identity_scores(match),
        shape=shape_scores(curves_of(reference), curves_of(candidate), tolerance=tolerance),
    )


def curves_of(tracks: TrackSet) -> list[Curve]:
    """Return the smooth curves through tracks of two or more points.

    Parameters
    ----------
    tracks : TrackSet
        The tracks.
    """
    parts = [tracks.positions[own] for own in tracks.members().values() if len(own) > 1]
    stiffness = learned_stiffness(parts)
    return [smooth_curve(part, stiffness=stiffness) for part in parts]


def beside_each_other(sets: Sequence[TrackSet], *, apart: float) -> TrackSet:
    """Return the tracks of several runs as those of one, so far from each other that none meet.

    Parameters
    ----------
    sets : sequence of TrackSet
        The tracks of each run, without an ordered axis.
    apart : float
        Distance along the first axis from the origin of one run to that of the next.
    """
    positions, tracks, ranks, last = [], [], [], 0
    for number, each in enumerate(sets):
        shift = np.zeros(each.positions.shape[1])
        shift[0] = number * apart
        positions.append(each.positions + shift)
        tracks.append(np.where(each.tracks > 0, each.tracks + last, 0))
        ranks.append(each.ranks)
        last += int(each.tracks.max(initial=0))
    return TrackSet(
        np.concatenate(positions), np.concatenate(tracks), np.concatenate(ranks), is_placed=False
    )


def pooled_scores(pairs: Sequence[tuple[TrackSet, TrackSet]], *, tolerance: float) -> LinkScores:
    """Return the scores over several runs together.

    Parameters
    ----------
    pairs : sequence of (TrackSet, TrackSet)
        Reference and candidate of each run; one or more.
    tolerance : float
        Greatest distance of a hit.
    """
    extent = 0.0
    for pair in pairs:
        for each in pair:
            if len(each):
                extent = max(extent, float(np.abs(each.positions).max()))
    apart = 2.0 * extent + _APART_TOLERANCES * tolerance
    reference = beside_each_other([first for first, _ in pairs], apart=apart)
    candidate = beside_each_other([second for _, second in pairs], apart=apart)
    return link_scores(reference, candidate, tolerance=tolerance)


def far_apart(tracks: TrackSet) -> tuple[int, float] | None:
    """Return the track with the longest step between two points, if it is far beyond the usual.

    Parameters
    ----------
    tracks : TrackSet
        The tracks.

    Returns
    -------
    tuple of int and float, or None
        Its number, and its longest step in usual ones (the median); None if no step has more than
        ten.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [3.0], [90.0]])
    >>> far_apart(TrackSet(line, np.full(5, 7), np.arange(5), is_placed=False))
    (7, 87.0)
    """
    members = tracks.members()
    steps = {
        number: np.linalg.norm(np.diff(tracks.positions[own], axis=0), axis=1)
        for number, own in members.items()
        if len(own) > 1
    }
    if not steps:
        return None
    usual = float(np.median(np.concatenate(list(steps.values()))))
    number = max(steps, key=lambda each: float(steps[each].max()))
    longest = float(steps[number].max())
    return (number, longest / usual) if usual > 0 and longest > FAR_APART * usual else None


@dataclass(frozen=True)
class ScoredLinks:
    """Scores of links.

    Attributes
    ----------
    runs : mapping
        (Run, object) -> scores.
    objects : mapping
        Object -> scores over all runs together.
    notes : tuple of str
        What is to be said about them.
    """

    runs: Mapping[tuple[str, str], LinkScores]
    objects: Mapping[str, LinkScores]
    notes: tuple[str, ...]

    def values(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return {
            "objects": [{"object": name, **each.values()} for name, each in self.objects.items()],
            "runs": [
                {"run": run, "object": name, **each.values()}
                for (run, name), each in self.runs.items()
            ],
            "notes": list(self.notes),
        }


def score_links(reference: Picks, candidate: Picks, objects: Sequence[ScoredObject]) -> ScoredLinks:
    """Return the scores of the links of every run and object.

    Parameters
    ----------
    reference, candidate : mapping
        Run -> object -> picks, whose instance ids tell the filament of each, and whose order is
        that along it.
    objects : sequence of ScoredObject
        The objects that are scored.

    Raises
    ------
    DataError
        If no set of the reference has instance ids.
    """
    runs: dict[tuple[str, str], LinkScores] = {}
    pooled: dict[str, LinkScores] = {}
    notes: list[str] = []
    for entry in objects:
        if entry.tolerance_angstrom is None:
            continue
        pairs = []
        for run, sets in reference.items():
            if entry.name not in sets:
                continue
            found = candidate.get(run, {}).get(entry.name, _nothing(entry.name))
            where = f"{entry.name} of run {run}"
            pair = _pair(sets[entry.name], found, where, notes)
            if pair is not None:
                pairs.append(pair)
                runs[run, entry.name] = link_scores(*pair, tolerance=entry.tolerance_angstrom)
        if pairs:
            pooled[entry.name] = pooled_scores(pairs, tolerance=entry.tolerance_angstrom)
    if not pooled:
        names = sorted({name for sets in reference.values() for name in sets})
        msg = (
            f"--links: no reference set of {choices_text(names)} has instance ids; run link on it "
            "first"
        )
        raise DataError(msg)
    return ScoredLinks(runs, pooled, tuple(notes))


def _pair(
    truth: PickSet, found: PickSet, where: str, notes: list[str]
) -> tuple[TrackSet, TrackSet] | None:
    """Return both sets as tracks, and add notes; None if the reference has no instance ids."""
    if len(truth) and truth.instance_ids is None:
        notes.append(f"{where}: the reference picks have no instance ids")
        return None
    if len(found) and found.instance_ids is None:
        notes.append(f"{where}: the candidates have no instance ids, so every link is missed")
    pair = (tracks_of_picks(truth, only_linked=True), tracks_of_picks(found, only_linked=False))
    for side, tracks in zip(("reference", "candidate"), pair, strict=True):
        far = far_apart(tracks)
        if far is not None:
            notes.append(
                f"{where}: {side} filament {far[0]} has a step {far[1]:.0f} times the usual "
                "one: is it one filament?"
            )
    return pair


def _nothing(name: str) -> PickSet:
    return PickSet(name, np.zeros((0, 3)), np.zeros(0))


def tracks_of_picks(picks: PickSet, *, only_linked: bool) -> TrackSet:
    """Return picks as tracks: filaments by their instance ids, in the order of the picks.

    Parameters
    ----------
    picks : PickSet
        The picks.
    only_linked : bool
        Leave out picks without a number; else they belong to no track.
    """
    ids = picks.instance_ids
    if ids is None:
        ids = np.zeros(len(picks), dtype=np.int64)
    kept = ids > 0 if only_linked else np.ones(len(picks), dtype=bool)
    return TrackSet(
        picks.points_xyz[kept], np.maximum(ids[kept], 0), np.flatnonzero(kept), is_placed=False
    )
