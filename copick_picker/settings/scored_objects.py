"""Which objects an evaluation lists, with their radius, tolerance and weight."""

from collections.abc import Mapping

from copick_picker.errors import SettingsError
from copick_picker.records.runs import ObjectSpec
from copick_picker.records.scores import Picks, ScoredObject, ScoringRules
from copick_picker.settings.evaluate import (
    CONFIDENCE,
    CZII_RADII_ANGSTROM,
    CZII_WEIGHTS,
    MIN_BOOTSTRAP_RUNS,
    RECALL_FRACTIONS,
    EvaluateParameters,
    parse_tolerance,
)


def scored_objects(
    settings: EvaluateParameters, specs: Mapping[str, ObjectSpec], reference: Picks
) -> tuple[list[ScoredObject], tuple[str, ...]]:
    """Return the objects to score, and what is to be said about them.

    The radius and the weight of an object are those of ``--radius`` and ``--weight``, else, with
    the matcher ``czii``, those of the challenge for its six objects, else the project's.

    Parameters
    ----------
    settings : EvaluateParameters
        What to do.
    specs : mapping
        The objects that count, by name.
    reference : mapping
        Run -> object -> reference picks.

    Raises
    ------
    SettingsError
        If an object with reference picks has no radius and the tolerance needs one.
    """
    number, unit = parse_tolerance(settings.tolerance)
    with_picks = {name for entries in reference.values() for name, p in entries.items() if len(p)}
    annotated = {name for entries in reference.values() for name in entries}
    objects, notes = [], []
    for name, spec in specs.items():
        if name not in annotated and not spec.is_particle:
            continue
        radius, weight = _radius_and_weight(settings, spec)
        notes += _note_on_challenge(spec, radius, weight, settings)
        tolerance: float | None = number
        if unit == "r":
            tolerance = None if radius is None else number * radius
        if tolerance is None and name in with_picks:
            msg = (
                f"object '{name}' has no radius in the project: give --radius {name}=ANGSTROM, "
                "or a --tolerance in Angstrom such as 60A"
            )
            raise SettingsError(msg)
        objects.append(ScoredObject(name, tolerance, radius, weight))
    return objects, tuple(notes)


def _radius_and_weight(
    settings: EvaluateParameters, spec: ObjectSpec
) -> tuple[float | None, float]:
    challenge = settings.matcher == "czii"
    radius, weight = spec.radius_angstrom, spec.score_weight
    if challenge:
        radius = CZII_RADII_ANGSTROM.get(spec.name, radius)
        weight = CZII_WEIGHTS.get(spec.name, weight)
    return settings.radius.get(spec.name, radius), settings.weight.get(spec.name, weight)


def _note_on_challenge(
    spec: ObjectSpec, radius: float | None, weight: float, settings: EvaluateParameters
) -> list[str]:
    name = spec.name
    if settings.matcher != "czii" or name in settings.radius or name in settings.weight:
        return []
    if (radius, weight) == (spec.radius_angstrom, spec.score_weight):
        return []
    own = "none" if spec.radius_angstrom is None else f"{spec.radius_angstrom:g} A"
    return [
        f"{name}: radius {radius:g} A and weight {weight:g} are the challenge's "
        f"(the project's: {own}, {spec.score_weight:g})"
    ]


def scoring_rules(settings: EvaluateParameters) -> ScoringRules:
    """Return the rules that ``core.evaluate`` takes.

    Parameters
    ----------
    settings : EvaluateParameters
        What to do.
    """
    margin = settings.border_margin_xy_angstrom
    return ScoringRules(
        matcher=settings.matcher,
        beta=settings.beta,
        recall_fractions=RECALL_FRACTIONS,
        n_bootstrap=settings.bootstrap,
        min_bootstrap_runs=MIN_BOOTSTRAP_RUNS,
        confidence=CONFIDENCE,
        border_margin_xyz=(margin, margin, settings.border_margin_z_angstrom),
    )
