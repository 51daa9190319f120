"""How the scores and their candidates were made, in words, and with which resources."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from copick_picker.errors import CopickPickerError
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import segmentation_query
from copick_picker.report.making import Pair, plain_settings, target_text, times_said
from copick_picker.settings.report import MOST_RUNS_TRACED


def making_of_candidates(store: ProjectStore, values: Mapping[str, Any]) -> list[Pair]:
    """Return facts from the records of the candidate picks and of their segmentations.

    Parameters
    ----------
    store : ProjectStore
        The project.
    values : mapping
        Content of ``scores.json``.
    """
    said: dict[str, Counter[str]] = {}
    thresholds: dict[str, str] = {}
    for run_name, sets in list(values.get("sets", {}).items())[:MOST_RUNS_TRACED]:
        try:
            _trace_origins(store, run_name, sets, said)
            _trace(store, run_name, list(sets["candidate"]), said, thresholds)
        except CopickPickerError as error:
            _add(said, "record", f"not readable in {run_name}: {error}")
    rows = [
        (what, "; ".join(times_said(words, number) for words, number in found.items()))
        for what, found in said.items()
    ]
    if thresholds:
        words = ", ".join(f"{name} {text}" for name, text in sorted(thresholds.items()))
        rows.append(("radius and score threshold of localize", words))
    return rows


def _trace(
    store: ProjectStore,
    run_name: str,
    uris: Sequence[str],
    said: dict[str, Counter[str]],
    thresholds: dict[str, str],
) -> None:
    """Add what is recorded about a run's candidates and the segmentation behind them."""
    keys = {str(key): key for key in store.picks(run_name)}
    segmentations: set[str] = set()
    for uri in uris:
        record = store.picks_provenance(run_name, keys[uri]) if uri in keys else None
        if record is None:
            _add(said, "candidates", "without a record of ours")
            continue
        settings = dict(record.get("settings", {}))
        target = settings.pop("target", {})
        command = f"{record.get('command', '?')}, copick-picker {record.get('version', '?')}"
        _add(said, "candidates", f"{command}: {plain_settings(settings)}")
        if target:
            thresholds[keys[uri].object_name] = target_text(target)
        given = record.get("input", {})
        if isinstance(given, Mapping) and given.get("segmentation"):
            segmentations.add(str(given["segmentation"]))
    for uri in sorted(segmentations):
        _trace_segmentation(store, run_name, uri, said)


def _trace_origins(
    store: ProjectStore,
    run_name: str,
    sets: Mapping[str, Mapping[str, Any]],
    said: dict[str, Counter[str]],
) -> None:
    """Add the annotations of the CryoET Data Portal among a run's pick sets."""
    origins = {str(key): key.origin for key in store.picks(run_name) if key.origin is not None}
    for side in ("reference", "candidate"):
        found = [origins[uri] for uri in sets[side] if uri in origins]
        if found:
            numbers = ", ".join(str(number) for number in sorted(o.annotation_id for o in found))
            depositions = ", ".join(sorted({str(o.deposition_id) for o in found}))
            truth = ", ground truth" if all(o.is_truth for o in found) else ""
            words = f"run {run_name}: deposition {depositions}{truth}, annotations {numbers}"
            _add(said, f"{side} annotations on the portal", words)


def _trace_segmentation(
    store: ProjectStore, run_name: str, uri: str, said: dict[str, Counter[str]]
) -> None:
    _add(said, "segmentation", uri)
    found = segmentation_query(uri).matching(store.segmentations(run_name))
    record = store.segmentation_provenance(run_name, found[0]) if found else None
    if record is None:
        return
    _add(said, "tomogram", str(record.get("input", "?")))
    for model in record.get("models", ()):
        weights = str(model.get("weights_sha256", "?"))[:16]
        _add(
            said, "model", f"{model.get('name', '?')} ({model.get('architecture', '?')}, {weights})"
        )
    version = record.get("version", "?")
    _add(said, "segment", f"copick-picker {version}: {plain_settings(record.get('settings', {}))}")


def _add(said: dict[str, Counter[str]], what: str, words: str) -> None:
    said.setdefault(what, Counter())[words] += 1
