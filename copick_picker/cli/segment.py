"""``copick-picker segment`` and ``copick inference segment``."""

import click

from copick_picker.cli import option_groups
from copick_picker.cli.command import OVER_A_PROJECT, Flags, command
from copick_picker.cli.cryosiam import run_cryosiam
from copick_picker.cli.octopi import hidden, numeric, octopi_segmentation, pop_all, take_alias

_CRYOSIAM = [
    click.Option(
        ["--cryosiam-config"],
        metavar="YAML",
        help="CryoSiam YAML file instead of a model: MRC folder in, _preds.h5 out; with -c also "
        "writes to that project.",
    ),
    click.Option(
        ["--postprocess-only"],
        is_flag=True,
        default=None,
        help="With --cryosiam-config: only remove small components from existing predictions.",
    ),
]
_OCTOPI = [
    hidden("--tomo-alg", "-alg", "tomo_alg"),
    hidden("--voxel-size", "-vs", "voxel_size", type=float),
    hidden("--seg-info", "-seginfo", "seg_info"),
    hidden("--tomo-batch-size", "tomo_batch", type=click.IntRange(min=1)),
]


@command(
    "copick_picker.settings.segment:SegmentSettings",
    "copick_picker.workflows.segment.segment:segment",
    extra={**OVER_A_PROJECT, "": _OCTOPI, "preflight_runs": _CRYOSIAM},
    groups=option_groups.SEGMENT,
)
def segment(flags: Flags) -> None:
    """Segment tomograms into multilabel segmentations with the project's labels.

    Each tomogram goes through one or more networks with test-time augmentation; the model's
    objects are matched to the project's by name. Complete outputs made with the same models,
    settings and input are skipped; others need --overwrite.

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
    run_cryosiam("segment", flags)
    if flags.pop("postprocess_only"):
        text = "--postprocess-only needs --cryosiam-config"
        raise click.UsageError(text)
    if numeric(flags["output"]):
        text = f"-o is the output here (got {flags['output']}); use --overlap for octopi's -o"
        raise click.UsageError(text)
    given = pop_all(flags, "tomo_alg", "voxel_size", "seg_info", "tomo_batch")
    take_alias(flags, "window_batch", given["tomo_batch"], "--tomo-batch-size")
    if given["tomo_batch"] is not None:
        text = (
            "--tomo-batch-size means windows here (--window-batch): tomograms are processed one "
            "by one"
        )
        click.secho(f"Warning: {text}", fg="yellow", err=True)
    if given["tomo_alg"] or given["voxel_size"]:
        spacing = "" if given["voxel_size"] is None else f"@{given['voxel_size']:g}"
        take_alias(flags, "input", (given["tomo_alg"] or "*") + spacing, "--tomo-alg, --voxel-size")
    take_alias(flags, "output", octopi_segmentation(given["seg_info"]), "--seg-info")
