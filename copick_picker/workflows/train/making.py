"""Assembling a training from its settings, and running it."""

from pathlib import Path

from torch import nn

from copick_picker.core.heads.head import build_head
from copick_picker.core.heads.targets import painted_fraction
from copick_picker.core.models.head_layers import head_parameters
from copick_picker.core.segment.device import resolve_device
from copick_picker.core.train.module import LearningPlan, PickerModule
from copick_picker.core.train.sampling import SamplingRules, check_runs
from copick_picker.core.train.splits import Split
from copick_picker.core.train.starting import StartReport
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.training_files import DONE_FILE, read_json
from copick_picker.settings.train import PEAK_TARGETS, TrainSettings
from copick_picker.workflows.train.curriculum import Curriculum, check_sources
from copick_picker.workflows.train.data import TrainingData
from copick_picker.workflows.train.loop import fit
from copick_picker.workflows.train.running import machine_of, precision_of
from copick_picker.workflows.train.start import NetworkFactory
from copick_picker.workflows.train.training import (
    Training,
    curriculum_readers,
    head_rules,
    training_runs,
)
from copick_picker.workflows.train.validation import Validator


def make_training(
    settings: TrainSettings,
    data: TrainingData,
    split: Split,
    factory: NetworkFactory,
    folder: Path,
    curriculum: Curriculum | None = None,
) -> Training:
    """Return the training of one model, checked as far as possible without training.

    Parameters
    ----------
    settings : TrainSettings
        Settings of the command.
    data : TrainingData
        Objects and annotated runs.
    split : Split
        Training and validation runs.
    factory : NetworkFactory
        Makes the network.
    folder : pathlib.Path
        Where the training's files go.
    curriculum : Curriculum, optional
        Where the patches of each stage come from.

    Raises
    ------
    CopickPickerError
        If a name is unknown, the network cannot be built, a patch is larger than a tomogram, or the
        device does not exist.
    """
    network, _ = factory.network(settings.seed)
    stride = int(getattr(network, "output_stride", 1))
    machine_of(settings, cpu_loaders=0)
    rules = head_rules(settings, data, stride)
    head = build_head(settings.head, rules)
    head.loss()
    start = factory.start_card
    training = Training(
        settings=settings,
        data=data,
        split=split,
        folder=folder,
        architecture=factory.architecture,
        parameters=factory.parameters,
        sampling=SamplingRules(
            factory.patch,
            settings.batch_size,
            settings.particle_share,
            settings.hard_negative_share if settings.hard_negatives else 0.0,
            settings.patch_kinds,
        ),
        head=rules,
        plan=_learning(settings),
        validator=Validator(
            data=data,
            head=settings.head,
            head_settings=head.settings(),
            n_outputs=factory.n_channels,
            window_voxels=factory.patch,
            window_multiple=factory.multiple(network),
            inverted=start is not None and start.contrast != data.contrast,
            target_fraction=painted_fraction(settings.target, settings.target_fraction),
            method="peaks" if settings.target in PEAK_TARGETS else "watershed",
            beta=settings.beta,
            device=str(resolve_device(settings.device)),
            precision=precision_of(settings),
        ),
        curriculum=curriculum,
    )
    if curriculum is not None:
        check_sources(curriculum, training.sampling, curriculum_readers(training))
    check_runs(training_runs(training, training.store(), split.training), training.sampling)
    return training


def run_training(training: Training, factory: NetworkFactory, *, reporter: Reporter) -> None:
    """Train one model to the end, resuming a training that was stopped.

    Parameters
    ----------
    training : Training
        The training; afterwards its folder holds the best weights and ``done.json``.
    factory : NetworkFactory
        Makes the network.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    LossNotFiniteError
        If the loss is NaN or infinite.
    """
    if read_json(training.folder / DONE_FILE) is not None:
        return
    training.folder.mkdir(parents=True, exist_ok=True)
    network, report = factory.network(training.settings.seed)
    learning = _learning(training.settings, _backbone(training.settings, network, report))
    if report is not None:
        reporter.note(f"start from {training.settings.start}: {report.text()}")
    if training.settings.backbone_rate != 1.0:
        reporter.note(_rates_text(learning, network, report))
    head = build_head(training.settings.head, training.head)
    if report is None:
        head.prepare(network)
    module = PickerModule(network, head.loss(), learning, output_stride=training.head.output_stride)
    module.tells_kinds = training.sampling.kinds is not None
    fit(training, module, reporter=reporter)


def _backbone(
    settings: TrainSettings, network: nn.Module, report: StartReport | None
) -> frozenset[str]:
    """Return the names of the weights with a rate of their own."""
    if report is not None:
        return frozenset(report.matched)
    if settings.backbone_rate == 1.0:
        return frozenset()
    names = frozenset(name for name, _ in network.named_parameters())
    return names - head_parameters(network)


def _rates_text(plan: LearningPlan, network: nn.Module, report: StartReport | None) -> str:
    """Return the rates, and how many weights learn at each."""
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    backbone = sum(size for name, size in sizes.items() if name in plan.backbone)
    what = "of the backbone" if report is None else "taken over"
    return (
        f"learning rate {plan.learning_rate * plan.backbone_rate:g} for {backbone:,} weights "
        f"{what}, {plan.learning_rate:g} for the other {sum(sizes.values()) - backbone:,}"
    )


def _learning(settings: TrainSettings, backbone: frozenset[str] = frozenset()) -> LearningPlan:
    return LearningPlan(
        steps=settings.steps,
        seconds=None if settings.max_minutes is None else 60.0 * settings.max_minutes,
        warmup_steps=round(settings.warmup_share * settings.steps),
        learning_rate=settings.learning_rate,
        backbone_rate=settings.backbone_rate,
        backbone=backbone,
        weight_decay=settings.weight_decay,
        average_decay=settings.average_decay,
        seed=settings.seed,
    )
