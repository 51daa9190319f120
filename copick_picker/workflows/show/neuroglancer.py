"""Show a run in a neuroglancer viewer on this machine: tomogram, segmentation, picks."""

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from copick_picker.core.geometry import points_to_voxels
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import Reporter, Summary, guarded
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import the_one
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status
from copick_picker.report.view_volume import SmallVolume, grey_limits, small_volume
from copick_picker.settings.view import LOW_HIGH_PERCENTILES, ViewSettings
from copick_picker.workflows.show.picks import marks_of_run

_METRES_PER_ANGSTROM = 1e-10
_PIXELS_FOR_CONTRAST = 256
_PLANES_FOR_LIMITS = 5
_IMAGE_SHADER = """#uicontrol invlerp normalized(range=[{low}, {high}])
void main() {{ emitGrayscale({value}); }}
"""


def view_in_neuroglancer(
    settings: ViewSettings,
    store: ProjectStore,
    specs: Mapping[str, ObjectSpec],
    run_names: Sequence[str],
    *,
    reporter: Reporter,
) -> Summary:
    """Start a viewer of one run, say its address, and wait until the user interrupts.

    Parameters
    ----------
    settings : ViewSettings
        What to show.
    store : ProjectStore
        The project.
    specs : mapping
        The project's objects by name.
    run_names : sequence of str
        The run; several are refused.
    reporter : Reporter
        Where the address goes.

    Raises
    ------
    SettingsError
        If several runs are meant, the package is not installed, or the port is taken.
    """
    if len(run_names) != 1:
        msg = f"--neuroglancer shows one run; got {len(run_names)}"
        raise SettingsError(msg)
    neuroglancer = _package()
    try:
        neuroglancer.set_server_bind_address("127.0.0.1", settings.port)
        viewer = neuroglancer.Viewer()
    except OSError as error:
        msg = f"--port: cannot listen on port {settings.port}: {error}"
        raise SettingsError(msg) from error
    began = time.perf_counter()

    def shown(run_name: str) -> RunOutcome:
        words = _fill(neuroglancer, viewer, settings, store, specs, run_name, reporter)
        reporter.note(f"{run_name}: {words}")
        reporter.note(f"{viewer.get_viewer_url()}")
        reporter.note("Open this address in a browser of this machine; Ctrl-C ends the viewer.")
        return RunOutcome(run_name, "done", words)

    outcome = guarded(run_names[0], shown)
    if outcome.status == "failed":
        reporter.outcome(outcome, done=1, total=1, seconds=time.perf_counter() - began)
    else:
        _wait_for_the_user()
    neuroglancer.stop()
    return Summary("view", (outcome,), time.perf_counter() - began)


def _package() -> ModuleType:
    try:
        import neuroglancer
    except ImportError as error:
        msg = "--neuroglancer needs a package: pip install 'copick-picker[neuroglancer]'"
        raise SettingsError(msg) from error
    found: ModuleType = neuroglancer
    return found


def _wait_for_the_user() -> None:
    """Wait for Ctrl-C or a polite request to end."""
    ended = threading.Event()
    before = {
        name: signal.signal(name, lambda *_: ended.set())
        for name in (signal.SIGINT, signal.SIGTERM)
    }
    while not ended.wait(timeout=0.5):
        continue
    for name, handler in before.items():
        signal.signal(name, handler)


def _fill(
    neuroglancer: Any,  # noqa: ANN401 (a package without types)
    viewer: Any,  # noqa: ANN401
    settings: ViewSettings,
    store: ProjectStore,
    specs: Mapping[str, ObjectSpec],
    run_name: str,
    reporter: Reporter,
) -> str:
    """Put tomogram, segmentation and picks into the viewer; return what it shows in words."""
    key = the_one(store.tomograms(run_name), settings.tomogram, "tomogram", run_name=run_name)
    marks, notes = marks_of_run(store, run_name, settings, specs, key.voxel_spacing)
    for note in notes:
        reporter.note(f"run {run_name}: {note}")
    volume = store.open_tomogram(run_name, key).read().astype(np.float32, copy=False)
    space = _space(neuroglancer, key.voxel_spacing)
    middle = [size / 2 for size in volume.shape]
    with viewer.txn() as state:
        state.dimensions = space
        state.layers.append(
            name=str(key),
            layer=neuroglancer.ImageLayer(
                source=neuroglancer.LocalVolume(volume, dimensions=space, volume_type="image"),
                shader=_shader(volume, key.voxel_spacing, settings),
            ),
        )
        if settings.segmentation is not None:
            name, layer = _segmentation(neuroglancer, settings.segmentation, store, run_name)
            state.layers.append(name=name, layer=layer)
        for status in counts_by_status(marks):
            entries = [entry for entry in marks if entry.status == status]
            layer = _points(neuroglancer, entries, key.voxel_spacing, space)
            state.layers.append(name=LOOKS[status].many, layer=layer)
        # the axes of a view come in the order x, y, z: x to the right, y down
        state.layout = "4panel"
        state.position = middle
        state.display_dimensions = ["x", "y", "z"]
    words = [f"{number} {LOOKS[name].many}" for name, number in counts_by_status(marks).items()]
    return ", ".join([str(key), *words])


def _space(neuroglancer: Any, voxel_spacing: float) -> Any:  # noqa: ANN401
    scale = voxel_spacing * _METRES_PER_ANGSTROM
    return neuroglancer.CoordinateSpace(names=["z", "y", "x"], units="m", scales=[scale] * 3)


def _shader(volume: np.ndarray[Any, Any], voxel_spacing: float, settings: ViewSettings) -> str:
    """Return how the tomogram is coloured: protein dark, the usual share of voxels told apart."""
    from copick_picker.workflows.show.view import looks_of

    small = small_volume(
        lambda start, stop: volume[start:stop], volume.shape, voxel_spacing, _PIXELS_FOR_CONTRAST
    )
    full = SmallVolume(volume, voxel_spacing, 0.0)
    heights = np.linspace(0.3, 0.7, _PLANES_FOR_LIMITS) * full.size_angstrom(0)
    planes = [full.slice_at(0, float(height), 1) for height in heights]
    low, high = grey_limits(planes, LOW_HIGH_PERCENTILES)
    value = "normalized()" if looks_of(settings, small) == "dark" else "1.0 - normalized()"
    return _IMAGE_SHADER.format(low=f"{low:.6g}", high=f"{high:.6g}", value=value)


def _segmentation(
    neuroglancer: Any,  # noqa: ANN401
    uri: str,
    store: ProjectStore,
    run_name: str,
) -> tuple[str, Any]:
    key = the_one(store.segmentations(run_name), uri, "segmentation", run_name=run_name)
    labels = store.open_segmentation(run_name, key).read()
    source = neuroglancer.LocalVolume(
        labels, dimensions=_space(neuroglancer, key.voxel_spacing), volume_type="segmentation"
    )
    present = [int(label) for label in np.unique(labels) if label]
    layer = neuroglancer.SegmentationLayer(source=source, segments=present)
    return str(key), layer


def _points(
    neuroglancer: Any,  # noqa: ANN401
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
        centres_zyx = points_to_voxels(entry.points_xyz, voxel_spacing) + 0.5
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
