"""Settings of ``train`` that say how long and how fast it learns, and how it is watched."""

from typing import Annotated, Literal

from pydantic import Field

from copick_picker.settings.job import Count, Parameters
from copick_picker.settings.options import Option

AUGMENTATION_COUNT = 4
"""Test-time augmentations of the finished model."""


class LearningParameters(Parameters):
    """How long and how fast a model learns.

    Attributes
    ----------
    steps : int
        Steps of the optimiser.
    max_minutes : float or None
        Stop after so many minutes of training; the learning rate then falls with the time.
    learning_rate : float
        Highest learning rate of AdamW.
    warmup_share : float
        Share of the steps over which the rate rises.
    weight_decay : float
        Decoupled weight decay.
    average_decay : float
        Decay of the exponential average of the weights, for one step; 0 leaves averaging out.
    gradient_norm : float
        Gradients longer than this are shortened to it.
    accumulate : int
        Batches whose gradients are added up to one step.
    validate_every : int
        Steps between two validations.
    patience : int or None
        Stop after so many validations without a better one; None never stops early.
    beta : float
        F-beta by which the best weights and the thresholds are chosen.
    validation_tta : int
        Test-time augmentations of the validations during training.
    hard_negatives : int
        Most false positives of a training run that are trained on as hard negatives; they are
        looked for after every validation, in 24 runs in turn where there are more. 0: none.
    seed : int
        Seed of weights, patches, augmentations and splits.
    precision : str
        ``float32``, ``bf16``, ``fp16``; ``auto`` takes what the device computes fastest.
    devices : int
        Devices that share the work.
    """

    steps: Annotated[Count, Option("Optimiser steps.", after="backbone_rate")] = 4000
    max_minutes: Annotated[
        float | None,
        Field(gt=0),
        Option("Stop after this many minutes; also schedules the learning rate."),
    ] = None
    learning_rate: Annotated[float, Field(gt=0), Option("Peak learning rate of AdamW.")] = 3e-3
    warmup_share: Annotated[float, Field(ge=0, lt=1), Option("Fraction of steps for warm-up.")] = (
        0.05
    )
    weight_decay: Annotated[float, Field(ge=0), Option("Weight decay of AdamW.")] = 1e-2
    average_decay: Annotated[
        float,
        Field(ge=0, lt=1),
        Option("Decay per step of the moving average of the weights; 0: no average."),
    ] = 0.995
    gradient_norm: Annotated[float, Field(gt=0), Option("Clip gradients to this norm.")] = 5.0
    accumulate: Annotated[Count, Option("Batches per step (gradient accumulation).")] = 1
    validate_every: Annotated[Count, Option("Steps between validations.")] = 250
    patience: Annotated[
        Count | None, Option("Stop after this many validations without improvement.")
    ] = None
    beta: Annotated[
        float,
        Field(gt=0),
        Option("F-beta used to choose weights and thresholds."),
    ] = 1.0
    validation_tta: Annotated[
        int,
        Field(ge=1, le=8),
        Option(
            "Test-time augmentations of validation during training; the final one uses "
            f"{AUGMENTATION_COUNT}."
        ),
    ] = 1
    hard_negatives: Annotated[
        int,
        Field(ge=0),
        Option("Maximum false positives to mine per training run after each validation."),
    ] = 0
    seed: Annotated[int, Field(ge=0, lt=2**31), Option("Random seed.")] = 0
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"],
        Option("Arithmetic precision; auto: the fastest on the device."),
    ] = "auto"
    devices: Annotated[Count, Option("Number of devices to train on.")] = 1
