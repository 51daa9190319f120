"""Candidate picks scored against reference picks, over runs and objects."""

from collections.abc import Mapping, Sequence

import numpy as np

from copick_picker.core.evaluate.by_tomogram import UNCOUNTED, auc_of_runs
from copick_picker.core.evaluate.calibration import with_suggestion
from copick_picker.core.evaluate.confusion import confusion_counts
from copick_picker.core.evaluate.matching import ScoredMatch
from copick_picker.core.evaluate.metrics import (
    RATE_NAMES,
    bootstrap_weights,
    localization_error,
    percentile_intervals,
    rates,
    score_curve,
    score_from_rates,
    score_of,
    weighted_mean,
)
from copick_picker.core.evaluate.pairs import FloatArray
from copick_picker.core.evaluate.plan import find_coverage
from copick_picker.core.evaluate.run_match import match_run
from copick_picker.records.scores import (
    Evaluation,
    Interval,
    LocalizationError,
    MatchCounts,
    ObjectScore,
    Picks,
    RecallAtDistance,
    RunObjectMatch,
    ScoredObject,
    ScoringRules,
    TotalScore,
)

_Table = Mapping[tuple[str, str], ScoredMatch]
"""(run name, object name) -> match."""


def evaluate_picks(
    reference: Picks,
    candidate: Picks,
    objects: Sequence[ScoredObject],
    *,
    rules: ScoringRules,
    rng: np.random.Generator,
    boxes_xyz: Mapping[str, FloatArray] | None = None,
) -> Evaluation:
    """Return the score of candidate picks against reference picks.

    Which runs count for which object is described at
    :func:`copick_picker.core.evaluate.plan.find_coverage`, what counts as a hit at
    :func:`copick_picker.core.evaluate.matching.match_picks` and, for ``byu``,
    :func:`copick_picker.core.evaluate.by_tomogram.match_tomogram`.

    Parameters
    ----------
    reference, candidate : mapping
        Run name -> object name -> pick set. No entry means no such set (not annotated, or all
        missed), an empty set means that nothing was found. Runs of both are taken together.
    objects : sequence of ScoredObject
        Objects to score, with tolerance, radius and weight.
    rules : ScoringRules
        Matcher, beta, bootstrap, recall fractions and border margin.
    rng : numpy.random.Generator
        Source of randomness of the bootstrap.
    boxes_xyz : mapping of str to numpy.ndarray, shape (3,), optional
        Run name -> largest position (x, y, z) in Angstrom inside its tomogram; only the border
        margin needs it.

    Returns
    -------
    Evaluation
        Scores per run and object, totals, and every pick with what became of it.

    Raises
    ------
    DataError
        If points are not finite, an object with reference picks has no tolerance, or a border
        margin has no box.
    UnknownNameError
        If there is no such matcher.

    Examples
    --------
    >>> from copick_picker.records.points import PickSet
    >>> truth = PickSet("ribosome", np.array([[100.0, 200, 300], [400, 500, 600]]), np.ones(2))
    >>> found = PickSet("ribosome", np.array([[100.0, 200, 320]]), np.array([0.9]))
    >>> rules = ScoringRules("one-to-one", 4.0, (0.5, 1.0), 1000, 5, 0.95, (0.0, 0.0, 0.0))
    >>> result = evaluate_picks({"run1": {"ribosome": truth}}, {"run1": {"ribosome": found}},
    ...     [ScoredObject("ribosome", 75.0, 150.0, 1.0)], rules=rules,
    ...     rng=np.random.default_rng(0))
    >>> result.micro.score.precision, result.micro.score.recall
    (1.0, 0.5)
    """
    coverage = find_coverage(reference, candidate, objects, matcher=rules.matcher)
    counted = [entry for entry in objects if entry.name in coverage.runs_of_object]
    run_names = sorted({run for runs in coverage.runs_of_object.values() for run in runs})
    table: dict[tuple[str, str], ScoredMatch] = {}
    for run in run_names:
        here = [entry for entry in counted if run in coverage.runs_of_object[entry.name]]
        matched = match_run(
            run,
            here,
            reference.get(run, {}),
            candidate.get(run, {}),
            rules=rules,
            box_xyz=(boxes_xyz or {}).get(run),
        )
        table |= {(run, entry.match.object_name): entry for entry in matched}
    scores = tuple(
        _score_object(entry, coverage.runs_of_object[entry.name], table, rules, rng)
        for entry in counted
    )
    present = tuple(entry for entry in scores if entry.name in coverage.annotated_objects)
    matches = tuple(entry.match for entry in table.values())
    weights = _bootstrap_weights(len(run_names), rules, rng)
    counts = _count_table(run_names, scores, table)
    chosen = np.array([entry.name in coverage.annotated_objects for entry in scores], dtype=bool)
    return Evaluation(
        matcher=rules.matcher,
        beta=rules.beta,
        run_names=tuple(run_names),
        objects=scores,
        matches=matches,
        micro=_micro_total(scores, counts, weights, rules),
        macro=_macro_total(scores, counts, weights, rules),
        macro_present=_macro_total(present, counts[:, chosen], weights, rules),
        counts=sum((entry.counts for entry in scores), MatchCounts()),
        localization=_localization(matches),
        confusion=confusion_counts(matches),
        notes=(*coverage.notes, *_border_notes(matches), *_uncounted_notes(matches)),
    )


def _score_object(
    entry: ScoredObject,
    runs: tuple[str, ...],
    table: _Table,
    rules: ScoringRules,
    rng: np.random.Generator,
) -> ObjectScore:
    matched = [table[run, entry.name] for run in runs]
    counts = sum((item.match.counts for item in matched), MatchCounts())
    curve = score_curve(
        [item.hit_scores for item in matched],
        [item.counted_scores for item in matched],
        n_reference=counts.n_reference,
        beta=rules.beta,
    )
    weights = _bootstrap_weights(len(runs), rules, rng)
    found = ObjectScore(
        name=entry.name,
        tolerance_angstrom=entry.tolerance_angstrom,
        radius_angstrom=entry.radius_angstrom,
        weight=entry.weight,
        n_runs=len(runs),
        counts=counts,
        score=score_of(counts, beta=rules.beta),
        intervals=_object_intervals(matched, weights, rules),
        spread=_spread(matched, rules),
        localization=_localization([item.match for item in matched]),
        recall_at=_recall_at(entry, matched, rules),
        curve=curve,
        curve_note="" if curve else _why_no_curve(matched, counts),
        suggested=None,
        presence_auc=(
            auc_of_runs([item.match for item in matched]) if rules.matcher == "byu" else None
        ),
    )
    return with_suggestion(found, beta=rules.beta)


def _why_no_curve(matched: Sequence[ScoredMatch], counts: MatchCounts) -> str:
    scores = np.concatenate([item.counted_scores for item in matched])
    if counts.n_reference == 0:
        return "no reference picks"
    if len(scores) == 0:
        return "no candidates"
    if not np.isfinite(scores).all():
        return "some candidate scores are NaN or infinite"
    return f"all {len(scores)} candidate scores are {scores[0]:g}, so there is no threshold"


def _bootstrap_weights(
    n_runs: int, rules: ScoringRules, rng: np.random.Generator
) -> FloatArray | None:
    if n_runs < rules.min_bootstrap_runs or rules.n_bootstrap == 0:
        return None
    return bootstrap_weights(n_runs, n_replicates=rules.n_bootstrap, rng=rng)


def _object_intervals(
    matched: Sequence[ScoredMatch], weights: FloatArray | None, rules: ScoringRules
) -> dict[str, Interval] | None:
    if weights is None:
        return None
    counts = np.array([_numbers(item.match.counts) for item in matched])
    return percentile_intervals(
        rates(*(weights @ counts).T, beta=rules.beta), confidence=rules.confidence
    )


def _numbers(counts: MatchCounts) -> tuple[float, float, float]:
    return (
        float(counts.true_positives),
        float(counts.false_positives),
        float(counts.false_negatives),
    )


def _count_table(
    run_names: Sequence[str], scores: Sequence[ObjectScore], table: _Table
) -> FloatArray:
    """Return counts of shape (run, object, 3); zeros where a run does not count for an object."""
    counts = np.zeros((len(run_names), len(scores), 3))
    for run_index, run in enumerate(run_names):
        for object_index, entry in enumerate(scores):
            if (run, entry.name) in table:
                counts[run_index, object_index] = _numbers(table[run, entry.name].match.counts)
    return counts


def _resampled(counts: FloatArray, weights: FloatArray) -> FloatArray:
    """Return counts of shape (3, replicate, object)."""
    return np.moveaxis(np.tensordot(weights, counts, axes=1), -1, 0)


def _micro_total(
    scores: Sequence[ObjectScore],
    counts: FloatArray,
    weights: FloatArray | None,
    rules: ScoringRules,
) -> TotalScore:
    intervals = None
    if weights is not None and scores:
        summed = _resampled(counts, weights).sum(axis=-1)
        intervals = percentile_intervals(
            rates(*summed, beta=rules.beta), confidence=rules.confidence
        )
    return TotalScore(
        score=score_from_rates(rates(*counts.sum(axis=(0, 1)), beta=rules.beta)),
        intervals=intervals,
        object_names=tuple(entry.name for entry in scores),
    )


def _macro_total(
    scores: Sequence[ObjectScore],
    counts: FloatArray,
    weights: FloatArray | None,
    rules: ScoringRules,
) -> TotalScore:
    def mean_over_objects(summed: FloatArray) -> FloatArray:
        values = rates(*summed, beta=rules.beta)
        if rules.counts_absent_objects:
            values = np.nan_to_num(values)
        return weighted_mean(values, object_weights)

    object_weights = np.array([entry.weight for entry in scores], dtype=np.float64)
    intervals = None
    if weights is not None and scores:
        intervals = percentile_intervals(
            mean_over_objects(_resampled(counts, weights)), confidence=rules.confidence
        )
    weighted = [entry for entry in scores if entry.weight > 0]
    curves = [entry.curve for entry in weighted if entry.curve is not None]
    averages = np.array([curve.average_precision for curve in curves])
    with_curves = np.array([entry.weight for entry in weighted])
    return TotalScore(
        score=score_from_rates(mean_over_objects(counts.sum(axis=0).T)),
        intervals=intervals,
        object_names=tuple(entry.name for entry in scores),
        average_precision=(
            float(weighted_mean(averages, with_curves))
            if curves and len(curves) == len(weighted)
            else None
        ),
    )


def _spread(matched: Sequence[ScoredMatch], rules: ScoringRules) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation of each rate over the runs that have it.

    With ``octopi``, as there, over the runs that have both reference and candidate picks.
    """
    chosen = [
        item.match.counts
        for item in matched
        if rules.matcher != "octopi"
        or (item.match.counts.n_reference and item.match.counts.n_candidate)
    ]
    if not chosen:
        return {}
    values = rates(*np.array([_numbers(counts) for counts in chosen]).T, beta=rules.beta)
    spread = {}
    for name, row in zip(RATE_NAMES, values, strict=True):
        finite = row[np.isfinite(row)]
        if len(finite):
            spread[name] = (float(finite.mean()), float(finite.std()))
    return spread


def _recall_at(
    entry: ScoredObject, matched: Sequence[ScoredMatch], rules: ScoringRules
) -> tuple[RecallAtDistance, ...]:
    base = entry.tolerance_angstrom if entry.radius_angstrom is None else entry.radius_angstrom
    if base is None:
        return ()
    hits = np.sum([item.recall_hits for item in matched], axis=0)
    misses = np.sum([item.recall_misses for item in matched], axis=0)
    recall = rates(hits, np.zeros_like(hits), misses, beta=rules.beta)[1]
    return tuple(
        RecallAtDistance(fraction, fraction * base, None if np.isnan(value) else float(value))
        for fraction, value in zip(rules.recall_fractions, recall, strict=True)
    )


def _localization(matches: Sequence[RunObjectMatch]) -> LocalizationError:
    reference, candidate = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for match in matches:
        hit = match.reference_partner >= 0
        reference.append(match.reference_xyz[hit])
        candidate.append(match.candidate_xyz[match.reference_partner[hit]])
    return localization_error(np.concatenate(reference), np.concatenate(candidate))


def _border_notes(matches: Sequence[RunObjectMatch]) -> list[str]:
    n_reference = sum(int(np.count_nonzero(m.reference_status == "border")) for m in matches)
    n_candidate = sum(int(np.count_nonzero(m.candidate_status == "border")) for m in matches)
    if n_reference + n_candidate == 0:
        return []
    return [
        f"border margin: {n_reference} reference picks and {n_candidate} candidates listed, "
        "not counted"
    ]


def _uncounted_notes(matches: Sequence[RunObjectMatch]) -> list[str]:
    n_reference = sum(int(np.count_nonzero(m.reference_status == UNCOUNTED)) for m in matches)
    n_candidate = sum(int(np.count_nonzero(m.candidate_status == UNCOUNTED)) for m in matches)
    if n_reference + n_candidate == 0:
        return []
    return [
        f"a tomogram counts once, by its best candidate: {n_candidate} further candidates and "
        f"{n_reference} further reference picks listed, not counted"
    ]
