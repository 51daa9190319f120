from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

import scenarios
from copick_picker.core.localize import PeakStream, localize, localize_slabs
from copick_picker.errors import DataError, SettingsError
from copick_picker.records.points import Localized, LocalizeTarget
from copick_picker.settings.localize import LocalizeParameters

SPACING = 10.0
RULES = LocalizeParameters(method="peaks").rules()
CUTS = [(1,), (3, 11), (7,), (16, 2, 5), (64,)]
Probabilities = npt.NDArray[np.float16]


def slabs(volume: Probabilities, depths: tuple[int, ...]) -> Iterator[tuple[int, Probabilities]]:
    """Yield blocks of the depths given, again and again."""
    z_start = turn = 0
    while z_start < volume.shape[1]:
        depth = depths[turn % len(depths)]
        yield z_start, volume[:, z_start : z_start + depth]
        z_start, turn = z_start + depth, turn + 1


def scene_probabilities() -> tuple[Probabilities, list[LocalizeTarget]]:
    """Return soft probabilities of particles of four sizes, with noise between them."""
    scene = scenarios.make_scene("rough pairs", seed=3, particles=24)
    labels = scene.labels[10:70, 20:120, 30:110]
    targets = scenarios.with_channels(scene.targets())
    soft = [
        ndimage.gaussian_filter((labels == target.label).astype(np.float32), 1.0)
        for target in targets
    ]
    noise = np.random.default_rng(0).random(labels.shape, dtype=np.float32)
    volume = np.stack([noise, *(0.7 * channel + 0.3 * noise**3 for channel in soft)])
    return volume.astype(np.float16), targets


def assert_equal(found: dict[str, Localized], expected: dict[str, Localized]) -> None:
    assert list(found) == list(expected)
    for name, result in expected.items():
        assert found[name].picks.points_xyz.tobytes() == result.picks.points_xyz.tobytes()
        assert found[name].picks.scores.tobytes() == result.picks.scores.tobytes()
        assert found[name].dropped == result.dropped


def whole(volume: Probabilities, targets: list[LocalizeTarget]) -> dict[str, Localized]:
    return localize(None, volume, targets, voxel_spacing=SPACING, rules=RULES)


def streamed(
    volume: Probabilities, targets: list[LocalizeTarget], depths: tuple[int, ...]
) -> dict[str, Localized]:
    z, y, x = volume.shape[1:]
    return localize_slabs(
        slabs(volume, depths), targets, shape_zyx=(z, y, x), voxel_spacing=SPACING, rules=RULES
    )


def test_blocks_of_any_depth_give_the_picks_of_the_whole_volume() -> None:
    volume, targets = scene_probabilities()
    expected = whole(volume, targets)
    assert sum(len(result.picks) for result in expected.values()) >= 5
    for depths in CUTS:
        assert_equal(streamed(volume, targets, depths), expected)


def test_peaks_equal_those_of_a_plain_smoothing_of_everything() -> None:
    volume, targets = scene_probabilities()
    found = whole(volume, targets)
    for target in targets:
        name, radius = target.object_name, (target.radius_angstrom or 0.0) / SPACING
        channel = volume[target.channel].astype(np.float32)
        smooth = ndimage.gaussian_filter(
            channel, RULES.peak_smoothing_radii * radius, mode="nearest", truncate=4.0
        )
        top = (smooth == ndimage.maximum_filter(smooth, 3, mode="nearest")) & (smooth >= 0.2)
        top &= channel > 0.2
        expected = np.argwhere(top)[:, ::-1] * SPACING
        points = found[name].picks.points_xyz
        assert len(points) + found[name].dropped["too close"] == len(expected)
        for point in points:
            assert np.abs(expected - point).max(axis=1).min() <= 0.5 * SPACING + 1e-6


@pytest.mark.parametrize("cut", [(1,), (2, 3), (5,), (9,), (40,)])
def test_flat_tops_cut_by_blocks_are_one_pick_or_none(cut: tuple[int, ...]) -> None:
    target = LocalizeTarget("shell", label=1, radius_angstrom=40.0, channel=0)
    volume = np.zeros((1, 40, 70, 44), dtype=np.float16)
    volume[0, 10:21, 5:16, 4:15] = 1.0  # flat over three voxels after smoothing
    volume[0, 8:34, 30:56, 10:36] = 1.0  # flat over more than a radius
    volume[0, 34:40, 5:14, 30:39] = 0.7  # cut by the last plane
    expected = whole(volume, [target])
    assert expected["shell"].dropped["too large"] == 1
    np.testing.assert_allclose(expected["shell"].picks.points_xyz[0], [90.0, 100.0, 150.0])
    assert_equal(streamed(volume, [target], cut), expected)


@pytest.mark.parametrize("cut", [(1,), (4,), (30,)])
def test_a_fork_of_flat_tops_that_meet_later_is_one(cut: tuple[int, ...]) -> None:
    target = LocalizeTarget("dot", label=1, radius_angstrom=2.0, channel=0)
    volume = np.full((1, 12, 14, 15), 0.5, dtype=np.float16)
    volume[0, 3:9, 4, 4] = volume[0, 3:9, 4, 8] = volume[0, 9, 4, 4:9] = 1.0
    expected = whole(volume, [target])
    assert_equal(streamed(volume, [target], cut), expected)


@pytest.mark.parametrize("cut", [(1,), (10,), (24,)])
def test_a_peak_between_two_planes_is_refined_along_the_other_axes(cut: tuple[int, ...]) -> None:
    grid = np.mgrid[:24, :30, :34] - np.array([9.5, 12.0, 13.3])[:, None, None, None]
    volume = np.exp(-0.01 * (grid**2).sum(axis=0))[None]
    target = LocalizeTarget("ribosome", label=1, radius_angstrom=80.0, channel=0)
    found = streamed(volume, [target], cut)["ribosome"].picks
    np.testing.assert_allclose(found.points_xyz, [[133.0, 120.0, 95.0]], atol=0.5)
    assert_equal({"ribosome": streamed(volume, [target], cut)["ribosome"]}, whole(volume, [target]))


def test_few_planes_are_held_between_blocks() -> None:
    volume = np.zeros((1, 400, 30, 32), dtype=np.float16)
    volume[0, 50, 10, 11] = volume[0, 300:, 20, 20] = 1.0
    target = LocalizeTarget("ribosome", label=1, radius_angstrom=80.0, channel=0)
    stream = PeakStream([target], shape_zyx=(400, 30, 32), voxel_spacing=SPACING, rules=RULES)
    most = 0
    for z_start, block in slabs(volume, (4,)):
        stream.add(z_start, block)
        most = max(most, *(len(track.held) for track in stream._tracks))
    assert most <= 3 * 9 + 4
    assert stream.result()["ribosome"].picks.points_xyz.shape[1] == 3


def test_blocks_that_do_not_fit_are_refused() -> None:
    volume, targets = scene_probabilities()
    z, y, x = volume.shape[1:]
    settings = {"shape_zyx": (z, y, x), "voxel_spacing": SPACING, "rules": RULES}
    stream = PeakStream(targets, **settings)
    stream.add(0, volume[:, :5])
    with pytest.raises(DataError, match="planes 6 to 8 .* start at 5"):
        stream.add(6, volume[:, 6:8])
    with pytest.raises(DataError, match=f"volume .z, y, x. .{z}, {y}, {x}"):
        stream.add(5, volume[:, 5:8, 1:])
    with pytest.raises(DataError, match=f"got 5 planes of {z}"):
        stream.result()
    wrong = volume[:, 5:8].copy()
    wrong[1, 1, 2, 3] = np.nan
    with pytest.raises(DataError, match="range from"):
        stream.add(5, wrong)
    with pytest.raises(SettingsError, match="channel 2; expected 0 to 1"):
        stream.add(5, volume[:2, 5:8])
