"""Running a training: Lightning's Trainer with our checkpoints, validation, curve and progress bar.

This module, ``loop`` and ``core.train.module`` are the only ones that import Lightning.
"""

import logging
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader, Dataset

from copick_picker.core.segment.device import cuda_devices, fast_precision, resolve_device
from copick_picker.core.train.module import (
    BatchOrder,
    LearningPlan,
    PickerModule,
    TensorBatch,
    training_progress,
)
from copick_picker.errors import CopickPickerError, SettingsError
from copick_picker.jobs.machine import usable_cores
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.files import replacing
from copick_picker.project.folders.model_places import CURVE_FILE
from copick_picker.project.folders.training_files import (
    DONE_FILE,
    STATE_FILE,
    read_curve,
    write_curve,
    write_json,
)
from copick_picker.settings.train import DEVICE_LOADERS

_PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


class LoopSettings(Protocol):
    """What a training's settings say of how it runs."""

    @property
    def validate_every(self) -> int:
        """Steps between two validations."""
        ...

    @property
    def save_every(self) -> int:
        """Steps between two checkpoints."""
        ...

    @property
    def patience(self) -> int | None:
        """Validations without a better one after which training stops; None: never."""
        ...

    @property
    def accumulate(self) -> int:
        """Batches of a step."""
        ...

    @property
    def gradient_norm(self) -> float:
        """Largest norm of the gradient."""
        ...

    @property
    def device(self) -> str:
        """Name of the device."""
        ...

    @property
    def devices(self) -> int:
        """How many of them."""
        ...

    @property
    def precision(self) -> str:
        """Name of the precision, or auto."""
        ...

    @property
    def loaders(self) -> int | None:
        """Processes that read batches; None: by the device."""
        ...


class CurveCallback(Callback, ABC):
    """Records the curve, has the network judged, and saves checkpoints for resuming.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the training's files.
    plan : LearningPlan
        Steps and time.
    settings : LoopSettings
        How it runs.
    reporter : Reporter
        Receives progress.
    """

    def __init__(
        self, folder: Path, plan: LearningPlan, settings: LoopSettings, reporter: Reporter
    ) -> None:
        self.folder, self.plan, self.settings = folder, plan, settings
        self.reporter = reporter
        self._rows: list[dict[str, str]] = []
        self._seen = 0

    @abstractmethod
    def judge(self, module: PickerModule, step: int) -> dict[str, Any]:
        """Score the network; return ``best`` for the module, and ``columns`` for the curve."""

    @abstractmethod
    def columns(self) -> list[str]:
        """Return the columns of the curve that follow step, loss, rate and seconds."""

    def take_up(self, module: PickerModule) -> None:
        """Take up what the last judgement found; called after it, and when training resumes."""

    def facts(self) -> dict[str, Any]:
        """Return what belongs into ``done.json`` besides step and score."""
        return {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the curve up to the step from which training resumes."""
        self._seen = trainer.global_step
        rows = read_curve(self.folder / CURVE_FILE)
        self._rows = [row for row in rows if int(row["step"]) <= self._seen]
        module = ours(pl_module)
        if self._seen:
            self.take_up(module)
            self.reporter.note(f"resuming from step {self._seen} of {self.plan.steps}")

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
        module, settings, plan = ours(pl_module), self.settings, self.plan
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
        """Have the network judged; return the columns of the curve."""
        found: dict[str, Any] = {}
        if trainer.is_global_zero:
            found = self.judge(module, step)
        found = dict(trainer.strategy.broadcast(found))
        module.best = found["best"]
        self.take_up(module)
        return dict(found["columns"])

    def _is_patience_out(self, module: PickerModule) -> bool:
        patience = self.settings.patience
        return patience is not None and int(module.best["since"]) >= patience

    def _log(self, trainer: Trainer, row: dict[str, str], step: int) -> None:
        if trainer.logger is not None and trainer.is_global_zero:
            values = {name: float(text) for name, text in row.items() if name != "step"}
            trainer.logger.log_metrics(values, step=step)

    def _save(self, trainer: Trainer) -> None:
        """Write the curve, then the checkpoint, complete or not at all."""
        target = self.folder / STATE_FILE
        if not trainer.is_global_zero:
            trainer.save_checkpoint(target)
            return
        write_curve(
            self.folder / CURVE_FILE,
            ["step", "loss", "learning_rate", "seconds", *self.columns()],
            self._rows,
        )
        with replacing(target) as temporary:
            trainer.save_checkpoint(temporary)

    def _finish(self, module: PickerModule, step: int, why: str) -> None:
        write_json(
            self.folder / DONE_FILE,
            {
                "steps": step,
                "stopped_by": why,
                "best_step": module.best["step"],
                "best_score": module.best["score"],
                **self.facts(),
            },
        )


class ProgressBar(Callback):
    """A progress bar on standard error, if that is a terminal.

    It fills with the steps, or with the time where that runs out first.
    """

    def __init__(self, plan: LearningPlan) -> None:
        self.plan = plan
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Show the bar."""
        if not (sys.stderr.isatty() and trainer.is_global_zero):
            return
        self._bar = Progress(
            TextColumn("step {task.fields[step]} of {task.fields[steps]}"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.add_task("", total=1.0, step=trainer.global_step, steps=self._steps_text())
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
            module, step = ours(pl_module), trainer.global_step
            self._bar.update(
                self._bar.task_ids[0],
                completed=training_progress(step, module.seconds, self.plan),
                step=step,
                description=f"loss {module.last_loss:.3f}",
            )

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

    def _steps_text(self) -> str:
        seconds = self.plan.seconds
        limit = "" if seconds is None else f" or {seconds / 60:g} minutes"
        return f"{self.plan.steps}{limit}"

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


def machine_of(settings: LoopSettings, *, cpu_loaders: int) -> Machine:
    """Return device and precision of a training.

    Parameters
    ----------
    settings : LoopSettings
        ``device``, ``devices``, ``precision``, ``loaders``.
    cpu_loaders : int
        Reader processes beside a training on the CPU, where ``loaders`` does not say.

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
            msg = f"--devices {settings.devices} uses the first devices; use --device cuda"
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
        loaders = cpu_loaders if on_cpu else min(DEVICE_LOADERS, max(1, usable_cores() - 1))
    strategy = "ddp_spawn" if settings.devices > 1 else "auto"
    return Machine(kind, devices, strategy, _PRECISIONS[precision], loaders, settings.devices > 1)


def precision_of(settings: LoopSettings) -> str:
    """Return the precision that ``precision: auto`` resolves to on the device.

    Parameters
    ----------
    settings : LoopSettings
        ``device`` and ``precision``.
    """
    if settings.precision != "auto":
        return settings.precision
    return fast_precision(resolve_device(settings.device))


def run_trainer(
    module: PickerModule,
    batches: Dataset[TensorBatch],
    callback: CurveCallback,
    *,
    cpu_loaders: int,
) -> None:
    """Train to the end; resume a training that was stopped.

    Parameters
    ----------
    module : PickerModule
        The network with its initial weights.
    batches : torch.utils.data.Dataset
        Batches by number.
    callback : CurveCallback
        Judges the network; its folder afterwards holds the best weights, the curve and
        ``done.json``.
    cpu_loaders : int
        Reader processes beside a training on the CPU, where the settings do not say.

    Raises
    ------
    LossNotFiniteError
        If the loss is NaN or infinite; the last checkpoint is kept.
    CopickPickerError
        If the data or the device fail.
    """
    settings, folder, plan = callback.settings, callback.folder, callback.plan
    machine = machine_of(settings, cpu_loaders=cpu_loaders)
    order = BatchOrder(settings.validate_every * settings.accumulate, settings.accumulate)
    loader: DataLoader[TensorBatch] = DataLoader(
        batches,
        batch_size=None,
        sampler=order,
        num_workers=machine.loaders,
        multiprocessing_context="spawn" if machine.loaders else None,
        pin_memory=machine.accelerator == "gpu",
    )
    state = folder / STATE_FILE
    with _quiet():
        trainer = Trainer(
            accelerator=machine.accelerator,
            devices=machine.devices,
            strategy=machine.strategy,
            precision=machine.precision,  # type: ignore[arg-type]
            max_steps=plan.steps,
            max_epochs=-1,
            accumulate_grad_batches=settings.accumulate,
            gradient_clip_val=settings.gradient_norm,
            callbacks=[
                callback,
                ProgressBar(plan),
            ],
            logger=_logger(folder),
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            sync_batchnorm=machine.is_shared and machine.accelerator == "gpu",
            default_root_dir=folder,
        )
        order.trainer = trainer
        path = state if state.is_file() else None
        try:
            trainer.fit(module, loader, ckpt_path=path, weights_only=True)
        except SystemExit as stop:  # Lightning turns an interrupt into an exit
            raise KeyboardInterrupt from stop


def _logger(folder: Path) -> TensorBoardLogger:
    rows = read_curve(folder / CURVE_FILE)
    done = int(rows[-1]["step"]) if rows else 0
    return TensorBoardLogger(
        folder, name="tensorboard", version="", purge_step=done + 1 if done else None
    )


def ours(module: LightningModule) -> PickerModule:
    """Return the module of a training as what it is."""
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
