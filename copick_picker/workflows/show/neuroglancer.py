"""Show a run in a neuroglancer viewer on this machine: tomogram, segmentation, picks."""

import signal
import threading
import time
from types import ModuleType
from typing import Any

import numpy as np

from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.job import Job
from copick_picker.jobs.summary import Summary
from copick_picker.records.runs import RunOutcome
from copick_picker.report.view_marks import LOOKS, counts_by_status
from copick_picker.report.view_volume import small_volume
from copick_picker.report.viewer_layers import ShownRun, fill_viewer
from copick_picker.settings.view import LOW_HIGH_PERCENTILES, ViewSettings
from copick_picker.workflows.inputs.contrast import contrast_of
from copick_picker.workflows.inputs.object_labels import read_labels
from copick_picker.workflows.inputs.shown_tomogram import tomogram_of_picks
from copick_picker.workflows.show.picks import lines_of_run, marks_of_run

_PIXELS_FOR_CONTRAST = 256


def view_in_neuroglancer(job: Job[ViewSettings]) -> Summary:
    """Start a viewer of one run, show its address, and wait until the user interrupts.

    Parameters
    ----------
    job : Job
        What to show; several runs are refused.

    Raises
    ------
    SettingsError
        If several runs are selected, the package is not installed, or the port is in use.
    """
    settings, run_names, reporter = job.settings, job.run_names, job.reporter
    if settings.segmentation is not None:
        job.segmentations(settings.segmentation)
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
    began, ending = time.perf_counter(), _Ending()

    def show(run_name: str) -> RunOutcome:
        shown = _shown(job, run_name)
        fill_viewer(neuroglancer, viewer, shown)
        counts = counts_by_status(shown.marks).items()
        words = ", ".join(
            [shown.name, *(f"{number} {LOOKS[name].many}" for name, number in counts)]
        )
        reporter.note(f"{run_name}: {words}")
        ending.begin()
        reporter.note(f"{viewer.get_viewer_url()}")
        reporter.note("Open this address in a browser on this machine; Ctrl-C stops the viewer.")
        return RunOutcome(run_name, "done", words)

    outcome = guarded(run_names[0], show)
    if outcome.status == "failed":
        reporter.outcome(outcome, done=1, total=1, seconds=time.perf_counter() - began)
    else:
        ending.wait()
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


class _Ending:
    """The end of the viewer: Ctrl-C or SIGTERM, from the moment on that the user is told so."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def begin(self) -> None:
        """Take both signals for the end."""
        for name in (signal.SIGINT, signal.SIGTERM):
            self._before[name] = signal.signal(name, lambda *_: self._ended.set())

    def wait(self) -> None:
        """Wait for one of them; then they mean what they meant before."""
        while not self._ended.wait(timeout=0.5):
            continue
        for name, handler in self._before.items():
            signal.signal(name, handler)


def _shown(job: Job[ViewSettings], run_name: str) -> ShownRun:
    """Return what is shown of a run."""
    settings, store = job.settings, job.store
    key = tomogram_of_picks(
        store, run_name, settings.tomogram, settings.candidate, settings.reference
    )
    marks, notes = marks_of_run(job, run_name, key.voxel_spacing)
    for note in notes:
        job.reporter.note(f"run {run_name}: {note}")
    volume = store.open_tomogram(run_name, key).read().astype(np.float32, copy=False)
    small = small_volume(
        lambda start, stop: volume[start:stop],
        volume.shape,
        key.voxel_spacing,
        _PIXELS_FOR_CONTRAST,
    )
    segmentation = None
    if settings.segmentation is not None:
        found = job.segmentations(settings.segmentation).key(run_name)
        labels = read_labels(store, run_name, found)
        segmentation = (str(found), labels, found.voxel_spacing)
    return ShownRun(
        name=str(key),
        volume=volume,
        voxel_spacing=key.voxel_spacing,
        is_dark=contrast_of(small.values, stated=settings.contrast) == "dark",
        percentiles=LOW_HIGH_PERCENTILES,
        marks=marks,
        segmentation=segmentation,
        lines=lines_of_run(job, run_name, key.voxel_spacing),
    )
