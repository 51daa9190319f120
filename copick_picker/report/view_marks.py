"""The marks drawn on slices: picks grouped by object and status, and how each status looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.records.points import PickSet
from copick_picker.records.scores import RunObjectMatch

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """How picks of one status are drawn.

    Attributes
    ----------
    shape : str
        ``circle``, ``dashed circle`` and ``square`` have the radius of the object; ``dot``,
        ``cross`` and ``triangle`` are small; ``ringed diamond`` is both, small in a circle.
    colour : str
        Colour where all picks of a status share one, told apart from the others with any form of
        colour blindness (Okabe and Ito, 2008). On slices picks have the colour of their object.
    words : str
        What it means, of one pick.
    many : str
        The same behind a number.
    """

    shape: str
    colour: str
    words: str
    many: str


LOOKS: Mapping[str, Look] = {
    "found": Look("circle", "#56B4E9", "reference, found", "references found"),
    "missed": Look("square", "#F0E442", "reference, missed", "references missed"),
    "reference": Look("circle", "#56B4E9", "reference pick", "references"),
    "hit": Look("dot", "#56B4E9", "candidate, a hit", "hits"),
    "false": Look("cross", "#FF5A1F", "candidate, false", "false candidates"),
    "candidate": Look("ringed diamond", "#E69F00", "candidate pick", "candidates"),
    "linked": Look("dot", "#FFFFFF", "candidate, on a filament", "picks on filaments"),
    "reference at border": Look(
        "dashed circle", "#FFFFFF", "reference at the border, not counted", "references at borders"
    ),
    "candidate at border": Look(
        "triangle", "#FFFFFF", "candidate at the border, not counted", "candidates at borders"
    ),
}
"""Status -> look. Shapes differ too: no reader depends on colour alone."""


@dataclass(frozen=True)
class ObjectLook:
    """How an object is told apart from the others.

    Attributes
    ----------
    colour : str
        Colour of its picks as ``#rrggbb``.
    letter : str
        What precedes its scores; empty where there is only one object, or no score.
    """

    colour: str
    letter: str = ""


@dataclass(frozen=True, eq=False)
class Marks:
    """Picks of one object and one status.

    Attributes
    ----------
    object_name : str
        The object.
    radius_angstrom : float
        Radius of the circles and squares; a pick is drawn where its sphere is cut.
    status : str
        A key of ``LOOKS``.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Centres (x, y, z) in Angstrom.
    scores : numpy.ndarray, shape (n,), float64, or None
        Scores; None where there are none to show.
    remarks : tuple of str
        A word on each pick, such as ``duplicate``; empty where there is nothing to say.
    """

    object_name: str
    radius_angstrom: float
    status: str
    points_xyz: FloatArray
    scores: FloatArray | None = None
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of picks."""
        return len(self.points_xyz)


def object_looks(marks: Sequence[Marks], colours: Mapping[str, str]) -> dict[str, ObjectLook]:
    """Return the look of each object that has picks, in the order of the marks.

    Parameters
    ----------
    marks : sequence of Marks
        What is drawn.
    colours : mapping of str to str
        Object -> colour as ``#rrggbb``.
    """
    names = list(dict.fromkeys(entry.object_name for entry in marks))
    has_letters = len(names) > 1 and any(entry.scores is not None for entry in marks)
    letters = [chr(ord("a") + at % 26) if has_letters else "" for at in range(len(names))]
    return {
        name: ObjectLook(colours[name], letter) for name, letter in zip(names, letters, strict=True)
    }


def counts_by_status(marks: Sequence[Marks]) -> dict[str, int]:
    """Return the number of picks of each status that occurs, in the order of ``LOOKS``.

    Parameters
    ----------
    marks : sequence of Marks
        What is drawn.
    """
    return {
        status: sum(len(entry) for entry in marks if entry.status == status)
        for status in LOOKS
        if any(entry.status == status for entry in marks)
    }


def cut(
    marks: Marks, axis_zyx: int, centre_angstrom: float
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Return which spheres a plane cuts, and the radii of the cuts in Angstrom.

    Parameters
    ----------
    marks : Marks
        Picks.
    axis_zyx : int
        Axis that the plane is across.
    centre_angstrom : float
        Position of the plane.
    """
    away = marks.points_xyz[:, 2 - axis_zyx] - centre_angstrom
    which = np.flatnonzero(np.abs(away) <= marks.radius_angstrom)
    return which, np.sqrt(marks.radius_angstrom**2 - away[which] ** 2)


def best_centre(marks: Sequence[Marks], axis_zyx: int, centres_angstrom: FloatArray) -> float:
    """Return the plane that cuts the most spheres; of several such planes the middle one.

    Parameters
    ----------
    marks : sequence of Marks
        Picks.
    axis_zyx : int
        Axis that the planes are across.
    centres_angstrom : numpy.ndarray, shape (n,), float64
        Positions of the planes, rising.
    """
    change = np.zeros(len(centres_angstrom) + 1)
    for entry in marks:
        along = entry.points_xyz[:, 2 - axis_zyx]
        first = np.searchsorted(centres_angstrom, along - entry.radius_angstrom, side="left")
        last = np.searchsorted(centres_angstrom, along + entry.radius_angstrom, side="right")
        np.add.at(change, first, 1)
        np.add.at(change, last, -1)
    number = np.cumsum(change[:-1])
    best = np.flatnonzero(number == number.max())
    return float(centres_angstrom[best[len(best) // 2]])


def judged_marks(match: RunObjectMatch, radius_angstrom: float) -> Sequence[Marks]:
    """Return the marks of one object: found, missed, hits and false candidates.

    Parameters
    ----------
    match : RunObjectMatch
        What became of its picks in a run.
    radius_angstrom : float
        Its radius.
    """
    scores = told_scores(match.candidate_scores)

    def reference(status: str, wanted: str) -> Marks:
        which = match.reference_status == wanted
        return Marks(match.object_name, radius_angstrom, status, match.reference_xyz[which])

    def candidate(status: str, which: npt.NDArray[np.bool_]) -> Marks:
        remarks = [
            f"at a {other}" if other else str(verdict)
            for verdict, other in zip(
                match.candidate_status[which], match.confused_with[which], strict=True
            )
        ]
        return Marks(
            match.object_name,
            radius_angstrom,
            status,
            match.candidate_xyz[which],
            None if scores is None else scores[which],
            tuple("" if remark in ("matched", "false") else remark for remark in remarks),
        )

    hit = match.candidate_status == "matched"
    uncounted = match.candidate_status == "uncounted"
    return (
        reference("found", "matched"),
        reference("missed", "missed"),
        reference("reference", "uncounted"),
        candidate("hit", hit),
        candidate("false", ~hit & ~uncounted),
        candidate("candidate", uncounted),
    )


def unjudged_marks(picks: PickSet, radius_angstrom: float) -> Sequence[Marks]:
    """Return the marks of candidates without a reference: those on filaments, and the others.

    Parameters
    ----------
    picks : PickSet
        The candidates of one object.
    radius_angstrom : float
        Its radius.
    """
    ids = picks.instance_ids
    linked = np.zeros(len(picks), dtype=bool) if ids is None else ids > 0
    alone = picks.chosen(~linked)
    return (
        Marks(
            picks.object_name,
            radius_angstrom,
            "candidate",
            alone.points_xyz,
            told_scores(alone.scores),
        ),
        Marks(picks.object_name, radius_angstrom, "linked", picks.points_xyz[linked]),
    )


def told_scores(scores: FloatArray) -> FloatArray | None:
    """Return the scores; None where all are 1, as copick has them where nobody scored.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n,), float64
        Scores of picks.
    """
    return None if bool((scores == 1.0).all()) else scores
