"""``--fail-under``: which score must be at least how high."""

from collections.abc import Iterable, Mapping

from copick_picker.errors import UnknownNameError, choices_text, nearest_name
from copick_picker.records.scores import Evaluation, Score


def check_limits(limits: Mapping[str, float], beta: float, objects: Iterable[str]) -> None:
    """Raise where a limit names no score.

    Parameters
    ----------
    limits : mapping of str to float
        ``f4`` (of the weighted macro average), ``micro.f4``, ``ribosome.recall`` and so on.
    beta : float
        Weight of recall in F-beta, part of its name.
    objects : iterable of str
        The project's objects.

    Raises
    ------
    UnknownNameError
        With the nearest name and the choices.
    """
    places = ["macro", "micro", *objects]
    for name in limits:
        place, metric = _parts(name)
        if metric not in _metrics(beta):
            choices = [f"f{beta:g}", "f1", "precision", "recall", "jaccard", "ap"]
            msg = (
                f"--fail-under: no score '{metric}'{nearest_name(metric, choices)}; "
                f"choices: {choices_text(choices)}"
            )
            raise UnknownNameError(msg)
        if place not in places:
            msg = (
                f"--fail-under {name}: no '{place}'{nearest_name(place, places)}; "
                f"choices: {choices_text(places)}"
            )
            raise UnknownNameError(msg)


def missed_limits(limits: Mapping[str, float], evaluation: Evaluation) -> tuple[str, ...]:
    """Return the limits that the scores do not reach, in words; a score of ``n/a`` reaches none.

    Parameters
    ----------
    limits : mapping of str to float
        Score name -> least value.
    evaluation : Evaluation
        The scores.
    """
    missed = []
    for name, least in limits.items():
        value = _value(name, evaluation)
        if value is None or value < least:
            got = "n/a" if value is None else f"{value:.4f}"
            missed.append(f"{name} is {got}, expected at least {least:g}")
    return tuple(missed)


def _value(name: str, evaluation: Evaluation) -> float | None:
    place, metric = _parts(name)
    score: Score
    average: float | None
    if place in ("macro", "micro"):
        total = evaluation.macro if place == "macro" else evaluation.micro
        score, average = total.score, total.average_precision
    else:
        found = [entry for entry in evaluation.objects if entry.name == place]
        if not found:
            return None
        curve = found[0].curve
        score, average = found[0].score, None if curve is None else curve.average_precision
    field = _metrics(evaluation.beta)[metric]
    value: float | None = average if field == "average_precision" else getattr(score, field)
    return value


def _parts(name: str) -> tuple[str, str]:
    place, _, metric = name.rpartition(".")
    return place or "macro", metric.lower()


def _metrics(beta: float) -> dict[str, str]:
    """Return the names that a user may write, and the field that each means."""
    return {
        "precision": "precision",
        "recall": "recall",
        "f1": "f1",
        "jaccard": "jaccard",
        "ap": "average_precision",
        "fbeta": "f_beta",
        f"f{beta:g}": "f_beta",
    }
