"""``copick-picker model``: show, convert and check models."""

from typing import NoReturn

import click

from copick_picker.cli.command import CONTEXT, command_group


@command_group
def model() -> None:
    """List, show, convert and check models.

    A model is a folder: model.yaml describes the network and its training, weights.safetensors
    holds the weights. Any other name refers to a model shipped with the package.

    \b
    Examples:
      copick-picker model list
      copick-picker model show model_dir
      copick-picker model check model_dir
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@model.command(name="list", short_help="List the shipped models.", context_settings=CONTEXT)
def list_() -> None:
    """List the shipped models: what they find, and in which tomograms.

    \b
    Examples:
      copick-picker model list
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import Console, one_line_errors

    with one_line_errors():
        from copick_picker.workflows.models.folder import list_models

        list_models(reporter=Console())


@model.command(short_help="Show the card of a model.", context_settings=CONTEXT)
@click.argument("folder")
@click.option("--all", "whole", is_flag=True, help="Also show all training settings.")
def show(folder: str, *, whole: bool) -> None:
    """Show what a model finds, how it is run and where it comes from.

    \b
    Examples:
      copick-picker model show simulated-10a
      copick-picker model show model_dir --all
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import Console, one_line_errors

    with one_line_errors():
        from copick_picker.workflows.models.folder import show_model

        show_model(folder, whole=whole, reporter=Console())


@model.command(
    short_help="Convert octopi's or CryoSiam's files to a model folder.", context_settings=CONTEXT
)
@click.option("-mc", "--model-config", metavar="YAML", help="octopi's model_config.yaml.")
@click.option("-mw", "--model-weights", metavar="PTH", help="octopi's best_model.pth.")
@click.option("--checkpoint", metavar="CKPT", help="CryoSiam's checkpoint.")
@click.option(
    "--label",
    multiple=True,
    metavar="NAME=CHANNEL",
    help="Object name of a channel of CryoSiam's checkpoint, from 1; repeatable.",
)
@click.option(
    "--cryosiam-config",
    metavar="YAML",
    help="CryoSiam's prediction YAML file, for scaling and threshold.",
)
@click.option(
    "--voxel-spacing",
    type=float,
    metavar="A",
    help="Voxel spacing that CryoSiam's checkpoint was trained at.",
)
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Model folder to write.")
@click.option(
    "--trust-checkpoint",
    is_flag=True,
    help="Load pickled weights, which can run code. Only for files you trust.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing model folder.")
def convert(
    model_config: str | None,
    model_weights: str | None,
    checkpoint: str | None,
    label: tuple[str, ...],
    cryosiam_config: str | None,
    voxel_spacing: float | None,
    output: str,
    trust_checkpoint: bool,
    overwrite: bool,
) -> None:
    """Convert a model trained by octopi or CryoSiam to a model folder.

    The folder gives the same segmentations as the original files without unpickling, and
    includes a checksum and a fingerprint of its output. octopi has two files; CryoSiam's
    checkpoint stores no object names, so give them with --label.

    \b
    Examples:
      copick-picker model convert -mc model_config.yaml -mw best_model.pth -o model_dir
      copick-picker model convert --checkpoint model.ckpt --label ribosome=1 -o model_dir
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import Console, one_line_errors

    with one_line_errors():
        from copick_picker.workflows.models.folder import convert_checkpoint, convert_model

        if checkpoint is not None:
            if model_config or model_weights:
                _usage("--checkpoint cannot be combined with --model-config and --model-weights")
            convert_checkpoint(
                checkpoint,
                output,
                objects=_channels(label),
                config=cryosiam_config,
                voxel_spacing=voxel_spacing,
                trust=trust_checkpoint,
                overwrite=overwrite,
                reporter=Console(),
            )
            return
        if label or cryosiam_config or voxel_spacing is not None:
            _usage("--label, --cryosiam-config and --voxel-spacing belong to --checkpoint")
        if not model_config or not model_weights:
            _usage("give --model-config and --model-weights (octopi), or --checkpoint (CryoSiam)")
        convert_model(
            model_config,
            model_weights,
            output,
            trust=trust_checkpoint,
            overwrite=overwrite,
            reporter=Console(),
        )


@model.command(short_help="Check the files of a model and run it once.", context_settings=CONTEXT)
@click.argument("folder")
def check(folder: str) -> None:
    """Check a model: checksum, card, weights, one window, and its fingerprint.

    \b
    Examples:
      copick-picker model check model_dir
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import Console, one_line_errors

    with one_line_errors():
        from copick_picker.workflows.models.folder import check_model

        check_model(folder, reporter=Console())


def _channels(pairs: tuple[str, ...]) -> dict[str, int]:
    """Return object name -> channel of ``name=channel`` pairs."""
    channels = {}
    for pair in pairs:
        name, _, channel = pair.rpartition("=")
        if not name or not channel.isdigit() or name in channels:
            _usage(f"--label: got '{pair}'; expected NAME=CHANNEL, each name once")
        channels[name] = int(channel)
    if not channels:
        _usage("--checkpoint needs --label NAME=CHANNEL: CryoSiam stores no names")
    return channels


def _usage(text: str) -> NoReturn:
    raise click.UsageError(text)
