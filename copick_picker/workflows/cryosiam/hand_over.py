"""What a run of CryoSiam's files leaves behind, and what to type next."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from copick_picker.core.localize.eroded import ErodedComponents, bodies_of
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary
from copick_picker.settings.cryosiam import CryosiamConfig, CryosiamJob

_PAGE = "docs/coming-from-cryosiam.md"


def note_of_mask(config: CryosiamConfig, reporter: Reporter) -> None:
    """Say what a prediction without masks does, where masks would help.

    Parameters
    ----------
    config : CryosiamConfig
        CryoSiam's settings.
    reporter : Reporter
        Is told.
    """
    if config.mask_folder is None and not config.parameters.network.postprocessing:
        reporter.note(
            "mask_folder is null: the whole tomogram is searched, including vacuum and ice "
            f"contamination; a lamella mask excludes false particles there ({_PAGE})"
        )


def tell_prediction(
    settings: CryosiamJob, config: CryosiamConfig, summary: Summary, reporter: Reporter
) -> None:
    """Say what ``segment`` wrote, where, and what comes next.

    Parameters
    ----------
    settings : CryosiamJob
        What was asked for.
    config : CryosiamConfig
        CryoSiam's settings.
    summary : Summary
        Outcomes.
    reporter : Reporter
        Is told.
    """
    if settings.dry_run or summary.n_failed:
        return
    folder, file = config.prediction_folder, settings.cryosiam_config
    reporter.note(f"{folder}: {len(summary.outcomes)} predictions ({{tomogram}}_preds.h5)")
    if config.parameters.network.postprocessing:
        reporter.note(
            f"next: 'mask_folder: {folder}' in the YAML file of the particles, then "
            "copick-picker segment --cryosiam-config FILE"
        )
        return
    more = "" if settings.config is None else f" -c {settings.config}"
    reporter.note(f"next: copick-picker localize --cryosiam-config {file}{more}")
    if settings.config is None:
        reporter.note(_same_job("segment", config, "-m MODEL -i denoised -o predict:picker/1"))


def tell_picks(
    settings: CryosiamJob, config: CryosiamConfig, summary: Summary, reporter: Reporter
) -> None:
    """Say where ``localize`` wrote its picks, and what comes next.

    Parameters
    ----------
    settings : CryosiamJob
        What was asked for.
    config : CryosiamConfig
        CryoSiam's settings.
    summary : Summary
        Outcomes.
    reporter : Reporter
        Is told.
    """
    if settings.dry_run or summary.n_failed:
        return
    folder, labels = config.prediction_folder, config.parameters.network.classes
    first = f"labels_{labels[0]}"
    reporter.note(f"{folder}: {first}.csv and {first}_particles.star, and so on for each label")
    if settings.config is None:
        reporter.note(
            f"next: copick-picker import picks {folder / first}_particles.star -c CONFIG -o "
            "OBJECT:cryosiam/1, or this command again with -c CONFIG --object-map class_1=OBJECT"
        )
        reporter.note(_same_job("localize", config, '-i predict:picker/1 -o "*:picker/1"'))
    else:
        reporter.note(f"next: copick-picker evaluate or export picks, with -c {settings.config}")


def _same_job(command: str, config: CryosiamConfig, words: str) -> str:
    return (
        f"the same in a project: copick-picker import mrc {config.data_folder} -c CONFIG --type "
        f"denoised, then copick-picker {command} -c CONFIG {words} ({_PAGE})"
    )


def picks_facts(found: ErodedComponents) -> dict[str, int]:
    """Return how many candidates of a label there were, and what became of them.

    Parameters
    ----------
    found : ErodedComponents
        Components of the label.
    """
    return {
        "voxels": found.n_label_voxels,
        "eroded_components": found.n_components,
        "dropped_by_min_voxels": found.n_components - len(found.numbers),
    }


def picks_words(
    config: CryosiamConfig, label: int, found: ErodedComponents, labels: npt.NDArray[Any]
) -> str:
    """Return the number of picks of a label, and why there are no more.

    Parameters
    ----------
    config : CryosiamConfig
        CryoSiam's settings.
    label : int
        The label.
    found : ErodedComponents
        Its components.
    labels : numpy.ndarray, shape (z, y, x), integer
        The prediction.
    """
    count, least = len(found.numbers), config.parameters.network.least_voxels(label)
    small = found.n_components - count
    text = f"label {label}: {count}"
    if count:
        return f"{text} ({small} more dropped by min_voxels {least})" if small else text
    if small:
        return (
            f"{text} ({small} dropped by min_voxels {least}: the largest has {found.most_voxels} "
            "voxels after erosion)"
        )
    if found.n_label_voxels:
        number, most = bodies_of(labels, label)
        return f"{text} ({number} of at most {most} voxels, none left after erosion by one voxel)"
    network = config.parameters.network
    causes = [f"the threshold {network.threshold:g}"]
    causes += [] if config.mask_folder is None else ["the mask"]
    causes += [] if network.postprocessing_sizes is None else ["postprocessing_sizes"]
    return f"{text} (no voxel has the label: see {' and '.join(causes)})"


def share_words(config: CryosiamConfig, shares: Mapping[str, float]) -> str:
    """Return the shares of the labels of a prediction, and where to look if there are none.

    Parameters
    ----------
    config : CryosiamConfig
        CryoSiam's settings.
    shares : mapping of str to float
        Label -> share of the voxels.
    """
    if shares:
        return ", ".join(f"label {label} {share:.2%}" for label, share in shares.items())
    masked = "" if config.mask_folder is None else " inside the mask"
    return (
        "all background: no class reaches the threshold "
        f"{config.parameters.network.threshold:g}{masked}; check min, max, mean and std too"
    )
