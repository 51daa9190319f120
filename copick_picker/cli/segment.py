"""``copick-picker segment`` and ``copick inference segment``."""

from typing import TYPE_CHECKING, Any

import click
from copick.cli.types import CopickURI

from copick_picker.cli.cryosiam import run_cryosiam
from copick_picker.cli.options import (
    hidden,
    job_flags,
    job_options,
    names_of,
    numeric,
    octopi_segmentation,
    pop_all,
    take_alias,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from copick_picker.jobs.summary import Summary
    from copick_picker.settings.segment import SegmentSettings


@click.command(
    short_help="Find objects in tomograms: write segmentations.",
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
    "-o",
    "--output",
    type=CopickURI("segmentation", "output"),
    show_default="predict:picker/1",
    help="Segmentation URI, name:user/session.",
)
@click.option("-m", "--model", multiple=True, metavar="FOLDER", help="Model folder; repeatable.")
@click.option("-mc", "--model-config", metavar="A,B", help="octopi's model_config.yaml files.")
@click.option("-mw", "--model-weights", metavar="A,B", help="octopi's best_model.pth files.")
@click.option(
    "--mode",
    metavar="exact|balanced|fast",
    show_default="balanced",
    help="exact: windows and float32 arithmetic of the model's home package; balanced: windows "
    "that fit the tomogram, all augmentations; fast: the same in two passes.",
)
@click.option("--tta", type=int, show_default="model's", help="Test-time augmentations, 1 to 8.")
@click.option(
    "--tta-set",
    metavar="octopi|quarter-turns",
    show_default="model's",
    help="octopi's list, or quarter turns about z.",
)
@click.option(
    "--overlap",
    type=float,
    show_default="exact: model's, else 0",
    help="Overlap of windows, 0 to 0.95.",
)
@click.option(
    "--blending",
    metavar="constant|gaussian",
    show_default="exact: model's, else gaussian",
    help="Weight of the voxels of a window.",
)
@click.option(
    "--window-batch", type=int, show_default="CPU 1, else 4", help="Windows computed at once."
)
@click.option("--device", show_default="auto", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--devices", metavar="D,D", help="One worker process a device: cuda:0,cuda:1; auto is all CUDA."
)
@click.option("--workers", type=int, help="So many worker processes on the one device.")
@click.option("--threads", type=int, help="CPU threads, dealt out to the workers.")
@click.option(
    "--probabilities", is_flag=True, default=None, help="Also store class probabilities (float16)."
)
@click.option(
    "--picks",
    type=CopickURI("picks", "output"),
    help="Also localize, with its default settings: picks URI, object:user/session.",
)
@click.option(
    "--picks-method",
    metavar="watershed|peaks",
    show_default="watershed",
    help="watershed: from the segmentations, when all are made; peaks: maxima of the "
    "probabilities, found while each tomogram is segmented, and none are stored.",
)
@click.option(
    "--contrast",
    metavar="auto|dark|bright",
    show_default="auto",
    help="How protein looks in the tomograms; they are flipped where the model saw the other.",
)
@click.option(
    "--rescale",
    is_flag=True,
    default=None,
    help="Resample tomograms of another spacing to the model's, and the result back.",
)
@click.option(
    "--mask",
    metavar="URI|FILE",
    help="Segmentation name:user/session, or an MRC file ({run} in its name stands for the run): "
    "outside is background; windows wholly outside are not computed.",
)
@click.option(
    "--object-map",
    multiple=True,
    metavar="MODEL=PROJECT",
    help="Name of a model's object in the project; repeatable.",
)
@click.option(
    "--trust-checkpoint",
    is_flag=True,
    default=None,
    help="Load weights that run code when they are read. Only for files of your own.",
)
@click.option(
    "--preflight-runs",
    type=int,
    show_default="50",
    help="Runs whose voxels are checked before the work starts; others when they are read.",
)
@click.option(
    "--cryosiam-config",
    metavar="YAML",
    help="CryoSiam's file in place of a model: MRC folder in, _preds.h5 out; with -c also into "
    "that project.",
)
@click.option(
    "--postprocess-only",
    is_flag=True,
    default=None,
    help="With --cryosiam-config: only drop small components of the predictions that exist.",
)
@job_options
@hidden("--tomo-uri", "-uri", "-turi", "tomo_uri")
@hidden("--tomo-alg", "-alg", "tomo_alg")
@hidden("--voxel-size", "-vs", "voxel_size", type=float)
@hidden("--seg-uri", "-suri", "seg_uri")
@hidden("--seg-info", "-seginfo", "seg_info")
@hidden("--ntta", "-ntta", "ntta", type=int)
@hidden("--sliding-window-batch-size", "-swbs", "--tomo-batch-size", "sw_batch", type=int)
def segment(**flags: Any) -> None:
    """Find objects in tomograms and write multilabel segmentations.

    Each run's tomogram goes through one or more networks with test-time augmentation; the labels
    of the segmentation are the project's own, object by object name. Existing outputs are kept:
    a complete one that was made by the same models, settings and input is skipped, another one
    needs --overwrite.

    \b
    URI format:
      tomogram       type@spacing                 wbp@10.0
      segmentation   name:user/session            predict:picker/1

    \b
    Examples:
      copick-picker segment -c config.json -m model_dir -i wbp@10.0 -o predict:picker/1
      copick-picker segment -c config.json -m model_dir -i wbp -r "TS_*" --probabilities
      copick-picker segment -c config.json -m model_dir -i wbp@10.0 --mask lamella:picker/1
      copick-picker segment --cryosiam-config semantic.yaml
      copick-picker segment -c config.json -mc model_config.yaml -mw best_model.pth --ntta 4

    \b
    See also: copick-picker localize, copick-picker mask, copick-picker model show
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
    from copick_picker.cli.console import execute

    flags, job = job_flags(flags)
    if flags["cryosiam_config"] is not None:
        run_cryosiam("segment", flags, job)
    if flags.pop("postprocess_only"):
        text = "--postprocess-only belongs to --cryosiam-config"
        raise click.UsageError(text)
    del flags["cryosiam_config"]
    _octopi(flags)
    execute("segment", workflow=_workflow, settings=_settings, flags=flags, job=job)


def _octopi(flags: dict[str, Any]) -> None:
    """Fold octopi's options into ours."""
    if numeric(flags["output"]):
        text = f"-o is the output here (got {flags['output']}); use --overlap for octopi's -o"
        raise click.UsageError(text)
    given = pop_all(
        flags, "tomo_uri", "tomo_alg", "voxel_size", "seg_uri", "seg_info", "ntta", "sw_batch"
    )
    flags["model_config_file"] = names_of(flags.pop("model_config") or "")
    flags["model_weights"] = names_of(flags["model_weights"] or "")
    tomogram = given["tomo_uri"]
    if given["tomo_alg"] or given["voxel_size"]:
        spacing = "" if given["voxel_size"] is None else f"@{given['voxel_size']:g}"
        tomogram = (given["tomo_alg"] or "*") + spacing
    take_alias(flags, "input", tomogram, "--tomo-uri")
    output = octopi_segmentation(given["seg_info"], given["seg_uri"])
    take_alias(flags, "output", output, "--seg-uri")
    take_alias(flags, "tta", given["ntta"], "--ntta")
    take_alias(flags, "window_batch", given["sw_batch"], "--sliding-window-batch-size")


def _settings() -> "type[SegmentSettings]":
    from copick_picker.settings.segment import SegmentSettings

    return SegmentSettings


def _workflow() -> "Callable[..., Summary]":
    from copick_picker.workflows.segment.segment import segment as workflow

    return workflow
