"""The training loop: Lightning's Trainer with our checkpoints, validation, curve and progress bar.

This module and ``core.train.module`` are the only ones that import Lightning.
"""

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader

from copick_picker.core.evaluate.calibration import best_f_beta, macro_f_beta
from copick_picker.core.segment.device import cuda_devices, fast_precision, resolve_device
from copick_picker.core.train.module import BatchOrder, PickerModule, TensorBatch
from copick_picker.errors import CopickPickerError, SettingsError
from copick_picker.jobs.machine import usable_cores
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.files import replacing
from copick_picker.project.folders.model_places import CURVE_FILE
from copick_picker.project.folders.training_files import (
    BEST_FILE,
    DONE_FILE,
    STATE_FILE,
    read_curve,
    write_curve,
    write_json,
    write_weights,
)
from copick_picker.settings.train import (
    CPU_LOADERS,
    CURRICULUM_LOADERS,
    DEVICE_LOADERS,
    MINED_RUNS,
    TrainSettings,
)
from copick_picker.workflows.train.heat import HEAT_COLUMNS, heat_columns
from copick_picker.workflows.train.training import PatchBatches, Training

_PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_SHOWN_OBJECTS = 8


class TrainingCallback(Callback):
    """Records the curve, validates the network, and saves checkpoints for resuming.

    Parameters
    ----------
    training : Training
        The training.
    patches : PatchBatches
        Receives the hard negatives.
    reporter : Reporter
        Receives progress.
    """

    def __init__(self, training: Training, patches: PatchBatches, reporter: Reporter) -> None:
        self.training = training
        self.patches = patches
        self.reporter = reporter
        self._rows: list[dict[str, str]] = []
        self._seen = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the curve up to the step from which training resumes."""
        self._seen = trainer.global_step
        rows = read_curve(self.training.folder / CURVE_FILE)
        self._rows = [row for row in rows if int(row["step"]) <= self._seen]
        module = _ours(pl_module)
        if self._seen:
            self.patches.hard_negatives = dict(module.best.get("hard_negatives", {}))
            self.reporter.note(f"goes on from step {self._seen} of {self.training.plan.steps}")

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401, ARG002 (Lightning's signature)
        batch: TensorBatch,  # noqa: ARG002 (Lightning's signature)
        batch_idx: int,  # noqa: ARG002 (Lightning's signature)
    ) -> None:
        """Add the loss of a step to the curve; validate and save a checkpoint when due."""
        step = trainer.global_step
        if step == self._seen:
            return
        self._seen = step
        module, settings, plan = _ours(pl_module), self.training.settings, self.training.plan
        row = {
            "step": str(step),
            "loss": repr(module.step_loss()),
            "learning_rate": repr(float(trainer.optimizers[0].param_groups[0]["lr"])),
            "seconds": f"{module.seconds:.1f}",
        }
        row |= {f"loss {kind}": repr(loss) for kind, loss in module.kind_losses().items()}
        over = plan.seconds is not None and module.seconds >= plan.seconds
        over = bool(trainer.strategy.broadcast(over))
        is_last = over or step >= plan.steps
        judged = is_last or step % settings.validate_every == 0
        if judged:
            row |= self._validated(trainer, module, step)
            is_last = is_last or self._is_patience_out(module)
        self._rows.append(row)
        self._log(trainer, row, step)
        if judged or step % settings.save_every == 0:
            self._save(trainer)
        if is_last:
            trainer.should_stop = True
            if trainer.is_global_zero:
                why = "time" if over else "steps" if step >= plan.steps else "patience"
                self._finish(module, step, why)

    def _validated(self, trainer: Trainer, module: PickerModule, step: int) -> dict[str, str]:
        """Score the network on the validation runs; return the columns of the curve."""
        found: dict[str, Any] = {}
        if trainer.is_global_zero:
            found = self._scores(module, step)
        found = dict(trainer.strategy.broadcast(found))
        module.best = found["best"]
        self.patches.hard_negatives = dict(module.best.get("hard_negatives", {}))
        return dict(found["columns"])

    def _scores(self, module: PickerModule, step: int) -> dict[str, Any]:
        training, settings = self.training, self.training.settings
        network, store = module.averaged_network(), training.store()
        picks = training.validator.picks(
            [network], store, training.split.validation, n_augmentations=settings.validation_tta
        )
        evaluation = training.validator.evaluation(picks)
        score, by_object = macro_f_beta(evaluation), best_f_beta(evaluation)
        best = dict(module.best)
        before = best.get("score", -1.0)
        since = 0 if score > before else best["since"] + 1
        if score >= before:  # of equal scores the last, trained for longest
            best |= {"score": score, "step": step, "by_object": by_object}
            write_weights(training.folder / BEST_FILE, network.state_dict())
        best["since"] = since
        if settings.hard_negatives and step < training.plan.steps:
            mined = training.validator.picks(
                [network],
                store,
                mined_runs(training.split.training, best.get("mined", 0)),
                n_augmentations=settings.validation_tta,
            )
            found = training.validator.false_positives(mined, most=settings.hard_negatives)
            best["hard_negatives"] = {**best.get("hard_negatives", {}), **found}
            best["mined"] = best.get("mined", 0) + 1
        shown = list(by_object.items())[:_SHOWN_OBJECTS]
        details = ", ".join(f"{name} {value:.2f}" for name, value in shown)
        self.reporter.note(
            f"step {step} of {training.plan.steps}: loss {module.recent_loss():.3f}, "
            f"F{settings.beta:g} of picks {score:.3f} ({details}), {module.seconds / 60:.1f} min"
        )
        columns = {"f_beta": repr(score)}
        columns |= {f"f_beta {name}": repr(value) for name, value in by_object.items()}
        if settings.head == "heatmap":
            columns |= heat_columns(training, network)
        return {"best": best, "columns": columns}

    def _is_patience_out(self, module: PickerModule) -> bool:
        patience = self.training.settings.patience
        return patience is not None and int(module.best["since"]) >= patience

    def _log(self, trainer: Trainer, row: dict[str, str], step: int) -> None:
        if trainer.logger is not None and trainer.is_global_zero:
            values = {name: float(text) for name, text in row.items() if name != "step"}
            trainer.logger.log_metrics(values, step=step)

    def _save(self, trainer: Trainer) -> None:
        """Write the curve, then the checkpoint, complete or not at all."""
        target = self.training.folder / STATE_FILE
        if not trainer.is_global_zero:
            trainer.save_checkpoint(target)
            return
        write_curve(self.training.folder / CURVE_FILE, self._columns(), self._rows)
        with replacing(target) as temporary:
            trainer.save_checkpoint(temporary)

    def _columns(self) -> list[str]:
        names = [f"f_beta {spec.name}" for spec in self.training.data.objects]
        names += HEAT_COLUMNS if self.training.settings.head == "heatmap" else ()
        kinds = [f"loss {kind}" for kind in self.training.sampling.kinds or ()]
        return ["step", "loss", "learning_rate", "seconds", *kinds, "f_beta", *names]

    def _finish(self, module: PickerModule, step: int, why: str) -> None:
        mined = {name: len(found) for name, found in self.patches.hard_negatives.items()}
        write_json(
            self.training.folder / DONE_FILE,
            {
                "steps": step,
                "stopped_by": why,
                "best_step": module.best["step"],
                "best_score": module.best["score"],
                "hard_negatives": mined,
            },
        )


def mined_runs(run_names: Sequence[str], number: int) -> list[str]:
    """Return the runs whose false positives are looked for after a validation.

    Parameters
    ----------
    run_names : sequence of str
        The training runs.
    number : int
        Times that they were looked for already.

    Returns
    -------
    list of str
        All, or of many runs those that follow the ones of the time before.
    """
    if len(run_names) <= MINED_RUNS:
        return list(run_names)
    first = number * MINED_RUNS
    return [run_names[place % len(run_names)] for place in range(first, first + MINED_RUNS)]


class ProgressBar(Callback):
    """A progress bar on standard error, if that is a terminal."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Show the bar."""
        if not (sys.stderr.isatty() and trainer.is_global_zero):
            return
        self._bar = Progress(
            TextColumn("step {task.completed} of {task.total}"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.add_task("", total=self.steps, completed=trainer.global_step)
        self._bar.start()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401, ARG002 (Lightning's signature)
        batch: TensorBatch,  # noqa: ARG002 (Lightning's signature)
        batch_idx: int,  # noqa: ARG002 (Lightning's signature)
    ) -> None:
        """Advance the bar."""
        if self._bar is not None:
            text = f"loss {_ours(pl_module).last_loss:.3f}"
            self._bar.update(self._bar.task_ids[0], completed=trainer.global_step, description=text)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Remove the bar."""
        self._stop()

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002 (Lightning's signature)
        pl_module: LightningModule,  # noqa: ARG002 (Lightning's signature)
        exception: BaseException,  # noqa: ARG002 (Lightning's signature)
    ) -> None:
        """Remove the bar."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@dataclass(frozen=True)
class Machine:
    """Device and precision of a training, as arguments of Lightning."""

    accelerator: str
    devices: Any
    strategy: str
    precision: str
    loaders: int
    is_shared: bool


def machine_of(settings: TrainSettings) -> Machine:
    """Return device and precision of a training.

    Parameters
    ----------
    settings : TrainSettings
        ``device``, ``devices``, ``precision``, ``loaders``.

    Raises
    ------
    SettingsError
        If there are too few devices, or the device does not support the precision.
    """
    device = resolve_device(settings.device)
    kind = {"cuda": "gpu"}.get(device.type, device.type)
    if device.type == "cuda" and settings.devices > len(cuda_devices()):
        msg = f"--devices {settings.devices}: there are {len(cuda_devices())} CUDA devices here"
        raise SettingsError(msg)
    if device.type == "mps" and settings.devices > 1:
        msg = "--devices: there is one mps device"
        raise SettingsError(msg)
    if device.type == "cuda" and device.index is not None:
        if settings.devices > 1:
            msg = f"--devices {settings.devices} takes the first devices; give --device cuda"
            raise SettingsError(msg)
        devices: Any = [device.index]
    else:
        devices = settings.devices
    precision = precision_of(settings)
    if precision == "fp16" and device.type == "cpu":
        msg = "--precision fp16: a CPU trains in float32 or bf16"
        raise SettingsError(msg)
    loaders = settings.loaders
    if loaders is None:
        on_cpu = device.type == "cpu"
        few = CPU_LOADERS if settings.curriculum is None else CURRICULUM_LOADERS
        loaders = few if on_cpu else min(DEVICE_LOADERS, max(1, usable_cores() - 1))
    strategy = "ddp_spawn" if settings.devices > 1 else "auto"
    return Machine(kind, devices, strategy, _PRECISIONS[precision], loaders, settings.devices > 1)


def precision_of(settings: TrainSettings) -> str:
    """Return the precision that ``precision: auto`` resolves to on the device.

    Parameters
    ----------
    settings : TrainSettings
        ``device`` and ``precision``.
    """
    if settings.precision != "auto":
        return settings.precision
    return fast_precision(resolve_device(settings.device))


def fit(training: Training, module: PickerModule, *, reporter: Reporter) -> None:
    """Train to the end; resume a training that was stopped.

    Parameters
    ----------
    training : Training
        The training; afterwards its folder holds the best weights, the curve and ``done.json``.
    module : PickerModule
        The network with its initial weights.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    LossNotFiniteError
        If the loss is NaN or infinite; the last checkpoint is kept.
    CopickPickerError
        If the project or the device fails.
    """
    settings, machine = training.settings, machine_of(training.settings)
    patches = PatchBatches(training)
    order = BatchOrder(settings.validate_every * settings.accumulate, settings.accumulate)
    loader: DataLoader[TensorBatch] = DataLoader(
        patches,
        batch_size=None,
        sampler=order,
        num_workers=machine.loaders,
        multiprocessing_context="spawn" if machine.loaders else None,
        pin_memory=machine.accelerator == "gpu",
    )
    state = training.folder / STATE_FILE
    with _quiet():
        trainer = Trainer(
            accelerator=machine.accelerator,
            devices=machine.devices,
            strategy=machine.strategy,
            precision=machine.precision,  # type: ignore[arg-type]
            max_steps=training.plan.steps,
            max_epochs=-1,
            accumulate_grad_batches=settings.accumulate,
            gradient_clip_val=settings.gradient_norm,
            callbacks=[
                TrainingCallback(training, patches, reporter),
                ProgressBar(training.plan.steps),
            ],
            logger=_logger(training),
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            sync_batchnorm=machine.is_shared and machine.accelerator == "gpu",
            default_root_dir=training.folder,
        )
        order.trainer = trainer
        path = state if state.is_file() else None
        try:
            trainer.fit(module, loader, ckpt_path=path, weights_only=True)
        except SystemExit as stop:  # Lightning turns an interrupt into an exit
            raise KeyboardInterrupt from stop


def _logger(training: Training) -> TensorBoardLogger:
    rows = read_curve(training.folder / CURVE_FILE)
    done = int(rows[-1]["step"]) if rows else 0
    return TensorBoardLogger(
        training.folder, name="tensorboard", version="", purge_step=done + 1 if done else None
    )


def _ours(module: LightningModule) -> PickerModule:
    if not isinstance(module, PickerModule):
        msg = f"got a {type(module).__name__}"
        raise CopickPickerError(msg)
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's messages off the terminal."""
    names = ("lightning.pytorch", "lightning.fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    threads = torch.get_num_threads()
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*ended before the epoch ended.*")
            yield
    finally:
        torch.set_num_threads(threads)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
