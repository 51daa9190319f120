"""Score thresholds that were chosen, beside those in use."""

from collections.abc import Sequence

from copick_picker.records.scores import Calibrated
from copick_picker.report.score_tables import number_text


def threshold_table(
    chosen: Sequence[Calibrated], beta: float
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows of the thresholds.

    Parameters
    ----------
    chosen : sequence of Calibrated
        One an object.
    beta : float
        Of F-beta.
    """
    f_name = f"F{beta:g}"
    columns = (
        "object", "threshold", f_name, "P", "R", "present", f"{f_name} there",
        "runs", "ref", "cand",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            entry.object_name,
            f"{entry.threshold:.4g}",
            *(number_text(value) for value in (entry.f_beta, entry.precision, entry.recall)),
            "none" if entry.present is None else f"{entry.present:.4g}",
            number_text(entry.present_f_beta),
            *(str(number) for number in (entry.n_runs, entry.n_reference, entry.n_candidate)),
        )
        for entry in chosen
    ]
    return columns, rows
