"""``copick-picker model``: show, convert and check models."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(
    short_help="Show, convert and check models.", no_args_is_help=True, context_settings=_CONTEXT
)
def model() -> None:
    """Show, convert and check models.

    A model is a folder: model.yaml says what the network is and what it was trained on,
    weights.safetensors holds its numbers. A name that is no folder means a model that ships with
    the package.

    \b
    Examples:
      copick-picker model show model_dir
      copick-picker model check model_dir
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@model.command(short_help="Show the card of a model.", context_settings=_CONTEXT)
@click.argument("folder")
def show(folder: str) -> None:
    """Show what a model finds, how it is run and where it comes from.

    \b
    Examples:
      copick-picker model show model_dir
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    with _one_line_errors():
        from copick_picker.cli.console import Console
        from copick_picker.workflows.model import show_model

        show_model(folder, reporter=Console())


@model.command(short_help="Write octopi's files as a model folder.", context_settings=_CONTEXT)
@click.option(
    "-mc", "--model-config", required=True, metavar="YAML", help="octopi's model_config.yaml."
)
@click.option(
    "-mw", "--model-weights", required=True, metavar="PTH", help="octopi's best_model.pth."
)
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Model folder to make.")
@click.option(
    "--trust-checkpoint",
    is_flag=True,
    help="Load weights that run code when they are read. Only for files of your own.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing model folder.")
def convert(
    model_config: str, model_weights: str, output: str, trust_checkpoint: bool, overwrite: bool
) -> None:
    """Write a model that octopi trained as a model folder.

    The folder gives the same segmentations as octopi's own files, needs no unpickling, and carries
    a checksum and a fingerprint of its output.

    \b
    Examples:
      copick-picker model convert -mc model_config.yaml -mw best_model.pth -o model_dir
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    with _one_line_errors():
        from copick_picker.cli.console import Console
        from copick_picker.workflows.model import convert_model

        convert_model(
            model_config,
            model_weights,
            output,
            trust=trust_checkpoint,
            overwrite=overwrite,
            reporter=Console(),
        )


@model.command(short_help="Check the files of a model and run it once.", context_settings=_CONTEXT)
@click.argument("folder")
def check(folder: str) -> None:
    """Check a model: checksum, card, weights, one window, and its fingerprint.

    \b
    Examples:
      copick-picker model check model_dir
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    with _one_line_errors():
        from copick_picker.cli.console import Console
        from copick_picker.workflows.model import check_model

        check_model(folder, reporter=Console())


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn an error of ours into one line and exit code 2."""
    from copick_picker.cli.console import Stop
    from copick_picker.errors import CopickPickerError

    try:
        yield
    except CopickPickerError as error:
        raise Stop(str(error)) from error
