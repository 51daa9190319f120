"""Octopi's targets, training, segmentation and localization, under a Python that has octopi.

Usage: python octopi_train.py JOB.json, with the keys
    stage               train, or use: segment and localize the test runs
    train, test         copick configurations
    runs, validation    names of runs of ``train``
    tomogram            type@spacing
    picks               [user, session] of the reference picks
    output              folder for the model
    seconds             wall time of the training; its schedule is fitted to it
    window, channels    of its network (octopi's defaults: 96 and 32, 64, 96, 96)
    batch_size, threads, seed, result

Octopi asks for a GPU: its check is answered here, from outside and in memory alone. All else is
octopi's own, with the defaults of its command line: targets of 0.7 radii, Tversky loss with alpha
0.3, AdamW at 1e-3 falling along a cosine, averaged weights, the best of them by average F1 of the
voxels, four augmentations, watershed. Its schedule needs a number of epochs: a few steps and a
validation are run for their time, from which the number follows that fits, and are then forgotten;
they are not counted.
"""

import json
import random
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

TARGETS = ("targets", "octopi", "1")
TARGET_RADII = 0.7
VAL_INTERVAL = 10
LEAST_VALIDATIONS = 4
TIMED_RUNS = 2
ROUNDING = 1.05
"""Share of its time that whole epochs may take."""
OVERTIME = 1.1
"""Share of its time after which a training is stopped that takes longer than was foreseen."""


class Watch:
    """Times octopi's trainer from outside, and stops it when its time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.stop = threading.Event()
        self.times: dict[str, list[float]] = {"train_update": [], "validate_update": []}
        self.trainer: Any = None

    def train(self, job: dict[str, Any], folder: Path, *, epochs: int, val_interval: int) -> float:
        """Run octopi's training; return its wall seconds, without what loads the volumes."""
        from octopi.entry_points.run_train import get_model_config, train_model
        from octopi.pytorch.trainer import ModelTrainer

        originals = {name: getattr(ModelTrainer, name) for name in ("__init__", *self.times)}
        watch = self

        def started(trainer: Any, *arguments: Any, **named: Any) -> None:
            originals["__init__"](trainer, *arguments, **named)
            trainer.walltime_event = watch.stop
            watch.trainer = trainer

        ModelTrainer.__init__ = started
        for name in self.times:
            setattr(ModelTrainer, name, self._timed(name, originals[name]))
        try:
            train_model(
                copick_config_path=job["train"],
                target_info=TARGETS,
                tomo_uris=[job["tomogram"]],
                trainRunIDs=job["runs"],
                validateRunIDs=job["validation"],
                model_config=get_model_config(job["channels"], [2, 2, 1], 1, job["window"]),
                output=str(folder),
                batch_size=job["batch_size"],
                tversky_alpha=0.3,
                num_epochs=epochs,
                val_interval=val_interval,
            )
        finally:
            for name, original in originals.items():
                setattr(ModelTrainer, name, original)
        return time.perf_counter() - self.began

    def _timed(self, name: str, original: Any) -> Any:
        def call(trainer: Any) -> Any:
            began = time.perf_counter()
            if not self.times["train_update"] and name == "train_update":
                self.began = began
                clock = threading.Timer(self.seconds, self.stop.set)
                clock.daemon = True
                clock.start()
            try:
                return original(trainer)
            finally:
                self.times[name].append(time.perf_counter() - began)

        return call

    def mean(self, name: str) -> float:
        return float(np.mean(self.times[name] or [0.0]))


def schedule(seconds: float, epoch: float, validation: float) -> tuple[int, int]:
    """Return epochs that fit the time, and after how many of them octopi validates.

    Octopi's interval is 10 epochs; where there are too few of them for that, it is shortened.
    Epochs are whole, so that they may take a little longer.
    """
    seconds *= ROUNDING
    epochs = max(1, int(seconds / max(epoch, 1e-3)))
    for _ in range(20):
        interval = min(VAL_INTERVAL, max(1, epochs // LEAST_VALIDATIONS))
        n_validations = -(-epochs // interval)
        if epochs == 1 or epochs * epoch + n_validations * validation <= seconds:
            break
        epochs = max(1, min(epochs - 1, int((seconds - n_validations * validation) / epoch)))
    return epochs, min(VAL_INTERVAL, max(1, epochs // LEAST_VALIDATIONS))


def seeded(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (what octopi draws from)
    torch.manual_seed(seed)


def train(job: dict[str, Any]) -> dict[str, Any]:
    from monai.utils import set_determinism
    from octopi.entry_points.run_create_targets import create_all_train_targets

    name, spacing = job["tomogram"].split("@")
    user, session = job["picks"]
    folder = Path(job["output"])
    create_all_train_targets(
        job["train"],
        session,
        user,
        float(spacing),
        TARGET_RADII,
        name,
        *TARGETS,
        [*job["runs"], *job["validation"]],
    )
    seeded(job["seed"])
    trial = Watch(1e6)
    few = job | {"runs": job["runs"][:TIMED_RUNS], "validation": job["validation"][:1]}
    trial.train(few, folder / "timing", epochs=1, val_interval=1)
    epoch = trial.mean("train_update") * len(job["runs"]) / len(few["runs"])
    validation = trial.mean("validate_update") * len(job["validation"])
    epochs, interval = schedule(job["seconds"], epoch, validation)
    print(f"{epochs} epochs of {epoch:.1f} s, validations of {validation:.1f} s", flush=True)
    seeded(job["seed"])
    set_determinism(job["seed"])
    watch = Watch(OVERTIME * job["seconds"])
    seconds = watch.train(job, folder / "model", epochs=epochs, val_interval=interval)
    trainer = watch.trainer
    if not (folder / "model" / "best_model.pth").exists():  # stopped before any validation
        with trainer.ema_handler.average_parameters():
            trainer.save_model(str(folder / "model"))
    results = trainer.results
    done = np.cumsum(watch.times["train_update"])
    return {
        "version": version("octopi"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch_size": job["batch_size"],
        "epochs_planned": epochs,
        "epochs": len(results["loss"]),
        "steps": len(results["loss"]) * len(job["runs"]),
        "val_interval": interval,
        "epoch_seconds": watch.mean("train_update"),
        "validation_seconds": watch.mean("validate_update"),
        "train_seconds": seconds,
        "best_voxel_f1": float(results["best_metric"]),
        "losses": [
            [round(float(second), 1), round(float(loss), 4)]
            for second, (_, loss) in zip(done, results["loss"], strict=False)
        ],
        "voxel_f1": [[int(number), round(float(f1), 4)] for number, f1 in results["avg_f1"]],
    }


def use(job: dict[str, Any]) -> dict[str, Any]:
    """Segment and localize the test runs."""
    from octopi.pytorch.inference import Predictor
    from octopi.workflows import localize

    name, spacing = job["tomogram"].split("@")
    model = Path(job["output"]) / "model"
    config, weights = str(model / "model_config.yaml"), str(model / "best_model.pth")
    began = time.perf_counter()
    predictor = Predictor(job["test"], config, weights, device=torch.device("cpu"))
    predictor.batch_predict(voxel_spacing=float(spacing), tomo_algorithm=name)
    segmented = time.perf_counter()
    localize(
        job["test"],
        float(spacing),
        ("predict", "octopi", "1"),
        "octopi",
        "1",
        n_procs=1,
        radius_min_scale=0.5,
    )
    return {
        "segment_seconds": segmented - began,
        "localize_seconds": time.perf_counter() - segmented,
    }


def main(job_file: str) -> None:
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    torch.cuda.device_count = lambda: 1
    result = {"train": train, "use": use}[job["stage"]](job)
    Path(job["result"]).write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
