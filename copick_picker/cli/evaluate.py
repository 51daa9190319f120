"""``copick-picker evaluate`` and ``copick evaluation evaluate``."""

from copick_picker.cli import option_groups
from copick_picker.cli.command import OVER_A_PROJECT, Flags, command
from copick_picker.cli.octopi import hidden, pop_all, take_alias
from copick_picker.records.keys import DEFAULT_SESSION, DEFAULT_USER

_OCTOPI = [
    hidden("--ground-truth-user-id", "-gtuid", "truth_user"),
    hidden("--ground-truth-session-id", "-gtsid", "truth_session"),
    hidden("--predict-user-id", "-puid", "predict_user"),
    hidden("--predict-session-id", "-psid", "predict_session"),
    hidden("--distance-threshold-scale", "-dts", "distance_scale", type=float),
    hidden("--object-names", "-names", "object_names"),
]


@command(
    "copick_picker.settings.evaluate:EvaluateSettings",
    "copick_picker.workflows.evaluate.evaluate:evaluate",
    extra={**OVER_A_PROJECT, "": _OCTOPI},
    groups=option_groups.EVALUATE,
)
def evaluate(flags: Flags) -> None:
    """Score candidate picks against reference picks.

    Reports precision, recall, F1, F-beta, average precision, localization error, duplicates and
    class confusion, per run, per object and overall, with bootstrap intervals over runs. Only
    objects with reference picks are scored. A run without a reference set for an object is left
    out for that object; a run without candidates counts as all missed.

    \b
    URI format:
      picks          object:user/session          *:curator/1

    \b
    Examples:
      copick-picker evaluate -c config.json --reference "*:curator/1" --candidate "*:picker/1" -o scores
      copick-picker evaluate -c config.json --reference "*:curator/1" --matcher czii --overwrite
      copick-picker evaluate -c config.json --reference "ribosome:curator/1" --tolerance 60A --fail-under f4=0.7

    \b
    Files in the folder: scores.json, scores.csv, matches.csv (every pick), scores.png (curves).
    Exit codes: 0 well, 1 some run failed, 2 wrong usage or settings, 3 --fail-under missed.

    \b
    See also: copick-picker localize
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
    truth = pop_all(flags, "truth_user", "truth_session")
    if any(truth.values()):
        picks = f"*:{truth['truth_user'] or '*'}/{truth['truth_session'] or '*'}"
        take_alias(flags, "reference", picks, "--ground-truth-user-id")
    found = pop_all(flags, "predict_user", "predict_session")
    if any(found.values()):
        user, session = found["predict_user"], found["predict_session"]
        picks = f"*:{user or DEFAULT_USER}/{session or DEFAULT_SESSION}"
        take_alias(flags, "candidate", picks, "--predict-user-id")
    scale = flags.pop("distance_scale")
    if scale is not None:
        take_alias(flags, "tolerance", f"{scale:g}r", "--distance-threshold-scale")
    take_alias(flags, "objects", flags.pop("object_names"), "--object-names")
