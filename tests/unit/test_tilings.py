"""Windows that fit the volume: how many, of what size, and under which augmentations."""

import numpy as np
import pytest
import torch

from copick_picker.core.augmentations import augmentation_set
from copick_picker.core.models.multiples import window_multiple
from copick_picker.core.models.registry import build_network
from copick_picker.core.segment.plan import EngineOptions, Job, Member, planned_jobs
from networks import Pointwise

SHAPE = (200, 400, 400)


def jobs_of(layout: str, count: int, shape: tuple[int, int, int] = SHAPE) -> tuple[Job, ...]:
    options = EngineOptions(
        augmentations=augmentation_set("octopi", count),
        overlap=0.0,
        blending="constant",
        layout=layout,
        precision="float32",
        device="cpu",
        window_batch=1,
        inverted=False,
    )
    return planned_jobs(shape, [Member(Pointwise(2), (96, 96, 96), 2, "zero", 4)], options)


def cost(jobs: tuple[Job, ...]) -> float:
    """Return voxels computed a voxel of the volume."""
    return sum(int(np.prod(job.kind[1])) for job in jobs) / int(np.prod(SHAPE))


def seen_under(jobs: tuple[Job, ...], shape: tuple[int, int, int]) -> np.ndarray:
    """Return how many different augmentations see each voxel."""
    names = sorted({job.window.augmentation.name for job in jobs})
    seen = np.zeros((len(names), *shape), dtype=bool)
    for job in jobs:
        seen[names.index(job.window.augmentation.name)][job.window.inner_zyx] = True
    return seen.sum(axis=0)


def test_the_passes_cost_hardly_more_than_the_volume() -> None:
    assert cost(jobs_of("tiled", 4)) < 4.2
    assert cost(jobs_of("interleaved", 4)) < 2.1
    assert len({job.kind for job in jobs_of("tiled", 4)}) == 2


def test_every_voxel_is_seen_under_all_augmentations_or_two() -> None:
    shape = (20, 250, 300)
    assert (seen_under(jobs_of("tiled", 4, shape), shape) == 4).all()
    fewest = seen_under(jobs_of("interleaved", 4, shape), shape)
    assert fewest.min() == 2
    assert {job.window.augmentation.name for job in jobs_of("interleaved", 4, shape)} == {
        "identity",
        "half turn",
        "flip z",
        "flip x",
    }


def test_one_augmentation_takes_one_pass() -> None:
    assert len(jobs_of("interleaved", 1)) == len(jobs_of("tiled", 1)) == 32


@pytest.mark.parametrize("shape", [(7, 400, 31), (1, 1, 1), (97, 101, 103)])
def test_odd_sizes_are_tiled_in_multiples(shape: tuple[int, int, int]) -> None:
    for job in jobs_of("tiled", 4, shape):
        assert all(side % 4 == 0 for side in job.kind[1])


@pytest.mark.parametrize(
    ("architecture", "parameters", "expected"),
    [
        (
            "Unet",
            {"channels": [2, 2, 3], "strides": [2, 2], "num_res_units": 1, "dropout": 0.0},
            4,
        ),
        ("ResidualUNet", {"channels": [2, 3, 3], "dropout": 0.0}, 8),
        (
            "SegResNet",
            {
                "init_filters": 8,
                "act": "relu",
                "norm": "batch",
                "blocks_down": [1, 1, 1],
                "blocks_up": None,
                "dsdepth": 1,
                "upsample_mode": "deconv",
            },
            4,
        ),
    ],
)
def test_networks_take_windows_of_their_multiple(
    architecture: str, parameters: dict[str, object], expected: int
) -> None:
    network = build_network(architecture, parameters, 3).eval()
    multiple = window_multiple(architecture, parameters, network)
    assert multiple == expected
    window = (multiple * 2, multiple * 3, multiple * 5)
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, *window)).shape == (1, 3, *window)
