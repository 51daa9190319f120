from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from copick_picker.core.labels import paint_spheres
from copick_picker.core.localize import METHODS, localize
from copick_picker.errors import DataError, SettingsError, UnknownNameError
from copick_picker.records.points import LocalizeRules, LocalizeTarget
from copick_picker.settings.localize import LocalizeParameters

SHAPE = (40, 50, 60)
TARGET = LocalizeTarget("ribosome", label=3, radius_angstrom=80.0)
POINT = [[333.0, 214.0, 187.0]]


def rules(**changes: object) -> LocalizeRules:
    return LocalizeParameters.model_validate(changes).rules()


def painted(
    points: object, *, fraction: float = 0.8, target: LocalizeTarget = TARGET
) -> npt.NDArray[np.uint8]:
    radius = {target.label: fraction * (target.radius_angstrom or 0.0)}
    return paint_spheres(SHAPE, {target.label: np.array(points)}, radius, voxel_spacing=10.0)


def probabilities_of(labels: npt.NDArray[np.uint8], label: int = 3) -> npt.NDArray[np.float16]:
    volume = ndimage.gaussian_filter((labels == label).astype(np.float32), 1.0)
    return np.stack([1.0 - volume, volume]).astype(np.float16)


@pytest.mark.parametrize("method", ["watershed", "components"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64])
def test_a_ball_is_found_at_its_centre_in_xyz_angstrom(method: str, dtype: type) -> None:
    labels = painted(POINT).astype(dtype)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules(method=method))
    picks = found["ribosome"].picks
    assert picks.points_xyz.dtype == np.float64
    np.testing.assert_allclose(picks.points_xyz, POINT, atol=2.0)
    assert found["ribosome"].score_kind == "fill"
    assert not any(found["ribosome"].dropped.values())


def test_peaks_finds_the_same_centre_and_scores_by_probability() -> None:
    target = replace(TARGET, channel=1)
    volume = probabilities_of(painted(POINT))
    found = localize(None, volume, [target], voxel_spacing=10.0, rules=rules(method="peaks"))
    picks = found["ribosome"].picks
    np.testing.assert_allclose(picks.points_xyz, POINT, atol=2.0)
    assert found["ribosome"].score_kind == "probability"
    assert picks.scores[0] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("spacing", [7.84, 10.0])
def test_points_scale_with_the_voxel_spacing(spacing: float) -> None:
    target = replace(TARGET, radius_angstrom=8.0 * spacing)
    labels = painted(POINT)
    found = localize(labels, None, [target], voxel_spacing=spacing, rules=rules())
    expected = np.array(POINT) * spacing / 10.0
    np.testing.assert_allclose(found["ribosome"].picks.points_xyz, expected, atol=2.0)


@pytest.mark.parametrize("method", METHODS)
def test_an_object_that_is_not_there_has_an_empty_pick_set(method: str) -> None:
    other = LocalizeTarget("ferritin", label=1, radius_angstrom=60.0, channel=1)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    volume = np.zeros((2, *SHAPE), dtype=np.float16)
    found = localize(labels, volume, [other], voxel_spacing=10.0, rules=rules(method=method))
    assert found["ferritin"].picks.points_xyz.shape == (0, 3)
    assert found["ferritin"].picks.scores.shape == (0,)


def test_without_labels_the_most_probable_channel_counts() -> None:
    target = replace(TARGET, channel=2)
    ball = probabilities_of(painted(POINT))[1]
    volume = np.stack([0.2 - 0.2 * ball, 0.8 - 0.8 * ball, ball])
    found = localize(None, volume, [target], voxel_spacing=10.0, rules=rules())
    np.testing.assert_allclose(found["ribosome"].picks.points_xyz, POINT, atol=2.0)
    assert 0.7 < found["ribosome"].picks.scores[0] < 1.0


def test_fill_is_the_share_of_the_expected_voxels() -> None:
    labels = painted(POINT)
    unknown = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())
    assert unknown["ribosome"].picks.scores[0] == pytest.approx(0.8**3, rel=0.03)
    known = replace(TARGET, target_fraction=0.8)
    full = localize(labels, None, [known], voxel_spacing=10.0, rules=rules())
    assert full["ribosome"].picks.scores[0] == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("method", ["watershed", "components"])
@pytest.mark.parametrize(
    ("fraction", "reason"), [(0.45, "too small"), (0.55, None), (0.95, None), (1.1, "too large")]
)
def test_the_radius_filter_has_octopis_meaning(
    method: str, fraction: float, reason: str | None
) -> None:
    labels = painted(POINT, fraction=fraction)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules(method=method))
    assert len(found["ribosome"].picks) == (0 if reason else 1)
    dropped = {name: count for name, count in found["ribosome"].dropped.items() if count}
    assert dropped == ({reason: 1} if reason else {})


def test_a_known_target_fraction_moves_the_bounds() -> None:
    small = painted(POINT, fraction=0.4)
    target = replace(TARGET, target_fraction=0.4)
    assert len(localize(small, None, [target], voxel_spacing=10.0, rules=rules())["ribosome"].picks)
    large = painted(POINT, fraction=0.7)
    found = localize(large, None, [target], voxel_spacing=10.0, rules=rules())
    assert found["ribosome"].dropped["too large"] == 1
    given = rules(radius_max_scale=2.0)
    assert len(localize(large, None, [target], voxel_spacing=10.0, rules=given)["ribosome"].picks)


def test_touching_particles_are_separated_by_watershed_only() -> None:
    points = [[250.0, 180.0, 190.0], [250.0, 300.0, 190.0]]
    labels = painted(points, fraction=0.85)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())
    centres = found["ribosome"].picks.points_xyz
    np.testing.assert_allclose(centres[centres[:, 1].argsort()], points, atol=5.0)
    plain = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules(method="components"))
    assert plain["ribosome"].dropped["too large"] == 1


def test_touching_particles_of_two_objects_do_not_disturb_each_other() -> None:
    other = LocalizeTarget("shell", label=200, radius_angstrom=100.0)
    points = {3: [[200.0, 250.0, 200.0]], 200: [[340.0, 250.0, 200.0]]}
    labels = paint_spheres(SHAPE, points, {3: 64.0, 200: 80.0}, voxel_spacing=10.0)
    found = localize(labels, None, [TARGET, other], voxel_spacing=10.0, rules=rules())
    assert list(found) == ["ribosome", "shell"]
    np.testing.assert_allclose(found["ribosome"].picks.points_xyz, points[3], atol=4.0)
    np.testing.assert_allclose(found["shell"].picks.points_xyz, points[200], atol=4.0)


@pytest.mark.parametrize(
    "point",
    [[0.0, 214.0, 187.0], [333.0, 490.0, 187.0], [333.0, 20.0, 10.0], [590.0, 480.0, 390.0]],
)
def test_a_particle_cut_by_faces_edges_and_corners_is_completed(point: list[float]) -> None:
    labels = painted([point, [300.0, 250.0, 200.0]])
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())
    points = found["ribosome"].picks.points_xyz
    nearest = np.linalg.norm(points - point, axis=1).min()
    assert len(points) == 2
    assert nearest < 3.0


def test_the_threshold_and_the_margin_drop_picks_and_say_so() -> None:
    labels = painted([*POINT, [40.0, 400.0, 200.0]])
    high = replace(TARGET, score_threshold=0.9)
    found = localize(labels, None, [high], voxel_spacing=10.0, rules=rules())
    assert found["ribosome"].dropped["low score"] == 2
    margin = rules(border_margin_angstrom=60.0)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=margin)
    np.testing.assert_allclose(found["ribosome"].picks.points_xyz, POINT, atol=2.0)
    assert found["ribosome"].dropped["near border"] == 1


def test_of_two_picks_too_close_the_better_one_stays() -> None:
    labels = painted([[200.0, 200.0, 200.0]], fraction=0.9)
    labels |= painted([[340.0, 200.0, 200.0]], fraction=0.6)
    near = rules(min_distance_radii=2.0)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=near)
    np.testing.assert_allclose(found["ribosome"].picks.points_xyz, [[200, 200, 200]], atol=5.0)
    assert found["ribosome"].dropped["too close"] == 1


def test_picks_come_by_falling_score_then_by_z_y_x() -> None:
    points = [[450.0, 100.0, 300.0], [150.0, 100.0, 300.0], [150.0, 100.0, 100.0]]
    labels = painted(points, fraction=0.7)
    labels |= painted([[300.0, 350.0, 300.0]], fraction=0.8)
    picks = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())["ribosome"].picks
    expected = [[300.0, 350.0, 300.0], *points[::-1]]
    np.testing.assert_allclose(picks.points_xyz, expected, atol=0.5)
    assert (np.diff(picks.scores) <= 0).all()


def test_a_hole_does_not_pull_the_centre() -> None:
    labels = painted(POINT)
    labels[17:21, 20:23, 35:38] = 0
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())
    np.testing.assert_allclose(found["ribosome"].picks.points_xyz, POINT, atol=2.0)


def test_the_input_is_left_as_it_is() -> None:
    labels = painted(POINT)
    labels.flags.writeable = False
    volume = probabilities_of(labels)
    volume.flags.writeable = False
    target = replace(TARGET, channel=1)
    for method in METHODS:
        localize(labels, volume, [target], voxel_spacing=10.0, rules=rules(method=method))
    assert np.array_equal(labels, painted(POINT))
    assert np.array_equal(volume, probabilities_of(labels))


def test_a_volume_thinner_than_the_particle_is_valid() -> None:
    labels = np.full((3, 4, 5), 3, dtype=np.uint8)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())
    assert found["ribosome"].picks.points_xyz.shape[1] == 3


def test_a_blob_that_fills_the_volume_is_one_region_and_too_large() -> None:
    labels = np.full((60, 70, 80), 3, dtype=np.uint8)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())
    assert len(found["ribosome"].picks) == 0
    assert found["ribosome"].dropped["too large"] == 1


def test_noise_gives_no_picks_but_a_count() -> None:
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(SHAPE) < 0.05, 3, 0).astype(np.uint8)
    found = localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules())
    assert len(found["ribosome"].picks) == 0
    assert found["ribosome"].dropped["too small"] > 1000


def test_an_unknown_method_names_the_choices() -> None:
    with pytest.raises(UnknownNameError, match="'watershd'.*did you mean 'watershed'.*components"):
        localize(
            painted(POINT),
            None,
            [TARGET],
            voxel_spacing=10.0,
            rules=replace(rules(), method="watershd"),
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius_angstrom": None}, "object 'ribosome' has no radius"),
        ({"radius_angstrom": -3.0}, "'ribosome' has radius in Angstrom -3.0"),
        ({"target_fraction": 0.0}, "'ribosome' has target fraction 0.0"),
        ({"label": 0}, "'ribosome' has label 0"),
    ],
)
def test_targets_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    target = LocalizeTarget(**{**vars(TARGET), **change})
    with pytest.raises(SettingsError, match=message):
        localize(painted(POINT), None, [target], voxel_spacing=10.0, rules=rules())


def test_one_name_or_label_for_two_targets_is_refused() -> None:
    twin = replace(TARGET, object_name="shell")
    with pytest.raises(SettingsError, match="label 3 is used for two"):
        localize(painted(POINT), None, [TARGET, twin], voxel_spacing=10.0, rules=rules())
    twin = replace(TARGET, label=4)
    with pytest.raises(SettingsError, match="object name ribosome is used for two"):
        localize(painted(POINT), None, [TARGET, twin], voxel_spacing=10.0, rules=rules())


def test_wrong_volumes_are_refused_with_both_shapes() -> None:
    labels = painted(POINT)
    target = replace(TARGET, channel=1)
    settings = {"voxel_spacing": 10.0, "rules": rules()}
    with pytest.raises(DataError, match="neither"):
        localize(None, None, [TARGET], **settings)
    with pytest.raises(DataError, match="float64.*integers"):
        localize(labels.astype(float), None, [TARGET], **settings)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"\(40, 50\).*\(z, y, x\)"):
        localize(labels[:, :, 0], None, [TARGET], **settings)
    with pytest.raises(DataError, match=r"\(40, 50, 60\).*\(2, 40, 50, 59\)"):
        localize(labels, probabilities_of(labels)[..., :-1], [target], **settings)
    with pytest.raises(DataError, match="uint8.*floating"):
        localize(labels, labels[None], [target], **settings)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="channel 7; expected 0 to 1"):
        localize(labels, probabilities_of(labels), [replace(TARGET, channel=7)], **settings)
    with pytest.raises(DataError, match="'peaks' needs probabilities"):
        localize(labels, None, [TARGET], voxel_spacing=10.0, rules=rules(method="peaks"))


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.5, np.inf])
def test_probabilities_outside_0_to_1_are_refused(value: float) -> None:
    volume = probabilities_of(painted(POINT))
    volume[1, 20, 3, 4] = value
    target = replace(TARGET, channel=1)
    with pytest.raises(DataError, match="probabilities of 'ribosome' range"):
        localize(None, volume, [target], voxel_spacing=10.0, rules=rules())


def test_settings_refuse_scales_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match="radius_min_scale is 1.2; expected less than 1.0"):
        LocalizeParameters(radius_min_scale=1.2, radius_max_scale=1.0)
