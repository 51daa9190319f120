"""The form of ``scores.json``: what a report or a comparison reads is checked once, here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from copick_picker.errors import DataError
from copick_picker.project.guards import reason

_MOST_FAULTS = 3
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0)]
Text = Annotated[str, Field(strict=True)]


class _Form(BaseModel):
    """A part of the file; what nobody reads may stand there too."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _Counts(_Form):
    n_reference: Count
    n_candidate: Count
    true_positives: Count
    false_positives: Count
    false_negatives: Count
    duplicates: Count


class _Rates(_Form):
    precision: Number | None
    recall: Number | None
    f1: Number | None
    f_beta: Number | None
    jaccard: Number | None


class _Interval(_Rates):
    intervals: dict[Text, tuple[Number, Number]] | None


class _Error(_Form):
    n_pairs: Count
    mean_angstrom: Number | None
    median_angstrom: Number | None
    p95_angstrom: Number | None
    mean_offset_xyz_angstrom: tuple[Number, Number, Number] | None


class _Curve(_Form):
    n_thresholds: Count
    threshold: list[Number | None]
    precision: list[Number | None]
    recall: list[Number | None]
    f_beta: list[Number | None]


class _Suggested(_Form):
    threshold: Number
    precision: Number | None
    recall: Number | None
    f_beta: Number | None
    how: Text


class _RecallAt(_Form):
    fraction: Number
    tolerance_angstrom: Number
    recall: Number | None


class _Object(_Interval):
    object: Text
    tolerance_angstrom: Number | None
    radius_angstrom: Number | None
    weight: Number
    n_runs: Count
    counts: _Counts
    localization: _Error
    recall_at_distance: list[_RecallAt]
    average_precision: Number | None
    suggested_threshold: _Suggested | None
    curve: _Curve | None
    curve_note: Text | None
    presence_auc: Number | None = None


class _Total(_Interval):
    objects: list[Text]
    average_precision: Number | None


class _Micro(_Total):
    counts: _Counts
    localization: _Error


class _Totals(_Form):
    micro: _Micro
    macro: _Total
    macro_of_objects_with_reference: _Total


class _Run(_Rates):
    run: Text
    object: Text
    counts: _Counts


class _Confused(_Form):
    reference: Text | None
    candidate: Text | None
    picks: Count


class _Input(_Form):
    project: Text
    reference: Text
    candidate: Text


class _Scores(_Form):
    matcher: Text
    beta: Annotated[Number, Field(gt=0)]
    tolerance: Text | Number
    n_runs: Count
    totals: _Totals
    objects: list[_Object]
    runs: list[_Run]
    confusion: list[_Confused]
    input: _Input
    settings: dict[Text, Any]


def check_scores(values: Mapping[str, Any], file: Path) -> None:
    """Raise where the content of ``scores.json`` does not have the form that ``evaluate`` writes.

    Parameters
    ----------
    values : mapping
        Content of the file.
    file : pathlib.Path
        The file, for the message.

    Raises
    ------
    DataError
        With the first faults: the place, what was expected, what was got.
    """
    try:
        _Scores.model_validate(values)
    except ValidationError as error:
        faults = reason(error).split("; ")
        more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        words = "; ".join(faults[:_MOST_FAULTS])
        msg = f"{file} is not an output of evaluate, or from an old version: {words}{more}"
        raise DataError(msg) from error
