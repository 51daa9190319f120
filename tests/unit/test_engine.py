"""The segmentation engine: what it computes, what it holds, what it refuses."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from monai.inferers.utils import sliding_window_inference
from torch import nn

from copick_picker.core.augmentations import AUGMENTATION_SETS, augmentation_set
from copick_picker.core.segment.device import (
    arithmetic,
    available_devices,
    fast_precision,
    prefers_channels_last,
    resolve_device,
)
from copick_picker.core.segment.engine import logit_slabs, segment_slabs, segment_volume
from copick_picker.core.segment.plan import (
    LAYOUTS,
    EngineOptions,
    Member,
    held_planes,
    planned_jobs,
)
from copick_picker.core.segment.volume import VolumeStatistics, volume_statistics
from copick_picker.errors import (
    DataError,
    DeviceMemoryError,
    SettingsError,
    UnknownNameError,
)
from networks import LittleMemory, Pointwise, edge_sensitive

SHAPE = (19, 13, 22)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
OPTIONS = EngineOptions(
    augmentations=augmentation_set("octopi", 1),
    overlap=0.5,
    blending="constant",
    layout="aligned",
    precision="float32",
    device="cpu",
    window_batch=4,
    inverted=False,
)


class Planes:
    """A reader that records what is asked of it."""

    def __init__(self, volume: npt.NDArray[Any]) -> None:
        self.volume = volume
        self.shape = volume.shape
        self.reads: list[tuple[int, int]] = []

    def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
        stop = self.shape[0] if z_stop is None else z_stop
        self.reads.append((z_start, stop))
        return self.volume[z_start:stop]


def noise(shape: tuple[int, ...] = SHAPE, *, seed: int = 4) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = np.random.default_rng(seed).normal(3, 2, shape)
    return values.astype(np.float32)


def thin(**changes: Any) -> Member:
    member = Member(edge_sensitive(), (8, 8, 8), 3, "zero")
    return replace(member, **changes)


def logits_of(
    volume: npt.NDArray[Any] | Planes, members: Sequence[Member], options: EngineOptions = OPTIONS
) -> npt.NDArray[np.float32]:
    pieces = list(logit_slabs(volume, members, options))
    starts = [z_start for z_start, _ in pieces]
    assert starts == list(np.cumsum([0, *(piece.shape[1] for _, piece in pieces[:-1])]))
    whole: npt.NDArray[np.float32] = torch.cat([piece for _, piece in pieces], dim=1).numpy()
    return whole


def gaussian_ball(window: tuple[int, int, int]) -> torch.Tensor:
    """Weights with a standard deviation of an eighth of the window along each axis."""
    axes = [torch.linspace(-4, 4, 2 * side + 1)[1::2] for side in window]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.exp(-(z**2 + y**2 + x**2) / 2)


def monai_logits(
    volume: npt.NDArray[np.float32], members: Sequence[Member], options: EngineOptions
) -> npt.NDArray[np.float32]:
    """Octopi's way: every augmentation of the whole volume through MONAI's sliding windows."""
    values = torch.from_numpy((volume - volume.mean()) / volume.std())[None, None]
    total = torch.zeros(())
    for member in members:
        weights = torch.ones(member.window_voxels)
        if options.blending == "gaussian":
            weights = gaussian_ball(member.window_voxels)
        for augmentation in options.augmentations:
            logits = sliding_window_inference(
                augmentation.apply(values),
                member.window_voxels,
                sw_batch_size=3,
                predictor=member.network,
                overlap=options.overlap,
                roi_weight_map=weights,
            )
            total = total + augmentation.undo(logits)[0]
    mean: npt.NDArray[np.float32] = (total / (len(members) * len(options.augmentations))).numpy()
    return mean


@pytest.mark.parametrize("window", [(8, 8, 8), (6, 8, 10), (8, 30, 8), (40, 16, 30)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.7])
def test_logits_are_those_of_monai(window: tuple[int, int, int], overlap: float) -> None:
    options = replace(OPTIONS, overlap=overlap, augmentations=augmentation_set("octopi", 8))
    members = [thin(window_voxels=window)]
    expected = monai_logits(noise(), members, options)
    np.testing.assert_allclose(logits_of(noise(), members, options), expected, atol=2e-5)


def test_gaussian_blending_is_that_of_monai_with_its_weights() -> None:
    options = replace(OPTIONS, blending="gaussian", augmentations=augmentation_set("octopi", 6))
    members = [thin(window_voxels=(6, 8, 10))]
    expected = monai_logits(noise(), members, options)
    np.testing.assert_allclose(logits_of(noise(), members, options), expected, atol=2e-5)


def test_ensemble_of_unlike_windows_is_the_mean_of_its_members() -> None:
    options = replace(OPTIONS, augmentations=augmentation_set("octopi", 7))
    members = [thin(), thin(network=edge_sensitive(seed=2), window_voxels=(12, 6, 10))]
    apart = [logits_of(noise(), [member], options) for member in members]
    found = logits_of(noise(), members, options)
    np.testing.assert_allclose(found, np.mean(apart, axis=0), atol=1e-6)


def test_quarter_turns_make_the_result_follow_a_turn() -> None:
    options = replace(OPTIONS, augmentations=augmentation_set("quarter-turns", 4), overlap=0.5)
    shape = (9, 16, 24)
    before = logits_of(noise(shape), [thin()], options)
    after = logits_of(np.rot90(noise(shape), axes=(1, 2)).copy(), [thin()], options)
    np.testing.assert_allclose(after, np.rot90(before, axes=(2, 3)), atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_every_layout_gives_back_what_no_window_changes(layout: str, padding: str) -> None:
    options = replace(OPTIONS, layout=layout, augmentations=augmentation_set("octopi", 8))
    member = Member(Pointwise(2), (8, 30, 30), 2, padding)
    values = (noise() - noise().mean()) / noise().std()
    found = logits_of(noise(), [member], options)
    np.testing.assert_allclose(found, np.stack([values, values + 1]), atol=2e-6)


def test_labels_are_the_argmax_of_the_probabilities() -> None:
    result = segment_volume(noise(), [thin()], OPTIONS, probabilities=True)
    assert result.probabilities is not None
    logits = torch.from_numpy(logits_of(noise(), [thin()]))
    shares = torch.softmax(logits, dim=0).numpy()
    assert result.labels.dtype == np.uint8
    assert result.labels.shape == SHAPE
    np.testing.assert_array_equal(result.labels, shares.argmax(axis=0))
    assert result.probabilities.dtype == np.float16
    np.testing.assert_allclose(result.probabilities, shares, atol=5e-4)
    assert segment_volume(noise(), [thin()], OPTIONS, probabilities=False).probabilities is None


def test_equal_probabilities_go_to_the_first_channel() -> None:
    class Level(nn.Module):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return windows.new_zeros(len(windows), 3, *windows.shape[2:])

    member = Member(Level(), (8, 8, 8), 3, "zero")
    assert not segment_volume(noise(), [member], OPTIONS, probabilities=False).labels.any()


def test_inverted_flips_the_contrast() -> None:
    flipped = logits_of(-noise(), [thin()], replace(OPTIONS, inverted=True))
    np.testing.assert_allclose(flipped, logits_of(noise(), [thin()]), atol=1e-5)


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int32, np.float16, np.float64, ">f4"])
def test_any_real_type_is_taken(kind: Any) -> None:
    volume = np.round(10 * noise()).astype(kind)
    expected = logits_of(volume.astype(np.float32), [thin()])
    np.testing.assert_allclose(logits_of(volume, [thin()]), expected, atol=1e-5)


def test_a_scaled_and_shifted_volume_gives_the_same() -> None:
    shifted = noise().astype(np.float64) * 1e-3 + 1e4
    np.testing.assert_allclose(
        logits_of(shifted, [thin()]), logits_of(noise(), [thin()]), atol=1e-4
    )


def test_reading_by_planes_gives_the_same_and_reads_twice_in_order() -> None:
    planes = Planes(noise((61, 9, 12)))
    options = replace(OPTIONS, augmentations=augmentation_set("octopi", 8))
    found = logits_of(planes, [thin()], options)
    np.testing.assert_array_equal(found, logits_of(planes.volume, [thin()], options))
    first, *second = planes.reads
    assert first == (0, 61)
    assert second[0][0] == 0
    assert second[-1][1] == 61
    assert all(stop == start for (_, stop), (start, _) in pairwise(second))


def test_known_statistics_save_a_pass() -> None:
    planes = Planes(noise())
    known = volume_statistics(planes.volume)
    slabs = list(segment_slabs(planes, [thin()], OPTIONS, probabilities=False, statistics=known))
    assert sum(stop - start for start, stop in planes.reads) == SHAPE[0]
    expected = segment_volume(noise(), [thin()], OPTIONS, probabilities=False)
    np.testing.assert_array_equal(np.concatenate([s.labels for s in slabs]), expected.labels)


def test_planes_are_finished_as_the_windows_pass() -> None:
    planes = Planes(noise((96, 9, 12)))
    options = replace(OPTIONS, augmentations=augmentation_set("octopi", 8))
    members = [thin(), thin(window_voxels=(12, 6, 10))]
    known = volume_statistics(planes.volume)
    slabs = segment_slabs(planes, members, options, probabilities=False, statistics=known)
    for slab in slabs:
        assert planes.reads[-1][1] - slab.z_start <= 12 + 12


def test_held_planes_do_not_grow_with_depth() -> None:
    options = replace(OPTIONS, augmentations=augmentation_set("octopi", 8))
    members = [thin(), thin(window_voxels=(12, 6, 10))]
    held = [held_planes(planned_jobs((depth, 9, 12), members, options)) for depth in (96, 192, 960)]
    assert held == [12, 12, 12]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_memory_does_not_grow_with_depth() -> None:
    """Peak memory of a process, for 128 and then for 768 planes of 8 channels."""
    code = """
from pathlib import Path
import numpy as np
from networks import Pointwise
from test_engine import OPTIONS
from copick_picker.core.segment.engine import segment_slabs
from copick_picker.core.segment.plan import Member
from copick_picker.core.segment.volume import VolumeStatistics

class Endless:
    def __init__(self, depth):
        self.shape = (depth, 96, 96)
    def read(self, z_start=0, z_stop=None):
        shape = (z_stop - z_start, 96, 96)
        return np.random.default_rng(z_start).normal(size=shape).astype(np.float32)

def peak(depth):
    member = Member(Pointwise(8), (32, 96, 96), 8, "zero")
    for slab in segment_slabs(
        Endless(depth),
        [member],
        OPTIONS,
        probabilities=True,
        statistics=VolumeStatistics(0.0, 1.0),
    ):
        assert slab.probabilities.shape[0] == 8
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

peak(128)
print(peak(128), peak(768))
"""
    roots = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    code = f"import sys; sys.path[:0] = {roots!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shallow, deep = map(float, done.stdout.split())
    whole_volume_mib = 8 * (768 - 128) * 96 * 96 * 4 / 2**20
    assert deep - shallow < 0.15 * whole_volume_mib


def test_progress_ends_at_the_number_of_windows() -> None:
    seen: list[tuple[int, int]] = []
    segment_volume(
        noise(),
        [thin()],
        OPTIONS,
        probabilities=False,
        progress=lambda done, total: seen.append((done, total)),
    )
    total = len(planned_jobs(SHAPE, [thin()], OPTIONS))
    assert {windows for _, windows in seen} == {total}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (total, total)


def test_window_batch_halves_until_it_fits_and_stays() -> None:
    network = LittleMemory(edge_sensitive(), most=2)
    options = replace(OPTIONS, window_batch=8)
    found = logits_of(noise(), [thin(network=network)], options)
    np.testing.assert_allclose(found, logits_of(noise(), [thin()]), atol=1e-6)
    assert network.batches[:3] == [8, 4, 2]
    assert max(network.batches[3:]) == 2


def test_one_window_too_large_is_said_in_one_line() -> None:
    member = thin(network=LittleMemory(edge_sensitive(), most=0))
    with pytest.raises(DeviceMemoryError, match="too small for one window") as error:
        logits_of(noise(), [member])
    assert "\n" not in str(error.value)


def test_logits_that_do_not_fit_the_memory_are_said_in_one_line() -> None:
    class Vast:
        shape = (64, 2**20, 2**20)

        def read(self, z_start: int = 0, z_stop: int | None = None) -> npt.NDArray[Any]:
            raise AssertionError((z_start, z_stop))

    member = Member(Pointwise(3), (64, 2**20, 2**20), 3, "zero")
    with pytest.raises(DeviceMemoryError, match="64 planes of 1048576 x 1048576 voxels"):
        logit_slabs(Vast(), [member], OPTIONS, statistics=VolumeStatistics(0.0, 1.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_voxel_that_is_not_finite_stops_the_run(bad: float) -> None:
    volume = noise()
    volume[11, 3, 5] = bad
    with pytest.raises(DataError, match="1 voxels in planes 0 to 18 are NaN or infinite"):
        segment_slabs(volume, [thin()], OPTIONS, probabilities=False)
    known = VolumeStatistics(3.0, 2.0)
    with pytest.raises(DataError, match="NaN or infinite"):
        list(segment_slabs(volume, [thin()], OPTIONS, probabilities=False, statistics=known))


@pytest.mark.parametrize("value", [0.0, 0.1, -1e30])
def test_a_constant_volume_stops_the_run(value: float) -> None:
    with pytest.raises(DataError, match="constant"):
        segment_slabs(np.full(SHAPE, value), [thin()], OPTIONS, probabilities=False)


@pytest.mark.parametrize("volume", [np.zeros((3, 4)), np.zeros((0, 4, 5)), np.zeros(SHAPE, bool)])
def test_what_is_no_volume_is_refused(volume: npt.NDArray[Any]) -> None:
    with pytest.raises(DataError, match="expected"):
        segment_slabs(volume, [thin()], OPTIONS, probabilities=False)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (edge_sensitive(5), r"returns \(4, 5, 8, 8, 8\)"),
        (nn.AvgPool3d(2), "expected"),
        (nn.Conv3d(2, 3, 1), "fails on a window of"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 3)), "fails on a window of"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(network: nn.Module, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as error:
        logits_of(noise(), [thin(network=network)])
    assert "\n" not in str(error.value)


def test_a_network_that_returns_nan_is_refused() -> None:
    class Broken(nn.Module):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return torch.cat([windows * torch.nan] * 3, dim=1)

    with pytest.raises(DataError, match="NaN or infinite"):
        segment_volume(noise(), [thin(network=Broken())], OPTIONS, probabilities=False)


@pytest.mark.parametrize(
    "change",
    [
        {"overlap": 1.0},
        {"overlap": -0.1},
        {"blending": "linear"},
        {"layout": "random"},
        {"precision": "float8"},
        {"device": "cuda:99"},
        {"device": "tpu"},
        {"window_batch": 0},
        {"augmentations": ()},
    ],
)
def test_wrong_options_are_refused_before_any_work(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        segment_slabs(noise(), [thin()], replace(OPTIONS, **change), probabilities=False)


def test_members_that_do_not_fit_each_other_are_refused() -> None:
    for members in ([], [thin(), thin(n_channels=4)], [thin(padding="wrap")]):
        with pytest.raises(SettingsError):
            segment_slabs(noise(), members, OPTIONS, probabilities=False)


def test_augmentation_sets_are_counted_and_named() -> None:
    assert len(augmentation_set("octopi", 8)) == 8
    with pytest.raises(SettingsError, match="has 1 to 4"):
        augmentation_set("quarter-turns", 5)
    with pytest.raises(UnknownNameError, match="octopi, quarter-turns"):
        augmentation_set("none", 1)


def test_augmentations_are_octopis() -> None:
    volume = torch.arange(2 * 3 * 4).reshape(2, 3, 4)
    expected = [
        volume,
        torch.rot90(volume, 2, (1, 2)),
        volume.flip(0),
        volume.flip(2),
        volume.flip(1),
        torch.rot90(volume, 1, (1, 2)),
        torch.rot90(volume, 3, (1, 2)),
        volume.flip((0, 1, 2)),
    ]
    for augmentation, result in zip(AUGMENTATION_SETS["octopi"], expected, strict=True):
        assert torch.equal(augmentation.apply(volume), result), augmentation.name
    turns = [torch.rot90(volume, quarter, (1, 2)) for quarter in range(4)]
    for augmentation, result in zip(AUGMENTATION_SETS["quarter-turns"], turns, strict=True):
        assert torch.equal(augmentation.apply(volume), result), augmentation.name


def test_devices() -> None:
    assert available_devices()[-1] == "cpu"
    assert resolve_device("auto").type == available_devices()[0]
    assert prefers_channels_last(torch.device("cuda"))
    assert not prefers_channels_last(torch.device("mps"))
    assert fast_precision(torch.device("cpu")) in ("float32", "bf16")
    with pytest.raises(SettingsError, match="available: auto"):
        resolve_device("cpu:1")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_autocast_stays_near_float32(precision: str) -> None:
    found = logits_of(noise(), [thin()], replace(OPTIONS, precision=precision))
    expected = logits_of(noise(), [thin()])
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.05


@needs_cuda
@pytest.mark.gpu
def test_cuda_float32_equals_cpu() -> None:
    options = replace(OPTIONS, augmentations=augmentation_set("octopi", 8))
    expected = logits_of(noise(), [thin()], options)
    pieces = list(logit_slabs(noise(), [thin()], replace(options, device="cuda")))
    found = torch.cat([piece for _, piece in pieces], dim=1).cpu().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


@needs_cuda
@pytest.mark.gpu
def test_tf32_is_off_within_float32_alone() -> None:
    before = torch.backends.cudnn.allow_tf32
    with arithmetic(torch.device("cuda"), "float32"):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
