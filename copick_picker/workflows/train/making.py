"""A training put together from its settings, and carried out."""

from pathlib import Path

from copick_picker.core.heads.head import build_head
from copick_picker.core.heads.targets import painted_fraction
from copick_picker.core.segment.device import resolve_device
from copick_picker.core.train.module import LearningPlan, PickerModule
from copick_picker.core.train.sampling import SamplingRules, check_runs
from copick_picker.core.train.splits import Split
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.training_files import DONE_FILE, read_json
from copick_picker.settings.train import PEAK_TARGETS, TrainSettings
from copick_picker.workflows.train.course import Course, head_rules, training_runs
from copick_picker.workflows.train.data import TrainingData
from copick_picker.workflows.train.loop import fit, machine_of, precision_of
from copick_picker.workflows.train.start import Blueprint
from copick_picker.workflows.train.validation import Judge


def make_course(
    settings: TrainSettings, data: TrainingData, split: Split, plan: Blueprint, folder: Path
) -> Course:
    """Return the course of one model, checked as far as can be without training.

    Parameters
    ----------
    settings : TrainSettings
        What the user wants.
    data : TrainingData
        Objects and annotated runs.
    split : Split
        Runs that are trained on and runs that judge.
    plan : Blueprint
        How the network is made.
    folder : pathlib.Path
        Where the training's files go.

    Raises
    ------
    CopickPickerError
        If a name is unknown, the network cannot be built, a patch is larger than a tomogram, or
        the device is not there.
    """
    network, _ = plan.network(settings.seed)
    stride = int(getattr(network, "output_stride", 1))
    machine_of(settings)
    rules = head_rules(settings, data, stride)
    build_head(settings.head, rules).loss()
    start = plan.start_card
    course = Course(
        settings=settings,
        data=data,
        split=split,
        folder=folder,
        architecture=plan.architecture,
        parameters=plan.parameters,
        sampling=SamplingRules(
            plan.patch,
            settings.batch_size,
            settings.particle_share,
            settings.hard_negative_share if settings.hard_negatives else 0.0,
        ),
        head=rules,
        plan=_learning(settings),
        judge=Judge(
            data=data,
            window_voxels=plan.patch,
            window_multiple=plan.multiple(network),
            inverted=start is not None and start.contrast != data.contrast,
            target_fraction=painted_fraction(settings.target, settings.target_fraction),
            method="peaks" if settings.target in PEAK_TARGETS else "watershed",
            beta=settings.beta,
            device=str(resolve_device(settings.device)),
            precision=precision_of(settings),
        ),
    )
    check_runs(training_runs(course, course.store()), course.sampling)
    return course


def train_course(course: Course, plan: Blueprint, *, reporter: Reporter) -> None:
    """Train one model to its end, or go on where it was stopped.

    Parameters
    ----------
    course : Course
        What is trained; its folder then holds the best weights and ``done.json``.
    plan : Blueprint
        How the network is made.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    LossNotFiniteError
        If the loss is no number.
    """
    if read_json(course.folder / DONE_FILE) is not None:
        return
    course.folder.mkdir(parents=True, exist_ok=True)
    network, report = plan.network(course.settings.seed)
    learning = course.plan
    if report is not None:
        reporter.note(f"start from {course.settings.start}: {report.text()}")
        learning = _learning(course.settings, frozenset(report.matched))
    head = build_head(course.settings.head, course.head)
    module = PickerModule(network, head.loss(), learning, output_stride=course.head.output_stride)
    fit(course, module, reporter=reporter)


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
