"""The training of a picker: its validation runs, curve and hard negatives."""

from collections.abc import Sequence
from typing import Any

from copick_picker.core.evaluate.calibration import best_f_beta, macro_f_beta
from copick_picker.core.train.module import PickerModule
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.training_files import BEST_FILE, write_weights
from copick_picker.settings.train import CPU_LOADERS, CURRICULUM_LOADERS, MINED_RUNS
from copick_picker.workflows.train.heat import HEAT_COLUMNS, heat_columns
from copick_picker.workflows.train.running import CurveCallback, run_trainer
from copick_picker.workflows.train.training import PatchBatches, Training

_SHOWN_OBJECTS = 8


class TrainingCallback(CurveCallback):
    """Validates the network on whole runs, and finds hard negatives.

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
        super().__init__(training.folder, training.plan, training.settings, reporter)
        self.training = training
        self.patches = patches

    def take_up(self, module: PickerModule) -> None:
        """Give the hard negatives to the sampler."""
        self.patches.hard_negatives = dict(module.best.get("hard_negatives", {}))

    def judge(self, module: PickerModule, step: int) -> dict[str, Any]:
        """Score the network on the validation runs."""
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

    def columns(self) -> list[str]:
        """Return the columns of the curve."""
        names = [f"f_beta {spec.name}" for spec in self.training.data.objects]
        names += HEAT_COLUMNS if self.training.settings.head == "heatmap" else ()
        kinds = [f"loss {kind}" for kind in self.training.sampling.kinds or ()]
        return [*kinds, "f_beta", *names]

    def facts(self) -> dict[str, Any]:
        """Return the number of hard negatives of each run."""
        mined = {name: len(found) for name, found in self.patches.hard_negatives.items()}
        return {"hard_negatives": mined}


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


def cpu_loaders_of(training: Training) -> int:
    """Return the reader processes beside a training on the CPU.

    Parameters
    ----------
    training : Training
        The training.
    """
    return CPU_LOADERS if training.settings.curriculum is None else CURRICULUM_LOADERS


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
    patches = PatchBatches(training)
    callback = TrainingCallback(training, patches, reporter)
    run_trainer(module, patches, callback, cpu_loaders=cpu_loaders_of(training))
