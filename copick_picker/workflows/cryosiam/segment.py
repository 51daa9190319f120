"""CryoSiam's YAML files as they are: a folder of MRC files in, its ``_preds.h5`` files out."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.masks.grids import mask_on_grid
from copick_picker.core.segment.cleaning import without_small_components
from copick_picker.core.segment.device import cuda_devices, resolve_device, use_threads
from copick_picker.core.segment.semantic import SemanticPrediction, predict_semantic
from copick_picker.core.segment.wrapped import plain_options
from copick_picker.errors import ConflictError, SettingsError, choices_text
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.provenance import new_record, same_job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.folders.checkpoints import file_sha256
from copick_picker.project.folders.cryosiam_folder import CryosiamFolders
from copick_picker.project.formats.cryosiam_files import read_labels, replace_labels
from copick_picker.project.formats.mrc import read_mrc
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.cryosiam import (
    CLIPPED_DOUBT,
    CryosiamConfig,
    CryosiamJob,
    read_cryosiam_config,
)
from copick_picker.workflows.cryosiam.hand_over import (
    note_of_mask,
    share_words,
    tell_prediction,
)
from copick_picker.workflows.cryosiam.project import (
    CryosiamProject,
    SegmentationPlace,
    class_names,
    open_cryosiam_project,
)
from copick_picker.workflows.models.load import LoadedModel, load_cryosiam_checkpoint, load_folder
from copick_picker.workflows.models.run import window_progress

logger = logging.getLogger(__name__)


@summarised
def cryosiam_segment(settings: CryosiamJob, *, reporter: Reporter) -> Summary:
    """Segment a folder of MRC files as CryoSiam's ``semantic_predict`` does.

    If the YAML has ``postprocessing_sizes``, small components are removed as well
    (``semantic_postprocessing``); with ``postprocess_only`` nothing else is done.

    Parameters
    ----------
    settings : CryosiamJob
        Which YAML file, and how to run it.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the YAML file, the model or a name is wrong, before any tomogram is touched.
    """
    config, folders = read_and_warn(settings, reporter)
    files = folders.tomograms(config.test_files)
    stems = select_runs(list(files), settings.run_names, shard=settings.shard)
    model, names = None, {}
    if not settings.postprocess_only:
        device, doubt = _device(settings, config)
        settings = settings.model_copy(update={"device": device})
        use_threads(settings.threads)
        model = _model(settings, config, reporter)
        names = dict(model.card.channel_names)
        if doubt:
            reporter.note(doubt)
        note_of_mask(config, reporter)
    elif config.parameters.network.postprocessing_sizes is None:
        msg = f"{settings.cryosiam_config} has no parameters.network.postprocessing_sizes"
        raise SettingsError(msg)
    project = open_cryosiam_project(
        settings, config, stems, names or class_names(config), reporter=reporter
    )
    job = _Prediction(settings, config, folders, files, project, reporter)
    work = job.clean if model is None else partial(job.predict, model)
    summary = process_runs("segment", stems, InTurn(work), reporter=reporter)
    tell_prediction(settings, config, summary, reporter)
    return summary


def read_and_warn(
    settings: CryosiamJob, reporter: Reporter
) -> tuple[CryosiamConfig, CryosiamFolders]:
    """Return CryoSiam's settings and folders; warn about keys without effect.

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
    folders = CryosiamFolders(
        data=config.data_folder,
        predictions=config.prediction_folder,
        masks=config.mask_folder,
        ending=config.file_extension,
        has_copies=config.save_original_file_extension,
        overwrite=settings.overwrite,
    )
    return config, folders


@dataclass(frozen=True)
class _Prediction:
    """One YAML file applied to its tomograms."""

    settings: CryosiamJob
    config: CryosiamConfig
    folders: CryosiamFolders
    files: dict[str, Path]
    project: CryosiamProject | None
    reporter: Reporter

    def predict(self, model: LoadedModel, stem: str) -> RunOutcome:
        """Segment one tomogram (``semantic_predict``)."""
        source, target = self.files[stem], self.folders.prediction(stem)
        if not source.is_file():
            return RunOutcome(stem, "failed", f"{source} does not exist")
        record = self._record(stem, model)
        place = self._place(stem, record, probabilities=self.config.save_internal_files)
        written = place is None or place.stands()
        complete = self._complete(stem, record)
        if not complete:
            self.folders.check(stem)
        outputs = str(target) if place is None else f"{target}, {place.key}"
        if complete and written:
            return RunOutcome(stem, "skipped", f"{outputs}: complete")
        if self.settings.dry_run:
            return RunOutcome(stem, "planned", f"{source} -> {outputs}")
        if complete:
            labels, probabilities = self.folders.read(stem)
            if place is not None:
                place.check(labels.shape, None, self.reporter)
        else:
            labels, probabilities = self._predicted(stem, model, record, place)
        if place is not None and not written:
            place.write(labels, probabilities)
        found = np.bincount(labels.ravel(), minlength=1) / labels.size
        shares = {str(label): float(share) for label, share in enumerate(found) if label}
        text = share_words(self.config, shares)
        details = {"input": str(source), "output": outputs, "volume_share": shares}
        return RunOutcome(stem, "done", f"{outputs}: {text}", details)

    def clean(self, stem: str) -> RunOutcome:
        """Remove the small components of one prediction (``semantic_postprocessing``)."""
        target, sizes = self.folders.prediction(stem), self.config.rules().least_sizes or ()
        if not target.is_file():
            return RunOutcome(stem, "failed", f"{target} does not exist: run segment first")
        record = self.folders.record(stem)
        if record is None:
            record = new_record("segment", input={"predictions": file_sha256(target)})
        settings = record.get("settings") or {}
        cleaned_before = settings.get("postprocessing_sizes") == list(sizes)
        record |= {"settings": {**settings, "postprocessing_sizes": list(sizes)}}
        place = self._place(stem, record, probabilities=False)
        written = place is None or place.stands()
        if cleaned_before and written:
            return RunOutcome(stem, "skipped", f"{target} is complete")
        if self.settings.dry_run:
            return RunOutcome(stem, "planned", f"small components of {target}")
        labels, _ = self.folders.read(stem)
        cleaned = without_small_components(labels, sizes)
        if place is not None and not written:
            place.check(labels.shape, None, self.reporter)
        if not cleaned_before:
            replace_labels(target, cleaned, record)
        if place is not None and not written:
            place.write(cleaned, None)
        dropped = int((labels != cleaned).sum())
        return RunOutcome(stem, "done", f"{target}: {dropped} voxels became background")

    def _place(
        self, stem: str, record: Mapping[str, Any], *, probabilities: bool
    ) -> SegmentationPlace | None:
        if self.project is None:
            return None
        return self.project.segmentation(stem, record, probabilities=probabilities)

    def _record(self, stem: str, model: LoadedModel) -> dict[str, Any]:
        mask = self.folders.mask(stem)
        return new_record(
            "segment",
            input={
                "tomogram": file_sha256(self.files[stem]),
                "mask": None if mask is None else file_sha256(mask),
            },
            models=[{"weights_sha256": model.card.weights_sha256}],
            settings=self.config.recorded(),
        )

    def _complete(self, stem: str, record: dict[str, Any]) -> bool:
        target = self.folders.prediction(stem)
        if not target.is_file() or self.settings.overwrite:
            return False
        stored = self.folders.record(stem)
        difference = "it is not ours" if stored is None else same_job(stored, record)
        if difference:
            msg = (
                f"{target} exists and was made with other settings ({difference}); use --overwrite"
            )
            raise ConflictError(msg)
        return True

    def _predicted(
        self,
        stem: str,
        model: LoadedModel,
        record: dict[str, Any],
        place: SegmentationPlace | None,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32] | None]:
        """Predict and write CryoSiam's files; return labels, and probabilities if they are kept."""
        config, (volume, spacing) = self.config, read_mrc(self.files[stem])
        if place is not None:
            place.check(volume.shape, spacing, self.reporter)
        batch = self.settings.window_batch or config.hyper_parameters.batch_size
        made = predict_semantic(
            volume,
            model.member,
            plain_options(device=self.settings.device, window_batch=batch),
            config.rules(),
            is_sigmoid=model.card.parameters["out_channels"] == 1,
            inside=lambda: self._mask(stem, volume.shape),
            probabilities=config.save_internal_files,
            progress=window_progress(self.reporter, stem),
        )
        self._warn(stem, made)
        kept = made.probabilities if config.save_internal_files else None
        self.folders.write(stem, made.labels, kept, record, spacing)
        return made.labels, kept

    def _mask(self, stem: str, shape_zyx: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
        path = self.folders.mask(stem)
        if path is None:
            return None
        values = read_labels(path)
        if values.shape != shape_zyx:
            logger.info("%s: mask of shape %s by nearest voxels", stem, values.shape)
        if not np.isin(values, (0, 1)).all():
            self.reporter.warn(
                f"{stem}: {path} has values other than 0 and 1; all but 0 count as inside"
            )
        return mask_on_grid(values, shape_zyx)

    def _warn(self, stem: str, made: SemanticPrediction) -> None:
        """Warn about what is doubtful in a prediction."""
        data, threshold = self.config.parameters.data, self.config.parameters.network.threshold
        if made.clipped_share > CLIPPED_DOUBT:
            self.reporter.warn(
                f"{stem}: {made.clipped_share:.0%} of the voxels lie outside {data.min:g} to "
                f"{data.max:g} and are clipped; CryoSiam's models expect a denoised tomogram "
                "within these limits"
            )
        if made.planes_without == len(made.labels):
            self.reporter.warn(
                f"{stem}: no smoothed probability is above {threshold:g}: no lamella "
                "(CryoSiam would write a volume of ones)"
            )
        elif made.planes_without:
            logger.info(
                "%s: %d slices without the lamella are background", stem, made.planes_without
            )


def _device(settings: CryosiamJob, config: CryosiamConfig) -> tuple[str, str]:
    """Return the device, the command line's or that of ``gpu_devices``, and what to say of it."""
    wanted, names = config.parameters.gpu_devices, config.parameters.gpu_names()
    if settings.device != "auto" or not names:
        return settings.device, ""
    there = cuda_devices()
    if not set(names) <= set(there):
        have = choices_text(there) if there else "no CUDA GPU"
        device = resolve_device("auto")
        return "auto", f"gpu_devices is {wanted!r}, but this machine has {have}: using {device}"
    more = (
        f"gpu_devices: using only {names[0]}; to use all, start one command each, for "
        f"example with --device {names[-1]} --shard {len(names)}/{len(names)}"
    )
    return names[0], more if len(names) > 1 else ""


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
        msg = f"model {path} is not from CryoSiam (its home is '{model.card.home}')"
        raise SettingsError(msg)
    channels = model.card.parameters["out_channels"]
    network = config.parameters.network
    if network.out_channels != channels:
        reporter.warn(
            f"{settings.cryosiam_config}: out_channels is {network.out_channels}, but the "
            f"checkpoint has {channels}; using the checkpoint's"
        )
    if network.postprocessing and channels > 1:
        msg = (
            f"{settings.cryosiam_config}: postprocessing cuts out a lamella and needs a model of "
            f"one channel; {path} has {channels}: {choices_text(model.card.channel_names)}"
        )
        raise SettingsError(msg)
    resolve_device(settings.device)
    return model
