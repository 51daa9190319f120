"""Show a run: slices of its tomogram with reference and candidate picks on them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from copick_picker._version import __version__
from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import (
    Reporter,
    Summary,
    check_object_names,
    process_runs,
    select_runs,
)
from copick_picker.jobs.opening import open_job
from copick_picker.project.files import write_bytes
from copick_picker.project.folders.own_files import is_own_page, is_own_picture, signed_page
from copick_picker.project.standing import Output, own_file
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, the_one
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec, RunOutcome
from copick_picker.report.figures import png_bytes
from copick_picker.report.view_marks import LOOKS, Marks, best_centre, counts_by_status
from copick_picker.report.view_page import ViewContent, view_page
from copick_picker.report.view_picture import view_figure
from copick_picker.report.view_volume import (
    VIEWS,
    Slice,
    SmallVolume,
    grey_limits,
    slab_planes,
    small_volume,
)
from copick_picker.settings.segment import CONTRAST_LEAST_SKEWNESS, CONTRAST_SMOOTHING_VOXELS
from copick_picker.settings.view import LOW_HIGH_PERCENTILES, SLAB_LEAST_PLANES, ViewSettings
from copick_picker.workflows.show.picks import marks_of_run

_MOST_SLICES_FOR_LIMITS = 9


def view(settings: ViewSettings, *, reporter: Reporter) -> Summary:
    """Write a picture or a page of each run and return what became of it.

    Parameters
    ----------
    settings : ViewSettings
        What to show.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong.
    """
    store = open_job(settings)
    specs = {spec.name: spec for spec in store.objects()}
    for option in ("objects", "radius", "min_score"):
        check_object_names(getattr(settings, option), specs, "--" + option.replace("_", "-"))
    _check_uris(settings)
    run_names = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    if settings.neuroglancer:
        from copick_picker.workflows.show.neuroglancer import view_in_neuroglancer

        return view_in_neuroglancer(settings, store, specs, run_names, reporter=reporter)
    if len(run_names) > 1 and "{run}" not in settings.output:
        msg = f"--output '{settings.output}' is one file for {len(run_names)} runs; put {{run}} in"
        raise SettingsError(msg)
    viewing = _Viewing(settings, store, specs, reporter)
    summary = process_runs("view", run_names, viewing.run, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def looks_of(settings: ViewSettings, small: SmallVolume) -> str:
    """Return how protein looks in a tomogram: as the user says, else as it looks.

    Parameters
    ----------
    settings : ViewSettings
        What the user says.
    small : SmallVolume
        The tomogram.
    """
    if settings.contrast != "auto":
        return settings.contrast
    facts = inspect_volume(small.values, smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
    looks = facts.looks(CONTRAST_LEAST_SKEWNESS)
    return "dark" if looks == "unclear" else looks


def pick_range_angstrom(marks: Sequence[Marks], small: SmallVolume) -> tuple[float, float]:
    """Return the layer along z that holds the picks; without picks the middle half.

    Parameters
    ----------
    marks : sequence of Marks
        Picks.
    small : SmallVolume
        The tomogram.
    """
    reach = [entry.points_xyz[:, 2] + side for entry in marks for side in _both(entry)]
    heights = np.concatenate([np.zeros(0), *reach])
    size = small.size_angstrom(0)
    if len(heights) == 0:
        return 0.25 * size, 0.75 * size
    return float(heights.min()), float(heights.max())


def _both(marks: Marks) -> tuple[float, float]:
    return -marks.radius_angstrom, marks.radius_angstrom


def _check_uris(settings: ViewSettings) -> None:
    check_uri(settings.tomogram, "tomogram")
    for uri in (settings.reference, settings.candidate):
        if uri is not None:
            check_uri(uri, "picks")
    if settings.segmentation is not None:
        check_uri(settings.segmentation, "segmentation")


@dataclass(frozen=True)
class _Viewing:
    """What shows one run after another."""

    settings: ViewSettings
    store: ProjectStore
    specs: Mapping[str, ObjectSpec]
    reporter: Reporter

    def run(self, run_name: str) -> RunOutcome:
        """Write the picture or page of one run."""
        settings = self.settings
        target = Path(settings.output.replace("{run}", run_name))
        is_picture = settings.output.lower().endswith(".png")
        kind = own_file(is_own_picture if is_picture else is_own_page)
        output = Output(target, kind, settings.overwrite, advice="another --output")
        may_be_same = output.may_be_same()
        keys = self.store.tomograms(run_name)
        key = the_one(keys, settings.tomogram, "tomogram", run_name=run_name)
        marks, notes = marks_of_run(self.store, run_name, settings, self.specs, key.voxel_spacing)
        counts = counts_by_status(marks)
        words = ", ".join(f"{number} {LOOKS[name].many}" for name, number in counts.items())
        if settings.dry_run:
            return RunOutcome(run_name, "planned", f"{target}: {key}, {words or 'no picks'}")
        for note in notes:
            self.reporter.note(f"run {run_name}: {note}")
        data = self._file(run_name, key, marks, words)
        if may_be_same and output.holds(data):
            return RunOutcome(run_name, "skipped", f"{target} is complete")
        write_bytes(target, data, permit=output.check)
        text = f"{target} ({len(data) / 1e6:.1f} MB): {words or 'no picks'}"
        details = {"output": str(target), "bytes": len(data), "marks": counts}
        return RunOutcome(run_name, "done", text, details)

    def _file(self, run_name: str, key: TomogramKey, marks: Sequence[Marks], words: str) -> bytes:
        settings = self.settings
        volume = self.store.open_tomogram(run_name, key)
        small = small_volume(volume.read, volume.shape, key.voxel_spacing, settings.pixels)
        contrast = looks_of(settings, small)
        limits = _limits(small, marks, settings)
        spot = _spot(small, marks, settings)
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
                limits=limits,
                contrast=contrast,
                title=f"{title}: {words or 'no picks'}",
                footer=footer,
            )
            about = {"Software": f"copick-picker {__version__}", "Description": footer}
            return png_bytes(figure, about)
        slices = {name: small.slices(axis, _planes(small, axis, settings)) for axis, name in VIEWS}
        page = ViewContent(title, lead, footer, small, slices, marks, spot, limits, contrast)
        return signed_page(view_page(page))

    def _footer(self, key: TomogramKey) -> str:
        settings = self.settings
        against = ""
        if settings.reference is not None:
            against = (
                f" against reference {settings.reference}, matcher {settings.matcher}, "
                f"tolerance {settings.tolerance}"
            )
        chosen = f", least scores {json.dumps(settings.min_score)}" if settings.min_score else ""
        return (
            f"copick-picker {__version__}: {key}, picks {settings.candidate}{against}{chosen}; "
            f"project {Path(settings.config).name}"
        )


def _planes(small: SmallVolume, axis: int, settings: ViewSettings) -> int:
    is_page = not settings.output.lower().endswith(".png")
    return slab_planes(
        small,
        axis,
        settings.slab_angstrom,
        least=SLAB_LEAST_PLANES,
        most_slices=settings.slices if is_page else small.values.shape[axis],
    )


def _limits(
    small: SmallVolume, marks: Sequence[Marks], settings: ViewSettings
) -> tuple[float, float]:
    """Return grey limits of a few xy slices through the layer that holds the picks."""
    planes = _planes(small, 0, settings)
    low, high = pick_range_angstrom(marks, small)
    heights = np.linspace(low, high, _MOST_SLICES_FOR_LIMITS)
    slices: list[Slice] = [small.slice_at(0, float(height), planes) for height in heights]
    return grey_limits(slices, LOW_HIGH_PERCENTILES)


def _spot(
    small: SmallVolume, marks: Sequence[Marks], settings: ViewSettings
) -> tuple[float, float, float]:
    """Return the point (x, y, z) in Angstrom through which the slices go."""
    spot: list[float] = []
    for axis in (2, 1, 0):
        size = small.values.shape[axis]
        centres = small.first_angstrom + np.arange(size, dtype=np.float64) * small.voxel_spacing
        if settings.at:
            wanted, last = settings.at[2 - axis], small.low_angstrom + small.size_angstrom(axis)
            if not small.low_angstrom <= wanted <= last:
                msg = f"--at: {'zyx'[axis]} is {wanted:g}; the tomogram ends at {last:.0f} Angstrom"
                raise SettingsError(msg)
            spot.append(wanted)
        else:
            spot.append(best_centre(marks, axis, centres))
    x, y, z = spot
    return x, y, z
