"""A Python script that shows a run in napari, with copick alone: tomogram, segmentation, picks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from copick_picker.records.keys import PicksKey, SegmentationKey, TomogramKey

_HEAD = """\
import copick
import napari
import numpy as np

run = copick.from_file({config!r}).get_run({run!r})
viewer = napari.Viewer(title={title!r})

# picks are balls, which a slice cuts in circles; image and labels show one plane
one_plane, as_balls = {{}}, {{"out_of_slice_display": True}}
if tuple(map(int, napari.__version__.split(".")[:2])) >= (0, 9):
    one_plane, as_balls = {{"projection_mode": "none"}}, {{"projection_mode": "rescale_spherical"}}

# layers count Angstrom along z, y, x; voxel 0 lies at 0
tomogram = run.get_voxel_spacing({spacing!r}).get_tomograms({kind!r})[0].numpy()
limits = np.percentile(tomogram[len(tomogram) // 2], [{low:g}, {high:g}])
viewer.add_image(
    tomogram,
    name={tomogram!r},
    scale=[{spacing!r}] * 3,
    contrast_limits=limits.tolist(),
    **one_plane,
)
"""
_LABELS = """
labels = run.get_segmentations(
    name={name!r}, user_id={user!r}, session_id={session!r}, voxel_size={spacing!r}
)[0].numpy()
viewer.add_labels(labels, name={title!r}, scale=[{spacing!r}] * 3, opacity=0.4, **one_plane)
"""
_PICKS = """
picks = run.get_picks({name!r}, user_id={user!r}, session_id={session!r})[0]
scores = [each.score for each in picks.points]
if picks.points:
    viewer.add_points(
        picks.numpy()[0][:, ::-1],
        name={title!r},
        size={size!r},
        face_color="transparent",
        border_color={colour!r},
        border_width={width!r},
        features={{"score": scores}},
        **as_balls,
    )
"""
_TAIL = """
if one_plane:
    viewer.dims.margin_left = viewer.dims.margin_right = [{largest!r}] * 3
napari.run()
"""


@dataclass(frozen=True)
class NapariRun:
    """What is shown of a run.

    Attributes
    ----------
    config : str
        copick configuration.
    run_name : str
        The run.
    tomogram : TomogramKey
        The tomogram.
    segmentation : SegmentationKey or None
        A segmentation over it.
    picks : sequence of PicksKey
        Pick sets, in the colours of their objects.
    references : sequence of PicksKey
        Reference pick sets, in white.
    radii : mapping of str to float
        Object name -> radius in Angstrom.
    colours : mapping of str to str
        Object name -> colour as ``#rrggbb``.
    percentiles : tuple of float
        Grey values between these are told apart.
    """

    config: str
    run_name: str
    tomogram: TomogramKey
    segmentation: SegmentationKey | None
    picks: Sequence[PicksKey]
    references: Sequence[PicksKey]
    radii: Mapping[str, float]
    colours: Mapping[str, str]
    percentiles: tuple[float, float]


def napari_script(shown: NapariRun) -> str:
    """Return the script; it needs napari and copick, and nothing of this package.

    Parameters
    ----------
    shown : NapariRun
        What is shown.
    """
    low, high = shown.percentiles
    parts = [
        _HEAD.format(
            config=shown.config,
            run=shown.run_name,
            title=f"{shown.run_name} {shown.tomogram}",
            tomogram=str(shown.tomogram),
            spacing=shown.tomogram.voxel_spacing,
            kind=shown.tomogram.tomogram_type,
            low=low,
            high=high,
        )
    ]
    if shown.segmentation is not None:
        key = shown.segmentation
        parts.append(
            _LABELS.format(
                name=key.name,
                user=key.user_id,
                session=key.session_id,
                spacing=key.voxel_spacing,
                title=str(key),
            )
        )
    parts += [
        _PICKS.format(
            name=key.object_name,
            user=key.user_id,
            session=key.session_id,
            title=str(key),
            size=2.0 * shown.radii[key.object_name],
            colour="white" if key in shown.references else shown.colours[key.object_name],
            width=0.02 if key in shown.references else 0.04,
        )
        for key in (*shown.references, *shown.picks)
    ]
    return "".join([*parts, _TAIL.format(largest=max(shown.radii.values(), default=0.0))])
