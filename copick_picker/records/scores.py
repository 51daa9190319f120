"""Frozen records of matches and scores: the results of scoring, for tables and figures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.records.points import PickSet

Picks = Mapping[str, Mapping[str, PickSet]]
"""Run name -> object name -> pick set. No entry: no such set; an empty set: none were found."""
ABSENT_SCORES_ZERO = ("czii", "octopi")
"""Matchers with which an object without reference picks scores 0 instead of being left out."""
FALSE = ("false", "duplicate", "confused", "misplaced")
"""Statuses of candidates that are wrong; ``misplaced`` is not a false positive of ``byu``."""


@dataclass(frozen=True)
class MatchCounts:
    """Counts from matching reference picks with candidate picks.

    Attributes
    ----------
    true_positives : int
        Hits as the matcher counts them: reference picks; candidate picks with ``octopi``;
        tomograms with ``byu``.
    false_positives : int
        Candidates minus hits; can be negative with ``czii``. With ``byu`` tomograms without a
        reference pick that have a candidate.
    false_negatives : int
        Reference picks without a hit; with ``byu`` tomograms.
    n_reference, n_candidate : int
        Picks that count; with ``byu`` at most one a tomogram.
    duplicates : int
        Candidates within the tolerance of a reference pick that is matched to another candidate.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    n_reference: int = 0
    n_candidate: int = 0
    duplicates: int = 0

    def __add__(self, other: "MatchCounts") -> "MatchCounts":
        """Return the counts of two disjoint sets of picks together."""
        return MatchCounts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
            self.n_reference + other.n_reference,
            self.n_candidate + other.n_candidate,
            self.duplicates + other.duplicates,
        )


@dataclass(frozen=True)
class Score:
    """Rates in [0, 1] (above 1 only for raw ``czii``); None if there is nothing to score.

    Attributes
    ----------
    precision, recall, f1, f_beta : float or None
        As defined in ``docs/metrics.md``.
    jaccard : float or None
        Hits over hits plus false plus missed picks; octopi calls it accuracy.
    """

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    f_beta: float | None = None
    jaccard: float | None = None


@dataclass(frozen=True)
class LocalizationError:
    """Distance of matched candidates from their reference picks, in Angstrom.

    Attributes
    ----------
    n_pairs : int
        Matched pairs; the values are None if there are none.
    mean_angstrom, median_angstrom, p95_angstrom : float or None
        Mean, median and 95th percentile of the distance.
    mean_offset_xyz : tuple of float or None
        Mean of candidate minus reference (x, y, z); far from zero if one of them is shifted.
    """

    n_pairs: int = 0
    mean_angstrom: float | None = None
    median_angstrom: float | None = None
    p95_angstrom: float | None = None
    mean_offset_xyz: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """Precision and recall as functions of the minimum score of the candidates.

    Attributes
    ----------
    thresholds : numpy.ndarray, shape (k,), float64
        The distinct scores, decreasing.
    precision, recall, f_beta : numpy.ndarray, shape (k,), float64
        Rates at each threshold.
    average_precision : float
        Sum over the thresholds of precision times the gain in recall.
    """

    thresholds: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f_beta: npt.NDArray[np.float64]
    average_precision: float


THRESHOLD_MARGIN = 0.001
"""F-beta that a lower threshold may cost: less than counting one pick otherwise among hundreds."""
FEWEST_REFERENCES = 10
"""Fewest reference picks of an object, in all runs together, for a threshold."""


@dataclass(frozen=True)
class SuggestedThreshold:
    """The score threshold that ``calibrate`` would choose, and its rates."""

    threshold: float
    precision: float
    recall: float
    f_beta: float
    how: str


@dataclass(frozen=True)
class RecallAtDistance:
    """Recall at another tolerance."""

    fraction: float
    tolerance_angstrom: float
    recall: float | None


Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class RunObjectMatch:
    """Every pick of one object in one run, and its match.

    Attributes
    ----------
    run_name, object_name : str
        Run and object of the picks.
    reference_xyz, candidate_xyz : numpy.ndarray, shape (n, 3) and (m, 3), float64
        Centres (x, y, z) in Angstrom.
    candidate_scores : numpy.ndarray, shape (m,), float64
        Scores as stored.
    reference_status : numpy.ndarray, shape (n,), str
        ``matched``, ``missed``; listed, not counted: ``border`` or, with ``byu``, ``uncounted``.
    candidate_status : numpy.ndarray, shape (m,), str
        ``matched``, ``duplicate``, ``confused`` (at a reference of another object), ``false``;
        ``border`` (listed, not counted). With ``byu`` also ``misplaced`` (beyond the tolerance:
        the miss counts, the candidate does not) and ``uncounted`` (not the best of its tomogram).
    reference_partner, candidate_partner : numpy.ndarray, shape (n,) and (m,), int64
        Index of the other pick; -1 if there is none.
    confused_with : numpy.ndarray, shape (m,), str
        Object of the reference at which a ``confused`` candidate lies, else empty.
    counts : MatchCounts
        Counts of this run and object.
    score : Score
        Rates of this run and object.
    """

    run_name: str
    object_name: str
    reference_xyz: npt.NDArray[np.float64]
    candidate_xyz: npt.NDArray[np.float64]
    candidate_scores: npt.NDArray[np.float64]
    reference_status: npt.NDArray[np.str_]
    candidate_status: npt.NDArray[np.str_]
    reference_partner: npt.NDArray[np.int64]
    candidate_partner: npt.NDArray[np.int64]
    confused_with: npt.NDArray[np.str_]
    counts: MatchCounts
    score: Score


@dataclass(frozen=True, eq=False)
class ObjectScore:
    """The score of one object over all its runs.

    Attributes
    ----------
    name : str
        The object.
    tolerance_angstrom, radius_angstrom : float or None
        Maximum distance of a match, and the radius that it derives from.
    weight : float
        Weight in the macro average.
    n_runs : int
        Runs that count for this object.
    counts, score
        Summed counts and their rates.
    intervals : mapping or None
        Bootstrap interval over runs of each rate; None if there are too few runs.
    spread : mapping
        Mean and standard deviation over runs of each rate.
    localization : LocalizationError
        Of the matched pairs.
    recall_at : tuple of RecallAtDistance
        Recall against tolerance.
    curve : ScoreCurve or None
        None if the scores do not distinguish candidates; ``curve_note`` says why.
    suggested : SuggestedThreshold or None
        From the curve; if None, ``suggested_note`` says why.
    presence_auc : float or None
        With ``byu``: how well the best score of a run tells runs with the object from those
        without; None if there are no runs of one kind, and with other matchers.
    """

    name: str
    tolerance_angstrom: float | None
    radius_angstrom: float | None
    weight: float
    n_runs: int
    counts: MatchCounts
    score: Score
    intervals: Mapping[str, Interval] | None
    spread: Mapping[str, tuple[float, float]]
    localization: LocalizationError
    recall_at: tuple[RecallAtDistance, ...]
    curve: ScoreCurve | None
    curve_note: str
    suggested: SuggestedThreshold | None
    suggested_note: str = ""
    presence_auc: float | None = None


@dataclass(frozen=True, eq=False)
class TotalScore:
    """A score over several objects: ``micro`` sums counts, ``macro`` averages rates by weight."""

    score: Score
    intervals: Mapping[str, Interval] | None
    object_names: tuple[str, ...]
    average_precision: float | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All results of scoring candidate picks against reference picks.

    Attributes
    ----------
    matcher : str
        ``one-to-one``, ``czii``, ``octopi`` or ``byu``.
    beta : float
        Weight of recall in F-beta.
    run_names : tuple of str
        Runs that count.
    objects : tuple of ObjectScore
        In the requested order.
    matches : tuple of RunObjectMatch
        Every run and object.
    micro, macro, macro_present : TotalScore
        Totals; ``macro_present`` leaves out objects without any reference pick set.
    counts, localization
        Over all objects.
    confusion : mapping of (str, str) to int
        (object of the reference, object of the candidate) -> picks; an empty name stands for
        missed references and for candidates at no reference.
    notes : tuple of str
        What was excluded, and why.
    """

    matcher: str
    beta: float
    run_names: tuple[str, ...]
    objects: tuple[ObjectScore, ...]
    matches: tuple[RunObjectMatch, ...]
    micro: TotalScore
    macro: TotalScore
    macro_present: TotalScore
    counts: MatchCounts
    localization: LocalizationError
    confusion: Mapping[tuple[str, str], int]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PickTable:
    """Every pick of an evaluation as columns, one row per pick, as in ``matches.csv``.

    Attributes
    ----------
    run_name, object_name, kind, status, confused_with : numpy.ndarray, shape (n,), str
        Run, object, ``reference`` or ``candidate``, status of the pick, and the object of the
        reference at which a confused candidate lies.
    points_xyz : numpy.ndarray, shape (n, 3), float64
        Centres (x, y, z) in Angstrom.
    score, distance_angstrom : numpy.ndarray, shape (n,), float64
        Score of a candidate and distance to the partner; NaN if there is none.
    """

    run_name: npt.NDArray[np.str_]
    object_name: npt.NDArray[np.str_]
    kind: npt.NDArray[np.str_]
    status: npt.NDArray[np.str_]
    confused_with: npt.NDArray[np.str_]
    points_xyz: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    distance_angstrom: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of picks."""
        return len(self.points_xyz)

    def rows(
        self, kind: str, *statuses: str, object_name: str | None = None
    ) -> npt.NDArray[np.intp]:
        """Return the indices of rows of a kind, with any of some statuses, and of an object.

        Parameters
        ----------
        kind : str
            ``reference`` or ``candidate``.
        *statuses : str
            Any of these; all if none is given.
        object_name : str, optional
            Only this object.
        """
        chosen = self.kind == kind
        if statuses:
            chosen &= np.isin(self.status, statuses)
        if object_name is not None:
            chosen &= self.object_name == object_name
        return np.flatnonzero(chosen)


@dataclass(frozen=True)
class Calibrated:
    """The threshold chosen for one object, and its rates.

    Attributes
    ----------
    object_name : str
        The object.
    threshold : float
        Lowest score that counts, see :func:`calibrated_thresholds`.
    precision, recall, f_beta : float
        Rates at the threshold, pooled over runs; each hit counts once.
    highest_f_beta : float
        Maximum of the curve.
    present, present_f_beta : float or None
        The current threshold, and its F-beta; None if there is none.
    n_runs, n_reference, n_candidate : int
        Runs, reference picks and candidates of the curve.
    is_lowest_score : bool
        Whether even the lowest score is kept, and lower ones above 0 may not have been searched.
    """

    object_name: str
    threshold: float
    precision: float
    recall: float
    f_beta: float
    highest_f_beta: float
    present: float | None
    present_f_beta: float | None
    n_runs: int
    n_reference: int
    n_candidate: int
    is_lowest_score: bool


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration.

    Attributes
    ----------
    chosen : tuple of Calibrated
        In the order of the evaluation.
    refused : mapping of str to str
        Object name -> why it has no threshold.
    """

    chosen: tuple[Calibrated, ...]
    refused: Mapping[str, str]

    @property
    def thresholds(self) -> dict[str, float]:
        """Object name -> threshold."""
        return {entry.object_name: entry.threshold for entry in self.chosen}


@dataclass(frozen=True)
class ScoredObject:
    """One object to score.

    Attributes
    ----------
    name : str
        The object.
    tolerance_angstrom : float or None
        Maximum distance of a hit in Angstrom; None only for an object without reference picks.
    radius_angstrom : float or None
        Radius in Angstrom, the base of the recall fractions; with None, the tolerance is the base.
    weight : float
        Weight in the macro average.
    """

    name: str
    tolerance_angstrom: float | None
    radius_angstrom: float | None
    weight: float


@dataclass(frozen=True)
class ScoringRules:
    """Rules of scoring.

    Attributes
    ----------
    matcher : str
        ``one-to-one``, ``czii``, ``octopi`` or ``byu``.
    beta : float
        Weight of recall relative to precision in F-beta.
    recall_fractions : tuple of float
        Tolerances of the recall curve as fractions of the radius.
    n_bootstrap : int
        Bootstrap replicates.
    min_bootstrap_runs : int
        Minimum number of runs for an interval.
    confidence : float
        Share of the replicates inside an interval.
    border_margin_xyz : tuple of float
        Picks within this distance of a face across x, y or z, in Angstrom, are listed but not
        counted; 0 disables that axis.
    """

    matcher: str
    beta: float
    recall_fractions: tuple[float, ...]
    n_bootstrap: int
    min_bootstrap_runs: int
    confidence: float
    border_margin_xyz: tuple[float, float, float]

    @property
    def counts_absent_objects(self) -> bool:
        """Whether an object without reference picks scores 0 instead of being left out."""
        return self.matcher in ABSENT_SCORES_ZERO
