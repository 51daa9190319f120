"""Scores of links as tables, on screen and as CSV."""

from collections.abc import Mapping
from typing import Any

from copick_picker.report.score_tables import number_text

_GROUPS = {
    "edges": ("true", "false", "missed", "precision", "recall", "f1", "det", "tra", "lnk"),
    "pieces": (
        "n_reference",
        "n_candidate",
        "fragments",
        "merges",
        "switches",
        "expected_run_length",
        "missed",
        "false",
    ),
    "identity": ("idf1", "id_precision", "id_recall", "hota", "det_a", "ass_a", "loc_a"),
    "shape": ("coverage", "excess", "hd95", "length_ratio", "tangent_error_degrees"),
}
_ALL_RUNS = "all"


def links_csv(values: Mapping[str, Any]) -> str:
    """Return a table: a row a run and object, and one for all runs of each object.

    Parameters
    ----------
    values : mapping
        ``links`` of ``scores.json``.
    """
    columns = [(group, name) for group, names in _GROUPS.items() for name in names]
    head = [f"{group}_{name}" for group, name in columns]
    lines = [",".join(("run", "object", "tolerance_angstrom", *head))]
    for entry in [*values["runs"], *values["objects"]]:
        cells = [entry[group][column] for group, column in columns]
        told = ["" if cell is None else f"{cell:.6g}" for cell in cells]
        start = (entry.get("run", _ALL_RUNS), entry["object"], f"{entry['tolerance_angstrom']:g}")
        lines.append(",".join((*start, *told)))
    return "\n".join(lines) + "\n"


def link_table(values: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows of the table on screen.

    Parameters
    ----------
    values : mapping
        ``links`` of ``scores.json``.
    """
    columns: tuple[str, ...] = (
        "object", "ref", "cand", "P", "R", "F1", "fragments", "merges", "missed", "false",
        "coverage", "HD95 A", "angle",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for entry in values["objects"]:
        edges, pieces, shape = entry["edges"], entry["pieces"], entry["shape"]
        rows.append(
            (
                entry["object"],
                str(pieces["n_reference"]),
                str(pieces["n_candidate"]),
                number_text(edges["precision"]),
                number_text(edges["recall"]),
                number_text(edges["f1"]),
                number_text(pieces["fragments"], 2),
                str(pieces["merges"]),
                str(pieces["missed"]),
                str(pieces["false"]),
                number_text(shape["coverage"]),
                number_text(shape["hd95"], 1),
                number_text(shape["tangent_error_degrees"], 1),
            )
        )
    return columns, rows
