"""What a neuroglancer viewer shows: a tomogram, a segmentation, and picks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.report.view_lines import COLOURS, Line
from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status
from copick_picker.report.view_volume import SmallVolume, grey_limits

_METRES_PER_ANGSTROM = 1e-10
_PLANES_FOR_LIMITS = 5
_IMAGE_SHADER = """#uicontrol invlerp normalized(range=[{low}, {high}])
void main() {{ emitGrayscale({value}); }}
"""


@dataclass(frozen=True, eq=False)
class ShownRun:
    """What is shown of a run.

    Attributes
    ----------
    name : str
        Name of the tomogram.
    volume : numpy.ndarray, shape (z, y, x), float32
        The tomogram.
    voxel_spacing : float
        Edge of its voxels in Angstrom.
    is_dark : bool
        Whether protein is dark in it.
    percentiles : tuple of float
        Grey values between these are told apart.
    marks : sequence of Marks
        Picks.
    segmentation : tuple or None
        Name, labels (z, y, x) and voxel spacing of a segmentation.
    lines : sequence of Line
        Filaments.
    """

    name: str
    volume: npt.NDArray[np.float32]
    voxel_spacing: float
    is_dark: bool
    percentiles: tuple[float, float]
    marks: Sequence[Marks]
    segmentation: tuple[str, npt.NDArray[Any], float] | None
    lines: Sequence[Line] = ()


def fill_viewer(neuroglancer: ModuleType, viewer: Any, shown: ShownRun) -> None:  # noqa: ANN401 (a package without types)
    """Put tomogram, segmentation and picks into a viewer.

    Parameters
    ----------
    neuroglancer : module
        The package.
    viewer : neuroglancer.Viewer
        Where they go.
    shown : ShownRun
        What is shown.
    """
    space = _space(neuroglancer, shown.voxel_spacing)
    with viewer.txn() as state:
        state.dimensions = space
        source = neuroglancer.LocalVolume(shown.volume, dimensions=space, volume_type="image")
        image = neuroglancer.ImageLayer(source=source, shader=_shader(shown))
        state.layers.append(name=shown.name, layer=image)
        if shown.segmentation is not None:
            name, labels, spacing = shown.segmentation
            source = neuroglancer.LocalVolume(
                labels, dimensions=_space(neuroglancer, spacing), volume_type="segmentation"
            )
            present = [int(label) for label in np.unique(labels) if label]
            layer = neuroglancer.SegmentationLayer(source=source, segments=present)
            state.layers.append(name=name, layer=layer)
        for status in counts_by_status(shown.marks):
            entries = [entry for entry in shown.marks if entry.status == status]
            layer = _points(neuroglancer, entries, shown.voxel_spacing, space)
            state.layers.append(name=LOOKS[status].many, layer=layer)
        if shown.lines:
            layer = _filaments(neuroglancer, shown.lines, shown.voxel_spacing, space)
            state.layers.append(name="filaments", layer=layer)
        # the axes of a view come in the order x, y, z: x to the right, y down
        state.layout = "4panel"
        state.position = [size / 2 for size in shown.volume.shape]
        state.display_dimensions = ["x", "y", "z"]


def _space(neuroglancer: ModuleType, voxel_spacing: float) -> Any:  # noqa: ANN401
    scale = voxel_spacing * _METRES_PER_ANGSTROM
    return neuroglancer.CoordinateSpace(names=["z", "y", "x"], units="m", scales=[scale] * 3)


def _shader(shown: ShownRun) -> str:
    """Return how the tomogram is coloured: protein dark, the usual share of voxels told apart."""
    full = SmallVolume(shown.volume, shown.voxel_spacing, 0.0)
    heights = np.linspace(0.3, 0.7, _PLANES_FOR_LIMITS) * full.size_angstrom(0)
    planes = [full.slice_at(0, float(height), 1) for height in heights]
    low, high = grey_limits(planes, shown.percentiles)
    value = "normalized()" if shown.is_dark else "1.0 - normalized()"
    return _IMAGE_SHADER.format(low=f"{low:.6g}", high=f"{high:.6g}", value=value)


def _points(
    neuroglancer: ModuleType,
    entries: Sequence[Marks],
    voxel_spacing: float,
    space: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Return a layer of picks of one status: spheres for references, points for candidates.

    Neuroglancer's voxel i reaches from i to i + 1, so that its centre is at i + 0.5.
    """
    look = LOOKS[entries[0].status]
    is_sphere = look.shape in ("circle", "square")
    annotations = []
    for entry in entries:
        centres_zyx = entry.points_xyz[:, ::-1] / voxel_spacing + 0.5
        radius = entry.radius_angstrom / voxel_spacing
        for at, centre in enumerate(centres_zyx.tolist()):
            score = "" if entry.scores is None else f", score {entry.scores[at]:.3f}"
            common = {
                "id": f"{entry.object_name} {at}",
                "description": f"{entry.object_name}: {look.words}{score}",
            }
            annotations.append(
                neuroglancer.EllipsoidAnnotation(center=centre, radii=[radius] * 3, **common)
                if is_sphere
                else neuroglancer.PointAnnotation(point=centre, **common)
            )
    return neuroglancer.LocalAnnotationLayer(
        dimensions=space, annotations=annotations, annotation_color=look.colour
    )


def _filaments(
    neuroglancer: ModuleType,
    lines: Sequence[Line],
    voxel_spacing: float,
    space: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Return a layer of filaments, each a chain of straight lines."""
    annotations = []
    for line in lines:
        points = (line.points_xyz[:, ::-1] / voxel_spacing + 0.5).tolist()
        annotations += [
            neuroglancer.LineAnnotation(
                id=f"{line.object_name} {line.number} {at}",
                point_a=first,
                point_b=second,
                description=f"{line.object_name}: filament {line.number}",
            )
            for at, (first, second) in enumerate(pairwise(points))
        ]
    return neuroglancer.LocalAnnotationLayer(
        dimensions=space, annotations=annotations, annotation_color=COLOURS[0]
    )
