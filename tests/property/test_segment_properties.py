"""What holds for any sizes: windows, weights, augmentations, statistics, streaming."""

import math
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from copick_picker.core.augmentations import AUGMENTATION_SETS, augmentation_set
from copick_picker.core.segment.engine import segment_volume
from copick_picker.core.segment.grid import BLENDINGS, axis_starts
from copick_picker.core.segment.plan import (
    LAYOUTS,
    EngineOptions,
    Member,
    passes,
    planned_jobs,
    weight_total,
)
from copick_picker.core.segment.tilings import axis_tilings
from copick_picker.core.segment.volume import ArrayReader, padded, volume_statistics
from networks import Pointwise

lengths = st.integers(1, 40)
shapes = st.tuples(lengths, lengths, lengths)
windows = st.tuples(*[st.integers(5, 24)] * 3)
overlaps = st.floats(0, 0.9)


@settings(max_examples=40, deadline=None)
@given(length=lengths, window=st.integers(1, 50), overlap=overlaps)
def test_windows_cover_their_axis_and_stay_within(length: int, window: int, overlap: float) -> None:
    starts = axis_starts(length, window, overlap=overlap)
    assert starts == sorted(set(starts))
    if length <= window:
        (start,) = starts
        assert start <= 0
        assert length <= start + window
        assert 0 <= (start + window - length) + start <= 1
        return
    assert starts[0] == 0
    assert starts[-1] == length - window
    assert all(later - first <= window for first, later in pairwise(starts))


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 300),
    window=st.integers(4, 60),
    multiple=st.sampled_from([1, 4, 16]),
    overlap=st.floats(0, 0.9),
    longest=st.sampled_from([1.2, 1.5]),
)
def test_tilings_cover_their_axis_and_share_no_border(
    length: int, window: int, multiple: int, overlap: float, longest: float
) -> None:
    tilings = axis_tilings(length, window, multiple=multiple, overlap=overlap, longest=longest)
    for tiling in tilings:
        assert tiling.side % multiple == 0
        seen = np.zeros(length, dtype=int)
        for start in tiling.starts:
            seen[max(start, 0) : start + tiling.side] += 1
        assert seen.all()
        assert len(tiling.starts) == 1 or tiling.starts[-1] + tiling.side == length
    inner = [set(tiling.starts[1:]) for tiling in tilings]
    most = max(len(tiling.starts) for tiling in tilings)
    if multiple == 1 and overlap == 0 and 2 * most**2 < length:
        assert not inner[0] & inner[1]


@settings(max_examples=40, deadline=None)
@given(
    shape=shapes,
    window=windows,
    overlap=st.floats(0, 0.7),
    blending=st.sampled_from(BLENDINGS),
    layout=st.sampled_from(LAYOUTS),
    count=st.integers(1, 4),
)
def test_weights_over_every_voxel_sum_to_the_number_of_passes(
    shape: tuple[int, int, int],
    window: tuple[int, int, int],
    overlap: float,
    blending: str,
    layout: str,
    count: int,
) -> None:
    total = np.zeros(shape)
    options = EngineOptions(
        augmentations=augmentation_set("octopi", count),
        overlap=overlap,
        blending=blending,
        layout=layout,
        precision="float32",
        device="cpu",
        window_batch=1,
        inverted=False,
    )
    members = [Member(Pointwise(2), window, 2, "zero")]
    for job in planned_jobs(shape, members, options):
        z, y, x = job.window.spans_zyx
        weights = z.weights[:, None, None] * y.weights[:, None] * x.weights.astype(np.float64)
        total[job.window.inner_zyx] += weights
    expected = weight_total(shape, members, options)
    if expected is None:
        np.testing.assert_allclose(total, passes(members, options), rtol=1e-5)
    else:
        np.testing.assert_allclose(total, expected.over(slice(None), slice(None)), rtol=1e-5)
        assert total.min() > 0


@settings(max_examples=40, deadline=None)
@given(shape=shapes)
def test_undo_is_the_inverse(shape: tuple[int, int, int]) -> None:
    volume = torch.arange(2 * math.prod(shape)).reshape(2, *shape)
    for entry in AUGMENTATION_SETS["octopi"]:
        assert torch.equal(entry.undo(entry.apply(volume)), volume)
        assert torch.equal(entry.apply(entry.undo(volume)), volume)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(2, 20)] * 3),
    window=windows,
    overlap=st.floats(0, 0.6),
    layout=st.sampled_from(LAYOUTS),
    padding=st.sampled_from(["zero", "reflect"]),
    batch=st.integers(1, 9),
)
def test_a_pointwise_network_gives_its_function_of_every_voxel(
    shape: tuple[int, int, int],
    window: tuple[int, int, int],
    overlap: float,
    layout: str,
    padding: str,
    batch: int,
) -> None:
    options = EngineOptions(
        augmentations=augmentation_set("octopi", 7),
        overlap=overlap,
        blending="gaussian",
        layout=layout,
        precision="float32",
        device="cpu",
        window_batch=batch,
        inverted=False,
    )
    volume = np.random.default_rng(math.prod(shape)).normal(5, 3, shape)
    member = Member(Pointwise(2), window, 2, padding)
    result = segment_volume(ArrayReader(volume), [member], options, probabilities=True)
    assert result.probabilities is not None
    share = 1 / (1 + np.exp(-1))
    assert result.labels.shape == shape
    assert result.labels.all()
    np.testing.assert_allclose(result.probabilities[1], share, atol=1e-3)
    np.testing.assert_allclose(result.probabilities[0], 1 - share, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    shape=shapes,
    mean=st.floats(-1e6, 1e6),
    scale=st.floats(1e-3, 1e3),
)
def test_statistics_are_numpys(shape: tuple[int, int, int], mean: float, scale: float) -> None:
    volume = np.random.default_rng(7).normal(mean, scale, (*shape[:2], shape[2] + 1))
    found = volume_statistics(volume)
    np.testing.assert_allclose(found.mean, volume.mean(), rtol=1e-12, atol=1e-9 * scale)
    np.testing.assert_allclose(found.standard_deviation, volume.std(), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 6), before=st.integers(0, 20), after=st.integers(0, 20))
def test_reflection_is_numpys(length: int, before: int, after: int) -> None:
    values = np.arange(length)
    mirrored = np.pad(values, (before, after), mode="reflect")
    found = padded(torch.from_numpy(values), 0, before=before, after=after, padding="reflect")
    np.testing.assert_array_equal(found.numpy(), mirrored)
