"""``copick-picker demo``."""

import click

from copick_picker.cli.command import CONTEXT
from copick_picker.cli.main import COMMANDS


@click.command(short_help=COMMANDS["demo"], context_settings=CONTEXT)
@click.option(
    "-o", "--output", default="demo", show_default=True, metavar="FOLDER", help="Where to work."
)
@click.option(
    "--part",
    type=click.Choice(["real", "simulated"]),
    multiple=True,
    help="Only this part; repeatable. Default: both.",
)
@click.option("--overwrite", is_flag=True, help="Replace the folder of an earlier demo.")
@click.option("--threads", type=int, help="CPU threads.")
def demo(output: str, part: tuple[str, ...], overwrite: bool, threads: int | None) -> None:
    """Segment, localize and evaluate a real and a simulated project, and draw the result.

    The real part is a tomogram of HIV-1 virus-like particles with 11 reference picks; the
    simulated part is three small tomograms with known ground truth. The shipped models were
    trained only on simulated tomograms, and on none of these.

    \b
    Examples:
      copick-picker demo
      copick-picker demo --part real --output try
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import Console, one_line_errors, start_log, wait_without_spinning

    wait_without_spinning()
    start_log("demo", None, 0)
    click.echo(
        f"Segmenting, localizing and evaluating example data in the folder {output}. It "
        "takes about half a minute on two cores."
    )
    with one_line_errors():
        from copick_picker.workflows.benchmark.demo import demo as workflow

        code = workflow(output, part, overwrite=overwrite, threads=threads, reporter=Console())
    raise SystemExit(code)
