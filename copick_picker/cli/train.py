"""``copick-picker train``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.options import job_flags, job_options, target_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from copick_picker.jobs.summary import Result
    from copick_picker.settings.train import TrainSettings


@click.command(
    short_help="Train a model on reference picks, with honest scores.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-i",
    "--input",
    type=CopickURI("tomogram", "input"),
    help="Tomogram URI, type@spacing. Default: the only tomogram of each run.",
)
@click.option(
    "-p", "--picks", type=CopickURI("picks", "input"), help="Reference picks, object:user/session."
)
@click.option("-o", "--output", metavar="FOLDER", help="Model folder to make.")
@target_options
@click.option(
    "--contrast",
    metavar="auto|dark|bright",
    show_default="auto",
    help="How protein looks in the tomograms.",
)
@click.option(
    "--validation-runs",
    multiple=True,
    metavar="RUN",
    help="Runs kept for validation: names, globs, @file; repeatable.",
)
@click.option(
    "--validation-share",
    type=float,
    show_default="0.2",
    help="Share of the runs drawn for validation, where nothing else says which.",
)
@click.option(
    "--validation-split",
    metavar="NAME",
    help="Split of a Croissant manifest kept for validation; --split is trained on.",
)
@click.option("--folds", type=int, metavar="K", help="Cross-validation: a model for each fold.")
@click.option("--fold", type=int, metavar="I", help="Train only the model that leaves out fold I.")
@click.option("--head", show_default="softmax", help="What the network's outputs mean.")
@click.option(
    "--loss",
    metavar="tversky|dice-ce|cross-entropy|focal",
    show_default="tversky",
    help="Loss; tversky and dice-ce add weighted cross-entropy.",
)
@click.option(
    "--loss-parameters",
    multiple=True,
    metavar="NAME=X",
    help="alpha, beta of tversky, gamma of focal; repeatable.",
)
@click.option(
    "--object-weight",
    type=float,
    show_default="2.0",
    help="Weight of the largest object in the cross-entropy, the background's is 1.",
)
@click.option(
    "--size-power",
    type=float,
    show_default="1.0",
    help="Smaller objects weigh more: by the ratio of the radii to this power.",
)
@click.option(
    "--weight",
    multiple=True,
    metavar="NAME=W",
    help="Weight of one object, whatever its size; repeatable.",
)
@click.option(
    "--architecture",
    metavar="NAME",
    show_default="start's, else ResidualUNet",
    help="ResidualUNet, Unet, DynUNet, SegResNet, SwinUNETR, AttentionUnet or CryoSiam.",
)
@click.option(
    "--parameters",
    "--parameter",
    multiple=True,
    metavar="NAME=VALUE",
    show_default="start's, else channels=[12,32,64,64] dropout=0.1 output_stride=2",
    help="Setting of the network, such as channels=[16,32,64]; repeatable, all of them.",
)
@click.option(
    "--patch", metavar="N|Z,Y,X", show_default="start's window, else 48", help="Patch in voxels."
)
@click.option("--batch-size", type=int, show_default="4", help="Patches of a batch.")
@click.option(
    "--particle-share",
    type=float,
    show_default="0.7",
    help="Share of the patches around particles, every object alike.",
)
@click.option(
    "--hard-negative-share",
    type=float,
    show_default="0.1",
    help="Share of the patches around hard negatives, once there are any.",
)
@click.option(
    "--augmentations",
    metavar="A,B",
    help="Of flips, quarter-turns, tilts, scale, contrast (the default), noise, wedge, mixup; or "
    "none.",
)
@click.option(
    "--start",
    metavar="MODEL",
    help="Start from a model: folder, shipped name, octopi's .pth or CryoSiam's .ckpt.",
)
@click.option("--start-config", metavar="YAML", help="octopi's model_config.yaml of --start.")
@click.option(
    "--backbone-rate",
    type=float,
    show_default="1.0",
    help="Learning rate of weights from --start, over that of the others.",
)
@click.option("--steps", type=int, show_default="4000", help="Steps of the optimiser.")
@click.option(
    "--max-minutes", type=float, help="Stop after so many minutes; the rate falls with the time."
)
@click.option("--learning-rate", type=float, show_default="0.003", help="Highest rate of AdamW.")
@click.option(
    "--warmup-share", type=float, show_default="0.05", help="Share of the steps of the warm-up."
)
@click.option("--weight-decay", type=float, show_default="0.01", help="AdamW's weight decay.")
@click.option(
    "--average-decay",
    type=float,
    show_default="0.995",
    help="Decay of the average of the weights, for a step; 0: no average.",
)
@click.option(
    "--gradient-norm", type=float, show_default="5.0", help="Longer gradients are shortened."
)
@click.option("--accumulate", type=int, show_default="1", help="Batches of one step.")
@click.option(
    "--validate-every", type=int, show_default="250", help="Steps between two validations."
)
@click.option("--save-every", type=int, show_default="50", help="Steps between two checkpoints.")
@click.option("--patience", type=int, help="Stop after so many validations without a better one.")
@click.option(
    "--beta",
    type=float,
    show_default="1.0",
    help="F-beta of the picks by which weights and thresholds are chosen.",
)
@click.option(
    "--validation-tta",
    type=int,
    show_default="1",
    help="Test-time augmentations of validations during training; at the end it is 4.",
)
@click.option(
    "--hard-negatives",
    type=int,
    show_default="0",
    help="Most false positives of a training run to learn from, mined after each validation.",
)
@click.option("--seed", type=int, show_default="0", help="Seed of everything that is drawn.")
@click.option(
    "--precision",
    metavar="auto|float32|bf16|fp16",
    show_default="auto",
    help="Arithmetic; auto is what the device computes fastest.",
)
@click.option("--device", show_default="auto", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--devices", type=int, show_default="1", help="Devices that share the work.")
@click.option(
    "--loaders",
    type=int,
    show_default="CPU 0, else up to 4",
    help="Processes that read patches; their number changes no result.",
)
@click.option("--threads", type=int, help="CPU threads.")
@click.option(
    "--cache-megabytes",
    type=int,
    show_default="2048",
    help="Bound of the tomograms held in memory.",
)
@click.option("--licence", metavar="TEXT", help="Licence of the model, for its card.")
@click.option(
    "--trust-checkpoint",
    is_flag=True,
    default=None,
    help="Load weights of --start that run code when they are read. Only for files of your own.",
)
@job_options
def train(**flags: Any) -> None:
    """Train a model on the reference picks of a project.

    Whole runs are kept for validation. During the training the network is judged by what counts:
    its picks on those runs, after segment and localize, against the reference picks. The model
    folder holds the best weights, score thresholds chosen on the validation runs, the scores, all
    settings and a README. A training that was stopped goes on when the same command is given
    again, with the same result.

    \b
    URI format:
      tomogram       type@spacing                 wbp@10.0
      picks          object:user/session          *:curator/1

    \b
    Examples:
      copick-picker train -c config.json -i wbp@10.0 -p "*:curator/1" -o my_model
      copick-picker train -c config.json -i wbp@10.0 -p "*:curator/1" -o cv --folds 5
      copick-picker train -c config.json -p "*:curator/1" -o tuned --start simulated-10a --backbone-rate 0.1

    \b
    Needs the extra train: pip install 'copick-picker[train]'
    Exit codes: 0 well, 1 the loss became no number, 2 wrong usage, settings or data.

    \b
    See also: copick-picker simulate, copick-picker targets, copick-picker calibrate
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    execute("train", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _settings() -> "type[TrainSettings]":
    from copick_picker.settings.train import TrainSettings

    return TrainSettings


def _workflow() -> "Callable[..., Result]":
    from copick_picker.workflows.train.train import train as workflow

    return workflow
