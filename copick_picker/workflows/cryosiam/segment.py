"""CryoSiam's YAML files as they are: a folder of MRC files in, its ``_preds.h5`` files out."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.segment.augmentations import augmentation_set
from copick_picker.core.segment.cleaning import LamellaRules, lamella, without_small_components
from copick_picker.core.segment.device import resolve_device, use_threads
from copick_picker.core.segment.plan import EngineOptions
from copick_picker.core.segment.wrapped import LabelRule, scaled, segment_wrapped
from copick_picker.errors import ConflictError, DataError, SettingsError, choices_text
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.provenance import new_record, same_job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.folders.checkpoints import file_sha256
from copick_picker.project.formats.cryosiam_files import (
    SUFFIX,
    is_predictions,
    read_labels,
    read_probabilities,
    read_record,
    replace_labels,
    write_predictions,
)
from copick_picker.project.formats.mrc import is_mrc, is_own_mrc, read_mrc, write_mrc
from copick_picker.project.standing import Output, own_file
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.cryosiam import (
    CLIPPED_DOUBT,
    HULL_SMOOTHING_VOXELS,
    SMOOTHING_CUT,
    CryosiamConfig,
    CryosiamJob,
    read_cryosiam_config,
)
from copick_picker.workflows.cryosiam.project import (
    CryosiamProject,
    SegmentationPlace,
    class_names,
    open_cryosiam_project,
)
from copick_picker.workflows.models.load import LoadedModel, load_cryosiam_checkpoint, load_folder

logger = logging.getLogger(__name__)


@summarised
def cryosiam_segment(settings: CryosiamJob, *, reporter: Reporter) -> Summary:
    """Segment a folder of MRC files as CryoSiam's ``semantic_predict`` does.

    Where the YAML has ``postprocessing_sizes``, small components are dropped as well
    (``semantic_postprocessing``); with ``postprocess_only`` nothing else is done.

    Parameters
    ----------
    settings : CryosiamJob
        Which YAML file, and how it is run.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the YAML file, the model or a name is wrong, before any tomogram is touched.
    """
    config = read_and_warn(settings, reporter)
    files = _tomograms(config)
    stems = select_runs(list(files), settings.run_names, shard=settings.shard)
    if settings.postprocess_only:
        sizes = config.parameters.network.postprocessing_sizes
        if sizes is None:
            msg = f"{settings.cryosiam_config} has no parameters.network.postprocessing_sizes"
            raise SettingsError(msg)
        names = class_names(config)
        project = open_cryosiam_project(settings, config, stems, names, reporter=reporter)
        cleaning = _Cleaning(settings, config, sizes, project, reporter)
        summary = process_runs("segment", stems, InTurn(cleaning.run), reporter=reporter)
    else:
        use_threads(settings.threads)
        model = _model(settings, config, reporter)
        names = model.card.channel_names
        project = open_cryosiam_project(settings, config, stems, names, reporter=reporter)
        job = _Prediction(settings, config, files, model, project, reporter)
        summary = process_runs("segment", stems, InTurn(job.run), reporter=reporter)
    return summary


def read_and_warn(settings: CryosiamJob, reporter: Reporter) -> CryosiamConfig:
    """Return CryoSiam's settings; keys that have no effect are named.

    Parameters
    ----------
    settings : CryosiamJob
        Which YAML file.
    reporter : Reporter
        Where warnings go.

    Raises
    ------
    SettingsError
        If the file cannot be used.
    """
    config, doubts = read_cryosiam_config(settings.cryosiam_config)
    for doubt in doubts:
        reporter.warn(f"{settings.cryosiam_config}: {doubt}")
    return config


def mask_on_grid(values: npt.NDArray[Any], shape_zyx: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return where a mask of the same box is not 0, by the nearest voxel.

    Parameters
    ----------
    values : numpy.ndarray, shape (z, y, x)
        The mask, on a grid of its own.
    shape_zyx : sequence of int
        Grid of the tomogram.

    Raises
    ------
    DataError
        If the two grids cannot be the same box: their axes differ by unlike factors.
    """
    ratios = [size / own for size, own in zip(shape_zyx, values.shape, strict=True)]
    factor = float(np.median(ratios))
    slack = max(factor, 1.0)
    pairs = zip(shape_zyx, values.shape, strict=True)
    if any(abs(size - own * factor) > slack for size, own in pairs):
        msg = f"the mask has shape {values.shape}, the tomogram {tuple(shape_zyx)}: another box"
        raise DataError(msg)
    places = [
        ((np.arange(size) + 0.5) * own / size).astype(int)
        for size, own in zip(shape_zyx, values.shape, strict=True)
    ]
    inside: npt.NDArray[np.bool_] = values[np.ix_(*places)] != 0
    return inside


@dataclass(frozen=True)
class _Prediction:
    """One YAML file over its tomograms."""

    settings: CryosiamJob
    config: CryosiamConfig
    files: dict[str, Path]
    model: LoadedModel
    project: CryosiamProject | None
    reporter: Reporter

    def run(self, stem: str) -> RunOutcome:
        """Segment one tomogram."""
        source, target = self.files[stem], self.config.prediction_folder / f"{stem}{SUFFIX}"
        if not source.is_file():
            return RunOutcome(stem, "failed", f"{source} does not exist")
        record = self._record(stem)
        place = self._place(stem, record)
        written = place is None or place.stands()
        complete = self._complete(target, record)
        places = [] if complete else self._places(stem, target)
        for output in places:
            output.check()
        outputs = str(target) if place is None else f"{target}, {place.key}"
        if complete and written:
            return RunOutcome(stem, "skipped", f"{outputs}: complete")
        if self.settings.dry_run:
            return RunOutcome(stem, "planned", f"{source} -> {outputs}")
        if complete:
            labels, probabilities = read_labels(target), read_probabilities(target)
            if place is not None:
                place.check(labels.shape, None, self.reporter)
        else:
            labels, probabilities = self._written(stem, places, record, place)
        if place is not None and not written:
            place.write(labels, probabilities)
        found = np.bincount(labels.ravel(), minlength=1) / labels.size
        shares = {str(label): float(share) for label, share in enumerate(found) if label}
        text = ", ".join(f"label {label} {share:.2%}" for label, share in shares.items())
        details = {"input": str(source), "output": outputs, "volume_share": shares}
        return RunOutcome(stem, "done", f"{outputs}: {text or 'all background'}", details)

    def _place(self, stem: str, record: Mapping[str, Any]) -> SegmentationPlace | None:
        if self.project is None:
            return None
        probabilities = self.config.save_internal_files
        return self.project.segmentation(stem, record, probabilities=probabilities)

    def _written(
        self,
        stem: str,
        places: Sequence[Output],
        record: dict[str, Any],
        place: SegmentationPlace | None,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32] | None]:
        """Predict and write CryoSiam's files; return labels and what is kept of probabilities."""
        volume, spacing = read_mrc(self.files[stem])
        if place is not None:
            place.check(volume.shape, spacing, self.reporter)
        labels, probabilities = self._predicted(stem, volume)
        target, *beside = places
        for output in beside:
            write_mrc(output.path, labels.astype(np.int8), spacing, permit=output.check)
        kept = probabilities if self.config.save_internal_files else None
        write_predictions(target.path, labels, kept, record, permit=target.check)
        return labels, kept

    def _places(self, stem: str, target: Path) -> list[Output]:
        """Return where the predictions go, and their copy in the tomogram's own format."""
        overwrite, advice = self.settings.overwrite, "another prediction_folder"
        places = [Output(target, own_file(is_predictions), overwrite, advice)]
        if self.config.save_original_file_extension:
            beside = target.with_name(f"{stem}_preds{self.config.file_extension}")
            # a copy of ours without its predictions is what a stopped command left
            copied = Output(beside, own_file(is_own_mrc), overwrite, advice)
            is_left = not os.path.lexists(target) and copied.is_earlier()
            places.append(Output(beside, own_file(is_mrc), overwrite or is_left, advice))
        return places

    def _record(self, stem: str) -> dict[str, Any]:
        network = self.config.parameters.network
        mask = self._mask_path(stem)
        return new_record(
            "segment",
            input={
                "tomogram": file_sha256(self.files[stem]),
                "mask": None if mask is None else file_sha256(mask),
            },
            models=[{"weights_sha256": self.model.card.weights_sha256}],
            settings={
                "scaling": self.config.parameters.data.scaling().model_dump(),
                "threshold": network.threshold,
                "postprocessing": network.postprocessing,
                "3d_postprocessing": network.postprocessing and network.hull_in_3d,
                "postprocessing_sizes": network.postprocessing_sizes,
                "probabilities": self.config.save_internal_files,
            },
        )

    def _complete(self, target: Path, record: dict[str, Any]) -> bool:
        if not target.is_file() or self.settings.overwrite:
            return False
        stored = read_record(target)
        difference = "it is not ours" if stored is None else same_job(stored, record)
        if difference:
            msg = f"{target} exists and was made otherwise ({difference}); use --overwrite"
            raise ConflictError(msg)
        return True

    def _mask_path(self, stem: str) -> Path | None:
        folder = self.config.mask_folder
        return None if folder is None else folder / f"{stem}{SUFFIX}"

    def _predicted(
        self, stem: str, volume: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32] | None]:
        """Return labels and, where they are needed, probabilities as CryoSiam has them."""
        network, data = self.config.parameters.network, self.config.parameters.data
        self._check_limits(stem, volume)
        is_sigmoid = self.model.card.parameters["out_channels"] == 1
        result = segment_wrapped(
            scaled(volume, data.scaling().record(), inverted=False),
            self.model.member,
            self._options(),
            rule=LabelRule(network.threshold, is_sigmoid),
            probabilities=self.config.save_internal_files or network.postprocessing,
        )
        labels, shares = result.labels, result.probabilities
        shares = shares[1:] if shares is not None and is_sigmoid else shares
        inside = self._mask(stem, volume.shape)
        if inside is not None:
            labels = labels * inside
            shares = None if shares is None else shares * inside
        if network.postprocessing and shares is not None:
            labels = self._lamella(stem, shares[0])
            labels = labels if inside is None else labels * inside
        if network.postprocessing_sizes is not None:
            labels = without_small_components(labels, network.postprocessing_sizes)
        return labels, shares

    def _lamella(self, stem: str, probability: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        network = self.config.parameters.network
        rules = LamellaRules(
            HULL_SMOOTHING_VOXELS, SMOOTHING_CUT, network.threshold, network.hull_in_3d
        )
        body = lamella(probability, rules)
        empty = int((~body.any(axis=(1, 2))).sum())
        if empty == len(body):
            self.reporter.warn(
                f"{stem}: no smoothed probability is above {network.threshold:g}: no lamella "
                "(CryoSiam would write a volume full of 1)"
            )
        elif empty:
            logger.info("%s: %d slices without the lamella are background", stem, empty)
        return body.astype(np.uint8)

    def _mask(self, stem: str, shape_zyx: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
        path = self._mask_path(stem)
        if path is None:
            return None
        values = read_labels(path)
        if values.shape != shape_zyx:
            logger.info("%s: mask of shape %s by nearest voxels", stem, values.shape)
        if not np.isin(values, (0, 1)).all():
            self.reporter.warn(f"{stem}: {path} holds more than 0 and 1: all but 0 is inside")
        return mask_on_grid(values, shape_zyx)

    def _check_limits(self, stem: str, volume: npt.NDArray[Any]) -> None:
        data = self.config.parameters.data
        clipped = float(np.mean((volume < data.min) | (volume > data.max)))
        if clipped > CLIPPED_DOUBT:
            self.reporter.warn(
                f"{stem}: {clipped:.0%} of the voxels lie outside of {data.min:g} to {data.max:g} "
                "and are clipped; CryoSiam's models want a denoised tomogram in these limits"
            )

    def _options(self) -> EngineOptions:
        batch = self.settings.window_batch or self.config.hyper_parameters.batch_size
        return EngineOptions(
            augmentations=augmentation_set("octopi", 1),
            overlap=0.5,
            blending="constant",
            layout="aligned",
            precision="float32",
            device=self.settings.device,
            window_batch=batch,
            inverted=False,
        )


@dataclass(frozen=True)
class _Cleaning:
    """``semantic_postprocessing`` over the predictions that stand."""

    settings: CryosiamJob
    config: CryosiamConfig
    sizes: tuple[int, ...]
    project: CryosiamProject | None
    reporter: Reporter

    def run(self, stem: str) -> RunOutcome:
        """Drop the small components of one prediction."""
        target = self.config.prediction_folder / f"{stem}{SUFFIX}"
        if not target.is_file():
            return RunOutcome(stem, "failed", f"{target} does not exist: run segment first")
        record = read_record(target)
        if record is None:
            record = new_record("segment", input={"predictions": file_sha256(target)})
        settings = record.get("settings") or {}
        sizes = list(self.sizes)
        cleaned_before = settings.get("postprocessing_sizes") == sizes
        record |= {"settings": {**settings, "postprocessing_sizes": sizes}}
        place = None
        if self.project is not None:
            place = self.project.segmentation(stem, record, probabilities=False)
        written = place is None or place.stands()
        if cleaned_before and written:
            return RunOutcome(stem, "skipped", f"{target} is complete")
        if self.settings.dry_run:
            return RunOutcome(stem, "planned", f"small components of {target}")
        labels = read_labels(target)
        cleaned = without_small_components(labels, self.sizes)
        if place is not None and not written:
            place.check(labels.shape, None, self.reporter)
        if not cleaned_before:
            replace_labels(target, cleaned, record)
        if place is not None and not written:
            place.write(cleaned, None)
        dropped = int((labels != cleaned).sum())
        return RunOutcome(stem, "done", f"{target}: {dropped} voxels became background")


def _tomograms(config: CryosiamConfig) -> dict[str, Path]:
    """Return name without its ending -> path, in the order of the folder or of the list."""
    if not config.data_folder.is_dir():
        msg = f"data_folder {config.data_folder} is no folder (relative to the current folder)"
        raise SettingsError(msg)
    names: Sequence[str] = config.test_files or sorted(
        path.name
        for path in config.data_folder.iterdir()
        if path.is_file() and path.name.endswith(config.file_extension)
    )
    if not names:
        msg = f"data_folder {config.data_folder} has no file that ends with {config.file_extension}"
        raise SettingsError(msg)
    stems = [config.stem(name) for name in names]
    twice = [stem for stem, count in Counter(stems).items() if count > 1]
    if twice:
        msg = f"several files of {config.data_folder} would write {twice[0]}{SUFFIX}"
        raise SettingsError(msg)
    return {stem: config.data_folder / name for stem, name in zip(stems, names, strict=True)}


def _model(settings: CryosiamJob, config: CryosiamConfig, reporter: Reporter) -> LoadedModel:
    path = config.trained_model
    if path is None:
        msg = f"{settings.cryosiam_config}: 'trained_model' is missing"
        raise SettingsError(msg)
    model = (
        load_folder(path)
        if path.is_dir()
        else load_cryosiam_checkpoint(path, objects=None, trust=settings.trust_checkpoint)
    )
    if model.card.home != "cryosiam":
        msg = f"model {path} is none of CryoSiam's (its home is '{model.card.home}')"
        raise SettingsError(msg)
    channels = model.card.parameters["out_channels"]
    network = config.parameters.network
    if network.out_channels != channels:
        reporter.warn(
            f"{settings.cryosiam_config}: out_channels is {network.out_channels}, but the "
            f"checkpoint has {channels}, which counts"
        )
    if network.postprocessing and channels > 1:
        msg = (
            f"{settings.cryosiam_config}: postprocessing cuts out a lamella and needs a model of "
            f"one channel; {path} has {channels}: {choices_text(model.card.channel_names)}"
        )
        raise SettingsError(msg)
    resolve_device(settings.device)
    return model
