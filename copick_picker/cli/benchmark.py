"""``copick-picker benchmark``: run suites, compare their results."""

from copick_picker.cli.command import LOG, VERBOSE, Flags, command, command_group

_EXTRA = {"overwrite": [LOG, VERBOSE]}


@command_group
def benchmark() -> None:
    """Run benchmark suites from data to report, and compare results.

    \b
    Examples:
      copick-picker benchmark run smoke -o benchmark
      copick-picker benchmark compare scores scores-other

    \b
    See also: copick-picker evaluate, copick-picker report
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.benchmark:RunSettings",
    "copick_picker.workflows.benchmark.benchmark:benchmark",
    group=benchmark,
    short_help="Run a suite, or resume it.",
    extra=_EXTRA,
)
def run(flags: Flags) -> None:
    """Make or open the suite's project, then segment, localize, evaluate and report.

    SUITE is a ready-made one (simulated, smoke, czii-2024, phantom, motorbench) or a YAML file.
    Repeat the command to resume an interrupted benchmark; finished steps are not repeated.

    \b
    Examples:
      copick-picker benchmark run smoke -o benchmark
      copick-picker benchmark run simulated --model mine=model_dir --also hers="*:anna/1"
      copick-picker benchmark run czii-2024 --model mine=model_dir --also first=deposition:10319
      copick-picker benchmark run suite.yaml -o mine --device cuda
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.benchmark:CompareSettings",
    "copick_picker.workflows.benchmark.compare:compare",
    group=benchmark,
    short_help="Compare two results.",
    extra=_EXTRA,
)
def compare(flags: Flags) -> None:
    """Compare two results: differences paired by run, and picks whose status changed.

    FIRST and SECOND are folders from evaluate or benchmark run, scored by the same rules
    against the same reference picks.

    \b
    Examples:
      copick-picker benchmark compare scores scores-other
      copick-picker benchmark compare scores scores-other -o changes
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
