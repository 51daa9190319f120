"""Show a run: slices of its tomogram with reference and candidate picks on them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from copick_picker._version import __version__
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.files import write_bytes
from copick_picker.project.own_files import is_own_page, is_own_picture, signed_page
from copick_picker.project.standing import Output, own_file
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.report.figures import png_bytes
from copick_picker.report.object_colours import object_colours
from copick_picker.report.slice_panels import PanelLook
from copick_picker.report.view_framing import limits_at_picks, spot_of_slices
from copick_picker.report.view_lines import Line
from copick_picker.report.view_marks import LOOKS, Marks, counts_by_status, object_looks
from copick_picker.report.view_page import ViewContent, view_page
from copick_picker.report.view_picture import view_figure
from copick_picker.report.view_volume import (
    VIEWS,
    SmallVolume,
    slab_planes,
    small_volume,
)
from copick_picker.settings.view import LOW_HIGH_PERCENTILES, SLAB_LEAST_PLANES, ViewSettings
from copick_picker.workflows.inputs.contrast import contrast_of
from copick_picker.workflows.inputs.shown_tomogram import tomogram_of_picks
from copick_picker.workflows.show.overlays import with_overlays
from copick_picker.workflows.show.picks import lines_of_run, marks_of_run


@summarised
def view(settings: ViewSettings, *, reporter: Reporter) -> Summary:
    """Write a picture or a page of each run and return the outcomes.

    Parameters
    ----------
    settings : ViewSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong.
    """
    job = Job.open("view", settings, reporter=reporter)
    job.check_objects("objects", "radius", "min_score")
    job.warn_of_radii(settings.radius)
    job.tomograms(settings.tomogram)
    for uri in (settings.heat_map, settings.segmentation):
        if uri is not None:
            job.segmentations(uri)
    for uri in (settings.reference, settings.candidate):
        if uri is not None:
            job.picks(uri)
    if settings.neuroglancer:
        from copick_picker.workflows.show.neuroglancer import view_in_neuroglancer

        return view_in_neuroglancer(job)
    if settings.napari:
        from copick_picker.workflows.show.napari import view_in_napari

        return view_in_napari(job)
    if len(job.run_names) > 1 and "{run}" not in settings.output:
        msg = f"--output '{settings.output}' is one file for {len(job.run_names)} runs; add {{run}}"
        raise SettingsError(msg)
    work = InTurn(_Viewing(job).run)
    return process_runs("view", job.run_names, work, reporter=reporter)


@dataclass(frozen=True)
class _Viewing:
    """Shows one run after another."""

    job: Job[ViewSettings]

    def run(self, run_name: str) -> RunOutcome:
        """Write the picture or page of one run."""
        settings = self.job.settings
        target = Path(settings.output.replace("{run}", run_name))
        is_picture = settings.output.lower().endswith(".png")
        kind = own_file(is_own_picture if is_picture else is_own_page)
        output = Output(target, kind, settings.overwrite, advice="another --output")
        may_be_same = output.may_be_same()
        key = tomogram_of_picks(
            self.job.store, run_name, settings.tomogram, settings.candidate, settings.reference
        )
        marks, notes = marks_of_run(self.job, run_name, key.voxel_spacing)
        counts = counts_by_status(marks)
        lines = lines_of_run(self.job, run_name, key.voxel_spacing)
        told = [f"{number} {LOOKS[name].many}" for name, number in counts.items()]
        words = ", ".join(told + [f"{len(lines)} filaments"] * bool(lines))
        if settings.dry_run:
            return RunOutcome(run_name, "planned", f"{target}: {key}, {words or 'no picks'}")
        for note in notes:
            self.job.reporter.note(f"run {run_name}: {note}")
        data = self._file(run_name, key, (marks, lines), words)
        if may_be_same and output.holds(data):
            return RunOutcome(run_name, "skipped", f"{target} is complete")
        write_bytes(target, data, permit=output.check)
        text = f"{target} ({len(data) / 1e6:.1f} MB): {words or 'no picks'}"
        details = {"output": str(target), "bytes": len(data), "marks": counts}
        details |= {"filaments": len(lines)} if lines else {}
        return RunOutcome(run_name, "done", text, details)

    def _file(
        self,
        run_name: str,
        key: TomogramKey,
        drawn: tuple[Sequence[Marks], Sequence[Line]],
        words: str,
    ) -> bytes:
        settings, (marks, lines) = self.job.settings, drawn
        volume = self.job.store.open_tomogram(run_name, key)
        small = small_volume(volume.read, volume.shape, key.voxel_spacing, settings.pixels)
        small, regions = with_overlays(self.job, run_name, key, volume.shape, small)
        contrast = contrast_of(small.values, stated=settings.contrast)
        limits = limits_at_picks(
            small, marks, planes=_planes(small, 0, settings), percentiles=LOW_HIGH_PERCENTILES
        )
        spot = spot_of_slices(small, marks, settings.at)
        names = [entry.object_name for entry in marks] + [line.object_name for line in lines]
        colours = object_colours(self.job.store.objects(), names)
        look = PanelLook(limits, contrast, object_looks(marks, colours), regions)
        title = f"{run_name} {key}"
        size = " x ".join(str(length) for length in volume.shape)
        lead = f"{size} voxels (z, y, x) of {key.voxel_spacing:g} Å, protein {contrast}"
        lead += f" in the tomogram. {words or 'No picks'}."
        footer = self._footer(key)
        if settings.output.lower().endswith(".png"):
            figure = view_figure(
                small,
                [
                    small.slice_at(axis, spot[2 - axis], _planes(small, axis, settings))
                    for axis, _ in VIEWS
                ],
                marks,
                look=look,
                title=f"{title}: {words or 'no picks'}",
                footer=footer,
                lines=lines,
            )
            about = {"Software": f"copick-picker {__version__}", "Description": footer}
            return png_bytes(figure, about)
        slices = {name: small.slices(axis, _planes(small, axis, settings)) for axis, name in VIEWS}
        page = ViewContent(title, lead, footer, small, slices, marks, spot, look, colours, lines)
        return signed_page(view_page(page))

    def _footer(self, key: TomogramKey) -> str:
        settings = self.job.settings
        against = ""
        if settings.reference is not None:
            against = (
                f" against reference {settings.reference}, matcher {settings.matcher}, "
                f"tolerance {settings.tolerance}"
            )
        over = "".join(
            f", {what} {uri}"
            for what, uri in (
                ("segmentation", settings.segmentation),
                ("probabilities of", settings.heat_map),
            )
            if uri is not None
        )
        chosen = f", least scores {json.dumps(settings.min_score)}" if settings.min_score else ""
        shown = f"{key}, picks {settings.candidate}{against}{chosen}{over}"
        return f"copick-picker {__version__}: {shown}; project {Path(settings.config).name}"


def _planes(small: SmallVolume, axis: int, settings: ViewSettings) -> int:
    is_page = not settings.output.lower().endswith(".png")
    return slab_planes(
        small,
        axis,
        settings.slab_angstrom,
        least=SLAB_LEAST_PLANES,
        most_slices=settings.slices if is_page else small.values.shape[axis],
    )
