"""What lets segment work in flat memory: tiles of sums, layers of chunks, figures by blocks."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from copick_picker.core.augmentations import augmentation_set
from copick_picker.core.segment.accumulator import tile_plan
from copick_picker.core.segment.engine import segment_slabs, segment_volume, sums_bytes
from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.core.segment.moments import Moments, moments_of
from copick_picker.core.segment.plan import EngineOptions, Member, planned_jobs
from copick_picker.core.segment.results import Stream
from copick_picker.core.segment.volume import LayeredReader, layer_planes, volume_statistics
from copick_picker.errors import DataError
from networks import LittleMemory, edge_sensitive

SHAPE = (21, 34, 26)
OPTIONS = EngineOptions(
    augmentations=augmentation_set("octopi", 4),
    overlap=0.5,
    blending="constant",
    layout="aligned",
    precision="float32",
    device="cpu",
    window_batch=2,
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
        return self.volume[z_start:stop].copy()


class Counting(torch.nn.Module):
    """Counts the windows that it sees."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seen: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "Counting":
        return self

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(windows))
        result: torch.Tensor = self.network(windows)
        return result


def noise(shape: tuple[int, ...] = SHAPE, *, seed: int = 3) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = np.random.default_rng(seed).normal(3, 2, shape)
    return values.astype(np.float32)


def member(**changes: Any) -> Member:
    return replace(Member(edge_sensitive(), (8, 8, 8), 3, "zero"), **changes)


def plan_of(depth: int, options: EngineOptions) -> int:
    jobs = planned_jobs((depth, 64, 40), [member()], options)
    return tile_plan((depth, 64, 40), [job.window.spans_zyx for job in jobs]).most_tiles()


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_as_many_tiles_are_held_whatever_the_depth(overlap: float) -> None:
    options = replace(OPTIONS, overlap=overlap, augmentations=augmentation_set("octopi", 1))
    step = int(8 * (1 - overlap))
    held = [plan_of(8 + levels * step, options) for levels in (4, 9, 50)]
    assert held[0] == held[1] == held[2]


def test_only_what_later_windows_touch_is_held() -> None:
    """Windows side by side: of a whole level no tile is held, of overlapping ones the overlap."""
    single = replace(OPTIONS, augmentations=augmentation_set("octopi", 1))
    apart, half = (plan_of(64, replace(single, overlap=overlap)) for overlap in (0.0, 0.5))
    tiles_of_level = 8 * 32
    assert apart <= tiles_of_level / 4
    assert half <= tiles_of_level * 0.75


def test_float16_sums_take_half_and_change_labels_only_near_ties() -> None:
    volume, members = noise(), [member()]
    half = replace(OPTIONS, sums="float16")
    assert 2 * sums_bytes(SHAPE, members, half, mask_zyx=None) == sums_bytes(
        SHAPE, members, OPTIONS, mask_zyx=None
    )
    exact = segment_volume(volume, members, OPTIONS, probabilities=True)
    found = segment_volume(volume, members, half, probabilities=True)
    assert exact.probabilities is not None
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities, exact.probabilities, atol=3e-3)
    ranked = np.sort(exact.probabilities.astype(np.float64), axis=0)
    is_tie = ranked[-1] - ranked[-2] < 2e-3
    assert is_tie.mean() < 0.05
    np.testing.assert_array_equal(found.labels[~is_tie], exact.labels[~is_tie])


def test_float16_sums_stand_logits_that_float16_could_not_hold() -> None:
    class Large(torch.nn.Module):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return torch.cat([1e6 + windows, 1e6 - windows], dim=1)

    options = replace(OPTIONS, sums="float16")
    found = segment_volume(
        noise(), [member(network=Large(), n_channels=2)], options, probabilities=False
    )
    expected = noise() < noise().mean()
    assert (found.labels == expected).mean() > 0.98


def test_constant_windows_take_the_result_of_the_first() -> None:
    volume = noise((20, 40, 64))
    volume[:, :, 32:] = 7.0
    network = Counting(edge_sensitive())
    options = replace(OPTIONS, overlap=0.0, augmentations=augmentation_set("octopi", 1))
    stream = segment_slabs(
        volume, [member(network=network)], replace(options, window_batch=1), probabilities=True
    )
    assert isinstance(stream, Stream)
    slabs = list(stream)
    n_all = len(planned_jobs((20, 40, 64), [member()], options))
    assert stream.windows.planned == n_all
    assert stream.windows.constant > 0.3 * n_all
    assert sum(network.seen) == n_all - stream.windows.constant
    volume[0, 0, -1] += 1e-6  # the same numbers, but no window next to it is constant
    labels = np.concatenate([slab.labels for slab in slabs])
    whole = segment_volume(volume, [member()], options, probabilities=False)
    np.testing.assert_array_equal(labels, whole.labels)


def test_zero_padding_makes_a_constant_window_another_one() -> None:
    volume = np.concatenate([noise((6, 20, 16)), np.full((6, 20, 16), 9.0, np.float32)], axis=2)
    options = replace(OPTIONS, overlap=0.0)
    zero = segment_slabs(volume, [member()], options, probabilities=False)
    reflected = segment_slabs(volume, [member(padding="reflect")], options, probabilities=False)
    list(zero)
    list(reflected)
    assert zero.windows.constant == 0
    assert reflected.windows.constant > 0


def test_a_batch_that_does_not_fit_is_halved_with_a_line_of_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = LittleMemory(edge_sensitive(), most=1)
    with caplog.at_level("WARNING", logger="copick_picker"):
        segment_volume(
            noise(),
            [member(network=network)],
            replace(OPTIONS, window_batch=4),
            probabilities=False,
        )
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "device cpu: a batch of 4 windows does not fit in memory; continuing with 2",
        "device cpu: a batch of 2 windows does not fit in memory; continuing with 1",
    ]


@pytest.mark.parametrize("size", [1, 4, 10, 23, 40])
def test_layers_read_every_chunk_once_and_hand_out_any_planes(size: int) -> None:
    planes = Planes(noise((23, 5, 6)))
    layered = LayeredReader(planes, size)
    steps = [(0, 3), (3, 4), (4, 13), (13, 13), (13, 22), (22, 23)]
    for start, stop in steps:
        np.testing.assert_array_equal(layered.read(start, stop), planes.volume[start:stop])
    assert planes.reads == [(at, min(at + size, 23)) for at in range(0, 23, size)]
    np.testing.assert_array_equal(layered.read(), planes.volume)


def test_a_tomogram_is_read_once_where_it_is_kept_and_twice_where_it_is_large() -> None:
    volume = noise((64, 12, 12))
    for kept, reads in ((64, 1), (63, 8)):
        planes = Planes(volume)
        size = layer_planes(64, chunk_planes=16, plane_bytes=1, kept_bytes=kept, layer_bytes=40)
        layered = LayeredReader(planes, size)
        facts = inspect_volume(layered, smoothing_voxels=None)
        list(
            segment_slabs(
                layered, [member()], OPTIONS, probabilities=False, statistics=facts.statistics
            )
        )
        assert len(planes.reads) == reads


@pytest.mark.parametrize("shape", [(2, 7, 9), (9, 8, 7), (61, 20, 30)])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_figures_in_blocks_are_those_of_the_whole(
    shape: tuple[int, int, int], kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copick_picker.core.segment.volume._BLOCK_VOXELS", 3 * shape[1] * shape[2])
    volume = (1000 + 100 * np.random.default_rng(5).gamma(2.0, size=shape)).astype(kind)
    facts = inspect_volume(volume, smoothing_voxels=1.0)
    smooth = ndimage.gaussian_filter(volume.astype(np.float64), 1.0)
    distance = smooth - smooth.mean()
    skewness = (distance**3).mean() / (distance**2).mean() ** 1.5
    assert facts.statistics is not None
    assert facts.statistics.mean == pytest.approx(volume.mean(dtype=np.float64), rel=1e-9)
    assert facts.statistics.standard_deviation == pytest.approx(
        volume.std(dtype=np.float64), rel=1e-6
    )
    assert facts.skewness == pytest.approx(skewness, abs=1e-4)
    assert (facts.minimum, facts.maximum) == (volume.min(), volume.max())
    assert volume_statistics(volume) == facts.statistics


def test_a_bad_voxel_in_any_block_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copick_picker.core.segment.volume._BLOCK_VOXELS", 2 * 34 * 26)
    volume = noise()
    volume[1, 2, 3], volume[20, 5, 6], volume[11, 0, 0] = np.nan, np.inf, -np.inf
    facts = inspect_volume(volume, smoothing_voxels=1.0)
    assert (facts.n_not_finite, facts.skewness, facts.statistics) == (3, 0.0, None)
    assert facts.minimum == volume[np.isfinite(volume)].min()
    with pytest.raises(DataError, match="1 voxels in planes 0 to 1 are NaN or infinite"):
        volume_statistics(volume)


def test_moments_of_parts_are_those_of_the_whole() -> None:
    values = np.random.default_rng(1).gamma(1.5, size=1000) + 1e4
    joined = Moments()
    for part in np.split(values, [1, 2, 400, 403]):
        joined = joined.joined(moments_of(part))
    whole = moments_of(values)
    assert joined.count == 1000
    assert joined.mean == pytest.approx(whole.mean, rel=1e-12)
    assert joined.standard_deviation == pytest.approx(values.std(), rel=1e-9)
    assert joined.skewness == pytest.approx(whole.skewness, rel=1e-9)
    assert Moments().skewness == Moments().standard_deviation == 0.0
