"""Picks at once: what ``segment --picks`` does when all runs are segmented."""

from collections.abc import Sequence
from dataclasses import replace

from copick_picker.jobs.execution import Reporter, Summary
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.localize import LocalizeSettings
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.localize.localize import localize
from copick_picker.workflows.localize.outputs import outcome_with_picks, show_totals


def with_picks(summary: Summary, settings: SegmentSettings, *, reporter: Reporter) -> Summary:
    """Return the summary of ``segment`` joined with that of ``localize`` on its results.

    The runs whose segmentation stands are localized with the default settings of ``localize``; a
    run that fails there counts as failed. Peaks were found while the runs were segmented: of those
    only the numbers are added up.

    Parameters
    ----------
    summary : Summary
        What ``segment`` did.
    settings : SegmentSettings
        Its settings; ``picks`` is the URI of the picks.
    reporter : Reporter
        Where progress goes.
    """
    if settings.picks is None or settings.dry_run:
        return summary
    if settings.picks_method == "peaks":
        details = (each.details.get("picks", {}) for each in summary.outcomes)
        totals = show_totals(details, reporter=reporter)
        return replace(summary, figures=summary.figures | {"picks": totals})
    stands = [each.run_name for each in summary.outcomes if each.status in ("done", "skipped")]
    if not stands:
        return summary
    picked = localize(
        LocalizeSettings(
            config=settings.config,
            run_names=tuple(stands),
            objects=settings.objects,
            overwrite=settings.overwrite,
            input=settings.output,
            output=settings.picks,
        ),
        reporter=reporter,
    )
    return replace(
        summary,
        outcomes=_joined(summary.outcomes, picked.outcomes),
        seconds=summary.seconds + picked.seconds,
        figures=summary.figures | {"picks": picked.figures["objects"]},
    )


def _joined(
    segmented: Sequence[RunOutcome], localized: Sequence[RunOutcome]
) -> tuple[RunOutcome, ...]:
    """Return one outcome a run: of its picks where there are any, else of its segmentation."""
    by_name = {outcome.run_name: outcome for outcome in localized}
    joined = []
    for outcome in segmented:
        picks = by_name.get(outcome.run_name)
        if picks is None:
            joined.append(outcome)
            continue
        status = outcome.status if picks.status == "skipped" else picks.status
        joined.append(replace(outcome_with_picks(outcome, picks), status=status))
    return tuple(joined)
