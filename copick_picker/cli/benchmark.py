"""``copick-picker benchmark``: run suites, compare their results."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from copick_picker.cli.options import JOB_OPTIONS

if TYPE_CHECKING:
    from pydantic import BaseModel

Command = TypeVar("Command", bound=Callable[..., Any])
_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(
    short_help="Run ready benchmarks, and compare results.",
    no_args_is_help=True,
    context_settings=_CONTEXT,
)
def benchmark() -> None:
    """Run a suite from its data to its report, and compare the results of two.

    \b
    Examples:
      copick-picker benchmark run smoke -o benchmark
      copick-picker benchmark compare scores scores-other

    \b
    See also: copick-picker evaluate, copick-picker report
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


def _log_options(command: Command) -> Command:
    for option in (
        click.option("-v", "--verbose", count=True, help="Say more; repeatable."),
        click.option(
            "--log",
            metavar="FILE",
            help="Log file with tracebacks. Default: one in the user's cache folder.",
        ),
    ):
        command = option(command)
    return command


@benchmark.command(short_help="Run a suite, or what is left of it.", context_settings=_CONTEXT)
@click.argument("suite")
@click.option(
    "-o", "--output", metavar="FOLDER", show_default="benchmark", help="Folder for everything."
)
@click.option(
    "-m",
    "--model",
    multiple=True,
    metavar="LABEL=MODEL",
    help="Score this model instead of the suite's; repeatable.",
)
@click.option(
    "--also",
    multiple=True,
    metavar="LABEL=URI",
    help="Score these picks of the project by the same rules too; deposition:NUMBER on the portal; "
    "repeatable.",
)
@click.option(
    "--manifest",
    metavar="URL|PATH",
    help="Croissant metadata.json to read instead of the suite's data.",
)
@click.option("--reference", metavar="URI", help="Reference picks. Default: the suite's.")
@click.option(
    "-r",
    "--run-names",
    multiple=True,
    metavar="RUN",
    help="Run name, glob, or !name to leave out; repeatable. Default: the suite's.",
)
@click.option("--cache", metavar="DIR", help="Keep remote array data in this folder.")
@click.option("--device", help="auto, cpu, cuda, cuda:1 or mps. Default: the suite's.")
@click.option("--threads", type=int, help="CPU threads.")
@click.option(
    "--overwrite",
    is_flag=True,
    default=None,
    help="Begin anew: remove the benchmark that the folder holds.",
)
@_log_options
def run(**flags: Any) -> None:
    """Make or open the suite's project, segment, localize, evaluate and report.

    SUITE is a ready one (simulated, smoke, czii-2024, phantom, motorbench) or a YAML file. The same
    command again goes on where it was interrupted; what stands already is not done again.

    \b
    Examples:
      copick-picker benchmark run smoke -o benchmark
      copick-picker benchmark run simulated --model mine=model_dir --also hers="*:anna/1"
      copick-picker benchmark run czii-2024 --model mine=model_dir --also first=deposition:10319
      copick-picker benchmark run suite.yaml -o mine --device cuda
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    _execute("run", "RunSettings", ("benchmark", "benchmark"), flags)


@benchmark.command(short_help="Show by how much two results differ.", context_settings=_CONTEXT)
@click.argument("first")
@click.argument("second")
@click.option("-o", "--output", metavar="FOLDER", help="Write compare.json and changes.csv here.")
@click.option(
    "--bootstrap",
    type=int,
    show_default="1000",
    help="Replicates of the paired bootstrap over runs; 0: no intervals.",
)
@click.option("--seed", type=int, show_default="0", help="Seed of the bootstrap.")
@click.option("--overwrite", is_flag=True, default=None, help="Replace the folder.")
@_log_options
def compare(**flags: Any) -> None:
    """Show by how much SECOND differs from FIRST, paired by run, and which picks changed.

    Both are folders that evaluate wrote, or outputs of benchmark run; both must be scored by the
    same rules against the same reference picks.

    \b
    Examples:
      copick-picker benchmark compare scores scores-other
      copick-picker benchmark compare scores scores-other -o changes
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    _execute("compare", "CompareSettings", ("compare", "compare"), flags)


def _execute(name: str, settings: str, workflow: tuple[str, str], flags: dict[str, Any]) -> None:
    from importlib import import_module

    from copick_picker.cli.console import execute

    job = {option: flags.pop(option, None) for option in JOB_OPTIONS}
    module, function = workflow

    def found_settings() -> "type[BaseModel]":
        kind: type[BaseModel] = getattr(import_module("copick_picker.settings.benchmark"), settings)
        return kind

    def found_workflow() -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(
            import_module(f"copick_picker.workflows.benchmark.{module}"), function
        )
        return found

    execute(
        f"benchmark-{name}",
        workflow=found_workflow,
        settings=found_settings,
        flags=flags,
        job=job,
    )
