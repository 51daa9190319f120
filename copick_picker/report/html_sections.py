"""The sections of the report: scores as tables and charts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from copick_picker.records.scores import PickTable
from copick_picker.report.html_charts import (
    Axis,
    Bars,
    Line,
    Span,
    histogram,
    interval_chart,
    line_chart,
)
from copick_picker.report.html_text import Cell, bullets, figure, number, paragraph, rate, table

Values = Mapping[str, Any]
_COUNTS = ("n_reference", "n_candidate", "true_positives", "false_positives", "false_negatives")
_COUNT_NAMES = ("ref.", "cand.", "TP", "FP", "FN")
_N_BINS = 20
_HIT, _FALSE = 0, 1
_TOTALS = (
    ("micro", "micro: all picks"),
    ("macro", "macro: mean of objects"),
    ("macro_of_objects_with_reference", "macro: objects with reference"),
)


def headline(values: Values) -> str:
    """Return the table of totals, with intervals, and what makes no interval possible.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    """
    totals = values["totals"]
    f_name = f"F{values['beta']:g}"
    rows = []
    for name, label in _TOTALS:
        total = totals[name]
        if name.startswith("macro_of") and total["objects"] == totals["macro"]["objects"]:
            continue
        rows.append([Cell(label), *_rate_cells(total), number(total.get("average_precision"))])
    columns = ("total", "precision", "recall", "F1", f_name, "average precision")
    caption = "Totals over all runs"
    spans = [
        Span(entry["object"], entry["f_beta"], *_ends(entry, "f_beta"))
        for entry in values["objects"]
    ]
    alt = f"{f_name} of each object: " + ", ".join(
        f"{span.name} {_said(span.value)}" for span in spans
    )
    chart = interval_chart(spans, Axis(f_name, 0.0, 1.0), alt=alt) if spans else ""
    return (
        table(columns, rows, caption=caption, name="totals")
        + paragraph(_interval_words(values), "note")
        + figure(chart, f"{f_name} of each object, with its 95 % interval over runs if given.")
    )


def compared(entries: Sequence[tuple[str, Values]]) -> str:
    """Return several evaluations side by side; nothing for a single one.

    Parameters
    ----------
    entries : sequence of (str, mapping)
        Label and content of ``scores.json``, all by the same rules.
    """
    if len(entries) < 2:
        return ""
    first = entries[0][1]
    f_name = f"F{first['beta']:g}"
    names = [entry["object"] for entry in first["objects"]]
    columns = (
        "candidates", "TP", "FP", "FN", "precision", "recall", "F1", f"{f_name} (micro)",
        f"{f_name} (macro)", *(f"{f_name} {name}" for name in names),
    )  # fmt: skip
    rows = []
    for label, values in entries:
        micro, macro = values["totals"]["micro"], values["totals"]["macro"]
        of_object = {entry["object"]: entry for entry in values["objects"]}
        rows.append(
            [
                Cell(label),
                *(_count(micro["counts"][name]) for name in _COUNTS[2:]),
                *_rate_cells(micro),
                rate(macro["f_beta"], _interval(macro, "f_beta")),
                *(_of(of_object.get(name)) for name in names),
            ]
        )
    caption = "Candidates side by side: the same reference picks, matcher, tolerance and weights"
    return table(columns, rows, caption=caption, sorts=True, name="compared")


def curves(values: Values) -> str:
    """Return precision-recall curves and recall against tolerance.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    """
    return '<div class="pair">' + _precision_recall(values) + _recall_at_distance(values) + "</div>"


def object_table(values: Values) -> str:
    """Return the table of objects.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    """
    f_name = f"F{values['beta']:g}"
    columns = (
        "object", "runs", *_COUNT_NAMES, "dup.", "precision", "recall", "F1", f_name,
        "AP", "mean error Å", "median Å", "p95 Å", "tolerance Å", "weight", "suggested threshold",
    )  # fmt: skip
    rows = []
    for entry in values["objects"]:
        error, suggested = entry["localization"], entry.get("suggested_threshold")
        rows.append(
            [
                Cell(entry["object"]),
                _count(entry["n_runs"]),
                *(_count(entry["counts"][name]) for name in _COUNTS),
                _count(entry["counts"]["duplicates"]),
                *_rate_cells(entry),
                number(entry["average_precision"]),
                number(error["mean_angstrom"], 1),
                number(error["median_angstrom"], 1),
                number(error["p95_angstrom"], 1),
                number(entry["tolerance_angstrom"], 1),
                number(entry["weight"], 2),
                number(None if suggested is None else suggested["threshold"]),
            ]
        )
    return table(
        columns,
        rows,
        caption="Objects, over all runs; AP: average precision, dup.: duplicates",
        sorts=True,
        name="objects",
    )


def run_tables(values: Values) -> str:
    """Return the tables of runs: all objects together, then each object.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    """
    f_name = f"F{values['beta']:g}"
    columns = ("run", "object", *_COUNT_NAMES, "precision", "recall", "F1", f_name)
    rows = [
        [
            Cell(entry["run"]),
            Cell(entry["object"]),
            *(_count(entry["counts"][name]) for name in _COUNTS),
            *_rate_cells(entry),
        ]
        for entry in values["runs"]
    ]
    by_object = table(columns, rows, caption="Runs, by object", sorts=True, name="runs")
    if len(values["objects"]) < 2:
        return by_object
    summed: dict[str, list[int]] = {}
    for entry in values["runs"]:
        numbers = [entry["counts"][name] for name in _COUNTS]
        before = summed.get(entry["run"], [0] * len(_COUNTS))
        summed[entry["run"]] = [a + b for a, b in zip(before, numbers, strict=True)]
    rows = [
        [Cell(run), *map(_count, numbers), *map(number, _rates(numbers, values["beta"]))]
        for run, numbers in summed.items()
    ]
    caption = "Runs, all objects together"
    together = table(("run", *columns[2:]), rows, caption=caption, sorts=True, name="run-totals")
    return together + by_object


def errors(values: Values, picks: PickTable) -> str:
    """Return how far matched candidates are from their reference picks, a chart an object.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    picks : PickTable
        All picks.
    """
    parts = []
    for entry in values["objects"]:
        name, error = entry["object"], entry["localization"]
        rows = picks.rows("reference", "matched", object_name=name)
        distance = picks.distance_angstrom[rows]
        distance = distance[np.isfinite(distance)]
        if not len(distance):
            continue
        top = entry["tolerance_angstrom"] or float(distance.max()) or 1.0
        counts, edges = np.histogram(np.minimum(distance, top), _N_BINS, (0.0, top))
        words = (
            f"{name}: {len(distance)} pairs, mean {error['mean_angstrom']:.1f} Å, median "
            f"{error['median_angstrom']:.1f} Å, 95th percentile {error['p95_angstrom']:.1f} Å"
        )
        chart = histogram(
            [Bars(f"{name}: pairs", counts.tolist(), 0)],
            edges.tolist(),
            "distance of the pair (Å)",
            alt=f"Histogram of distances. {words}",
        )
        parts.append(figure(chart, f"{words}.{_shift(error)}"))
    return f'<div class="grid">{"".join(parts)}</div>' if parts else ""


def score_histograms(values: Values, picks: PickTable) -> str:
    """Return the scores of matched and of false candidates, with thresholds, a chart an object.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    picks : PickTable
        All picks.
    """
    parts = []
    for entry in values["objects"]:
        name = entry["object"]
        hit = _scores(picks, name, "matched")
        false = _scores(picks, name, "false", "duplicate", "confused")
        both = np.concatenate([hit, false])
        if len(both) == 0 or both.min() == both.max():
            continue
        low, high = np.floor(both.min() * 10) / 10, np.ceil(both.max() * 10) / 10
        edges = np.linspace(low, high, _N_BINS + 1)
        suggested = entry.get("suggested_threshold")
        threshold = None if suggested is None else float(suggested["threshold"])
        words = f"{name}: {len(hit)} matched, {len(false)} false candidates"
        if suggested is not None:
            words += (
                f"; dashed: suggested threshold {threshold:.3f} (P {suggested['precision']:.3f}, "
                f"R {suggested['recall']:.3f})"
            )
        chart = histogram(
            [
                Bars("matched", np.histogram(hit, edges)[0].tolist(), _HIT),
                Bars("false", np.histogram(false, edges)[0].tolist(), _FALSE),
            ],
            edges.tolist(),
            "score",
            alt=f"Histogram of scores. {words}",
            threshold=threshold,
        )
        parts.append(figure(chart, words + "."))
    if not parts:
        return ""
    hint = (
        "A suggested threshold is the best one on these very runs: check it on others "
        "(evaluate --min-score)."
    )
    return f'<div class="grid">{"".join(parts)}</div>' + paragraph(hint, "note")


def confusion(values: Values) -> str:
    """Return which objects' references candidates lie at.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    """
    counted = {
        (entry["reference"] or "", entry["candidate"] or ""): entry["picks"]
        for entry in values["confusion"]
    }
    names = [entry["object"] for entry in values["objects"]]
    if not counted:
        return ""
    columns = ("at a reference of", *names, "missed")
    rows = []
    for reference in [*names, ""]:
        cells = [counted.get((reference, candidate), 0) for candidate in names]
        missed = counted.get((reference, ""), 0)
        total = max(sum(cells) + missed, 1)
        row = [Cell(reference or "no reference", None)]
        row += [Cell(str(n), float(n), shade=n / total if n else None) for n in cells]
        row.append(
            Cell(str(missed), float(missed), shade=missed / total if missed else None)
            if reference
            else Cell("", 0.0)
        )
        rows.append(row)
    caption = "Candidates by the object that was looked for (columns) and what they lie at (rows)"
    return table(columns, rows, caption=caption, name="confusion")


def notes(values: Values, extra: Sequence[str]) -> str:
    """Return what was left out, why there is no curve, and what a reader should bear in mind.

    Parameters
    ----------
    values : mapping
        Content of ``scores.json``.
    extra : sequence of str
        Further lines.
    """
    without = [
        f"{entry['object']}: no curve: {entry['curve_note']}"
        for entry in values["objects"]
        if entry.get("curve_note")
    ]
    return bullets([*extra, *values.get("notes", ()), *without])


def _precision_recall(values: Values) -> str:
    lines, said = [], []
    for look, entry in enumerate(values["objects"]):
        curve, suggested = entry.get("curve"), entry.get("suggested_threshold")
        if curve is None:
            continue
        average = entry["average_precision"]
        label = f"{entry['object']} (AP {average:.3f})"
        lines.append(
            Line(
                label,
                [0.0, *curve["recall"]],
                [curve["precision"][0], *curve["precision"]],
                look,
                steps=True,
                dot=None if suggested is None else (suggested["recall"], suggested["precision"]),
            )
        )
        said.append(f"{entry['object']} average precision {average:.3f}")
    if not lines:
        return ""
    chart = line_chart(
        lines,
        Axis("recall", 0.0, 1.0),
        Axis("precision", 0.0, 1.0),
        alt="Precision against recall: " + ", ".join(said),
    )
    return figure(
        chart,
        "Precision against recall as the score threshold falls; open marks: the suggested "
        "thresholds.",
    )


def _recall_at_distance(values: Values) -> str:
    lines, said = [], []
    for look, entry in enumerate(values["objects"]):
        points = entry["recall_at_distance"]
        if not points:
            continue
        fractions = [at["fraction"] for at in points]
        recall = [at["recall"] for at in points]
        lines.append(Line(entry["object"], fractions, recall, look, marks=True))
        said.append(f"{entry['object']} {_said(recall[-1])}")
    if not lines:
        return ""
    top = max(line.x[-1] or 1.0 for line in lines)
    base = "radius"
    if any(entry["radius_angstrom"] is None for entry in values["objects"]):
        base = "radius (of the tolerance, without one)"
    chart = line_chart(
        lines,
        Axis(f"distance that counts as a hit, as a fraction of the {base}", 0.0, top),
        Axis("recall", 0.0, 1.0),
        alt=f"Recall against tolerance; at {top:g}: " + ", ".join(said),
    )
    return figure(chart, "Recall against the distance that counts as a hit.")


def _rates(numbers: Sequence[int], beta: float) -> list[float | None]:
    """Return precision, recall, F1 and F-beta of counts, as ``docs/metrics.md`` defines them."""
    *_, hit, false, missed = numbers
    if not hit + false + missed:
        return [None] * 4

    def f_score(weight: float) -> float:
        whole = (1 + weight) * hit + weight * missed + false
        return (1 + weight) * hit / whole if whole else 0.0

    precision = hit / (hit + false) if hit + false else 0.0
    recall = hit / (hit + missed) if hit + missed else 0.0
    return [precision, recall, f_score(1.0), f_score(beta * beta)]


def _scores(picks: PickTable, name: str, *statuses: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = picks.score[picks.rows("candidate", *statuses, object_name=name)]
    kept: np.ndarray[Any, np.dtype[np.float64]] = found[np.isfinite(found)]
    return kept


def _rate_cells(entry: Values) -> list[Cell]:
    names = ("precision", "recall", "f1", "f_beta")
    return [rate(entry[name], _interval(entry, name)) for name in names]


def _interval(entry: Values, name: str) -> Sequence[float] | None:
    found: Sequence[float] | None = (entry.get("intervals") or {}).get(name)
    return found


def _ends(entry: Values, name: str) -> tuple[float | None, float | None]:
    found = _interval(entry, name)
    return (None, None) if found is None else (found[0], found[1])


def _of(entry: Values | None) -> Cell:
    return number(None) if entry is None else rate(entry["f_beta"], _interval(entry, "f_beta"))


def _count(value: int) -> Cell:
    return Cell(str(value), float(value))


def _said(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _interval_words(values: Values) -> str:
    n_runs = values["n_runs"]
    if values["totals"]["micro"]["intervals"] is not None:
        return f"Small numbers: 95 % bootstrap intervals over the {n_runs} runs."
    return f"No intervals over {n_runs} runs: evaluate gives them from five runs on."


def _shift(error: Values) -> str:
    offset = error["mean_offset_xyz_angstrom"]
    if offset is None or not any(offset):
        return ""
    x, y, z = offset
    return f" Mean offset (x, y, z): ({x:.1f}, {y:.1f}, {z:.1f}) Å."
