"""What is scored: objects, rules, and which runs count for which object."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from copick_picker.records.scores import Picks, ScoredObject

_MOST_RUNS_NAMED = 5


@dataclass(frozen=True)
class Coverage:
    """Which runs count for which object, and what is said about the rest."""

    runs_of_object: Mapping[str, tuple[str, ...]]
    annotated_objects: tuple[str, ...]
    notes: tuple[str, ...]


def find_coverage(
    reference: Picks, candidate: Picks, objects: Sequence[ScoredObject], *, matcher: str
) -> Coverage:
    """Return which runs count for which object.

    ``one-to-one`` and ``byu``: a run counts for an object when it has a reference set of it,
    an empty one too.
    ``czii``: a run counts for every object when it has a reference set of any of them. ``octopi``:
    every run counts for every object.

    Parameters
    ----------
    reference, candidate : mapping
        Run -> object -> pick set.
    objects : sequence of ScoredObject
        Objects that are asked for.
    matcher : str
        The rule.
    """
    runs = sorted(set(reference) | set(candidate))
    notes: list[str] = []
    runs_of_object: dict[str, tuple[str, ...]] = {}
    names = [entry.name for entry in objects]
    annotated = {name: [run for run in runs if name in reference.get(run, {})] for name in names}
    any_annotated = sorted({run for chosen in annotated.values() for run in chosen})
    for name in names:
        counted = {"octopi": runs, "czii": any_annotated}.get(matcher, annotated[name])
        if counted:
            runs_of_object[name] = tuple(counted)
        left_out = [run for run in runs if run not in set(counted)]
        notes += _notes_on_left_out(name, left_out, candidate, annotated=bool(annotated[name]))
        notes += _notes_on_counted(name, counted, reference, candidate)
    present = tuple(name for name in names if annotated[name])
    return Coverage(runs_of_object, present, tuple(notes))


def _notes_on_left_out(
    name: str, left_out: list[str], candidate: Picks, *, annotated: bool
) -> list[str]:
    n_picks = sum(len(candidate.get(run, {}).get(name, ())) for run in left_out)
    if not annotated:
        if n_picks == 0:
            return []
        return [f"{name}: no reference set in any run; {n_picks} candidates listed, not counted"]
    if not left_out:
        return []
    return [
        f"{name}: no reference set (not annotated) in {runs_text(left_out)}; left out there "
        f"with {n_picks} candidates"
    ]


def _notes_on_counted(
    name: str, counted: Sequence[str], reference: Picks, candidate: Picks
) -> list[str]:
    notes = []
    absent = [run for run in counted if name not in candidate.get(run, {})]
    n_missed = sum(len(reference.get(run, {}).get(name, ())) for run in absent)
    if n_missed:
        notes.append(
            f"{name}: no candidate set in {runs_text(absent)}; its {n_missed} reference picks "
            "count as missed"
        )
    unannotated = [run for run in counted if name not in reference.get(run, {})]
    n_false = sum(len(candidate.get(run, {}).get(name, ())) for run in unannotated)
    if n_false:
        notes.append(
            f"{name}: no reference set in {runs_text(unannotated)}; its {n_false} candidates "
            "count as false by the rule of this matcher"
        )
    return notes


def runs_text(runs: Iterable[str]) -> str:
    """Return ``run a``, ``runs a, b`` or ``9 runs (a, b, c, d, e, ...)``.

    Parameters
    ----------
    runs : iterable of str
        Run names.

    Examples
    --------
    >>> runs_text(["a", "b"])
    'runs a, b'
    """
    names = list(runs)
    if len(names) == 1:
        return f"run {names[0]}"
    if len(names) <= _MOST_RUNS_NAMED:
        return f"runs {', '.join(names)}"
    return f"{len(names)} runs ({', '.join(names[:_MOST_RUNS_NAMED])}, ...)"
