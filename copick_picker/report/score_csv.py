"""An evaluation as CSV text: scores of runs, objects and totals, and every pick."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.records.scores import Evaluation, RunObjectMatch
from copick_picker.report.score_values import COUNTS, RATES, evaluation_values

SCORE_COLUMNS = (
    "level",
    "run",
    "object",
    "tolerance_angstrom",
    "weight",
    "n_runs",
    *COUNTS,
    *RATES,
    "f_beta_low",
    "f_beta_high",
    "average_precision",
    "error_mean_angstrom",
    "error_median_angstrom",
    "error_p95_angstrom",
    "suggested_threshold",
    "presence_auc",
)
MATCH_COLUMNS = (
    "run",
    "object",
    "kind",
    "index",
    "x_angstrom",
    "y_angstrom",
    "z_angstrom",
    "score",
    "matched",
    "status",
    "partner",
    "distance_angstrom",
    "confused_with",
    "mask_distance_angstrom",
    "sigma_x_angstrom",
    "sigma_y_angstrom",
    "sigma_z_angstrom",
)
PickFacts = Mapping[tuple[str, str], Mapping[tuple[float, ...], Mapping[str, float]]]
"""(Run, object) -> point (x, y, z) -> last columns of ``matches.csv``, where they are known."""


def scores_csv(evaluation: Evaluation, header: Sequence[str]) -> str:
    """Return totals, objects, and runs with objects as CSV text, one row each.

    Parameters
    ----------
    evaluation : Evaluation
        What to write.
    header : sequence of str
        Lines before the table; each is written behind ``# ``.
    """
    values = evaluation_values(evaluation)
    rows = [
        *(_score_row(level, total) for level, total in values["totals"].items()),
        *(_score_row("object", entry) for entry in values["objects"]),
        *(_score_row("run", entry) for entry in values["runs"]),
    ]
    rows[0]["n_runs"] = values["n_runs"]
    return table_csv(SCORE_COLUMNS, rows, header)


def matches_csv(
    matches: Iterable[RunObjectMatch],
    header: Sequence[str],
    pick_facts: PickFacts | None = None,
) -> str:
    """Return one row of CSV text per pick: whether it is matched, with which pick, how far away.

    ``partner`` is the index of the other pick in its own set of this run and object; indices count
    from 0 in the order of the set. ``distance_angstrom`` is empty where there is no partner,
    ``score`` for reference picks, ``mask_distance_angstrom`` where no mask was used,
    ``sigma_x_angstrom`` and so on where the picks have no standard deviations.

    Parameters
    ----------
    matches : iterable of RunObjectMatch
        All runs and objects.
    header : sequence of str
        Lines before the table; each is written behind ``# ``.
    pick_facts : mapping, optional
        Of the candidates: distance to the mask, positive inside; standard deviations.
    """
    known = pick_facts or {}
    rows = (
        row
        for match in matches
        for row in (
            *_reference_rows(match),
            *_candidate_rows(match, known.get((match.run_name, match.object_name), {})),
        )
    )
    return table_csv(MATCH_COLUMNS, rows, header)


def _reference_rows(match: RunObjectMatch) -> Iterator[dict[str, Any]]:
    partner = match.reference_partner
    distance = _distances(match.reference_xyz, match.candidate_xyz, partner)
    for index, status in enumerate(match.reference_status.tolist()):
        yield _pick_row(match, "reference", index, match.reference_xyz[index]) | {
            "status": status,
            **_partner_cells(int(partner[index]), float(distance[index])),
        }


def _candidate_rows(
    match: RunObjectMatch, facts: Mapping[tuple[float, ...], Mapping[str, float]]
) -> Iterator[dict[str, Any]]:
    partner = match.candidate_partner
    distance = _distances(match.candidate_xyz, match.reference_xyz, partner)
    for index, status in enumerate(match.candidate_status.tolist()):
        yield _pick_row(match, "candidate", index, match.candidate_xyz[index]) | {
            "score": f"{match.candidate_scores[index]:.6g}",
            "status": status,
            "confused_with": str(match.confused_with[index]),
            **facts.get(tuple(match.candidate_xyz[index].tolist()), {}),
            **_partner_cells(int(partner[index]), float(distance[index])),
        }


def _distances(
    own_xyz: npt.NDArray[np.float64],
    other_xyz: npt.NDArray[np.float64],
    partner: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Return the distance to each pick's partner; NaN without one."""
    distance = np.full(len(own_xyz), np.nan)
    has = partner >= 0
    distance[has] = np.linalg.norm(own_xyz[has] - other_xyz[partner[has]], axis=1)
    return distance


def _pick_row(
    match: RunObjectMatch, kind: str, index: int, xyz: npt.NDArray[np.float64]
) -> dict[str, Any]:
    x, y, z = (f"{value:.3f}" for value in xyz.tolist())
    return {
        "run": match.run_name,
        "object": match.object_name,
        "kind": kind,
        "index": index,
        "x_angstrom": x,
        "y_angstrom": y,
        "z_angstrom": z,
    }


def _partner_cells(partner: int, distance: float) -> dict[str, Any]:
    if partner < 0:
        return {"matched": 0}
    return {"matched": 1, "partner": partner, "distance_angstrom": f"{distance:.3f}"}


def _score_row(level: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of scores from one entry of ``evaluation_values``."""
    flat = {
        **entry,
        **entry.get("counts", {}),
        **{f"error_{name}": value for name, value in entry.get("localization", {}).items()},
        "level": level,
        "suggested_threshold": (entry.get("suggested_threshold") or {}).get("threshold"),
    }
    flat["f_beta_low"], flat["f_beta_high"] = (entry.get("intervals") or {}).get(
        "f_beta", (None, None)
    )
    return {name: flat[name] for name in SCORE_COLUMNS if name in flat}


def table_csv(
    columns: Sequence[str], rows: Iterable[Mapping[str, Any]], header: Sequence[str]
) -> str:
    """Return rows as CSV text; cells that a row lacks stay empty.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns.
    rows : iterable of mapping
        Column -> value.
    header : sequence of str
        Lines before the table; each is written behind ``# ``.
    """
    buffer = StringIO()
    buffer.writelines(f"# {line}\n" for line in header)
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return buffer.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else value
